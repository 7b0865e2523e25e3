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
from roundsman_hub.offers.choosing import Refused
from roundsman_hub.offers.depot import ASKED, Ask, Depots, span
from roundsman_hub.offers.slots import Window, grid, slots
from roundsman_hub.planning.problem import Problem
from roundsman_hub.store import fleet as fleet_store, order_book_store as book
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


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What a day promises. `timed`: by that day's roster and plan; else nobody is planned for it yet, and the window is the day."""

    window: Window
    timed: bool


def check(cur: Cursor, depots: Depots, fleet: str, order: Row, day: date, *, now: datetime) -> Kept:
    """What can be promised for an order on a day from tomorrow on.

    The day must be one on which the fleet drives (its calendar and holidays), not past its cut-off (a service level's, or the day's
    release), and have room: with a roster, the order is put into that day's draft where it costs least, so that nothing else gets late;
    without one, all parcels that are booked for it must fit the depot's vans.

    Raises
    ------
    Refused
        "day", "day_free", "day_cut_off" or "day_full".
    """
    owner = fleet_store.fleet(cur, fleet)
    zone = ZoneInfo(owner["timezone"])
    if not 0 < (day - now.astimezone(zone).date()).days <= MOST_DAYS:
        raise Refused("day", "a day from tomorrow on, at most two weeks ahead")
    _open(cur, fleet, day, zone, now)
    plan = book.day_plan(cur, order["depot_id"], day)
    if plan is not None and plan["state"] == "released":
        raise Refused("day_cut_off", f"it is too late to prepare it for {day}")
    world = depots.day(order["depot_id"], day)
    all_day = (datetime.combine(day, ALL_DAY[0], zone), datetime.combine(day, ALL_DAY[1], zone))
    if world is None:
        _room(cur, order, day, all_day)
        return Kept(window=all_day, timed=False)
    at_work = span(world)
    if at_work is None:
        raise Refused("day_cut_off", f"it is too late to prepare it for {day}")
    at = LatLon.from_e6(order["lat_e6"], order["lon_e6"])
    ask = Ask(at=at, kind=order["kind"], service_s=order["service_s"], parcels=order["parcels"])
    problem = _as_drafted(depots.problem(replace(world, orders={**world.orders, ASKED: depots.asked(ask, at_work)}), []), plan)
    windows = grid(*at_work, width=min(WIDTH, at_work[1] - at_work[0]), step=STEP)
    found = slots(problem, ASKED, windows)
    if not found:
        raise Refused("day_full", f"no van can take it on {day}")
    return Kept(window=found[0].window, timed=True)


def instead(cur: Cursor, depots: Depots, fleet: str, order: Row, *, now: datetime, but: date) -> list[date]:
    """The first days on which it can come, for a clear no."""
    return list(_instead(cur, depots, fleet, order, now, but))


def _instead(cur: Cursor, depots: Depots, fleet: str, order: Row, now: datetime, but: date) -> Iterator[date]:
    zone = ZoneInfo(fleet_store.fleet(cur, fleet)["timezone"])
    today, found = now.astimezone(zone).date(), 0
    for day in (today + timedelta(days=n) for n in range(1, MOST_DAYS + 1)):
        if day == but or found == INSTEAD:
            continue
        try:
            check(cur, depots, fleet, order, day, now=now)
        except Refused:
            continue
        found += 1
        yield day


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


def _room(cur: Cursor, order: Row, day: date, window: Window) -> None:
    """For a day that nobody is planned for yet."""
    known: dict[str, Any] | None = row(
        cur,
        "SELECT coalesce(sum(capacity), 0) AS capacity, count(*) FILTER (WHERE shift_start < %(b)s AND shift_end > %(a)s) AS that_day,"
        " count(*) FILTER (WHERE shift_end > %(a)s) AS later, (SELECT coalesce(sum(parcels), 0) FROM orders o WHERE o.depot_id = %(d)s AND"
        " o.order_id <> %(o)s AND o.cancelled_at IS NULL AND o.window_start < %(b)s AND o.window_end > %(a)s) AS booked"
        " FROM vehicles WHERE depot_id = %(d)s AND retired_at IS NULL",
        {"a": window[0], "b": window[1], "d": order["depot_id"], "o": order["order_id"]},
    )
    if known is None or (known["later"] and not known["that_day"]):
        raise Refused("day", "shifts are planned beyond that day, and none on it")
    if known["booked"] + order["parcels"] > known["capacity"]:
        raise Refused("day_full", f"no van can take it on {day}")


def _as_drafted(problem: Problem, plan: Row | None) -> Problem:
    """With the draft's routes, where there is one: what it has stays where it is."""
    if plan is None:
        return problem
    known = {task.task for task in problem.tasks}
    routes = {vehicle: tuple(stop["order"] for stop in stops if stop["order"] in known) for vehicle, stops in plan["routes"].items()}
    return replace(problem, current={van.vehicle: routes.get(van.vehicle, ()) for van in problem.vans})
