"""Hours of the week."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, strategies as st

from roundsman_hub.roads.bands import NAMES, band_at, bands_ahead


@given(st.datetimes())
def test_every_instant_has_one_band(local: datetime) -> None:
    assert band_at(local) in NAMES


def test_a_plan_is_told_only_of_the_bands_that_differ() -> None:
    monday = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
    assert bands_ahead(monday, "UTC", hours=6, known=frozenset()) == ((0, ""),)
    assert bands_ahead(monday, "UTC", hours=6, known={"morning"}) == ((0, ""), (1_800, "morning"), (12_600, ""))


def test_bands_follow_the_clocks_on_the_wall() -> None:
    """On 29 March 2026 Berlin's clocks go from 2 to 3: the day begins an hour sooner."""
    before = datetime(2026, 3, 29, 0, 0, tzinfo=UTC)  # 1 o'clock there
    ahead = bands_ahead(before, "Europe/Berlin", hours=10, known={"free_day"})
    assert ahead == ((0, ""), (6 * 3_600, "free_day"))


@given(st.integers(0, 10**7), st.sets(st.sampled_from(NAMES)))
def test_bands_begin_now_and_in_order(later_s: int, known: set[str]) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=later_s)
    ahead = bands_ahead(now, "Europe/Berlin", hours=36, known=known)
    starts = [start for start, _ in ahead]
    assert starts[0] == 0
    assert starts == sorted(set(starts))
    assert all(a[1] != b[1] for a, b in pairwise(ahead))
