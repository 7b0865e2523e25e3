"""Doors for a fleet's own things: depots, drivers, vehicles, fences."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from zoneinfo import available_timezones

from fastapi import APIRouter, Query, Response

from roundsman_hub.api import models as m
from roundsman_hub.api.desk import AtDesk, FleetReader, FleetWriter
from roundsman_hub.api.once import OnlyOnce
from roundsman_hub.api.problems import Problem, documented, not_found
from roundsman_hub.api.terms import Terms, stored
from roundsman_hub.replan import revision
from roundsman_hub.store import fleet as store
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, notify, rows

router = APIRouter(prefix="/v1", tags=["fleet"], responses=documented(401, 403, 404, 422, 503))
Cursor_ = Annotated[str, Query(description="`next_cursor` of the page before")]
Limit = Annotated[int, Query(ge=1, le=500)]


def _next(found: list[Row], limit: int, key: str) -> str | None:
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


def fence_out(r: Row) -> m.Fence:
    """A fence as it goes over HTTP."""
    rings = [[(lat / 1e6, lon / 1e6) for lat, lon in ring] for ring in r["rings_e6"]]
    circle = None if r["radius_m"] is None else m.Circle(lat_deg=rings[0][0][0], lon_deg=rings[0][0][1], radius_m=r["radius_m"])
    return m.Fence(
        fence=r["fence_id"],
        name=r["name"],
        circle=circle,
        rings_deg=None if circle else rings,
        dwell_s=r["dwell_s"],
        speed_limit_mps=None if r["speed_limit_cm_s"] is None else r["speed_limit_cm_s"] / 100,
        active=None if r["active"] is None else [_hours_out(hours) for hours in r["active"]],
        time_zone=r["time_zone"],
    )


def _shape_in(shape: m.FenceShape) -> dict[str, Any]:
    """A circle or polygon as the database keeps it."""
    rings = [[(shape.circle.lat_deg, shape.circle.lon_deg)]] if shape.circle else shape.rings_deg or []
    rings_e6 = [[(round(lat * 1e6), round(lon * 1e6)) for lat, lon in ring] for ring in rings]
    return {"rings_e6": rings_e6, "radius_m": shape.circle.radius_m if shape.circle else None}


def _known_zone(name: str | None) -> None:
    if name is not None and name not in available_timezones():
        raise Problem(422, "unknown-timezone", f"no time zone {name!r}", next_step="use an IANA name, as Europe/Helsinki")


_DAYS: Final[tuple[m.Weekday, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _hours_out(hours: dict[str, int]) -> m.FenceHours:
    start, end = (f"{minute // 60:02d}:{minute % 60:02d}" for minute in (hours["start_min"], hours["end_min"]))
    return m.FenceHours(days=[day for bit, day in enumerate(_DAYS) if hours["days"] >> bit & 1], start=start, end=end)


def _hours_in(times: list[m.FenceHours] | None) -> list[dict[str, int]] | None:
    """Hours as the contract has them: a bit for each day, minutes since local midnight."""
    if times is None:
        return None
    minutes = [[60 * int(text[:2]) + int(text[3:]) for text in (hours.start, hours.end)] for hours in times]
    return [
        {"days": sum(1 << _DAYS.index(day) for day in set(hours.days)), "start_min": start, "end_min": end}
        for hours, (start, end) in zip(times, minutes, strict=True)
    ]


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


def _no_nulls(changes: dict[str, Any], *, but: frozenset[str] = frozenset()) -> dict[str, Any]:
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
    changes = _with_terms(_no_nulls(change.model_dump(exclude_unset=True)), "planning", change.planning)
    _known_zone(changes.get("timezone"))
    with desk.db.tenant(caller.fleet) as cur:
        store.change_fleet(cur, caller.fleet, changes)
        if "planning" in changes:
            for depot in rows(cur, store.LIST_DEPOTS, ("", 500)):
                revision.bump(cur, depot["depot_id"], "the fleet's rules changed", clock=desk.clock)
        return fleet_out(store.fleet(cur, caller.fleet))


# ── depots ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/depots")
def get_depots(desk: AtDesk, caller: FleetReader, cursor: Cursor_ = "", limit: Limit = 100) -> m.Depots:
    """All depots."""
    with desk.db.tenant(caller.fleet) as cur:
        found = rows(cur, store.LIST_DEPOTS, (cursor, limit))
    return m.Depots(items=[depot_out(r) for r in found], next_cursor=_next(found, limit, "depot_id"))


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
        changes = _with_terms(_places(_no_nulls(change.model_dump(exclude_unset=True))), "terms", change.terms)
        store.change(cur, "depots", depot, changes)
        if changes.keys() & {"lat_e6", "terms"}:
            revision.bump(cur, depot, "the depot moved" if "lat_e6" in changes else "the depot changed", clock=desk.clock)
        return depot_out(known_depot(cur, depot))


# ── drivers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/drivers")
def get_drivers(desk: AtDesk, caller: FleetReader, cursor: Cursor_ = "", limit: Limit = 100) -> m.Drivers:
    """All drivers."""
    with desk.db.tenant(caller.fleet) as cur:
        found = rows(cur, store.LIST_DRIVERS, (cursor, limit))
    return m.Drivers(items=[driver_out(r) for r in found], next_cursor=_next(found, limit, "driver_id"))


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
        store.change(cur, "drivers", driver, _with_terms(_no_nulls(change.model_dump(exclude_unset=True)), "terms", change.terms))
        for vehicle in rows(cur, "SELECT depot_id, name FROM vehicles WHERE driver_id = %s AND retired_at IS NULL", (driver,)):
            revision.bump(cur, vehicle["depot_id"], f"the driver of {vehicle['name']} changed", clock=desk.clock)
        return driver_out(known_driver(cur, driver))


# ── vehicles ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/vehicles")
def get_vehicles(desk: AtDesk, caller: FleetReader, cursor: Cursor_ = "", limit: Limit = 100) -> m.Vehicles:
    """All vehicles in use."""
    with desk.db.tenant(caller.fleet) as cur:
        found = rows(cur, store.LIST_VEHICLES, (cursor, limit))
    return m.Vehicles(items=[vehicle_out(r) for r in found], next_cursor=_next(found, limit, "vehicle_id"))


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
        changes = _with_terms(_no_nulls(change.model_dump(exclude_unset=True), but=frozenset({"driver"})), "terms", change.terms)
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


# ── fences ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/fences")
def get_fences(desk: AtDesk, caller: FleetReader, cursor: Cursor_ = "", limit: Limit = 100) -> m.Fences:
    """All standing fences."""
    with desk.db.tenant(caller.fleet) as cur:
        found = rows(cur, store.LIST_FENCES, (cursor, limit))
    return m.Fences(items=[fence_out(r) for r in found], next_cursor=_next(found, limit, "fence_id"))


@router.post("/fences", status_code=201, response_model=m.Fence)
def post_fence(new: m.NewFence, desk: AtDesk, once: OnlyOnce, caller: FleetWriter) -> Response:
    """Make a standing fence; vans get it at once, or when they are next online."""

    def work(cur: Cursor) -> m.Fence:
        _known_zone(new.time_zone)
        fence_id = store.add_fence(
            cur,
            caller.fleet,
            name=new.name,
            **_shape_in(new),
            dwell_s=new.dwell_s,
            speed_limit_cm_s=None if new.speed_limit_mps is None else round(new.speed_limit_mps * 100),
            active=_hours_in(new.active),
            time_zone=new.time_zone or store.fleet(cur, caller.fleet)["timezone"],
        )
        store.fences_changed(cur, caller.fleet, desk.clock.utc_ms())
        return fence_out(known_fence(cur, fence_id))

    return once.run(caller, work, status=201)


@router.get("/fences/{fence}")
def get_fence(fence: str, desk: AtDesk, caller: FleetReader) -> m.Fence:
    """One fence."""
    with desk.db.tenant(caller.fleet) as cur:
        return fence_out(known_fence(cur, fence))


@router.patch("/fences/{fence}")
def patch_fence(fence: str, change: m.FenceChange, desk: AtDesk, caller: FleetWriter) -> m.Fence:
    """Change a fence's name or limits. A fence of another shape is another fence: its crossings tell of the old one."""
    with desk.db.tenant(caller.fleet) as cur:
        known_fence(cur, fence)
        changes = _no_nulls(change.model_dump(exclude_unset=True), but=frozenset({"dwell_s", "speed_limit_mps", "active"}))
        _known_zone(changes.get("time_zone"))
        if "active" in changes:
            changes["active"] = _hours_in(change.active)
        if "speed_limit_mps" in changes:
            limit = changes.pop("speed_limit_mps")
            changes["speed_limit_cm_s"] = None if limit is None else round(limit * 100)
        store.change(cur, "fences", fence, changes)
        store.fences_changed(cur, caller.fleet, desk.clock.utc_ms())
        return fence_out(known_fence(cur, fence))


