"""The upkeep role: counts days, lets go what is old, compresses what is done. One works at a time, however many run."""

from __future__ import annotations

import logging
import random
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from roundsman_core.backoff import pause_s
from roundsman_hub.clock import Clock
from roundsman_hub.roads.network import RoadNetwork
from roundsman_hub.settings import Settings
from roundsman_hub.store import compression, offer_store, proof_chain, retention
from roundsman_hub.store.db import AWAY, Database, is_away
from roundsman_hub.telemetry.figures import FIGURES
from roundsman_hub.telemetry.vitals import VITALS, database_answers
from roundsman_hub.upkeep.ageing import age, count_days

log = logging.getLogger(__name__)

LOOKS_EVERY_S: Final = 60.0
"""Real seconds. A day's row need not be there the minute the day ends; a look that finds nothing changed costs one query."""
AGES_EVERY_S: Final = 3600.0
"""Raw fixes go by days: once an hour is soon enough, and after a restart it is done at once."""
LONGEST_WAIT_S: Final = 30.0
OFFERS_KEPT: Final = timedelta(days=7)
"""Windows that nobody took are looked at by those who ask why, within a week."""
TURN: Final = 0x726D_0004
"""Advisory lock: who holds it works."""


def work(db: Database, clock: Clock, stop: threading.Event, blobs: Path | None = None, roads: RoadNetwork | None = None) -> None:
    """Keep house until `stop`. A database that is away is waited for. `roads`: what tracks are laid on before their fixes go."""
    failures = 0
    while not stop.is_set():
        try:
            with db.dedicated() as turn:
                aged_at = -AGES_EVERY_S
                while not stop.is_set():
                    row = turn.execute("SELECT pg_try_advisory_lock(%s) AS mine", (TURN,)).fetchone()
                    if row is not None and row["mine"]:
                        aged_at = _look(db, clock, stop, aged_at, blobs, roads)
                        turn.execute("SELECT pg_advisory_unlock(%s)", (TURN,))
                    failures = 0
                    stop.wait(LOOKS_EVERY_S)
        except AWAY as error:
            if not is_away(error):
                raise
            if not failures:
                log.warning("the database is away: waiting (%s)", str(error).strip())
            failures += 1
            stop.wait(pause_s(failures, 1.0, LONGEST_WAIT_S, random.random()))


def _look(db: Database, clock: Clock, stop: threading.Event, aged_at: float, blobs: Path | None, roads: RoadNetwork | None) -> float:
    """One round. Gives the (monotonic) instant at which old things were last let go."""

    def going() -> bool:
        return not stop.is_set()

    now = clock.now()
    if written := count_days(db, now, going):
        log.info("%d days of vehicles counted", written)
    with db.transaction() as cur:
        proof_chain.extend(cur, now)
    if not going() or time.monotonic() - aged_at < AGES_EVERY_S:
        return aged_at
    with db.transaction() as cur:
        offer_store.forget(cur, now - OFFERS_KEPT)
    if blobs is not None and (gone := let_proofs_go(db, blobs, now)):
        log.info("let go: %d photos and signatures", gone)
    did = age(db, now, going, roads=roads)
    if any((did.let_go, did.tracks_let_go, did.facts_let_go, did.visits_let_go, did.busy_days, did.forgotten)):
        log.info("let go: %s", did)
    if did.without_roads:
        log.warning("the road network is away: the raw fixes of %d vehicles' days wait for it, a day at most", did.without_roads)
    if did.late:
        log.warning("%d fixes came after the raw fixes of their days had gone: those days' numbers are corrected", did.late)
    able = compression.turn_on(db)
    log.debug("compression: %s", able)
    while going() and compression.compress_next(db, now):
        log.info("compressed a day")
    return time.monotonic()


def let_proofs_go(db: Database, blobs: Path, now: datetime) -> int:
    """Photos and signatures whose time is over: first their rows, then their files. Gives how many files went."""
    with db.transaction() as cur:
        gone = retention.proofs_over(cur, now)
    for sha256 in gone:
        (blobs / sha256[:2] / sha256).unlink(missing_ok=True)
    return len(gone)


def run(settings: Settings, clock: Clock, stop: threading.Event, roads: RoadNetwork) -> None:
    """Run an upkeep worker until `stop` is set."""
    with Database.connect(settings.database_url, max_size=1) as db:
        VITALS.must("database", database_answers(settings.database_url))
        FIGURES.source(db.tell)
        work(db, clock, stop, settings.blobs_dir, roads)
