"""From stored tracks to drives: cut where the vehicle stood, matched to streets, each with its band and day."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from roundsman_core.geo import LatLon
from roundsman_hub.learn.speeds import Drive, Leg
from roundsman_hub.roads.bands import band_at
from roundsman_hub.roads.network import MatchedStretch, RoadNetwork, TracePoint
from roundsman_hub.store.track_store import Point
from roundsman_wire.messages import GAP_BEFORE

LEAST_M: Final = 300.0
"""Shorter drives are a look for parking: their time says nothing of streets."""
LEAST_MPS: Final = 0.5
"""Slower over a whole drive is a stop that nobody noticed."""
ROUND_STOP_S: Final = 15.0
"""So much before and after a stop is left out: it is parking, not driving."""


def moving(points: Iterable[Point], stands: Sequence[tuple[datetime, datetime]]) -> Iterator[list[TracePoint]]:
    """Traces between stands and gaps. Simplified points are left out: their times are not those of the streets."""
    spans = [(a.timestamp() - ROUND_STOP_S, b.timestamp() + ROUND_STOP_S) for a, b in stands]
    trace: list[TracePoint] = []
    at = 0
    for point in points:
        when = point.time.timestamp()
        while at < len(spans) and spans[at][1] <= when:
            at += 1
        stands_now = at < len(spans) and spans[at][0] <= when
        broken = bool(point.flags & GAP_BEFORE) or (trace and when <= trace[-1].at_s)
        if trace and (stands_now or broken):
            yield trace
            trace = []
        if not stands_now and not point.simplified:
            accuracy_m = 5.0 if point.accuracy_dm is None else point.accuracy_dm / 10
            trace.append(TracePoint(position=LatLon.from_e6(point.lat_e6, point.lon_e6), at_s=when, accuracy_m=accuracy_m))
    if trace:
        yield trace


def drives_of(trace: Sequence[TracePoint], roads: RoadNetwork, kind: str, timezone: str) -> list[Drive]:
    """What a trace was on streets, cut where nothing is known; without what is too short to say anything."""
    out = []
    for stretch in roads.match(trace, profile=kind):
        drive = drive_of(stretch, trace, kind, datetime.fromtimestamp(trace[stretch.legs[0].first].at_s, ZoneInfo(timezone)))
        if drive is not None and stretch.distance_m >= LEAST_M and stretch.distance_m / drive.took_s >= LEAST_MPS:
            out.append(drive)
    return out


def drive_of(stretch: MatchedStretch, trace: Sequence[TracePoint], kind: str, local: datetime) -> Drive | None:
    """A matched stretch with its times; None where no street is known."""
    legs = tuple(
        Leg(
            segments=tuple(pairwise(leg.nodes)),
            expected_s=leg.seconds,
            metres=leg.metres,
            turns_s=leg.turns_s,
            took_s=trace[leg.last].at_s - trace[leg.first].at_s,
        )
        for leg in stretch.legs
        if leg.seconds
    )
    if not legs:
        return None
    return Drive(kind=kind, day=local.date().isoformat(), band=band_at(local), legs=legs)
