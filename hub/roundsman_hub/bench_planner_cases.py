"""What `make bench-planner` plans: published instances, towns made from a seed, and the engines as they come, without anything of ours."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import numpy as np

from roundsman_hub.planning.engines import budget, ortools_engine, vroom_engine
from roundsman_hub.planning.engines.pyvrp_model import Translation
from roundsman_hub.planning.fleet import Hours
from roundsman_hub.planning.instances import Objective, parse
from roundsman_hub.planning.problem import Plan, Problem, Task, Van
from roundsman_hub.planning.walk import Ground

DATA: Final = Path(__file__).parents[3] / "shared" / "data" / "vrp"
Peer = Callable[[Problem, float, int], Plan]


def instance(name: str, objective: Objective = "distance") -> Problem:
    """A published instance: the shortest routes wanted, or the fewest vans and then the shortest routes."""
    return parse(next(DATA.glob(f"*/{name}.txt")).read_text(), objective)


def town(n: int, seed: int, *, vans: int, capacity: int = 100) -> Problem:
    """`n` deliveries around a depot in the middle of 20 × 20 km, ways × 1.3 and up to a quarter slower; three in five have a window."""
    rng, dice = np.random.default_rng(seed), random.Random(seed)
    xy = rng.uniform(0, 20_000, (n + 1, 2))
    xy[0] = (10_000, 10_000)
    metres = (np.hypot(*(xy[:, None] - xy[None]).transpose(2, 0, 1)) * 1.3).astype(np.int32)
    seconds = (metres / 8 * rng.uniform(1.0, 1.25, metres.shape)).astype(np.int32)
    tasks = []
    for at in range(1, n + 1):
        opens = dice.randrange(3600, 7 * 3600)
        windows = ((opens, opens + dice.choice([3600, 7200])),) if dice.random() < 0.6 else ()
        tasks.append(Task(task=f"o{at}", place=at, kind="delivery", load=(dice.randrange(1, 4),), service_s=120, windows_s=windows))
    fleet = tuple(
        Van(vehicle=f"v{at}", start_place=0, end_place=0, start_s=0, shift_end_s=9 * 3600, capacity=(capacity,), at_depot=True)
        for at in range(vans)
    )
    return Problem(origin_utc_s=0, tasks=tuple(tasks), vans=fleet, durations_s=seconds, distances_m=metres, churn_cents=0)


def long_day(n: int, seed: int) -> Problem:
    """A town whose drivers keep the 4.5 h rule (45 min, or 15 and then 30), on a shift of eleven hours; so few that each drives longer."""
    problem = town(n, seed, vans=max(2, n // 30))
    hours = Hours(rule="eu_561", to_break_s=16_200, driving_s=32_400, duty_s=46_800)
    return replace(problem, vans=tuple(replace(van, shift_end_s=11 * 3600, hours=hours) for van in problem.vans))


def changed(problem: Problem, plan: Plan, seed: int, share: float = 0.05) -> Problem:
    """The day goes on: of a town planned for all its tasks but the last twentieth, a twentieth is cancelled, and those last are new."""
    dice = random.Random(seed)
    planned = [step for route in plan.routes.values() for step in route]
    gone = set(dice.sample(planned, round(share * len(problem.tasks))))
    current = {vehicle: tuple(step for step in route if step not in gone) for vehicle, route in plan.routes.items()}
    return replace(problem, tasks=tuple(task for task in problem.tasks if task.task not in gone), current=current)


def _nothing(problem: Problem) -> Plan:
    return Plan(routes={}, unassigned={task.task: "not looked at yet" for task in problem.tasks})


def pyvrp_alone(problem: Problem, seconds: float, seed: int, warm: Plan | None = None) -> Plan:
    """`pyvrp.solve` as it comes: its own start (or the plan in hand), its own parameters."""
    import pyvrp

    until = budget.seconds() + seconds
    warm = warm or _nothing(problem)
    model = Translation(Ground(problem), list(problem.vans), warm)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = model.data(pyvrp)
        first = pyvrp.Solution(data, model.routes_of(pyvrp, data, warm)) if any(warm.routes.values()) else None
        found = pyvrp.solve(data, lambda _: budget.seconds() >= until, seed, collect_stats=False, initial_solution=first).best
    return model.plan_of(found, warm) if found.is_feasible() else warm


def vroom_alone(problem: Problem, seconds: float, seed: int, warm: Plan | None = None) -> Plan:
    """VROOM at its most thorough level, ended by its own limit of time."""
    import vroom

    model = vroom_engine.Translation(vroom, Ground(problem), list(problem.vans), warm or _nothing(problem))
    found = model.input(warm).solve(exploration_level=5, nb_threads=1, timeout=timedelta(seconds=seconds))
    return model.plan_of(found, warm or _nothing(problem))


def ortools_alone(problem: Problem, seconds: float, seed: int, warm: Plan | None = None) -> Plan:
    """OR-Tools' routing as its guide says: the cheapest arcs first, then guided local search."""
    from ortools.constraint_solver import pywrapcp

    warm = warm or _nothing(problem)
    model = ortools_engine.Translation(pywrapcp, Ground(problem), warm)
    parameters = ortools_engine.search_parameters(pywrapcp, seconds)
    model.routing.CloseModelWithParameters(parameters)
    if any(warm.routes.values()):
        first = model.routing.ReadAssignmentFromRoutes(model.routes_of(warm), True)
        found = model.routing.SolveFromAssignmentWithParameters(first, parameters)
    else:
        found = model.routing.SolveWithParameters(parameters)
    return warm if found is None else model.plan_of(found, warm)


PEERS: Final[dict[str, Peer]] = {"pyvrp": pyvrp_alone, "vroom": vroom_alone, "ortools": ortools_alone}
