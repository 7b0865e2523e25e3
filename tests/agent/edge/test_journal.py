"""Where a commit is made: in the turn of the fixes while nobody minds, else on the disk's own thread."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from roundsman_agent import journal
from roundsman_agent.journal import Journal
from roundsman_agent.outbox import Appended, Outbox
from roundsman_wire.messages import AnyEntry, Duty, FixRow

ROW = FixRow(mono_ms=1, utc_ms=1, lat_e6=60_000_000, lon_e6=24_000_000, speed_cm_s=0, heading_cdeg=None, accuracy_dm=None, satellites=9)


class Disk:
    """Says on which thread it was written to; may be at work for somebody else."""

    def __init__(self) -> None:
        self.threads: list[str] = []
        self.free = True

    def is_free(self) -> bool:
        return self.free

    def append(self, facts: Sequence[AnyEntry], rows: Sequence[FixRow]) -> Appended:
        self.threads.append(threading.current_thread().name)
        return Appended(facts_last=len(facts), track_last=len(rows))


async def committed(disk: Disk, made: Journal) -> str:
    made.add((), [ROW])
    await made.flush()
    return disk.threads[-1]


def told(disk: Disk, watched: list[bool], story: Any) -> Any:
    async def tell() -> Any:
        with ThreadPoolExecutor(1, "store") as store:
            made = Journal(cast(Outbox, disk), store, on_commit=lambda *_: None, may_wait=lambda: not watched[0])
            return await story(made)

    return asyncio.run(tell())


def test_fixes_are_committed_in_their_turn_while_nobody_looks() -> None:
    disk, watched = Disk(), [False]

    async def story(made: Journal) -> list[str]:
        alone = await committed(disk, made)
        watched[0] = True
        return [alone, await committed(disk, made)]

    assert told(disk, watched, story) == ["MainThread", "store_0"]


def test_a_drivers_tap_never_holds_up_the_loop() -> None:
    disk = Disk()

    async def story(made: Journal) -> None:
        await made.write([Duty(mono_ms=1, utc_ms=None, duty="on", driver="d")])

    told(disk, [False], story)
    assert disk.threads == ["store_0"]


def test_the_loop_does_not_wait_for_a_disk_that_was_slow_once_or_works_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk()

    async def story(made: Journal) -> list[str]:
        disk.free = False
        busy = await committed(disk, made)
        disk.free = True
        monkeypatch.setattr(journal, "SLOW_S", math.inf)
        quick = await committed(disk, made)
        monkeypatch.setattr(journal, "SLOW_S", -1.0)  # whatever it takes is too long
        slow = await committed(disk, made)
        return [busy, quick, slow, await committed(disk, made)]

    assert told(disk, [False], story) == ["store_0", "MainThread", "MainThread", "store_0"]
