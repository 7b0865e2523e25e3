"""Business time: real time, or a faster one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from roundsman_core.timebase import TimeBase

many = settings(max_examples=200, deadline=None, database=None)
bases = st.builds(
    TimeBase,
    origin_real_ms=st.integers(0, 2**42),
    origin_utc_ms=st.integers(0, 2**42),
    factor=st.sampled_from([0.5, 1.0, 2.0, 7.25, 30.0, 60.0, 1000.0]),
)


@many
@given(st.integers(0, 2**42))
def test_in_life_business_time_is_real_time(real_ms: int) -> None:
    assert TimeBase().utc_ms(real_ms) == real_ms
    assert TimeBase.parse("") == TimeBase()


def test_a_demo_at_thirty_times_the_speed() -> None:
    base = TimeBase(origin_real_ms=1_000, origin_utc_ms=50_000, factor=30.0)
    assert base.utc_ms(1_000) == 50_000
    assert base.utc_ms(3_000) == 110_000
    assert base.duration_s(2.0) == 60.0
    assert base.real_s(60.0) == 2.0


@many
@given(bases)
def test_a_base_survives_the_command_line(base: TimeBase) -> None:
    assert TimeBase.parse(str(base)) == base


@many
@given(bases, st.integers(0, 2**42), st.integers(0, 10**7))
def test_business_time_never_runs_backwards(base: TimeBase, real_ms: int, later_ms: int) -> None:
    assert base.utc_ms(real_ms + later_ms) >= base.utc_ms(real_ms)


@many
@given(bases, st.floats(0, 1e6))
def test_durations_come_back(base: TimeBase, real_s: float) -> None:
    assert base.real_s(base.duration_s(real_s)) == pytest.approx(real_s)


@pytest.mark.parametrize("text", ["1/2", "1/2/3/4", "a/2/3", "1/2/x", "1/2/0", "1/2/-1", "1/2/1001", "1/2/nan", "1.5/2/1"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        TimeBase.parse(text)
