"""Keeps the derived tables up with the log: woken by notices, led by watermarks, so a missed notice only costs a little time."""

from __future__ import annotations

import logging
import random
import threading
import time
from typing import Final

import psycopg

from roundsman_hub.clock import Clock
from roundsman_hub.derive.fold import Progress, Rows, fold, with_date
from roundsman_hub.ingest.take import FUTURE
from roundsman_hub.settings import Settings
from roundsman_hub.store import derived_store, log_store, partitions
from roundsman_hub.store.db import AWAY, Cursor, Database, Notice, is_away, listen, notices, notify
from roundsman_hub.store.derived_store import Behind

log = logging.getLogger(__name__)

LOOKS_EVERY_S: Final = 5.0
"""Without any notice; a notice is lost when ingest ends between its COMMIT and telling of it."""
WAIT_S: Final = 0.5
KEEPS_HOUSE_EVERY_S: Final = 60.0
LONGEST_WAIT_S: Final = 5.0


def catch_up(db: Database, clock: Clock) -> int:
    """Derive everything that is not derived yet, one session a transaction. Returns the number of sessions.

    A session that the tables will not take is alarmed and left behind; the others go on.
    """
    with db.transaction() as cur:
        waiting = derived_store.behind(cur)
    for session in waiting:
        try:
            with db.transaction() as cur:
                notify(cur, *derive(cur, session))
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            log.error("session %d of %s cannot be derived: %s", session.session_no, session.vehicle_id, error)
            with db.transaction() as cur:
                log_store.alarm(cur, "cannot derive", session.vehicle_id, ascii(str(error))[:500], clock.real_now())
    return len(waiting)


def derive(cur: Cursor, session: Behind) -> list[Notice]:
    """Bring one session's rows up to its watermark; from its first fact when what was derived before no longer holds."""
    done, progress = derived_store.progress(cur, session)
    through = derived_store.through(cur, session.session_no)
    touched: set[str] = set()
    if progress is None:
        touched |= derived_store.forget(cur, session.session_no)
        progress, done = Progress(), 0
    result = fold(progress, derived_store.facts(cur, session.session_no, done, through))
    if result is None:
        touched |= derived_store.forget(cur, session.session_no)
        facts = derived_store.facts(cur, session.session_no, 0, through)
        result = fold(with_date(facts), facts)
    if result is None:
        raise AssertionError("a session that begins with its date cannot guess it")
    progress, rows = result
    derived_store.write(cur, session, rows)
    derived_store.save_progress(cur, session.session_no, through, progress)
    if rows.duties:
        derived_store.show_duty(cur, session.vehicle_id)
    changed = derived_store.refold_orders(cur, touched | rows.orders)
    return [Notice(topic="order", fleet_id=fleet, subject=order) for order, fleet in sorted(changed.items())] + _of_vehicle(session, rows)


def _of_vehicle(session: Behind, rows: Rows) -> list[Notice]:
    told = [("plan", bool(rows.receipts)), ("vehicle", bool(rows.duties or rows.visits))]
    return [Notice(topic=topic, fleet_id=session.fleet_id, subject=session.vehicle_id) for topic, changed in told if changed]


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
                looked = kept_house = -float("inf")
                woken = True
                while not stop.is_set():
                    now = time.monotonic()
                    if woken or now - looked >= LOOKS_EVERY_S:
                        catch_up(db, clock)
                        looked, failures = now, 0
                    if now - kept_house >= KEEPS_HOUSE_EVERY_S:
                        keep_house(db, clock)
                        kept_house = now
                    woken = any(notice.topic == "log" for notice in notices(ears, WAIT_S))
        except AWAY as error:
            if not is_away(error):
                raise
            if not failures:
                log.warning("the database is away: waiting (%s)", str(error).strip())
            failures += 1
            stop.wait(random.uniform(0.5, 1.0) * min(0.2 * 2**failures, LONGEST_WAIT_S))


def run(settings: Settings, clock: Clock, stop: threading.Event | None = None) -> None:
    """Run a derive worker until `stop` is set."""
    with Database.connect(settings.database_url, max_size=2) as db:
        work(db, clock, stop or threading.Event())
