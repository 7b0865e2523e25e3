"""Cheapest insertion: an answer in milliseconds, before any search begins, and the plan that stands if the search fails.

New work goes where it costs least without making anything later than its window (or later than it already was). With several tasks
the one with most to lose goes first: the largest difference between its best and its second-best van (regret, Potvin and
Rousseau 1993). Work that has no place but past its promise goes there, at that price. What is already late, on board or in a
driver's plan may be late at a price, if no place in time is left.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from roundsman_hub.planning.construct import construct
from roundsman_hub.planning.effort import Effort
from roundsman_hub.planning.explain import promised_early, reason_unassigned
from roundsman_hub.planning.filling import MANY, fill
from roundsman_hub.planning.fleet import Van
from roundsman_hub.planning.lookups import UNITS_PER_CENT
from roundsman_hub.planning.problem import Plan, Problem, Step, is_task
from roundsman_hub.planning.rides import Job, job_of, place_of
from roundsman_hub.planning.row import Row
from roundsman_hub.planning.walk import Excess, Ground
from roundsman_hub.planning.work import TaskId, VehicleId

RESCUE_ROUNDS: Final = 3


def insert(problem: Problem, plan: Plan, tasks: Iterable[TaskId] | None = None, *, most_s: float = math.inf) -> Plan:
    """Put tasks where they cost least, and leave the rest of the plan as it is.

    Parameters
    ----------
    problem : Problem
        What is to be planned.
    plan : Plan
        A plan without violations, but for the tasks that it lacks. Its order is kept.
    tasks : iterable of TaskId, optional
        What to insert; by default everything that the plan does not serve.
    most_s : float
        Seconds of effort, about, of those that a patient insertion may take (see `effort`).

    Returns
    -------
    Plan
        The plan with them; those that have no place are unassigned, each with its reason.
    """
    ground = Ground(problem)
    ground.effort = Effort.patient(len(problem.tasks), most_s)
    rows = {van.vehicle: Row(ground, van, plan.routes.get(van.vehicle, ())) for van in problem.vans}
    return _insert(ground, rows, tasks, plan.unassigned)


def repair(problem: Problem, ground: Ground | None = None, *, patient: bool = False, most_s: float = math.inf) -> Plan:
    """The plan that the vans hold now, made to fit the problem: what a search has to beat.

    Work that is gone is dropped, frozen stops come first, what overruns the shift, the van's size or its rights is taken out
    (cheapest first), and everything without a place is inserted.

    Parameters
    ----------
    problem : Problem
        What is to be planned.
    ground : Ground, optional
        Of this problem, where the caller has it.
    patient : bool
        As good as insertion can in some two seconds, which is nearly always as good as it can at all. Else there is a valid plan in
        about a tenth of a second (of 300 tasks). What would take longer goes to the first place that will do, or waits for the search
        (see `effort`).
    most_s : float
        Seconds of effort, about, of those that patience may take.
    """
    ground = ground or Ground(problem)
    cells = sum(travel.cells for travel in ground.travel.values())
    ground.effort = Effort.patient(len(problem.tasks), most_s) if patient else Effort.at_once(len(problem.tasks), cells)
    try:
        return _repaired(problem, ground)
    finally:
        ground.effort = Effort()


def _repaired(problem: Problem, ground: Ground) -> Plan:
    routes: dict[VehicleId, list[Step]] = {}
    rows: dict[VehicleId, Row] = {}
    for van in problem.vans:
        frozen = [task for task in van.frozen if task in ground.tasks]
        rest = [step for step in _once(problem.current.get(van.vehicle, ())) if step not in frozen and _may(ground, van, step)]
        routes[van.vehicle] = [*frozen, *rest]
    taken: set[Step] = {task for van in problem.vans for task in van.frozen}
    where: dict[TaskId, VehicleId] = {task: van.vehicle for van in problem.vans for task in van.frozen}
    for van in problem.vans:  # a task that two vans were told of stays with the first, unless it is frozen at the other
        own = set(van.frozen)
        route: list[Step] = []
        for step in routes[van.vehicle]:
            if step in own or not is_task(step) or (step not in taken and not ground.unrelated(step, van.vehicle, where)):
                route.append(step)
                where[step] = van.vehicle
        rows[van.vehicle] = row = _shortened(ground, van, _ordered(ground, route, own))
        taken.update(row.route)
        where = {task: vehicle for task, vehicle in where.items() if vehicle != van.vehicle or task in taken}
    return _insert(ground, rows, None, {})


def _may(ground: Ground, van: Van, step: Step) -> bool:
    task = ground.tasks.get(step)
    if task is not None and task.shipment is not None and task.on_board is None and len(job_of(ground, task)) < 2:
        return False  # its other end was cancelled
    return step in ground.stops[van.type] if task is None else ground.refusal(van, task) is None


def _once(route: Sequence[Step]) -> list[Step]:
    """Each task once; depots and chargers as often as they come."""
    first = {step: at for at, step in reversed(list(enumerate(route)))}
    return [step for at, step in enumerate(route) if not is_task(step) or first[step] == at]


def _ordered(ground: Ground, route: list[Step], frozen: set[TaskId]) -> list[Step]:
    """Without the tasks that stand where a relation does not let them, and without halves of shipments."""
    for relation in ground.problem.relations:
        if relation.kind == "in_order":
            last = -1
            for task in relation.tasks:
                if task in route:
                    at = route.index(task)
                    if at < last and task not in frozen:
                        route = [step for step in route if step != task]
                    last = max(last, at)
    for shipment, delivery in ground.delivery_of.items():
        pickup = ground.pickup_of.get(shipment)
        if ground.tasks[delivery].on_board is None and pickup is not None:
            whole = pickup in route and delivery in route and route.index(pickup) < route.index(delivery)
            if not whole:
                route = [step for step in route if step in frozen or step not in (pickup, delivery)]
    return route


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
        moved = [task for _, vehicle, task in sorted(late, reverse=True) if moved_to_better(ground, rows, vehicle, task)]
        if not moved:
            break
    return Plan(routes={vehicle: tuple(row.route) for vehicle, row in rows.items()}, unassigned=plan.unassigned)


def moved_to_better(ground: Ground, rows: dict[VehicleId, Row], vehicle: VehicleId, task_id: TaskId) -> bool:
    """Take one task out (both ends, of a shipment) and put it where it costs least; false if that is no gain. `rows` are replaced."""
    row, job = rows[vehicle], job_of(ground, ground.tasks[task_id])
    names = {task.task for task in job}
    if any(step in names for step in row.route[: row.first_free]) or not names <= set(row.route):
        return False
    without = row.without(names)
    if not without.walk.excess.within(Excess(*map(max, row.walk.excess, ground.allowed[vehicle]))):
        return False  # the stops around it have no way but through it
    churn_units = (row.churn - without.churn) * ground.problem.churn_cents * UNITS_PER_CENT
    freed = row.units - without.units + churn_units
    where = {step: van for van, other in rows.items() for step in other.route if step not in names}
    places = [
        (place.units, van, place)
        for van, other in rows.items()
        if not any(ground.unrelated(name, van, where) for name in names)
        and (place := place_of(without if van == vehicle else other, job, late_allowed=True)) is not None
    ]
    if not places or min(place[0] for place in places) >= freed:
        return False
    _, van, place = min(places, key=lambda found: found[:2])
    rows[vehicle] = without
    rows[van] = rows[van].with_(job[0], place)
    return True


def _shortened(ground: Ground, van: Van, route: list[Step]) -> Row:
    """The route as a row, without what makes it impossible: each time the work that frees most for what it is worth."""
    allowed = ground.allowed[van.vehicle]
    frozen = {task for task in van.frozen if task in ground.tasks}
    row = Row(ground, van, route)
    while not row.walk.excess.within(allowed):
        choices = {_names(ground, step) for step in row.route if is_task(step)}
        jobs: list[frozenset[TaskId]] = sorted((names for names in choices if not names & frozen), key=sorted)
        if not jobs:
            return Row(ground, van, [step for step in row.route if step in frozen])
        if not ground.effort.affords(len(jobs) * row.walk_us):
            row = row.without(_least_fitting(row, jobs))
            continue
        broken = [name for name, over, fine in zip(Excess._fields, row.walk.excess, allowed, strict=True) if over > fine]

        def loss(names: frozenset[TaskId], row: Row = row, broken: list[str] = broken) -> tuple[int, ...]:
            without = ground.walk(van, [step for step in row.route if step not in names])
            worse = [max(0, getattr(without.excess, name) - getattr(row.walk.excess, name)) for name in broken]
            worth = sum(ground.tasks[name].left_out_cents for name in names) * UNITS_PER_CENT
            more_ways = len(without.no_way) - len(row.no_way)
            return more_ways, int(any(worse)), worth - (row.units - without.units)

        _, at = min((loss(names), at) for at, names in enumerate(jobs))
        row = row.without(set(jobs[at]))
    return row


def _least_fitting(row: Row, jobs: Sequence[frozenset[TaskId]]) -> set[TaskId]:
    """What frees most time for what it is worth, as much as seems to be needed, without walking the route without it; what breaks a rule
    itself, if anything does."""
    ground, stops = row.ground, row.ground.stops[row.van.type]
    closed = {place for leg in row.walk.no_way for place in leg}
    guilty = {visit.task for visit in row.visits if stops[visit.task].too_late_s(visit.start_s) or stops[visit.task].place in closed}
    spent_s = {visit.task: visit.leg_s + visit.wait_s + visit.service_s for visit in row.visits}

    def loss(names: frozenset[TaskId]) -> tuple[bool, float, list[TaskId]]:
        worth = sum(ground.tasks[name].left_out_cents for name in names)
        return not names & guilty, worth / max(1, sum(spent_s[name] for name in names)), sorted(names)

    late_s = max(0, row.walk.excess.shift_s - ground.allowed[row.van.vehicle].shift_s)
    room = [most - fits for most, fits in zip(row.walk.peak, ground.limit_load[row.van.vehicle], strict=True)]
    out: set[TaskId] = set()
    for names in sorted(jobs, key=loss):
        out |= names
        late_s -= sum(spent_s[name] for name in names)
        room = [left - sum(ground.tasks[name].load[at] for name in names) for at, left in enumerate(room)]
        if late_s <= 0 and max(room) <= 0 and not (guilty - out and not names & guilty):
            break
    return out


def _names(ground: Ground, task: TaskId) -> frozenset[TaskId]:
    return frozenset(one.task for one in job_of(ground, ground.tasks[task]))


def _insert(ground: Ground, rows: dict[VehicleId, Row], tasks: Iterable[TaskId] | None, unassigned: Mapping[TaskId, str]) -> Plan:
    problem = ground.problem
    wanted = dict.fromkeys(ground.tasks if tasks is None else tasks)
    served = {step for row in rows.values() for step in row.route}
    new = [ground.tasks[name] for name in wanted if name in ground.tasks and name not in served]
    many = len(new) > MANY
    if many:
        ground.effort = Effort.patient(len(problem.tasks))  # a plan is made, not mended
        routes = construct(ground, {vehicle: row.route for vehicle, row in rows.items()}, new)
        rows = {van.vehicle: Row(ground, van, routes.get(van.vehicle, ())) for van in problem.vans}
    served = {step for row in rows.values() for step in row.route}
    jobs: dict[TaskId, Job] = {}
    for name in wanted:
        if name in ground.tasks and name not in served:
            job = job_of(ground, ground.tasks[name])
            jobs[job[0].task] = job
    planned = {step for route in problem.current.values() for step in route}
    waiting = fill(rows, [job for job in jobs.values() if not (many and _out_of_reach(ground, job))], late_allowed=False)
    bound = [job for job in waiting if any(task.on_board is not None or task.task in planned for task in job)]
    fill(rows, bound, late_allowed=True)
    _past_promises(rows, [job for job in waiting if job not in bound and any(map(promised_early, job))])
    served = {step for row in rows.values() for step in row.route}
    final = {vehicle: tuple(row.route) for vehicle, row in rows.items()}
    reasons = {
        task: unassigned[task] if task in unassigned and task not in wanted else reason_unassigned(ground, final, ground.tasks[task])
        for task in ground.tasks
        if task not in served
    }
    return Plan(routes=final, unassigned=reasons)


def _past_promises(rows: dict[VehicleId, Row], jobs: list[Job]) -> None:
    """Rather late for what the customer was told, at its price, than not at all: within the windows, and nobody else is later."""
    if not jobs or not rows:
        return
    ground = next(iter(rows.values())).ground
    closing = ground.closing({task.task for job in jobs for task in job})
    late = {vehicle: Row(closing, row.van, row.route) for vehicle, row in rows.items()}
    fill(late, jobs, late_allowed=True)
    rows.update({vehicle: Row(ground, row.van, row.route) for vehicle, row in late.items() if row.route != rows[vehicle].route})


def _out_of_reach(ground: Ground, job: Job) -> bool:
    """No van that drove there straight away would be in time: among thousands of tasks, those are not worth trying everywhere.

    Straight away: from its last frozen stop, if it has one, since it goes nowhere else before.
    """
    for task in job:
        closes = max((closes for _, closes in task.windows_s), default=1 << 40)
        last = closes if task.deadline_s is None else min(closes, task.deadline_s)
        for van in ground.problem.vans:
            frozen = [step for step in van.frozen if step in ground.tasks]
            place = ground.tasks[frozen[-1]].place if frozen else van.start_place
            leg_s = ground.travel[van.profile].fastest_s(place, task.place)
            if leg_s >= 0 and van.start_s + leg_s <= last:
                break
        else:
            return True
    return False
