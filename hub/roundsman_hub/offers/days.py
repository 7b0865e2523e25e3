"""Another day: what a day that is still to come can promise, by the fleet's calendar, its cut-offs and that day's order book."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from roundsman_core.geo import LatLon
from roundsman_hub.domain.calendar import Closed, ServiceLevel, WorkingDays, promise, why_free
from roundsman_hub.offers.depot import ASKED, Ask, Depots, span
from roundsman_hub.offers.refused import Refused
from roundsman_hub.offers.slots import Window, grid, slots
from roundsman_hub.planning.problem import Problem
from roundsman_hub.store import fleet as fleet_store, offer_store, order_book_store as book
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, row

MOST_DAYS: Final = 14
WIDTH: Final = timedelta(hours=4)
"""Of a promise for another day: half a working day. It narrows on the day itself, and the customer may then choose among two hours."""
STEP: Final = timedelta(hours=1)
ALL_DAY: Final = (time(8), time(20))
"""A day without a time yet: the hours in which people expect a van."""
INSTEAD: Final = 3
"""Other days in a refusal."""
EACH_DAY: Final = 2
"""Windows of each of them."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What can be promised.

    Attributes
    ----------
    window : (start, end)
        Aware instants.
    day : date, optional
        Of a day to come; None: the living plan's.
    arrival : datetime, optional
        As planned now; None: nobody is planned for that day yet, and the window is the day.
    """

    window: Window
    day: date | None = None
    arrival: datetime | None = None
    added_cents: int = 0
    green: bool = False

    @property
    def timed(self) -> bool:
        """By that day's roster and plan."""
        return self.arrival is not None


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is to be done on that day.

    Attributes
    ----------
    ask : Ask, optional
        None: nobody knows yet where; a day without a roster can be promised all the same.
    order : str, optional
        The order that it is for, whose own booking does not count against it.
    """

    ask: Ask | None
    parcels: int
    order: str | None = None


def work_of(order: Row) -> Work:
    """An order's own."""
    ask = None
    if order["lat_e6"] is not None:
        at = LatLon.from_e6(order["lat_e6"], order["lon_e6"])
        ask = Ask(at=at, kind=order["kind"], service_s=order["service_s"], parcels=order["parcels"])
    return Work(ask=ask, parcels=order["parcels"], order=str(order["order_id"]))


def check(cur: Cursor, depots: Depots, fleet: str, depot: str, work: Work, day: date, *, now: datetime) -> list[Kept]:
    """What can be promised on a day from tomorrow on, best first; never nothing.

    The day must be one on which the fleet drives (its calendar and holidays), not past its cut-off (a service level's, or the day's
    release), and have room: with a roster, the work is put into that day's draft where it costs least, so that nothing else gets late;
    without one, all parcels that are booked for it must fit the depot's vans. What others hold counts as booked.

    Raises
    ------
    Refused
        "day", "day_free", "day_cut_off" or "day_full"; "place": it is not known where, and that day is planned already.
    """
    return _windows(cur, depots, fleet, depot, work, day, None, None, now)


def keeps(
    cur: Cursor, depots: Depots, fleet: str, depot: str, work: Work, day: date, window: Window, *, now: datetime, but: str | None = None
) -> bool:
    """Whether a window of a day can be kept there. `but`: the offer that it was, whose own hold does not count."""
    try:
        return bool(_windows(cur, depots, fleet, depot, work, day, window, but, now))
    except Refused:
        return False


