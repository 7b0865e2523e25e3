"""What is closed now, as the database says: read at most once a second, for questions that come by the hundred."""

from __future__ import annotations

import threading
import time
from typing import Final

from roundsman_hub.clock import Clock
from roundsman_hub.roads.restrictions import AccessZone, Closure, InForce, in_force
from roundsman_hub.store import road_store
from roundsman_hub.store.db import Database, is_away

READ_EVERY_S: Final = 1.0


class Held:
    """Function: fleet and kind of vehicle → what holds for it now. While the database is away, what was read last."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock
        self._closed: list[Closure | AccessZone] = []
        self._again_at = 0.0
        self._lock = threading.Lock()

    def __call__(self, fleet: str, kind: str) -> InForce:
        now = self._clock.now()
        with self._lock:
            if time.monotonic() >= self._again_at:
                try:
                    with self._db.transaction() as cur:
                        self._closed = road_store.closed(cur, now)
                except Exception as error:
                    if not is_away(error):
                        raise
                self._again_at = time.monotonic() + READ_EVERY_S
            return in_force(self._closed, (), fleet, kind, now)
