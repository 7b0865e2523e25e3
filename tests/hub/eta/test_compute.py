"""Arrival times: as wide as they are uncertain, and never earlier for a later van."""

from __future__ import annotations

import itertools

from hypothesis import given, strategies as st

from roundsman_hub.eta.compute import FIXED_WIDTH_MS, etas
from roundsman_wire.messages import PlanStop

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
    assert first.high_utc_ms - first.eta_utc_ms == FIXED_WIDTH_MS + 90_000
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
