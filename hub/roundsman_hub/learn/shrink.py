"""Empirical Bayes: groups with few observations are drawn to what they belong to, by as much as the data themselves ask for. Pure.

Robbins (1956), Efron and Morris (1975). The variance between groups is estimated by moments, after DerSimonian and Laird (1986).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
LEAST_SPREAD: Final = 1e-4
"""Groups are never taken to be all alike (1 % apart, one sigma): with little data the moments can come out at nothing."""


def ratios(group: Ints, groups: int, expected: Floats, observed: Floats, prior: Floats) -> tuple[Floats, float]:
    """How many times as much was observed as expected, by group, drawn to a prior.

    An observation is taken to vary with the square root of what was expected: twice as long a way is the sum of two.

    Parameters
    ----------
    group : int array, shape (n,)
        Which group each observation belongs to, 0 to groups - 1.
    expected, observed : float arrays, shape (n,)
        Of any unit, both of the same; expected > 0.
    prior : float array, shape (groups,)
        What is believed of each group without its own observations.

    Returns
    -------
    (float array, shape (groups,); float)
        The ratios, and K: what must have been expected in a group until its own word counts as much as the prior's.
    """
    weight = np.bincount(group, expected, groups)
    total = np.bincount(group, observed, groups)
    seen = weight > 0
    own = np.divide(total, weight, out=prior.copy(), where=seen)
    many = np.bincount(group, minlength=groups)
    free = float((many[seen] - 1).sum())
    if not free:
        return prior.copy(), float("inf")
    rest = observed - own[group] * expected
    within = float((rest**2 / expected).sum()) / free
    between_sum = float((weight[seen] * (own[seen] - prior[seen]) ** 2).sum())
    spread = (between_sum - within * float(seen.sum())) / max(float(weight.sum()), 1e-9)
    k = max(within / max(spread, LEAST_SPREAD), 1e-9)
    return (total + k * prior) / (weight + k), k
