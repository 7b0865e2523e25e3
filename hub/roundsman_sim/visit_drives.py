"""Pretend rounds whose truth is known to the second: for measuring visits and fences. Shares no code with the rooms that it measures.

A van follows streets with lights, queues, neighbours and doors; a receiver listens to it in the open or between high houses. Everything
that must be told apart happens here: reds and queues inside a stop's fence, stops that are driven by, a stop at a neighbour's, two
orders in one building, two doors forty metres apart, a driver who leaves early and comes back, parking thirty metres off.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from roundsman_core.geo import LatLon, LocalFrame

START_UTC_MS: Final = 1_780_000_000_000
FENCE_M: Final = 60.0
"""What the hub plans with."""
JUNCTION_EVERY_M: Final = 130.0
LIGHT_SHARE: Final = 0.35
RED_SHARE: Final = 0.4
STEP_S: Final = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class TruePlace:
    """Where the van was at a whole second, and how fast."""

    t_s: int
    east_m: float
    north_m: float
    speed_mps: float


@dataclass(frozen=True, kw_only=True, slots=True)
class TrueVisit:
    """The van stood for these orders (none: at a neighbour's) from when its wheels stopped to when they turned again."""

    orders: tuple[str, ...]
    arrived_s: float
    left_s: float
    tapped_s: float | None = None
    engine_off: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """A planned stop: its address's point, which is a house and no kerb."""

    order: str
    east_m: float
    north_m: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """What the receiver said of a second; nothing where it saw too little sky."""

    t_s: int
    east_m: float
    north_m: float
    speed_mps: float


@dataclass(kw_only=True, slots=True)
class Round:
    """One driver's round: the plan in driving order, what happened, what the receiver said. `ignition`: the unit hears the key."""

    seed: int
    canyon: bool
    ignition: bool
    frame: LocalFrame
    orders: list[Order] = field(default_factory=list)
    path: list[TruePlace] = field(default_factory=list)
    visits: list[TrueVisit] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)


def drive(seed: int, *, stops: int = 18) -> Round:
    """A round; the same for the same seed."""
    rng = random.Random(seed)
    made = Round(seed=seed, canyon=rng.random() < 0.3, ignition=rng.random() < 0.25, frame=LocalFrame(LatLon(60.17, 24.94)))
    wheel = _Wheel(rng, made)
    wheel.park(rng.uniform(60, 200), ())  # the yard, engine on
    for number in range(stops):
        _street(wheel, rng)
        if rng.random() < 0.25:
            _driven_by(wheel, rng)
        if rng.random() < 0.1:  # a stop at a neighbour's: beyond the fence, a wrong address
            wheel.along(rng.uniform(60, 120))
            wheel.park(rng.uniform(40, 200), ())
            wheel.along(rng.uniform(85, 130))
        _stop(wheel, rng, f"o_{number}")
    _street(wheel, rng)
    wheel.park(rng.uniform(60, 120), ())
    for number in range(len(made.orders) - 1):
        if rng.random() < 0.06:  # the driver knows better than the plan
            made.orders[number : number + 2] = reversed(made.orders[number : number + 2])
    for number, house in enumerate(wheel.never):
        wheel.order(f"never_{number}", house)
    made.heard = _listen(made, rng)
    return made


# ── what a driver does ──────────────────────────────────────────────────────────────────────────────────────────────


def _stop(wheel: _Wheel, rng: random.Random, name: str) -> None:
    """Come to a door, serve it, and whatever may be odd about that."""
    wheel.along(rng.uniform(15, 60))
    odd = rng.random()
    doors = [name]
    house = wheel.house(rng)
    if odd < 0.1:  # two orders in one building
        doors.append(f"{name}b")
        wheel.order(doors[0], house)
        wheel.order(doors[1], (house[0] + rng.uniform(-4, 4), house[1] + rng.uniform(-4, 4)))
    else:
        wheel.order(name, house)
    if rng.random() < 0.12:  # no room at the kerb: past the door, and a walk back
        wheel.along(rng.uniform(22, 42))
    service_s = max(22.0, min(rng.lognormvariate(math.log(75), 0.6), 600.0)) * len(doors)
    if odd > 0.95:  # leaves early, turns round, comes back
        wheel.park(rng.uniform(30, 70), tuple(doors), tap=False)
        wheel.along(rng.uniform(140, 220))
        wheel.turn_round()
        back = wheel.behind_m
        wheel.along(back)
        wheel.park(service_s, tuple(doors))
        wheel.turn_round()
        return
    if rng.random() < 0.08:  # a shunt in the gap
        wheel.park(service_s, tuple(doors), shunt=True)
    else:
        wheel.park(service_s, tuple(doors))
    if 0.1 <= odd < 0.18:  # the next door, some houses on: it is the next stop
        wheel.along(rng.uniform(35, 60))
        wheel.order(f"{name}n", wheel.house(rng))
        wheel.park(max(25.0, rng.lognormvariate(math.log(60), 0.5)), (f"{name}n",))


