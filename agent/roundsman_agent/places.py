"""The plan's stops as places: which of them the van stands at, and how far the next one is. In metres around the first of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import shapely

from roundsman_core.geo import LatLon, LocalFrame, distance_m
from roundsman_wire.messages import PlanStop

EXIT_BAND_M: Final = 20.0
"""Parked drift of four real receivers stays inside it (p95): arriving counts at the line, leaving past the band."""
SAME_DOOR_M: Final = 15.0
"""Planned stops closer than this cannot be told apart by a receiver: the plan's order decides, and one visit serves them all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedStop:
    """What of a plan's stop the visits need. `rings_e6`: its own area, where a circle would be wrong. `done`: the driver has said so."""

    stop: str
    position: LatLon
    radius_m: float
    rings_e6: tuple[tuple[tuple[int, int], ...], ...] = ()
    done: bool = False

    @classmethod
    def of(cls, stop: PlanStop, *, done: bool = False) -> PlannedStop:
        """From a plan's stop."""
        return cls(
            stop=stop.stop,
            position=LatLon.from_e6(stop.lat_e6, stop.lon_e6),
            radius_m=float(stop.fence_radius_m),
            rings_e6=stop.fence_rings_e6,
            done=done,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A stop near a place. `outside_m`: metres beyond its fence, 0 inside. `off_m`: metres from its point (0 anywhere in an own area)."""

    stop: PlannedStop
    outside_m: float
    off_m: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """A plan's stops, in driving order, ready to be asked. Build with `index`."""

    stops: tuple[PlannedStop, ...] = ()
    frame: LocalFrame | None = None
    open: tuple[PlannedStop, ...] = ()
    """Those that are not done."""
    spots: tuple[tuple[float, float, float, Any], ...] = ()
    """(east_m, north_m, reach_m, area or None) of each: nothing of its fence lies further from the point than `reach_m`."""
    numbers: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def near(self, at: LatLon, within_m: float) -> list[Found]:
        """Stops whose fence is at most `within_m` away, in driving order."""
        if self.frame is None:
            return []
        east_m, north_m = self.frame.to_m(at)
        found = []
        for stop, (e_m, n_m, reach_m, area) in zip(self.stops, self.spots, strict=True):
            d_e, d_n, most_m = e_m - east_m, n_m - north_m, reach_m + within_m
            if d_e > most_m or d_e < -most_m or d_n > most_m or d_n < -most_m:
                continue
            off_m = math.hypot(d_e, d_n)
            if area is None:
                outside_m = max(off_m - reach_m, 0.0)
            else:
                outside_m = float(shapely.distance(area, shapely.Point(east_m, north_m)))
                off_m = 0.0 if outside_m == 0.0 else off_m
            if outside_m <= within_m:
                found.append(Found(stop=stop, outside_m=outside_m, off_m=off_m))
        return found

    def off_m(self, stop: PlannedStop, at: LatLon) -> float:
        """Metres from a stop's point."""
        if self.frame is None:
            return distance_m(stop.position, at)
        east_m, north_m = self.frame.to_m(at)
        spot = self.spots[self.numbers[stop.stop]]
        return math.hypot(spot[0] - east_m, spot[1] - north_m)

    def outside_m(self, stop: PlannedStop, at: LatLon) -> float:
        """Metres beyond a stop's fence; 0 inside. Of a stop that left the plan too."""
        number = self.numbers.get(stop.stop)
        if number is None or self.frame is None:
            return index([stop]).outside_m(stop, at)
        e_m, n_m, reach_m, area = self.spots[number]
        east_m, north_m = self.frame.to_m(at)
        if area is None:
            return max(math.hypot(e_m - east_m, n_m - north_m) - reach_m, 0.0)
        return float(shapely.distance(area, shapely.Point(east_m, north_m)))


NOWHERE: Final = Places()


def index(stops: Iterable[PlannedStop]) -> Places:
    """Places of stops given in driving order. An area that is none falls back to the stop's circle."""
    known = tuple(stops)
    if not known:
        return NOWHERE
    frame = LocalFrame(known[0].position)
    return Places(
        stops=known,
        frame=frame,
        open=tuple(stop for stop in known if not stop.done),
        spots=tuple(_spot(stop, frame) for stop in known),
        numbers=MappingProxyType({stop.stop: number for number, stop in enumerate(known)}),
    )


def _spot(stop: PlannedStop, frame: LocalFrame) -> tuple[float, float, float, Any]:
    east_m, north_m = frame.to_m(stop.position)
    area = _area(stop.rings_e6, frame)
    if area is None:
        return east_m, north_m, stop.radius_m, None
    shapely.prepare(area)
    reach_m = max(math.hypot(e - east_m, n - north_m) for e, n in shapely.get_coordinates(area).tolist())
    return east_m, north_m, reach_m, area


def _area(rings_e6: Sequence[Sequence[tuple[int, int]]], frame: LocalFrame) -> Any:
    """A polygon with holes, in metres; None where there is none, or where what was said is no polygon."""
    if not rings_e6:
        return None
    try:
        rings = [[frame.to_m(LatLon.from_e6(*corner)) for corner in ring] for ring in rings_e6]
        area = shapely.make_valid(shapely.Polygon(rings[0], rings[1:]))
    except (ValueError, shapely.errors.GEOSException):
        return None
    return area if area.area > 0 else None
