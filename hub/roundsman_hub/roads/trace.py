"""A trace made ready for matching: cut at its gaps, thinned, and laid out in chunks that overlap. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from roundsman_core.geo import distance_m
from roundsman_hub.roads.network import MatchedLeg, MatchedStretch, TracePoint

GAP_S: Final = 90.0
"""Longer without a point is a gap: a van that moves tells a point at least every 60 s."""
GAP_M: Final = 2_000.0
"""Nor is a way known between points so far apart."""
APART_M: Final = 15.0
"""Closer points say nothing of the street and much of the receiver: they make the matched line run to and fro (Newson and Krumm 2009
leave out points within two sigma)."""
TIP_M: Final = 8.0
"""Of the points that are too close to the one before, the farthest is kept where the vehicle turned round there, if it is so far off (two
sigma): the end of a spur would be cut off otherwise, and counts twice."""
TIP_S: Final = 12.0
"""Out and back at the pace of a turning vehicle. One that stood for longer drifted as far by its receiver's noise alone."""
STILL_S: Final = 30.0
"""A point is kept this often all the same, so that standing is no gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Points `first` to `last` (both included) of a stretch; of its answer, `use_from` to `use_to` are used."""

    first: int
    last: int
    use_from: int
    use_to: int


def stretches(trace: Sequence[TracePoint]) -> list[list[int]]:
    """The indices of the points that are asked for, cut at gaps and thinned. Pieces of one point are left out."""
    out: list[list[int]] = []
    tip: int | None = None
    for at, point in enumerate(trace):
        if not out:
            out.append([at])
            continue
        before, kept = trace[at - 1], trace[out[-1][-1]]
        if point.at_s - before.at_s > GAP_S or distance_m(before.position, point.position) > GAP_M:
            if out[-1][-1] != at - 1 and before.at_s - kept.at_s >= 1:
                out[-1].append(at - 1)
            out.append([at])
            tip = None
            continue
        if tip is not None and point.at_s - kept.at_s > TIP_S:
            tip = None
        if tip is not None and point.at_s - trace[tip].at_s >= 1 and distance_m(trace[tip].position, point.position) >= APART_M:
            out[-1].append(tip)
            kept, tip = trace[tip], None
        off_m, after_s = distance_m(kept.position, point.position), point.at_s - kept.at_s
        if after_s >= 1 and (off_m >= APART_M or after_s >= STILL_S or at == len(trace) - 1):
            out[-1].append(at)
            tip = None
        elif 1 <= after_s <= TIP_S and off_m >= (TIP_M if tip is None else distance_m(kept.position, trace[tip].position)):
            tip = at
    return [piece for piece in out if len(piece) > 1]


def chunks(points: int, size: int, overlap: int) -> list[Chunk]:
    """Chunks of at most `size` points that share `overlap` with their neighbours; each answer is used up to the middle of those."""
    out = []
    first = 0
    while True:
        last = min(first + size, points) - 1
        begins = first if first == 0 else first + overlap // 2
        ends = last if last == points - 1 else last - (overlap - overlap // 2) + 1
        out.append(Chunk(first=first, last=last, use_from=begins, use_to=ends))
        if last == points - 1:
            return out
        first = last - overlap + 1


def straight(trace: Sequence[TracePoint], network: str) -> tuple[MatchedStretch, ...]:
    """The trace itself, where there are no streets to lay it on."""
    out = []
    for piece in stretches(trace):
        legs = tuple(
            MatchedLeg(first=a, last=b, nodes=(), metres=(distance_m(trace[a].position, trace[b].position),)) for a, b in pairwise(piece)
        )
        out.append(MatchedStretch(geometry=tuple(trace[at].position for at in piece), legs=legs, network=network))
    return tuple(out)
