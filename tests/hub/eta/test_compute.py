"""Arrival times: as wide as they are uncertain, and never earlier for a later van."""

from __future__ import annotations

import itertools

from hypothesis import given, strategies as st

from roundsman_core.geo import LatLon
from roundsman_core.timeline import Legs, driven_utc_ms, expected, first_leg_s, paces_of
from roundsman_core.widths import FIXED_S, HORIZONS_MIN, interval
from roundsman_hub.eta.compute import etas
from roundsman_wire.messages import BasedOn, Break, Plan, PlanStop

NOW = 1_772_445_600_000


def stop(name: str, *, leg_s: int = 300, service_s: int = 120, window_s: tuple[int, int] = (-3_600, 36_000)) -> PlanStop:
    return PlanStop(
        stop=name,
        tasks=(name,),
        kind="pickup",
        lat_e6=0,
        lon_e6=0,
        fence_radius_m=60,
        leg_s=leg_s,
        leg_m=2000,
        service_s=service_s,
        arrival_utc_ms=0,
        window_start_utc_ms=NOW + 1000 * window_s[0],
        window_end_utc_ms=NOW + 1000 * window_s[1],
    )


def test_the_interval_grows_with_the_time_until_then() -> None:
    first, second = etas([stop("a"), stop("b")], now_utc_ms=NOW, starts_utc_ms=NOW, first_leg_s=600, arrived_utc_ms=None)
    assert first.eta_utc_ms == NOW + 600_000
    assert first.high_utc_ms - first.eta_utc_ms == 1000 * FIXED_S + 90_000
    assert second.eta_utc_ms == NOW + (600 + 120 + 300) * 1000
    assert second.high_utc_ms - second.low_utc_ms > first.high_utc_ms - first.low_utc_ms


def test_a_stop_in_progress_is_known_exactly() -> None:
    first, second = etas([stop("a"), stop("b")], now_utc_ms=NOW, starts_utc_ms=NOW, first_leg_s=0, arrived_utc_ms=NOW - 60_000)
    assert first.low_utc_ms == first.eta_utc_ms == first.high_utc_ms == NOW - 60_000
    assert second.eta_utc_ms == NOW + (60 + 300) * 1000


def test_lateness_is_counted_from_the_windows_end() -> None:
    (eta,) = etas([stop("a", window_s=(0, 300))], now_utc_ms=NOW, starts_utc_ms=NOW, first_leg_s=1_000, arrived_utc_ms=None)
    assert eta.late_s == 700


legs = st.integers(min_value=0, max_value=7_200)


@given(st.lists(st.tuples(legs, legs), min_size=1, max_size=12), legs, legs)
def test_low_is_never_past_and_orders_never_swap(stops: list[tuple[int, int]], first_leg_s: int, delay_s: int) -> None:
    plan = [stop(str(n), leg_s=leg_s, service_s=service_s) for n, (leg_s, service_s) in enumerate(stops)]
    told = etas(plan, now_utc_ms=NOW, starts_utc_ms=NOW, first_leg_s=first_leg_s, arrived_utc_ms=None)
    later = etas(plan, now_utc_ms=NOW, starts_utc_ms=NOW, first_leg_s=first_leg_s + delay_s, arrived_utc_ms=None)
    assert all(NOW <= eta.low_utc_ms <= eta.eta_utc_ms <= eta.high_utc_ms for eta in told)
    assert [eta.position for eta in told] == list(range(1, len(plan) + 1))
    assert all(a.eta_utc_ms <= b.eta_utc_ms for a, b in itertools.pairwise(told))
    assert all(a.eta_utc_ms <= b.eta_utc_ms for a, b in zip(told, later, strict=True))


names = st.permutations(["a", "b", "c", "d"])
factors = st.one_of(st.just(()), st.lists(st.floats(0.5, 2.0), min_size=24, max_size=24).map(tuple))
pauses = st.lists(st.tuples(st.integers(0, 4), st.integers(-2_000, 9_000), st.integers(60, 2_700)), max_size=2)


widths = st.lists(
    st.tuples(st.sampled_from(HORIZONS_MIN), st.integers(-300, 50), st.integers(-50, 300)), max_size=9, unique_by=lambda row: row[0]
).map(tuple)
paces = st.one_of(st.just(()), st.lists(st.integers(50, 200), min_size=24, max_size=24).map(tuple))


