"""What closes or slows streets for a while: closures, access zones, imported speeds. Each begins and ends by itself. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from roundsman_core.geo import LatLon

Segment = tuple[int, int]
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """An area that no vehicle of these kinds drives through from an instant to another, of the fleet that closed it. `kinds` empty: every
    kind."""

    fleet: str
    name: str
    ring: tuple[LatLon, ...]
    kinds: frozenset[str]
    from_at: datetime
    until_at: datetime

    def holds(self, at: datetime) -> bool:
        """Whether it is closed then."""
        return self.from_at <= at < self.until_at


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneHours:
    """Days of the week, and local times as minutes of the day; past midnight where the end is not after the start."""

    days: frozenset[str]
    start_min: int
    end_min: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessZone:
    """An area that is closed to these kinds of a fleet's vehicles at the same hours of each week."""

    fleet: str
    name: str
    ring: tuple[LatLon, ...]
    kinds: frozenset[str]
    hours: tuple[ZoneHours, ...]
    timezone: str

    def holds(self, at: datetime) -> bool:
        """Whether it is closed then."""
        local = at.astimezone(ZoneInfo(self.timezone))
        minute, day = 60 * local.hour + local.minute, local.weekday()
        for told in self.hours:
            today, yesterday = DAYS[day] in told.days, DAYS[day - 1] in told.days
            if told.end_min > told.start_min:
                if today and told.start_min <= minute < told.end_min:
                    return True
            elif (today and minute >= told.start_min) or (yesterday and minute < told.end_min):
                return True
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Speeds that a fleet imported, km/h by segment, from an instant to another."""

    fleet: str
    name: str
    kmh: tuple[tuple[Segment, float], ...]
    from_at: datetime
    until_at: datetime

    def holds(self, at: datetime) -> bool:
        """Whether they count then."""
        return self.from_at <= at < self.until_at


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """What holds at an instant, for one fleet's vehicles of one kind."""

    closed: tuple[Closure | AccessZone, ...] = ()
    speeds: tuple[Imported, ...] = ()

    @property
    def version(self) -> str:
        """Changes when something begins or ends; "" while nothing holds."""
        if not self.closed and not self.speeds:
            return ""
        return hashlib.sha256(repr((self.closed, self.speeds)).encode()).hexdigest()[:12]

    @property
    def names(self) -> tuple[str, ...]:
        """For people."""
        return tuple(one.name for one in (*self.closed, *self.speeds))


def in_force(closed: Sequence[Closure | AccessZone], speeds: Sequence[Imported], fleet: str, kind: str, at: datetime) -> InForce:
    """What holds for a fleet's vehicles of a kind at an instant. What other fleets have closed is none of its business."""
    return InForce(
        closed=tuple(one for one in closed if one.fleet == fleet and one.holds(at) and (not one.kinds or kind in one.kinds)),
        speeds=tuple(one for one in speeds if one.fleet == fleet and one.holds(at)),
    )
