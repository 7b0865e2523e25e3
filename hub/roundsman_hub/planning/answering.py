"""A problem from outside, answered: what contradicts itself is told, and everything else is planned."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Final

from roundsman_hub.planning import best, portfolio
from roundsman_hub.planning.bound import bound_cents
from roundsman_hub.planning.costing import TaskCost, costs
from roundsman_hub.planning.evaluate import evaluate
from roundsman_hub.planning.insertion import repair
from roundsman_hub.planning.problem import Plan, Problem, Verdict, is_task
from roundsman_hub.planning.solve import Decision
from roundsman_hub.planning.soundness import sound
from roundsman_hub.planning.work import TaskId, VehicleId

BEATS_EVERY_S: Final = 1.0
"""Whoever waits hears that often at least how a search stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a search came. `bound_cents`: no plan is cheaper. `plan`: the best so far, which may be used as it is."""

    elapsed_s: float
    bound_cents: int
    best_cents: int
    routes: int
    unassigned: int
    by: str
    plan: Plan


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
    problem: Problem
    """The sound part of the question."""
    wrong_tasks: dict[TaskId, str]
    wrong_vans: dict[VehicleId, str]

    def costs(self) -> dict[TaskId, TaskCost]:
        """What each delivery of the plan costs, marginally and on average."""
        return costs(self.problem, self.plan)

    @property
    def vehicles(self) -> int:
        """How many vans drive."""
        return sum(1 for route in self.plan.routes.values() if route)


class _Heart:
    """Tells of progress, and again where things stand when nothing better was found for a while: a search is seen to go on."""

    def __init__(self, began: float, on_progress: Callable[[Progress], None]) -> None:
        self._began, self._on_progress = began, on_progress
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._last: tuple[float, Progress] | None = None
        self._thread = threading.Thread(target=self._beat, name="progress", daemon=True)

    def tell(self, at: Progress) -> None:
        with self._lock:
            self._last = time.monotonic(), at
            self._on_progress(at)

    def _beat(self) -> None:
        while not self._ended.wait(BEATS_EVERY_S / 2):
            now = time.monotonic()
            if self._last is not None and now >= self._last[0] + BEATS_EVERY_S:
                self.tell(replace(self._last[1], elapsed_s=now - self._began))

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def answer(
    problem: Problem,
    warm: Plan | None = None,
    *,
    budget_s: float,
    seed: int = 0,
    processes: int = 1,
    executor: Executor | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Answer:
    """Plan the part of a problem that makes sense. Interrupted while it searches (`KeyboardInterrupt`), it answers with the best so far.

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
    processes : int
        How many search at once.
    executor : Executor, optional
        Searches the parts of a large problem elsewhere (see `elsewhere.cluster`).
    on_progress : callable
        Told of the first plan, of every better one, and every `BEATS_EVERY_S` of how things stand; from any thread, one at a time.
    """
    began = time.monotonic()
    heart = _Heart(began, on_progress)
    whole = sound(problem)
    problem = whole.problem
    least = bound_cents(problem)
    start = portfolio.first_plan(problem) if warm is None and problem.vans else standing(problem, warm)
    stands = Decision(plan=start, verdict=evaluate(problem, start), by="repaired", gain_cents=0, note="no search")

    def tell(cents: int, plan: Plan, by: str) -> None:
        heart.tell(
            Progress(
                elapsed_s=time.monotonic() - began,
                bound_cents=least,
                best_cents=cents,
                routes=sum(1 for route in plan.routes.values() if route),
                unassigned=len(plan.unassigned) + len(whole.tasks),
                by=by,
                plan=plan,
            )
        )

    so_far: list[best.Progress] = []

    def better(at: best.Progress) -> None:
        so_far[:] = [at]
        tell(at.cost_cents, at.plan, at.by)

    tell(stands.verdict.cost_cents, start, stands.by)
    if budget_s > 0 and problem.tasks and problem.vans:
        with heart:
            try:
                stands = portfolio.search(problem, start, budget_s, seed, processes=processes, on_progress=better, executor=executor)
            except KeyboardInterrupt:
                for at in so_far:
                    verdict = evaluate(problem, at.plan)
                    stands = replace(stands, plan=at.plan, verdict=verdict, by=at.by, note="interrupted: the best plan so far")
        tell(stands.verdict.cost_cents, stands.plan, stands.by)
    plan = replace(stands.plan, unassigned={**stands.plan.unassigned, **whole.tasks})
    return Answer(
        plan=plan,
        verdict=stands.verdict,
        by=stands.by,
        note=stands.note,
        bound_cents=least,
        problem=problem,
        wrong_tasks=whole.tasks,
        wrong_vans=whole.vans,
    )


def standing(problem: Problem, warm: Plan | None) -> Plan:
    """What a plan, or else the one that the problem's vans hold, comes to: mended, with what it lacks put in where that is cheapest."""
    if warm is None:
        return repair(problem)
    known = {van.vehicle for van in problem.vans}
    tasks = {task.task for task in problem.tasks}
    kept = {van: tuple(s for s in route if not is_task(s) or s in tasks) for van, route in warm.routes.items() if van in known}
    return repair(replace(problem, current=kept))
