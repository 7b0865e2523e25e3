"""Frames that could not be read when they came are tried again by every new release: what it reads fills the gap they left."""

from __future__ import annotations

from collections import Counter

import psycopg

from roundsman_hub.clock import Clock
from roundsman_hub.ingest.take import Bound, LogFrame, read
from roundsman_hub.store import log_store
from roundsman_hub.store.db import Cursor, Database
from roundsman_wire.channels import parse_topic
from roundsman_wire.frames import decode_header


def refill(db: Database, clock: Clock) -> int:
    """Try every frame set aside, each in a transaction of its own. Returns how many were read."""
    with db.transaction() as cur:
        waiting = log_store.set_aside(cur)
    done = 0
    for number in waiting:
        try:
            with db.transaction() as cur:
                done += _try(cur, number, clock)
        except (psycopg.DataError, psycopg.IntegrityError, ValueError):
            continue  # still nothing that this database can hold: it stays set aside
    return done


def _try(cur: Cursor, number: int, clock: Clock) -> bool:
    frame = log_store.quarantined(cur, number)
    if frame is None or frame.session_no is None or frame.first_seq is None or frame.last_seq is None:
        return False
    data = bytes(frame.frame)
    taken = LogFrame(topic=frame.topic, vehicle=parse_topic(frame.topic).vehicle, header=decode_header(data), data=data)
    bound = Bound(frame=taken, session_no=frame.session_no, first=frame.first_seq, last=frame.last_seq)
    stored, timed, untimed = read([bound], clock, None, Counter())
    if stored.unreadable:
        return False
    log_store.resolve(cur, number, frame, clock.now())
    log_store.add_fixes(cur, timed=timed, untimed=untimed)
    log_store.add_entries(cur, stored.entries, received_at=clock.now(), received_real_at=clock.real_now())
    return True
