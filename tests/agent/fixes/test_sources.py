"""Receivers that fall silent, talk noise, are unplugged and come back: none ends the agent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import random
import time
import tty
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import cast

import pytest

from roundsman_agent import sources
from roundsman_agent.clock import Clock
from roundsman_agent.ear import Ear, Piece
from roundsman_agent.fix import Fix, SourceEvent
from roundsman_agent.gpsd_source import GpsdStream
from roundsman_agent.sources import SourceError, open_source

Lines = Callable[..., bytes]
DEADLINE_S = 60.0


class Heard:
    """Everything that a source says, as it says it."""

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        self.items: list[Fix | SourceEvent] = []
        self._more = asyncio.Event()
        self._task = asyncio.create_task(self._listen(open_source(url, clock or Clock())))

    async def _listen(self, source: AsyncIterator[Fix | SourceEvent]) -> None:
        async for item in source:
            self.items.append(item)
            self._more.set()

    async def until(self, enough: Callable[[Heard], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not enough(self):
                self._more.clear()
                await self._more.wait()

    @property
    def fixes(self) -> list[Fix]:
        return [item for item in self.items if isinstance(item, Fix)]

    @property
    def events(self) -> list[str]:
        return [item.kind for item in self.items if isinstance(item, SourceEvent)]

    @property
    def turns(self) -> list[str]:
        """Without the silences of a machine that was too busy to speak."""
        return [kind for kind in self.events if kind != "silent"]

    def after(self, fix: int) -> list[str]:
        """What was told of the receiver after one of its fixes."""
        at = self.items.index(self.fixes[fix])
        return [item.kind for item in self.items[at:] if isinstance(item, SourceEvent)]

    async def close(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task


class Receiver:
    """A receiver on a TCP port of this machine."""

    def __init__(self) -> None:
        self.callers: list[asyncio.StreamWriter] = []
        self.called = asyncio.Event()
        self.port = 0
        self._server: asyncio.Server | None = None

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._call, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.callers.append(writer)
        self.called.set()
        await reader.read()

    async def say(self, data: bytes) -> None:
        async with asyncio.timeout(DEADLINE_S):
            await self.called.wait()
        self.callers[-1].write(data)
        await self.callers[-1].drain()

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self.callers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        self.callers.clear()
        self.called.clear()


def story(tell: Callable[[], object]) -> None:
    asyncio.run(tell())  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver that is silent for long is told of as one, and opened again only where a test wants it: what is said meanwhile is lost."""
    monkeypatch.setattr(sources, "SILENT_S", 0.4)
    monkeypatch.setattr(sources, "REOPEN_S", DEADLINE_S)
    monkeypatch.setattr(sources, "FIRST_BACKOFF_S", 0.05)
    monkeypatch.setattr(sources, "GARBAGE_EVERY_S", 0.0)


def test_a_network_receiver_that_is_restarted_is_found_again(epoch_lines: Lines) -> None:
    async def tell() -> None:
        receiver = Receiver()
        await receiver.listen()
        heard = Heard(f"tcp://127.0.0.1:{receiver.port}")
        await receiver.say(epoch_lines(0) + epoch_lines(1))
        await heard.until(lambda h: len(h.fixes) == 2)
        await receiver.stop()
        await heard.until(lambda h: h.events[-1] == "lost")
        await receiver.listen()
        await receiver.say(epoch_lines(5))
        await heard.until(lambda h: len(h.fixes) == 3)
        assert heard.turns[0] == heard.turns[-1] == "open"
        assert [f.utc_ms for f in heard.fixes] == [1_780_300_800_000, 1_780_300_801_000, 1_780_300_805_000]
        await heard.close()
        await receiver.stop()

    story(tell)


def test_a_receiver_that_hangs_is_told_and_opened_again(epoch_lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "REOPEN_S", 1.0)

    async def tell() -> None:
        receiver = Receiver()
        await receiver.listen()
        heard = Heard(f"tcp://127.0.0.1:{receiver.port}")
        await receiver.say(epoch_lines(0))
        await heard.until(lambda h: len(h.fixes) == 1 and "open" in h.after(0))
        assert heard.after(0)[:3] == ["silent", "lost", "open"]
        assert len(heard.fixes) == 1
        await heard.close()
        await receiver.stop()

    story(tell)


