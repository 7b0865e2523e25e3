"""When the van stands, and where: the anchor that replaces the drifting fix."""

from __future__ import annotations

import math
from typing import Final

import msgspec

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


CREEP_MPS: Final = 0.08
"""A good receiver that is parked says less (p95 of 14 logs: 0.07); one that creeps with the queue says more, and always the same way."""
CREEP_M: Final = 3.0
CREEP_KEEPS: Final = 0.98
"""Doppler velocity summed with its direction, forgotten in 50 fixes: noise of 0.15 m/s comes to 0.8 m, a creep of 0.2 m/s to 3 m in
twenty seconds. Only if the place has moved the same way, the van has."""
CREEP_ALONG: Final = 0.7
"""Cosine between both ways."""
DEGREE_M: Final = 111_195.0


class Standstill(msgspec.Struct, frozen=True, kw_only=True):
    """Moving (`count` 0), slowing down (`anchor` None, a running mean), or standing at `anchor`."""

    since_ms: int = 0
    count: int = 0
    lat_deg: float = 0.0
    lon_deg: float = 0.0
    anchor: LatLon | None = None
    beyond: int = 0
    crept_m: float = 0.0
    east_m: float = 0.0
    north_m: float = 0.0
    newest_ms: int = 0


MOVING: Final = Standstill()


def step(state: Standstill, mono_ms: int, at: LatLon, speed_mps: float, heading_deg: float | None = None) -> Standstill:
    """Advance by one believed fix: its instant on the session's clock, its place, its Doppler speed and course."""
    if state.anchor is not None:
        return _stand(state, mono_ms, at, speed_mps, heading_deg, state.anchor)
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


def _stand(state: Standstill, mono_ms: int, at: LatLon, speed_mps: float, heading_deg: float | None, anchor: LatLon) -> Standstill:
    if speed_mps >= MOVING_MPS:
        return MOVING
    off_m = distance_m(anchor, at)
    beyond = state.beyond + 1 if off_m > DRIFT_M else 0
    run_m = speed_mps * max(mono_ms - state.newest_ms, 0) / 1000
    crept_m = state.crept_m + run_m if speed_mps >= STILL_MPS else 0.0
    if beyond >= DRIFT_FIXES or (off_m > CREPT_M and crept_m > CREPT_M):
        return MOVING
    east_m, north_m = state.east_m * CREEP_KEEPS, state.north_m * CREEP_KEEPS
    if heading_deg is not None and speed_mps >= CREEP_MPS:
        heading = math.radians(heading_deg)
        east_m, north_m = east_m + run_m * math.sin(heading), north_m + run_m * math.cos(heading)
        if off_m > CREEP_M and _creeps(anchor, at, off_m, east_m, north_m):
            return MOVING
    return Standstill(
        since_ms=state.since_ms,
        count=state.count,
        lat_deg=state.lat_deg,
        lon_deg=state.lon_deg,
        anchor=anchor,
        beyond=beyond,
        crept_m=crept_m,
        east_m=east_m,
        north_m=north_m,
        newest_ms=mono_ms,
    )


def _creeps(anchor: LatLon, at: LatLon, off_m: float, east_m: float, north_m: float) -> bool:
    """Whether Doppler's sum and the displacement are both large enough, and the same way."""
    sum_m = math.hypot(east_m, north_m)
    if sum_m < CREEP_M:
        return False
    off_east_m = (at.lon_deg - anchor.lon_deg) * DEGREE_M * math.cos(math.radians(anchor.lat_deg))
    off_north_m = (at.lat_deg - anchor.lat_deg) * DEGREE_M
    return off_east_m * east_m + off_north_m * north_m > CREEP_ALONG * off_m * sum_m
