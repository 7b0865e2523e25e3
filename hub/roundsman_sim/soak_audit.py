"""The three-way audit of a soak: what the generator journalled, what the vans' outboxes hold, and what the hub has stored."""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_right
from collections import Counter
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from roundsman_agent import chunks
from roundsman_sim.soak_numbers import FACT_EVERY, fact_bytes, fix
from roundsman_wire.messages import FACTS, TRACK, FixRow

Key = tuple[str, int, int]
"""Session, lane, number."""
Value = FixRow | bytes


@dataclass(kw_only=True)
class Verdict:
    """What became of every entry that was committed.

    sent : committed in a van's outbox, as its generator journalled. stored : rows at the hub. lost : neither stored nor in `log_gaps`.
    twice : rows beyond one for a number. altered : stored with other values, here or at the hub, than were generated.
    gaps : numbers in `log_gaps`, by reason. destroyed : written to a van's disk after the image that was put in its place, and not stored:
    no log can bring them back. maybe : the generator was killed inside a commit, and the outbox has it.
    """

    sent: int = 0
    stored: int = 0
    lost: int = 0
    twice: int = 0
    altered: int = 0
    gaps: dict[str, int] = field(default_factory=dict)
    destroyed: int = 0
    maybe: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, other: Verdict) -> None:
        for name, value in asdict(other).items():
            if name == "gaps":
                self.gaps = dict(Counter(self.gaps) + Counter(value))
            else:
                setattr(self, name, getattr(self, name) + value)

    def complain(self, text: str) -> None:
        if len(self.examples) < 40:
            self.examples.append(text)


def audit(dsn: str, vehicle: str, spec: dict[str, Any], destroyed: list[dict[tuple[str, int], int]]) -> Verdict:
    """One van. It must have ended, and its backlog been stored."""
    verdict = Verdict()
    journal = Path(spec["journal"])
    kept = outbox_entries(Path(spec["store"]))
    made = generated(journal, spec, kept, verdict)
    at_hub, rows, gaps = stored(dsn, vehicle)
    verdict.sent, verdict.stored = len(made), rows
    verdict.twice = rows - len(at_hub)
    for key, value in made.items():
        if key in kept and not _same(kept[key], value):
            verdict.altered += 1
            verdict.complain(f"{vehicle} {key}: generated {value!r}, the outbox holds {kept[key]!r}")
        if key in at_hub:
            if not _same(at_hub[key], value):
                verdict.altered += 1
                verdict.complain(f"{vehicle} {key}: generated {value!r}, the hub holds {at_hub[key]!r}")
        elif reason := gaps.reason(key):
            verdict.gaps[reason] = verdict.gaps.get(reason, 0) + 1
        elif key not in kept and any(key[2] > ends.get(key[:2], 0) for ends in destroyed):
            verdict.destroyed += 1
        else:
            verdict.lost += 1
            verdict.complain(f"{vehicle} {key}: {'in' if key in kept else 'not in'} the outbox, not at the hub, no gap")
    for key in at_hub:
        if key not in made and (key in kept and not _same(kept[key], at_hub[key])):
            verdict.altered += 1
            verdict.complain(f"{vehicle} {key}: the outbox holds {kept[key]!r}, the hub {at_hub[key]!r}")
    return verdict


def generated(journal: Path, spec: dict[str, Any], kept: dict[Key, Value], verdict: Verdict) -> dict[Key, Value]:
    """Everything that was committed, made again from its index."""
    found: dict[Key, Value] = {}
    about: dict[str, Any] | None = None
    seed, van = int(spec["seed"]), int(spec["van"])
    for line in journal.read_bytes().splitlines():
        said = json.loads(line)
        if "about" in said:
            if about is not None:
                _perhaps(about, seed, van, kept, found, verdict)
            about = said["about"]
        elif "done" in said and about is not None:
            _place(about, seed, van, said["track_last"] - said["rows"] if said["rows"] else None, said["facts_last"] - said["facts"], found)
            about = None
        else:
            about = None
    if about is not None:
        _perhaps(about, seed, van, kept, found, verdict)
    return found


def _place(about: dict[str, Any], seed: int, van: int, track: int | None, facts: int, found: dict[Key, Value]) -> None:
    offset, base = about["offset_ms"], about["base_ms"]
    for index in range(about["first"], about["first"] + about["many"]):
        utc = None if offset is None else base + 100 * index + offset
        if track is not None:
            track += 1
            found[about["session"], TRACK, track] = fix(seed, van, index, utc)
        if index % FACT_EVERY == 0:
            facts += 1
            found[about["session"], FACTS, facts] = fact_bytes(seed, van, index, utc, novel=about["novel"])


