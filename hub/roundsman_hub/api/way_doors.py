"""The way that a van has before it, for screens: its line on the streets, and what to do on it."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from roundsman_core.geo import LatLon
from roundsman_hub.api.desk import AtDesk, LiveReader
from roundsman_hub.api.fleet import known_vehicle
from roundsman_hub.api.planned import world_of
from roundsman_hub.api.problems import documented
from roundsman_hub.replan.build import ahead
from roundsman_hub.replan.terms import kind_of
from roundsman_hub.roads import GreatCircle, RoadsError, Route

router = APIRouter(prefix="/v1", tags=["roads"], responses=documented(401, 403, 404, 422, 503))


class Step(BaseModel):
    """One thing to do: `what` and `how` as OSRM names them (turn, left; depart; arrive)."""

    what: str
    how: str
    street: str
    lat_deg: float
    lon_deg: float
    distance_m: int
    duration_s: int


class Leg(BaseModel):
    """From the place before to a stop."""

    stop: str
    distance_m: int
    duration_s: int
    steps: list[Step] = Field(description="empty where the way is a straight line")


class Way(BaseModel):
    """From where the van is (its depot, before it sets out) through the stops that are left."""

    vehicle: str
    basis: str = Field(description="who knows the way: osrm, or great_circle (straight lines × detour)")
    profile: str = Field(description="for which kind of vehicle")
    line_deg: list[tuple[float, float]] = Field(description="[lat_deg, lon_deg]")
    distance_m: int
    duration_s: int
    legs: list[Leg]


@router.get("/vehicles/{vehicle}/way")
def get_way(vehicle: str, desk: AtDesk, caller: LiveReader) -> Way:
    """The way through a van's remaining stops, with what to do on it, on the streets as its fleet finds them now."""
    with desk.db.tenant(caller.fleet) as cur:
        depot = known_vehicle(cur, vehicle)["depot_id"]
    world = world_of(desk, depot)
    van = world.vans[vehicle]
    stops = ahead(world, van)
    kind = kind_of(van.terms)
    start = van.position if van.left_with is not None else None
    places = [start or world.depot, *(LatLon.from_e6(stop.lat_e6, stop.lon_e6) for stop in stops)]
    if not stops:
        return Way(vehicle=vehicle, basis=desk.roads.name, profile=kind, line_deg=[], distance_m=0, duration_s=0, legs=[])
    try:
        found = desk.roads.of_fleet(caller.fleet).route(places, profile=kind, steps=True)
    except RoadsError:  # a place without a way: straight lines, and the answer says so
        found = GreatCircle().route(places, profile=kind)
    return Way(
        vehicle=vehicle,
        basis=found.network,
        profile=found.profile,
        line_deg=[(at.lat_deg, at.lon_deg) for at in found.geometry],
        distance_m=found.distance_m,
        duration_s=found.duration_s,
        legs=[
            Leg(stop=stop.stop, distance_m=metres, duration_s=seconds, steps=_steps(found, number))
            for number, (stop, metres, seconds) in enumerate(zip(stops, found.legs_m, found.legs_s, strict=True))
        ],
    )


def _steps(route: Route, leg: int) -> list[Step]:
    return [
        Step(
            what=step.what,
            how=step.way,
            street=step.name,
            lat_deg=step.position.lat_deg,
            lon_deg=step.position.lon_deg,
            distance_m=step.distance_m,
            duration_s=step.duration_s,
        )
        for step in (route.steps[leg] if route.steps else ())
    ]
