"""A unit without a clock battery: its system wakes in 1970, and its log is in order all the same."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from roundsman_agent import clock
from roundsman_agent.fix import Fix
from roundsman_agent.times import GnssMs
from roundsman_core.geo import LatLon

Start = Callable[..., Any]
WOKEN_MS = 40_000.0
NOW_UTC_MS = 1_795_000_000_000


def test_a_unit_without_a_clock_battery_still_orders_its_log(
    start: Start, wait: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invariant: order is (session chain, seq), never a clock's; a date is written once a receiver has told one, no false one before."""
    began_s = time.monotonic()
    monkeypatch.setattr(clock, "_real_utc_ms", lambda: WOKEN_MS + (time.monotonic() - began_s) * 1000)
    van = start()
    van.post("/api/duty", {"duty": "on", "driver": "Ada"})
    first = wait(lambda: van.facts("duty"), "the shift begins")[0]
    assert first.utc_ms is None, "1970 is nobody's date"

    def fix() -> None:
        unit = van.daemon.unit
        mono_ms = unit.clock.mono_ms()
        unit.receive(Fix(mono_ms=mono_ms, utc_ms=GnssMs(NOW_UTC_MS + mono_ms), position=LatLon(60.0, 24.0), speed_mps=0.0))

    van.loop.call_soon_threadsafe(fix)
    wait(lambda: van.facts("clock"), "the receiver tells the date")
    van.post("/api/duty", {"duty": "break", "driver": "Ada"})
    second = wait(lambda: van.facts("duty")[1:], "the break begins")[0]
    assert abs(second.utc_ms - NOW_UTC_MS - second.mono_ms) < 2_000
    session = van.daemon.outbox.session
    van.stop()

    again = start()
    started = again.facts("session")
    assert [entry.previous for entry in started] == [None, session], "the next start names the one before, whatever the clocks say"
    kinds = [entry.duty for entry in again.facts("duty")]
    assert kinds == ["on", "break"]
