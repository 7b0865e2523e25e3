"""OR-Tools: guided local search that knows what lateness costs, for rounds that are late already.

How a fleet on the road becomes OR-Tools' problem:

- a frozen prefix is walked beforehand; the van starts where, when and with the load that it ends with;
- who may serve what is the domain of the stop's `VehicleVar`;
- time: a van starts when it can, and pays for every second until it is back: driving and service as the price of an arc, waiting as
  the price of slack. Goods that are not at the depot yet hold the first leg back;
- a window's end has the judge's own price for the work that `insertion` may plan late too (held by a van, on board, or late already);
  for new work it is hard. Between two windows nothing begins;
- load: what is on board before each stop. A van on the road starts with what it carries; one at the depot with what its route loads,
  which a second dimension counts;
- leaving a task out costs what the problem says; all prices are the judge's own units, so both see the same money.

Not seen: churn. The judge sees it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

from roundsman_hub.planning.cargo import load_up
from roundsman_hub.planning.lookups import UNITS_PER_CENT, UNITS_PER_LATE_SECOND, UNITS_PER_METRE, UNITS_PER_SECOND
from roundsman_hub.planning.problem import Plan, Problem, Task, TaskId, Van, VehicleId
from roundsman_hub.planning.walk import Ground
from roundsman_hub.planning.work import Loads

NAME: Final = "ortools"
FEATURES: Final = frozenset(
    {"windows", "lateness", "capacity", "shifts", "on_board", "frozen", "held", "priorities", "releases", "pickups"},
)
FAR: Final = 1 << 32
"""Seconds to a place without a way: past every horizon, so that no route goes there."""


def solve(problem: Problem, warm: Plan, budget_s: float, seed: int) -> Plan:
    """Search for `budget_s` seconds; the warm plan when nothing was found."""
    from ortools.constraint_solver import pywrapcp

    ground = Ground(problem)
    model = Translation(pywrapcp, ground, warm)
    if not problem.vans or not model.tasks:
        return warm
    routing, parameters = model.routing, search_parameters(pywrapcp, budget_s)
    routing.solver().ReSeed(seed)
    routing.CloseModelWithParameters(parameters)
    first = routing.ReadAssignmentFromRoutes(model.routes_of(warm), True)
    found = routing.SolveWithParameters(parameters) if first is None else routing.SolveFromAssignmentWithParameters(first, parameters)
    return warm if found is None else model.plan_of(found, warm)


def search_parameters(pywrapcp: Any, budget_s: float) -> Any:
    """Guided local search from the warm plan; where that cannot be read, from the cheapest arcs (they beat insertion on loose windows)."""
    from ortools.constraint_solver.routing_enums_pb2 import FirstSolutionStrategy, LocalSearchMetaheuristic

    parameters = pywrapcp.DefaultRoutingSearchParameters()
    parameters.first_solution_strategy = FirstSolutionStrategy.PATH_CHEAPEST_ARC
    parameters.local_search_metaheuristic = LocalSearchMetaheuristic.GUIDED_LOCAL_SEARCH
    parameters.time_limit.FromMilliseconds(max(1, round(1000 * budget_s)))
    return parameters


class Translation:
    """The translation, both ways. Nodes: each van's start, each van's end, each task that may be planned."""

    def __init__(self, pywrapcp: Any, ground: Ground, warm: Plan) -> None:
        self.ground, self.vans = ground, ground.problem.vans
        problem, n = ground.problem, len(self.vans)
        self.frozen: dict[VehicleId, tuple[TaskId, ...]] = {}
        self.ready: list[tuple[int, int, Loads]] = []
        """Each van's (place, time, load) after its frozen prefix."""
        for van in self.vans:
            self.frozen[van.vehicle] = frozen = tuple(task for task in van.frozen if task in ground.tasks)
            visits = ground.walk(van, frozen).visits
            place = ground.tasks[frozen[-1]].place if frozen else van.start_place
            ready_s = visits[-1].departure_s if visits else van.start_s
            self.ready.append((place, ready_s, visits[-1].load_after if visits else load_up(ground, van, ()).loads[0]))
        done = {task for frozen in self.frozen.values() for task in frozen}
        planned = {task for route in problem.current.values() for task in route}
        self.late_allowed = planned | _late(ground, warm) | {task.task for task in problem.tasks if task.on_board is not None}
        self.allowed = {
            task.task: [at for at, van in enumerate(self.vans) if ground.refusal(van, task) is None]
            for task in problem.tasks
            if task.task not in done
        }
        self.tasks = [task for task in problem.tasks if self.allowed.get(task.task) and self._has_a_time(task)]
        self.places = [*(place for place, _, _ in self.ready), *(_end(van) for van in self.vans), *(task.place for task in self.tasks)]
        times = [time for task in self.tasks for window in task.windows_s for time in window]
        times += [time for _, time, _ in self.ready] + [task.release_s for task in self.tasks]
        self.zero_s = min([0, *times])
        """OR-Tools counts from here: no time may be less than nothing."""
        self.horizon_s = max([0, *times, *ground.home_s.values()]) - self.zero_s
        self.manager = pywrapcp.RoutingIndexManager(len(self.places), n, list(range(n)), list(range(n, 2 * n)))
        self.routing = pywrapcp.RoutingModel(self.manager)
        self.index = {task.task: self.manager.NodeToIndex(2 * n + at) for at, task in enumerate(self.tasks)}
        if self.tasks:
            self._prices()
            self._times()
            self._loads()
            self._rights()

    def _has_a_time(self, task: Task) -> bool:
        """Could the task begin at all: late, or in a window that is still open when its goods are there."""
        return task.task in self.late_allowed or not task.windows_s or max(closes for _, closes in task.windows_s) >= _earliest(task)

    def _must_drive(self, van: Van) -> bool:
        return not van.at_depot or bool(self.frozen[van.vehicle])

    def _matrix(self, per_m: int, per_s: int, no_way: int) -> list[list[int]]:
        """Over the nodes: metres and seconds (driving and the service before it) at these prices. Straight home: what the judge says."""
        n, seconds, metres = len(self.vans), self.ground.travel[""].durations_s, self.ground.travel[""].distances_m
        service = [0] * (2 * n) + [task.service_s for task in self.tasks]
        rows = [
            [no_way if seconds[a][b] < 0 else per_m * metres[a][b] + per_s * (seconds[a][b] + service[at]) for b in self.places]
            for at, a in enumerate(self.places)
        ]
        for at, van in enumerate(self.vans):
            a, b = self.places[at], _end(van)
            drives = self._must_drive(van)
            rows[at][n + at] = per_m * max(metres[a][b], 0) + per_s * max(seconds[a][b], 0) if drives else 0
        return rows

    def _prices(self) -> None:
        """Arcs, vans, and work left out."""
        evaluators: dict[tuple[int, int], int] = {}
        for at, van in enumerate(self.vans):
            prices = (van.cents_per_km * UNITS_PER_METRE, van.cents_per_hour * UNITS_PER_SECOND)
            if prices not in evaluators:
                evaluators[prices] = self.routing.RegisterTransitMatrix(self._matrix(*prices, no_way=FAR))
            self.routing.SetArcCostEvaluatorOfVehicle(evaluators[prices], at)
            if self._must_drive(van):
                self.routing.SetVehicleUsedWhenEmpty(True, at)
            else:
                self.routing.SetFixedCostOfVehicle(van.fixed_cents * UNITS_PER_CENT, at)
        for task in self.tasks:
            self.routing.AddDisjunction([self.index[task.task]], task.left_out_cents * UNITS_PER_CENT)

    def _times(self) -> None:
        routing, solver = self.routing, self.routing.solver()
        routing.AddDimension(routing.RegisterTransitMatrix(self._matrix(0, 1, no_way=FAR)), self.horizon_s, self.horizon_s, False, "time")
        time = routing.GetDimensionOrDie("time")
        for at, van in enumerate(self.vans):
            ready_s = self.ready[at][1] - self.zero_s
            time.CumulVar(routing.Start(at)).SetValue(ready_s)
            time.CumulVar(routing.End(at)).SetMax(max(self.ground.home_s[van.vehicle] - self.zero_s, ready_s))
            time.SetSlackCostCoefficientForVehicle(van.cents_per_hour * UNITS_PER_SECOND, at)
            routing.AddVariableMinimizedByFinalizer(time.CumulVar(routing.End(at)))
        late_units = self.ground.problem.lateness_cents_per_min * UNITS_PER_LATE_SECOND
        for task in self.tasks:
            index, cumul = self.index[task.task], time.CumulVar(self.index[task.task])
            cumul.SetMin(max(0, _earliest(task) - self.zero_s))
            for (_, closes), (opens, _) in pairwise(sorted(task.windows_s)):
                if opens > closes + 1:
                    cumul.RemoveInterval(closes + 1 - self.zero_s, opens - 1 - self.zero_s)
            last = max((closes for _, closes in task.windows_s), default=None)
            if last is not None and task.task in self.late_allowed:
                time.SetCumulVarSoftUpperBound(index, last - self.zero_s, late_units)
            elif last is not None:
                cumul.SetMax(last - self.zero_s)
            if task.kind == "delivery" and task.on_board is None:
                for at in self.allowed[task.task]:
                    if (wait_s := task.release_s - self.ready[at][1]) > 0:
                        solver.Add(time.SlackVar(routing.Start(at)) >= wait_s * (routing.VehicleVar(index) == at))

    def _loads(self) -> None:
        routing, solver, nobody = self.routing, self.routing.solver(), [0] * (2 * len(self.vans))
        for at_dim in range(len(self.ground.nothing)):
            signs = [task.load[at_dim] if task.kind == "pickup" else -task.load[at_dim] for task in self.tasks]
            loads = [task.load[at_dim] if self.ground.from_depot(task) else 0 for task in self.tasks]
            limits = [self.ground.limit_load[van.vehicle][at_dim] for van in self.vans]
            for name, vector in ((f"load{at_dim}", [*nobody, *signs]), (f"taken{at_dim}", [*nobody, *loads])):
                routing.AddDimensionWithVehicleCapacity(routing.RegisterUnaryTransitVector(vector), 0, limits, False, name)
            load, loaded = routing.GetDimensionOrDie(f"load{at_dim}"), routing.GetDimensionOrDie(f"taken{at_dim}")
            for at, van in enumerate(self.vans):
                ready = self.ready[at][2][at_dim]
                loaded.CumulVar(routing.Start(at)).SetValue(0)
                if van.at_depot:
                    solver.Add(load.CumulVar(routing.Start(at)) == loaded.CumulVar(routing.End(at)) + ready)
                else:
                    load.CumulVar(routing.Start(at)).SetValue(ready)

    def _rights(self) -> None:
        for task in self.tasks:
            if len(self.allowed[task.task]) < len(self.vans):
                self.routing.VehicleVar(self.index[task.task]).SetValues([-1, *self.allowed[task.task]])

    def routes_of(self, plan: Plan) -> list[list[int]]:
        """A plan as OR-Tools' routes, without what is frozen or has no place in the model."""
        return [[self.index[task] for task in plan.routes.get(van.vehicle, ()) if task in self.index] for van in self.vans]

    def plan_of(self, found: Any, warm: Plan) -> Plan:
        """OR-Tools' answer as a plan. What it leaves out keeps the warm plan's reason, or says that other work is worth more."""
        routes: dict[VehicleId, tuple[TaskId, ...]] = {}
        task_at = {index: task for task, index in self.index.items()}
        for at, van in enumerate(self.vans):
            tasks = list(self.frozen[van.vehicle])
            index = found.Value(self.routing.NextVar(self.routing.Start(at)))
            while not self.routing.IsEnd(index):
                tasks.append(task_at[index])
                index = found.Value(self.routing.NextVar(index))
            routes[van.vehicle] = tuple(tasks)
        served = {task for route in routes.values() for task in route}
        why = "no van is free: other work is worth more"
        return Plan(routes=routes, unassigned={task: warm.unassigned.get(task, why) for task in self.ground.tasks if task not in served})


def _end(van: Van) -> int:
    """Where the route ends for the model; an open end is the start, with a price that the judge does not ask."""
    return van.start_place if van.end_place is None else van.end_place


def _earliest(task: Task) -> int:
    """When service can begin at the earliest, however soon the van is there."""
    opens = min((opens for opens, _ in task.windows_s), default=0)
    return max(opens, task.release_s) if task.kind == "pickup" else opens


def _late(ground: Ground, plan: Plan) -> set[TaskId]:
    """Tasks that are late in a plan."""
    walks = (ground.walk(van, [task for task in plan.routes.get(van.vehicle, ()) if task in ground.tasks]) for van in ground.vans.values())
    return {visit.task for walk in walks for visit in walk.visits if visit.lateness_s}
