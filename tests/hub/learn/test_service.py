"""How long stops take, found again from a town that hid it."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from roundsman_core.geo import LatLon
from roundsman_hub.learn.keep import judged_service, service_from_bytes, service_to_bytes
from roundsman_hub.learn.lasting import Lasting, slopes
from roundsman_hub.learn.service import ServiceTable, Stop, learn_service, mean_error_s

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
    """The same stops, with a walk before them that streets differ in otherwise than in service: in every second one vans park 100 m from
    the door, else 20 m. Some wait for a window."""
    rng = random.Random(seed)
    out = []
    for stop in stops(seed, count):
        lon = round((stop.position.lon_deg - 8) * 1e4)
        apart_m = (100.0 if (lon // 42) % 2 else 20.0) * rng.lognormvariate(-0.03, 0.25)
        walked_s = (10.0 + 1.4 * apart_m) * rng.lognormvariate(-0.005, 0.1)
        waited_s = rng.choice([0.0, 0.0, 0.0, 90.0, 400.0])
        stood_s = max(walked_s, waited_s) + stop.stood_s
        told = walked_s if rng.random() < taps else None
        out.append(replace(stop, stood_s=stood_s, waited_s=waited_s, walked_s=told, apart_m=apart_m))
    return out


def streets(table: Lasting) -> tuple[float, float]:
    """How much longer it takes where vans park near the door, and where they park far from it."""
    near, far = (
        np.mean([table.address(LatLon(50 + lat * 1e-4, 8 + lon * 1e-4)) for lat in range(0, 160, 8) for lon in lons])
        for lons in (range(4, 38, 8), range(46, 80, 8))
    )
    return float(near), float(far)


def test_walking_and_service_are_learned_apart_where_taps_tell_them() -> None:
    """The tower blocks are slow at the door, every second street is far from it to park in: neither is told as the other."""
    table = learn_service(parked(1, 4_000, taps=0.4))
    assert not table.joint
    near, far = streets(table.parts["walking"])
    assert far > 1.8 * near
    fresh = parked(2, 600, taps=0.0)
    assert mean_error_s(fresh, table) < mean_error_s(fresh, learn_service(parked(1, 4_000, taps=0.0)))
    usual = table.times(LatLon(50, 8), 1, None, 9)
    assert usual.total_s == usual.walking_s + usual.service_s
    assert table.pace("slow") / table.pace("usual") > 1.1
    assert table.pace(None) == 1.0
    assert service_from_bytes(service_to_bytes(table)) == table


def test_where_nobody_taps_the_distance_to_the_door_tells_the_walk() -> None:
    """Taps come from a few drivers' stops in the near streets; where all others park is known all the same."""
    seen = [
        replace(stop, walked_s=None) if stop.apart_m is not None and stop.apart_m > 60 and number % 20 else stop
        for number, stop in enumerate(parked(1, 4_000, taps=0.3))
    ]
    near, far = streets(learn_service(seen).parts["walking"])
    blind_near, blind_far = streets(learn_service([replace(stop, apart_m=None) for stop in seen]).parts["walking"])
    assert far / near > 1.2 * blind_far / blind_near
    fresh = parked(2, 600, taps=1.0)
    walks = learn_service(seen).parts["walking"]
    off = np.mean([abs(walks.seconds(stop.position, 1, None, 9) - (stop.walked_s or 0)) for stop in fresh])
    blind = learn_service([replace(stop, apart_m=None) for stop in seen]).parts["walking"]
    assert off < 0.9 * np.mean([abs(blind.seconds(stop.position, 1, None, 9) - (stop.walked_s or 0)) for stop in fresh])


def test_a_distance_that_explains_nothing_stands_in_for_no_tap() -> None:
    """Pins in the middle of a large yard: how far the van stands from them says nothing of the way to the door."""
    rng = random.Random(3)
    odd = [replace(stop, apart_m=rng.uniform(0, 200)) for stop in parked(1, 2_000, taps=0.5)]
    assert learn_service(odd) == learn_service([replace(stop, apart_m=None) for stop in odd])


def searched(seed: int, count: int, *, usual_s: float) -> list[Stop]:
    """The same again with a search before them, three times as long in the evening; the roads are off by 15 s about the drive."""
    rng = random.Random(seed)
    return [
        replace(stop, searched_s=usual_s * (3.0 if stop.local_hour >= 15 else 1.0) * rng.expovariate(1) + rng.gauss(0, 15))
        for stop in parked(seed, count, taps=0.4)
    ]


