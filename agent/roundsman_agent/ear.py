"""The receiver's line: each piece is heard when it comes, or known to have come within a nap, and worked on when it is time.

Waking the whole program for one fix a second costs several times what its work does, for then nothing of it is in the processor's
cache (measured: 0.05 to 0.14 ms to hear a piece, 0.15 for a turn of the loop that does nothing, 0.4 for a fix's turn, 0.1 for each
further fix in it). So the loop's own selector reads the line, notes when each piece came, and goes back to sleep, until a fix has waited
as long as it may or the loop wakes for something else: then all of them are worked on, each with the time at which it came.

Of a line whose fixes carry their own time (gpsd's) not even that is needed: the kernel keeps what comes while the ear naps, and only the
last piece before the work is heard when it comes. Of the others it is known between which two instants they came; what came within
a nap is put at its time by whoever reads it (`sources`).
"""

from __future__ import annotations

import asyncio
import os
import select
import selectors
import time
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

PIECE_BYTES: Final = 16_384
MOST_DEAF_BYTES: Final = 1_048_576
MOST_PIECES: Final = 256
"""Beyond, the line is not read until somebody listens."""
KERNEL_BYTES: Final = 32_768
"""A nap ends before so much has come: the kernel keeps 60 kB. A gpsd that tells of thirty satellites each second says 3 kB."""
LONGEST_S: Final = 3_600.0
BEAT_S: Final = 0.3
"""A receiver's second is not this loop's: what may wait for five seconds is worked on with the fifth fix, not with the sixth."""
LATE_S: Final = 1.0
"""A piece wakes a patient listener; a timer only if none comes."""

NAP_S: Final = 1.0
"""A shorter one saves nothing."""


class Piece(NamedTuple):
    """When it came, by the system's monotonic clock in seconds, and what; nothing: the line has ended. It may have come earlier, but not
    before `since_s`."""

    at_s: float
    data: bytes
    since_s: float

    @property
    def heard(self) -> bool:
        """Whether it was heard when it came."""
        return self.since_s == self.at_s


Patience = Callable[[], float]


def at_once() -> float:
    """No patience."""
    return 0.0


class Line(Protocol):
    """What is listened to: a socket, a serial port."""

    def fileno(self) -> int:
        """The open file."""

    def close(self) -> None:
        """Let go of it."""


class DozingLoop(asyncio.SelectorEventLoop):
    """asyncio's loop, which sleeps through pieces that may wait. An ear that is opened on any other loop wakes it for each."""

    def __init__(self) -> None:
        self.selector = Dozing()
        super().__init__(self.selector)


class Dozing(selectors.EpollSelector):
    """The loop's selector, which reads the receiver's line by itself."""

    def __init__(self) -> None:
        super().__init__()
        self._epoll = select.epoll.fromfd(os.dup(self.fileno()))
        self.ear: Ear | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ear = self.ear
        if ear is None:
            return super().select(timeout)
        if timeout is None or timeout > 0:
            ear.doze(self._epoll, timeout)
        ready = super().select(0)
        others = [found for found in ready if found[0].data is not ear]
        # A timer of the program's own is not worth a look: what the ear has may wait on.
        if others or ear.is_due():
            if len(others) < len(ready):
                ear.take()
            ear.wake()
        return others

    def close(self) -> None:
        self._epoll.close()
        super().close()


