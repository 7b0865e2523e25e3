"""From a problem to the plan to use: repair, search, judge, and the better one wins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from roundsman_hub.planning.engines import Engine, EngineFailed, engine_for, needed
from roundsman_hub.planning.evaluate import judge
from roundsman_hub.planning.insertion import insert, repair, rescue
from roundsman_hub.planning.problem import Plan, Problem, Verdict
from roundsman_hub.planning.walk import Ground


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The plan to use, who made it, and what it gains over the plan that it had to beat.

    `by`: "repaired", "rescued" (late work moved, before any search) or the engine's name.
    `note`: what happened to the search, for a person.
    """

    plan: Plan
    verdict: Verdict
    by: str
    gain_cents: int
    note: str


def solve(problem: Problem, warm: Plan | None, budget_s: float, seed: int = 0, *, engine: Engine | Sequence[Engine] | None = None) -> Plan:
    """The best plan found within the budget. See `decide`."""
    return decide(problem, warm, budget_s, seed, engine=engine).plan


def decide(
    problem: Problem, warm: Plan | None, budget_s: float, seed: int = 0, *, engine: Engine | Sequence[Engine] | None = None
) -> Decision:
    """Search from the warm plan on, and judge what comes back.

    Parameters
    ----------
    problem : Problem
        What is to be planned.
    warm : Plan, optional
        Where to start: a plan without violations; by default what `repair` makes of the current one.
    budget_s : float
        Real seconds for the search; 0: none.
    seed : int
        Same problem, seed and number of iterations: same answer. (A budget in seconds is not a number of iterations.)
    engine : Engine or sequence of Engine, optional
        The search; of several, the first that knows what the warm plan needs (see `engine_for`). Without one the warm plan is the answer.

    Returns
    -------
    Decision
        Never worse than the warm plan. The engine's answer is taken if it is cheaper, after whatever broke a rule that the engine
        does not know was mended, and whatever it left out was offered to the insertion.
    """
    ground = Ground(problem)
    if warm is None:
        warm = repair(problem)
    base = judge(ground, warm)
    stands = Decision(plan=warm, verdict=base, by="repaired", gain_cents=0, note="no search")
    if not engine or budget_s <= 0 or not problem.tasks:
        return stands
    rescued = rescue(problem, warm) if base.lateness_s and not base.violations else warm
    if rescued != warm:
        verdict = judge(ground, rescued)
        gain = base.cost_cents - verdict.cost_cents
        if not verdict.violations and gain > 0:
            stands = Decision(plan=rescued, verdict=verdict, by="rescued", gain_cents=gain, note=f"late work moved: saves {gain / 100:.2f}")
    if isinstance(engine, Sequence):
        engine = engine_for(engine, needed(problem, stands.verdict))
    try:
        found = engine.solve(problem, stands.plan, budget_s, seed)
    except EngineFailed as failure:
        return _with_note(stands, f"search failed, the repaired plan stands: {failure}")
    if found == stands.plan:
        return _with_note(stands, f"{engine.name} found nothing better")
    verdict = judge(ground, found)
    broken = verdict.violations
    found = repair(replace(problem, current=found.routes)) if broken else insert(problem, found)
    verdict = judge(ground, found)
    gain = base.cost_cents - verdict.cost_cents
    if verdict.violations or (gain <= stands.gain_cents and not base.violations):
        return _with_note(stands, f"{engine.name} found nothing better{_mended(broken)}")
    note = f"{engine.name} saves {gain / 100:.2f}{_mended(broken)}"
    return Decision(plan=found, verdict=verdict, by=engine.name, gain_cents=gain, note=note)


def _mended(broken: tuple[str, ...]) -> str:
    return f"; its answer had to be mended: {broken[0]}" if broken else ""


def _with_note(decision: Decision, note: str) -> Decision:
    return Decision(plan=decision.plan, verdict=decision.verdict, by=decision.by, gain_cents=decision.gain_cents, note=note)
