"""Plans and their receipts, as the delivery of each is read."""

from __future__ import annotations

from datetime import datetime
from typing import LiteralString

from roundsman_hub.dispatch.delivery import Delivery, delivery
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, rows

_COLUMNS: LiteralString = """
    SELECT p.vehicle_id, p.version, p.issued_at, p.issued_real_at, p.published_at, p.valid_until, p.reason, p.changes,
           (SELECT coalesce(jsonb_object_agg(r.state, jsonb_build_array(r.at, r.reason)), '{}') FROM plan_receipts r
            WHERE r.vehicle_id = p.vehicle_id AND r.version = p.version) AS receipts,
           (SELECT coalesce(max(r.version), 0) FROM plan_receipts r WHERE r.vehicle_id = p.vehicle_id AND r.state = 'in_force') AS in_force
"""
_OF_VEHICLE: LiteralString = _COLUMNS + " FROM plans p WHERE p.vehicle_id = %s ORDER BY p.version DESC LIMIT %s"
_NEWEST: LiteralString = (
    _COLUMNS
    + """ FROM vehicles v CROSS JOIN LATERAL (SELECT * FROM plans q WHERE q.vehicle_id = v.vehicle_id ORDER BY version DESC LIMIT 1) p
    WHERE v.depot_id = %s AND v.retired_at IS NULL ORDER BY p.vehicle_id"""
)


def of_vehicle(cur: Cursor, vehicle: str, limit: int) -> list[Row]:
    """A vehicle's newest plans, newest first."""
    return rows(cur, _OF_VEHICLE, (vehicle, limit))


def newest(cur: Cursor, depot: str) -> list[Row]:
    """The newest plan of each of a depot's vehicles."""
    return rows(cur, _NEWEST, (depot,))


def told(r: Row, now: datetime) -> Delivery:
    """A row as a delivery."""
    receipts = {
        state: (None if at is None else datetime.fromisoformat(at), reason or None) for state, (at, reason) in r["receipts"].items()
    }
    return delivery(
        version=r["version"],
        issued_at=r["issued_at"],
        published_at=r["published_at"],
        receipts=receipts,
        expires_at=r["valid_until"],
        newest_in_force=r["in_force"],
        now=now,
    )
