"""Tracks back on the streets they were driven on."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from roundsman_core.geo import LatLon, LocalFrame, distance_m
from roundsman_hub.roads import GreatCircle, OsrmRoads
from roundsman_hub.roads.network import TracePoint
from roundsman_hub.roads.trace import chunks, stretches

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


def test_the_end_of_a_spur_is_kept_though_it_is_near_to_where_it_began() -> None:
    """In and out again, 9 m a second: the tip is 14 m beyond the last point that was kept, and its metres count twice."""
    here = LatLon(50.0, 10.0)
    along = [0, 9, 18, 27, 32, 27, 18, 9, 0, -9, -18]
    spur = [TracePoint(position=LocalFrame(here).to_latlon(metres, 0), at_s=float(second)) for second, metres in enumerate(along)]
    (kept,) = stretches(spur)
    assert max(along[at] for at in kept) == 32
    assert sum(abs(along[b] - along[a]) for a, b in pairwise(kept)) == 32 + 50
    standing = [TracePoint(position=LocalFrame(here).to_latlon(7.0 * (second % 2), 0), at_s=float(second)) for second in range(25)]
    assert stretches(standing) == [[0, 24]]  # a receiver's noise is no spur


@given(st.lists(st.tuples(st.integers(-60, 60), st.integers(-60, 60), st.integers(0, 40)), min_size=2, max_size=60))
def test_what_is_thinned_keeps_its_order_and_its_ends(moves: list[tuple[int, int, int]]) -> None:
    east = north = at_s = 0
    trace = []
    for de, dn, ds in moves:
        east, north, at_s = east + de, north + dn, at_s + ds
        trace.append(TracePoint(position=LocalFrame(LatLon(50.0, 10.0)).to_latlon(east, north), at_s=float(at_s)))
    for piece in stretches(trace):
        assert all(trace[b].at_s - trace[a].at_s >= 1 and a < b for a, b in pairwise(piece))
    if at_s - moves[0][2] >= 1 and trace[-1].at_s - trace[-2].at_s >= 1:
        assert stretches(trace)[-1][-1] == len(trace) - 1
