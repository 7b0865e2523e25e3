"""Doors for how far plans came, for those that nobody answered, and for who could take an order."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from roundsman_core.geo import LatLon
from roundsman_hub.api.desk import AtDesk, Desk, LiveReader
from roundsman_hub.api.fleet import known_depot, known_vehicle
from roundsman_hub.api.hand import Basis, Break
from roundsman_hub.api.models import LatDeg, LonDeg
from roundsman_hub.api.planned import builder, open_order, planned_order, world_of
from roundsman_hub.api.problems import Problem, documented
from roundsman_hub.api.saying import PlanSaying, Saying
from roundsman_hub.dispatch.delivery import STATES, State, unanswered
from roundsman_hub.replan.build import on_board, remaining
from roundsman_hub.replan.preview import Build, ranked
from roundsman_hub.replan.world import OrderFacts, World
from roundsman_hub.store import delivery_store, fleet as fleet_store
from roundsman_hub.store.rows import rows

router = APIRouter(prefix="/v1", tags=["dispatch"], responses=documented(401, 403, 404, 409, 422, 503))
PLACE: Final = "somewhere"
"""What an order is called that is only asked about."""
MOST_OFFERS: Final = 20
STATES_TOLD: Final = "\n".join(f"- `{state}`: {meaning}" for state, meaning in STATES.items())


class PlanDelivery(PlanSaying):
    """A plan on its way to the driver: a time for each state that it reached."""

    says = "plan_reason"

    version: int
    state: State
    committed_utc: datetime
    sent_utc: datetime | None
    held_utc: datetime | None
    shown_utc: datetime | None
    in_force_utc: datetime | None
    declined_utc: datetime | None
    refused_utc: datetime | None
    expires_utc: datetime | None
    reason: str | None = Field(description="why the driver declined it, or the van refused it")
    plan_reason: str


class Candidate(Saying):
    """What it would mean for a van to take an order. `position` counts from 1; null: it has no place for it."""

    vehicle: str
    name: str
    position: int | None
    added_s: int
    added_m: int
    cost_cents: int
    breaks: list[Break]
    feasible: bool
    reason: str
    basis: Basis


class Offer(BaseModel):
    """A move that a dispatcher is offered: who could take the order, once it is known that the van will not serve it."""

    order: str
    candidates: list[Candidate]


class Unanswered(BaseModel):
    """A plan that its van says nothing about. What it has on board moves only by a hand-over; the rest by itself once the plan expired,
    or when a dispatcher records (POST /v1/vehicles/{vehicle}/handover) that the driver will not serve it."""

    vehicle: str
    name: str
    version: int
    since_utc: datetime
    expires_utc: datetime | None
    on_board: list[str]
    offers: list[Offer]


@router.get("/vehicles/{vehicle}/plans", description=f"A van's newest plans, newest first, and how far each came.\n\n{STATES_TOLD}")
def get_plans(vehicle: str, desk: AtDesk, caller: LiveReader, limit: Annotated[int, Query(ge=1, le=200)] = 20) -> list[PlanDelivery]:
    with desk.db.tenant(caller.fleet) as cur:
        known_vehicle(cur, vehicle)
        found = delivery_store.of_vehicle(cur, vehicle, limit)
    out = []
    for r in found:
        told = delivery_store.told(r, desk.clock.now())
        out.append(
            PlanDelivery(
                version=told.version,
                state=told.state,
                committed_utc=r["issued_at"],
                sent_utc=told.at.get("sent"),
                held_utc=told.at.get("held"),
                shown_utc=told.at.get("shown"),
                in_force_utc=told.at.get("in_force"),
                declined_utc=told.at.get("declined"),
                refused_utc=told.at.get("refused"),
                expires_utc=told.expires_at,
                reason=told.reason,
                plan_reason=r["reason"],
                changes=r["changes"],
            )
        )
    return out


class HoursLeft(BaseModel):
    """A driver's hours of service by now, from motion and duty. Advisory: no tachograph, no proof of having kept the law."""

    vehicle: str
    driver: str | None = Field(description="whose clocks they are: who sits in it, or is to; null: nobody, or there is no rule")
    rule: str = Field(description="`none`; `eu_561`: Regulation (EC) 561/2006; `us_395`: 49 CFR 395. Daily rules alone.")
    to_break_min: int | None = Field(description="driving before a break")
    driving_min: int | None = Field(description="driving left today")
    duty_min: int | None = Field(description="until the driver may drive no more")
    as_of: datetime


