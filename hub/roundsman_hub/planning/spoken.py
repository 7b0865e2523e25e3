"""What `roundsman-hub solve` and `explain` say at a terminal: English sentences that the hub's catalogue tells in any language. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

NAMES: Final = {
    # constraints of `why.CONSTRAINTS`, as what would have to give way
    "windows": "its window",
    "deadline": "its deadline",
    "release": "when its goods are ready",
    "skills": "skills that it needs",
    "vehicle types": "kinds of van",
    "pinned vehicles": "the van that it is bound to",
    "depot of its goods": "the depot of its goods",
    "relations": "what it is bound to go with, before or after",
    "maximum ride": "how long its goods may ride",
    "capacity": "the vans' room",
    "shift end": "the end of the shifts",
    "breaks": "the breaks",
    "hours of service": "hours of service",
    "range": "the vans' range",
    "maximum tasks": "the most stops of a van",
    "maximum distance": "the longest way of a van",
    "maximum wait": "the longest wait at a stop",
    "priority": "what is left out for it",
    "number of vans": "the number of vans",
}
NOTHING: Final = "nothing, only another plan"
NOT_EVEN_SO: Final = "nothing that could give way would let it in"
HURRIED: Final = "by mending: no time was left to plan anew"


def money(cents: float) -> str:
    """Whole money, as the problem counts it; it has no currency."""
    return f"{cents / 100:,.2f}"


def summed_up(cost: float, vans: int) -> str:
    """The first line of a plan."""
    return f"cost {cost:,.2f} with {vans} vans"


def share(task: str, marginal_cents: float, average_cents: float) -> str:
    """What a delivery costs."""
    return f"{task}: costs {money(marginal_cents)} more than without it, its share is {money(average_cents)}"


def left_out(task: str, reason: str) -> str:
    """A task that no van takes."""
    return f"left out: {task}: {reason}"


def wrong(thing: str, name: str, reason: str) -> str:
    """A task or a van that cannot be planned at all."""
    return f"wrong: {thing} {name}: {reason}"


def without(constraints: Sequence[str], vehicle: str, price_cents: float) -> str:
    """What would let a task in, and for how much."""
    names = "; ".join(NAMES.get(name, name) for name in constraints) or NOTHING
    return f"without {names}: {vehicle} serves it, for {money(price_cents)} more"


def no_plan_for(plan: object, problem: object, violation: str) -> str:
    """A plan that its problem forbids."""
    return f"{plan} is no plan for {problem}: {violation}"


def no_task(task: str, problem: object) -> str:
    """A task that was asked for and is not there."""
    return f"no task {task} in {problem}"
