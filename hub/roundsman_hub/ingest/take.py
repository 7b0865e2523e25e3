"""Frames of many vans into one transaction: what follows each watermark is stored, the rest is answered.

lock lanes → follow → unpack → compare and set → COPY fixes → facts → gaps → (the caller commits) → acks
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import msgspec
import numpy as np

from roundsman_core.lanes import Duplicate, Gap, Take, follow
from roundsman_hub.clock import Clock, from_ms, to_ms
from roundsman_hub.ingest import rows
from roundsman_hub.store import chain_store, log_store
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.log_store import EntryRow, GapRow, Move, Unreadable
from roundsman_wire import WireError
from roundsman_wire.frames import GONE_REASONS, NO_UTC, Header, decode_entries, parse_entry
from roundsman_wire.messages import FACTS, TRACK, Ack, SessionStarted, UnknownEntry

FUTURE: Final = timedelta(days=1)
"""A fix from further ahead has a wrong date: it waits in the side table, so that it cannot be "the latest" for a year."""
UNDECODABLE: Final = GONE_REASONS[5]


class LogFrame(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A frame whose header could be read, from a vehicle that the broker vouches for."""

    topic: str
    vehicle: str
    header: Header
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What one transaction did; its acks may leave once it is committed."""

    acks: list[tuple[str, Ack]]
    new_facts: dict[str, str]
    """Vehicle → fleet, where facts were stored."""
    unknown: Counter[str]
    """Frames of vehicles that the hub does not know: nothing stored, nothing acknowledged."""
    counts: Counter[str]
    newest_utc_ms: int | None = None
    """Of the fixes stored, those without a date or from the future left out."""


class Bound(msgspec.Struct, kw_only=True, gc=False):
    """A frame with its lane, and the range of it that is new."""

    frame: LogFrame
    session_no: int
    first: int
    last: int


@dataclass(slots=True, kw_only=True)
class _Lane:
    vehicle: str
    session: str
    session_no: int
    lane: int
    old: int
    through: int
    rewind: bool = False


@dataclass(slots=True)
class Stored:
    """What a batch holds besides fixes."""

    entries: list[EntryRow] = field(default_factory=list)
    gaps: list[GapRow] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    previous: dict[str, dict[str, str | None]] = field(default_factory=dict)
    newest_utc_ms: int | None = None


def take(cur: Cursor, frames: Sequence[LogFrame], clock: Clock, *, distrust: str | None = None) -> Taken:
    """Store what is new in `frames`, given in the order of arrival.

    Parameters
    ----------
    distrust : str, optional
        Treat every body as unreadable, for this reason: the last resort for a frame that the database will not take.

    Raises
    ------
    LostRace
        Another worker moved a watermark: roll back and try again.
    """
    counts: Counter[str] = Counter()
    held = log_store.lock_lanes(cur, ((frame.vehicle, frame.header.session, frame.header.lane) for frame in frames))
    fleets, epoch = held.fleets, held.epoch
    unknown = Counter(frame.vehicle for frame in frames if frame.vehicle not in fleets)
    known = [frame for frame in frames if frame.vehicle in fleets]
    if not known:
        return Taken(acks=[], new_facts={}, unknown=unknown, counts=counts)
    lanes = {
        (vehicle, session, lane): _Lane(vehicle=vehicle, session=session, session_no=number, lane=lane, old=through, through=through)
        for (vehicle, session, lane), (number, through) in sorted(held.lanes.items())
    }
    bound = _follow(known, lanes, counts)
    stored, timed, untimed = read(bound, clock, distrust, counts)

    moved = [lane for lane in lanes.values() if lane.through > lane.old]
    log_store.move(cur, [Move(session_no=m.session_no, lane=m.lane, old=m.old, new=m.through) for m in moved])
    log_store.add_fixes(cur, timed=timed, untimed=untimed)
    now = clock.now()
    log_store.add_entries(cur, stored.entries, received_at=now, received_real_at=clock.real_now())
    log_store.add_gaps(cur, stored.gaps, now)
    log_store.quarantine(cur, stored.unreadable, now)
    for item in stored.unreadable:
        log_store.alarm(cur, "body unreadable", item.topic, item.error, clock.real_now())
    for vehicle, previous in sorted(stored.previous.items()):
        chain_store.link(cur, vehicle, previous)
    return Taken(
        acks=[
            (lane.vehicle, Ack(epoch=epoch, session=lane.session, lane=lane.lane, through_seq=lane.through, rewind=lane.rewind))
            for lane in lanes.values()
        ],
        new_facts={lane.vehicle: fleets[lane.vehicle] for lane in moved if lane.lane == FACTS},
        unknown=unknown,
        counts=counts,
        newest_utc_ms=stored.newest_utc_ms,
    )


def _follow(frames: Sequence[LogFrame], lanes: dict[tuple[str, str, int], _Lane], counts: Counter[str]) -> list[Bound]:
    bound = []
    for frame in frames:
        lane = lanes[frame.vehicle, frame.header.session, frame.header.lane]
        match follow(lane.through, frame.header.first_seq, frame.header.last_seq):
            case Take(first=first, last=last):
                bound.append(Bound(frame=frame, session_no=lane.session_no, first=first, last=last))
                lane.through = last
                lane.rewind = False  # what was missing came after all, later in the same batch
                counts["frames"] += 1
            case Duplicate():
                counts["duplicates"] += 1
            case Gap():
                lane.rewind = True
                counts["rewinds"] += 1
    return bound


def read(bound: Sequence[Bound], clock: Clock, distrust: str | None, counts: Counter[str]) -> tuple[Stored, bytes, bytes]:
    """Everything to be stored: facts, gaps and unreadable frames; fixes with a time and without, in COPY's form."""
    stored = Stored()
    tracks = [item for item in bound if item.frame.header.lane == TRACK]
    horizon = clock.now() + FUTURE
    for item in bound:
        stored.gaps += _gone(item)
        if distrust is not None:
            _set_aside(stored, item, distrust, counts)
        elif item.frame.header.lane == FACTS:
            try:
                entries = list(_entries(item, horizon))
            except (WireError, UnicodeDecodeError) as error:
                _set_aside(stored, item, ascii(str(error)), counts)
                continue
            stored.entries += [entry for entry, _ in entries]
            counts["entries"] += len(entries)
            for _, started in entries:
                if started is not None:
                    stored.previous.setdefault(item.frame.vehicle, {})[item.frame.header.session] = started.previous
    if distrust is not None or not tracks:
        return stored, b"", b""
    fixes, refused = rows.unpack([(item.frame.header, item.frame.data) for item in tracks])
    for index, reason in sorted(refused.items()):
        _set_aside(stored, tracks[index], str(reason), counts)
    fixes = fixes.where(fixes.seq >= np.array([item.first for item in tracks], np.int64)[fixes.frame])
    counts["fixes"] += len(fixes)
    in_time = (fixes.utc_ms != NO_UTC) & (fixes.utc_ms <= to_ms(horizon))
    if in_time.any():
        stored.newest_utc_ms = int(fixes.utc_ms[in_time].max())
    vehicles, numbers = [item.frame.vehicle for item in tracks], [item.session_no for item in tracks]
    timed = rows.copy_bytes(fixes.where(in_time), vehicles, numbers, timed=True)
    untimed = rows.copy_bytes(fixes.where(~in_time), vehicles, numbers, timed=False)
    return stored, _whole(timed), _whole(untimed)


