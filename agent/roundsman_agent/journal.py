"""Batches what is to be logged: fixes every few seconds, what matters at once. One commit at a time, off the loop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from typing import Final

from roundsman_agent.outbox import Outbox, StoreFull
from roundsman_wire.messages import AnyEntry, FixRow

log = logging.getLogger(__name__)

COMMIT_S: Final = 10.0
"""A power cut costs so many seconds of track, and at most half as many more. Measured at 1 Hz, bytes written a fix: 1,700 in fives, 300 in
thirties."""
EARLY: Final = 0.9
"""A commit goes along with the fixes that are worked on nearest to its time."""
LATE: Final = 0.6
"""A commit is begun in the turn of the fix that makes it due, while the processor is awake; by a timer only if none comes. Between two such
turns may be five seconds or fourteen."""
SLOW_S: Final = 0.5
"""A disk that once kept the loop waiting for so long is waited for on its own thread, for `SLOW_FOR_S`."""
SLOW_FOR_S: Final = 3_600.0
MOST_WAITING: Final = 1000
"""Fixes in memory: in a pretend world, whose time runs fast, they are many in five seconds."""
WAITING_FACTS: Final = 10_000
"""Facts kept in memory while the store is full of facts: weeks of a van's work."""


class Journal:
    """The way into the outbox.

    Parameters
    ----------
    on_commit : callable
        Called with (newest fact, newest fix) after each commit.
    every_s : float
        Real seconds between commits of fixes.
    may_wait : callable, optional
        Whether nobody minds that the loop waits for the disk: then fixes are written in the turn that brought the last of them, while all
        that this takes is in the processor's cache (measured: 0.5 ms less a commit than on the disk's own thread).
    alive : callable, optional
        Called after each round of `run`: what waited is on the disk, or is known to have no room.
    """

    def __init__(
        self,
        outbox: Outbox,
        store: Executor,
        *,
        on_commit: Callable[[int, int], None],
        every_s: float = COMMIT_S,
        may_wait: Callable[[], bool] = lambda: False,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self._outbox, self._store, self._on_commit, self._every_s, self._alive = outbox, store, on_commit, every_s, alive
        self._may_wait = may_wait
        self._slow_until_s = float("-inf")
        self._facts: list[AnyEntry] = []
        self._rows: list[FixRow] = []
        self._committed_s = time.monotonic()
        self._lock = asyncio.Lock()
        self._hurry = asyncio.Event()
        self.full = False
        self.fixes_without_room = 0

    @property
    def waiting(self) -> int:
        """Entries that are not on the disk yet."""
        return len(self._facts) + len(self._rows)

    def add(self, facts: Sequence[AnyEntry], rows: Sequence[FixRow] = (), *, at_once: bool = False) -> None:
        """Log these with the next commit; `at_once`: now, without waiting for it."""
        self._facts += facts
        self._rows += rows
        if at_once or len(self._rows) >= MOST_WAITING or (rows and time.monotonic() - self._committed_s >= self._every_s * EARLY):
            self._hurry.set()

    async def write(self, facts: Sequence[AnyEntry]) -> None:
        """Commit these, and everything that waits; on return they survive a power cut.

        Raises
        ------
        StoreFull
            They were not written, and will not be.
        """
        async with self._lock:
            await self._commit(list(facts), here=False)

    async def flush(self) -> None:
        """Commit everything that waits, as far as there is room."""
        async with self._lock:
            try:
                await self._commit([], here=self._may_wait())
            except StoreFull as error:
                if not self.full:
                    log.error("%s", error)
                self.full = True

    async def _commit(self, also: list[AnyEntry], *, here: bool) -> None:
        facts, rows = self._facts, self._rows
        if not facts and not rows and not also:
            return
        self._facts, self._rows = [], []
        self._committed_s = began_s = time.monotonic()
        try:
            if here and began_s >= self._slow_until_s and self._outbox.is_free():
                done = self._outbox.append([*facts, *also], rows)
                if time.monotonic() - began_s > SLOW_S:
                    self._slow_until_s = began_s + SLOW_FOR_S
            else:
                done = await asyncio.get_running_loop().run_in_executor(self._store, self._outbox.append, [*facts, *also], rows)
        except StoreFull:
            self._facts = [*facts, *self._facts][-WAITING_FACTS:]
            self.fixes_without_room += len(rows)
            raise
        self.full = False
        self.fixes_without_room += done.dropped
        self._on_commit(done.facts_last, done.track_last)

    async def run(self) -> None:
        """Commit in batches until cancelled."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), self._every_s * (1 + LATE))
            self._hurry.clear()
            await self.flush()
            self._alive()
