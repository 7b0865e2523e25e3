"""A van's store through power cuts: its work is recorded once, cut at random places, opened again, and compared with what was promised."""

from __future__ import annotations

import multiprocessing
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from roundsman_agent.outbox import Outbox, StoreFull
from roundsman_sim.power import Disk, Op, recording
from roundsman_wire import frames
from roundsman_wire.messages import FACTS, TRACK, FixRow, Note

COMMITS: Final = 270
"""Enough for a checkpoint of the write-ahead log (at 500 pages), and for one at each of three ends."""
CUTS_A_DAY: Final = 1_000
STORE_MB: Final = 1
THINNED: Final = 1

Key = tuple[str, int]


@dataclass(frozen=True, kw_only=True)
class Mark:
    """From this request on, so much of each lane is promised, and so much released."""

    after: int
    last: dict[Key, int]
    released: dict[Key, int]


@dataclass(kw_only=True)
class Day:
    """What was asked of the disk, what was promised when, and every entry's bytes."""

    ops: list[Op] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    facts: dict[tuple[str, int], bytes] = field(default_factory=dict)
    rows: dict[tuple[str, int], FixRow] = field(default_factory=dict)


@dataclass(kw_only=True)
class Verdict:
    """Of so many cuts: committed entries that were lost or changed, and stores that did not open as they were."""

    cuts: int = 0
    losses: int = 0
    not_opened: int = 0
    examples: list[str] = field(default_factory=list)


def simulate_many(cuts: int, seed: int) -> Verdict:
    """Cut the power so many times in the work of many days, on all cores.

    Raises
    ------
    SimError
        This Python's SQLite cannot be recorded.
    """
    parts = [min(CUTS_A_DAY, cuts - done) for done in range(0, cuts, CUTS_A_DAY)]
    total = Verdict()
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as workers:
        for part in workers.map(simulate, parts, range(seed, seed + len(parts))):
            total.cuts += part.cuts
            total.losses += part.losses
            total.not_opened += part.not_opened
            total.examples += part.examples
    return total


def simulate(cuts: int, seed: int) -> Verdict:
    """Cut the power so many times in the work of one day.

    Raises
    ------
    SimError
        This Python's SQLite cannot be recorded.
    """
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="roundsman-power-", dir=_memory()) as folder:
        day = _work(Path(folder) / "day", rng)
        places = Counter(rng.choices(range(len(day.ops)), k=cuts))
        verdict, disk = Verdict(), Disk()
        for place, op in enumerate(day.ops):
            disk.apply(op)
            for _ in range(places[place]):
                _cut(day, place, disk.cut(rng), Path(folder) / "cut", verdict)
    return verdict


def _memory() -> str | None:
    """Where files cost no disk: what a cut leaves is decided here, not by a disk."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _work(folder: Path, rng: random.Random) -> Day:
    """Fixes, facts, releases, and three sessions in good order."""
    day = Day()
    with recording() as day.ops:
        second = 0
        for commits in (COMMITS // 3,) * 3:
            outbox = _open(folder)
            released: dict[Key, int] = {}
            _mark(day, outbox, released)
            for _ in range(commits):
                rows = [_row(second := second + 1, rng) for _ in range(rng.choice((0, 1, 10, 10, 10, 30)))]
                facts = [
                    Note(mono_ms=second * 1000, topic="t", text=rng.randbytes(rng.choice((10, 700))).hex())
                    for _ in range(rng.choice((0, 0, 1, 3)))
                ]
                before = {lane.lane: lane.last for lane in outbox.lanes() if lane.session == outbox.session}
                # Before it is committed: a cut inside the commit may leave it whole, and then it must be this.
                for number, fact in enumerate(facts, before[FACTS] + 1):
                    day.facts[outbox.session, number] = frames.encode_entry(fact)
                for number, row in enumerate(rows, before[TRACK] + 1):
                    day.rows[outbox.session, number] = row
                try:
                    outbox.append(facts, rows)
                except StoreFull:
                    break
                if rng.random() < 0.1:
                    lane = rng.choice(outbox.lanes())
                    through = rng.randint(lane.acked, lane.last)
                    outbox.release(lane.session, lane.lane, through, 1)
                    released[lane.session, lane.lane] = through
                    outbox.save()
                _mark(day, outbox, released)
            outbox.close()
            _mark(day, outbox, released)
    return day


def _open(folder: Path) -> Outbox:
    return Outbox(folder / "log.db", max_mb=STORE_MB, version="test", now=lambda: (1_790_000_000_000, 0))


def _row(second: int, rng: random.Random) -> FixRow:
    return frames.quantise(
        FixRow(
            mono_ms=second * 1000,
            utc_ms=1_790_000_000_000 + second * 1000,
            lat_e6=rng.randrange(-1000, 1000),
            lon_e6=rng.randrange(-1000, 1000),
            speed_cm_s=rng.randrange(3000),
            heading_cdeg=0,
            accuracy_dm=5,
            satellites=9,
        )
    )


def _mark(day: Day, outbox: Outbox, released: dict[Key, int]) -> None:
    last = {(lane.session, lane.lane): lane.last for lane in outbox.lanes()}
    day.marks.append(Mark(after=len(day.ops), last=last, released=dict(released)))


def _cut(day: Day, place: int, files: dict[str, bytes], folder: Path, verdict: Verdict) -> None:
    """Open what the cut left, and look for everything that was promised."""
    verdict.cuts += 1
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    outbox = _open(folder)
    try:
        if outbox.set_aside is not None:
            verdict.not_opened += 1
            verdict.examples.append(f"request {place} of {len(day.ops)}: the store was set aside")
            return
        promised = next((mark for mark in reversed(day.marks) if mark.after <= place + 1), None)
        lost = [] if promised is None else _lost(day, promised, outbox)
        verdict.losses += len(lost)
        verdict.examples += [f"request {place} of {len(day.ops)}: {what}" for what in lost[:3]]
    finally:
        outbox.close()


def _lost(day: Day, promised: Mark, outbox: Outbox) -> list[str]:
    lost: list[str] = []
    kept = {(lane.session, lane.lane): lane.last for lane in outbox.lanes()}
    for (session, lane), last in promised.last.items():
        first = promised.released.get((session, lane), 0) + 1
        if kept.get((session, lane), 0) < last:
            lost.append(f"lane {lane} of {session} ends at {kept.get((session, lane))}, not {last}")
            continue
        while first <= last:
            data, through = outbox.frame(session, lane, first, last)
            header = frames.decode_header(data)
            lost += [f"{item} of lane {lane}" for item in header.gone if lane == FACTS or item.reason != THINNED]
            lost += _changed(day, header, data)
            first = through + 1
    return lost


def _changed(day: Day, header: frames.Header, data: bytes) -> Sequence[str]:
    if header.lane == FACTS:
        entries = zip(header.held_seqs(), frames.decode_entries(header, data), strict=True)
        return [f"fact {n}" for n, body in entries if n > 1 and day.facts.get((header.session, n)) != body]
    rows = zip(header.held_seqs(), frames.decode_rows(header, data), strict=True)
    return [f"fix {n}" for n, row in rows if day.rows.get((header.session, n)) != row]
