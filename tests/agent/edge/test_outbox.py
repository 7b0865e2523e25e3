"""The log on its own disk: power cuts, full disks, damaged files, and acks that are taken back."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from roundsman_agent import AgentError, chunks, log_file
from roundsman_agent.chunks import Chunk
from roundsman_agent.outbox import FRESH_BYTES, KEEP_RELEASED_MS, Outbox, StoreFull
from roundsman_wire import frames
from roundsman_wire.frames import Gone
from roundsman_wire.messages import FACTS, TRACK, FixRow, Note, SessionStarted


class Hand:
    """A clock that is turned by hand."""

    utc_ms = 1_700_000_000_000
    mono_ms = 0

    def __call__(self) -> tuple[int, int]:
        return self.utc_ms, self.mono_ms


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def open_box(tmp_path: Path, clock: Hand) -> Iterator[Callable[..., Outbox]]:
    with ExitStack() as stack:

        def begin(max_mb: int = 16) -> Outbox:
            box = Outbox(tmp_path / "log.db", max_mb=max_mb, version="test", now=clock)
            stack.callback(_close, box)
            return box

        yield begin


def _close(box: Outbox) -> None:
    with suppress(sqlite3.ProgrammingError):  # closed by its test
        box.close()


def row(number: int) -> FixRow:
    return FixRow(
        mono_ms=number * 1000,
        utc_ms=None,
        lat_e6=number * 7,
        lon_e6=-number * 5,
        speed_cm_s=number % 90,
        heading_cdeg=0,
        accuracy_dm=None,
        satellites=4,
    )


def note(text: str) -> Note:
    return Note(mono_ms=1, topic="test", text=text)


def read(box: Outbox, session: str, lane: int) -> tuple[dict[int, Any], list[Gone]]:
    """Everything of a lane, frame by frame, as the hub would have it."""
    held: dict[int, Any] = {}
    gone: list[Gone] = []
    last = next(x.last for x in box.lanes() if (x.session, x.lane) == (session, lane))
    at = 1
    while at <= last:
        data, through = box.frame(session, lane, at, min(at + 499, last))
        header = frames.decode_header(data)
        entries = frames.decode_entries(header, data) if lane == FACTS else frames.decode_rows(header, data)
        held.update(zip(header.held_seqs(), entries, strict=True))
        gone += header.gone
        assert header.first_seq == at
        assert through == header.last_seq >= at
        at = through + 1
    return held, gone


def test_session_begins_by_naming_the_one_before(open_box: Any) -> None:
    first = open_box()
    first.close()
    second = open_box()
    (begun,) = [e for e in second.facts_of("session") if isinstance(e, SessionStarted) and e.session == second.session]
    assert begun.previous == first.session == second.previous
    assert [state.session for state in second.told()] == [first.session, second.session]
    second.close()


WRITER = """
import sys
from pathlib import Path
from roundsman_agent.outbox import Outbox
from roundsman_wire.messages import FixRow, Note
box = Outbox(Path(sys.argv[1]), max_mb=16, version="test", now=lambda: (1, 1))
n = 0
while True:
    rows = [
        FixRow(mono_ms=n, utc_ms=None, lat_e6=n + i, lon_e6=0, speed_cm_s=None, heading_cdeg=None, accuracy_dm=None, satellites=0)
        for i in range(3)
    ]
    done = box.append([Note(mono_ms=n, topic="n", text=str(n))], rows)
    print(done.facts_last, done.track_last, flush=True)
    n += 3
