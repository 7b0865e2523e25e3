"""The driver's word on the plan: seen, accepted, declined, driven in another order.

A newer plan may come into force while the page speaks of the one before. What it says by itself is then answered with `in_force` false,
which is no error: the next state brings the newer plan. Only a driver's own tap that cannot be taken is refused, so that they are told.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from roundsman_agent.screen.http import Text, answer, problem, read
from roundsman_agent.unit import Unit


class ShownRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The page has painted this plan."""

    version: int
    hash: str


class OfferRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The driver's answer to a changed plan."""

    answer: Literal["accept", "decline"]
    reason: Text | None = None


class NoticeRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The driver has read what changed."""


class ReorderRequest(msgspec.Struct, forbid_unknown_fields=True):
    """All remaining stops, in the order that the driver wants."""

    stops: Annotated[list[Text], msgspec.Meta(max_length=500)]


class Steering:
    """The routes of the plan."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    async def shown(self, request: Request) -> Response:
        """The page has painted this plan."""
        said = await read(request, ShownRequest)
        return answer({"in_force": await self._unit.shown(said.version, said.hash)})

    async def offer(self, request: Request) -> Response:
        """The driver accepts or declines a plan that waits."""
        said = await read(request, OfferRequest)
        state: Literal["accepted", "declined"] = "accepted" if said.answer == "accept" else "declined"
        why = await self._unit.answer_offer(_version(request), state, said.reason)
        if why:
            return problem(409, "Not an offer that waits for this", f"Read /api/screen: {why}.")
        return answer({"version": _version(request), "answer": said.answer})

    async def notice(self, request: Request) -> Response:
        """The driver has seen what a plan changed."""
        await read(request, NoticeRequest)
        return answer({"in_force": self._unit.seen(_version(request))})

    async def reorder(self, request: Request) -> Response:
        """The driver drives the remaining stops in another order."""
        said = await read(request, ReorderRequest)
        why = await self._unit.reorder(said.stops)
        if why:
            return problem(422, "Outside what may be changed in the van", why)
        return answer({"stops": self._unit.rounds.order()})


def _version(request: Request) -> int:
    return int(request.path_params["version"])
