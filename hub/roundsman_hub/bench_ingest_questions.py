"""Questions of a large record, for `make bench-ingest`: a vehicle's day out of a filled table, a fleet's newest positions, bytes a fix."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from roundsman_hub import bench_ingest_door
from roundsman_hub.bench_ingest_fill import DAYS, Filled, fill, midnight
from roundsman_hub.settings import Settings

TIMES: Final = 9
"""Each question is asked so often, of another vehicle each time."""

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


def questions(settings: Settings, rows: int, say: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """Fill the emptied table with about `rows` rows, and ask; the table is empty again after.

    Yields
    ------
    dict
        Figures, by the names of `Row`'s fields.
    """
    table = Filled.of(rows)
    with psycopg.connect(settings.database_url, autocommit=True, row_factory=dict_row) as connection:
        fill(connection, table, say)
        connection.execute(
            "INSERT INTO log.sessions (session_no, vehicle_id, session, ordinal) OVERRIDING SYSTEM VALUE "
            "SELECT n + 1, 'v_' || lpad(to_hex(n), 12, '0'), lpad(to_hex(n), 16, '0'), 1 FROM generate_series(0, %s) AS n",
            (table.vehicles - 1,),
        )
        connection.execute("ANALYZE log.sessions")
        connection.execute(
            "INSERT INTO vehicle_now (vehicle_id, fleet_id, online, time, lat_e6, lon_e6, seen_real_at) "
            "SELECT vehicle_id, fleet_id, true, clock_timestamp(), 47000000, 9500000, clock_timestamp() FROM vehicles "
            "ON CONFLICT DO NOTHING"
        )
        connection.execute(_PLANS, {"plan": Jsonb(_plan())})
        connection.execute("ANALYZE vehicle_now, plans")
        stored = connection.execute(_SIZE).fetchone()
        if stored is not None:
            yield {"name": "bytes_fix_disk", "value": float(stored["bytes"]) / table.rows, "unit": "B"}
        track_ms, points = _track(connection, table)
        yield {"name": "track_ms", "value": track_ms, "unit": "ms", "goal": 100.0}
        latest_ms, vehicles = _latest(connection)
        yield {"name": "latest_5000_ms", "value": latest_ms, "unit": "ms", "goal": 50.0}
        say(f"  a track of {points:,} points; {vehicles:,} newest positions")
        with bench_ingest_door.door(settings, "fl_bench", settings.data_dir / "door") as client:
            days = [(table.vehicle(7 * number), midnight(1 + number % DAYS)) for number in range(TIMES)]
            yield from bench_ingest_door.ask(client, days, say)
        connection.execute("TRUNCATE log.fixes, log.watermarks, log.sessions")


def _plan() -> dict[str, Any]:
    stops = [
        {"stop": f"s_{n}", "tasks": [f"o_{n}"], "lat_e6": 47_000_000 + 900 * n, "lon_e6": 9_500_000 + 700 * n} for n in range(PLAN_STOPS)
    ]
    return {"stops": stops, "depot_lat_e6": 47_000_000, "depot_lon_e6": 9_500_000}


def _track(connection: psycopg.Connection[dict[str, Any]], table: Filled) -> tuple[float, int]:
    took, points = [], 0
    for number in range(TIMES):
        day = midnight(1 + number % DAYS)
        began = time.monotonic()
        with connection.cursor(row_factory=psycopg.rows.tuple_row, binary=True) as cur:
            points = len(cur.execute(_TRACK, (table.vehicle(7 * number), day, day + timedelta(days=1))).fetchall())
        took.append(1000 * (time.monotonic() - began))
    return statistics.median(took), points


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
