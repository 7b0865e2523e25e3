"""Who may hold a task, and what a plan may therefore contain. Pure.

A van that was sent a plan may act on it until a newer plan of its own is in force. So a task may be planned into a van only
when no other van may still hold it: it moves by first leaving the one plan, and entering the other after the receipt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

HEARD_WITHIN = timedelta(seconds=90)
"""Of real time. After a restore vans are waited for this long: a roll call behind what their broker holds for them is answered within
seconds, and a unit that restarts is back in a minute. Who says nothing then counts as silent: what it may hold stays with it. So does a
unit too old to know the roll call: by then it has long taken what waited."""

VAN_CLOCK = timedelta(minutes=5)
"""A van's own clock may be this far behind when it finds that its plan has expired; and a stop that it began before takes as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedTasks:
    """Which tasks one committed plan contains. Committed is enough: it may be published at any moment."""

    vehicle_id: str
    version: int
    tasks: tuple[str, ...]


def may_hold(issued: Iterable[IssuedTasks], in_force: Mapping[str, int]) -> dict[str, frozenset[str]]:
    """Vans that may hold each task: those with a plan containing it that no newer plan in force has superseded.

    Parameters
    ----------
    issued : iterable of IssuedTasks
        Every plan committed at the hub; those older than the newest in force may be left out.
    in_force : mapping
        Newest version that each van's receipts say is in force; absent: none yet.
    """
    holders: dict[str, set[str]] = {}
    for plan in issued:
        if plan.version >= in_force.get(plan.vehicle_id, 0):
            for task in plan.tasks:
                holders.setdefault(task, set()).add(plan.vehicle_id)
    return {task: frozenset(vans) for task, vans in holders.items()}


def blocked(valid_until: datetime | None, now: datetime) -> bool:
    """Whether a van that has a plan of this time blocks its stops by now, but for goods on board: its work is free for others then.

    Each plan has its own time (None: for good): a van may never have got the newer one, whose time is over sooner.
    """
    return valid_until is not None and valid_until < now - VAN_CLOCK


def permitted(
    routes: Mapping[str, tuple[str, ...]], holders: Mapping[str, frozenset[str]]
) -> tuple[dict[str, tuple[str, ...]], dict[str, frozenset[str]]]:
    """What of these routes may be issued now.

    Returns
    -------
    tuple
        The routes without the tasks that another van may still hold; and those tasks, each with the vans it waits for.
    """
    waiting: dict[str, frozenset[str]] = {}
    allowed: dict[str, tuple[str, ...]] = {}
    for vehicle, tasks in routes.items():
        kept = []
        for task in tasks:
            others = holders.get(task, frozenset()) - {vehicle}
            if others:
                waiting[task] = others
            else:
                kept.append(task)
        allowed[vehicle] = tuple(kept)
    return allowed, waiting
