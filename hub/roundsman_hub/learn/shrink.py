"""Empirical Bayes: groups with few observations are drawn to what they belong to, by as much as the data themselves ask for. Pure.

Robbins (1956), Efron and Morris (1975). Variances are estimated by moments, after DerSimonian and Laird (1986), in three levels: between
groups, between the days of a group, and within a day. A jam slows all that drive through it: a hundred drives of one morning are little
more than one word, and only another day's are a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
LEAST_SPREAD: Final = 1e-4
"""Groups are never taken to be all alike (1 % apart, one sigma): with little data the moments can come out at nothing."""
LEAST_WITHIN: Final = 1e-9
"""Nor observations to agree to the last bit: all else is measured in units of this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """How many times as much was observed as expected, by group.

    Attributes
    ----------
    ratio : float array, shape (groups,)
        Drawn to the prior.
    own : float array, shape (groups,)
        The group's own word: the mean of its days, longer ones for more; the prior where there are none.
    weight : float array, shape (groups,)
        How much that word counts, in units of what was expected: all of it where days are alike, never more than so much a day.
    k : float
        Weight with which a group's own word counts as much as its prior.
    """

    ratio: Floats
    own: Floats
    weight: Floats
    k: float


def ratios(group: Ints, groups: int, expected: Floats, observed: Floats, prior: Floats, day: Ints) -> Drawn:
    """How many times as much was observed as expected, by group, drawn to a prior.

    Within a day an observation is taken to vary with the square root of what was expected: twice as long a way is the sum of two. What all
    of a group's observations of one day share does not become less by their number.

    Parameters
    ----------
    group : int array, shape (n,)
        Which group each observation belongs to, 0 to groups - 1.
    expected, observed : float arrays, shape (n,)
        Of any unit, both of the same; expected > 0.
    prior : float array, shape (groups,)
        What is believed of each group without its own observations.
    day : int array, shape (n,)
        On which day each was made, from 0.
    """
    days = 1 + max(day.tolist(), default=0)
    cells, at = np.unique(group * days + day, return_inverse=True)
    of = cells // days
    expected_day = np.bincount(at, expected, len(cells))
    word = np.bincount(at, observed, len(cells)) / expected_day
    within, between_days = _of_days(group, groups, expected, observed, at, of, expected_day, word)
    if within is None:
        return Drawn(ratio=prior.copy(), own=prior.copy(), weight=np.zeros(groups), k=float("inf"))
    trust = expected_day / (1 + expected_day * between_days / within)
    weight = np.bincount(of, trust, groups)
    seen = weight > 0
    own = np.divide(np.bincount(of, trust * word, groups), weight, out=prior.copy(), where=seen)
    apart = float((weight[seen] * (own[seen] - prior[seen]) ** 2).sum())
    spread = (apart - within * float(seen.sum())) / max(float(weight.sum()), 1e-9)
    k = max(within / max(spread, LEAST_SPREAD), 1e-9)
    return Drawn(ratio=(weight * own + k * prior) / (weight + k), own=own, weight=weight, k=k)


def _of_days(
    group: Ints, groups: int, expected: Floats, observed: Floats, at: Ints, of: Ints, expected_day: Floats, word: Floats
) -> tuple[float | None, float]:
    """The variance of an observation within its day, for each unit that was expected, and that of a group's days.

    Where no day has two observations of a group, days and observations are one thing; None: no group has two of anything.
    """
    total = np.bincount(group, expected, groups)
    own = np.divide(np.bincount(group, observed, groups), total, out=np.ones(groups), where=total > 0)
    repeated = len(at) - len(of)
    again = len(of) - int((total > 0).sum())
    apart = float((expected_day * (word - own[of]) ** 2).sum())
    if not repeated:
        return (max(apart / again, LEAST_WITHIN), 0.0) if again else (None, 0.0)
    within = max(float(((observed - word[at] * expected) ** 2 / expected).sum()) / repeated, LEAST_WITHIN)
    room = float(expected_day.sum() - (np.bincount(of, expected_day**2, groups)[total > 0] / total[total > 0]).sum())
    return within, max(0.0, (apart - within * again) / room) if again and room > 0 else 0.0
