"""Cases: returns, disputes, complaints, damage, calls, ratings. SQL beside its function; call inside a tenant's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString

from psycopg import sql
from psycopg.types.json import Jsonb

from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, new_id, notify, row, rows

_EVIDENCE: LiteralString = """
    SELECT s.state, s.at AS said_at, s.reason, s.driver_id AS driver, v.arrived_at, v.left_at, coalesce(v.lat_e6, a.lat_e6) AS lat_e6,
           coalesce(v.lon_e6, a.lon_e6) AS lon_e6, v.confidence,
           (SELECT coalesce(jsonb_agg(DISTINCT p.sha256), '[]') FROM proofs p WHERE p.order_id = s.order_id) AS proofs,
           a.received_by, a.code IS NOT NULL AS by_code
    FROM order_states s LEFT JOIN order_visits v ON v.order_id = s.order_id AND v.vehicle_id = s.vehicle_id
    LEFT JOIN LATERAL (SELECT * FROM actions a WHERE a.order_id = s.order_id AND a.action = s.action LIMIT 1) a ON true
    WHERE s.order_id = %s ORDER BY v.arrived_at DESC NULLS LAST LIMIT 1
"""


def evidence(cur: Cursor, order: str) -> dict[str, Any]:
    """What the van's log says of the visit: when and where it stood, what was said and shown. Frozen into a case when it opens."""
    found = row(cur, _EVIDENCE, (order,))
    return {} if found is None else {k: v.isoformat() if isinstance(v, datetime) else v for k, v in found.items()}


def add(cur: Cursor, fleet: str, values: Mapping[str, Any], *, actor: str, at: datetime) -> str:
    """Open a case, with its first step."""
    case = new_id("k")
    columns = {"case_id": case, "fleet_id": fleet, **values, "opened_at": at, "changed_at": at}
    cur.execute(
        sql.SQL("INSERT INTO cases ({}) VALUES ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, columns)), sql.SQL(", ").join(map(sql.Placeholder, columns))
        ),
        {c: Jsonb(v) if c in ("items", "evidence") else v for c, v in columns.items()},
    )
    _step(cur, fleet, case, event="open", state=str(values["state"]), actor=actor, note="", at=at)
    notify(cur, "order", fleet, str(values["order_id"]))
    return case


def lock(cur: Cursor, case: str) -> Row | None:
    """A case, held until this transaction ends."""
    return row(cur, "SELECT * FROM cases WHERE case_id = %s FOR UPDATE", (case,))


def advance(
    cur: Cursor, found: Row, *, event: str, state: str, actor: str, note: str, at: datetime, changes: Mapping[str, Any] | None = None
) -> None:
    """The next step of a case, and what else becomes known with it."""
    values = {"state": state, "changed_at": at, **(changes or {})}
    sets = sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(c), sql.Placeholder(c)) for c in values)
    cur.execute(
        sql.SQL("UPDATE cases SET {} WHERE case_id = {}").format(sets, sql.Placeholder("case")), {**values, "case": found["case_id"]}
    )
    _step(cur, found["fleet_id"], found["case_id"], event=event, state=state, actor=actor, note=note, at=at)
    notify(cur, "order", found["fleet_id"], found["order_id"])


def _step(cur: Cursor, fleet: str, case: str, *, event: str, state: str, actor: str, note: str, at: datetime) -> None:
    cur.execute(
        "INSERT INTO case_steps SELECT %s, coalesce(max(step), 0) + 1, %s, %s, %s, %s, %s, %s FROM case_steps WHERE case_id = %s",
        (case, fleet, event, state, actor, note, at, case),
    )


def of_order(cur: Cursor, root: str) -> list[Row]:
    """Cases of an order, oldest first."""
    return rows(cur, "SELECT * FROM cases WHERE root_id = %s ORDER BY opened_at, case_id", (root,))


def page(cur: Cursor, *, kinds: Sequence[str], states: Sequence[str], limit: int, root: str | None = None) -> list[Row]:
    """Cases of the fleet, or of one order as it was first placed; the newest change first."""
    return rows(
        cur,
        "SELECT * FROM cases WHERE (%(any_kind)s OR kind = ANY(%(kinds)s)) AND (%(any_state)s OR state = ANY(%(states)s))"
        " AND (%(root)s::text IS NULL OR root_id = %(root)s) ORDER BY changed_at DESC, case_id LIMIT %(limit)s",
        {"any_kind": not kinds, "kinds": list(kinds), "any_state": not states, "states": list(states), "root": root, "limit": limit},
    )


def steps(cur: Cursor, case: str) -> list[Row]:
    """A case's way so far, oldest first."""
    return rows(cur, "SELECT event, state, actor, note, at FROM case_steps WHERE case_id = %s ORDER BY step", (case,))


def add_photo(cur: Cursor, fleet: str, case: str, *, sha256: str, media_type: str, data: bytes, at: datetime) -> None:
    """A picture that the customer sent with it."""
    cur.execute(
        "INSERT INTO case_photos VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING", (case, sha256, fleet, media_type, data, at)
    )


def photos(cur: Cursor, case: str) -> list[str]:
    """Hashes of a case's pictures."""
    return [r["sha256"] for r in rows(cur, "SELECT sha256 FROM case_photos WHERE case_id = %s ORDER BY sha256", (case,))]


def photo(cur: Cursor, case: str, sha256: str) -> Row | None:
    """One picture."""
    return row(cur, "SELECT media_type, data FROM case_photos WHERE case_id = %s AND sha256 = %s", (case, sha256))


def collections_ended(cur: Cursor) -> list[Row]:
    """Returns that are approved, of whose pickup an attempt has ended in a way that they do not know yet; `pickup_state` says how, by the
    van's log."""
    return rows(
        cur,
        "SELECT DISTINCT ON (c.case_id) c.*, s.state AS pickup_state FROM cases c"
        " JOIN order_states s ON s.order_id = c.pickup_id"
        " OR s.order_id IN (SELECT t.next_order_id FROM order_turns t WHERE t.root_id = c.pickup_id)"  # another attempt at it
        " WHERE c.kind = 'return' AND c.state = 'approved' AND (s.state = 'delivered' OR (s.state = 'failed' AND NOT EXISTS"
        " (SELECT FROM case_steps q WHERE q.case_id = c.case_id AND q.event = 'not_collected' AND q.at >= s.at)))"
        " ORDER BY c.case_id, s.state = 'delivered' DESC",
    )
