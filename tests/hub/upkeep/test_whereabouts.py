"""Where a van was stays answerable when its raw fixes have aged: near, playback and numbers, from the simplified line and the day's row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from roundsman_core.geo import LatLon, distance_m
from roundsman_hub import metrics
from roundsman_hub.clock import to_ms
from roundsman_hub.store import whereabouts
from roundsman_hub.upkeep import line as lines_of
from roundsman_hub.upkeep.ageing import age, count_days
from roundsman_hub.upkeep.line import Line
from roundsman_hub.upkeep.simplify import TOLERANCE_M

EIGHT = datetime(2026, 3, 2, 8, tzinfo=UTC)
A_YEAR_ON = EIGHT + timedelta(days=400)
MIDNIGHT = EIGHT - timedelta(hours=10)
"""The fleet's own, in Helsinki."""


def aged(van: Any, now: datetime = A_YEAR_ON) -> None:
    count_days(van.db, now)
    age(van.db, now)
    assert van.raw() == 0


def passes(van: Any, place: LatLon, radius_m: float = 60.0) -> list[whereabouts.Seen]:
    with van.db.transaction() as cur:
        return whereabouts.near(cur, [van.vehicle], place, radius_m, EIGHT, EIGHT + timedelta(hours=1))


def playback(van: Any, step_s: float = 30.0, hours: float = 1.0) -> dict[datetime, dict[str, Any]]:
    with van.db.transaction() as cur:
        found = list(whereabouts.frames(cur, [van.vehicle], EIGHT, EIGHT + timedelta(hours=hours), step_s))
    assert all(len(seen) == 1 for _, seen in found)
    return {at: seen[0] for at, seen in found}


def drove(van: Any, since: datetime, until: datetime) -> metrics.Numbers:
    with van.db.transaction() as cur:
        return metrics.numbers(cur, van.fleet, since, until)[0]


def test_who_was_near_is_still_told_of_an_aged_day(van: Any) -> None:
    van.drive(1, 900)
    [row] = van.ask("SELECT lat_e6, lon_e6 FROM log.fixes WHERE vehicle_id = %s AND seq = 400", van.vehicle)
    place = LatLon.from_e6(row["lat_e6"], row["lon_e6"])
    [before] = passes(van, place)
    aged(van)
    [after] = passes(van, place)
    assert (before.simplified, after.simplified) == (False, True)
    assert abs(after.nearest_m - before.nearest_m) <= TOLERANCE_M + 0.1
    assert passes(van, LatLon(place.lat_deg + 1, place.lon_deg)) == []
    with van.db.transaction() as cur:
        assert whereabouts.near(cur, [van.vehicle], place, 60.0, EIGHT + timedelta(hours=2), EIGHT + timedelta(hours=3)) == []


def test_a_pass_that_ends_on_raw_fixes_is_one_pass(van: Any) -> None:
    van.drive(1, 150)
    aged(van)
    van.drive(151, 170)  # stands still from 120 on
    [row] = van.ask("SELECT lat_e6, lon_e6 FROM log.fixes WHERE vehicle_id = %s AND seq = 151", van.vehicle)
    [seen] = passes(van, LatLon.from_e6(row["lat_e6"], row["lon_e6"]))
    assert seen.simplified
    assert seen.to_at >= EIGHT + timedelta(seconds=165)


def test_an_aged_day_plays_back_within_ten_metres(van: Any) -> None:
    van.drive(1, 900)
    before = playback(van, 30.0)
    exact = {row["time"]: row for row in van.ask("SELECT time, lat_e6, lon_e6 FROM log.fixes WHERE vehicle_id = %s", van.vehicle)}
    aged(van)
    after = playback(van, 30.0)
    assert list(after) == list(before), "the same frames"
    for row in after.values():
        assert (row["simplified"], row["speed_cm_s"], row["heading_cdeg"]) == (True, None, None)
        there = exact[row["time"].replace(microsecond=0) + timedelta(seconds=row["time"].microsecond > 0)]
        off = distance_m(LatLon.from_e6(row["lat_e6"], row["lon_e6"]), LatLon.from_e6(there["lat_e6"], there["lon_e6"]))
        assert off <= TOLERANCE_M + 0.5
    van.drive(901, 960)
    mixed = playback(van, 30.0)
    assert [row["simplified"] for row in mixed.values()] == [True] * 30 + [False] * 3, "raw fixes that are there go first"


