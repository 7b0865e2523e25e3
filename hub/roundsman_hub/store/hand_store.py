"""The dispatcher's hand on a depot: orders' vans and positions, locked routes, vans that are out, hand-overs, the depot's mode."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, LiteralString

from psycopg.types.json import Jsonb

from roundsman_hub.replan.world import Hand
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, journal, notify, row, rows

OUT_WORDS: Final = {"broken_down": "broken down", "driver_sick": "its driver is out"}
WRECKED: Final = ("breakdown", "accident")
"""Topics of a driver's report that take the van out of the day until somebody settles the report."""
BEFORE_SHIFT: Final = timedelta(hours=6)

_ORDERS: LiteralString = """
    SELECT a.* FROM assignments a JOIN orders o USING (order_id) WHERE o.depot_id = %s AND o.window_end > %s
"""
_VEHICLES: LiteralString = """
    SELECT h.vehicle_id, h.locked, h.out_reason FROM vehicle_hands h JOIN vehicles v USING (vehicle_id) WHERE v.depot_id = %s
"""
_HANDOVERS: LiteralString = """
    SELECT h.* FROM handovers h JOIN orders o USING (order_id) WHERE o.depot_id = %s AND o.window_end > %s
    ORDER BY h.at, h.order_id, h.version
"""
_WRECKS: LiteralString = """
    SELECT DISTINCT r.vehicle_id FROM reports r JOIN vehicles v USING (vehicle_id)
    WHERE v.depot_id = %(depot)s AND r.topic = ANY(%(topics)s) AND r.at >= v.shift_start - %(before)s
      AND NOT EXISTS (SELECT FROM settled_reports s WHERE s.fleet_id = r.fleet_id AND s.report = r.report)
"""
_ALERTS: LiteralString = """
    SELECT a.vehicle_id, a.kind, a.alert FROM alerts a JOIN vehicles v USING (vehicle_id)
    WHERE v.depot_id = %(depot)s AND a.kind IN ('long_dwell', 'silent') AND a.to_at IS NULL AND a.from_at >= v.shift_start - %(before)s
    ORDER BY a.from_at, a.alert
"""
_FAILED: LiteralString = """
    SELECT s.order_id, coalesce(nullif(o.name, ''), nullif(o.reference, ''), o.address) AS name, s.action
    FROM order_states s JOIN orders o USING (order_id) JOIN vehicles v ON v.vehicle_id = s.vehicle_id
    WHERE o.depot_id = %(depot)s AND s.state = 'failed' AND s.at >= v.shift_start - %(before)s ORDER BY s.at, s.order_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOnDepot:
    """What dispatchers decided, and what drivers reported, that plans have to keep.

    `released`: (order, vehicle) → plans up to this version no longer hold the order.
    """

    orders: dict[str, Hand] = field(default_factory=dict)
    locked: frozenset[str] = frozenset()
    out: dict[str, str] = field(default_factory=dict)
    released: dict[tuple[str, str], int] = field(default_factory=dict)
    handed: dict[str, str] = field(default_factory=dict)
    alerts: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    failed: tuple[tuple[str, str, str], ...] = ()

    def let_go(self, order: str, vehicle: str, version: int) -> bool:
        """Whether this plan can no longer make its van serve the order: it was handed over."""
        return version <= self.released.get((order, vehicle), 0)


def read(cur: Cursor, depot_id: str, now: datetime) -> HandOnDepot:
    """All of it, for the planner."""
    since, shift = now - timedelta(days=1), {"depot": depot_id, "before": BEFORE_SHIFT}
    vehicles = rows(cur, _VEHICLES, (depot_id,))
    out = {r["vehicle_id"]: "broken down" for r in rows(cur, _WRECKS, shift | {"topics": list(WRECKED)})}
    out |= {r["vehicle_id"]: OUT_WORDS[r["out_reason"]] for r in vehicles if r["out_reason"]}
    handovers = rows(cur, _HANDOVERS, (depot_id, since))
    alerts: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for r in rows(cur, _ALERTS, shift):
        alerts[r["vehicle_id"]].append((r["kind"], r["alert"]))
    return HandOnDepot(
        orders={r["order_id"]: _hand(r) for r in rows(cur, _ORDERS, (depot_id, since))},
        locked=frozenset(r["vehicle_id"] for r in vehicles if r["locked"]),
        out=out,
        released={(r["order_id"], r["vehicle_id"]): r["version"] for r in handovers},
        handed={r["order_id"]: r["to_vehicle_id"] for r in handovers if r["to_vehicle_id"]},
        alerts={vehicle: tuple(found) for vehicle, found in alerts.items()},
        failed=tuple((r["order_id"], r["name"], r["action"]) for r in rows(cur, _FAILED, shift)),
    )


def _hand(r: Row) -> Hand:
    return Hand(vehicle_id=r["vehicle_id"], position=r["position"], before=tuple(r["before"]), forbid=frozenset(r["forbid"]), at=r["at"])


def assignment(cur: Cursor, order: str) -> Row | None:
    """What was decided about one order."""
    return row(cur, "SELECT * FROM assignments WHERE order_id = %s", (order,))


def assign(
    cur: Cursor,
    fleet: str,
    order: str,
    *,
    vehicle: str | None,
    position: int | None,
    before: Sequence[str],
    forbid: Sequence[str],
    actor: str,
    at: datetime,
) -> None:
    """Decide about an order; the newest word holds."""
    cur.execute(
        "INSERT INTO assignments (order_id, fleet_id, vehicle_id, position, before, forbid, actor, at) VALUES (%s,%s,%s,%s,%s,%s,%s,%s)"
        " ON CONFLICT (order_id) DO UPDATE SET vehicle_id = excluded.vehicle_id, position = excluded.position, before = excluded.before,"
        " forbid = excluded.forbid, actor = excluded.actor, at = excluded.at",
        (order, fleet, vehicle, position, Jsonb(list(before)), Jsonb(sorted(set(forbid))), actor, at),
    )


def unassign(cur: Cursor, order: str) -> bool:
    """Leave the order to the planner again. False: nothing had been decided."""
    return cur.execute("DELETE FROM assignments WHERE order_id = %s", (order,)).rowcount > 0


def loosen(cur: Cursor, fleet: str, order: str, vehicle: str, at: datetime) -> None:
    """An order's position cannot be kept any more: its van stays, and people are told by an alert and in the journal."""
    cur.execute("UPDATE assignments SET position = NULL, before = '[]' WHERE order_id = %s", (order,))
    body = {"vehicle": vehicle}
    journal(cur, fleet_id=fleet, at=at, kind="order.position_dropped", subject=order, actor="planner", body=body)
    alert = f"position_dropped:{order}:{at:%Y%m%dT%H%M%S}"
    cur.execute(
        "INSERT INTO alerts (alert, fleet_id, vehicle_id, kind, order_id, from_at, to_at, detail, raised_at)"
        " VALUES (%s, %s, %s, 'position_dropped', %s, %s, %s, '{}', %s) ON CONFLICT DO NOTHING",
        (alert, fleet, vehicle, order, at, at, at),
    )
    notify(cur, "alert", fleet, alert)


