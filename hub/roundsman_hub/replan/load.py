"""Reads a depot's world in one transaction: SQL beside the facts it gives."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, LiteralString

import msgspec
from psycopg import Cursor

from roundsman_core.geo import LatLon
from roundsman_hub.clock import Clock, to_ms
from roundsman_hub.domain.terms import DepotTerms, DriverTerms, FleetPlanning, OrderNeeds, VehicleTerms
from roundsman_hub.replan.as_driven import as_driven, declined_plans
from roundsman_hub.replan.driver_clocks import DriversClocks, driver_clocks
from roundsman_hub.replan.holds import HEARD_WITHIN, IssuedTasks, blocked
from roundsman_hub.replan.ranges import Electric, ranges_left
from roundsman_hub.replan.second_loads import loads_on_the_way
from roundsman_hub.replan.world import OrderFacts, OtherDepot, VanFacts, World
from roundsman_hub.store import hand_store, proposal_store, road_store, talk_store, told_store
from roundsman_hub.store.proposal_store import reason_of
from roundsman_hub.store.rows import Row, row, rows
from roundsman_wire.messages import Parcel, Plan

BEFORE_SHIFT = timedelta(hours=6)
"""A driver who taps "on" this early starts this shift; earlier belongs to the shift before."""
RECEIPTS_FOR = timedelta(days=7)
"""Receipts older than this belong to rounds that are over."""
DECLINE_HOLDS = timedelta(hours=1)
"""A driver who said no to another order is not asked again within the hour."""
REFUSED_FOR = timedelta(hours=1)
"""What a dispatcher rejected or took back is not proposed again within the hour, as with drivers."""
KEPT_OPEN = timedelta(days=1)
"""An order whose window ended longer ago than this is no longer planned."""

_DEPOT: LiteralString = """
    SELECT d.fleet_id, d.mode, d.lat_e6, d.lon_e6, coalesce(p.revision, 0) AS revision, coalesce(p.planned, 0) AS planned,
           coalesce(p.reasons, '[]') AS reasons, e.epoch, e.raised_real_at, f.timezone, f.planning
    FROM depots d JOIN fleets f USING (fleet_id) CROSS JOIN log.epoch e LEFT JOIN planning p USING (depot_id) WHERE d.depot_id = %s
"""
_VEHICLES: LiteralString = """
    SELECT v.vehicle_id, v.name, v.driver_id, v.capacity, v.shift_start, v.shift_end, v.terms, coalesce(r.terms, '{}') AS driver_terms,
           coalesce(n.online, false) AS online,
           n.lat_e6, n.lon_e6, n.next_stop, s.session, coalesce(s.through_seq, 0) AS facts_seq, p.version,
           CASE WHEN p.version = k.version THEN NULL ELSE p.plan END AS plan,
           a.carried, a.carried_weight_g, a.carried_volume_ml,
           (SELECT max(c.at) FROM order_states c WHERE c.vehicle_id = v.vehicle_id AND c.state IN ('delivered', 'failed')
               AND c.at >= v.shift_start - %(before)s) AS last_done_at
    FROM vehicles v
    LEFT JOIN drivers r USING (driver_id)
    LEFT JOIN LATERAL (
        SELECT coalesce(sum(g.parcels), 0)::bigint AS carried,
               coalesce(sum((g.needs ->> 'weight_g')::bigint), 0)::bigint AS carried_weight_g,
               coalesce(sum((g.needs ->> 'volume_ml')::bigint), 0)::bigint AS carried_volume_ml
        FROM (
            SELECT o.parcels, o.needs FROM order_states c JOIN orders o USING (order_id)
            WHERE c.vehicle_id = v.vehicle_id AND c.at >= v.shift_start - %(before)s AND o.kind = 'pickup' AND c.state = 'delivered'
              AND NOT EXISTS (   -- a shipment's goods are its delivery's, until that is cancelled
                    SELECT FROM orders e WHERE e.fleet_id = o.fleet_id AND e.kind = 'delivery' AND e.cancelled_at IS NULL
                                           AND e.needs ->> 'shipment' = o.needs ->> 'shipment')
            UNION ALL
            SELECT g.parcels, g.needs FROM goods_aboard g WHERE g.vehicle_id = v.vehicle_id
        ) g) a ON true
    LEFT JOIN vehicle_now n USING (vehicle_id)
    LEFT JOIN LATERAL (SELECT session, through_seq FROM log.sessions l LEFT JOIN derive_state t USING (session_no)
                       WHERE l.vehicle_id = v.vehicle_id ORDER BY ordinal DESC, session_no DESC LIMIT 1) s ON true
    LEFT JOIN LATERAL (SELECT version, plan FROM plans q WHERE q.vehicle_id = v.vehicle_id ORDER BY version DESC LIMIT 1) p ON true
    LEFT JOIN unnest(%(known)s::text[], %(versions)s::bigint[]) AS k (vehicle_id, version) ON k.vehicle_id = v.vehicle_id
    WHERE v.depot_id = %(depot)s AND v.retired_at IS NULL ORDER BY v.vehicle_id
