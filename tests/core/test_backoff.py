"""Trying again: patiently, for as long as it takes, and not all at once."""

from __future__ import annotations

from hypothesis import given, strategies as st

from roundsman_core.backoff import pause_s


@given(st.integers(0, 10**6), st.floats(0, 1))
def test_no_number_of_failures_is_too_many(failures: int, chance: float) -> None:
    """A van that stood a week without a network: 2 to the number of its attempts is more than a float can hold."""
    assert 0.25 <= pause_s(failures, 0.5, 60.0, chance) <= 60.0


def test_pauses_grow_to_their_limit_and_differ() -> None:
    assert [pause_s(n, 0.5, 60.0, 1.0) for n in (1, 2, 3, 7, 8, 9)] == [0.5, 1.0, 2.0, 32.0, 60.0, 60.0]
    assert pause_s(9, 0.5, 60.0, 0.0) == 30.0
