"""From a problem to the plan to use: repair, search, judge, and the better one wins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from roundsman_hub.planning.engines import Engine, EngineFailed, needed, turns
from roundsman_hub.planning.evaluate import judge
from roundsman_hub.planning.insertion import insert, repair, rescue
from roundsman_hub.planning.problem import Plan, Problem, Verdict
from roundsman_hub.planning.walk import Ground

INSERTING: Final = 0.2
"""Of an engine's seconds as many again may go, at most, into putting in what it left out and mending what it broke: all that it takes on
most days is some hundredths, but where driving hours bind it would be two and a half seconds after a search of one."""


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
        The search; of several, those that know what the warm plan needs, in turn (see `turns`). Without one the warm plan is the answer.

    Returns
    -------
    Decision
        Never worse than the warm plan. An engine's answer is taken if it is cheaper, after whatever broke a rule that the engine
        does not know was mended, and whatever it left out was offered to the insertion.
    """
    ground = Ground(problem)
    if warm is None:
        warm = repair(problem, patient=True)
    base = judge(ground, warm)
    stands = Decision(plan=warm, verdict=base, by="repaired", gain_cents=0, note="no search")
    if not engine or budget_s <= 0 or not problem.tasks:
        return stands
    notes = []
    rescued = rescue(problem, warm) if base.lateness_s and not base.violations else warm
    if rescued != warm:
        verdict = judge(ground, rescued)
        gain = base.cost_cents - verdict.cost_cents
        if not verdict.violations and gain > 0:
            notes.append(f"late work moved: saves {gain / 100:.2f}")
            stands = Decision(plan=rescued, verdict=verdict, by="rescued", gain_cents=gain, note="")
    engines = engine if isinstance(engine, Sequence) else (engine,)
    for searcher, seconds in turns(engines, needed(problem, stands.verdict), budget_s):
        stands = _searched(ground, stands, searcher, seconds, seed)
        notes.append(stands.note)
    return replace(stands, note="; ".join(notes))


def _searched(ground: Ground, stands: Decision, engine: Engine, budget_s: float, seed: int) -> Decision:
    """What stands after one engine's search from there: its answer if that is better. The note is of this search alone."""
    problem = ground.problem
    try:
        found = engine.solve(problem, stands.plan, budget_s, seed)
    except EngineFailed as failure:
        return replace(stands, note=f"search failed, the {stands.by} plan stands: {failure}")
    if found == stands.plan:
        return replace(stands, note=f"{engine.name} found nothing better")
    verdict = judge(ground, found)
    broken = verdict.violations
    most_s = INSERTING * budget_s
    found = repair(replace(problem, current=found.routes), patient=True, most_s=most_s) if broken else insert(problem, found, most_s=most_s)
    verdict = judge(ground, found)
    saved = stands.verdict.cost_cents - verdict.cost_cents
    if verdict.violations or (saved <= 0 and not stands.verdict.violations):
        return replace(stands, note=f"{engine.name} found nothing better{_mended(broken)}")
    note = f"{engine.name} saves {saved / 100:.2f}{_mended(broken)}"
    return Decision(plan=found, verdict=verdict, by=engine.name, gain_cents=stands.gain_cents + saved, note=note)


def _mended(broken: tuple[str, ...]) -> str:
    return f", its answer had to be mended: {broken[0]}" if broken else ""
