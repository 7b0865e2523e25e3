"""Doors for what was measured: the fleet's numbers, each vehicle's days, and how long the record behind them is kept."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field

from roundsman_hub import HubError, metrics
from roundsman_hub.api.cursors import CursorText, cursor_of, read_cursor
from roundsman_hub.api.desk import AtDesk, Desk, FleetReader, FleetWriter, MetricsReader
from roundsman_hub.api.fleet import Limit, known_vehicle
from roundsman_hub.api.problems import Problem, documented
from roundsman_hub.api.proof_models import Said
from roundsman_hub.store import day_store, retention
from roundsman_hub.store.keeps import BY_NAME, KEEPS
from roundsman_hub.store.rows import Row

router = APIRouter(prefix="/v1", responses=documented(401, 403, 404, 422, 503))
From = Annotated[AwareDatetime | None, Query(alias="from")]
To = Annotated[AwareDatetime | None, Query()]


def _days(name: str, *, required: bool = False) -> Any:
    """The field of one kind, by the table of what is kept."""
    keep = BY_NAME[name]
    return Field(default=... if required else None, ge=keep.least, le=keep.most, description=keep.what)


class Metrics(BaseModel):
    """Numbers of the fleet and of each van between two instants."""

    since: datetime
    until: datetime
    fleet: dict[str, bool | float | int | None]
    vehicles: dict[str, dict[str, bool | float | int | None]]


class Day(BaseModel):
    """A vehicle's day, midnight to midnight in `timezone`. `gap_s`: the van told that it had no position. `late_fixes`: came after the
    raw fixes of the day had gone. `revision` rises when late logs correct the row."""

    day: date
    timezone: str
    first_fix_at: datetime | None
    last_fix_at: datetime | None
    fixes: int
    driven_m: float
    moving_s: float
    standing_s: float
    gap_s: float
    max_speed_mps: float | None
    stops: int
    other_stops: int
    late_fixes: int
    revision: int
    computed_at: datetime


class Days(BaseModel):
    """Oldest first. A day has its row once it is over."""

    items: list[Day]
    next_cursor: str | None


class NewRetention(Said):
    """For how many days from now on what is kept. Left out: as before. `null`, for facts and visits: for good.

    Facts go by whole sessions of a van's agent; visits only with the facts that they come from, and never before them. After
    `personal_days` (from an order's window on) its name, phone, address and instructions are blanked.
    """

    raw_days: int = _days("raw_days", required=True)
    track_days: int = _days("track_days", required=True)
    fact_days: int | None = _days("fact_days")
    visit_days: int | None = _days("visit_days")
    proof_days: int | None = _days("proof_days")
    personal_days: int | None = _days("personal_days")
    word_days: int | None = _days("word_days")
    notice_days: int | None = _days("notice_days")


class Kept(BaseModel):
    """One thing that is kept. `name`: as it is in `PUT /v1/retention`; "": nobody can choose. `days` null: for good, which is a choice
    where `may_stay`. What is older than `before` goes within the hour."""

    name: str
    what: str
    days: int | None
    usual: int | None
    least: int
    most: int
    may_stay: bool
    before: datetime | None


class Retention(BaseModel):
    """What the fleet keeps. `own`: it has chosen so; else the release has it so. Raw fixes before `raw_before` and simplified tracks
    before `tracks_before` are let go within the hour; raw fixes before `aged_through` are gone.
    `keeps`: the same and all else, for pages."""

    raw_days: int
    track_days: int
    fact_days: int | None
    visit_days: int | None
    proof_days: int
    personal_days: int
    word_days: int
    notice_days: int
    own: bool
    raw_before: datetime
    tracks_before: datetime
    aged_through: datetime | None
    keeps: list[Kept]


@router.get("/metrics", tags=["metrics"])
def get_metrics(desk: AtDesk, caller: MetricsReader, since: From = None, to: To = None) -> Metrics:
    """On-time share, planned and driven distance and time, stops a day: of today in the fleet's own time, unless told otherwise."""
    with desk.db.transaction() as cur:  # reads tracks, which name no fleet: the query asks for this fleet's vehicles alone
        day = metrics.day_of(cur, caller.fleet, desk.clock.now())
        start, end = since or day[0], to or day[1]
        fleet, vehicles = metrics.numbers(cur, caller.fleet, start, end)
    return Metrics(
        since=start,
        until=end,
        fleet=metrics.as_dict(fleet),
        vehicles={vehicle: metrics.as_dict(told) for vehicle, told in vehicles.items()},
    )


@router.get("/vehicles/{vehicle}/days", tags=["metrics"])
def get_days(
    vehicle: str,
    desk: AtDesk,
    caller: MetricsReader,
    since: Annotated[date | None, Query(alias="from", description="first day")] = None,
    to: Annotated[date | None, Query(description="last day")] = None,
    cursor: CursorText = "",
    limit: Limit = 100,
) -> Days:
    """A vehicle's days in numbers: they stay when the track behind them has been let go."""
    (after,) = read_cursor(cursor, ("",))
    try:
        after_day = date.fromisoformat(after) if after else None
    except ValueError:
        raise Problem(422, "bad-cursor", "that cursor is not one of this list", next_step="start again without `cursor`") from None
    with desk.db.tenant(caller.fleet) as cur:
        known_vehicle(cur, vehicle)
        found = day_store.days(cur, vehicle, since=since, until=to, after=after_day, limit=limit)
    return Days(
        items=[_day_out(row) for row in found],
        next_cursor=cursor_of(found[-1]["day"].isoformat()) if len(found) == limit else None,
    )


@router.get("/retention", tags=["fleet"])
def get_retention(desk: AtDesk, caller: FleetReader) -> Retention:
    """How long the fleet keeps what: tracks, facts, visits, pictures, and what is personal."""
    return _retention(desk, caller.fleet)


@router.put("/retention", tags=["fleet"])
def put_retention(wanted: NewRetention, desk: AtDesk, caller: FleetWriter) -> Retention:
    """Keep what is named for so many days from now on. What is older is let go for good."""
    days = {name: getattr(wanted, name) for name in wanted.model_fields_set}
    try:
        with desk.db.tenant(caller.fleet) as cur:
            retention.choose(cur, caller.fleet, at=desk.clock.now(), actor=caller.key_id, **days)
    except HubError as error:
        raise Problem(
            422, "cannot-be-kept-so", str(error), next_step="GET /v1/retention says of each kind what can be chosen (`keeps`)"
        ) from None
    return _retention(desk, caller.fleet)


def _retention(desk: Desk, fleet: str) -> Retention:
    with desk.db.transaction() as cur:  # what has gone already is noted in the log's own tables
        [rule] = retention.rules(cur, desk.clock.now(), fleet)
    kept = [
        Kept(
            name=keep.name,
            what=keep.what,
            days=rule.days[keep.name] if keep.name else None,
            usual=keep.usual,
            least=keep.least,
            most=keep.most,
            may_stay=keep.may_stay,
            before=rule.before(keep.name) if keep.name else None,
        )
        for keep in KEEPS
    ]
    days: Any = rule.days  # which of them may be null, the table's own columns say
    return Retention(
        **days, own=rule.own, raw_before=rule.raw_before, tracks_before=rule.tracks_before, aged_through=rule.aged_through, keeps=kept
    )


def _day_out(row: Row) -> Day:
    speed = row["max_speed_cm_s"]
    named = {name: row[name] for name in Day.model_fields if name != "max_speed_mps"}
    return Day(**named, max_speed_mps=None if speed is None else speed / 100)
