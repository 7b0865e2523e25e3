"""What changes on the roads, and what the plans do with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp
from psycopg.types.json import Jsonb

from roundsman_core.geo import LatLon
from roundsman_hub.clock import Clock
from roundsman_hub.eta.worker import EtaWorker
from roundsman_hub.learn.keep import Numbers
from roundsman_hub.learn.lasting import Lasting
from roundsman_hub.learn.service import ServiceTable
from roundsman_hub.planning.walk import Ground
from roundsman_hub.replan.build import Table, build, places, with_search
from roundsman_hub.replan.planner import Planner
from roundsman_hub.replan.revision import bump
from roundsman_hub.replan.telling import OFF_ADDRESS, OFF_DEPOT
from roundsman_hub.roads import GreatCircle, Matrix
from roundsman_hub.roads.closed import ClosedRoads
from roundsman_hub.roads.held import Held
from roundsman_hub.roads.role import TrafficRole
from roundsman_hub.settings import BrokerLogin, Endpoint, Settings
from roundsman_hub.store import road_store
from roundsman_hub.store.rows import new_id

Yard = Any  # the fixture of conftest.py


def later(clock: Clock, minutes: int) -> Clock:
    """The same clock, so much later."""
    return Clock(replace(clock.base, origin_utc_ms=clock.base.origin_utc_ms + 60_000 * minutes))


class EndsHere(GreatCircle):
    """Roads that some places are not on, as OSRM tells it."""

    def __init__(self, off: set[LatLon]) -> None:
        self.off = off

    def matrix(self, places: Sequence[LatLon], targets: Sequence[LatLon] | None = None, *, profile: str = "car", band: str = "") -> Matrix:
        found = super().matrix(places, targets, profile=profile)
        columns = places if targets is None else targets
        for i, place in enumerate(places):
            if place in self.off:
                found.durations_s[i, :] = found.distances_m[i, :] = -1
        for j, place in enumerate(columns):
            if place in self.off:
                found.durations_s[:, j] = found.distances_m[:, j] = -1
        return replace(found, off_road=frozenset(self.off & {*places, *columns}))


def close(yard: Yard, ring: list[tuple[int, int]], hours: float) -> None:
    with yard.db.transaction() as cur:
        now = yard.clock.now()
        cur.execute(
            "INSERT INTO closures VALUES (%s, %s, 'Bridge works', %s, '{}', %s, %s, 'k', %s)",
            (new_id("cl"), yard.fleet, Jsonb(ring), now, now + timedelta(hours=hours), now),
        )


def revision(yard: Yard) -> int:
    with yard.db.transaction() as cur:
        row = cur.execute("SELECT revision, reasons FROM planning WHERE depot_id = %s", (yard.depot,)).fetchone()
    return 0 if row is None else int(row["revision"])


def around(at: LatLon, half_e6: int) -> list[tuple[int, int]]:
    lat, lon = at.lat_e6, at.lon_e6
    return [(lat - half_e6, lon - half_e6), (lat - half_e6, lon + half_e6), (lat + half_e6, lon + half_e6), (lat + half_e6, lon - half_e6)]


def test_a_closure_asks_for_a_plan_when_it_begins_and_when_it_ends_and_never_between(yard: Yard, tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path,
        database_url=yard.db.dsn,
        hub_broker=BrokerLogin(host="", port=0, username="", password=""),
        vans_broker=Endpoint(host="", port=0),
        api=Endpoint(host="", port=0),
    )

    def look(minutes: int) -> int:
        """Another hub each time, or the same after a restart: what was told is in the database."""
        TrafficRole(settings, yard.db, later(yard.clock, minutes)).step()
        return revision(yard)

    before = look(0)
    assert look(0) == before
    close(yard, around(LatLon(50.0, 10.0), 1_000), hours=1)
    assert [look(minutes) - before for minutes in (0, 1, 30, 59, 60, 61, 120)] == [1, 1, 1, 1, 2, 2, 2]
    with yard.db.transaction() as cur:
        cur.execute("INSERT INTO fleets (fleet_id, name, timezone) VALUES (%s, 'Others', 'UTC')", (other := new_id("f"),))
        cur.execute("UPDATE closures SET fleet_id = %s, until_at = until_at + interval '2 hours'", (other,))
    assert look(130) - before == 2  # another fleet's streets


def test_a_plan_goes_round_what_is_closed_and_says_who_computed_it(yard: Yard) -> None:
    van = yard.van()
    yard.order(4_000, 0)
    yard.plan()
    before = yard.newest(van).stops[0]
    roads = ClosedRoads(GreatCircle(), Held(yard.db, yard.clock))
    planner = Planner(yard.db, roads, yard.signer, yard.clock, lambda: None)
    close(yard, around(LatLon(50.0, 10.0 + 0.028), 20_000), hours=10)
    yard.bump()
    planner.plan(yard.depot)
    assert yard.issued() == 1  # nobody said that it is the traffic: the same stops are not told twice
    with yard.db.transaction() as cur:
        bump(cur, yard.depot, "closed from now on: Bridge works", clock=yard.clock, kind="traffic")
    search = planner.plan(yard.depot)
    after = yard.newest(van)
    assert after.stops[0].leg_m > before.leg_m
    assert after.travel_times == "great_circle"
    assert search is not None


def test_a_place_off_the_map_gets_its_reason_and_the_others_their_plan(yard: Yard) -> None:
    """OSRM's NoSegment once ended the plan role for everybody."""
    van = yard.van()
    here, there = yard.order(500, 0), yard.order(900_000, 0)
    roads = EndsHere(set())
    planner = Planner(yard.db, roads, yard.signer, yard.clock, lambda: None)
    world = planner.look(yard.depot)
    assert world is not None
    roads.off = {world.orders[there].position}
    search = planner.plan(yard.depot)
    assert search is not None
    planner.adopt(search, search.warm)
    assert [stop.stop for stop in yard.newest(van).stops] == [here]
    world = planner.look(yard.depot)
    assert world is not None
    assert world.unassigned == {there: OFF_ADDRESS}
    roads.off = {world.depot}
    planner = Planner(yard.db, roads, yard.signer, yard.clock, lambda: None)
    yard.order(700, 0)
    yard.bump()
    planner.plan(yard.depot)
    world = planner.look(yard.depot)
    assert world is not None
    assert OFF_DEPOT in world.unassigned.values()


