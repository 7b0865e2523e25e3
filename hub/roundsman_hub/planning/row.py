"""One van's route, ready for insertions to be tried quickly: times before each stop, loads to its left and right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from roundsman_hub.planning.problem import Task, TaskId, Van
from roundsman_hub.planning.walk import UNITS_PER_CENT, Ground, begin


class Place(NamedTuple):
    """Where a task would go, and what that adds in units."""

    units: int
    at: int


class Row:
    """A route and what a try needs: only the stops after the new one are walked again, and only until a wait swallows the delay."""

    def __init__(self, ground: Ground, van: Van, route: Sequence[TaskId]) -> None:
        self.ground, self.van, self.route = ground, van, list(route)
        walk = ground.walk(van, self.route)
        self.back_s, self.distance_m, self.leave_s = walk.back_s, walk.distance_m, walk.leave_s
        self.lateness_s, self.units, self.visits, self.no_way = walk.lateness_s, walk.units, walk.visits, walk.no_way
        self.stops = [ground.tasks[task] for task in self.route]
        self.places = [van.start_place, *(stop.place for stop in self.stops)]
        self.depart_s = [walk.leave_s, *(visit.departure_s for visit in walk.visits)]
        loads = [ground.load_at_start(van, self.route), *(visit.load_after for visit in walk.visits)]
        self.peak_before, self.peak_after = loads[:], loads[:]
        for i in range(1, len(loads)):
            self.peak_before[i] = max(self.peak_before[i - 1], loads[i])
        for i in range(len(loads) - 2, -1, -1):
            self.peak_after[i] = max(self.peak_after[i + 1], loads[i])
        self.first_free = len([task for task in van.frozen if task in ground.tasks])
        self.churn = ground.churn(van.vehicle, self.route)

    def best(self, task: Task, *, late_allowed: bool = False, loads_matter: bool = True) -> Place | None:
        """Cheapest place for a task, None if it has none on this route."""
        ground, van = self.ground, self.van
        if ground.refusal(van, task):
            return None
        limit = ground.limit_load[van.vehicle] if loads_matter else 1 << 60
        best: Place | None = None
        for at in range(self.first_free, len(self.route) + 1):
            peak = self.peak_before[at] if task.kind == "delivery" else self.peak_after[at]
            if task.on_board is None and peak + task.load > limit:
                continue
            units = self._added(task, at, late_allowed=late_allowed)
            if units is not None and (best is None or units < best.units):
                best = Place(units, at)
        return best

    def _added(self, task: Task, at: int, *, late_allowed: bool) -> int | None:
        ground, van = self.ground, self.van
        durations, distances = ground.durations_s, ground.distances_m
        before = self.places[at]
        after = self.places[at + 1] if at < len(self.stops) else van.end_place
        to_s, on_s = durations[before][task.place], durations[task.place][after]
        if to_s < 0 or on_s < 0:
            return None
        if task.kind == "delivery" and task.on_board is None and task.release_s > self.leave_s:
            return self._walked(task, at, late_allowed=late_allowed)  # the whole route starts later: rare
        begins, late = begin(task, self.depart_s[at] + to_s)
        if late and not late_allowed:
            return None
        clock, place, late_sum = begins + task.service_s, task.place, late
        back_s: int | None = None
        for index in range(at, len(self.stops)):
            stop, was = self.stops[index], self.visits[index]
            begins, late = begin(stop, clock + max(durations[place][stop.place], 0))
            if begins == was.start_s:
                back_s = self.back_s  # a wait swallowed the delay: nothing after changes
                break
            if late > was.lateness_s and not late_allowed:
                return None
            late_sum += late - was.lateness_s  # less than nothing where a detour is the faster way: matrices are like that
            clock, place = begins + stop.service_s, stop.place
        if back_s is None:
            back_s = clock + max(durations[place][van.end_place], 0)
        if back_s > ground.home_s[van.vehicle]:
            return None
        skipped = max(distances[before][after], 0) if self.route or not van.at_depot else 0
        metres = distances[before][task.place] + distances[task.place][after] - skipped
        added = ground.units(van, used=not self.route, distance_m=metres, seconds=back_s - self.back_s, late_s=late_sum)
        return added + self._churn_units(task, at)

    def _walked(self, task: Task, at: int, *, late_allowed: bool) -> int | None:
        walk = self.ground.walk(self.van, [*self.route[:at], task.task, *self.route[at:]])
        was = {visit.task: visit.lateness_s for visit in self.visits}
        later = any(visit.lateness_s > was.get(visit.task, 0) for visit in walk.visits)
        if walk.no_way or walk.back_s > self.ground.home_s[self.van.vehicle] or (later and not late_allowed):
            return None
        return walk.units - self.units + self._churn_units(task, at)

    def _churn_units(self, task: Task, at: int) -> int:
        mind = self.ground.next_stops.get(self.van.vehicle, ())
        if at >= len(mind) and task.task not in mind:
            return 0
        churn = self.ground.churn(self.van.vehicle, [*self.route[:at], task.task, *self.route[at:]])
        return (churn - self.churn) * self.ground.problem.churn_cents * UNITS_PER_CENT
