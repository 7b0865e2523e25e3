"""Whether nothing is near that has to be told soon: then the van's fixes may wait longer for each other.

What happens keeps its time however late it is worked on. This decides how late it may be told.
"""

from __future__ import annotations

from typing import Final

from roundsman_agent import fences
from roundsman_agent.pipeline import PipelineState

MARGIN_M: Final = 30.0
"""So much further than at an even speed a van in town comes in ten seconds by speeding up."""


def is_calm(state: PipelineState, seconds: float) -> bool:
    """Whether neither a stop nor a fence can have anything to say within so many seconds.

    A van that approaches a planned stop, halts at a door or serves it is watched closely; so is one that could reach a fence's line, or
    is near enough to one to be asked about with each fix. A halt at a light is calm.
    """
    newest, visits = state.newest, state.visits
    if newest is None or state.trouble or visits.current is not None or visits.approach is not None or visits.door is not None:
        return False
    return fences.clear_m(state.membership, state.sites) >= (newest.speed_mps or 0.0) * seconds + MARGIN_M
