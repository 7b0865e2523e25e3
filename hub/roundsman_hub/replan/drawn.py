"""A road as a plan carries it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from roundsman_core.geo import LatLon

ROUTE_POINTS: Final = 6_000
"""About 30 kB in a plan; a road with more is left out."""
STRAIGHT_E6: Final = 10


def packed(geometry: Sequence[LatLon]) -> tuple[int, ...]:
    """A road as a plan carries it: the first place, then differences, in 10⁻⁶ degree. Points on a straight line are left out."""
    points = [(place.lat_e6, place.lon_e6) for place in geometry]
    kept = [at for i, at in enumerate(points) if i in (0, len(points) - 1) or not _straight(points[i - 1], at, points[i + 1])]
    if len(kept) > ROUTE_POINTS:
        return ()
    out: list[int] = []
    before = (0, 0)
    for lat, lon in kept:
        out += [lat - before[0], lon - before[1]]
        before = (lat, lon)
    return tuple(out)


def _straight(a: tuple[int, int], b: tuple[int, int], c: tuple[int, int]) -> bool:
    """Whether b lies within about a metre of the way from a to c."""
    (x, y), (u, v) = (c[0] - a[0], c[1] - a[1]), (b[0] - a[0], b[1] - a[1])
    return abs(x * v - y * u) <= STRAIGHT_E6 * (x * x + y * y) ** 0.5 and 0 <= x * u + y * v <= x * x + y * y
