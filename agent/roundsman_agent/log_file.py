"""The file under the outbox: opened, checked, set aside when damaged, and its schema."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from roundsman_agent import AgentError
from roundsman_wire.messages import SessionId

PAGE_BYTES: Final = 4096

# An id is session_no << 32 | first number: one b-tree in log order, so that a commit touches its last page only.
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS sessions (no INTEGER PRIMARY KEY, session TEXT NOT NULL UNIQUE, previous TEXT);
CREATE TABLE IF NOT EXISTS lanes (
    session_no INTEGER, lane INTEGER, acked INTEGER NOT NULL, first_kept INTEGER NOT NULL, last INTEGER NOT NULL,
    PRIMARY KEY (session_no, lane)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS track (
    id INTEGER PRIMARY KEY, last INTEGER NOT NULL, thinned INTEGER NOT NULL, gone BLOB NOT NULL, body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS releases (
    session_no INTEGER, lane INTEGER, at_utc_ms INTEGER, through INTEGER NOT NULL, PRIMARY KEY (session_no, lane, at_utc_ms)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


def open_or_set_aside(path: Path, max_pages: int) -> tuple[sqlite3.Connection, Path | None]:
    """The database, and where a damaged one was put (None: it was sound, or new).

    Raises
    ------
    AgentError
        Another process has it, or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AgentError(f"{path.parent}: {error.strerror}; set store.dir to a folder that this user may write") from None
    try:
        return _open(path, max_pages), None
    except sqlite3.DatabaseError as error:
        if "locked" in str(error):
            raise AgentError(f"{path} is in use: is another roundsman-agent running with this store?") from None
        # Only what is damaged is set aside: a full disk or a missing right says nothing about the file.
        if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise AgentError(f"{path}: {error}; free some space, or set store.dir to a folder that this user may write") from None
    aside = _put_aside(path)
    return _open(path, max_pages), aside


def _open(path: Path, max_pages: int) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1.0)
    try:
        # One process writes. Exclusive before WAL also spares the shared-memory file.
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA wal_autocheckpoint = 500")
        # Reads the whole file, once a start. On a damaged file it *raises* as often as it answers.
        verdict = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(f"quick_check: {verdict}")
        # SQLite does not keep it. On a full disk not even DELETE works, so the file must end before the disk does.
        db.execute(f"PRAGMA max_page_count = {max_pages}")
        db.executescript(SCHEMA)
    except BaseException:
        db.close()
        raise
    return db


def _put_aside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside


def is_full(error: sqlite3.Error) -> bool:
    """Whether there was no room: the file may not grow, or the disk is full."""
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_FULL


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, and on the disk when it ends."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        # SQLite has already rolled back after some errors (disk full among them).
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def newest_session(db: sqlite3.Connection, beside: Path, *, damaged: bool) -> SessionId | None:
    """The session before this one. Its name is kept beside the store too, so that the chain outlives a damaged store: of that, the
    newest name may be what could not be read."""
    row = db.execute("SELECT session FROM sessions ORDER BY no DESC LIMIT 1").fetchone()
    if row is not None and not damaged:
        return str(row[0])
    try:
        text = beside.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        text = ""
    if len(text) == 16 and all(c in "0123456789abcdef" for c in text):
        return text
    return None if row is None else str(row[0])


def write_whole(path: Path, data: bytes) -> None:
    """Replace a small file so that a power cut leaves the old bytes or the new, never a part."""
    fresh = path.with_name(path.name + ".new")
    with fresh.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
