"""Tables that are computed from the log: written by session, thrown away by session, and the fold of each order's actions."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from roundsman_hub.derive.fold import RULES, Fact, Progress, Rows, Said, order_state
from roundsman_hub.store.db import Cursor
from roundsman_wire.frames import parse_entry
from roundsman_wire.messages import FACTS

_LOCK: Final = 0x726E
_TABLES: Final = ("visits", "crossings", "duties", "fix_gaps", "actions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """A session whose facts are not all derived."""

    session_no: int
    vehicle_id: str
    fleet_id: str


def behind(cur: Cursor) -> list[Behind]:
    """Sessions with facts that are not derived, or that were derived by other rules. In each vehicle's order."""
    cur.execute(
        "SELECT s.session_no, s.vehicle_id, v.fleet_id FROM log.watermarks w JOIN log.sessions s USING (session_no) "
        "JOIN vehicles v USING (vehicle_id) LEFT JOIN derive_state d USING (session_no) "
        "WHERE w.lane = %s AND w.through_seq > 0 "
        "AND (d.session_no IS NULL OR w.through_seq > d.through_seq OR (d.state->>'rules')::int <> %s) "
        "ORDER BY s.vehicle_id, s.ordinal",
        (FACTS, RULES),
    )
    return [Behind(**row) for row in cur]


def progress(cur: Cursor, session: Behind) -> tuple[int, Progress | None]:
    """How far a session is derived; None: by other rules, or not at all. Locks its vehicle against other derive workers."""
    cur.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (_LOCK, session.vehicle_id))
    row = cur.execute("SELECT through_seq, state FROM derive_state WHERE session_no = %s", (session.session_no,)).fetchone()
    if row is None or row["state"].get("rules") != RULES:
        return 0, None
    return int(row["through_seq"]), Progress(offset_ms=row["state"]["offset_ms"], guessed=row["state"]["guessed"])


def facts(cur: Cursor, session_no: int, after_seq: int, through_seq: int) -> list[Fact]:
    """A session's facts beyond a number."""
    cur.execute(
        "SELECT seq, time, received_at, received_real_at, body FROM log.entries "
        "WHERE session_no = %s AND seq > %s AND seq <= %s ORDER BY seq",
        (session_no, after_seq, through_seq),
    )
    return [
        Fact(
            seq=row["seq"],
            entry=parse_entry(row["body"].encode()),
            time=row["time"],
            received_at=row["received_at"],
            received_real_at=row["received_real_at"],
        )
        for row in cur
    ]


def through(cur: Cursor, session_no: int) -> int:
    """The watermark of a session's facts."""
    row = cur.execute("SELECT through_seq FROM log.watermarks WHERE session_no = %s AND lane = %s", (session_no, FACTS)).fetchone()
    return int(row["through_seq"]) if row else 0


def save_progress(cur: Cursor, session_no: int, through_seq: int, state: Progress) -> None:
    """Everything of the session up to `through_seq` is in the tables."""
    body = json.dumps({"rules": RULES, "offset_ms": state.offset_ms, "guessed": state.guessed})
    cur.execute(
        "INSERT INTO derive_state (session_no, through_seq, state) VALUES (%s, %s, %s) "
        "ON CONFLICT (session_no) DO UPDATE SET through_seq = excluded.through_seq, state = excluded.state",
        (session_no, through_seq, body),
    )


def forget(cur: Cursor, session_no: int) -> set[str]:
    """Throw away what was derived of a session. Returns the orders that it spoke of. Receipts stay: they are written over."""
    cur.execute(
        "SELECT order_id FROM actions WHERE session_no = %(s)s "
        "UNION SELECT order_id FROM visits WHERE session_no = %(s)s AND order_id IS NOT NULL",
        {"s": session_no},
    )
    orders = {row["order_id"] for row in cur}
    for table in _TABLES:
        cur.execute(f"DELETE FROM {table} WHERE session_no = %s", (session_no,))
    return orders


def write(cur: Cursor, session: Behind, rows: Rows) -> None:
    """Add a stretch of a session. Orders of other fleets are stepped over: a van has no say in them."""
    key = (session.session_no, session.vehicle_id, session.fleet_id)
    if rows.visits:
        cur.executemany(
            "INSERT INTO visits AS v (session_no, vehicle_id, fleet_id, visit, order_id, arrived_at, left_at, lat_e6, lon_e6, confidence) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (session_no, visit) DO UPDATE SET "
            "arrived_at = coalesce(excluded.arrived_at, v.arrived_at), left_at = coalesce(excluded.left_at, v.left_at), "
            "order_id = coalesce(excluded.order_id, v.order_id), lat_e6 = excluded.lat_e6, lon_e6 = excluded.lon_e6, "
            "confidence = excluded.confidence",
            [(*key, v.visit, v.order_id, v.arrived_at, v.left_at, v.lat_e6, v.lon_e6, v.confidence) for v in rows.visits.values()],
        )
    if rows.crossings:
        cur.executemany(
            "INSERT INTO crossings (session_no, vehicle_id, fleet_id, seq, fence_id, event, at, inferred) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            [(*key, c.seq, c.fence_id, c.event, c.at, c.inferred) for c in rows.crossings],
        )
    if rows.duties:
        cur.executemany(
            "INSERT INTO duties (session_no, vehicle_id, fleet_id, seq, driver_id, duty, at) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [(*key, d.seq, d.driver_id, d.duty, d.at) for d in rows.duties],
        )
    if rows.gaps:
        cur.executemany(
            "INSERT INTO fix_gaps (session_no, vehicle_id, fleet_id, seq, from_at, to_at, reason) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [(*key, g.seq, g.from_at, g.to_at, g.reason) for g in rows.gaps],
        )
    if rows.receipts:
        # A receipt that is told again (a van that restarted) does not move the instant at which it was first true.
        cur.executemany(
            "INSERT INTO plan_receipts AS r (vehicle_id, fleet_id, version, state, hash, reason, at, received_real_at) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s) "
            "ON CONFLICT (vehicle_id, version, state) DO UPDATE SET at = coalesce(r.at, excluded.at)",
            [(*key[1:], r.version, r.state, r.hash, r.reason, r.at, r.received_real_at) for r in rows.receipts],
        )
    if rows.actions:
        cur.executemany(
            "INSERT INTO actions (session_no, vehicle_id, fleet_id, seq, order_id, action, outcome, undoes, reason, driver_id, at) "
            "SELECT %s, %s, o.fleet_id, %s, o.order_id, %s, %s, %s, %s, %s, %s FROM orders o WHERE o.order_id = %s AND o.fleet_id = %s",
            [
                (*key[:2], a.seq, a.action, a.outcome, a.undoes, a.reason, a.driver_id, a.at, a.order_id, session.fleet_id)
                for a in rows.actions
            ],
        )


