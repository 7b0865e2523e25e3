"""The driver's own order of stops: inside the signed limits, never at a customer's cost; the same answer on both sides."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from hypothesis import given, strategies as st

from roundsman_core import reorder, timeline
from roundsman_core.geo import LatLon
from roundsman_core.reorder import Situation
from roundsman_wire.messages import BasedOn, Plan, PlanStop, Reorder

NINE = 9 * 3_600_000
MINUTE = 60_000


def stop(stop: str, lon_e6: int, **more: object) -> PlanStop:
    fields: dict[str, object] = {
        "stop": stop, "tasks": (stop,), "kind": "delivery", "lat_e6": 50_000_000, "lon_e6": lon_e6, "fence_radius_m": 60,
        "leg_s": 167, "leg_m": 1_500, "service_s": 60, "arrival_utc_ms": NINE,
    }  # fmt: skip
    return PlanStop(**(fields | more))  # type: ignore[arg-type]  # a table of fields


def plan(*stops: PlanStop, moved: int = 2, extra_s: int = 600, **more: object) -> Plan:
    fields: dict[str, object] = {
        "plan": "p", "vehicle": "v", "version": 1, "issued_utc_ms": NINE, "based_on": BasedOn(session=None, facts_seq=0), "stops": stops,
        "depot_lat_e6": 50_000_000, "depot_lon_e6": 10_000_000, "reorder": Reorder(max_moved=moved, max_extra_s=extra_s),
    }  # fmt: skip
    return Plan(**(fields | more))  # type: ignore[arg-type]  # a table of fields


def at(of: Plan, *left: str, place: LatLon | None = None, standing_at: str | None = None) -> Situation:
    names = left or tuple(stop.stop for stop in of.stops)
    since = None if standing_at is None else NINE
    return Situation(plan=of, left=frozenset(names), now_utc_ms=NINE, place=place, standing_at=standing_at, since_utc_ms=since)


LINE = plan(*(stop(name, 10_000_000 + 14_000 * n) for n, name in enumerate("abcdef", start=1)))
"""Six stops, a kilometre apart, away from the depot."""


def test_an_order_within_the_limits_is_the_drivers() -> None:
    assert reorder.refused(at(LINE), tuple("bacdef")) == ""
    assert "at most 2" in reorder.refused(at(LINE), tuple("fedcba"))
    assert "every remaining stop once" in reorder.refused(at(LINE), tuple("bacde"))
    assert "every remaining stop once" in reorder.refused(at(LINE, *"abc"), tuple("bacd"))
    assert "fixed" in reorder.refused(at(plan(*LINE.stops, reorder=None)), tuple("bacdef"))


def test_the_stop_in_progress_and_a_pinned_one_stay_where_they_are() -> None:
    """Invariant 7."""
    assert "in progress" in reorder.refused(at(LINE, standing_at="a"), tuple("bacdef"))
    pinned = plan(*(stop(s.stop, s.lon_e6, pinned=s.stop == "b", name="Ann") for s in LINE.stops))
    assert "Ann has its fixed place" in reorder.refused(at(pinned), tuple("bacdef"))
    assert reorder.refused(at(pinned), tuple("abdcef")) == ""


def test_nobody_is_kept_waiting_for_the_drivers_convenience() -> None:
    """A promise that the plan would keep may not be broken by the van; one that is broken anyway ties nobody's hands."""
    tight = plan(stop("a", 10_014_000, promise_end_utc_ms=NINE + 6 * MINUTE, name="Ann"), *LINE.stops[1:])
    assert "Ann would be" in reorder.refused(at(tight), tuple("bcadef"))
    late = plan(stop("a", 10_014_000, promise_end_utc_ms=NINE - 60 * MINUTE, name="Ann"), *LINE.stops[1:])
    assert reorder.refused(at(late), tuple("bacdef")) == ""


def test_a_detour_longer_than_allowed_is_refused() -> None:
    assert "longer" in reorder.refused(at(plan(*LINE.stops, extra_s=10)), tuple("afbcde"))


def test_a_better_order_is_suggested_when_it_is_worth_a_glance() -> None:
    legs = {"a": 167, "f": 833, "b": 667}
    zigzag = plan(*(stop(s, 10_014_000 + 14_000 * "abcdef".index(s), leg_s=legs.get(s, 167)) for s in "afbcde"), depot_lat_e6=None)
    found = reorder.suggest(at(zigzag, place=LatLon(50.0, 10.0)), tuple("afbcde"))
    assert found is not None
    assert found.stops == tuple("abcdef")
    assert found.saves_s >= reorder.WORTH_S
    assert found.why.startswith("saves ")
    assert reorder.suggest(at(LINE, place=LatLon(50.0, 10.0)), tuple("abcdef")) is None


