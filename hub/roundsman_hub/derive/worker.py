"""Keeps the derived tables up with the log: woken by notices, led by watermarks, so a missed notice only costs a little time."""

from __future__ import annotations

import logging
import random
import threading
import time
from datetime import datetime
from typing import Final

from roundsman_core.backoff import pause_s
from roundsman_hub.clock import Clock
from roundsman_hub.derive.vehicle import Vehicle, bring_up, order_alerts, refold_alerts
from roundsman_hub.ingest.take import FUTURE
from roundsman_hub.settings import Settings
from roundsman_hub.store import alert_store, derived_store, log_store, partitions
from roundsman_hub.store.db import AWAY, Database, is_away, listen, notices, notify
from roundsman_hub.telemetry.figures import FIGURES
from roundsman_hub.telemetry.log_figures import LogFigures
from roundsman_hub.telemetry.traces import TRACES
from roundsman_hub.telemetry.vitals import VITALS, database_answers

log = logging.getLogger(__name__)

LOOKS_EVERY_S: Final = 5.0
"""Without any notice; a notice is lost when ingest ends between its COMMIT and telling of it."""
WAIT_S: Final = 0.5
PASSES_TIME_EVERY_S: Final = 15.0
"""What did not happen is looked for this often (real seconds): silence and lateness are told in minutes."""
KEEPS_HOUSE_EVERY_S: Final = 60.0
LONGEST_WAIT_S: Final = 5.0
HANGS_S: Final = 120.0
"""Time without a vehicle done: the log of weeks of one vehicle takes a minute."""


def catch_up(db: Database, clock: Clock) -> int:
    """Derive everything that is not derived yet, one vehicle a transaction. Returns the number of sessions.

    A session that the tables will not take is alarmed and left behind; the others go on.
    """
    with db.transaction() as cur:
        waiting = derived_store.behind(cur)
        vehicles = {session.vehicle_id: session.fleet_id for session in waiting} | derived_store.moved(cur)
    for vehicle, fleet in sorted(vehicles.items()):
        sessions = [session for session in waiting if session.vehicle_id == vehicle]
        VITALS.beat("derive", HANGS_S)
        with TRACES.span("derive.vehicle", vehicle=vehicle, sessions=len(sessions)), db.transaction() as cur:
            done = bring_up(cur, Vehicle(vehicle_id=vehicle, fleet_id=fleet), sessions, clock.now())
            notify(cur, *dict.fromkeys(done.notices))
        for session_no, reason in done.refused.items():
            log.error("session %d of %s cannot be derived: %s", session_no, vehicle, reason, extra={"vehicle": vehicle})
            with db.transaction() as cur:
                log_store.alarm(cur, "cannot derive", vehicle, ascii(reason)[:500], clock.real_now())
    return len(waiting)


def caught_up(db: Database, clock: Clock) -> None:
    """`catch_up`, counted."""
    began = time.monotonic()
    sessions = catch_up(db, clock)
    if sessions:
        FIGURES.observe("roundsman_derive_seconds", time.monotonic() - began)
        FIGURES.add("roundsman_derive_sessions_total", sessions)


def pass_time(db: Database, horizon: datetime) -> None:
    """Find out what did not happen by `horizon`: vans that fell silent, and orders that fell due."""
    with db.transaction() as cur:
        quiet, orders = alert_store.quiet(cur, horizon), alert_store.unserved(cur, horizon)
    for vehicle, fleet in sorted(quiet.items()):
        with db.transaction() as cur:
            notify(cur, *refold_alerts(cur, Vehicle(vehicle_id=vehicle, fleet_id=fleet), horizon))
    if orders:
        with db.transaction() as cur:
            notify(cur, *order_alerts(cur, orders, horizon))


def keep_house(db: Database, clock: Clock) -> None:
    """What is due now and then: tomorrow's partition, and fixes that waited for their date."""
    with db.transaction() as cur:
        if made := partitions.ensure_days(cur, clock.now()):
            log.info("made %s", ", ".join(made))
    with db.transaction() as cur:
        if dated := derived_store.date_fixes(cur, clock.now() + FUTURE):
            log.info("%d fixes got their date", dated)


def work(db: Database, clock: Clock, stop: threading.Event) -> None:
    """Derive until `stop`. A database that is away is waited for."""
    failures = 0
    while not stop.is_set():
        try:
            with db.dedicated() as ears:
                listen(ears)
                looked = passed_time = kept_house = -float("inf")
                woken, trace = True, ""
                while not stop.is_set():
                    VITALS.beat("derive", HANGS_S)
                    now = time.monotonic()
                    if woken or now - looked >= LOOKS_EVERY_S:
                        with TRACES.span("derive.catch_up", trace):
                            caught_up(db, clock)
                        looked, failures = now, 0
                    if now - passed_time >= PASSES_TIME_EVERY_S:
                        pass_time(db, clock.now())
                        passed_time = now
                    if now - kept_house >= KEEPS_HOUSE_EVERY_S:
                        keep_house(db, clock)
                        kept_house = now
                    heard = [notice for notice in notices(ears, WAIT_S) if notice.topic == "log"]
                    woken, trace = bool(heard), next((notice.trace for notice in heard if notice.trace), "")
        except AWAY as error:
            if not is_away(error):
                raise
            if not failures:
                log.warning("the database is away: waiting (%s)", str(error).strip())
            failures += 1
            stop.wait(pause_s(failures, 0.4, LONGEST_WAIT_S, random.random()))


def run(settings: Settings, clock: Clock, stop: threading.Event | None = None) -> None:
    """Run a derive worker until `stop` is set."""
    with Database.connect(settings.database_url, max_size=3) as db:
        VITALS.must("database", database_answers(settings.database_url))
        FIGURES.source(db.tell)
        FIGURES.source(LogFigures(db).tell)
        work(db, clock, stop or threading.Event())
