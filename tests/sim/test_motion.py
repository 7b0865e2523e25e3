"""Vans move like vans: no jumps, no impossible braking, and about as long on the road as the road network says."""

from __future__ import annotations

import itertools

from hypothesis import given, strategies as st

from roundsman_core.geo import LatLon, LocalFrame, distance_m
from roundsman_sim.motion import BRAKING_MPS2, Body

FRAME = LocalFrame(LatLon(48.0, -20.0))


def road(*corners_m: tuple[float, float]) -> list[LatLon]:
    return [FRAME.to_latlon(*corner) for corner in corners_m]


def drive(body: Body, limit_s: int = 3_000) -> list[tuple[LatLon, float]]:
    seen = [(body.position, body.speed_mps)]
    while not body.parked and len(seen) < limit_s:
        body.advance(1.0)
        seen.append((body.position, body.speed_mps))
    return seen


def test_van_arrives_about_when_the_road_network_says() -> None:
    took = []
    for seed in range(12):
        body = Body(FRAME.to_latlon(0, 0), seed)
        body.drive(road((0, 0), (900, 0), (900, 700), (2_000, 700)), duration_s=300)
        took.append(len(drive(body)))
        assert distance_m(body.position, FRAME.to_latlon(2_000, 700)) < 1
    assert 0.85 * 300 < sum(took) / len(took) < 1.35 * 300


@given(st.lists(st.tuples(st.floats(-800, 800), st.floats(-800, 800)), min_size=2, max_size=8), st.integers(0, 1_000))
def test_van_never_jumps_nor_brakes_harder_than_a_van_can(corners: list[tuple[float, float]], seed: int) -> None:
    body = Body(FRAME.to_latlon(*corners[0]), seed)
    body.drive(road(*corners), duration_s=200)
    seen = drive(body)
    for (a, before), (b, after) in itertools.pairwise(seen):
        assert distance_m(a, b) <= max(before, after) + 1.5
        assert before - after <= 2 * BRAKING_MPS2 + 4.0
    assert body.parked


def test_van_in_a_jam_stands_and_goes_on() -> None:
    body = Body(FRAME.to_latlon(0, 0), seed=1)
    body.drive(road((0, 0), (3_000, 0)), duration_s=300)
    for _ in range(60):
        body.advance(1.0)
    body.hold(120.0)
    for _ in range(20):
        body.advance(1.0)
    stands = body.position
    for _ in range(90):
        body.advance(1.0)
    assert body.speed_mps == 0.0
    assert distance_m(body.position, stands) < 0.1
    drive(body)
    assert distance_m(body.position, FRAME.to_latlon(3_000, 0)) < 1


def test_new_road_starts_where_the_van_is() -> None:
    body = Body(FRAME.to_latlon(0, 0), seed=1)
    body.drive(road((0, 0), (1_000, 0)), duration_s=100)
    for _ in range(30):
        body.advance(1.0)
    before = body.position
    body.drive(road((600, 30), (600, 900)), duration_s=100)
    body.advance(1.0)
    assert distance_m(before, body.position) < 30
