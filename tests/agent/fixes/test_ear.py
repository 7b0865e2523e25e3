"""A line's reading end: nothing that came is lost, waiting ends in time, and a flood does not fill the memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from roundsman_agent.ear import MOST_PIECES, Ear


class Transport(asyncio.ReadTransport):
    """Remembers whether it may read."""

    reading = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


@pytest.fixture
def listen() -> Callable[[Callable[[Ear, Transport], Awaitable[Any]]], Any]:
    """Run a story about an ear on an open line."""

    def run(story: Callable[[Ear, Transport], Awaitable[Any]]) -> Any:
        async def tell() -> Any:
            ear, transport = Ear(), Transport()
            ear.connection_made(transport)
            try:
                async with asyncio.timeout(60):
                    return await story(ear, transport)
            finally:
                ear.close()

        return asyncio.run(tell())

    return run


def test_what_came_while_nobody_listened_comes_in_one_piece(listen: Any) -> None:
    async def story(ear: Ear, _: Transport) -> bytes | None:
        ear.data_received(b"one ")
        ear.data_received(b"two")
        return await ear.read(30.0)

    assert listen(story) == b"one two"


def test_a_short_wait_after_a_long_one_ends_first_and_the_line_is_still_heard(listen: Any) -> None:
    async def story(ear: Ear, _: Transport) -> list[bytes | None]:
        asyncio.get_running_loop().call_soon(ear.data_received, b"first")
        heard = [await ear.read(1_000.0), await ear.read(0.01), await ear.read(0.01)]
        asyncio.get_running_loop().call_later(0.01, ear.data_received, b"last")
        return [*heard, await ear.read(30.0)]

    assert listen(story) == [b"first", None, None, b"last"]


def test_a_timer_from_before_does_not_end_a_later_wait(listen: Any) -> None:
    async def story(ear: Ear, _: Transport) -> bytes | None:
        loop = asyncio.get_running_loop()
        loop.call_soon(ear.data_received, b"first")
        await ear.read(0.02)
        loop.call_later(0.1, ear.data_received, b"later")
        return await ear.read(30.0)

    assert listen(story) == b"later"


def test_what_came_before_the_end_is_heard_before_it(listen: Any) -> None:
    async def story(ear: Ear, _: Transport) -> list[bytes | None]:
        ear.data_received(b"last words")
        ear.connection_lost(None)
        return [await ear.read(30.0), await ear.read(30.0)]

    assert listen(story) == [b"last words", b""]


def test_a_line_that_breaks_says_why(listen: Any) -> None:
    async def story(ear: Ear, _: Transport) -> None:
        asyncio.get_running_loop().call_soon(ear.connection_lost, OSError("unplugged"))
        await ear.read(30.0)

    with pytest.raises(OSError, match="unplugged"):
        listen(story)


def test_a_flood_is_left_on_the_line_until_somebody_listens(listen: Any) -> None:
    async def story(ear: Ear, transport: Transport) -> list[bool]:
        for _ in range(MOST_PIECES):
            ear.data_received(b"x")
        held = transport.reading
        await ear.read(30.0)
        return [held, transport.reading]

    assert listen(story) == [False, True]
