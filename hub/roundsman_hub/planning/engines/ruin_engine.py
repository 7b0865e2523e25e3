"""Ruin and recreate, in the judge's own eyes: slower than any compiled search, and the only one that knows every rule and price.

Stops that lie near each other are taken out of a few routes, and put back where they cost least (Christiaens and Vanden Berghe
2020, "slack induction by string removals"); a dearer plan is accepted for a while, less and less dear (simulated annealing). Where a
problem has what no compiled engine knows, or knows together (traffic and breaks, second trips and breaks, shipments and skills), this
search works on exactly what the plan will be judged by.
"""

from __future__ import annotations

import math
import random
from functools import partial
from typing import Final

from roundsman_hub.planning.engines import Tell, budget
from roundsman_hub.planning.evaluate import fair_units
from roundsman_hub.planning.insertion import insert
from roundsman_hub.planning.lookups import UNITS_PER_CENT
from roundsman_hub.planning.problem import Plan, Problem, Step, is_task
from roundsman_hub.planning.rides import Job, Place, job_of, place_of
from roundsman_hub.planning.row import Row
from roundsman_hub.planning.walk import Excess, Ground
from roundsman_hub.planning.work import TaskId, VehicleId

NAME: Final = "ruin"
LIBRARY: Final[str | None] = None
"""What a process imports before it searches; nothing but what is here."""
TELLS: Final = True
"""Whether a search tells of better plans while it goes on."""
FEATURES: Final = frozenset(
    {
        *("windows", "lateness", "capacity", "shifts", "on_board", "frozen", "held", "priorities", "releases", "pickups"),
        *("shipments", "shipment_windows", "rides", "reloads", "reloads_elsewhere", "breaks", "hours", "traffic", "energy", "skills"),
        *("types", "parking", "relations", "promises", "overtime", "max_distance", "max_tasks", "open_end", "deadlines", "profiles"),
        *("waiting", "fuel", "territories", "fair", "churn", "left_out"),
    }
)
REMOVED: Final = 10
"""Stops taken out at a time, on average."""
LONGEST_STRING: Final = 10
SHIFTED: Final = (0.2, 0.9)
"""How often a part of a route is turned round, or a second trip or a charge put elsewhere on it, instead: no ruin does that.
The second where routes have to be walked whole: there a ruin costs as much as fifty of these."""
BLINKS: Final = 0.01
"""How often a place is overlooked, so that the same ruin is not always mended the same way."""
NEAR_ROWS: Final = 24
"""Routes that are tried for a stop, the nearest first."""
HOT, COLD = 0.003, 0.00002
"""Temperature at the start and at the end, as shares of the plan's price per stop times ten."""

SMALL: Final = 60
MORE_ROUNDS, HOTTER = 7, 12
"""Where there are only a few stops the search is done long before its time: it begins again, several times and hotter. (Without, a day of
five stops, a second trip and a break ended 0.8 % above its optimum with one seed in two.)"""


def solve(problem: Problem, warm: Plan, budget_s: float, seed: int, tell: Tell | None = None) -> Plan:
    """Search for `budget_s` seconds; never worse than the warm plan."""
    ground = Ground(problem)
    if not problem.vans or not problem.tasks:
        return warm
    until = budget.seconds() + budget_s
    begun = _State.of(ground, warm)
    best = now = begun
    rng = random.Random(seed)
    ruin = _Ruin(ground, rng, begun)
    scale = 10 * max(1.0, begun.units / max(1, len(ground.tasks)))
    small = max(0.0, 1 - len(ground.tasks) / SMALL)
    rounds, hot = 1 + round(small * MORE_ROUNDS), HOT * (1 + small * HOTTER)
    while (left_s := until - budget.seconds()) > 0:
        done = rounds * (1 - left_s / budget_s) % 1
        heat = scale * hot * (COLD / hot) ** done
        found = ruin.again(now)
        if found.units < now.units - heat * math.log(1 - rng.random()):
            now = found
        if found.units < best.units:
            best = found
        if tell is not None and best is not begun:
            tell(best, partial(_plan_of, best, warm))
    return warm if best is begun else insert(problem, _plan_of(best, warm))