"""
_ORDERS: LiteralString = """
    SELECT o.*, s.state, s.vehicle_id AS state_vehicle, s.at AS state_at, s.arrived_at,
           coalesce(CASE WHEN o.kind = 'delivery' AND o.needs ? 'shipment' THEN
                (SELECT c.vehicle_id FROM orders e JOIN order_states c USING (order_id) WHERE e.fleet_id = o.fleet_id AND e.kind = 'pickup'
                   AND e.needs ->> 'shipment' = o.needs ->> 'shipment' AND c.state = 'delivered' LIMIT 1)
                ELSE (   -- a further attempt by the van that kept the goods on board
                   SELECT t.vehicle_id FROM order_turns t WHERE t.next_order_id = o.order_id AND t.event IN ('today', 'neighbour', 'locker')
                   AND NOT EXISTS (SELECT FROM order_turns u WHERE u.root_id = t.root_id AND u.event = 'unloaded' AND u.turn > t.turn)
                ) END,
                (SELECT o.needs ->> 'on_board' WHERE o.kind = 'delivery' AND NOT EXISTS (   -- said with the order, until it was handed over
                   SELECT FROM handovers h WHERE h.order_id = o.order_id AND h.vehicle_id = o.needs ->> 'on_board'))) AS collected_by
    FROM orders o LEFT JOIN order_states s USING (order_id)
    WHERE o.depot_id = %s AND o.lat_e6 IS NOT NULL AND o.placed IN ('given', 'geocoded', 'pinned')
      AND greatest(o.window_end, (SELECT max((w ->> 1)::timestamptz) FROM jsonb_array_elements(o.needs -> 'more_windows') w)) > %s
      AND (s.state IS NULL OR s.state = 'arrived') AND (o.cancelled_at IS NULL OR s.state = 'arrived' OR o.order_id = ANY(%s))
    ORDER BY o.order_id
"""
_DEPOTS: LiteralString = "SELECT depot_id, name, lat_e6, lon_e6, terms FROM depots WHERE fleet_id = %s ORDER BY depot_id"
_DONE: LiteralString = "SELECT order_id, state FROM order_states WHERE state IN ('delivered', 'failed') AND order_id = ANY(%s)"
_DUTIES: LiteralString = """
    SELECT d.vehicle_id, d.duty, d.at FROM duties d JOIN log.sessions s USING (session_no)
    JOIN vehicles v ON v.vehicle_id = d.vehicle_id
    WHERE v.depot_id = %(depot)s AND (d.at IS NULL OR d.at >= v.shift_start - %(before)s) ORDER BY s.ordinal, s.session_no, d.seq
"""
_RECEIPTS: LiteralString = """
    SELECT r.vehicle_id, r.version, r.state, r.at FROM plan_receipts r JOIN vehicles v USING (vehicle_id)
    WHERE v.depot_id = %s AND r.state IN ('in_force', 'refused') AND r.version >= %s ORDER BY r.version
"""
_STRANGE: LiteralString = """
    SELECT r.vehicle_id, max(r.version) AS version FROM plan_receipts r JOIN vehicles v USING (vehicle_id)
    WHERE v.depot_id = %s AND r.state IN ('held', 'in_force') AND r.version >= %s
      AND NOT EXISTS (SELECT FROM plans p WHERE p.vehicle_id = r.vehicle_id AND p.version = r.version) GROUP BY 1
"""
_STANDING: LiteralString = """
    SELECT DISTINCT ON (t.vehicle_id) t.vehicle_id, t.order_id AS stop, t.arrived_at, t.left_at
    FROM visits t JOIN vehicles v USING (vehicle_id) JOIN log.sessions s USING (session_no)
    WHERE v.depot_id = %s ORDER BY t.vehicle_id, s.ordinal DESC, s.session_no DESC, t.visit DESC
