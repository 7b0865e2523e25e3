"""The van's log on its own disk: append, hand out as frames, release on the hub's ack, and survive power cuts and full disks.

SQLite, WAL, `synchronous=FULL`: 2,000 simulated power cuts lost nothing that was committed. A commit writes whole pages, so
fixes are kept as one packed chunk a commit, not as a row each. Released is not deleted: a restored hub can ask again.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from roundsman_agent import AgentError, chunks, log_file, room
from roundsman_agent.ballast import Ballast
from roundsman_agent.chunks import Chunk
from roundsman_agent.log_file import PAGE_BYTES, is_full, transaction
from roundsman_agent.room import Lane
from roundsman_agent.salvage import salvage
from roundsman_core.lanes import SendLane
from roundsman_wire import frames
from roundsman_wire.messages import FACTS, LANES, TRACK, AnyEntry, FixRow, LaneState, SessionId, SessionStarted, SessionState

KEEP_RELEASED_MS: Final = 14 * 86_400_000
RELEASE_MARK_MS: Final = 3_600_000
"""How finely the time of a release is kept: a mark an hour costs nothing, and fourteen days need no better."""
SHARE_FOR_TRACK: Final = 0.9
"""Of the store; the rest is for facts alone, so that a store full of fixes still takes a delivery."""
ROWS_A_CHUNK: Final = 500
BODY_BYTES: Final = 32_768
"""A frame ends at the first entry beyond this: facts are up to 8 kB each and a frame at most 64 kB."""
FRESH_BYTES: Final = 8_192
"""Kept of the facts of a commit, so that they need not be read back; larger ones seldom come."""
MAX_SESSIONS_TOLD: Final = 200
"""In a presence: about 40 kB. Unsent sessions always; a unit that restarted more often than this in 14 days has told its hub so."""
EXPIRED: Final = 4
DAMAGED: Final = 2


class StoreFull(AgentError):
    """Facts alone fill the store. Nothing was written; the caller keeps them and tries again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """What one commit added: the newest numbers of this session's lanes, and how many of the given fixes had no room."""

    facts_last: int
    track_last: int
    dropped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """What the newest commit wrote of a lane, as the body of a frame."""

    first: int
    last: int
    body: bytes