class Ear:
    """One open line's reading end.

    Parameters
    ----------
    line : Line
        Open; it is closed with the ear.
    patience_s : callable
        How long what comes may wait for what comes after it. Asked before each sleep of the loop.
    """

    def __init__(self, line: Line, patience_s: Patience = at_once) -> None:
        self._loop = asyncio.get_running_loop()
        self._line, self._patience_s = line, patience_s
        self._fd = line.fileno()
        self._dozing: Dozing | None = None
        self._hearing = False
        self._pieces: list[Piece] = []
        self.naps = False
        """Whether what comes may be heard later: its reader knows better when it was."""
        self.attends = True
        """Whether a nap is followed by hearing the next piece when it comes; else its end is the end of the wait, and wakes but once."""
        self._deaf = False
        self._longest_nap_s = LONGEST_S
        self._empty_s = time.monotonic()
        self._over = False
        self._fault: OSError | None = None
        self._listener: asyncio.Future[None] | None = None
        self._read_s = self._due_s = 0.0
        self._until_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        os.set_blocking(self._fd, False)
        self._hear()

    async def read(self, wait_s: float) -> list[Piece]:
        """What came since the last time, or comes next.

        Parameters
        ----------
        wait_s : float
            So long it is waited for a piece; the answer is empty if none comes.

        Raises
        ------
        OSError
            The line broke.
        """
        if not self._pieces and not self._over:
            now_s = self._loop.time()
            self._read_s = now_s
            self._due_s = now_s + self._patience_s() - BEAT_S
            self._wake_at(now_s + max(wait_s, self._patience_s() + LATE_S) if self._dozing is not None else now_s + wait_s)
            self._listener = self._loop.create_future()
            try:
                await self._listener
            finally:
                self._listener = None
        if self._pieces:
            pieces, self._pieces = self._pieces, []
            self._hear()
            return pieces
        if self._fault is not None:
            raise self._fault
        if self._over:
            now_s = time.monotonic()
            return [Piece(now_s, b"", now_s)]
        return []

    def close(self) -> None:
        """Nobody listens any more."""
        self._forget_timer()
        self._leave()
        self._over = True
        self._line.close()

    def doze(self, epoll: select.epoll, timeout_s: float | None) -> None:
        """Sleep until something else happens, or what was put aside is due, or so long.

        A piece is one turn of this loop. All that it touches comes from memory, not from the cache: so it does nothing else.
        """
        fd, pieces, read, monotonic, poll = self._fd, self._pieces, os.read, time.monotonic, epoll.poll
        mine = [(fd, select.EPOLLIN)]
        now_s = monotonic()
        until_s = now_s + (LONGEST_S if timeout_s is None else timeout_s)
        self._due_s = self._read_s + self._patience_s() - BEAT_S
        wake_s = min(until_s, self._due_s)
        while self.naps and self._hearing and min(wake_s - now_s, self._longest_nap_s) >= NAP_S:
            self._deaf = True
            epoll.modify(fd, 0)
            others = poll(min(wake_s - now_s, self._longest_nap_s), 1)
            epoll.modify(fd, select.EPOLLIN)
            if others or monotonic() >= until_s:
                self._due_s = self._due_s if all(other != fd for other, _ in others) else now_s  # it broke
                return
            self.take()
            now_s = self._empty_s
        if self._deaf:
            self.take()
            if (now_s := self._empty_s) >= until_s:
                return
        if pieces and not self.attends and now_s >= self._due_s:
            return
        for _ in range(MOST_PIECES - len(pieces) if self._hearing else 0):
            if (found := poll(until_s - now_s, 2)) != mine:
                self._due_s = self._due_s if all(other != fd for other, _ in found) else now_s
                return
            try:
                data = read(fd, PIECE_BYTES)
            except OSError:
                data = b""
            if not data:  # `take` finds it again
                self._due_s = now_s
                return
            self._empty_s = now_s = monotonic()
            pieces.append(Piece(now_s, data, now_s))
            if now_s >= wake_s:
                return

    def is_due(self) -> bool:
        """Whether what came has waited as long as it may."""
        return self._over or time.monotonic() >= self._due_s

    def take(self) -> None:
        """Read what has come."""
        now_s = time.monotonic()
        deaf, since_s = self._deaf, self._empty_s if self._deaf else now_s
        self._deaf, self._empty_s = False, now_s
        data = b""
        try:
            while part := os.read(self._fd, PIECE_BYTES):
                data += part
                if not deaf or len(part) < PIECE_BYTES or len(data) >= MOST_DEAF_BYTES:
                    break
            else:
                self._over = True
        except BlockingIOError:
            pass
        except OSError as fault:  # a pulled plug, a closed pty, a reset
            self._fault, self._over = fault, True
        if data:
            self._pieces.append(Piece(now_s, data, since_s))
        if deaf and now_s - since_s >= NAP_S:
            self._longest_nap_s = KERNEL_BYTES * (now_s - since_s) / max(len(data), 1)
        if self._over or len(self._pieces) >= MOST_PIECES:
            self._leave()

    def wake(self) -> None:
        """The loop is awake: what was put aside is worked on now."""
        if (self._pieces or self._over) and self._listener is not None and not self._listener.done():
            self._listener.set_result(None)

    # ── on the loop ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _hear(self) -> None:
        if self._hearing or self._over:
            return
        self._hearing = True
        selector = self._loop.selector if isinstance(self._loop, DozingLoop) else None
        if selector is not None and selector.ear is None:
            self._dozing, selector.ear = selector, self
            selector.register(self._fd, selectors.EVENT_READ, self)
        else:
            self._loop.add_reader(self._fd, self._readable)

    def _leave(self) -> None:
        if not self._hearing:
            return
        self._hearing = False
        if self._dozing is not None:
            self._dozing.unregister(self._fd)
            self._dozing.ear = None
            self._dozing = None
        else:
            self._loop.remove_reader(self._fd)

    def _readable(self) -> None:
        self.take()
        self.wake()

    def _wake_at(self, until_s: float) -> None:
        """A timer that is set already serves if it is not too late, for it looks again when it is due; but who can sleep is not to be woken
        for nothing."""
        self._until_s = until_s
        if self._timer is not None and self._timer.when() <= until_s and self._dozing is None:
            return
        self._forget_timer()
        self._timer = self._loop.call_at(until_s, self._due)

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self) -> None:
        self._timer = None
        if self._listener is None:
            return
        if self._loop.time() < self._until_s:
            self._timer = self._loop.call_at(self._until_s, self._due)
        elif not self._listener.done():
            self._listener.set_result(None)