@router.get("/vehicles/{vehicle}/hours")
def get_hours(vehicle: str, desk: AtDesk, caller: LiveReader) -> HoursLeft:
    """What is left of the driver's day, whichever vans it was spent in. Set the rule and what is left at its beginning in the driver's
    `terms.hours`, or in the vehicle's, for drivers who have none."""
    with desk.db.tenant(caller.fleet) as cur:
        depot = known_vehicle(cur, vehicle)["depot_id"]
    world = world_of(desk, depot)
    clocks = world.vans[vehicle].clocks
    return HoursLeft(
        vehicle=vehicle,
        driver=world.vans[vehicle].clocks_driver_id,
        rule="none" if clocks is None else clocks.rule,
        to_break_min=None if clocks is None else clocks.to_break_s // 60,
        driving_min=None if clocks is None else clocks.driving_s // 60,
        duty_min=None if clocks is None else clocks.duty_s // 60,
        as_of=world.now,
    )


@router.get("/depots/{depot}/unanswered")
def get_unanswered(depot: str, desk: AtDesk, caller: LiveReader) -> list[Unanswered]:
    """Plans that nobody answered for half a minute, each with the moves that a dispatcher can make."""
    now, real_now = desk.clock.now(), desk.clock.real_now()
    with desk.db.tenant(caller.fleet) as cur:
        known_depot(cur, depot)
        found = delivery_store.newest(cur, depot)
    silent = [r for r in found if unanswered(delivery_store.told(r, now), r["issued_real_at"], real_now)]
    if not silent:
        return []
    world, build = world_of(desk, depot), builder(desk)
    aboard = on_board(world)
    out = []
    for r in silent:
        van = world.vans[r["vehicle_id"]]
        left = [order for order in remaining(world, van) if order in world.orders]
        free = [order for order in left if aboard.get(order) != van.vehicle_id]
        others = _without(world, van.vehicle_id)
        offers = [
            Offer(order=order, candidates=[one for one in _ranked(desk, others, build, order) if one.feasible][:3])
            for order in free[:MOST_OFFERS]
        ]
        out.append(
            Unanswered(
                vehicle=van.vehicle_id,
                name=van.name,
                version=r["version"],
                since_utc=r["issued_at"],
                expires_utc=r["valid_until"],
                on_board=[order for order in left if order not in free],
                offers=offers,
            )
        )
    return out


@router.get("/candidates")
def get_candidates(
    desk: AtDesk,
    caller: LiveReader,
    order: str | None = None,
    lat_deg: LatDeg | None = None,
    lon_deg: LonDeg | None = None,
    depot: Annotated[str | None, Query(description="of a place; may be left out where the fleet has one depot")] = None,
    service_s: Annotated[int, Query(ge=0, le=86_400)] = 300,
    kind: Literal["delivery", "pickup"] = "pickup",
    parcels: Annotated[int, Query(ge=1, le=10_000)] = 1,
    within_s: Annotated[int, Query(ge=0, le=7 * 86_400, description="service may start from now on, for so long")] = 14_400,
) -> list[Candidate]:
    """Who is nearest, really: vans by what taking an order (or going to a place) would add to their rounds, from where they are now."""
    with desk.db.tenant(caller.fleet) as cur:
        if order is not None:
            depot = open_order(cur, order)["depot_id"]
        elif depot is None:
            known = rows(cur, fleet_store.LIST_DEPOTS, ("", 2))
            if len(known) != 1:
                raise Problem(422, "which-depot", "the fleet has not exactly one depot", next_step="say `depot`")
            depot = known[0]["depot_id"]
        else:
            known_depot(cur, depot)
    world = world_of(desk, depot)
    if order is None:
        if lat_deg is None or lon_deg is None:
            raise Problem(422, "which-place", "neither an order nor a place", next_step="send `order`, or `lat_deg` and `lon_deg`")
        order = PLACE
        window = (world.now, world.now + timedelta(seconds=within_s))
        asked = OrderFacts.asked(PLACE, kind, LatLon(lat_deg, lon_deg), window, service_s=service_s, parcels=parcels)
        world = replace(world, orders={**world.orders, PLACE: asked})
    planned_order(world, order)
    return _ranked(desk, world, builder(desk), order)


def _ranked(desk: Desk, world: World, build: Build, order: str) -> list[Candidate]:
    found = ranked(world, build, order)
    basis = desk.ways.basis(world.depot_id)
    return [
        Candidate(
            vehicle=one.vehicle,
            name=world.vans[one.vehicle].name,
            position=None if one.position is None else one.position + 1,
            added_s=one.added_s,
            added_m=one.added_m,
            cost_cents=one.cost_cents,
            breaks=[Break(order=broken.task, by_s=broken.by_s) for broken in one.breaks],
            feasible=one.feasible,
            reason=one.reason,
            basis=basis,
        )
        for one in found
    ]


def _without(world: World, vehicle: str) -> World:
    """The world without a van that does not answer."""
    return replace(world, vans={**world.vans, vehicle: replace(world.vans[vehicle], out="it does not answer")})
