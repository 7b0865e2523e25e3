"""PyVRP: iterated local search over the work that is not frozen.

How a fleet on the road becomes PyVRP's problem:

- a frozen prefix is walked beforehand; the van starts where and when it ends;
- who may serve what is a matter of roads: vans with the same rights share a profile, in which forbidden places lie behind `FAR`;
- a van that has left must come home with or without work: a required stop at its own start keeps idling from being free;
- goods on board are ordinary deliveries (loaded at the start) that only their van can reach. Those that the warm plan serves must be
  served; those that it cannot serve stay on board, as load: so loads are exact at every step;
- several windows are a group of clients of which one is visited; vans that differ in nothing are one type, which searches faster;
- prices are the judge's own, brought to the size that PyVRP's penalties are made for (`COST_PER_S`);
- what is late in the warm plan may stay as late, and no later: PyVRP has no soft windows.

Not seen: churn, lateness within the allowance. The judge sees both.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from roundsman_hub.planning.lookups import UNITS_PER_CENT, UNITS_PER_METRE, UNITS_PER_SECOND
from roundsman_hub.planning.problem import Plan, Problem, Task, TaskId, Van, VehicleId
from roundsman_hub.planning.walk import Ground

NAME: Final = "pyvrp"
FEATURES: Final = frozenset({"windows", "capacity", "shifts", "on_board", "frozen", "held", "priorities", "releases", "pickups"})
FAR: Final = 10_000_000
"""Seconds and metres to a place that a van may not go to: past every shift's end, and dearer than leaving any order out."""
OPEN_END_S: Final = 1 << 40
COST_PER_S: Final = 200
"""Largest price of a second or metre that PyVRP is given; the judge's own units (15,000 a second) are past what its penalties reach."""
LATE_SECONDS: Final = 20
"""The search begins with a second past a window priced as so many seconds of work. Measured with the load penalty below: on 40 and
120 stops a second and a half then saves what PyVRP's own start (the middle of its range) missed altogether or in part."""
MAX_PENALTY: Final = 1e8
"""Times `FAR` this is 10¹⁵: far from the end of 64 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Client:
    """A visit that PyVRP may plan: one of a task's windows, or a van's own start (`task` None)."""

    task: Task | None
    place: int
    opens_s: int
    closes_s: int
    owner: VehicleId | None = None


def solve(problem: Problem, warm: Plan, budget_s: float, seed: int) -> Plan:
    """Search for `budget_s` seconds; the warm plan when nothing feasible was found."""
    import pyvrp
    from pyvrp.exceptions import ScalingWarning

    ground = Ground(problem)
    vans = [van for van in problem.vans if ground.home_s[van.vehicle] >= 0]
    model = Translation(ground, vans, warm)
    if not vans or not any(client.task for client in model.clients):
        return warm
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScalingWarning)  # the price of leaving an order out is large on purpose
        data = model.data(pyvrp)
        first = pyvrp.Solution(data, model.routes_of(pyvrp, data, warm))
        best = _search(pyvrp, data, first, model.penalties(), budget_s, seed)
    return model.plan_of(best, warm) if best.is_feasible() else warm


def _search(pyvrp: Any, data: Any, first: Any, penalties: tuple[float, float] | None, budget_s: float, seed: int) -> Any:
    """`pyvrp.solve` with penalties of our own to begin with: (of a unit of load too many, of a second too late)."""
    from pyvrp import search
    from pyvrp.IteratedLocalSearch import IteratedLocalSearch
    from pyvrp.PenaltyManager import PenaltyManager, PenaltyParams

    params = PenaltyParams() if penalties is None else PenaltyParams(max_penalty=MAX_PENALTY)
    begin = (
        params.midpoint_penalties(data) if penalties is None else ([penalties[0]] * data.num_load_dimensions, penalties[1], penalties[1])
    )
    rng = pyvrp.RandomNumberGenerator(seed=seed)
    local = search.LocalSearch(data, rng, search.compute_neighbours(data), search.PerturbationManager())
    for operator in search.OPERATORS:
        if operator.supports(data):
            local.add_operator(operator(data))
    algorithm = IteratedLocalSearch(data, PenaltyManager(begin, params), local, first)
    return algorithm.run(pyvrp.stop.MaxRuntime(budget_s), collect_stats=False).best


class Translation:
    """The translation, both ways. Clients, vans and profiles in the order that PyVRP numbers them."""

    def __init__(self, ground: Ground, vans: list[Van], warm: Plan) -> None:
        self.ground, self.vans = ground, vans
        served = {task for route in warm.routes.values() for task in route}
        self.frozen: dict[VehicleId, tuple[TaskId, ...]] = {}
        self.start_place: list[int] = []
        self.start_s: list[int] = []
        self.load: list[list[int]] = []
        for van in vans:
            frozen = tuple(task for task in van.frozen if task in ground.tasks)
            walk = ground.walk(van, frozen)
            self.frozen[van.vehicle] = frozen
            self.start_place.append(ground.tasks[frozen[-1]].place if frozen else van.start_place)
            self.start_s.append(walk.visits[-1].departure_s if walk.visits else van.start_s)
            stays = ground.sum_of(task for task in ground.on_board_of[van.vehicle] if task.task not in served)
            taken = ground.sum_of(ground.tasks[t] for t in frozen if ground.tasks[t].kind == "pickup")
            self.load.append([sum(parts) for parts in zip(van.carried or ground.nothing, stays, taken, strict=True)])
        self.late = _warm_starts(ground, warm)
        done = {task for frozen in self.frozen.values() for task in frozen}
        self.clients = [
            # Open at the start alone: later it would be a place to pass through, where the direct way is longer or missing.
            _Client(task=None, place=place, opens_s=0, closes_s=OPEN_END_S if van.at_depot else max(start_s, 0), owner=van.vehicle)
            for van, place, start_s in zip(vans, self.start_place, self.start_s, strict=True)
            if self._must_drive(van)
        ]
        for task in ground.problem.tasks:
            if task.task not in done and (task.on_board is None or task.task in served):
                self.clients += self._openings(task)
        self.profiles, self.profile_of = self._rights()
        self.types = self._types()
        self.unit = self._unit()

    def _must_drive(self, van: Van) -> bool:
        return not van.at_depot or bool(self.frozen[van.vehicle])

    def _openings(self, task: Task) -> list[_Client]:
        release = task.release_s if task.kind == "pickup" else 0
        windows = task.windows_s or ((0, OPEN_END_S),)
        last = max(closes for _, closes in windows)
        late_until = self.late.get(task.task, last)
        openings = []
        for opens, closes in windows:
            until = max(closes, late_until) if closes == last else closes
            if until >= max(opens, task.release_s, 0):
                openings.append(_Client(task=task, place=task.place, opens_s=max(opens, release, 0), closes_s=until))
        return openings

    def _rights(self) -> tuple[list[frozenset[int]], list[int]]:
        """Forbidden clients of each profile, and each van's profile."""
        profiles: list[frozenset[int]] = []
        profile_of = []
        for van in self.vans:
            forbidden = frozenset(
                index
                for index, client in enumerate(self.clients)
                if (client.owner not in (None, van.vehicle) if client.task is None else self.ground.refusal(van, client.task) is not None)
            )
            if forbidden not in profiles:
                profiles.append(forbidden)
            profile_of.append(profiles.index(forbidden))
        return profiles, profile_of

    def _types(self) -> list[list[int]]:
        """Vans (by number) that differ in nothing, together."""
        alike: dict[object, list[int]] = {}
        for number, van in enumerate(self.vans):
            same = (van.start_place, van.end_place, van.start_s, van.shift_end_s, van.capacity, van.carried, self.profile_of[number])
            prices = (van.fixed_cents, van.cents_per_hour, van.cents_per_km)
            alike.setdefault(number if self._must_drive(van) else (same, prices), []).append(number)
        return list(alike.values())

    def _unit(self) -> int:
        """How many of the judge's units are one of PyVRP's: the largest that loses nothing, or one that rounds a little."""
        per_s = [van.cents_per_hour * UNITS_PER_SECOND for van in self.vans]
        per_m = [van.cents_per_km * UNITS_PER_METRE for van in self.vans]
        exact = math.gcd(*per_s, *per_m, UNITS_PER_CENT) or 1
        return exact * max(1, max([*per_s, *per_m], default=0) // (exact * COST_PER_S))

    def penalties(self) -> tuple[float, float] | None:
        """Prices of breaking a rule to begin with: a unit of load too many must cost what another van would, or the search fills one
        van with everything and never comes back. None where vans and time cost nothing: PyVRP's own choice serves."""
        per_s = max(van.cents_per_hour for van in self.vans) * UNITS_PER_SECOND / self.unit
        fixed = max(van.fixed_cents for van in self.vans) * UNITS_PER_CENT / self.unit
        return (fixed + 3600 * per_s, LATE_SECONDS * per_s) if per_s else None

    def data(self, pyvrp: Any) -> Any:
        """PyVRP's problem. Locations: each van's start, each van's end, each client."""
        problem, n = self.ground.problem, len(self.vans)
        places = np.array([*self.start_place, *(van.end_place for van in self.vans), *(client.place for client in self.clients)])
        durations, distances = [], []
        for forbidden in self.profiles:
            closed = np.zeros(len(places), dtype=bool)
            closed[[2 * n + index for index in forbidden]] = True
            durations.append(_matrix(problem.durations_s, places, closed))
            distances.append(_matrix(problem.distances_m, places, closed))
        windows_of: dict[TaskId, list[int]] = {}
        for index, client in enumerate(self.clients):
            if client.task is not None:
                windows_of.setdefault(client.task.task, []).append(index)
        groups = [indices for indices in windows_of.values() if len(indices) > 1]
        group_of = {index: number for number, indices in enumerate(groups) for index in indices}
        return pyvrp.ProblemData(
            [pyvrp.Location(0, 0) for _ in places],
            [self._client(pyvrp, index, group_of.get(index)) for index in range(len(self.clients))],
            [pyvrp.Depot(location) for location in range(2 * n)],
            [self._vehicle(pyvrp, numbers[0], len(numbers)) for numbers in self.types],
            distances,
            durations,
            [pyvrp.ClientGroup(indices, required=self._aboard(indices[0])) for indices in groups],
        )

    def _client(self, pyvrp: Any, index: int, group: int | None) -> Any:
        client, location = self.clients[index], 2 * len(self.vans) + index
        task = client.task
        if task is None:
            return pyvrp.Client(
                location,
                list(self.ground.nothing),
                list(self.ground.nothing),
                tw_early=client.opens_s,
                tw_late=client.closes_s,
                required=True,
            )
        nothing, load = list(self.ground.nothing), list(task.load)
        return pyvrp.Client(
            location,
            load if task.kind == "delivery" else nothing,
            nothing if task.kind == "delivery" else load,
            service_duration=task.service_s,
            tw_early=client.opens_s,
            tw_late=client.closes_s,
            release_time=task.release_s if task.kind == "delivery" and task.on_board is None else 0,
            prize=task.left_out_cents * UNITS_PER_CENT // self.unit,
            required=group is None and self._aboard(index),
            group=group,
        )

    def _aboard(self, index: int) -> bool:
        task = self.clients[index].task
        return task is not None and task.on_board is not None

    def _vehicle(self, pyvrp: Any, index: int, available: int) -> Any:
        van, start_s = self.vans[index], max(self.start_s[index], 0)
        waits = any(t.release_s > start_s for t in self.ground.problem.tasks if t.kind == "delivery" and t.on_board is None)
        return pyvrp.VehicleType(
            available,
            capacity=list(self.ground.limit_load[van.vehicle]),
            start_depot=index,
            end_depot=len(self.vans) + index,
            fixed_cost=0 if self._must_drive(van) else van.fixed_cents * UNITS_PER_CENT // self.unit,
            tw_early=start_s,
            tw_late=max(self.ground.home_s[van.vehicle], start_s),
            start_late=None if waits and van.at_depot else start_s,
            unit_distance_cost=round(van.cents_per_km * UNITS_PER_METRE / self.unit),
            unit_duration_cost=round(van.cents_per_hour * UNITS_PER_SECOND / self.unit),
            profile=self.profile_of[index],
            initial_load=self.load[index],
            name=van.vehicle,
        )

    def routes_of(self, pyvrp: Any, data: Any, plan: Plan) -> list[Any]:
        """A plan as PyVRP's routes: of several windows the one that the plan uses."""
        routes = []
        type_of = {number: index for index, numbers in enumerate(self.types) for number in numbers}
        for number, van in enumerate(self.vans):
            visits = [index for index, client in enumerate(self.clients) if client.owner == van.vehicle]
            route = [task for task in plan.routes.get(van.vehicle, ()) if task in self.ground.tasks]
            for visit in self.ground.walk(van, route).visits:
                options = [i for i, client in enumerate(self.clients) if client.task is not None and client.task.task == visit.task]
                open_ones = [i for i in options if visit.start_s <= self.clients[i].closes_s]
                visits += (open_ones or options)[:1]
            if visits:
                routes.append(pyvrp.Route(data, visits, type_of[number]))
        return routes

    def plan_of(self, solution: Any, warm: Plan) -> Plan:
        """PyVRP's answer as a plan. What it leaves out keeps the warm plan's reason, or says that other work is worth more."""
        routes: dict[VehicleId, tuple[TaskId, ...]] = {van.vehicle: self.frozen[van.vehicle] for van in self.vans}
        free = [[self.vans[number].vehicle for number in numbers] for numbers in self.types]
        for route in solution.routes():
            clients = [self.clients[activity.idx] for activity in route if activity.is_client()]
            tasks = tuple(client.task.task for client in clients if client.task is not None)
            alike = free[route.vehicle_type()]
            vehicle = max(alike, key=lambda v: len(set(tasks) & set(warm.routes.get(v, ()))))  # the van that knows most of it
            alike.remove(vehicle)
            routes[vehicle] = (*routes[vehicle], *tasks)
        served = {task for route in routes.values() for task in route}
        why = "no van is free: other work is worth more"
        return Plan(routes=routes, unassigned={task: warm.unassigned.get(task, why) for task in self.ground.tasks if task not in served})


def _warm_starts(ground: Ground, warm: Plan) -> dict[TaskId, int]:
    """When service begins at the tasks that are late in the warm plan."""
    late: dict[TaskId, int] = {}
    for vehicle, route in warm.routes.items():
        if vehicle in ground.vans:
            walk = ground.walk(ground.vans[vehicle], [task for task in route if task in ground.tasks])
            late |= {visit.task: visit.start_s for visit in walk.visits if visit.lateness_s}
    return late


def _matrix(values: npt.NDArray[np.int32], places: npt.NDArray[np.int64], closed: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Matrix over PyVRP's locations; no way and closed places are `FAR`."""
    out: npt.NDArray[np.int64] = values[np.ix_(places, places)].astype(np.int64)
    out[out < 0] = FAR
    out[places[:, None] == places[None, :]] = 0  # whatever the roads say of a place and itself
    out[closed, :] = FAR
    out[:, closed] = FAR
    np.fill_diagonal(out, 0)
    return out
