"""What is due at an instant, by local times: safe over the clocks' changes, caught up after a night without a hub. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from roundsman_hub.domain.calendar import WorkingDays, local, why_free

PLAN_AT: Final = time(20, 0)
"""Where a depot names no hour: after the last cut-off of a shop that promises the next day, before the night shift loads."""
LEARN_AT: Final = time(2, 30)
"""All of the day's log has come in, and nobody waits for the machine."""
RELEASE_BEFORE: Final = timedelta(minutes=30)
"""Vans are loaded before their shift (`order_book.LOADING`): by then their drivers' screens know what goes in."""
RELEASE_UNTIL: Final = timedelta(hours=8)
"""A plan that is approved late is released at once, while its day is still worth it."""
HUB: Final = "hub"
Kind = Literal["plan", "learn", "release"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Something to do. `subject`: the depot, or `HUB`; `day`: the plan's, or the morning of learning."""

    kind: Kind
    subject: str
    fleet_id: str | None
    day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class DepotNights:
    """A depot as the night sees it.

    Attributes
    ----------
    plan_at : time, optional
        Local; None: nothing is planned, or released, by itself.
    first_shift : mapping of date to datetime
        When the first van of a day's roster sets out; days without a roster are left out.
    approved : set of date
        Days whose plan somebody approved, and that is not with the vans yet.
    """

    depot_id: str
    fleet_id: str
    zone: ZoneInfo
    days: WorkingDays
    plan_at: time | None
    first_shift: Mapping[date, datetime]
    approved: frozenset[date] = frozenset()


def plans_due(depot: DepotNights, now: datetime) -> list[Due]:
    """Days of this depot that should have a plan by now: theirs is the evening before, and no van has set out yet.

    A night that was missed is caught up until then. A day off is planned only where somebody is on its roster.
    """
    if depot.plan_at is None:
        return []
    today = now.astimezone(depot.zone).date()
    out = []
    for day in (today, today + timedelta(days=1)):
        sets_out = depot.first_shift.get(day)
        if sets_out is not None and local(day - timedelta(days=1), depot.plan_at, depot.zone) <= now < sets_out:
            out.append(Due(kind="plan", subject=depot.depot_id, fleet_id=depot.fleet_id, day=day))
    return out


def releases_due(depot: DepotNights, now: datetime) -> list[Due]:
    """Approved plans of this depot that belong to the vans by now: the first of them is about to be loaded."""
    if depot.plan_at is None:
        return []
    ready = [day for day in sorted(depot.approved) if day in depot.first_shift]
    return [
        Due(kind="release", subject=depot.depot_id, fleet_id=depot.fleet_id, day=day)
        for day in ready
        if depot.first_shift[day] - RELEASE_BEFORE <= now < depot.first_shift[day] + RELEASE_UNTIL
    ]


def waits_for_roster(depot: DepotNights, now: datetime) -> date | None:
    """Tomorrow, where it is worked and nobody is on its roster although its plan is due."""
    tomorrow = now.astimezone(depot.zone).date() + timedelta(days=1)
    worked = why_free(depot.days, tomorrow) is None and tomorrow not in depot.first_shift
    due = depot.plan_at is not None and local(tomorrow - timedelta(days=1), depot.plan_at, depot.zone) <= now
    return tomorrow if worked and due else None


def learning_due(zone: ZoneInfo, now: datetime, first_day: date | None) -> list[Due]:
    """The newest morning on which learning was due. Older ones that were missed are in it: it reads all of its days each time.

    Parameters
    ----------
    first_day : date, optional
        The first local day that the fleet worked; None: there is nothing to learn from yet.
    """
    today = now.astimezone(zone).date()
    morning = today if local(today, LEARN_AT, zone) <= now else today - timedelta(days=1)
    if first_day is None or first_day >= morning:
        return []
    return [Due(kind="learn", subject=HUB, fleet_id=None, day=morning)]