class Outbox:
    """One writer, one file. Every method may be called from any thread. Those that touch the disk work one at a time; the others
    (`release`, `lanes`, `told`, `backlog`, `fresh_frame`) only read and set numbers in memory and never wait for the disk.

    Parameters
    ----------
    path : Path
        The database file; made when absent. A damaged one is put aside (`set_aside` says where).
    max_mb : int
        Largest size of the file; the write-ahead log comes on top (about 4 MB).
    version : str
        The agent's version, for the session's first entry.
    now : callable
        (business UTC in ms, ms of this session's monotonic clock).

    Raises
    ------
    AgentError
        The store is in use by another process or cannot be written.
    """

    def __init__(self, path: Path, *, max_mb: int, version: str, now: Callable[[], tuple[int, int]]) -> None:
        self.path = path
        self._now = now
        self._lock = threading.RLock()
        self._max_pages = max(max_mb * 1_048_576 // PAGE_BYTES, 64)
        self._db, self.set_aside = log_file.open_or_set_aside(path, self._max_pages)
        self.salvaged = 0 if self.set_aside is None else salvage(self.set_aside, self._db)
        """Rows of a damaged store that could still be read, and are here now."""
        self._limited = self._max_pages
        self._ballast = Ballast(path.with_name("ballast"))
        self._fresh: dict[int, Fresh] = {}
        self._lanes: dict[tuple[SessionId, int], Lane] = {}
        self._previous: dict[SessionId, SessionId | None] = {}
        self._unsaved: set[tuple[SessionId, int]] = set()
        for no, session, previous in self._db.execute("SELECT no, session, previous FROM sessions ORDER BY no").fetchall():
            self._previous[session] = previous
            for lane in LANES:
                self._lanes[session, lane] = room.load_lane(self._db, no, session, lane)
        epoch = self._db.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
        self.epoch = 0 if epoch is None else int(epoch[0])
        beside = path.with_name("session")
        self.previous = log_file.newest_session(self._db, beside, damaged=self.set_aside is not None)
        self.session: SessionId = secrets.token_hex(8)
        try:
            self._begin_session(version)
            log_file.write_whole(beside, self.session.encode() + b"\n")
        except OSError as error:
            self._db.close()
            raise AgentError(f"{beside}: {error.strerror}; free some space") from None
        except BaseException:
            self._db.close()
            raise

    def _begin_session(self, version: str) -> None:
        utc_ms, mono_ms = self._now()

        def insert() -> None:
            with transaction(self._db):
                no = self._db.execute("INSERT INTO sessions (session, previous) VALUES (?, ?)", (self.session, self.previous)).lastrowid
                for lane in LANES:
                    self._lanes[self.session, lane] = Lane(no=no or 0, session=self.session, lane=lane)
                    room.save_lane(self._db, self._lanes[self.session, lane])

        if not (self._try(insert, self._max_pages) or (self._ballast.give() and self._try(insert, self._max_pages))):
            raise StoreFull(f"{self.path}: full, and nothing is left that may go; make store.max_mb larger")
        self._previous[self.session] = self.previous
        started = SessionStarted(
            mono_ms=mono_ms,
            utc_ms=utc_ms,
            session=self.session,
            previous=self.previous,
            agent_version=version,
            row_format=frames.BODY_FORMATS[TRACK],
            reason="store set aside" if self.set_aside else "start",
        )
        self.append([started], [])

    def is_free(self) -> bool:
        """Whether nobody works with the disk just now."""
        free = self._lock.acquire(blocking=False)
        if free:
            self._lock.release()
        return free

    # ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def append(self, facts: Sequence[AnyEntry], rows: Sequence[FixRow]) -> Appended:
        """Commit entries of this session; on return they survive a power cut.

        Facts and fixes go to the disk together when there is room for both; otherwise facts go alone.

        Raises
        ------
        StoreFull
            There is no room for the facts, even without a single fix. Nothing was written.
        """
        encoded = [(str(type(entry).__struct_config__.tag), frames.encode_entry(entry)) for entry in facts]
        with self._lock:
            on_facts, on_track = self._lanes[self.session, FACTS], self._lanes[self.session, TRACK]
            dropped = 0
            if rows:
                done = self._try(lambda: self._insert(on_facts, encoded, on_track, rows), int(self._max_pages * SHARE_FOR_TRACK))
                if done:
                    return Appended(facts_last=on_facts.last, track_last=on_track.last)
                dropped = len(rows)
            insert = lambda: self._insert(on_facts, encoded, on_track, ())  # noqa: E731
            # What is held back is given to facts alone: fixes would have it used up within the hour.
            if encoded and not (self._try(insert, self._max_pages) or (self._ballast.give() and self._try(insert, self._max_pages))):
                raise StoreFull(f"{self.path}: full, and nothing is left that may go; make store.max_mb larger")
            return Appended(facts_last=on_facts.last, track_last=on_track.last, dropped=dropped)

    def _insert(self, on_facts: Lane, encoded: Sequence[tuple[str, bytes]], on_track: Lane, rows: Sequence[FixRow]) -> None:
        fresh: dict[int, Fresh] = {}
        with transaction(self._db):
            if encoded:
                first = on_facts.last + 1
                self._db.executemany(
                    "INSERT INTO facts (id, kind, body) VALUES (?, ?, ?)",
                    [(on_facts.base + number, kind, body) for number, (kind, body) in enumerate(encoded, first)],
                )
                bodies = [body for _, body in encoded]
                if sum(map(len, bodies)) <= FRESH_BYTES:
                    fresh[FACTS] = Fresh(first=first, last=first + len(bodies) - 1, body=frames.pack_entries(bodies))
            for start in range(0, len(rows), ROWS_A_CHUNK):
                part = rows[start : start + ROWS_A_CHUNK]
                first = on_track.last + 1 + start
                chunk = Chunk(first=first, last=first + len(part) - 1, thinned=0, gone=(), body=frames.pack_rows(part))
                room.put_chunk(self._db, on_track, chunk)
                fresh[TRACK] = Fresh(first=chunk.first, last=chunk.last, body=chunk.body)
        on_facts.last += len(encoded)
        on_track.last += len(rows)
        self._fresh = fresh

    def _try(self, write: Callable[[], None], max_pages: int) -> bool:
        """Write, making room for as long as that helps. False: it does not fit."""
        most = 64
        while True:
            self._limit(max_pages)
            try:
                write()
            except sqlite3.OperationalError as error:
                if not is_full(error):
                    raise
            else:
                return True
            self._fresh = {}  # it may be among what goes
            # Bookkeeping of a DELETE may itself need a page.
            self._limit(self._max_pages + 64)
            try:
                if not room.make_room(self._db, list(self._lanes.values()), most):
                    return False
            except sqlite3.OperationalError as error:
                if is_full(error):  # the disk itself, by somebody else's files: nothing here can help
                    return False
                raise
            most = min(most * 2, 4096)

    def _limit(self, pages: int) -> None:
        """How large the file may grow now."""
        if pages != self._limited:
            self._db.execute(f"PRAGMA max_page_count = {pages}")
            self._limited = pages

    # ── the hub's answers ───────────────────────────────────────────────────────────────────────────────────────────

    def release(self, session: SessionId, lane: int, through: int, epoch: int) -> None:
        """The hub has everything through this number (lower than before: it lost some, and the release is taken back).

        Kept in memory until `save`: a van that forgets an ack hears it again in answer to its next presence.
        """
        self.epoch = max(self.epoch, epoch)
        found = self._lanes.get((session, lane))
        if found is not None and found.acked != through:
            found.acked = through
            self._unsaved.add((session, lane))

    def save(self) -> None:
        """Write what was released since the last time, and when; now and then is enough. On a full disk it waits for the next time."""
        unsaved, self._unsaved = self._unsaved, set()
        try:
            self._save(unsaved)
        except sqlite3.OperationalError as error:
            if not is_full(error):
                raise
            self._unsaved |= unsaved

    def _save(self, unsaved: set[tuple[SessionId, int]]) -> None:
        now_utc_ms, _ = self._now()
        with self._lock, transaction(self._db):
            for lane in [self._lanes[key] for key in unsaved if key in self._lanes]:
                room.save_lane(self._db, lane)
                self._db.execute("DELETE FROM releases WHERE session_no = ? AND lane = ? AND through > ?", (lane.no, lane.lane, lane.acked))
                self._db.execute(
                    "INSERT OR REPLACE INTO releases (session_no, lane, at_utc_ms, through) VALUES (?, ?, ?, ?)",
                    (lane.no, lane.lane, -(-now_utc_ms // RELEASE_MARK_MS) * RELEASE_MARK_MS, lane.acked),
                )
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('epoch', ?)", (str(self.epoch),))

    def purge(self) -> None:
        """Delete what was released more than 14 days ago, and sessions of which nothing is left; hold what space was given up."""
        now_utc_ms, _ = self._now()
        self._ballast.hold()
        with self._lock:
            room.forget_released_before(self._db, list(self._lanes.values()), now_utc_ms - KEEP_RELEASED_MS)
            for session in [s for s in self._previous if s != self.session]:
                lanes = [self._lanes[session, lane] for lane in LANES]
                if all(lane.first_kept > lane.last and lane.acked >= lane.last for lane in lanes):
                    with transaction(self._db):
                        for table in ("lanes", "releases"):
                            self._db.execute(f"DELETE FROM {table} WHERE session_no = ?", (lanes[0].no,))
                        self._db.execute("DELETE FROM sessions WHERE no = ?", (lanes[0].no,))
                    del self._previous[session]
                    for lane in LANES:
                        del self._lanes[session, lane]
                        self._unsaved.discard((session, lane))

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def lanes(self) -> list[SendLane]:
        """Every lane that is kept, oldest session first, as the link starts from it."""
        return [SendLane(session=x.session, lane=x.lane, acked=x.acked, sent=x.acked, last=x.last) for x in list(self._lanes.values())]

    def told(self) -> tuple[SessionState, ...]:
        """What a presence says of the sessions that are kept."""
        sessions: dict[SessionId, list[Lane]] = {}
        for lane in list(self._lanes.values()):
            sessions.setdefault(lane.session, []).append(lane)
        newest = len(sessions) - MAX_SESSIONS_TOLD
        return tuple(
            SessionState(
                session=session,
                previous=self._previous.get(session),
                lanes=tuple(LaneState(lane=x.lane, first_kept=x.first_kept, last=x.last, acked=x.acked) for x in lanes),
            )
            for index, (session, lanes) in enumerate(sessions.items())
            if index >= newest or any(x.acked < x.last for x in lanes)
        )

    def keeps(self, session: SessionId) -> bool:
        """Whether anything of a session is still here."""
        return session in self._previous

    def backlog(self) -> dict[int, int]:
        """Entries of each lane that the hub has not acknowledged."""
        lanes = list(self._lanes.values())
        return {number: sum(x.last - x.acked for x in lanes if x.lane == number) for number in LANES}

    def facts_of(self, *kinds: str) -> list[AnyEntry]:
        """All kept facts of some kinds, in the log's order: what the driver's state is folded from at a start."""
        marks = ", ".join("?" * len(kinds))
        with self._lock:
            bodies = self._db.execute(f"SELECT body FROM facts WHERE kind IN ({marks}) ORDER BY id", kinds).fetchall()
        return [msgspec.json.decode(body, type=AnyEntry) for (body,) in bodies]

    def newest(self, kind: str) -> tuple[SessionId, int] | None:
        """Session and number of the newest kept fact of a kind."""
        with self._lock:
            row = self._db.execute("SELECT max(id) FROM facts WHERE kind = ?", (kind,)).fetchone()
            found = row[0] and self._db.execute("SELECT session FROM sessions WHERE no = ?", (row[0] >> 32,)).fetchone()
        return (found[0], row[0] & room.NUMBER) if found else None

    @property
    def sessions(self) -> list[SessionId]:
        """Sessions that are kept, oldest first."""
        return list(self._previous)

    def fresh_frame(self, session: SessionId, lane: int, first: int, last: int) -> tuple[bytes, int] | None:
        """The frame of exactly what the newest commit wrote of a lane, without the disk; None: `frame` has to read it.

        A van that keeps up sends everything this way: nothing is read back that has just been written.
        """
        fresh = self._fresh.get(lane)
        if fresh is None or (session, first, last) != (self.session, fresh.first, fresh.last):
            return None
        return frames.encode_frame(session, lane, first, last, fresh.body), last

    def frame(self, session: SessionId, lane: int, first: int, last: int) -> tuple[bytes, int]:
        """A frame from `first` on, and the last number it claims: `last`, or less when it would grow too large.

        Numbers that are not held are claimed as gone, with the reason: released long ago, thinned, or damaged.
        """
        with self._lock:
            found = self._lanes[session, lane]
            if lane == FACTS:
                items = self._db.execute(
                    "SELECT id & 4294967295, body FROM facts WHERE id BETWEEN ? AND ? ORDER BY id", (found.base + first, found.base + last)
                ).fetchall()
                entries, through = _facts_until_full(items, last)
                gone = chunks.gone_between([number for number, _ in entries], first, through, DAMAGED)
                body = frames.pack_entries([data for _, data in entries])
            else:
                gone, body, through = chunks.part(room.chunks_of(self._db, found, first, last), first, last, DAMAGED)
            gone = chunks.expire(gone, found.first_kept, EXPIRED)
        return frames.encode_frame(session, lane, first, through, body, gone), through

    def close(self) -> None:
        """Save, and fold the write-ahead log into the file."""
        with self._lock:
            self.save()
            self._db.close()


def _facts_until_full(items: list[tuple[int, bytes]], last: int) -> tuple[list[tuple[int, bytes]], int]:
    size = 0
    for index, (number, data) in enumerate(items):
        size += len(data) + 2
        if size > BODY_BYTES and index > 0:
            return items[:index], number - 1
    return items, last
