"""Business time on the unit."""

from __future__ import annotations

import time

from roundsman_agent.clock import Clock
from roundsman_core.timebase import TimeBase


def test_in_life_the_clock_is_the_systems() -> None:
    began_s, before_ms = time.monotonic(), time.time() * 1000
    clock = Clock()
    # A second for a system clock that is set while we look at it.
    assert before_ms - 1_000 < clock.utc_ms() < time.time() * 1000 + 1_000
    assert 0 <= clock.mono_ms() <= (time.monotonic() - began_s) * 1000 + 1


def test_a_pretend_world_runs_both_clocks_faster() -> None:
    """A thousand times as fast: however long the machine took for a step, both went on by a thousand times of it."""
    origin_ms = round(time.time() * 1000)
    clock = Clock(base=TimeBase(origin_real_ms=origin_ms, origin_utc_ms=1_600_000_000_000, factor=1000.0))
    before_s, first_ms, first_mono_ms = time.monotonic(), clock.utc_ms(), clock.mono_ms()
    between_s = time.monotonic()
    while time.monotonic() < between_s + 0.02:
        pass
    later_s, last_ms, last_mono_ms, after_s = time.monotonic(), clock.utc_ms(), clock.mono_ms(), time.monotonic()
    for passed_ms in (last_ms - first_ms, last_mono_ms - first_mono_ms):
        assert 1e6 * (later_s - between_s) - 2_000 <= passed_ms <= 1e6 * (after_s - before_s) + 2_000, "to a millisecond of real time"
    assert 1_600_000_000_000 - 2_000 <= first_ms <= 1_600_000_000_000 + 1000 * (time.time() * 1000 - origin_ms) + 2_000