def _street(wheel: _Wheel, rng: random.Random) -> None:
    """Some blocks of road: bends, lights, queues."""
    left_m = rng.uniform(250, 900)
    while left_m > 0:
        block_m = rng.uniform(0.6, 1.4) * JUNCTION_EVERY_M
        left_m -= block_m
        if rng.random() < LIGHT_SHARE and rng.random() < RED_SHARE:
            short_m = rng.uniform(8, 40) if rng.random() < 0.3 else 0.0
            wheel.along(max(block_m - short_m, 5.0))
            red_s = rng.choices([rng.uniform(3, 40), rng.uniform(40, 75), rng.uniform(75, 95)], [70, 25, 5])[0]
            wheel.wait(red_s)
            if short_m > 6:  # from the tail of the queue to the line, or through
                wheel.along(short_m, cruise_mps=rng.uniform(2, 5))
                if rng.random() < 0.3:
                    wheel.wait(rng.uniform(3, 30))
        else:
            wheel.along(block_m, end_mps=rng.uniform(3, 7))
        if rng.random() < 0.3:
            wheel.bend()
    if rng.random() < 0.1:
        wheel.along(rng.uniform(20, 40))
        for _ in range(rng.randint(4, 10)):
            wheel.wait(rng.uniform(4, 40))
            wheel.along(rng.uniform(6, 25), cruise_mps=rng.choice([0.8, 2.0, 4.0]))


def _driven_by(wheel: _Wheel, rng: random.Random) -> None:
    """A door of somebody who is never served today: driven by, or waited before in traffic."""
    wheel.along(rng.uniform(20, 60), end_mps=6.0)
    wheel.never.append(wheel.house(rng))
    if rng.random() < 0.3:
        wheel.along(rng.uniform(5, 40))
        wheel.wait(rng.choices([rng.uniform(3, 40), rng.uniform(40, 75)], [75, 25])[0])
    wheel.along(rng.uniform(80, 160), end_mps=6.0)


