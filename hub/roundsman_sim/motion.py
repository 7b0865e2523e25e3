"""How a van moves along a road: it speeds up, brakes, slows for bends, waits at lights. Pure: advanced second by second."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from roundsman_core.geo import LatLon, LocalFrame, bearing_deg, distance_m

ACCELERATION_MPS2: Final = 1.4
BRAKING_MPS2: Final = 1.8
"""A loaded van that spares its parcels."""
BEND_MPS: Final = 5.0
"""Through a right-angled turn."""
SIGNAL_EVERY_M: Final = 1_100.0
SIGNAL_WAIT_S: Final = (4, 32)
"""Red lights: standstills that are no visits."""


@dataclass(frozen=True, slots=True)
class Point:
    """A corner of the road: where, how far along, and how fast a van may pass it and drive on."""

    east_m: float
    north_m: float
    along_m: float
    bend_mps: float


class Road:
    """A polyline to drive, in metres around its own start."""

    def __init__(self, geometry: Sequence[LatLon], cruise_mps: float) -> None:
        self.frame = LocalFrame(geometry[0])
        self.cruise_mps = cruise_mps
        kept = [self.frame.to_m(geometry[0])]
        for place in geometry[1:]:
            at = self.frame.to_m(place)
            if math.hypot(at[0] - kept[-1][0], at[1] - kept[-1][1]) > 0.5:
                kept.append(at)
        self.points: list[Point] = []
        along = 0.0
        for index, (east, north) in enumerate(kept):
            if index:
                along += math.hypot(east - kept[index - 1][0], north - kept[index - 1][1])
            self.points.append(Point(east, north, along, _bend_mps(kept, index, cruise_mps)))
        self.length_m = along

    def at(self, along_m: float, index: int) -> tuple[LatLon, float, int]:
        """Position and heading `along_m` from the start; `index`: the corner to look from, and the last one passed."""
        while index + 1 < len(self.points) - 1 and self.points[index + 1].along_m <= along_m:
            index += 1
        if len(self.points) == 1:
            return self.frame.origin, 0.0, 0
        a, b = self.points[index], self.points[index + 1]
        share = min(1.0, max(0.0, (along_m - a.along_m) / (b.along_m - a.along_m)))
        heading = math.degrees(math.atan2(b.east_m - a.east_m, b.north_m - a.north_m)) % 360
        return self.frame.to_latlon(a.east_m + (b.east_m - a.east_m) * share, a.north_m + (b.north_m - a.north_m) * share), heading, index


def _bend_mps(corners: Sequence[tuple[float, float]], index: int, cruise_mps: float) -> float:
    """How fast a corner can be passed: a right angle at `BEND_MPS`, straight on at full speed."""
    if index in (0, len(corners) - 1):
        return cruise_mps
    (x0, y0), (x1, y1), (x2, y2) = corners[index - 1 : index + 2]
    turn = abs((math.atan2(y2 - y1, x2 - x1) - math.atan2(y1 - y0, x1 - x0) + math.pi) % (2 * math.pi) - math.pi)
    return min(cruise_mps, cruise_mps + (BEND_MPS - cruise_mps) * min(1.0, turn / (math.pi / 2)))


class Body:
    """Where the van really is. `drive` gives it a road; `advance` moves it on."""

    def __init__(self, at: LatLon, seed: int) -> None:
        self.position = at
        self.heading_deg = 0.0
        self.speed_mps = 0.0
        self.driven_m = 0.0
        self.held_s = 0.0
        """Seconds that it still stands in a jam or at a light."""
        self._rng = random.Random(seed)
        self._road: Road | None = None
        self._along_m = 0.0
        self._index = 0
        self._light_at_m = self._rng.expovariate(1 / SIGNAL_EVERY_M)

    @property
    def parked(self) -> bool:
        """Whether it stands at the end of its road (or was given none)."""
        return self._road is None and self.speed_mps == 0.0

    def drive(self, geometry: Sequence[LatLon], duration_s: float) -> None:
        """Give the van a road from about where it is; `duration_s`: what the road network thinks it takes.

        The van sets its cruising speed so that bends, lights and braking make it come out near that time.
        """
        road = [self.position, *geometry] if geometry and distance_m(self.position, geometry[0]) > 1.0 else list(geometry)
        length_m = sum(distance_m(a, b) for a, b in itertools.pairwise(road))
        if length_m < 2.0:
            self._road, self.speed_mps = None, 0.0
            return
        cruise_mps = min(25.0, max(4.0, 1.3 * length_m / max(duration_s, 1.0)))
        self._road, self._along_m, self._index = Road(road, cruise_mps), 0.0, 0
        self.heading_deg = bearing_deg(road[0], road[1]) if distance_m(road[0], road[1]) > 0.5 else self.heading_deg
        self._light_at_m = max(self._light_at_m, 40.0)

    def hold(self, seconds: float) -> None:
        """Keep the van where it is for that long: a jam, a breakdown, a gate that stays shut."""
        self.held_s += seconds

    def advance(self, step_s: float) -> None:
        """Move on by `step_s`."""
        road = self._road
        if road is None:
            self.speed_mps = 0.0
            return
        left_m = road.length_m - self._along_m
        wanted = self._wanted_mps(road, left_m)
        if self.held_s > 0:
            self.held_s -= step_s
            wanted = 0.0
        if wanted >= self.speed_mps:
            self.speed_mps = min(wanted, self.speed_mps + ACCELERATION_MPS2 * step_s)
        else:
            self.speed_mps = max(wanted, self.speed_mps - 2 * BRAKING_MPS2 * step_s)
        moved_m = min(self.speed_mps * step_s, left_m)
        self._along_m += moved_m
        self.driven_m += moved_m
        self._light_at_m -= moved_m
        self.position, self.heading_deg, self._index = road.at(self._along_m, self._index)
        if road.length_m - self._along_m < 0.5:
            self._road, self.speed_mps = None, 0.0
        elif self._light_at_m <= 0.5:
            self._light_at_m = self._rng.expovariate(1 / SIGNAL_EVERY_M)
            self.held_s = max(self.held_s, self._rng.uniform(*SIGNAL_WAIT_S))

    def _wanted_mps(self, road: Road, left_m: float) -> float:
        """Speed from which the van can still brake for what is ahead: the road's end, a light, the next bends."""
        stop_m = max(0.0, min(left_m, self._light_at_m))
        wanted = min(road.cruise_mps, math.sqrt(2 * BRAKING_MPS2 * stop_m) + 0.3)
        for point in road.points[self._index + 1 : self._index + 4]:
            ahead_m = max(point.along_m - self._along_m, 0.0)
            wanted = min(wanted, math.sqrt(point.bend_mps**2 + 2 * BRAKING_MPS2 * ahead_m))
        return wanted
