"""The live broadcaster: one thread hears the database, reads each watched fleet's view, and hands changes to every listener."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Set as AbstractSet
from datetime import datetime
from typing import Final, Protocol

import msgspec
import psycopg

from roundsman_hub.live.drawn_plans import DrawnPlans
from roundsman_hub.live.slot import Slot
from roundsman_hub.live.view import EVERYTHING, READS, FleetView, Key, sse
from roundsman_hub.store.db import AWAY, Database, DatabaseAway, Notice, listen, notices

log = logging.getLogger(__name__)

GATHER_S: Final = 0.25
"""Notices are gathered this long: a burst of orders is one read. A person does not see a quarter of a second."""
TICK_S: Final = 1.0
"""Business time goes out this often; it also shows that the line is alive."""
EACH_EVERY_S: Final = 1.0
"""A part of a fleet's view is read again at most this often: of thousands of vans some move at every look, and a page that is told once a
second can show all of it. What happens after a quiet second is told at once."""
REREAD_S: Final = 15.0
"""Everything watched is read again this often, so that a notice that got lost is not missed for long."""
RETRY_S: Final = 1.0
ENDS_WITHIN_S: Final = 3.0
"""Longer than the thread waits for anything but a connection."""
TICK: Final[Key] = ("tick", "")
_ALL: Final = "*"


class TellsTime(Protocol):
    """The clock, as far as the stream needs it."""

    def now(self) -> datetime: ...

    def real_now(self) -> datetime: ...


class Pace:
    """When each part of one fleet's view may be read again."""

    def __init__(self) -> None:
        self._waiting: set[str] = set()
        self._read: dict[str, float] = {}

    def due(self, parts: AbstractSet[str], now: float) -> set[str]:
        """What of `parts`, and of what waited before, is to be read now; the rest waits."""
        self._waiting |= parts
        due = {part for part in self._waiting if now - self._read.get(part, -EACH_EVERY_S) >= EACH_EVERY_S}
        self._waiting -= due
        self._read |= dict.fromkeys(due, now)
        return due


