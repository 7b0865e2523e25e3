"""The timeline of a round: what the driver's screen and the customer's page both count with."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st
from msgspec.structs import replace

from roundsman_core.geo import LatLon, distance_m
from roundsman_core.timeline import (
    DETOUR,
    PACE_MPS,
    SLOWEST_PACE_MPS,
    Legs,
    StopTime,
    arrivals,
    driven_utc_ms,
    expected,
    first_leg_s,
    unpaced_s,
)
from roundsman_wire.messages import BasedOn, Plan, PlanStop

NINE = 9 * 3_600_000
"""Nine o'clock, in ms of an imagined day."""
MINUTE = 60_000


def test_a_round_from_stop_to_stop() -> None:
    stops = [StopTime(leg_s=999, service_s=180), StopTime(leg_s=300, service_s=120)]
    first, second = arrivals(NINE, 600, stops)
    assert first.eta_utc_ms == NINE + 10 * MINUTE  # the first leg is what is left of it, not what was planned
    assert first.departure_utc_ms == NINE + 13 * MINUTE
    assert second.eta_utc_ms == NINE + 18 * MINUTE
    assert second.departure_utc_ms == NINE + 20 * MINUTE


def test_a_van_that_is_early_waits_for_the_window() -> None:
    stops = [StopTime(leg_s=0, service_s=60, window_start_utc_ms=NINE + 30 * MINUTE, window_end_utc_ms=NINE + 60 * MINUTE)]
    (only,) = arrivals(NINE, 300, stops)
    assert (only.eta_utc_ms, only.start_utc_ms) == (NINE + 5 * MINUTE, NINE + 30 * MINUTE)
    assert only.late_s == 0


def test_lateness_counts_from_the_windows_end() -> None:
    stops = [StopTime(leg_s=0, service_s=60, window_start_utc_ms=NINE, window_end_utc_ms=NINE + 5 * MINUTE)]
    assert arrivals(NINE, 420, stops)[0].late_s == 120


def test_a_service_that_takes_longer_than_planned_ends_now_at_the_earliest() -> None:
    stops = [StopTime(leg_s=0, service_s=180), StopTime(leg_s=300, service_s=60)]
    standing, following = arrivals(NINE, 0, stops, in_progress_since_utc_ms=NINE - 10 * MINUTE)
    assert standing.eta_utc_ms == NINE - 10 * MINUTE
    assert standing.departure_utc_ms == NINE
    assert following.eta_utc_ms == NINE + 5 * MINUTE


def test_a_service_in_progress_ends_when_it_was_planned_to() -> None:
    stops = [StopTime(leg_s=0, service_s=600)]
    assert arrivals(NINE, 0, stops, in_progress_since_utc_ms=NINE - 4 * MINUTE)[0].departure_utc_ms == NINE + 6 * MINUTE


def test_an_empty_round_has_no_arrivals() -> None:
    assert arrivals(NINE, 0, []) == []


def test_times_are_never_negative() -> None:
    with pytest.raises(ValueError, match="a stop with leg -1 s"):
        StopTime(leg_s=-1, service_s=0)


windows = st.none() | st.integers(NINE, NINE + 10_000_000)
stop_times = st.lists(
    st.builds(StopTime, leg_s=st.integers(0, 4000), service_s=st.integers(0, 2000), window_start_utc_ms=windows), max_size=8
)


@given(stops=stop_times, first=st.integers(0, 5000), delay=st.integers(0, 5000))
def test_more_delay_makes_no_arrival_earlier(stops: list[StopTime], first: int, delay: int) -> None:
    """First in, first out; and a wait swallows delay, so nothing grows by more than it."""
    before, after = arrivals(NINE, first, stops), arrivals(NINE, first + delay, stops)
    for a, b in zip(before, after, strict=True):
        assert a.eta_utc_ms <= b.eta_utc_ms <= a.eta_utc_ms + 1000 * delay
        assert a.eta_utc_ms <= a.start_utc_ms <= a.departure_utc_ms


def test_the_way_that_is_left_is_driven_at_the_plans_own_pace() -> None:
    van, stop = LatLon(60.17, 24.93), LatLon(60.18, 24.95)
    left_m = distance_m(van, stop) * DETOUR
    assert first_leg_s(van, stop, leg_s=600, leg_m=3000) == round(left_m / 5)
    assert first_leg_s(van, stop, leg_s=0, leg_m=0) == round(left_m / PACE_MPS)
    assert first_leg_s(van, stop, leg_s=3600, leg_m=300) == round(left_m / SLOWEST_PACE_MPS)
    assert first_leg_s(stop, stop, leg_s=600, leg_m=3000) == 0


def test_the_search_for_a_place_is_left_until_the_van_stands() -> None:
    """Its seconds are in the leg, and say nothing of the pace of the drive."""
    van, stop = LatLon(60.17, 24.93), LatLon(60.18, 24.95)
    assert first_leg_s(van, stop, leg_s=660, leg_m=3000, search_s=60) == first_leg_s(van, stop, leg_s=600, leg_m=3000) + 60
    assert first_leg_s(stop, stop, leg_s=660, leg_m=3000, search_s=60) == 60


