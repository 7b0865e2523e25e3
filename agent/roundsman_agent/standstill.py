"""When the van stands, and where: the anchor that replaces the drifting fix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from roundsman_core.geo import LatLon, distance_m

STILL_MPS: Final = 0.3
"""Doppler speed of a parked receiver stays below it; a van that creeps does not."""
STILL_MS: Final = 10_000
"""So long below `STILL_MPS`, and the van stands; the anchor is the mean place of this time, its end counting most."""
MEAN_OF: Final = 5
"""The first seconds are still braking: a plain mean of all ten lies up to 1.6 m behind on the recorded drive."""
MOVING_MPS: Final = 0.8
"""One fix at this Doppler speed ends a standstill: drift moves the position, hardly ever the speed."""
DRIFT_M: Final = 20.0
"""Parked drift of four real receivers stays inside it (p95)."""
DRIFT_FIXES: Final = 3
"""So many fixes in a row beyond it, and the van has been moved, whatever the speed says (a lorry, a ferry)."""
CREPT_M: Final = 0.75
"""Doppler distance without a pause, and displacement, both beyond it: the van creeps in a queue below `MOVING_MPS`. At 4 m the anchor lay
1.6 m behind a van that had rolled on to the line; drift moves the place, and seldom the speed three times in a row."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Standstill:
    """Moving (`count` 0), slowing down (`anchor` None, a running mean), or standing at `anchor`."""

    since_ms: int = 0
    count: int = 0
    lat_deg: float = 0.0
    lon_deg: float = 0.0
    anchor: LatLon | None = None
    beyond: int = 0
    crept_m: float = 0.0
    newest_ms: int = 0


MOVING: Final = Standstill()


def step(state: Standstill, mono_ms: int, at: LatLon, speed_mps: float) -> Standstill:
    """Advance by one believed fix: its instant on the session's clock, its place, its Doppler speed."""
    if state.anchor is not None:
        return _stand(state, mono_ms, at, speed_mps, state.anchor)
    if speed_mps >= STILL_MPS:
        return MOVING
    if not state.count:
        return Standstill(since_ms=mono_ms, count=1, lat_deg=at.lat_deg, lon_deg=at.lon_deg, newest_ms=mono_ms)
    count = state.count + 1
    weight = 1 / min(count, MEAN_OF)
    lat_deg = state.lat_deg + (at.lat_deg - state.lat_deg) * weight
    lon_deg = state.lon_deg + (at.lon_deg - state.lon_deg) * weight
    mean = LatLon(lat_deg, lon_deg)
    if distance_m(mean, at) > DRIFT_M:  # the mean of two places is neither
        return Standstill(since_ms=mono_ms, count=1, lat_deg=at.lat_deg, lon_deg=at.lon_deg, newest_ms=mono_ms)
    stands = mono_ms - state.since_ms >= STILL_MS
    return Standstill(
        since_ms=state.since_ms, count=count, lat_deg=lat_deg, lon_deg=lon_deg, anchor=mean if stands else None, newest_ms=mono_ms
    )


def _stand(state: Standstill, mono_ms: int, at: LatLon, speed_mps: float, anchor: LatLon) -> Standstill:
    if speed_mps >= MOVING_MPS:
        return MOVING
    off_m = distance_m(anchor, at)
    beyond = state.beyond + 1 if off_m > DRIFT_M else 0
    crept_m = state.crept_m + speed_mps * max(mono_ms - state.newest_ms, 0) / 1000 if speed_mps >= STILL_MPS else 0.0
    if beyond >= DRIFT_FIXES or (off_m > CREPT_M and crept_m > CREPT_M):
        return MOVING
    return Standstill(
        since_ms=state.since_ms,
        count=state.count,
        lat_deg=state.lat_deg,
        lon_deg=state.lon_deg,
        anchor=anchor,
        beyond=beyond,
        crept_m=crept_m,
        newest_ms=mono_ms,
    )
