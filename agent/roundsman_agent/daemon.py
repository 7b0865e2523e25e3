"""The agent as one process: builds every adapter, ties them to the unit, and runs them in one task group until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from roundsman_agent import __version__, condition, health, sampling, vitals
from roundsman_agent.basemap import Basemap
from roundsman_agent.blobs import Blobs
from roundsman_agent.calm import STOP_S, patience_s
from roundsman_agent.care import LOOK_S
from roundsman_agent.clock import Clock
from roundsman_agent.config import AgentConfig
from roundsman_agent.courier import Courier
from roundsman_agent.ignition import MotionSource, open_motion
from roundsman_agent.inbox import Inbox
from roundsman_agent.journal import COMMIT_S, Journal
from roundsman_agent.listening import Listening
from roundsman_agent.outbox import Outbox
from roundsman_agent.pipeline import Position
from roundsman_agent.screen.port import listen
from roundsman_agent.screen.state import View, moved, screen
from roundsman_agent.screen.stream import Changes, Shown
from roundsman_agent.unit import TICK_MS, Unit
from roundsman_agent.uplink import NOW_S, Uplink
from roundsman_agent.vigil import Vigil
from roundsman_wire.messages import Now

if TYPE_CHECKING:
    from roundsman_agent.screen.serving import ScreenServer

log = logging.getLogger(__name__)

TICK_S: Final = TICK_MS / 1000
TICK_LATE_S: Final = 12.0
"""With a receiver that speaks, a tick goes along with fixes, and those may have waited: a timer of its own is for when none comes."""
PAINT_WHOLE_S: Final = 10.0
"""Business seconds. Expected times are painted in minutes; what happens is painted at once."""
DRAIN_LOOK_S: Final = 0.1
SAVE_S: Final = 300.0
"""What the hub has released is remembered here for a start without a network; with one, the hub says it again. A save is a
commit of its own on the disk's thread, about 1 ms: once a minute that is 17 µs of every fix."""
PURGE_S: Final = 3_600.0
PRETEND_COMMIT_S: Final = 1.0
"""Where time runs fast, five real seconds would be minutes of a driver's day."""


