"""One van of the pretend world: its body, its receiver, the real agent in it, and its driver."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from roundsman_sim.clock import WorldClock
from roundsman_sim.driver import Driver
from roundsman_sim.feed import Feed
from roundsman_sim.motion import Body
from roundsman_sim.programs import Program
from roundsman_sim.proxy import Proxy
from roundsman_sim.receiver import Receiver, Truth
from roundsman_sim.screen import Screen

EPOCH_MS = 1_000
"""Receivers speak once a business second."""


@dataclass(kw_only=True, eq=False)
class Van:
    """One van.

    Attributes
    ----------
    store : Path
        Folder of the agent's log.
    link : Proxy
        The mobile network between this van and the broker.
    epochs_utc_ms : list of int
        Instants at which its receiver had a position.
    first_seen_s : dict
        Stop → real monotonic seconds at which its screen first listed it.
    """

    name: str
    vehicle: str
    body: Body
    receiver: Receiver
    feed: Feed
    agent: Program
    screen: Screen
    driver: Driver
    store: Path
    link: Proxy
    epochs_utc_ms: list[int] = field(default_factory=list)
    first_seen_s: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.screen.changed = self._looked

    def _looked(self, screen: Screen) -> None:
        for stop in screen.stops:
            self.first_seen_s.setdefault(stop, time.monotonic())

    def tick(self, utc_ms: int) -> None:
        """One business second: the van moves on, its receiver says where it thinks it is."""
        self.body.advance(EPOCH_MS / 1000)
        truth = Truth(utc_ms=utc_ms, position=self.body.position, speed_mps=self.body.speed_mps, heading_deg=self.body.heading_deg)
        epoch = self.receiver.listen(truth)
        if epoch.position is not None:
            self.epochs_utc_ms.append(utc_ms)
        self.feed.send(epoch.sentences)

    async def close(self) -> None:
        """End its agent, then what it was plugged into."""
        await self.agent.stop()
        await self.screen.close()
        await self.feed.stop()
        await self.link.stop()


async def heartbeat(vans: Sequence[Van], clock: WorldClock) -> None:
    """Let the world live, a business second after the other, until cancelled. A busy machine makes it late, never leaves a second out."""
    following_ms = math.ceil(clock.utc_ms() / EPOCH_MS) * EPOCH_MS
    while True:
        while following_ms <= clock.utc_ms():
            for van in vans:
                van.tick(following_ms)
            following_ms += EPOCH_MS
            await asyncio.sleep(0)
        await clock.sleep((following_ms - clock.utc_ms()) / 1000)


def anywhere(vans: Iterable[Van], stop: str) -> Van | None:
    """The van whose screen lists a stop."""
    return next((van for van in vans if stop in van.screen.stops), None)
