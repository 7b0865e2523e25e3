"""Orders and their places: SQL beside its function. Call inside a tenant's transaction (`Database.tenant`)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg import sql
from psycopg.types.json import Jsonb

from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, new_id, notify, row, rows

VIEW: LiteralString = """
WITH newest AS (   -- each van's newest plan, and the newest that is in force there
    SELECT v.vehicle_id,
           (SELECT max(p.version) FROM plans p WHERE p.vehicle_id = v.vehicle_id) AS version,
           (SELECT max(r.version) FROM plan_receipts r WHERE r.vehicle_id = v.vehicle_id AND r.state = 'in_force') AS in_force,
           coalesce(n.duty, 'off') AS duty
    FROM vehicles v LEFT JOIN vehicle_now n USING (vehicle_id)
    WHERE v.retired_at IS NULL
), first AS (      -- the first stop that is left in it, where the driver is at work
    SELECT DISTINCT ON (t.vehicle_id) t.vehicle_id, t.order_id
    FROM newest JOIN plan_tasks t ON t.vehicle_id = newest.vehicle_id AND t.version = newest.in_force
    JOIN orders o USING (order_id) LEFT JOIN order_states s USING (order_id)
    WHERE newest.duty = 'on' AND o.cancelled_at IS NULL AND coalesce(s.state, 'arrived') = 'arrived'
    ORDER BY t.vehicle_id, t.position
), shown AS (
    SELECT o.*, s.arrived_at, CASE WHEN s.state IN ('delivered', 'failed') THEN s.at END AS done_at,
           coalesce(s.vehicle_id, t.vehicle_id) AS vehicle_id, t.position, t.version AS plan_version,
           CASE WHEN o.cancelled_at IS NULL AND coalesce(s.state, 'arrived') = 'arrived' THEN e.eta END AS eta,
           CASE WHEN o.cancelled_at IS NULL AND coalesce(s.state, 'arrived') = 'arrived' THEN e.low END AS eta_low,
           CASE WHEN o.cancelled_at IS NULL AND coalesce(s.state, 'arrived') = 'arrived' THEN e.high END AS eta_high,
           CASE WHEN o.cancelled_at IS NULL AND coalesce(s.state, 'arrived') = 'arrived' THEN e.basis END AS eta_basis,
           CASE WHEN s.state IN ('delivered', 'failed') THEN s.state   -- what happened beats what was decided
                WHEN o.cancelled_at IS NOT NULL THEN 'cancelled'
                WHEN s.state = 'arrived' THEN 'arrived'
                WHEN first.order_id IS NOT NULL THEN 'next'
                WHEN t.order_id IS NOT NULL THEN 'planned'
                WHEN q.order_id IS NOT NULL THEN 'waiting_for_place'
                WHEN u.order_id IS NOT NULL AND NOT starts_with(u.reason, 'is for ') THEN 'unassigned'  -- of a later day: new until then
                ELSE 'new' END AS state,
           coalesce(s.reason, q.reason, u.reason) AS reason, u.at AS unassigned_at
    FROM orders o
    LEFT JOIN order_states s USING (order_id)
    LEFT JOIN (newest JOIN plan_tasks t USING (vehicle_id, version)) USING (order_id)
    LEFT JOIN first ON first.order_id = o.order_id
    LEFT JOIN geocode_queue q ON q.order_id = o.order_id
    LEFT JOIN unassigned u ON u.order_id = o.order_id
    LEFT JOIN etas e ON e.order_id = o.order_id
)
"""
LOOKED_THROUGH: Final = 50_000
"""Orders in which a part of an address is looked for, newest first by the index of windows: 45 ms, however many there are (of a million
1.6 to 2 s before). Trigrams were measured, too: 0.7 to 160 ms for rare words of a million orders, but 1.2 s for a street's name that an
eighth of them has and 2.8 s for two letters, 65 MB, and a third more for each new order; row-level security would have to be gone round."""
STATES: Final = ("new", "waiting_for_place", "unassigned", "planned", "next", "arrived", "delivered", "failed", "cancelled")
MAY_CHANGE: Final = frozenset(
    {"name", "phone", "instructions", "window_start", "window_end", "service_s", "parcels", "priority", "cancelled_at"}
    | {"items", "proof", "delivery_code", "contact_free", "needs"}
    | {"promise_start", "promise_end", "address", "lat_e6", "lon_e6", "placed"}
)


def shown(cur: Cursor, *, order_id: str | None = None, token: str | None = None) -> Row | None:
    """One order with the state that is shown: a fold over what vans said, what was planned, and what people decided."""
    if token is not None:
        return row(cur, VIEW + "SELECT * FROM shown WHERE track_token = %s", (token,))
    return row(cur, VIEW + "SELECT * FROM shown WHERE order_id = %s", (order_id,))


def page(cur: Cursor, *, states: Sequence[str], after: tuple[datetime, str] | None, limit: int) -> list[Row]:
    """Orders by window, then id. `after`: the last (window_start, order_id) of the page before."""
    return rows(
        cur,
        VIEW
        + "SELECT * FROM shown WHERE (%(any)s OR state = ANY (%(states)s))"
        + " AND (%(at)s::timestamptz IS NULL OR (window_start, order_id) > (%(at)s, %(id)s::text))"
        + " ORDER BY window_start, order_id LIMIT %(limit)s",
        {
            "any": not states,
            "states": list(states),
            "at": after[0] if after else None,
            "id": after[1] if after else None,
            "limit": limit,
        },
    )


def since(cur: Cursor, at: datetime) -> list[Row]:
    """Orders of the day, for the live view: windows that end after `at`, or done or cancelled after it."""
    return rows(
        cur,
        VIEW + "SELECT * FROM shown WHERE window_end >= %(at)s OR done_at >= %(at)s ORDER BY window_start, order_id",
        {"at": at},
    )


def by_reference(cur: Cursor, reference: str) -> str | None:
    """The order that bears the shop's own number."""
    found = row(cur, "SELECT order_id FROM orders WHERE reference = %s", (reference,))
    return None if found is None else found["order_id"]


