"""Hours of the week in which traffic is alike: what is learned and planned by. Pure."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Local time from `start_h` until before `end_h`, on `days` (0: Monday)."""

    name: str
    days: frozenset[int]
    start_h: int
    end_h: int


_WORK: Final = frozenset(range(5))
_FREE: Final = frozenset({5, 6})
BANDS: Final = (
    # A band needs enough drives to learn from: nine, not 168. The borders are those at which the paces of cities turn.
    Band(name="night", days=_WORK, start_h=0, end_h=6),
    Band(name="early", days=_WORK, start_h=6, end_h=7),
    Band(name="morning", days=_WORK, start_h=7, end_h=10),
    Band(name="midday", days=_WORK, start_h=10, end_h=15),
    Band(name="afternoon", days=_WORK, start_h=15, end_h=19),
    Band(name="evening", days=_WORK, start_h=19, end_h=24),
    Band(name="free_night", days=_FREE, start_h=0, end_h=8),
    Band(name="free_day", days=_FREE, start_h=8, end_h=19),
    Band(name="free_evening", days=_FREE, start_h=19, end_h=24),
)
NAMES: Final = tuple(band.name for band in BANDS)


def band_at(local: datetime) -> str:
    """The band of an instant, given in local time."""
    return next(band.name for band in BANDS if local.weekday() in band.days and band.start_h <= local.hour < band.end_h)


def bands_ahead(now: datetime, timezone: str, *, hours: int, known: Set[str]) -> tuple[tuple[int, str], ...]:
    """The bands that a plan meets.

    Parameters
    ----------
    known : set of str
        Bands whose pace is known for itself; all others are told as "".

    Returns
    -------
    tuple of (int, str)
        Seconds from now at which each begins (the first: 0) and its name; neighbours of the same name are one.
    """
    zone = ZoneInfo(timezone)
    out: list[tuple[int, str]] = []
    hour = now.astimezone(zone).replace(minute=0, second=0, microsecond=0)
    for _ in range(hours + 1):
        name = band_at(hour)
        name = name if name in known else ""
        if not out or out[-1][1] != name:
            out.append((max(0, round((hour - now).total_seconds())), name))
        # Hour by hour in absolute time: where clocks are put back or forward, the local hour follows.
        hour = (hour.astimezone(ZoneInfo("UTC")) + timedelta(hours=1)).astimezone(zone)
    return tuple(out)
