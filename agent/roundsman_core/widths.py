"""How wide an arrival time is told, so that four of five arrivals are inside: the same sum in the van and at the hub.

What a fleet's arrivals taught travels with the plan as a few whole numbers (`Plan.eta_widths_pct`); the hub counts with the same numbers.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final, NamedTuple

COVERAGE: Final = 0.8
HORIZONS_MIN: Final = (0, 5, 15, 30, 60, 120, 180, 240, 360)
"""Where each class of "so far ahead" begins: a stop next door errs by a parking space, one this afternoon by other stops."""
FIXED_S: Final = 90
SHARE: Final = 0.15
STEADY_S: Final = 3_600
"""The rule of thumb: 90 s for parking and lights, and 15 % of the time until then; past an hour delays make up for each other, and it grows
by the square root. Used alone until there is something to learn from."""

Widths = Sequence[tuple[int, int, int]]
"""What was learned, by class: (`horizon_min`, `low_pct`, `high_pct`), the bounds in percent of the rule of thumb; low is negative where
vans come early."""


class Interval(NamedTuple):
    """When the van will be there. `learned`: by what this class of "so far ahead" taught; else by a neighbour's, or the rule of thumb."""

    low_utc_ms: int
    high_utc_ms: int
    learned: bool


class Bounds(NamedTuple):
    """How much earlier (negative) and later than told, in seconds."""

    low_s: float
    high_s: float


def interval(eta_utc_ms: int, now_utc_ms: int, widths: Widths, *, standing: bool = False) -> Interval:
    """The interval around an arrival time that is told now.

    Parameters
    ----------
    eta_utc_ms, now_utc_ms : int
        When the van will stand there, and the instant that this is said. The interval contains the one and begins no sooner than the
        other.
    widths : Widths
        What the fleet's arrivals taught; empty: nothing yet.
    standing : bool
        The van is there: nothing is uncertain.
    """
    ahead_s = max(0, eta_utc_ms - now_utc_ms) / 1000
    low_s, high_s = (0.0, 0.0) if standing else bounds(widths, ahead_s)
    low_utc_ms = min(eta_utc_ms, max(now_utc_ms, eta_utc_ms + round(1000 * low_s)))
    horizon = horizon_of(ahead_s)
    return Interval(low_utc_ms, eta_utc_ms + round(1000 * high_s), any(row[0] == horizon for row in widths))


def bounds(widths: Widths, ahead_s: float) -> Bounds:
    """The interval around a time told so far ahead, which it always contains. A class that taught nothing borrows from the nearest that
    did: errors are in units of a rule that grows with the time."""
    unit_s, horizon = rule_s(ahead_s), horizon_of(ahead_s)
    _, low_pct, high_pct = min(widths, key=lambda row: (abs(row[0] - horizon), row[0]), default=(horizon, -100, 100))
    return Bounds(min(0.0, low_pct * unit_s / 100), max(0.0, high_pct * unit_s / 100))


def horizon_of(ahead_s: float) -> int:
    """The class of a time that far ahead, in minutes."""
    return HORIZONS_MIN[max(0, bisect_right(HORIZONS_MIN, ahead_s / 60) - 1)]


def rule_s(ahead_s: float) -> float:
    """The rule of thumb for half an interval's width."""
    steady_s = min(max(0.0, ahead_s), STEADY_S)
    return FIXED_S + SHARE * steady_s * math.sqrt(max(1.0, ahead_s / STEADY_S))
