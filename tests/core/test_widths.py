"""How wide an arrival time is told: a sum that the van and the hub do alike, of a few whole numbers."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from roundsman_core.widths import HORIZONS_MIN, Widths, bounds, horizon_of, interval, rule_s

NOW = 1_772_445_600_000

rows = st.tuples(st.sampled_from(HORIZONS_MIN), st.integers(-300, 300), st.integers(-300, 300))
widths = st.lists(rows, max_size=9, unique_by=lambda row: row[0]).map(tuple)


@given(widths, st.integers(-7_200_000, 40_000_000), st.booleans())
def test_it_holds_the_time_itself_and_does_not_begin_in_the_past(told: Widths, ahead_ms: int, standing: bool) -> None:
    low, high, _ = interval(NOW + ahead_ms, NOW, told, standing=standing)
    assert min(NOW + ahead_ms, NOW) <= low <= NOW + ahead_ms <= high
    assert ahead_ms < 0 or low >= NOW
    assert not standing or low == high


def test_a_class_that_taught_nothing_borrows_from_the_nearest_and_says_so() -> None:
    told = ((0, -50, 50), (60, -10, 20))
    assert bounds(told, 9_000) == pytest.approx((-0.1 * rule_s(9_000), 0.2 * rule_s(9_000)))
    assert interval(NOW + 9_000_000, NOW, told).learned is False, "that is the class of two hours and a half"
    assert interval(NOW + 4_000_000, NOW, told).learned is True


def test_a_fleet_that_always_comes_late_is_told_late_and_never_without_the_time_itself() -> None:
    assert bounds(((0, 40, 90),), 60) == pytest.approx((0.0, 0.9 * rule_s(60)))


def test_without_anything_learned_it_is_a_rule_of_thumb() -> None:
    """As in a plan of an older hub."""
    assert bounds((), 600) == (-180.0, 180.0)


@pytest.mark.parametrize(("ahead_s", "horizon"), [(-5, 0), (0, 0), (299, 0), (300, 5), (3_600, 60), (100_000, 360)])
def test_horizons(ahead_s: float, horizon: int) -> None:
    assert horizon_of(ahead_s) == horizon
