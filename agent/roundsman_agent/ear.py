"""Bytes of an open line as they come: one wake-up a piece, and one timer for all waiting.

A stream reader under a time-out makes an object, sets a timer and takes it away again for each piece: with one piece a second, whose code
is never in the processor's cache, that is a tenth of what the agent does.
"""

from __future__ import annotations

import asyncio
from typing import Final, cast

MOST_PIECES: Final = 16
"""Of up to 256 kB each; beyond, the line is not read until somebody listens."""


class Ear(asyncio.Protocol):
    """One open line's reading end."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.ReadTransport | None = None
        self._pieces: list[bytes] = []
        self._over = False
        self._fault: Exception | None = None
        self._listener: asyncio.Future[None] | None = None
        self._until_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def read(self, wait_s: float) -> bytes | None:
        """What came since the last time, or comes next; empty: the line has ended; None: nothing for `wait_s`.

        Raises
        ------
        OSError
            The line broke.
        """
        if not self._pieces and not self._over:
            self._wake_at(self._loop.time() + wait_s)
            self._listener = self._loop.create_future()
            try:
                await self._listener
            finally:
                self._listener = None
        if self._pieces:
            data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            if len(self._pieces) >= MOST_PIECES and self._transport is not None and not self._over:
                self._transport.resume_reading()
            self._pieces.clear()
            return data
        if self._fault is not None:
            raise self._fault
        return b"" if self._over else None

    def close(self) -> None:
        """Nobody listens any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # ── what the loop says ──────────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The line is open."""
        self._transport = cast(asyncio.ReadTransport, transport)

    def data_received(self, data: bytes) -> None:
        """A piece came."""
        self._pieces.append(data)
        if len(self._pieces) == MOST_PIECES and self._transport is not None:
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        """The line is closed, or broke."""
        self._over, self._fault = True, error
        self._wake()

    def _wake(self) -> None:
        if self._listener is not None and not self._listener.done():
            self._listener.set_result(None)

    def _wake_at(self, until_s: float) -> None:
        """A timer that is set already serves, if it is not too late: it looks again when it is due."""
        self._until_s = until_s
        if self._timer is not None and self._timer.when() <= until_s:
            return
        self.close()
        self._timer = self._loop.call_at(until_s, self._due)

    def _due(self) -> None:
        self._timer = None
        if self._listener is None:
            return
        if self._loop.time() < self._until_s:
            self._timer = self._loop.call_at(self._until_s, self._due)
        else:
            self._wake()
