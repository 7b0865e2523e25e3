"""The plugs between the pretend world and the real programs: receivers' feeds and the bad network."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

import pytest

from roundsman_sim.feed import SerialFeed, TcpFeed
from roundsman_sim.proxy import Proxy

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LINE = b"$GNRMC,,V*00\r\n"


def test_listener_hears_a_tcp_receiver_from_when_it_came() -> None:
    async def story() -> None:
        feed = TcpFeed()
        await feed.start()
        feed.send(b"before\r\n")
        reader, writer = await asyncio.open_connection("127.0.0.1", int(feed.url.rpartition(":")[2]))
        await feed.heard.wait()
        feed.send(LINE)
        assert await reader.readline() == LINE
        writer.close()
        await feed.stop()

    asyncio.run(story())


def test_serial_line_gives_every_byte_however_late_the_unit_reads() -> None:
    async def story() -> None:
        feed = SerialFeed()
        await feed.start()
        lines = [b"$%06d\r\n" % number for number in range(5_000)]
        for line in lines:
            feed.send(line)
        end = os.open(feed.device, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        got = bytearray()
        wanted = b"".join(lines)
        while len(got) < len(wanted):
            try:
                got += os.read(end, 4_096)
            except BlockingIOError:
                await asyncio.sleep(0.001)
            else:
                await asyncio.sleep(0)
        assert bytes(got) == wanted
        assert feed.dropped_bytes == 0
        os.close(end)
        await feed.stop()

    asyncio.run(asyncio.wait_for(story(), 90))


@pytest.fixture
def echo() -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1_024):
            writer.write(data)
        writer.close()

    return serve


def test_cut_link_ends_connections_refuses_new_ones_and_heals(echo: Serve) -> None:
    async def story() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        proxy = Proxy("127.0.0.1", server.sockets[0].getsockname()[1])
        await proxy.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(LINE)
        assert await reader.readexactly(len(LINE)) == LINE
        proxy.cut()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()
        refused, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await refused.readexactly(1)
        writer.close()
        proxy.heal()
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(LINE)
        assert await reader.readexactly(len(LINE)) == LINE
        writer.close()
        await proxy.stop()
        server.close()
        await server.wait_closed()

    asyncio.run(asyncio.wait_for(story(), 90))


def test_frozen_link_stays_open_and_passes_what_waited_once_healed(
    echo: Serve,
) -> None:
    async def story() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        proxy = Proxy("127.0.0.1", server.sockets[0].getsockname()[1])
        await proxy.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        proxy.freeze()
        writer.write(LINE)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readexactly(1), 0.2)
        proxy.heal()
        assert await reader.readexactly(len(LINE)) == LINE
        assert proxy.passed_bytes == {"up": len(LINE), "down": len(LINE)}
        writer.close()
        await proxy.stop()
        server.close()
        await server.wait_closed()

    asyncio.run(asyncio.wait_for(story(), 90))


def test_slow_link_is_quick_once_healed_even_for_what_was_under_way(echo: Serve) -> None:
    """Else a heal is measured late by up to a buffer at the old pace: here a line would take two and a half minutes each way."""

    async def story() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        proxy = Proxy("127.0.0.1", server.sockets[0].getsockname()[1])
        await proxy.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        proxy.slow(0.1)
        writer.write(LINE)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readexactly(1), 0.2)
        proxy.heal()
        assert await asyncio.wait_for(reader.readexactly(len(LINE)), 60) == LINE
        writer.close()
        await proxy.stop()
        server.close()
        await server.wait_closed()

    asyncio.run(asyncio.wait_for(story(), 90))