def test_a_learned_stop_lasts_as_long_as_it_did_unless_its_order_says_otherwise(yard: Yard) -> None:
    van = yard.van()
    usual, own = yard.order(500, 0), yard.order(900, 0)
    with yard.db.transaction() as cur:
        cur.execute("UPDATE orders SET service_s = 180 WHERE order_id = %s", (usual,))
        numbers = Numbers(train=100, held_out=50, days_held_out=3, error=40.0, error_in_force=90.0)
        road_store.publish_service(cur, yard.fleet, ServiceTable(service=Lasting(base_s=333.0, parcel_s=10.0)), numbers, yard.clock.now())
    yard.plan()
    told = {stop.stop: stop.service_s for stop in yard.newest(van).stops}
    assert told == {usual: 333, own: 120}


def test_service_starts_inside_the_window_after_the_walk_and_the_van_knows(yard: Yard) -> None:
    """Walking learned apart: the van has to stand there so much before the window closes, and to two behind one door one walks once."""
    van = yard.van()
    orders = [yard.order(500, 0), yard.order(500, 0)]
    with yard.db.transaction() as cur:
        cur.execute("UPDATE orders SET service_s = 180")
        numbers = Numbers(train=100, held_out=50, days_held_out=3, error=40.0, error_in_force=90.0)
        table = ServiceTable(service=Lasting(base_s=200.0), parts={"walking": Lasting(base_s=90.0)})
        road_store.publish_service(cur, yard.fleet, table, numbers, yard.clock.now())
    yard.plan()
    told = yard.newest(van).stops
    assert {stop.stop for stop in told} == set(orders)
    assert [(stop.service_s, stop.parking_s) for stop in told] == [(290, 90), (200, 0)]
    world = Planner(yard.db, GreatCircle(), yard.signer, yard.clock, lambda: None).look(yard.depot)
    assert world is not None
    size = sum(map(len, places(world)))
    problem = build(world, np.zeros((size, size), np.int32), np.zeros((size, size), np.int32), may_move=True)
    facts = world.orders[told[0].stop]
    opens, closes = (int(at.timestamp()) - problem.origin_utc_s for at in (facts.window_start, facts.window_end))
    assert all(task.windows_s == ((opens - 90, closes - 90),) for task in problem.tasks)


