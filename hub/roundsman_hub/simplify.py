"""A track as coarse as a map can show it: what would move the line by less than a pixel is left out. Pure.

Douglas and Peucker (1973), by GEOS; on a plane of metres around the stretch's first point, where a pixel has one size.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import shapely

from roundsman_core.geo import LatLon, LocalFrame
from roundsman_hub.store.track_store import Point

PIXEL_AT_EQUATOR_M: Final = 156_543.034
"""Of a tile of 256 pixels at zoom 0 in Web Mercator: the equator (2 π × 6,378,137 m) / 256."""
MAX_ZOOM: Final = 22.0


def pixel_m(zoom: float, lat_deg: float) -> float:
    """Ground length of a pixel of a web map, in metres."""
    size: float = PIXEL_AT_EQUATOR_M * math.cos(math.radians(lat_deg)) / 2.0**zoom
    return size


def at_zoom(stretch: list[Point], zoom: float) -> list[Point]:
    """An unbroken stretch without the points that cannot be seen at this zoom; its ends always stay."""
    if len(stretch) < 3:
        return stretch
    first = stretch[0]
    east_m, north_m = _e6_m(first)
    count = len(stretch)
    d_lon = np.fromiter((point.lon_e6 for point in stretch), np.int64, count) - first.lon_e6
    lat = np.fromiter((point.lat_e6 for point in stretch), np.int64, count)
    east = ((d_lon + 180_000_000) % 360_000_000 - 180_000_000) * east_m
    line = shapely.LineString(np.column_stack((east, (lat - first.lat_e6) * north_m, np.arange(count))))
    kept = line.simplify(pixel_m(zoom, stretch[0].lat_e6 / 1e6), preserve_topology=False)
    return [stretch[round(place)] for _, _, place in kept.coords]


def _e6_m(at: Point) -> tuple[float, float]:
    """Metres that a millionth of a degree is there, east and north: a `LocalFrame` is a scale and no more."""
    south = -1 if at.lat_e6 > 0 else 1  # away from the pole
    origin = LatLon.from_e6(at.lat_e6, at.lon_e6)
    east, north = LocalFrame(origin).to_m(LatLon(origin.lat_deg + south * 0.01, origin.lon_deg + (0.01 if at.lon_e6 < 0 else -0.01)))
    return abs(east) / 10_000, abs(north) / 10_000
