"""The engine port: a search that may find a better plan. Whatever it answers is judged by `evaluate` like everything else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from roundsman_hub.planning.problem import Plan, Problem, Verdict

BEGINS: Final = 0.6
"""Share of the seconds for the engine that knows more. On 22 late rounds of real streets, 1.5 s each: the judge's cost was 7,550 so,
7,591 with OR-Tools alone, 7,926 with PyVRP alone; the two together beat OR-Tools alone in 17 and lost to it in one."""


class EngineFailed(Exception):
    """The search crashed, hung, or ran out of memory. It costs nothing: the repaired plan stands."""


Tell = Callable[[object, Callable[[], Plan]], None]
"""Hears at every step of a search what is best so far, and how a plan is made of that."""


class Better(NamedTuple):
    """A plan that a search has come to and goes on from."""

    plan: Plan


class Engine(Protocol):
    """A search for better plans.

    `features` names what the engine itself respects; anything else is left to the judge, who refuses what breaks it.
    """

    @property
    def name(self) -> str: ...

    @property
    def features(self) -> frozenset[str]: ...

    def solve(self, problem: Problem, warm: Plan, budget_s: float, seed: int) -> Plan:
        """Search for `budget_s` real seconds, from `warm` on.

        Raises
        ------
        EngineFailed
            No answer came.
        """
        ...


def needed(problem: Problem, verdict: Verdict) -> frozenset[str]:
    """What a search from this plan has to know, beside what every engine knows (windows, loads, shifts, rights, what is frozen).

    "lateness": work that is late and not frozen. An engine without soft windows is given a fixed allowance for it, and looks for nothing
    inside that allowance. "reloads_elsewhere": goods that only a second trip can fetch.
    """
    frozen = {task for van in problem.vans for task in van.frozen}
    vans, tasks = problem.vans, problem.tasks
    late = any(visit.lateness_s and visit.task not in frozen for route in verdict.routes.values() for visit in route)
    depots = {task.depot for task in tasks if task.depot is not None}
    asked = {
        "lateness": late,
        "shipments": any(task.shipment is not None for task in tasks),
        "shipment_windows": any(task.shipment is not None and len(task.windows_s) > 1 for task in tasks),
        "rides": any(task.max_ride_s is not None for task in tasks),
        "reloads": any(van.reloads for van in vans),
        "reloads_elsewhere": any(van.reloads and (not van.at_depot or van.begun or depots - {van.depot}) for van in vans),
        "breaks": any(van.breaks for van in vans),
        "hours": any(van.hours is not None for van in vans),
        "energy": any(van.energy is not None for van in vans),
        "traffic": any(van.profile and len(problem.profiles[van.profile].durations_s) > 1 for van in vans),
        "relations": bool(problem.relations),
        "promises": bool(problem.promise_cents_per_min) and any(task.promise_s is not None for task in tasks),
        "overtime": any(van.overtime_s and van.overtime_cents_per_hour for van in vans),
        "max_distance": any(van.max_distance_m is not None for van in vans),
        "waiting": problem.max_wait_s is not None or any(van.waiting_cents_per_hour or van.idling_cents_per_hour for van in vans),
        "fuel": any(van.fuel_cents_per_km_per_1000 for van in vans),
        "territories": any(van.familiar for van in vans),
        "fair": bool(problem.fair_cents_per_hour),
    }
    return frozenset(name for name, there in asked.items() if there)


def turns(engines: Sequence[Engine], features: frozenset[str], budget_s: float) -> tuple[tuple[Engine, float], ...]:
    """Who searches, one after another, each from where the one before came to, and for how many seconds.

    The first engine does all of it, unless another knows more of `features`. If that one is a compiled search too, it begins, and the
    first has the rest. If only the search that knows every rule knows them, it has the last word: a faster one begins, which knows
    as many as any other; what it gets wrong is mended by the judge.
    """
    first = engines[0]
    if features <= first.features:
        return ((first, budget_s),)
    knows = next((engine for engine in engines if features <= engine.features), None)
    others = [engine for engine in engines if engine is not knows]
    most = max(others, key=lambda engine: len(features & engine.features), default=first)
    if knows is None:
        return ((most, budget_s),)
    if others and all(engine.features <= knows.features for engine in others):
        return ((most, (1 - BEGINS) * budget_s), (knows, BEGINS * budget_s))
    return ((knows, BEGINS * budget_s), (first, (1 - BEGINS) * budget_s))
