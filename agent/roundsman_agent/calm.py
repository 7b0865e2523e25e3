"""For how long nothing can happen that has to be told soon: so long the van's fixes may wait for each other.

What happens keeps its time however late it is worked on. This decides how late it may be told: at a planned stop, where a customer and a
dispatcher wait for it, within five seconds; elsewhere within what the hub has set (`now_interval_s`). A fence's crossing is read in a list
of what has happened, not waited for: it shortens no sleep.
"""

from __future__ import annotations

import math
from typing import Final

from roundsman_agent.pipeline import PipelineState
from roundsman_agent.visits import APPROACH_M
from roundsman_core.geo import distance_m

STOP_S: Final = 5.0
SLOWEST_MPS: Final = 9.0
"""A van that pulls away drives so fast, on the average of its first fifteen seconds."""


def patience_s(state: PipelineState, longest_s: float) -> float:
    """For how long the fixes that come now may wait, `longest_s` at most."""
    return min(longest_s, max(stop_s(state), STOP_S))


def stop_s(state: PipelineState) -> float:
    """Seconds for which the planned stops will have nothing to say: until the van may approach the next; 0 near it and at any door.

    A halt at a light is calm. Nothing is before the first fix, and while the receiver is in trouble.
    """
    newest, visits = state.newest, state.visits
    if newest is None or state.trouble or visits.current is not None or visits.approach is not None or visits.door is not None:
        return 0.0
    following = visits.turns.following(state.places)
    if following is None:
        return math.inf
    clear_m = distance_m(following.position, newest.position) - APPROACH_M - following.radius_m
    return max(clear_m, 0.0) / max(newest.speed_mps or 0.0, SLOWEST_MPS)
