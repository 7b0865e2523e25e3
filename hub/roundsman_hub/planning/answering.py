"""A problem from outside, answered: what contradicts itself is told, and everything else is planned."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Final

from roundsman_hub.planning.bound import bound_cents
from roundsman_hub.planning.engines.process import EngineProcess
from roundsman_hub.planning.evaluate import evaluate
from roundsman_hub.planning.insertion import repair
from roundsman_hub.planning.problem import Plan, Problem, Verdict, is_task
from roundsman_hub.planning.solve import Decision, decide
from roundsman_hub.planning.soundness import sound
from roundsman_hub.planning.work import TaskId, VehicleId

FIRST_TURN_S: Final = 1.0
"""The first engine's turn; each round of turns is twice as long as the one before, so that starting again costs less and less."""
LEAST_TURN_S: Final = 0.05
ENGINES: Final = ("pyvrp", "ruin")
"""In turns: the fastest where it knows everything, and the one that knows everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a search came. `bound_cents`: no plan is cheaper."""

    elapsed_s: float
    bound_cents: int
    best_cents: int
    routes: int
    unassigned: int
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What to do, and what was wrong with the question. `plan.unassigned` names the `wrong_tasks` as well, each with its reason.

    `verdict` is of the sound part of the problem.
    """

    plan: Plan
    verdict: Verdict
    by: str
    note: str
    bound_cents: int
    wrong_tasks: dict[TaskId, str]
    wrong_vans: dict[VehicleId, str]

    @property
    def vehicles(self) -> int:
        """How many vans drive."""
        return sum(1 for route in self.plan.routes.values() if route)


def answer(
    problem: Problem,
    warm: Plan | None = None,
    *,
    budget_s: float,
    seed: int = 0,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Answer:
    """Plan the part of a problem that makes sense.

    Parameters
    ----------
    problem : Problem
        Anything whose types are right.
    warm : Plan, optional
        A plan to begin with; what does not fit in it is mended.
    budget_s : float
        Real seconds of search; 0: insertion alone.
    seed : int
        Of the searches.
    on_progress : callable
        Told of the first plan and after every turn of an engine.
    """
    began = time.monotonic()
    whole = sound(problem)
    problem = whole.problem
    least = bound_cents(problem)
    if warm is not None:
        known = {van.vehicle for van in problem.vans}
        tasks = {task.task for task in problem.tasks}
        kept = {van: tuple(s for s in route if not is_task(s) or s in tasks) for van, route in warm.routes.items() if van in known}
        start = repair(replace(problem, current=kept))
    else:
        start = repair(problem)
    stands = Decision(plan=start, verdict=evaluate(problem, start), by="repaired", gain_cents=0, note="no search")

    def tell(stands: Decision) -> None:
        on_progress(
            Progress(
                elapsed_s=time.monotonic() - began,
                bound_cents=least,
                best_cents=stands.verdict.cost_cents,
                routes=sum(1 for route in stands.plan.routes.values() if route),
                unassigned=len(stands.plan.unassigned) + len(whole.tasks),
                by=stands.by,
            )
        )

    tell(stands)
    if budget_s > 0 and problem.tasks and problem.vans:
        for found in _searched(problem, stands, began + budget_s, seed):
            tell(found)
            stands = found
    plan = replace(stands.plan, unassigned={**stands.plan.unassigned, **whole.tasks})
    return Answer(
        plan=plan,
        verdict=stands.verdict,
        by=stands.by,
        note=stands.note,
        bound_cents=least,
        wrong_tasks=whole.tasks,
        wrong_vans=whole.vans,
    )


def _searched(problem: Problem, stands: Decision, until: float, seed: int) -> Iterator[Decision]:
    """What stands after each engine's turn, until the time is over."""
    with ExitStack() as open_ones:
        engines = [open_ones.enter_context(EngineProcess(name)) for name in ENGINES]
        turn_s, at = FIRST_TURN_S, 0
        while (left_s := until - time.monotonic()) > LEAST_TURN_S:
            engine = engines[at % len(engines)]
            seconds = left_s if left_s < 1.5 * turn_s else turn_s
            found = decide(problem, stands.plan, seconds, seed + at, engine=engine)
            better = found.verdict.cost_cents < stands.verdict.cost_cents
            stands = found if better else replace(stands, note=found.note)
            yield stands
            at += 1
            if at % len(engines) == 0:
                turn_s *= 2
