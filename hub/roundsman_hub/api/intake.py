"""Taking an order in: the steps that one order and a file of orders share. Each runs inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from psycopg.types.json import Jsonb

from roundsman_hub.api.desk import Desk
from roundsman_hub.api.keys import Caller
from roundsman_hub.api.models import NewOrder
from roundsman_hub.api.places import Place
from roundsman_hub.api.problems import Problem, not_found
from roundsman_hub.api.terms import stored
from roundsman_hub.domain.calendar import Closed, Promise, ServiceLevel, WorkingDays, day_of, promise, why_free
from roundsman_hub.domain.shifts import Shift, why_outside
from roundsman_hub.store import fleet as fleet_store, order_book_store, orders as store
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import journal, row, rows

BOOKED_AHEAD_DAYS: Final = 60
"""Orders are taken so many days ahead."""


def depot_for(cur: Cursor, named: str | None) -> str:
    """The depot that an order names, or the only one there is.

    Raises
    ------
    Problem
        No such depot, or none named where there are several.
    """
    if named is not None:
        if fleet_store.depot(cur, named) is None:
            raise not_found("depot", named, see="/v1/depots", status=422)
        return named
    found = rows(cur, "SELECT depot_id FROM depots LIMIT 2")
    if len(found) == 1:
        return str(found[0]["depot_id"])
    if not found:
        raise Problem(422, "no-depot", "this fleet has no depot yet", next_step="make one with POST /v1/depots")
    raise Problem(
        422, "depot-missing", "this fleet has several depots, and the order names none", next_step="add `depot`; GET /v1/depots lists them"
    )


def shifts_of(cur: Cursor, desk: Desk, depot: str) -> list[Shift]:
    """Shifts of the depot's vehicles; and, for a fleet with a calendar, working days to come that have no roster yet, as a whole."""
    found = fleet_store.shifts(cur, depot)
    fleet = row(cur, "SELECT f.fleet_id, f.timezone FROM depots d JOIN fleets f USING (fleet_id) WHERE d.depot_id = %s", (depot,))
    assert fleet is not None  # the depot is known
    if not (spec := order_book_store.calendar(cur, fleet["fleet_id"])):
        return found
    zone, days = ZoneInfo(fleet["timezone"]), msgspec.convert(spec, WorkingDays)
    today = desk.clock.now().astimezone(zone).date()
    ahead = (today + timedelta(days=n) for n in range(1, BOOKED_AHEAD_DAYS + 1))
    open_days = [day_of(zone, day) for day in ahead if why_free(days, day) is None]
    return found + [(start, end) for start, end in open_days if not any(s < end and e > start for s, e in found)]


def refuse_outside(window_start: datetime, window_end: datetime, shifts: Sequence[Shift]) -> None:
    """Refuse a window that no shift of the depot can serve."""
    if (why := why_outside(window_start, window_end, shifts)) is not None:
        raise Problem(
            422, "outside-every-shift", why, next_step="choose a window inside a shift, or move a shift with PATCH /v1/vehicles/{vehicle}"
        )


def known_level(cur: Cursor, level: str, *, status: int = 422) -> Mapping[str, Any]:
    """One of the fleet's service levels, as it is kept.

    Raises
    ------
    Problem
        No such level.
    """
    spec: Mapping[str, Any] | None = order_book_store.service_levels(cur).get(level)
    if spec is None:
        raise not_found("service-level", level, see="/v1/service-levels", status=status)
    return spec


def promised(cur: Cursor, fleet: str, level: str, ordered_at: datetime, *, status: int = 422) -> Promise:
    """What an order that is placed at an instant gets by one of the fleet's service levels.

    Raises
    ------
    Problem
        No such level (`status`), or no working day is near (409).
    """
    spec = known_level(cur, level, status=status)
    days, zone = msgspec.convert(order_book_store.calendar(cur, fleet), WorkingDays), ZoneInfo(fleet_store.fleet(cur, fleet)["timezone"])
    try:
        return promise(msgspec.convert(spec, ServiceLevel), days, zone, ordered_at)
    except Closed as error:
        raise Problem(409, "closed", str(error), next_step="look at the days off with GET /v1/calendar") from None


def windowed(cur: Cursor, desk: Desk, caller: Caller, new: NewOrder) -> NewOrder:
    """The order with the window of its service level, where it came without one.

    Raises
    ------
    Problem
        As `promised`; a level that is only named has to be there, too.
    """
    if new.needs.service_level is None:
        return new
    found = promised(cur, caller.fleet, new.needs.service_level, desk.clock.now())
    return new if new.window_start is not None else new.model_copy(update={"window_start": found.start, "window_end": found.end})


def accept(cur: Cursor, desk: Desk, caller: Caller, new: NewOrder, depot: str, place: Place) -> str:
    """Write an order down, and let it wait in the queue where its place is not settled.

    Raises
    ------
    Problem
        409 when the shop's own number is already another order's.
    """
    if new.reference and (other := store.by_reference(cur, new.reference)) is not None:
        raise Problem(
            409,
            "reference-taken",
            f"reference {new.reference!r} is already order {other}",
            next_step=f"change that one with PATCH /v1/orders/{other}, or use another reference",
        )
    now = desk.clock.now()
    window_start, window_end = new.window
    order = store.add(
        cur,
        caller.fleet,
        {
            **new.model_dump(include={"reference", "kind", "name", "phone", "address", "instructions", "service_s", "parcels", "priority"}),
            **place.columns,
            **store.own_columns(new.model_dump(include={"items", "proof", "delivery_code", "contact_free"})),
            "needs": Jsonb(stored(new.needs)),
            "depot_id": depot,
            "window_start": window_start,
            "window_end": window_end,
            "promise_start": new.promise_start or window_start,
            "promise_end": new.promise_end or window_end,
            "created_at": now,
        },
    )
    if place.at is None:
        store.enqueue(cur, caller.fleet, order, reason=place.reason, candidates=place.candidate_rows, at=now)
    body = new.model_dump(mode="json", exclude={"phone", "delivery_code"}, exclude_defaults=True)
    journal(cur, fleet_id=caller.fleet, at=now, kind="order.created", subject=order, actor=caller.key_id, body=body)
    return order
