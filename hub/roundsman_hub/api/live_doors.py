"""Doors for what moves: the live picture, its stream, and each van's plan."""

from __future__ import annotations

import contextlib
from datetime import datetime
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from roundsman_core.geo import LatLon
from roundsman_hub.api import models as m
from roundsman_hub.api.desk import AtDesk, LiveReader
from roundsman_hub.api.eta_models import PlanReceipt, VehiclePlan
from roundsman_hub.api.fences import fence_out
from roundsman_hub.api.fleet import depot_out, fleet_out, known_vehicle
from roundsman_hub.api.problems import Problem, documented
from roundsman_hub.live import documents
from roundsman_hub.live.drawn_plans import DrawnPlans, DrawRoute
from roundsman_hub.live.stream import LiveStream
from roundsman_hub.live.view import plans_of, talk
from roundsman_hub.roads import GreatCircle
from roundsman_hub.roads.network import RoadNetwork, RoadsError
from roundsman_hub.store import first_plan_store, fleet as fleet_store, live as store, orders as order_store
from roundsman_hub.store.rows import rows

router = APIRouter(prefix="/v1", tags=["live"], responses=documented(401, 403, 404, 422, 503))


class FirstArrival(BaseModel):
    """When the first plan that had an order wanted to be there, and which van's plan it was."""

    order: str
    vehicle: str
    at: datetime
    basis: str = Field(description="who gave the travel times: osrm, or great_circle (straight lines × detour)")


class FirstArrivals(BaseModel):
    items: list[FirstArrival]


class Live(BaseModel):
    """Everything that the dispatch page shows, once; `GET /v1/stream` tells what changes."""

    now: datetime
    real_now: datetime
    fleet: m.Fleet
    depots: list[m.Depot]
    fences: list[m.Fence]
    vehicles: list[dict[str, Any]]
    plans: list[dict[str, Any]]
    orders: list[dict[str, Any]]
    events: list[dict[str, Any]]
    messages: list[dict[str, Any]]
    reports: list[dict[str, Any]]


@router.get("/live", response_model=Live)
def get_live(request: Request, desk: AtDesk, caller: LiveReader) -> Response:
    """The picture as it is now."""
    plans: DrawnPlans = request.app.state.plans
    now = desk.clock.now()
    with desk.db.tenant(caller.fleet) as cur:
        since = store.day_start(cur, now)
        fleet = fleet_store.fleet(cur, caller.fleet)
        vans = store.vehicles(cur)
        wanted = plans_of(cur, vans)
        read = store.plans(cur, plans.unread(wanted))
        talked = talk(cur, since, now)
        orders, events = order_store.since(cur, since), store.events(cur, since)
        depots, fences = rows(cur, fleet_store.LIST_DEPOTS, ("", 500)), rows(cur, fleet_store.LIST_FENCES, ("", 500))
    return _json(
        {
            "now": now,
            "real_now": desk.clock.real_now(),
            "fleet": _raw(fleet_out(fleet)),
            "depots": [_raw(depot_out(r)) for r in depots],
            "fences": [_raw(fence_out(r)) for r in fences],
            "vehicles": [documents.vehicle(r) for r in vans],
            "plans": [msgspec.Raw(data) for data in plans.drawn(wanted, read).values()],
            "orders": [documents.order(r) for r in orders],
            "events": [documents.event(r) for r in events],
            "messages": [document for kind, document in talked if kind == "message"],
            "reports": [document for kind, document in talked if kind == "report"],
        }
    )


class Position(BaseModel):
    """Where a van was when it last said so. `time` is the fix's own; it may be hours old."""

    vehicle: str
    online: bool
    time: datetime | None
    lat_deg: float
    lon_deg: float
    speed_mps: float | None
    heading_deg: float | None


class Positions(BaseModel):
    """Every van's newest position, in one answer: 5,000 of them are 0.8 MB, 180 kB on the wire with gzip."""

    now: datetime
    positions: list[Position]


@router.get("/positions", response_model=Positions)
def get_positions(desk: AtDesk, caller: LiveReader) -> Response:
    """The newest position of each van that has one, and nothing else: for who asks every few seconds. A marker never goes back."""
    with desk.db.tenant(caller.fleet) as cur:
        found = store.positions(cur)
    return _json(
        {
            "now": desk.clock.now(),
            "positions": [
                {
                    "vehicle": vehicle,
                    "online": online,
                    "time": time,
                    "lat_deg": lat / 1e6,
                    "lon_deg": lon / 1e6,
                    "speed_mps": None if speed is None else speed / 100,
                    "heading_deg": None if heading is None else heading / 100,
                }
                for vehicle, online, time, lat, lon, speed, heading in found
            ],
        }
    )


def _json(body: dict[str, Any]) -> Response:
    """Encoded here: a model of 5,000 vans would be checked field by field, which takes longer than the database does."""
    return Response(msgspec.json.encode(body), media_type="application/json")


def _raw(model: BaseModel) -> msgspec.Raw:
    return msgspec.Raw(model.model_dump_json().encode())


@router.get(
    "/stream",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "server-sent events"}},
)
def get_stream(request: Request, caller: LiveReader) -> LiveStream:
    """Server-sent events: `snapshot` first, then `vehicle`, `plan`, `order`, `event`, `message`, `report`, `alert`, `turn` and `gone`;
    `tick` with the snapshot and every second.

    A slow reader gets the newest of each document and skips those between. The stream ends after a quarter of an hour: open it again.
    """
    return LiveStream(request.app.state.broadcaster, caller.fleet)


@router.get("/first-arrivals")
def get_first_arrivals(desk: AtDesk, caller: LiveReader) -> FirstArrivals:
    """What was first planned, beside which the time board shows what came of it: orders of the plans of the day."""
    with desk.db.tenant(caller.fleet) as cur:
        since = store.day_start(cur, desk.clock.now())
        found = first_plan_store.first_arrivals(cur, since)
    return FirstArrivals(items=[FirstArrival(order=r["order_id"], vehicle=r["vehicle_id"], at=r["at"], basis=r["basis"]) for r in found])


@router.get("/vehicles/{vehicle}/plan")
def get_plan(vehicle: str, desk: AtDesk, caller: LiveReader) -> VehiclePlan:
    """The van's newest plan, and how far it came."""
    with desk.db.tenant(caller.fleet) as cur:
        known_vehicle(cur, vehicle)
        found = store.plan(cur, vehicle)
    if found is None:
        raise Problem(
            404, "no-plan-yet", f"vehicle {vehicle} has no plan yet", next_step="add orders for its depot; it is planned within seconds"
        )
    return VehiclePlan(
        vehicle=vehicle,
        basis=found["plan"].get("travel_times", GreatCircle.name),
        receipts=[PlanReceipt(**receipt) for receipt in found["receipts"]],
        **{field: found[field] for field in ("version", "hash", "issued_at", "reason", "changes", "plan")},
    )


def drawer(roads: RoadNetwork) -> DrawRoute:
    """Draws a plan's way along the roads as its fleet finds them, as [lon_deg, lat_deg] pairs; straight from stop to stop where they do
    not answer."""

    def draw(places: list[LatLon], fleet: str) -> list[list[float]]:
        line = tuple(places)
        if len(places) > 1:
            with contextlib.suppress(RoadsError):
                line = roads.of_fleet(fleet).route(places).geometry
        return [[round(at.lon_deg, 6), round(at.lat_deg, 6)] for at in line]

    return draw
