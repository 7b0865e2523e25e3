"""Rings at open customers' pages: something about your order changed, read it again. The bell carries nothing, so it can leak nothing.

Raw ASGI with one event a listener: ten thousand waiting pages are ten thousand idle tasks in one process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from roundsman_hub.store.customer_store import in_newest_plan
from roundsman_hub.store.db import AWAY, Database, DatabaseAway, Notice, listen, notices

log = logging.getLogger(__name__)

GATHER_S: Final = 0.25
RETRY_S: Final = 1.0
ENDS_WITHIN_S: Final = 3.0
ALIVE_S: Final = 25.0
"""A comment goes out this often: proxies close what is silent for half a minute."""
LONGEST_S: Final = 900.0
AGAIN_MS: Final = (1_000, 9_000)
"""A page that lost its line opens it again after a time of its own: after a hub's restart ten thousand do not come in one second."""
QUIET_S: Final[dict[str, float]] = {"eta": 5.0, "vehicle": 2.0}
"""By topic: a page is not rung at again within so many seconds for the same kind of change."""
RANG: Final = b"event: changed\ndata: {}\n\n"
ALIVE: Final = b": alive\n\n"
_PATH: Final = re.compile(r"/t/([A-Za-z0-9_-]{16,64})/events")
_HEADERS: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class Bell:
    """One open page. `near`: it shows the van, so every move of the van is news. `changed`: it was rung at; else it is only woken."""

    __slots__ = ("changed", "closed", "near", "quiet_until", "woken")

    def __init__(self, *, near: bool) -> None:
        self.near, self.changed, self.closed, self.quiet_until = near, False, False, 0.0
        self.woken = asyncio.Event()

    def ring(self) -> None:
        """Something changed."""
        self.changed = True
        self.woken.set()


class Doorbell:
    """Who waits for what: pages by order, and by the van that has the order. Rung on the event loop; one thread hears the database."""

    def __init__(self, db: Database | None) -> None:
        self._db = db
        self._loop: asyncio.AbstractEventLoop | None = None
        self._by: defaultdict[tuple[str, str], set[Bell]] = defaultdict(set)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.listeners = 0

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to hear; rings on `loop`."""
        self._loop = loop
        self._breath = loop.create_task(self._breathe())
        if self._db is not None:
            self._thread = threading.Thread(target=self._run, args=(self._db,), name="doorbell", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End every page's stream. On the event loop."""
        self._stop.set()
        self._breath.cancel()
        for bells in list(self._by.values()):
            for bell in bells:
                bell.closed = True
                bell.woken.set()

    async def _breathe(self) -> None:
        """Wake every page now and then: one timer for all, where one each would cost a kilobyte and a half."""
        while True:
            await asyncio.sleep(ALIVE_S)
            for bells in list(self._by.values()):
                for bell in bells:
                    bell.woken.set()

    def wait(self) -> None:
        """Until the thread has ended. Not on the event loop."""
        if self._thread is not None:
            self._thread.join(ENDS_WITHIN_S)

    def join(self, bell: Bell, order: str, vehicle: str | None) -> None:
        """A page opens."""
        self._by["order", order].add(bell)
        if vehicle is not None:
            self._by["vehicle", vehicle].add(bell)
        self.listeners += 1

    def leave(self, bell: Bell, order: str, vehicle: str | None) -> None:
        """A page is gone."""
        for key in (("order", order), ("vehicle", vehicle or "")):
            self._by[key].discard(bell)
            if not self._by[key]:
                del self._by[key]
        self.listeners -= 1

    def ring(self, notice: Notice, now: float) -> None:
        """Ring at every page that a notice concerns. On the event loop."""
        if notice.topic == "order":
            self._ring(self._by.get(("order", notice.subject), ()), "order", now)
        elif notice.topic in ("plan", "eta", "vehicle"):
            self._ring(self._by.get(("vehicle", notice.subject), ()), notice.topic, now)

    def ring_orders(self, orders: Collection[str], now: float) -> None:
        """Ring at the pages of these orders: a van has them now, which a page that was opened before does not know. On the event loop."""
        for order in orders:
            self._ring(self._by.get(("order", order), ()), "order", now)

    def ring_all(self) -> None:
        """Ring everywhere: notices may have been missed. On the event loop."""
        for bells in self._by.values():
            for bell in bells:
                bell.ring()

    def _ring(self, bells: set[Bell] | tuple[()], topic: str, now: float) -> None:
        pause = QUIET_S.get(topic, 0.0)
        for bell in bells:
            if (topic == "vehicle" and not bell.near) or (pause and now < bell.quiet_until):
                continue
            bell.quiet_until = now + pause
            bell.ring()

    def _run(self, db: Database) -> None:
        while not self._stop.is_set():
            try:
                with db.dedicated() as connection:
                    listen(connection)
                    self._on_loop(self.ring_all)
                    while not self._stop.is_set():
                        for notice in notices(connection, GATHER_S):
                            self._on_loop(self.ring, notice, time.monotonic())
                            if notice.topic == "plan" and self.listeners:
                                with db.transaction() as cur:
                                    self._on_loop(self.ring_orders, in_newest_plan(cur, notice.subject), time.monotonic())
            except AWAY as error:
                log.warning("doorbell: %s; trying again", error)
                self._stop.wait(RETRY_S)

    def _on_loop(self, *call: object) -> None:
        assert self._loop is not None  # started
        with contextlib.suppress(RuntimeError):  # the loop is closed: the app has ended
            self._loop.call_soon_threadsafe(*call)  # type: ignore[arg-type]


class Doorway:
    """Serves `/t/{token}/events` in front of the app: server-sent events that say `changed`, and nothing else.

    In front, because each layer of the app would keep a frame of its own for every waiting page. And without a task that waits for the
    page to leave: whether it has left is looked at whenever the page is woken.

    Parameters
    ----------
    whose : callable
        Token to (order, van or None, whether the van may be near), read from the database in a thread; None: nobody's link.
    """

    def __init__(self, app: ASGIApp, doorbell: Doorbell, whose: Callable[[str], tuple[str, str | None, bool] | None]) -> None:
        self._app, self._doorbell, self._whose = app, doorbell, whose

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ring whenever something changed, until the page is closed."""
        found = _PATH.fullmatch(scope["path"]) if scope["type"] == "http" and scope["method"] == "GET" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        status, page = 404, None
        try:
            page = await asyncio.to_thread(self._whose, found[1])
        except DatabaseAway:
            status = 503
        if page is None:
            await Response(status_code=status, headers={"Retry-After": "3"} if status == 503 else None)(scope, receive, send)
            return
        order, vehicle, near = page
        bell = Bell(near=near)
        self._doorbell.join(bell, order, vehicle)
        ends = time.monotonic() + LONGEST_S
        try:
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            retry_ms = random.randrange(*AGAIN_MS)
            await send({"type": "http.response.body", "body": ALIVE + f"retry: {retry_ms}\n\n".encode(), "more_body": True})
            while not bell.closed and time.monotonic() < ends:
                await bell.woken.wait()
                bell.woken.clear()
                data = RANG if bell.changed else ALIVE
                bell.changed = False
                if bell.closed or (data is ALIVE and await _has_left(receive)):
                    break
                await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except asyncio.CancelledError:
            pass  # the server ends, and so does this task: nobody waits for what it would say
        finally:
            self._doorbell.leave(bell, order, vehicle)


async def _has_left(receive: Receive) -> bool:
    """Whether the page has closed its line: nothing else is to be heard of it once its request is read."""
    try:
        async with asyncio.timeout(0):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return False
    return True
