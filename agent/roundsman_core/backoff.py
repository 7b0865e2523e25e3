"""How long to wait before trying again: twice as long each time, up to a limit, and never all at the same moment."""

from __future__ import annotations

from typing import Final

MOST_DOUBLINGS: Final = 30
"""Any limit is reached long before. Without one, after a few days of failures 2 to their number is more than a float can hold."""


def pause_s(failures: int, first_s: float, longest_s: float, chance: float) -> float:
    """Seconds to wait after so many failures in a row (at least 1).

    `chance` is a random number from 0 to 1: it jitters the pause down to a half. After an outage everybody comes back, and must not
    come at once.
    """
    doublings = min(max(failures - 1, 0), MOST_DOUBLINGS)
    return min(first_s * float(2**doublings), longest_s) * (0.5 + chance / 2)
