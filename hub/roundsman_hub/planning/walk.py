"""One van's route, walked stop by stop: times, loads, distance and price. What the judge and the insertion both count with.

Money is counted in whole *units* of 1/18,000 cent: a metre at cents per km, a second at cents per hour and a second at
cents per minute are then all whole numbers, so that sums are exact and engines can be given the very same prices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from roundsman_hub.planning.problem import PlannedVisit, Problem, Task, TaskId, Van, VehicleId

UNITS_PER_CENT: Final = 18_000
UNITS_PER_METRE: Final = UNITS_PER_CENT // 1_000
"""times `cents_per_km`"""
UNITS_PER_SECOND: Final = UNITS_PER_CENT // 3_600
"""times `cents_per_hour`"""
UNITS_PER_LATE_SECOND: Final = UNITS_PER_CENT // 60
"""times `lateness_cents_per_min`"""
NEXT_STOPS: Final = 3
"""How many stops ahead a driver has in mind: those that cost churn when they change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A walked route. `no_way`: pairs of places without a road between them; `peak_load`: the most that was ever on board."""

    visits: tuple[PlannedVisit, ...]
    leave_s: int
    back_s: int
    distance_m: int
    lateness_s: int
    peak_load: int
    no_way: tuple[tuple[int, int], ...]
    units: int


class Ground:
    """A problem's look-ups, made once: tasks by id, vans by id, matrices as lists (ten times faster to index than arrays).

    `home_s`, `limit_load`: what no plan can help. A van cannot be back before it has served what is frozen and driven home, and
    cannot have less on board than it has: shift end and capacity are held against the larger of the two.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.tasks: dict[TaskId, Task] = {task.task: task for task in problem.tasks}
        self.vans: dict[VehicleId, Van] = {van.vehicle: van for van in problem.vans}
        self.durations_s: list[list[int]] = problem.durations_s.tolist()
        self.distances_m: list[list[int]] = problem.distances_m.tolist()
        self.on_board: dict[VehicleId, int] = dict.fromkeys(self.vans, 0)
        for task in problem.tasks:
            if task.on_board in self.on_board:
                self.on_board[task.on_board] += task.load
        self.held = {van.vehicle: frozenset((*problem.current.get(van.vehicle, ()), *van.frozen)) for van in problem.vans}
        self.home_s: dict[VehicleId, int] = {}
        self.limit_load: dict[VehicleId, int] = {}
        for van in problem.vans:
            least = self.walk(van, [task for task in van.frozen if task in self.tasks])
            self.home_s[van.vehicle] = max(van.shift_end_s, least.back_s)
            self.limit_load[van.vehicle] = max(van.capacity, least.peak_load)
        self.next_stops: dict[VehicleId, tuple[TaskId, ...]] = {
            vehicle: tuple(task for task in route if task in self.tasks)[:NEXT_STOPS] for vehicle, route in problem.current.items()
        }

    def refusal(self, van: Van, task: Task) -> str | None:
        """Why this van may never serve the task, whatever the time; None if it may."""
        if task.on_board is not None and task.on_board != van.vehicle:
            return f"{task.task} is on board of {task.on_board}"
        if task.may_be_held_by is not None and task.may_be_held_by != van.vehicle:
            return f"{task.task} may still be held by {task.may_be_held_by}"
        if task.kind == "delivery" and task.on_board is None and not van.at_depot:
            return f"goods of {task.task} are at the depot, which {van.vehicle} has left"
        if not van.reachable and task.on_board is None and task.task not in self.held[van.vehicle]:
            return f"{van.vehicle} cannot be told of {task.task}: it is offline"
        return None

    def leave_s(self, van: Van, route: Sequence[TaskId]) -> int:
        """When the van can start: not before the goods that it loads at the depot are there."""
        tasks = self.tasks
        return max(
            [van.start_s, *(tasks[t].release_s for t in route if tasks[t].kind == "delivery" and tasks[t].on_board is None)],
        )

    def load_at_start(self, van: Van, route: Sequence[TaskId]) -> int:
        """On board when the van leaves: what it carries anyway, and what this route loads at the depot."""
        tasks = self.tasks
        loaded = sum(tasks[t].load for t in route if tasks[t].kind == "delivery" and tasks[t].on_board is None)
        return van.carried + self.on_board[van.vehicle] + loaded

    def churn(self, vehicle: VehicleId, route: Sequence[TaskId]) -> int:
        """How many of the driver's next stops are no longer where they were."""
        return sum(1 for at, task in enumerate(self.next_stops.get(vehicle, ())) if at >= len(route) or route[at] != task)

    def walk(self, van: Van, route: Sequence[TaskId]) -> Walk:
        """Walk a route from `van.start_place` to `van.end_place`; every task of it must be known.

        A leg without a way costs no time here, and is told in `no_way`.
        """
        leave_s = at_s = self.leave_s(van, route)
        load = peak = self.load_at_start(van, route)
        place, distance, lateness = van.start_place, 0, 0
        visits: list[PlannedVisit] = []
        no_way: list[tuple[int, int]] = []
        for task_id in route:
            task = self.tasks[task_id]
            leg_s, leg_m = self.durations_s[place][task.place], self.distances_m[place][task.place]
            if leg_s < 0:
                no_way.append((place, task.place))
                leg_s = leg_m = 0
            arrival = at_s + leg_s
            start, late = begin(task, arrival)
            at_s = start + task.service_s
            load += task.load if task.kind == "pickup" else -task.load
            peak = max(peak, load)
            distance += leg_m
            lateness += late
            place = task.place
            visits.append(
                PlannedVisit(
                    task=task_id,
                    leg_s=leg_s,
                    leg_m=leg_m,
                    arrival_s=arrival,
                    wait_s=start - arrival,
                    start_s=start,
                    departure_s=at_s,
                    lateness_s=late,
                    load_after=load,
                )
            )
        drives = bool(route) or not van.at_depot
        home_s, home_m = self.durations_s[place][van.end_place], self.distances_m[place][van.end_place]
        if drives and home_s < 0:
            no_way.append((place, van.end_place))
        back_s = at_s + max(home_s, 0) if drives else van.start_s
        distance += max(home_m, 0) if drives else 0
        return Walk(
            visits=tuple(visits),
            leave_s=leave_s,
            back_s=back_s,
            distance_m=distance,
            lateness_s=lateness,
            peak_load=peak,
            no_way=tuple(no_way),
            units=self.units(van, used=bool(route), distance_m=distance, seconds=back_s - van.start_s, late_s=lateness),
        )

    def units(self, van: Van, *, used: bool, distance_m: int, seconds: int, late_s: int) -> int:
        """Price of a route in units. The van's fixed price is only still to be saved while it stands at the depot."""
        fixed = van.fixed_cents * UNITS_PER_CENT if used and van.at_depot else 0
        return (
            fixed
            + distance_m * van.cents_per_km * UNITS_PER_METRE
            + seconds * van.cents_per_hour * UNITS_PER_SECOND
            + late_s * self.problem.lateness_cents_per_min * UNITS_PER_LATE_SECOND
        )


def begin(task: Task, arrival_s: int) -> tuple[int, int]:
    """(when service begins, how late that is) for a van that arrives at `arrival_s`: the first window that is still open."""
    earliest = max(arrival_s, task.release_s) if task.kind == "pickup" else arrival_s
    if not task.windows_s:
        return earliest, 0
    for opens, closes in task.windows_s:
        if earliest <= closes:
            return max(earliest, opens), 0
    return earliest, earliest - max(closes for _, closes in task.windows_s)
