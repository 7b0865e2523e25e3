"""What the database takes on disk, by table; how fast it grows, and how long the disk lasts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from roundsman_hub.store import compression, retention
from roundsman_hub.store.db import Cursor

GROWTH_DAYS: Final = 7
"""A week: weekends and weekdays in their proportion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table with everything that belongs to it: indexes, TOAST, and its partitions or chunks."""

    name: str
    total_bytes: int
    index_bytes: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A day's partition or chunk of the track. `plain_bytes`: what a compressed one took before."""

    name: str
    day: str
    total_bytes: int
    rows: int
    plain_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Everything that `roundsman-hub db size` tells.

    Attributes
    ----------
    bytes_fix, bytes_fix_compressed : float or None
        Bytes a raw fix on disk, index included; None where there is none of the kind.
    bytes_fix_simplified : float or None
        The same fixes as simplified tracks.
    compression : str
        "on", or why there is none.
    growth_bytes_day : int or None
        What a day brought, on average, over the last week's days with fixes or facts; None before the first whole day.
    free_bytes : int or None
        On the server's disk; None where that disk cannot be seen from here.
    days_left : float or None
        Until that is full, as it grows now and nothing is let go.
    """

    database_bytes: int
    tables: Sequence[Table]
    parts: Sequence[Part]
    bytes_fix: float | None
    bytes_fix_compressed: float | None
    bytes_fix_simplified: float | None
    compression: str
    growth_bytes_day: int | None
    free_bytes: int | None
    days_left: float | None


def sizes(cur: Cursor, now: datetime) -> Sizes:
    """Measure. Rows of large tables are the server's own estimates where it has one; those of the track are counted."""
    hyper = retention.is_hypertable(cur)
    parts = _parts(cur, hyper)
    tables = _tables(cur, hyper, parts)
    track = next(table for table in tables if table.name == "log.fixes")
    plain = [part for part in parts if part.plain_bytes is None and part.rows]
    compressed = [part for part in parts if part.plain_bytes is not None and part.rows]
    in_default = 0 if hyper else _one(cur, "SELECT count(*) AS n FROM log.fixes_default")
    plain_rows = sum(part.rows for part in plain) + in_default
    plain_bytes = track.total_bytes - sum(part.total_bytes for part in compressed)
    simplified = _one(cur, "SELECT coalesce(sum(last_seq - first_seq + 1), 0)::bigint AS n FROM log.stretches")
    stretches = next(table for table in tables if table.name == "log.stretches")
    reason = compression.unavailable(cur) or ("" if compression.is_on(cur) else "not turned on yet: the upkeep role does so")
    growth = _growth(cur, now, plain_bytes / plain_rows if plain_rows else None)
    free = free_bytes(cur)
    return Sizes(
        database_bytes=_one(cur, "SELECT pg_database_size(current_database()) AS n"),
        tables=tables,
        parts=parts,
        bytes_fix=plain_bytes / plain_rows if plain_rows else None,
        bytes_fix_compressed=sum(p.total_bytes for p in compressed) / sum(p.rows for p in compressed) if compressed else None,
        bytes_fix_simplified=stretches.total_bytes / simplified if simplified else None,
        compression=reason or "on",
        growth_bytes_day=growth,
        free_bytes=free,
        days_left=free / growth if free is not None and growth else None,
    )


def _one(cur: Cursor, statement: str) -> int:
    row = cur.execute(statement.encode()).fetchone()
    return int(row["n"]) if row else 0


