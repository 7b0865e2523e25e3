"""How far a fleet's cases, chat, notices and proposals are: a mark of each that differs once there is something to read again."""

from __future__ import annotations

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
"""


def marks(cur: Cursor) -> list[Row]:
    """`turn` (the subject) and its `mark`, of the tenant's own fleet. A mark is compared with the one before, and never read."""
    [own] = rows(cur, "SELECT current_setting('roundsman.fleet', true) AS fleet")
    return rows(cur, _MARKS, own)
