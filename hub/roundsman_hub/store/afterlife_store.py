"""What became of orders after their attempts: SQL beside its function. Call inside a tenant's transaction (`Database.tenant`)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg import sql
from psycopg.types.json import Jsonb

from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, new_id, notify, row, rows

_COPIED: Final = (
    *("depot_id", "kind", "name", "phone", "address", "instructions", "lat_e6", "lon_e6", "placed", "service_s", "parcels", "priority"),
    *("items", "proof", "delivery_code", "contact_free", "needs"),
)
_FAMILY: LiteralString = """
    WITH root AS (SELECT coalesce((SELECT root_id FROM order_turns WHERE next_order_id = %(order)s), %(order)s) AS root_id)
    SELECT o.order_id, o.kind, o.cancelled_at, o.created_at, o.depot_id, root.root_id FROM root JOIN orders o ON o.order_id = root.root_id
    UNION ALL
    SELECT o.order_id, o.kind, o.cancelled_at, o.created_at, o.depot_id, root.root_id
    FROM root JOIN order_turns t USING (root_id) JOIN orders o ON o.order_id = t.next_order_id
    ORDER BY created_at, order_id
"""
_FACTS: LiteralString = """
    SELECT event, at, order_id, vehicle_id FROM (
        SELECT CASE state WHEN 'failed' THEN 'failed' ELSE 'delivered' END AS event, at, order_id, vehicle_id, 2 AS rank, 0::bigint AS place
        FROM order_states WHERE order_id = ANY(%(orders)s) AND state IN ('delivered', 'failed')
        UNION ALL
        SELECT c.event, max(c.at), c.order_id, c.vehicle_id, 1, 0   -- all of its parcels, where it has several
        FROM scans c JOIN orders o USING (order_id)
        WHERE c.order_id = ANY(%(orders)s) AND c.event IN ('loaded', 'unloaded') AND c.at IS NOT NULL
        GROUP BY c.event, c.order_id, c.vehicle_id, o.items HAVING count(DISTINCT c.parcel) >= greatest(1, jsonb_array_length(o.items))
        UNION ALL
        SELECT event, at, order_id, vehicle_id, 3, turn FROM order_turns WHERE root_id = %(root)s
    ) AS told ORDER BY at, rank, place
"""
_DRIVEN_BY: LiteralString = """
    SELECT t.vehicle_id FROM plan_tasks t JOIN vehicle_now n USING (vehicle_id)
    WHERE t.order_id = %s AND n.duty <> 'off'
      AND t.version = (SELECT max(r.version) FROM plan_receipts r WHERE r.vehicle_id = t.vehicle_id AND r.state = 'in_force') LIMIT 1
"""
_ABOARD: LiteralString = "SELECT order_id, parcels FROM goods_aboard WHERE vehicle_id = %s ORDER BY order_id"


def family(cur: Cursor, order_id: str) -> list[Row]:
    """An order and its further attempts, the first placed first; empty where there is no such order."""
    return rows(cur, _FAMILY, {"order": order_id})


def events(cur: Cursor, root_id: str, orders: list[str]) -> list[Row]:
    """What happened to them and what was decided, in event time: rows of event, at, order_id, vehicle_id."""
    return rows(cur, _FACTS, {"root": root_id, "orders": orders})


def turns(cur: Cursor, root_id: str) -> list[Row]:
    """What people decided and saw, oldest first."""
    return rows(cur, "SELECT * FROM order_turns WHERE root_id = %s ORDER BY turn", (root_id,))


def driven_by(cur: Cursor, order_id: str) -> str | None:
    """The van on duty that has an order in its plan in force: a delivery's goods are then on board."""
    found = row(cur, _DRIVEN_BY, (order_id,))
    return None if found is None else str(found["vehicle_id"])


def aboard(cur: Cursor, vehicle_id: str) -> list[Row]:
    """Ended attempts whose goods are still in a van: rows of order_id, parcels."""
    return rows(cur, _ABOARD, (vehicle_id,))


def add_turn(
    cur: Cursor,
    fleet_id: str,
    *,
    root_id: str,
    order_id: str,
    event: str,
    vehicle_id: str | None,
    actor: str,
    at: datetime,
    next_order_id: str | None = None,
    body: Mapping[str, Any] | None = None,
) -> None:
    """Write down what was decided or seen."""
    cur.execute(
        "INSERT INTO order_turns (fleet_id, root_id, order_id, event, vehicle_id, next_order_id, actor, at, body)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (fleet_id, root_id, order_id, event, vehicle_id, next_order_id, actor, at, Jsonb(dict(body or {}))),
    )
    notify(cur, "order", fleet_id, order_id)


def add_attempt(cur: Cursor, fleet_id: str, order_id: str, changes: Mapping[str, object]) -> str:
    """A further attempt at an order: the same goods, with other windows or another place. The customer's link goes on with it."""
    new, fresh = new_id("o"), secrets.token_urlsafe(24)
    found = row(cur, "SELECT track_token FROM orders WHERE order_id = %s", (order_id,))
    assert found is not None  # the caller holds it
    cur.execute("UPDATE orders SET track_token = %s, revision = revision + 1 WHERE order_id = %s", (fresh, order_id))
    values = {"order_id": new, "fleet_id": fleet_id, "track_token": found["track_token"], **changes}
    copied = [column for column in _COPIED if column not in changes]
    statement = sql.SQL("INSERT INTO orders ({}) SELECT {} FROM orders WHERE order_id = {}").format(
        sql.SQL(", ").join(map(sql.Identifier, (*values, *copied))),
        sql.SQL(", ").join((*map(sql.Placeholder, values), *map(sql.Identifier, copied))),
        sql.Placeholder("before"),
    )
    cur.execute(statement, {**values, "before": order_id})
    notify(cur, "order", fleet_id, new)
    return new


def redirect(cur: Cursor, fleet_id: str, order_id: str, changes: Mapping[str, object]) -> None:
    """Move an attempt that has not ended to another place, or to other windows."""
    statement = sql.SQL("UPDATE orders SET {} WHERE order_id = {}").format(
        sql.SQL(", ").join(
            [sql.SQL("revision = revision + 1"), *(sql.SQL("{} = {}").format(sql.Identifier(c), sql.Placeholder(c)) for c in changes)]
        ),
        sql.Placeholder("key"),
    )
    cur.execute(statement, {**changes, "key": order_id})
    notify(cur, "order", fleet_id, order_id)