def _parts(cur: Cursor, hyper: bool) -> list[Part]:
    found = []
    for piece in retention.tables(cur):
        assert piece.table is not None
        name = ".".join(piece.table)
        row = cur.execute(
            "SELECT pg_total_relation_size(%(t)s::regclass) AS bytes, (SELECT count(*) FROM log.fixes WHERE time >= %(a)s AND time < %(b)s "
            "AND tableoid = %(t)s::regclass) AS rows",
            {"t": name, "a": piece.since, "b": piece.until},
        ).fetchone()
        assert row is not None
        found.append(Part(name=name, day=f"{piece.since:%Y-%m-%d}", total_bytes=row["bytes"], rows=row["rows"]))
    if not hyper or not compression.is_on(cur):
        return found
    before = {
        f"{row['chunk_schema']}.{row['chunk_name']}": (row["before_compression_total_bytes"], row["after_compression_total_bytes"])
        for row in cur.execute(
            "SELECT chunk_schema, chunk_name, before_compression_total_bytes, after_compression_total_bytes "
            "FROM chunk_compression_stats('log.fixes') WHERE compression_status = 'Compressed'"
        )
    }
    return [
        Part(name=p.name, day=p.day, rows=p.rows, total_bytes=before[p.name][1], plain_bytes=before[p.name][0]) if p.name in before else p
        for p in found
    ]


def _tables(cur: Cursor, hyper: bool, parts: Sequence[Part]) -> list[Table]:
    """Tables of the hub, largest first; those that are divided, with all their parts."""
    cur.execute(
        "SELECT n.nspname || '.' || c.relname AS name, c.reltuples, c.relkind, pg_total_relation_size(c.oid) AS total, "
        "pg_indexes_size(c.oid) AS indexes, coalesce((SELECT sum(pg_total_relation_size(p.relid)) FROM pg_partition_tree(c.oid) p "
        "WHERE p.relid <> c.oid), 0)::bigint AS below, coalesce((SELECT sum(pg_indexes_size(p.relid)) FROM pg_partition_tree(c.oid) p "
        "WHERE p.relid <> c.oid), 0)::bigint AS below_indexes FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname IN ('public', 'log') AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
    )
    found = []
    for row in cur.fetchall():
        name, total, indexes, rows = row["name"], row["total"] + row["below"], row["indexes"] + row["below_indexes"], int(row["reltuples"])
        if name == "log.fixes":
            rows = sum(part.rows for part in parts) + (0 if hyper else _one(cur, "SELECT count(*) AS n FROM log.fixes_default"))
            if hyper:
                told = cur.execute("SELECT total_bytes, index_bytes FROM hypertable_detailed_size('log.fixes')").fetchone()
                total, indexes = (int(told["total_bytes"]), int(told["index_bytes"])) if told else (total, indexes)
        elif rows < 0:  # never analysed: small, or new
            rows = _one(cur, f"SELECT count(*) AS n FROM {name}")
        found.append(Table(name=name, total_bytes=total, index_bytes=indexes, rows=rows))
    return sorted(found, key=lambda table: -table.total_bytes)


def _growth(cur: Cursor, now: datetime, bytes_fix: float | None) -> int | None:
    """Bytes a day: fixes by their own time, facts by when they came."""
    until = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    since = until - timedelta(days=GROWTH_DAYS)
    row = cur.execute(
        "SELECT count(DISTINCT day) AS days, sum(n) FILTER (WHERE kind = 'fix') AS fixes, sum(n) FILTER (WHERE kind = 'fact') AS bytes "
        "FROM ("
        "SELECT 'fix' AS kind, date_trunc('day', time, 'UTC') AS day, count(*) AS n FROM log.fixes WHERE time >= %(a)s AND time < %(b)s "
        "GROUP BY 2 UNION ALL "
        "SELECT 'fact', date_trunc('day', received_at, 'UTC'), sum(pg_column_size(e.*)) FROM log.entries e "
        "WHERE received_at >= %(a)s AND received_at < %(b)s GROUP BY 2) AS brought",
        {"a": since, "b": until},
    ).fetchone()
    if row is None or not row["days"]:
        return None
    return round((float(row["fixes"] or 0) * (bytes_fix or 0.0) + float(row["bytes"] or 0)) / int(row["days"]))


def free_bytes(cur: Cursor) -> int | None:
    """Free space of the server's disk, where server and asker are on one machine."""
    if not cur.connection.info.host.startswith("/"):
        return None
    row = cur.execute("SELECT current_setting('data_directory', true) AS place").fetchone()
    if row is None or not row["place"]:
        return None
    try:
        told = os.statvfs(Path(row["place"]))
    except OSError:
        return None
    return int(told.f_bavail * told.f_frsize)
