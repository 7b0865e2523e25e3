"""The world that a demo or a benchmark plays in. `genesis.py` builds it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from roundsman_core.geo import LatLon, distance_m
from roundsman_hub.roads import RoadNetwork, RoadsError
from roundsman_hub.store.db import Database
from roundsman_sim import SimError
from roundsman_sim.clock import WorldClock
from roundsman_sim.desk import Desk
from roundsman_sim.programs import Program
from roundsman_sim.settings import DemoSettings
from roundsman_sim.town_file import Address
from roundsman_sim.van import Van

T = TypeVar("T")
Say = Callable[[str], None]


@dataclass(kw_only=True, eq=False)
class World:
    """Everything that runs.

    Attributes
    ----------
    hub_file : dict
        What the hub wrote to its hub.json.
    homes : sequence of Address
        Where customers live: all can be reached from the depot by road, and back.
    tablets : int
        Screens that a real browser shows; 0 where there is none.
    """

    settings: DemoSettings
    directory: Path
    clock: WorldClock
    say: Say
    rng: random.Random
    hub: Program
    hub_file: dict[str, Any]
    desk: Desk
    database: Database
    roads: RoadNetwork
    depot_address: Address
    homes: Sequence[Address]
    depot: str = ""
    vans: list[Van] = field(default_factory=list)
    tablets: int = 0

    async def route(self, a: LatLon, b: LatLon) -> tuple[Sequence[LatLon], float]:
        """The road from a to b, and the seconds it takes."""
        try:
            road = await asyncio.to_thread(self.roads.route, [a, b])
        except RoadsError:  # a yard without a way in the map: across it, at walking pace
            return [a, b], distance_m(a, b) / 1.5
        return road.geometry, float(road.duration_s)

    async def ask(self, question: Callable[..., T], *arguments: Any) -> T:
        """Ask the database something without stopping the world."""
        return await asyncio.to_thread(question, self.database, *arguments)

    def require_alive(self) -> None:
        """Raise when a program that should run has ended."""
        self.hub.require_alive()
        for van in self.vans:
            van.agent.require_alive()


async def until(condition: Callable[[], Awaitable[bool] | bool], *, within_s: float, what: str, every_s: float = 0.1) -> None:
    """Wait for a condition.

    Raises
    ------
    SimError
        It did not come true in time; says what was waited for.
    """
    deadline = time.monotonic() + within_s
    while True:
        holds = condition()
        if holds if isinstance(holds, bool) else await holds:
            return
        if time.monotonic() > deadline:
            raise SimError(f"waited {within_s:g} s for {what}")
        await asyncio.sleep(every_s)
