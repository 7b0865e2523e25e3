"""Invariant 2 under power cuts: what the outbox has committed is there again, whatever the disk made of what it was not sure of."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from roundsman_agent import log_file
from roundsman_sim import power_cuts
from roundsman_sim.power import Disk, Op, recording

pytestmark = pytest.mark.timeout(900)


def test_no_committed_entry_is_lost_to_a_power_cut() -> None:
    verdict = power_cuts.simulate(cuts=300, seed=1)
    assert (verdict.cuts, verdict.losses, verdict.not_opened) == (300, 0, 0), verdict.examples[:5]


@pytest.mark.deep
def test_no_committed_entry_is_lost_to_thousands_of_power_cuts() -> None:
    verdict = power_cuts.simulate_many(cuts=6_000, seed=100)
    assert (verdict.cuts, verdict.losses, verdict.not_opened) == (6_000, 0, 0), verdict.examples[:5]


def test_simulation_notices_a_store_that_does_not_wait_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the guard: with `synchronous=NORMAL` a commit returns before it is on the disk, and cuts must show it."""
    careful = log_file._open

    def careless(path: Path, max_pages: int) -> sqlite3.Connection:
        db = careful(path, max_pages)
        db.execute("PRAGMA synchronous = NORMAL")
        return db

    monkeypatch.setattr(log_file, "_open", careless)
    assert power_cuts.simulate(cuts=40, seed=1).losses > 0


def test_disk_keeps_what_was_synced_and_only_parts_of_the_rest() -> None:
    disk = Disk()
    disk.apply(Op("write", "log", 0, b"a" * 2048))
    disk.apply(Op("sync", "log"))
    disk.apply(Op("write", "log", 512, b"b" * 2048))
    rng = random.Random(1)
    seen = set()
    for _ in range(200):
        data = disk.cut(rng)["log"]
        assert data[:512] == b"a" * 512
        assert len(data) >= 2048
        seen.add(data)
    assert len(seen) > 10


def test_recording_is_what_is_on_the_disk(tmp_path: Path) -> None:
    disk = Disk()
    with recording() as ops:
        db = sqlite3.connect(tmp_path / "some.db", isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE t (body BLOB)")
        for number in range(700):
            db.execute("INSERT INTO t VALUES (?)", (bytes(number),))
        db.close()
    for op in ops:
        disk.apply(op)
    assert not disk.waiting
    assert bytes(disk.synced["some.db"]) == (tmp_path / "some.db").read_bytes()
