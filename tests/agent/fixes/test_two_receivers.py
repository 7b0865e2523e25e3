"""One real gpsd with two receivers on it: a van follows one of them, and the other when that one falls silent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import shutil
import subprocess
import tempfile
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from roundsman_agent import gpsd_source
from roundsman_agent.clock import Clock
from roundsman_agent.fix import Fix
from roundsman_agent.sources import open_source
from roundsman_hub.broker import free_port

Lines = Callable[..., bytes]
DEADLINE_S = 60.0
GPSD = shutil.which("gpsd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
NORTH_MIN = (0.0, 0.01)
"""Eighteen metres between the two, so that each fix says whose it is."""

pytestmark = pytest.mark.filterwarnings("ignore:The 'warn' method is deprecated")


class Pair:
    """A gpsd with two receivers on ptys. `speaks`: which of them say something."""

    def __init__(self) -> None:
        assert GPSD is not None
        self.masters, slaves = zip(*(pty.openpty() for _ in NORTH_MIN), strict=True)
        self._slaves = slaves
        devices = [os.ttyname(slave) for slave in slaves]
        for slave, device in zip(slaves, devices, strict=True):
            tty.setraw(slave)
            os.chmod(device, 0o666)
        for master in self.masters:
            os.set_blocking(master, False)
        self.port = free_port()
        self._folder = tempfile.TemporaryDirectory(prefix="roundsman-gpsd-")
        command = [GPSD, "-N", "-b", "-n", "-S", str(self.port), "-F", str(Path(self._folder.name) / "control"), *devices]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        self.speaks = {0, 1}

    async def speak(self, lines: Lines) -> None:
        """Ten epochs a second from each that speaks, and garbage from both now and then."""
        second = 0
        while True:
            await asyncio.sleep(0.1)
            second += 1
            for number in self.speaks:
                data = lines(second, north_min=NORTH_MIN[number]) + (b"\xb5b$GPRM,,,*00\r\n" if second % 7 == 0 else b"")
                with contextlib.suppress(BlockingIOError):
                    os.write(self.masters[number], data)

    def close(self) -> None:
        self._process.kill()
        self._process.wait(10)
        for side in (*self.masters, *self._slaves):
            os.close(side)
        self._folder.cleanup()


@pytest.fixture
def pair() -> Iterator[Pair]:
    if GPSD is None:
        pytest.skip("gpsd is not installed (Debian: apt-get install gpsd)")
    made = Pair()
    yield made
    made.close()


def whose(fix: Fix) -> int:
    return 0 if fix.position.lat_e6 == 60_166_667 else 1


def test_of_two_real_receivers_one_is_followed_until_it_falls_silent(
    pair: Pair, epoch_lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two in turn would zigzag between two roofs; the one that is followed goes on being it for as long as it speaks."""
    monkeypatch.setattr(gpsd_source, "HANDSHAKE_S", 20.0)
    fixes: list[Fix] = []
    more = asyncio.Event()

    async def listen() -> None:
        async for item in open_source(f"gpsd://127.0.0.1:{pair.port}", Clock()):
            if isinstance(item, Fix):
                fixes.append(item)
                more.set()

    async def until(enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not enough():
                more.clear()
                await more.wait()

    async def tell() -> None:
        tasks = [asyncio.create_task(pair.speak(epoch_lines)), asyncio.create_task(listen())]
        await until(lambda: len(fixes) >= 30)
        first = whose(fixes[0])
        assert {whose(fix) for fix in fixes} == {first}
        pair.speaks = {1 - first}
        await until(lambda: whose(fixes[-1]) == 1 - first)
        mark = len(fixes)
        pair.speaks = {0, 1}
        await until(lambda: len(fixes) >= mark + 30)
        assert {whose(fix) for fix in fixes[mark:]} == {1 - first}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(tell())
