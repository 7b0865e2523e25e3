"""Tracks back on the streets they were driven on."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from roundsman_core.geo import LatLon, distance_m
from roundsman_hub.roads import GreatCircle, OsrmRoads
from roundsman_hub.roads.network import TracePoint
from roundsman_hub.roads.trace import chunks

Crossing = Callable[[int, int], LatLon]
NOISE_DEG = 4.0 / 111_195


def drive(corners: list[LatLon], *, mps: float = 10.0, every_s: float = 1.0, seed: int = 1) -> tuple[list[TracePoint], float]:
    """Fixes of a drive along straight streets, 4 m off in each axis (one sigma), and how far it was."""
    rng = random.Random(seed)
    points, length, now = [], 0.0, 1_000.0
    for a, b in pairwise(corners):
        leg = distance_m(a, b)
        for step in range(int(leg / mps / every_s)):
            share = step * mps * every_s / leg
            at = LatLon(
                a.lat_deg + share * (b.lat_deg - a.lat_deg) + rng.gauss(0, NOISE_DEG),
                a.lon_deg + share * (b.lon_deg - a.lon_deg) + rng.gauss(0, NOISE_DEG),
            )
            points.append(TracePoint(position=at, at_s=now))
            now += every_s
        length += leg
    return points, length


def test_a_whole_round_is_matched_in_one_piece_and_to_its_length(osrm: OsrmRoads, at_crossing: Crossing) -> None:
    corners = [at_crossing(r, c) for r, c in ((0, 0), (0, 11), (4, 11), (4, 2), (9, 2), (9, 10), (11, 10), (11, 0), (2, 0))] * 3
    points, length = drive(corners)
    stretches = osrm.match(points)
    assert [stretch.network for stretch in stretches] == ["osrm"]
    assert stretches[0].distance_m == pytest.approx(length, rel=0.01)
    assert len(points) > 5 * 100  # so it went in many requests, whose seams do not show
    for before, after in pairwise(stretches[0].legs):
        assert before.last == after.first
    walked = sum(distance_m(a, b) for a, b in pairwise(stretches[0].geometry))
    assert walked == pytest.approx(length, rel=0.01)
    raw = sum(distance_m(a.position, b.position) for a, b in pairwise(points))
    assert abs(raw - length) > 5 * abs(stretches[0].distance_m - length)


def test_every_leg_names_the_streets_it_passed_and_how_long_they_take(osrm: OsrmRoads, at_crossing: Crossing) -> None:
    points, _ = drive([at_crossing(3, 0), at_crossing(3, 6)])
    (stretch,) = osrm.match(points)
    passed = [node for leg in stretch.legs for node in leg.nodes]
    assert set(passed) <= {1 + 3 * 12 + column for column in range(12)}
    for leg in stretch.legs:
        assert len(leg.nodes) == len(leg.metres) + 1 == len(leg.seconds) + 1


def test_a_gap_stays_a_gap(osrm: OsrmRoads, at_crossing: Crossing) -> None:
    points, _ = drive([at_crossing(0, 0), at_crossing(0, 11)])
    silent = [point for point in points if not 1_020 < point.at_s < 1_060]
    before, after = points[:25], [TracePoint(position=p.position, at_s=p.at_s + 600) for p in points[50:]]
    assert len(osrm.match(silent)) == 1  # forty seconds are none
    two = osrm.match([*before, *after])
    assert len(two) == 2
    assert two[0].legs[-1].last == 24
    assert two[1].legs[0].first == 25
    assert len(GreatCircle().match([*before, *after])) == 2


def test_where_no_street_is_near_nothing_is_claimed(osrm: OsrmRoads, at_crossing: Crossing) -> None:
    points, _ = drive([at_crossing(40, 0), at_crossing(40, 9)])
    assert osrm.match(points) == ()


@given(points=st.integers(2, 1_000), size=st.integers(20, 200), overlap=st.integers(2, 12))
def test_chunks_use_every_leg_once(points: int, size: int, overlap: int) -> None:
    """Invariant: each leg of a stretch comes from exactly one answer, and no request has more points than a server takes."""
    parts = chunks(points, size, overlap)
    used = [leg for part in parts for leg in range(part.use_from, part.use_to)]
    assert used == list(range(points - 1))
    assert all(part.last - part.first < size and part.first <= part.use_from and part.use_to <= part.last for part in parts)
