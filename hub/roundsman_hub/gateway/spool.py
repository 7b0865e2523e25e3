"""The gateway's own log on its disk: what devices said, numbered as a van numbers it, until the hub has it.

SQLite, WAL, `synchronous=FULL`: what is answered survives a power cut. Entries are kept 14 days after the hub took them, so that a restored
database can have them again.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from roundsman_hub.gateway.words import Report
from roundsman_wire import frames
from roundsman_wire.frames import Gone
from roundsman_wire.messages import FACTS, LANES, TRACK, Ack, AnyEntry, Duty, FixRow, SessionStarted

KEEP_TAKEN_S: Final = 14 * 86_400
AGENT: Final = "gateway"
"""What stands where a van's log names its agent's version."""
FRAME_ENTRIES: Final = 500
EXPIRED: Final = 4
RESTATED_MS: Final = 300_000
"""How often a device's log says again that it is on duty, while positions come: a van's unit tells its health as often. A log without facts
counts as silent (`derive.alerts.SILENT`), however many fixes it has."""

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS devices (
    vehicle TEXT PRIMARY KEY, session TEXT, newest_utc_ms INTEGER NOT NULL, duty TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lanes (
    session TEXT, lane INTEGER, vehicle TEXT NOT NULL, last INTEGER NOT NULL, acked INTEGER NOT NULL, PRIMARY KEY (session, lane)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entries (
    session TEXT, lane INTEGER, seq INTEGER, kept_at INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (session, lane, seq)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A frame that the hub has not acknowledged."""

    vehicle: str
    lane: int
    data: bytes


