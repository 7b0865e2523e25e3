"""Travel without roads: always an answer, the same in every form."""

from __future__ import annotations

import numpy as np
import pytest

from roundsman_core.geo import LatLon, distance_m
from roundsman_core.timeline import DETOUR
from roundsman_hub.roads import GreatCircle

PLACES = [LatLon(60.17, 24.93), LatLon(60.18, 24.95), LatLon(60.20, 24.90)]


def test_the_matrix_is_the_great_circle_with_its_detour() -> None:
    matrix = GreatCircle().matrix(PLACES)
    for i, a in enumerate(PLACES):
        for j, b in enumerate(PLACES):
            assert matrix.distances_m[i, j] == pytest.approx(distance_m(a, b) * DETOUR, abs=1)
    assert matrix.network == "great_circle"
    assert (np.diag(matrix.durations_s) == 0).all()


def test_some_rows_are_the_same_rows() -> None:
    whole, some = GreatCircle().matrix(PLACES), GreatCircle().matrix(PLACES[:1], PLACES[1:])
    assert np.array_equal(some.durations_s, whole.durations_s[:1, 1:])


def test_longer_ways_are_faster_but_never_shorter_in_time() -> None:
    durations = GreatCircle().matrix([PLACES[0], *[LatLon(60.17 + 0.01 * i, 24.93) for i in range(1, 10)]])
    seconds, metres = durations.durations_s[0, 1:], durations.distances_m[0, 1:]
    assert (np.diff(seconds) > 0).all()
    assert (np.diff(metres / seconds) > 0).all()


def test_a_route_is_its_legs() -> None:
    route = GreatCircle().route(PLACES)
    assert route.geometry == tuple(PLACES)
    assert (sum(route.legs_s), sum(route.legs_m)) == (route.duration_s, route.distance_m)


def test_no_places_no_matrix() -> None:
    assert GreatCircle().matrix([]).durations_s.shape == (0, 0)
