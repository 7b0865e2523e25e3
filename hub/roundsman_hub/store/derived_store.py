"""Tables that are computed from the log: written by session, thrown away by session, and the fold of each order's actions."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from roundsman_hub.derive.fold import RULES, Fact, OrderState, Progress, Rows, Said, order_state
from roundsman_hub.store import told_store
from roundsman_hub.store.db import Cursor
from roundsman_wire.frames import parse_entry
from roundsman_wire.messages import FACTS

_LOCK: Final = 0x726E
_TABLES: Final = ("visits", "visit_orders", "crossings", "duties", "fix_gaps", "actions", "receipts_said", *told_store.TABLES)
PlanWord = tuple[int, str]
"""A plan's version and the state that a van said of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """A session whose facts are not all derived."""

    session_no: int
    vehicle_id: str
    fleet_id: str
    aged: bool = False
    """Its facts were let go: what was derived of them stays as it is, and what comes goes on from there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refolded:
    """An order whose state changed; None: nothing holds."""

    order_id: str
    fleet_id: str
    was: OrderState | None
    now: OrderState | None


def behind(cur: Cursor) -> list[Behind]:
    """Sessions with facts that are not derived, or that were derived by other rules. In each vehicle's order."""
    cur.execute(
        "SELECT s.session_no, s.vehicle_id, v.fleet_id, a.session_no IS NOT NULL AS aged FROM log.watermarks w "
        "JOIN log.sessions s USING (session_no) JOIN vehicles v USING (vehicle_id) LEFT JOIN derive_state d USING (session_no) "
        "LEFT JOIN log.facts_aged a USING (session_no) WHERE w.lane = %s AND w.through_seq > 0 "
        "AND (d.session_no IS NULL OR w.through_seq > d.through_seq OR ((d.state->>'rules')::int <> %s AND a.session_no IS NULL)) "
        "ORDER BY s.vehicle_id, s.ordinal",
        (FACTS, RULES),
    )
    return [Behind(**row) for row in cur]


def moved(cur: Cursor) -> dict[str, str]:
    """Vehicles whose sessions were put into another order since their orders and receipts were folded, with their fleets."""
    cur.execute("SELECT vehicle_id, fleet_id FROM derive_vehicles WHERE moved <> folded")
    return {row["vehicle_id"]: row["fleet_id"] for row in cur}


def moves(cur: Cursor, vehicle: str) -> tuple[int, int]:
    """How often a vehicle's sessions changed their order, and how many of those changes are folded."""
    row = cur.execute("SELECT moved, folded FROM derive_vehicles WHERE vehicle_id = %s", (vehicle,)).fetchone()
    return (int(row["moved"]), int(row["folded"])) if row else (0, 0)


def save_moves(cur: Cursor, vehicle: str, folded: int) -> None:
    """The chain as it was after `folded` changes is what everything stands on now."""
    cur.execute("UPDATE derive_vehicles SET folded = %s WHERE vehicle_id = %s", (folded, vehicle))


def lock(cur: Cursor, vehicle: str) -> None:
    """Hold a vehicle against other derive workers until the transaction ends."""
    cur.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (_LOCK, vehicle))


def progress(cur: Cursor, session: Behind) -> tuple[int, Progress | None, int | None]:
    """How far a session is derived; None: by other rules, or not at all. And by which rules, if at all."""
    row = cur.execute("SELECT through_seq, state FROM derive_state WHERE session_no = %s", (session.session_no,)).fetchone()
    if row is None:
        return 0, None, None
    rules = int(row["state"].get("rules", 0))
    if rules != RULES and not session.aged:
        return 0, None, rules
    return int(row["through_seq"]), Progress(offset_ms=row["state"]["offset_ms"], guessed=row["state"]["guessed"]), rules


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


def sessions_of(cur: Cursor, vehicle: str) -> list[int]:
    """Numbers of a vehicle's sessions, in their order."""
    cur.execute("SELECT session_no FROM log.sessions WHERE vehicle_id = %s ORDER BY ordinal, session_no", (vehicle,))
    return [row["session_no"] for row in cur]


def with_facts_in(cur: Cursor, vehicle: str, fleet: str, since: datetime, until: datetime) -> list[Behind]:
    """A vehicle's sessions that have a fact from `since` to before `until`, or one without a date; in their order."""
    cur.execute(
        "SELECT s.session_no, s.vehicle_id, %(fleet)s AS fleet_id FROM log.sessions s WHERE s.vehicle_id = %(v)s "
        "AND NOT EXISTS (SELECT FROM log.facts_aged a WHERE a.session_no = s.session_no) AND EXISTS ("
        "SELECT FROM log.entries e WHERE e.session_no = s.session_no AND (e.time IS NULL OR (e.time >= %(since)s AND e.time < %(until)s))) "
        "ORDER BY s.ordinal, s.session_no",
        {"v": vehicle, "fleet": fleet, "since": since, "until": until},
    )
    return [Behind(**row) for row in cur]


