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
- leaving a task out costs what the problem says; all prices are the judge's own units, so both see the same money;
- a shipment is a pickup and a delivery of one van, in this order; a scheduled break is an interval (after the round's end it holds
  too); driving-time rules are optional breaks with at most so long between them: stricter than the rule, which counts driving alone;
- a kind of vehicle has times of its own at the door; traffic is the mean of the bands that a shift meets.

Not seen: churn, second trips, traffic by the hour, energy, relations but those of shipments, fair shares, prices by load and
territory. The judge sees them.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

import numpy as np

from roundsman_hub.planning.cargo import load_up
from roundsman_hub.planning.duty import DRIVE_S, REST_S
from roundsman_hub.planning.engines import budget
from roundsman_hub.planning.lookups import UNITS_PER_CENT, UNITS_PER_LATE_SECOND, UNITS_PER_METRE, UNITS_PER_SECOND
from roundsman_hub.planning.problem import Plan, Problem, Task, TaskId, Van, VehicleId
from roundsman_hub.planning.travel import mean_s, profile_of
from roundsman_hub.planning.walk import Ground
from roundsman_hub.planning.work import Loads

NAME: Final = "ortools"
LIBRARY: Final = "ortools.constraint_solver.pywrapcp"
"""What a process imports before it searches."""
TELLS: Final = False
"""Whether a search tells of better plans while it goes on."""
FEATURES: Final = frozenset(
    {
        *("windows", "lateness", "capacity", "shifts", "on_board", "frozen", "held", "priorities", "releases", "pickups"),
        *("shipments", "shipment_windows", "rides", "breaks", "hours", "skills", "types", "overtime", "max_distance", "max_tasks"),
        *("open_end", "deadlines", "promises", "profiles"),
    },
)
FAR: Final = 1 << 32
"""Seconds to a place without a way: past every horizon, so that no route goes there."""


