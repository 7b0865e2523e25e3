"""A proxy between broker and hub that knows MQTT: it can repeat, shuffle and lose whole messages of QoS 0 on their way to the hub.

The vans' side is TLS, where no proxy can tell one message from another; the broker's listener for the hub is in the clear.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import Final

from roundsman_hub.broker import free_port
from roundsman_hub.ingest.packets import Malformed, publish, split

READ_BYTES: Final = 65_536
SHARE: Final = 0.3
"""Of the messages, while a fault is on."""


class HubLine:
    """Listens on a port of the loopback and passes on to the broker's listener for the hub.

    Attributes
    ----------
    mode : str
        "" passes everything as it is; "double", "shuffle", "lose".
    done : dict
        How many messages of each mode were treated so.
    """

    def __init__(self, host: str, port: int, rng: random.Random) -> None:
        self._to, self._rng = (host, port), rng
        self.port = free_port()
        self.mode = ""
        self.done = {"double": 0, "shuffle": 0, "lose": 0}
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self.cut()
            await self._server.wait_closed()

    def cut(self) -> None:
        """End all connections of the hub; it may come again at once."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._to)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        try:
            await asyncio.gather(self._up(reader, far_writer), self._down(far_reader, writer))
        finally:
            self._writers -= {writer, far_writer}

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(READ_BYTES):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        rest = b""
        with contextlib.suppress(OSError, Malformed):
            while data := await reader.read(READ_BYTES):
                if not self.mode and not rest:
                    # Cut at packets all the time: a fault may begin in the middle of one.
                    _, _, rest = split(data)
                    writer.write(data[: len(data) - len(rest)])
                else:
                    messages, others, rest = split(rest + data)
                    packets = [publish(message.topic, message.payload) for message in messages]
                    writer.write(others + b"".join(self._treated(packets)))
                await writer.drain()
        writer.close()

    def _treated(self, packets: list[bytes]) -> list[bytes]:
        out: list[bytes] = []
        for packet in packets:
            hit = bool(self.mode) and self._rng.random() < SHARE
            self.done[self.mode] = self.done.get(self.mode, 0) + hit
            if hit and self.mode == "lose":
                continue
            out.append(packet)
            if hit and self.mode == "double":
                out.append(packet)
            if hit and self.mode == "shuffle":
                out.insert(self._rng.randrange(len(out)), out.pop())
        return out