class Broadcaster:
    """Listeners join with `join` and leave with `leave`, on the event loop. Views live on the broadcaster's own thread alone."""

    def __init__(self, db: Database, clock: TellsTime, plans: DrawnPlans) -> None:
        self._db, self._clock, self._plans = db, clock, plans
        self._loop: asyncio.AbstractEventLoop | None = None
        self._slots: dict[str, set[Slot]] = defaultdict(set)
        self._newcomers: dict[str, set[Slot]] = defaultdict(set)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to listen; changes are handed over on `loop`."""
        self._loop = loop
        self._thread = threading.Thread(target=self._run, name="live", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End every listener's stream, and tell the thread to end. On the event loop."""
        self._stop.set()
        for slots in (*self._slots.values(), *self._newcomers.values()):
            for slot in slots:
                slot.close()

    def wait(self) -> None:
        """Until the thread has ended. Not on the event loop."""
        if self._thread is not None:
            self._thread.join(ENDS_WITHIN_S)

    @property
    def listeners(self) -> int:
        """Open streams."""
        with self._lock:
            return sum(len(slots) for slots in (*self._slots.values(), *self._newcomers.values()))

    def join(self, fleet_id: str) -> Slot:
        """A new listener's slot; it begins with a snapshot, within `GATHER_S`."""
        slot = Slot()
        with self._lock:
            self._newcomers[fleet_id].add(slot)
        return slot

    def leave(self, fleet_id: str, slot: Slot) -> None:
        """The listener is gone."""
        with self._lock:
            for slots in (self._slots, self._newcomers):
                slots[fleet_id].discard(slot)
                if not slots[fleet_id]:
                    del slots[fleet_id]

    # ── on the broadcaster's thread ──────────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        away = False
        while not self._stop.is_set():
            try:
                with self._db.dedicated() as connection:
                    listen(connection)
                    away = False
                    self._serve(connection)
            except AWAY as error:
                if not away:  # said once, not every second
                    log.warning("live stream: %s; trying again until it is back", error)
                away = True
                self._tick(database_away=True)
                self._stop.wait(RETRY_S)

    def _serve(self, connection: psycopg.Connection[dict[str, object]]) -> None:
        """Until the connection is gone: gather notices, read, hand over. Views begin anew, since notices were missed before."""
        views: dict[str, FleetView] = {}
        dirty: dict[str, set[str]] = defaultdict(set)
        ticked = reread = 0.0
        paces: dict[str, Pace] = defaultdict(Pace)
        while not self._stop.is_set():
            for notice in notices(connection, GATHER_S):
                dirty[notice.fleet_id] |= self._parts(notice)
            # Those who came along while the first was gathered.
            self._stop.wait(GATHER_S if dirty else 0.0)
            for notice in notices(connection, 0.0):
                dirty[notice.fleet_id] |= self._parts(notice)
            now = time.monotonic()
            if now - reread >= REREAD_S:
                reread = now
                dirty[_ALL] |= EVERYTHING
            due = {fleet: paces[fleet].due(dirty.get(fleet, set()) | dirty.get(_ALL, set()), now) for fleet in views}
            dirty.clear()
            self._refresh(views, due)
            if now - ticked >= TICK_S:
                ticked = now
                self._tick(database_away=False)

    @staticmethod
    def _parts(notice: Notice) -> frozenset[str]:
        return READS.get(notice.topic, frozenset())

    def _refresh(self, views: dict[str, FleetView], due: Mapping[str, set[str]]) -> None:
        with self._lock:
            watched = set(self._slots) | set(self._newcomers)
            newcomers = {fleet: bool(slots) for fleet, slots in self._newcomers.items()}
        for fleet in views.keys() - watched:
            del views[fleet]
        for fleet in watched:
            fresh = fleet not in views
            view = views.setdefault(fleet, FleetView(self._plans))
            parts = EVERYTHING if fresh else due.get(fleet, set())
            changed: dict[Key, bytes] = {}
            if parts:
                try:
                    with self._db.tenant(fleet) as cur:
                        changed = view.refresh(cur, parts, self._clock.now())
                except DatabaseAway:
                    del views[fleet]  # half read: begins anew
                    raise
            self._hand_over(fleet, changed, snapshot=view.snapshot() if fresh or newcomers.get(fleet) else None, to_all=fresh)

    def _hand_over(self, fleet: str, changed: dict[Key, bytes], *, snapshot: bytes | None, to_all: bool) -> None:
        """Changes to those who have the view; the snapshot to newcomers, and to all where the view began anew.

        A snapshot comes with its time: by a page's own clock everything may be late.
        """
        time_data = self._time(database_away=False)

        def deliver() -> None:
            with self._lock:
                old = set(self._slots.get(fleet, ()))
                new = self._newcomers.pop(fleet, set()) if snapshot is not None else set()
                self._slots[fleet] = old | new
            for slot in old | new:
                if snapshot is not None and (to_all or slot in new):
                    slot.restart(snapshot)
                    slot.put({TICK: time_data})
                else:
                    slot.put(changed)

        if changed or snapshot is not None:
            self._on_loop(deliver)

    def _tick(self, *, database_away: bool) -> None:
        data = self._time(database_away=database_away)

        def deliver() -> None:
            for slots in list(self._slots.values()):
                for slot in slots:
                    slot.put({TICK: data})

        self._on_loop(deliver)

    def _time(self, *, database_away: bool) -> bytes:
        body = {"now": self._clock.now(), "real_now": self._clock.real_now(), "database_away": database_away}
        return sse("tick", msgspec.json.encode(body))

    def _on_loop(self, call: Callable[[], None]) -> None:
        assert self._loop is not None  # started
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:  # the loop is closed: the app has ended
            self._stop.set()
