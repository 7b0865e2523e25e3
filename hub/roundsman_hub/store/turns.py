"""How far what is asked for, not streamed, is: a mark of each subject that differs once there is something to read again."""

from __future__ import annotations

import hashlib
from datetime import datetime

from roundsman_hub.store import road_store
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, rows

_MARKS = """
SELECT 'cases' AS turn, coalesce(max(changed_at)::text, '') AS mark FROM cases WHERE fleet_id = %(fleet)s
UNION ALL SELECT 'chat', coalesce(max(at)::text, '') FROM chat WHERE fleet_id = %(fleet)s
UNION ALL SELECT 'notices', concat_ws(' ',
    (SELECT max(written_at) FROM outbox WHERE fleet_id = %(fleet)s),
    (SELECT count(*) FROM outbox WHERE fleet_id = %(fleet)s AND state IN ('waiting', 'sending')),
    (SELECT count(*) FROM outbox WHERE fleet_id = %(fleet)s AND state = 'dead'))
UNION ALL SELECT 'proposals', concat_ws(' ',
    (SELECT max(at) FROM proposals WHERE fleet_id = %(fleet)s), (SELECT max(decided_at) FROM proposals WHERE fleet_id = %(fleet)s),
    (SELECT string_agg(mode, ',' ORDER BY depot_id) FROM depots WHERE fleet_id = %(fleet)s))
UNION ALL SELECT 'nights', concat_ws(' ',
    (SELECT md5(string_agg(concat_ws(',', kind, subject, day, state, started_at, ended_at), ';' ORDER BY kind, subject, day))
     FROM nightly_runs WHERE fleet_id = %(fleet)s AND day >= %(today)s::date - 15),
    (SELECT string_agg(plan_at, ',' ORDER BY depot_id) FROM nightly_times WHERE fleet_id = %(fleet)s),
    (SELECT count(*) FROM roster WHERE fleet_id = %(fleet)s AND day >= %(today)s::date))
"""


_CLOSURES = """
SELECT closure_id, from_at <= %(now)s AS holds FROM closures WHERE fleet_id = %(fleet)s AND until_at > %(now)s ORDER BY closure_id
"""
_ZONES = "SELECT * FROM access_zones WHERE fleet_id = %(fleet)s ORDER BY zone_id"


def marks(cur: Cursor, now: datetime) -> list[Row]:
    """`turn` (the subject) and its `mark`, of the tenant's own fleet. A mark is compared with the one before, and never read."""
    [own] = rows(cur, "SELECT current_setting('roundsman.fleet', true) AS fleet")
    return [*rows(cur, _MARKS, own | {"today": now}), {"turn": "sites", "mark": _sites(cur, own, now)}]


def _sites(cur: Cursor, own: Row, now: datetime) -> str:
    """Of fences, closures and access zones: a closure begins and ends by itself, so what holds now is a part of it."""
    fences = rows(cur, "SELECT version FROM sites_versions WHERE fleet_id = %(fleet)s", own)
    closures = rows(cur, _CLOSURES, own | {"now": now})
    zones = [(r["zone_id"], road_store.zone_of(r).holds(now)) for r in rows(cur, _ZONES, own)]
    return hashlib.sha256(repr((fences, closures, zones)).encode()).hexdigest()[:16]
