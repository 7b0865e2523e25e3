"""What the driver has said and done: shift, stops, taps and undos. A pure fold over the van's own facts, so that a start after a
power cut sees what was seen before. Facts beat plans: a stop that is done stays done, whatever a plan says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, Literal

from roundsman_core import calls, reorder
from roundsman_wire.messages import (
    RELOAD,
    Action,
    AnyEntry,
    DepotCall,
    Duty,
    Plan,
    PlanStop,
    Receipt,
    Reordered,
    Report,
    Risk,
    Said,
    Scan,
    SessionStarted,
    Visit,
)

DutyState = Literal["on", "break", "off"]
Phase = Literal["driving", "arrived", "done"]
VERSIONS_KEPT_MS: Final = 86_400_000
"""A plan's version is about the instant it was made: of those a day older nobody asks any more."""
DONE: Final = frozenset({"delivered", "partial", "refused", "damaged", "failed"})
HANDED_OVER: Final = frozenset({"delivered", "partial"})
FOLDED: Final = ("session", "action", "depot_call", "duty", "visit", "scan", "report", "reordered", "risk", "said", "receipt")
"""Kinds of facts that the board is folded from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Where the driver's day stands.

    actions : every tap by its id, undone or not, oldest first.
    undone : ids of taps that were taken back, on stops and on calls.
    calls : calls at depots and chargers that were ended, by id, oldest first, each with the number of taps before it.
    visiting, visiting_since_utc_ms : the planned stop at which the van stands by its own receiver.
    also : planned stops behind the same door.
    shift_since_utc_ms : start of the shift; None off shift.
    order : the newest order that the driver (or the unit, keeping it) gave a plan's stops.
    scans : the last scan of each parcel.
    said_ids, answered : ids of reports and messages that were written; of messages from the hub that were answered.
    risks : seconds of expected lateness by stop, as they were last told; only those that are late.
    answers : plan version to what the driver said of it.
    in_force_utc_ms : plan version to when it came into force.
    """

    duty: DutyState = "off"
    driver: str | None = None
    shift_since_utc_ms: int | None = None
    actions: Mapping[str, Action] = field(default_factory=lambda: MappingProxyType({}))
    undone: frozenset[str] = frozenset()
    by_stop: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    calls: Mapping[str, tuple[DepotCall, int]] = field(default_factory=lambda: MappingProxyType({}))
    visiting: str | None = None
    visiting_since_utc_ms: int | None = None
    also: frozenset[str] = frozenset()
    order: Reordered | None = None
    scans: Mapping[str, Scan] = field(default_factory=lambda: MappingProxyType({}))
    said_ids: frozenset[str] = frozenset()
    answered: frozenset[str] = frozenset()
    risks: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    answers: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    in_force_utc_ms: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))

    def said(self, stop: str) -> Action | None:
        """The tap that holds for a stop: the newest that was not undone."""
        for action in reversed(self.by_stop.get(stop, ())):
            if action not in self.undone:
                return self.actions[action]
        return None

    def phase(self, stop: str) -> Phase:
        """How far a stop is."""
        said = self.said(stop)
        if said is not None and said.outcome in DONE:
            return "done"
        return "arrived" if said is not None or self.visiting == stop or stop in self.also else "driving"

    def arrived_utc_ms(self, stop: str) -> int | None:
        """When the van arrived at a stop where it still is: by its receiver, else by the driver's tap."""
        if self.phase(stop) != "arrived":
            return None
        if self.visiting == stop or stop in self.also:
            return self.visiting_since_utc_ms
        said = self.said(stop)
        return None if said is None else said.utc_ms

    def driven(self, plan: Plan) -> tuple[PlanStop, ...]:
        """A plan's stops in the order that is driven: the driver's own, if they gave it one."""
        if self.order is None or self.order.plan_version != plan.version:
            return plan.stops
        return reorder.applied(plan.stops, self.order.stops)

    def left_of(self, plan: Plan) -> list[PlanStop]:
        """What remains of a plan in the order that is driven."""
        return self.remaining(self.driven(plan))

    def remaining(self, stops: Iterable[PlanStop]) -> list[PlanStop]:
        """Stops (in driving order) without those that are done, with the calls at depots and chargers that are still to be made; one at
        which the van stands comes first."""
        every = list(stops)
        done = {stop.stop for stop in every if not calls.is_call(stop) and self.phase(stop.stop) == "done"}
        to_make = self._to_make(every, done) if any(stop.kind == "depot" for stop in every) else frozenset()
        left = [stop for stop in every if (stop.stop in to_make if stop.kind == "depot" else stop.stop not in done)]
        return sorted(left, key=lambda stop: self.phase(stop.stop) != "arrived")

    def _to_make(self, stops: list[PlanStop], done: set[str]) -> frozenset[str]:
        made = [call for call in self.calls.values() if call[0].call not in self.undone]
        newest_done = max(
            (at for at, tap in enumerate(self.actions.values()) if tap.outcome in DONE and tap.action not in self.undone), default=-1
        )
        return calls.still_to_make(
            stops,
            done=done,
            handed_over={stop for stop in done if (said := self.said(stop)) is not None and said.outcome in HANDED_OVER},
            loaded=frozenset(task for call, _ in made for task in call.tasks),
            just_made={call.stop for call, taps_before in made if taps_before > newest_done},
        )

    def left_behind(self, plan: Plan, stop: PlanStop) -> bool:
        """Whether the van knows that a delivery's goods are not on board: the call that loads them is still to be made, or the newest
        scans took all of them out, and not at their own door. Who scans nothing may have loaded everything: what was never scanned says
        nothing."""
        if any(self.loaded(item.parcel) for item in stop.items):
            return False
        if stop.items and all(item.parcel in self.scans for item in stop.items) and self.phase(stop.stop) != "arrived":
            return True
        made = (call for call, _ in self.calls.values() if call.call not in self.undone)
        if set(stop.tasks) <= {task for call in made for task in call.tasks}:
            return False
        stops = self.driven(plan)
        to_make = {one.stop for one in self.remaining(stops)}
        loads = (at for at, one in enumerate(stops) if one.stop in to_make and calls.is_call(one) and one.stop.startswith(RELOAD))
        return any(stop in calls.load_at(stops, at) for at in loads)

    def in_progress(self, stops: Iterable[PlanStop]) -> frozenset[str]:
        """Stops of a plan that the driver is at: no plan may take them away."""
        return frozenset(stop.stop for stop in self.remaining(stops) if self.phase(stop.stop) == "arrived")

    def done_this_shift(self) -> frozenset[str]:
        """Stops completed since the shift began."""
        since = self.shift_since_utc_ms
        found = (self.said(stop) for stop in self.by_stop)
        return frozenset(
            said.stop for said in found if said is not None and said.outcome in DONE and (since is None or (said.utc_ms or 0) >= since)
        )

    def loaded(self, parcel: str) -> bool:
        """Whether a parcel is in the van, by its last scan."""
        scan = self.scans.get(parcel)
        return scan is not None and scan.event == "loaded"

    def last_action(self) -> Action | DepotCall | None:
        """The newest tap that was not undone, on a stop or on a call."""
        taps = tuple(self.actions.values())
        at, tap = next(((at, taps[at]) for at in reversed(range(len(taps))) if taps[at].action not in self.undone), (-1, None))
        call, before = next(((call, n) for call, n in reversed(tuple(self.calls.values())) if call.call not in self.undone), (None, -1))
        return call if before > at else tap