def _perhaps(about: dict[str, Any], seed: int, van: int, kept: dict[Key, Value], found: dict[Key, Value], verdict: Verdict) -> None:
    """A kill came inside this commit: if it happened, it happened at the end of its session, and the outbox has it whole."""
    session = about["session"]
    ends = {lane: max((key[2] for key in found if key[0] == session and key[1] == lane), default=None) for lane in (FACTS, TRACK)}
    attempt: dict[Key, Value] = {}
    _place(about, seed, van, ends[TRACK] or 0, ends[FACTS] or 1, attempt)
    if attempt and all(key in kept and _same(kept[key], value) for key, value in attempt.items()):
        found |= attempt
        verdict.maybe += len(attempt)


def outbox_entries(store: Path) -> dict[Key, Value]:
    """Every entry that a stopped van still holds."""
    found: dict[Key, Value] = {}
    with closing(sqlite3.connect(store / "log.db")) as db:
        sessions = dict(db.execute("SELECT no, session FROM sessions"))
        for number, body in db.execute("SELECT id, body FROM facts"):
            found[sessions[number >> 32], FACTS, number & 0xFFFF_FFFF] = bytes(body)
        for number, last, thinned, gone, body in db.execute("SELECT id, last, thinned, gone, body FROM track"):
            chunk = chunks.Chunk(first=number & 0xFFFF_FFFF, last=last, thinned=thinned, gone=chunks.unpack_gone(gone), body=body)
            for seq, row in chunks.rows_of(chunk):
                found[sessions[number >> 32], TRACK, seq] = row
    return found


class Gaps:
    """The hub's `log_gaps` of one vehicle."""

    def __init__(self, rows: list[tuple[str, int, int, int, str]]) -> None:
        self._ranges: dict[tuple[str, int], list[tuple[int, int, str]]] = {}
        for session, lane, first, last, reason in sorted(rows):
            self._ranges.setdefault((session, lane), []).append((first, last, reason))

    def reason(self, key: Key) -> str | None:
        """Why a number did not come."""
        ranges = self._ranges.get(key[:2], [])
        at = bisect_right(ranges, (key[2], 1 << 62, "")) - 1
        return ranges[at][2] if at >= 0 and ranges[at][0] <= key[2] <= ranges[at][1] else None


_FIXES = """
    SELECT s.session, f.seq, f.mono_ms, f.utc_ms, f.lat_e6, f.lon_e6, f.speed_cm_s, f.heading_cdeg, f.accuracy_dm, f.satellites, f.flags
    FROM (SELECT vehicle_id, session_no, seq, mono_ms, round(extract(epoch FROM time) * 1000)::bigint AS utc_ms,
                 lat_e6, lon_e6, speed_cm_s, heading_cdeg, accuracy_dm, satellites, flags FROM log.fixes
          UNION ALL
          SELECT vehicle_id, session_no, seq, mono_ms, utc_ms,
                 lat_e6, lon_e6, speed_cm_s, heading_cdeg, accuracy_dm, satellites, flags FROM log.fixes_untimed) f
    JOIN log.sessions s USING (session_no) WHERE f.vehicle_id = %s
"""


def stored(dsn: str, vehicle: str) -> tuple[dict[Key, Value], int, Gaps]:
    """What the hub has of a vehicle: by number, how many rows in all (but those that name a session's start), and its gaps."""
    found: dict[Key, Value] = {}
    rows = 0
    with psycopg.connect(dsn) as db:
        for session, seq, mono, utc, *rest in db.execute(_FIXES, (vehicle,)):
            rows += 1
            found[session, TRACK, seq] = FixRow(
                mono_ms=mono,
                utc_ms=utc,
                lat_e6=rest[0],
                lon_e6=rest[1],
                speed_cm_s=rest[2],
                heading_cdeg=rest[3],
                accuracy_dm=rest[4],
                satellites=rest[5],
                flags=rest[6],
            )
        for session, seq, body in db.execute(
            "SELECT s.session, e.seq, e.body FROM log.entries e JOIN log.sessions s USING (session_no) "
            "WHERE e.vehicle_id = %s AND e.kind <> 'session'",
            (vehicle,),
        ):
            rows += 1
            found[session, FACTS, seq] = body.encode()
        gaps = db.execute(
            "SELECT s.session, g.lane, g.first_seq, g.last_seq, g.reason FROM log.gaps g JOIN log.sessions s USING (session_no) "
            "WHERE s.vehicle_id = %s",
            (vehicle,),
        ).fetchall()
    return found, rows, Gaps(gaps)


def _same(one: Value, other: Value) -> bool:
    """Equal; a fix that the van could not date may have got its date at the hub."""
    if isinstance(one, FixRow) and isinstance(other, FixRow) and (one.utc_ms is None or other.utc_ms is None):
        return [v for n, v in _fields(one) if n != "utc_ms"] == [v for n, v in _fields(other) if n != "utc_ms"]
    return one == other


def _fields(row: FixRow) -> list[tuple[str, Any]]:
    return [(name, getattr(row, name)) for name in row.__struct_fields__]