def solve(problem: Problem, warm: Plan, budget_s: float, seed: int) -> Plan:
    """Search for `budget_s` seconds; the warm plan when nothing was found."""
    from ortools.constraint_solver import pywrapcp

    until = budget.seconds() + budget_s
    ground = Ground(problem)
    model = Translation(pywrapcp, ground, warm)
    if not problem.vans or not model.tasks:
        return warm
    routing, parameters = model.routing, search_parameters(pywrapcp, budget_s)
    routing.solver().ReSeed(seed)
    routing.CloseModelWithParameters(parameters)
    first = routing.ReadAssignmentFromRoutes(model.routes_of(warm), True)
    parameters.time_limit.FromMilliseconds(max(1, round(1000 * (until - budget.seconds()))))
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
        for at, van in enumerate(self.vans):
            for name in self.frozen[van.vehicle]:  # what is collected before the search begins is delivered by the same van
                task = ground.tasks[name]
                if task.kind == "pickup" and task.shipment in ground.delivery_of and (end := ground.delivery_of[task.shipment]) not in done:
                    self.allowed[end] = [at]
        self.tasks = [task for task in problem.tasks if self.allowed.get(task.task) and self._has_a_time(task)]
        names = {task.task for task in self.tasks}
        self.pairs = [
            (pickup, delivery)
            for shipment, pickup in ground.pickup_of.items()
            if (delivery := ground.delivery_of.get(shipment)) is not None
        ]
        halves = {end for pair in self.pairs if len(names.intersection(pair)) == 1 and not done.intersection(pair) for end in pair}
        self.tasks = [task for task in self.tasks if task.task not in halves or task.on_board is not None]
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
            self._limits()
            self._rights()
            self._shipments()

    def _has_a_time(self, task: Task) -> bool:
        """Could the task begin at all: late, or in a window that is still open when its goods are there."""
        return task.task in self.late_allowed or not task.windows_s or max(closes for _, closes in task.windows_s) >= _earliest(task)

    def _must_drive(self, van: Van) -> bool:
        return not van.rests or bool(self.frozen[van.vehicle])

    def _service(self, kind: str) -> list[int]:
        """Seconds at each node."""
        return [0] * (2 * len(self.vans)) + [task.stay_with(kind) for task in self.tasks]

    def _matrix(self, like: Van, per_m: int, per_s: int, no_way: int) -> list[list[int]]:
        """Over the nodes: metres and seconds (driving and the service before it) at these prices. Straight home: what the judge says."""
        n, profile = len(self.vans), profile_of(self.ground.problem, like)
        grid = np.ix_(self.places, self.places)
        seconds = mean_s(profile, like.start_s, like.shift_end_s)[grid].astype(np.int64)
        metres = profile.distances_m[grid].astype(np.int64)
        service = np.array(self._service(like.type), dtype=np.int64)
        table = np.where(seconds < 0, no_way, per_m * metres + per_s * (seconds + service[:, None]))
        for at, van in enumerate(self.vans):
            if van.end_place is None:
                table[:, n + at] = per_s * service
        rows: list[list[int]] = table.tolist()
        for at, van in enumerate(self.vans):
            drives = self._must_drive(van) and van.end_place is not None
            home = per_m * max(int(metres[at][n + at]), 0) + per_s * max(int(seconds[at][n + at]), 0)
            rows[at][n + at] = home if drives else 0
        return rows

    def _evaluators(self, per_m: Callable[[Van], int], per_s: Callable[[Van], int]) -> list[int]:
        """A transit for each van; vans that differ in nothing share one."""
        known: dict[object, int] = {}
        out = []
        for van in self.vans:
            key = (van.profile, van.type, per_m(van), per_s(van))
            if key not in known:
                known[key] = self.routing.RegisterTransitMatrix(self._matrix(van, per_m(van), per_s(van), no_way=FAR))
            out.append(known[key])
        return out

    def _prices(self) -> None:
        """Arcs, vans, and work left out."""
        prices = self._evaluators(lambda van: van.cents_per_km * UNITS_PER_METRE, lambda van: van.cents_per_hour * UNITS_PER_SECOND)
        for at, van in enumerate(self.vans):
            self.routing.SetArcCostEvaluatorOfVehicle(prices[at], at)
            if self._must_drive(van):
                self.routing.SetVehicleUsedWhenEmpty(True, at)
            else:
                self.routing.SetFixedCostOfVehicle(van.setting_out_cents * UNITS_PER_CENT, at)
        for task in self.tasks:
            worth = max(task.left_out_cents - task.reattempt_cents, 0)
            self.routing.AddDisjunction([self.index[task.task]], worth * UNITS_PER_CENT)

    def _times(self) -> None:
        routing, solver = self.routing, self.routing.solver()
        transits = self._evaluators(lambda _: 0, lambda _: 1)
        routing.AddDimensionWithVehicleTransits(transits, self.horizon_s, self.horizon_s, False, "time")
        time = routing.GetDimensionOrDie("time")
        for at, van in enumerate(self.vans):
            ready_s = self.ready[at][1] - self.zero_s
            time.CumulVar(routing.Start(at)).SetValue(ready_s)
            time.CumulVar(routing.End(at)).SetMax(max(self.ground.home_s[van.vehicle] - self.zero_s, ready_s))
            standing = van.cents_per_hour + van.waiting_cents_per_hour + van.idling_cents_per_hour
            time.SetSlackCostCoefficientForVehicle(standing * UNITS_PER_SECOND, at)
            if van.overtime_s and van.overtime_cents_per_hour:
                due_s = max(van.shift_end_s - self.zero_s, 0)
                time.SetCumulVarSoftUpperBound(routing.End(at), due_s, van.overtime_cents_per_hour * UNITS_PER_SECOND)
            routing.AddVariableMinimizedByFinalizer(time.CumulVar(routing.End(at)))
            self._pauses(time, at, van)
        for task in self.tasks:
            index, cumul = self.index[task.task], time.CumulVar(self.index[task.task])
            cumul.SetMin(max(0, _earliest(task) - self.zero_s))
            for (_, closes), (opens, _) in pairwise(sorted(task.windows_s)):
                if opens > closes + 1:
                    cumul.RemoveInterval(closes + 1 - self.zero_s, opens - 1 - self.zero_s)
            last = max((closes for _, closes in task.windows_s), default=None)
            self._bound(time, task, last)
            if self.ground.from_depot(task):
                for at in self.allowed[task.task]:
                    if (wait_s := task.release_s - self.ready[at][1]) > 0:
                        solver.Add(time.SlackVar(routing.Start(at)) >= wait_s * (routing.VehicleVar(index) == at))

    def _bound(self, time: Any, task: Task, last: int | None) -> None:
        """When a task is too late, and what that costs. A promise that ends before the window has its price alone."""
        problem, index, cumul = self.ground.problem, self.index[task.task], time.CumulVar(self.index[task.task])
        late_allowed = task.task in self.late_allowed
        hard = [] if task.deadline_s is None else [task.deadline_s]
        if last is not None and not late_allowed:
            hard.append(last)
        if hard:
            cumul.SetMax(max(min(hard) - self.zero_s, 0))
        if task.promise_s is not None and (last is None or task.promise_s[1] < last):
            units = problem.promise_cents_per_min * UNITS_PER_LATE_SECOND
            time.SetCumulVarSoftUpperBound(index, max(task.promise_s[1] - self.zero_s, 0), units)
        elif last is not None and late_allowed:
            time.SetCumulVarSoftUpperBound(index, last - self.zero_s, problem.lateness_cents_per_min * UNITS_PER_LATE_SECOND)

    def _pauses(self, time: Any, at: int, van: Van) -> None:
        """Scheduled breaks, and those that driving-time rules ask for."""
        routing, solver = self.routing, self.routing.solver()
        ready_s = self.ready[at][1]
        intervals = []
        for number, pause in enumerate(van.breaks):
            if pause.latest_s >= ready_s:
                start = solver.IntVar(max(pause.earliest_s, ready_s) - self.zero_s, pause.latest_s - self.zero_s, f"break {at} {number}")
                for since, until in pause.gaps_s:
                    start.RemoveInterval(since + 1 - self.zero_s, until - 1 - self.zero_s)
                intervals.append(solver.FixedDurationIntervalVar(start, pause.duration_s, f"break {at} {number}"))
        if van.hours is not None:
            rest_s, drive_s = REST_S[van.hours.rule], DRIVE_S[van.hours.rule]
            end_s = max(self.ground.home_s[van.vehicle], ready_s)
            soon_s = ready_s + van.hours.to_break_s
            for number in range(1 + max(end_s - ready_s, 0) // drive_s):
                latest_s = max(min(soon_s + number * (drive_s + rest_s), end_s), ready_s)
                interval = solver.FixedDurationIntervalVar(
                    ready_s - self.zero_s, latest_s - self.zero_s, rest_s, number > 0 or soon_s >= end_s, f"rest {at} {number}"
                )
                intervals.append(interval)
            time.SetBreakDistanceDurationOfVehicle(drive_s, rest_s, at)
        if intervals:
            service = self._service(van.type)
            visits = [service[self.manager.IndexToNode(index)] for index in range(routing.Size())]
            time.SetBreakIntervalsOfVehicle(intervals, at, visits)

    def _limits(self) -> None:
        """How far a van may drive, and how many stops it may have."""
        routing = self.routing
        if any(van.max_tasks is not None for van in self.vans):
            most = [1 << 30 if van.max_tasks is None else max(van.max_tasks - len(self.frozen[van.vehicle]), 0) for van in self.vans]
            ones = [0] * (2 * len(self.vans)) + [1] * len(self.tasks)
            routing.AddDimensionWithVehicleCapacity(routing.RegisterUnaryTransitVector(ones), 0, most, True, "tasks")
        if any(van.max_distance_m is not None for van in self.vans):
            far = []
            for van in self.vans:
                driven_m = sum(visit.leg_m for visit in self.ground.walk(van, self.frozen[van.vehicle]).visits)
                far.append(1 << 40 if van.max_distance_m is None else max(van.max_distance_m - driven_m, 0))
            metres = self._evaluators(lambda _: 1, lambda _: 0)
            routing.AddDimensionWithVehicleTransitAndCapacity(metres, 0, far, True, "metres")

    def _shipments(self) -> None:
        routing, solver = self.routing, self.routing.solver()
        time = routing.GetDimensionOrDie("time")
        for first, second in self.pairs:
            if first in self.index and second in self.index:
                pickup, delivery = self.index[first], self.index[second]
                routing.AddPickupAndDelivery(pickup, delivery)
                solver.Add(routing.VehicleVar(pickup) == routing.VehicleVar(delivery))
                solver.Add(time.CumulVar(pickup) <= time.CumulVar(delivery))
                longest_s = self.ground.tasks[second].max_ride_s
                if longest_s is not None:
                    stay_s = self.ground.tasks[first].stay_with(None)
                    solver.Add(time.CumulVar(delivery) - time.CumulVar(pickup) <= longest_s + stay_s)

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
    """Where the route ends for the model; an open end costs nothing, wherever it is."""
    return van.start_place if van.end_place is None else van.end_place


def _earliest(task: Task) -> int:
    """When service can begin at the earliest, however soon the van is there."""
    opens = min((opens for opens, _ in task.windows_s), default=0)
    opens = max(opens, task.promise_s[0]) if task.promise_s is not None else opens
    return max(opens, task.release_s) if task.kind == "pickup" else opens


def _late(ground: Ground, plan: Plan) -> set[TaskId]:
    """Tasks that are late in a plan."""
    walks = (
        ground.walk(van, [step for step in plan.routes.get(van.vehicle, ()) if step in ground.stops[van.type]])
        for van in ground.vans.values()
    )
    return {visit.task for walk in walks for visit in walk.visits if visit.lateness_s}
