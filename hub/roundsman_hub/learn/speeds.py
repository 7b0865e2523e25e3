"""How fast streets are, by segment, time band and kind of vehicle, from matched tracks. Pure.

A table says how many times as long as the road network's own pace it takes: for a kind of vehicle in a band (`factors`), and for a
segment beyond that (`segments`). A segment that nobody drove has its kind's factor, so it is neither shunned nor preferred.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from roundsman_hub.learn.shrink import ratios

Segment = tuple[int, int]
_Passages = dict[Segment, tuple[float, float]]
LEAST_RATIO, MOST_RATIO = 0.4, 8.0
"""No street is learned to be 2.5 times as fast as its kind, nor 8 times as slow: that is a receiver, a stop, or a wrong match."""
LEAST_SHARE: Final = 0.3
"""Of a leg's seconds, at least so much was driving along the street and not the turn."""
ALL_HOURS: Final = ""
HUBER_K: Final = 1.345
"""Robust standard deviations from its band's median beyond which a drive counts as if it were there (Huber 1964: 95 % as sure as the mean
where nothing is odd)."""
MAD_SIGMA: Final = 1.4826
"""Standard deviations in a median absolute deviation, of a normal distribution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """A piece of a drive: segments, the network's seconds for what was driven of each and how much that was, what turns add to them, and
    how long it took in truth."""

    segments: tuple[Segment, ...]
    expected_s: tuple[float, ...]
    metres: tuple[float, ...]
    turns_s: float
    took_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Drive:
    """What one vehicle drove without a stop.

    day : str
        Local date: what is held out is held out by whole days.
    """

    kind: str
    day: str
    band: str
    legs: tuple[Leg, ...]

    @property
    def took_s(self) -> float:
        return sum(leg.took_s for leg in self.legs)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedTable:
    """Learned paces.

    factors : by (kind, band); band "" at all hours
        How many times as long as by the network's own pace.
    segments : by kind, by (segment, band)
        And how many times as long beyond that; a pair of "" is the segment's own at all hours.
    network_kmh : by kind, by segment
        The network's own pace there, which the others are times of.
    """

    factors: Mapping[tuple[str, str], float] = field(default_factory=dict)
    segments: Mapping[str, Mapping[tuple[Segment, str], float]] = field(default_factory=dict)
    network_kmh: Mapping[str, Mapping[Segment, float]] = field(default_factory=dict)

    def factor(self, kind: str, band: str) -> float:
        """Of a kind in a band; at all hours where the band is not known; 1 where the kind is not."""
        return self.factors.get((kind, band), self.factors.get((kind, ALL_HOURS), 1.0))

    def ratio(self, kind: str, segment: Segment, band: str) -> float:
        """Beyond the factor."""
        own = self.segments.get(kind, {})
        return own.get((segment, band), own.get((segment, ALL_HOURS), 1.0))

    def kmh(self, kind: str, band: str) -> dict[Segment, float]:
        """Speeds of all segments that were driven, without the factor: that is of all segments, and so of none."""
        return {segment: kmh / self.ratio(kind, segment, band) for segment, kmh in self.network_kmh.get(kind, {}).items()}

    def bands(self, kind: str) -> frozenset[str]:
        """Bands of which something is known beside all hours."""
        return frozenset(band for known, band in self.factors if known == kind and band)


def learn_speeds(drives: Sequence[Drive]) -> SpeedTable:
    """The table that drives teach: kind and band first, then segments within, then segments in a band, each drawn to the one before."""
    factors: dict[tuple[str, str], float] = {}
    segments: dict[str, dict[tuple[Segment, str], float]] = {}
    network: dict[str, dict[Segment, float]] = {}
    for kind in sorted({drive.kind for drive in drives}):
        own = [drive for drive in drives if drive.kind == kind]
        names, dates = (sorted({getattr(drive, of) for drive in own}) for of in ("band", "day"))
        passages = _typical(own, [_passages(drive) for drive in own])
        index = {segment: at for at, segment in enumerate(sorted({segment for of_one in passages for segment in of_one}))}
        if not index:
            continue
        at = np.array([index[segment] for of_one in passages for segment in of_one], np.int64)
        band = np.array([names.index(drive.band) for drive, of_one in zip(own, passages, strict=True) for _ in of_one], np.int64)
        day = np.array([dates.index(drive.day) for drive, of_one in zip(own, passages, strict=True) for _ in of_one], np.int64)
        expected = np.array([passed[0] for of_one in passages for passed in of_one.values()])
        took = np.array([passed[1] for of_one in passages for passed in of_one.values()])
        whole = float(took.sum()) / float(expected.sum())
        by_band = ratios(band, len(names), expected, took, np.full(len(names), whole), day).ratio
        by_segment = ratios(at, len(index), expected * by_band[band], took, np.ones(len(index)), day).ratio
        both = band * len(index) + at
        prior = np.tile(by_segment, len(names))
        by_both = ratios(both, len(names) * len(index), expected * by_band[band], took, prior, day).ratio
        factors[kind, ALL_HOURS] = whole
        factors |= {(kind, name): float(by_band[number]) for number, name in enumerate(names)}
        told = {(segment, ALL_HOURS): _bounded(by_segment[number]) for segment, number in index.items()}
        seen = np.unique(both)
        listed = list(index)
        told |= {(listed[pair % len(index)], names[pair // len(index)]): _bounded(by_both[pair]) for pair in seen.tolist()}
        segments[kind] = told
        network[kind] = _network_kmh(own)
    return SpeedTable(factors=factors, segments=segments, network_kmh=network)


NOW_K_S: Final = 120.0
"""Seconds of driving until the last minutes' word of a segment counts as much as what was known of it."""
NOW_ALL_K_S: Final = 1_800.0
"""And of all streets together: half an hour of driving, so three vans in ten minutes."""
NOW_LEAST: Final = 0.2
"""A segment is told only where it is this much slower or faster than was known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """What the last minutes say beyond the table: `factor` of all streets, `segments` beyond that, of one kind of vehicle."""

    factor: float = 1.0
    segments: Mapping[Segment, float] = field(default_factory=dict)


def learn_now(drives: Sequence[Drive], table: SpeedTable) -> Now:
    """The fleet's own last minutes, against what the table expects of them. All drives are of one kind and band."""
    expected: defaultdict[Segment, float] = defaultdict(float)
    took: defaultdict[Segment, float] = defaultdict(float)
    for drive in drives:
        factor = table.factor(drive.kind, drive.band)
        for segment, (expected_s, took_s) in _passages(drive).items():
            expected[segment] += expected_s * factor * table.ratio(drive.kind, segment, drive.band)
            took[segment] += took_s
    whole = (sum(took.values()) + NOW_ALL_K_S) / (sum(expected.values()) + NOW_ALL_K_S)
    ratios_now = {segment: (took[segment] + NOW_K_S * whole) / (seconds + NOW_K_S) / whole for segment, seconds in expected.items()}
    return Now(factor=whole, segments={segment: _bounded(ratio) for segment, ratio in ratios_now.items() if abs(ratio - 1) >= NOW_LEAST})


