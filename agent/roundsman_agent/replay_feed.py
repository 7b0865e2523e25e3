"""A receiver that says what another one once said: on a TCP port, or on a pty that a real gpsd reads."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import re
import select
import shutil
import socket
import tempfile
import time
import tty
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import xor
from pathlib import Path
from typing import Final, Protocol

from roundsman_agent import AgentError, nmea
from roundsman_core.timebase import TimeBase

LEAD_S: Final = 5.0
"""Business time starts so long before the recording: whoever is fed has connected by then."""
PRIME_S: Final = 2.0
"""gpsd looks at a receiver for 0.6 s before it believes it; so long it is shown satellites only, and no fix is lost to that."""
LINGER_S: Final = 2.0
"""After the last sentence: gpsd and the agent have read everything (measured: 4 ms)."""
GPSD_S: Final = 10.0
PRIMER: Final = b"$GPGSV,1,1,01,02,25,181,42*43\r\n"


class ReplayError(AgentError):
    """The recording cannot be replayed: it is not there, holds nothing, or gpsd is missing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Burst:
    """What a receiver said in one go: at `at_s` of the recording."""

    at_s: float
    data: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Feed:
    """A replay under way. `url` is the receiver to open, `time_base` makes business time the recording's own; `ended` is set at its end."""

    url: str
    time_base: TimeBase
    ended: asyncio.Event = field(default_factory=asyncio.Event)


# ── the recording, as a receiver would say it ───────────────────────────────────────────────────────────────────────


