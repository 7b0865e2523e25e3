"""When a newer plan takes effect, and when a warning is told: both pure."""

from __future__ import annotations

from typing import Any

import pytest

from roundsman_agent import board, offers, risks
from roundsman_agent.board import Board
from roundsman_core.timeline import Arrival
from roundsman_wire.messages import Action, Duty

ON = board.step(Board(), Duty(mono_ms=0, utc_ms=0, duty="on", driver=None))


@pytest.mark.parametrize(
    ("before", "after", "moving", "waited_s", "verdict"),
    [
        ("abc", "abdc", True, 0, "in_force"),  # the next stop stays
        ("abc", "bac", True, 0, "wait"),  # another next stop
        ("abc", "bac", True, 119, "wait"),
        ("abc", "bac", True, 120, "in_force"),  # nothing waits for ever
        ("abc", "bac", False, 0, "in_force"),  # the van stands
        ("abc", "bc", True, 0, "in_force"),  # the next stop was cancelled
        ("abc", "", True, 0, "in_force"),  # the round has ended
        ("", "abc", True, 0, "in_force"),  # the first plan
    ],
)
def test_a_plan_waits_only_while_it_would_turn_a_driver_around(
    hub: Any, before: str, after: str, moving: bool, waited_s: float, verdict: str
) -> None:
    plan, held = (hub.plan(1, *before) if before else None), hub.plan(2, *after)
    assert offers.verdict(ON, plan, held, moving=moving, waited_s=waited_s) == verdict


def test_a_stop_in_progress_locks_whatever_the_wait(hub: Any) -> None:
    """Invariant 7."""
    standing = board.step(ON, Action(mono_ms=1, utc_ms=1, action="a1", stop="a", tasks=("a",), outcome="arrived"))
    assert offers.verdict(standing, hub.plan(1, *"abc"), hub.plan(2, *"bc"), moving=False, waited_s=999) == "locked"


def test_the_driver_is_asked_while_standing_and_not_for_ever(hub: Any) -> None:
    plan, better = hub.plan(1, *"abc"), hub.plan(2, *"acb", may_decline=True)
    said = [offers.verdict(ON, plan, better, moving=moving, waited_s=waited) for moving, waited in ((True, 0), (False, 0), (False, 120))]
    assert said == ["wait", "ask", "in_force"]
    assert offers.verdict(ON, plan, hub.plan(2, *"ca", may_decline=True), moving=False, waited_s=0) == "in_force", "b was taken out"


def test_a_warning_does_not_flap(hub: Any) -> None:
    stop = hub.stop("a", promise_end_utc_ms=1_000_000)

    def told(before_s: int, late_s: int) -> list[int]:
        at = 1_000_000 + 1000 * late_s
        time = Arrival(eta_utc_ms=at, start_utc_ms=at, departure_utc_ms=at, late_s=0)
        return [warned.late_s for warned in risks.step({"a": before_s} if before_s else {}, [stop], [time])]

    assert [told(0, late) for late in (-100, 0, 119)] == [[], [], []]
    assert told(0, 120) == [120]
    assert [told(120, late) for late in (60, 0, -59, 419)] == [[], [], [], []]
    assert told(120, 420) == [420]
    assert told(120, -60) == [0]
