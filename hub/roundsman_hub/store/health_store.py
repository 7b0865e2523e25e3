"""How vans' units say they are: SQL beside its function."""

from __future__ import annotations

from typing import Final

from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row

# The newest is the highest (session, seq), never the latest date: one lookup in the primary key of each session, newest first.
_NEWEST: Final = """
SELECT h.time, h.received_at, h.body FROM log.sessions s CROSS JOIN LATERAL (
    SELECT e.time, e.received_at, e.body FROM log.entries e WHERE e.session_no = s.session_no AND e.kind = 'health'
    ORDER BY e.seq DESC LIMIT 1
) h WHERE s.vehicle_id = %s ORDER BY s.ordinal DESC, s.session_no DESC LIMIT 1
"""

# Of vans on line, as their units last said it; the limits are those at which the unit itself says so at once (`care.py`).
_UNWELL: Final = """
SELECT count(*) FILTER (WHERE b ->> 'receiver' NOT LIKE 'ok%' AND b ->> 'receiver' NOT LIKE 'resting%') AS receiver,
       count(*) FILTER (WHERE (b ->> 'temperature_c')::float8 >= 80) AS hot,
       count(*) FILTER (WHERE jsonb_array_length(coalesce(b -> 'throttled', '[]')) > 0) AS throttled,
       count(*) FILTER (WHERE (b ->> 'disk_free_mb')::int8 < 256) AS disk,
       count(*) FILTER (WHERE (b ->> 'disk_wear_pct')::int8 >= 90) AS wear,
       count(*) FILTER (WHERE b -> 'rejected' ? 'store full') AS store,
       coalesce(max((b ->> 'oldest_unsent_s')::int8), 0) AS oldest_unsent_s
FROM vehicle_now n CROSS JOIN LATERAL (
    SELECT e.body::jsonb AS b FROM log.sessions s JOIN log.entries e USING (session_no)
    WHERE s.vehicle_id = n.vehicle_id AND s.ordinal = n.session_ordinal AND e.kind = 'health' ORDER BY e.seq DESC LIMIT 1
) h WHERE n.online
"""
UNWELL: Final = ("receiver", "hot", "throttled", "disk", "wear", "store")
"""What a technician would be sent for."""


def unwell(cur: Cursor) -> Row:
    """How many vans on line have each of `UNWELL`, and `oldest_unsent_s` of all of them."""
    return cur.execute(_UNWELL).fetchone() or {}


def newest_health(cur: Cursor, vehicle: str) -> Row | None:
    """What a van's unit said last of itself: `time` (null: it had no date), `received_at`, and the entry as it was sent."""
    return cur.execute(_NEWEST, (vehicle,)).fetchone()
