"""Doors for a day as it was known then, beside where the vans were (`tracks`): what was done, what was planned, what was said."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field

from roundsman_hub.api.desk import AtDesk, LiveReader
from roundsman_hub.api.fleet import known_vehicle
from roundsman_hub.api.problems import documented
from roundsman_hub.api.saying import Sentence, said_of
from roundsman_hub.api.tracks import LONGEST_PLAYBACK, no_longer_than
from roundsman_hub.instants import BEGINNING
from roundsman_hub.store import playback_store as store
from roundsman_hub.store.rows import Row
from roundsman_wire.messages import CHARGE, RELOAD

router = APIRouter(prefix="/v1", tags=["record"], responses=documented(401, 403, 404, 422, 503))
From = Annotated[AwareDatetime, Query(alias="from")]
MOST_PLANS: Final = 400
"""More than a van gets in two days; a page that plays them holds them all."""


class DoneStop(BaseModel):
    """A stop that ended, as the log has it by now."""

    order: str
    name: str
    vehicle: str
    state: str
    at: datetime
    arrived_at: datetime | None
    reason: str | None
    lat_deg: float | None
    lon_deg: float | None


class DoneStops(BaseModel):
    """Oldest first. `cut`: there are more than were asked for."""

    items: list[DoneStop]
    cut: bool


class ThenStop(BaseModel):
    """A stop in a plan as it was: where, and when the plan wanted to be there. `came_at`: when the van did come, in whatever plan."""

    order: str = Field(description="a call at a depot (`@…`) or charger (`+…`) is nobody's order: `said` has its name by code")
    name: str
    lat_deg: float
    lon_deg: float
    planned_at: datetime | None
    came_at: datetime | None
    state: str | None
    said: list[Sentence] = []


class ThenPlan(BaseModel):
    """A plan as it was issued."""

    version: int
    issued_at: datetime
    reason: str
    changes: list[str]
    stops: list[ThenStop]


class ThenSaid(BaseModel):
    """An arrival time as it was said: it held until the next word about the same order."""

    order: str
    said_at: datetime
    eta: datetime
    low: datetime
    high: datetime
    basis: str | None = Field(description="who knew the roads then, and whether the interval was calibrated; null: it was not kept")


class VanThen(BaseModel):
    """What a van was to do, and what was said of it, oldest first. The first plan is the one that it had at the beginning."""

    vehicle: str
    plans: list[ThenPlan]
    said: list[ThenSaid] = Field(description="of every order that is in one of the plans, from the first word on")


@router.get("/playback/stops")
def get_playback_stops(
    desk: AtDesk, caller: LiveReader, since: From, to: AwareDatetime, limit: Annotated[int, Query(ge=1, le=50_000)] = 20_000
) -> DoneStops:
    """Stops that ended in a stretch of time, of all vans: the marks beside the frames of `GET /v1/playback`."""
    no_longer_than(LONGEST_PLAYBACK, since, to)
    with desk.db.tenant(caller.fleet) as cur:
        found = store.stops(cur, since, to, limit + 1)
    return DoneStops(items=[_done(r) for r in found[:limit]], cut=len(found) > limit)


@router.get("/vehicles/{vehicle}/then")
def get_van_then(vehicle: str, desk: AtDesk, caller: LiveReader, since: From, to: AwareDatetime) -> VanThen:
    """A van's plans as they were, and arrival times as they were said then."""
    no_longer_than(LONGEST_PLAYBACK, since, to)
    with desk.db.tenant(caller.fleet) as cur:
        known_vehicle(cur, vehicle)
        plans = store.plans(cur, vehicle, since, to, MOST_PLANS)
        orders = sorted({stop["stop"] for plan in plans for stop in plan["stops"]})
        names = store.named(cur, orders)
        said = store.said(cur, orders, to)
    return VanThen(
        vehicle=vehicle,
        plans=[
            ThenPlan(
                version=plan["version"],
                issued_at=plan["issued_at"],
                reason=plan["reason"] or "",
                changes=plan["changes"],
                stops=[_then(stop, names.get(stop["stop"])) for stop in plan["stops"]],
            )
            for plan in plans
        ],
        said=[ThenSaid(order=r["order_id"], **{f: r[f] for f in ("said_at", "eta", "low", "high", "basis")}) for r in said],
    )


def _name(r: Row) -> str:
    return " ".join(part for part in (r["reference"], r["name"]) if part) or str(r["address"] or r["order_id"])


def _done(r: Row) -> DoneStop:
    return DoneStop(
        order=r["order_id"],
        name=_name(r),
        vehicle=r["vehicle_id"],
        lat_deg=None if r["lat_e6"] is None else r["lat_e6"] / 1e6,
        lon_deg=None if r["lon_e6"] is None else r["lon_e6"] / 1e6,
        **{f: r[f] for f in ("state", "at", "arrived_at", "reason")},
    )


def _then(stop: dict[str, Any], order: Row | None) -> ThenStop:
    planned = stop.get("arrival_utc_ms")
    return ThenStop(
        order=stop["stop"],
        name=(stop.get("name") or stop["stop"]) if order is None else _name(order),
        said=said_of(stop.get("name")) if stop["stop"].startswith((RELOAD, CHARGE)) else [],
        lat_deg=stop["lat_e6"] / 1e6,
        lon_deg=stop["lon_e6"] / 1e6,
        planned_at=None if planned is None else BEGINNING + timedelta(milliseconds=planned),
        came_at=None if order is None else order["arrived_at"] or order["at"],
        state=None if order is None else order["state"],
    )
