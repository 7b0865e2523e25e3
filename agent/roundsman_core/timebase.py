"""Business time: real time, or a faster one that starts at a chosen instant. Pure: the caller brings the real readings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeBase:
    """Maps real UTC (and monotonic durations) to business UTC. The identity unless a pretend world chose otherwise.

    `origin_real_ms`: real UTC at which business UTC was `origin_utc_ms`; from then on it runs `factor` times as fast.
    Time-outs, keepalives and solver budgets are not business time and never pass through here.
    """

    origin_real_ms: int = 0
    origin_utc_ms: int = 0
    factor: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.factor <= 1000:
            raise ValueError(f"time factor {self.factor} is not in (0, 1000]")

    def utc_ms(self, real_ms: float) -> int:
        """Business UTC at a real UTC, both in ms since 1970."""
        return round(self.origin_utc_ms + (real_ms - self.origin_real_ms) * self.factor)

    def duration_s(self, real_s: float) -> float:
        """Business seconds that pass in `real_s` real seconds."""
        return real_s * self.factor

    def real_s(self, business_s: float) -> float:
        """Real seconds that `business_s` business seconds take."""
        return business_s / self.factor

    def __str__(self) -> str:
        return f"{self.origin_real_ms}/{self.origin_utc_ms}/{self.factor:.15g}"

    @classmethod
    def parse(cls, text: str) -> TimeBase:
        """From `ORIGIN_REAL_MS/ORIGIN_UTC_MS/FACTOR` (what `str` gives); empty text is real time.

        Raises
        ------
        ValueError
            Anything else.
        """
        if not text:
            return cls()
        parts = text.split("/")
        if len(parts) != 3:
            raise ValueError(f"time base {text!r} is not ORIGIN_REAL_MS/ORIGIN_UTC_MS/FACTOR")
        return cls(origin_real_ms=int(parts[0]), origin_utc_ms=int(parts[1]), factor=float(parts[2]))
