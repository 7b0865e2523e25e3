"""Everything that is derived, in one canonical form: two hubs that hold the same log and journal give the same lines.

Left out is what is a hub's own and not the log's: its numbers of sessions, and when it came to know.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, LiteralString

import msgspec

from roundsman_hub.instants import BEGINNING, END
from roundsman_hub.store.db import Cursor

TABLES: Final[dict[str, LiteralString]] = {
    "visits": """
        SELECT s.session, t.visit, t.vehicle_id, t.order_id, t.arrived_at, t.left_at, t.lat_e6, t.lon_e6,
               t.confidence::float8 AS confidence, t.meant_order_id
        FROM visits t JOIN log.sessions s USING (session_no) WHERE t.vehicle_id = ANY(%(vehicles)s)
        AND (coalesce(t.arrived_at, t.left_at) IS NULL OR coalesce(t.arrived_at, t.left_at) >= %(since)s)
        AND (coalesce(t.arrived_at, t.left_at) IS NULL OR coalesce(t.arrived_at, t.left_at) < %(until)s) ORDER BY s.session, t.visit""",
    "visit_orders": """
        SELECT s.session, t.visit, t.vehicle_id, t.order_id, v.arrived_at FROM visit_orders t JOIN log.sessions s USING (session_no)
        LEFT JOIN visits v USING (session_no, visit) WHERE t.vehicle_id = ANY(%(vehicles)s)
        AND (coalesce(v.arrived_at, v.left_at) IS NULL OR coalesce(v.arrived_at, v.left_at) >= %(since)s)
        AND (coalesce(v.arrived_at, v.left_at) IS NULL OR coalesce(v.arrived_at, v.left_at) < %(until)s)
        ORDER BY s.session, t.visit, t.order_id""",
    "crossings": """
        SELECT s.session, t.seq, t.vehicle_id, t.fence_id, t.event, t.at, t.inferred, t.speed_cm_s
        FROM crossings t JOIN log.sessions s USING (session_no) WHERE t.vehicle_id = ANY(%(vehicles)s)
        AND (t.at IS NULL OR (t.at >= %(since)s AND t.at < %(until)s)) ORDER BY s.session, t.seq""",
    "duties": """
        SELECT s.session, t.seq, t.vehicle_id, t.driver_id, t.duty, t.at
        FROM duties t JOIN log.sessions s USING (session_no) WHERE t.vehicle_id = ANY(%(vehicles)s)
        AND (t.at IS NULL OR (t.at >= %(since)s AND t.at < %(until)s)) ORDER BY s.session, t.seq""",
    "scans": """
        SELECT s.session, t.seq, t.vehicle_id, t.parcel, t.event, t.order_id, t.place, t.by_what, t.driver_id, t.at
        FROM scans t JOIN log.sessions s USING (session_no) WHERE t.vehicle_id = ANY(%(vehicles)s)
        AND (t.at IS NULL OR (t.at >= %(since)s AND t.at < %(until)s)) ORDER BY s.session, t.seq""",
    "reports": """
        SELECT s.session, t.seq, t.vehicle_id, t.report, t.topic, t.text, t.order_id, t.lat_e6, t.lon_e6, t.driver_id, t.at
        FROM reports t JOIN log.sessions s USING (session_no) WHERE t.vehicle_id = ANY(%(vehicles)s)
        AND (t.at IS NULL OR (t.at >= %(since)s AND t.at < %(until)s)) ORDER BY s.session, t.seq""",
    "reorders": """
        SELECT s.session, t.seq, t.vehicle_id, t.version, t.stops, t.by_whom, t.reason, t.at
        FROM reorders t JOIN log.sessions s USING (session_no) WHERE t.vehicle_id = ANY(%(vehicles)s)
        AND (t.at IS NULL OR (t.at >= %(since)s AND t.at < %(until)s)) ORDER BY s.session, t.seq""",
    "depot_calls": """
        SELECT s.session, t.seq, t.vehicle_id, t.call, t.stop, t.event, t.version, t.tasks, t.undoes, t.driver_id, t.at
        FROM depot_calls t JOIN log.sessions s USING (session_no) WHERE t.vehicle_id = ANY(%(vehicles)s)
        AND (t.at IS NULL OR (t.at >= %(since)s AND t.at < %(until)s)) ORDER BY s.session, t.seq""",
    "risks": """
        SELECT s.session, t.seq, t.vehicle_id, t.order_id, t.eta, t.promise_end, t.late_s, t.at
        FROM risks t JOIN log.sessions s USING (session_no) WHERE t.vehicle_id = ANY(%(vehicles)s)
        AND (t.at IS NULL OR (t.at >= %(since)s AND t.at < %(until)s)) ORDER BY s.session, t.seq""",
    "driver_words": """
        SELECT s.session, t.seq, t.vehicle_id, t.message, t.text, t.about, t.order_id, t.driver_id, t.at
        FROM driver_words t JOIN log.sessions s USING (session_no) WHERE t.vehicle_id = ANY(%(vehicles)s)
        AND (t.at IS NULL OR (t.at >= %(since)s AND t.at < %(until)s)) ORDER BY s.session, t.seq""",
    "messages_shown": """
        SELECT s.session, t.seq, t.vehicle_id, t.message, t.at
        FROM messages_shown t JOIN log.sessions s USING (session_no) WHERE t.vehicle_id = ANY(%(vehicles)s)
        AND (t.at IS NULL OR (t.at >= %(since)s AND t.at < %(until)s)) ORDER BY s.session, t.seq""",
    "proofs": """
        SELECT s.session, t.seq, t.vehicle_id, t.sha256, t.order_id, t.fact, t.kind, t.bytes, t.media_type, t.at
        FROM proofs t JOIN log.sessions s USING (session_no) WHERE t.vehicle_id = ANY(%(vehicles)s)
        AND (t.at IS NULL OR (t.at >= %(since)s AND t.at < %(until)s)) ORDER BY s.session, t.seq, t.sha256""",
    "fix_gaps": """
        SELECT s.session, t.seq, t.vehicle_id, t.from_at, t.to_at, t.reason
        FROM fix_gaps t JOIN log.sessions s USING (session_no) WHERE t.vehicle_id = ANY(%(vehicles)s)
        AND t.from_at >= %(since)s AND t.from_at < %(until)s ORDER BY s.session, t.seq""",
    "actions": """
        SELECT s.session, t.seq, t.order_id, t.vehicle_id, t.driver_id, t.action, t.outcome, t.undoes, t.reason, t.at,
        t.parcels, t.received_by, t.note, t.code
        FROM actions t JOIN log.sessions s USING (session_no) WHERE t.vehicle_id = ANY(%(vehicles)s)
        AND t.at >= %(since)s AND t.at < %(until)s ORDER BY s.session, t.seq, t.order_id""",
    "plan_receipts": """
        SELECT vehicle_id, version, state, hash, reason, at, received_real_at FROM plan_receipts WHERE vehicle_id = ANY(%(vehicles)s)
        AND (at IS NULL OR (at >= %(since)s AND at < %(until)s)) ORDER BY vehicle_id, version, state""",
    "order_states": """
        SELECT order_id, state, vehicle_id, driver_id, at, arrived_at, reason, action FROM order_states WHERE vehicle_id = ANY(%(vehicles)s)
        AND at >= %(since)s AND at < %(until)s ORDER BY order_id""",
    "alerts": """
        SELECT alert, kind, vehicle_id, order_id, fence_id, from_at, CASE WHEN to_at < %(until)s THEN to_at END AS to_at, detail
        FROM alerts WHERE vehicle_id = ANY(%(vehicles)s) AND from_at >= %(since)s AND from_at < %(until)s ORDER BY alert""",
}
"""Table: its rows of some vehicles and a stretch of event time. Rows without a time belong to every stretch."""

Dump = dict[str, list[str]]


def dump(cur: Cursor, vehicles: Sequence[str], since: datetime = BEGINNING, until: datetime = END) -> Dump:
    """What is derived of these vehicles from `since` to before `until`: for each table, a JSON line a row, in one fixed order."""
    values = {"vehicles": list(vehicles), "since": since, "until": until}
    return {name: [_line(row) for row in cur.execute(sql, values)] for name, sql in TABLES.items()}


def digests(dumped: Mapping[str, Iterable[str]]) -> dict[str, dict[str, Any]]:
    """Number of rows and SHA-256 of each table's lines."""
    out = {}
    for name, lines in dumped.items():
        found = list(lines)
        out[name] = {"rows": len(found), "sha256": hashlib.sha256("".join(f"{line}\n" for line in found).encode()).hexdigest()}
    return out


def _line(row: Mapping[str, Any]) -> str:
    return msgspec.json.encode({name: _utc(value) for name, value in row.items()}, order="deterministic").decode()


def _utc(value: Any) -> Any:
    """Instants as microseconds since 1970: a server's time zone is no part of what happened."""
    return round(value.timestamp() * 1_000_000) if isinstance(value, datetime) else value
