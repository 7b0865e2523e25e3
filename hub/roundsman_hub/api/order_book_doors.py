"""Doors for days to come: when the fleet works, what customers may choose, who drives, each day's plan and what is loaded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time
from typing import Annotated, Literal, TypeVar
from zoneinfo import ZoneInfo

import msgspec
from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from roundsman_hub import order_book
from roundsman_hub.api.desk import AtDesk, Desk, FleetReader, FleetWriter, OrdersReader, PlansWriter
from roundsman_hub.api.fleet import known_depot, known_driver, known_vehicle
from roundsman_hub.api.intake import depot_for, promised
from roundsman_hub.api.keys import Caller
from roundsman_hub.api.once import OnlyOnce
from roundsman_hub.api.problems import Problem, documented, not_found
from roundsman_hub.api.proof_models import Said
from roundsman_hub.api.saying import Sentence, said_of
from roundsman_hub.domain.calendar import ServiceLevel, WorkingDays, clock, local
from roundsman_hub.store import fleet as fleet_store, order_book_store as store
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, journal

router = APIRouter(prefix="/v1", tags=["order book"], responses=documented(401, 403, 404, 409, 422, 503))
LevelName = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[a-z0-9-]+$")]
TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
OfDepot = Annotated[str | None, Query(description="may be left out where the fleet has one depot")]
T = TypeVar("T")


class Level(BaseModel):
    """A service level with its name."""

    name: str
    level: ServiceLevel


class Levels(BaseModel):
    """All of the fleet's."""

    items: list[Level]


class Window(BaseModel):
    """What an order placed at an instant gets: send these as its `window_start` and `window_end`."""

    level: str
    ordered_at: datetime
    day: date = Field(description="local day of service")
    counts_as: date = Field(description="the working day that the order counts as placed on")
    window_start: datetime
    window_end: datetime
    why: str = Field(description="why not sooner: a holiday, a weekend, the cut-off; empty: it is as soon as the level promises")


class NewShift(Said):
    """A vehicle's shift on the roster, in local times; one that ends before it begins ends on the next day."""

    vehicle: str
    driver: str | None = None
    start: TimeOfDay
    end: TimeOfDay


class NewRoster(Said):
    """Who drives what that day. It replaces the day's roster; vehicles that are not on it stay in the yard."""

    items: list[NewShift] = Field(max_length=500)


class ShiftShown(BaseModel):
    """A vehicle's shift on a day."""

    vehicle: str
    vehicle_name: str
    driver: str | None
    driver_name: str | None
    shift_start: datetime
    shift_end: datetime


class Roster(BaseModel):
    """A day's shifts."""

    day: date
    items: list[ShiftShown]


class PlannedStop(BaseModel):
    """An order and when its van will be there."""

    order: str
    arrival: datetime
    load: int = Field(description="which of the van's loads it belongs to; each call at a depot begins another")
    place: int = Field(description="where in the van it is to lie: 1 is at the door and comes off first; 0: it is not loaded")


class DayPlan(BaseModel):
    """A depot's plan of a day."""

    day: date
    depot: str
    state: Literal["draft", "approved", "released"]
    routes: dict[str, list[PlannedStop]] = Field(description="by vehicle, in driving order")
    unassigned: dict[str, str] = Field(description="orders that no van takes, with the reason")
    unassigned_said: dict[str, list[Sentence]] = Field(
        description="the same reasons by code; GET /v1/sentences tells them in other languages"
    )
    cost_cents: int
    basis: str | None = Field(description="who gave the travel times: osrm, or great_circle (straight lines × detour); null: not kept")
    made_at: datetime
    approved_at: datetime | None
    released_at: datetime | None


class ToLoad(BaseModel):
    """One order's goods."""

    order: str
    load: int = Field(description="which of the van's loads it belongs to; each call at a depot begins another")
    place: str = Field(description="where in the van, as its driver's screen says: 1 is at the door and comes off first, or a shelf's name")
    reference: str
    name: str
    address: str
    parcels: int
    items: list[LoadedItem]
    loaded: bool = Field(description="each of its parcels was scanned into this van; false where it has no barcodes")
    in_other_van: list[str] = Field(description="vehicles that its parcels were scanned into by mistake")


class LoadedItem(BaseModel):
    """A parcel with its barcode."""

    parcel: str
    name: str = ""
    place: str
    loaded_at: datetime | None


class VanLoad(BaseModel):
    """What goes into one van, in the order of loading: the last stop's goods first."""

    vehicle: str
    parcels: int
    to_scan: int = Field(description="parcels with a barcode that were not scanned into it yet")
    items: list[ToLoad]


class LoadingList(BaseModel):
    """All vans of a depot on a day."""

    day: date
    depot: str
    vans: list[VanLoad]


