"""How wide an arrival time has to be told, so that four of five are kept: learned from what happened. Pure.

Adaptive conformal inference (Gibbs and Candès 2021, "Adaptive Conformal Inference Under Distribution Shift"): the bounds are quantiles
of the latest errors, and the share α that they leave out moves by γ · (0.2 − missed) with each arrival. So the share of arrivals inside
goes to 80 % whatever the errors look like, and follows when traffic or drivers change. Errors are measured in units of a rule of thumb
for the width, and kept apart by how far ahead the time was told.

An order teaches each class of "so far ahead" once, by the word that stood at an instant drawn from all that it spent there: so four of five
holds for whoever asks whenever. (The first word of each class, as it was before, is the worst one: 90 % came inside of what was told.)
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Final, NamedTuple

from roundsman_core.widths import COVERAGE, horizon_of, rule_s

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


def widths(learned: Mapping[int, Calibration]) -> tuple[tuple[int, int, int], ...]:
    """What is told, by hub and vans alike (`roundsman_core.widths`): of each class that has taught enough, the bounds in percent of the
    rule of thumb. Whole percents: of a time an hour ahead one is six seconds."""
    return tuple((horizon, *_bounds_pct(state)) for horizon, state in sorted(learned.items()) if state.ready)


def _bounds_pct(state: Calibration) -> tuple[int, int]:
    return round(100 * _quantile(state.scores, state.alpha / 2)), round(100 * _quantile(state.scores, 1 - state.alpha / 2))


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
