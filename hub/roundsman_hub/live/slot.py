"""A listener's newest-wins slot: what it has not been sent yet, at most once per document, however slow it reads."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from roundsman_hub.live.view import Key

SNAPSHOT: Key = ("snapshot", "")


class Slot:
    """Filled by the broadcaster, emptied by one listener's connection; both on the event loop's thread.

    Its memory is bounded by the number of documents: a newer one of the same key takes the older one's place.
    """

    def __init__(self) -> None:
        self._pending: dict[Key, bytes] = {}
        self._filled = asyncio.Event()
        self.closed = False

    def put(self, changes: Mapping[Key, bytes]) -> None:
        """Add what changed. The bytes are shared between listeners, never copied."""
        self._pending.update(changes)
        if self._pending:
            self._filled.set()

    def restart(self, snapshot: bytes) -> None:
        """Begin anew with everything: what was pending is in it."""
        self._pending = {SNAPSHOT: snapshot}
        self._filled.set()

    def close(self) -> None:
        """No more will come."""
        self.closed = True
        self._filled.set()

    async def take(self) -> bytes:
        """Everything that is pending, waiting for something to be there; empty when the slot is closed."""
        await self._filled.wait()
        self._filled.clear()
        taken, self._pending = self._pending, {}
        return b"" if self.closed else b"".join(taken.values())
