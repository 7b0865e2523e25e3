"""What the doors of the living plan share: a depot's world as the planner reads it, and its problem."""

from __future__ import annotations

from typing import Any

from roundsman_hub.api.desk import Desk
from roundsman_hub.api.problems import Problem as Refusal, not_found
from roundsman_hub.replan.build import build
from roundsman_hub.replan.load import load_world
from roundsman_hub.replan.preview import Build
from roundsman_hub.replan.world import World
from roundsman_hub.store import orders as order_store
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, journal, row


def world_of(desk: Desk, depot: str) -> World:
    """The planner's own view of a depot that the caller may see: it reads the vans' logs."""
    with desk.db.transaction() as cur:
        cur.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        world = load_world(cur, depot, desk.clock)
    if world is None:
        raise not_found("depot", depot, see="/v1/depots")
    return world


def builder(desk: Desk) -> Build:
    """Problems of worlds of one depot, as the planner itself would pose them."""
    return lambda world: build(world, *desk.ways.of(world), may_move=True)


def open_order(cur: Cursor, order: str, *, status: int = 404) -> Row:
    """The order, if it is this fleet's and still to be done."""
    found = order_store.shown(cur, order_id=order)
    if found is None:
        raise not_found("order", order, see="/v1/orders", status=status)
    if found["state"] in ("delivered", "failed", "cancelled"):
        raise Refusal(409, "order-closed", f"order {order} is {found['state']}", next_step="make a new order")
    return found


def planned_order(world: World, order: str) -> None:
    """Refuses an order that the planner does not know: it has no place on the map, or its window is long over."""
    if order not in world.orders:
        raise Refusal(409, "order-not-planned", f"order {order} is not placed on the map, or its time is over", next_step="pin its place")


def van_of_depot(cur: Cursor, vehicle: str, depot: str) -> Row:
    """The vehicle, if it serves this depot."""
    found = row(cur, "SELECT * FROM vehicles WHERE vehicle_id = %s AND retired_at IS NULL", (vehicle,))
    if found is None:
        raise not_found("vehicle", vehicle, see="/v1/vehicles", status=422)
    if found["depot_id"] != depot:
        raise Refusal(
            422, "other-depot", f"vehicle {vehicle} belongs to depot {found['depot_id']}", next_step="choose a van of the order's depot"
        )
    return found


def note(cur: Cursor, desk: Desk, fleet: str, actor: str, kind: str, subject: str, body: Any) -> None:
    """A dispatcher's decision in the journal: who, when, what."""
    journal(cur, fleet_id=fleet, at=desk.clock.now(), kind=kind, subject=subject, actor=actor, body=body)