def add(cur: Cursor, fleet_id: str, columns: Mapping[str, object]) -> str:
    """A new order; gives its id. Its customer's link has 192 random bits."""
    values = {"order_id": new_id("o"), "fleet_id": fleet_id, "track_token": secrets.token_urlsafe(24), **columns}
    cur.execute(
        sql.SQL("INSERT INTO orders ({}) VALUES ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, values)), sql.SQL(", ").join(map(sql.Placeholder, values))
        ),
        values,
    )
    notify(cur, "order", fleet_id, str(values["order_id"]))
    return str(values["order_id"])


def own_columns(values: Mapping[str, Any]) -> dict[str, object]:
    """An order's own fields as its columns take them."""
    return {column: Jsonb(value) if column in ("items", "proof", "needs") else value for column, value in values.items()}


def change(cur: Cursor, fleet_id: str, order_id: str, changes: Mapping[str, object]) -> None:
    """Change an order's own columns, and raise its revision."""
    columns = [column for column in changes if column in MAY_CHANGE]
    statement = sql.SQL("UPDATE orders SET {} WHERE order_id = {}").format(
        sql.SQL(", ").join(
            [sql.SQL("revision = revision + 1"), *(sql.SQL("{} = {}").format(sql.Identifier(c), sql.Placeholder(c)) for c in columns)]
        ),
        sql.Placeholder("key"),
    )
    cur.execute(statement, {**own_columns({c: changes[c] for c in columns}), "key": order_id})
    notify(cur, "order", fleet_id, order_id)


def lock(cur: Cursor, order_id: str) -> None:
    """Hold the order until this transaction ends: two people cannot decide on it at once."""
    cur.execute("SELECT 1 FROM orders WHERE order_id = %s FOR UPDATE", (order_id,))


def handover(cur: Cursor, order_id: str) -> Row | None:
    """The action that ended a stop and holds; None while it is open."""
    return row(
        cur,
        "SELECT a.outcome, a.parcels, a.received_by, a.note, a.at, a.code IS NOT NULL AS by_code, a.lat_e6 / 1e6 AS lat_deg,"
        " a.lon_e6 / 1e6 AS lon_deg FROM order_states s JOIN actions a"
        " ON a.order_id = s.order_id AND a.vehicle_id = s.vehicle_id AND a.action = s.action"
        " WHERE s.order_id = %s AND s.state IN ('delivered', 'failed') AND a.outcome <> 'undo' LIMIT 1",
        (order_id,),
    )


