"""Is every fix of a vehicle here, once? What the log's promise comes down to, counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from roundsman_hub.store.db import Cursor
from roundsman_wire.messages import TRACK


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackAudit:
    """Fixes of one vehicle. `acknowledged` = stored + gone + missing; missing and twice must be 0.

    acknowledged : numbers up to the watermarks of its sessions. stored : distinct numbers with a row. gone : numbers in `log.gaps`.
    twice : rows beyond the first of a number. undated : of the stored, those that wait for a date.
    """

    vehicle_id: str
    acknowledged: int
    stored: int
    gone: int
    missing: int
    twice: int
    undated: int


def audit_tracks(cur: Cursor, vehicles: Sequence[str]) -> list[TrackAudit]:
    """Count the fixes of these vehicles, number by number."""
    cur.execute(
        """
        WITH sessions AS (SELECT session_no, vehicle_id FROM log.sessions WHERE vehicle_id = ANY(%(vehicles)s)),
        numbers AS (
            SELECT session_no, seq, count(*) AS times, count(*) FILTER (WHERE undated) AS undated FROM (
                SELECT session_no, seq, false AS undated FROM log.fixes WHERE vehicle_id = ANY(%(vehicles)s)
                UNION ALL SELECT session_no, seq, true FROM log.fixes_untimed WHERE vehicle_id = ANY(%(vehicles)s)
            ) AS both_tables GROUP BY session_no, seq
        ),
        rows AS (SELECT session_no, count(*) AS stored, sum(times - 1) AS twice, sum(undated) AS undated FROM numbers GROUP BY session_no),
        gaps AS (SELECT session_no, sum(last_seq - first_seq + 1) AS gone FROM log.gaps WHERE lane = %(lane)s GROUP BY session_no),
        marks AS (SELECT session_no, through_seq FROM log.watermarks WHERE lane = %(lane)s)
        SELECT s.vehicle_id, coalesce(sum(through_seq), 0)::bigint AS acknowledged, coalesce(sum(stored), 0)::bigint AS stored,
               coalesce(sum(gone), 0)::bigint AS gone, coalesce(sum(twice), 0)::bigint AS twice,
               coalesce(sum(undated), 0)::bigint AS undated
        FROM sessions s LEFT JOIN rows USING (session_no) LEFT JOIN gaps USING (session_no) LEFT JOIN marks USING (session_no)
        GROUP BY s.vehicle_id ORDER BY s.vehicle_id
        """,
        {"vehicles": list(vehicles), "lane": TRACK},
    )
    return [TrackAudit(**row, missing=row["acknowledged"] - row["stored"] - row["gone"]) for row in cur]
