"""The best plan that a search has come to so far: it can be taken at any moment, whoever found it and whatever became of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from roundsman_hub.planning.engines import budget
from roundsman_hub.planning.evaluate import judge
from roundsman_hub.planning.insertion import insert
from roundsman_hub.planning.problem import Plan, Problem, Verdict
from roundsman_hub.planning.solve import Decision
from roundsman_hub.planning.walk import Ground


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The best plan so far. `at_s`: seconds of search; `by`: who found it."""

    at_s: float
    by: str
    cost_cents: int
    routes: int
    unassigned: int
    plan: Plan


OnProgress = Callable[[Progress], None]


class Best:
    """The best plan so far, and who is told of it."""

    def __init__(self, ground: Ground, stands: Decision, began: float, on_progress: OnProgress | None) -> None:
        self.ground, self.best, self.began, self.on_progress = ground, stands, began, on_progress
        self.start = stands
        self._lock = threading.Lock()
        self._whole: dict[int, Callable[[Plan], Plan]] = {}
        self._heard = False
        self._tell()

    def _tell(self) -> None:
        if self.on_progress is not None:
            plan = self.best.plan
            self.on_progress(
                Progress(
                    at_s=budget.seconds() - self.began,
                    by=self.best.by,
                    cost_cents=self.best.verdict.cost_cents,
                    routes=sum(1 for route in plan.routes.values() if route),
                    unassigned=len(plan.unassigned),
                    plan=plan,
                )
            )

    def hear(self, by: str, problem: Problem, plan: Plan) -> None:
        """Take a plan that an engine has come to and goes on from, if it is better than what stands."""
        with self._lock:  # from before it is put together: another part's must not be lost
            if problem is not self.ground.problem:
                if id(problem) not in self._whole:
                    return
                plan = self._whole[id(problem)](plan)
            verdict = judge(self.ground, plan)
            if not verdict.violations and self._cheaper(verdict):
                self._take(plan, verdict, by, self.best.note, heard=True)

    @contextmanager
    def listening(self, parts: Iterable[tuple[Problem, Callable[[Plan], Plan]]]) -> Iterator[None]:
        """Hear plans of these problems too, each with how a plan of it becomes one of the whole, from what stands then."""
        whole = {id(problem): put for problem, put in parts}
        self._whole |= whole
        try:
            yield
        finally:
            with self._lock:
                for known in whole:
                    del self._whole[known]

    def offer(self, plan: Plan, verdict: Verdict, by: str, note: str) -> bool:
        """Take a plan if it is better than what stands, or what an engine told of before it ended with it."""
        with self._lock:
            same = self._heard and verdict.cost_cents == self.best.verdict.cost_cents
            if verdict.violations or not (same or self._cheaper(verdict)):
                self.best = replace(self.best, note=note)
                return False
            self._take(plan, verdict, by, note, heard=False)
            return True

    def settled(self) -> Decision:
        """The best plan, with a reason of today for whatever it leaves out."""
        if self._heard:
            plan = insert(self.ground.problem, self.best.plan, most_s=0.0)  # the time is over
            self.offer(plan, judge(self.ground, plan), self.best.by, self.best.note)
        return self.best

    def _cheaper(self, verdict: Verdict) -> bool:
        return bool(self.best.verdict.violations) or verdict.cost_cents < self.best.verdict.cost_cents

    def _take(self, plan: Plan, verdict: Verdict, by: str, note: str, *, heard: bool) -> None:
        better, gain = self._cheaper(verdict), self.start.verdict.cost_cents - verdict.cost_cents
        self.best, self._heard = Decision(plan=plan, verdict=verdict, by=by, gain_cents=gain, note=note), heard
        if better:
            self._tell()