def test_looking_for_a_place_is_the_end_of_every_way_and_in_what_customers_are_told(yard: Yard) -> None:
    """Learned apart, it is in the leg: the van's arrival is when it stands. Two behind one door look once."""
    van = yard.van()
    for _ in range(2):
        yard.order(500, 0)
    yard.plan()
    before = yard.newest(van).stops
    with yard.db.transaction() as cur:
        numbers = Numbers(train=100, held_out=50, days_held_out=3, error=40.0, error_in_force=90.0)
        table = ServiceTable(service=Lasting(base_s=120.0), parts={"search": Lasting(base_s=70.0)})
        road_store.publish_service(cur, yard.fleet, table, numbers, yard.clock.now())
    yard.bump()
    yard.plan()
    first, second = yard.newest(van).stops
    assert [(first.search_s, first.leg_s), (second.search_s, second.leg_s)] == [(70, before[0].leg_s + 70), (0, 0)]
    assert (first.service_s, first.parking_s) == (before[0].service_s, before[0].parking_s)
    assert first.arrival_utc_ms - before[0].arrival_utc_ms == pytest.approx(70_000, abs=1_000)  # plans count from a whole second
    worker = EtaWorker(yard.db, GreatCircle(), yard.clock)
    yard.duty(van, "on")
    for east_m, left_s in ((0, first.leg_s), (500, 70)):  # there, and no place to be had yet
        yard.at(van, east_m, 0)
        worker.tell([van])
        with yard.db.transaction() as cur:
            told = cur.execute("SELECT eta - computed_at AS ahead FROM etas WHERE order_id = %s", (first.stop,)).fetchone()
        assert told is not None
        assert told["ahead"].total_seconds() == left_s


def test_a_slow_driver_is_planned_with_their_own_pace(yard: Yard) -> None:
    slow, usual = yard.van(), yard.van()
    order = yard.order(500, 0)
    with yard.db.transaction() as cur:
        cur.execute('UPDATE orders SET service_s = 180, needs = \'{"vehicle_types": ["van"]}\'')
        cur.execute("INSERT INTO drivers (driver_id, fleet_id, name) VALUES ('steady', %s, 'Steady')", (yard.fleet,))
        cur.execute("UPDATE vehicles SET driver_id = 'steady' WHERE vehicle_id = %s", (slow,))
        numbers = Numbers(train=100, held_out=50, days_held_out=3, error=40.0, error_in_force=90.0)
        table = ServiceTable(service=Lasting(base_s=200.0, drivers={"steady": 1.52}))
        road_store.publish_service(cur, yard.fleet, table, numbers, yard.clock.now())
    world = Planner(yard.db, GreatCircle(), yard.signer, yard.clock, lambda: None).look(yard.depot)
    assert world is not None
    size = sum(map(len, places(world)))
    problem = build(world, np.zeros((size, size), np.int32), np.zeros((size, size), np.int32), may_move=True)
    task = next(task for task in problem.tasks if task.task == order)
    vans = {van.vehicle: van for van in problem.vans}
    assert (task.service_with(vans[slow].type), task.service_with(vans[usual].type)) == (300, 200)
    ground = Ground(problem)
    assert all(ground.refusal(van, task) is None for van in problem.vans)  # it is still a van, and vans may come here


@given(
    table=hnp.arrays(np.int32, hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=6).map(lambda n: (n[0], n[0]))),
    found=st.dictionaries(st.integers(0, 5), st.integers(0, 900)),
)
def test_a_search_makes_no_way_where_there_is_none_and_no_shorter_one(table: Table, found: dict[int, int]) -> None:
    drives = np.where(table < 0, -1, table % 100_000).astype(np.int32)
    searched = {place: seconds for place, seconds in found.items() if place < len(drives)}
    ways = with_search(drives, searched)
    for place in range(len(drives)):
        there = np.delete(drives[:, place], place)
        expected = np.where(there < 0, -1, there + searched.get(place, 0))
        assert np.delete(ways[:, place], place).tolist() == expected.tolist()
        assert ways[place, place] == drives[place, place]
    assert with_search(np.stack([drives, drives]), searched)[1].tolist() == ways.tolist()