def _whole(tuples: bytes) -> bytes:
    return rows.COPY_HEAD + tuples + rows.COPY_TAIL if tuples else b""


def _entries(item: Bound, horizon: datetime) -> Iterator[tuple[EntryRow, SessionStarted | None]]:
    header = item.frame.header
    for seq, body in zip(header.held_seqs(), decode_entries(header, item.frame.data), strict=True):
        if seq < item.first:
            continue
        entry = parse_entry(body)
        kind = entry.kind if isinstance(entry, UnknownEntry) else str(entry.__struct_config__.tag)
        at = None if entry.utc_ms is None or entry.utc_ms > to_ms(horizon) else from_ms(entry.utc_ms)
        row = EntryRow(
            vehicle_id=item.frame.vehicle,
            session_no=item.session_no,
            seq=seq,
            kind=kind,
            mono_ms=entry.mono_ms,
            time=at,
            body=body.decode(),
        )
        yield row, entry if isinstance(entry, SessionStarted) else None


def _gone(item: Bound) -> list[GapRow]:
    header = item.frame.header
    return [
        GapRow(
            session_no=item.session_no,
            lane=header.lane,
            first_seq=max(gone.first, item.first),
            last_seq=gone.last,
            reason=GONE_REASONS[gone.reason],
        )
        for gone in header.gone
        if gone.last >= item.first
    ]


def _set_aside(stored: Stored, item: Bound, error: str, counts: Counter[str]) -> None:
    """Keep the bytes, and write down every number of the frame that is not already a gap."""
    header = item.frame.header
    counts["body unreadable"] += 1
    stored.unreadable.append(
        Unreadable(
            topic=item.frame.topic,
            error=error,
            frame=item.frame.data,
            session_no=item.session_no,
            lane=header.lane,
            first_seq=item.first,
            last_seq=item.last,
        )
    )
    at = item.first
    for first, last in [(gone.first, gone.last) for gone in header.gone] + [(item.last + 1, item.last + 1)]:
        if first > at:
            stored.gaps.append(GapRow(session_no=item.session_no, lane=header.lane, first_seq=at, last_seq=first - 1, reason=UNDECODABLE))
        at = max(at, last + 1)
