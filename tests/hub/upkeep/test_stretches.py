"""Wherever a track is cut, its numbers add up to the same."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from roundsman_hub.upkeep.stretches import NONE, Lead, Stretch, Track, cut, lead
from roundsman_wire.messages import GAP_BEFORE


def track(steps: list[tuple[int, int, int, int, int]], first: int = 1) -> Track:
    """(ms, lat, lon) steps with speed and flags."""
    table = np.array(steps, np.int64)
    count = len(table)
    return Track(
        session_no=np.full(count, 7, np.int64),
        seq=np.arange(first, first + count, dtype=np.int64),
        t_ms=np.cumsum(table[:, 0]),
        lat_e6=50_000_000 + np.cumsum(table[:, 1]),
        lon_e6=10_000_000 + np.cumsum(table[:, 2]),
        speed_cm_s=table[:, 3],
        flags=table[:, 4],
    )


def total(stretches: list[Stretch]) -> tuple[float, float, float, int]:
    """With the leads between neighbours, as the store sums them up."""
    leads = []
    for before, after in pairwise(stretches):
        follows = after.first_seq == before.last_seq + 1 and not after.broken_before
        leads.append((lead(before.end, after.start, after.first_speed_cm_s, []) if follows else None) or Lead())
    parts: list[Stretch | Lead] = [*stretches, *leads]
    return (
        sum(part.driven_m for part in parts),
        sum(part.moving_s for part in parts),
        sum(part.standing_s for part in parts),
        sum(stretch.fixes for stretch in stretches),
    )


step = st.tuples(
    st.integers(1, 60_000),
    st.integers(-900, 900),
    st.integers(-900, 900),
    st.sampled_from([NONE, 0, 49, 50, 1_500]),
    st.sampled_from([0, 0, 0, 0, GAP_BEFORE]),
)


@given(st.lists(step, min_size=1, max_size=60), st.lists(st.integers(0, 3_600_000), max_size=5))
@settings(max_examples=150, deadline=None)
def test_cutting_changes_no_sum(steps: list[tuple[int, int, int, int, int]], edges_ms: list[int]) -> None:
    whole = list(cut(track(steps), [], []))
    pieces = list(cut(track(steps), [], sorted(edges_ms)))
    assert total(pieces) == pytest.approx(total(whole))
    assert total(whole)[3] == len(steps)


def test_no_line_through_what_the_van_told() -> None:
    there = track([(1000, 90, 0, 1_000, 0)] * 10)
    [before, after] = cut(there, [(5_200, 5_200)], [])
    assert (before.last_seq, after.first_seq, after.broken_before) == (5, 6, True)
    assert lead(before.end, after.start, after.first_speed_cm_s, [(5_200, 5_200)]) is None


def test_a_number_that_is_there_twice_counts_once() -> None:
    there = track([(1000, 90, 0, 1_000, 0)] * 5)
    twice = there.where(np.array([0, 1, 1, 2, 3, 4]))
    [stretch] = cut(twice, [], [])
    assert stretch.fixes == 5
    assert stretch.driven_m == pytest.approx(40, abs=0.1)


def test_a_clock_that_stands_or_goes_back_breaks_the_line() -> None:
    stretches = list(cut(track([(1000, 90, 0, 1_000, 0), (0, 90, 0, 1_000, 0), (-5_000, 0, 0, 0, 0), (1000, 0, 0, 0, 0)]), [], []))
    assert [stretch.fixes for stretch in stretches] == [1, 1, 2]


def test_numbers_that_are_missing_break_the_line() -> None:
    there = track([(1000, 90, 0, 1_000, 0)] * 6)
    [before, after] = cut(there.where(there.seq != 3), [], [])
    assert (before.last_seq, after.first_seq, after.broken_before) == (2, 4, True)
