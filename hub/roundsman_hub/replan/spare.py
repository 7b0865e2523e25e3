"""Spare time before a window's end, as much as arrivals spread: a plan that is in time by a minute is late every other time. Pure.

How early a van should be there is the newsvendor's question (Arrow, Harris and Marschak 1951): a minute more of spare costs a van's
minute, a minute late costs several. Where the one is about a quarter of the other, as in a fleet that names no prices, it pays to aim at
what three of four arrivals keep; that is half of the half-width that four of five are within (0.67 of a normal spread against 1.28).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from roundsman_core.widths import rule_s
from roundsman_hub.planning.evaluate import judge
from roundsman_hub.planning.problem import Plan, Problem, Task
from roundsman_hub.planning.walk import Ground

SHARE: Final = 0.5
"""Of the rule of thumb for how far off arrivals come that are as far ahead."""
MOST_SHARE: Final = 0.25
"""Of a window: one that is short is a short time to come in, not none."""
SURER: Final = "an order of stops with more time to spare"


def spared(problem: Problem) -> Problem:
    """The problem with windows that end so much earlier that what is planned inside them comes inside of what was promised.

    It is for choosing routes alone: drivers and customers are told the windows as they are. And for plans that change, not for the first of
    a shift: that one has the day before it to be mended in, and pretend days whose first plans had it cost more.
    """
    return replace(problem, tasks=tuple(map(_spared, problem.tasks)))


def _spared(task: Task) -> Task:
    """Only the last window is shorter: who misses one of several waits for the next."""
    if not task.windows_s:
        return task
    *before, (opens, closes) = task.windows_s
    if closes <= 0:
        return task
    spare_s = round(min(SHARE * rule_s(closes), MOST_SHARE * (closes - opens)))
    return replace(task, windows_s=(*before, (opens, closes - spare_s)))


def better_in(ground: Ground, before: Plan, after: Plan) -> str:
    """What a search's plan is better in, as drivers are told: money, by the windows as they are (`ground`); else the time it leaves."""
    saves_cents = judge(ground, before).cost_cents - judge(ground, after).cost_cents
    return f"a better order of stops (saves {saves_cents / 100:.2f})" if saves_cents > 0 else SURER
