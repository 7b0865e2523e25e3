"""Calendars, service levels, rosters and plans of days to come: SQL beside its function. Call inside a tenant's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, LiteralString

from psycopg.types.json import Jsonb

from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, notify, row, rows

_ON_BOARD: LiteralString = """
    SELECT DISTINCT ON (c.vehicle_id, c.parcel) c.vehicle_id, c.parcel, c.order_id, c.event, c.at FROM scans c
    WHERE c.vehicle_id = ANY(%s) AND c.at >= %s AND c.event IN ('loaded', 'unloaded') ORDER BY c.vehicle_id, c.parcel, c.at DESC
"""


def calendar(cur: Cursor, fleet_id: str) -> dict[str, Any]:
    """The fleet's working days, as they were given; empty: the usual ones."""
    found = row(cur, "SELECT spec FROM calendars WHERE fleet_id = %s", (fleet_id,))
    return {} if found is None else dict(found["spec"])


def set_calendar(cur: Cursor, fleet_id: str, spec: Mapping[str, Any]) -> None:
    """Replace it."""
    cur.execute(
        "INSERT INTO calendars (fleet_id, spec) VALUES (%s, %s) ON CONFLICT (fleet_id) DO UPDATE SET spec = excluded.spec",
        (fleet_id, Jsonb(dict(spec))),
    )


def service_levels(cur: Cursor) -> dict[str, dict[str, Any]]:
    """All, by name."""
    return {r["name"]: r["spec"] for r in rows(cur, "SELECT name, spec FROM service_levels ORDER BY name")}


def set_service_level(cur: Cursor, fleet_id: str, name: str, spec: Mapping[str, Any]) -> None:
    """Make or replace one."""
    cur.execute(
        "INSERT INTO service_levels (fleet_id, name, spec) VALUES (%s, %s, %s)"
        " ON CONFLICT (fleet_id, name) DO UPDATE SET spec = excluded.spec",
        (fleet_id, name, Jsonb(dict(spec))),
    )


def drop_service_level(cur: Cursor, name: str) -> bool:
    """False: there was none."""
    return cur.execute("DELETE FROM service_levels WHERE name = %s", (name,)).rowcount == 1


def roster(cur: Cursor, day: date) -> list[Row]:
    """Who drives what that day, and until when."""
    return rows(
        cur,
        "SELECT r.*, v.name AS vehicle_name, v.depot_id, d.name AS driver_name, d.terms AS driver_terms"
        " FROM roster r JOIN vehicles v USING (vehicle_id)"
        " LEFT JOIN drivers d ON d.driver_id = r.driver_id WHERE r.day = %s AND v.retired_at IS NULL ORDER BY r.vehicle_id",
        (day,),
    )


def set_roster(cur: Cursor, fleet_id: str, day: date, shifts: Sequence[tuple[str, str | None, datetime, datetime]]) -> None:
    """Replace a day's roster: (vehicle, driver, from, to)."""
    cur.execute("DELETE FROM roster WHERE fleet_id = %s AND day = %s", (fleet_id, day))
    cur.executemany(
        "INSERT INTO roster (vehicle_id, day, fleet_id, driver_id, shift_start, shift_end) VALUES (%s, %s, %s, %s, %s, %s)",
        [(vehicle, day, fleet_id, driver, start, end) for vehicle, driver, start, end in shifts],
    )


def day_plan(cur: Cursor, depot_id: str, day: date) -> Row | None:
    """A depot's plan of a day; locked, so that two people cannot decide about it at once."""
    return row(cur, "SELECT * FROM day_plans WHERE depot_id = %s AND day = %s FOR UPDATE", (depot_id, day))


def save_day_plan(cur: Cursor, fleet_id: str, depot_id: str, day: date, columns: Mapping[str, Any]) -> None:
    """Write a new draft in the place of the one before."""
    cur.execute(
        "INSERT INTO day_plans (depot_id, day, fleet_id, state, routes, unassigned, cost_cents, note, basis, made_at, made_by)"
        " VALUES (%(depot)s, %(day)s, %(fleet)s, 'draft', %(routes)s, %(unassigned)s, %(cost_cents)s, %(note)s, %(basis)s,"
        " %(made_at)s, %(made_by)s)"
        " ON CONFLICT (depot_id, day) DO UPDATE SET state = 'draft', routes = excluded.routes, unassigned = excluded.unassigned,"
        " cost_cents = excluded.cost_cents, note = excluded.note, basis = excluded.basis, made_at = excluded.made_at,"
        " made_by = excluded.made_by, approved_at = NULL, approved_by = NULL",
        {
            **columns,
            "depot": depot_id,
            "day": day,
            "fleet": fleet_id,
            "routes": Jsonb(columns["routes"]),
            "unassigned": Jsonb(columns["unassigned"]),
        },
    )


def approve(cur: Cursor, depot_id: str, day: date, *, by: str, at: datetime) -> None:
    """Somebody looked at it."""
    cur.execute(
        "UPDATE day_plans SET state = 'approved', approved_at = %s, approved_by = %s WHERE depot_id = %s AND day = %s",
        (at, by, depot_id, day),
    )


def released(cur: Cursor, depot_id: str, day: date, *, by: str, at: datetime, proposal: str) -> None:
    """It goes to the vans."""
    cur.execute(
        "UPDATE day_plans SET state = 'released', released_at = %s, released_by = %s, proposal_id = %s WHERE depot_id = %s AND day = %s",
        (at, by, proposal, depot_id, day),
    )


def take_shifts(cur: Cursor, fleet_id: str, shifts: Sequence[Row]) -> None:
    """The vehicles' shifts and drivers are those of the roster from now on."""
    for shift in shifts:
        cur.execute(
            "UPDATE vehicles SET shift_start = %s, shift_end = %s, driver_id = coalesce(%s, driver_id) WHERE vehicle_id = %s",
            (shift["shift_start"], shift["shift_end"], shift["driver_id"], shift["vehicle_id"]),
        )
        notify(cur, "vehicle", fleet_id, shift["vehicle_id"])


def told(cur: Cursor, vehicles: Sequence[str]) -> dict[str, Any]:
    """The vans' newest plans, as they were told."""
    newest: LiteralString = (
        "SELECT DISTINCT ON (vehicle_id) vehicle_id, plan FROM plans WHERE vehicle_id = ANY(%s) ORDER BY vehicle_id, version DESC"
    )
    return {r["vehicle_id"]: r["plan"] for r in rows(cur, newest, (list(vehicles),))}


def goods(cur: Cursor, orders: Sequence[str]) -> dict[str, Row]:
    """What is to be loaded for these orders; of those that were cancelled, nothing."""
    found = rows(
        cur,
        "SELECT order_id, reference, name, address, parcels, items FROM orders WHERE order_id = ANY(%s) AND cancelled_at IS NULL",
        (list(orders),),
    )
    return {r["order_id"]: r for r in found}


def scanned(cur: Cursor, vehicles: Sequence[str], since: datetime) -> dict[tuple[str, str], Row]:
    """The newest scan of each parcel in each van, by (vehicle, parcel)."""
    return {(r["vehicle_id"], r["parcel"]): r for r in rows(cur, _ON_BOARD, (list(vehicles), since))}
