"""A working hub for the dispatcher's board: API, live stream and planner on a day in the made-up town; vans that only agree."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import uvicorn

from roundsman_core.geo import LatLon
from roundsman_core.timebase import TimeBase
from roundsman_hub.api import keys
from roundsman_hub.api.app import create_app
from roundsman_hub.broker import free_port
from roundsman_hub.clock import Clock
from roundsman_hub.eta.worker import EtaWorker
from roundsman_hub.geocode import AddressBook
from roundsman_hub.pki import open_pki
from roundsman_hub.replan.planner import Planner
from roundsman_hub.replan.worker import PlanWorker
from roundsman_hub.roads import GreatCircle
from roundsman_hub.settings import BrokerLogin, Endpoint, Settings
from roundsman_hub.store.db import Database
from roundsman_hub.store.rows import notify
from roundsman_sim import SimError, town, town_file

MONDAY_10_UTC_MS: Final = 1_772_445_600_000
NAMES: Final = ("Alma", "Björn", "Chidi", "Dana")
STARTS_WITHIN_S: Final = 20.0
CAPACITY: Final = 12
"""So small that a day needs nearly all vans, and so large that it can lose one."""


@dataclass(frozen=True, kw_only=True)
class BoardHub:
    """The hub as a browser meets it, and what a test needs to let things happen."""

    url: str
    key: str
    fleet: str
    depot: str
    db: Database
    clock: Clock
    client: httpx.Client
    place: town.Town
    vehicles: list[str]
    orders: list[dict[str, Any]]

    def heard(self, vehicle: str, at: LatLon, *, silent_s: float = 0.0, duty: str = "on") -> None:
        """The hub hears where a van is, or last heard it `silent_s` ago."""
        now, real = self.clock.now() - timedelta(seconds=silent_s), self.clock.real_now() - timedelta(seconds=silent_s)
        with self.db.transaction() as cur:
            cur.execute(
                "INSERT INTO vehicle_now (vehicle_id, fleet_id, online, time, lat_e6, lon_e6, speed_cm_s, heading_cdeg, duty, seen_real_at)"
                " VALUES (%s, %s, %s, %s, %s, %s, 830, 4500, %s, %s) ON CONFLICT (vehicle_id) DO UPDATE SET online = excluded.online,"
                " time = excluded.time, lat_e6 = excluded.lat_e6, lon_e6 = excluded.lon_e6, duty = excluded.duty,"
                " seen_real_at = excluded.seen_real_at",
                (vehicle, self.fleet, silent_s == 0, now, at.lat_e6, at.lon_e6, duty, real),
            )
            notify(cur, "vehicle", self.fleet, vehicle)

    def reported(self, vehicle: str, topic: str, text: str) -> None:
        """The van's log tells what its driver reported."""
        with self.db.transaction() as cur:
            cur.execute(
                "INSERT INTO reports (session_no, seq, vehicle_id, fleet_id, report, topic, text, at)"
                " SELECT 1, coalesce(max(seq), 0) + 1, %(v)s, %(f)s, 'r-' || (coalesce(max(seq), 0) + 1), %(topic)s, %(text)s, %(at)s"
                " FROM reports",
                {"v": vehicle, "f": self.fleet, "topic": topic, "text": text, "at": self.clock.now()},
            )
            notify(cur, "message", self.fleet, vehicle)
            notify(cur, "log", self.fleet, vehicle)

    def unanswered(self, vehicle: str) -> None:
        """Its plan was sent again a minute ago, and it says nothing of it."""
        newest = "vehicle_id = %(v)s AND version = (SELECT max(version) FROM plans WHERE vehicle_id = %(v)s)"
        with self.db.transaction() as cur:
            cur.execute(
                "INSERT INTO plans (vehicle_id, version, fleet_id, issued_at, issued_real_at, valid_until, reason, changes, plan, hash,"
                " envelope)"
                f" SELECT vehicle_id, version + 1, fleet_id, issued_at, %(real)s, valid_until, reason, changes,"
                f" jsonb_set(plan, '{{version}}', to_jsonb(version + 1)), hash, envelope FROM plans WHERE {newest}",
                {"v": vehicle, "real": self.clock.real_now() - timedelta(minutes=1)},
            )
            cur.execute(
                "INSERT INTO plan_tasks (vehicle_id, version, fleet_id, order_id, position) SELECT t.vehicle_id, t.version + 1, t.fleet_id,"
                " t.order_id, t.position FROM plan_tasks t WHERE t.vehicle_id = %(v)s"
                " AND t.version = (SELECT max(version) - 1 FROM plans WHERE vehicle_id = %(v)s)",
                {"v": vehicle},
            )
            notify(cur, "plan", self.fleet, vehicle)

    def agree(self) -> None:
        """Every van says that its newest plan is in force: what left it is free for others."""
        with self.db.transaction() as cur:
            cur.execute(
                "INSERT INTO plan_receipts (vehicle_id, version, fleet_id, state, hash, received_real_at)"
                " SELECT DISTINCT ON (vehicle_id) vehicle_id, version, fleet_id, 'in_force', hash, %s FROM plans WHERE fleet_id = %s"
                " ORDER BY vehicle_id, version DESC ON CONFLICT DO NOTHING",
                (self.clock.real_now(), self.fleet),
            )
            for vehicle in self.vehicles:
                notify(cur, "plan", self.fleet, vehicle)
                notify(cur, "log", self.fleet, vehicle)

    def in_plan(self, order: str) -> str | None:
        """The van whose newest plan has an order."""
        found: str | None = self.client.get(f"/v1/orders/{order}").json()["vehicle"]
        return found


