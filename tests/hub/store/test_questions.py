"""Every question stands on its index: on filled tables no statement walks through all fixes, visits or alerts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from roundsman_core.geo import LatLon
from roundsman_hub.store import question_store, story_store, track_store
from roundsman_hub.store.db import Database
from roundsman_hub.store.question_store import FIRST_PAGE, near_params

EIGHT = datetime(2026, 3, 2, 8, tzinfo=UTC)
FLEET, VANS, FIXES, VISITS = "fl_filled", 20, 4_000, 20_000
NAMES = [f"v_{van:012x}" for van in range(1, VANS + 1)]
PLACE = {"at": FIRST_PAGE[0], "session_no": 0, "visit": 0, "limit": 100, "every": EIGHT}
STRETCH = {"since": EIGHT + timedelta(minutes=10), "until": EIGHT + timedelta(minutes=20)}
QUESTIONS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "track": (track_store.RAW_POINTS, {"vehicle": NAMES[3], **STRETCH}),
    "aged track": (track_store.POINTS[track_store.SIMPLIFIED], {"vehicle": NAMES[3], **STRETCH}),
    "track on streets": (track_store.POINTS[track_store.MATCHED], {"vehicle": NAMES[3], **STRETCH}),
    "near": (question_store.NEAR, near_params(NAMES[:5], LatLon(50.0, 10.0), 100.0, *STRETCH.values())),
    "playback": (question_store.FRAMES, {"vehicles": NAMES[:5], "step_s": 30.0, **STRETCH}),
    "visits of an order": (question_store.VISITS_OF_ORDERS, PLACE | {"orders": ["o_77"]}),
    "visits at an address": (question_store.VISITS_AT_ADDRESS, PLACE | {"fleet": FLEET, "address": "street 77", "d_lat": 540}),
    "stops outside the plan": (
        question_store.OUTSIDE_PLAN,
        PLACE | {"fleet": FLEET, "longer_s": 900, "now": EIGHT, "vehicle": None, **STRETCH},
    ),
    "story": (story_store.STORY, {"orders": ["o_77"]}),
    "alerts": (
        story_store.ALERTS,
        STRETCH | {"fleet": FLEET, "at": EIGHT, "alert": "", "vehicle": None, "any": True, "kinds": [], "limit": 9},
    ),
    "corrections": (story_store.CORRECTIONS, STRETCH | {"fleet": FLEET, "after": 5, "vehicle": None, "limit": 9}),
}
BIG = {"fixes", "visits", "orders", "alerts", "corrections", "actions", "plan_tasks", "journal"}


@pytest.fixture(scope="module")
def filled(database: Database) -> Database:
    """Twenty vans' fixes, visits, orders and alerts of a fleet."""
    with database.transaction() as cur:
        cur.execute("INSERT INTO fleets (fleet_id, name) VALUES (%s, 'Filled')", (FLEET,))
        cur.execute("INSERT INTO depots VALUES ('p_filled', %s, 'D', '', 50000000, 10000000)", (FLEET,))
        for van in NAMES:
            cur.execute(
                "INSERT INTO vehicles VALUES (%s, %s, 'Van', 'p_filled', NULL, 9, %s, %s)", (van, FLEET, EIGHT, EIGHT + timedelta(hours=8))
            )
            cur.execute("INSERT INTO log.sessions (vehicle_id, session) VALUES (%s, %s)", (van, van.removeprefix("v_").rjust(16, "0")))
        values = {"at": EIGHT, "fleet": FLEET, "fixes": FIXES, "visits": VISITS}
        cur.execute(
            "INSERT INTO log.fixes (time, vehicle_id, session_no, seq, mono_ms, lat_e6, lon_e6, satellites, flags) "
            "SELECT %(at)s + s * interval '1 second', vehicle_id, session_no, s, s, 50000000 + s, 10000000, 9, 0 "
            "FROM log.sessions, generate_series(1, %(fixes)s) s",
            values,
        )
        cur.execute(
            "INSERT INTO orders (order_id, fleet_id, depot_id, kind, address, lat_e6, lon_e6, placed, window_start, window_end, service_s, "
            "parcels, track_token, created_at) SELECT 'o_' || s, %(fleet)s, 'p_filled', 'delivery', 'Street ' || s, 50000000 + 3 * s, "
            "10000000, 'given', %(at)s, %(at)s, 60, 1, 't' || s, %(at)s FROM generate_series(1, %(visits)s / 2) s",
            values,
        )
        cur.execute(
            "INSERT INTO visits SELECT 1, s, 'v_000000000001', %(fleet)s, CASE WHEN s %% 2 = 0 THEN 'o_' || s / 2 END, "
            "%(at)s + s * interval '1 second', %(at)s + s * interval '2 second', 50000000 + 3 * s, 10000000, 1 "
            "FROM generate_series(1, %(visits)s) s",
            values,
        )
        cur.execute(
            "INSERT INTO alerts SELECT 'late:o_' || s, %(fleet)s, 'v_000000000001', 'late', 'o_' || s, NULL, "
            "%(at)s + s * interval '1 second', NULL, '{}', %(at)s FROM generate_series(1, %(visits)s / 2) s",
            values,
        )
        cur.execute(
            "INSERT INTO corrections (fleet_id, vehicle_id, noun, subject, order_id, at, was, cause) SELECT %(fleet)s, 'v_000000000001', "
            "'order', 'o_' || s, 'o_' || s, %(at)s + s * interval '1 second', '{}', 'why' FROM generate_series(1, %(visits)s / 2) s",
            values,
        )
        cur.execute(
            "INSERT INTO journal (fleet_id, at, kind, subject, actor, body) SELECT %(fleet)s, %(at)s, 'order.created', 'o_' || s, 'k', "
            "'{}' FROM generate_series(1, %(visits)s / 2) s",
            values,
        )
    with database.dedicated() as connection:
        connection.execute("ANALYZE")
    return database


def scanned(plan: Mapping[str, Any]) -> Iterator[str]:
    """Tables that a plan walks through from end to end."""
    if plan["Node Type"] == "Seq Scan":
        yield plan["Relation Name"]
    for part in plan.get("Plans", ()):
        yield from scanned(part)


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_walks_through_a_whole_table(filled: Database, question: str) -> None:
    sql, values = QUESTIONS[question]
    with filled.transaction() as cur:
        [row] = cur.execute(f"EXPLAIN (FORMAT JSON) {sql}", values).fetchall()
        [plan] = row["QUERY PLAN"]
        walked = {name for name in scanned(plan["Plan"]) if name in BIG or name.startswith(("fixes", "_hyper"))}
        small = {"actions", "plan_tasks"}  # empty here
        assert walked <= small, plan
        cur.execute(sql, values)
        assert question == "near" or cur.fetchall()
