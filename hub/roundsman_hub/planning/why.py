"""Why a task is left out or late: the smallest set of constraints whose relaxing would let it in, found by planning again without them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

from roundsman_hub.planning.evaluate import judge
from roundsman_hub.planning.explain import reason_unassigned
from roundsman_hub.planning.insertion import insert
from roundsman_hub.planning.problem import Plan, PlannedVisit, Problem, Relation
from roundsman_hub.planning.walk import Ground
from roundsman_hub.planning.work import Task, TaskId, VehicleId

FAR_S: Final = 1 << 24
"""Half a year: as good as no limit, and still a whole number of 32 bits for every engine."""
PRICELESS_CENTS: Final = 1 << 40
TRIED_ALL: Final = 2
"""Sets of so many constraints are all tried. Where none of them is enough, one is looked for that is by leaving out of all of them what is
not needed: none of it can be spared, but there may be a smaller other one."""
Replan = Callable[[Problem, Plan, frozenset[TaskId]], Plan]
"""Plans again from a plan that lacks some tasks, with these put in; what else was left out stays out, so that the price is theirs alone."""

Resolve = Callable[[Problem, Plan], Plan | None]
"""Searches for a better plan, from one without violations; None: there is no time for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxation:
    """Constraints that would have to give way, and what the plan would then cost more than now, without the task (or with it late).

    `searched`: by a plan made anew; else by mending the one there is.
    """

    constraints: tuple[str, ...]
    price_cents: int
    vehicle: VehicleId
    start_s: int
    searched: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """`relaxations`: each of the smallest number of constraints, the cheapest first; with no constraints named, planning again is enough.
    None of them: not even all together let it in."""

    task: TaskId
    reason: str
    relaxations: tuple[Relaxation, ...]


def why(
    problem: Problem,
    plan: Plan,
    task_id: TaskId,
    replan: Replan = insert,
    resolve: Resolve | None = None,
    on_tried: Callable[[tuple[str, ...], Relaxation | None], None] = lambda names, found: None,
) -> Why:
    """Explain a task that the plan leaves out or serves late.

    Parameters
    ----------
    problem : Problem
        What was planned.
    plan : Plan
        A plan of it without violations.
    task_id : TaskId
        The task, which the problem has.
    replan : callable
        How to plan again with a constraint relaxed; by default by cheapest insertion into the plan as it is.
    resolve : callable, optional
        A search that goes on from there: the whole plan is made anew, with and without what is relaxed, so that a price is the difference
        of two plans that were searched alike. Without one the rest of the plan stays as it is, and prices are those of a hurried day.
    on_tried : callable
        Told of each set of constraints that was tried, and what came of it.
    """
    ends = _ends(problem, next(task for task in problem.tasks if task.task == task_id))
    others = plan.unassigned.keys() - ends
    if resolve is not None and others:  # what else was left out stays out
        problem = replace(problem, tasks=tuple(task for task in problem.tasks if task.task not in others))
        plan = replace(plan, unassigned={name: words for name, words in plan.unassigned.items() if name in ends})
    ground = Ground(problem)
    task = ground.tasks[task_id]
    before = judge(ground, plan)
    served = {visit.task: visit for route in before.routes.values() for visit in route}
    late = served.get(task_id)
    without = _without(plan, ends)
    if late is None:
        reason = plan.unassigned.get(task_id) or reason_unassigned(ground, plan.routes, task)
        paid = before.cost_cents - sum(ground.tasks[end].left_out_cents for end in ends)
    else:
        reason = _standing(late)
        paid = before.cost_cents
    can = binding(problem, task_id)

    def tried(names: tuple[str, ...]) -> Relaxation | None:
        found = _tried(problem, without, task, ends, names, paid, replan, resolve)
        on_tried(names, found)
        return found

    if resolve is not None:
        if one := tried(()):
            return Why(task=task_id, reason=reason, relaxations=(one,))
        searched = resolve(problem, plan) or plan
        paid += min(0, judge(ground, searched).cost_cents - before.cost_cents)
        without = _without(searched, ends)
    for size in range(TRIED_ALL + 1):
        found = [one for names in combinations(can, size) if (one := tried(names))]
        if found:
            return Why(task=task_id, reason=reason, relaxations=tuple(sorted(found, key=lambda one: (one.price_cents, one.constraints))))
    needed = can
    enough = tried(needed)
    for name in can if enough else ():
        fewer = tuple(other for other in needed if other != name)
        if (one := tried(fewer)) is not None:
            needed, enough = fewer, one
    return Why(task=task_id, reason=reason, relaxations=() if enough is None else (enough,))


def _standing(visit: PlannedVisit) -> str:
    """How a task that is served stands."""
    late_min, told_min = visit.lateness_s // 60, visit.promise_late_s // 60
    if not late_min and not told_min:
        return "planned in time"
    return f"planned {late_min} min after its window, {told_min} min after its promise"


def binding(problem: Problem, task_id: TaskId) -> tuple[str, ...]:
    """Names of the constraints that are there for a task, and could give way."""
    task = next(task for task in problem.tasks if task.task == task_id)
    return tuple(name for name, relax in CONSTRAINTS.items() if relax(problem, task) is not None)


def _without(plan: Plan, ends: frozenset[TaskId]) -> Plan:
    routes = {vehicle: tuple(step for step in route if step not in ends) for vehicle, route in plan.routes.items()}
    return Plan(routes=routes, unassigned={**plan.unassigned, **dict.fromkeys(ends, "asked about")})


