"""Doors for a fleet's own things: depots, drivers, vehicles. (Fences: `fences.py`.)"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from fastapi import APIRouter, Query, Response

from roundsman_hub.api import models as m
from roundsman_hub.api.desk import AtDesk, Desk, FleetReader, FleetWriter
from roundsman_hub.api.once import OnlyOnce
from roundsman_hub.api.problems import Problem, documented, not_found
from roundsman_hub.api.terms import Terms, stored
from roundsman_hub.replan import revision
from roundsman_hub.store import fleet as store
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, notify, rows

router = APIRouter(prefix="/v1", tags=["fleet"], responses=documented(401, 403, 404, 422, 503))
CursorText = Annotated[str, Query(description="`next_cursor` of the page before")]
Limit = Annotated[int, Query(ge=1, le=500)]


def next_of(found: list[Row], limit: int, key: str) -> str | None:
    """Where the page after this one begins; None: this is the last."""
    return found[-1][key] if len(found) == limit else None


def fleet_out(r: Row) -> m.Fleet:
    """The fleet as it goes over HTTP."""
    return m.Fleet(fleet=r["fleet_id"], name=r["name"], timezone=r["timezone"], planning=r["planning"])


def depot_out(r: Row) -> m.Depot:
    """A depot as it goes over HTTP."""
    return m.Depot(
        depot=r["depot_id"], name=r["name"], address=r["address"], lat_deg=r["lat_e6"] / 1e6, lon_deg=r["lon_e6"] / 1e6, terms=r["terms"]
    )


def driver_out(r: Row) -> m.Driver:
    """A driver as it goes over HTTP."""
    return m.Driver(driver=r["driver_id"], name=r["name"], phone=r["phone"], terms=r["terms"])


def vehicle_out(r: Row) -> m.Vehicle:
    """A vehicle as it goes over HTTP."""
    return m.Vehicle(
        vehicle=r["vehicle_id"],
        name=r["name"],
        depot=r["depot_id"],
        driver=r["driver_id"],
        capacity=r["capacity"],
        shift_start=r["shift_start"],
        shift_end=r["shift_end"],
        terms=r["terms"],
    )


def known_zone(name: str | None) -> None:
    """Nothing, or 422 where it is no time zone."""
    if name is not None and name not in available_timezones():
        raise Problem(422, "unknown-timezone", f"no time zone {name!r}", next_step="use an IANA name, as Europe/Helsinki")


def _places(changes: dict[str, Any]) -> dict[str, Any]:
    """Degrees of a change as the store's integers."""
    for axis in ("lat", "lon"):
        if (deg := changes.pop(f"{axis}_deg", None)) is not None:
            changes[f"{axis}_e6"] = round(deg * 1e6)
    return changes


def _with_terms(changes: dict[str, Any], key: str, terms: Terms | None) -> dict[str, Any]:
    """What binds plans, as the database keeps it; nothing where it was not said."""
    changes.pop(key, None)
    return changes if terms is None else {**changes, key: stored(terms)}


def no_nulls(changes: dict[str, Any], *, but: frozenset[str] = frozenset()) -> dict[str, Any]:
    """What a PATCH said, without nulls that mean nothing."""
    return {field: value for field, value in changes.items() if value is not None or field in but}


# ── the fleet ────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/fleets/me")
def get_fleet(desk: AtDesk, caller: FleetReader) -> m.Fleet:
    """The fleet that the key belongs to."""
    with desk.db.tenant(caller.fleet) as cur:
        r = store.fleet(cur, caller.fleet)
    return fleet_out(r)


@router.patch("/fleets/me")
def patch_fleet(change: m.FleetChange, desk: AtDesk, caller: FleetWriter) -> m.Fleet:
    """Change the fleet's name, its time zone, or what its plans keep; then every depot is planned anew."""
    changes = _with_terms(no_nulls(change.model_dump(exclude_unset=True)), "planning", change.planning)
    known_zone(changes.get("timezone"))
    with desk.db.tenant(caller.fleet) as cur:
        store.change_fleet(cur, caller.fleet, changes)
        if "planning" in changes:
            rules_changed(cur, desk)
        return fleet_out(store.fleet(cur, caller.fleet))


