"""A van of a pretend day on the wire: the same body as in the box, with the agent's own log, inbox and uplink over its own certificate.

The body knows orders by the shop's numbers, the hub by its own: this is where one is read for the other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from roundsman_hub.clock import to_ms
from roundsman_sim import SimError
from roundsman_sim.clock import WorldClock
from roundsman_sim.day_van import DayVan
from roundsman_sim.proxy import Proxy
from roundsman_sim.wire_crew import WireVan
from roundsman_wire.messages import Action, AnyEntry, Now, Plan, Visit

NAMED_WITHIN_S: Final = 10.0
"""A plan may be here before the shop has the answer to its order: it is looked at when every stop of it has a name."""
CHURN_AMONG: Final = 3


class Names:
    """Orders by the shop's numbers and by the hub's."""

    def __init__(self) -> None:
        self.ours: dict[str, str] = {}
        self.theirs: dict[str, str] = {}

    def know(self, ours: str, theirs: str) -> None:
        """`ours` is the hub's order `theirs`."""
        self.ours[theirs], self.theirs[ours] = ours, theirs

    def plan(self, plan: Plan) -> Plan:
        """A plan with the shop's numbers; stops that are no orders keep their own."""
        stops = (
            msgspec.structs.replace(
                stop, stop=self.ours.get(stop.stop, stop.stop), tasks=tuple(self.ours.get(task, task) for task in stop.tasks)
            )
            for stop in plan.stops
        )
        return msgspec.structs.replace(plan, stops=tuple(stops))

    def said(self, entry: AnyEntry) -> AnyEntry:
        """A fact with the hub's numbers."""
        if isinstance(entry, Action):
            tasks = tuple(self.theirs.get(task, task) for task in entry.tasks)
            return msgspec.structs.replace(entry, stop=self.theirs.get(entry.stop, entry.stop), tasks=tasks)
        if isinstance(entry, Visit) and entry.stop is not None:
            return msgspec.structs.replace(entry, stop=self.theirs.get(entry.stop, entry.stop))
        return entry

    async def known(self, stops: Iterable[str]) -> None:
        """Wait until all have a name."""
        deadline = time.monotonic() + NAMED_WITHIN_S
        left = set(stops) - self.ours.keys()
        while left:
            if time.monotonic() > deadline:
                raise SimError(f"a plan has stops that nobody ordered: {', '.join(sorted(left))}")
            await asyncio.sleep(0.005)
            left -= self.ours.keys()


class DayWireVan(WireVan):
    """A `DayVan` that speaks through the broker, in business time.

    Attributes
    ----------
    churn : int
        Changes among the driver's next three stops, as the box counts them.
    """

    def __init__(
        self, agent_toml: Path, folder: Path, clock: WorldClock, body: DayVan, names: Names, link: Proxy, store: ThreadPoolExecutor
    ) -> None:
        self._clock, self.body, self._names, self._proxy = clock, body, names, link
        self.churn = 0
        self.called_off: set[str] = set()
        super().__init__(agent_toml, folder, clock.base, body.at, store)
        body.log.taken()  # the session's beginning is the outbox's to tell
        body.session = self.outbox.session

    def _utc_ms(self) -> int:
        return self._clock.utc_ms()

    def _mono_ms(self) -> int:
        """Of the session, in business time: fixes that are 20 s apart are 20 s apart by both clocks."""
        return max(0, self._clock.utc_ms() - to_ms(self.body.log.opened))

    def _now(self) -> Now | None:  # type: ignore[override]
        if not self.body.on_duty:
            return None
        now = self.body.marker(self._clock.now())
        return msgspec.structs.replace(now, next_stop=None if now.next_stop is None else self._names.theirs.get(now.next_stop))

    async def live(self, now: datetime) -> None:
        """Live on until `now`, and tell what happened."""
        if self.body.linked(now):
            self._proxy.heal()
        else:
            self._proxy.cut()
        self.body.advance(now)
        await self._tell()
        self.uplink.moved()

    async def end(self, now: datetime) -> None:
        """The driver goes off shift; with network, and asking for the acks of the last fixes as a unit at rest does."""
        self._proxy.heal()
        self.uplink.resting = True
        self.body.advance(now)
        self.body.end(now)
        await self._tell()

    @property
    def told(self) -> bool:
        """Whether the hub has acknowledged everything."""
        return all(lane.acked >= lane.last for session in self.outbox.told() for lane in session.lanes)

    async def _tell(self) -> None:
        facts, fixes = self.body.log.taken()
        if facts or fixes:
            await self.say(*(self._names.said(fact) for fact in facts), fixes=tuple(fixes))

    async def _document(self, channel: str, payload: bytes) -> None:
        if channel == "command":
            return
        loop = asyncio.get_running_loop()
        received = await loop.run_in_executor(self._store, self.inbox.receive, channel, payload)
        if channel != "plan" or received.verdict != "new" or received.envelope is None:
            return
        plan = received.envelope.payload
        assert isinstance(plan, Plan)
        await self._names.known(stop.stop for stop in plan.stops if stop.kind != "depot")
        now = self._clock.now()
        self.body.advance(now)
        before = [stop.stop for stop in self.body.left][:CHURN_AMONG]
        self.body.take(self._names.plan(plan), received.envelope.hash, now)
        after = [stop.stop for stop in self.body.left]
        if self.body.on_duty:
            self.churn += sum(at >= len(after) or after[at] != stop for at, stop in enumerate(before) if stop not in self.called_off)
        if plan.version not in self.body.declined:
            await loop.run_in_executor(self._store, self.inbox.put_in_force)
        await self._tell()
