"""Doors for the nights: when a depot's next day is planned by itself, what ran, and what learning came to."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from roundsman_hub.api.desk import AtDesk, FleetReader, FleetWriter
from roundsman_hub.api.fleet import known_depot
from roundsman_hub.api.order_book_doors import TimeOfDay
from roundsman_hub.api.problems import documented
from roundsman_hub.api.proof_models import Said
from roundsman_hub.nightly import findings
from roundsman_hub.nightly.due import LEARN_AT, waits_for_roster
from roundsman_hub.store import nightly_store as store
from roundsman_hub.store.rows import Row, journal

router = APIRouter(prefix="/v1", tags=["order book"], responses=documented(401, 403, 404, 422, 503))


class PartOfStop(BaseModel):
    """One part of a stop that could be told apart from service; errors are mean seconds, on stops of later days that told it."""

    part: findings.Part = Field(
        description="`search`: looking for a place to park, from when the van came near, beyond the drive; `walking`: from the standstill "
        "to the start of service; `back`: from the last word at the door until the van leaves"
    )
    usual_s: float = Field(description="with one parcel, at a usual address")
    told: int = Field(description="stops of later days that told it")
    error_s: float = Field(description="of the new table")
    alike_s: float = Field(description="were it the usual at every address, with every driver, at every hour")


class Found(BaseModel):
    """One thing that a night came to: figures, where there are some, and the sentence in English."""

    what: findings.What = Field(
        description="of a plan: `draft`; `kept`: one that a person made stands; `no_roster`, `no_orders`: nothing to plan; `released`: "
        "approved, it went to the vans; `still_out`: it waits for a van whose driver is still on duty. Of learning: `speeds` of "
        "the streets, `service` times of the fleet's own stops. `other`: only `text` tells"
    )
    text: str
    stops: int | None = None
    vans: int | None = None
    without_van: int | None = None
    learned_from: int | None = Field(None, description="drives or stops")
    held_out: int | None = Field(None, description="those on later days, which the table had not seen")
    days_held_out: int | None = None
    error: float | None = Field(None, description="on what was held out; speeds: median share of a drive's time; service: seconds a stop")
    error_in_force: float | None = Field(None, description="of the table that was in force, on the same")
    adopted: bool | None = Field(None, description="null: too little to learn from, or to judge by")
    parts: list[PartOfStop] = Field([], description="of service times: what else a stop takes; what is not named is within service")


class Night(BaseModel):
    """One run."""

    day: date = Field(description="of a plan: the day that it is for; of learning: the morning that it ran on")
    state: Literal["running", "done", "nothing", "failed"]
    started_at: datetime
    ended_at: datetime | None
    says: str = Field(description="what came of it; of learning, the errors on days that were held out, beside what is in force")
    found: list[Found] = Field(description="the same as figures")


class LearningNight(Night):
    """One run of learning. A table is adopted only where it was better on days that it had not seen."""

    adopted: bool


class DepotNightsShown(BaseModel):
    """A depot's nights, the newest first: what was planned in the evening, and released in the morning."""

    depot: str
    plan_at: str | None = Field(description="local time, on the evening before; null: nothing is planned or released by itself")
    waits_for_roster: date | None = Field(description="the plan of this day is due, and nobody is on its roster")
    nights: list[Night]


class Learning(BaseModel):
    """What the fleet's own days taught, the newest morning first."""

    learn_at: str = Field(description="local time")
    nights: list[LearningNight]


class Nightly(BaseModel):
    """Everything that happens at night."""

    depots: list[DepotNightsShown]
    learning: Learning


class PlanAt(Said):
    """When a depot's next day is planned."""

    depot: str
    plan_at: TimeOfDay | None = Field(description="local time, on the evening before; null: not by itself")


@router.get("/nightly")
def get_nightly(desk: AtDesk, caller: FleetReader, last: Annotated[int, Query(ge=1, le=60)] = 7) -> Nightly:
    """When the next day of each depot is planned by itself, how the last nights went, and what learning adopted or left."""
    with desk.db.tenant(caller.fleet) as cur:
        found = store.depots(cur, desk.clock.now())
        ran = sorted(store.runs(cur, last), key=lambda r: (r["day"], r["started_at"]), reverse=True)
    return Nightly(
        depots=[
            DepotNightsShown(
                depot=one.depot_id,
                plan_at=None if one.plan_at is None else f"{one.plan_at:%H:%M}",
                waits_for_roster=waits_for_roster(one, desk.clock.now()),
                nights=[
                    Night(**_night(r), found=_found(findings.of_plan(r["says"])))
                    for r in ran
                    if r["kind"] != "learn" and r["subject"] == one.depot_id
                ],
            )
            for one in found
        ],
        learning=Learning(
            learn_at=f"{LEARN_AT:%H:%M}",
            nights=[
                LearningNight(**_night(r), adopted=bool(r["adopted"]), found=_found(findings.of_learning(r["says"])))
                for r in ran
                if r["kind"] == "learn"
            ],
        ),
    )


@router.put("/nightly")
def put_nightly(new: PlanAt, desk: AtDesk, caller: FleetWriter) -> Nightly:
    """Say when a depot's next day is planned by itself, or that it is not."""
    with desk.db.tenant(caller.fleet) as cur:
        known_depot(cur, new.depot)
        store.set_time(cur, caller.fleet, new.depot, new.plan_at)
        body = {"plan_at": new.plan_at}
        journal(cur, fleet_id=caller.fleet, at=desk.clock.now(), kind="nightly.changed", subject=new.depot, actor=caller.key_id, body=body)
    return get_nightly(desk, caller)


def _found(of: list[findings.Finding]) -> list[Found]:
    return [Found(**asdict(one)) for one in of]


def _night(r: Row) -> dict[str, Any]:
    return {name: r[name] for name in ("day", "state", "started_at", "ended_at", "says")}
