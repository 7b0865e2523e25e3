"""A fleet for the people's benchmarks: vans, customers, and words by which everyone's data is known again."""

from __future__ import annotations

import contextlib
import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from psycopg.types.json import Jsonb

from roundsman_core.geo import LatLon, LocalFrame
from roundsman_hub.api import keys
from roundsman_hub.clock import Clock
from roundsman_hub.store import embedded, fleet as fleet_store, orders as order_store
from roundsman_hub.store.db import Database
from roundsman_hub.store.migrate import migrate
from roundsman_hub.store.rows import new_id

CENTRE: Final = LatLon(50.0, 10.0)
HALF_TOWN_M: Final = 7_000.0
QUICK_DB: Final = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "max_connections": "80"}


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """What was made."""

    fleet: str
    depot: str
    vans: tuple[str, ...]
    orders: tuple[str, ...]
    tokens: tuple[str, ...]


@contextlib.contextmanager
def database() -> Iterator[tuple[Database, Path]]:
    """An embedded database of its own, and a folder."""
    with (
        tempfile.TemporaryDirectory(prefix="roundsman-people-") as folder,
        embedded.start(Path(folder) / "pg", settings=QUICK_DB) as server,
    ):
        migrate(server.dsn())
        with Database.connect(server.dsn(), max_size=12) as db:
            yield db, Path(folder)


def marker(number: int) -> str:
    """In every word of customer `number`, and in nobody else's."""
    return f"mk{number:05d}x"


def make(db: Database, clock: Clock, *, vans: int, orders: int, seed: int, planned: bool) -> Fleet:
    """Vans with a shift of nine hours, and orders with windows of three; `planned`: each in a plan in force, with an arrival time."""
    rng = random.Random(seed)
    frame, now = LocalFrame(CENTRE), clock.now()
    fleet, _ = keys.first_fleet(db, "Fleet", "Europe/Berlin")
    made, tokens, vehicles = [], [], []
    with db.transaction() as cur:
        depot = fleet_store.add_depot(cur, fleet, name="Depot", address="", lat_e6=CENTRE.lat_e6, lon_e6=CENTRE.lon_e6)
        for number in range(vans):
            vehicle = new_id("v")
            cur.execute(
                "INSERT INTO vehicles (vehicle_id, fleet_id, name, depot_id, capacity, shift_start, shift_end)"
                " VALUES (%s, %s, %s, %s, 80, %s, %s)",
                (vehicle, fleet, f"vehiclename{number}", depot, now - timedelta(minutes=5), now + timedelta(hours=9)),
            )
            vehicles.append(vehicle)
        for number in range(orders):
            at = frame.to_latlon(rng.uniform(-HALF_TOWN_M, HALF_TOWN_M), rng.uniform(-HALF_TOWN_M, HALF_TOWN_M))
            opens = now + timedelta(minutes=rng.randrange(30, 330))
            word = marker(number)
            order = order_store.add(
                cur,
                fleet,
                {
                    "depot_id": depot,
                    "kind": "delivery",
                    "name": f"name{word}",
                    "phone": "",
                    "reference": f"ref{word}",
                    "address": f"street{word}",
                    "instructions": f"inst{word}",
                    "lat_e6": at.lat_e6,
                    "lon_e6": at.lon_e6,
                    "placed": "given",
                    "window_start": opens,
                    "window_end": opens + timedelta(hours=3),
                    "promise_start": opens,
                    "promise_end": opens + timedelta(hours=3),
                    "service_s": 150,
                    "parcels": 1,
                    "items": Jsonb([{"parcel": f"parcel{word}", "name": f"item{word}"}]),
                    "created_at": now,
                },
            )
            made.append(order)
            found = cur.execute("SELECT track_token FROM orders WHERE order_id = %s", (order,)).fetchone()
            assert found is not None
            tokens.append(str(found["track_token"]))
    done = Fleet(fleet=fleet, depot=depot, vans=tuple(vehicles), orders=tuple(made), tokens=tuple(tokens))
    if planned:
        _plan(db, done, now)
    return done


def _plan(db: Database, made: Fleet, now: datetime) -> None:
    with db.transaction() as cur:
        for index, vehicle in enumerate(made.vans):
            mine = made.orders[index :: len(made.vans)]
            cur.execute(
                "INSERT INTO plans (vehicle_id, version, fleet_id, issued_at, issued_real_at, reason, changes, plan, hash, envelope)"
                """ VALUES (%s, 1, %s, %s, %s, '', '[]', '{"stops": []}', 'h', '')""",
                (vehicle, made.fleet, now, now),
            )
            cur.execute("INSERT INTO plan_receipts VALUES (%s, 1, %s, 'in_force', 'h', NULL, %s, %s)", (vehicle, made.fleet, now, now))
            cur.execute(
                "INSERT INTO vehicle_now (vehicle_id, fleet_id, online, time, lat_e6, lon_e6, duty, seen_real_at)"
                " VALUES (%s, %s, true, %s, %s, %s, 'on', %s)",
                (vehicle, made.fleet, now, CENTRE.lat_e6, CENTRE.lon_e6, now),
            )
            for position, order in enumerate(mine, 1):
                eta = now + timedelta(minutes=7 * position)
                cur.execute("INSERT INTO plan_tasks VALUES (%s, 1, %s, %s, %s)", (vehicle, made.fleet, order, position))
                cur.execute(
                    "INSERT INTO etas (order_id, fleet_id, vehicle_id, plan_version, position, eta, low, high, computed_at, basis)"
                    " VALUES (%s, %s, %s, 1, %s, %s, %s, %s, %s, 'great_circle')",
                    (order, made.fleet, vehicle, position, eta, eta - timedelta(minutes=4), eta + timedelta(minutes=6), now),
                )
