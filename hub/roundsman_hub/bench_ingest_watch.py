"""When what the vans of `make bench-ingest` sent is stored: told by the watermarks, which move in the rows' own transaction.

Not by the acks: those of fixes are gathered (`roundsman_core/pacing.py`), so a van hears of its last frames later than they are stored.
"""

from __future__ import annotations

import contextlib
import threading
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import psycopg

LOOKS_EVERY_S: Final = 0.01
"""A lag is told to so much, upwards."""
STORES_WITHIN_S: Final = 300.0
_SHARES: Final = {"p50": 0.5, "p99": 0.99, "worst": 1.0}


def stored_at(dsn: str, fixes: int) -> float:
    """The (monotonic) instant at which so many fixes are below the watermarks of all vans together."""
    deadline = time.monotonic() + STORES_WITHIN_S
    with psycopg.connect(dsn, autocommit=True) as connection:
        while time.monotonic() < deadline:
            row = connection.execute("SELECT coalesce(sum(through_seq), 0) FROM log.watermarks").fetchone()
            if row is not None and row[0] >= fixes:
                return time.monotonic()
            time.sleep(LOOKS_EVERY_S)
    raise SystemExit(f"{row} of {fixes} fixes are stored after {STORES_WITHIN_S:g} s")


class Seen:
    """Watermarks as somebody sees them who asks all the time: for each session, when it was first seen so far."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._seen: dict[str, tuple[list[int], list[float]]] = defaultdict(lambda: ([0], [0.0]))
        self._stop = threading.Event()

    @contextlib.contextmanager
    def watching(self) -> Iterator[Seen]:
        """Ask while the block runs."""
        thread = threading.Thread(target=self._watch, name="watch")
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()

    def _watch(self) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as connection, connection.cursor(binary=True) as cur:
            while not self._stop.wait(LOOKS_EVERY_S):
                rows = cur.execute(
                    "SELECT s.session, w.through_seq FROM log.watermarks w JOIN log.sessions s USING (session_no) WHERE w.lane = 1"
                ).fetchall()
                now = time.monotonic()
                for session, through in rows:
                    numbers, instants = self._seen[session]
                    if through > numbers[-1]:
                        numbers.append(through)
                        instants.append(now)

    def at(self, session: str, seq: int) -> float | None:
        """When an entry was first seen stored; None: not yet."""
        numbers, instants = self._seen[session]
        place = bisect_left(numbers, seq)
        return instants[place] if place < len(numbers) else None

    def wait(self, wanted: Mapping[str, int]) -> None:
        """Until each session has come so far.

        Raises
        ------
        SystemExit
            It does not come.
        """
        deadline = time.monotonic() + STORES_WITHIN_S
        while missing := [session for session, seq in wanted.items() if self.at(session, seq) is None]:
            if time.monotonic() > deadline:
                raise SystemExit(f"{len(missing)} vans' fixes are not stored after {STORES_WITHIN_S:g} s")
            time.sleep(LOOKS_EVERY_S)

    def lags(self, left: Mapping[str, Sequence[float]], per: int) -> dict[str, float]:
        """Seconds from a frame's leaving to its fixes being seen, over all frames.

        Parameters
        ----------
        left : mapping
            Session → when each of its frames of `per` fixes left, in order.
        """
        found = sorted(
            at - left_at
            for session, instants in left.items()
            for number, left_at in enumerate(instants, 1)
            if (at := self.at(session, number * per)) is not None
        )
        return {name: found[min(int(share * len(found)), len(found) - 1)] for name, share in _SHARES.items()}
