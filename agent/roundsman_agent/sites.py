"""Standing fences, indexed in local metres: circles and polygons with holes, each with its core, its line and its band."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import shapely

from roundsman_agent import hours
from roundsman_agent.hours import Hours
from roundsman_core.geo import LatLon, LocalFrame
from roundsman_wire.messages import Fence, Sites as SitesMessage

CORE_M: Final = 10.0
"""So far inside the line nobody is by mistake: a road along a fence keeps a lane's width, and a good fix errs by less."""
NARROWER: Final = (1.0, 0.5, 0.25, 0.1)
"""Shares of `CORE_M` for fences too narrow for all of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spot:
    """One fence. `circle`: (east_m, north_m, radius_m), told exactly; its shape in the tree is a polygon of 64 corners."""

    fence: Fence
    shape: Any
    core: Any
    core_m: float
    circle: tuple[float, float, float] | None = None
    hours: Hours | None = None

    def off_m(self, place: tuple[float, float]) -> float:
        """Metres from the line; zero or less: inside."""
        circle = self.circle
        if circle is not None:
            return math.hypot(place[0] - circle[0], place[1] - circle[1]) - circle[2]
        return 0.0 if shapely.intersects_xy(self.shape, *place) else float(shapely.distance(self.shape, shapely.Point(place)))

    def deep(self, place: tuple[float, float]) -> bool:
        """Whether a place is in the core."""
        if self.circle is not None:
            return self.off_m(place) <= -self.core_m
        return bool(shapely.intersects_xy(self.core, *place))

    def line_m(self, place: tuple[float, float]) -> float:
        """Metres to the line, from either side."""
        if self.circle is not None:
            return abs(self.off_m(place))
        return float(shapely.distance(self.shape.boundary, shapely.Point(place)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Sites:
    """Standing fences around one of them. Build with `index`."""

    version: int = 0
    frame: LocalFrame | None = None
    spots: tuple[Spot, ...] = ()
    numbers: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    tree: Any = None


NO_SITES: Final = Sites()


def index(message: SitesMessage) -> tuple[Sites, list[str]]:
    """Sites from the hub's document, ready to be asked; and what is wrong with fences that cannot be used.

    A polygon that is no polygon (too few corners, crossing itself beyond repair), or hours in no time zone: left out and named, the
    others still serve.
    """
    spots: list[Spot] = []
    wrong: list[str] = []
    frame: LocalFrame | None = None
    for fence in message.fences:
        try:
            if frame is None:
                frame = LocalFrame(LatLon.from_e6(*fence.rings_e6[0][0]))
            spots.append(_spot(fence, frame))
        except (ValueError, IndexError, shapely.errors.GEOSException) as error:
            wrong.append(f"fence {fence.fence} ({fence.name}): {error}")
    sites = Sites(
        version=message.version,
        frame=frame,
        spots=tuple(spots),
        numbers=MappingProxyType({spot.fence.fence: number for number, spot in enumerate(spots)}),
        tree=shapely.STRtree([spot.shape for spot in spots]) if spots else None,
    )
    return sites, wrong


def _spot(fence: Fence, frame: LocalFrame) -> Spot:
    rings = [[frame.to_m(LatLon.from_e6(*corner)) for corner in ring] for ring in fence.rings_e6]
    when = hours.of(fence)
    if fence.radius_m is not None:
        if not fence.radius_m > 0:
            raise ValueError("it has no area")
        core_m = min(CORE_M, fence.radius_m / 3)
        centre = shapely.Point(rings[0][0])
        shape, core = centre.buffer(fence.radius_m, quad_segs=16), centre.buffer(fence.radius_m - core_m, quad_segs=8)
        shapely.prepare(shape)
        return Spot(fence=fence, shape=shape, core=core, core_m=core_m, circle=(*rings[0][0], fence.radius_m), hours=when)
    shape = shapely.make_valid(shapely.Polygon(rings[0], rings[1:]))
    if shape.is_empty or not shape.area > 0:
        raise ValueError("it has no area")
    core, core_m = shape, 0.0
    for share in NARROWER:
        smaller = shape.buffer(-share * CORE_M)
        if not smaller.is_empty:
            core, core_m = smaller, share * CORE_M
            break
    for polygon in (shape, core):
        shapely.prepare(polygon)
    return Spot(fence=fence, shape=shape, core=core, core_m=core_m, hours=when)
