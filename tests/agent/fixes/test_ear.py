"""A line's reading end: nothing that came is lost, waiting ends in time, a piece keeps its time, and a flood does not fill the memory."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from roundsman_agent.ear import BEAT_S, KERNEL_BYTES, MOST_PIECES, NAP_S, PIECE_BYTES, DozingLoop, Ear, Piece

LOOPS = pytest.mark.parametrize("loop", [asyncio.SelectorEventLoop, DozingLoop])
LONG_S = 600.0
MANY = 40
"""Pieces: a loop that woke for each would be seen, however often it woke for something else."""

Story = Callable[[Ear, socket.socket], Awaitable[Any]]


def listen(loop: Any, story: Story, patience_s: float = 0.0) -> Any:
    """Run a story about an ear, and the other end of its line."""

    async def tell() -> Any:
        near, far = socket.socketpair()
        ear = Ear(near, lambda: patience_s)
        try:
            async with asyncio.timeout(60):
                return await story(ear, far)
        finally:
            ear.close()
            far.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(tell())


def words(pieces: list[Piece]) -> bytes:
    return b"".join(piece.data for piece in pieces)


@LOOPS
def test_what_came_while_nobody_listened_comes_at_once(loop: Any) -> None:
    async def story(ear: Ear, far: socket.socket) -> bytes:
        far.sendall(b"one ")
        await asyncio.sleep(0)
        far.sendall(b"two")
        await asyncio.sleep(0)
        return words(await ear.read(30.0))

    assert listen(loop, story) == b"one two"


@LOOPS
def test_a_short_wait_after_a_long_one_ends_first_and_the_line_is_still_heard(loop: Any) -> None:
    async def story(ear: Ear, far: socket.socket) -> list[bytes]:
        asyncio.get_running_loop().call_soon(far.sendall, b"first")
        heard = [words(await ear.read(1_000.0)), words(await ear.read(0.01)), words(await ear.read(0.01))]
        asyncio.get_running_loop().call_later(0.01, far.sendall, b"last")
        return [*heard, words(await ear.read(30.0))]

    assert listen(loop, story) == [b"first", b"", b"", b"last"]


@LOOPS
def test_a_timer_from_before_does_not_end_a_later_wait(loop: Any) -> None:
    async def story(ear: Ear, far: socket.socket) -> bytes:
        loop = asyncio.get_running_loop()
        loop.call_soon(far.sendall, b"first")
        await ear.read(0.02)
        loop.call_later(0.1, far.sendall, b"later")
        return words(await ear.read(30.0))

    assert listen(loop, story) == b"later"


@LOOPS
def test_what_came_before_the_end_is_heard_before_it(loop: Any) -> None:
    async def story(ear: Ear, far: socket.socket) -> list[list[bytes]]:
        far.sendall(b"last words")
        far.close()
        return [[piece.data for piece in await ear.read(30.0)] for _ in range(2)]

    assert listen(loop, story) == [[b"last words"], [b""]]


@LOOPS
def test_a_line_that_breaks_says_why(loop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(ear: Ear, far: socket.socket) -> None:
        def unplugged(*_: Any) -> bytes:
            raise OSError("unplugged")

        monkeypatch.setattr(os, "read", unplugged)
        far.sendall(b"x")
        await ear.read(30.0)

    with pytest.raises(OSError, match="unplugged"):
        listen(loop, story)


@LOOPS
def test_a_flood_is_left_on_the_line_until_somebody_listens(loop: Any) -> None:
    async def story(ear: Ear, far: socket.socket) -> tuple[int, bytes]:
        said = 0
        while len(ear._pieces) < MOST_PIECES:
            far.sendall(b"x")
            said += 1
            await asyncio.sleep(0)
        far.sendall(b"y")
        for _ in range(3):
            await asyncio.sleep(0)
        held = words(await ear.read(30.0))
        return said - len(held), words(await ear.read(30.0))

    left, rest = listen(loop, story)
    assert rest == b"x" * left + b"y"


class Turns:
    """Counts how often a loop was awake."""

    def __init__(self) -> None:
        self.count = 0
        self._loop = asyncio.get_running_loop()

    def watch(self) -> None:
        run_once = self._loop._run_once  # type: ignore[attr-defined]

        def counted() -> None:
            self.count += 1
            run_once()

        self._loop._run_once = counted  # type: ignore[attr-defined]


def test_a_patient_listener_sleeps_through_what_comes_and_knows_when_each_piece_came() -> None:
    async def story(ear: Ear, far: socket.socket) -> tuple[list[Piece], list[float], int]:
        said_s: list[float] = []

        def speak() -> None:  # from outside: the loop's own timers would wake it
            for number in range(MANY):
                said_s.append(time.monotonic())
                far.sendall(b"%d " % number)
                while len(ear._pieces) <= number and time.monotonic() < said_s[-1] + 10.0:
                    time.sleep(0.001)
            far.shutdown(socket.SHUT_WR)

        turns = Turns()
        turns.watch()
        speaker = threading.Thread(target=speak)
        asyncio.get_running_loop().call_soon(speaker.start)
        pieces = await ear.read(LONG_S)
        speaker.join()
        return pieces, said_s, turns.count

    pieces, said_s, turns = listen(DozingLoop, story, LONG_S)
    assert [piece.data for piece in pieces] == [b"%d " % number for number in range(MANY)]
    assert all(
        said <= piece.at_s < after and piece.heard for said, piece, after in zip(said_s, pieces, [*said_s[1:], float("inf")], strict=True)
    )
    assert turns < MANY / 2, "it woke for pieces that could wait"


def test_patience_ends_with_the_piece_that_comes_then() -> None:
    async def story(ear: Ear, far: socket.socket) -> tuple[list[Piece], float]:
        over = threading.Event()

        def speak() -> None:
            while not over.wait(0.02):
                far.sendall(b"again ")

        speaker = threading.Thread(target=speak)
        speaker.start()
        pieces = await ear.read(LONG_S)
        over.set()
        speaker.join()
        return pieces, ear._due_s

    pieces, due_s = listen(DozingLoop, story, BEAT_S + 0.2)
    assert all(piece.at_s < due_s for piece in pieces[:-1])
    assert pieces[-1].at_s >= due_s


def test_whatever_else_wakes_the_loop_brings_what_was_put_aside() -> None:
    """A driver's tap is judged by what the receiver has said until then."""

    async def story(ear: Ear, far: socket.socket) -> bytes:
        loop = asyncio.get_running_loop()

        def tap() -> None:
            far.sendall(b"here")
            ends_s = time.monotonic() + 10.0
            while not ear._pieces and time.monotonic() < ends_s:
                time.sleep(0.001)
            loop.call_soon_threadsafe(lambda: None)

        tapping = threading.Thread(target=tap)
        tapping.start()
        heard = words(await ear.read(LONG_S))
        tapping.join()
        return heard

    assert listen(DozingLoop, story, LONG_S) == b"here"