@st.composite
def rounds(draw: st.DrawFn) -> tuple[Plan, tuple[str, ...], str | None]:
    """Any plan, any wish, wherever the van stands."""
    size = draw(st.integers(2, 7))
    stops = [
        stop(
            f"s{n}",
            10_000_000 + draw(st.integers(-60_000, 60_000)),
            pinned=draw(st.booleans()) and draw(st.booleans()),
            promise_end_utc_ms=draw(st.none() | st.integers(NINE - 10 * MINUTE, NINE + 120 * MINUTE)),
        )
        for n in range(size)
    ]
    seconds = draw(st.lists(st.integers(0, 2_000), min_size=(size + 1) ** 2, max_size=(size + 1) ** 2))
    matrix = struct.pack(f"<{len(seconds)}H", *seconds) if draw(st.booleans()) else b""
    made = plan(*stops, moved=draw(st.integers(0, 4)), extra_s=draw(st.integers(0, 3_000)), matrix_s=matrix)
    standing = draw(st.sampled_from([None, *(s.stop for s in stops)]))
    return made, tuple(draw(st.permutations([s.stop for s in stops]))), standing


@given(rounds())
def test_what_is_allowed_keeps_every_limit_and_what_is_suggested_is_allowed(case: tuple[Plan, tuple[str, ...], str | None]) -> None:
    made, wished, standing = case
    limits = made.reorder
    assert limits is not None
    situation = at(made, standing_at=standing)
    planned = sorted((s.stop for s in made.stops), key=lambda name: name != standing)
    assert reorder.refused(situation, planned) == "", "the planned order is always allowed"
    if not reorder.refused(situation, wished):
        assert reorder.moved(planned, wished) <= limits.max_moved
        assert standing is None or wished[0] == standing
        assert all(wished.index(s.stop) == planned.index(s.stop) for s in made.stops if s.pinned)
        assert not (late(situation, wished) - late(situation, planned))
    found = reorder.suggest(situation, planned)
    assert found is None or (reorder.refused(situation, found.stops) == "" and found.saves_s >= reorder.WORTH_S)


def late(situation: Situation, order: Sequence[str]) -> set[str]:
    """Who waits longer than was promised."""
    stops = {s.stop: s for s in situation.plan.stops}
    times = timeline.expected(
        situation.plan,
        [stops[name] for name in order],
        now_utc_ms=situation.now_utc_ms,
        place=situation.place,
        in_progress_since_utc_ms=situation.since_utc_ms,
    )
    ends = {name: stops[name].promise_end_utc_ms for name in order}
    return {n for n, t in zip(order, times, strict=True) if (end := ends[n]) is not None and (t.start_utc_ms - end) // 1000 > 0}


@given(
    st.lists(st.floats(0.3, 4.0), min_size=24, max_size=24), st.integers(0, 86_400_000), st.integers(0, 3_600_000), st.integers(0, 9_000)
)
def test_who_leaves_later_never_arrives_sooner(factors: list[float], start: int, wait: int, leg_s: int) -> None:
    """Also over the border between a slow hour and a fast one."""
    assert timeline.driven_utc_ms(start, leg_s, factors) <= timeline.driven_utc_ms(start + wait, leg_s, factors) + 1


def test_a_leg_over_an_hours_border_drives_its_rest_at_the_next_pace() -> None:
    factors = [1.0] * 24
    factors[9] = 2.0
    assert timeline.driven_utc_ms(NINE - 10 * MINUTE, 1_200, factors) == NINE + 20 * MINUTE


def test_legs_come_from_the_plan_then_its_matrix_then_the_map() -> None:
    seconds = [0, 1, 2, 3, 4, 5, 6, 65_535, 8]
    made = plan(*LINE.stops[:2], matrix_s=struct.pack("<9H", *seconds))
    legs = timeline.Legs(made)
    a, b = made.stops
    assert legs.seconds(a, b) == 167, "the plan's own order"
    assert legs.seconds(None, b) == 2
    assert legs.back_s(a) == 3
    assert legs.seconds(b, a) > 100, "no way in the matrix: estimated"
    assert [t.leg_s for t in legs.times([b, a])][1] == legs.seconds(b, a)
