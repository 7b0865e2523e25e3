"""The unit's two clocks in business time: the date, which may jump, and the session's own, which never does."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from roundsman_agent.times import MonoMs, WallMs
from roundsman_core.timebase import TimeBase


def _real_utc_ms() -> float:
    return time.time_ns() / 1e6


@dataclass(frozen=True, kw_only=True, slots=True)
class Clock:
    """Business UTC and the session's monotonic clock, both in whole milliseconds.

    `base` is the identity in life; a pretend world makes both clocks run faster. Made once, at the session's start.
    """

    base: TimeBase = field(default_factory=TimeBase)
    _started_ns: int = field(default_factory=time.monotonic_ns)

    def utc_ms(self) -> WallMs:
        """Business UTC by the system's clock: milliseconds since 1970. It may be wrong, and may jump."""
        return WallMs(self.base.utc_ms(_real_utc_ms()))

    def mono_ms(self) -> MonoMs:
        """Business milliseconds since this clock was made; never jumps, says nothing about the date."""
        return MonoMs(int((time.monotonic_ns() - self._started_ns) * self.base.factor / 1e6))

    def mono_ms_at(self, monotonic_s: float) -> MonoMs:
        """The same of another instant of the system's monotonic clock."""
        return MonoMs(int((monotonic_s - self._started_ns / 1e9) * self.base.factor * 1e3))