def rules_changed(cur: Cursor, desk: Desk) -> None:
    """Every depot of the fleet is planned anew."""
    for depot in rows(cur, store.LIST_DEPOTS, ("", 500)):
        revision.bump(cur, depot["depot_id"], "the fleet's rules changed", clock=desk.clock)


# ── depots ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/depots")
def get_depots(desk: AtDesk, caller: FleetReader, cursor: CursorText = "", limit: Limit = 100) -> m.Depots:
    """All depots."""
    with desk.db.tenant(caller.fleet) as cur:
        found = rows(cur, store.LIST_DEPOTS, (cursor, limit))
    return m.Depots(items=[depot_out(r) for r in found], next_cursor=next_of(found, limit, "depot_id"))


@router.post("/depots", status_code=201, response_model=m.Depot)
def post_depot(new: m.NewDepot, once: OnlyOnce, caller: FleetWriter) -> Response:
    """Make a depot."""

    def work(cur: Cursor) -> m.Depot:
        depot_id = store.add_depot(cur, caller.fleet, **_with_terms(_places(new.model_dump()), "terms", new.terms))
        return depot_out(_must(store.depot(cur, depot_id)))

    return once.run(caller, work, status=201)


@router.get("/depots/{depot}")
def get_depot(depot: str, desk: AtDesk, caller: FleetReader) -> m.Depot:
    """One depot."""
    with desk.db.tenant(caller.fleet) as cur:
        return depot_out(known_depot(cur, depot))


@router.patch("/depots/{depot}")
def patch_depot(depot: str, change: m.DepotChange, desk: AtDesk, caller: FleetWriter) -> m.Depot:
    """Change a depot; a depot that moved is planned anew."""
    with desk.db.tenant(caller.fleet) as cur:
        known_depot(cur, depot)
        changes = _with_terms(_places(no_nulls(change.model_dump(exclude_unset=True))), "terms", change.terms)
        store.change(cur, "depots", depot, changes)
        if changes.keys() & {"lat_e6", "terms"}:
            revision.bump(cur, depot, "the depot moved" if "lat_e6" in changes else "the depot changed", clock=desk.clock)
        return depot_out(known_depot(cur, depot))


# ── drivers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/drivers")
def get_drivers(desk: AtDesk, caller: FleetReader, cursor: CursorText = "", limit: Limit = 100) -> m.Drivers:
    """All drivers."""
    with desk.db.tenant(caller.fleet) as cur:
        found = rows(cur, store.LIST_DRIVERS, (cursor, limit))
    return m.Drivers(items=[driver_out(r) for r in found], next_cursor=next_of(found, limit, "driver_id"))


@router.post("/drivers", status_code=201, response_model=m.Driver)
def post_driver(new: m.NewDriver, once: OnlyOnce, caller: FleetWriter) -> Response:
    """Make a driver."""

    def work(cur: Cursor) -> m.Driver:
        return driver_out(
            _must(store.driver(cur, store.add_driver(cur, caller.fleet, name=new.name, phone=new.phone, terms=stored(new.terms))))
        )

    return once.run(caller, work, status=201)


@router.get("/drivers/{driver}")
def get_driver(driver: str, desk: AtDesk, caller: FleetReader) -> m.Driver:
    """One driver."""
    with desk.db.tenant(caller.fleet) as cur:
        return driver_out(known_driver(cur, driver))


@router.patch("/drivers/{driver}")
def patch_driver(driver: str, change: m.DriverChange, desk: AtDesk, caller: FleetWriter) -> m.Driver:
    """Change a driver's name or telephone."""
    with desk.db.tenant(caller.fleet) as cur:
        known_driver(cur, driver)
        store.change(cur, "drivers", driver, _with_terms(no_nulls(change.model_dump(exclude_unset=True)), "terms", change.terms))
        for vehicle in rows(cur, "SELECT depot_id, name FROM vehicles WHERE driver_id = %s AND retired_at IS NULL", (driver,)):
            revision.bump(cur, vehicle["depot_id"], f"the driver of {vehicle['name']} changed", clock=desk.clock)
        return driver_out(known_driver(cur, driver))


