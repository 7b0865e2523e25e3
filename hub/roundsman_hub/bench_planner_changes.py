"""What happens to a plan of 300 tasks in the middle of a day: seven kinds of change, for the benchmark and the tests of mending."""

from __future__ import annotations

import functools
import random
from dataclasses import replace
from typing import Final

import numpy as np

from roundsman_hub.bench_planner_cases import town
from roundsman_hub.planning.fleet import Break, Depot, Hours
from roundsman_hub.planning.portfolio import first_plan
from roundsman_hub.planning.problem import Problem, Profile, is_task


def new_orders(problem: Problem, rng: random.Random) -> Problem:
    gone = {task.task for task in rng.sample(problem.tasks, rng.randrange(1, 15))}
    current = {van: tuple(step for step in route if step not in gone) for van, route in problem.current.items()}
    return replace(problem, current=current)


def cancelled(problem: Problem, rng: random.Random) -> Problem:
    return replace(problem, tasks=tuple(rng.sample(problem.tasks, 300 - rng.randrange(1, 15))))


def broken_down(problem: Problem, rng: random.Random) -> Problem:
    gone = rng.choice(problem.vans)
    return replace(problem, vans=tuple(van for van in problem.vans if van != gone))


def held_up(problem: Problem, rng: random.Random) -> Problem:
    late = rng.choice(problem.vans)
    return replace(problem, vans=tuple(replace(van, start_s=rng.randrange(7_200)) if van == late else van for van in problem.vans))


def other_window(problem: Problem, rng: random.Random) -> Problem:
    opens, moved = rng.randrange(20_000), rng.choice(problem.tasks)
    return replace(
        problem, tasks=tuple(replace(task, windows_s=((opens, opens + 1800),)) if task == moved else task for task in problem.tasks)
    )


def smaller_van(problem: Problem, rng: random.Random) -> Problem:
    small = rng.choice(problem.vans)
    return replace(problem, vans=tuple(replace(van, capacity=(40,), shift_end_s=21_600) if van == small else van for van in problem.vans))


def on_the_road(problem: Problem, rng: random.Random) -> Problem:
    """All have left, each with what its first trip takes; then one more order comes, to be fetched."""
    trips = {van: next((at for at, step in enumerate(route) if not is_task(step)), len(route)) for van, route in problem.current.items()}
    carried = {step: van for van, route in problem.current.items() for step in route[: trips[van]]}
    aboard = tuple(replace(task, on_board=carried.get(task.task), kind="delivery") for task in problem.tasks)
    urgent = replace(rng.choice(aboard), task="urgent", kind="pickup", on_board=None, windows_s=(), left_out_cents=1_000_000)
    return replace(problem, tasks=(*aboard, urgent), vans=tuple(replace(van, at_depot=False) for van in problem.vans))


CHANGES = (new_orders, cancelled, broken_down, held_up, other_window, smaller_van, on_the_road)


def with_breaks(problem: Problem) -> Problem:
    """Every driver has half an hour to eat."""
    lunch = Break(duration_s=1_800, earliest_s=3 * 3600, latest_s=5 * 3600)
    return replace(problem, vans=tuple(replace(van, breaks=(lunch,)) for van in problem.vans))


def with_hours(problem: Problem) -> Problem:
    """Every driver keeps the 4.5 h rule and has driven for two hours already."""
    clocks = Hours(rule="eu_561", to_break_s=9_000, driving_s=32_400, duty_s=46_800)
    return replace(problem, vans=tuple(replace(van, hours=clocks) for van in problem.vans))


def with_trips(problem: Problem) -> Problem:
    """Few and small vans, which load several times."""
    vans = tuple(replace(van, depot="d", reloads=frozenset({"d"}), capacity=(25,)) for van in problem.vans[:14])
    return replace(problem, depots=(Depot(depot="d", place=0, reload_s=600),), vans=vans)


def with_shipments(problem: Problem) -> Problem:
    """Three in five stops are ends of a shipment: pickup where the window opens first."""
    tasks, order = list(problem.tasks), list(range(len(problem.tasks)))
    random.Random(7).shuffle(order)
    for at in range(0, 3 * len(order) // 5, 2):
        first, second = sorted(order[at : at + 2], key=lambda one: tasks[one].windows_s[:1])
        pickup = replace(tasks[first], kind="pickup", shipment=f"s{at}")
        tasks[first], tasks[second] = pickup, replace(tasks[second], shipment=f"s{at}", load=pickup.load)
    return replace(problem, tasks=tuple(tasks))


FLEETS: Final = {"breaks": with_breaks, "hours": with_hours, "trips": with_trips, "shipments": with_shipments}
"""What work and vans may have that makes insertion try whole routes, or pairs of places."""


@functools.cache
def full_town(bands: int, fleet: str = "") -> Problem:
    """300 deliveries on some 20 rounds, as they were planned.

    With more than one band every way is slower at some hours than at others. `fleet`: some of `FLEETS`, with `+` between.
    """
    problem = town(300, 5, vans=25, capacity=60)
    if bands > 1:
        paces = np.random.default_rng(bands).uniform(0.7, 1.6, (bands, *problem.durations_s.shape))
        tables = (problem.durations_s[None, :, :] * paces).astype(np.int32)
        starts_s = tuple(at * 28_800 // bands for at in range(bands))
        hours = Profile(durations_s=tables, distances_m=problem.distances_m, band_starts_s=starts_s)
        problem = replace(problem, profiles={"hours": hours}, vans=tuple(replace(van, profile="hours") for van in problem.vans))
    for one in filter(None, fleet.split("+")):
        problem = FLEETS[one](problem)
    return replace(problem, current=first_plan(problem).routes, churn_cents=150)