class Daemon:
    """One running agent.

    Parameters
    ----------
    config : AgentConfig
        The unit's settings.
    ended : asyncio.Event, optional
        The receiver plays a recording: the shift begins at once, and `run` returns when this is set and the hub has everything.
    """

    def __init__(self, config: AgentConfig, ended: asyncio.Event | None = None) -> None:
        self.config = config
        self._ended = ended
        self._stop = asyncio.Event()
        self._vigil = Vigil("receiver", "journal", "store")
        self._motion = open_motion(config.motion_url) if config.motion_url else None
        self.started_s = time.monotonic()
        self._order = 0
        self._told: Position | None = None
        self.link_up = False
        self.link_reason = "" if config.broker else "no broker is set: working alone"
        self.clock = Clock(base=config.time_base)
        self.link_since_utc_ms = self.clock.utc_ms()
        self._changes = Changes()
        self._painted: tuple[Mapping[str, Any], int, bool] = ({}, -1, False)
        self._painted_until_s = 0.0
        self._store = ThreadPoolExecutor(1, "store")
        self._listener = listen(config) if config.screen_enabled else None
        try:
            self.outbox = Outbox(
                config.store_dir / "log.db",
                max_mb=config.store_max_mb,
                version=__version__,
                now=lambda: (self.clock.utc_ms(), self.clock.mono_ms()),
            )
        except BaseException:
            if self._listener is not None:
                self._listener.close()
            raise
        self.journal = Journal(
            self.outbox,
            self._store,
            on_commit=self._committed,
            every_s=COMMIT_S if config.time_base.factor == 1 else PRETEND_COMMIT_S,
            may_wait=self._may_wait,
            alive=lambda: self._vigil.mark("journal"),
        )
        self.blobs = Blobs(config.store_dir / "blobs")
        self.unit = Unit(
            vehicle=config.vehicle,
            clock=self.clock,
            outbox=self.outbox,
            inbox=Inbox(config.store_dir / "inbox", vehicle=config.vehicle, keys=config.hub_keys),
            journal=self.journal,
            sampling=config.sampling_mode,
            on_change=self._changed,
            blobs=self.blobs,
        )
        self._listening = Listening(config.receiver_url, self.unit, self._vigil, self._patience_s)
        self.basemap = Basemap(config.store_dir / "map")
        self.uplink: Uplink | None = None
        self.courier: Courier | None = None
        if config.broker is not None:
            self.courier = Courier(
                config.broker,
                blobs=self.blobs,
                basemap=self.basemap,
                url=self.unit.files_url,
                now_utc_ms=self.clock.utc_ms,
                on_change=lambda: self._changes.tell(True),
            )
            self.uplink = Uplink(
                config.broker,
                config.vehicle,
                outbox=self.outbox,
                store=self._store,
                presence=self.unit.presence,
                now=self.now,
                on_document=self._document,
                on_link=self._link,
                now_interval_s=self._now_interval_s(NOW_S[1]),
            )

    @property
    def screen_url(self) -> str | None:
        """Where the driver's screen is."""
        if self._listener is None:
            return None
        host, port = self._listener.getsockname()[:2]
        return f"http://{host}:{port}/"

    def stop(self) -> None:
        """End in good order."""
        self._stop.set()

    async def run(self) -> None:
        """Work until stopped; then commit what waits, say goodbye, and close the store."""
        try:
            async with asyncio.TaskGroup() as group:
                self.unit.begin()
                health.give_back_memory()
                tasks = [group.create_task(self._listening.run()), group.create_task(self.journal.run()), group.create_task(self._tick())]
                if (watchdog_s := health.watchdog_every_s()) is not None:
                    tasks.append(group.create_task(self._vigil.feed(self._store, watchdog_s)))
                if self._motion is not None:
                    tasks.append(group.create_task(self._watch_motion(self._motion)))
                if self._ended is not None:
                    await self.unit.set_duty("on", None)
                    tasks.append(group.create_task(self._stop_when_drained(self._ended)))
                if self.uplink is not None:
                    tasks.append(group.create_task(self.uplink.run()))
                if self.courier is not None:
                    tasks.append(group.create_task(self.courier.run()))
                serving = self._serve_screen(group)
                health.tell_systemd("READY=1")
                log.info("vehicle %s, session %s, screen %s", self.config.vehicle, self.outbox.session, self.screen_url)
                await self._stop.wait()
                health.tell_systemd("STOPPING=1")
                for task in tasks:
                    task.cancel()
                self._changes.end()
                if serving is not None:
                    serving.end()
        finally:
            await self.journal.flush()
            self._store.shutdown()
            self.outbox.close()
            if self._listener is not None:
                self._listener.close()

    # ── tasks ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _watch_motion(self, source: MotionSource) -> None:
        async for engine in source.changes():
            self.unit.engine(engine, self.config.motion_url)

    async def _stop_when_drained(self, ended: asyncio.Event) -> None:
        """When the recording is over: until the hub has everything; without a broker, until it is on the disk."""
        await ended.wait()
        await self.unit.set_duty("off", None)
        await self.journal.flush()
        while self.uplink is not None and any(self.outbox.backlog().values()):
            await asyncio.sleep(DRAIN_LOOK_S)
        self.stop()

    async def _tick(self) -> None:
        due = {"look": 0.0, "save": SAVE_S, "purge": 0.0}
        loop = asyncio.get_running_loop()
        while True:
            if self.unit.tick_is_due:
                self.unit.tick()
            passed_s = time.monotonic() - self.started_s
            if passed_s >= due["look"]:
                self.unit.look(await asyncio.to_thread(vitals.read, self.config.store_dir))
                due["look"] = passed_s + LOOK_S
            if passed_s >= due["save"]:
                await loop.run_in_executor(self._store, self.outbox.save)
                due["save"] = passed_s + SAVE_S
            if passed_s >= due["purge"]:
                await loop.run_in_executor(self._store, self.outbox.purge)
                due["purge"] = passed_s + PURGE_S
            self.unit.ticked.clear()
            late_s = 0.0 if self.unit.inbox.held is not None else TICK_LATE_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(self.config.time_base.real_s(TICK_S), 1.0) + late_s):
                    await self.unit.ticked.wait()

    def _serve_screen(self, group: asyncio.TaskGroup) -> ScreenServer | None:
        if self._listener is None:
            return None
        # Here, not above: a unit without a screen need not carry its server (6 MB).
        from roundsman_agent.screen import server
        from roundsman_agent.screen.serving import ScreenServer

        app = server.application(
            self.unit,
            state=self.screen_state,
            streamed=self._shown,
            status=self.status,
            changes=self._changes,
            basemap=self.basemap,
        )
        serving = ScreenServer(app)
        group.create_task(serving.serve(sockets=[self._listener]))
        return serving

    # ── ties ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _committed(self, facts_last: int, track_last: int) -> None:
        if self.uplink is not None:
            self.uplink.resting = self.unit.board.duty == "off"
            self.uplink.grown(facts_last, track_last)

    def _may_wait(self) -> bool:
        """Nobody looks at the screen, and where time runs fast there is always somebody."""
        return not self._changes.watchers and self.config.time_base.factor == 1

    def _patience_s(self) -> float:
        """A fix may wait as long as the live map waits for the van anyway, and less near a stop (`calm`).

        Who looks at the screen, or waits for the van to stand, waits for each; and where time runs fast, five seconds are minutes.
        """
        if self._changes.watchers or self.unit.inbox.held is not None or self.config.time_base.factor != 1:
            return 0.0
        longest_s = NOW_S[1] if self.uplink is None else min(self.uplink.now_interval_s, NOW_S[1])
        return patience_s(self.unit.pipeline, longest_s)

    def _changed(self, more_than_position: bool) -> None:
        self._changes.tell(more_than_position)
        if more_than_position:
            self.unit.ticked.set()  # a plan that waits for the van to stand waits for each tick
            self._listening.heed_duty()
            if self.courier is not None:
                self.courier.call()
        at = self.unit.position
        if self.uplink is not None and at is not None and not more_than_position and sampling.tells(self.unit.policy, self._told, at):
            # A sleeper's turns are far enough apart; who is awake each second tells the map no more often than a sleeper would.
            self.uplink.moved(STOP_S if self._patience_s() else patience_s(self.unit.pipeline, self.uplink.now_interval_s))

    async def _document(self, kind: str, data: bytes) -> None:
        await self.unit.document(kind, data)
        health.give_back_memory()
        config = self.unit.inbox.config
        if self.uplink is not None and kind == "config" and config is not None and config.now_interval_s is not None:
            self.uplink.now_interval_s = self._now_interval_s(config.now_interval_s)

    def _now_interval_s(self, business_s: float) -> float:
        return max(NOW_S[0], self.config.time_base.real_s(business_s))

    def _link(self, up: bool, reason: str) -> None:
        self.link_reason = reason
        if up != self.link_up:
            self.link_up, self.link_since_utc_ms = up, self.clock.utc_ms()
            self._told = None
            log.info("link to the hub is %s", "up" if up else "down")
            self._changes.tell(True)

    def _view(self) -> View:
        unit = self.unit
        return View(
            now_utc_ms=self.clock.utc_ms(),
            mono_ms=self.clock.mono_ms(),
            factor=self.clock.base.factor,
            vehicle=self.config.vehicle,
            language=self.config.screen_language,
            online=self.link_up,
            link_since_utc_ms=self.link_since_utc_ms,
            link_reason=self.link_reason,
            board=unit.board,
            position=unit.position,
            plan=unit.plan,
            plan_hash=unit.inbox.plan_hash,
            valid_until_utc_ms=unit.inbox.plan_valid_until_utc_ms,
            backlog=self._backlog(),
            work=unit.work(),
        )

    def _backlog(self) -> int:
        return sum(self.outbox.backlog().values()) + self.journal.waiting

    def screen_state(self) -> Mapping[str, Any]:
        """What the driver sees."""
        return screen(self._view())

    def _shown(self) -> Shown:
        """The same for the stream: between two whole looks, a fix changes only what depends on the place."""
        revision, moving, now_s = self._changes.important, self.unit.rounds.moving(), time.monotonic()
        if (revision, moving) != self._painted[1:] or now_s >= self._painted_until_s:
            self._painted = self.screen_state(), revision, moving
            self._painted_until_s = now_s + self.config.time_base.real_s(PAINT_WHOLE_S)
            return Shown(self._painted[0])
        whole, clock = self._painted[0], self.clock
        since = moved(whole, self.unit.position, now_utc_ms=clock.utc_ms(), mono_ms=clock.mono_ms(), factor=clock.base.factor)
        return Shown(whole, since)

    def now(self) -> Now | None:
        """The live marker; None off shift and before the first fix."""
        unit = self.unit
        at = unit.position
        if at is None or unit.board.duty == "off":
            return None
        stops = unit.remaining()[:1]
        times = unit.rounds.times(stops)
        self._order += 1
        self._told = at
        return Now(
            session=self.outbox.session,
            order=self._order,
            mono_ms=at.mono_ms,
            utc_ms=at.utc_ms,
            lat_e6=at.position.lat_e6,
            lon_e6=at.position.lon_e6,
            speed_cm_s=None if at.speed_mps is None else round(at.speed_mps * 100),
            heading_cdeg=None if at.heading_deg is None else round(at.heading_deg * 100) % 36_000,
            duty=unit.board.duty,
            next_stop=stops[0].stop if stops else None,
            eta_utc_ms=times[0].eta_utc_ms if times else None,
            plan_version=0 if unit.plan is None else unit.plan.version,
            backlog=self._backlog(),
        )

    def status(self) -> Mapping[str, Any]:
        """What a technician wants to know of a running agent."""
        return condition.of(self)


async def run(config: AgentConfig, *, ended: asyncio.Event | None = None, on_ready: Callable[[Daemon], None] | None = None) -> None:
    """Run one agent until SIGTERM, SIGINT, or (see `Daemon`) a recording's end.

    Raises
    ------
    AgentError
        It cannot start: port taken, store in use, receiver's URL unreadable.
    """
    daemon = Daemon(config, ended)
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ValueError, RuntimeError):  # not the main thread: its caller stops it
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, daemon.stop)
    if on_ready is not None:
        on_ready(daemon)
    await daemon.run()
