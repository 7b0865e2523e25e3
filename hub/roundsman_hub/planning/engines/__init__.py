"""The engine port: a search that may find a better plan. Whatever it answers is judged by `evaluate` like everything else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from roundsman_hub.planning.problem import Plan, Problem, Verdict


class EngineFailed(Exception):
    """The search crashed, hung, or ran out of memory. It costs nothing: the repaired plan stands."""


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
    """What a search from this plan has to know, beside what every engine knows.

    "lateness": work that is late and not frozen. An engine without soft windows is given a fixed allowance for it, and looks for nothing
    inside that allowance.
    """
    frozen = {task for van in problem.vans for task in van.frozen}
    late = any(visit.lateness_s and visit.task not in frozen for route in verdict.routes.values() for visit in route)
    return frozenset({"lateness"}) if late else frozenset()


def engine_for(engines: Sequence[Engine], features: frozenset[str]) -> Engine:
    """The first engine that knows all of `features`; if none does, the first. (The judge sees to what it does not know.)"""
    return next((engine for engine in engines if features <= engine.features), engines[0])
