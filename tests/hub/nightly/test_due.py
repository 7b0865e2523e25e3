"""What is due at night: by local times over the clocks' changes, caught up after a night without a hub, never on a day off."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st

from roundsman_hub.domain.calendar import WorkingDays
from roundsman_hub.nightly.due import DepotNights, Due, learning_due, plans_due, releases_due, waits_for_roster

HELSINKI = ZoneInfo("Europe/Helsinki")
TUESDAY = date(2026, 3, 3)


def depot(*days: date, plan_at: time | None = time(20, 0), sets_out: time = time(7, 30)) -> DepotNights:
    shifts = {day: datetime.combine(day, sets_out, HELSINKI).astimezone(UTC) for day in days}
    return DepotNights(depot_id="dp", fleet_id="fl", zone=HELSINKI, days=WorkingDays(country="FI"), plan_at=plan_at, first_shift=shifts)


def at(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), HELSINKI).astimezone(UTC)


def days(found: list[Due]) -> list[date]:
    return [one.day for one in found]


def test_tomorrow_is_planned_from_the_evening_on_until_its_first_van_sets_out() -> None:
    monday = TUESDAY - timedelta(days=1)
    there = depot(TUESDAY)
    assert plans_due(there, at(monday, 19, 59)) == []
    assert days(plans_due(there, at(monday, 20))) == [TUESDAY]
    assert days(plans_due(there, at(TUESDAY, 7))) == [TUESDAY], "the hub was down all night"
    assert plans_due(there, at(TUESDAY, 7, 30)) == [], "too late: the living plan has it"
    assert plans_due(depot(TUESDAY, plan_at=None), at(monday, 23)) == []


def test_what_is_approved_goes_out_half_an_hour_before_the_first_van() -> None:
    there = depot(TUESDAY)
    assert releases_due(there, at(TUESDAY, 7)) == [], "nobody approved it"
    ready = replace(there, approved=frozenset({TUESDAY}))
    assert releases_due(ready, at(TUESDAY, 6, 59)) == []
    assert days(releases_due(ready, at(TUESDAY, 7))) == [TUESDAY]
    assert days(releases_due(ready, at(TUESDAY, 9))) == [TUESDAY], "approved late"
    assert releases_due(ready, at(TUESDAY, 15, 30)) == [], "the day is over"
    assert releases_due(replace(ready, plan_at=None), at(TUESDAY, 7)) == [], "nothing by itself"
    assert releases_due(replace(depot(), approved=frozenset({TUESDAY})), at(TUESDAY, 7)) == [], "nobody drives"


def test_nobody_is_planned_for_on_a_day_off_and_a_worked_day_without_a_roster_is_told() -> None:
    """6 January is a holiday in Finland, 2027's a Wednesday: on the evening before nothing is due, and nobody is missed."""
    eve = date(2027, 1, 5)
    assert plans_due(depot(), at(eve, 21)) == []
    assert waits_for_roster(depot(), at(eve, 21)) is None
    assert waits_for_roster(depot(), at(date(2027, 1, 6), 21)) == date(2027, 1, 7)
    assert waits_for_roster(depot(date(2027, 1, 7)), at(date(2027, 1, 6), 21)) is None
    assert days(plans_due(depot(date(2027, 1, 6)), at(eve, 21))) == [date(2027, 1, 6)], "but somebody works on the holiday"


def test_an_hour_that_the_clocks_skip_or_repeat_comes_once() -> None:
    """On 29 March 2026 03:00 is followed by 04:00, on 25 October 04:00 by 03:00: a depot that plans at half past three."""
    spring, autumn = date(2026, 3, 29), date(2026, 10, 25)
    for change in (spring, autumn):
        night = depot(change + timedelta(days=1), plan_at=time(3, 30))
        began = datetime.combine(change, time(0), HELSINKI).astimezone(UTC)
        due = [bool(plans_due(night, began + timedelta(minutes=10 * n))) for n in range(6 * 20)]
        assert due.count(True) > 0
        assert due == sorted(due), "once it is due it stays so: it never comes a second time"


@given(st.integers(0, 2 * 365 * 24 * 60))
def test_at_every_instant_one_morning_is_the_newest_and_it_never_goes_back(minutes: int) -> None:
    now = at(date(2026, 1, 1), 0) + timedelta(minutes=minutes)
    (due,) = learning_due(HELSINKI, now, date(2020, 1, 1))
    (later,) = learning_due(HELSINKI, now + timedelta(minutes=30), date(2020, 1, 1))
    assert now.astimezone(HELSINKI).date() - due.day in (timedelta(0), timedelta(days=1))
    assert due.day <= later.day <= due.day + timedelta(days=1)


def test_a_hub_without_a_day_behind_it_learns_nothing() -> None:
    assert learning_due(HELSINKI, at(TUESDAY, 8), None) == []
    assert learning_due(HELSINKI, at(TUESDAY, 8), TUESDAY) == []
    assert days(learning_due(HELSINKI, at(TUESDAY, 8), date(2026, 3, 2))) == [TUESDAY]