def proofs(cur: Cursor, order_id: str) -> list[Row]:
    """What was photographed or signed at a stop; not of actions that were undone. `whole`: it is at the hub."""
    return rows(
        cur,
        "SELECT DISTINCT ON (p.sha256) p.*, b.sha256 IS NOT NULL AS whole FROM proofs p LEFT JOIN blobs b USING (fleet_id, sha256)"
        " WHERE p.order_id = %s AND NOT EXISTS (SELECT FROM actions u WHERE u.order_id = p.order_id AND u.undoes = p.fact)"
        " ORDER BY p.sha256, p.at",
        (order_id,),
    )


def risk_late_s(cur: Cursor, order_id: str) -> int:
    """How late the van that has an order expects to be there, by its newest word; 0: in time, done, or nothing said."""
    found = row(
        cur,
        "SELECT r.late_s FROM risks r WHERE r.order_id = %(o)s"
        " AND NOT EXISTS (SELECT FROM order_states d WHERE d.order_id = %(o)s AND d.state IN ('delivered', 'failed'))"
        " ORDER BY r.at DESC NULLS LAST, r.session_no DESC, r.seq DESC LIMIT 1",
        {"o": order_id},
    )
    return 0 if found is None else int(found["late_s"])


# ── places ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def place(cur: Cursor, fleet_id: str, order_id: str, *, lat_e6: int, lon_e6: int, address: str | None = None) -> None:
    """Settle an order's place by hand; it no longer waits. `address`: it has another one from now on."""
    cur.execute(
        "UPDATE orders SET lat_e6 = %s, lon_e6 = %s, address = coalesce(%s, address), placed = 'pinned', revision = revision + 1"
        " WHERE order_id = %s",
        (lat_e6, lon_e6, address, order_id),
    )
    cur.execute("DELETE FROM geocode_queue WHERE order_id = %s", (order_id,))
    notify(cur, "order", fleet_id, order_id)


def remember_pin(cur: Cursor, fleet_id: str, address_key: str, *, lat_e6: int, lon_e6: int) -> None:
    """The place of an address, as a person corrected it: wins over any geocoder from now on."""
    cur.execute(
        "INSERT INTO pins (fleet_id, address_key, lat_e6, lon_e6) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (fleet_id, address_key) DO UPDATE SET lat_e6 = excluded.lat_e6, lon_e6 = excluded.lon_e6",
        (fleet_id, address_key, lat_e6, lon_e6),
    )


def pin_of(cur: Cursor, address_key: str) -> tuple[int, int] | None:
    """The remembered place of an address, (lat_e6, lon_e6)."""
    found = row(cur, "SELECT lat_e6, lon_e6 FROM pins WHERE address_key = %s", (address_key,))
    return None if found is None else (found["lat_e6"], found["lon_e6"])


def addresses_like(cur: Cursor, text: str, since: datetime, limit: int, *, among: int = LOOKED_THROUGH) -> list[Row]:
    """Addresses of the fleet's orders from `since` on that hold this text, each once, with where its newest order was placed. Only the
    newest `among` orders are looked through."""
    return rows(
        cur,
        "SELECT address, lat_e6, lon_e6 FROM (SELECT DISTINCT ON (lower(address)) * FROM (SELECT * FROM orders"
        " WHERE fleet_id = current_setting('roundsman.fleet', true) AND window_start >= %(since)s ORDER BY window_start DESC"
        " LIMIT %(among)s) newest WHERE lat_e6 IS NOT NULL"
        " AND strpos(lower(address), lower(%(text)s)) > 0 ORDER BY lower(address), window_start DESC) o"
        " ORDER BY strpos(lower(address), lower(%(text)s)), address LIMIT %(limit)s",
        {"text": text, "since": since, "limit": limit, "among": among},
    )


def enqueue(cur: Cursor, fleet_id: str, order_id: str, *, reason: str, candidates: list[dict[str, Any]], at: datetime) -> None:
    """Let an order wait for a person to settle its place."""
    cur.execute(
        "INSERT INTO geocode_queue (order_id, fleet_id, reason, candidates, queued_at) VALUES (%s, %s, %s, %s, %s)",
        (order_id, fleet_id, reason, Jsonb(candidates), at),
    )


def queue(cur: Cursor) -> list[Row]:
    """Orders that wait for a place, oldest first."""
    return rows(
        cur,
        "SELECT q.*, o.reference, o.address FROM geocode_queue q JOIN orders o USING (order_id)"
        " WHERE o.cancelled_at IS NULL ORDER BY q.queued_at, q.order_id LIMIT 500",
    )