@given(names, st.integers(1, 4), st.integers(-50_000, 50_000), st.booleans(), factors, paces, pauses, widths)
def test_van_and_hub_say_the_same(
    order: list[str],
    left: int,
    east_e6: int,
    standing: bool,
    band_factors: tuple[float, ...],
    hour_paces_pct: tuple[int, ...],
    breaks: list[tuple[int, int, int]],
    eta_widths_pct: tuple[tuple[int, int, int], ...],
) -> None:
    """One code on both sides: whatever order is driven, with breaks and traffic by the hour, in whatever place the van is; and as wide."""
    told = tuple(
        Break(
            duration_s=duration_s,
            start_utc_ms=NOW + 1000 * start_s,
            window_start_utc_ms=NOW + 1000 * start_s,
            window_end_utc_ms=NOW + 1000 * (start_s + 3_600),
            after_stops=after,
        )
        for after, start_s, duration_s in breaks
    )
    stops = tuple(stop(name, leg_s=300 + 60 * at) for at, name in enumerate("abcd"))
    plan = Plan(
        plan="p", vehicle="v", version=1, issued_utc_ms=NOW, based_on=BasedOn(session=None, facts_seq=0), stops=stops,
        band_factors=band_factors, hour_paces_pct=hour_paces_pct, breaks=told, eta_widths_pct=eta_widths_pct,
    )  # fmt: skip
    by_name = {one.stop: one for one in stops}
    driven = [by_name[name] for name in order][:left]
    place = LatLon.from_e6(0, east_e6)
    since = NOW - 30_000 if standing else None
    van = expected(plan, driven, now_utc_ms=NOW, place=place, in_progress_since_utc_ms=since)
    first = driven[0]
    leg_s = first_leg_s(place, LatLon.from_e6(first.lat_e6, first.lon_e6), leg_s=Legs(plan).own_s(first), leg_m=first.leg_m)
    if hour_paces_pct:  # the hub's roads know what the way takes at this hour
        leg_s = round((driven_utc_ms(NOW, leg_s, paces_of(plan)) - NOW) / 1000)
    hub = etas(driven, now_utc_ms=NOW, starts_utc_ms=NOW, first_leg_s=leg_s, arrived_utc_ms=since, plan=plan, widths=eta_widths_pct)
    apart_ms = 20_000 if hour_paces_pct else 0  # whole seconds, there and back, at the slowest pace; a border may double it each leg
    assert all(abs(one.eta_utc_ms - other.eta_utc_ms) <= apart_ms for one, other in zip(van, hub, strict=True))
    assert all(abs(one.late_s - other.late_s) <= apart_ms / 1000 for one, other in zip(van, hub, strict=True))
    for at, (one, other) in enumerate(zip(van, hub, strict=True)):
        told_there = interval(one.eta_utc_ms, NOW, plan.eta_widths_pct, standing=standing and at == 0)
        if one.eta_utc_ms == other.eta_utc_ms:
            assert told_there == (other.low_utc_ms, other.high_utc_ms, other.calibrated)


def test_a_break_delays_what_comes_after_it_wherever_the_stop_before_it_went() -> None:
    lunch = Break(duration_s=1800, start_utc_ms=NOW, window_start_utc_ms=NOW, window_end_utc_ms=NOW + 10**7, after_stops=1)
    stops = (stop("a"), stop("b"), stop("c"))
    plan = Plan(
        plan="p", vehicle="v", version=1, issued_utc_ms=NOW, based_on=BasedOn(session=None, facts_seq=0), stops=stops, breaks=(lunch,)
    )

    def times(*order: int) -> dict[str, int]:
        driven = [stops[at] for at in order]
        told = etas(driven, now_utc_ms=NOW, starts_utc_ms=NOW, first_leg_s=0, arrived_utc_ms=None, plan=plan)
        return {one.order_id: (one.eta_utc_ms - NOW) // 1000 for one in told}

    assert times(0, 1, 2) == {"a": 0, "b": 120 + 1800 + 300, "c": 120 + 1800 + 300 + 120 + 300}
    assert times(1, 2) == {"b": 1800, "c": 1800 + 120 + 300}, "its stop is done, its time is now"
