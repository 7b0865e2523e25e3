"""Travel without a road network: the great circle, longer by a detour, at a pace that grows with the distance. Always there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from roundsman_core.geo import EARTH_RADIUS_M, LatLon
from roundsman_core.timeline import DETOUR
from roundsman_hub.roads.network import MatchedStretch, Matrix, Nearest, Route, TracePoint
from roundsman_hub.roads.profiles import CAR, PROFILES
from roundsman_hub.roads.trace import straight

SLOW_MPS: Final = 5.0
FAST_MPS: Final = 18.0
SLOW_UNTIL_M: Final = 1_000.0
"""Short ways are streets and turns, long ones main roads. Fitted to OSRM's car profile between 300 addresses each: median error of a
duration 27 % in Helsinki's centre, 21 % in Baltimore, 22 % in Liechtenstein."""


class GreatCircle:
    """Straight lines × `DETOUR`."""

    name: Final = "great_circle"

    def of_fleet(self, fleet: str) -> GreatCircle:
        """See `RoadNetwork.of_fleet`: there are no streets to close."""
        return self

    def version(self, profile: str = CAR, band: str = "") -> str:
        """See `RoadNetwork.version`: a straight line stays one."""
        return self.name

    def bands(self, profile: str = CAR) -> frozenset[str]:
        """See `RoadNetwork.bands`: none."""
        return frozenset()

    def matrix(self, places: Sequence[LatLon], targets: Sequence[LatLon] | None = None, *, profile: str = CAR, band: str = "") -> Matrix:
        """See `RoadNetwork.matrix`. There is always a way; other vehicles than cars are slower by their `pace`."""
        columns = places if targets is None else targets
        lat, lon = (np.radians([getattr(place, axis) for place in places])[:, None] for axis in ("lat_deg", "lon_deg"))
        to_lat, to_lon = (np.radians([getattr(place, axis) for place in columns])[None, :] for axis in ("lat_deg", "lon_deg"))
        h = np.sin((to_lat - lat) / 2) ** 2 + np.cos(lat) * np.cos(to_lat) * np.sin((to_lon - lon) / 2) ** 2
        metres = 2 * EARTH_RADIUS_M * np.arcsin(np.minimum(1.0, np.sqrt(h))) * DETOUR
        return Matrix(
            durations_s=np.rint(_seconds(metres) * PROFILES[profile].pace).astype(np.int32),
            distances_m=np.rint(metres).astype(np.int32),
            network=self.name,
            profile=profile,
        )

    def route(self, places: Sequence[LatLon], *, profile: str = CAR, band: str = "", steps: bool = False) -> Route:
        """See `RoadNetwork.route`: straight lines, and nothing to tell of them."""
        matrix = self.matrix(places, profile=profile)
        legs_s = tuple(int(matrix.durations_s[i, i + 1]) for i in range(len(places) - 1))
        legs_m = tuple(int(matrix.distances_m[i, i + 1]) for i in range(len(places) - 1))
        return Route(
            geometry=tuple(places),
            duration_s=sum(legs_s),
            distance_m=sum(legs_m),
            legs_s=legs_s,
            legs_m=legs_m,
            network=self.name,
            profile=profile,
        )

    def match(self, trace: Sequence[TracePoint], *, profile: str = CAR) -> tuple[MatchedStretch, ...]:
        """See `RoadNetwork.match`: the trace itself."""
        return straight(trace, self.name)

    def nearest(self, place: LatLon, *, profile: str = CAR) -> Nearest:
        """See `RoadNetwork.nearest`: the place itself."""
        return Nearest(position=place, distance_m=0.0)

    def close(self) -> None:
        """Nothing was started."""


def _seconds(metres: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    slow = np.minimum(metres, SLOW_UNTIL_M)
    seconds: npt.NDArray[np.float64] = slow / SLOW_MPS + (metres - slow) / FAST_MPS
    return seconds