def test_a_line_that_ends_wakes_the_most_patient_listener() -> None:
    async def story(ear: Ear, far: socket.socket) -> list[bytes]:
        ending = threading.Timer(0.05, far.close)
        ending.start()
        heard = [piece.data for piece in await ear.read(LONG_S)]
        ending.join()
        return heard

    assert listen(DozingLoop, story, LONG_S) == [b""]


def test_a_napping_ear_leaves_the_line_to_the_kernel_and_hears_only_the_last_piece() -> None:
    """What came within the nap is known to have come within it; the piece that ends the wait was heard when it came."""

    async def story(ear: Ear, far: socket.socket) -> tuple[list[Piece], list[float], float]:
        ear.naps = True
        said_s: list[float] = []
        over = threading.Event()

        def speak() -> None:
            said_s.append(time.monotonic())
            far.sendall(b"%d " % len(said_s))

        def go_on() -> None:
            while not over.wait(0.05):
                speak()

        # The first words come when nobody is awake any more, however slow this machine is.
        asyncio.get_running_loop().call_soon(speak)
        speaker = threading.Thread(target=go_on)
        asyncio.get_running_loop().call_soon(speaker.start)
        pieces = await ear.read(LONG_S)
        over.set()
        speaker.join()
        return pieces, said_s, ear._due_s

    pieces, said_s, due_s = listen(DozingLoop, story, NAP_S + BEAT_S + 0.2)
    assert [piece.heard for piece in pieces] == [False, *[True] * (len(pieces) - 1)]
    numbers = [int(word) for word in words(pieces).split()]
    assert numbers == list(range(1, len(numbers) + 1)), "nothing is lost"
    slept = [said_s[int(word) - 1] for word in pieces[0].data.split()]
    assert all(pieces[0].since_s <= at_s <= pieces[0].at_s for at_s in slept)
    assert pieces[0].at_s - pieces[0].since_s >= NAP_S
    assert all(piece.at_s < due_s for piece in pieces[1:-1]), "it slept until the time of the last one"


