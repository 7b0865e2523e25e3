"""The van's own mind: takes fixes, documents and the driver's taps, and keeps log, board and plan in step with each other.

Everything that the driver or the hub may rely on is on the disk before it is answered, shown or receipted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from roundsman_agent import __version__, board, pipeline
from roundsman_agent.blobs import Blobs
from roundsman_agent.board import Board, DutyState
from roundsman_agent.care import Care
from roundsman_agent.clock import Clock
from roundsman_agent.commands import Commands
from roundsman_agent.config import SamplingMode
from roundsman_agent.evidence import Engine
from roundsman_agent.fix import Fix, SourceEvent
from roundsman_agent.inbox import Inbox
from roundsman_agent.journal import Journal
from roundsman_agent.outbox import Outbox
from roundsman_agent.pipeline import DutyChanged, EngineChanged, PipelineConfig, PipelineState, PlanChanged, Position, SitesChanged, Tick
from roundsman_agent.rounds import Rounds
from roundsman_agent.sampling import Policy
from roundsman_agent.times import Instant, best_utc_ms
from roundsman_agent.vitals import Vitals
from roundsman_agent.work import Work
from roundsman_core.geo import LatLon
from roundsman_wire.messages import (
    AnyEntry,
    Command,
    Crossing,
    DepotCall,
    Duty,
    FixRow,
    Note,
    Plan,
    PlanStop,
    Presence,
    Receipt,
    ReceiptState,
    Reordered,
    Risk,
    Visit,
)

log = logging.getLogger(__name__)

AT_ONCE: Final = (Visit, Crossing, Receipt, Reordered, Risk, Note)

TICK_MS: Final = 5_000
"""Business time. Most of what happens, happens with a fix; what only time brings may come five seconds late."""
EARLY: Final = 0.9
"""A tick goes along with the fixes that are worked on nearest to its time."""
AGREE_DRIFTS: Final = 8
"""The system's date is taken while it lies within two seconds (at life's speed) of the receiver's; else the receiver's own."""


class Unit:
    """One van at work.

    Parameters
    ----------
    sampling : str
        Of the settings file; the hub's config may change it.
    on_change : callable
        Called when something that is shown has changed; True: more than a position.
    blobs : Blobs, optional
        Photos and signatures that wait for the hub.
    """

    def __init__(
        self,
        *,
        vehicle: str,
        clock: Clock,
        outbox: Outbox,
        inbox: Inbox,
        journal: Journal,
        sampling: SamplingMode,
        on_change: Callable[[bool], None],
        blobs: Blobs | None = None,
    ) -> None:
        self.vehicle = vehicle
        self.clock, self.outbox, self.inbox, self.journal = clock, outbox, inbox, journal
        self.board: Board = board.fold(outbox.facts_of(*board.FOLDED))
        self.position: Position | None = None
        self.receiver = "starting"
        self.pipeline = PipelineState()
        self._file_sampling = sampling
        self._caught_up_mono_ms = clock.mono_ms()
        self._ticked_mono_ms = 0
        self.ticked = asyncio.Event()
        self._on_change = on_change
        self._inputs = asyncio.Lock()
        self._ending = self._moved = False
        self._receipts: set[tuple[int, str, ReceiptState]] = set()
        self.blobs = blobs
        self.rounds = Rounds(self)
        self._commands = Commands(self)
        self.care = Care(self)
        self._configure()

    def begin(self) -> None:
        """Say what this start found, and take up where the last session ended."""
        notes = [("inbox damaged", text) for text in self.inbox.damaged]
        if self.outbox.set_aside is not None:
            notes.append(("store set aside", f"the log's file was damaged; it is kept as {self.outbox.set_aside.name}"))
        self.journal.add([Note(**self.instant(), topic=topic, text=text) for topic, text in notes], at_once=True)
        if self.board.duty != "off":
            self._step(DutyChanged(duty=self.board.duty, **self.instant()))
        self._sites_changed()
        # The power may have gone between the disk and the receipt: say it once a session; the hub takes it once.
        if self.inbox.plan is not None:
            self._receipt(self.inbox.plan.version, self.inbox.plan_hash, "held")
            self._receipt(self.inbox.plan.version, self.inbox.plan_hash, "in_force")
        if self.inbox.held is not None:
            self._receipt(self.inbox.held.header.version, self.inbox.held.hash, "held")
        self._settle()

    # ── the plan ────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def plan(self) -> Plan | None:
        """The plan in force."""
        return self.inbox.plan

    def remaining(self) -> list[PlanStop]:
        """Stops that are still to be done, in driving order, with the calls at depots and chargers on the way."""
        return self.rounds.remaining()

    async def document(self, kind: str, data: bytes) -> None:
        """A steering document from the hub's broker."""
        if kind == "command":
            self._record(self._commands.answer(data))
            await self.journal.flush()
            self._on_change(True)
            return
        received = self.inbox.receive(kind, data)
        envelope = received.envelope
        if received.verdict == "refused":
            log.warning("%s refused: %s", kind, received.reason)
            if kind == "plan" and envelope is not None:
                self._receipt(envelope.header.version, envelope.hash, "refused", received.reason)
            else:
                self._record([Note(**self.instant(), topic=f"{kind} refused", text=received.reason)])
        if received.verdict == "asked" and envelope is not None and isinstance(envelope.payload, Command):
            self._record(self._commands.here(envelope.payload))
        if received.verdict != "new" or envelope is None:
            await self.journal.flush()
            return
        if kind == "plan":
            self._receipt(envelope.header.version, envelope.hash, "held")
            self._settle()
        elif kind == "sites":
            self._sites_changed()
        else:
            self._configure()
        await self.journal.flush()

    def _settle(self) -> None:
        """Put a held plan in force when its time has come (see `offers`); and tell the pipeline what remains."""
        held, before = self.inbox.held, self.plan
        if held is not None and self.rounds.verdict() == "in_force":
            self.inbox.put_in_force()
            self._receipt(held.header.version, held.hash, "in_force")
            if (kept := self.rounds.kept_order(before)) is not None:
                self._record([kept])
        done = [] if self.plan is None else [stop for stop in self.plan.stops if self.board.phase(stop.stop) == "done"]
        self._step(PlanChanged.of(self.remaining(), done))
        self._on_change(True)

    def _receipt(self, version: int, plan_hash: str, state: ReceiptState, reason: str | None = None) -> bool:
        """Log a receipt, once a session."""
        key = (version, plan_hash, state)
        if key in self._receipts:
            return False
        self._receipts.add(key)
        self._record([Receipt(**self.instant(), plan_version=version, plan_hash=plan_hash, state=state, reason=reason)])
        return True

    async def shown(self, version: int, plan_hash: str) -> bool:
        """The page has painted this plan. False: it is not the one in force."""
        if self.plan is None or (version, plan_hash) != (self.plan.version, self.inbox.plan_hash):
            return False
        if self._receipt(version, plan_hash, "shown"):
            await self.journal.flush()
        return True

    # ── the driver ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def log_for_driver(self, make: Callable[[], AnyEntry | None]) -> None:
        """Decide and log one input of the driver's; on return it survives a power cut. `make` gives None for nothing new.

        Raises
        ------
        StoreFull
            The disk has no room even for this.
        """
        async with self._inputs:
            entry = make()
            if entry is None:
                return
            self._ending = isinstance(entry, Duty) and entry.duty == "off"
            try:
                await self.journal.write([entry])
            finally:
                self._ending = False
            self.board = board.step(self.board, entry)
            if isinstance(entry, Duty):
                self._step(DutyChanged(duty=entry.duty, mono_ms=entry.mono_ms, utc_ms=entry.utc_ms))
                if entry.duty == "off":
                    self.position = None
            self._settle()
        self._on_change(True)

    async def set_duty(self, duty: DutyState, driver: str | None) -> None:
        """Begin, pause or end the shift; the same again changes nothing."""

        def make() -> Duty | None:
            same = self.board.duty == duty and driver in (None, self.board.driver)
            return None if same else Duty(**self.instant(), duty=duty, driver=driver or self.board.driver)

        await self.log_for_driver(make)

    async def reorder(self, stops: Sequence[str]) -> str:
        """Drive the remaining stops in this order. Gives why it is outside the plan's limits; empty: it is done."""
        return await self._unless_refused(lambda: self.rounds.reordered(stops))

    async def answer_offer(self, version: int, state: ReceiptState, reason: str | None) -> str:
        """The driver's word on a plan that waits. Gives why it cannot be taken; empty: it is logged, or was before."""
        return await self._unless_refused(lambda: self.rounds.answered(version, state, reason))

    async def _unless_refused(self, make: Callable[[], AnyEntry | str | None]) -> str:
        """Log what is made, None for nothing new; or give the reason that was made instead."""
        why: list[str] = []

        def made() -> AnyEntry | None:
            found = make()
            if isinstance(found, str):
                why.append(found)
                return None
            return found

        await self.log_for_driver(made)
        return why[0] if why else ""

    def seen(self, version: int) -> bool:
        """The driver has seen what this plan changed. False: it is not the one in force."""
        if self.plan is None or self.plan.version != version:
            return False
        self.inbox.seen(version)
        self._on_change(True)
        return True

    def work(self) -> Work:
        """What the driver works with now."""
        return self.rounds.work()

    def blobs_waiting(self) -> int:
        """Photos and signatures that the hub does not have yet."""
        return 0 if self.blobs is None else self.blobs.waiting

    def files_url(self) -> str:
        """Where the hub takes photos and gives maps; empty: it did not say."""
        config = self.inbox.config
        return (config.blobs_url if config is not None else None) or ""

    def here(self) -> LatLon | None:
        """The newest position; None off shift, or before the first fix."""
        return None if self.position is None else self.position.position

    # ── the receiver, and time ──────────────────────────────────────────────────────────────────────────────────────

    def receive(self, item: Fix | SourceEvent) -> None:
        """A fix, or news of the receiver; after the last of those that came together, `placed`.

        The shift ends with the driver's tap: what comes while that is being written is not taken.
        """
        if self._ending and isinstance(item, Fix):
            return
        if isinstance(item, SourceEvent) and item.kind != "garbage":
            self.receiver = f"{item.kind}: {item.text}" if item.text else item.kind
        elif isinstance(item, Fix):
            self.receiver = "ok"
        self._step(item)

    def placed(self) -> None:
        """The newest position is that of now: whoever looks may be told, and time that has passed counts."""
        if self.tick_is_due:
            self.tick()
        if self._moved:
            self._moved = False
            self._on_change(False)

    def engine(self, engine: Engine | None, source: str) -> None:
        """The key was turned, or (None) nothing tells of it any more."""
        self._step(EngineChanged(engine=engine, source=source, **self.instant()))

    def tick(self) -> None:
        """Time passes: what it alone brings. With a receiver that speaks this goes along with a fix, while the processor is awake."""
        self._ticked_mono_ms = self.clock.mono_ms()
        self.ticked.set()
        if not any(self.outbox.backlog().values()):
            self._caught_up_mono_ms = self.clock.mono_ms()
        self._step(Tick(mono_ms=self.clock.mono_ms(), utc_ms=self.clock.utc_ms()))
        if self.inbox.held is not None and self.rounds.verdict() == "in_force":
            self._settle()
        if warned := self.rounds.look_ahead():
            self._record(warned)
            self._on_change(True)

    def _step(self, item: pipeline.Input) -> None:
        self.pipeline, out = pipeline.step(self.pipeline, item, self._pipeline_config)
        facts: list[AnyEntry] = []
        rows: list[FixRow] = []
        for thing in out:
            if isinstance(thing, FixRow):
                rows.append(thing)
            elif isinstance(thing, Position):
                self.position, self._moved = thing, True
            else:
                facts.append(thing)
        if facts or rows:
            visits = [fact for fact in facts if isinstance(fact, Visit)]
            self._record((*facts, *self._ended_by(visits)), rows)
            if visits:
                self._settle()

    def _ended_by(self, visits: Sequence[Visit]) -> list[DepotCall]:
        return [made for visit in visits if (made := self.rounds.depot_calls.seen(visit)) is not None]

    def _record(self, facts: Sequence[AnyEntry], rows: Sequence[FixRow] = ()) -> None:
        if not facts:  # most fixes
            self.journal.add((), rows)
            return
        self.board = board.fold(facts, self.board)
        self.journal.add(facts, rows, at_once=any(isinstance(fact, AT_ONCE) for fact in facts))

    # ── the hub's wishes, and what it is told ───────────────────────────────────────────────────────────────────────

    def _configure(self) -> None:
        config = self.inbox.config
        self._pipeline_config = PipelineConfig.of(self._file_sampling, self.clock.base, config)

    def _sites_changed(self) -> None:
        if self.inbox.sites is None:
            return
        changed, wrong = SitesChanged.of(self.inbox.sites)
        if wrong:
            self._record([Note(**self.instant(), topic="fences stepped over", text="; ".join(wrong)[:1000])])
        self._step(changed)

    def oldest_unsent_s(self) -> int:
        """For how long something has waited for the hub."""
        return (self.clock.mono_ms() - self._caught_up_mono_ms) // 1000 if any(self.outbox.backlog().values()) else 0

    def look(self, seen: Vitals) -> None:
        """A new look at the board; logged when it is time, or matters."""
        told = self.care.look(seen)
        if told is not None:
            self._record([told])

    def presence(self) -> Presence:
        """What to say of this van on a connection."""
        versions = self.inbox.versions
        return Presence(
            online=True,
            session=self.outbox.session,
            agent_version=__version__,
            epoch=self.outbox.epoch,
            plan_version=versions["plan"],
            sites_version=versions["sites"],
            config_version=versions["config"],
            sessions=self.outbox.told(),
        )

    @property
    def tick_is_due(self) -> bool:
        """Now and then; and always while a plan waits for the van to stand."""
        return self.inbox.held is not None or self.clock.mono_ms() - self._ticked_mono_ms >= TICK_MS * EARLY

    @property
    def policy(self) -> Policy:
        """How densely to keep and to tell: the settings file's, and the hub's wishes."""
        return self._pipeline_config.policy

    def instant(self) -> Instant:
        """What a fact of this moment begins with."""
        config, mono_ms = self._pipeline_config, self.clock.mono_ms()
        offset_ms = self.pipeline.timing.offset_ms
        utc_ms = best_utc_ms(mono_ms, self.clock.utc_ms(), offset_ms, AGREE_DRIFTS * config.drift_ms, config.built_utc_ms)
        return Instant(mono_ms=mono_ms, utc_ms=utc_ms)
