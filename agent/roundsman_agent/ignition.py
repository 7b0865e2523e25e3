"""Whether the engine runs, as far as something tells the unit: a line of the board, or a program that reads the vehicle.

A source only makes visits surer; once open, one that falls silent or breaks makes the unit know less, and never ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import urllib.parse
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from roundsman_agent import AgentError
from roundsman_agent.evidence import Engine

EVERY_S: Final = 0.5
"""How often a file is looked at: a key is turned for seconds."""
STEADY: Final = 3
"""So many looks alike: contacts bounce, and a starter motor pulls the line down for a second."""
LINE_BYTES: Final = 256
WORDS: Final[dict[str, Engine]] = {"on": "on", "1": "on", "off": "off", "0": "off"}


class MotionError(AgentError):
    """The setting `motion.url` is not one that this agent reads."""


class MotionSource(Protocol):
    """Something that knows whether the engine runs."""

    def changes(self) -> AsyncIterator[Engine | None]:
        """What it says, each time that this changes; None: it cannot say (any more). Endless."""
        ...


def open_motion(url: str) -> MotionSource:
    """The source that a setting names.

    Parameters
    ----------
    url : str
        `file:///sys/class/gpio/gpio17/value[?active=low]`: a file that holds 1 while the engine runs (0 with `active=low`).
        `unix:///run/roundsman/motion`: a socket of this agent's; whoever reads the vehicle (OBD, CAN, a tracker) connects and writes
        a line `on` or `off` for each change, and keeps the connection.

    Raises
    ------
    MotionError
        It names neither.
    """
    parts = urllib.parse.urlsplit(url)
    query = dict(urllib.parse.parse_qsl(parts.query))
    path = Path(urllib.parse.unquote(parts.path))
    if parts.scheme == "file" and parts.path and query.get("active", "high") in ("high", "low"):
        return LevelFile(path=path, active_low=query.get("active") == "low")
    if parts.scheme == "unix" and parts.path and not query:
        return LineSocket(path=path)
    raise MotionError(f"motion {url!r} is neither file:///sys/class/gpio/gpio17/value?active=low nor unix:///run/roundsman/motion")


@dataclass(kw_only=True, slots=True)
class LevelFile:
    """A file that holds the line's level, as the kernel shows a GPIO pin."""

    path: Path
    active_low: bool = False
    every_s: float = EVERY_S

    async def changes(self) -> AsyncIterator[Engine | None]:
        """Told when a level held for `STEADY` looks."""
        told: Engine | None = None
        seen, times = told, 0
        while True:
            level = self._look()
            seen, times = level, times + 1 if level == seen else 1
            if times >= STEADY and seen != told:
                told = seen
                yield told
            await asyncio.sleep(self.every_s)

    def _look(self) -> Engine | None:
        try:
            level = WORDS.get(self.path.read_text(encoding="ascii").strip())
        except (OSError, UnicodeDecodeError):
            return None
        if level is None or not self.active_low:
            return level
        return "off" if level == "on" else "on"


@dataclass(kw_only=True, slots=True)
class LineSocket:
    """A local socket that a helper writes lines to. The last word counts; when the last helper goes, nothing is known."""

    path: Path
    _said: asyncio.Queue[Engine | None] = field(default_factory=asyncio.Queue)
    _helpers: int = 0

    async def changes(self) -> AsyncIterator[Engine | None]:
        """Told once for each change."""
        server = await asyncio.start_unix_server(self._hear, sock=self._listen(), limit=LINE_BYTES)
        try:
            told: Engine | None = None
            while True:
                word = await self._said.get()
                if word != told:
                    told = word
                    yield told
        finally:
            server.close()
            self.path.unlink(missing_ok=True)

    def _listen(self) -> socket.socket:
        """Only this user and group may tell; a socket file that a power cut left behind is taken away.

        Raises
        ------
        MotionError
            The socket cannot be made there.
        """
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            if self.path.is_socket():
                self.path.unlink()
            listener.bind(str(self.path))
            os.chmod(self.path, 0o660)
        except OSError as error:
            listener.close()
            raise MotionError(f"motion socket {self.path}: {error.strerror or error}") from None
        return listener

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._helpers += 1
        try:
            with contextlib.suppress(OSError, ValueError):  # gone, or a line without an end
                while line := await reader.readline():
                    word = WORDS.get(line.decode("ascii", "replace").strip().lower())
                    if word is not None:
                        self._said.put_nowait(word)
        finally:
            self._helpers -= 1
            if not self._helpers:
                self._said.put_nowait(None)
            writer.close()