def test_service_starts_after_parking_and_a_wait_for_the_window_parks_meanwhile() -> None:
    """A van that stands at the window's last minute is late by what it takes to park and walk."""
    stop = StopTime(leg_s=0, service_s=240, parking_s=60, window_start_utc_ms=NINE, window_end_utc_ms=NINE + 5 * MINUTE)
    (late,) = arrivals(NINE + 5 * MINUTE, 0, [stop])
    assert (late.eta_utc_ms, late.start_utc_ms, late.late_s) == (NINE + 5 * MINUTE, NINE + 6 * MINUTE, 60)
    assert late.departure_utc_ms == NINE + 9 * MINUTE
    (early,) = arrivals(NINE - 10 * MINUTE, 0, [stop])
    assert (early.start_utc_ms, early.departure_utc_ms) == (NINE, NINE + 3 * MINUTE)
    with pytest.raises(ValueError, match="for parking"):
        StopTime(leg_s=0, service_s=60, parking_s=61)


def test_a_plans_stop_brings_its_own_times() -> None:
    stop = PlanStop(
        stop="o_1",
        tasks=("o_1",),
        kind="delivery",
        lat_e6=0,
        lon_e6=0,
        fence_radius_m=60,
        leg_s=300,
        leg_m=2000,
        service_s=180,
        arrival_utc_ms=NINE,
        window_start_utc_ms=NINE,
        window_end_utc_ms=NINE + MINUTE,
    )
    assert StopTime.of(stop) == StopTime(leg_s=300, service_s=180, window_start_utc_ms=NINE, window_end_utc_ms=NINE + MINUTE)


PACES = st.lists(st.integers(30, 300), min_size=24, max_size=24).map(lambda percent: tuple(one / 100 for one in percent))


@given(st.integers(0, 10**8), st.integers(0, 20_000), PACES)
def test_what_a_drive_takes_at_pace_one_is_found_again(start_s: int, base_s: int, paces: tuple[float, ...]) -> None:
    start_utc_ms = 1000 * start_s
    driven_s = (driven_utc_ms(start_utc_ms, base_s, paces) - start_utc_ms) / 1000
    assert abs(unpaced_s(start_utc_ms, round(driven_s), paces) - base_s) <= 2 / min(paces)


def test_a_van_that_is_late_drives_at_the_pace_of_the_hour_that_it_is_late_into() -> None:
    """Without network: its legs have the pace of the hour that they were planned in, and the plan says what the others make of it."""
    seven, leg_s = 7 * 3_600_000, 600
    rush = tuple(150 if hour == 8 else 100 for hour in range(24))
    stops = tuple(
        PlanStop(
            stop=name, tasks=(name,), kind="delivery", lat_e6=0, lon_e6=0, fence_radius_m=40, leg_s=took_s, leg_m=5_000, service_s=0,
            arrival_utc_ms=seven + 1000 * arrives_s,
        )
        for name, took_s, arrives_s in (("a", leg_s, leg_s), ("b", leg_s, 2 * leg_s), ("c", leg_s * 3 // 2, 3_600 + leg_s * 3 // 2))
    )  # fmt: skip
    told = Plan(plan="p", vehicle="v", version=1, issued_utc_ms=0, based_on=BasedOn(session=None, facts_seq=0), stops=stops)
    paced = replace(told, hour_paces_pct=rush)

    def takes(plan: Plan, now_utc_ms: int, left: int) -> list[int]:
        found = [one.eta_utc_ms for one in expected(plan, plan.stops[left:], now_utc_ms=now_utc_ms, place=None)]
        return [round((after - before) / 1000) for before, after in zip([now_utc_ms, *found], found, strict=False)]

    assert takes(paced, seven, 0) == [*takes(told, seven, 0)[:2], leg_s], "in time for b; c would be before the rush"
    assert takes(paced, seven + 3_600_000, 0) == [900, 900, 900], "an hour late, all of it is in the rush"
    assert takes(told, seven + 3_600_000, 0) == [600, 600, 900], "what a plan without paces knows"
    assert takes(paced, seven + 2 * 3_600_000, 0) == [600, 600, 600], "two hours late, the rush is over"
    assert takes(paced, seven + 3_600_000, 2) == [900], "in the hour that it was planned in, a leg takes what the planner said"


@given(st.lists(st.lists(st.integers(0, 5), unique=True, max_size=6), min_size=1, max_size=6))
def test_legs_that_were_asked_before_answer_like_new_ones(orders: list[list[int]]) -> None:
    """What is kept for a van that asks for the same order all day is never another order's."""
    stops = [
        PlanStop(stop=f"s{n}", tasks=(f"t{n}",), kind="delivery", lat_e6=48_000_000 + 9_000 * n, lon_e6=11_000_000, fence_radius_m=30,
                 leg_s=100 + n, leg_m=900, service_s=60 + n, arrival_utc_ms=NINE, window_start_utc_ms=None, window_end_utc_ms=None,
                 name="", address="")
        for n in range(6)
    ]  # fmt: skip
    plan = Plan(plan="p", vehicle="v_1", version=1, issued_utc_ms=NINE, based_on=BasedOn(session=None, facts_seq=0), stops=tuple(stops),
                reason="")  # fmt: skip
    kept = Legs(plan)
    for order in orders:
        driven = [stops[n] for n in order]
        assert kept.times(driven) == Legs(plan).times(driven)
