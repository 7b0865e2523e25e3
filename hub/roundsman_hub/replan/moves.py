"""Work that goes from one van to another: what was where, and what would be. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from roundsman_hub.planning.problem import Plan, Problem, is_task
from roundsman_hub.replan.build import ahead
from roundsman_hub.replan.world import VanFacts, World


def change_vans(problem: Problem, plan: Plan) -> int:
    """How many tasks another van has now than it would have."""
    has = {step: vehicle for vehicle, route in problem.current.items() for step in route if is_task(step)}
    return sum(has.get(step, vehicle) != vehicle for vehicle, route in plan.routes.items() for step in route)


def known(problem: Problem, routes: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Routes without the work that is gone."""
    names = {task.task for task in problem.tasks}
    return {vehicle: tuple(step for step in route if step in names or not is_task(step)) for vehicle, route in routes.items()}


def as_wished(problem: Problem, wish: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """The routes that the vans hold, with the work that has no place where `wish` has it: behind what it comes after there."""
    placed = {step for route in problem.current.values() for step in route}
    free = {task.task for task in problem.tasks} - placed
    out = {vehicle: list(route) for vehicle, route in problem.current.items()}
    for vehicle, route in wish.items():
        own = out.get(vehicle)
        for at, step in enumerate(route if own is not None else ()):
            if own is not None and step in free:
                before = next((other for other in reversed(route[:at]) if other in own), None)
                own.insert(0 if before is None else own.index(before) + 1, step)
    return {vehicle: tuple(route) for vehicle, route in out.items()}


def set_to(problem: Problem, wish: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """The routes that the vans hold, but those of `wish` as they are there; what is in these is in no other."""
    routes = {**problem.current, **known(problem, wish)}
    taken = {step for vehicle in wish for step in routes[vehicle] if is_task(step)}
    return {vehicle: route if vehicle in wish else tuple(step for step in route if step not in taken) for vehicle, route in routes.items()}


def remaining_now(world: World, van: VanFacts) -> tuple[str, ...]:
    """What a van had left, cancelled work included: it was in the plan that people saw."""
    return tuple(stop.stop for stop in ahead(world, van))


def moved_to(plan: Plan, before: Mapping[str, Sequence[str]]) -> set[str]:
    """Vans that shall have work that another van has: their plans come after its receipt."""
    where = {step: vehicle for vehicle, route in before.items() for step in route if is_task(step)}
    return {vehicle for vehicle, route in plan.routes.items() for step in route if where.get(step, vehicle) != vehicle}
