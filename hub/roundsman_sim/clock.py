"""The pretend world's clock: the same business time that hub and vans are given, with sleeping."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from roundsman_core.timebase import TimeBase


@dataclass(frozen=True, slots=True)
class WorldClock:
    """Business time that runs `base.factor` times as fast as life."""

    base: TimeBase

    def utc_ms(self) -> int:
        """Business UTC in ms since 1970."""
        return self.base.utc_ms(time.time() * 1000)

    def now(self) -> datetime:
        """Business UTC."""
        return datetime.fromtimestamp(self.utc_ms() / 1000, UTC)

    async def sleep(self, business_s: float) -> None:
        """Wait for so many business seconds."""
        await asyncio.sleep(self.base.real_s(business_s))
