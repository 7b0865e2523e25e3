"""Lanes and chunks in the outbox's tables, and making room in them: released entries go first, then old fixes are thinned, then
dropped, each noted as gone. Facts that the hub does not have are never touched."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from roundsman_agent import chunks
from roundsman_agent.chunks import Chunk
from roundsman_agent.log_file import transaction
from roundsman_wire.messages import FACTS, TRACK, SessionId

NUMBER = 0xFFFF_FFFF
TABLES = {FACTS: ("facts", f"id & {NUMBER}"), TRACK: ("track", "last")}
"""Of each lane: its table, and the last number of a row of it."""


@dataclass(slots=True, kw_only=True)
class Lane:
    """What is kept of one lane: `last` committed, `acked` released through, `first_kept` the oldest number still held."""

    no: int
    session: SessionId
    lane: int
    acked: int = 0
    first_kept: int = 1
    last: int = 0

    @property
    def base(self) -> int:
        return self.no << 32


def load_lane(db: sqlite3.Connection, no: int, session: SessionId, number: int) -> Lane:
    """A lane as the file has it. The newest number is the table's own: a commit need not write it twice."""
    row = db.execute("SELECT acked, first_kept, last FROM lanes WHERE session_no = ? AND lane = ?", (no, number)).fetchone()
    acked, first_kept, last = row or (0, 1, 0)
    lane = Lane(no=no, session=session, lane=number, acked=acked, first_kept=first_kept, last=last)
    table, last_of_row = TABLES[number]
    newest = db.execute(
        f"SELECT {last_of_row} FROM {table} WHERE id > ? AND id <= ? ORDER BY id DESC LIMIT 1", (lane.base, lane.base + NUMBER)
    ).fetchone()
    if newest is not None:
        lane.last = max(lane.last, newest[0])
    return lane


def save_lane(db: sqlite3.Connection, lane: Lane) -> None:
    """Write what the table of entries does not say."""
    db.execute("INSERT OR REPLACE INTO lanes VALUES (?, ?, ?, ?, ?)", (lane.no, lane.lane, lane.acked, lane.first_kept, lane.last))


def put_chunk(db: sqlite3.Connection, lane: Lane, chunk: Chunk) -> None:
    """Insert a chunk of fixes."""
    db.execute(
        "INSERT INTO track (id, last, thinned, gone, body) VALUES (?, ?, ?, ?, ?)",
        (lane.base + chunk.first, chunk.last, chunk.thinned, chunks.pack_gone(chunk.gone), chunk.body),
    )


def chunks_of(db: sqlite3.Connection, lane: Lane, first: int, last: int) -> list[Chunk]:
    """Chunks that touch the numbers `first` to `last`, oldest first."""
    start = db.execute("SELECT max(id) FROM track WHERE id > ? AND id <= ?", (lane.base, lane.base + first)).fetchone()[0]
    return _read(
        db.execute(
            "SELECT id, last, thinned, gone, body FROM track WHERE id BETWEEN ? AND ? AND last >= ? ORDER BY id",
            (lane.base + first if start is None else start, lane.base + last, first),
        )
    )


def _read(rows: sqlite3.Cursor) -> list[Chunk]:
    return [Chunk(first=row[0] & NUMBER, last=row[1], thinned=row[2], gone=chunks.unpack_gone(row[3]), body=row[4]) for row in rows]


def make_room(db: sqlite3.Connection, lanes: Sequence[Lane], most: int) -> bool:
    """Free some pages, `most` rows at a time. False: only facts that the hub does not have are left.

    Released fixes before released facts: the driver's state is folded from the latter at a start.
    """
    ordered = sorted(lanes, key=lambda lane: (lane.lane == FACTS, lane.no))
    return (
        any(_forget(db, lane, lane.acked, most) for lane in ordered)
        or any(_replace(db, lane, 0, most, chunks.thin) for lane in ordered if lane.lane == TRACK)
        or any(_replace(db, lane, 1, most, chunks.drop) for lane in ordered if lane.lane == TRACK)
    )


def _forget(db: sqlite3.Connection, lane: Lane, through: int, most: int) -> bool:
    """Delete the oldest rows that end at or before `through`."""
    table, last_of_row = TABLES[lane.lane]
    rows = db.execute(
        f"SELECT id, {last_of_row} FROM {table} WHERE id > ? AND id <= ? ORDER BY id LIMIT ?", (lane.base, lane.base + through, most)
    ).fetchall()
    rows = [row for row in rows if row[1] <= through]
    if not rows:
        return False
    with transaction(db):
        db.execute(f"DELETE FROM {table} WHERE id BETWEEN ? AND ?", (rows[0][0], rows[-1][0]))
        lane.first_kept = rows[-1][1] + 1
        save_lane(db, lane)
    return True


def _replace(db: sqlite3.Connection, lane: Lane, thinned: int, most: int, change: Callable[[Sequence[Chunk]], list[Chunk]]) -> bool:
    """Change the oldest unbroken run of chunks that were thinned so often and that the hub does not have."""
    found = _read(
        db.execute(
            "SELECT id, last, thinned, gone, body FROM track WHERE id > ? AND id <= ? AND thinned = ? ORDER BY id LIMIT ?",
            (lane.base + lane.acked, lane.base + NUMBER, thinned, most),
        )
    )
    run = found[:1]
    for chunk in found[1:]:
        if chunk.first != run[-1].last + 1:
            break
        run.append(chunk)
    if not run:
        return False
    with transaction(db):
        db.execute("DELETE FROM track WHERE id BETWEEN ? AND ?", (lane.base + run[0].first, lane.base + run[-1].first))
        for chunk in change(run):
            put_chunk(db, lane, chunk)
    return True


def forget_released_before(db: sqlite3.Connection, lanes: Sequence[Lane], before_utc_ms: int) -> None:
    """Delete what was released before an instant."""
    for lane in lanes:
        through = db.execute(
            "SELECT max(through) FROM releases WHERE session_no = ? AND lane = ? AND at_utc_ms <= ?", (lane.no, lane.lane, before_utc_ms)
        ).fetchone()[0]
        while through is not None and _forget(db, lane, min(through, lane.acked), 1000):
            pass
