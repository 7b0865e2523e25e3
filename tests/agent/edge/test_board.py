"""The driver's board: a fold over facts, so that any start sees what was seen before."""

from __future__ import annotations

from hypothesis import given, strategies as st

from roundsman_agent import board
from roundsman_agent.board import Board
from roundsman_wire.messages import Action, AnyEntry, DepotCall, Duty, PlanStop, SessionStarted, Visit

STOPS = ("o_1", "o_2", "o_3")


def tap(number: int, stop: str, outcome: str, undoes: str | None = None) -> Action:
    return Action(mono_ms=number, utc_ms=number * 1000, action=f"a{number}", stop=stop, tasks=(stop,), outcome=outcome, undoes=undoes)  # type: ignore[arg-type]  # drawn from the outcomes


def visit(number: int, stop: str | None, phase: str) -> Visit:
    return Visit(mono_ms=number, utc_ms=number * 1000, visit=1, phase=phase, stop=stop, lat_e6=0, lon_e6=0)  # type: ignore[arg-type]  # drawn from the phases


def planned(stop: str) -> PlanStop:
    return PlanStop(
        stop=stop, tasks=(stop,), kind="delivery", lat_e6=0, lon_e6=0, fence_radius_m=30, leg_s=1, leg_m=1, service_s=1, arrival_utc_ms=0
    )


@st.composite
def days(draw: st.DrawFn) -> list[AnyEntry]:
    """Anything that a driver and a receiver can say, in any order."""
    out: list[AnyEntry] = []
    for number in range(draw(st.integers(0, 25))):
        stop = draw(st.sampled_from(STOPS))
        match draw(st.sampled_from(["tap", "undo", "visit", "duty", "start"])):
            case "tap":
                out.append(tap(number, stop, draw(st.sampled_from(["arrived", "delivered", "failed"]))))
            case "undo":
                earlier = [e.action for e in out if isinstance(e, Action) and e.outcome != "undo"]
                if earlier:
                    out.append(tap(number, stop, "undo", draw(st.sampled_from(earlier))))
            case "visit":
                out.append(visit(number, draw(st.sampled_from([stop, None])), draw(st.sampled_from(["arrived", "left"]))))
            case "duty":
                out.append(Duty(mono_ms=number, utc_ms=number * 1000, duty=draw(st.sampled_from(["on", "break", "off"])), driver="d_1"))
            case _:
                out.append(SessionStarted(mono_ms=0, session="0" * 16, previous=None, agent_version="1", row_format=1))
    return out


@given(days())
def test_plan_never_holds_what_is_done(day: list[AnyEntry]) -> None:
    """Invariant 5: after every step, and whatever the plan says."""
    seen = Board()
    stops = [planned(stop) for stop in STOPS]
    for entry in day:
        seen = board.step(seen, entry)
        left = seen.remaining(stops)
        assert {stop for stop in STOPS if seen.phase(stop) == "done"}.isdisjoint(stop.stop for stop in left)
        assert seen.in_progress(stops) <= {stop.stop for stop in left}
        last = seen.last_action()
        assert last is None or (last.call if isinstance(last, DepotCall) else last.action) not in seen.undone
    assert board.fold(day) == seen


def test_undo_gives_back_what_was_before() -> None:
    before = board.fold([tap(1, "o_1", "arrived")])
    done = board.fold([tap(2, "o_1", "delivered")], before)
    undone = board.fold([tap(3, "o_1", "undo", "a2")], done)
    assert (before.phase("o_1"), done.phase("o_1"), undone.phase("o_1")) == ("arrived", "done", "arrived")


def test_stop_that_the_van_stands_at_comes_first() -> None:
    """The driver went to the second stop before the first: the screen follows the van, not the van the screen."""
    seen = board.fold([visit(1, "o_2", "arrived")])
    assert [stop.stop for stop in seen.remaining([planned(stop) for stop in STOPS])] == ["o_2", "o_1", "o_3"]
    assert seen.arrived_utc_ms("o_2") == 1000
    assert [stop.stop for stop in board.step(seen, visit(2, "o_2", "left")).remaining([planned("o_1"), planned("o_2")])] == ["o_1", "o_2"]
