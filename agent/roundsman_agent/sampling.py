"""Which believed fixes the log keeps. The pipeline sees them all; what is kept decides what the track can prove."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

from roundsman_core.geo import LatLon, distance_m

Mode = Literal["full", "evidence", "sparse"]

EVIDENCE_EVERY_MS: Final = 10_000
EVIDENCE_EVERY_M: Final = 100.0
EVIDENCE_TURN_DEG: Final = 10.0
"""10 s, 100 m or 10 degrees keep the track's cross-track p95 at 3 m on the recorded drives."""
TURN_MIN_MPS: Final = 2.0
"""Below it a receiver's heading is noise."""
SPARSE_OFF_M: Final = 30.0
SPARSE_EVERY_MS: Final = 60_000
"""Dead reckoning off by 30 m, or a minute: 235 fixes an hour, and a position that is right within 30 m (p95)."""
ANCHORED_EVERY_MS: Final = 60_000
"""A van that stands repeats one position: once a minute says that the unit lives."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """What sampling looks at: an instant, the place (the anchor's while standing), and how the van moves there."""

    mono_ms: int
    position: LatLon
    speed_mps: float | None
    heading_deg: float | None
    anchored: bool


def keeps(mode: Mode, kept: Sample | None, now: Sample) -> bool:
    """Whether the log keeps `now`, given the newest one that it kept.

    The first fix of a shift, after a gap, and at each start and end of a standstill is always kept: the caller
    passes `kept = None` for the first two; a change of `anchored` shows the others.
    """
    if mode == "full" or kept is None or kept.anchored != now.anchored:
        return True
    passed_ms = now.mono_ms - kept.mono_ms
    if passed_ms < 0:  # the clock was set anew
        return True
    if now.anchored:
        return passed_ms >= ANCHORED_EVERY_MS
    if mode == "sparse":
        return passed_ms >= SPARSE_EVERY_MS or distance_m(_reckoned(kept, passed_ms), now.position) > SPARSE_OFF_M
    if passed_ms >= EVIDENCE_EVERY_MS or distance_m(kept.position, now.position) >= EVIDENCE_EVERY_M:
        return True
    if kept.heading_deg is None or now.heading_deg is None or min(kept.speed_mps or 0.0, now.speed_mps or 0.0) < TURN_MIN_MPS:
        return False
    return abs((now.heading_deg - kept.heading_deg + 180.0) % 360.0 - 180.0) >= EVIDENCE_TURN_DEG


def _reckoned(kept: Sample, passed_ms: int) -> LatLon:
    """Where a listener would draw the van, from the newest kept fix alone."""
    if not kept.speed_mps or kept.heading_deg is None:
        return kept.position
    run_deg = kept.speed_mps * passed_ms / 1000 / 111_195
    heading = math.radians(kept.heading_deg)
    lat_deg = kept.position.lat_deg + run_deg * math.cos(heading)
    lon_deg = kept.position.lon_deg + run_deg * math.sin(heading) / max(math.cos(math.radians(kept.position.lat_deg)), 0.01)
    return LatLon(min(max(lat_deg, -90.0), 90.0), (lon_deg + 180.0) % 360.0 - 180.0)
