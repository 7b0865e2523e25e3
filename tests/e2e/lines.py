"""A line between two programs that a test can cut and heal."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from roundsman_sim.proxy import Proxy


@dataclass(frozen=True, kw_only=True)
class Line:
    """`port`: where this end of it is."""

    port: int
    cut: Callable[[], object]
    heal: Callable[[], object]


@contextmanager
def line_to(port: int) -> Iterator[Line]:
    """A line to a port of this machine, until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="line")
    thread.start()
    line = Proxy("127.0.0.1", port)
    asyncio.run_coroutine_threadsafe(line.start(), loop).result(60)
    try:
        yield Line(port=line.port, cut=lambda: loop.call_soon_threadsafe(line.cut), heal=lambda: loop.call_soon_threadsafe(line.heal))
    finally:
        asyncio.run_coroutine_threadsafe(line.stop(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()
