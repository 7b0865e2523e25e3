"""What was stored comes out again: the track with its gaps, and the numbers that are made of it."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from xml.etree import ElementTree

import pytest
from psycopg.types.json import Jsonb

from roundsman_hub import metrics
from roundsman_hub.export import NoTrack, export_track
from roundsman_hub.store.audit import audit_tracks
from roundsman_hub.store.db import Database
from roundsman_wire.messages import GAP_BEFORE

EIGHT = datetime(2026, 3, 2, 8, tzinfo=UTC)
ids = count(1)


class Round:
    """A fleet with one van that drives north at 10 m/s, a fix a second."""

    def __init__(self, db: Database) -> None:
        number = next(ids)
        self.db, self.fleet, self.vehicle, self.depot = db, f"fl_{number}", f"v_{number}", f"p_{number}"
        with db.transaction() as cur:
            cur.execute("INSERT INTO fleets VALUES (%s, 'Fleet', 'Europe/Helsinki')", (self.fleet,))
            cur.execute("INSERT INTO depots VALUES (%s, %s, 'D', '', 0, 0)", (self.depot, self.fleet))
            cur.execute(
                "INSERT INTO vehicles VALUES (%s, %s, 'Van', %s, NULL, 10, '2026-03-02T08:00Z', '2026-03-02T16:00Z', NULL)",
                (self.vehicle, self.fleet, self.depot),
            )
            cur.execute(
                "INSERT INTO log.sessions (vehicle_id, session) VALUES (%s, %s) RETURNING session_no", (self.vehicle, f"{number:016x}")
            )
            self.session_no = cur.fetchall()[0]["session_no"]
            cur.execute("INSERT INTO log.watermarks VALUES (%s, 1, 0)", (self.session_no,))

    def drive(self, first: int, last: int, *, flags: int = 0, speed_cm_s: int = 1000) -> None:
        rows = [
            (EIGHT + timedelta(seconds=seq), seq, 1000 * seq, 60_000_000 + 90 * seq, speed_cm_s, flags if seq == first else 0)
            for seq in range(first, last + 1)
        ]
        with self.db.transaction() as cur:
            cur.executemany(
                "INSERT INTO log.fixes (vehicle_id, session_no, time, seq, mono_ms, lat_e6, speed_cm_s, flags, lon_e6, satellites) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 25000000, 9)",
                [(self.vehicle, self.session_no, *row) for row in rows],
            )
            cur.execute("UPDATE log.watermarks SET through_seq = %s WHERE session_no = %s AND lane = 1", (last, self.session_no))

    def note(self, sql: str, *values: Any) -> None:
        with self.db.transaction() as cur:
            cur.execute(sql, values)

    def geojson(self) -> list[dict[str, Any]]:
        features: list[dict[str, Any]] = json.loads(export_track(self.db, self.vehicle, "geojson"))["features"]
        return features

    def gaps(self) -> list[str]:
        return [feature["properties"]["reason"] for feature in self.geojson() if feature["geometry"] is None]


@pytest.fixture
def van(database: Database) -> Round:
    return Round(database)


def test_an_unbroken_track_is_one_line_with_its_times(van: Round) -> None:
    van.drive(1, 5)
    [feature] = van.geojson()
    assert feature["geometry"] == {"type": "LineString", "coordinates": [[25.0, 60 + 90 * seq / 1e6] for seq in range(1, 6)]}
    assert feature["properties"]["coordTimes"][0] == "2026-03-02T08:00:01.000Z"
    assert feature["properties"]["speedsMps"] == [10.0] * 5


def test_a_gap_that_the_receiver_saw_is_not_bridged(van: Round) -> None:
    van.drive(1, 3)
    van.drive(4, 6, flags=GAP_BEFORE)
    before, gap, after = van.geojson()
    assert (len(before["geometry"]["coordinates"]), len(after["geometry"]["coordinates"])) == (3, 3)
    assert gap["properties"]["from"] == "2026-03-02T08:00:03.000Z"


def test_a_gap_that_the_van_told_is_not_bridged(van: Round) -> None:
    van.drive(1, 3)
    van.drive(30, 32)
    insert = "INSERT INTO fix_gaps VALUES (%s, 7, %s, %s, %s, %s, 'tunnel')"
    van.note(insert, van.session_no, van.vehicle, van.fleet, EIGHT + timedelta(seconds=3), EIGHT + timedelta(seconds=30))
    assert van.gaps() == ["tunnel"]


def test_numbers_that_were_thinned_are_not_bridged(van: Round) -> None:
    van.drive(1, 3)
    van.drive(10, 12)
    van.note("INSERT INTO log.gaps VALUES (%s, 1, 4, 9, 'thinned', %s)", van.session_no, EIGHT)
    assert van.gaps() == ["numbers of the log are not held: thinned"]


def test_the_end_of_a_shift_is_not_bridged(van: Round) -> None:
    van.drive(1, 3)
    van.drive(4, 5)
    van.note(
        "INSERT INTO duties VALUES (%s, 9, %s, %s, NULL, 'off', %s)", van.session_no, van.vehicle, van.fleet, EIGHT + timedelta(seconds=3.5)
    )
    assert van.gaps() == ["off shift"]


def test_gpx_and_csv_tell_the_same(van: Round) -> None:
    van.drive(1, 3)
    van.drive(4, 4, flags=GAP_BEFORE)
    root = ElementTree.fromstring(export_track(van.db, van.vehicle, "gpx").split("\n", 1)[1])
    space = "{http://www.topografix.com/GPX/1/1}"
    assert [len(segment) for segment in root.iter(f"{space}trkseg")] == [3, 1]
    assert next(root.iter(f"{space}trkpt")).attrib == {"lat": "60.000090", "lon": "25.000000"}
    lines = list(csv.DictReader(io.StringIO(export_track(van.db, van.vehicle, "csv"))))
    assert [(line["segment"], bool(line["gap_before"])) for line in lines] == [("1", False)] * 3 + [("2", True)]


def test_times_can_be_chosen_and_nothing_is_said_plainly(van: Round) -> None:
    van.drive(1, 9)
    text = export_track(van.db, van.vehicle, "csv", since=EIGHT + timedelta(seconds=3), until=EIGHT + timedelta(seconds=5))
    assert len(text.splitlines()) == 3
    with pytest.raises(NoTrack, match="no fixes"):
        export_track(van.db, van.vehicle, "csv", since=EIGHT + timedelta(days=1))
    with pytest.raises(NoTrack, match="no vehicle 'v_none'"):
        export_track(van.db, "v_none", "csv")


def test_the_audit_finds_what_is_missing_and_what_is_twice(van: Round) -> None:
    van.drive(1, 10)
    van.note("DELETE FROM log.fixes WHERE session_no = %s AND seq = 4", van.session_no)
    van.note("DELETE FROM log.fixes WHERE session_no = %s AND seq IN (6, 7)", van.session_no)
    van.note("INSERT INTO log.gaps VALUES (%s, 1, 6, 7, 'thinned', %s)", van.session_no, EIGHT)
    van.note("INSERT INTO log.fixes SELECT * FROM log.fixes WHERE session_no = %s AND seq = 9", van.session_no)
    with van.db.transaction() as cur:
        [found] = audit_tracks(cur, [van.vehicle])
    assert (found.acknowledged, found.stored, found.gone, found.missing, found.twice) == (10, 7, 2, 1, 1)


def test_first_numbers_of_a_fleet(van: Round) -> None:
    van.drive(1, 101)
    van.drive(102, 400, speed_cm_s=0)
    stops = [{"stop": f"o_{van.fleet}_{n}", "leg_m": 1000 * n, "leg_s": 60 * n} for n in (1, 2, 3)]
    rest = [{"stop": stops[1]["stop"], "leg_m": 7, "leg_s": 7}, stops[2]]
    for version, plan in ((1, stops), (2, rest)):
        van.note(
            "INSERT INTO plans VALUES (%s, %s, %s, %s, %s, NULL, '', '[]', %s, 'h', '', NULL)",
            van.vehicle,
            version,
            van.fleet,
            EIGHT,
            EIGHT,
            Jsonb({"stops": plan}),
        )
    for number, (state, late_min) in enumerate((("delivered", 0), ("delivered", 5), ("failed", 0)), 1):
        order = f"o_{van.fleet}_{number}"
        van.note(
            "INSERT INTO orders (order_id, fleet_id, depot_id, kind, address, placed, window_start, window_end, service_s, parcels, "
            "track_token, created_at) VALUES (%s, %s, %s, 'delivery', 'Street', 'given', %s, %s, 60, 1, %s, %s)",
            *(order, van.fleet, van.depot, EIGHT, EIGHT + timedelta(hours=1), order, EIGHT),
        )
        for version in (1, 2) if number > 1 else (1,):
            van.note("INSERT INTO plan_tasks VALUES (%s, %s, %s, %s, %s)", van.vehicle, version, van.fleet, order, number)
        at = EIGHT + timedelta(hours=1, minutes=late_min)
        van.note(
            "INSERT INTO order_states VALUES (%s, %s, %s, %s, NULL, %s, %s, NULL, %s)", order, van.fleet, state, van.vehicle, at, at, order
        )
    with van.db.transaction() as cur:
        since, until = metrics.day_of(cur, van.fleet, EIGHT)
        total, vehicles = metrics.numbers(cur, van.fleet, since, until)
    assert since.isoformat() == "2026-03-02T00:00:00+02:00"
    assert (total.due, total.delivered, total.failed, total.on_time_share, total.stops_a_day) == (3, 2, 1, 0.5, 3.0)
    assert (total.planned_m, total.planned_s) == (6000, 360), "a plan made under way does not shorten the leg"
    assert total.driven_m == pytest.approx(1001, abs=2), "standing adds nothing"
    assert total.driving_s == 100
    assert (total.fixes, total.fixes_missing, total.fixes_twice) == (400, 0, 0)
    assert vehicles[van.vehicle].delivered == 2
