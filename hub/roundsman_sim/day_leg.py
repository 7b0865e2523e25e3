"""A way that a van of a pretend day drives: where it is at any instant, and what is left of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from roundsman_core.geo import LatLon, distance_m


@dataclass(frozen=True, kw_only=True)
class Leg:
    """From one place to the next, at one pace. `stop`: where it leads; None: home. `takes_s`: a second at least."""

    geometry: tuple[LatLon, ...]
    since: datetime
    takes_s: float
    metres: float
    stop: str | None
    searching: bool = False
    """The way is over, and the van looks for a place to park."""

    def share(self, at: datetime) -> float:
        """How much of it is driven by then, 0 to 1."""
        return min(1.0, max(0.0, (at - self.since).total_seconds() / self.takes_s))

    def place(self, share: float) -> LatLon:
        """Where the van is when it has driven that much of it."""
        lengths = [distance_m(a, b) for a, b in pairwise(self.geometry)]
        left = share * sum(lengths)
        for (a, b), length in zip(pairwise(self.geometry), lengths, strict=True):
            if left <= length and length > 0:
                part = left / length
                return LatLon(a.lat_deg + (b.lat_deg - a.lat_deg) * part, a.lon_deg + (b.lon_deg - a.lon_deg) * part)
            left -= length
        return self.geometry[-1]

    def near_share(self, metres: float) -> float:
        """How much of it is driven when the van comes so near to its end for good; 1 where it never is."""
        end, length = self.geometry[-1], max(_length_m(self.geometry), 1e-9)
        off = [distance_m(place, end) for place in self.geometry]
        last = max((n for n, away_m in enumerate(off) if away_m > metres), default=None)
        if last is None:
            return 0.0
        # Between the last place outside and the next, as far as the straight line says.
        a, b = off[last], off[last + 1]
        part = (a - metres) / (a - b) if a > b else 1.0
        return min(1.0, (_length_m(self.geometry[: last + 1]) + part * distance_m(*self.geometry[last : last + 2])) / length)

    def search(self, since: datetime, takes_s: float) -> Leg:
        """Looking for a place where it ends: back along the way and forth again, at its pace."""
        half_m = min(0.5 * self.metres * takes_s / self.takes_s, self.metres)
        tail = self.rest(1 - half_m / self.metres if self.metres > 0 else 1.0, since).geometry
        return replace(
            self, geometry=(*reversed(tail), *tail[1:]), since=since, takes_s=max(1.0, takes_s), metres=2 * half_m, searching=True
        )

    def rest(self, share: float, since: datetime) -> Leg:
        """What is left of it after that much, driven from `since` on."""
        driven_m = share * _length_m(self.geometry)
        ahead = tuple(place for n, place in enumerate(self.geometry) if _length_m(self.geometry[: n + 1]) > driven_m)
        return replace(
            self,
            geometry=(self.place(share), *(ahead or self.geometry[-1:])),
            since=since,
            takes_s=max(1.0, (1 - share) * self.takes_s),
            metres=(1 - share) * self.metres,
        )


def _length_m(way: Sequence[LatLon]) -> float:
    return sum(distance_m(a, b) for a, b in pairwise(way))
