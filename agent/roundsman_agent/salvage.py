"""What can still be read of a damaged store is taken over into the new one; what cannot is known by its number, and told as damaged.

Facts are the driver's work, and the board is folded from them: a page that went bad must not cost a day's deliveries. Rows are read from
both ends of each table towards the damage, for most often it is one place.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

from roundsman_agent.log_file import is_full, transaction
from roundsman_wire import WireError, frames
from roundsman_wire.messages import FACTS, LANES, TRACK

NUMBER: Final = 0xFFFF_FFFF


def salvage(damaged: Path, db: sqlite3.Connection) -> int:
    """Take sessions, lanes and readable rows of a store that was set aside into an empty one.

    Numbers of a lane that are held nowhere are then claimed as gone, "damaged", by the frames that should hold them.

    Returns
    -------
    int
        How many rows (facts, and chunks of fixes) were taken over; 0 also when not even the sessions could be read.
    """
    try:
        with closing(sqlite3.connect(damaged, isolation_level=None)) as old:
            old.execute("PRAGMA locking_mode = EXCLUSIVE")
            old.execute("PRAGMA cell_size_check = ON")
            sessions = [row for row in _both_ends(old, "sessions", "no", "no, session, previous") if _is_session(row)]
            lanes = list(_rows(old, "SELECT session_no, lane, acked, first_kept, last FROM lanes"))
            facts = [row for row in _both_ends(old, "facts", "id", "id, kind, body") if _is_fact(row)]
            chunks = [row for row in _both_ends(old, "track", "id", "id, last, thinned, gone, body") if _is_chunk(row)]
    except sqlite3.DatabaseError:
        return 0
    known = {row[0] for row in sessions}
    state = {(no, lane): (0, 1, 0) for no in known for lane in LANES}
    for no, lane, acked, first_kept, last in lanes:
        if (no, lane) in state and all(isinstance(n, int) and 0 <= n <= NUMBER for n in (acked, first_kept, last)):
            state[no, lane] = acked, first_kept, max(last, acked)
    facts = [row for row in facts if row[0] >> 32 in known]
    chunks = [row for row in chunks if row[0] >> 32 in known]
    for lane, newest in ((FACTS, [(row[0], row[0] & NUMBER) for row in facts]), (TRACK, [(row[0], row[1]) for row in chunks])):
        for number, last in newest:
            acked, first_kept, before = state[number >> 32, lane]
            state[number >> 32, lane] = acked, first_kept, max(before, last)
    try:
        with transaction(db):
            db.executemany("INSERT INTO sessions (no, session, previous) VALUES (?, ?, ?)", sessions)
            db.executemany("INSERT INTO lanes VALUES (?, ?, ?, ?, ?)", [(*key, *values) for key, values in state.items()])
            db.executemany("INSERT INTO facts (id, kind, body) VALUES (?, ?, ?)", facts)
            db.executemany("INSERT INTO track (id, last, thinned, gone, body) VALUES (?, ?, ?, ?, ?)", chunks)
    except sqlite3.OperationalError as error:
        if not is_full(error):
            raise
        return 0
    return len(facts) + len(chunks)


def _rows(old: sqlite3.Connection, question: str, *values: int) -> Iterator[tuple[Any, ...]]:
    """Answers until the damage."""
    with suppress(sqlite3.DatabaseError):
        yield from old.execute(question, values)


def _both_ends(old: sqlite3.Connection, table: str, key: str, columns: str) -> list[tuple[Any, ...]]:
    """Rows before the damage, then rows after it, oldest first."""
    first = list(_rows(old, f"SELECT {columns} FROM {table} ORDER BY {key}"))
    last_read = max((row[0] for row in first if isinstance(row[0], int)), default=-(2**62))
    after = list(_rows(old, f"SELECT {columns} FROM {table} WHERE {key} > ? ORDER BY {key} DESC", last_read))
    whole = {row[0]: row for row in (*first, *after) if isinstance(row[0], int)}
    return [whole[number] for number in sorted(whole)]


def _sound(check: Callable[[], object]) -> bool:
    try:
        check()
    except (WireError, ValueError, TypeError):
        return False
    return True


def _is_session(row: tuple[Any, ...]) -> bool:
    no, session, previous = row
    return 0 < no <= NUMBER and all(name is None or _is_name(name) for name in (session, previous)) and session is not None


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and len(name) == 16 and all(c in "0123456789abcdef" for c in name)


def _is_fact(row: tuple[Any, ...]) -> bool:
    _, kind, body = row
    return isinstance(kind, str) and isinstance(body, bytes) and _sound(lambda: frames.parse_entry(body))


def _is_chunk(row: tuple[Any, ...]) -> bool:
    number, last, thinned, gone, body = row
    shape = isinstance(last, int) and thinned in (0, 1, 2) and isinstance(gone, bytes) and isinstance(body, bytes)
    return shape and number & NUMBER <= last <= NUMBER and len(gone) % frames.GONE.size == 0
