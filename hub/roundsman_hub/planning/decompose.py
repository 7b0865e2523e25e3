"""Large problems in parts: neighbourhoods of routes with 100 to 200 stops, each searched alone, and put together again.

No search looks at 5,000 stops at once with profit; nearly all that can be gained lies within a few neighbouring routes. So the routes are
dealt into neighbourhoods, each of which is a whole problem of its own (its vans, its work, the travel times between its places) that
any engine understands. What comes back is taken if the judge finds it cheaper and allowed; then the borders are mended (see
`borders`). The next round draws them elsewhere. (Rules that cross a border, between tasks of two parts, are looked at once the parts are
together again.)
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from roundsman_hub.planning.problem import Plan, Problem, Profile, Relation, is_task
from roundsman_hub.planning.walk import Ground
from roundsman_hub.planning.work import TaskId, VehicleId

PART_STOPS: Final = 200
SAMPLES: Final = 8
"""Stops by which a route's nearness to another is judged."""
SPARE_VANS: Final = 2
"""Idle vans that each part may use."""
LEFT_OUT: Final = 20
"""Tasks that nobody serves, which each part is offered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A neighbourhood as a problem of its own, and its share of the plan."""

    problem: Problem
    plan: Plan
    vehicles: tuple[VehicleId, ...]


def parts(ground: Ground, plan: Plan, seed: int, *, stops: int = PART_STOPS) -> list[Part]:
    """Deal the whole plan into neighbourhoods.

    Parameters
    ----------
    ground : Ground
        The problem.
    plan : Plan
        A plan without violations.
    seed : int
        Where the first neighbourhood begins; another seed, other borders.
    stops : int
        How many stops a part has, about.
    """
    rng = random.Random(seed)
    used = [van.vehicle for van in ground.problem.vans if plan.routes.get(van.vehicle)]
    idle = [van.vehicle for van in ground.problem.vans if not plan.routes.get(van.vehicle)]
    if not used:
        return []
    away = _between(ground, plan, used, rng)
    free = set(range(len(used)))
    sizes = [sum(map(is_task, plan.routes[vehicle])) for vehicle in used]
    groups: list[list[int]] = []
    # From the outside in: what begins in the middle leaves crumbs at the rim.
    order = sorted(free, key=lambda at: -float(np.median(away[at])) * rng.uniform(0.5, 1.0))
    for start in order:
        if start not in free:
            continue
        group: list[int] = []
        total = 0
        for other in np.argsort(away[start], kind="stable").tolist():
            if other in free and (not group or total + sizes[other] <= stops * 1.3):
                group.append(other)
                total += sizes[other]
                if total >= stops:
                    break
        free -= set(group)
        groups.append(group)
    rng.shuffle(idle)
    left = list(plan.unassigned)
    rng.shuffle(left)
    out = []
    for group in groups:
        spare, idle = idle[:SPARE_VANS], idle[SPARE_VANS:]
        mine, left = _related(ground, left[:LEFT_OUT]), left[LEFT_OUT:]
        out.append(_part(ground, plan, [*(used[at] for at in group), *spare], mine))
    return out


def merged(ground: Ground, plan: Plan, part: Part, found: Plan) -> Plan:
    """The plan with a part's new routes."""
    routes = {**plan.routes, **{vehicle: found.routes.get(vehicle, ()) for vehicle in part.vehicles}}
    inside = {task.task for task in part.problem.tasks}
    unassigned = {task: why for task, why in plan.unassigned.items() if task not in inside}
    return Plan(routes=routes, unassigned={**unassigned, **found.unassigned})


def _related(ground: Ground, tasks: Sequence[TaskId]) -> list[TaskId]:
    """Without halves of shipments: both ends, or none."""
    inside = set(tasks)
    out = []
    for name in tasks:
        task = ground.tasks[name]
        ends = {ground.pickup_of.get(task.shipment), ground.delivery_of.get(task.shipment)} - {None} if task.shipment else set()
        if task.on_board is not None or ends <= inside:
            out.append(name)
    return out


