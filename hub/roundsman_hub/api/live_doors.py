"""Doors for what moves: the live picture, its stream, and each van's plan."""

from __future__ import annotations

import contextlib
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from roundsman_core.geo import LatLon
from roundsman_hub.api import models as m
from roundsman_hub.api.desk import AtDesk, LiveReader
from roundsman_hub.api.fleet import depot_out, fence_out, fleet_out, known_vehicle
from roundsman_hub.api.problems import Problem, documented
from roundsman_hub.live import documents
from roundsman_hub.live.stream import LiveStream
from roundsman_hub.live.view import DrawRoute, as_driven, places_of, talk
from roundsman_hub.roads.network import RoadNetwork, RoadsError
from roundsman_hub.store import fleet as fleet_store, live as store, orders as order_store
from roundsman_hub.store.rows import rows

router = APIRouter(prefix="/v1", tags=["live"], responses=documented(401, 403, 404, 422, 503))


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


@router.get("/live")
def get_live(desk: AtDesk, caller: LiveReader) -> Live:
    """The picture as it is now."""
    now = desk.clock.now()
    since = documents.day_start(now)
    with desk.db.tenant(caller.fleet) as cur:
        fleet = fleet_store.fleet(cur, caller.fleet)
        vans = store.vehicles(cur)
        driven = store.driven(cur, {r["vehicle_id"]: r["plan_version"] for r in vans if r["plan_version"] is not None})
        newest = [found for r in vans if (found := store.plan(cur, r["vehicle_id"], r["plan_version"])) is not None]
        plans = [as_driven(r, driven.get(r["vehicle_id"], ())) for r in newest]
        talked = talk(cur, since, now)
        orders, events = order_store.since(cur, since), store.events(cur, since)
        depots, fences = rows(cur, fleet_store.LIST_DEPOTS, ("", 500)), rows(cur, fleet_store.LIST_FENCES, ("", 500))
    draw = drawer(desk.roads)
    return Live(
        now=now,
        real_now=desk.clock.real_now(),
        fleet=fleet_out(fleet),
        depots=[depot_out(r) for r in depots],
        fences=[fence_out(r) for r in fences],
        vehicles=[documents.vehicle(r) for r in vans],
        plans=[documents.plan(r, draw(places_of(r["plan"]))) for r in plans],
        orders=[documents.order(r) for r in orders],
        events=[documents.event(r) for r in events],
        messages=[document for kind, document in talked if kind == "message"],
        reports=[document for kind, document in talked if kind == "report"],
    )


@router.get(
    "/stream",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "server-sent events"}},
)
def get_stream(request: Request, caller: LiveReader) -> LiveStream:
    """Server-sent events: `snapshot` first, then `vehicle`, `plan`, `order`, `event`, `message`, `report`, `gone`; `tick` every second.

    A slow reader gets the newest of each document and skips those between. The stream ends after a quarter of an hour: open it again.
    """
    return LiveStream(request.app.state.broadcaster, caller.fleet)


@router.get("/vehicles/{vehicle}/plan")
def get_plan(vehicle: str, desk: AtDesk, caller: LiveReader) -> m.VehiclePlan:
    """The van's newest plan, and how far it came."""
    with desk.db.tenant(caller.fleet) as cur:
        known_vehicle(cur, vehicle)
        found = store.plan(cur, vehicle)
    if found is None:
        raise Problem(
            404, "no-plan-yet", f"vehicle {vehicle} has no plan yet", next_step="add orders for its depot; it is planned within seconds"
        )
    return m.VehiclePlan(
        vehicle=vehicle,
        receipts=[m.PlanReceipt(**receipt) for receipt in found["receipts"]],
        **{field: found[field] for field in ("version", "hash", "issued_at", "reason", "changes", "plan")},
    )


def drawer(roads: RoadNetwork) -> DrawRoute:
    """Draws a plan's way along the roads, as [lon_deg, lat_deg] pairs; straight from stop to stop where the roads do not answer."""

    def draw(places: list[LatLon]) -> list[list[float]]:
        line = tuple(places)
        if len(places) > 1:
            with contextlib.suppress(RoadsError):
                line = roads.route(places).geometry
        return [[round(at.lon_deg, 6), round(at.lat_deg, 6)] for at in line]

    return draw
