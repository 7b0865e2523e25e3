"""The stream of events behind the driver's screen: the state, and between two whole ones what moves. Encoded once for all who look."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

import msgspec

EVENT_EVERY_S: Final = 2.0
"""The page takes three of these without a word for a dead unit."""
EVENT_SPACING_S: Final = 0.1
POSITION_EVENTS_S: Final = 1.0
"""A moving position is drawn once a second; everything else at once."""
JITTER_S: Final = 0.2
"""A receiver's second is not this loop's: a fix that comes so much too early is drawn at once, not a second later."""

Receive = Callable[[], Any]
Send = Callable[[Mapping[str, Any]], Any]


class Shown(NamedTuple):
    """A whole state, and what time and place have changed of it since; None: nothing, it is of now.

    Whoever was sent the whole is sent only the rest: forty stops are 14 kB, a van that moved 200 bytes.
    """

    whole: Mapping[str, Any]
    moved: Mapping[str, Any] | None = None


class Changes:
    """Wakes everyone who waits for a change of the state.

    A position wakes them at most once a second, and in the very turn of the loop that brought it: a timer of its own would cost a
    van as much as the event. `important` is the newest revision that is more than a position.
    """

    def __init__(self) -> None:
        self.revision = 0
        self.ended = False
        self.important = 0
        self.watchers = 0
        self._told_s = float("-inf")
        self._waiting: set[asyncio.Future[None]] = set()

    def seen(self) -> int:
        """Everything until now. Taken *before* the state is read: what changes while it is sent wakes the listener at once."""
        return self.revision

    def end(self) -> None:
        """No more changes: streams come to their end."""
        self.ended = True
        self.tell(True)

    def tell(self, more_than_position: bool) -> None:
        """Something changed."""
        self.revision += 1
        if more_than_position:
            self.important = self.revision
        if not self._waiting:
            return
        now_s = asyncio.get_running_loop().time()
        if more_than_position or now_s - self._told_s >= POSITION_EVENTS_S - JITTER_S:
            self._told_s = now_s
            for waiting in self._waiting:
                if not waiting.done():
                    waiting.set_result(None)

    async def after(self, seen: int) -> None:
        """Until something is new to who has seen that, or until it is time to say the same again."""
        if self.ended or self.important > seen:
            return
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[None] = loop.create_future()
        patience_s = POSITION_EVENTS_S if self.revision > seen else EVENT_EVERY_S
        alarm = loop.call_later(patience_s, _wake, waiting)
        self._waiting.add(waiting)
        try:
            await waiting
        finally:
            alarm.cancel()
            self._waiting.discard(waiting)


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


class Stream:
    """`GET /api/events`, as a bare ASGI application: a framework's response would cost a task group and a queue an event.

    Parameters
    ----------
    state : callable
        What the screen shows. The whole is sent as an event without a name; what moved since, as `moved`: its members take the place of
        the whole's, those of `next` the place of the members of `next`.
    changes : Changes
        Told of every change.
    """

    def __init__(self, state: Callable[[], Shown], changes: Changes) -> None:
        self._state, self._changes = state, changes
        self._whole: Mapping[str, Any] | None = None
        self._whole_event = self._moved_event = b""
        self._made_of = -1
        self._made_s = float("-inf")

    async def __call__(self, _scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        gone = asyncio.ensure_future(_gone(receive, asyncio.current_task()))
        loop, changes = asyncio.get_running_loop(), self._changes
        told: Mapping[str, Any] | None = None
        changes.watchers += 1
        try:
            while not changes.ended:
                seen, sent_s = changes.seen(), loop.time()
                whole = self._look(sent_s)
                event = self._moved_event if told is whole else self._whole_event + self._moved_event
                told = whole
                await send({"type": "http.response.body", "body": event, "more_body": True})
                await changes.after(seen)
                if (early_s := sent_s + EVENT_SPACING_S - loop.time()) > 0:
                    await asyncio.sleep(early_s)
            await send({"type": "http.response.body", "body": b""})
        except asyncio.CancelledError:
            if not gone.done():
                raise
        finally:
            changes.watchers -= 1
            gone.cancel()
            with suppress(asyncio.CancelledError):
                await gone

    def _look(self, now_s: float) -> Mapping[str, Any]:
        """Make the events of now, and give the whole state that they are of; two who look at once are told the same bytes."""
        if self._whole is None or self._made_of != self._changes.revision or now_s - self._made_s >= EVENT_SPACING_S:
            self._made_of, self._made_s = self._changes.revision, now_s
            whole, moved = self._state()
            if whole is not self._whole:
                self._whole, self._whole_event = whole, b"data: " + msgspec.json.encode(whole) + b"\n\n"
            self._moved_event = b"" if moved is None else b"event: moved\ndata: " + msgspec.json.encode(moved) + b"\n\n"
        return self._whole


async def _gone(receive: Receive, listener: asyncio.Task[Any] | None) -> None:
    """Ends the listener when its page has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass
    if listener is not None:
        listener.cancel()
