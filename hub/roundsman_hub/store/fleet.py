"""Fleets, depots, drivers, vehicles and fences: SQL beside its function. Call inside a tenant's transaction (`Database.tenant`)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg import sql
from psycopg.types.json import Jsonb

from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, new_id, notify, row, rows

_TABLES: Final[dict[str, tuple[LiteralString, frozenset[str]]]] = {
    # table: key column, columns that may change
    "depots": ("depot_id", frozenset({"name", "address", "lat_e6", "lon_e6", "terms"})),
    "drivers": ("driver_id", frozenset({"name", "phone", "terms"})),
    "vehicles": ("vehicle_id", frozenset({"name", "driver_id", "capacity", "shift_start", "shift_end", "terms"})),
    "fences": ("fence_id", frozenset({"name", "dwell_s", "speed_limit_cm_s", "active", "time_zone", "no_entry", "deleted_at"})),
}

LIST_DEPOTS: LiteralString = "SELECT * FROM depots WHERE depot_id > %s ORDER BY depot_id LIMIT %s"
LIST_DRIVERS: LiteralString = "SELECT * FROM drivers WHERE driver_id > %s ORDER BY driver_id LIMIT %s"
LIST_VEHICLES: LiteralString = "SELECT * FROM vehicles WHERE retired_at IS NULL AND vehicle_id > %s ORDER BY vehicle_id LIMIT %s"
LIST_FENCES: LiteralString = "SELECT * FROM fences WHERE deleted_at IS NULL AND fence_id > %s ORDER BY fence_id LIMIT %s"


def fleet(cur: Cursor, fleet_id: str) -> Row:
    """The fleet itself."""
    found = row(cur, "SELECT * FROM fleets WHERE fleet_id = %s", (fleet_id,))
    assert found is not None  # an API key refers to it
    return found


def change_fleet(cur: Cursor, fleet_id: str, changes: Mapping[str, Any]) -> None:
    """Rename the fleet, move its clock's zone, or set what its plans keep."""
    for column in changes.keys() & {"name", "timezone", "planning"}:
        value = Jsonb(changes[column]) if column == "planning" else changes[column]
        cur.execute(sql.SQL("UPDATE fleets SET {} = %s WHERE fleet_id = %s").format(sql.Identifier(column)), (value, fleet_id))


def depot(cur: Cursor, depot_id: str) -> Row | None:
    """One depot of this fleet."""
    return row(cur, "SELECT * FROM depots WHERE depot_id = %s", (depot_id,))


def add_depot(cur: Cursor, fleet_id: str, *, name: str, address: str, lat_e6: int, lon_e6: int, terms: Row | None = None) -> str:
    """A new depot, with its row for the planner."""
    depot_id = new_id("p")
    cur.execute(
        "INSERT INTO depots (depot_id, fleet_id, name, address, lat_e6, lon_e6, terms) VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (depot_id, fleet_id, name, address, lat_e6, lon_e6, Jsonb(terms or {})),
    )
    cur.execute("INSERT INTO planning (depot_id, fleet_id) VALUES (%s, %s)", (depot_id, fleet_id))
    return depot_id


def driver(cur: Cursor, driver_id: str) -> Row | None:
    """One driver of this fleet."""
    return row(cur, "SELECT * FROM drivers WHERE driver_id = %s", (driver_id,))


def add_driver(cur: Cursor, fleet_id: str, *, name: str, phone: str, terms: Row | None = None) -> str:
    """A new driver."""
    driver_id = new_id("d")
    cur.execute(
        "INSERT INTO drivers (driver_id, fleet_id, name, phone, terms) VALUES (%s, %s, %s, %s, %s)",
        (driver_id, fleet_id, name, phone, Jsonb(terms or {})),
    )
    return driver_id


def vehicle(cur: Cursor, vehicle_id: str) -> Row | None:
    """One vehicle of this fleet that is not retired."""
    return row(cur, "SELECT * FROM vehicles WHERE vehicle_id = %s AND retired_at IS NULL", (vehicle_id,))


