"""For how long nothing can happen that has to be told soon: so long the van's fixes may wait for each other.

What happens keeps its time however late it is worked on. This decides how late it may be told.
"""

from __future__ import annotations

from typing import Final

from roundsman_agent import fences
from roundsman_agent.pipeline import PipelineState

SLOWEST_MPS: Final = 5.0
"""A van that pulls away drives so fast, on the average of its first ten seconds."""


def calm_s(state: PipelineState) -> float:
    """Seconds for which neither a stop nor a fence will have anything to say; 0 near either.

    A van that approaches a planned stop, halts at a door or serves it is watched closely; so is one that a fence's line, or what it is
    asked near one, is not far from. A halt at a light is calm.
    """
    newest, visits = state.newest, state.visits
    if newest is None or state.trouble or visits.current is not None or visits.approach is not None or visits.door is not None:
        return 0.0
    return fences.clear_m(state.membership, state.sites) / max(newest.speed_mps or 0.0, SLOWEST_MPS)