def test_what_was_driven_stays_the_same_when_the_day_ages(van: Any) -> None:
    van.drive(1, 900)
    whole = MIDNIGHT, MIDNIGHT + timedelta(days=1)
    part = EIGHT + timedelta(seconds=100), EIGHT + timedelta(seconds=500)
    before, some = drove(van, *whole), drove(van, *part)
    assert before.driven_m > some.driven_m > 0
    aged(van)
    after, some_after = drove(van, *whole), drove(van, *part)
    assert (after.driven_m, after.driving_s) == (before.driven_m, before.driving_s), "the day's own row"
    assert (before.simplified, after.simplified, some_after.simplified) == (False, True, True)
    assert some_after.driven_m == pytest.approx(some.driven_m, rel=0.05)
    assert some_after.driving_s == pytest.approx(some.driving_s, rel=0.1)
    days = drove(van, MIDNIGHT + timedelta(seconds=60), MIDNIGHT + timedelta(days=3))
    assert days.driven_m == before.driven_m, "no day counts twice, and a whole track within a part of a day counts whole"
    aged(van, EIGHT + timedelta(days=1000))
    assert van.ask("SELECT FROM log.stretches WHERE vehicle_id = %s", van.vehicle) == []
    assert drove(van, *whole).driven_m == before.driven_m, "kept for good"


def test_aged_and_raw_days_add_up(van: Any) -> None:
    van.drive(1, 600)
    van.drive(601, 1200, at=EIGHT + timedelta(days=200))
    one, two = (drove(van, MIDNIGHT + timedelta(days=day), MIDNIGHT + timedelta(days=day + 1)) for day in (0, 200))
    now = EIGHT + timedelta(days=210)
    count_days(van.db, now)
    age(van.db, now)
    assert van.raw() == 600
    both = drove(van, MIDNIGHT, MIDNIGHT + timedelta(days=201))
    assert both.driven_m == pytest.approx(one.driven_m + two.driven_m, abs=2)
    assert both.driving_s == pytest.approx(one.driving_s + two.driving_s, abs=2)
    assert both.simplified
    assert not drove(van, MIDNIGHT + timedelta(days=200), MIDNIGHT + timedelta(days=201)).simplified


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 300), st.integers(-3_000, 3_000), st.integers(-3_000, 3_000)), min_size=1, max_size=12),
    st.floats(5, 500),
    st.integers(-200, 3_000),
    st.integers(1, 2_000),
)
def test_near_is_what_looking_every_second_sees(legs: list[tuple[int, int, int]], radius_m: float, since_s: int, length_s: int) -> None:
    """Invariant: an instant is within a pass exactly if the line has the van within the radius then. Across the 180th meridian."""
    steps = np.array([(0, 0, 0), *legs], np.int64).cumsum(axis=0)
    start = to_ms(EIGHT)
    lon = (179_999_000 + steps[:, 2] + 180_000_000) % 360_000_000 - 180_000_000
    line = Line(vehicle_id="v", t_ms=start + 1000 * steps[:, 0], lat_e6=steps[:, 1], lon_e6=lon, driven_m=1.0, moving_s=1.0)
    place = LatLon(0.0, 180.0)
    since, until = start + 1000 * since_s, start + 1000 * (since_s + length_s)
    found = lines_of.near(line, place, radius_m, since, until)
    looks = np.arange(max(since, int(line.t_ms[0])), min(until - 1, int(line.t_ms[-1])) + 1, 1000)
    for ms, lat_e6, lon_e6 in zip(looks.tolist(), *(values.tolist() for values in lines_of.at(line, looks)), strict=True):
        away_m = distance_m(LatLon.from_e6(lat_e6, lon_e6), place)
        inside = any(told.from_ms <= ms <= told.to_ms for told in found)
        assert inside == (away_m <= radius_m) or abs(away_m - radius_m) < 1.0
    for told in found:
        assert since <= told.from_ms <= told.nearest_ms <= told.to_ms < until
        assert told.nearest_m <= radius_m