def add_vehicle(
    cur: Cursor,
    fleet_id: str,
    *,
    name: str,
    depot_id: str,
    driver_id: str | None,
    capacity: int,
    shift_start: datetime,
    shift_end: datetime,
    terms: Row | None = None,
) -> str:
    """A new vehicle; its id is opaque and never used again."""
    vehicle_id = new_id("v")
    cur.execute(
        "INSERT INTO vehicles (vehicle_id, fleet_id, name, depot_id, driver_id, capacity, shift_start, shift_end, terms)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (vehicle_id, fleet_id, name, depot_id, driver_id, capacity, shift_start, shift_end, Jsonb(terms or {})),
    )
    notify(cur, "vehicle", fleet_id, vehicle_id)
    return vehicle_id


def shifts(cur: Cursor, depot_id: str) -> list[tuple[datetime, datetime]]:
    """Shifts of the depot's vehicles: those they have, and those that rosters give them."""
    found = rows(
        cur,
        "SELECT shift_start, shift_end FROM vehicles WHERE depot_id = %(depot)s AND retired_at IS NULL UNION"
        " SELECT r.shift_start, r.shift_end FROM roster r JOIN vehicles v USING (vehicle_id)"
        " WHERE v.depot_id = %(depot)s AND v.retired_at IS NULL",
        {"depot": depot_id},
    )
    return [(r["shift_start"], r["shift_end"]) for r in found]


def fence(cur: Cursor, fence_id: str) -> Row | None:
    """One standing fence of this fleet."""
    return row(cur, "SELECT * FROM fences WHERE fence_id = %s AND deleted_at IS NULL", (fence_id,))


def add_fence(
    cur: Cursor,
    fleet_id: str,
    *,
    name: str,
    rings_e6: list[list[tuple[int, int]]],
    radius_m: float | None,
    dwell_s: int | None,
    speed_limit_cm_s: int | None,
    active: list[dict[str, int]] | None = None,
    time_zone: str = "UTC",
    no_entry: bool = False,
) -> str:
    """A new standing fence. `active`: hours as the contract's `ActiveHours` has them; None: at all hours."""
    fence_id = new_id("f")
    cur.execute(
        "INSERT INTO fences (fence_id, fleet_id, name, rings_e6, radius_m, dwell_s, speed_limit_cm_s, active, time_zone,"
        " no_entry) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (fence_id, fleet_id, name, Jsonb(rings_e6), radius_m, dwell_s, speed_limit_cm_s, active and Jsonb(active), time_zone, no_entry),
    )
    return fence_id


def fences_changed(cur: Cursor, fleet_id: str, utc_ms: int) -> None:
    """Raise the version of the fleet's fences, so that the vans get the new ones."""
    cur.execute(
        "INSERT INTO sites_versions (fleet_id, version) VALUES (%(fleet)s, %(ms)s)"
        " ON CONFLICT (fleet_id) DO UPDATE SET version = GREATEST(sites_versions.version + 1, %(ms)s)",
        {"fleet": fleet_id, "ms": utc_ms},
    )
    notify(cur, "sites", fleet_id, fleet_id)


def lock_vehicle(cur: Cursor, vehicle: str) -> None:
    """Nobody else changes the vehicle until this transaction ends: its terms are read, and written as a whole."""
    cur.execute("SELECT FROM vehicles WHERE vehicle_id = %s FOR UPDATE", (vehicle,))


def change(cur: Cursor, table: str, key: str, changes: Mapping[str, object]) -> bool:
    """Change columns of one row of a fleet's table; False where there is no such row in this fleet."""
    key_column, may_change = _TABLES[table]
    columns = [column for column in changes if column in may_change]
    if not columns:
        return True
    statement = sql.SQL("UPDATE {} SET {} WHERE {} = {}").format(
        sql.Identifier(table),
        sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(c), sql.Placeholder(c)) for c in columns),
        sql.Identifier(key_column),
        sql.Placeholder("key"),
    )
    return (
        cur.execute(statement, {**{c: Jsonb(v) if isinstance(v := changes[c], (list, dict)) else v for c in columns}, "key": key}).rowcount
        == 1
    )
