"""An unbroken stretch laid on the streets that it was driven on, with the time of each point. Pure.

The simplified line stays the truth: it is within ten metres of where the van was seen at each instant. The line here is a claim beside
it, made by a road network from every raw fix before those go: nearer to the street, and as long as the street is. Where the network
claims nothing the simplified line stands in, point by point marked as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from roundsman_core.geo import LatLon
from roundsman_hub.roads.network import MatchedStretch, TracePoint
from roundsman_hub.upkeep.simplify import M_PER_E6, Floats, Ints, Mask, keep

TOLERANCE_M: Final = 5.0
"""Half of what the simplified line may be off by: less than a street of two lanes is wide, so the line stays on its street."""
USUAL_ACCURACY_M: Final = 5.0
"""Of a fix that told none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simplified:
    """A stored stretch's simplified line: columns of one length ≥ 1, int64; `t_ms` rises."""

    t_ms: Ints
    lat_e6: Ints
    lon_e6: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """The raw fixes of a stretch, in columns of one length, int64; `t_ms` rises. `accuracy_dm`: -1 where a fix told none."""

    t_ms: Ints
    lat_e6: Ints
    lon_e6: Ints
    accuracy_dm: Ints

    def trace(self) -> list[TracePoint]:
        """As a road network wants it."""
        accuracy = np.where(self.accuracy_dm < 0, USUAL_ACCURACY_M, self.accuracy_dm / 10)
        return [
            TracePoint(position=LatLon.from_e6(lat, lon), at_s=t / 1000, accuracy_m=sigma)
            for t, lat, lon, sigma in zip(self.t_ms.tolist(), self.lat_e6.tolist(), self.lon_e6.tolist(), accuracy.tolist(), strict=True)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """A stretch on streets. `matched_m`, `covered_s`: how much of it is. `confidence`: 0 to 1, weighted by metres; None: nobody told.

    `on_street`: else a point of the simplified line. No point at all: no street was near.
    """

    profile: str
    confidence: float | None
    matched_m: float
    covered_s: float
    t_ms: Ints
    lat_e6: Ints
    lon_e6: Ints
    on_street: Mask


def lay(line: Simplified, t_ms: Ints, found: Sequence[MatchedStretch], profile: str) -> Laid:
    """A stretch's line on streets.

    Parameters
    ----------
    line : Simplified
        What stands between two pieces that are on streets, and before and after them.
    t_ms : int64 array
        The instants of the trace that was matched.
    found : sequence of MatchedStretch
        What the road network made of that trace, oldest first.
    profile : str
        Whose streets were asked for; that of `found` is told, where there is one.
    """
    pieces = [(stretch, *_timed(stretch, t_ms)) for stretch in found if stretch.distance_m > 0]
    if not pieces:
        none = np.zeros(0, np.int64)
        return Laid(
            profile=profile, confidence=None, matched_m=0.0, covered_s=0.0, t_ms=none, lat_e6=none, lon_e6=none, on_street=none == 1
        )
    spans = [(int(t[0]), int(t[-1])) for _, t, _, _ in pieces]
    outside = np.ones(len(line.t_ms), np.bool_)
    for first_ms, last_ms in spans:
        outside &= (line.t_ms < first_ms) | (line.t_ms > last_ms)
    columns = [(line.t_ms[outside], line.lat_e6[outside], line.lon_e6[outside], False)]
    for _, t, lat, lon in pieces:
        kept = keep(t, lat, lon, TOLERANCE_M)
        columns.append((t[kept], lat[kept], lon[kept], True))
    t_all, lat_all, lon_all = (np.concatenate([column[axis] for column in columns]) for axis in range(3))
    street = np.concatenate([np.full(len(column[0]), column[3]) for column in columns])
    order = np.argsort(t_all, kind="stable")
    told = [(stretch.confidence, stretch.distance_m) for stretch, *_ in pieces if stretch.confidence is not None]
    return Laid(
        profile=pieces[0][0].profile or profile,
        confidence=sum(sure * metres for sure, metres in told) / sum(metres for _, metres in told) if told else None,
        matched_m=sum(stretch.distance_m for stretch, *_ in pieces),
        covered_s=sum(last_ms - first_ms for first_ms, last_ms in spans) / 1000,
        t_ms=t_all[order],
        lat_e6=lat_all[order],
        lon_e6=lon_all[order],
        on_street=street[order],
    )


def _timed(stretch: MatchedStretch, t_ms: Ints) -> tuple[Ints, Ints, Ints]:
    """A matched line's corners and the places of its fixes, each with its instant: times, latitudes, longitudes. Times rise.

    A fix's place is known to the metre along the line; a corner's time is as far between its neighbours' as its way is.
    """
    lat = np.array([place.lat_e6 for place in stretch.geometry], np.int64)
    lon = np.array([place.lon_e6 for place in stretch.geometry], np.int64)
    at_m = np.concatenate(([0.0], np.cumsum([leg.distance_m for leg in stretch.legs])))
    at_ms = t_ms[[stretch.legs[0].first, *(leg.last for leg in stretch.legs)]]
    corners_m = _along_m(lat, lon)
    if corners_m[-1] > 0:
        corners_m *= at_m[-1] / corners_m[-1]  # the network's own metres are the measure
    unwrapped = lon[0] + np.concatenate(([0], np.cumsum((np.diff(lon) + 180_000_000) % 360_000_000 - 180_000_000)))
    t = np.concatenate((at_ms, np.rint(np.interp(corners_m, at_m, at_ms)).astype(np.int64)))
    lats = np.concatenate((np.rint(np.interp(at_m, corners_m, lat)).astype(np.int64), lat))
    lons = np.concatenate((np.rint(np.interp(at_m, corners_m, unwrapped)).astype(np.int64), unwrapped))
    _, once = np.unique(t, return_index=True)
    return t[once], lats[once], (lons[once] + 180_000_000) % 360_000_000 - 180_000_000


def _along_m(lat_e6: Ints, lon_e6: Ints) -> Floats:
    """How far each corner is along the line."""
    d_lon = (np.diff(lon_e6) + 180_000_000) % 360_000_000 - 180_000_000
    legs: Floats = M_PER_E6 * np.hypot(np.diff(lat_e6), d_lon * np.cos(np.radians(lat_e6[1:] / 1e6)))
    return np.concatenate(([0.0], np.cumsum(legs)))
