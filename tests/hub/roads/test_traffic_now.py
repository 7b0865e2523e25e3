"""The fleet's own last quarter of an hour, end to end: vans crawl, so matrix, plan and arrival times follow, and go back by themselves."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from roundsman_core.geo import LatLon, distance_m
from roundsman_hub.eta.worker import EtaWorker
from roundsman_hub.pki import open_pki
from roundsman_hub.replan.planner import Planner
from roundsman_hub.replan.revision import bump
from roundsman_hub.roads import PROCESS_TABLE, OsrmRoads, RoadNetwork, open_roads, role
from roundsman_hub.roads.extract import osrm_folder
from roundsman_hub.roles import open_settings_roads
from roundsman_hub.settings import BrokerLogin, Endpoint, Settings
from roundsman_hub.store.db import Database
from roundsman_hub.store.rows import rows
from roundsman_sim.day_box import StepClock
from roundsman_sim.day_town import Town, make_town

pytestmark = pytest.mark.skipif(osrm_folder() is None, reason="there is no OSRM here (it needs Python 3.12)")
NOON = datetime.fromisoformat("2026-03-02T12:00:00+02:00")
CRAWL = 3.0
"""How many times as long the vans take."""


@pytest.fixture
def network(village: Path, cache: Path) -> Iterator[OsrmRoads]:
    roads = open_roads(village, None, cache, lambda _: None)
    assert isinstance(roads, OsrmRoads)
    yield roads
    roads.close()


@pytest.fixture
def hub(network: OsrmRoads, village: Path, plain_database: Database, tmp_path: Path) -> Settings:
    nowhere = Endpoint(host="127.0.0.1", port=1)
    return Settings(
        data_dir=tmp_path,
        database_url=plain_database.dsn,
        hub_broker=BrokerLogin(host="127.0.0.1", port=1, username="", password=""),
        vans_broker=nowhere,
        api=nowhere,
        osm=village,
        osrm_url=network.url,
        osrm_table=PROCESS_TABLE,
    )


def crawl(db: Database, vehicle: str, way: list[LatLon], roads: RoadNetwork, until: datetime) -> None:
    """Fixes of a van that takes three times the roads' time for a way that ends now, one each five seconds."""
    route = roads.route(way)
    lats, lons = zip(*((place.lat_deg, place.lon_deg) for place in route.geometry), strict=True)
    gone_m = np.cumsum([0.0, *(distance_m(a, b) for a, b in pairwise(route.geometry))])
    takes_s = CRAWL * route.duration_s
    with db.transaction() as cur:
        opened = "INSERT INTO log.sessions (vehicle_id, session) VALUES (%s, %s) RETURNING session_no"
        (session,) = rows(cur, opened, (vehicle, f"{zlib.crc32(vehicle.encode()):016x}"))
        for seq in range(1, int(takes_s // 5) + 1):
            here_m = gone_m[-1] * 5 * seq / takes_s
            lat, lon = (np.interp(here_m, gone_m, degrees) for degrees in (lats, lons))
            when = until - timedelta(seconds=takes_s - 5 * seq)
            cur.execute(
                "INSERT INTO log.fixes (vehicle_id, session_no, time, seq, mono_ms, lat_e6, lon_e6, speed_cm_s, flags, satellites)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, 300, 0, 9)",
                (vehicle, session["session_no"], when, seq, 5_000 * seq, round(lat * 1e6), round(lon * 1e6)),
            )


def place_order(db: Database, town: Town, at: LatLon, clock: StepClock) -> None:
    with db.transaction() as cur:
        cur.execute(
            "INSERT INTO orders (order_id, fleet_id, depot_id, kind, name, address, lat_e6, lon_e6, placed, window_start, window_end,"
            " service_s, parcels, priority, track_token, created_at)"
            " VALUES ('o_far', %s, %s, 'delivery', 'Far', '', %s, %s, 'given', %s, %s, 120, 1, 0, 't_far', %s)",
            (town.fleet, town.depot, at.lat_e6, at.lon_e6, NOON - timedelta(hours=1), NOON + timedelta(hours=3), NOON),
        )
        bump(cur, town.depot, "Far ordered", 0, clock=clock, kind="ordered", subject="o_far")


def someone_elses_depot(db: Database) -> str:
    """Another fleet on the same hub."""
    with db.transaction() as cur:
        cur.execute("INSERT INTO fleets (fleet_id, name, timezone) SELECT 'fl_other', 'Other', timezone FROM fleets LIMIT 1")
        cur.execute(
            "INSERT INTO depots (depot_id, fleet_id, name, lat_e6, lon_e6)"
            " SELECT 'd_other', 'fl_other', 'Other', lat_e6, lon_e6 FROM depots LIMIT 1"
        )
        cur.execute("INSERT INTO planning (depot_id, fleet_id) VALUES ('d_other', 'fl_other')")
    return "d_other"


def test_a_crawl_of_the_fleets_own_vans_reaches_plan_and_arrival_times_and_ends_by_itself(
    network: OsrmRoads, hub: Settings, plain_database: Database, at_crossing: Callable[[int, int], LatLon], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    db, clock = plain_database, StepClock(NOON)
    monkeypatch.setattr(role, "NOW_EVERY", timedelta())
    depot_at, far = at_crossing(0, 0), at_crossing(11, 11)
    believed = open_settings_roads(hub)
    town = make_town(db, depot_at, 3, 10, network, open_pki(tmp_path / "pki").signer(), believed=believed)
    elsewhere = someone_elses_depot(db)
    with db.transaction() as cur:
        cur.execute(
            "UPDATE vehicles SET shift_start = %s, shift_end = %s WHERE fleet_id = %s", (NOON, NOON + timedelta(hours=6), town.fleet)
        )
    traffic = role.TrafficRole(hub, db, clock, least_s=0.0)
    planner, times = Planner(db, believed, town.signer, clock, lambda: None), EtaWorker(db, believed, clock)

    def planned() -> tuple[int, float]:
        """(seconds of the way by the matrix, seconds from now until the arrival that is told)."""
        if (search := planner.plan(town.depot)) is not None:
            planner.adopt(search, search.warm)
        times.tell([], everyone=True)
        with db.transaction() as cur:
            (told,) = rows(cur, "SELECT eta FROM etas WHERE order_id = 'o_far'")
        return int(believed.of_fleet(town.fleet).matrix([depot_at], [far]).durations_s[0, 0]), (told["eta"] - clock.now()).total_seconds()

    def asked(depot: str = town.depot) -> list[str]:
        with db.transaction() as cur:
            (found,) = rows(cur, "SELECT revision > planned AS due, reasons FROM planning WHERE depot_id = %s", (depot,))
        return [reason["reason"] for reason in found["reasons"]] if found["due"] else []

    try:
        traffic.step()
        place_order(db, town, far, clock)
        free_s, eta_s = planned()
        assert asked() == []
        ways = [[at_crossing(0, 0), at_crossing(11, 11)], [at_crossing(0, 11), at_crossing(11, 0)], [at_crossing(5, 0), at_crossing(5, 11)]]
        for vehicle, way in zip(town.vehicles, ways, strict=True):
            crawl(db, vehicle, way, network, NOON)
        traffic.step()
        assert asked() == ["traffic has changed"]
        assert asked(elsewhere) == [], "how a fleet's vans get on is no other fleet's business"
        assert believed.of_fleet("fl_other").version() == "base"
        slow_s, late_s = planned()
        assert slow_s > 1.3 * free_s
        assert late_s > eta_s + 0.5 * (slow_s - free_s)
        traffic.step()
        assert asked() == [], "nothing new, no new plan"
        clock.move(NOON + role.NOW_SPAN + timedelta(minutes=1))
        traffic.step()
        assert asked() == ["traffic has changed"]
        again_s, _ = planned()
        assert again_s == free_s
    finally:
        traffic.close()
        believed.close()