def _between(ground: Ground, plan: Plan, used: Sequence[VehicleId], rng: random.Random) -> npt.NDArray[np.float64]:
    """How far routes are from one another, shape (routes, routes): the mean of the shortest ways from some stops to the other's."""
    places = []
    for vehicle in used:
        stops = ground.stops[ground.vans[vehicle].type]
        at = [stops[step].place for step in plan.routes[vehicle]]
        places.append(rng.sample(at, min(SAMPLES, len(at))) + [at[-1]] * (SAMPLES - min(SAMPLES, len(at))))
    flat = np.array(places).ravel()
    table = ground.problem.durations_s[np.ix_(flat, flat)].astype(np.float32)
    table[table < 0] = 1e9
    table = np.minimum(table, table.T)
    count = len(used)
    nearest = table.reshape(count, SAMPLES, count, SAMPLES).min(axis=3).mean(axis=1)
    out: npt.NDArray[np.float64] = (nearest + nearest.T).astype(np.float64)
    np.fill_diagonal(out, -1)
    return out


def _part(ground: Ground, plan: Plan, vehicles: Sequence[VehicleId], left: Sequence[TaskId]) -> Part:
    problem = ground.problem
    members = set(vehicles)
    routes = {vehicle: plan.routes.get(vehicle, ()) for vehicle in vehicles}
    names = {step for route in routes.values() for step in route if is_task(step)} | set(left)
    names |= {task.task for vehicle in vehicles for task in ground.on_board_of[vehicle] if task.task in plan.unassigned}
    tasks = [task for task in problem.tasks if task.task in names]
    vans = [van for van in problem.vans if van.vehicle in members]
    places = (
        {task.place for task in tasks} | {van.start_place for van in vans} | {van.end_place for van in vans if van.end_place is not None}
    )
    places |= {depot.place for depot in problem.depots} | {charger.place for charger in problem.chargers}
    keep = np.array(sorted(places))
    at = {place: index for index, place in enumerate(keep.tolist())}
    grid = np.ix_(keep, keep)
    wanted = {van.profile for van in vans}
    own = Problem(
        origin_utc_s=problem.origin_utc_s,
        tasks=tuple(replace(task, place=at[task.place]) for task in tasks),
        vans=tuple(
            replace(van, start_place=at[van.start_place], end_place=None if van.end_place is None else at[van.end_place]) for van in vans
        ),
        durations_s=problem.durations_s[grid],
        distances_m=problem.distances_m[grid],
        profiles={
            name: Profile(
                durations_s=np.stack([band[grid] for band in profile.durations_s]),
                distances_m=profile.distances_m[grid],
                band_starts_s=profile.band_starts_s,
            )
            for name, profile in problem.profiles.items()
            if name in wanted
        },
        depots=tuple(replace(depot, place=at[depot.place]) for depot in problem.depots),
        chargers=tuple(replace(charger, place=at[charger.place]) for charger in problem.chargers),
        relations=tuple(_inside(problem.relations, names)),
        lateness_cents_per_min=problem.lateness_cents_per_min,
        promise_cents_per_min=problem.promise_cents_per_min,
        max_wait_s=problem.max_wait_s,
        fair_cents_per_hour=problem.fair_cents_per_hour,
        current={vehicle: route for vehicle, route in problem.current.items() if vehicle in members},
        churn_cents=problem.churn_cents,
        timezone=problem.timezone,
    )
    served = {step for route in routes.values() for step in route}
    unassigned = {task.task: plan.unassigned[task.task] for task in tasks if task.task not in served}
    return Part(problem=own, plan=Plan(routes=routes, unassigned=unassigned), vehicles=tuple(vehicles))


def _inside(relations: Sequence[Relation], names: set[TaskId]) -> list[Relation]:
    """Relations as far as they hold within a part."""
    cut = (replace(relation, tasks=tuple(task for task in relation.tasks if task in names)) for relation in relations)
    return [relation for relation in cut if len(relation.tasks) > 1]
