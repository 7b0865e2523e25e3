"""Fixes of one vehicle → unbroken stretches: what each comes to in numbers, and its simplified line. Pure.

A stretch is a run of consecutive numbers of one session, with time that rises, through which a line may be drawn. Its numbers are
computed from every fix, before any is left out, and they add up: a stretch that begins right after another one carries the leg
between the two (its lead), so wherever a track is cut, the sum is the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Final

import numpy as np

from roundsman_hub.upkeep.simplify import M_PER_E6, Ints, Mask, keep
from roundsman_wire.messages import GAP_BEFORE

NONE: Final = -1
"""A speed that is not known."""
MOVING_CM_S: Final = 50
"""Slower is standing: a parked receiver's drift would add some 300 m in five minutes."""
LEAD_WITHIN_MS: Final = 600_000
"""A stretch's lead is looked for this far back. An agent on shift notes a fix a minute; what is longer is a gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """Columns of fixes of one vehicle, int64, of one length: ordered by session number and number. Speed may be `NONE`."""

    session_no: Ints
    seq: Ints
    t_ms: Ints
    lat_e6: Ints
    lon_e6: Ints
    speed_cm_s: Ints
    flags: Ints

    def __len__(self) -> int:
        return len(self.seq)

    def where(self, mask: Mask | slice) -> Track:
        """Some of the rows."""
        return Track(**{field.name: getattr(self, field.name)[mask] for field in fields(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Where a stretch ends: what the next one's lead is measured from."""

    t_ms: int
    lat_e6: int
    lon_e6: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """An unbroken piece of track.

    first_seq, last_seq : every number between them has a fix. broken_before : no line may be drawn to it.
    driven_m, moving_s, standing_s : over its own legs, without the lead. max_speed_cm_s : None where no fix told one.
    t_ms, lat_e6, lon_e6 : the simplified line.
    """

    session_no: int
    first_seq: int
    last_seq: int
    broken_before: bool
    first_speed_cm_s: int
    driven_m: float
    moving_s: float
    standing_s: float
    max_speed_cm_s: int | None
    t_ms: Ints
    lat_e6: Ints
    lon_e6: Ints

    @property
    def fixes(self) -> int:
        return self.last_seq - self.first_seq + 1

    @property
    def start(self) -> End:
        return End(t_ms=int(self.t_ms[0]), lat_e6=int(self.lat_e6[0]), lon_e6=int(self.lon_e6[0]))

    @property
    def end(self) -> End:
        return End(t_ms=int(self.t_ms[-1]), lat_e6=int(self.lat_e6[-1]), lon_e6=int(self.lon_e6[-1]))


def cut(track: Track, told: Sequence[tuple[int, int]], edges_ms: Sequence[int]) -> Iterator[Stretch]:
    """Cut a track into stretches.

    Parameters
    ----------
    track : Track
        A number that is there twice is taken once.
    told : sequence of (from_ms, to_ms)
        Through these no line is drawn: silence that the van told of, the ends of shifts.
    edges_ms : sequence of int
        Where a stretch must end though the line goes on: midnights.
    """
    if not len(track):
        return
    first_of = np.ones(len(track), np.bool_)
    first_of[1:] = (np.diff(track.session_no) != 0) | (np.diff(track.seq) != 0)
    track = track.where(first_of)
    before, after = track.t_ms[:-1], track.t_ms[1:]
    broken = np.zeros(len(track), np.bool_)
    broken[1:] = (np.diff(track.session_no) != 0) | (np.diff(track.seq) != 1) | (after <= before)
    broken |= track.flags & GAP_BEFORE != 0
    for from_ms, to_ms in told:
        broken[1:] |= (before < to_ms) & (after > from_ms)
    ends = broken.copy()
    for edge_ms in edges_ms:
        ends[1:] |= (before < edge_ms) & (after >= edge_ms)
    ends[0] = True
    for first, last in pairwise([*np.flatnonzero(ends).tolist(), len(track)]):
        yield _stretch(track.where(slice(first, last)), bool(broken[first]))


def _stretch(run: Track, broken_before: bool) -> Stretch:
    moving = (run.speed_cm_s[1:] == NONE) | (run.speed_cm_s[1:] >= MOVING_CM_S)
    took_ms = np.diff(run.t_ms)
    told = run.speed_cm_s[run.speed_cm_s != NONE]
    kept = keep(run.t_ms, run.lat_e6, run.lon_e6)
    return Stretch(
        session_no=int(run.session_no[0]),
        first_seq=int(run.seq[0]),
        last_seq=int(run.seq[-1]),
        broken_before=broken_before,
        first_speed_cm_s=int(run.speed_cm_s[0]),
        driven_m=float(_leg_m(run.lat_e6[:-1], run.lon_e6[:-1], run.lat_e6[1:], run.lon_e6[1:])[moving].sum()),
        moving_s=float(took_ms[moving].sum()) / 1000,
        standing_s=float(took_ms[~moving].sum()) / 1000,
        max_speed_cm_s=int(told.max()) if len(told) else None,
        t_ms=run.t_ms[kept],
        lat_e6=run.lat_e6[kept],
        lon_e6=run.lon_e6[kept],
    )


def _leg_m(lat_a: Ints, lon_a: Ints, lat_b: Ints, lon_b: Ints) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Between neighbouring fixes: near enough for a flat sum. Metres."""
    d_lon = (lon_b - lon_a + 180_000_000) % 360_000_000 - 180_000_000
    legs: np.ndarray[tuple[int], np.dtype[np.float64]] = M_PER_E6 * np.hypot(lat_b - lat_a, d_lon * np.cos(np.radians(lat_b / 1e6)))
    return legs


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """The leg from the end of one stretch to the start of the next."""

    driven_m: float = 0.0
    moving_s: float = 0.0
    standing_s: float = 0.0


def lead(end: End, start: End, speed_cm_s: int, told: Sequence[tuple[int, int]]) -> Lead | None:
    """The lead of a stretch that starts at `start` with `speed_cm_s`, right after one that ended at `end`; None: a break is between."""
    if not 0 < start.t_ms - end.t_ms <= LEAD_WITHIN_MS or any(end.t_ms < to_ms and start.t_ms > from_ms for from_ms, to_ms in told):
        return None
    took_s = (start.t_ms - end.t_ms) / 1000
    if speed_cm_s != NONE and speed_cm_s < MOVING_CM_S:
        return Lead(standing_s=took_s)
    at = [np.array([value]) for value in (end.lat_e6, end.lon_e6, start.lat_e6, start.lon_e6)]
    return Lead(driven_m=float(_leg_m(at[0], at[1], at[2], at[3])[0]), moving_s=took_s)
