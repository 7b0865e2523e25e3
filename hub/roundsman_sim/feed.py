"""Ways a receiver's sentences reach a van's unit: a TCP port, a serial line (pty), or a real gpsd on such a line."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import termios
import tty
from collections import deque
from pathlib import Path
from typing import Final, Protocol

from roundsman_hub.broker import free_port
from roundsman_sim import SimError

SERIAL_KEEPS: Final = 400_000
"""Bytes that wait for the unit on a serial line. A kernel's 4 kB hold 15 s of a receiver in life, but half a second when time runs
30 times faster: without this, a busy machine would lose fixes that no van would."""


class Feed(Protocol):
    """Where one van's receiver is plugged in."""

    url: str
    """What the unit's `[receiver] url` says."""

    async def start(self) -> None: ...
    def send(self, data: bytes) -> None: ...
    async def stop(self) -> None: ...


class TcpFeed:
    """NMEA over TCP, as many vehicle routers give it: every listener hears everything from when it came."""

    def __init__(self) -> None:
        self._port = free_port()
        self.url = f"tcp://127.0.0.1:{self._port}"
        self._server: asyncio.Server | None = None
        self._listeners: set[asyncio.StreamWriter] = set()
        self.heard = asyncio.Event()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._welcome, "127.0.0.1", self._port)

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._listeners.add(writer)
        self.heard.set()
        try:
            while await reader.read(1024):
                pass
        except OSError:
            pass
        finally:
            self._listeners.discard(writer)
            writer.close()

    def send(self, data: bytes) -> None:
        for writer in self._listeners:
            writer.write(data)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in list(self._listeners):
                writer.close()
            await self._server.wait_closed()


class SerialFeed:
    """A serial line: a pty whose other end the unit opens like `/dev/ttyACM0`."""

    def __init__(self) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        fcntl.ioctl(self._master, termios.TIOCPKT, b"\1\0\0\0")
        self.device = os.ttyname(self._slave)
        self.url = f"serial://{self.device}?baud=115200"
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self.dropped_bytes = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._master, self._told)

    def _told(self) -> None:
        """Whoever opens a line throws away what came before: a real one has kept nothing for it."""
        try:
            word = os.read(self._master, 1024)
        except OSError:
            return
        if word and word[0] & termios.TIOCPKT_FLUSHREAD:
            self._waiting.clear()
            self._bytes = 0

    def send(self, data: bytes) -> None:
        if self._bytes + len(data) > SERIAL_KEEPS:
            self.dropped_bytes += len(data)
            return
        self._waiting.append(data)
        self._bytes += len(data)
        if len(self._waiting) == 1:
            self._flush()

    def _flush(self) -> None:
        """Write what the line takes; the rest when it takes more."""
        self._told()
        while self._waiting:
            data = self._waiting[0]
            try:
                written = os.write(self._master, data)
            except BlockingIOError:
                written = 0
            self._bytes -= written
            if written < len(data):
                self._waiting[0] = data[written:]
                if self._loop is not None:
                    self._loop.add_writer(self._master, self._flush)
                return
            self._waiting.popleft()
        if self._loop is not None:
            self._loop.remove_writer(self._master)

    async def stop(self) -> None:
        if self._loop is not None:
            self._loop.remove_writer(self._master)
            self._loop.remove_reader(self._master)
        for end in (self._master, self._slave):
            with contextlib.suppress(OSError):
                os.close(end)


class GpsdFeed:
    """A real gpsd that reads a serial line, and whose clients hear what it makes of it."""

    def __init__(self, directory: Path) -> None:
        self._program = gpsd_program()
        self._line = SerialFeed()
        self._port = free_port()
        self._socket = directory / "gpsd.sock"
        self.url = f"gpsd://127.0.0.1:{self._port}"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        if self._program is None:
            raise SimError("gpsd is not installed; please install it: apt-get install gpsd")
        await self._line.start()
        # -N stay in the foreground, -n do not wait for a client, -F so that it takes connections at once (Debian's 3.22 refuses otherwise).
        arguments = ["-N", "-n", "-S", str(self._port), "-F", str(self._socket), self._line.device]
        self._process = await asyncio.create_subprocess_exec(
            self._program,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        deadline = asyncio.get_running_loop().time() + 10
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                if self._process.returncode is not None or asyncio.get_running_loop().time() > deadline:
                    raise SimError(f"gpsd did not start on port {self._port} (exit code {self._process.returncode})") from None
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return

    def send(self, data: bytes) -> None:
        self._line.send(data)

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), 3)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        await self._line.stop()


def gpsd_program() -> str | None:
    """Path of gpsd, or None where it is not installed (Debian keeps it in /usr/sbin, which is not on everyone's PATH)."""
    return shutil.which("gpsd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
