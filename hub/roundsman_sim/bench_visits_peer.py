"""What one would write in an afternoon, on the same rounds: a halt is where the van stays a while, a fence is entered by a fix in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import shapely

from roundsman_agent.sites import index
from roundsman_sim.visit_drives import FENCE_M, Round
from roundsman_wire.messages import Fence, Sites

STAYS_M: Final = 30.0
STAYS_S: Final = 30.0
IS: Final = "30 m for 30 s, the nearest stop's"

Halted = tuple[str | None, float, float]
"""Of which order (None: of none), from when, until when."""


def halts(made: Round) -> list[Halted]:
    """Wherever all fixes of half a minute lie near the first of them; of the order whose fence that is in, the nearest one."""
    found: list[Halted] = []
    heard = made.heard
    at = 0
    while at < len(heard):
        first, end = heard[at], at + 1
        while end < len(heard) and math.hypot(heard[end].east_m - first.east_m, heard[end].north_m - first.north_m) <= STAYS_M:
            end += 1
        if heard[end - 1].t_s - first.t_s < STAYS_S:
            at += 1
            continue
        off_m, order = min((math.hypot(o.east_m - first.east_m, o.north_m - first.north_m), o.order) for o in made.orders)
        found.append((order if off_m <= FENCE_M else None, float(first.t_s), float(heard[end - 1].t_s)))
        at = end
    return found


def entries(made: Round, fences: Sequence[Fence]) -> int:
    """How often a fix lies in one of these fences, and the one before it did not."""
    sites, _ = index(Sites(version=1, fences=tuple(fences)))
    if sites.frame is None:
        return 0
    places = np.array([sites.frame.to_m(made.frame.to_latlon(h.east_m, h.north_m)) for h in made.heard])
    inside = [shapely.contains_xy(spot.shape, places[:, 0], places[:, 1]) for spot in sites.spots]
    return sum(int(np.count_nonzero(within[1:] & ~within[:-1])) for within in inside)
