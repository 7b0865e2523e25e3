"""gpsd: a real one that is restarted, frozen or fed noise; and the reports that need a careful reader."""

from __future__ import annotations

import asyncio
import contextlib
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
