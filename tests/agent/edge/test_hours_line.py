"""The driver's hours of service on the screen: what the plan said, counted on by the unit alone, and kept over a restart."""

from __future__ import annotations

import time
from typing import Any

import pytest

from roundsman_agent.pipeline import Position
from roundsman_core.geo import LatLon
from roundsman_wire.messages import HoursLeft

H = 3_600


def told(van: Any, hub: Any, version: int = 1) -> None:
    """A plan of an hour ago, with four hours until a break then."""
    at = van.daemon.unit.clock.utc_ms() - 1000 * H
    left = HoursLeft(rule="eu_561", to_break_s=4 * H, driving_s=8 * H, duty_s=10 * H, at_utc_ms=at)
    van.give("plan", hub.seal(hub.plan(version, "o_1", "o_2", hours=left)))


def fix(van: Any, speed_mps: float) -> None:
    """One that stays new for as long as a test may take."""
    unit = van.daemon.unit
    unit.position = Position(
        mono_ms=unit.clock.mono_ms() + 600_000, utc_ms=unit.clock.utc_ms(), position=LatLon(37.40, -122.09), speed_mps=speed_mps,
        heading_deg=None, accuracy_m=None, anchored=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("duty", "speed_mps", "left"),
    [("on", 9.0, (3 * H, 7 * H, 9 * H)), ("on", 0.0, (4 * H, 8 * H, 9 * H)), ("break", 0.0, (16_200, 8 * H, 9 * H))],
    ids=["driving", "at a stop", "on a break of 45 minutes and more"],
)
def test_the_hours_run_on_without_the_hub(start: Any, hub: Any, duty: str, speed_mps: float, left: tuple[int, int, int]) -> None:
    van = start()
    van.post("/api/duty", {"duty": "on", "driver": "d_1"})
    if duty != "on":
        van.post("/api/duty", {"duty": duty, "driver": "d_1"})
    fix(van, speed_mps)
    told(van, hub)  # last: the unit looks by itself, too, and would count the hour as whatever it saw until then
    running = van.daemon.unit.rounds.hours()
    assert running is not None
    clocks = running.clocks
    shown = (clocks.to_break_s, clocks.driving_s, clocks.duty_s)
    assert all(abs(a - b) <= 600 for a, b in zip(shown, left, strict=True)), shown  # an hour apart, and a machine takes its time


def test_the_screen_shows_them_and_a_restart_does_not_start_anew(start: Any, hub: Any, wait: Any) -> None:
    van = start()
    van.post("/api/duty", {"duty": "on", "driver": "d_1"})
    assert van.screen()["hours"] is None
    told(van, hub)
    shown = wait(lambda: van.screen()["hours"], "the hours on the screen")
    assert (shown["rule"], shown["drivable_s"]) == ("eu_561", min(shown["to_break_s"], shown["driving_s"], shown["duty_s"]))
    fix(van, 9.0)
    kept_s = time.monotonic()
    van.daemon.unit.rounds._keep_hours()
    kept = van.daemon.unit.inbox.clocks
    assert kept is not None
    van.stop()
    again = start()
    assert again.daemon.unit.inbox.clocks == kept
    running = again.daemon.unit.rounds.hours()
    assert running is not None
    assert running.clocks.driving_s <= kept.clocks.driving_s
    assert running.clocks.driving_s >= kept.clocks.driving_s - (time.monotonic() - kept_s) - 2
