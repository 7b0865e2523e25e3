"""A simplified line as a van's whereabouts: where it was at an instant, when it was near a place, what share of it a time takes. Pure.

The line is within `simplify.TOLERANCE_M` of where the van was seen, at each instant; between its points the van moves evenly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from roundsman_core.geo import LatLon
from roundsman_hub.upkeep.simplify import M_PER_E6, Floats, Ints
from roundsman_hub.upkeep.stretches import MOVING_CM_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A stretch's line. Columns of one length ≥ 1; `t_ms` since 1970, rising. `driven_m`, `moving_s`: what its fixes came to."""

    vehicle_id: str
    t_ms: Ints
    lat_e6: Ints
    lon_e6: Ints
    driven_m: float
    moving_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """The line was within the radius from `from_ms` to `to_ms`, nearest at `nearest_ms`."""

    from_ms: int
    to_ms: int
    nearest_ms: int
    nearest_m: float


def at(line: Line, t_ms: Ints) -> tuple[Ints, Ints]:
    """Where the van was at instants within the line, in 10⁻⁶ degree: latitudes, longitudes."""
    lon = _unwrapped(line.lon_e6)
    east = np.interp(t_ms, line.t_ms, lon)
    return np.rint(np.interp(t_ms, line.t_ms, line.lat_e6)).astype(np.int64), _wrapped(np.rint(east).astype(np.int64))


def near(line: Line, place: LatLon, radius_m: float, since_ms: int, until_ms: int) -> list[Near]:
    """When the line was within `radius_m` of a place, from `since_ms` to before `until_ms`; one piece a leg, oldest first."""
    last = until_ms - 1
    t = np.unique(np.clip(line.t_ms, since_ms, last)) if len(line.t_ms) > 1 else line.t_ms
    if line.t_ms[-1] < since_ms or line.t_ms[0] > last:
        return []
    lat, lon = at(line, t)
    away = (lon - place.lon_e6 + 180_000_000) % 360_000_000 - 180_000_000
    x, y = away * (M_PER_E6 * np.cos(np.radians(place.lat_deg))), (lat - place.lat_e6) * M_PER_E6
    if len(t) == 1:
        t, x, y = np.repeat(t, 2), np.repeat(x, 2), np.repeat(y, 2)
    dx, dy = np.diff(x), np.diff(y)
    length2, along = dx * dx + dy * dy, x[:-1] * dx + y[:-1] * dy
    moves = length2 > 0
    nearest = np.clip(np.divide(-along, length2, out=np.zeros_like(along), where=moves), 0, 1)
    nearest_m = np.hypot(x[:-1] + nearest * dx, y[:-1] + nearest * dy)
    # Of the circle's chord on each leg, as shares of the leg: |start + share × leg| = radius.
    half2 = np.maximum(along * along - length2 * (x[:-1] ** 2 + y[:-1] ** 2 - radius_m**2), 0)
    enters = np.clip(np.divide(-along - np.sqrt(half2), length2, out=np.zeros_like(along), where=moves), 0, 1)
    leaves = np.clip(np.divide(-along + np.sqrt(half2), length2, out=np.ones_like(along), where=moves), 0, 1)
    took = np.diff(t)
    return [
        Near(
            from_ms=int(t[leg] + enters[leg] * took[leg]),
            to_ms=int(t[leg] + leaves[leg] * took[leg]),
            nearest_ms=int(t[leg] + nearest[leg] * took[leg]),
            nearest_m=float(nearest_m[leg]),
        )
        for leg in np.flatnonzero(nearest_m <= radius_m).tolist()
    ]


def part(line: Line, since_ms: int, until_ms: int) -> tuple[float, float]:
    """Metres driven and seconds of moving from `since_ms` to before `until_ms`.

    The numbers of the line's own fixes; where the time holds but a part of the line, divided as the line's metres and its moving legs
    lie in time.
    """
    if since_ms <= line.t_ms[0] and line.t_ms[-1] < until_ms:
        return line.driven_m, line.moving_s
    narrow = np.cos(np.radians(line.lat_e6.mean() / 1e6))
    legs_m = M_PER_E6 * np.hypot(np.diff(line.lat_e6), np.diff(_unwrapped(line.lon_e6)) * narrow)
    took_s = np.diff(line.t_ms) / 1000
    moving_s = np.where(legs_m >= took_s * (MOVING_CM_S / 100), took_s, 0.0)
    metres, moving = (_share(line.t_ms, told, since_ms, until_ms) for told in (legs_m, moving_s))
    return line.driven_m * metres, line.moving_s * moving


def _share(t_ms: Ints, legs: Floats, since_ms: int, until_ms: int) -> float:
    total = float(legs.sum())
    if total <= 0:
        return 0.0
    so_far = np.concatenate(([0.0], np.cumsum(legs)))
    return float(np.interp(until_ms, t_ms, so_far) - np.interp(since_ms, t_ms, so_far)) / total


def _unwrapped(lon_e6: Ints) -> Ints:
    """Longitudes without the jump at the 180th meridian."""
    steps = (np.diff(lon_e6) + 180_000_000) % 360_000_000 - 180_000_000
    return np.concatenate((lon_e6[:1], lon_e6[0] + np.cumsum(steps)))


def _wrapped(lon_e6: Ints) -> Ints:
    wrapped: Ints = (lon_e6 + 180_000_000) % 360_000_000 - 180_000_000
    return wrapped
