"""The ingest role: hears the broker, shares the shards with its fellows, and stores, for as long as it runs.

A database or a broker that goes away makes it wait, never end.
"""

from __future__ import annotations

import itertools
import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from roundsman_core.backoff import pause_s
from roundsman_core.pacing import Pace
from roundsman_hub.clock import Clock
from roundsman_hub.ingest.inbox import Inbox
from roundsman_hub.ingest.mqtt import Line
from roundsman_hub.ingest.packets import Message
from roundsman_hub.ingest.refill import refill
from roundsman_hub.ingest.shards import LOOKS_EVERY_S, Shards
from roundsman_hub.ingest.worker import Ingest
from roundsman_hub.settings import Settings
from roundsman_hub.store.db import AWAY, Database, is_away
from roundsman_hub.telemetry.figures import FIGURES, Figures
from roundsman_hub.telemetry.traces import TRACES
from roundsman_hub.telemetry.vitals import VITALS, database_answers

log = logging.getLogger(__name__)

STORING: Final = 2
"""Threads that store, each with its own share of the shards: while the database takes the rows of one, the other unpacks its next."""
MOST: Final = 1_000
MOST_BYTES: Final = 500_000
"""Messages in a transaction, some 30,000 fixes: bounds what is unpacked at once; cost a row no longer falls beyond."""
LINGER_S: Final = 0.02
"""Waits for fellows of the first message: below 1,000 rows a transaction everything costs twice as much; a driver does not notice 20 ms."""
BACKOFF_S: Final = (0.2, 5.0)
HANGS_S: Final = 30.0
"""A loop that has not turned for so long hangs; a transaction that waits for a lock may take some seconds."""
_STORES: Final = itertools.count(1)


def run(
    settings: Settings,
    clock: Clock,
    stop: threading.Event | None = None,
    make_line: type[Line] = Line,
    share: Callable[[Database, Line, threading.Event, Clock], None] | None = None,
) -> None:
    """Run an ingest worker until `stop` is set; over another kind of line, or sharing the vans by another rule, if told so."""
    stop = stop or threading.Event()
    with Database.connect(settings.database_url, max_size=STORING + 1) as db:
        inboxes = [Inbox() for _ in range(STORING)]
        line = make_line(settings.hub_broker, inboxes)
        stores = [_Store(db, inbox, Ingest(db, clock, line, Pace()), stop) for inbox in inboxes]
        line.start()
        _watch(settings, db, line, stores)
        for store in stores:
            store.start()
        try:
            (share or share_fairly)(db, line, stop, clock)
        finally:
            stop.set()
            for store in stores:
                store.join()
            line.stop()
            counts = sum((store.ingest.counts for store in stores), Counter[str]())
            log.info("ingest ends: %s, %d messages dropped", dict(counts), sum(inbox.dropped for inbox in inboxes))
        for store in stores:
            if store.failure is not None:
                raise store.failure


def share_fairly(db: Database, line: Line, stop: threading.Event, clock: Clock) -> None:
    """Until `stop`: serve a fair share of the shards. While the database is away nothing is heard, so nothing is lost: vans keep it."""
    failures = 0
    while not stop.is_set():
        try:
            with db.dedicated() as connection:
                if filled := refill(db, clock):
                    log.info("%d frames that were set aside can be read now", filled)
                shards = Shards(connection)
                while not stop.is_set():
                    VITALS.beat("shards", HANGS_S)
                    FIGURES.put("roundsman_ingest_shards", len(shards.held))
                    if surplus := shards.surplus():
                        line.serve(shards.held - surplus)
                        shards.release(surplus)
                        log.info("gave up %d shards, serving %d", len(surplus), len(shards.held))
                    if shards.take():
                        line.serve(shards.held)
                        log.info("serving %d shards", len(shards.held))
                    failures = 0
                    stop.wait(LOOKS_EVERY_S)
        except AWAY as error:
            if not is_away(error):
                raise
            line.serve(frozenset())
            FIGURES.put("roundsman_ingest_shards", 0)
            VITALS.beat("shards", HANGS_S)
            failures = _wait(stop, failures, error)


class _Store(threading.Thread):
    """Hears one inbox and stores what comes, for as long as the worker runs. A batch that met no database is kept and tried again."""

    def __init__(self, db: Database, inbox: Inbox, ingest: Ingest, stop: threading.Event) -> None:
        super().__init__(name=f"store {next(_STORES)}")
        self._db, self.inbox, self._stop_all = db, inbox, stop
        self.ingest = ingest
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            self._run()
        except BaseException as error:
            self.failure = error
            self._stop_all.set()

    def _process(self, batch: Sequence[Message]) -> None:
        began = time.monotonic()
        with TRACES.span("ingest.batch", messages=len(batch)):
            self.ingest.process(batch)
        FIGURES.observe("roundsman_ingest_batch_messages", len(batch))
        FIGURES.observe("roundsman_ingest_batch_seconds", time.monotonic() - began)

    def _run(self) -> None:
        kept: list[Message] = []
        failures = 0
        while not self._stop_all.is_set():
            VITALS.beat(self.name, HANGS_S)
            try:
                kept = kept or self.inbox.collect(0.25, linger_s=LINGER_S, most=MOST, most_bytes=MOST_BYTES)
                self._process(kept) if kept else self.ingest.idle()
                kept, failures = [], 0
            except AWAY as error:
                if not is_away(error):
                    raise
                failures = _wait(self._stop_all, failures, error)


def _watch(settings: Settings, db: Database, line: Line, stores: Sequence[_Store]) -> None:
    """What this process stands on, and what it counts."""
    broker = settings.hub_broker
    VITALS.must("database", database_answers(settings.database_url))
    VITALS.must("broker", lambda: None if line.connected else f"the broker at {broker.host}:{broker.port} is not connected")

    def tell(figures: Figures) -> None:
        for what, count in sum((store.ingest.counts for store in stores), Counter[str]()).items():
            figures.put("roundsman_ingest_events_total", count, what=what)
        figures.put("roundsman_ingest_waiting_messages", sum(len(store.inbox) for store in stores))
        figures.put("roundsman_ingest_dropped_total", sum(store.inbox.dropped for store in stores))
        figures.put("roundsman_broker_connected", line.connected)
        figures.put("roundsman_ingest_acks_total", line.acks)

    FIGURES.source(tell)
    FIGURES.source(db.tell)


def _wait(stop: threading.Event, failures: int, error: BaseException) -> int:
    """A pause that doubles, with jitter: when the database comes back, its workers do not all come at once."""
    if not failures:
        log.warning("the database is away: waiting (%s)", str(error).strip())
    stop.wait(pause_s(failures + 2, *BACKOFF_S, random.random()))
    return failures + 1
