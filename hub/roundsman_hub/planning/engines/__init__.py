"""The engine port: a search that may find a better plan. Whatever it answers is judged by `evaluate` like everything else."""

from __future__ import annotations

from typing import Protocol

from roundsman_hub.planning.problem import Plan, Problem


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
