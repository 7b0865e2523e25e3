"""Listens to the receiver while the shift lasts. Off shift it is not even open: what is not heard can be kept nowhere."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from roundsman_agent.ear import Patience
from roundsman_agent.sources import open_source

if TYPE_CHECKING:
    from roundsman_agent.unit import Unit
    from roundsman_agent.vigil import Vigil

RESTING: Final = "resting: off shift"


class Listening:
    """The way from the receiver to the unit.

    Parameters
    ----------
    url : str
        The receiver.
    vigil : Vigil
        Is told that it goes on; off shift there is nothing to wait for.
    patience_s : callable
        How long a fix may wait for those after it (see `ear`).

    Raises
    ------
    SourceError
        The receiver's URL is none that is read.
    """

    def __init__(self, url: str, unit: Unit, vigil: Vigil, patience_s: Patience) -> None:
        open_source(url, unit.clock)  # not begun: a wrong URL must be told at the start, not at the first shift's
        self._url, self._unit, self._vigil, self._patience_s = url, unit, vigil, patience_s
        self._on, self._off = asyncio.Event(), asyncio.Event()
        self.heed_duty()

    def heed_duty(self) -> None:
        """The shift began or ended, or nothing of the kind."""
        on = self._unit.board.duty != "off"
        for event, is_so in ((self._on, on), (self._off, not on)):
            if is_so:
                event.set()
            else:
                event.clear()

    async def run(self) -> None:
        """Listen and rest by turns, until cancelled or a recording is over."""
        while True:
            self._vigil.done("receiver")
            self._unit.receiver = RESTING
            await self._on.wait()
            self._vigil.mark("receiver")
            hearing, ended = asyncio.create_task(self._hear()), asyncio.create_task(self._off.wait())
            try:
                await asyncio.wait((hearing, ended), return_when=asyncio.FIRST_COMPLETED)
                if hearing.done():
                    self._vigil.done("receiver")
                    return hearing.result()
            finally:
                for task in (hearing, ended):
                    task.cancel()
                await asyncio.gather(hearing, ended, return_exceptions=True)

    async def _hear(self) -> None:
        source = open_source(self._url, self._unit.clock, self._all_taken, self._patience_s)
        async with contextlib.aclosing(source) as items:
            async for item in items:
                self._unit.receive(item)
            self._all_taken()

    def _all_taken(self) -> None:
        self._vigil.mark("receiver")
        self._unit.placed()
