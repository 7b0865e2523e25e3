"""Repair along the borders of parts: what lies beside another part's route, which no search of its own part can see.

Each round of `decompose` ends with it. Neighbour lists say which stops lie near another part's route; for those of them that
would save most way there, if nothing else mattered, the place is looked for exactly. Two ways are tried: the stop alone goes over, or the
two routes exchange their tails between it and its neighbour (Potvin and Rousseau 1995, "2-opt*"). How much is tried is counted (`effort`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from roundsman_hub.planning.decompose import Part
from roundsman_hub.planning.effort import Effort
from roundsman_hub.planning.insertion import moved_to_better
from roundsman_hub.planning.lookups import UNITS_PER_CENT
from roundsman_hub.planning.problem import Plan
from roundsman_hub.planning.row import Row
from roundsman_hub.planning.walk import Excess, Ground
from roundsman_hub.planning.work import TaskId, VehicleId

NEIGHBOURS: Final = 10
CANDIDATES: Final = 60
"""Moves that are tried, those first that save most way."""
EFFORT_US: Final = 200_000
CHUNK: Final = 500
FAR_S: Final = 1 << 28


class Borders:
    """The neighbours of every task, looked up once for a search."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        tasks = [task for task in ground.problem.tasks if task.shipment is None and task.task not in ground.relations_of]
        names, places = [task.task for task in tasks], np.array([task.place for task in tasks], dtype=np.intp)
        count = min(NEIGHBOURS + 1, len(names))
        self.near: dict[TaskId, list[TaskId]] = {}
        for first in range(0, len(names), CHUNK):
            table = ground.problem.durations_s[np.ix_(places[first : first + CHUNK], places)]
            nearest = np.argpartition(np.where(table < 0, FAR_S, table), count - 1, axis=1)[:, :count].tolist()
            self.near |= {names[first + at]: [names[other] for other in row if other != first + at] for at, row in enumerate(nearest)}

    def mended(self, plan: Plan, parts: Sequence[Part]) -> Plan:
        """The plan with stops and tails moved over borders, where that is cheaper and makes nobody later; or the same plan."""
        ground = self.ground
        part_of = {vehicle: at for at, part in enumerate(parts) for vehicle in part.vehicles if plan.routes.get(vehicle)}
        ground.effort = Effort(end_us=EFFORT_US)
        try:
            rows = {vehicle: Row(ground, ground.vans[vehicle], plan.routes[vehicle]) for vehicle in part_of}
            ground.effort.spent_us = 0
            for _, task, neighbour, vehicle, other in sorted(self._moves(rows, part_of))[:CANDIDATES]:
                if ground.effort.over:
                    break
                if task not in rows[vehicle].route or neighbour not in rows[other].route:
                    continue  # one of them was moved just now
                two = {vehicle: rows[vehicle], other: rows[other]}
                if moved_to_better(ground, two, vehicle, task) or self._tails(two, vehicle, task, other, neighbour):
                    rows |= two
        finally:
            ground.effort = Effort()
        return Plan(routes={**plan.routes, **{vehicle: tuple(row.route) for vehicle, row in rows.items()}}, unassigned=plan.unassigned)

    def _moves(
        self, rows: Mapping[VehicleId, Row], part_of: Mapping[VehicleId, int]
    ) -> Iterator[tuple[int, TaskId, TaskId, VehicleId, VehicleId]]:
        """(less than no seconds of way, stop, neighbour on a route of another part, its van, the neighbour's van)."""
        ways: dict[TaskId, tuple[VehicleId, int, int, int]] = {}
        for vehicle, row in rows.items():
            places = [row.van.start_place, *(stop.place for stop in self.ground.steps_of(row.van, row.route))]
            places.append(places[-1] if row.van.end_place is None else row.van.end_place)
            for at in range(row.first_free, len(row.route)):
                ways[row.route[at]] = vehicle, places[at], places[at + 1], places[at + 2]
        seconds = self.ground.problem.durations_s.item
        for task, (vehicle, before, here, after) in ways.items():
            freed_s = seconds(before, here) + seconds(here, after) - seconds(before, after)
            for neighbour in self.near.get(task, ()):
                other, ahead, there, behind = ways.get(neighbour, (vehicle, 0, 0, 0))
                if part_of[other] == part_of[vehicle]:
                    continue
                first_s = seconds(ahead, here) + seconds(here, there) - seconds(ahead, there)
                then_s = seconds(there, here) + seconds(here, behind) - seconds(there, behind)
                tails_s = seconds(here, there) + seconds(ahead, after) - seconds(here, after) - seconds(ahead, there)
                least_s = min(min(first_s, then_s) - freed_s, tails_s)
                if least_s < 0:
                    yield least_s, task, neighbour, vehicle, other

    def _tails(self, rows: dict[VehicleId, Row], vehicle: VehicleId, task: TaskId, other: VehicleId, neighbour: TaskId) -> bool:
        """From a stop on one van drives what the other drives from its neighbour on, and the other way round. `rows` are replaced."""
        ground, one, two = self.ground, rows[vehicle], rows[other]
        at, to = one.route.index(task) + 1, two.route.index(neighbour)
        swapped = [*one.route[at:], *two.route[to:]]
        if not (one.plain and two.plain) or not all(step in self.near for step in swapped) or at < one.first_free or to < two.first_free:
            return False
        if any(ground.refusal(two.van, ground.tasks[step]) for step in one.route[at:]):
            return False
        if any(ground.refusal(one.van, ground.tasks[step]) for step in two.route[to:]):
            return False
        new = [Row(ground, one.van, [*one.route[:at], *two.route[to:]]), Row(ground, two.van, [*two.route[:to], *one.route[at:]])]
        spent = [row.units + row.churn * ground.problem.churn_cents * UNITS_PER_CENT for row in (*new, one, two)]
        late = [row.lateness_s + row.walk.promise_late_s for row in (*new, one, two)]
        fine = all(
            made.walk.excess.within(Excess(*map(max, was.walk.excess, ground.allowed[was.van.vehicle])))
            for made, was in zip(new, (one, two), strict=True)
        )
        if not fine or sum(late[:2]) > sum(late[2:]) or sum(spent[:2]) >= sum(spent[2:]):
            return False
        rows[vehicle], rows[other] = new
        return True