def step(board: Board, entry: AnyEntry) -> Board:
    """Advance by one fact; facts of other kinds change nothing."""
    match entry:
        case Action(outcome="undo"):
            return board if entry.undoes is None else replace(board, undone=board.undone | {entry.undoes})
        case Action():
            if entry.action in board.actions:
                return board
            taps = (*board.by_stop.get(entry.stop, ()), entry.action)
            return replace(
                board,
                actions=MappingProxyType({**board.actions, entry.action: entry}),
                by_stop=MappingProxyType({**board.by_stop, entry.stop: taps}),
            )
        case DepotCall(event="undo"):
            return board if entry.undoes is None else replace(board, undone=board.undone | {entry.undoes})
        case DepotCall():
            made = board.calls if entry.call in board.calls else {**board.calls, entry.call: (entry, len(board.actions))}
            return replace(board, calls=MappingProxyType(dict(made)))
        case Duty(duty="off"):
            return replace(
                board, duty="off", driver=None, shift_since_utc_ms=None, visiting=None, visiting_since_utc_ms=None, also=frozenset()
            )
        case Duty():
            since = entry.utc_ms if board.duty == "off" else board.shift_since_utc_ms
            return replace(board, duty=entry.duty, driver=entry.driver or board.driver, shift_since_utc_ms=since)
        case Visit(phase="arrived"):
            return replace(board, visiting=entry.stop, visiting_since_utc_ms=entry.utc_ms, also=frozenset())
        case Visit(phase="serving", stop=str(stop)) if stop != board.visiting:
            return replace(board, also=board.also | {stop})
        case Visit(phase="approaching" | "serving"):
            return board
        case Scan():
            return board if entry.event == "unknown" else replace(board, scans=MappingProxyType({**board.scans, entry.parcel: entry}))
        case Report():
            return replace(board, said_ids=board.said_ids | {entry.report})
        case Said():
            answered = board.answered if entry.about is None else board.answered | {entry.about}
            return replace(board, said_ids=board.said_ids | {entry.message}, answered=answered)
        case Reordered():
            return replace(board, order=entry)
        case Risk():
            others = {stop: late_s for stop, late_s in board.risks.items() if stop != entry.stop}
            return replace(board, risks=MappingProxyType(others | ({entry.stop: entry.late_s} if entry.late_s > 0 else {})))
        case Receipt(state="accepted" | "declined"):
            return replace(board, answers=MappingProxyType({**board.answers, entry.plan_version: entry.state}))
        case Receipt(state="in_force") if entry.utc_ms is not None and entry.plan_version not in board.in_force_utc_ms:
            newest = {version: at for version, at in board.in_force_utc_ms.items() if version > entry.plan_version - VERSIONS_KEPT_MS}
            return replace(board, in_force_utc_ms=MappingProxyType(newest | {entry.plan_version: entry.utc_ms}))
        case Visit() | SessionStarted():
            # A new session's receiver begins afresh: it tells the visit again if the van still stands there.
            return replace(board, visiting=None, visiting_since_utc_ms=None, also=frozenset())
        case _:
            return board


def fold(entries: Iterable[AnyEntry], board: Board | None = None) -> Board:
    """The board after many facts."""
    board = board or Board()
    for entry in entries:
        board = step(board, entry)
    return board