def read_bursts(path: Path) -> list[Burst]:
    """A recording cut where a new instant begins, with the time of each.

    Raises
    ------
    ReplayError
        The file cannot be read, or no sentence in it tells an instant.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ReplayError(f"{path}: {error.strerror}") from None
    bursts: list[Burst] = []
    lines: list[bytes] = []
    at_s, said_s = 0.0, None
    for line in data.splitlines(keepends=True):
        time_s = _time_of_day_s(line)
        if time_s is not None and time_s != said_s:
            if said_s is not None:
                bursts.append(Burst(at_s=at_s, data=b"".join(lines)))
                lines = []
                passed_s = (time_s - said_s) % 86_400
                at_s += passed_s if passed_s < 43_200 else 0.0  # a receiver's clock may run backwards; a replay does not
            said_s = time_s
        lines.append(line)
    if said_s is None:
        raise ReplayError(f"{path}: no sentence tells the time; is it NMEA?")
    bursts.append(Burst(at_s=at_s, data=b"".join(lines)))
    return bursts


TIME_FIELD: Final = {b"RMC": 1, b"GGA": 1, b"GNS": 1, b"ZDA": 1, b"GLL": 5}
SOUND: Final = re.compile(rb"^\$([A-Z]{5},[^*]*)\*([0-9A-F]{2})\s*$")


def _time_of_day_s(line: bytes) -> float | None:
    """The time of day that a sound sentence carries; a damaged one would send the replay hours ahead."""
    found = SOUND.match(line)
    if found is None or reduce(xor, found[1]) != int(found[2], 16):
        return None
    fields = found[1].split(b",")
    at = TIME_FIELD.get(fields[0][2:])
    if at is None or len(fields) <= at or not fields[at][:6].isdigit():
        return None
    text = fields[at].decode()
    return int(text[:2]) * 3600 + int(text[2:4]) * 60 + float(text[4:])


def first_utc_ms(bursts: Sequence[Burst]) -> int:
    """When the recording begins.

    Raises
    ------
    ReplayError
        It never says which day it was.
    """
    assembly = nmea.Assembly()
    for burst in bursts:
        for line in burst.data.split(b"\n"):
            assembly, epoch = nmea.feed(assembly, line)
            if epoch is not None and epoch.utc_ms is not None:
                return epoch.utc_ms - round(burst.at_s * 1000)
    raise ReplayError("the recording never says which day it was")


# ── a receiver to open ──────────────────────────────────────────────────────────────────────────────────────────────


@contextlib.asynccontextmanager
async def feeding(bursts: Sequence[Burst], *, through_gpsd: bool, speed: float) -> AsyncIterator[Feed]:
    """A receiver that says the recording, from when somebody listens, `speed` times as fast as life.

    Raises
    ------
    ReplayError
        There is no gpsd, or it does not start.
    """
    starts_s = asyncio.get_running_loop().time() + LEAD_S
    base = TimeBase(origin_real_ms=round((time.time() + LEAD_S) * 1000), origin_utc_ms=first_utc_ms(bursts), factor=speed)
    async with contextlib.AsyncExitStack() as stack:
        receiver: Receiver = await (Pty.behind_gpsd(stack) if through_gpsd else Port.listening(stack))
        feed = Feed(url=receiver.url, time_base=base)
        speaking = asyncio.create_task(_speak(receiver, bursts, speed, starts_s, feed.ended))
        try:
            yield feed
        finally:
            speaking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await speaking


async def _speak(receiver: Receiver, bursts: Sequence[Burst], speed: float, starts_s: float, ended: asyncio.Event) -> None:
    """Wait for a listener, show it satellites until the start, then say everything at its time."""
    loop = asyncio.get_running_loop()
    satellites = b"".join(line for line in bursts[0].data.splitlines(keepends=True) if line[3:6] == b"GSV") or PRIMER
    try:
        await receiver.heard()
        starts_s = max(starts_s, loop.time() + PRIME_S)
        while loop.time() < starts_s:
            await receiver.say(satellites)
            await asyncio.sleep(0.1)
        for burst in bursts:
            await asyncio.sleep(max(starts_s + burst.at_s / speed - loop.time(), 0.0))
            await receiver.say(burst.data)
        await asyncio.sleep(LINGER_S)
    except OSError:  # whoever listened is gone, and with it the replay
        pass
    ended.set()


class Receiver(Protocol):
    """Something that an agent can open as its receiver, and that says what it is given."""

    @property
    def url(self) -> str:
        """What to open."""
        ...

    async def heard(self) -> None:
        """Return once somebody listens."""

    async def say(self, data: bytes) -> None:
        """Let the listener hear this."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Port:
    """A receiver on a TCP port of this machine; its first caller is its listener."""

    url: str
    caller: asyncio.Future[asyncio.StreamWriter]

    @classmethod
    async def listening(cls, stack: contextlib.AsyncExitStack) -> Port:
        """Open until `stack` ends."""
        caller: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()

        def called(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if caller.done():
                writer.close()
            else:
                caller.set_result(writer)
                stack.callback(writer.close)

        server = await asyncio.start_server(called, "127.0.0.1", 0)
        stack.callback(server.close)
        return cls(url=f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}", caller=caller)

    async def heard(self) -> None:
        await self.caller

    async def say(self, data: bytes) -> None:
        writer = await self.caller
        writer.write(data)
        await writer.drain()


@dataclass(frozen=True, kw_only=True, slots=True)
class Pty:
    """A receiver on a pty, read by a real gpsd. gpsd opens it when its first client asks to watch."""

    url: str
    master: int
    device: str

    @classmethod
    async def behind_gpsd(cls, stack: contextlib.AsyncExitStack) -> Pty:
        """Start gpsd; it ends with `stack`.

        Raises
        ------
        ReplayError
            gpsd is not installed, or does not listen within `GPSD_S`.
        """
        program = shutil.which("gpsd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        if program is None:
            raise ReplayError("there is no gpsd here; on Debian: apt-get install gpsd")
        master, slave = pty.openpty()
        stack.callback(os.close, master)
        tty.setraw(slave)
        device = os.ttyname(slave)
        os.chmod(device, 0o666)  # gpsd started by root gives its rights away before it opens the device
        os.close(slave)
        os.set_blocking(master, False)
        port = _free_port()
        control = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="roundsman-gpsd-"))) / "control"
        gpsd = await asyncio.create_subprocess_exec(program, "-N", "-b", "-S", str(port), "-F", str(control), device)
        stack.push_async_callback(_end, gpsd)
        await _listens(port, gpsd)
        return cls(url=f"gpsd://127.0.0.1:{port}{device}", master=master, device=device)

    async def heard(self) -> None:
        watched = select.poll()
        watched.register(self.master, 0)  # POLLHUP is always told: nobody has opened the other side
        while watched.poll(0):
            await asyncio.sleep(0.02)

    async def say(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        while data:
            try:
                data = data[os.write(self.master, data) :]
            except BlockingIOError:
                free = loop.create_future()
                loop.add_writer(self.master, free.set_result, None)
                try:
                    await free
                finally:
                    loop.remove_writer(self.master)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _listens(port: int, gpsd: asyncio.subprocess.Process) -> None:
    deadline_s = asyncio.get_running_loop().time() + GPSD_S
    while gpsd.returncode is None and asyncio.get_running_loop().time() < deadline_s:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            await writer.wait_closed()
            return
        await asyncio.sleep(0.05)
    raise ReplayError(f"gpsd does not listen on port {port}" + (f"; it ended with {gpsd.returncode}" if gpsd.returncode else ""))


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(2):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
