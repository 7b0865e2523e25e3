"""Plans as vans drive them: in their drivers' own order, and as they were before a driver declined."""

from __future__ import annotations

from typing import Any, LiteralString

import msgspec
from psycopg import Cursor

from roundsman_core import reorder
from roundsman_hub.store import told_store
from roundsman_hub.store.rows import rows
from roundsman_wire.messages import Plan

_DECLINED: LiteralString = """
    SELECT r.vehicle_id, max(r.version) AS version FROM plan_receipts r JOIN vehicles v USING (vehicle_id)
    WHERE v.depot_id = %s AND r.state = 'declined' AND r.version >= %s GROUP BY 1
"""
_IN_FORCE_PLANS: LiteralString = """
    SELECT DISTINCT ON (p.vehicle_id) p.vehicle_id, p.plan FROM plans p JOIN plan_receipts r USING (vehicle_id, version)
    WHERE p.vehicle_id = ANY(%s) AND r.state = 'in_force' ORDER BY p.vehicle_id, p.version DESC
"""


def as_driven(cur: Cursor[Any], plans: dict[str, Plan]) -> dict[str, Plan]:
    """Plans in the order that their drivers gave them: what a van drives is what there is to plan from."""
    own = told_store.own_orders(cur, {vehicle: plan.version for vehicle, plan in plans.items()})
    return {vehicle: told_store.as_driven(plan, own.get(vehicle)) for vehicle, plan in plans.items()}


def declined_plans(cur: Cursor[Any], depot_id: str, newest: dict[str, Plan], since: int) -> tuple[dict[str, int], dict[str, Plan]]:
    """The newest plan that each driver declined lately; and the vans' plans, a declined one in the order that is driven instead."""
    declined = {r["vehicle_id"]: r["version"] for r in rows(cur, _DECLINED, (depot_id, since))}
    wanted = [vehicle for vehicle, version in declined.items() if vehicle in newest and newest[vehicle].version == version]
    kept = {r["vehicle_id"]: msgspec.convert(r["plan"], Plan) for r in rows(cur, _IN_FORCE_PLANS, (wanted,))}
    for vehicle, plan in as_driven(cur, kept).items():
        order = [stop.stop for stop in plan.stops]
        newest[vehicle] = msgspec.structs.replace(newest[vehicle], stops=reorder.applied(newest[vehicle].stops, order))
    return declined, newest
