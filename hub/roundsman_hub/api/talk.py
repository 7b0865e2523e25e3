"""Doors for what dispatchers and drivers tell each other: messages, drivers' reports, parcels scanned."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from roundsman_hub.api.desk import AtDesk, DriversWriter, LiveReader
from roundsman_hub.api.fleet import Limit, known_vehicle
from roundsman_hub.api.hand import HAND_PRIORITY
from roundsman_hub.api.once import OnlyOnce
from roundsman_hub.api.problems import Problem, documented, not_found
from roundsman_hub.api.proof_models import Said
from roundsman_hub.instants import BEGINNING, END
from roundsman_hub.replan.revision import bump
from roundsman_hub.store import orders as order_store, talk_store as store
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.hand_store import WRECKED
from roundsman_hub.store.rows import Row, journal

router = APIRouter(prefix="/v1", tags=["drivers"], responses=documented(401, 403, 404, 422, 503))
From = Annotated[AwareDatetime | None, Query(alias="from")]
To = Annotated[AwareDatetime | None, Query()]


class NewMessage(Said):
    """What to show to the driver."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True, pattern=r"^[^\x00]*$")]
    order: str | None = Field(default=None, description="the order that it is about")


class Message(BaseModel):
    """One line between a dispatcher and a driver."""

    message: str
    vehicle: str
    said_by: Literal["dispatch", "driver"]
    text: str
    order: str | None
    about: str | None = Field(description="the message that the driver answers")
    who: str | None = Field(description="the API key that wrote it, or the driver")
    at: datetime | None = Field(description="null: the van did not know the date")
    state: Literal["waiting", "sent", "shown", "answered", "expired", "said"] = Field(
        description="waiting: for the broker; sent: on its way to the van; shown: on the driver's screen; said: a driver's own words"
    )


class Thread(BaseModel):
    """The newest lines, newest first."""

    items: list[Message]


class Report(BaseModel):
    """What a driver reports that the planner cannot see."""

    report: str
    vehicle: str
    topic: Literal["breakdown", "accident", "road_closed", "delay", "help", "other"]
    text: str
    order: str | None
    lat_deg: float | None
    lon_deg: float | None
    driver: str | None
    at: datetime | None
    settled_at: datetime | None = Field(description="when a dispatcher had seen to it")
    photos: list[str] = Field(description="addresses of photos that are there, with the same key")


class Reports(BaseModel):
    """Newest first."""

    items: list[Report]


class Scanned(BaseModel):
    """A parcel was scanned (or ticked by hand). `unknown`: no stop of the van's plan knew it."""

    parcel: str
    event: Literal["loaded", "unloaded", "unknown"]
    order: str | None
    vehicle: str
    place: str
    by: Literal["scan", "hand"]
    driver: str | None
    at: datetime | None


class Scans(BaseModel):
    """Newest first."""

    items: list[Scanned]


def message_out(r: Row) -> Message:
    """A line as it goes over HTTP."""
    return Message(
        vehicle=r["vehicle_id"], order=r["order_id"], **{f: r[f] for f in ("message", "said_by", "text", "about", "who", "at", "state")}
    )


@router.post("/vehicles/{vehicle}/messages", status_code=201, response_model=Message)
def post_message(vehicle: str, new: NewMessage, desk: AtDesk, once: OnlyOnce, caller: DriversWriter) -> Response:
    """Write to a van's driver. It is shown at once, or when the van is next online, within twelve hours."""

    def work(cur: Cursor) -> Message:
        known_vehicle(cur, vehicle)
        if new.order is not None and order_store.shown(cur, order_id=new.order) is None:
            raise not_found("order", new.order, see="/v1/orders", status=422)
        at = desk.clock.now()
        message = store.say(cur, caller.fleet, vehicle, text=new.text, order=new.order, actor=caller.key_id, at=at)
        body = {"message": message, "order": new.order}
        journal(cur, fleet_id=caller.fleet, at=at, kind="message.sent", subject=vehicle, actor=caller.key_id, body=body)
        return Message(
            message=message,
            vehicle=vehicle,
            said_by="dispatch",
            text=new.text,
            order=new.order,
            about=None,
            who=caller.key_id,
            at=at,
            state="waiting",
        )

    return once.run(caller, work, status=201)


