"""The API on a real port and a real database, with a fleet of its own for each test."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from tests.hub.api.mailbox import Hook, Mailbox, open_hook, open_mailbox

from roundsman_core.geo import LatLon, distance_m
from roundsman_core.timebase import TimeBase
from roundsman_hub.api import keys
from roundsman_hub.api.app import create_app
from roundsman_hub.broker import free_port
from roundsman_hub.clock import Clock
from roundsman_hub.domain.roles import Role
from roundsman_hub.geocode import Ambiguous, Candidate, Found, Unknown
from roundsman_hub.geocode.answers import Answer
from roundsman_hub.roads import GreatCircle, Nearest
from roundsman_hub.settings import BrokerLogin, Endpoint, Settings
from roundsman_hub.store.db import Database
from roundsman_hub.store.rows import new_id, notify, row

TOWN = LatLon(50.0, 10.0)
MONDAY_10_UTC_MS = 1_772_445_600_000


class TownsRoads(GreatCircle):
    """Roads end 5 km from the middle of the town."""

    def nearest(self, place: LatLon, *, profile: str = "car") -> Nearest:
        return Nearest(position=place, distance_m=max(0.0, distance_m(TOWN, place) - 5_000.0))


class TownsAddresses:
    """Three streets: one there is, one there are two of, one that leads out of the map."""

    def find(self, text: str) -> Answer:
        """See `Geocoder.find`."""
        if text.startswith("Mill Street"):
            return Found(position=LatLon(50.01, 10.0), label="Mill Street 4")
        if text.startswith("Church Lane"):
            two = tuple(
                Candidate(position=LatLon(50.0 + d, 10.0), label=f"Church Lane 1, {v}") for d, v in ((0.01, "Oldtown"), (0.02, "Newtown"))
            )
            return Ambiguous(candidates=two, reason="2 places have this address")
        if text.startswith("Far Road"):
            return Found(position=LatLon(50.2, 10.0), label="Far Road 1")
        return Unknown(reason="no such street on the map")

    def close(self) -> None:
        """Nothing was opened."""


@dataclass(kw_only=True)
class Shop:
    """One fleet's side of the API, with a key of each role."""

    url: str
    db: Database
    clock: Clock
    fleet: str
    blobs_dir: Path
    clients: dict[Role, httpx.Client] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        """HTTP as the admin: `shop.post(…)`."""
        return getattr(self.clients["admin"], name)

    def at(self, **delta: float) -> str:
        """An instant from now on, as the API writes it."""
        return (self.clock.now() + timedelta(**delta)).isoformat()

    def depot(self) -> str:
        """A depot in the middle of the town."""
        made = self.post("/v1/depots", json={"name": "Quay", "lat_deg": TOWN.lat_deg, "lon_deg": TOWN.lon_deg})
        assert made.status_code == 201, made.text
        return str(made.json()["depot"])

    def van(self, depot: str, name: str = "Van 1") -> str:
        """A van whose shift is from an hour ago to in eight hours."""
        shift = {"shift_start": self.at(hours=-1), "shift_end": self.at(hours=8)}
        made = self.post("/v1/vehicles", json={"name": name, "depot": depot, "capacity": 20, **shift})
        assert made.status_code == 201, made.text
        return str(made.json()["vehicle"])

    def body(self, **fields: Any) -> dict[str, Any]:
        """An order as a shop sends it."""
        body = {"name": "Kit", "address": "Mill Street 4", "window_start": self.at(hours=1), "window_end": self.at(hours=3)}
        return body | fields

    def order(self, **fields: Any) -> dict[str, Any]:
        """An order that was taken."""
        made = self.post("/v1/orders", json=self.body(**fields))
        assert made.status_code == 201, made.text
        order: dict[str, Any] = made.json()
        return order

    def revision(self, depot: str) -> int:
        """How often the planner was told that the depot's work changed."""
        with self.db.transaction() as cur:
            found = cur.execute("SELECT revision FROM planning WHERE depot_id = %s", (depot,)).fetchone()
        assert found is not None
        return int(found["revision"])

    def reasons(self, depot: str) -> list[tuple[str, str, str]]:
        """Why the depot is planned anew: kind, words, and what it is about; the newest last."""
        with self.db.transaction() as cur:
            found = cur.execute("SELECT reasons FROM planning WHERE depot_id = %s", (depot,)).fetchone()
        assert found is not None
        return [(one["kind"], one["reason"], one["subject"]) for one in found["reasons"]]

    def in_force(self, vehicle: str, orders: list[str], *, duty: str = "on") -> None:
        """A plan of these stops that came into force on the van, whose driver is at work and stands in the middle of the town."""
        now = self.clock.now()
        with self.db.transaction() as cur:
            newest = row(cur, "SELECT coalesce(max(version), 0) AS version FROM plans WHERE vehicle_id = %s", (vehicle,))
            assert newest is not None
            version = max(self.clock.utc_ms(), newest["version"] + 1)
            cur.execute(
                "INSERT INTO plans (vehicle_id, version, fleet_id, issued_at, issued_real_at, reason, changes, plan, hash, envelope)"
                """ VALUES (%s, %s, %s, %s, %s, 'the first', '["one"]', '{"stops": []}', 'h', '')""",
                (vehicle, version, self.fleet, now, now),
            )
            cur.execute(
                "INSERT INTO plan_receipts VALUES (%s, %s, %s, 'in_force', 'h', NULL, %s, %s)", (vehicle, version, self.fleet, now, now)
            )
            for position, order in enumerate(orders, 1):
                cur.execute("INSERT INTO plan_tasks VALUES (%s, %s, %s, %s, %s)", (vehicle, version, self.fleet, order, position))
            cur.execute(
                "INSERT INTO vehicle_now (vehicle_id, fleet_id, online, time, lat_e6, lon_e6, duty, seen_real_at)"
                " VALUES (%(v)s, %(f)s, true, %(now)s, 50001234, 10004321, %(d)s, %(now)s)"
                " ON CONFLICT (vehicle_id) DO UPDATE SET duty = %(d)s, time = %(now)s",
                {"v": vehicle, "f": self.fleet, "now": now, "d": duty},
            )
            notify(cur, "plan", self.fleet, vehicle)

    def resolve(self, vehicle: str, order: str, state: str, *, ago_s: float = 0, reason: str | None = None) -> None:
        """A driver's tap, as the hub derived it."""
        at = self.clock.now() - timedelta(seconds=ago_s)
        with self.db.transaction() as cur:
            cur.execute(
                "INSERT INTO order_states (order_id, fleet_id, state, vehicle_id, at, arrived_at, reason, action)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, 'a') ON CONFLICT (order_id) DO UPDATE SET state = excluded.state, at = excluded.at",
                (order, self.fleet, state, vehicle, at, at, reason),
            )
            notify(cur, "order", self.fleet, order)


