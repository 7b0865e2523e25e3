"""A page of the store went bad: what can be read goes on, what cannot is told by its number, and the disk's last space is the facts'."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from roundsman_agent.ballast import BALLAST_BYTES
from roundsman_agent.outbox import Outbox
from roundsman_wire import frames
from roundsman_wire.messages import FACTS, TRACK, FixRow, Note

NOTES = 400


def box_in(folder: Path) -> Outbox:
    return Outbox(folder / "log.db", max_mb=16, version="test", now=lambda: (1_700_000_000_000, 0))


def row(second: int) -> FixRow:
    return FixRow(
        mono_ms=second * 1000, utc_ms=None, lat_e6=second, lon_e6=0, speed_cm_s=None, heading_cdeg=None, accuracy_dm=None, satellites=0
    )


def claimed(box: Outbox, session: str, lane: int) -> tuple[set[int], set[int]]:
    """Numbers that are held, and numbers that are gone, of everything that the lane's frames claim."""
    held: set[int] = set()
    gone: set[int] = set()
    (state,) = [x for x in box.lanes() if (x.session, x.lane) == (session, lane)]
    first = state.acked + 1
    while first <= state.last:
        data, through = box.frame(session, lane, first, state.last)
        header = frames.decode_header(data)
        held |= set(header.held_seqs())
        gone |= {number for item in header.gone for number in range(item.first, item.last + 1)}
        first = through + 1
    return held, gone


@pytest.fixture
def damaged(tmp_path: Path) -> Iterator[tuple[Outbox, str]]:
    """A day's log whose middle page of facts is noise, opened again."""
    box = box_in(tmp_path)
    for number in range(NOTES):
        box.append([Note(mono_ms=number, topic="t", text=f"{number} " + "x" * 200)], [row(number)])
    box.release(box.session, FACTS, 100, 1)
    session = box.session
    box.close()
    data = bytearray((tmp_path / "log.db").read_bytes())
    at = data.index(b"200 xxx") // 4096 * 4096
    data[at : at + 4096] = random.Random(1).randbytes(4096)
    (tmp_path / "log.db").write_bytes(data)
    again = box_in(tmp_path)
    assert again.set_aside is not None
    yield again, session
    with suppress(sqlite3.ProgrammingError):  # closed by its test
        again.close()


def test_what_can_be_read_of_a_damaged_store_goes_on_and_the_rest_is_told(damaged: tuple[Outbox, str]) -> None:
    """Invariant 2: every committed entry ends at the hub, or in `log_gaps` with its reason."""
    box, session = damaged
    assert box.previous == session
    held, gone = claimed(box, session, FACTS)
    assert held | gone == set(range(101, NOTES + 2))
    assert not held & gone
    assert 1 <= len(gone) < 60
    assert len(claimed(box, session, TRACK)[0]) == NOTES
    assert {"start", "store set aside"} == {started.reason for started in box.facts_of("session")}  # type: ignore[union-attr]


def test_salvaged_store_opens_again_as_it_is(damaged: tuple[Outbox, str], tmp_path: Path) -> None:
    box, session = damaged
    before = claimed(box, session, FACTS)
    box.close()
    again = box_in(tmp_path)
    assert again.set_aside is None
    assert claimed(again, session, FACTS) == before
    again.close()


def test_store_of_which_nothing_can_be_read_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "log.db").write_bytes(b"nothing of a database" * 500)
    box = box_in(tmp_path)
    assert (box.salvaged, len(box.lanes())) == (0, 2)
    box.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small disk")
def test_facts_find_room_on_a_disk_that_others_have_filled(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(disk)], check=True)
    try:
        box = box_in(disk)
        assert (disk / "ballast").stat().st_size == BALLAST_BYTES
        (disk / "other").write_bytes(b"x" * shutil.disk_usage(disk).free)
        assert box.append([], [row(n) for n in range(20_000)]).dropped == 20_000
        for number in range(300):
            box.append([Note(mono_ms=number, topic="delivered", text="y" * 1000)], [])
        assert (disk / "ballast").stat().st_size == 0
        (disk / "other").unlink()
        box.purge()
        assert (disk / "ballast").stat().st_size == BALLAST_BYTES
        box.close()
    finally:
        subprocess.run(["umount", str(disk)], check=True)