class Spool:
    """One writer, one file; every method may be called from any thread.

    Parameters
    ----------
    now_ms : callable
        Business UTC.
    """

    def __init__(self, path: Path, now_ms: Callable[[], int]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._now_ms = now_ms
        self._lock = threading.Lock()
        self._started_ns = time.monotonic_ns()
        self._sessions: dict[str, str] = {}
        self._stated_utc_ms: dict[str, int] = {}
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(SCHEMA)
        self._db.execute(
            "DELETE FROM entries WHERE kept_at < ? AND seq <= "
            "(SELECT acked FROM lanes WHERE lanes.session = entries.session AND lanes.lane = entries.lane)",
            (int(time.time()) - KEEP_TAKEN_S,),
        )

    def keep(self, vehicle: str, driver: str | None, reports: Sequence[Report]) -> int:
        """Log reports that are newer than everything the device said before; on return they survive a power cut. How many were."""
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            newest_utc_ms, duty = self._device(vehicle)
            fresh: list[Report] = []
            for report in reports:
                if report.utc_ms > newest_utc_ms:
                    fresh.append(report)
                    newest_utc_ms = report.utc_ms
            if not fresh:
                return 0
            session = self._session(vehicle)
            mono_ms = self._mono_ms()
            stated_utc_ms = 0 if duty == "off" else self._stated_utc_ms.get(vehicle, fresh[0].utc_ms)  # a new session is a word, too
            words = []
            for report in fresh:
                if report.utc_ms - stated_utc_ms >= RESTATED_MS:
                    words.append(_fact(Duty(mono_ms=mono_ms, utc_ms=report.utc_ms, duty="on", driver=driver)))
                    stated_utc_ms = report.utc_ms
            self._add(session, FACTS, vehicle, words)
            self._add(session, TRACK, vehicle, [_row(report, mono_ms + index) for index, report in enumerate(fresh)])
            self._db.execute("UPDATE devices SET newest_utc_ms = ?, duty = 'on' WHERE vehicle = ?", (newest_utc_ms, vehicle))
            self._stated_utc_ms[vehicle] = stated_utc_ms
            return len(fresh)

    def end_shift(self, vehicle: str, utc_ms: int) -> None:
        """The shift is over; the same again changes nothing."""
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            _, duty = self._device(vehicle)
            if duty == "off":
                return
            self._add(
                self._session(vehicle), FACTS, vehicle, [_fact(Duty(mono_ms=self._mono_ms(), utc_ms=utc_ms, duty="off", driver=None))]
            )
            self._db.execute("UPDATE devices SET duty = 'off' WHERE vehicle = ?", (vehicle,))

    def on_shift(self) -> list[str]:
        """Vehicles whose shift has not been ended."""
        with self._lock:
            return [vehicle for (vehicle,) in self._db.execute("SELECT vehicle FROM devices WHERE duty <> 'off'")]

    def waiting(self) -> list[Waiting]:
        """The next frame of each lane that the hub does not have all of; facts first."""
        out = []
        with self._lock:
            lanes = self._db.execute("SELECT session, lane, vehicle, last, acked FROM lanes WHERE acked < last ORDER BY lane").fetchall()
            for session, lane, vehicle, last, acked in lanes:
                first, through = acked + 1, min(last, acked + FRAME_ENTRIES)
                held = self._db.execute(
                    "SELECT seq, body FROM entries WHERE session = ? AND lane = ? AND seq BETWEEN ? AND ? ORDER BY seq",
                    (session, lane, first, through),
                ).fetchall()
                begins = held[0][0] if held else through + 1
                gone = [Gone(first=first, last=begins - 1, reason=EXPIRED)] if begins > first else []
                bodies = [body for _, body in held]
                packed = (
                    frames.pack_entries(bodies)
                    if lane == FACTS
                    else frames.pack_rows([msgspec.json.decode(body, type=FixRow) for body in bodies])
                )
                out.append(Waiting(vehicle=vehicle, lane=lane, data=frames.encode_frame(session, lane, first, through, packed, gone)))
        return out

    def taken(self, acks: Sequence[Ack]) -> None:
        """The hub's own word on how far it has each lane: also when that is less than before."""
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            for ack in acks:
                self._db.execute(
                    "UPDATE lanes SET acked = min(?, last) WHERE session = ? AND lane = ?", (ack.through_seq, ack.session, ack.lane)
                )

    def close(self) -> None:
        """Fold the write-ahead log into the file."""
        with self._lock:
            self._db.close()

    def _device(self, vehicle: str) -> tuple[int, str]:
        self._db.execute("INSERT OR IGNORE INTO devices VALUES (?, NULL, 0, 'off')", (vehicle,))
        found = self._db.execute("SELECT newest_utc_ms, duty FROM devices WHERE vehicle = ?", (vehicle,)).fetchone()
        return int(found[0]), str(found[1])

    def _session(self, vehicle: str) -> str:
        """This start's session of a device, begun with its first word."""
        if (
            vehicle in self._sessions
            and self._db.execute("SELECT 1 FROM lanes WHERE session = ? AND lane = ?", (self._sessions[vehicle], FACTS)).fetchone()
        ):
            return self._sessions[vehicle]
        session = self._sessions[vehicle] = secrets.token_hex(8)
        previous = self._db.execute("SELECT session FROM devices WHERE vehicle = ?", (vehicle,)).fetchone()[0]
        self._db.execute("UPDATE devices SET session = ? WHERE vehicle = ?", (session, vehicle))
        for lane in LANES:
            self._db.execute("INSERT INTO lanes VALUES (?, ?, ?, 0, 0)", (session, lane, vehicle))
        started = SessionStarted(
            mono_ms=self._mono_ms(),
            utc_ms=self._now_ms(),
            session=session,
            previous=previous,
            agent_version=AGENT,
            row_format=frames.BODY_FORMATS[TRACK],
            reason="gateway",
        )
        self._add(session, FACTS, vehicle, [_fact(started)])
        return session

    def _add(self, session: str, lane: int, vehicle: str, bodies: Sequence[bytes]) -> None:
        (last,) = self._db.execute("SELECT last FROM lanes WHERE session = ? AND lane = ?", (session, lane)).fetchone()
        now = int(time.time())
        self._db.executemany(
            "INSERT INTO entries VALUES (?, ?, ?, ?, ?)",
            [(session, lane, last + 1 + index, now, body) for index, body in enumerate(bodies)],
        )
        self._db.execute("UPDATE lanes SET last = ? WHERE session = ? AND lane = ?", (last + len(bodies), session, lane))

    def _mono_ms(self) -> int:
        return (time.monotonic_ns() - self._started_ns) // 1_000_000


def _fact(entry: AnyEntry) -> bytes:
    return frames.encode_entry(entry)


def _row(report: Report, mono_ms: int) -> bytes:
    row = FixRow(
        mono_ms=mono_ms,
        utc_ms=report.utc_ms,
        lat_e6=round(report.lat_deg * 1e6),
        lon_e6=round(report.lon_deg * 1e6),
        speed_cm_s=None if report.speed_mps is None else round(report.speed_mps * 100),
        heading_cdeg=None if report.heading_deg is None else round(report.heading_deg * 100) % 36_000,
        accuracy_dm=None if report.accuracy_m is None else round(report.accuracy_m * 10),
        satellites=0,
    )
    return msgspec.json.encode(frames.quantise(row))
