"""Positions: the ruler of everything else."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given, settings, strategies as st

from roundsman_core.geo import LatLon, LocalFrame, bearing_deg, distance_m

many = settings(max_examples=200, deadline=None, database=None)
places = st.builds(LatLon, st.floats(-90, 90), st.floats(-180, 180))
towns = st.builds(LatLon, st.floats(-75, 75), st.floats(-180, 180))


@pytest.mark.parametrize(("lat", "lon"), [(90.1, 0.0), (-90.1, 0.0), (0.0, 180.1), (0.0, -180.1), (math.nan, 0.0), (0.0, math.inf)])
def test_what_is_not_on_the_globe_is_refused(lat: float, lon: float) -> None:
    with pytest.raises(ValueError, match="not a position"):
        LatLon(lat, lon)


@many
@given(st.integers(-90_000_000, 90_000_000), st.integers(-180_000_000, 180_000_000))
def test_the_wire_s_integers_come_back(lat_e6: int, lon_e6: int) -> None:
    at = LatLon.from_e6(lat_e6, lon_e6)
    assert (at.lat_e6, at.lon_e6) == (lat_e6, lon_e6)


def test_known_distances() -> None:
    """A degree of a great circle is 111.195 km on the IUGG mean sphere; Paris to London about 344 km."""
    assert distance_m(LatLon(0, 0), LatLon(0, 1)) == pytest.approx(111_195, abs=1)
    assert distance_m(LatLon(0, 0), LatLon(1, 0)) == pytest.approx(111_195, abs=1)
    assert distance_m(LatLon(48.8566, 2.3522), LatLon(51.5074, -0.1278)) == pytest.approx(343_556, rel=0.001)
    assert distance_m(LatLon(0, 0), LatLon(0, 180)) == pytest.approx(math.pi * 6_371_008.8)


def test_neighbours_a_tenth_of_a_metre_apart_are_told_apart() -> None:
    a = LatLon.from_e6(52_500_000, 13_400_000)
    assert distance_m(a, LatLon.from_e6(52_500_001, 13_400_000)) == pytest.approx(0.1112, abs=0.0005)


@many
@given(places, places, places)
def test_distance_is_a_distance(a: LatLon, b: LatLon, c: LatLon) -> None:
    assert distance_m(a, a) == 0
    assert distance_m(a, b) == pytest.approx(distance_m(b, a), abs=1e-6)
    assert distance_m(a, c) <= distance_m(a, b) + distance_m(b, c) + 1e-3


def test_bearings_of_the_compass() -> None:
    here = LatLon(50, 10)
    assert bearing_deg(here, LatLon(51, 10)) == pytest.approx(0)
    assert bearing_deg(here, LatLon(50, 10.001)) == pytest.approx(90, abs=0.01)
    assert bearing_deg(here, LatLon(49, 10)) == pytest.approx(180)
    assert bearing_deg(here, LatLon(50, 9.999)) == pytest.approx(270, abs=0.01)


@many
@given(places, places)
def test_a_bearing_is_on_the_compass(a: LatLon, b: LatLon) -> None:
    assert 0 <= bearing_deg(a, b) <= 360


@many
@given(towns, st.floats(-20_000, 20_000), st.floats(-20_000, 20_000))
def test_the_flat_frame_comes_back_and_agrees_with_the_globe(origin: LatLon, east_m: float, north_m: float) -> None:
    """Within 20 km: there and back to a millimetre; against the sphere within its own 0.56 % of the ellipsoid and the flatness at 75°."""
    frame = LocalFrame(origin)
    at = frame.to_latlon(east_m, north_m)
    back = frame.to_m(at)
    assert back == pytest.approx((east_m, north_m), abs=1e-3)
    flat_m = math.hypot(east_m, north_m)
    assume(flat_m > 1)
    assert distance_m(origin, at) == pytest.approx(flat_m, rel=0.013)


def test_the_flat_frame_reaches_over_the_date_line() -> None:
    frame = LocalFrame(LatLon(-17, 179.999))
    east_m, north_m = frame.to_m(LatLon(-17, -179.999))
    assert east_m == pytest.approx(213, abs=2)
    assert north_m == 0
    assert frame.to_latlon(east_m, 0).lon_deg == pytest.approx(-179.999)
