"""Cheapest insertion: an answer in milliseconds, before any search begins, and the plan that stands if the search fails.

New work goes where it costs least without making anything later than its window (or later than it already was). With several tasks
the one with most to lose goes first: the largest difference between its best and its second-best van (regret, Potvin and
Rousseau 1993). What is already late, on board or in a driver's plan may be late at a price, if no place in time is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from roundsman_hub.planning.explain import reason_unassigned
from roundsman_hub.planning.problem import Plan, Problem, Task, TaskId, Van, VehicleId
from roundsman_hub.planning.row import Row
from roundsman_hub.planning.walk import UNITS_PER_CENT, Ground

MANY: Final = 200
"""From so many new tasks on they go one by one instead of by regret, which looks at each of them again after every insertion
(1,000 tasks: 57 s of CPU)."""
RESCUE_ROUNDS: Final = 3


def insert(problem: Problem, plan: Plan, tasks: Iterable[TaskId] | None = None) -> Plan:
    """Put tasks where they cost least, and leave the rest of the plan as it is.

    Parameters
    ----------
    problem : Problem
        What is to be planned.
    plan : Plan
        A plan without violations, but for the tasks that it lacks. Its order is kept.
    tasks : iterable of TaskId, optional
        What to insert; by default everything that the plan does not serve.

    Returns
    -------
    Plan
        The plan with them; those that have no place are unassigned, each with its reason.
    """
    return _insert(Ground(problem), plan.routes, tasks, plan.unassigned)


def repair(problem: Problem) -> Plan:
    """The plan that the vans hold now, made to fit the problem: what a search has to beat.

    Work that is gone is dropped, frozen stops come first, what overruns the shift, the van's size or its rights is taken out
    (cheapest first), and everything without a place is inserted.
    """
    ground = Ground(problem)
    routes: dict[VehicleId, list[TaskId]] = {}
    for van in problem.vans:
        frozen = [task for task in van.frozen if task in ground.tasks]
        rest = [
            task
            for task in dict.fromkeys(problem.current.get(van.vehicle, ()))
            if task in ground.tasks and task not in frozen and ground.refusal(van, ground.tasks[task]) is None
        ]
        routes[van.vehicle] = [*frozen, *rest]
    taken: set[TaskId] = {task for van in problem.vans for task in van.frozen}
    for van in problem.vans:  # a task that two vans were told of stays with the first, unless it is frozen at the other
        own = set(van.frozen)
        route = [task for task in routes[van.vehicle] if task in own or task not in taken]
        taken.update(route)
        routes[van.vehicle] = _shortened(ground, van, route)
    return _insert(ground, routes, None, {})


def rescue(problem: Problem, plan: Plan) -> Plan:
    """Late work offered to every van again, itself included: what a search without soft windows does not look for.

    Parameters
    ----------
    problem : Problem
        What is to be planned.
    plan : Plan
        A plan without violations.

    Returns
    -------
    Plan
        Cheaper in the judge's eyes, lateness and churn counted, or the same plan.
    """
    ground = Ground(problem)
    rows = {van.vehicle: Row(ground, van, plan.routes.get(van.vehicle, ())) for van in problem.vans}
    for _ in range(RESCUE_ROUNDS):
        late = [(visit.lateness_s, vehicle, visit.task) for vehicle, row in rows.items() for visit in row.visits if visit.lateness_s]
        moved = [task for _, vehicle, task in sorted(late, reverse=True) if _moved_to_better(ground, rows, vehicle, task)]
        if not moved:
            break
    return Plan(routes={vehicle: tuple(row.route) for vehicle, row in rows.items()}, unassigned=plan.unassigned)


def _moved_to_better(ground: Ground, rows: dict[VehicleId, Row], vehicle: VehicleId, task_id: TaskId) -> bool:
    """Take one task out and put it where it costs least; false if that is no gain. `rows` are replaced."""
    row, task = rows[vehicle], ground.tasks[task_id]
    at = row.route.index(task_id)
    if at < row.first_free:
        return False
    without = Row(ground, row.van, row.route[:at] + row.route[at + 1 :])
    if len(without.no_way) > len(row.no_way):
        return False  # the stops around it have no way but through it
    churn_units = (row.churn - without.churn) * ground.problem.churn_cents * UNITS_PER_CENT
    freed = row.units - without.units + churn_units
    places = [
        (place.units, van, place.at)
        for van, other in rows.items()
        if (place := (without if van == vehicle else other).best(task, late_allowed=True)) is not None
    ]
    if not places or min(places)[0] >= freed:
        return False
    _, van, at = min(places)
    rows[vehicle] = without
    target = rows[van]
    rows[van] = Row(ground, target.van, [*target.route[:at], task_id, *target.route[at:]])
    return True


def _shortened(ground: Ground, van: Van, route: list[TaskId]) -> list[TaskId]:
    """The route without what makes it impossible: each time the task that frees most for what it is worth."""
    fixed = len([task for task in van.frozen if task in ground.tasks])
    while True:
        walk = ground.walk(van, route)
        overrun = walk.back_s > ground.home_s[van.vehicle] or walk.peak_load > ground.limit_load[van.vehicle]
        if not (overrun or walk.no_way) or len(route) <= fixed:
            return route

        def loss(at: int, route: list[TaskId] = route, units: int = walk.units, ways: int = len(walk.no_way)) -> tuple[int, int]:
            without = ground.walk(van, route[:at] + route[at + 1 :])
            return len(without.no_way) - ways, ground.tasks[route[at]].left_out_cents * UNITS_PER_CENT - (units - without.units)

        at = min(range(fixed, len(route)), key=loss)
        route = route[:at] + route[at + 1 :]


def _insert(
    ground: Ground, routes: Mapping[VehicleId, Sequence[TaskId]], tasks: Iterable[TaskId] | None, unassigned: Mapping[TaskId, str]
) -> Plan:
    problem = ground.problem
    rows = {van.vehicle: Row(ground, van, routes.get(van.vehicle, ())) for van in problem.vans}
    served = {task for row in rows.values() for task in row.route}
    wanted = dict.fromkeys(ground.tasks if tasks is None else tasks)
    waiting = [ground.tasks[task] for task in wanted if task in ground.tasks and task not in served]
    planned = {task for route in problem.current.values() for task in route}
    waiting = _fill(rows, waiting, late_allowed=False)
    bound = [task for task in waiting if task.on_board is not None or task.task in planned]
    _fill(rows, bound, late_allowed=True)
    served = {task for row in rows.values() for task in row.route}
    final = {vehicle: tuple(row.route) for vehicle, row in rows.items()}
    reasons = {
        task: unassigned[task] if task in unassigned and task not in wanted else reason_unassigned(ground, final, ground.tasks[task])
        for task in ground.tasks
        if task not in served
    }
    return Plan(routes=final, unassigned=reasons)


def _fill(rows: dict[VehicleId, Row], tasks: list[Task], *, late_allowed: bool) -> list[Task]:
    """Insert by largest regret until nothing more fits; returns what is left over. `rows` are replaced as they grow."""
    if len(tasks) > MANY:
        return _fill_one_by_one(rows, tasks, late_allowed=late_allowed)
    places = {task.task: {v: place for v, row in rows.items() if (place := row.best(task, late_allowed=late_allowed))} for task in tasks}
    waiting = {task.task: task for task in tasks}
    while waiting:
        chosen: tuple[int, int, TaskId, VehicleId] | None = None
        for task_id, task in waiting.items():
            limit = task.left_out_cents * UNITS_PER_CENT
            ranked = sorted((place.units, vehicle) for vehicle, place in places[task_id].items() if place.units < limit)
            if ranked:
                second = ranked[1][0] if len(ranked) > 1 else limit
                key = (second - ranked[0][0], -ranked[0][0], task_id, ranked[0][1])
                chosen = key if chosen is None else max(chosen, key)
        if chosen is None:
            break
        _, _, task_id, vehicle = chosen
        row, task = rows[vehicle], waiting.pop(task_id)
        at = places[task_id][vehicle].at
        rows[vehicle] = row = Row(row.ground, row.van, [*row.route[:at], task_id, *row.route[at:]])
        for other_id, other in waiting.items():
            place = row.best(other, late_allowed=late_allowed) if vehicle in places[other_id] else None
            places[other_id].pop(vehicle, None)
            if place:
                places[other_id][vehicle] = place
    return list(waiting.values())


def _fill_one_by_one(rows: dict[VehicleId, Row], tasks: list[Task], *, late_allowed: bool) -> list[Task]:
    """The dearest to leave out first, then whose window closes first; each where it costs least."""

    def urgency(task: Task) -> tuple[int, int, TaskId]:
        return -task.left_out_cents, max((closes for _, closes in task.windows_s), default=1 << 40), task.task

    left_over = []
    for task in sorted(tasks, key=urgency):
        limit = task.left_out_cents * UNITS_PER_CENT
        tried = ((row.best(task, late_allowed=late_allowed), vehicle) for vehicle, row in rows.items())
        places = [(place.units, vehicle, place.at) for place, vehicle in tried if place is not None and place.units < limit]
        if not places:
            left_over.append(task)
            continue
        _, vehicle, at = min(places)
        row = rows[vehicle]
        rows[vehicle] = Row(row.ground, row.van, [*row.route[:at], task.task, *row.route[at:]])
    return left_over
