"""A track as coarse as a map can show it: what would move the line by less than a pixel is left out. Pure.

Douglas and Peucker (1973), by GEOS; on a plane of metres around the stretch's first point, where a pixel has one size.
"""

from __future__ import annotations

import math
from typing import Final

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
    frame = LocalFrame(LatLon.from_e6(stretch[0].lat_e6, stretch[0].lon_e6))
    at = [frame.to_m(LatLon.from_e6(point.lat_e6, point.lon_e6)) for point in stretch]
    line = shapely.LineString([(east, north, place) for place, (east, north) in enumerate(at)])
    kept = line.simplify(pixel_m(zoom, stretch[0].lat_e6 / 1e6), preserve_topology=False)
    return [stretch[round(place)] for _, _, place in kept.coords]