def refold_orders(cur: Cursor, orders: Iterable[str]) -> dict[str, str]:
    """Compute these orders' states anew from everything that was said of them. Returns order → fleet of those that changed."""
    wanted = sorted(set(orders))
    said: defaultdict[str, list[Said]] = defaultdict(list)
    cur.execute(
        "SELECT a.order_id, a.vehicle_id, a.action, a.outcome, a.undoes, a.reason, a.driver_id, a.at FROM actions a "
        "JOIN log.sessions s USING (session_no) WHERE a.order_id = ANY(%s) ORDER BY a.vehicle_id, s.ordinal, a.session_no, a.seq",
        (wanted,),
    )
    for row in cur:
        said[row.pop("order_id")].append(Said(**row))
    stood: defaultdict[str, list[tuple[str, datetime]]] = defaultdict(list)
    cur.execute("SELECT order_id, vehicle_id, arrived_at FROM visits WHERE order_id = ANY(%s) AND arrived_at IS NOT NULL", (wanted,))
    for row in cur:
        stood[row["order_id"]].append((row["vehicle_id"], row["arrived_at"]))
    changed: dict[str, str] = {}
    for order in wanted:
        state = order_state(said[order], stood[order])
        if state is None:
            cur.execute("DELETE FROM order_states WHERE order_id = %s RETURNING order_id, fleet_id", (order,))
        else:
            cur.execute(
                "INSERT INTO order_states AS o (order_id, fleet_id, state, vehicle_id, driver_id, at, arrived_at, reason, action) "
                "SELECT order_id, fleet_id, %s, %s, %s, %s, %s, %s, %s FROM orders WHERE order_id = %s "
                "ON CONFLICT (order_id) DO UPDATE SET state = excluded.state, vehicle_id = excluded.vehicle_id, "
                "driver_id = excluded.driver_id, at = excluded.at, arrived_at = excluded.arrived_at, reason = excluded.reason, "
                "action = excluded.action WHERE (o.state, o.vehicle_id, o.driver_id, o.at, o.arrived_at, o.reason, o.action) "
                "IS DISTINCT FROM (excluded.state, excluded.vehicle_id, excluded.driver_id, excluded.at, excluded.arrived_at, "
                "excluded.reason, excluded.action) RETURNING order_id, fleet_id",
                (state.state, state.vehicle_id, state.driver_id, state.at, state.arrived_at, state.reason, state.action, order),
            )
        changed |= {row["order_id"]: row["fleet_id"] for row in cur}
    return changed


def show_duty(cur: Cursor, vehicle: str) -> None:
    """The live marker says the last duty of the log; off shift it says nothing of where the van goes."""
    cur.execute(
        "UPDATE vehicle_now n SET duty = d.duty, next_stop = CASE WHEN d.duty = 'off' THEN NULL ELSE n.next_stop END, "
        "speed_cm_s = CASE WHEN d.duty = 'off' THEN NULL ELSE n.speed_cm_s END FROM (SELECT d.duty FROM duties d JOIN log.sessions s "
        "USING (session_no) WHERE d.vehicle_id = %(v)s ORDER BY s.ordinal DESC, d.session_no DESC, d.seq DESC LIMIT 1) d "
        "WHERE n.vehicle_id = %(v)s",
        {"v": vehicle},
    )


def date_fixes(cur: Cursor, horizon: datetime) -> int:
    """Move fixes that waited for a date to the track, where their session's clock is known by now. Returns how many."""
    cur.execute(
        "WITH dated AS (DELETE FROM log.fixes_untimed f USING derive_state d WHERE d.session_no = f.session_no AND f.utc_ms IS NULL "
        "AND d.state->>'offset_ms' IS NOT NULL "
        "AND to_timestamp(((d.state->>'offset_ms')::bigint + f.mono_ms) / 1000.0) BETWEEN '1970-01-01Z' AND %s "
        "RETURNING f.*, to_timestamp(((d.state->>'offset_ms')::bigint + f.mono_ms) / 1000.0) AS time) "
        "INSERT INTO log.fixes (time, vehicle_id, session_no, seq, mono_ms, lat_e6, lon_e6, speed_cm_s, heading_cdeg, accuracy_dm, "
        "satellites, flags) SELECT time, vehicle_id, session_no, seq, mono_ms, lat_e6, lon_e6, speed_cm_s, heading_cdeg, accuracy_dm, "
        "satellites, flags FROM dated",
        (horizon,),
    )
    return cur.rowcount
