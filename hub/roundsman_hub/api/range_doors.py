"""How far an electric vehicle can still drive: told by whatever knows its charge, and counted on with its log."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

import msgspec
from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Field

from roundsman_hub.api.desk import AtDesk, Desk, FleetWriter, LiveReader
from roundsman_hub.api.fleet import known_vehicle
from roundsman_hub.api.problems import documented
from roundsman_hub.api.proof_models import Said
from roundsman_hub.api.terms import stored
from roundsman_hub.domain.terms import VehicleTerms
from roundsman_hub.replan import revision
from roundsman_hub.replan.load import load_world
from roundsman_hub.store import fleet as store

router = APIRouter(prefix="/v1", tags=["fleet"], responses=documented(401, 403, 404, 422, 503))
WORTH_PLANNING_M: Final = 3_000
"""Told and counted range that lie further apart than a stop from the next are a reason to plan anew; a meter's jitter is none."""


class RangeTold(Said):
    """What a vehicle's own computer, a telematics service or a person says."""

    range_m: int = Field(ge=0, le=1_000_000_000)
    at: AwareDatetime | None = Field(default=None, description="when it was read; now, if left out or still to come")


class RangeLeft(BaseModel):
    """By the newest of what was told and what a charge on the way made of it, less what the log says was driven since."""

    vehicle: str
    left_m: int | None = Field(description="now; null: nobody said that it has a range")
    range_m: int | None = Field(description="as it was last told")
    as_of: datetime | None = Field(description="when; null: at the shift's start")


@router.get("/vehicles/{vehicle}/range")
def get_range(vehicle: str, desk: AtDesk, caller: LiveReader) -> RangeLeft:
    """How far an electric vehicle can still drive."""
    with desk.db.tenant(caller.fleet) as cur:
        found = known_vehicle(cur, vehicle)
    terms = msgspec.convert(found["terms"], VehicleTerms)
    left_m = _left_m(desk, vehicle, found["depot_id"])
    return RangeLeft(vehicle=vehicle, left_m=left_m, range_m=terms.range_m, as_of=terms.range_as_of)


@router.put("/vehicles/{vehicle}/range")
def put_range(vehicle: str, told: RangeTold, desk: AtDesk, caller: FleetWriter) -> RangeLeft:
    """Tell what an electric vehicle's battery says. Where that is far from what was counted, its depot plans anew; what is older than
    what is known changes nothing."""
    with desk.db.tenant(caller.fleet) as cur:
        depot = known_vehicle(cur, vehicle)["depot_id"]
    counted_m = _left_m(desk, vehicle, depot)
    at = min(told.at or desk.clock.now(), desk.clock.now())
    with desk.db.tenant(caller.fleet) as cur:
        store.lock_vehicle(cur, vehicle)
        found = known_vehicle(cur, vehicle)
        terms = msgspec.convert(found["terms"], VehicleTerms)
        if terms.range_as_of is None or terms.range_as_of <= at:
            full_m = terms.full_range_m or terms.range_m or told.range_m or None
            terms = replace(terms, range_m=told.range_m, range_as_of=at, full_range_m=full_m)
            store.change(cur, "vehicles", vehicle, {"terms": stored(terms)})
            if counted_m is None or abs(told.range_m - counted_m) > WORTH_PLANNING_M:
                revision.bump(cur, found["depot_id"], f"{found['name']} changed", clock=desk.clock)
    return get_range(vehicle, desk, caller)


def _left_m(desk: Desk, vehicle: str, depot: str) -> int | None:
    with desk.db.transaction() as cur:  # the planner's own view: it reads the vans' logs
        world = load_world(cur, depot, desk.clock)
    assert world is not None
    van = world.vans.get(vehicle)
    return None if van is None else van.range_left_m
