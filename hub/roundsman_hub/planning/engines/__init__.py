"""The engine port: a search that may find a better plan. Whatever it answers is judged by `evaluate` like everything else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from roundsman_hub.planning.problem import Plan, Problem, Verdict

BEGINS: Final = 0.6
"""Share of the seconds for the engine that knows more. On 22 late rounds of real streets, 1.5 s each: the judge's cost was 7,550 so,
7,591 with OR-Tools alone, 7,926 with PyVRP alone; the two together beat OR-Tools alone in 17 and lost to it in one."""


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


def turns(engines: Sequence[Engine], features: frozenset[str], budget_s: float) -> tuple[tuple[Engine, float], ...]:
    """Who searches, one after another, each from where the one before came to, and for how many seconds.

    The first engine does all of it, unless another knows more of `features`: then that one begins, and the first has the rest. (Where
    no engine knows them, the judge sees to it.)
    """
    first = engines[0]
    knows = next((engine for engine in engines if features <= engine.features), first)
    return ((first, budget_s),) if knows is first else ((knows, BEGINS * budget_s), (first, (1 - BEGINS) * budget_s))