def _plan_of(state: _State, warm: Plan) -> Plan:
    routes = {vehicle: tuple(row.route) for vehicle, row in state.rows.items()}
    served = {step for route in routes.values() for step in route}
    left = [task for task in state.ground.tasks if task not in served]
    return Plan(routes=routes, unassigned={task: warm.unassigned.get(task) or "not looked at yet" for task in left})


class _State:
    """A plan while it is being searched: rows, what is left out, and its price in units. Never changed: each step makes a new one."""

    __slots__ = ("ground", "left", "rows", "units")

    def __init__(self, ground: Ground, rows: dict[VehicleId, Row], left: list[Job]) -> None:
        self.ground, self.rows, self.left = ground, rows, left
        churn = sum(row.churn for row in rows.values()) * ground.problem.churn_cents * UNITS_PER_CENT
        out = sum(task.left_out_cents for job in left for task in job) * UNITS_PER_CENT
        walks = {vehicle: row.walk for vehicle, row in rows.items()} if ground.problem.fair_cents_per_hour else {}
        self.units = sum(row.units for row in rows.values()) + churn + out + fair_units(ground, walks)

    @classmethod
    def of(cls, ground: Ground, plan: Plan) -> _State:
        rows = {van.vehicle: Row(ground, van, plan.routes.get(van.vehicle, ())) for van in ground.problem.vans}
        served = {step for row in rows.values() for step in row.route}
        jobs = {job[0].task: job for task in ground.problem.tasks if task.task not in served for job in [job_of(ground, task)]}
        return cls(ground, rows, list(jobs.values()))