def predicted_s(drive: Drive, table: SpeedTable) -> float:
    """How long the table takes a drive's way to last. It is told the way, the kind of vehicle and the band, and nothing of the drive."""
    factor = table.factor(drive.kind, drive.band)
    total = 0.0
    for leg in drive.legs:
        total += factor * leg.turns_s
        for segment, expected_s in zip(leg.segments, leg.expected_s, strict=True):
            total += factor * table.ratio(drive.kind, segment, drive.band) * expected_s
    return total


def median_error(drives: Iterable[Drive], table: SpeedTable) -> float:
    """Median over drives of how far the prediction was off, as a share of the truth."""
    return float(np.median([abs(predicted_s(drive, table) - drive.took_s) / drive.took_s for drive in drives]))


def _passages(drive: Drive) -> _Passages:
    """Of a drive, for each segment: the network's seconds for it, and its share of the true ones."""
    out: _Passages = {}
    for leg in drive.legs:
        expected = sum(leg.expected_s)
        if expected <= 0:
            continue
        # What turns add is in the network beside the segments, and stays so: it is taken out here, or it would count twice. It slows
        # down by the same as the street.
        share = expected / (expected + leg.turns_s)
        for segment, expected_s in zip(leg.segments, leg.expected_s, strict=True):
            if expected_s > 0:
                before = out.get(segment, (0.0, 0.0))
                out[segment] = (before[0] + expected_s, before[1] + leg.took_s * max(share, LEAST_SHARE) * expected_s / expected)
    return out


def _typical(drives: Sequence[Drive], passages: Sequence[_Passages]) -> list[_Passages]:
    """The same passages, with the drives that are odd in their band drawn to its edge (Huber's winsorizing, in logarithms).

    A van that stood in a jam for an hour would otherwise make the whole network slow for weeks: a sum is the word of its longest parts.
    What is slow now is `learn_now`'s to say. All passages of a drive are scaled alike, so what tells its streets apart stays.
    """
    sums = [(sum(told[0] for told in of_one.values()), sum(told[1] for told in of_one.values())) for of_one in passages]
    words = np.array([math.log(took / expected) if took > 0 and expected > 0 else math.nan for expected, took in sums])
    drawn = words.copy()
    for band in {drive.band for drive in drives}:
        there = np.array([drive.band == band for drive in drives]) & ~np.isnan(words)
        if there.any():
            middle = float(np.median(words[there]))
            width = HUBER_K * MAD_SIGMA * float(np.median(np.abs(words[there] - middle)))
            drawn[there] = np.clip(words[there], middle - width, middle + width)
    scale = np.exp(np.nan_to_num(drawn - words)).tolist()
    return [{segment: (told[0], told[1] * by) for segment, told in of_one.items()} for of_one, by in zip(passages, scale, strict=True)]


def _network_kmh(drives: Sequence[Drive]) -> dict[Segment, float]:
    metres: defaultdict[Segment, float] = defaultdict(float)
    seconds: defaultdict[Segment, float] = defaultdict(float)
    for drive in drives:
        for leg in drive.legs:
            for segment, length_m, expected_s in zip(leg.segments, leg.metres, leg.expected_s, strict=True):
                metres[segment] += length_m
                seconds[segment] += expected_s
    return {segment: 3.6 * metres[segment] / total for segment, total in seconds.items() if total > 0 and metres[segment] > 0}


def _bounded(ratio: float) -> float:
    return float(min(max(ratio, LEAST_RATIO), MOST_RATIO))
