"""How wide an arrival time has to be told, so that four of five are kept: learned from what happened. Pure.

Adaptive conformal inference (Gibbs and Candès 2021, "Adaptive Conformal Inference Under Distribution Shift"): the bounds are quantiles
of the latest errors, and the share α that they leave out moves by γ · (0.2 − missed) with each arrival. So the share of arrivals inside
goes to 80 % whatever the errors look like, and follows when traffic or drivers change. Errors are measured in units of a rule of thumb
for the width, and kept apart by how far ahead the time was told.

An order teaches each class of "so far ahead" once, by the word that stood at an instant drawn from all that it spent there: so four of five
holds for whoever asks whenever. (The first word of each class, as it was before, is the worst one: 90 % came inside of what was told.)
"""

from __future__ import annotations

import math
import zlib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Final, NamedTuple

COVERAGE: Final = 0.8
HORIZONS_MIN: Final = (0, 5, 15, 30, 60, 120, 180, 240, 360)
"""Where each class of "so far ahead" begins: a stop next door errs by a parking space, one this afternoon by other stops."""
FIXED_S: Final = 90
SHARE: Final = 0.15
STEADY_S: Final = 3_600
"""The rule of thumb: 90 s for parking and lights, and 15 % of the time until then; past an hour delays make up for each other, and it grows
by the square root. Used alone until there is something to learn from."""
GAMMA: Final = 0.01
"""Of two hundred arrivals in a row outside, α falls from 0.2 to its floor; the paper's own examples use 0.005 to 0.05. What is said hours
ahead is answered late: with 0.02 a slow day made the next one's intervals swing by 17 points, with this by 10."""
ALPHA: Final = (0.01, 0.6)
KEPT: Final = 300
"""Errors that quantiles are taken of: some days of a small fleet, one of a large."""
ENOUGH: Final = 20
"""With fewer, a quantile at 10 % is one or two arrivals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What one fleet's arrivals of one horizon have taught. `scores`: (arrival − time told) / rule of thumb, oldest first."""

    alpha: float = 1 - COVERAGE
    scores: tuple[float, ...] = ()

    @property
    def ready(self) -> bool:
        return len(self.scores) >= ENOUGH


class Bounds(NamedTuple):
    """How much earlier (negative) and later than told, in seconds."""

    low_s: float
    high_s: float


class Word(NamedTuple):
    """What was said of an order at an instant."""

    said_at: datetime
    eta: datetime
    low: datetime
    high: datetime


class Hit(NamedTuple):
    """How a word turned out. `inside`: the van came between its bounds. `score`: its error in units of the rule of thumb."""

    horizon_min: int
    word: Word
    inside: bool
    score: float


def horizon_of(ahead_s: float) -> int:
    """The class of a time that far ahead, in minutes."""
    return HORIZONS_MIN[max(0, bisect_right(HORIZONS_MIN, ahead_s / 60) - 1)]


def rule_s(ahead_s: float) -> float:
    """The rule of thumb for half an interval's width."""
    steady_s = min(max(0.0, ahead_s), STEADY_S)
    return FIXED_S + SHARE * steady_s * math.sqrt(max(1.0, ahead_s / STEADY_S))


def bounds(learned: Mapping[int, Calibration], ahead_s: float) -> Bounds:
    """The interval around a time told so far ahead. It always contains the time itself."""
    unit = rule_s(ahead_s)
    known = _teacher(learned, horizon_of(ahead_s))
    if known is None:
        return Bounds(-unit, unit)
    low, high = _quantile(known.scores, known.alpha / 2), _quantile(known.scores, 1 - known.alpha / 2)
    return Bounds(min(0.0, low * unit), max(0.0, high * unit))


def _teacher(learned: Mapping[int, Calibration], horizon: int) -> Calibration | None:
    """Who says how wide a class is: itself, or the nearest that knows enough: errors are in units of a rule that grows with the time."""
    ready = [known for known, state in learned.items() if state.ready]
    return learned[min(ready, key=lambda known: (abs(known - horizon), known))] if ready else None


def hits(words: list[Word], arrived_at: datetime, order: str) -> list[Hit]:
    """How what was said of an order turned out: of each horizon one word, drawn by how long it stood; the same again for the same order."""
    said = sorted(word for word in words if word.said_at <= arrived_at)
    stood: dict[int, list[tuple[Word, float]]] = {}
    for word, until in zip(said, [*(after.said_at for after in said[1:]), arrived_at], strict=False):
        ahead_s = (word.eta - word.said_at).total_seconds()
        if ahead_s >= 0:
            stood.setdefault(horizon_of(ahead_s), []).append((word, (until - word.said_at).total_seconds()))
    out = []
    for horizon, told in stood.items():
        ends = list(accumulate(lasted_s for _, lasted_s in told))
        word = told[min(bisect_right(ends, _draw(order, horizon) * ends[-1]), len(told) - 1)][0]
        error_s = (arrived_at - word.eta).total_seconds()
        unit_s = rule_s((word.eta - word.said_at).total_seconds())
        out.append(Hit(horizon, word, word.low <= arrived_at <= word.high, error_s / unit_s))
    return out


def _draw(order: str, horizon: int) -> float:
    """Between 0 and 1, as if by a die that was cast when the order came in."""
    return zlib.crc32(f"{order} {horizon}".encode()) / 2**32


def learned(before: Calibration, hit: Hit) -> Calibration:
    """The calibration after one more arrival."""
    low, high = ALPHA
    alpha = before.alpha + GAMMA * ((1 - COVERAGE) - (not hit.inside)) if before.ready else before.alpha
    return Calibration(alpha=min(max(alpha, low), high), scores=(*before.scores, round(hit.score, 4))[-KEPT:])


def _quantile(scores: tuple[float, ...], share: float) -> float:
    """The conformal quantile: with n scores, the ⌈(n + 1) · share⌉-th smallest; between its neighbours by their distance."""
    ordered = sorted(scores)
    at = min(max(share * (len(ordered) + 1) - 1, 0.0), len(ordered) - 1.0)
    below = int(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (at - below)
