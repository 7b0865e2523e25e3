"""Whether work really advances: what must come by again and again, and since when it has not. Decides whether systemd's watchdog is fed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final

from roundsman_agent.health import tell_systemd

log = logging.getLogger(__name__)

LIMIT_S: Final = 45.0
"""The slowest honest things: a receiver is opened again after 20 s of silence and up to 15 s of pause, an SD card stalls for ten."""


class Vigil:
    """Marks of what works. A mark that was never made counts from the beginning.

    Parameters
    ----------
    names : str
        What must come by: `receiver` (its task listens, and what it heard was processed), `journal` (its task commits), `store` (the
        thread that writes to the disk answers).
    """

    def __init__(self, *names: str, limit_s: float = LIMIT_S, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s, self._limit_s = now_s, limit_s
        self._marks = dict.fromkeys(names, now_s())

    def mark(self, name: str) -> None:
        """It came by."""
        self._marks[name] = self._now_s()

    def done(self, name: str) -> None:
        """It has ended in good order, and need not come by any more."""
        self._marks.pop(name, None)

    def stuck(self) -> dict[str, int]:
        """What has not come by for too long, and for how many seconds."""
        now_s = self._now_s()
        return {name: round(now_s - mark_s) for name, mark_s in self._marks.items() if now_s - mark_s > self._limit_s}

    async def feed(self, store: Executor, every_s: float) -> None:
        """Tell systemd every so often that work advances, as long as it does, until cancelled. When the loop is stuck, so is this."""
        loop = asyncio.get_running_loop()
        asked: asyncio.Future[None] | None = None
        told: frozenset[str] = frozenset()
        while True:
            if asked is None or asked.done():
                asked = loop.run_in_executor(store, lambda: None)
                asked.add_done_callback(lambda _: self.mark("store"))
            stuck = self.stuck()
            if not stuck:
                tell_systemd("WATCHDOG=1")
            elif not told.issuperset(stuck):  # what was the first to be late may only have waited for what is late now
                what = ", ".join(f"{name} for {seconds} s" for name, seconds in stuck.items())
                log.error("no progress: %s", what)
                tell_systemd(f"STATUS=no progress: {what}")
            told = frozenset(stuck)
            await asyncio.sleep(every_s)
