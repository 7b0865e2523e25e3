"""What the hours make of a round's drives, as its van is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from roundsman_core.geo import LatLon
from roundsman_hub.planning.problem import Problem, Profile, Van
from roundsman_hub.replan.hour_paces import hour_paces_pct
from roundsman_hub.replan.planner import Planner
from roundsman_hub.roads import GreatCircle
from roundsman_hub.roads.bands import NAMES, band_at
from roundsman_hub.roads.network import Matrix
from roundsman_wire.envelopes import seal
from roundsman_wire.messages import BasedOn, EnvelopeHeader, Plan, PlanStop

SEVEN = 1_772_434_800  # 2026-03-02T07:00Z


def problem(*band_starts_s: int, slower: tuple[float, ...]) -> Problem:
    """Three places, ten minutes apart, as the hours have them."""
    usual = np.array([[0, 600, 600], [600, 0, 600], [600, 600, 0]], np.int32)
    tables = np.stack([(usual * by).astype(np.int32) for by in slower])
    cars = Profile(durations_s=tables, distances_m=np.stack([usual * 10] * len(slower)), band_starts_s=band_starts_s)
    van = Van(vehicle="v", capacity=(9,), start_s=0, shift_end_s=36_000, start_place=0, end_place=0, at_depot=True, profile="car")
    return Problem(origin_utc_s=SEVEN, tasks=(), vans=(van,), durations_s=usual, distances_m=usual * 10, profiles={"car": cars})


def test_each_hour_has_its_bands_pace() -> None:
    found = hour_paces_pct(problem(0, 3_600, 3 * 3_600, slower=(1.0, 1.5, 1.1)), "v", [0, 1, 2])
    assert (found[7], found[8], found[9], found[10], found[23], found[6]) == (100, 150, 150, 110, 110, 110)


@pytest.mark.parametrize("slower", [(1.0,), (1.2, 1.2)])
def test_hours_that_are_alike_are_not_told(slower: tuple[float, ...]) -> None:
    assert hour_paces_pct(problem(*range(0, 3_600 * len(slower), 3_600), slower=slower), "v", [0, 1, 2]) == ()
    assert hour_paces_pct(problem(*range(0, 3_600 * len(slower), 3_600), slower=slower), "v", [0]) == ()


def test_it_costs_a_plan_of_forty_stops_a_few_dozen_bytes() -> None:
    rng = np.random.default_rng(1)
    stops = tuple(
        PlanStop(
            stop=f"o_{rng.integers(2**48):012x}", tasks=(), kind="delivery", lat_e6=int(rng.integers(10**7)),
            lon_e6=int(rng.integers(10**7)),
            fence_radius_m=60, leg_s=int(rng.integers(900)), leg_m=int(rng.integers(9_000)), service_s=180, arrival_utc_ms=SEVEN * 1000,
        )
        for _ in range(40)
    )  # fmt: skip
    matrix = rng.integers(60, 2_000, 41 * 41).astype("<u2").tobytes()
    paces = tuple(int(100 + 7 * (h % 9)) for h in (0,) * 6 + (1,) * 1 + (2,) * 2 + (3,) * 6 + (4,) * 3 + (5,) * 6)

    def size(told: tuple[int, ...]) -> int:
        plan = Plan(
            plan="v.1", vehicle="v", version=1, issued_utc_ms=0, based_on=BasedOn(session=None, facts_seq=0), stops=stops, matrix_s=matrix,
            hour_paces_pct=told,
        )  # fmt: skip
        return len(seal(EnvelopeHeader(vehicle="v", kind="plan", epoch=1, version=1, key_id="k"), plan, lambda _: bytes(64)))

    print("bytes of a plan without and with paces:", size(()), size(paces))
    assert size(paces) - size(()) < 80


class ByTheHour(GreatCircle):
    """Roads that are twice as slow in the bands of a working day's rush."""

    def bands(self, profile: str = "car") -> frozenset[str]:
        return frozenset(NAMES)

    def matrix(self, places: Sequence[LatLon], targets: Sequence[LatLon] | None = None, *, profile: str = "car", band: str = "") -> Matrix:
        found = super().matrix(places, targets, profile=profile)
        return replace(found, durations_s=found.durations_s * (2 if band == NAMES[0] else 1))


def test_a_plan_is_sent_with_what_the_hours_make_of_it(yard: Any) -> None:
    van = yard.van()
    yard.order(4_000, 0)
    yard.planner = Planner(yard.db, ByTheHour(), yard.signer, yard.clock, lambda: None)
    yard.plan()
    paces = yard.newest(van).hour_paces_pct
    slow = {hour for hour in range(24) if band_at(datetime(2026, 3, 2 if hour >= 10 else 3, hour, tzinfo=UTC)) == NAMES[0]}
    assert {hour for hour, percent in enumerate(paces) if percent == 200} == slow != set()
    assert set(paces) == {100, 200}