@pytest.mark.parametrize("frozen", [True, False], ids=["frozen", "wrong baud rate"])
def test_a_receiver_that_speaks_and_says_nothing_new_is_told_like_a_silent_one(
    frozen: bool, epoch_lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time stands still, or nothing of it can be read: a van that stands would say as much to who does not look at the time."""
    monkeypatch.setattr(sources, "MUTE_S", 0.3)

    def mute(heard: Heard) -> bool:
        return any(isinstance(item, SourceEvent) and item.kind == "silent" and "no new instant" in item.text for item in heard.items)

    async def tell() -> None:
        receiver = Receiver()
        await receiver.listen()
        heard = Heard(f"tcp://127.0.0.1:{receiver.port}")
        await receiver.say(epoch_lines(0))
        await heard.until(lambda h: len(h.fixes) == 1)
        async with asyncio.timeout(DEADLINE_S):
            while not mute(heard):
                await receiver.say(epoch_lines(0) if frozen else bytes(range(128, 256)))
                await asyncio.sleep(0.02)
        assert len(heard.fixes) == 1, "what is said again is no fix"
        await receiver.say(b"\n" + epoch_lines(1))
        await heard.until(lambda h: len(h.fixes) == 2)
        await heard.close()
        await receiver.stop()

    story(tell)


def test_sentences_that_come_in_pieces_among_noise_are_put_together(epoch_lines: Lines) -> None:
    async def tell() -> None:
        receiver = Receiver()
        await receiver.listen()
        heard = Heard(f"tcp://127.0.0.1:{receiver.port}")
        noise = random.Random(1).randbytes(3_000).replace(b"$", b"").replace(b"\n", b"")
        data = epoch_lines(0)
        for piece in (noise, b"\n", data[:17], data[17:60], data[60:], b"$GPRMC,0800", b"\n", epoch_lines(1)):
            await receiver.say(piece)
        await heard.until(lambda h: len(h.fixes) == 2)
        await heard.until(lambda h: any(isinstance(i, SourceEvent) and i.kind == "garbage" for i in h.items))
        await heard.close()
        await receiver.stop()

    story(tell)


def test_a_receiver_without_gga_is_told_at_its_pause(epoch_lines: Lines) -> None:
    async def tell() -> None:
        receiver = Receiver()
        await receiver.listen()
        heard = Heard(f"tcp://127.0.0.1:{receiver.port}")
        await receiver.say(epoch_lines(0).splitlines(keepends=True)[0])
        await heard.until(lambda h: len(h.fixes) == 1)
        await heard.close()
        await receiver.stop()

    story(tell)


def test_searching_is_told_once_for_each_time_it_is_lost(epoch_lines: Lines) -> None:
    async def tell() -> None:
        receiver = Receiver()
        await receiver.listen()
        heard = Heard(f"tcp://127.0.0.1:{receiver.port}")
        await receiver.say(b"".join(epoch_lines(t, valid=t not in (1, 2, 4)) for t in range(6)))
        await heard.until(lambda h: len(h.fixes) == 3)
        assert heard.turns == ["open", "searching", "searching"]
        assert sum(item.count for item in heard.items if isinstance(item, SourceEvent)) == 3, "and every instant is counted"
        await heard.close()
        await receiver.stop()

    story(tell)


def test_an_unplugged_serial_receiver_is_an_event_and_works_again_when_plugged_in(epoch_lines: Lines, tmp_path: Path) -> None:
    """The adapter's name stays (udev), what is behind it goes and comes back."""
    name = tmp_path / "gnss0"

    def plug() -> tuple[int, int]:
        master, slave = pty.openpty()
        tty.setraw(slave)
        name.unlink(missing_ok=True)
        name.symlink_to(os.ttyname(slave))
        return master, slave

    async def tell() -> None:
        heard = Heard(f"serial://{name}?baud=9600")
        await heard.until(lambda h: h.events[:1] == ["lost"])
        master, slave = plug()
        await heard.until(lambda h: h.events[-1] == "open")
        os.write(master, epoch_lines(0))
        await heard.until(lambda h: len(h.fixes) == 1)
        os.close(slave)
        os.close(master)
        await heard.until(lambda h: h.events[-1] == "lost")
        master, slave = plug()
        await heard.until(lambda h: h.events[-1] == "open")
        os.write(master, epoch_lines(9))
        await heard.until(lambda h: len(h.fixes) == 2)
        await heard.close()
        os.close(slave)
        os.close(master)

    story(tell)


def test_a_recording_is_read_to_its_end_on_its_own_time(epoch_lines: Lines, tmp_path: Path) -> None:
    recording = tmp_path / "a drive.nmea"
    recording.write_bytes(b"".join(epoch_lines(t) for t in (0, 1, 2, 40)))

    async def tell() -> None:
        items = [item async for item in open_source(f"file://{recording.as_posix().replace(' ', '%20')}", Clock())]
        fixes = [item for item in items if isinstance(item, Fix)]
        assert [f.mono_ms - fixes[0].mono_ms for f in fixes] == [0, 1_000, 2_000, 40_000]

    story(tell)


def test_a_recordings_rate_is_kept(epoch_lines: Lines, tmp_path: Path) -> None:
    recording = tmp_path / "drive.nmea"
    recording.write_bytes(b"".join(epoch_lines(t) for t in range(11)))

    async def tell() -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        count = len([item async for item in open_source(f"file://{recording}?rate=50", Clock()) if isinstance(item, Fix)])
        assert count == 11
        assert loop.time() - began_s >= 0.19, "ten waits of a fiftieth; a timer of asyncio may be early by its resolution"

    story(tell)


def test_a_recording_that_is_not_there_is_an_event(tmp_path: Path) -> None:
    async def tell() -> None:
        items = [item async for item in open_source(f"file://{tmp_path}/none.nmea", Clock())]
        assert [(item.kind, item.text) for item in items if isinstance(item, SourceEvent)] == [
            ("lost", f"file://{tmp_path}/none.nmea: No such file or directory")
        ]

    story(tell)


@pytest.mark.parametrize(
    "url", ["", "gpsd", "tcp://host", "serial://", "http://x:1", "file:///x?rate=0", "tcp://h:99999999", "serial:///dev/x?baud=fast"]
)
def test_a_url_that_cannot_be_read_is_refused_at_once(url: str) -> None:
    with pytest.raises(SourceError):
        open_source(url, Clock())


class Naps:
    """An ear that gives what it is told to have heard, and slept through."""

    def __init__(self, *heard: list[Piece]) -> None:
        self._heard = list(heard)
        self.naps, self.attends = False, True

    async def read(self, wait_s: float) -> list[Piece]:
        return self._heard.pop(0)


def reports(*seconds: int) -> bytes:
    return b"".join(
        b'{"class":"TPV","device":"/dev/x","mode":3,"time":"2026-03-01T10:%02d:%02d.000Z","lat":60.1,"lon":24.9,"track":90.0,"speed":9.0}\n'
        % divmod(second, 60)
        for second in seconds
    )


def arrivals(*heard: list[Piece]) -> tuple[list[int], bool]:
    """Milliseconds from the first fix's arrival to each one's; and whether the ear may nap from then on."""

    async def listen() -> tuple[list[int], bool]:
        ear = Naps(*heard)
        attention = sources._Attention(GpsdStream(ear=cast(Ear, ear)), "gpsd://x", Clock())
        items = [item for _ in heard for item in await attention.next()]
        came = [item.mono_ms for item in items if isinstance(item, Fix)]
        return [at_ms - came[0] for at_ms in came], ear.naps

    return asyncio.run(listen())


def test_what_came_within_a_nap_came_as_long_after_its_own_time_as_what_was_heard() -> None:
    now_s = time.monotonic()
    woken = Piece(now_s, reports(10), now_s)
    slept = Piece(now_s + 9.7, reports(*range(11, 20)), now_s)
    last = Piece(now_s + 10.04, reports(20), now_s + 10.04)
    came, naps = arrivals([woken], [slept, last])
    assert came == pytest.approx([*range(0, 10_000, 1000), 10_040], abs=2)
    assert naps


def test_a_receivers_clock_that_jumps_in_a_nap_moves_nothing_out_of_it() -> None:
    """Forward by a quarter of an hour, and back: the nap's two ends are by our own clock."""
    now_s = time.monotonic()
    slept = Piece(now_s + 9.7, reports(11, 12, 913, 914, 15, 16), now_s)
    came, _ = arrivals([Piece(now_s, reports(10), now_s)], [slept])
    assert all(0 <= at_ms <= 9_701 for at_ms in came)
    assert came[3] == came[4] == pytest.approx(9_700, abs=2)


def test_a_line_whose_fixes_have_no_time_of_their_own_is_heard_throughout() -> None:
    now_s = time.monotonic()
    timeless = reports(10).replace(b'"time":"2026-03-01T10:00:10.000Z",', b"")
    assert not arrivals([Piece(now_s, timeless, now_s)])[1]
