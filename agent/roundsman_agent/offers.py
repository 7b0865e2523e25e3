"""When a newer plan takes effect in the van. Pure.

A plan that leaves the next stop as it is changes nothing for a driver at the wheel: it is in force at once. One that sends them
somewhere else waits until the van stands; and so does one that they may decline, for their answer. Neither waits for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from roundsman_agent.board import Board
from roundsman_wire.messages import Plan

WAITS_AT_MOST_S: Final = 120
"""Business seconds. A van that drives on for two minutes towards a stop that is no longer the next costs two minutes; a driver who
reads at the wheel can cost a life; a plan that never comes into force holds up the whole fleet."""

Verdict = Literal["locked", "declined", "wait", "ask", "in_force"]
"""What to do with a held plan. `locked`: it would take the stop in progress away. `wait`: for the van to stand. `ask`: it stands, and
the driver may decline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a held plan would change for the driver. `takes`: stops that would leave the round."""

    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def takes(self) -> frozenset[str]:
        return frozenset(self.before) - frozenset(self.after)

    @property
    def next_changes(self) -> bool:
        return bool(self.before) and self.before[:1] != self.after[:1]


def change(board: Board, plan: Plan | None, held: Plan) -> Change:
    """A held plan beside the one in force, without what is done."""
    before = () if plan is None else tuple(stop.stop for stop in board.left_of(plan))
    return Change(before=before, after=tuple(stop.stop for stop in board.left_of(held)))


def may_decline(board: Board, plan: Plan | None, held: Plan) -> bool:
    """Whether the driver is asked at all: the hub allows it, and nothing is taken out of the round."""
    return held.may_decline and plan is not None and not change(board, plan, held).takes


def verdict(board: Board, plan: Plan | None, held: Plan, *, moving: bool, waited_s: float) -> Verdict:
    """What to do with a held plan now.

    Parameters
    ----------
    plan : Plan or None
        In force.
    moving : bool
        The van drives, as far as anybody can tell.
    waited_s : float
        Business seconds since the plan is here.
    """
    if plan is not None and not board.in_progress(plan.stops) <= {stop.stop for stop in held.stops}:
        return "locked"
    if board.answers.get(held.version) == "declined" and may_decline(board, plan, held):
        return "declined"
    if plan is None or board.duty == "off" or board.answers.get(held.version) == "accepted" or waited_s >= WAITS_AT_MOST_S:
        return "in_force"
    changed = change(board, plan, held)
    if may_decline(board, plan, held) and changed.before != changed.after:
        return "wait" if moving else "ask"
    if not changed.next_changes or changed.before[0] in changed.takes or not moving:
        return "in_force"
    return "wait"
