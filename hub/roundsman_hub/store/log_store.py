"""The vans' log at the hub: sessions and their chain, watermarks, facts, gaps, quarantine, alarms, the epoch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg.rows import tuple_row

from roundsman_hub import HubError
from roundsman_hub.store.db import Cursor
from roundsman_wire.messages import FACTS

MAX_UNREADABLE: Final = 100
"""Unreadable frames kept of one topic: enough to find the fault; a van that repeats itself must not fill the disk."""

LaneKey = tuple[str, str, int]
"""Vehicle, session, lane."""

_FIX: Final = "lat_e6, lon_e6, speed_cm_s, heading_cdeg, accuracy_dm, satellites, flags"
_COPY_TIMED: Final = f"COPY log.fixes (time, vehicle_id, session_no, seq, mono_ms, {_FIX}) FROM STDIN (FORMAT BINARY)"
_COPY_UNTIMED: Final = f"COPY log.fixes_untimed (vehicle_id, session_no, seq, mono_ms, utc_ms, {_FIX}) FROM STDIN (FORMAT BINARY)"


class LostRace(HubError):
    """Another ingest worker moved a watermark first. Roll back and look again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One lane of one session of a vehicle, and how far its log is stored."""

    session_no: int
    lane: int
    through_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A watermark that moves from `old` to `new`."""

    session_no: int
    lane: int
    old: int
    new: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GapRow:
    """Numbers that will not come, and why."""

    session_no: int
    lane: int
    first_seq: int
    last_seq: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRow:
    """A fact as received."""

    vehicle_id: str
    session_no: int
    seq: int
    kind: str
    mono_ms: int
    time: datetime | None
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A frame that could not be read. Without a range: its header could not be read either, and nothing was concluded."""

    topic: str
    error: str
    frame: bytes
    session_no: int | None = None
    lane: int | None = None
    first_seq: int | None = None
    last_seq: int | None = None


def epoch(cur: Cursor) -> int:
    """The log's epoch; read it in the transaction that reads the watermarks it goes with."""
    row = cur.execute("SELECT epoch FROM log.epoch").fetchone()
    if row is None:
        raise HubError("the table log.epoch is empty: restore the database")
    return int(row["epoch"])


def raise_epoch(cur: Cursor, to: int) -> None:
    """The epoch is now at least `to`; from here on the hub waits for its vans' word."""
    cur.execute("UPDATE log.epoch SET epoch = %s, raised_real_at = clock_timestamp() WHERE epoch < %s", (to, to))


def restored(cur: Cursor) -> int:
    """This database was restored: its vans are told so by a new epoch, which is given back, and none of them has been heard by it."""
    to = epoch(cur) + 1
    raise_epoch(cur, to)
    cur.execute("UPDATE vehicle_now SET online = false WHERE online")
    return to


def fleets_of(cur: Cursor, vehicles: Iterable[str]) -> dict[str, str]:
    """Fleet of each vehicle that the hub knows and that is in service; the others are absent."""
    cur.execute("SELECT vehicle_id, fleet_id FROM vehicles WHERE vehicle_id = ANY(%s) AND retired_at IS NULL", (sorted(set(vehicles)),))
    return {row["vehicle_id"]: row["fleet_id"] for row in cur}