def _ends(problem: Problem, task: Task) -> frozenset[TaskId]:
    """The task, with the other end of its shipment."""
    if task.shipment is None or task.on_board is not None:
        return frozenset({task.task})
    return frozenset(other.task for other in problem.tasks if other.shipment == task.shipment)


def _tried(
    problem: Problem,
    without: Plan,
    task: Task,
    ends: frozenset[TaskId],
    names: tuple[str, ...],
    paid: int,
    replan: Replan,
    resolve: Resolve | None,
) -> Relaxation | None:
    """What it would cost with these relaxed; None if the task still has no place in time."""
    relaxed = problem
    for name in names:
        now = next(other for other in relaxed.tasks if other.task == task.task)
        relaxed = CONSTRAINTS[name](relaxed, now) or relaxed
    ground = Ground(relaxed)
    found, anew = replan(relaxed, without, ends), None
    if resolve is not None and (len(names) < TRIED_ALL or not ends & found.unassigned.keys()):
        anew = resolve(relaxed, found)
        found = found if anew is None else anew
    after = judge(ground, found)
    at = next(((van, visit) for van, route in after.routes.items() for visit in route if visit.task == task.task), None)
    if after.violations or at is None or at[1].lateness_s or at[1].promise_late_s:
        return None
    price_cents = after.cost_cents - paid
    return Relaxation(constraints=names, price_cents=price_cents, vehicle=at[0], start_s=at[1].start_s, searched=anew is not None)


def _with(problem: Problem, task: Task, **changes: object) -> Problem:
    return replace(problem, tasks=tuple(replace(t, **changes) if t.task == task.task else t for t in problem.tasks))  # type: ignore[arg-type]  # names are checked by `replace`


def _pair(problem: Problem, task: Task, name: str, value: object) -> Problem:
    """The same for both ends of a shipment."""
    ends = _ends(problem, task)
    return replace(problem, tasks=tuple(replace(t, **{name: value}) if t.task in ends else t for t in problem.tasks))  # type: ignore[arg-type]  # as above


def _vans(problem: Problem, **changes: object) -> Problem:
    return replace(problem, vans=tuple(replace(van, **changes) for van in problem.vans))  # type: ignore[arg-type]  # as above


def _room(problem: Problem, task: Task) -> Problem:
    """Vans large enough for it beside all that they can carry."""
    return replace(problem, vans=tuple(replace(van, capacity=tuple(map(int.__add__, van.capacity, task.load))) for van in problem.vans))


def _unrelated(problem: Problem, task: Task) -> Problem:
    def kept() -> Iterator[Relation]:
        for relation in problem.relations:
            rest = tuple(name for name in relation.tasks if name != task.task)
            if len(rest) > 1:
                yield replace(relation, tasks=rest)

    return replace(problem, relations=tuple(kept()))


def _one_more_van(problem: Problem, task: Task) -> Problem | None:
    vans = [van for van in problem.vans if van.at_depot and not van.frozen and van.shift_end_s > 0]
    if not vans:
        return None
    like = max(vans, key=lambda van: (task.skills <= van.skills, van.shift_end_s - van.start_s, van.vehicle))
    return replace(problem, vans=(*problem.vans, replace(like, vehicle=f"{like.vehicle} (one more)")))


def _windows(problem: Problem, task: Task) -> Problem | None:
    if not task.windows_s and task.promise_s is None:
        return None
    return replace(problem, tasks=tuple(replace(t, windows_s=(), promise_s=None) if t.task == task.task else t for t in problem.tasks))


CONSTRAINTS: Final[dict[str, Callable[[Problem, Task], Problem | None]]] = {
    # name: the problem without it; None where it is not there
    "windows": _windows,
    "deadline": lambda p, t: _with(p, t, deadline_s=None) if t.deadline_s is not None else None,
    "release": lambda p, t: _with(p, t, release_s=0) if t.release_s > 0 else None,
    "skills": lambda p, t: _pair(p, t, "skills", frozenset()) if t.skills else None,
    "vehicle types": lambda p, t: _pair(p, t, "vehicle_types", None) if t.vehicle_types is not None else None,
    "pinned vehicles": lambda p, t: _pair(p, t, "vans", None) if t.vans is not None else None,
    "depot of its goods": lambda p, t: _with(p, t, depot=None) if t.depot is not None else None,
    "relations": lambda p, t: _unrelated(p, t) if any(t.task in relation.tasks for relation in p.relations) else None,
    "maximum ride": lambda p, t: _pair(p, t, "max_ride_s", None) if any(e.max_ride_s for e in p.tasks if e.task in _ends(p, t)) else None,
    "capacity": lambda p, t: _room(p, t) if any(t.load) else None,
    "shift end": lambda p, t: _vans(p, overtime_s=FAR_S) if p.vans else None,
    "breaks": lambda p, t: _vans(p, breaks=()) if any(van.breaks for van in p.vans) else None,
    "hours of service": lambda p, t: _vans(p, hours=None) if any(van.hours for van in p.vans) else None,
    "range": lambda p, t: _vans(p, energy=None) if any(van.energy for van in p.vans) else None,
    "maximum tasks": lambda p, t: _vans(p, max_tasks=None) if any(van.max_tasks is not None for van in p.vans) else None,
    "maximum distance": lambda p, t: _vans(p, max_distance_m=None) if any(van.max_distance_m is not None for van in p.vans) else None,
    "maximum wait": lambda p, t: replace(p, max_wait_s=None) if p.max_wait_s is not None else None,
    "priority": lambda p, t: _pair(p, t, "left_out_cents", PRICELESS_CENTS),
    "number of vans": _one_more_van,
}
