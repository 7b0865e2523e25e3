"""Why, asked by somebody who waits: plans are made anew as long as the time lasts, and told of while it does."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from roundsman_hub.planning.elsewhere import has_searched_parts, search_part
from roundsman_hub.planning.problem import Plan, Problem
from roundsman_hub.planning.why import Relaxation, Why, binding, why
from roundsman_hub.planning.work import TaskId

LEAST_SHARES: Final = 4
"""Pairs may follow: none of them gets more than a quarter of what is left."""
LEAST_S: Final = 0.05
"""In less no engine finds anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One set of constraints that was tried: what it would cost without them; None: that is not enough."""

    elapsed_s: float
    tried: int
    constraints: tuple[str, ...]
    price_cents: int | None
    searched: bool


def explained(
    problem: Problem, plan: Plan, task: TaskId, *, resolve_s: float = 0.0, on_progress: Callable[[Asking], None] = lambda _: None
) -> Why:
    """As `why`, with a search for each set of constraints that gives way, all of them together within a time.

    Parameters
    ----------
    resolve_s : float
        Real seconds of search; 0: prices by mending the plan. What there is no time left for is mended, and says so (`searched`).
    on_progress : callable
        Told of each set that was tried.
    """
    if resolve_s > 0 and not has_searched_parts():
        search_part(problem, plan, LEAST_S, 0)  # starting an engine is no search: it is not taken from the time that somebody gave for one
    began, tried, asked = time.monotonic(), 0, 0
    questions = 2 + len(binding(problem, task))  # as it is, without anything that gives way, and for each alone

    def resolve(relaxed: Problem, start: Plan) -> Plan | None:
        nonlocal asked
        share_s = (began + resolve_s - time.monotonic()) / max(questions - asked, LEAST_SHARES)
        asked += 1
        return search_part(relaxed, start, share_s, 0).plan if share_s >= LEAST_S else None

    def tell(names: tuple[str, ...], found: Relaxation | None) -> None:
        nonlocal tried
        tried += 1
        on_progress(
            Asking(
                elapsed_s=time.monotonic() - began,
                tried=tried,
                constraints=names,
                price_cents=None if found is None else found.price_cents,
                searched=found is not None and found.searched,
            )
        )

    return why(problem, plan, task, resolve=resolve if resolve_s > 0 else None, on_tried=tell)