@router.get("/calendar")
def get_calendar(desk: AtDesk, caller: FleetReader) -> WorkingDays:
    """When the fleet works; where nothing was said, Monday to Friday without holidays."""
    with desk.db.tenant(caller.fleet) as cur:
        return msgspec.convert(store.calendar(cur, caller.fleet), WorkingDays)


@router.put("/calendar")
def put_calendar(new: WorkingDays, desk: AtDesk, caller: FleetWriter) -> WorkingDays:
    """Say when the fleet works: country and its holidays, weekdays, further days off and on. Orders are then taken for working days to
    come that have no roster yet."""
    with desk.db.tenant(caller.fleet) as cur:
        store.set_calendar(cur, caller.fleet, msgspec.to_builtins(new))
        _note(cur, desk, caller, "calendar.changed", caller.fleet)
    return new


@router.get("/service-levels")
def get_service_levels(desk: AtDesk, caller: OrdersReader) -> Levels:
    """What customers may choose."""
    with desk.db.tenant(caller.fleet) as cur:
        found = store.service_levels(cur)
    return Levels(items=[Level(name=name, level=msgspec.convert(spec, ServiceLevel)) for name, spec in found.items()])


@router.put("/service-levels/{name}")
def put_service_level(name: LevelName, new: ServiceLevel, desk: AtDesk, caller: FleetWriter) -> Level:
    """Make or change a service level, such as `same-day` or `next-day`."""
    with desk.db.tenant(caller.fleet) as cur:
        store.set_service_level(cur, caller.fleet, name, msgspec.to_builtins(new))
        _note(cur, desk, caller, "service_level.changed", name)
    return Level(name=name, level=new)


@router.delete("/service-levels/{name}", status_code=204)
def delete_service_level(name: LevelName, desk: AtDesk, caller: FleetWriter) -> None:
    """Take a service level back. Orders that were promised by it keep their windows."""
    with desk.db.tenant(caller.fleet) as cur:
        if not store.drop_service_level(cur, name):
            raise not_found("service-level", name, see="/v1/service-levels")
        _note(cur, desk, caller, "service_level.removed", name)


@router.get("/service-levels/{name}/window")
def get_window(name: LevelName, desk: AtDesk, caller: OrdersReader, at: Annotated[AwareDatetime | None, Query()] = None) -> Window:
    """The window that an order placed now (or `at`) gets by a service level: cut-off, holidays and the clocks' changes are in it."""
    ordered_at = at or desk.clock.now()
    with desk.db.tenant(caller.fleet) as cur:
        found = promised(cur, caller.fleet, name, ordered_at, status=404)
    return Window(
        level=name,
        ordered_at=ordered_at,
        day=found.day,
        counts_as=found.counts_as,
        window_start=found.start,
        window_end=found.end,
        why=found.why,
    )


@router.get("/roster/{day}")
def get_roster(day: date, desk: AtDesk, caller: FleetReader) -> Roster:
    """Who drives what that day; empty where nobody was put on it yet."""
    with desk.db.tenant(caller.fleet) as cur:
        return _roster(cur, day)


@router.put("/roster/{day}")
def put_roster(day: date, new: NewRoster, desk: AtDesk, caller: FleetWriter) -> Roster:
    """Say who drives what that day."""
    with desk.db.tenant(caller.fleet) as cur:
        zone = _zone(cur, caller)
        shifts = []
        for shift in new.items:
            known_vehicle(cur, shift.vehicle)
            if shift.driver is not None:
                known_driver(cur, shift.driver, status=422)
            shifts.append((shift.vehicle, shift.driver, *_span(day, clock(shift.start), clock(shift.end), zone)))
        for what, who in (("vehicle", [one[0] for one in shifts]), ("driver", [one[1] for one in shifts if one[1] is not None])):
            if twice := sorted({name for name in who if who.count(name) > 1}):
                raise Problem(422, "twice-on-the-roster", f"{what} {twice[0]} is on it twice", next_step=f"name each {what} once")
        store.set_roster(cur, caller.fleet, day, shifts)
        _note(cur, desk, caller, "roster.changed", day.isoformat())
        return _roster(cur, day)


@router.get("/days/{day}/plan")
def get_day_plan(day: date, desk: AtDesk, caller: FleetReader, depot: OfDepot = None) -> DayPlan:
    """A depot's plan of a day."""
    with desk.db.tenant(caller.fleet) as cur:
        depot_id = depot_for(cur, depot)
        found = store.day_plan(cur, depot_id, day)
        if found is None:
            step = f"make one with POST /v1/days/{day}/plan"
            raise Problem(404, "no-plan", f"{day} has no plan yet", next_step=step)
        return _plan_out(found)


