"""Calls at depots and chargers on the way: what the driver says of them, and what a standing there says without the driver."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from msgspec import structs

from roundsman_core import calls
from roundsman_wire.messages import CHARGE, RELOAD, DepotCall, Plan, PlanStop, Visit

if TYPE_CHECKING:
    from roundsman_agent.unit import Unit

EVENTS: Final[Mapping[str, Literal["loaded", "charged"]]] = MappingProxyType({RELOAD: "loaded", CHARGE: "charged"})
STOOD_LEAST_S: Final = 60
"""A gate, or a look whether the goods are ready, takes less."""
STOOD_SHARE: Final = 3
"""Who stood there for a third of the planned time has been served: a queue that was given up is shorter, a quick hand not quicker."""


class DepotCalls:
    """The calls of one unit's plan."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._found: dict[int, frozenset[str]] = {}
        """Of the visit that lasts: the goods that were to be loaded there when it began."""

    def made(self, plan: Plan, call: PlanStop, call_id: str) -> DepotCall:
        """The fact that a call of this plan is over: everything that it is for is loaded, or the van is charged."""
        unit, here = self._unit, self._unit.here()
        return DepotCall(
            **unit.instant(),
            call=call_id,
            stop=calls.place_of(call.stop),
            event=EVENTS[call.stop[0]],
            plan_version=plan.version,
            tasks=self._load(plan, call),
            since_utc_ms=self.since_utc_ms(call),
            driver=unit.board.driver,
            lat_e6=None if here is None else here.lat_e6,
            lon_e6=None if here is None else here.lon_e6,
        )

    def since_utc_ms(self, stop: PlanStop) -> int | None:
        """When the van came to stand at a stop where it is; at a call too, where a newer plan gave the same place another number."""
        board = self._unit.board
        if calls.is_call(stop) and board.visiting is not None and calls.place_of(board.visiting) == calls.place_of(stop.stop):
            return board.visiting_since_utc_ms
        return board.arrived_utc_ms(stop.stop)

    def seen(self, visit: Visit) -> DepotCall | None:
        """What a visit's phase says of a call, before it is on the board: the driver who leaves a depot without a word has loaded.

        Only what the plan had for that load when the van came, and still has when it goes: goods that a plan added meanwhile may lie there
        yet. The driver can take it back like their own tap.
        """
        unit, plan, call = self._unit, self._unit.plan, self._at(visit)
        if plan is None or call is None or unit.board.duty == "off":
            return None
        if visit.phase == "arrived":
            self._found = {visit.visit: frozenset(self._load(plan, call))}
        if visit.phase != "left" or visit.dwell_s < max(STOOD_LEAST_S, call.service_s // STOOD_SHARE):
            return None
        told = self.made(plan, call, f"stood-{unit.outbox.session}-{visit.visit}")
        found = self._found.get(visit.visit, frozenset(told.tasks))
        kept = tuple(task for task in told.tasks if task in found)
        if told.tasks and not kept:
            return None
        return structs.replace(told, tasks=kept)

    def _at(self, visit: Visit) -> PlanStop | None:
        name = visit.stop
        if name is None or not name.startswith((RELOAD, CHARGE)):
            return None
        left = [stop for stop in self._unit.remaining() if calls.is_call(stop) and calls.place_of(stop.stop) == calls.place_of(name)]
        return next((stop for stop in left if stop.stop == name), left[0] if left else None)

    def _load(self, plan: Plan, call: PlanStop) -> tuple[str, ...]:
        if not call.stop.startswith(RELOAD):
            return ()
        board = self._unit.board
        stops = board.driven(plan)
        load = calls.load_at(stops, next(at for at, stop in enumerate(stops) if stop.stop == call.stop))
        return tuple(task for stop in load if board.phase(stop.stop) != "done" for task in stop.tasks)
