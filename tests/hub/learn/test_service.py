"""How long stops take, found again from a town that hid it."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from roundsman_core.geo import LatLon
from roundsman_hub.learn.keep import judged_service, service_from_bytes, service_to_bytes
from roundsman_hub.learn.service import Lasting, ServiceTable, Stop, learn_service, mean_error_s

DRIVERS = {"quick": 0.8, "usual": 1.0, "slow": 1.3}


def block(lat: int, lon: int) -> float:
    """Blocks of 300 m differ: towers with lifts, and villas."""
    return 2.2 if (lat // 27 + lon // 42) % 3 == 0 else 0.8


def stops(seed: int, count: int) -> list[Stop]:
    rng = random.Random(seed)
    out = []
    for number in range(count):
        lat, lon = rng.randrange(0, 160), rng.randrange(0, 160)
        driver = rng.choice(list(DRIVERS))
        parcels, hour = rng.choice([1, 1, 1, 2, 3, 6]), rng.randrange(8, 18)
        took = (
            (120 + 25 * (parcels - 1)) * block(lat, lon) * DRIVERS[driver] * (1.3 if hour >= 15 else 1.0) * rng.lognormvariate(-0.045, 0.3)
        )
        at = LatLon(50 + lat * 1e-4, 8 + lon * 1e-4)
        out.append(
            Stop(position=at, parcels=parcels, driver=driver, local_hour=hour, day=f"2026-03-{1 + number * 20 // count:02}", stood_s=took)
        )
    return out


@pytest.fixture(scope="module")
def town() -> list[Stop]:
    return stops(1, 4_000)


def test_unseen_addresses_borrow_from_their_neighbours(town: list[Stop]) -> None:
    table = learn_service(town)
    fresh = stops(2, 500)
    told = np.array([table.service.address(stop.position) for stop in fresh])
    hidden = np.array([block(round((s.position.lat_deg - 50) * 1e4), round((s.position.lon_deg - 8) * 1e4)) for s in fresh])
    assert told[hidden > 2].mean() > 1.3 * told[hidden < 1].mean()
    assert table.service.address(LatLon(51, 9)) == 1.0  # nobody was ever near
    alone = ServiceTable(service=replace(table.service, addresses={}))
    assert mean_error_s(fresh, table) < 0.85 * mean_error_s(fresh, alone)


def test_parcels_drivers_and_hours_are_told_apart(town: list[Stop]) -> None:
    table = learn_service(town).service
    assert table.parcel_s / table.base_s == pytest.approx(25 / 120, rel=0.25)
    for driver, pace in DRIVERS.items():
        assert table.drivers[driver] / table.drivers["usual"] == pytest.approx(pace, rel=0.1)
    assert table.hours[5] / table.hours[3] == pytest.approx(1.3, rel=0.1)
    assert table.seconds(LatLon(50, 8), 1, "somebody new", 9) == table.seconds(LatLon(50, 8), 1, None, 9)


def test_it_is_judged_by_what_the_orders_said_until_something_was_learned(town: list[Stop]) -> None:
    table, numbers = judged_service(town, None, [180.0] * len(town))
    assert numbers.better
    assert numbers.error < 0.7 * numbers.error_in_force
    _, again = judged_service(town, table, [180.0] * len(town))
    assert not again.better  # the one in force had seen the days that judge
    assert service_from_bytes(service_to_bytes(table)) == table


def test_a_break_and_a_van_that_drove_by_are_no_service() -> None:
    odd = [Stop(position=LatLon(50, 8), parcels=1, driver="a", local_hour=9, day="2026-03-01", stood_s=s) for s in (3.0, 20_000.0)]
    assert learn_service(odd) == ServiceTable()


def parked(seed: int, count: int, *, taps: float) -> list[Stop]:
    """The same stops, with parking before them that blocks of 300 m differ in otherwise than in service; some wait for a window."""
    rng = random.Random(seed)
    out = []
    for stop in stops(seed, count):
        lon = round((stop.position.lon_deg - 8) * 1e4)
        parking_s = (150.0 if (lon // 42) % 2 else 40.0) * rng.lognormvariate(-0.03, 0.25)
        waited_s = rng.choice([0.0, 0.0, 0.0, 90.0, 400.0])
        stood_s = max(parking_s, waited_s) + stop.stood_s
        told = parking_s if rng.random() < taps else None
        out.append(replace(stop, stood_s=stood_s, waited_s=waited_s, parking_s=told))
    return out


def test_parking_and_walking_are_learned_apart_where_taps_tell_them() -> None:
    """The tower blocks are slow at the door, every second street is slow to park in: neither is told as the other."""
    table = learn_service(parked(1, 4_000, taps=0.4))
    assert not table.joint
    assert table.parking is not None
    easy, hard = (
        np.mean([table.parking.address(LatLon(50 + lat * 1e-4, 8 + lon * 1e-4)) for lat in range(0, 160, 8) for lon in lons])
        for lons in (range(4, 38, 8), range(46, 80, 8))
    )
    assert hard > 1.8 * easy
    fresh = parked(2, 600, taps=0.0)
    assert mean_error_s(fresh, table) < mean_error_s(fresh, learn_service(parked(1, 4_000, taps=0.0)))
    usual = table.times(LatLon(50, 8), 1, None, 9)
    assert usual.total_s == usual.parking_s + usual.service_s
    assert table.pace("slow") / table.pace("usual") > 1.1
    assert table.pace(None) == 1.0
    assert service_from_bytes(service_to_bytes(table)) == table


def test_without_taps_there_is_one_joint_estimate_that_says_so() -> None:
    table = learn_service(parked(1, 1_000, taps=0.0))
    assert table.joint
    assert table.times(LatLon(50, 8), 1, None, 9).parking_s == 0
    assert service_from_bytes(service_to_bytes(table)).joint
    late_taps = [replace(stop, parking_s=stop.stood_s - 2) for stop in parked(1, 1_000, taps=0.0)]
    assert learn_service(late_taps).joint  # "arrived" and "delivered" tapped in one go say nothing of the door


def test_a_stop_that_waited_for_its_window_parked_meanwhile() -> None:
    stood = Stop(position=LatLon(50, 8), parcels=1, driver="a", local_hour=9, day="2026-03-01", stood_s=500.0, waited_s=400.0)
    table = ServiceTable(service=Lasting(base_s=100.0), parking=Lasting(base_s=60.0))
    assert mean_error_s([stood], table) == 0.0
    assert mean_error_s([replace(stood, waited_s=0.0, stood_s=160.0)], table) == 0.0
