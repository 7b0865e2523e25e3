"""What the driver tells beside the stops: parcels scanned, breakdowns, messages."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from roundsman_agent.screen.actions import ProofRequest, Refused, proofs_of
from roundsman_agent.screen.http import Id, LongText, Text, answer, problem, read
from roundsman_agent.unit import Unit
from roundsman_core import calls
from roundsman_wire.messages import PlanStop, Report, Said, Scan


class ScanRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A parcel's barcode was read, or the parcel was ticked by hand."""

    parcel: Annotated[Text, msgspec.Meta(min_length=1)]
    event: Literal["loaded", "unloaded"] = "loaded"
    by: Literal["scan", "hand"] = "scan"
    place: Text = ""


class ReportRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Something that the planner cannot see."""

    report: Id
    topic: Literal["breakdown", "accident", "road_closed", "delay", "help", "other"]
    text: LongText = ""
    stop: Text | None = None
    proofs: Annotated[list[ProofRequest], msgspec.Meta(max_length=8)] = []


class MessageRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The driver answers the dispatcher, or writes first."""

    message: Id
    text: Annotated[LongText, msgspec.Meta(min_length=1)]
    about: Text | None = None
    stop: Text | None = None


class Says:
    """The routes of scans, reports and messages."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    async def scan(self, request: Request) -> Response:
        """Log a scan; the same parcel with the same event in the same place is one fact."""
        said = await read(request, ScanRequest)
        stop, position = self._stop_of(said.parcel)

        def made() -> Scan | None:
            before = self._unit.board.scans.get(said.parcel)
            if stop is not None and before is not None and (before.event, before.place) == (said.event, said.place):
                return None
            return Scan(
                **self._unit.instant(),
                parcel=said.parcel,
                event="unknown" if stop is None else said.event,
                stop=None if stop is None else stop.stop,
                place=said.place,
                by=said.by,
                driver=self._unit.board.driver,
            )

        await self._unit.log_for_driver(made)
        return answer({"known": stop is not None, "stop": None if stop is None else stop.stop, "position": position})

    async def report(self, request: Request) -> Response:
        """Log a report, once."""
        said = await read(request, ReportRequest)

        def made() -> Report | None:
            if said.report in self._unit.board.said_ids:
                return None
            here = self._unit.here()
            return Report(
                **self._unit.instant(),
                report=said.report,
                topic=said.topic,
                text=said.text,
                stop=said.stop,
                lat_e6=None if here is None else here.lat_e6,
                lon_e6=None if here is None else here.lon_e6,
                proofs=proofs_of(self._unit, said.proofs),
                driver=self._unit.board.driver,
            )

        try:
            await self._unit.log_for_driver(made)
        except Refused as refused:
            return refused.response
        return answer({"report": said.report})

    async def message(self, request: Request) -> Response:
        """Log the driver's words, once; never while the van drives."""
        said = await read(request, MessageRequest)
        if said.message not in self._unit.board.said_ids and self._unit.rounds.moving():
            return problem(409, "The van is moving", "Park first: nobody writes at the wheel.")

        def made() -> Said | None:
            if said.message in self._unit.board.said_ids:
                return None
            return Said(
                **self._unit.instant(),
                message=said.message,
                text=said.text,
                about=said.about,
                stop=said.stop,
                driver=self._unit.board.driver,
            )

        await self._unit.log_for_driver(made)
        return answer({"message": said.message})

    def _stop_of(self, parcel: str) -> tuple[PlanStop | None, int | None]:
        """The stop of the plan that a parcel belongs to, and its number in driving order."""
        left = [stop for stop in self._unit.remaining() if not calls.is_call(stop)]
        done = len(self._unit.board.done_this_shift())
        for position, stop in enumerate(left, start=done + 1):
            if any(item.parcel == parcel for item in stop.items):
                return stop, position
        every = self._unit.plan.stops if self._unit.plan else ()
        return next((stop for stop in every if any(item.parcel == parcel for item in stop.items)), None), None