def vehicle_hand(cur: Cursor, vehicle: str) -> Row:
    """What was decided about one vehicle."""
    return row(cur, "SELECT * FROM vehicle_hands WHERE vehicle_id = %s", (vehicle,)) or {"locked": False, "out_reason": None}


def set_vehicle(
    cur: Cursor, fleet: str, vehicle: str, *, locked: bool | None = None, out: tuple[str | None] | None = None, actor: str, at: datetime
) -> None:
    """Lock or unlock a route, or take a vehicle out of the day (`out`: one reason, or None for "it is back"); the rest stays."""
    was = vehicle_hand(cur, vehicle)
    cur.execute(
        "INSERT INTO vehicle_hands (vehicle_id, fleet_id, locked, out_reason, actor, at) VALUES (%s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (vehicle_id) DO UPDATE SET locked = excluded.locked, out_reason = excluded.out_reason, actor = excluded.actor,"
        " at = excluded.at",
        (vehicle, fleet, was["locked"] if locked is None else locked, was["out_reason"] if out is None else out[0], actor, at),
    )


def set_mode(cur: Cursor, depot: str, mode: str) -> None:
    """Who decides about a depot's plans."""
    cur.execute("UPDATE depots SET mode = %s WHERE depot_id = %s", (mode, depot))


def hand_over(cur: Cursor, fleet: str, orders: Sequence[str], vehicle: str, *, to: str | None, said: str, actor: str, at: datetime) -> None:
    """A van has no longer what its newest plan said."""
    cur.execute(
        "INSERT INTO handovers (order_id, vehicle_id, fleet_id, version, to_vehicle_id, said, actor, at)"
        " SELECT o, %s, %s, (SELECT coalesce(max(version), 0) FROM plans WHERE vehicle_id = %s), %s, %s, %s, %s FROM unnest(%s::text[]) o"
        " ON CONFLICT DO NOTHING",
        (vehicle, fleet, vehicle, to, said, actor, at, list(orders)),
    )
