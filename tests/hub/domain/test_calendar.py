"""Service levels over cut-offs, holidays and the nights on which the clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from roundsman_hub.domain.calendar import Closed, ServiceLevel, WorkingDays, day_of, local, promise, why_free, working_day

HELSINKI, NEW_YORK, LORD_HOWE = ZoneInfo("Europe/Helsinki"), ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe")
ZONES = st.sampled_from([HELSINKI, NEW_YORK, LORD_HOWE, ZoneInfo("Africa/Cairo"), ZoneInfo("Asia/Kathmandu"), ZoneInfo("America/Santiago")])
FINLAND = WorkingDays(country="FI")
NEXT_DAY = ServiceLevel(cut_off="18:00", working_days_later=1, window_start="08:00", window_end="16:00")
SAME_DAY = ServiceLevel(cut_off="12:00", working_days_later=0, window_start="14:00", window_end="20:00")
INSTANTS = st.datetimes(datetime(2024, 1, 1), datetime(2030, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001  # the strategy wants them naive
TIMES = st.times().map(lambda at: at.replace(second=0, microsecond=0))


def at(zone: ZoneInfo, *wall: int) -> datetime:
    return datetime(*wall, tzinfo=zone)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("level", "ordered", "day", "why"),
    [
        (NEXT_DAY, at(HELSINKI, 2026, 3, 2, 17, 59), date(2026, 3, 3), ""),
        (NEXT_DAY, at(HELSINKI, 2026, 3, 2, 18, 0), date(2026, 3, 3), ""),
        (NEXT_DAY, at(HELSINKI, 2026, 3, 2, 18, 1), date(2026, 3, 4), "after the cut-off at 18:00"),
        (NEXT_DAY, at(HELSINKI, 2026, 3, 6, 10, 0), date(2026, 3, 9), ""),  # a Friday: Monday
        (NEXT_DAY, at(HELSINKI, 2026, 3, 7, 10, 0), date(2026, 3, 10), "Saturday"),
        (NEXT_DAY, at(HELSINKI, 2026, 4, 2, 10, 0), date(2026, 4, 7), ""),  # Maundy Thursday: over Easter to Tuesday
        (SAME_DAY, at(HELSINKI, 2026, 3, 2, 11, 0), date(2026, 3, 2), ""),
        (SAME_DAY, at(HELSINKI, 2026, 3, 2, 12, 30), date(2026, 3, 3), "after the cut-off at 12:00"),
    ],
)
def test_what_is_ordered_now_comes_then(level: ServiceLevel, ordered: datetime, day: date, why: str) -> None:
    found = promise(level, FINLAND, HELSINKI, ordered)
    assert (found.day, found.why) == (day, why)
    assert found.start.astimezone(HELSINKI).date() == found.end.astimezone(HELSINKI).date() == day


def test_holidays_have_names_and_can_be_worked() -> None:
    assert why_free(FINLAND, date(2026, 5, 1)) == "Vappu"
    assert why_free(WorkingDays(country="FI", opened=(date(2026, 5, 1),)), date(2026, 5, 1)) is None
    assert why_free(WorkingDays(closed=(date(2026, 3, 2),)), date(2026, 3, 2)) == "closed"
    with pytest.raises(ValueError, match="XX"):
        WorkingDays(country="XX")
    with pytest.raises(Closed):
        working_day(WorkingDays(closed=tuple(date(2026, 1, 1) + timedelta(days=n) for n in range(100))), date(2026, 1, 1))


def test_an_hour_that_is_skipped_begins_when_the_clocks_go_on() -> None:
    """Helsinki, 29 March 2026: 03:00 is followed by 04:00."""
    skipped = local(date(2026, 3, 29), time(3, 30), HELSINKI)
    assert skipped == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    assert skipped.astimezone(HELSINKI).time() == time(4, 0)


def test_an_hour_that_comes_twice_is_a_long_window() -> None:
    """Helsinki, 25 October 2026: 03:00 to 04:00 comes twice."""
    night = ServiceLevel(cut_off="23:00", working_days_later=0, window_start="03:00", window_end="04:00", at_least_min=0)
    found = promise(night, WorkingDays(weekdays=tuple(range(7))), HELSINKI, at(HELSINKI, 2026, 10, 25, 1, 0))
    assert found.end - found.start == timedelta(hours=2)


def test_a_time_that_comes_twice_begins_with_its_first_and_ends_with_its_second() -> None:
    first, last = (local(date(2026, 10, 25), time(3, 30), HELSINKI, end=end) for end in (False, True))
    assert last - first == timedelta(hours=1)


@given(ZONES, INSTANTS, TIMES, st.integers(0, 3), st.integers(0, 240))
def test_a_promise_is_kept_by_the_calendar_whatever_the_clocks_do(
    zone: ZoneInfo, ordered: datetime, cut: time, later: int, lead: int
) -> None:
    """It lies ahead, on a working day, inside the level's local window, and is longer than nothing."""
    level = ServiceLevel(cut_off=f"{cut:%H:%M}", working_days_later=later, window_start="02:30", window_end="21:00", at_least_min=lead)
    found = promise(level, FINLAND, zone, ordered)
    assert ordered + timedelta(minutes=lead) <= found.start < found.end
    assert why_free(FINLAND, found.day) is None
    assert why_free(FINLAND, found.counts_as) is None
    assert ordered.astimezone(zone).date() <= found.counts_as <= found.day
    assert found.start.astimezone(zone).date() == found.end.astimezone(zone).date() == found.day
    assert found.start.astimezone(zone).time() >= time(2, 30)
    assert found.end == local(found.day, time(21), zone, end=True)


@given(ZONES, INSTANTS, st.integers(1, 3 * 86_400))
def test_who_orders_later_never_gets_an_earlier_window(zone: ZoneInfo, ordered: datetime, later_s: int) -> None:
    for level in (NEXT_DAY, SAME_DAY):
        first = promise(level, FINLAND, zone, ordered)
        second = promise(level, FINLAND, zone, ordered + timedelta(seconds=later_s))
        assert (first.start, first.end) <= (second.start, second.end)


@given(ZONES, st.dates(date(2024, 1, 1), date(2030, 12, 30)), TIMES)
def test_a_local_time_has_one_instant_and_days_have_no_holes(zone: ZoneInfo, day: date, wall: time) -> None:
    begins, ends = day_of(zone, day)
    assert timedelta(hours=22.9) < ends - begins < timedelta(hours=25.1)
    first, last = local(day, wall, zone), local(day, wall, zone, end=True)
    assert begins <= first <= last <= ends
    shown = first.astimezone(zone)
    assert shown.time() == wall or shown.time() > wall  # later only where the clocks skipped it
    assert first.microsecond == 0
