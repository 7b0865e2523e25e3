"""The stream behind the screen misses nothing, however close one change follows another."""

from __future__ import annotations

import asyncio
import time

from roundsman_agent.screen.stream import POSITION_EVENTS_S, Changes


def test_change_while_the_last_one_is_being_sent_is_told_at_once() -> None:
    """An urgent stop that came within the tenth of a second between two events used to wait for the next position."""

    async def story() -> float:
        changes = Changes()
        seen = changes.seen()
        changes.tell(True)  # while the listener is still sending
        started_s = time.monotonic()
        await changes.after(seen)
        return time.monotonic() - started_s

    assert asyncio.run(story()) < POSITION_EVENTS_S / 2


def test_every_listener_hears_of_a_position() -> None:
    async def story() -> list[float]:
        changes = Changes()
        first, second = changes.seen(), changes.seen()
        changes.tell(False)
        started_s = time.monotonic()
        await asyncio.gather(changes.after(first), changes.after(second))
        return [time.monotonic() - started_s]

    assert asyncio.run(story())[0] < 1.5 * POSITION_EVENTS_S