"""
_TASKS: LiteralString = """
    SELECT vehicle_id, version, valid_until, array_agg(order_id ORDER BY position) AS tasks
    FROM plan_tasks JOIN orders USING (order_id) JOIN plans USING (vehicle_id, version)
    WHERE vehicle_id = ANY(%(vehicles)s) AND window_end > %(open)s
      AND (version >= %(oldest)s OR version = ANY(%(left_with)s)) GROUP BY vehicle_id, version, valid_until
"""
_UNASSIGNED: LiteralString = "SELECT u.order_id, u.reason FROM unassigned u JOIN orders o USING (order_id) WHERE o.depot_id = %s"


@dataclass(slots=True)
class Kept:
    """What one reader keeps from look to look because it never changes under its version: it saves reading it again, nothing else."""

    plans: dict[str, Plan] = field(default_factory=dict)
    """Newest plan of each vehicle, as it was issued."""
    service: road_store.KeptService | None = None


def load_world(cur: Cursor[Any], depot_id: str, clock: Clock, kept: Kept | None = None) -> World | None:
    """What is known of a depot now; None if there is no such depot. Call in a transaction that reads one snapshot.

    `kept` is read and written: give the same one at each look, from one thread at a time.
    """
    kept = Kept() if kept is None else kept
    now = clock.now()
    depot = row(cur, _DEPOT, (depot_id,))
    if depot is None:
        return None
    known = {vehicle: plan.version for vehicle, plan in kept.plans.items()}
    told = {"known": list(known), "versions": list(known.values())}
    vehicles = rows(cur, _VEHICLES, {"depot": depot_id, "before": BEFORE_SHIFT, **told})
    kept.plans |= {v["vehicle_id"]: msgspec.convert(v["plan"], Plan) for v in vehicles if v["plan"] is not None}
    kept.service = road_store.kept_service(cur, depot["fleet_id"], kept.service)
    duties: dict[str, list[Row]] = defaultdict(list)
    for r in rows(cur, _DUTIES, {"depot": depot_id, "before": BEFORE_SHIFT}):
        duties[r["vehicle_id"]].append(r)
    clocks = driver_clocks(cur, depot["fleet_id"], vehicles, now, BEFORE_SHIFT)
    in_force: dict[str, list[Row]] = defaultdict(list)
    refused: set[tuple[str, int]] = set()
    for r in rows(cur, _RECEIPTS, (depot_id, to_ms(now - RECEIPTS_FOR))):
        if r["state"] == "in_force":
            in_force[r["vehicle_id"]].append(r)
        else:
            refused.add((r["vehicle_id"], r["version"]))
    visits = [r for r in rows(cur, _STANDING, (depot_id,)) if r["left_at"] is None]
    standing = {r["vehicle_id"]: r["stop"] for r in visits if r["stop"]}
    at_call = {r["vehicle_id"]: stands for r in visits if (stands := told_store.stands_at(r)) is not None}
    orders = {r["order_id"]: _order(r) for r in rows(cur, _ORDERS, (depot_id, now - KEPT_OPEN, list(standing.values())))}
    newest = as_driven(cur, {v["vehicle_id"]: kept.plans[v["vehicle_id"]] for v in vehicles if v["version"] is not None})
    declined, newest = declined_plans(cur, depot_id, newest, to_ms(now - DECLINE_HOLDS))
    hand = hand_store.read(cur, depot_id, now)
    left_version = {vehicle: _left_with_version(said, in_force[vehicle]) for vehicle, said in duties.items()}
    newest_in_force = {vehicle: receipts[-1]["version"] for vehicle, receipts in in_force.items() if receipts}
    held = rows(
        cur,
        _TASKS,
        {
            "vehicles": [v["vehicle_id"] for v in vehicles],
            "open": now - KEPT_OPEN,
            "oldest": min((newest_in_force.get(v["vehicle_id"], 0) for v in vehicles), default=0),
            "left_with": [version for version in left_version.values() if version],
        },
    )
    for r in held:
        r["tasks"] = tuple(task for task in r["tasks"] if not hand.let_go(task, r["vehicle_id"], r["version"]))
    loaded = {r["vehicle_id"]: frozenset(r["tasks"]) for r in held if r["version"] == left_version.get(r["vehicle_id"])}
    issued = tuple(
        IssuedTasks(vehicle_id=r["vehicle_id"], version=r["version"], tasks=r["tasks"]) for r in held if not blocked(r["valid_until"], now)
    )
    shifts = {v["vehicle_id"]: v["shift_start"] - BEFORE_SHIFT for v in vehicles}
    reloaded, just_made = loads_on_the_way(cur, shifts, left_version, loaded)
    # A restored database does not know every plan that a van has: such a van may hold anything, until a newer plan is in force.
    strange = {
        r["vehicle_id"]: r["version"]
        for r in rows(cur, _STRANGE, (depot_id, to_ms(now - RECEIPTS_FOR)))
        if r["version"] >= newest_in_force.get(r["vehicle_id"], 0)
    }
    issued += tuple(IssuedTasks(vehicle_id=vehicle, version=version, tasks=tuple(orders)) for vehicle, version in strange.items())
    began = {vehicle: next((r["at"] for r in said if r["duty"] == "on" and r["at"] is not None), None) for vehicle, said in duties.items()}
    electric = (
        Electric(
            vehicle_id=v["vehicle_id"],
            terms=msgspec.convert(v["terms"], VehicleTerms),
            began=began.get(v["vehicle_id"]),
            not_before=shifts[v["vehicle_id"]],
        )
        for v in vehicles
        if v["terms"].get("range_m") is not None
    )
    ranges = ranges_left(cur, depot["fleet_id"], electric, now)
    raised_at = depot["raised_real_at"]
    waits = raised_at is not None and clock.real_now() < raised_at + HEARD_WITHIN
    there = talk_store.answered(cur, [v["vehicle_id"] for v in vehicles], raised_at) if waits else frozenset()
    awaited = []
    vans = {}
    for v in vehicles:
        vehicle = v["vehicle_id"]
        said = duties[vehicle]
        if waits and v["shift_start"] - BEFORE_SHIFT <= now < v["shift_end"] and vehicle not in there:
            awaited.append(vehicle)
        left = any(r["duty"] == "on" for r in said)
        vans[vehicle] = _van(
            v,
            duty=said[-1]["duty"] if said else "off",
            left_with=loaded.get(vehicle, frozenset()) | reloaded[vehicle] if left else None,
            reloaded=reloaded[vehicle],
            just_made=just_made[vehicle],
            at_call=at_call.get(vehicle),
            in_progress=_in_progress(vehicle, orders, standing.get(vehicle)),
            in_force_version=newest_in_force.get(vehicle, 0),
            newest=newest.get(vehicle),
            refused=vehicle in newest and (vehicle, newest[vehicle].version) in refused,
            declined_version=declined.get(vehicle, 0),
            breaks_taken=sum(r["duty"] == "break" for r in said),
            hand=hand,
            strange_version=strange.get(vehicle, 0),
            range_left_m=ranges.get(vehicle),
            clocks=clocks.get(vehicle),
        )
    reasons = tuple(reason_of(r) for r in depot["reasons"])
    done = rows(cur, _DONE, ([stop.stop for plan in newest.values() for stop in plan.stops],))
    return World(
        fleet_id=depot["fleet_id"],
        depot_id=depot_id,
        depot=LatLon.from_e6(depot["lat_e6"], depot["lon_e6"]),
        revision=depot["revision"],
        planned=depot["planned"],
        reasons=reasons,
        now=now,
        epoch=depot["epoch"],
        orders=orders,
        done=frozenset(r["order_id"] for r in done),
        handed_over=frozenset(r["order_id"] for r in done if r["state"] == "delivered"),
        vans=vans,
        issued=issued,
        unassigned={r["order_id"]: r["reason"] for r in rows(cur, _UNASSIGNED, (depot_id,))},
        timezone=depot["timezone"],
        planning=msgspec.convert(depot["planning"], FleetPlanning),
        service=None if kept.service is None else kept.service.table,
        depots={
            r["depot_id"]: OtherDepot(
                position=LatLon.from_e6(r["lat_e6"], r["lon_e6"]), terms=msgspec.convert(r["terms"], DepotTerms), name=r["name"]
            )
            for r in rows(cur, _DEPOTS, (depot["fleet_id"],))
        },
        awaited=tuple(awaited),
        mode=depot["mode"],
        hands=hand.orders,
        handed=hand.handed,
        failed=hand.failed,
        refused=proposal_store.refused(cur, depot_id, now - REFUSED_FOR),
        named=proposal_store.named(cur, depot_id, [reason.subject for reason in reasons if reason.kind in ("approved", "undone")]),
        waiting=proposal_store.waiting(cur, depot_id),
    )


def _left_with_version(said: list[Row], receipts: list[Row]) -> int | None:
    """Version of the plan whose goods were loaded: in force when the shift began, or the first after, if the van left without one."""
    began = next((r["at"] for r in said if r["duty"] == "on"), None)
    before = [r["version"] for r in receipts if began is None or r["at"] is None or r["at"] <= began]
    after = [r["version"] for r in receipts if r["version"] not in before]
    return before[-1] if before else after[0] if after else None


def _in_progress(vehicle: str, orders: dict[str, OrderFacts], standing_at: str | None) -> tuple[str, ...]:
    """The stop the van stands at: the newest that its driver said "arrived" of, else where its log has it standing.

    An older "arrived" without an outcome is a stop that the driver left without a word: it is still to be served.
    """
    arrived = [o for o in orders.values() if o.state == "arrived" and o.state_vehicle == vehicle and o.arrived_at is not None]
    if arrived:
        return (max(arrived, key=lambda o: (o.arrived_at, o.order_id)).order_id,)
    if standing_at is not None and standing_at in orders:
        return (standing_at,)
    return ()


def code_hash(stop: str, code: str) -> str:
    """What a plan says of a delivery code: enough for the van to check one, too little to know it."""
    return hashlib.sha256(f"{stop}:{code}".encode()).hexdigest()


def _order(r: Row) -> OrderFacts:
    return OrderFacts(
        order_id=r["order_id"],
        kind=r["kind"],
        position=LatLon.from_e6(r["lat_e6"], r["lon_e6"]),
        window_start=r["window_start"],
        window_end=r["window_end"],
        promise_start=r["promise_start"],
        promise_end=r["promise_end"],
        service_s=r["service_s"],
        parcels=r["parcels"],
        priority=r["priority"],
        name=r["name"],
        address=r["address"],
        instructions=r["instructions"],
        phone=r["phone"],
        items=tuple(msgspec.convert(item, Parcel) for item in r["items"]),
        proof=tuple(r["proof"]),
        code_sha256=None if r["delivery_code"] is None else code_hash(r["order_id"], r["delivery_code"]),
        contact_free=r["contact_free"],
        cancelled=r["cancelled_at"] is not None,
        state=r["state"],
        state_vehicle=r["state_vehicle"],
        arrived_at=r["arrived_at"] or r["state_at"],
        needs=msgspec.convert(r["needs"], OrderNeeds),
        collected_by=r["collected_by"],
    )


def _van(
    v: Row,
    *,
    duty: str,
    left_with: frozenset[str] | None,
    reloaded: frozenset[str],
    just_made: frozenset[str],
    at_call: tuple[str, datetime] | None,
    in_progress: tuple[str, ...],
    in_force_version: int,
    newest: Plan | None,
    refused: bool,
    declined_version: int,
    breaks_taken: int,
    hand: hand_store.HandOnDepot,
    clocks: DriversClocks | None,
    strange_version: int,
    range_left_m: int | None,
) -> VanFacts:
    return VanFacts(
        vehicle_id=v["vehicle_id"],
        name=v["name"],
        driver_id=v["driver_id"],
        capacity=v["capacity"],
        carried=v["carried"],
        shift_start=v["shift_start"],
        shift_end=v["shift_end"],
        online=v["online"],
        duty=duty,
        ended=duty == "off" and left_with is not None,
        position=None if v["lat_e6"] is None else LatLon.from_e6(v["lat_e6"], v["lon_e6"]),
        left_with=left_with,
        reloaded=reloaded,
        just_made=just_made,
        at_call=at_call,
        in_progress=in_progress,
        driving_to=v["next_stop"],
        newest=newest,
        refused=refused,
        declined_version=declined_version,
        in_force_version=in_force_version,
        session=v["session"],
        facts_seq=v["facts_seq"],
        terms=msgspec.convert(v["terms"], VehicleTerms),
        driver=msgspec.convert(v["driver_terms"], DriverTerms),
        breaks_taken=breaks_taken,
        last_done_at=v["last_done_at"],
        carried_weight_g=v["carried_weight_g"],
        carried_volume_ml=v["carried_volume_ml"],
        locked=v["vehicle_id"] in hand.locked,
        out=hand.out.get(v["vehicle_id"], ""),
        alerts=hand.alerts.get(v["vehicle_id"], ()),
        clocks=None if clocks is None else clocks.clocks,
        clocks_driver_id=None if clocks is None else clocks.driver,
        strange_version=strange_version,
        range_left_m=range_left_m,
    )
