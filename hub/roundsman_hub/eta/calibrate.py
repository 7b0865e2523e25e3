"""How wide an arrival time has to be told, so that four of five are kept: learned from what happened. Pure.

Adaptive conformal inference (Gibbs and Candès 2021, "Adaptive Conformal Inference Under Distribution Shift"): the bounds are quantiles
of the latest errors, and the share α that they leave out moves by γ · (0.2 − missed) with each arrival. So the share of arrivals inside
goes to 80 % whatever the errors look like, and follows when traffic or drivers change. Errors are measured in units of a rule of thumb
for the width, and kept apart by how far ahead the time was told.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

COVERAGE: Final = 0.8
HORIZONS_MIN: Final = (0, 5, 15, 30, 60, 120)
"""Where each class of "so far ahead" begins: a stop next door errs by a parking space, one this afternoon by other stops."""
FIXED_S: Final = 90
SHARE: Final = 0.15
"""The rule of thumb: 90 s for parking and lights, and 15 % of the time until then. Used alone until there is something to learn from."""
GAMMA: Final = 0.02
"""Of a hundred arrivals in a row outside, α falls from 0.2 to its floor; the paper's own examples use 0.005 to 0.05."""
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
    """How a word turned out. `inside`: the van came between its bounds."""

    horizon_min: int
    word: Word
    inside: bool
    score: float


def horizon_of(ahead_s: float) -> int:
    """The class of a time that far ahead, in minutes."""
    return HORIZONS_MIN[max(0, bisect_right(HORIZONS_MIN, ahead_s / 60) - 1)]


def rule_s(ahead_s: float) -> float:
    """The rule of thumb for half an interval's width."""
    return FIXED_S + SHARE * max(0.0, ahead_s)


def bounds(learned: Mapping[int, Calibration], ahead_s: float) -> Bounds:
    """The interval around a time told so far ahead. It always contains the time itself."""
    unit = rule_s(ahead_s)
    known = learned.get(horizon_of(ahead_s))
    if known is None or not known.ready:
        return Bounds(-unit, unit)
    low, high = _quantile(known.scores, known.alpha / 2), _quantile(known.scores, 1 - known.alpha / 2)
    return Bounds(min(0.0, low * unit), max(0.0, high * unit))


def hits(words: list[Word], arrived_at: datetime) -> list[Hit]:
    """How what was said of an order turned out: of each horizon the first word, as a customer would have taken it."""
    out: dict[int, Hit] = {}
    for word in sorted(words):
        ahead_s = (word.eta - word.said_at).total_seconds()
        horizon = horizon_of(ahead_s)
        if horizon in out or word.said_at > arrived_at or ahead_s < 0:
            continue
        error_s = (arrived_at - word.eta).total_seconds()
        out[horizon] = Hit(horizon, word, word.low <= arrived_at <= word.high, error_s / rule_s(ahead_s))
    return list(out.values())


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