@router.post("/days/{day}/plan")
def post_day_plan(
    day: date,
    desk: AtDesk,
    caller: PlansWriter,
    depot: OfDepot = None,
    seconds: Annotated[float, Query(ge=0, le=60, allow_inf_nan=False, description="real seconds of search")] = 5.0,
) -> DayPlan:
    """Make a day's plan from its orders and its roster, as a draft in the place of the one before. No van hears of it."""
    with desk.db.tenant(caller.fleet) as cur:
        depot_id = depot_for(cur, depot)
        known_depot(cur, depot_id)
    return _plan_out(
        _asked(
            lambda: order_book.make(
                desk.db, desk.roads, desk.clock, fleet_id=caller.fleet, depot_id=depot_id, day=day, seconds=seconds, actor=caller.key_id
            )
        )
    )


@router.post("/days/{day}/plan/approve", response_model=DayPlan)
def post_approval(day: date, desk: AtDesk, once: OnlyOnce, caller: PlansWriter, depot: OfDepot = None) -> Response:
    """Approve the draft. A new draft needs a new approval."""

    def work(cur: Cursor) -> DayPlan:
        named = depot_for(cur, depot)
        decide = lambda: order_book.approve(cur, fleet_id=caller.fleet, depot_id=named, day=day, actor=caller.key_id, clock=desk.clock)  # noqa: E731
        return _plan_out(_asked(decide))

    return once.run(caller, work)


@router.post("/days/{day}/plan/release", response_model=DayPlan)
def post_release(day: date, desk: AtDesk, once: OnlyOnce, caller: PlansWriter, depot: OfDepot = None) -> Response:
    """Give the approved plan to the vans. From then on the living plan goes on from it."""

    def work(cur: Cursor) -> DayPlan:
        named = depot_for(cur, depot)
        decide = lambda: order_book.release(cur, fleet_id=caller.fleet, depot_id=named, day=day, actor=caller.key_id, clock=desk.clock)  # noqa: E731
        return _plan_out(_asked(decide))

    return once.run(caller, work)


@router.get("/days/{day}/loading-list")
def get_loading_list(
    day: date,
    desk: AtDesk,
    caller: FleetReader,
    depot: OfDepot = None,
    vehicle: Annotated[str | None, Query(description="only this van's")] = None,
) -> LoadingList:
    """What goes into each van, the last stop's goods first, and what was scanned into it already."""
    with desk.db.tenant(caller.fleet) as cur:
        if vehicle is not None:
            known_vehicle(cur, vehicle)
        depot_id = depot_for(cur, depot)
        found = _asked(lambda: order_book.loading_list(cur, depot_id, day, desk.clock))
    return LoadingList(
        day=day, depot=depot_id, vans=[_load_out(name, orders) for name, orders in found.items() if vehicle is None or name == vehicle]
    )


def _load_out(vehicle: str, orders: list[Row]) -> VanLoad:
    items = [
        ToLoad(
            order=order["order_id"],
            items=[
                LoadedItem(parcel=i["parcel"], name=i.get("name") or "", place=i["place"], loaded_at=i["loaded_at"]) for i in order["items"]
            ],
            **{field: order[field] for field in ("reference", "name", "address", "parcels", "load", "place", "loaded", "in_other_van")},
        )
        for order in orders
    ]
    to_scan = sum(item.loaded_at is None for order in items for item in order.items)
    return VanLoad(vehicle=vehicle, parcels=sum(order.parcels for order in items), to_scan=to_scan, items=items)


def _plan_out(r: Row) -> DayPlan:
    return DayPlan(
        depot=r["depot_id"],
        unassigned_said={order: said_of(why) for order, why in r["unassigned"].items()},
        **{f: r[f] for f in ("day", "state", "routes", "unassigned", "cost_cents", "basis", "made_at", "approved_at", "released_at")},
    )


def _roster(cur: Cursor, day: date) -> Roster:
    same = ("vehicle_name", "driver_name", "shift_start", "shift_end")
    found = store.roster(cur, day)
    return Roster(day=day, items=[ShiftShown(vehicle=r["vehicle_id"], driver=r["driver_id"], **{f: r[f] for f in same}) for r in found])


def _span(day: date, start: time, end: time, zone: ZoneInfo) -> tuple[datetime, datetime]:
    last = day if end > start else date.fromordinal(day.toordinal() + 1)
    return local(day, start, zone), local(last, end, zone, end=True)


def _zone(cur: Cursor, caller: Caller) -> ZoneInfo:
    return ZoneInfo(fleet_store.fleet(cur, caller.fleet)["timezone"])


def _asked(work: Callable[[], T]) -> T:
    try:
        return work()
    except order_book.NotReady as error:
        raise Problem(409, error.kind, str(error), next_step=error.next_step) from None


def _note(cur: Cursor, desk: Desk, caller: Caller, kind: str, subject: str) -> None:
    journal(cur, fleet_id=caller.fleet, at=desk.clock.now(), kind=kind, subject=subject, actor=caller.key_id, body={})
