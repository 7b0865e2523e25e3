"""What learning is for: plans of days that nobody has seen yet are late less, not only their times truer."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from roundsman_core.geo import LatLon
from roundsman_hub.learn.keep import judged_service, judged_speeds
from roundsman_hub.learn.service import ServiceTable, Stop
from roundsman_hub.learn.speeds import Drive, Leg, SpeedTable
from roundsman_hub.planning.fleet import Van
from roundsman_hub.planning.insertion import repair
from roundsman_hub.planning.problem import Problem, Profile
from roundsman_hub.planning.work import Task
from roundsman_hub.replan.build import with_search
from roundsman_hub.roads import GreatCircle

PLANNED_S = 180
"""What every order says of its service."""
SLOWER = {"early": 1.0, "morning": 1.6, "midday": 1.2}
STARTS_S = {"early": 0, "morning": 3_600, "midday": 4 * 3_600}
"""The shift begins at six."""
ORDERS, VANS, DAYS, HELD_OUT = 26, 1, 7, 4
SHIFT_S = 8 * 3_600
DEPOT = LatLon(50.02, 8.02)


@dataclass
class Day:
    """One day's orders; what is true of it is the town's secret."""

    number: int
    places: list[LatLon]
    windows: list[tuple[int, int]]
    search_s: list[float]
    walk_s: list[float]
    service_s: list[float]


Address = tuple[LatLon, float, float, float]


def town(rng: random.Random) -> list[Address]:
    """Addresses in blocks, with seconds of looking for a place, of walking and of service; every third block has towers, where a stop lasts
    three times as long, every second street is far from where one can park, and in the north nobody finds a place."""
    out = []
    for _ in range(400):
        lat, lon = rng.randrange(0, 400), rng.randrange(0, 600)
        out.append(
            (
                LatLon(50 + lat * 1e-4, 8 + lon * 1e-4),
                90.0 if lat >= 200 else 0.0,
                120.0 if lon // 60 % 2 else 20.0,
                320.0 if (lat // 40 + lon // 60) % 3 == 0 else 100.0,
            )
        )
    return out


def day(number: int, addresses: list[Address], rng: random.Random) -> Day:
    chosen = rng.sample(addresses, ORDERS)
    starts = [rng.randrange(0, 10) * 1_800 for _ in chosen]
    return Day(
        number=number,
        places=[at for at, _, _, _ in chosen],
        windows=[(start, start + 2_700) for start in starts],
        search_s=[search * rng.lognormvariate(-0.02, 0.2) for _, search, _, _ in chosen],
        walk_s=[walk * rng.lognormvariate(-0.02, 0.2) for _, _, walk, _ in chosen],
        service_s=[usual * rng.lognormvariate(-0.02, 0.2) for _, _, _, usual in chosen],
    )


def band_of(at_s: float) -> str:
    return max((name for name, start in STARTS_S.items() if start <= at_s), key=lambda name: STARTS_S[name], default="early")


def planned(today: Day, speeds: SpeedTable, service: ServiceTable | None) -> dict[str, tuple[str, ...]]:
    """The plan that these tables make of a day."""
    found = GreatCircle().matrix([DEPOT, *today.places])
    factors = [speeds.factor("van", band) for band in STARTS_S]
    bands = np.stack([np.rint(found.durations_s * factor).astype(np.int32) for factor in factors])
    tasks = []
    searched: dict[int, int] = {}
    for n, place in enumerate(today.places):
        opens, closes = today.windows[n]
        walk_s, service_s = 0, PLANNED_S
        if service is not None:
            times = service.times(place, 1, None, 6 + opens // 3_600)
            walk_s, service_s = round(times.walking_s), round(times.service_s)
            searched[n + 1] = round(times.search_s)
        window = (opens - walk_s, closes - walk_s)  # as `replan.terms` tells it
        tasks.append(Task(task=str(n), place=n + 1, kind="delivery", load=(1,), service_s=service_s, parking_s=walk_s, windows_s=(window,)))
    bands = with_search(bands, searched)
    vans = tuple(
        Van(vehicle=f"v{n}", start_place=0, end_place=0, start_s=0, shift_end_s=SHIFT_S, capacity=(99,), at_depot=True, profile="van")
        for n in range(VANS)
    )
    profile = Profile(durations_s=bands, distances_m=found.distances_m, band_starts_s=tuple(STARTS_S.values()))
    problem = Problem(
        origin_utc_s=0, tasks=tuple(tasks), vans=vans, durations_s=bands[0], distances_m=found.distances_m, profiles={"van": profile}
    )
    return repair(problem).routes


def driven(today: Day, routes: dict[str, tuple[str, ...]]) -> tuple[float, int, list[Drive], list[Stop]]:
    """What truly happens: (seconds late, orders served in time, drives and stops as they would be recorded)."""
    metres = GreatCircle().matrix([DEPOT, *today.places])
    late_s, in_time, drives, stops = 0.0, 0, [], []
    date = f"2026-03-{today.number:02}"
    for vehicle, route in routes.items():
        clock = 0.0
        for before, after in pairwise(["", *route]):
            a, b = (0 if name == "" else int(name) + 1 for name in (before, after))
            expected_s = float(metres.durations_s[a, b])
            band = band_of(clock)
            took_s = expected_s * SLOWER[band]
            if expected_s > 0:
                leg = Leg(
                    segments=((a, b),), expected_s=(expected_s,), metres=(float(metres.distances_m[a, b]),), turns_s=0.0, took_s=took_s
                )
                drives.append(Drive(kind="van", day=f"2026-03-{today.number:02}", band=band, legs=(leg,)))
            opens, closes = today.windows[b - 1]
            search_s, walk_s = today.search_s[b - 1], today.walk_s[b - 1]
            stands = clock + took_s + search_s
            begins = max(stands + walk_s, opens)
            late_s += max(0.0, begins - closes)
            in_time += begins <= closes
            clock = begins + today.service_s[b - 1]
            stops.append(
                Stop(
                    position=today.places[b - 1],
                    parcels=1,
                    driver=vehicle,
                    local_hour=6 + int(begins // 3_600),
                    day=date,
                    stood_s=clock - stands,
                    waited_s=max(0.0, opens - stands),
                    searched_s=search_s,
                    walked_s=walk_s,
                )
            )
    return late_s, in_time, drives, stops


def test_plans_of_days_not_seen_are_late_less() -> None:
    """Days are driven by plans that know only what the orders say; the tables that those days teach plan the later ones."""
    rng = random.Random(4)
    addresses = town(rng)
    days = [day(number, addresses, rng) for number in range(1, DAYS + HELD_OUT + 1)]
    drives: list[Drive] = []
    stops: list[Stop] = []
    for seen in days[:DAYS]:
        _, _, driven_then, served = driven(seen, planned(seen, SpeedTable(), None))
        drives += driven_then
        stops += served
    speeds, of_speeds = judged_speeds(drives, SpeedTable())
    service, of_service = judged_service(stops, None, [float(PLANNED_S)] * len(stops))
    assert of_speeds.better
    assert of_service.better
    assert set(service.parts) == {"search", "walking"}
    late = {"said": 0.0, "learned": 0.0}
    in_time = {"said": 0, "learned": 0}
    for unseen in days[DAYS:]:
        for name, routes in (("said", planned(unseen, SpeedTable(), None)), ("learned", planned(unseen, speeds, service))):
            late_s, kept, _, _ = driven(unseen, routes)
            late[name] += late_s
            in_time[name] += kept
    print(f"{HELD_OUT} held-out days, as the orders say and as learned: {late} s late, {in_time} of {HELD_OUT * ORDERS} served in time")
    assert late["learned"] < 0.5 * late["said"]
    assert in_time["learned"] > in_time["said"]  # not bought by leaving work out
