"""A driver does what the screen says, and what drivers do besides."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Any

import pytest

from roundsman_core.geo import LatLon, LocalFrame, distance_m
from roundsman_core.timebase import TimeBase
from roundsman_sim.clock import WorldClock
from roundsman_sim.driver import Driver, Temper
from roundsman_sim.motion import Body
from roundsman_sim.screen import Outcome, Screen

FRAME = LocalFrame(LatLon(48.0, -20.0))
FACTOR = 900.0
STEADY = Temper(pace=1.0, service=1.0, forgets_arrival=0.0, fails=0.0, mistaps=0.0)


class Paper(Screen):
    """A screen on paper: keeps the round itself, and every tap with its business time."""

    def __init__(self, clock: WorldClock, stops: Sequence[tuple[str, float, float]]) -> None:
        super().__init__("http://127.0.0.1:9")
        self.clock = clock
        self.left = list(stops)
        self.taps: list[tuple[str, str]] = []
        self.undone: list[str] = []
        self.window_start_utc_ms = 0
        self._draw()

    def _draw(self) -> None:
        shown: list[dict[str, Any]] = [
            {
                "stop": name,
                "lat_e6": FRAME.to_latlon(east, north).lat_e6,
                "lon_e6": FRAME.to_latlon(east, north).lon_e6,
                "parcels": 1,
                "phase": "driving",
                "window_start_utc_ms": self.window_start_utc_ms,
            }
            for name, east, north in self.left
        ]
        self.state = {"next": shown[0] if shown else None, "following": shown[1:]}

    def replace(self, stops: Sequence[tuple[str, float, float]]) -> None:
        self.left = list(stops)
        self._draw()

    async def duty(self, duty: str, driver: str | None = None) -> bool:
        self.taps.append(("", duty))
        return True

    async def act(self, stop: str, outcome: Outcome, reason: str | None = None) -> str | None:
        self.taps.append((stop, outcome))
        if outcome != "arrived":
            self._done = [entry for entry in self.left if entry[0] == stop]
            self.left = [entry for entry in self.left if entry[0] != stop]
            self._draw()
        return f"tap-{len(self.taps)}"

    async def undo(self, action: str) -> bool:
        self.undone.append(action)
        self.left = [*self._done, *self.left]
        self._draw()
        return True


async def straight(a: LatLon, b: LatLon) -> tuple[Sequence[LatLon], float]:
    return [a, b], distance_m(a, b) / 8


async def play(
    stops: Sequence[tuple[str, float, float]], temper: Temper = STEADY, change: Any = None, start_early_s: float = 0.0
) -> tuple[Paper, Body]:
    """A driver's day until no stop is left and the van is home."""
    base = TimeBase(origin_real_ms=round(time.time() * 1000), origin_utc_ms=1_790_000_000_000, factor=FACTOR)
    clock = WorldClock(base)
    home = FRAME.to_latlon(0, 0)
    body, screen = Body(home, 1), Paper(clock, stops)
    if start_early_s:
        screen.window_start_utc_ms = clock.utc_ms() + round(start_early_s * 1000)
        screen._draw()
    driver = Driver(
        name="Ada", driver="d_1", screen=screen, body=body, clock=clock, route=straight, home=home, temper=temper, rng=random.Random(3)
    )
    day = asyncio.create_task(driver.day(clock.utc_ms()))
    deadline = time.monotonic() + 90
    seconds_ms = clock.utc_ms()
    while (screen.left or not body.parked or distance_m(body.position, home) > 60) or not driver.on_duty:
        assert time.monotonic() < deadline
        if day.done():
            day.result()
        while seconds_ms < clock.utc_ms():
            seconds_ms += 1_000
            body.advance(1.0)
            if change is not None:
                change(screen, body)
        await asyncio.sleep(0.001)
    day.cancel()
    await screen.close()
    return screen, body


def test_driver_serves_the_screen_from_top_to_bottom_and_comes_home() -> None:
    screen, _ = asyncio.run(play([("a", 400, 0), ("b", 400, 300), ("c", -200, 100)]))
    assert screen.taps[0] == ("", "on")
    assert screen.taps[1:] == [(stop, tap) for stop in "abc" for tap in ("arrived", "delivered")]


def test_driver_who_is_given_another_next_stop_on_the_way_goes_there_instead() -> None:
    def change(screen: Paper, body: Body) -> None:
        if not screen.taps[1:] and screen.left[0][0] == "a" and distance_m(body.position, FRAME.to_latlon(0, 0)) > 150:
            screen.replace([("urgent", 0, 400), ("a", 900, 0)])

    screen, _ = asyncio.run(play([("a", 900, 0)], change=change))
    assert [stop for stop, tap in screen.taps if tap == "delivered"] == ["urgent", "a"]
    assert [stop for stop, tap in screen.taps if tap == "arrived"] == ["urgent", "a"]


def test_driver_waits_for_the_window_before_handing_over() -> None:
    tapped: list[int] = []

    def change(screen: Paper, body: Body) -> None:
        if screen.taps and screen.taps[-1][1] == "delivered" and not tapped:
            tapped.append(screen.clock.utc_ms())

    screen, _ = asyncio.run(play([("a", 300, 0)], change=change, start_early_s=1_200))
    assert tapped[0] >= screen.window_start_utc_ms


@pytest.mark.parametrize(("temper", "expected"), [("fails", "failed"), ("mistaps", "delivered")])
def test_driver_fails_stops_and_takes_mistaps_back(temper: str, expected: str) -> None:
    unlucky = Temper(pace=1.0, service=1.0, forgets_arrival=1.0, fails=float(temper == "fails"), mistaps=float(temper == "mistaps"))
    screen, _ = asyncio.run(play([("a", 200, 0)], unlucky))
    assert screen.taps[-1] == ("a", expected)
    assert len(screen.undone) == (temper == "mistaps")
