"""Facts and visits that a fleet keeps no longer. Facts go by whole sessions of the agent, visits after the facts that they come from.

Nothing that is gone is derived anew: what orders came to stays, and a log that comes later still goes on from where derivation was.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, LiteralString

from roundsman_hub.store.db import Cursor
from roundsman_hub.store.stretch_store import AGED
from roundsman_wire.messages import FACTS

_OLD: Final[LiteralString] = """
    SELECT s.session_no FROM log.sessions s JOIN vehicles v USING (vehicle_id)
    JOIN log.watermarks w ON w.session_no = s.session_no AND w.lane = %(facts)s
    JOIN derive_state d ON d.session_no = s.session_no AND d.through_seq >= w.through_seq
    WHERE v.fleet_id = %(fleet)s AND s.ordinal > 0
      AND EXISTS (SELECT FROM log.sessions n WHERE n.vehicle_id = s.vehicle_id AND n.ordinal > s.ordinal)
      AND EXISTS (SELECT FROM log.entries e WHERE e.session_no = s.session_no)
      AND NOT EXISTS (SELECT FROM log.entries e WHERE e.session_no = s.session_no AND (e.received_at >= %(before)s OR e.time >= %(before)s))
"""
"""A vehicle's newest session goes on, and one that is not derived to its end is still needed."""


def old_sessions(cur: Cursor, fleet: str, before: datetime, most: int) -> list[int]:
    """Sessions whose last word is older than an instant, and to whose end everything is derived; at most so many."""
    cur.execute(_OLD + " ORDER BY s.session_no LIMIT %(most)s", {"fleet": fleet, "before": before, "facts": FACTS, "most": most})
    return [row["session_no"] for row in cur]


def let_go(cur: Cursor, session_no: int, at: datetime) -> int:
    """Let a session's facts go; their numbers go to `log.gaps`. Returns how many."""
    cur.execute("INSERT INTO log.facts_aged VALUES (%s, %s) ON CONFLICT DO NOTHING", (session_no, at))
    row = cur.execute(
        "WITH away AS (DELETE FROM log.entries WHERE session_no = %s RETURNING session_no, seq), "
        "runs AS (SELECT session_no, seq, seq - row_number() OVER (ORDER BY seq) AS run FROM away), "
        "told AS (INSERT INTO log.gaps SELECT session_no, %s, min(seq), max(seq), %s, %s FROM runs GROUP BY session_no, run) "
        "SELECT count(*) AS n FROM away",
        (session_no, FACTS, AGED, at),
    ).fetchone()
    return int(row["n"]) if row else 0


def forget_visits(cur: Cursor, fleet: str, before: datetime) -> int:
    """Let visits and crossings go that ended before an instant and whose facts are gone. Returns how many."""
    values = {"fleet": fleet, "before": before}
    cur.execute(
        "WITH away AS (DELETE FROM visits v USING log.facts_aged a WHERE a.session_no = v.session_no AND v.fleet_id = %(fleet)s "
        "AND coalesce(v.left_at, v.arrived_at) < %(before)s RETURNING v.session_no, v.visit) "
        "DELETE FROM visit_orders o USING away WHERE o.session_no = away.session_no AND o.visit = away.visit",
        values,
    )
    cur.execute(
        "DELETE FROM crossings c USING log.facts_aged a WHERE a.session_no = c.session_no AND c.fleet_id = %(fleet)s AND c.at < %(before)s",
        values,
    )
    return cur.rowcount


def count_over(cur: Cursor, fleet: str, facts_before: datetime | None, visits_before: datetime | None) -> tuple[int, int]:
    """What a fleet keeps no longer: facts, and visits (also those whose facts go in the same pass). Counted."""
    facts = visits = 0
    if facts_before is not None:
        row = cur.execute(
            "WITH old AS (" + _OLD + ") SELECT count(*) AS n FROM log.entries e JOIN old USING (session_no)",
            {"fleet": fleet, "before": facts_before, "facts": FACTS},
        ).fetchone()
        facts = int(row["n"]) if row else 0
        if visits_before is not None:
            row = cur.execute(
                "WITH old AS (" + _OLD + ") SELECT count(*) AS n FROM visits v WHERE v.fleet_id = %(fleet)s "
                "AND coalesce(v.left_at, v.arrived_at) < %(visits)s AND (EXISTS (SELECT FROM old WHERE old.session_no = v.session_no) "
                "OR EXISTS (SELECT FROM log.facts_aged a WHERE a.session_no = v.session_no))",
                {"fleet": fleet, "before": facts_before, "facts": FACTS, "visits": visits_before},
            ).fetchone()
            visits = int(row["n"]) if row else 0
    return facts, visits
