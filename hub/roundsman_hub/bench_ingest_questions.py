"""Questions of a large record, for `make bench-ingest`: a vehicle's day out of a filled table, a fleet's newest positions, bytes a fix."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from roundsman_hub import bench_ingest_door
from roundsman_hub.settings import Settings

VEHICLES: Final = 100
DAYS: Final = 7
TIMES: Final = 9
"""Each question is asked so often, of another vehicle each time."""
PER_FRAME: Final = 10
"""Consecutive fixes of one van that lie side by side on disk: those of a frame, and between them the other vans'. The shortest frames
make the worst case."""

_FILL: Final = """
    INSERT INTO log.fixes (
        time, vehicle_id, session_no, seq, mono_ms, lat_e6, lon_e6, speed_cm_s, heading_cdeg, accuracy_dm, satellites, flags
    )
    SELECT date_trunc('day', clock_timestamp()) - make_interval(days => %(day)s) + make_interval(secs => 21600 + n),
           'v_' || lpad(to_hex(van), 12, '0'), van + 1, %(day)s * 28800 + n + 1, n * 1000, 47000000 + van * 1000 + n, 9500000 - n,
           1000 + n %% 7, 150 * (n %% 240), 15, 9, 0
    FROM generate_series(0, %(frames)s - 1) AS frame, generate_series(0, %(vehicles)s - 1) AS van,
         generate_series(frame * %(per)s, frame * %(per)s + %(per)s - 1) AS n
"""
_PLANS: Final = """
    INSERT INTO plans (vehicle_id, version, fleet_id, issued_at, issued_real_at, reason, changes, plan, hash, envelope)
    SELECT vehicle_id, 1, fleet_id, clock_timestamp(), clock_timestamp(), 'morning', '[]', %(plan)s, '', '' FROM vehicles
    ON CONFLICT DO NOTHING
"""
PLAN_STOPS: Final = 40
"""Of each van's plan in the picture of all vans."""
_TRACK: Final = """
    SELECT f.time, s.session, f.seq, f.lat_e6, f.lon_e6, f.speed_cm_s, f.heading_cdeg, f.accuracy_dm, f.satellites, f.flags
    FROM log.fixes f JOIN log.sessions s USING (session_no) WHERE f.vehicle_id = %s AND f.time >= %s AND f.time < %s
    ORDER BY s.ordinal, f.session_no, f.seq
"""
_SIZE: Final = """
    SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) AS bytes FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r'
      AND (n.nspname = 'log' AND c.relname LIKE 'fixes_2%' OR n.nspname = '_timescaledb_internal' AND c.relname LIKE '%_chunk')
"""


def questions(settings: Settings, rows: int, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Fill the emptied table with `rows` rows over `DAYS` days of `VEHICLES` vehicles, and ask.

    Returns
    -------
    list
        Figures, by the names of `Row`'s fields.
    """
    frames = rows // (DAYS * VEHICLES * PER_FRAME)
    with psycopg.connect(settings.database_url, autocommit=True, row_factory=dict_row) as connection:
        began = time.monotonic()
        connection.execute("SET synchronous_commit = off")
        connection.execute("SET maintenance_work_mem = '256MB'")
        connection.execute("DROP INDEX log.fixes_by_vehicle")
        for day in range(1, DAYS + 1):
            connection.execute(_FILL, {"day": day, "frames": frames, "vehicles": VEHICLES, "per": PER_FRAME})
        connection.execute("CREATE INDEX fixes_by_vehicle ON log.fixes (vehicle_id, time)")
        connection.execute(
            "INSERT INTO log.sessions (session_no, vehicle_id, session, ordinal) OVERRIDING SYSTEM VALUE "
            "SELECT n + 1, 'v_' || lpad(to_hex(n), 12, '0'), lpad(to_hex(n), 16, '0'), 1 FROM generate_series(0, %s) AS n",
            (VEHICLES - 1,),
        )
        connection.execute("VACUUM (ANALYZE) log.fixes")
        connection.execute("ANALYZE log.sessions")
        connection.execute(
            "INSERT INTO vehicle_now (vehicle_id, fleet_id, online, time, lat_e6, lon_e6, seen_real_at) "
            "SELECT vehicle_id, fleet_id, true, clock_timestamp(), 47000000, 9500000, clock_timestamp() FROM vehicles "
            "ON CONFLICT DO NOTHING"
        )
        connection.execute(_PLANS, {"plan": Jsonb(_plan())})
        connection.execute("ANALYZE vehicle_now, plans")
        count = DAYS * frames * VEHICLES * PER_FRAME
        say(f"  filled with {count:,} rows in {time.monotonic() - began:.0f} s")
        stored = connection.execute(_SIZE).fetchone()
        track_ms, points = _track(connection)
        latest_ms, vehicles = _latest(connection)
        say(f"  a track of {points:,} points; {vehicles:,} newest positions")
        with bench_ingest_door.door(settings, "fl_bench", settings.data_dir / "door") as client:
            days = [(f"v_{number * 7 % VEHICLES:012x}", _day(connection, number)) for number in range(TIMES)]
            at_door = bench_ingest_door.ask(client, days, say)
        connection.execute("TRUNCATE log.fixes, log.watermarks, log.sessions")
    return [
        {"name": "track_ms", "value": track_ms, "unit": "ms", "goal": 100.0},
        {"name": "latest_5000_ms", "value": latest_ms, "unit": "ms", "goal": 50.0},
        {"name": "bytes_fix_disk", "value": float(stored["bytes"]) / count if stored else None, "unit": "B"},
        *at_door,
    ]


def _plan() -> dict[str, Any]:
    stops = [
        {"stop": f"s_{n}", "tasks": [f"o_{n}"], "lat_e6": 47_000_000 + 900 * n, "lon_e6": 9_500_000 + 700 * n} for n in range(PLAN_STOPS)
    ]
    return {"stops": stops, "depot_lat_e6": 47_000_000, "depot_lon_e6": 9_500_000}


def _track(connection: psycopg.Connection[dict[str, Any]]) -> tuple[float, int]:
    took, points = [], 0
    for number in range(TIMES):
        day = _day(connection, number)
        began = time.monotonic()
        with connection.cursor(row_factory=psycopg.rows.tuple_row, binary=True) as cur:
            cur.execute("SELECT %s::timestamptz + interval '1 day'", (day,))
            until = cur.fetchall()[0][0]
            points = len(cur.execute(_TRACK, (f"v_{number * 7 % VEHICLES:012x}", day, until)).fetchall())
        took.append(1000 * (time.monotonic() - began))
    return statistics.median(took), points


def _day(connection: psycopg.Connection[dict[str, Any]], number: int) -> datetime:
    row = connection.execute(
        "SELECT date_trunc('day', clock_timestamp()) - make_interval(days => %s) AS at", (1 + number % DAYS,)
    ).fetchone()
    assert row is not None
    at: datetime = row["at"]
    return at


def _latest(connection: psycopg.Connection[dict[str, Any]]) -> tuple[float, int]:
    took, vehicles = [], 0
    for _ in range(TIMES):
        began = time.monotonic()
        with connection.cursor(row_factory=psycopg.rows.tuple_row, binary=True) as cur:
            cur.execute(
                "SELECT vehicle_id, online, time, lat_e6, lon_e6, speed_cm_s, heading_cdeg FROM vehicle_now WHERE fleet_id = %s",
                ("fl_bench",),
            )
            vehicles = len(cur.fetchall())
        took.append(1000 * (time.monotonic() - began))
    return statistics.median(took), vehicles
