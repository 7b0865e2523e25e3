"""A stretch of a trace through OSRM's `match`, chunk by chunk, put together again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final

from roundsman_core.geo import LatLon, distance_m
from roundsman_hub.roads.network import MatchedLeg, MatchedStretch, TracePoint
from roundsman_hub.roads.polyline import decode_polyline, in_url
from roundsman_hub.roads.trace import chunks

Ask = Callable[[str], dict[str, Any] | None]
OVERLAP: Final = 12
"""Points that two chunks share: six either side of the seam decide on the street as surely as the whole trace (150 to 300 m)."""
LEAST_M, MOST_M = 4.0, 40.0
"""A receiver's own word of its accuracy is kept within these (its 14.6 m was 0.5 m, and 1.7 m was 200 m)."""
DETOUR: Final = 2.0
DETOUR_M: Final = 80.0
"""A way between two neighbouring points that is longer than this was not driven: the street that was is not on the map. Nothing is claimed
there."""


def match_stretch(trace: Sequence[TracePoint], piece: Sequence[int], ask: Ask, *, size: int) -> list[MatchedStretch] | None:
    """The streets of one unbroken piece of a trace.

    Parameters
    ----------
    piece : sequence of int
        Which points, as `trace.stretches` gives them.
    size : int
        How many points one request may have.

    Returns
    -------
    list of MatchedStretch or None
        More than one where no street connects two points; None: the server is away.
    """
    legs: list[tuple[MatchedLeg, tuple[LatLon, ...]]] = []
    for chunk in chunks(len(piece), size, OVERLAP):
        numbers = piece[chunk.first : chunk.last + 1]
        answer = ask(_request([trace[at] for at in numbers]))
        if answer is None:
            return None
        if answer["code"] != "Ok":
            continue  # no street near: nothing is claimed here
        legs += _legs(trace, answer, numbers, (piece[chunk.use_from], piece[chunk.use_to]))
    out: list[list[tuple[MatchedLeg, tuple[LatLon, ...]]]] = []
    for leg in legs:
        if out and out[-1][-1][0].last == leg[0].first:
            out[-1].append(leg)
        else:
            out.append([leg])
    return [
        MatchedStretch(
            geometry=(run[0][1][0], *(place for _, line in run for place in line[1:])), legs=tuple(leg for leg, _ in run), network="osrm"
        )
        for run in out
    ]


def _request(points: Sequence[TracePoint]) -> str:
    times = ";".join(str(int(point.at_s)) for point in points)
    radiuses = ";".join(f"{min(max(point.accuracy_m, LEAST_M), MOST_M):.0f}" for point in points)
    query = "overview=false&steps=true&geometries=polyline6&annotations=nodes,distance,duration&gaps=ignore&tidy=false"
    return f"/match/v1/driving/{in_url([point.position for point in points], 6)}?{query}&timestamps={times}&radiuses={radiuses}"


def _legs(
    trace: Sequence[TracePoint], answer: dict[str, Any], numbers: Sequence[int], use: tuple[int, int]
) -> list[tuple[MatchedLeg, tuple[LatLon, ...]]]:
    """Legs between neighbouring matched points that begin within `use`, each with its line."""
    placed: dict[int, list[tuple[int, int]]] = {}
    for number, point in zip(numbers, answer["tracepoints"], strict=True):
        if point is not None:
            placed.setdefault(point["matchings_index"], []).append((point["waypoint_index"], number))
    out = []
    for index, points in sorted(placed.items()):
        legs = answer["matchings"][index]["legs"]
        for (waypoint, first), (_, last) in pairwise(sorted(points)):
            if not use[0] <= first < use[1]:
                continue
            leg = legs[waypoint]
            line = [place for step in leg["steps"] for place in decode_polyline(step["geometry"], 6)]
            told = leg["annotation"]
            made = MatchedLeg(
                first=first,
                last=last,
                nodes=tuple(told["nodes"]),
                metres=tuple(map(float, told["distance"])),
                seconds=tuple(map(float, told["duration"])),
                turns_s=max(0.0, float(leg["duration"]) - sum(told["duration"])),
                confidence=float(answer["matchings"][index]["confidence"]),
            )
            if made.distance_m <= DETOUR * distance_m(trace[first].position, trace[last].position) + DETOUR_M:
                out.append((made, tuple(line)))
    return out