# ── vehicles ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/vehicles")
def get_vehicles(desk: AtDesk, caller: FleetReader, cursor: CursorText = "", limit: Limit = 100) -> m.Vehicles:
    """All vehicles in use."""
    with desk.db.tenant(caller.fleet) as cur:
        found = rows(cur, store.LIST_VEHICLES, (cursor, limit))
    return m.Vehicles(items=[vehicle_out(r) for r in found], next_cursor=next_of(found, limit, "vehicle_id"))


@router.post("/vehicles", status_code=201, response_model=m.Vehicle)
def post_vehicle(new: m.NewVehicle, desk: AtDesk, once: OnlyOnce, caller: FleetWriter) -> Response:
    """Make a vehicle. Its unit gets keys with `roundsman-hub provision VEHICLE`."""

    def work(cur: Cursor) -> m.Vehicle:
        known_depot(cur, new.depot, status=422)
        if new.driver is not None:
            known_driver(cur, new.driver, status=422)
        vehicle_id = store.add_vehicle(
            cur,
            caller.fleet,
            name=new.name,
            depot_id=new.depot,
            driver_id=new.driver,
            capacity=new.capacity,
            shift_start=new.shift_start,
            shift_end=new.shift_end,
            terms=stored(new.terms),
        )
        revision.bump(cur, new.depot, f"{new.name} joined", clock=desk.clock)
        return vehicle_out(known_vehicle(cur, vehicle_id))

    return once.run(caller, work, status=201)


@router.get("/vehicles/{vehicle}")
def get_vehicle(vehicle: str, desk: AtDesk, caller: FleetReader) -> m.Vehicle:
    """One vehicle."""
    with desk.db.tenant(caller.fleet) as cur:
        return vehicle_out(known_vehicle(cur, vehicle))


@router.patch("/vehicles/{vehicle}")
def patch_vehicle(vehicle: str, change: m.VehicleChange, desk: AtDesk, caller: FleetWriter) -> m.Vehicle:
    """Change a vehicle: its driver, capacity or shift; its depot plans anew."""
    with desk.db.tenant(caller.fleet) as cur:
        before = known_vehicle(cur, vehicle)
        changes = _with_terms(no_nulls(change.model_dump(exclude_unset=True), but=frozenset({"driver"})), "terms", change.terms)
        if "driver" in changes:
            changes["driver_id"] = changes.pop("driver")
            if changes["driver_id"] is not None:
                known_driver(cur, changes["driver_id"], status=422)
        after = before | changes
        if after["shift_end"] <= after["shift_start"]:
            raise Problem(422, "shift-backwards", "shift_end must be after shift_start", next_step="send both, shift_start first")
        store.change(cur, "vehicles", vehicle, changes)
        revision.bump(cur, before["depot_id"], f"{before['name']} changed", clock=desk.clock)
        notify(cur, "vehicle", caller.fleet, vehicle)
        return vehicle_out(known_vehicle(cur, vehicle))


# ── what must be there ───────────────────────────────────────────────────────────────────────────────────────────────

Noun = Literal["depot", "driver", "vehicle", "fence"]


def known(found: Row | None, noun: Noun, wanted: str, status: int = 404) -> Row:
    """What was found, or a refusal that says what was not."""
    if found is None:
        raise not_found(noun, wanted, see=f"/v1/{noun}s", status=status)
    return found


def _must(found: Row | None) -> Row:
    assert found is not None  # made in this transaction
    return found


def known_depot(cur: Cursor, depot: str, status: int = 404) -> Row:
    """The depot; else 404, or 422 where a body names it."""
    return known(store.depot(cur, depot), "depot", depot, status)


def known_driver(cur: Cursor, driver: str, status: int = 404) -> Row:
    """The driver; else 404, or 422 where a body names it."""
    return known(store.driver(cur, driver), "driver", driver, status)


def known_vehicle(cur: Cursor, vehicle: str) -> Row:
    """The vehicle, or 404."""
    return known(store.vehicle(cur, vehicle), "vehicle", vehicle)