@router.get("/vehicles/{vehicle}/messages")
def get_messages(vehicle: str, desk: AtDesk, caller: LiveReader, since: From = None, to: To = None, limit: Limit = 100) -> Thread:
    """What was written to the van's driver, and what its drivers wrote."""
    with desk.db.tenant(caller.fleet) as cur:
        known_vehicle(cur, vehicle)
        found = store.thread(cur, vehicle, since=since or BEGINNING, until=to or END, now=desk.clock.now(), limit=limit)
    return Thread(items=[message_out(r) for r in found])


@router.get("/reports")
def get_reports(
    request: Request,
    desk: AtDesk,
    caller: LiveReader,
    vehicle: Annotated[str | None, Query(description="only this vehicle's")] = None,
    unsettled: Annotated[bool, Query(description="only those that nobody has seen to")] = False,
    since: From = None,
    to: To = None,
    limit: Limit = 100,
) -> Reports:
    """Breakdowns, accidents, closed roads and what else drivers report."""
    with desk.db.tenant(caller.fleet) as cur:
        if vehicle is not None:
            known_vehicle(cur, vehicle)
        found = store.reports(cur, vehicle, since=since or BEGINNING, until=to or END, unsettled=unsettled, limit=limit)
    return Reports(
        items=[
            Report(
                vehicle=r["vehicle_id"],
                order=r["order_id"],
                lat_deg=None if r["lat_e6"] is None else r["lat_e6"] / 1e6,
                lon_deg=None if r["lon_e6"] is None else r["lon_e6"] / 1e6,
                driver=r["driver_id"],
                photos=[f"{request.base_url}v1/proofs/{sha256}" for sha256 in r["photos"]],
                **{field: r[field] for field in ("report", "topic", "text", "at", "settled_at")},
            )
            for r in found
        ]
    )


@router.post("/reports/{report}/settle", status_code=204)
def settle_report(report: str, desk: AtDesk, caller: DriversWriter) -> None:
    """Somebody has seen to it: it no longer needs attention, and a van that had broken down gets work again. Saying so again changes
    nothing."""
    with desk.db.tenant(caller.fleet) as cur:
        settled = store.settle(cur, caller.fleet, report, actor=caller.key_id, at=desk.clock.now())
        if settled is None:
            raise not_found("report", report, see="/v1/reports")
        if settled["news"] and settled["topic"] in WRECKED:
            van = known_vehicle(cur, settled["vehicle_id"])
            text = f"{van['name']} is back"
            bump(cur, van["depot_id"], text, HAND_PRIORITY, clock=desk.clock, kind="hand", subject=van["vehicle_id"])


@router.get("/scans")
def get_scans(
    desk: AtDesk,
    caller: LiveReader,
    order: Annotated[str | None, Query(description="of this order's parcels")] = None,
    vehicle: Annotated[str | None, Query(description="in this vehicle")] = None,
    since: From = None,
    to: To = None,
    limit: Limit = 100,
) -> Scans:
    """Parcels as they were loaded and unloaded."""
    if order is None and vehicle is None:
        raise Problem(422, "which-scans", "say `order` or `vehicle`", next_step="send one of them, or both")
    with desk.db.tenant(caller.fleet) as cur:
        if order is not None and order_store.shown(cur, order_id=order) is None:
            raise not_found("order", order, see="/v1/orders")
        if vehicle is not None:
            known_vehicle(cur, vehicle)
        found = store.scans(cur, vehicle=vehicle, order=order, since=since or BEGINNING, until=to or END, limit=limit)
    return Scans(
        items=[
            Scanned(
                order=r["order_id"],
                vehicle=r["vehicle_id"],
                by=r["by_what"],
                driver=r["driver_id"],
                **{field: r[field] for field in ("parcel", "event", "place", "at")},
            )
            for r in found
        ]
    )
