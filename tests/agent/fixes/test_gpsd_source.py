"""gpsd: a real one that is restarted, frozen or fed noise; and the reports that need a careful reader."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import tty
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from roundsman_agent import gpsd_source, sources
from roundsman_agent.clock import Clock
from roundsman_agent.fix import Fix, SourceEvent
from roundsman_agent.gpsd_source import GpsdStream
from roundsman_agent.nmea import Epoch
from roundsman_agent.sources import open_source
from roundsman_hub.broker import free_port

Lines = Callable[..., bytes]
DEADLINE_S = 60.0
BEGAN_UTC_MS = 1_780_300_800_000
"""Of `epoch_lines`."""
GPSD = shutil.which("gpsd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

pytestmark = [
    # gpsd-py3 still says logger.warn when a gpsd has no device
    pytest.mark.filterwarnings("ignore:The 'warn' method is deprecated"),
]


class Unit:
    """A gpsd of our own, with a receiver on a pty."""

    def __init__(self) -> None:
        assert GPSD is not None
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.device = os.ttyname(self.slave)
        os.chmod(self.device, 0o666)
        self.port = free_port()
        self._control = tempfile.TemporaryDirectory(prefix="roundsman-gpsd-")
        self.second = 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"gpsd://127.0.0.1:{self.port}{self.device}"

    def start(self) -> None:
        assert GPSD is not None
        control = Path(self._control.name) / "control"
        command = [GPSD, "-N", "-b", "-n", "-S", str(self.port), "-F", str(control), self.device]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def end(self, how: int) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(60)
            self.process = None

    def signal(self, which: int) -> None:
        assert self.process is not None
        self.process.send_signal(which)

    def close(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.end(signal.SIGKILL)
        os.close(self.master)
        os.close(self.slave)
        self._control.cleanup()


@pytest.fixture
def unit(monkeypatch: pytest.MonkeyPatch) -> Iterator[Unit]:
    if GPSD is None:
        pytest.skip("gpsd is not installed (Debian: apt-get install gpsd)")
    monkeypatch.setattr(sources, "SILENT_S", 0.5)
    monkeypatch.setattr(sources, "REOPEN_S", 2.5)
    monkeypatch.setattr(sources, "FIRST_BACKOFF_S", 0.1)
    monkeypatch.setattr(gpsd_source, "HANDSHAKE_S", 2.5)
    found = Unit()
    yield found
    found.close()


class Heard:
    """What a source says, while the receiver speaks ten epochs a second."""

    def __init__(self, unit: Unit, epoch_lines: Lines) -> None:
        self.items: list[Fix | SourceEvent] = []
        self.unit, self._lines = unit, epoch_lines
        self.speaks, self.frozen = True, False
        self.said: list[int] = []
        """Seconds of the epochs that the line took whole: a pty whose reader is late takes no more, and no receiver waits."""
        self._more = asyncio.Event()
        self._tasks = [asyncio.create_task(self._listen(open_source(unit.url, Clock()))), asyncio.create_task(self._speak())]

    async def _listen(self, source: AsyncIterator[Fix | SourceEvent]) -> None:
        async for item in source:
            self.items.append(item)
            self._more.set()

    async def _speak(self) -> None:
        os.set_blocking(self.unit.master, False)
        while True:
            await asyncio.sleep(0.1)
            if self.speaks:
                self.unit.second += not self.frozen
                data = self._lines(self.unit.second)
                with contextlib.suppress(BlockingIOError):
                    if os.write(self.unit.master, data) == len(data) and self.unit.second not in self.said[-1:]:
                        self.said.append(self.unit.second)

    async def make(self, noise: bytes) -> None:
        """On the line, all of it: as soon as whoever reads it made room."""
        while noise:
            with contextlib.suppress(BlockingIOError):
                noise = noise[os.write(self.unit.master, noise) :]
            await asyncio.sleep(0.01)

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

    def events_since(self, mark: int) -> list[str]:
        return [item.kind for item in self.items[mark:] if isinstance(item, SourceEvent)]

    def since(self, mark: int) -> list[Fix]:
        return [item for item in self.items[mark:] if isinstance(item, Fix)]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task


def second_of(fix: Fix) -> int:
    assert fix.utc_ms is not None
    return round((fix.utc_ms - BEGAN_UTC_MS) / 1000)


def fixes_since(mark: int, count: int, heard: Heard) -> bool:
    return len(heard.since(mark)) >= count


def test_a_real_gpsd_gives_what_its_receiver_says(unit: Unit, epoch_lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "REOPEN_S", DEADLINE_S)  # a line that is opened again has missed something

    async def tell() -> None:
        unit.start()
        heard = Heard(unit, epoch_lines)
        await heard.until(lambda h: len(h.fixes) >= 10)
        await heard.close()
        fixes = heard.fixes[3:]
        assert {(f.position.lat_e6, f.position.lon_e6) for f in fixes} == {(60_166_667, 24_933_333)}
        assert all(f.speed_mps == pytest.approx(5.14, abs=0.01) and f.heading_deg == 90.0 for f in fixes)
        seconds = [second_of(fix) for fix in fixes]
        assert seconds == [second for second in heard.said if seconds[0] <= second <= seconds[-1]], "each instant once, none missing"

    asyncio.run(tell())


def test_a_receiver_that_falls_silent_is_not_a_van_that_stands(unit: Unit, epoch_lines: Lines) -> None:
    """gpsd-py3's polling would go on giving the last fix as valid."""

    async def tell() -> None:
        unit.start()
        heard = Heard(unit, epoch_lines)
        await heard.until(lambda h: len(h.fixes) >= 5)
        heard.speaks = False
        mark = len(heard.items)
        await heard.until(lambda h: {"silent", "lost"} <= set(h.events_since(mark)))
        seconds = [second_of(fix) for fix in heard.fixes]
        assert len(seconds) == len(set(seconds)), "no instant is told twice"
        assert set(seconds) <= set(heard.said), "nor one that the receiver did not say"
        mark = len(heard.items)
        heard.speaks = True
        await heard.until(lambda h: len(h.since(mark)) >= 3)
        await heard.close()

    asyncio.run(tell())


