"""The hub's clock: business time (scaled in the pretend world, real otherwise) and real time, never mixed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from roundsman_core.timebase import TimeBase

REAL_TIME = TimeBase()


def from_ms(utc_ms: int) -> datetime:
    """Aware UTC instant from milliseconds since 1970."""
    return datetime.fromtimestamp(utc_ms / 1000, UTC)


def to_ms(at: datetime) -> int:
    """Milliseconds since 1970 of an aware instant; a naive one is refused."""
    if at.tzinfo is None:
        raise ValueError(f"naive datetime {at}")
    return round(at.timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Clock:
    """Tells business time; `base` says how it follows real time.

    Time-outs, keepalives, debounce times and solver budgets are real and do not ask this clock.
    """

    base: TimeBase = REAL_TIME

    def utc_ms(self) -> int:
        """Business UTC in ms since 1970."""
        return self.base.utc_ms(time.time() * 1000)

    def now(self) -> datetime:
        """Business UTC."""
        return from_ms(self.utc_ms())

    def real_now(self) -> datetime:
        """Real UTC: for figures that are told in real seconds."""
        return datetime.now(UTC)
