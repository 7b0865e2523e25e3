"""A day as it was known then: stops that were done, plans as issued, arrival times as said. Call inside a tenant's transaction."""

from __future__ import annotations

from datetime import datetime

from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, rows


def stops(cur: Cursor, since: datetime, until: datetime, limit: int) -> list[Row]:
    """Stops that ended between two instants, as the log has them by now, oldest first."""
    return rows(
        cur,
        """
        SELECT s.order_id, o.reference, o.name, o.address, s.vehicle_id, s.state, s.at, s.arrived_at, s.reason, o.lat_e6, o.lon_e6
        FROM order_states s JOIN orders o USING (order_id)
        WHERE s.state <> 'arrived' AND s.at >= %s AND s.at < %s ORDER BY s.at, s.order_id LIMIT %s
        """,
        (since, until, limit),
    )


def plans(cur: Cursor, vehicle: str, since: datetime, until: datetime, limit: int) -> list[Row]:
    """A van's plans of a stretch of time, and the one that it had when it began; oldest first, their stops as they stand in them."""
    return rows(
        cur,
        """
        SELECT version, issued_at, reason, changes, plan -> 'stops' AS stops FROM plans
        WHERE vehicle_id = %(vehicle)s AND issued_at < %(until)s AND issued_at >= coalesce(
            (SELECT max(issued_at) FROM plans WHERE vehicle_id = %(vehicle)s AND issued_at <= %(since)s), %(since)s)
        ORDER BY version LIMIT %(limit)s
        """,
        {"vehicle": vehicle, "since": since, "until": until, "limit": limit},
    )


def named(cur: Cursor, orders: list[str]) -> dict[str, Row]:
    """Orders by their id: what they are called, and when they came to be."""
    found = rows(
        cur,
        """
        SELECT o.order_id, o.reference, o.name, o.address, s.state, s.at, s.arrived_at
        FROM orders o LEFT JOIN order_states s USING (order_id) WHERE o.order_id = ANY(%s)
        """,
        (orders,),
    )
    return {r["order_id"]: r for r in found}


def said(cur: Cursor, orders: list[str], until: datetime) -> list[Row]:
    """What was said of these orders' arrival before an instant, whichever van had them; oldest first."""
    return rows(
        cur,
        "SELECT order_id, vehicle_id, said_at, eta, low, high, basis FROM eta_said"
        " WHERE order_id = ANY(%s) AND said_at < %s ORDER BY said_at, order_id",
        (orders, until),
    )