def test_a_receiver_whose_time_stands_still_is_not_a_van_that_stands(
    unit: Unit, epoch_lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MUTE_S", 1.0)

    async def tell() -> None:
        unit.start()
        heard = Heard(unit, epoch_lines)
        await heard.until(lambda h: len(h.fixes) >= 5)
        mark = len(heard.items)
        heard.frozen = True
        await heard.until(lambda h: "silent" in h.events_since(mark))
        seconds = [second_of(fix) for fix in heard.fixes]
        assert len(seconds) == len(set(seconds)), "no instant is told twice"
        mark = len(heard.items)
        heard.frozen = False
        await heard.until(lambda h: len(h.since(mark)) >= 3)
        await heard.close()

    asyncio.run(tell())


def test_noise_on_the_line_is_stepped_over(unit: Unit, epoch_lines: Lines) -> None:
    async def tell() -> None:
        unit.start()
        heard = Heard(unit, epoch_lines)
        await heard.until(lambda h: len(h.fixes) >= 5)
        mark = len(heard.items)
        await heard.make(random.Random(1).randbytes(500) + b"\r\n$GPRMC,0800,A,broken*00\r\n")
        await heard.until(lambda h: len(h.since(mark)) >= 5)
        assert all(f.position.lat_e6 == 60_166_667 for f in heard.since(mark))
        await heard.close()

    asyncio.run(tell())


@pytest.mark.deep
def test_a_gpsd_that_is_killed_and_started_again_is_found_again(unit: Unit, epoch_lines: Lines) -> None:
    """gpsd-py3 gives JSONDecodeError, then BrokenPipeError, and never connects again."""

    async def tell() -> None:
        heard = Heard(unit, epoch_lines)
        await heard.until(lambda h: h.events[:1] == ["lost"])
        for _ in range(3):
            unit.start()
            mark = len(heard.items)
            await heard.until(partial(fixes_since, mark, 3))
            unit.end(signal.SIGKILL)
            await heard.until(lambda h: h.events[-1] == "lost")
        await heard.close()

    asyncio.run(tell())


@pytest.mark.deep
def test_a_frozen_gpsd_holds_up_nothing(unit: Unit, epoch_lines: Lines) -> None:
    """A stopped gpsd accepts connections and never greets: gpsd-py3 would wait for ever."""

    async def tell() -> None:
        unit.start()
        heard = Heard(unit, epoch_lines)
        await heard.until(lambda h: len(h.fixes) >= 5)
        unit.signal(signal.SIGSTOP)
        mark = len(heard.events)
        await heard.until(lambda h: h.events[mark:].count("lost") >= 2)
        unit.signal(signal.SIGCONT)
        mark = len(heard.items)
        await heard.until(lambda h: len(h.since(mark)) >= 5)
        await heard.close()

    asyncio.run(tell())


def test_giving_up_while_gpsd_hangs_leaves_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent ends while a frozen gpsd keeps it waiting: nothing is left behind (warnings are errors)."""
    monkeypatch.setattr(gpsd_source, "HANDSHAKE_S", 0.5)

    async def tell() -> None:
        with socket.create_server(("127.0.0.1", 0)) as mute:
            source = open_source(f"gpsd://127.0.0.1:{mute.getsockname()[1]}", Clock())

            async def first() -> Fix | SourceEvent:
                return await anext(source)

            waiting = asyncio.create_task(first())
            caller, _ = await asyncio.to_thread(mute.accept)
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await waiting
            caller.close()

    asyncio.run(tell())


@pytest.mark.parametrize(
    "greeting", [b"", b"SSH-2.0-OpenSSH\r\n", b'{"class":"TOFF"}\n', b"[]\n", b'{"class":"VERSION"}\n{"class":"ERROR"}\n']
)
def test_what_is_no_gpsd_is_an_event(greeting: bytes) -> None:
    async def tell() -> None:
        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(greeting)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        source = open_source(f"gpsd://127.0.0.1:{server.sockets[0].getsockname()[1]}", Clock())
        async with asyncio.timeout(DEADLINE_S):
            item = await anext(source)
        assert isinstance(item, SourceEvent)
        assert item.kind == "lost"
        server.close()

    asyncio.run(tell())


# ── reports that need a careful reader ──────────────────────────────────────────────────────────────────────────────


def report(**said: object) -> bytes:
    return json.dumps({"class": "TPV", "device": "/dev/a", **said}, separators=(",", ":")).encode() + b"\r\n"


def read(*chunks: bytes, device: str = "") -> tuple[GpsdStream, list[Epoch]]:
    # Only the pure part is used: no connection is needed to read reports.
    stream = GpsdStream(ear=None, device=device)  # type: ignore[arg-type]
    return stream, [epoch for chunk in chunks for epoch in stream.take(chunk)]


FIRST = "2026-06-01T08:00:00.000Z"
SECOND = "2026-06-01T08:00:01.000Z"


def test_two_reports_of_one_instant_are_one_fix() -> None:
    """On GGA + RMC receivers the first comes without a course."""
    _, epochs = read(
        report(mode=3, time=FIRST, lat=60.0, lon=24.0, speed=4.0, eph=8.0),
        report(mode=3, time=FIRST, lat=60.0, lon=24.0, speed=4.1, track=90.0),
        report(mode=3, time=FIRST, lat=60.0, lon=24.0, speed=4.1, track=90.0),
    )
    assert [(e.utc_ms, e.speed_mps, e.heading_deg, e.accuracy_m) for e in epochs] == [(1_780_300_800_000, 4.1, 90.0, 4.0)]


def test_a_report_that_stays_without_a_course_is_told_at_the_next_instant_or_a_pause() -> None:
    stream, epochs = read(
        report(mode=2, time=FIRST, lat=60.0, lon=24.0, speed=0.0), report(mode=2, time=SECOND, lat=60.0, lon=24.0, speed=0.0)
    )
    assert [(e.utc_ms, e.mode, e.heading_deg) for e in epochs] == [(1_780_300_800_000, 2, None)]
    last = stream.pause()
    assert last is not None
    assert last.utc_ms == 1_780_300_801_000
    assert stream.pause() is None


def test_absent_is_unknown_and_never_zero() -> None:
    """gpsd-py3 turns a missing latitude into 0.0, and a speed below its error into 0."""
    _, epochs = read(report(mode=1, time=FIRST), report(mode=3, time=SECOND, speed=4.0, track=1.0, eps=9.0))
    assert [e.position for e in epochs] == [None, None]
    assert epochs[1].speed_mps == 4.0


def test_of_two_receivers_the_one_that_was_asked_for_is_believed() -> None:
    both = (
        report(mode=3, time=FIRST, lat=60.0, lon=24.0, speed=0.0, track=1.0),
        report(device="/dev/b", mode=3, time=FIRST, lat=61.0, lon=25.0, speed=0.0, track=1.0),
    )
    _, epochs = read(*both, device="/dev/b")
    assert [e.position.lat_deg for e in epochs if e.position] == [61.0]


def test_of_two_receivers_the_first_with_a_fix_is_believed_for_as_long_as_it_has_one() -> None:
    def at(second: int, device: str, mode: int) -> bytes:
        return report(device=device, mode=mode, time=f"2026-06-01T08:00:{second:02d}.000Z", lat=60.0, lon=24.0, speed=0.0, track=1.0)

    script = [("/dev/a", 1), ("/dev/b", 3), ("/dev/a", 3), ("/dev/b", 3)]
    stream, epochs = read(*(at(0, device, mode) for device, mode in script))
    assert stream.believed == "/dev/b"
    assert len(epochs) == 1
    later = [epoch for second in range(1, 9) for epoch in stream.take(at(second, "/dev/a", 3))]
    assert stream.believed == "/dev/a", "the other has said nothing for five seconds"
    assert [e.utc_ms for e in later] == [1_780_300_806_000, 1_780_300_807_000, 1_780_300_808_000]


def test_satellites_are_counted_without_decoding_them() -> None:
    sky = b'{"class":"SKY","satellites":[{"PRN":1,"used":true},{"PRN":2,"used":false},{"PRN":3,"used":true}]}\r\n'
    _, epochs = read(sky, report(mode=3, time=FIRST, lat=60.0, lon=24.0, speed=0.0, track=1.0))
    assert epochs[0].satellites == 2


def test_reports_that_cannot_be_read_are_counted() -> None:
    stream, epochs = read(
        b'{"class":"TPV","mode":"three"}\n{"class":"TPV",\n', b"x" * 300_000, report(mode=3, time="tea", lat=95.0, lon=0.0)
    )
    assert stream.bad == 4, "and a place beyond the globe is none"
    assert epochs == []
    assert stream.pause() is None
