"""Days on which is worked, and what an order that is placed now may be promised: cut-offs, holidays, local times over DST. Pure.

A local time that the clocks skip is taken as the first instant after the gap; one that comes twice is its first for a beginning and its
second for an end, so a window is never shorter than it reads.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Final
from zoneinfo import ZoneInfo

import holidays
from annotated_types import Ge, Le, Len

Country = Annotated[str, Len(2, 2)]
Clock = Annotated[str, Len(5, 5)]
_CONFIG: Final[dict[str, Any]] = {"extra": "forbid", "use_attribute_docstrings": True}
LOOKS_AHEAD: Final = 60
"""Days that are looked at for the next working day: no country closes for longer."""


class Closed(Exception):
    """No working day is near; the text says why."""


def clock(text: str) -> time:
    """A time of day, written 07:30.

    Raises
    ------
    ValueError
        It is not one.
    """
    if len(text) != 5:
        raise ValueError(f"{text!r} is no time of day: write 07:30")
    return time.fromisoformat(text)


@dataclass(frozen=True, kw_only=True)
class WorkingDays:
    """When a fleet works."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _CONFIG
    country: Country | None = None
    """Whose public holidays are free, as FI; without one, none is."""
    subdivision: str | None = None
    """State or canton, where it has holidays of its own."""
    weekdays: Annotated[tuple[Annotated[int, Ge(0), Le(6)], ...], Len(1, 7)] = (0, 1, 2, 3, 4)
    """0 is Monday."""
    closed: Annotated[tuple[date, ...], Len(0, 400)] = ()
    """Further days off."""
    opened: Annotated[tuple[date, ...], Len(0, 400)] = ()
    """Days on which is worked all the same."""

    def __post_init__(self) -> None:
        if self.subdivision is not None and self.country is None:
            raise ValueError("a subdivision needs its country")
        if self.country is not None:
            _holidays(self.country, self.subdivision, 2026)


@dataclass(frozen=True, kw_only=True)
class ServiceLevel:
    """What a customer may choose: ordered until the cut-off, served so many working days later inside a local window."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _CONFIG
    cut_off: Clock
    """Local time until which an order counts as today's, as 12:00."""
    working_days_later: Annotated[int, Ge(0), Le(30)] = 1
    """0: the same day; 1: the next."""
    window_start: Clock
    """Local time on the day of service, and"""
    window_end: Clock
    """its end; not after midnight."""
    at_least_min: Annotated[int, Ge(0), Le(1440)] = 60
    """A same-day window begins at the earliest so long after the order."""

    def __post_init__(self) -> None:
        clock(self.cut_off)
        if clock(self.window_end) <= clock(self.window_start):
            raise ValueError("window_end must be after window_start")


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A window that an order placed at an instant gets. `day`: local. `counts_as`: the working day it counts as placed on."""

    day: date
    counts_as: date
    start: datetime
    end: datetime
    why: str = field(default="")


def why_free(days: WorkingDays, day: date) -> str | None:
    """Why a day is free; None where it is worked."""
    if day in days.opened:
        return None
    if day in days.closed:
        return "closed"
    if day.weekday() not in days.weekdays:
        return day.strftime("%A")
    if days.country is not None:
        return _holidays(days.country, days.subdivision, day.year).get(day)
    return None


def working_day(days: WorkingDays, first: date, later: int = 0) -> date:
    """The working day that is `later` working days after the first one from `first` on.

    Raises
    ------
    Closed
        There is none within two months.
    """
    left = later
    for ahead in range(LOOKS_AHEAD + later * 7):
        day = first + timedelta(days=ahead)
        if why_free(days, day) is None:
            if left == 0:
                return day
            left -= 1
    raise Closed(f"no working day within {LOOKS_AHEAD} days from {first.isoformat()}")


def local(day: date, at: time, zone: ZoneInfo, *, end: bool = False) -> datetime:
    """The instant of a local time on a day, in UTC."""
    wall = datetime.combine(day, at, zone).replace(fold=1 if end else 0)
    instant = wall.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
        return instant
    # Skipped. Read with the offset from before the gap the instant lies after it, by as much as the time was into it.
    before = wall.replace(fold=0).astimezone(UTC)
    after = wall.replace(fold=1).astimezone(UTC)
    low, high = min(before, after), max(before, after)
    offset = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        low, high = (middle, high) if middle.astimezone(zone).utcoffset() == offset else (low, middle)
    return high.replace(microsecond=0)


def day_of(zone: ZoneInfo, day: date) -> tuple[datetime, datetime]:
    """A local day's first instant, and that of the next: 23 to 25 hours."""
    return local(day, time(0), zone), local(day + timedelta(days=1), time(0), zone)


def promise(level: ServiceLevel, days: WorkingDays, zone: ZoneInfo, ordered_at: datetime) -> Promise:
    """The window of an order that is placed at an instant.

    Raises
    ------
    Closed
        No working day is near.
    ValueError
        The instant has no zone.
    """
    if ordered_at.tzinfo is None:
        raise ValueError(f"naive datetime {ordered_at}")
    here = ordered_at.astimezone(zone)
    today = here.date()
    # An order at the very cut-off is in time. Compared as instants: on the night that an hour comes twice, both are asked.
    in_time = ordered_at <= local(today, clock(level.cut_off), zone, end=True)
    free = why_free(days, today)
    counts_as = working_day(days, today if in_time else today + timedelta(days=1))
    why = free or ("" if in_time else f"after the cut-off at {level.cut_off}")
    while True:
        day = working_day(days, counts_as, level.working_days_later)
        start, end = local(day, clock(level.window_start), zone), local(day, clock(level.window_end), zone, end=True)
        start = max(start, ordered_at.astimezone(UTC) + timedelta(minutes=level.at_least_min))
        if start < end:
            return Promise(day=day, counts_as=counts_as, start=start, end=end, why=why)
        counts_as = working_day(days, counts_as + timedelta(days=1))
        why = why or "too late for that day's window"


def holidays_between(days: WorkingDays, first: date, last: date) -> Iterable[tuple[date, str]]:
    """Free days that are not just the weekend, with their names."""
    day = first
    while day <= last:
        why = why_free(days, day)
        if why is not None and (day in days.closed or day.weekday() in days.weekdays):
            yield day, why
        day += timedelta(days=1)


@lru_cache(256)
def _holidays(country: str, subdivision: str | None, year: int) -> dict[date, str]:
    try:
        return dict(holidays.country_holidays(country, subdiv=subdivision, years=year))
    except NotImplementedError as error:
        raise ValueError(str(error)) from None