def visits_of(cur: Cursor, sessions: Sequence[int]) -> dict[str, dict[str, str | None]]:
    """Visits of these sessions as they are stated, by "session:number"."""
    cur.execute(
        "SELECT s.session, v.visit, v.order_id, v.arrived_at, v.left_at FROM visits v JOIN log.sessions s USING (session_no) "
        "WHERE v.session_no = ANY(%s) ORDER BY s.session, v.visit",
        (list(sessions),),
    )
    return {
        f"{row['session']}:{row['visit']}": {
            "order": row["order_id"],
            **{name: None if row[name] is None else row[name].isoformat() for name in ("arrived_at", "left_at")},
        }
        for row in cur
    }


def served_of(cur: Cursor, sessions: Sequence[int]) -> dict[str, set[str]]:
    """Orders that visits of these sessions were told to serve, by "session:number" as in `visits_of`."""
    cur.execute(
        "SELECT s.session, o.visit, o.order_id FROM visit_orders o JOIN log.sessions s USING (session_no) WHERE o.session_no = ANY(%s)",
        (list(sessions),),
    )
    served: defaultdict[str, set[str]] = defaultdict(set)
    for row in cur:
        served[f"{row['session']}:{row['visit']}"].add(row["order_id"])
    return served


def fleets_of_orders(cur: Cursor, orders: Iterable[str]) -> dict[str, str]:
    """Fleet of each order."""
    cur.execute("SELECT order_id, fleet_id FROM orders WHERE order_id = ANY(%s)", (sorted(set(orders)),))
    return {row["order_id"]: row["fleet_id"] for row in cur}


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


def forget(cur: Cursor, session_no: int) -> tuple[set[str], set[PlanWord], bool]:
    """Throw away what was derived of a session. Returns the orders and the receipts that it spoke of, and whether there was anything."""
    orders, words = spoken_of(cur, [session_no])
    gone = sum(cur.execute(f"DELETE FROM {table} WHERE session_no = %s", (session_no,)).rowcount for table in _TABLES)
    return orders, words, gone > 0


def spoken_of(cur: Cursor, sessions: Sequence[int]) -> tuple[set[str], set[PlanWord]]:
    """Orders and receipts that these sessions have a word on."""
    cur.execute(
        "SELECT order_id FROM actions WHERE session_no = ANY(%(s)s) "
        "UNION SELECT order_id FROM visits WHERE session_no = ANY(%(s)s) AND order_id IS NOT NULL "
        "UNION SELECT order_id FROM visit_orders WHERE session_no = ANY(%(s)s)",
        {"s": list(sessions)},
    )
    orders = {row["order_id"] for row in cur}
    cur.execute("SELECT DISTINCT version, state FROM receipts_said WHERE session_no = ANY(%s)", (list(sessions),))
    return orders, {(row["version"], row["state"]) for row in cur}