def test_looking_for_a_place_is_no_part_of_the_walk_or_of_the_stop() -> None:
    table = learn_service(searched(1, 4_000, usual_s=40.0))
    without = learn_service(parked(1, 4_000, taps=0.4))
    assert table.service == without.service
    assert table.parts["walking"] == without.parts["walking"]
    morning, evening = (table.times(LatLon(50.003, 8.003), 1, None, hour) for hour in (9, 16))
    assert evening.search_s == pytest.approx(3 * morning.search_s, rel=0.2)
    assert 30 < morning.search_s < 50
    assert evening.total_s == evening.walking_s + evening.service_s  # the van stands before it begins
    assert mean_error_s(searched(2, 500, usual_s=40.0), table) < mean_error_s(searched(2, 500, usual_s=40.0), without)
    assert service_from_bytes(service_to_bytes(table)) == table


def test_roads_that_are_off_by_nothing_on_average_are_no_search() -> None:
    assert "search" not in learn_service(searched(1, 1_000, usual_s=0.0)).parts


def test_a_search_that_helps_on_no_later_day_is_left_out() -> None:
    """Road works made everybody drive round the block, and ended."""
    days = searched(1, 2_000, usual_s=90.0)
    after = [replace(stop, searched_s=-5.0) if stop.day > "2026-03-12" else stop for stop in days]
    table, numbers = judged_service(after, None, [180.0] * len(after))
    assert "search" not in table.parts
    assert [part.part for part in numbers.parts] == ["walking"]
    kept, told = judged_service(days, None, [180.0] * len(days))
    assert "search" in kept.parts
    by_name = {part.part: part for part in told.parts}
    assert set(by_name) == {"search", "walking"}
    for part in by_name.values():
        assert part.told >= 20
        assert part.error_s < part.alike_s


def test_the_way_back_is_told_by_the_last_word_at_the_door() -> None:
    rng = random.Random(5)
    seen = []
    for stop in parked(1, 3_000, taps=1.0):
        back_s = (stop.walked_s or 0) * rng.lognormvariate(0, 0.1)
        seen.append(replace(stop, stood_s=stop.stood_s + back_s, back_s=back_s))
    table = learn_service(seen)
    near, far = streets(table.parts["back"])
    assert far > 1.8 * near
    in_one = learn_service([replace(stop, back_s=None) for stop in seen])
    at = LatLon(50.003, 8.003)
    assert table.times(at, 2, None, 9).total_s == pytest.approx(in_one.times(at, 2, None, 9).total_s, rel=0.1)
    in_the_van = learn_service([replace(stop, back_s=3.0) for stop in seen])
    assert "back" not in in_the_van.parts  # "delivered" is tapped when the driver is back already: that tells nothing


def test_without_taps_there_is_one_joint_estimate_that_says_so() -> None:
    blind = [replace(stop, apart_m=None) for stop in parked(1, 1_000, taps=0.0)]
    table = learn_service(parked(1, 1_000, taps=0.0))
    assert table.joint
    assert table == learn_service(blind)  # how far one walks says nothing of how long, where nobody ever said that
    times = table.times(LatLon(50, 8), 1, None, 9)
    assert (times.search_s, times.walking_s, times.back_s) == (0, 0, 0)
    assert service_from_bytes(service_to_bytes(table)).joint
    late_taps = [replace(stop, walked_s=stop.stood_s - 2) for stop in parked(1, 1_000, taps=0.0)]
    assert learn_service(late_taps).joint  # "arrived" and "delivered" tapped in one go say nothing of the door


def test_a_stop_that_waited_for_its_window_walked_meanwhile() -> None:
    stood = Stop(position=LatLon(50, 8), parcels=1, driver="a", local_hour=9, day="2026-03-01", stood_s=500.0, waited_s=400.0)
    table = ServiceTable(service=Lasting(base_s=100.0), parts={"walking": Lasting(base_s=60.0)})
    assert mean_error_s([stood], table) == 0.0
    assert mean_error_s([replace(stood, waited_s=0.0, stood_s=160.0)], table) == 0.0


def test_a_slope_is_never_negative_and_chance_alone_makes_none() -> None:
    rng = np.random.default_rng(1)
    columns = np.column_stack([rng.uniform(0, 100, 500), rng.integers(0, 4, 500)])
    falling, rising = slopes(columns, 200 - columns[:, 0] + 30 * columns[:, 1] + rng.normal(0, 5, 500))
    assert falling == 0
    assert rising == pytest.approx(30, abs=3)
    assert max(slopes(columns, rng.normal(100, 20, 500)).tolist()) < 1.0
    assert slopes(np.ones((30, 1)), rng.normal(0, 1, 30)).tolist() == [0]
