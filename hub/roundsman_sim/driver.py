"""A driver's day: follows the plan on their own van's screen, drives, parks, serves, taps; is slow, forgets, fails, mistaps and undoes."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from roundsman_core.geo import LatLon, distance_m
from roundsman_sim.clock import WorldClock
from roundsman_sim.motion import Body
from roundsman_sim.screen import Screen

Route = Callable[[LatLon, LatLon], Awaitable[tuple[Sequence[LatLon], float]]]
"""From, to → the road to drive and the seconds it takes."""

REASONS: Final = ("nobody home", "refused", "damaged", "wrong address", "closed")
LOOKS_EVERY_S: Final = 1.0
PARKS_WITHIN_M: Final = 60.0
WALK_MPS: Final = 1.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Temper:
    """How one driver differs from the plan. Shares are of stops."""

    pace: float
    """Their driving time over the road network's."""
    service: float
    """Their service time over the planned one."""
    forgets_arrival: float = 0.15
    fails: float = 0.06
    mistaps: float = 0.03
    declines: float = 0.1
    """Share of changed plans, where the screen asks, that they say no to."""

    @classmethod
    def drawn(cls, rng: random.Random) -> Temper:
        """A temper from the usual spread."""
        return cls(pace=rng.uniform(0.92, 1.12), service=rng.uniform(0.8, 1.15))


def service_s(parcels: int) -> int:
    """What the planner is told that a stop takes: a minute at the door, and each parcel's way from the van."""
    return 50 + 20 * parcels


@dataclass(kw_only=True, eq=False)
class Driver:
    """One driver in one van.

    Attributes
    ----------
    name, driver : str
        What colleagues say, and the hub's id.
    body : Body
        The van; somebody else advances it.
    home : LatLon
        The depot: where the day ends.
    aim : str or None
        Stop being driven to or served.
    wants_break_s : float
        A break of that length is taken after the stop in hand.
    refused : list of str
        Taps that the screen did not take.
    """

    name: str
    driver: str
    screen: Screen
    body: Body
    clock: WorldClock
    route: Route
    home: LatLon
    temper: Temper
    rng: random.Random
    aim: str | None = None
    on_duty: bool = False
    wants_break_s: float = 0.0
    refused: list[str] = field(default_factory=list)

    async def day(self, starts_ms: int) -> None:
        """From the first look at the screen to the last stop and home; waits there for more, until cancelled.

        Parameters
        ----------
        starts_ms : int
            Business instant of the shift's start; the driver comes when it is reached and a plan is there.
        """
        while self.clock.utc_ms() < starts_ms or not self.screen.stops:
            await self.clock.sleep(LOOKS_EVERY_S)
        while not await self.screen.duty("on", self.driver):
            await self.clock.sleep(5)
        self.on_duty = True
        await self.clock.sleep(self.rng.uniform(20, 60))  # gets in, buckles up
        while True:
            if self.screen.state.get("offer"):
                await self.screen.answer_offer(self.rng.random() >= self.temper.declines)
            stop = self.screen.next
            if stop is None:
                await self._go_home()
            elif await self._drive_to(stop):
                await self._serve(stop)
            if self.wants_break_s > 0:
                await self._rest()

    async def _drive_to(self, stop: dict[str, Any]) -> bool:
        """Drive until parked near the stop; False when the screen shows another next stop on the way."""
        name = str(stop["stop"])
        self.aim = name
        at = LatLon.from_e6(stop["lat_e6"], stop["lon_e6"])
        await self._set_out(at)
        while not self.body.parked:
            await self.clock.sleep(LOOKS_EVERY_S)
            if self.screen.next_stop != name:
                self.aim = None
                return False
        return self.screen.next_stop == name

    async def _set_out(self, to: LatLon) -> None:
        geometry, duration_s = await self.route(self.body.position, to)
        if not geometry or distance_m(geometry[-1], to) > PARKS_WITHIN_M:
            geometry = [*geometry, to]  # the last metres are a yard that no map knows
        self.body.drive(geometry, duration_s * self.temper.pace)

    async def _serve(self, stop: dict[str, Any]) -> None:
        """At the door: tap, wait for the window, hand over, tap. At a depot or charger: load or charge, tap."""
        rng, name = self.rng, str(stop["stop"])
        if (call := stop.get("call")) is not None:
            await self.clock.sleep(call["service_s"] * self.temper.service)
            while not await self.screen.call_over(name, "loaded" if call["kind"] == "load" else "charged"):
                await self.clock.sleep(4)
            await self._left_the_screen(name)
            return
        await self.clock.sleep(rng.uniform(4, 12))
        if rng.random() >= self.temper.forgets_arrival and stop.get("phase") != "arrived":
            await self._tap(name, "arrived")
        early_s = ((stop.get("window_start_utc_ms") or 0) - self.clock.utc_ms()) / 1000
        if early_s > 0:
            await self.clock.sleep(early_s)
        walk_s = 2 * distance_m(self.body.position, LatLon.from_e6(stop["lat_e6"], stop["lon_e6"])) / WALK_MPS
        planned_s = service_s(stop.get("parcels") or 1)
        await self.clock.sleep(max(25.0, min(walk_s, 60.0) * 0.3 + planned_s * self.temper.service * rng.lognormvariate(0, 0.25)))
        if rng.random() < self.temper.mistaps:
            await self._mistap(name)
        if rng.random() < self.temper.fails:
            await self._tap(name, "failed", rng.choice(REASONS))
        else:
            await self._tap(name, "delivered")
        await self._left_the_screen(name)

    async def _left_the_screen(self, name: str) -> None:
        self.aim = None
        patience_s = 60.0
        while self.screen.next_stop == name and patience_s > 0:  # until the screen has taken it; then it shows the stop no more
            await self.clock.sleep(LOOKS_EVERY_S)
            patience_s -= LOOKS_EVERY_S

    async def _mistap(self, stop: str) -> None:
        """The wrong button, noticed at once."""
        action = await self.screen.act(stop, "failed", self.rng.choice(REASONS))
        await self.clock.sleep(self.rng.uniform(3, 8))
        if action is not None and not await self.screen.undo(action):
            self.refused.append(f"undo of {stop}")

    async def _tap(self, stop: str, outcome: Any, reason: str | None = None) -> None:
        """Tap until the screen takes it, as anyone does whose tap did nothing."""
        for _ in range(5):
            if await self.screen.act(stop, outcome, reason) is not None:
                return
            self.refused.append(f"{outcome} of {stop}")
            await self.clock.sleep(4)

    async def _go_home(self) -> None:
        """Nothing left: back to the depot, unless something comes on the way."""
        if distance_m(self.body.position, self.home) > PARKS_WITHIN_M:
            await self._set_out(self.home)
        while self.screen.next is None and self.wants_break_s <= 0:
            await self.clock.sleep(LOOKS_EVERY_S)

    async def _rest(self) -> None:
        """A break, taken where the van stands."""
        rest_s, self.wants_break_s = self.wants_break_s, 0.0
        if await self.screen.duty("break", self.driver):
            await self.clock.sleep(rest_s)
            while not await self.screen.duty("on", self.driver):
                await self.clock.sleep(5)
