"""A way that a van of a pretend day drives: where it is at any instant, and what is left of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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

    def rest(self, share: float, since: datetime) -> Leg:
        """What is left of it after that much, driven from `since` on."""
        driven_m = share * _length_m(self.geometry)
        ahead = tuple(place for n, place in enumerate(self.geometry) if _length_m(self.geometry[: n + 1]) > driven_m)
        return Leg(
            geometry=(self.place(share), *(ahead or self.geometry[-1:])),
            since=since,
            takes_s=max(1.0, (1 - share) * self.takes_s),
            metres=(1 - share) * self.metres,
            stop=self.stop,
        )


def _length_m(way: Sequence[LatLon]) -> float:
    return sum(distance_m(a, b) for a, b in pairwise(way))