def session_numbers(cur: Cursor, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Numbers of (vehicle, session) pairs; new ones get the next, and for now stand last in their vehicle's chain."""
    pairs = sorted(set(wanted))
    vehicles, sessions = [vehicle for vehicle, _ in pairs], [session for _, session in pairs]
    found = _session_numbers(cur, vehicles, sessions)
    new = [pair for pair in pairs if pair not in found]
    if new:
        cur.execute(
            "INSERT INTO log.sessions (vehicle_id, session, ordinal) SELECT n.vehicle_id, n.session, "
            "coalesce((SELECT max(s.ordinal) FROM log.sessions s WHERE s.vehicle_id = n.vehicle_id), 0) "
            "+ row_number() OVER (PARTITION BY n.vehicle_id ORDER BY n.session) "
            "FROM unnest(%s::text[], %s::text[]) AS n (vehicle_id, session) ORDER BY 1, 2 ON CONFLICT (vehicle_id, session) DO NOTHING",
            ([vehicle for vehicle, _ in new], [session for _, session in new]),
        )
    return _session_numbers(cur, vehicles, sessions) if new else found


def _session_numbers(cur: Cursor, vehicles: Sequence[str], sessions: Sequence[str]) -> dict[tuple[str, str], int]:
    cur.execute(
        "SELECT s.vehicle_id, s.session, s.session_no FROM log.sessions s "
        "JOIN unnest(%s::text[], %s::text[]) AS w (vehicle_id, session) USING (vehicle_id, session)",
        (vehicles, sessions),
    )
    return {(row["vehicle_id"], row["session"]): row["session_no"] for row in cur}


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Lanes as one transaction found them, their watermarks locked.

    lanes : (vehicle, session, lane) → (session number, through_seq); without those of vehicles that the hub does not know.
    fleets : vehicle → fleet.
    """

    epoch: int
    lanes: dict[LaneKey, tuple[int, int]]
    fleets: dict[str, str]


# Ids and numbers have no comma: joined text costs driver and server a fraction of an array's elements.
_LOCK: Final = """
    SELECT e.epoch, n.vehicle_id, n.session, n.lane, v.fleet_id, w.session_no, w.through_seq
    FROM unnest(string_to_array(%s, ','), string_to_array(%s, ','), string_to_array(%s, ',')::smallint[]) AS n (vehicle_id, session, lane)
    JOIN vehicles v ON v.vehicle_id = n.vehicle_id AND v.retired_at IS NULL
    JOIN log.sessions s ON s.vehicle_id = n.vehicle_id AND s.session = n.session
    JOIN log.watermarks w ON w.session_no = s.session_no AND w.lane = n.lane CROSS JOIN log.epoch e
    ORDER BY w.session_no, w.lane FOR UPDATE OF w
"""


def lock_lanes(cur: Cursor, wanted: Iterable[LaneKey]) -> Held:
    """Find lanes and lock their watermarks, in one order for all workers. New ones begin at 0.

    The lock saves a lost race; that nothing is stored twice rests on `move` alone.
    """
    keys = sorted(set(wanted))
    found = _lock_lanes(cur, keys)
    if len(found.lanes) < len(keys) and _open_lanes(cur, [key for key in keys if key not in found.lanes]):
        found = _lock_lanes(cur, keys)
    return found


def _lock_lanes(cur: Cursor, keys: Sequence[LaneKey]) -> Held:
    columns = [",".join(map(str, column)) for column in zip(*keys, strict=True)]
    lanes: dict[LaneKey, tuple[int, int]] = {}
    fleets: dict[str, str] = {}
    with cur.connection.cursor(row_factory=tuple_row) as rows:
        found = rows.execute(_LOCK, columns).fetchall()
    for _, vehicle, session, lane, fleet, number, through in found:
        lanes[vehicle, session, lane] = number, through
        fleets[vehicle] = fleet
    return Held(epoch=found[0][0] if found else epoch(cur), lanes=lanes, fleets=fleets)


def _open_lanes(cur: Cursor, keys: Sequence[LaneKey]) -> bool:
    """Make what is missing of the lanes of known vehicles. True if there were any."""
    fleets = fleets_of(cur, (vehicle for vehicle, _, _ in keys))
    known = [key for key in keys if key[0] in fleets]
    numbers = session_numbers(cur, ((vehicle, session) for vehicle, session, _ in known))
    pairs = sorted((numbers[vehicle, session], lane) for vehicle, session, lane in known)
    cur.execute(
        "INSERT INTO log.watermarks (session_no, lane, through_seq) "
        "SELECT session_no, lane, 0 FROM unnest(%s::int[], %s::smallint[]) AS n (session_no, lane) ORDER BY 1, 2 ON CONFLICT DO NOTHING",
        ([number for number, _ in pairs], [lane for _, lane in pairs]),
    )
    return bool(known)


def move(cur: Cursor, moves: Sequence[Move]) -> None:
    """Compare and set: every watermark moves, or none.

    Raises
    ------
    LostRace
        One of them was no longer where it was read.
    """
    if not moves:
        return
    columns = zip(*((m.session_no, m.lane, m.old, m.new) for m in moves), strict=True)
    cur.execute(
        "UPDATE log.watermarks w SET through_seq = n.new FROM unnest(string_to_array(%s, ',')::int[], "
        "string_to_array(%s, ',')::smallint[], string_to_array(%s, ',')::bigint[], string_to_array(%s, ',')::bigint[]) "
        "AS n (session_no, lane, old, new) WHERE w.session_no = n.session_no AND w.lane = n.lane AND w.through_seq = n.old",
        [",".join(map(str, column)) for column in columns],
    )
    if cur.rowcount != len(moves):
        raise LostRace(f"{len(moves) - cur.rowcount} of {len(moves)} watermarks were moved by another worker")


def lanes_of(cur: Cursor, vehicle: str) -> dict[tuple[str, int], int]:
    """How far each (session, lane) of a vehicle is stored."""
    cur.execute(
        "SELECT s.session, w.lane, w.through_seq FROM log.sessions s JOIN log.watermarks w USING (session_no) WHERE s.vehicle_id = %s",
        (vehicle,),
    )
    return {(row["session"], row["lane"]): int(row["through_seq"]) for row in cur}


def add_entries(cur: Cursor, rows: Sequence[EntryRow], *, received_at: datetime, received_real_at: datetime) -> None:
    """Store facts, byte for byte."""
    if not rows:
        return
    with cur.copy(
        "COPY log.entries (vehicle_id, session_no, seq, kind, mono_ms, time, received_at, received_real_at, body) FROM STDIN"
    ) as copy:
        for row in rows:
            copy.write_row(
                (row.vehicle_id, row.session_no, row.seq, row.kind, row.mono_ms, row.time, received_at, received_real_at, row.body)
            )


def add_fixes(cur: Cursor, *, timed: bytes, untimed: bytes) -> None:
    """Store fixes that are already in binary COPY form, head and tail included; empty: none."""
    for data, statement in ((timed, _COPY_TIMED), (untimed, _COPY_UNTIMED)):
        if data:
            with cur.copy(statement) as copy:
                copy.write(data)


def add_gaps(cur: Cursor, gaps: Sequence[GapRow], noted_at: datetime) -> None:
    """Write down numbers that will not come."""
    if gaps:
        cur.executemany(
            "INSERT INTO log.gaps (session_no, lane, first_seq, last_seq, reason, noted_at) VALUES (%s, %s, %s, %s, %s, %s)",
            [(gap.session_no, gap.lane, gap.first_seq, gap.last_seq, gap.reason, noted_at) for gap in gaps],
        )


def quarantine(cur: Cursor, frames: Sequence[Unreadable], received_at: datetime) -> None:
    """Keep bytes that could not be read. Frames that were acknowledged are always kept; of others, `MAX_UNREADABLE` a topic."""
    for frame in frames:
        cur.execute(
            "INSERT INTO log.quarantine (topic, received_at, error, frame, session_no, lane, first_seq, last_seq) "
            "SELECT %(topic)s, %(at)s, %(error)s, %(frame)s, %(session_no)s, %(lane)s, %(first)s, %(last)s "
            "WHERE %(session_no)s::int IS NOT NULL OR "
            "(SELECT count(*) FROM log.quarantine WHERE topic = %(topic)s AND session_no IS NULL) < %(most)s",
            {
                "topic": frame.topic,
                "at": received_at,
                "error": frame.error,
                "frame": frame.frame,
                "session_no": frame.session_no,
                "lane": frame.lane,
                "first": frame.first_seq,
                "last": frame.last_seq,
                "most": MAX_UNREADABLE,
            },
        )


def set_aside(cur: Cursor) -> list[int]:
    """Quarantined frames that were acknowledged and wait to be read by a later release, oldest first."""
    cur.execute("SELECT id FROM log.quarantine WHERE session_no IS NOT NULL AND resolved_at IS NULL ORDER BY id")
    return [row["id"] for row in cur]


def quarantined(cur: Cursor, number: int) -> Unreadable | None:
    """A frame set aside; None if another worker has it in hand, or it is read by now. Locked until the transaction ends."""
    row = cur.execute(
        "SELECT topic, error, frame, session_no, lane, first_seq, last_seq FROM log.quarantine "
        "WHERE id = %s AND resolved_at IS NULL FOR UPDATE SKIP LOCKED",
        (number,),
    ).fetchone()
    return Unreadable(**row) if row else None


def resolve(cur: Cursor, number: int, frame: Unreadable, at: datetime) -> None:
    """The frame is read after all: its numbers are no gap any more, and its facts are to be derived in their place."""
    cur.execute("UPDATE log.quarantine SET resolved_at = %s WHERE id = %s", (at, number))
    cur.execute(
        "DELETE FROM log.gaps WHERE session_no = %s AND lane = %s AND first_seq BETWEEN %s AND %s AND reason = 'undecodable'",
        (frame.session_no, frame.lane, frame.first_seq, frame.last_seq),
    )
    if frame.lane == FACTS:
        cur.execute("DELETE FROM derive_state WHERE session_no = %s", (frame.session_no,))


def alarm(cur: Cursor, kind: str, subject: str, detail: str, at_real: datetime, count: int = 1) -> None:
    """Something that a technician should look at happened again."""
    cur.execute(
        "INSERT INTO log.alarms AS a (kind, subject, count, first_real_at, last_real_at, detail) "
        "VALUES (%(kind)s, %(subject)s, %(n)s, %(at)s, %(at)s, %(detail)s) "
        "ON CONFLICT (kind, subject) DO UPDATE SET count = a.count + %(n)s, last_real_at = %(at)s, detail = %(detail)s",
        {"kind": kind, "subject": subject, "n": count, "at": at_real, "detail": detail},
    )
