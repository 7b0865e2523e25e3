"""Business time on the unit."""

from __future__ import annotations

import time

from roundsman_agent.clock import Clock
from roundsman_core.timebase import TimeBase


def test_in_life_the_clock_is_the_systems() -> None:
    began_s, before_ms = time.monotonic(), time.time() * 1000
    clock = Clock()
    assert before_ms - 2_000 < clock.utc_ms() < time.time() * 1000 + 2_000
    assert 0 <= clock.mono_ms() <= (time.monotonic() - began_s) * 1000 + 1


def test_a_pretend_world_runs_both_clocks_faster() -> None:
    now_ms = round(time.time() * 1000)
    clock = Clock(base=TimeBase(origin_real_ms=now_ms, origin_utc_ms=1_600_000_000_000, factor=1000.0))
    first, mono_ms = clock.utc_ms(), clock.mono_ms()
    deadline = time.monotonic() + 5
    while clock.mono_ms() - mono_ms < 20_000 and time.monotonic() < deadline:
        pass
    passed_ms = clock.utc_ms() - first
    assert 15_000 <= passed_ms <= 5_000_000
    assert 1_600_000_000_000 - 1_000 <= first <= 1_600_000_000_000 + 5_000_000