class _Ruin:
    """Takes stops out, and puts them back."""

    def __init__(self, ground: Ground, rng: random.Random, begun: _State) -> None:
        self.ground, self.rng = ground, rng
        problem = ground.problem
        self.tasks = [task.task for task in problem.tasks]
        self.places = {task.task: task.place for task in problem.tasks}
        seconds = ground.travel[problem.vans[0].profile].durations_s
        self.seconds = seconds
        self.near: dict[TaskId, list[TaskId]] = {}
        self.shifted = SHIFTED[not all(row.plain for row in begun.rows.values())]
        planned = {step for route in problem.current.values() for step in route}
        late = {visit.task for row in begun.rows.values() for visit in row.visits if visit.lateness_s or visit.promise_late_s}
        self.may_be_late = planned | late | {task.task for task in problem.tasks if task.on_board is not None}

    def again(self, state: _State) -> _State:
        """A state with some stops taken out and put back."""
        rows = dict(state.rows)
        if self.rng.random() < self.shifted and self._shift(rows):
            return _State(self.ground, rows, state.left)
        taken = self._take(rows)
        jobs = [*taken, *state.left]
        self._shuffle(jobs)
        where = {step: vehicle for vehicle, row in rows.items() for step in row.route} if self.ground.relations_of else {}
        left = [job for job in jobs if not self._put(rows, job, where)]
        return _State(self.ground, rows, left)

    def _shift(self, rows: dict[VehicleId, Row]) -> bool:
        """A part of one route turned round, or a second trip or a charge elsewhere on it; false if that breaks a rule."""
        ground, rng = self.ground, self.rng
        longer = [vehicle for vehicle, row in rows.items() if len(row.route) > row.first_free + 1]
        if not longer:
            return False
        vehicle = rng.choice(longer)
        row = rows[vehicle]
        free = range(row.first_free, len(row.route))
        places = [at for at in free if not is_task(row.route[at])]
        if places and rng.random() < 0.5:
            at = rng.choice(places)
            lean = [*row.route[:at], *row.route[at + 1 :]]
            to = rng.randrange(row.first_free, len(lean) + 1)
            route = [*lean[:to], row.route[at], *lean[to:]]
        else:
            first, last = sorted(rng.sample(free, 2))
            route = [*row.route[:first], *row.route[first : last + 1][::-1], *row.route[last + 1 :]]
        moved = Row(ground, row.van, route)
        fine = Excess(*map(max, row.walk.excess, ground.allowed[vehicle]))
        late = moved.lateness_s > row.lateness_s or moved.walk.promise_late_s > row.walk.promise_late_s
        if late or not moved.walk.excess.within(fine) or ground.out_of_order(route):
            return False
        rows[vehicle] = moved
        return True

    def _neighbours(self, task: TaskId) -> list[TaskId]:
        if task not in self.near:
            from_here = self.seconds[self.places[task]]
            far = 1 << 30

            def away(other: TaskId) -> int:
                leg_s = from_here[self.places[other]]
                return far if leg_s < 0 else leg_s

            self.near[task] = sorted(self.tasks, key=away)[:120]
        return self.near[task]

    def _take(self, rows: dict[VehicleId, Row]) -> list[Job]:
        """Strings of neighbouring stops, out of the routes around a stop drawn at random."""
        rng, ground = self.rng, self.ground
        on = {step: vehicle for vehicle, row in rows.items() for step in row.route[row.first_free :] if is_task(step)}
        taken: dict[TaskId, Job] = {}
        if not on:
            return []
        mean = sum(len(row.route) for row in rows.values()) / max(1, sum(1 for row in rows.values() if row.route))
        longest = min(LONGEST_STRING, max(1.0, mean))
        strings = max(1, int(rng.uniform(1, 4 * REMOVED / (1 + longest))))
        ruined: set[VehicleId] = set()
        for task in self._neighbours(rng.choice(list(on))):
            if len(ruined) >= strings:
                break
            vehicle = on.get(task)
            if vehicle is None or vehicle in ruined or task in taken:
                continue
            row = rows[vehicle]
            if task not in row.route:
                continue
            length = int(rng.uniform(1, min(longest, len(row.route) - row.first_free) + 1))
            at = row.route.index(task)
            first = max(row.first_free, at - rng.randrange(length))
            names: set[Step] = set()
            for step in row.route[first : first + length]:
                if is_task(step):
                    job = job_of(ground, ground.tasks[step])
                    ends = {one.task for one in job}
                    if ends <= set(row.route[row.first_free :]):
                        taken[job[0].task] = job
                        names |= ends
            without = row.without(names)
            if names and without.walk.excess.within(Excess(*map(max, row.walk.excess, ground.allowed[vehicle]))):
                rows[vehicle] = without
                ruined.add(vehicle)
            else:
                taken = {name: job for name, job in taken.items() if name not in names}
        return list(taken.values())

    def _shuffle(self, jobs: list[Job]) -> None:
        """In the order of one of four wishes: none, the largest, the farthest from home, the soonest to close."""
        self.rng.shuffle(jobs)
        wish = self.rng.choices(("any", "large", "far", "close"), (4, 3, 2, 2))[0]
        home = self.seconds[self.ground.problem.vans[0].start_place]
        if wish == "large":
            jobs.sort(key=lambda job: -sum(sum(task.load) for task in job))
        elif wish == "far":
            jobs.sort(key=lambda job: -home[job[0].place])
        elif wish == "close":
            jobs.sort(key=lambda job: min(max((closes for _, closes in task.windows_s), default=1 << 40) for task in job))

    def _put(self, rows: dict[VehicleId, Row], job: Job, where: dict[Step, VehicleId]) -> bool:
        """Where it costs least, if that is less than leaving it out."""
        limit = sum(task.left_out_cents for task in job) * UNITS_PER_CENT
        late = any(task.task in self.may_be_late for task in job)
        best: tuple[int, VehicleId, Place] | None = None
        for vehicle in self._near_rows(rows, job):
            if self.rng.random() < BLINKS or (where and any(self.ground.unrelated(task.task, vehicle, where) for task in job)):
                continue
            place = place_of(rows[vehicle], job, late_allowed=late)
            if place is not None and place.units < limit and (best is None or place.units < best[0]):
                best = place.units, vehicle, place
        if best is None:
            return False
        _, vehicle, place = best
        rows[vehicle] = rows[vehicle].with_(job[0], place)
        if self.ground.relations_of:
            where.update({task.task: vehicle for task in job})
        return True

    def _near_rows(self, rows: dict[VehicleId, Row], job: Job) -> list[VehicleId]:
        """All of them, or on a large fleet those that come near, and one that has nothing to do yet."""
        if len(rows) <= NEAR_ROWS:
            return list(rows)
        on = {step: vehicle for vehicle, row in rows.items() for step in row.route}
        near = dict.fromkeys(on[other] for other in self._neighbours(job[0].task) if other in on)
        idle = next((vehicle for vehicle, row in rows.items() if not row.route), None)
        return [*list(near)[:NEAR_ROWS], *([idle] if idle is not None else [])]
