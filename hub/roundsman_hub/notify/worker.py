"""The notify role: looks at what changed, writes down what is worth telling, follows collections, and sends what is due."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from roundsman_hub.care import cases
from roundsman_hub.clock import Clock
from roundsman_hub.domain.customers import UNSURE, UNSURE_AHEAD, view
from roundsman_hub.notify import outbox
from roundsman_hub.notify.matters import Is, Kind, Told, worth_telling
from roundsman_hub.notify.sending import Send, send, send_due
from roundsman_hub.settings import Settings
from roundsman_hub.store import outbox_store as store
from roundsman_hub.store.db import AWAY, Cursor, Database, is_away, listen, notices
from roundsman_hub.store.rows import Row
from roundsman_hub.telemetry.figures import FIGURES
from roundsman_hub.telemetry.vitals import VITALS, database_answers

log = logging.getLogger(__name__)

LOOKS_EVERY_S: Final = 2.0
"""Changes are gathered this long: a plan changes many arrival times at once."""
LOOKS_ANYWAY_S: Final = 30.0
"""Time itself changes what is worth telling."""
AGAIN_AFTER_S: Final = 2.0
BACK: Final = timedelta(days=1)
TOPICS: Final = frozenset({"order", "plan", "eta", "vehicle", "log"})


def look(db: Database, clock: Clock) -> int:
    """Write down what is worth telling now, of every fleet that writes. Gives how many notices are new."""
    with db.transaction() as cur:
        fleets = store.fleets(cur)
    written = 0
    for fleet in fleets:
        with db.tenant(fleet["fleet_id"]) as cur:
            cases.follow(cur, fleet["fleet_id"], clock)
            written += _look(cur, fleet, clock)
    return written


def _look(cur: Cursor, fleet: Row, clock: Clock) -> int:
    now = clock.now()
    written = 0
    for order in store.watched(cur, now - BACK, now + UNSURE_AHEAD):
        seen = view(order, None, now)
        low, high = seen.expected or (None, None)
        is_now = Is(
            stage=seen.stage,
            driving=order["duty"] == "on",
            eta=seen.eta,
            low=low,
            high=high,
            promise_start=seen.window_start,
            promise_end=seen.window_end,
            now=now,
            unsure=seen.late == UNSURE,
        )
        told = Told(
            stage=order["told_stage"] or "",
            low=order["told_low"],
            high=order["told_high"],
            at=order["told_at"],
            changes=order["told_changes"],
        )
        kind, knows = worth_telling(told, is_now)
        if kind is None:
            continue
        fields = _fields(kind, knows, order)
        revision = f"{knows.changes}" if kind == "changed" else "once"
        written += outbox.tell_order(
            cur, fleet["fleet_id"], order, kind, revision=revision, at=now, fields=fields, settings=fleet["settings"]
        )
        row = {"stage": knows.stage, "low": knows.low, "high": knows.high, "at": now, "changes": knows.changes}
        store.tell(cur, fleet["fleet_id"], order["order_id"], row)
    return written


def _fields(kind: Kind, knows: Told, order: Row) -> Mapping[str, Any]:
    if kind in ("done", "failed"):
        return {"at": order["done_at"], "reason": order["reason"] or "no_reason"}
    if kind == "unsure":
        return {name: order[f"promise_{name}"] or order[f"window_{name}"] for name in ("start", "end")}
    return {"start": knows.low, "end": knows.high}


def work(db: Database, clock: Clock, stop: threading.Event, *, by: Send = send) -> None:
    """Look and send until `stop`. A database that is away is waited for."""
    away = False
    while not stop.is_set():
        try:
            with db.dedicated() as connection:
                listen(connection)
                away, looked, dirty = False, 0.0, True
                while not stop.is_set():
                    heard = notices(connection, 0.5)
                    dirty |= any(notice.topic in TOPICS for notice in heard)
                    since = time.monotonic() - looked
                    if (dirty and since >= LOOKS_EVERY_S) or since >= LOOKS_ANYWAY_S:
                        looked, dirty = time.monotonic(), False
                        look(db, clock)
                    while not stop.is_set() and send_due(db, clock, by=by):
                        pass
        except AWAY as error:
            if not is_away(error):
                raise
            if not away:
                log.warning("the database is away: waiting (%s)", str(error).strip())
            away = True
            stop.wait(AGAIN_AFTER_S)


def run(settings: Settings, clock: Clock, stop: threading.Event) -> None:
    """Run the role until `stop` is set."""
    with Database.connect(settings.database_url, max_size=3) as db:
        VITALS.must("database", database_answers(settings.database_url))
        FIGURES.source(db.tell)
        work(db, clock, stop)
