"""Calls at depots and chargers: both sides know which are still to be made, whatever plan they look at."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from roundsman_core import calls, reorder
from roundsman_core.reorder import Situation
from roundsman_core.timeline import expected
from roundsman_wire.messages import BasedOn, Plan, PlanStop, Reorder

NINE = 1_772_442_000_000


def stop(name: str, **more: object) -> PlanStop:
    kind = "depot" if name[0] in "@+" else "pickup" if name[0] == "p" else "delivery"
    fields = {"tasks": () if kind == "depot" else (name,), "kind": kind, "lat_e6": 50_000_000, "lon_e6": 10_000_000, "fence_radius_m": 40}
    return PlanStop(stop=name, leg_s=300, leg_m=3_000, service_s=60, arrival_utc_ms=NINE, **(fields | more))  # type: ignore[arg-type]  # drawn by name


def plan(names: str, version: int = 1) -> Plan:
    made = Plan(
        plan="p", vehicle="v", version=version, issued_utc_ms=NINE, based_on=BasedOn(session=None, facts_seq=0),
        stops=tuple(stop(name) for name in names.split()), reorder=Reorder(max_moved=3, max_extra_s=36_000),
    )  # fmt: skip
    return calls.distinct(made)


def left(names: str, *, done: str = "", failed: str = "", loaded: str = "", just: str = "") -> list[str]:
    stops = plan(names).stops
    found = calls.still_to_make(
        stops,
        done={*done.split(), *failed.split()},
        handed_over=set(done.split()),
        loaded=frozenset(loaded.split()),
        just_made=set(just.split()),
    )
    return [one.stop for one in stops if one.stop in found]


@pytest.mark.parametrize(
    ("case", "wanted"),
    [
        (left("a @d b c"), ["@d"]),
        (left("a @d b c", done="a"), ["@d"]),
        (left("a @d b c", done="a", loaded="b c"), []),
        (left("a @d b c n", done="a", loaded="b c"), ["@d"]),  # its load has grown since: back again
        (left("a @d b c", done="a b"), []),  # b was handed over: it was on board, whatever was said
        (left("a @d b c", done="a", failed="b"), ["@d"]),
        (left("a @d b", done="a", failed="b"), []),  # nothing is left to be fetched
        (left("a @d b @d c", loaded="b"), ["@d~2"]),
        (left("a +x b"), ["+x"]),
        (left("a +x b", just="+x"), ["+x"]),  # charged early: the planned one is behind a
        (left("a +x b", done="a", just="+x"), []),
        (left("a +x b", done="a b"), []),
        (left("+x a b +x c", just="+x"), ["+x~2"]),
        (left("a @d p", done="a"), ["@d"]),  # to empty the van
        (left("a @d p", done="a", just="@d"), []),
    ],
)
def test_which_calls_are_still_to_be_made(case: list[str], wanted: list[str]) -> None:
    assert case == wanted


@given(st.lists(st.sampled_from(["a", "b", "c", "@d", "@e", "+x"]), max_size=8), st.data())
def test_what_is_loaded_is_not_asked_for_again(names: list[str], data: st.DataObject) -> None:
    """Whatever plan comes: a load that is on board is over; one that lacks something is not, unless a part of it was handed over."""
    customers = iter("abcdefgh")
    stops = plan(" ".join(name if name[0] in "@+" else next(customers) for name in names)).stops if names else ()
    everyone = [one.stop for one in stops if one.kind == "delivery"]
    done = set(data.draw(st.lists(st.sampled_from(everyone), max_size=4))) if everyone else set()
    loaded = frozenset(data.draw(st.lists(st.sampled_from(everyone), max_size=4))) if everyone else frozenset()
    found = calls.still_to_make(stops, done=done, handed_over=done, loaded=loaded, just_made=set())
    assert len({one.stop for one in stops}) == len(stops), "each call has a name of its own"
    for at, one in enumerate(stops):
        if one.stop.startswith("@") and (load := {other.stop for other in calls.load_at(stops, at)}):
            assert (one.stop in found) == (not load & done and not load <= loaded)


def test_arrival_times_go_by_way_of_the_depot() -> None:
    """Each leg is 300 s, each service 60: the reload counts its way and its time."""
    whole = plan("a @d b")
    times = expected(whole, whole.stops, now_utc_ms=NINE, place=None)
    assert [(time.eta_utc_ms - NINE) // 1000 for time in times] == [300, 660, 1020]
    without = expected(whole, [whole.stops[0], whole.stops[2]], now_utc_ms=NINE, place=None)
    assert without[1].eta_utc_ms < times[2].eta_utc_ms


def test_no_order_of_the_drivers_own_takes_goods_from_a_load_that_is_not_fetched() -> None:
    whole = plan("a b @d c e")
    situation = Situation(plan=whole, left=frozenset(one.stop for one in whole.stops), now_utc_ms=NINE)
    assert reorder.refused(situation, ("b", "a", "e", "c")) == ""
    assert "behind a call" in reorder.refused(situation, ("a", "c", "b", "e"))
    assert [one.stop for one in reorder.applied(whole.stops, ("b", "a", "e", "c"))] == ["b", "a", "@d", "e", "c"]
    assert [one.stop for one in reorder.applied(whole.stops, ("e", "c"))] == ["a", "b", "@d", "e", "c"], "what is done stands in front"