@router.delete("/fences/{fence}", status_code=204)
def delete_fence(fence: str, desk: AtDesk, caller: FleetWriter) -> None:
    """Take a fence away. What was crossed stays known."""
    with desk.db.tenant(caller.fleet) as cur:
        known_fence(cur, fence)
        store.change(cur, "fences", fence, {"deleted_at": desk.clock.now()})
        store.fences_changed(cur, caller.fleet, desk.clock.utc_ms())


@router.put("/fences/{fence}/shape", response_model=m.Fence)
def put_fence_shape(fence: str, shape: m.FenceShape, desk: AtDesk, caller: FleetWriter) -> m.Fence:
    """Give a fence another shape: it is then another fence, with the old one's name, limits and hours. Says which."""
    with desk.db.tenant(caller.fleet) as cur:
        old = known_fence(cur, fence)
        store.change(cur, "fences", fence, {"deleted_at": desk.clock.now()})
        same = {field: old[field] for field in ("name", "dwell_s", "speed_limit_cm_s", "active", "time_zone")}
        made = store.add_fence(cur, caller.fleet, **same, **_shape_in(shape))
        store.fences_changed(cur, caller.fleet, desk.clock.utc_ms())
        return fence_out(known_fence(cur, made))


@router.post("/fences/{fence}/restore", response_model=m.Fence)
def restore_fence(fence: str, desk: AtDesk, caller: FleetWriter) -> m.Fence:
    """Put a fence that was taken away where it was: the same one, with what was crossed."""
    with desk.db.tenant(caller.fleet) as cur:
        if not store.change(cur, "fences", fence, {"deleted_at": None}):
            _known(None, "fence", fence)
        store.fences_changed(cur, caller.fleet, desk.clock.utc_ms())
        return fence_out(known_fence(cur, fence))


# ── what must be there ───────────────────────────────────────────────────────────────────────────────────────────────

Noun = Literal["depot", "driver", "vehicle", "fence"]


def _known(found: Row | None, noun: Noun, wanted: str, status: int = 404) -> Row:
    if found is None:
        raise not_found(noun, wanted, see=f"/v1/{noun}s", status=status)
    return found


def _must(found: Row | None) -> Row:
    assert found is not None  # made in this transaction
    return found


def known_depot(cur: Cursor, depot: str, status: int = 404) -> Row:
    """The depot; else 404, or 422 where a body names it."""
    return _known(store.depot(cur, depot), "depot", depot, status)


def known_driver(cur: Cursor, driver: str, status: int = 404) -> Row:
    """The driver; else 404, or 422 where a body names it."""
    return _known(store.driver(cur, driver), "driver", driver, status)


def known_vehicle(cur: Cursor, vehicle: str) -> Row:
    """The vehicle, or 404."""
    return _known(store.vehicle(cur, vehicle), "vehicle", vehicle)


def known_fence(cur: Cursor, fence: str) -> Row:
    """The fence, or 404."""
    return _known(store.fence(cur, fence), "fence", fence)