def test_an_ear_that_need_not_attend_wakes_once_at_the_end_of_its_nap() -> None:
    async def story(ear: Ear, far: socket.socket) -> tuple[list[Piece], float]:
        ear.naps, ear.attends = True, False
        loop = asyncio.get_running_loop()
        loop.call_soon(far.sendall, b"one ")
        loop.call_soon(far.sendall, b"two")
        return await ear.read(LONG_S), ear._due_s

    pieces, due_s = listen(DozingLoop, story, NAP_S + BEAT_S + 0.2)
    assert [(piece.data, piece.heard) for piece in pieces] == [(b"one two", False)]
    assert pieces[0].at_s >= due_s, "though nothing came then"


@pytest.mark.parametrize(("said_bytes", "slept"), [(PIECE_BYTES - 1, [False, False]), (2 * KERNEL_BYTES, [False, True])])
def test_a_line_that_says_more_than_the_kernel_keeps_is_not_slept_through_again(said_bytes: int, slept: list[bool]) -> None:
    async def story(ear: Ear, far: socket.socket) -> list[tuple[bool, int]]:
        ear.naps = True
        heard: list[tuple[bool, int]] = []
        for _ in range(2):
            asyncio.get_running_loop().call_soon(far.sendall, b"x" * said_bytes)
            over = threading.Event()

            def more(over: threading.Event = over) -> None:
                while not over.wait(0.05):
                    if ear._pieces:
                        far.sendall(b"y")

            talk = threading.Thread(target=more)
            talk.start()
            pieces = await ear.read(LONG_S)
            over.set()
            talk.join()
            heard.append((pieces[0].heard, words(pieces).count(b"x")))
        return heard

    told = listen(DozingLoop, story, NAP_S + BEAT_S + 0.2)
    assert [heard for heard, _ in told] == slept
    assert told[0][1] == said_bytes, "nothing is lost, and all that was slept through is one piece"


@pytest.mark.parametrize("naps", [False, True])
def test_a_timer_of_the_programs_own_brings_nothing_that_may_wait(naps: bool) -> None:
    async def story(ear: Ear, far: socket.socket) -> list[str]:
        ear.naps = naps
        loop, order = asyncio.get_running_loop(), list[str]()
        far.sendall(b"here")
        loop.call_later(0.1, order.append, "timer")

        def tap() -> None:
            ends_s = time.monotonic() + 10.0
            while not order and time.monotonic() < ends_s:
                time.sleep(0.001)
            loop.call_soon_threadsafe(order.append, "tap")

        tapping = threading.Thread(target=tap)
        tapping.start()
        order.append(words(await ear.read(LONG_S)).decode())
        tapping.join()
        return order

    assert listen(DozingLoop, story, LONG_S) == ["timer", "tap", "here"]
