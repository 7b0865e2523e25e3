"""The fleet of a pretend town: one depot, its vans, the roads, and a database that days are copied from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from roundsman_core.geo import LatLon
from roundsman_hub.pki import Signer
from roundsman_hub.roads import RoadNetwork
from roundsman_hub.store import fleet as fleet_store
from roundsman_hub.store.db import Database
from roundsman_hub.store.rows import new_id, rows

Widths = dict[int, Any]
"""Horizon in minutes → calibration."""
CAPACITY: Final = 2.05
"""Parcels of room for each order that falls to a van."""


@dataclass(frozen=True, kw_only=True)
class Town:
    """Where it all happens, and the depot's vans, as a database has them.

    Attributes
    ----------
    way : callable
        The way between two places, by the roads that the hub knows.
    """

    fleet: str
    depot: str
    depot_at: LatLon
    vehicles: tuple[str, ...]
    roads: RoadNetwork
    way: Callable[[LatLon, LatLon], tuple[tuple[LatLon, ...], float, float]]
    signer: Signer


def make_town(
    db: Database, depot_at: LatLon, vans: int, orders: int, roads: RoadNetwork, signer: Signer, *, believed: RoadNetwork | None = None
) -> Town:
    """A fleet with one depot and its vans in an empty database.

    Parameters
    ----------
    roads : RoadNetwork
        What the truth is so many times of: nothing that was learned is in it.
    believed : RoadNetwork, optional
        What the hub plans with; the same, if left out.
    """
    fleet = new_id("fl")
    start = datetime.fromisoformat("2026-03-01T08:00:00+02:00")
    with db.transaction() as cur:
        cur.execute("INSERT INTO fleets (fleet_id, name, timezone) VALUES (%s, 'Day in a box', 'Europe/Helsinki')", (fleet,))
        depot = fleet_store.add_depot(cur, fleet, name="Depot", address="", lat_e6=depot_at.lat_e6, lon_e6=depot_at.lon_e6)
        vehicles = [
            fleet_store.add_vehicle(
                cur,
                fleet,
                name=f"Van {number + 1}",
                depot_id=depot,
                driver_id=fleet_store.add_driver(cur, fleet, name=f"Driver {number + 1}", phone=""),
                capacity=round(CAPACITY * orders / vans),
                shift_start=start,
                shift_end=start + timedelta(hours=8),
            )
            for number in range(vans)
        ]
    return Town(
        fleet=fleet,
        depot=depot,
        depot_at=depot_at,
        vehicles=tuple(vehicles),
        roads=believed or roads,
        way=ways(roads),
        signer=signer,
    )


def ways(roads: RoadNetwork) -> Callable[[LatLon, LatLon], tuple[tuple[LatLon, ...], float, float]]:
    """Ways by the roads, each asked for once."""
    known: dict[tuple[LatLon, LatLon], tuple[tuple[LatLon, ...], float, float]] = {}

    def way(a: LatLon, b: LatLon) -> tuple[tuple[LatLon, ...], float, float]:
        if (a, b) not in known:
            route = roads.route([a, b])
            geometry = route.geometry if len(route.geometry) > 1 else (a, b)
            known[a, b] = (a, *geometry[1:-1], b), float(route.duration_s), float(route.distance_m)
        return known[a, b]

    return way


def copy_database(server_dsn: str, template: str, name: str) -> None:
    """A database of its own for a day, made from another; the one of that name before goes."""
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))


def drop_database(server_dsn: str, name: str) -> None:
    """The day is over."""
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def widths_of(db: Database, fleet: str) -> Widths:
    """What a fleet's arrivals have taught about widths, by horizon, as its database has it."""
    with db.transaction() as cur:
        found = rows(cur, "SELECT horizon_min, state FROM eta_calibrations WHERE fleet_id = %s", (fleet,))
        return {r["horizon_min"]: r["state"] for r in found}


def set_widths(db: Database, fleet: str, widths: Widths) -> None:
    """The same in another database of that fleet."""
    with db.transaction() as cur:
        cur.executemany(
            "INSERT INTO eta_calibrations VALUES (%s, %s, %s) ON CONFLICT (fleet_id, horizon_min) DO UPDATE SET state = excluded.state",
            [(fleet, horizon, Jsonb(state)) for horizon, state in widths.items()],
        )
