"""Travel times that are kept: what is asked again, and when everything is forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from roundsman_core.geo import LatLon
from roundsman_hub.replan.matrix import MatrixCache
from roundsman_hub.roads import GreatCircle, Matrix

PLACES = [LatLon(50.0 + 0.01 * at, 8.0) for at in range(6)]
VAN = LatLon(50.05, 8.05)


class Roads(GreatCircle):
    """Roads that count what they are asked, and whose pace can change."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int, str, str]] = []
        self.slower: dict[str, int] = {}
        self.away_in: set[str] = set()

    def version(self, profile: str = "car", band: str = "") -> str:
        return str(self.slower)

    def bands(self, profile: str = "car") -> frozenset[str]:
        return frozenset(self.slower)

    def matrix(self, places: Sequence[LatLon], targets: Sequence[LatLon] | None = None, *, profile: str = "car", band: str = "") -> Matrix:
        found = super().matrix(places, targets, profile=profile)
        self.asked.append((*found.durations_s.shape, profile, band))
        network = "instead" if band in self.away_in else found.network
        durations_s = found.durations_s * self.slower.get(band, 1)
        return Matrix(durations_s=durations_s, distances_m=found.distances_m, network=network, profile=profile, band=band)


def test_a_new_order_asks_for_one_row_and_one_column() -> None:
    roads = Roads()
    cache = MatrixCache(roads)
    cache.tables(PLACES[:5], [])
    roads.asked.clear()
    durations_s, _ = cache.tables(PLACES, [])
    assert sorted(roads.asked) == [(1, 6, "car", ""), (5, 1, "car", "")]
    assert np.array_equal(durations_s, GreatCircle().matrix(PLACES).durations_s)
    roads.asked.clear()
    cache.tables(PLACES[::-1], [VAN])
    assert roads.asked == [(1, 6, "car", "")]  # where the van is, asked each time


def test_kinds_of_vehicle_and_bands_have_tables_of_their_own() -> None:
    roads = Roads()
    roads.slower = {"morning": 2}
    cache = MatrixCache(roads)
    seven = datetime(2026, 3, 2, 6, tzinfo=UTC)
    profiles = cache.profiles(PLACES, [VAN], {"car", "truck"}, seven, "UTC")
    assert set(profiles) == {"car", "truck"}
    assert profiles["car"].band_starts_s[:3] == (0, 3_600, 4 * 3_600)
    early, morning, midday = profiles["car"].durations_s[:3]
    apart = early > 0
    assert (morning[apart] == 2 * early[apart]).all()
    assert (midday == early).all()
    assert (profiles["truck"].durations_s[0] > early)[apart].any()


def test_cars_without_bands_need_no_table_but_the_problems_own() -> None:
    assert MatrixCache(Roads()).profiles(PLACES, [], {"car"}, datetime(2026, 3, 2, tzinfo=UTC), "UTC") == {}


def test_another_version_of_the_roads_is_asked_anew() -> None:
    roads = Roads()
    cache = MatrixCache(roads)
    before, _ = cache.tables(PLACES, [])
    roads.slower = {"": 3}
    after, _ = cache.tables(PLACES, [])
    assert np.array_equal(after, 3 * before)


def test_what_stood_in_for_the_roads_is_told_and_not_kept() -> None:
    roads = Roads()
    cache = MatrixCache(roads)
    roads.away_in = {""}
    cache.tables(PLACES, [])
    assert cache.network == "instead"
    roads.away_in = set()
    roads.asked.clear()
    cache.tables(PLACES, [])
    assert roads.asked == [(6, 6, "car", "")]
    assert cache.network == "great_circle"


def test_a_band_that_the_roads_told_does_not_hide_what_stood_in_for_the_others() -> None:
    roads = Roads()
    roads.slower = {"morning": 2}
    cache = MatrixCache(roads)
    roads.away_in = {""}
    cache.tables(PLACES, [VAN])
    cache.profiles(PLACES, [VAN], {"car"}, datetime(2026, 3, 2, 6, tzinfo=UTC), "UTC")
    assert roads.asked[-1][3] == "morning"
    assert cache.network == "instead"


def test_of_a_van_that_drives_to_a_settled_stop_only_that_way_is_asked() -> None:
    roads = Roads()
    cache = MatrixCache(roads)
    starts = [VAN, LatLon(50.01, 8.02), LatLon(50.02, 8.02), LatLon(50.0, 8.0)]
    every_s, every_m = cache.tables(PLACES, starts)
    roads.asked.clear()
    durations_s, distances_m = cache.tables(PLACES, starts, first=[(2,), None, (4,), ()])
    assert roads.asked == [(1, 6, "car", ""), (2, 2, "car", "")]
    for table, whole in ((durations_s, every_s), (distances_m, every_m)):
        assert np.array_equal(table[:6], whole[:6]), "work is as it was"
        assert np.array_equal(table[7], whole[7]), "one that may go anywhere"
        assert (table[6, 2], table[8, 4]) == (whole[6, 2], whole[8, 4])
    assert (durations_s[9] == -1).all(), "at the depot nobody asks for its place"


def test_from_where_vans_are_only_the_next_hours_bands_are_asked() -> None:
    """A plan meets many bands; from the place where it is now a van drives in the first of them."""
    roads = Roads()
    roads.slower = {"morning": 2, "midday": 3, "afternoon": 4}
    half_past_six = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
    profile = MatrixCache(roads).profiles(PLACES, [VAN], {"car"}, half_past_six, "UTC")["car"]
    assert [asked for asked in roads.asked if asked[0] == 1] == [(1, 6, "car", ""), (1, 6, "car", "morning")]
    early, morning, midday, afternoon = profile.durations_s[:4, 6, :6]
    assert (morning == 2 * early).all()
    assert (midday == morning).all(), "not asked: as before"
    assert (afternoon == morning).all()
