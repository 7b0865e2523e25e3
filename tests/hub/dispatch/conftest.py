"""A van in a real database, and worlds to issue plans from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from roundsman_core.geo import LatLon
from roundsman_hub.broker import Broker, free_port, prepare, running
from roundsman_hub.clock import Clock
from roundsman_hub.dispatch.issue import issue
from roundsman_hub.pki import Pki, open_pki
from roundsman_hub.replan.revision import bump
from roundsman_hub.replan.world import Draft, VanFacts, World
from roundsman_hub.settings import Endpoint
from roundsman_hub.store.db import Database
from roundsman_hub.store.rows import new_id, row
from roundsman_wire.messages import Plan, PlanStop

DEPOT = LatLon(50.0, 10.0)


@dataclass
class Desk:
    """One van, and the planner's view of it."""

    db: Database
    pki: Pki
    clock: Clock
    fleet: str
    depot: str
    vehicle: str

    def world(self) -> World:
        """As the planner would read it now."""
        now = self.clock.now()
        with self.db.transaction() as cur:
            planning = row(cur, "SELECT * FROM planning WHERE depot_id = %s", (self.depot,))
            plan = row(cur, "SELECT plan FROM plans WHERE vehicle_id = %s ORDER BY version DESC LIMIT 1", (self.vehicle,))
        assert planning is not None
        van = VanFacts(
            vehicle_id=self.vehicle,
            name="Van",
            driver_id=None,
            capacity=10,
            carried=0,
            shift_start=now - timedelta(hours=1),
            shift_end=now + timedelta(hours=7),
            online=True,
            duty="on",
            ended=False,
            position=None,
            left_with=None,
            in_progress=(),
            driving_to=None,
            newest=None if plan is None else msgspec.convert(plan["plan"], Plan),
            refused=False,
            in_force_version=0,
            session=None,
            facts_seq=0,
        )
        return World(
            fleet_id=self.fleet,
            depot_id=self.depot,
            depot=DEPOT,
            revision=planning["revision"],
            planned=planning["planned"],
            reasons=(),
            now=now,
            epoch=1,
            orders={},
            done=frozenset(),
            vans={self.vehicle: van},
            issued=(),
            unassigned={},
        )

    def draft(self, *orders: str) -> Draft:
        stops = tuple(
            PlanStop(
                stop=order,
                tasks=(order,),
                kind="pickup",
                lat_e6=50_000_000,
                lon_e6=10_000_000,
                fence_radius_m=60,
                leg_s=60,
                leg_m=500,
                service_s=60,
                arrival_utc_ms=0,
            )
            for order in orders
        )
        return Draft(vehicle_id=self.vehicle, stops=stops, reason="a test")

    def order(self) -> str:
        order = new_id("o")
        now = self.clock.now()
        with self.db.transaction() as cur:
            cur.execute(
                "INSERT INTO orders (order_id, fleet_id, depot_id, kind, address, placed, window_start, window_end, service_s, parcels,"
                " track_token, created_at) VALUES (%s, %s, %s, 'pickup', '', 'given', %s, %s, 60, 1, %s, %s)",
                (order, self.fleet, self.depot, now, now, order, now),
            )
        return order

    def bump(self) -> None:
        with self.db.transaction() as cur:
            bump(cur, self.depot, "a test", clock=self.clock)

    def issue(self, *orders: str, world: World | None = None) -> Plan:
        """Commit a plan with these stops."""
        world = world or self.world()
        with self.db.transaction() as cur:
            return issue(cur, world, [self.draft(*orders)], {}, signer=self.pki.signer(), clock=self.clock)[0]

    def published(self, plan: Plan) -> bool:
        with self.db.transaction() as cur:
            found = row(cur, "SELECT published_at FROM plans WHERE vehicle_id = %s AND version = %s", (plan.vehicle, plan.version))
        return found is not None and found["published_at"] is not None


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return open_pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def make_desk(plain_database: Database, pki: Pki) -> Callable[[], Desk]:
    def make() -> Desk:
        clock = Clock()
        fleet, depot, vehicle = new_id("fl"), new_id("p"), new_id("v")
        start = datetime.now(UTC)
        with plain_database.transaction() as cur:
            cur.execute("INSERT INTO fleets (fleet_id, name) VALUES (%s, 'Fleet')", (fleet,))
            cur.execute(
                "INSERT INTO depots (depot_id, fleet_id, name, lat_e6, lon_e6) VALUES (%s, %s, 'D', 50000000, 10000000)", (depot, fleet)
            )
            cur.execute(
                "INSERT INTO vehicles (vehicle_id, fleet_id, name, depot_id, capacity, shift_start, shift_end)"
                " VALUES (%s, %s, 'Van', %s, 10, %s, %s)",
                (vehicle, fleet, depot, start, start + timedelta(hours=8)),
            )
            bump(cur, depot, "made")
        return Desk(db=plain_database, pki=pki, clock=clock, fleet=fleet, depot=depot, vehicle=vehicle)

    return make


@pytest.fixture
def desk(make_desk: Callable[[], Desk]) -> Desk:
    return make_desk()


@pytest.fixture
def broker(tmp_path: Path, pki: Pki) -> Broker:
    """A broker that is prepared, not started."""
    host = "127.0.0.1"
    return prepare(tmp_path / "broker", pki, vans=Endpoint(host=host, port=free_port()), hub=Endpoint(host=host, port=free_port()))


@pytest.fixture
def running_broker(broker: Broker) -> Iterator[Broker]:
    with running(broker):
        yield broker
