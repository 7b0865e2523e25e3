"""What the driver has said and done: shift, stops, taps and undos. A pure fold over the van's own facts, so that a start after a
power cut sees what was seen before. Facts beat plans: a stop that is done stays done, whatever a plan says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, Literal

from roundsman_wire.messages import Action, AnyEntry, Duty, PlanStop, SessionStarted, Visit

DutyState = Literal["on", "break", "off"]
Phase = Literal["driving", "arrived", "done"]
DONE: Final = frozenset({"delivered", "partial", "refused", "damaged", "failed"})
FOLDED: Final = ("session", "action", "duty", "visit")
"""Kinds of facts that the board is folded from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Where the driver's day stands.

    actions : every tap by its id, undone or not, oldest first.
    undone : ids of taps that were taken back.
    visiting, visiting_since_utc_ms : the planned stop at which the van stands by its own receiver.
    shift_since_utc_ms : start of the shift; None off shift.
    """

    duty: DutyState = "off"
    driver: str | None = None
    shift_since_utc_ms: int | None = None
    actions: Mapping[str, Action] = field(default_factory=lambda: MappingProxyType({}))
    undone: frozenset[str] = frozenset()
    by_stop: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    visiting: str | None = None
    visiting_since_utc_ms: int | None = None

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
        return "arrived" if said is not None or self.visiting == stop else "driving"

    def arrived_utc_ms(self, stop: str) -> int | None:
        """When the van arrived at a stop where it still is: by its receiver, else by the driver's tap."""
        if self.phase(stop) != "arrived":
            return None
        if self.visiting == stop:
            return self.visiting_since_utc_ms
        said = self.said(stop)
        return None if said is None else said.utc_ms

    def remaining(self, stops: Iterable[PlanStop]) -> list[PlanStop]:
        """A plan's stops without those that are done, and without the depot; one at which the van stands comes first."""
        left = [stop for stop in stops if stop.kind != "depot" and self.phase(stop.stop) != "done"]
        return sorted(left, key=lambda stop: self.phase(stop.stop) != "arrived")

    def in_progress(self, stops: Iterable[PlanStop]) -> frozenset[str]:
        """Stops of a plan that the driver is at: no plan may take them away."""
        return frozenset(stop.stop for stop in stops if self.phase(stop.stop) == "arrived")

    def done_this_shift(self) -> frozenset[str]:
        """Stops completed since the shift began."""
        since = self.shift_since_utc_ms
        found = (self.said(stop) for stop in self.by_stop)
        return frozenset(
            said.stop for said in found if said is not None and said.outcome in DONE and (since is None or (said.utc_ms or 0) >= since)
        )

    def last_action(self) -> Action | None:
        """The newest tap that was not undone."""
        return next((action for action in reversed(tuple(self.actions.values())) if action.action not in self.undone), None)


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
        case Duty(duty="off"):
            return replace(board, duty="off", driver=None, shift_since_utc_ms=None, visiting=None, visiting_since_utc_ms=None)
        case Duty():
            since = entry.utc_ms if board.duty == "off" else board.shift_since_utc_ms
            return replace(board, duty=entry.duty, driver=entry.driver or board.driver, shift_since_utc_ms=since)
        case Visit(phase="arrived"):
            return replace(board, visiting=entry.stop, visiting_since_utc_ms=entry.utc_ms)
        case Visit(phase="approaching" | "serving"):
            return board
        case Visit() | SessionStarted():
            # A new session's receiver begins afresh: it tells the visit again if the van still stands there.
            return replace(board, visiting=None, visiting_since_utc_ms=None)
        case _:
            return board


def fold(entries: Iterable[AnyEntry], board: Board | None = None) -> Board:
    """The board after many facts."""
    board = board or Board()
    for entry in entries:
        board = step(board, entry)
    return board
