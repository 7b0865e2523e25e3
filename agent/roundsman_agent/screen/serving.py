"""The server under the driver's screen: its door, and uvicorn as far as it is needed. Imported only where a screen is served: with what it
brings, it is a tenth of the agent's memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import uvicorn

GOODBYE_S: Final = 1


class ScreenServer(uvicorn.Server):
    """uvicorn without its own signal handlers, for the program decides when the agent ends; and without its ten ticks a second,
    which cost a van more than a fix a second does."""

    def __init__(self, app: Any) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                loop="none",
                lifespan="off",
                date_header=False,
                server_header=False,
                log_config=None,
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                timeout_graceful_shutdown=GOODBYE_S,
            )
        )
        self._over = asyncio.Event()

    def end(self) -> None:
        """Serve what is under way, then stop."""
        self.should_exit = True
        self._over.set()

    async def main_loop(self) -> None:
        await self._over.wait()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
