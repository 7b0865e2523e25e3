"""What no plan could ever serve, told before anybody searches: the task and the reason. Everything else is still planned."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from roundsman_hub.planning.fleet import Break, Hours, Van
from roundsman_hub.planning.problem import Problem, is_task
from roundsman_hub.planning.work import Task, TaskId, VehicleId

FAR_M: Final = 1_000_000_000
"""Farther than around the world many times over: a leg like that is a mistake in the data, not a way."""
LONG_S: Final = 100 * 24 * 3600
"""No plan looks 100 days ahead."""
MUCH: Final = 1 << 40
"""More cents, grams or millilitres than any day has; their sums still fit in 64 bits, which is what engines count with."""
Table = npt.NDArray[np.int32]
Numbers = Mapping[str, tuple[int, int]]
TASK_NUMBERS: Final[Numbers] = {
    # what is said of a task: from, to. Beyond them nothing was meant
    "service_s": (0, LONG_S),
    "parking_s": (0, LONG_S),
    "release_s": (-LONG_S, LONG_S),
    "left_out_cents": (0, MUCH),
    "reattempt_cents": (0, MUCH),
}
VAN_NUMBERS: Final[Numbers] = {
    "start_s": (-LONG_S, LONG_S),
    "overtime_s": (0, LONG_S),
    "max_tasks": (0, MUCH),
    "max_distance_m": (0, MUCH),
    **dict.fromkeys(("fixed_cents", "again_cents", "cents_per_hour", "overtime_cents_per_hour", "waiting_cents_per_hour"), (0, MUCH)),
    **dict.fromkeys(("cents_per_km", "fuel_cents_per_km_per_1000", "idling_cents_per_hour"), (0, MUCH)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """The part of a problem that makes sense; the tasks and vans that do not, each with what is wrong."""

    problem: Problem
    tasks: dict[TaskId, str]
    vans: dict[VehicleId, str]


def sound(problem: Problem) -> Sound:
    """Take out what contradicts itself.

    Parameters
    ----------
    problem : Problem
        Anything whose types are right.

    Returns
    -------
    Sound
        `problem` without such tasks and vans, with impossible legs closed. Its plans leave the tasks unassigned, with the reasons here.
    """
    n = len(problem.durations_s)
    problem = _within_a_day(_closed(problem))
    bad_vans = {van.vehicle: why for van in problem.vans if (why := next(_wrong_van(problem, van, n), None))}
    bad_tasks = {task.task: why for task in problem.tasks if (why := next(_wrong_task(problem, task, n), None))}
    ends_of: dict[str, list[Task]] = {}
    for task in problem.tasks:
        if task.shipment:
            ends_of.setdefault(task.shipment, []).append(task)
    for task in problem.tasks:  # half a shipment is none
        if task.shipment and task.on_board is None:
            ends = ends_of[task.shipment]
            if {end.kind for end in ends} != {"pickup", "delivery"} or len(ends) != 2:
                bad_tasks.setdefault(task.task, f"shipment {task.shipment} is not one pickup and one delivery")
            for end in ends:
                if end.task in bad_tasks:
                    bad_tasks.setdefault(task.task, f"the other end of its shipment cannot be served: {bad_tasks[end.task]}")
    tasks = tuple(task for task in problem.tasks if task.task not in bad_tasks)
    vans = tuple(van for van in problem.vans if van.vehicle not in bad_vans)
    known = {task.task for task in tasks}
    current = {
        vehicle: tuple(step for step in route if not is_task(step) or step in known)
        for vehicle, route in problem.current.items()
        if vehicle not in bad_vans
    }
    return Sound(problem=replace(problem, tasks=tasks, vans=vans, current=current), tasks=bad_tasks, vans=bad_vans)


def _closed(problem: Problem) -> Problem:
    """Legs of a thousand thousand kilometres, or with a time and no length, are no way: in the matrices and in every profile."""
    durations_s, distances_m = _ways(problem.durations_s, problem.distances_m)
    profiles = {}
    for name, profile in problem.profiles.items():
        bands, metres = _ways(profile.durations_s, profile.distances_m)
        profiles[name] = replace(profile, durations_s=bands, distances_m=metres)
    return replace(problem, durations_s=durations_s, distances_m=distances_m, profiles=profiles)


def _within_a_day(problem: Problem) -> Problem:
    """What stands for "no limit" (a window until the end of time, a priceless task, a van without a bottom) as a number to count with."""

    def clock(seconds: int) -> int:
        return max(-LONG_S, min(seconds, LONG_S))

    tasks = (
        replace(
            task,
            windows_s=tuple((clock(opens), clock(closes)) for opens, closes in task.windows_s),
            promise_s=None if task.promise_s is None else (clock(task.promise_s[0]), clock(task.promise_s[1])),
            deadline_s=None if task.deadline_s is None else clock(task.deadline_s),
            max_ride_s=None if task.max_ride_s is None else clock(task.max_ride_s),
            left_out_cents=min(task.left_out_cents, MUCH),
        )
        for task in problem.tasks
    )
    vans = (
        replace(
            van,
            capacity=tuple(min(units, MUCH) for units in van.capacity),
            overtime_s=min(van.overtime_s, LONG_S),
            max_tasks=None if van.max_tasks is None else min(van.max_tasks, MUCH),
            max_distance_m=None if van.max_distance_m is None else min(van.max_distance_m, MUCH),
            breaks=tuple(_break(one, clock) for one in van.breaks),
            hours=None if van.hours is None else _hours(van.hours, clock),
            energy=None
            if van.energy is None
            else replace(van.energy, range_m=min(van.energy.range_m, FAR_M), full_m=min(van.energy.full_m, FAR_M)),
        )
        for van in problem.vans
    )
    depots = (
        replace(depot, windows_s=tuple((clock(opens), clock(closes)) for opens, closes in depot.windows_s)) for depot in problem.depots
    )
    max_wait_s = None if problem.max_wait_s is None else min(problem.max_wait_s, LONG_S)
    return replace(problem, tasks=tuple(tasks), vans=tuple(vans), depots=tuple(depots), max_wait_s=max_wait_s)


def _break(pause: Break, clock: Callable[[int], int]) -> Break:
    gaps = tuple((clock(since), clock(until)) for since, until in pause.gaps_s)
    return replace(pause, earliest_s=clock(pause.earliest_s), latest_s=clock(pause.latest_s), gaps_s=gaps)


def _hours(hours: Hours, clock: Callable[[int], int]) -> Hours:
    return replace(hours, to_break_s=clock(hours.to_break_s), driving_s=clock(hours.driving_s), duty_s=clock(hours.duty_s))


def _beyond(one: Task | Van, numbers: Numbers) -> Iterator[str]:
    """What is negative, or absurd."""
    for name, (least, most) in numbers.items():
        value = getattr(one, name)
        if value is not None and not least <= value <= most:
            yield f"its {name} is {value}"


def _ways(durations_s: Table, distances_m: Table) -> tuple[Table, Table]:
    """The matrices without what is no way; of several bands, what is none in one is none in all."""
    closed = (durations_s < 0) | (durations_s > LONG_S)
    holes = (closed.any(axis=0) if closed.ndim > distances_m.ndim else closed) | (distances_m < 0) | (distances_m >= FAR_M)
    if not holes.any():
        return durations_s, distances_m
    return np.where(holes, -1, durations_s).astype(np.int32), np.where(holes, -1, distances_m).astype(np.int32)


def _wrong_task(problem: Problem, task: Task, n: int) -> Iterator[str]:
    if not 0 <= task.place < n:
        yield f"its place {task.place} is not one of the {n} places"
        return
    if any(units < 0 for units in task.load):
        yield f"its load {task.load} is less than nothing"
    yield from _beyond(task, TASK_NUMBERS)
    for kind, seconds in task.service_by_type:
        if not 0 <= seconds <= LONG_S:
            yield f"its service by {kind} is {seconds}"
    for kind, seconds in task.parking_by_type:
        if not 0 <= seconds <= LONG_S:
            yield f"its parking by {kind} is {seconds}"
    if task.max_ride_s is not None and task.max_ride_s < 0:
        yield f"its max_ride_s is {task.max_ride_s}"
    if task.vehicle_types is not None and not task.vehicle_types:
        yield "no kind of vehicle may come here"
    for dimension, units in enumerate(task.load):
        if units > MUCH:  # less than that is no mistake by itself: what would have to give way can still be asked for
            yield f"larger than every van ({units} > {max((van.capacity[dimension] for van in problem.vans), default=0)})"
    for opens, closes in task.windows_s:
        if closes < opens:
            yield f"its window ends ({closes}) before it begins ({opens})"
    if list(task.windows_s) != sorted(task.windows_s):
        yield "its windows are not in order"
    if task.promise_s is not None and task.promise_s[1] < task.promise_s[0]:
        yield f"its promise ends ({task.promise_s[1]}) before it begins ({task.promise_s[0]})"
    opens = min((opens for opens, _ in task.windows_s), default=0)
    if task.deadline_s is not None and opens > task.deadline_s:
        yield f"its windows open at {opens}, after its deadline {task.deadline_s}"
    if task.deadline_s is not None and task.kind == "pickup" and task.release_s > task.deadline_s:
        yield f"it is ready at {task.release_s}, after its deadline {task.deadline_s}"
    ways = problem.durations_s[:, task.place]
    if n > 1 and not problem.profiles and (ways >= 0).sum() <= (ways[task.place] >= 0):
        yield "no road reaches this address"


def _wrong_van(problem: Problem, van: Van, n: int) -> Iterator[str]:
    places = {"start_place": van.start_place, "end_place": van.start_place if van.end_place is None else van.end_place}
    for name, place in places.items():
        if not 0 <= place < n:
            yield f"its {name} {place} is not one of the {n} places"
    if any(units < 0 for units in (*van.capacity, *van.carried)):
        yield f"its capacity {van.capacity} or what it carries is less than nothing"
    yield from _beyond(van, VAN_NUMBERS)
    if any(units > MUCH for units in van.carried):
        yield f"what it carries is {van.carried}"
    if any(cents < 0 or cents > MUCH for _, cents in van.familiar):
        yield f"its prices by territory are {dict(van.familiar)}"
    if van.shift_end_s < van.start_s and van.at_depot:
        yield f"its shift ends ({van.shift_end_s}) before it begins ({van.start_s})"
    if van.shift_end_s > LONG_S or van.shift_end_s - van.start_s > LONG_S:
        yield "its shift is longer than 100 days"
    for pause in van.breaks:
        instants = [pause.earliest_s, *(at for gap in pause.gaps_s for at in gap), pause.latest_s]
        if instants != sorted(instants) or not 0 <= pause.duration_s <= LONG_S:
            yield f"its break from {pause.earliest_s} to {pause.latest_s} of {pause.duration_s} s is none"
    for depot in sorted(van.reloads - {one.depot for one in problem.depots}):
        yield f"there is no depot {depot!r} where it could load again"
    if van.begun is not None and not 0 <= van.begun.left_s <= LONG_S:
        yield f"its {van.begun.step} that is begun takes {van.begun.left_s} s more"
    if van.energy is not None and (van.energy.range_m < 0 or van.energy.full_m <= 0):
        yield "its range is less than nothing"
    if problem.profiles and van.profile and van.profile not in problem.profiles:
        yield f"there is no profile {van.profile!r}"
