"""When a standing fence counts: hours of the week on a local wall clock, summer time included."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from roundsman_wire.messages import ActiveHours, Fence

DAY_MIN: Final = 24 * 60
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Hours:
    """A fence's hours and whose clock they are on."""

    active: tuple[ActiveHours, ...]
    zone: ZoneInfo

    def hold(self, utc_ms: int) -> bool:
        """Whether the fence counts at an instant.

        The wall clock decides: an hour that comes twice in autumn counts twice, one that is left out in spring not at all.
        """
        local = (_EPOCH + timedelta(milliseconds=utc_ms)).astimezone(self.zone)
        minute, today, yesterday = local.hour * 60 + local.minute, 1 << local.weekday(), 1 << (local.weekday() - 1) % 7
        for hours in self.active:
            if hours.end_min > hours.start_min:
                if hours.days & today and hours.start_min <= minute < hours.end_min:
                    return True
            elif (hours.days & today and minute >= hours.start_min) or (hours.days & yesterday and minute < hours.end_min):
                return True
        return False


def of(fence: Fence) -> Hours | None:
    """A fence's hours; None where it counts at all times.

    Raises
    ------
    ValueError
        There is no such time zone, or minutes that no day has.
    """
    if not fence.active:
        return None
    if any(not (0 <= h.start_min < DAY_MIN and 0 <= h.end_min <= DAY_MIN and 0 < h.days < 128) for h in fence.active):
        raise ValueError("its hours are on no clock")
    try:
        return Hours(active=fence.active, zone=ZoneInfo(fence.time_zone))
    except (KeyError, ValueError, OSError):
        raise ValueError(f"no time zone {fence.time_zone!r}") from None