@pytest.fixture(scope="module")
def clock() -> Clock:
    """A Monday, 10:00 UTC, and on from there."""
    return Clock(TimeBase(origin_real_ms=round(time.time() * 1000), origin_utc_ms=MONDAY_10_UTC_MS, factor=1.0))


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hub's folder."""
    return tmp_path_factory.mktemp("hub")


@pytest.fixture(scope="module")
def url(plain_database: Database, clock: Clock, data_dir: Path) -> Iterator[str]:
    """The API's address."""
    port = free_port()
    here = Endpoint(host="127.0.0.1", port=port)
    settings = Settings(
        data_dir=data_dir,
        database_url=plain_database.dsn,
        hub_broker=BrokerLogin(host="127.0.0.1", port=0, username="", password=""),
        vans_broker=here,
        api=here,
    )
    app = create_app(settings, plain_database, clock, TownsAddresses(), TownsRoads())
    server = uvicorn.Server(uvicorn.Config(app, host=here.host, port=port, log_level="critical", timeout_graceful_shutdown=1, ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 90
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield settings.api_url
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def make_shop(url: str, plain_database: Database, clock: Clock, data_dir: Path) -> Iterator[Callable[[], Shop]]:
    """Function: a new fleet with a key of each role."""
    made: list[Shop] = []
    numbers = itertools.count(1)

    def make() -> Shop:
        fleet = new_id("fl")
        with plain_database.transaction() as cur:
            cur.execute("INSERT INTO fleets VALUES (%s, %s, 'Europe/Helsinki')", (fleet, f"Fleet {next(numbers)}"))
        shop = Shop(url=url, db=plain_database, clock=clock, fleet=fleet, blobs_dir=data_dir / "blobs")
        roles: tuple[Role, ...] = ("admin", "dispatcher", "shop", "viewer")
        for role in roles:
            key = keys.create(plain_database, fleet, role, role)
            shop.clients[role] = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60, trust_env=False)
        made.append(shop)
        return shop

    yield make
    for shop in made:
        for client in shop.clients.values():
            client.close()


@pytest.fixture
def shop(make_shop: Callable[[], Shop]) -> Shop:
    """A fleet of this test's own."""
    return make_shop()


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """A real mail server."""
    with open_mailbox() as box:
        yield box


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A shop's webhook."""
    with open_hook() as opened:
        yield opened
