"""Intervals that hold four of five arrivals, whatever the errors look like, and follow when the world changes."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from roundsman_hub.eta.calibrate import Calibration, Word, bounds, hits, horizon_of, learned

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
Error = Callable[[random.Random, float, int], float]

WORLDS: dict[str, Error] = {
    "as the rule of thumb": lambda rng, ahead_s, _: rng.gauss(0, 90 + 0.15 * ahead_s),
    "far better": lambda rng, ahead_s, _: rng.gauss(0, 0.2 * (90 + 0.15 * ahead_s)),
    "late, and never early": lambda rng, ahead_s, _: rng.expovariate(1 / (60 + 0.2 * ahead_s)),
    "always five minutes late": lambda rng, ahead_s, _: 300 + rng.gauss(0, 60),
    "worse by the day": lambda rng, ahead_s, n: rng.gauss(0, (1 + n / 1000) * 90),
}


@pytest.mark.parametrize("world", WORLDS)
def test_four_of_five_arrivals_come_inside_whatever_the_errors_are(world: str) -> None:
    """Gibbs and Candès 2021: the share outside goes to what was asked. 2,000 arrivals, the first 500 to learn from."""
    rng = random.Random(world)
    state: dict[int, Calibration] = {}
    inside = []
    for number in range(2_000):
        ahead_s = rng.uniform(1_800, 3_500)
        eta = NINE + timedelta(seconds=ahead_s)
        low_s, high_s = bounds(state, ahead_s)
        word = Word(NINE, eta, eta + timedelta(seconds=low_s), eta + timedelta(seconds=high_s))
        (hit,) = hits([word], eta + timedelta(seconds=WORLDS[world](rng, ahead_s, number)))
        state[hit.horizon_min] = learned(state.get(hit.horizon_min, Calibration()), hit)
        inside.append(hit.inside)
    share = sum(inside[500:]) / 1_500
    assert 0.77 <= share <= 0.83


def test_a_better_world_gets_narrower_intervals() -> None:
    rng = random.Random(1)
    state = Calibration()
    for _ in range(100):
        eta = NINE + timedelta(minutes=20)
        (hit,) = hits([Word(NINE, eta, eta, eta)], eta + timedelta(seconds=rng.gauss(0, 20)))
        state = learned(state, hit)
    low_s, high_s = bounds({15: state}, 1_200)
    assert high_s - low_s < 0.4 * sum(map(abs, bounds({}, 1_200)))


def test_the_first_word_of_each_horizon_counts() -> None:
    """Later words in the same horizon know more; a customer plans by the first."""

    def word(said_min: float, eta_min: float) -> Word:
        eta = NINE + timedelta(minutes=eta_min)
        return Word(NINE + timedelta(minutes=said_min), eta, eta - timedelta(minutes=2), eta + timedelta(minutes=2))

    found = hits([word(0, 40), word(5, 45), word(25, 43), word(41, 43), word(50, 60)], NINE + timedelta(minutes=43))
    assert [(hit.horizon_min, hit.inside) for hit in found] == [(30, False), (15, True), (0, True)]


@pytest.mark.parametrize(("ahead_s", "horizon"), [(-5, 0), (0, 0), (299, 0), (300, 5), (3_600, 60), (100_000, 120)])
def test_horizons(ahead_s: float, horizon: int) -> None:
    assert horizon_of(ahead_s) == horizon
