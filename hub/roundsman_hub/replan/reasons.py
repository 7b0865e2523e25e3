"""Reasons to plan anew: one table that the planner runs on, and that the API's document and the README are told from. Pure.

Each reason has its threshold, what a better plan has to save before it is told because of it, and whether it leaves a choice. What
leaves none (an order is cancelled, a driver declined) is told to the vans in every mode; a choice waits for a dispatcher where the
depot's mode says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal[
    "ordered", "urgent", "cancelled", "changed", "promise", "dwell", "failed", "skipped", "off_route", "breakdown", "silent", "sick",
    "traffic", "hours", "declined", "refused", "left_without", "ended", "free", "online", "fleet", "asked", "hand", "approved", "undone",
    "mode",
]  # fmt: skip
"""What a reason is called in the planner's table, in `/v1/proposals` and in the figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """One row of the table.

    threshold : where it counts; "" where it happens or does not.
    level : the threshold as a number, in the unit that `threshold` names; 0 where it has none.
    least_gain_cents : what a search's plan has to save to be told because of this.
    choice : False: it only says what is so, and is told in every mode of the depot.
    """

    kind: Kind
    threshold: str
    level: float
    least_gain_cents: int
    choice: bool
    meaning: str


USUAL_CENTS: Final = 300
"""About six minutes of one van: less is not worth a driver's second look."""
EAGER_CENTS: Final = 100
"""Where something went wrong a driver expects to hear, and two minutes of a van are worth the look."""
URGENT_PRIORITY: Final = 8
"""From here up an order is planned at once, without waiting for more changes to come along."""

_ROWS: Final[tuple[tuple[Kind, str, float, int, bool, str], ...]] = (
    ("ordered", "", 0, USUAL_CENTS, True, "a new order, or one that is placed on the map now"),
    ("urgent", "priority 8", URGENT_PRIORITY, USUAL_CENTS, True, "an urgent order: planned at once"),
    ("cancelled", "", 0, USUAL_CENTS, False, "an order was cancelled"),
    ("changed", "", 0, USUAL_CENTS, False, "an order's window, promise, place or handling changed"),
    ("promise", "300 s late, and again each 300 s", 300, EAGER_CENTS, True, "a stop is expected after its window or promise"),
    ("dwell", "900 s", 900, EAGER_CENTS, True, "a van stands long outside its plan, on duty"),
    ("failed", "", 0, EAGER_CENTS, True, "a stop failed: its parcels stay on board"),
    ("skipped", "", 0, EAGER_CENTS, True, "the driver left out a stop and drives to a later one"),
    ("off_route", "300 s further away", 300, EAGER_CENTS, True, "a van drives away from its next stop"),
    ("breakdown", "", 0, 1, True, "a van is broken down, or had an accident"),
    ("silent", "900 s", 900, EAGER_CENTS, True, "a van's log says nothing, on duty"),
    ("sick", "", 0, 1, True, "a driver is out for the day"),
    ("traffic", "", 0, EAGER_CENTS, True, "roads are closed, or much slower or faster than the plan has them"),
    ("hours", "0 s left", 0, EAGER_CENTS, True, "a driver's hours of service end before the round does"),
    ("declined", "", 0, USUAL_CENTS, False, "a driver said no to another order of stops"),
    ("refused", "", 0, USUAL_CENTS, False, "a van would not take its plan"),
    ("left_without", "", 0, USUAL_CENTS, False, "a van left without goods of its plan"),
    ("ended", "", 0, 1, True, "a shift ended with work left"),
    ("free", "", 0, USUAL_CENTS, False, "no van holds an order any more that was between two vans, or undone"),
    ("online", "", 0, USUAL_CENTS, True, "a van is on line again while work has no van"),
    ("fleet", "", 0, USUAL_CENTS, True, "vehicles, shifts, drivers, depots or rules changed"),
    ("asked", "", 0, 1, True, "a dispatcher asked for a better plan"),
    ("hand", "", 0, USUAL_CENTS, False, "a dispatcher moved, pinned, forbade, locked or released something"),
    ("approved", "", 0, USUAL_CENTS, False, "a dispatcher approved a proposal"),
    ("undone", "", 0, USUAL_CENTS, False, "a dispatcher took the last plan back"),
    ("mode", "", 0, USUAL_CENTS, True, "the depot's mode changed"),
)
REASONS: Final = tuple(
    Trigger(kind=kind, threshold=threshold, level=level, least_gain_cents=gain, choice=choice, meaning=meaning)
    for kind, threshold, level, gain, choice, meaning in _ROWS
)
BY_KIND: Final[dict[str, Trigger]] = {trigger.kind: trigger for trigger in REASONS}


def trigger_of(kind: str) -> Trigger:
    """The row of a kind; a kind that another release knew counts as a change of the fleet."""
    return BY_KIND.get(kind, BY_KIND["fleet"])


def least_gain_cents(kinds: list[str]) -> int:
    """What a search's plan has to save to be told: the least that any of the reasons for it asks."""
    return min((trigger_of(kind).least_gain_cents for kind in kinds), default=USUAL_CENTS)


def table() -> str:
    """The reasons as a Markdown table: what documents show."""
    lines = ["| reason | from | least gain | choice | meaning |", "|---|---|---|---|---|"]
    lines += [
        f"| `{t.kind}` | {t.threshold} | {t.least_gain_cents / 100:.2f} | {'yes' if t.choice else 'no'} | {t.meaning} |" for t in REASONS
    ]
    return "\n".join(lines)