"""


def test_what_was_committed_survives_the_end_of_the_writer(open_box: Any, tmp_path: Path) -> None:
    """Invariant 2. Killed in the middle of its work, three times, in sessions that follow each other."""
    committed: list[tuple[int, int]] = []
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "log.db")], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            last = [writer.stdout.readline() for _ in range(25)][-1]
            writer.send_signal(signal.SIGKILL)
            last = (writer.stdout.read().splitlines() or [last])[-1]
        if len(last.split()) == 2:  # the last line may have been cut in the middle
            committed.append((int(last.split()[0]), int(last.split()[1])))
    box = open_box()
    told = box.told()[:-1]
    assert len(told) == 3
    for state, (facts_last, track_last) in zip(told, committed, strict=False):
        facts, gone = read(box, state.session, FACTS)
        rows, _ = read(box, state.session, TRACK)
        assert len(facts) >= facts_last - 3
        assert len(rows) >= track_last - 9
        assert not gone
        assert [r.lat_e6 for r in rows.values()] == list(range(len(rows)))


def test_full_store_thins_old_fixes_then_drops_them_and_never_a_fact(open_box: Any) -> None:
    box = open_box(max_mb=0)  # the smallest store there is: 256 kB
    facts = 0
    for batch in range(400):
        box.append([note(f"fact {batch}")], [row(batch * 300 + i) for i in range(300)])
        facts += 1
    assert box.path.stat().st_size <= 256 * 1024 + 64 * 4096
    rows, gone = read(box, box.session, TRACK)
    held, facts_gone = read(box, box.session, FACTS)
    assert len(held) == facts + 1
    assert not facts_gone
    last = next(x.last for x in box.lanes() if x.lane == TRACK)
    assert last == 120_000
    # Every number is a row or gone with its reason, and the newest are whole.
    assert len(rows) + sum(g.last - g.first + 1 for g in gone) == last
    assert {g.reason for g in gone} == {1}
    assert set(range(last - 2000, last + 1)) <= set(rows)
    assert all(row(n - 1).lat_e6 == r.lat_e6 for n, r in rows.items())
    # Both steps were seen: one in ten left, and nothing left.
    assert any(g.last - g.first == chunks.THIN_TO - 2 for g in gone)
    assert any(g.last - g.first == 499 for g in gone)  # a whole frame of nothing


def test_full_store_forgets_what_the_hub_has_before_it_thins(open_box: Any) -> None:
    box = open_box(max_mb=0)
    for _ in range(150):
        done = box.append([], [row(i) for i in range(300)])
        box.release(box.session, TRACK, done.track_last, 1)
    rows, gone = read(box, box.session, TRACK)
    assert {g.reason for g in gone} == {4}
    assert gone[0].first == 1
    assert len(rows) + sum(g.last - g.first + 1 for g in gone) == 45_000


def test_store_full_of_facts_refuses_and_stays_sound(open_box: Any) -> None:
    box = open_box(max_mb=1)

    def fill() -> None:
        for _ in range(1000):
            box.append([note("y" * 4000)], [])

    with pytest.raises(StoreFull, match="max_mb"):
        fill()
    facts, gone = read(box, box.session, FACTS)
    assert len(facts) > 50
    assert not gone
    assert box.append([], [row(n) for n in range(2000)]).dropped == 2000
    for number in range(2, len(facts)):
        box.release(box.session, FACTS, number, 1)
    box.append([note("there is room again")], [])


@pytest.mark.parametrize(("at", "length"), [(0, 100), (100, 2000), (4096, 16_384), (9000, 20_000)])
def test_damaged_store_is_set_aside_and_the_chain_goes_on(open_box: Any, tmp_path: Path, at: int, length: int) -> None:
    box = open_box()
    for number in range(50):
        box.append([note("z" * 100)], [row(number)])
    before = box.session
    box.close()
    with (tmp_path / "log.db").open("r+b") as file:
        file.seek(at)
        file.write(b"\xde\xad\xbe\xef" * (length // 4))
    again = open_box()
    assert again.set_aside is not None
    assert again.set_aside.exists()
    assert again.previous == before
    (begun,) = again.facts_of("session")
    assert begun.reason == "store set aside"
    again.close()


def test_second_agent_on_one_store_is_refused(open_box: Any) -> None:
    open_box()
    with pytest.raises(AgentError, match="another roundsman-agent"):
        open_box()


def test_released_entries_stay_fourteen_days(open_box: Any, clock: Hand) -> None:
    box = open_box()
    done = box.append([note("old")], [row(1), row(2)])
    box.release(box.session, TRACK, done.track_last, 1)
    box.release(box.session, FACTS, done.facts_last, 1)
    old = box.session
    box.close()
    clock.utc_ms += KEEP_RELEASED_MS - 7_200_000
    box = open_box()
    box.purge()
    assert len(read(box, old, TRACK)[0]) == 2
    clock.utc_ms += 4 * 3_600_000
    box.purge()
    assert [state.session for state in box.told()] == [box.session]


def test_ack_is_remembered_and_can_be_taken_back(open_box: Any) -> None:
    box = open_box()
    box.append([], [row(n) for n in range(10)])
    box.release(box.session, TRACK, 8, 3)
    box.save()
    box.release(box.session, TRACK, 4, 5)
    session = box.session
    box.close()
    again = open_box()
    assert {x.lane: x.acked for x in again.lanes() if x.session == session} == {FACTS: 0, TRACK: 4}
    assert again.epoch == 5
    again.close()


def test_frame_of_large_facts_ends_before_it_is_too_large(open_box: Any) -> None:
    box = open_box()
    box.append([note(str(n) + "q" * 7000) for n in range(30)], [])
    data, through = box.frame(box.session, FACTS, 1, 31)
    assert len(data) <= frames.MAX_FRAME_BYTES
    assert 1 <= through < 31
    assert len(read(box, box.session, FACTS)[0]) == 31


def test_what_was_just_written_is_handed_out_from_memory_as_the_disk_would(open_box: Any) -> None:
    """Reading it back takes the disk's own thread: half of what a turn with a crossing costs."""
    box = open_box()
    asked = (box.session, FACTS, 2, 3), (box.session, TRACK, 1, 5)
    box.append([note("in"), note("out")], [row(number) for number in range(5)])
    assert [box.fresh_frame(*one) for one in asked] == [box.frame(*one) for one in asked]
    assert box.fresh_frame(box.session, FACTS, 1, 3) is None, "the session's first entry is not of this commit"
    box.append([note("later")], [])
    assert [box.fresh_frame(*one) for one in asked] == [None, None]
    assert box.fresh_frame(box.session, FACTS, 4, 4) == box.frame(box.session, FACTS, 4, 4)
    box.append([note("q" * (FRESH_BYTES // 2))] * 2, [])
    assert box.fresh_frame(box.session, FACTS, 5, 6) is None, "so much is not kept in memory"


def test_small_file_is_replaced_whole(tmp_path: Path) -> None:
    log_file.write_whole(tmp_path / "a", b"one")
    log_file.write_whole(tmp_path / "a", b"two")
    assert (tmp_path / "a").read_bytes() == b"two"
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


@settings(deadline=None, max_examples=40)
@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=12), ask=st.tuples(st.integers(1, 200), st.integers(0, 200)), data=st.data())
def test_part_of_thinned_chunks_accounts_for_every_number(sizes: list[int], ask: tuple[int, int], data: st.DataObject) -> None:
    """Invariant 2, of the frame that is cut from any mix of whole, thinned, dropped and missing chunks."""
    found: list[Chunk] = []
    truth: set[int] = set()
    at = 1
    for size in sizes:
        whole = Chunk(first=at, last=at + size - 1, thinned=0, gone=(), body=frames.pack_rows([row(n) for n in range(at, at + size)]))
        match data.draw(st.sampled_from(["whole", "thinned", "dropped", "missing"])):
            case "whole":
                found.append(whole)
                truth |= set(range(at, at + size))
            case "thinned":
                found += chunks.thin([whole])
                truth |= set(range(at, at + size, chunks.THIN_TO))
            case "dropped":
                found += chunks.drop([whole])
        at += size
    first = min(ask[0], at - 1)
    last = min(first + ask[1], at - 1)
    touching = [chunk for chunk in found if chunk.last >= first and chunk.first <= last]
    gone, body, through = chunks.part(touching, first, last, 2)
    frame = frames.encode_frame("0" * 16, TRACK, first, through, body, gone)
    header = frames.decode_header(frame)
    held = dict(zip(header.held_seqs(), frames.decode_rows(header, frame), strict=True))
    assert through == last
    assert set(held) == {n for n in truth if first <= n <= last}
    assert all(held[n].lat_e6 == row(n).lat_e6 for n in held)


def test_temporary_folder_that_cannot_be_written_is_told_plainly() -> None:
    with tempfile.NamedTemporaryFile() as file, pytest.raises(AgentError, match=r"store\.dir"):
        Outbox(Path(file.name) / "sub" / "log.db", max_mb=1, version="test", now=lambda: (1, 1))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small disk")
def test_disk_filled_by_others_costs_fixes_and_no_sound_store(tmp_path: Path, clock: Hand) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=True)
    try:
        box = Outbox(disk / "log.db", max_mb=16, version="test", now=clock)
        box.append([note("before")], [row(1)])
        (disk / "other").write_bytes(b"x" * (shutil.disk_usage(disk).free - 4096))
        assert box.append([], [row(n) for n in range(5000)]).dropped == 5000
        with pytest.raises(StoreFull):
            box.append([note("n" * 8000) for _ in range(8)], [])
        box.release(box.session, FACTS, 2, 1)
        box.save()
        (disk / "other").unlink()
        box.append([note("after")], [row(2)])
        assert len(read(box, box.session, FACTS)[0]) == 3
        assert len(read(box, box.session, TRACK)[0]) == 2
        box.close()
        # Nor does a start on a full disk take a sound store for a damaged one.
        (disk / "other").write_bytes(b"x" * shutil.disk_usage(disk).free)
        with pytest.raises(AgentError):
            Outbox(disk / "log.db", max_mb=16, version="test", now=clock)
        assert not list(disk.glob("*.damaged-*"))
    finally:
        gc.collect()
        subprocess.run(["umount", str(disk)], check=True)