@contextlib.contextmanager
def board_hub(db: Database, folder: Path, *, vans: int = 4, orders: int = 28) -> Iterator[BoardHub]:
    """Serve a day in the making until the block ends: `vans` on duty at the depot, `orders` over the next hours, planned by insertion."""
    place = town.build(seed=1)
    town_file.write(place, folder / "town.osm.pbf")
    clock = Clock(TimeBase(origin_real_ms=round(time.time() * 1000), origin_utc_ms=MONDAY_10_UTC_MS, factor=1.0))
    port = free_port()
    settings = Settings(
        data_dir=folder,
        database_url=db.dsn,
        hub_broker=BrokerLogin(host="127.0.0.1", port=0, username="", password=""),
        vans_broker=Endpoint(host="127.0.0.1", port=0),
        api=Endpoint(host="127.0.0.1", port=port),
        osm=folder / "town.osm.pbf",
    )
    app = create_app(settings, db, clock, AddressBook.from_osm(folder / "town.osm.pbf"), GreatCircle())
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=1, ws="none"))
    planner = Planner(db, GreatCircle(), open_pki(folder / "pki").signer(), clock, lambda: None)
    stop = threading.Event()
    threads = [
        threading.Thread(target=server.run, name="board-api"),
        threading.Thread(target=PlanWorker(db, planner, clock, None).run, args=(stop,), name="board-plan"),
        threading.Thread(target=EtaWorker(db, GreatCircle(), clock).run, args=(stop,), name="board-eta"),
    ]
    fleet, _ = keys.first_fleet(db, "Brackwater parcels", "Europe/London")
    key = keys.create(db, fleet, "admin", "board")
    for thread in threads:
        thread.start()
    try:
        _until(lambda: server.started)
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {key}"}, timeout=60, trust_env=False
        ) as client:
            yield _day(BoardHub(
                url=f"http://127.0.0.1:{port}", key=key, fleet=fleet, depot=_depot(client, place), db=db, clock=clock, client=client,
                place=place, vehicles=[], orders=[],
            ), vans, orders)  # fmt: skip
    finally:
        stop.set()
        server.should_exit = True
        for thread in threads:
            thread.join(10)


def _until(holds: Any, within_s: float = STARTS_WITHIN_S) -> None:
    ends = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > ends:
            raise SimError(f"not within {within_s:g} s")
        time.sleep(0.02)


def _made(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(path, json=body)
    if answer.status_code != 201:
        raise SimError(f"{path}: {answer.text}")
    made: dict[str, Any] = answer.json()
    return made


def _depot(client: httpx.Client, place: town.Town) -> str:
    at = place.place(place.depot.door_m)
    return str(_made(client, "/v1/depots", {"name": "Quay", "lat_deg": at.lat_deg, "lon_deg": at.lon_deg})["depot"])


def _day(hub: BoardHub, vans: int, orders: int) -> BoardHub:
    now: datetime = hub.clock.now()
    shift = {"shift_start": (now - timedelta(hours=2)).isoformat(), "shift_end": (now + timedelta(hours=7)).isoformat()}
    for number in range(vans):
        name = NAMES[number % len(NAMES)]
        driver = _made(hub.client, "/v1/drivers", {"name": name, "phone": f"+44 1632 9600{number:02}"})["driver"]
        body = {"name": f"Van {number + 1}", "depot": hub.depot, "driver": driver, "capacity": CAPACITY, **shift}
        hub.vehicles.append(_made(hub.client, "/v1/vehicles", body)["vehicle"])
    for number, house in enumerate(hub.place.houses[:: len(hub.place.houses) // orders][:orders]):
        start = now + timedelta(minutes=20 + number % 8 * 20)
        window = {"window_start": start.isoformat(), "window_end": (start + timedelta(hours=2)).isoformat()}
        hub.orders.append(
            _made(hub.client, "/v1/orders", {"reference": f"B-{100 + number}", "name": "Kit", "address": house.address, **window})
        )
    at = hub.place.place(hub.place.depot.door_m)
    for vehicle in hub.vehicles:
        hub.heard(vehicle, at)
    _until(lambda: all(hub.in_plan(order["order"]) for order in hub.orders))
    return hub
