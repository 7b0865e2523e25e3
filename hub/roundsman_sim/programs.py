"""The product's own programs as child processes: started, watched, ended; each with its log in a file."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Final

from roundsman_hub.tether import tethered
from roundsman_sim import SimError

ENDS_WITHIN_S: Final = 12.0


class Program:
    """One child process. It ends with its parent, however that ends."""

    def __init__(self, name: str, arguments: list[str], log: Path) -> None:
        self.name = name
        self._arguments = arguments
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self) -> None:
        """Start it; its output goes to its log file."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *tethered([sys.executable, "-m", *self._arguments]),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
                start_new_session=True,  # Ctrl-C reaches the demo alone, which ends its children in order
            )

    async def finished(self, within_s: float) -> None:
        """Wait until it has done its work.

        Raises
        ------
        SimError
            It failed or took too long; with the end of its log.
        """
        assert self._process is not None
        try:
            code = await asyncio.wait_for(self._process.wait(), within_s)
        except TimeoutError:
            await self.stop()
            raise SimError(f"{self.name} did not finish within {within_s:g} s: {self.last_words()}") from None
        if code != 0:
            raise SimError(f"{self.name} ended with exit code {code}: {self.last_words()}")

    def require_alive(self) -> None:
        """Raise when it has ended by itself."""
        if self._process is not None and self._process.returncode is not None:
            raise SimError(f"{self.name} ended with exit code {self._process.returncode}: {self.last_words()}")

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL when it does not listen."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), ENDS_WITHIN_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    def last_words(self, lines: int = 6) -> str:
        """The end of its log."""
        try:
            return " / ".join(self._log.read_text(errors="replace").strip().splitlines()[-lines:]) or f"it wrote nothing to {self._log}"
        except OSError:
            return f"no log at {self._log}"
