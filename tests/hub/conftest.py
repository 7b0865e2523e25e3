"""A depot in a real database, and what its vans would have told of their day."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
import pytest

from roundsman_core.geo import LatLon, LocalFrame
from roundsman_core.timebase import TimeBase
from roundsman_hub.clock import Clock, to_ms
from roundsman_hub.pki import Signer, open_pki
from roundsman_hub.replan.planner import Planner
from roundsman_hub.replan.revision import bump
from roundsman_hub.roads import GreatCircle
from roundsman_hub.store.db import Database
from roundsman_hub.store.rows import new_id, row, rows
from roundsman_wire.messages import Plan

CENTRE = LatLon(50.0, 10.0)


@dataclass
class Yard:
    """One fleet with one depot. Its methods do what the API and the vans' logs would."""

    db: Database
    clock: Clock
    signer: Signer
    planner: Planner
    fleet: str
    depot: str
    woken: list[int] = field(default_factory=list)
    _seq: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def van(self, name: str = "Van", *, capacity: int = 50, hours: float = 8, online: bool = True) -> str:
        """A vehicle whose shift begins in half an hour."""
        vehicle = new_id("v")
        start = self.clock.now() + timedelta(minutes=30)
        with self.db.transaction() as cur:
            cur.execute(
                "INSERT INTO vehicles (vehicle_id, fleet_id, name, depot_id, capacity, shift_start, shift_end)"
                " VALUES (%s,%s,%s,%s,%s,%s,%s)",
                (vehicle, self.fleet, name, self.depot, capacity, start, start + timedelta(hours=hours)),
            )
            cur.execute("INSERT INTO vehicle_now (vehicle_id, fleet_id, online) VALUES (%s, %s, %s)", (vehicle, self.fleet, online))
            cur.execute(
                "INSERT INTO log.sessions (vehicle_id, session, ordinal) VALUES (%s, %s, 1)", (vehicle, f"{abs(hash(vehicle)):016x}"[:16])
            )
        return vehicle

    def order(
        self,
        east_m: float,
        north_m: float,
        *,
        kind: str = "pickup",
        priority: int = 0,
        parcels: int = 1,
        within_h: tuple[float, float] = (0.0, 8.0),
        name: str = "",
        bumped: bool = True,
    ) -> str:
        """An order at a place given in metres from the depot."""
        at = LocalFrame(CENTRE).to_latlon(east_m, north_m)
        order = new_id("o")
        now = self.clock.now()
        with self.db.transaction() as cur:
            cur.execute(
                "INSERT INTO orders (order_id, fleet_id, depot_id, kind, name, address, lat_e6, lon_e6, placed, window_start, window_end,"
                " service_s, parcels, priority, track_token, created_at)"
                " VALUES (%s,%s,%s,%s,%s,'',%s,%s,'given',%s,%s,120,%s,%s,%s,%s)",
                (
                    order,
                    self.fleet,
                    self.depot,
                    kind,
                    name,
                    at.lat_e6,
                    at.lon_e6,
                    now + timedelta(hours=within_h[0]),
                    now + timedelta(hours=within_h[1]),
                    parcels,
                    priority,
                    order,
                    now,
                ),
            )
            if bumped:
                bump(cur, self.depot, f"{name or order} ordered", priority, clock=self.clock, kind="ordered", subject=order)
        return order

    def bump(self, reason: str = "looked at again", priority: int = 0) -> None:
        with self.db.transaction() as cur:
            bump(cur, self.depot, reason, priority, clock=self.clock)

    def plan(self) -> None:
        """Plan once, as the worker would; a first plan without a search."""
        search = self.planner.plan(self.depot)
        if search is not None and self.issued() == 0:
            self.planner.adopt(search, search.warm)

    def issued(self) -> int:
        with self.db.transaction() as cur:
            return len(rows(cur, "SELECT 1 FROM plans WHERE fleet_id = %s", (self.fleet,)))

    def newest(self, vehicle: str) -> Plan | None:
        with self.db.transaction() as cur:
            found = row(cur, "SELECT plan FROM plans WHERE vehicle_id = %s ORDER BY version DESC LIMIT 1", (vehicle,))
        return None if found is None else msgspec.convert(found["plan"], Plan)

    def route(self, vehicle: str) -> list[str]:
        plan = self.newest(vehicle)
        return [stop.stop for stop in plan.stops] if plan else []

    def unassigned(self) -> dict[str, str]:
        with self.db.transaction() as cur:
            return {r["order_id"]: r["reason"] for r in rows(cur, "SELECT * FROM unassigned WHERE fleet_id = %s", (self.fleet,))}

    # ── what the vans' logs say, as derive writes it down ────────────────────────────────────────────────────────────

    def receipt(self, vehicle: str, state: str = "in_force", version: int | None = None) -> None:
        newest = self.newest(vehicle)
        assert newest is not None
        with self.db.transaction() as cur:
            cur.execute(
                "INSERT INTO plan_receipts (vehicle_id, version, fleet_id, state, hash, at, received_real_at)"
                " VALUES (%s,%s,%s,%s,'',%s,%s)",
                (vehicle, version or newest.version, self.fleet, state, self.clock.now(), self.clock.real_now()),
            )

    def duty(self, vehicle: str, duty: str) -> None:
        with self.db.transaction() as cur:
            cur.execute(
                "INSERT INTO duties (session_no, seq, vehicle_id, fleet_id, duty, at)"
                " SELECT session_no, %s, vehicle_id, %s, %s, %s FROM log.sessions WHERE vehicle_id = %s",
                (next(self._seq), self.fleet, duty, self.clock.now(), vehicle),
            )
            cur.execute("UPDATE vehicle_now SET duty = %s WHERE vehicle_id = %s", (duty, vehicle))

    def at(self, vehicle: str, east_m: float, north_m: float) -> None:
        place = LocalFrame(CENTRE).to_latlon(east_m, north_m)
        with self.db.transaction() as cur:
            cur.execute("UPDATE vehicle_now SET lat_e6 = %s, lon_e6 = %s WHERE vehicle_id = %s", (place.lat_e6, place.lon_e6, vehicle))

    def state(self, vehicle: str, order: str, state: str, *, ago_h: float = 0.0) -> None:
        at = self.clock.now() - timedelta(hours=ago_h)
        with self.db.transaction() as cur:
            cur.execute(
                "INSERT INTO order_states (order_id, fleet_id, state, vehicle_id, at, arrived_at, action) VALUES (%s,%s,%s,%s,%s,%s,'a')"
                " ON CONFLICT (order_id) DO UPDATE SET state = excluded.state, at = excluded.at",
                (order, self.fleet, state, vehicle, at, at),
            )

    def cancel(self, order: str) -> None:
        with self.db.transaction() as cur:
            cur.execute("UPDATE orders SET cancelled_at = %s WHERE order_id = %s", (self.clock.now(), order))
            bump(cur, self.depot, "cancelled", 8, clock=self.clock, kind="cancelled", subject=order)


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return open_pki(tmp_path_factory.mktemp("pki")).signer()


@pytest.fixture
def make_yard(plain_database: Database, signer: Signer) -> Callable[[], Yard]:
    """Function: a new fleet with a depot, at ten in the morning of business time."""

    def make() -> Yard:
        clock = Clock(TimeBase(origin_real_ms=to_ms(datetime.now().astimezone()), origin_utc_ms=1_772_445_600_000))
        fleet, depot = new_id("fl"), new_id("p")
        with plain_database.transaction() as cur:
            cur.execute("INSERT INTO fleets (fleet_id, name) VALUES (%s, 'Fleet')", (fleet,))
            cur.execute(
                "INSERT INTO depots (depot_id, fleet_id, name, lat_e6, lon_e6) VALUES (%s, %s, 'Depot', %s, %s)",
                (depot, fleet, CENTRE.lat_e6, CENTRE.lon_e6),
            )
        woken: list[int] = []
        planner = Planner(plain_database, GreatCircle(), signer, clock, lambda: woken.append(1))
        return Yard(db=plain_database, clock=clock, signer=signer, planner=planner, fleet=fleet, depot=depot, woken=woken)

    return make


@pytest.fixture
def yard(make_yard: Callable[[], Yard]) -> Yard:
    return make_yard()
