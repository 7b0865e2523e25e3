"""Many vans in one process: each with the agent's own log, inbox and uplink over its own certificate; without receiver, screen and driver.

What a real unit does with a plan happens here too: opened by its signature, on the disk before it is told, held, in force, receipts
through the log. Only the screen is a list.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from roundsman_agent import config
from roundsman_agent.inbox import Inbox
from roundsman_agent.outbox import Outbox
from roundsman_agent.uplink import NOW_S, Uplink
from roundsman_core.geo import LatLon, distance_m
from roundsman_core.timebase import TimeBase
from roundsman_wire.messages import AnyEntry, Duty, FixRow, Now, Presence, Receipt, ReceiptState

PACE_MPS: Final = 8.0
COMMIT_S: Final = 10.0
"""As a real unit commits its fixes; what has to be told at once is committed at once."""
STORE_MB: Final = 20


class WireVan:
    """One van on the wire.

    `seen_s`: when its list first had each order, by the monotonic clock. `versions`: plans that came into force.
    """

    def __init__(self, agent_toml: Path, folder: Path, base: TimeBase, home: LatLon, store: ThreadPoolExecutor) -> None:
        settings = config.load(agent_toml)
        assert settings.broker is not None
        self.vehicle = settings.vehicle
        self._base, self._store, self._began_s = base, store, time.monotonic()
        self.place, self.duty = home, "off"
        self.seen_s: dict[str, float] = {}
        self.versions: list[int] = []
        self._order = 0
        folder.mkdir(parents=True, exist_ok=True)
        self.outbox = Outbox(folder / "log.db", max_mb=STORE_MB, version="wire", now=lambda: (self._utc_ms(), self._mono_ms()))
        self.inbox = Inbox(folder / "inbox", vehicle=self.vehicle, keys=settings.hub_keys)
        self.uplink = Uplink(
            settings.broker,
            self.vehicle,
            outbox=self.outbox,
            store=store,
            presence=self._presence,
            now=self._now,
            on_document=self._document,
            on_link=lambda *_: None,
            now_interval_s=NOW_S[1],
        )

    @property
    def stops(self) -> tuple[str, ...]:
        plan = self.inbox.plan
        return () if plan is None else tuple(stop.stop for stop in plan.stops)

    def _utc_ms(self) -> int:
        return self._base.utc_ms(round(time.time() * 1000))

    def _mono_ms(self) -> int:
        return round((time.monotonic() - self._began_s) * 1000)

    def _presence(self) -> Presence:
        return Presence(
            online=True,
            session=self.outbox.session,
            agent_version="wire",
            epoch=self.outbox.epoch,
            plan_version=self.inbox.versions["plan"],
            sessions=self.outbox.told(),
        )

    def _now(self) -> Now:
        self._order += 1
        return Now(
            session=self.outbox.session,
            order=self._order,
            mono_ms=self._mono_ms(),
            utc_ms=self._utc_ms(),
            lat_e6=self.place.lat_e6,
            lon_e6=self.place.lon_e6,
            speed_cm_s=800,
            duty="on" if self.duty == "on" else "off",
            next_stop=next(iter(self.stops), None),
            plan_version=self.inbox.versions["plan"],
        )

    async def _document(self, channel: str, payload: bytes) -> None:
        if channel == "command":
            return
        loop = asyncio.get_running_loop()
        received = await loop.run_in_executor(self._store, self.inbox.receive, channel, payload)
        if channel != "plan" or received.verdict != "new" or received.envelope is None:
            return
        header = received.envelope.header
        await loop.run_in_executor(self._store, self.inbox.put_in_force)
        self.versions.append(header.version)
        now_s = time.monotonic()
        for stop in self.stops:
            self.seen_s.setdefault(stop, now_s)
        states: tuple[ReceiptState, ...] = ("held", "shown", "in_force")
        await self.say(
            *(
                Receipt(
                    mono_ms=self._mono_ms(),
                    utc_ms=self._utc_ms(),
                    plan_version=header.version,
                    plan_hash=received.envelope.hash,
                    state=state,
                )
                for state in states
            )
        )

    async def say(self, *facts: AnyEntry, fixes: tuple[FixRow, ...] = ()) -> None:
        """Write facts and fixes into the log, on the disk, and let them be sent."""
        done = await asyncio.get_running_loop().run_in_executor(self._store, self.outbox.append, list(facts), list(fixes))
        self.uplink.grown(done.facts_last, done.track_last)

    async def set_out(self) -> None:
        """The driver begins the shift."""
        self.duty = "on"
        await self.say(Duty(mono_ms=self._mono_ms(), utc_ms=self._utc_ms(), duty="on", driver=None))

    async def drive(self) -> None:
        """Drive towards the first stop, straight, and tell it, until cancelled."""
        fixes: list[FixRow] = []
        while True:
            await asyncio.sleep(1.0)
            plan = self.inbox.plan
            if self.duty != "on" or plan is None or not plan.stops:
                continue
            to = LatLon.from_e6(plan.stops[0].lat_e6, plan.stops[0].lon_e6)
            away_m = distance_m(self.place, to)
            if away_m > 10 * PACE_MPS:
                share = PACE_MPS / away_m
                self.place = LatLon(
                    self.place.lat_deg + share * (to.lat_deg - self.place.lat_deg),
                    self.place.lon_deg + share * (to.lon_deg - self.place.lon_deg),
                )
            self.uplink.moved()
            fixes.append(
                FixRow(
                    mono_ms=self._mono_ms(),
                    utc_ms=self._utc_ms(),
                    lat_e6=self.place.lat_e6,
                    lon_e6=self.place.lon_e6,
                    speed_cm_s=800,
                    heading_cdeg=0,
                    accuracy_dm=30,
                    satellites=9,
                    flags=0,
                )
            )
            if len(fixes) >= COMMIT_S:
                await self.say(fixes=tuple(fixes))
                fixes.clear()

    def close(self) -> None:
        self.outbox.close()