class _Wheel:
    """The van on the plane: `along` drives, `wait` stands in traffic, `park` stops."""

    def __init__(self, rng: random.Random, made: Round) -> None:
        self.rng, self.made = rng, made
        self.t_s = 0.0
        self.east_m = self.north_m = 0.0
        self.heading_deg = rng.choice([0.0, 90.0])
        self.behind_m = 0.0
        self.speed_mps = 0.0
        self.never: list[tuple[float, float]] = []

    def house(self, rng: random.Random) -> tuple[float, float]:
        """A house's point beside the road, near where the van is."""
        on_m, aside_m = rng.uniform(-10, 10), rng.choice([-1, 1]) * rng.uniform(8, 20)
        return self._ahead(on_m, aside_m)

    def order(self, name: str, at: tuple[float, float]) -> None:
        self.made.orders.append(Order(order=name, east_m=at[0], north_m=at[1]))

    def bend(self) -> None:
        """North becomes east and east north: a round that never crosses itself, so that each house has one road."""
        self.heading_deg = 90.0 - self.heading_deg

    def turn_round(self) -> None:
        self.heading_deg = (self.heading_deg + 180) % 360

    def along(self, length_m: float, cruise_mps: float | None = None, end_mps: float = 0.0) -> None:
        """Drive on: to a standstill at a line or a kerb, or through a corner at `end_mps`."""
        cruise = cruise_mps or self.rng.uniform(7, 14)
        up, down = self.rng.uniform(1.1, 2.0), self.rng.uniform(1.4, 2.4)
        self.behind_m = length_m
        done_m = 0.0
        while done_m < length_m - 0.02:
            left_m = length_m - done_m
            wanted = min(cruise, max(math.sqrt(end_mps**2 + 2 * down * left_m), 0.3))
            if self.speed_mps < wanted:
                self.speed_mps = min(self.speed_mps + up * STEP_S, wanted)
            else:
                self.speed_mps = max(wanted, self.speed_mps - 1.5 * down * STEP_S)
            done_m += self.speed_mps * STEP_S
            self._tick()
        if not end_mps:
            self.speed_mps = 0.0

    def wait(self, seconds: float) -> None:
        """Stand in traffic."""
        for _ in range(round(seconds / STEP_S)):
            self._tick()

    def park(self, seconds: float, orders: tuple[str, ...], *, tap: bool = True, shunt: bool = False) -> None:
        """Stand for somebody."""
        arrived_s = self.t_s
        rng = self.rng
        if shunt:
            self.wait(seconds / 2)
            self.along(rng.uniform(3, 6), cruise_mps=2.0)
            self.wait(seconds / 2)
        else:
            self.wait(seconds)
        word = rng.random()
        tapped_s = None
        if tap and orders and word < 0.8:
            tapped_s = arrived_s + seconds * rng.uniform(0.6, 1.0)
        elif tap and orders and word < 0.9:
            tapped_s = self.t_s + rng.uniform(30, 120)
        off = self.made.ignition and bool(orders) and rng.random() < 0.7 and not shunt
        self.made.visits.append(TrueVisit(orders=orders, arrived_s=arrived_s, left_s=self.t_s, tapped_s=tapped_s, engine_off=off))

    def _tick(self) -> None:
        speed_mps = self.speed_mps
        self.t_s += STEP_S
        heading = math.radians(self.heading_deg)
        self.east_m += speed_mps * STEP_S * math.sin(heading)
        self.north_m += speed_mps * STEP_S * math.cos(heading)
        if int(self.t_s + 1e-6) > len(self.made.path) - 1:
            self.made.path.append(TruePlace(t_s=len(self.made.path), east_m=self.east_m, north_m=self.north_m, speed_mps=speed_mps))

    def _ahead(self, on_m: float, aside_m: float) -> tuple[float, float]:
        heading = math.radians(self.heading_deg)
        east, north = math.sin(heading), math.cos(heading)
        return self.east_m + on_m * east + aside_m * north, self.north_m + on_m * north - aside_m * east


# ── what a receiver makes of it ─────────────────────────────────────────────────────────────────────────────────────

OPEN: Final = (1.5, 40.0, 0.05, 0.0, 0.0)
CANYON: Final = (5.0, 30.0, 0.2, 1 / 400, 1 / 900)
"""Sigma of the wandering error (m, each axis), how long it persists (s), Doppler noise (m/s), reflections and drop-outs a second.
Between high houses a parked receiver's fixes wandered 62 m in a recorded log, and single jumps of 200 m happen."""


def _listen(made: Round, rng: random.Random) -> list[Heard]:
    sigma_m, keep_s, doppler_mps, reflections, drops = CANYON if made.canyon else OPEN
    keep = math.exp(-1 / keep_s)
    push = sigma_m * math.sqrt(1 - keep * keep)
    error = [rng.gauss(0, sigma_m), rng.gauss(0, sigma_m)]
    pulled, aim, pull_s, silent_s = [0.0, 0.0], (0.0, 0.0), 0.0, 0.0
    heard = []
    noise: Callable[[float], float] = lambda sigma: rng.gauss(0, sigma)  # noqa: E731
    for place in made.path:
        error = [axis * keep + noise(push) for axis in error]
        pull_s, silent_s = pull_s - 1, silent_s - 1
        if pull_s <= 0 and rng.random() < reflections:
            angle, far_m = rng.uniform(0, 2 * math.pi), rng.uniform(8, 25)
            aim, pull_s = (far_m * math.cos(angle), far_m * math.sin(angle)), rng.uniform(15, 60)
        elif pull_s <= 0 or place.speed_mps > 4:
            aim = (0.0, 0.0)
        pulled = [axis + (goal - axis) * 0.15 for axis, goal in zip(pulled, aim, strict=True)]
        if silent_s <= 0 and rng.random() < drops:
            silent_s = rng.uniform(4, 35)
        if silent_s > 0:
            continue
        speed = abs(place.speed_mps + noise(doppler_mps)) + (rng.uniform(0.5, 1.5) if reflections and rng.random() < 0.01 else 0.0)
        jump_m = 200.0 if reflections and rng.random() < 1 / 2_000 else 0.0
        heard.append(
            Heard(
                t_s=place.t_s,
                east_m=place.east_m + error[0] + pulled[0] + jump_m + noise(0.1),
                north_m=place.north_m + error[1] + pulled[1] + noise(0.1),
                speed_mps=speed,
            )
        )
    return heard