def write(cur: Cursor, session: Behind, rows: Rows) -> None:
    """Add a stretch of a session. Orders of other fleets are stepped over: a van has no say in them."""
    key = (session.session_no, session.vehicle_id, session.fleet_id)
    if rows.visits:
        cur.executemany(
            "INSERT INTO visits AS v "
            "(session_no, vehicle_id, fleet_id, visit, order_id, arrived_at, left_at, lat_e6, lon_e6, confidence, meant_order_id) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (session_no, visit) DO UPDATE SET "
            "arrived_at = coalesce(excluded.arrived_at, v.arrived_at), left_at = coalesce(excluded.left_at, v.left_at), "
            "order_id = coalesce(excluded.order_id, v.order_id), lat_e6 = excluded.lat_e6, lon_e6 = excluded.lon_e6, "
            "confidence = excluded.confidence, meant_order_id = coalesce(excluded.meant_order_id, v.meant_order_id)",
            [
                (*key, v.visit, v.order_id, v.arrived_at, v.left_at, v.lat_e6, v.lon_e6, v.confidence, v.meant_order_id)
                for v in rows.visits.values()
            ],
        )
    if rows.served:
        cur.executemany(
            "INSERT INTO visit_orders (session_no, vehicle_id, fleet_id, visit, order_id) VALUES (%s, %s, %s, %s, %s) "
            "ON CONFLICT DO NOTHING",
            [(*key, visit, order) for visit, order in sorted(rows.served)],
        )
    if rows.crossings:
        cur.executemany(
            "INSERT INTO crossings (session_no, vehicle_id, fleet_id, seq, fence_id, event, at, inferred, speed_cm_s) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [(*key, c.seq, c.fence_id, c.event, c.at, c.inferred, c.speed_cm_s) for c in rows.crossings],
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
        cur.executemany(
            "INSERT INTO receipts_said (session_no, vehicle_id, fleet_id, seq, version, state, hash, reason, at, received_real_at) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [(*key, r.seq, r.version, r.state, r.hash, r.reason, r.at, r.received_real_at) for r in rows.receipts],
        )
    if rows.actions:
        cur.executemany(
            "INSERT INTO actions (session_no, vehicle_id, fleet_id, seq, order_id, action, outcome, undoes, reason, driver_id, at, "
            "parcels, received_by, note, code, lat_e6, lon_e6) "
            "SELECT %s, %s, o.fleet_id, %s, o.order_id, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s "
            "FROM orders o WHERE o.order_id = %s AND o.fleet_id = %s",
            [
                (
                    *(*key[:2], a.seq, a.action, a.outcome, a.undoes, a.reason, a.driver_id, a.at),
                    *(json.dumps(a.parcels), a.received_by, a.note, a.code, a.lat_e6, a.lon_e6, a.order_id, session.fleet_id),
                )
                for a in rows.actions
            ],
        )
    told_store.write(cur, *key, rows.told)


def refold_receipts(cur: Cursor, vehicle: str, words: Iterable[PlanWord]) -> None:
    """How far plans came, anew. A receipt that is told again (a van that restarted) does not move the instant of the first."""
    wanted = sorted(set(words))
    if not wanted:
        return
    versions, states = [version for version, _ in wanted], [state for _, state in wanted]
    cur.execute(
        "DELETE FROM plan_receipts r USING unnest(%s::bigint[], %s::text[]) AS n (version, state) "
        "WHERE r.vehicle_id = %s AND r.version = n.version AND r.state = n.state",
        (versions, states, vehicle),
    )
    cur.execute(
        "INSERT INTO plan_receipts (vehicle_id, fleet_id, version, state, hash, reason, at, received_real_at) "
        "SELECT DISTINCT ON (r.version, r.state) r.vehicle_id, r.fleet_id, r.version, r.state, r.hash, r.reason, r.at, r.received_real_at "
        "FROM receipts_said r JOIN unnest(%s::bigint[], %s::text[]) AS n (version, state) USING (version, state) "
        "JOIN log.sessions s USING (session_no) WHERE r.vehicle_id = %s "
        "ORDER BY r.version, r.state, s.ordinal, r.session_no, r.seq",
        (versions, states, vehicle),
    )


def refold_orders(cur: Cursor, orders: Iterable[str]) -> list[Refolded]:
    """Compute these orders' states anew from everything that was said of them. Returns those that changed."""
    wanted = sorted(set(orders))
    if not wanted:
        return []
    said: defaultdict[str, list[Said]] = defaultdict(list)
    cur.execute(
        "SELECT a.order_id, a.vehicle_id, a.action, a.outcome, a.undoes, a.reason, a.driver_id, a.at FROM actions a "
        "JOIN log.sessions s USING (session_no) WHERE a.order_id = ANY(%s) ORDER BY a.vehicle_id, s.ordinal, a.session_no, a.seq",
        (wanted,),
    )
    for row in cur:
        said[row.pop("order_id")].append(Said(**row))
    stood: defaultdict[str, list[tuple[str, datetime]]] = defaultdict(list)
    cur.execute("SELECT order_id, vehicle_id, arrived_at FROM order_visits WHERE order_id = ANY(%s) AND arrived_at IS NOT NULL", (wanted,))
    for row in cur:
        stood[row["order_id"]].append((row["vehicle_id"], row["arrived_at"]))
    cur.execute(
        "SELECT o.order_id, o.fleet_id, s.state, s.vehicle_id, s.driver_id, s.at, s.arrived_at, s.reason, s.action "
        "FROM orders o LEFT JOIN order_states s USING (order_id) WHERE o.order_id = ANY(%s)",
        (wanted,),
    )
    changed = []
    for row in cur.fetchall():
        order, fleet = row.pop("order_id"), row.pop("fleet_id")
        was = OrderState(**row) if row["state"] is not None else None
        state = order_state(said[order], stood[order])
        if state == was:
            continue
        changed.append(Refolded(order_id=order, fleet_id=fleet, was=was, now=state))
        if state is None:
            cur.execute("DELETE FROM order_states WHERE order_id = %s", (order,))
            continue
        cur.execute(
            "INSERT INTO order_states (order_id, fleet_id, state, vehicle_id, driver_id, at, arrived_at, reason, action) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) "
            "ON CONFLICT (order_id) DO UPDATE SET state = excluded.state, vehicle_id = excluded.vehicle_id, "
            "driver_id = excluded.driver_id, at = excluded.at, arrived_at = excluded.arrived_at, reason = excluded.reason, "
            "action = excluded.action",
            (order, fleet, state.state, state.vehicle_id, state.driver_id, state.at, state.arrived_at, state.reason, state.action),
        )
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