def _windows(
    cur: Cursor, depots: Depots, fleet: str, depot: str, work: Work, day: date, only: Window | None, but: str | None, now: datetime
) -> list[Kept]:
    zone = ZoneInfo(fleet_store.fleet(cur, fleet)["timezone"])
    if not 0 < (day - now.astimezone(zone).date()).days <= MOST_DAYS:
        raise Refused("day", "a day from tomorrow on, at most two weeks ahead")
    _open(cur, fleet, day, zone, now)
    plan = book.day_plan(cur, depot, day)
    if plan is not None and plan["state"] == "released":
        raise Refused("day_cut_off", f"it is too late to prepare it for {day}")
    holds = offer_store.held(cur, depot, now, but=but or work.order, day=day)
    world = depots.day(depot, day)
    if world is None:
        all_day = (datetime.combine(day, ALL_DAY[0], zone), datetime.combine(day, ALL_DAY[1], zone))
        _room(cur, depot, work, day, all_day, sum(Ask.of(hold["ask"]).parcels for hold in holds if hold["ask"]))
        return [Kept(window=all_day, day=day)]
    at_work = span(world)
    if at_work is None:
        raise Refused("day_cut_off", f"it is too late to prepare it for {day}")
    if work.ask is None:
        raise Refused("place", "the address is not known")
    others = {name: order for name, order in world.orders.items() if name != work.order}
    asked = replace(world, orders={**others, ASKED: depots.asked(work.ask, at_work)})
    windows = [only] if only is not None else grid(*at_work, width=min(WIDTH, at_work[1] - at_work[0]), step=STEP)
    found = slots(_as_drafted(depots.problem(asked, holds), plan), ASKED, windows)
    if not found:
        raise Refused("day_full", f"no van can take it on {day}")
    begins = world.now
    return [
        Kept(
            window=slot.window,
            day=day,
            arrival=begins + timedelta(seconds=slot.arrival_s),
            added_cents=slot.added_cents,
            green=slot.green,
        )
        for slot in found
    ]


def next_days(
    cur: Cursor, depots: Depots, fleet: str, depot: str, work: Work, *, now: datetime, since: date | None = None, but: date | None = None
) -> Iterator[Kept]:
    """The first days on which it can come, each with its best windows: for a clear no.

    Parameters
    ----------
    since, but : date, optional
        No day before this one; not this one.
    """
    zone, found = ZoneInfo(fleet_store.fleet(cur, fleet)["timezone"]), 0
    today = now.astimezone(zone).date()
    for day in (today + timedelta(days=n) for n in range(1, MOST_DAYS + 1)):
        if day == but or (since is not None and day < since):
            continue
        try:
            kept = check(cur, depots, fleet, depot, work, day, now=now)
        except Refused:
            continue
        yield from sorted(kept[:EACH_DAY], key=lambda one: one.window)
        found += 1
        if found == INSTEAD:
            return


def _open(cur: Cursor, fleet: str, day: date, zone: ZoneInfo, now: datetime) -> None:
    spec = book.calendar(cur, fleet)
    days = msgspec.convert(spec, WorkingDays)
    if spec and (why := why_free(days, day)) is not None:
        raise Refused("day_free", f"nobody drives on {day}: {why}")
    levels = [msgspec.convert(level, ServiceLevel) for level in book.service_levels(cur).values()]
    try:
        first = min((promise(level, days, zone, now).day for level in levels), default=day)
    except Closed:
        raise Refused("day_free", f"nobody drives on {day}: closed") from None
    if day < first:
        raise Refused("day_cut_off", f"it is too late to prepare it for {day}")


def _room(cur: Cursor, depot: str, work: Work, day: date, window: Window, held: int) -> None:
    """For a day that nobody is planned for yet."""
    known: dict[str, Any] | None = row(
        cur,
        "SELECT coalesce(sum(capacity), 0) AS capacity, count(*) FILTER (WHERE shift_start < %(b)s AND shift_end > %(a)s) AS that_day,"
        " count(*) FILTER (WHERE shift_end > %(a)s) AS later, (SELECT coalesce(sum(parcels), 0) FROM orders o WHERE o.depot_id = %(d)s AND"
        " o.order_id IS DISTINCT FROM %(o)s AND o.cancelled_at IS NULL AND o.window_start < %(b)s AND o.window_end > %(a)s) AS booked"
        " FROM vehicles WHERE depot_id = %(d)s AND retired_at IS NULL",
        {"a": window[0], "b": window[1], "d": depot, "o": work.order},
    )
    if known is None or (known["later"] and not known["that_day"]):
        raise Refused("day", "shifts are planned beyond that day, and none on it")
    if known["booked"] + held + work.parcels > known["capacity"]:
        raise Refused("day_full", f"no van can take it on {day}")


def _as_drafted(problem: Problem, plan: Row | None) -> Problem:
    """With the draft's routes, where there is one: what it has stays where it is."""
    if plan is None:
        return problem
    known = {task.task for task in problem.tasks}
    routes = {vehicle: tuple(stop["order"] for stop in stops if stop["order"] in known) for vehicle, stops in plan["routes"].items()}
    return replace(problem, current={van.vehicle: routes.get(van.vehicle, ()) for van in problem.vans})
