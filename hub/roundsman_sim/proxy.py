"""A TCP proxy between a van and its broker that can be cut, slowed and healed: the mobile network's bad days."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from roundsman_hub.broker import free_port

CHUNK_BYTES: Final = 16_384


class Proxy:
    """Listens on a port of the loopback and passes bytes on to `host:port`.

    `cut` ends every connection and refuses new ones; `freeze` keeps them open but passes nothing (a half-open link);
    `slow` limits the bytes a second each way; `heal` ends all of that.
    """

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self.port = free_port()
        self.passed_bytes = {"up": 0, "down": 0}
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._open = asyncio.Event()
        self._open.set()
        self._refuse = False
        self._bytes_per_s: float | None = None
        self._quick = asyncio.Event()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    def cut(self) -> None:
        """No network at all."""
        self._refuse = True
        self._end_all()

    def freeze(self) -> None:
        """Connections stay, nothing passes: neither side is told."""
        self._open.clear()

    def slow(self, bytes_per_s: float) -> None:
        """At most so many bytes a second, each way of each connection."""
        self._bytes_per_s = bytes_per_s
        self._quick.clear()

    def heal(self) -> None:
        """Back to normal. Bytes that waited in a frozen or a slow link arrive now."""
        self._refuse, self._bytes_per_s = False, None
        self._quick.set()
        self._open.set()

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._end_all()
            self._open.set()
            await self._server.wait_closed()

    def _end_all(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuse:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._to)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        try:
            await asyncio.gather(self._pass(reader, far_writer, "up"), self._pass(far_reader, writer, "down"))
        finally:
            self._writers -= {writer, far_writer}

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: str) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                await self._open.wait()
                if self._bytes_per_s is not None:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._quick.wait(), len(data) / self._bytes_per_s)
                self.passed_bytes[direction] += len(data)
                writer.write(data)
                await writer.drain()
        writer.close()
