"""Closures where there are no streets to close: straight ways go round the area, a place within it cannot be reached."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import shapely

from roundsman_core.geo import EARTH_RADIUS_M, LatLon
from roundsman_hub.roads.network import MatchedStretch, Matrix, Nearest, RoadNetwork, Route, TracePoint
from roundsman_hub.roads.profiles import CAR
from roundsman_hub.roads.restrictions import InForce

ROUND: Final = 1.0
"""The way round is the shorter side of the hull of both ends and the area; the detour that streets add is in the straight way already."""


class ClosedRoads:
    """A `RoadNetwork` without streets of its own to close (the great circle, or a server that somebody else runs), with what is closed.

    `Matrix.network` stays the network's name; which ways were lengthened is by this estimate, not by streets.

    Parameters
    ----------
    now : callable
        Fleet and kind of vehicle → what holds for it now. Asked at every question, so it must be quick.
    fleet : str
        Whose vehicles ask; "": nobody's, to whom nothing is closed.
    """

    def __init__(self, roads: RoadNetwork, now: Callable[[str, str], InForce], fleet: str = "") -> None:
        self._roads, self._now, self._fleet = roads, now, fleet

    def of_fleet(self, fleet: str) -> RoadNetwork:
        """See `RoadNetwork.of_fleet`."""
        return ClosedRoads(self._roads.of_fleet(fleet), self._now, fleet)

    @property
    def name(self) -> str:
        """Of the network behind it."""
        return self._roads.name

    def version(self, profile: str = CAR, band: str = "") -> str:
        """See `RoadNetwork.version`: another while something is closed."""
        return f"{self._roads.version(profile, band)} {self._holds(profile).version}".strip()

    def bands(self, profile: str = CAR) -> frozenset[str]:
        """See `RoadNetwork.bands`."""
        return self._roads.bands(profile)

    def matrix(self, places: Sequence[LatLon], targets: Sequence[LatLon] | None = None, *, profile: str = CAR, band: str = "") -> Matrix:
        """See `RoadNetwork.matrix`."""
        found = self._roads.matrix(places, targets, profile=profile, band=band)
        holds = self._holds(profile)
        if not holds.closed or not found.durations_s.size:
            return found
        columns = places if targets is None else targets
        longer = np.ones(found.durations_s.shape)
        cut = np.zeros(found.durations_s.shape, dtype=bool)
        for closed in holds.closed:
            _go_round(closed.ring, places, columns, longer, cut)
        cut |= found.durations_s < 0
        return Matrix(
            durations_s=np.where(cut, -1, np.rint(found.durations_s * longer)).astype(np.int32),
            distances_m=np.where(cut, -1, np.rint(found.distances_m * longer)).astype(np.int32),
            network=found.network,
            profile=found.profile,
            band=found.band,
            off_road=found.off_road,
        )

    def route(self, places: Sequence[LatLon], *, profile: str = CAR, band: str = "", steps: bool = False) -> Route:
        """See `RoadNetwork.route`: the line is the network's own, and does not go round what is closed."""
        return self._roads.route(places, profile=profile, band=band, steps=steps)

    def match(self, trace: Sequence[TracePoint], *, profile: str = CAR) -> tuple[MatchedStretch, ...]:
        """See `RoadNetwork.match`."""
        return self._roads.match(trace, profile=profile)

    def nearest(self, place: LatLon, *, profile: str = CAR) -> Nearest:
        """See `RoadNetwork.nearest`."""
        return self._roads.nearest(place, profile=profile)

    def close(self) -> None:
        """End the network behind it."""
        self._roads.close()

    def _holds(self, profile: str) -> InForce:
        return self._now(self._fleet, profile) if self._fleet else InForce()


def _go_round(
    ring: Sequence[LatLon],
    rows: Sequence[LatLon],
    columns: Sequence[LatLon],
    longer: npt.NDArray[np.float64],
    cut: npt.NDArray[np.bool_],
) -> None:
    """Lengthen the ways that cross a ring, and cut those that begin or end in it."""
    middle = ring[0]
    area = shapely.Polygon([_flat(place, middle) for place in ring]).buffer(0)
    a, b = (np.array([_flat(place, middle) for place in places]) for places in (rows, columns))
    shapely.prepare(area)
    cut |= shapely.contains_xy(area, a)[:, None] | shapely.contains_xy(area, b)[None, :]
    ends = np.stack(np.broadcast_arrays(a[:, None, :], b[None, :, :]), axis=2)
    crossed = shapely.intersects(area, shapely.linestrings(ends)) & ~cut & (ends[:, :, 0] != ends[:, :, 1]).any(axis=2)
    for i, j in zip(*np.nonzero(crossed), strict=True):
        straight = float(np.hypot(*(a[i] - b[j])))
        longer[i, j] = max(longer[i, j], ROUND * _round_m(area, a[i], b[j]) / straight)


def _round_m(area: shapely.Geometry, a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    """The shorter way along the hull of both places and the area."""
    hull = shapely.convex_hull(shapely.union(area, shapely.multipoints([a, b]))).exterior
    at, to = (shapely.line_locate_point(hull, shapely.Point(place)) for place in (a, b))
    one = abs(float(to - at))
    return min(one, float(hull.length) - one)


def _flat(place: LatLon, middle: LatLon) -> tuple[float, float]:
    """Local metres."""
    east = np.radians(place.lon_deg - middle.lon_deg) * np.cos(np.radians(middle.lat_deg))
    return float(EARTH_RADIUS_M * east), float(EARTH_RADIUS_M * np.radians(place.lat_deg - middle.lat_deg))
