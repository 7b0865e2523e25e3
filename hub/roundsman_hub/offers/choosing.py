"""Offer, hold, accept, expire: what a customer or a shop's checkout does with windows. Each step inside its caller's transaction."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from roundsman_hub import afterlife
from roundsman_hub.clock import Clock
from roundsman_hub.domain.afterlife import NotAllowed
from roundsman_hub.offers import days
from roundsman_hub.offers.depot import Ask, Depots, span
from roundsman_hub.offers.refused import Refused as Refused
from roundsman_hub.offers.slots import MARGIN_S, Slot, grid
from roundsman_hub.replan import revision
from roundsman_hub.store import fleet as fleet_store, offer_store as store, orders as order_store
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, journal

HOLD: Final = timedelta(minutes=10)
"""A customer may think so long; after that the window is free for others."""
GOOD: Final = timedelta(minutes=30)
"""An offer that nobody held is asked for anew after this."""
WIDTH: Final = timedelta(hours=2)
STEP: Final = timedelta(hours=1)
MOST: Final = 12
"""Windows in one answer: more than this nobody reads."""


def offer(
    cur: Cursor,
    depots: Depots,
    fleet: str,
    depot: str,
    *,
    order: str | None = None,
    ask: Ask | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    width: timedelta = WIDTH,
    step: timedelta = STEP,
    now: datetime,
) -> list[Row]:
    """Windows that can be kept, written down so that each can be held by its id; cheapest first.

    Parameters
    ----------
    order, ask
        What it is for: an order that there is, or work that becomes one.
    since, until : datetime, optional
        Where the windows may lie; by default while the depot's vans are at work.
    """
    world = depots.world(depot)
    at_work = span(world)
    if at_work is None:
        return []
    windows = grid(max(at_work[0], since or at_work[0]), min(at_work[1], until or at_work[1]), width=width, step=step)
    found = [_promise(slot, now) for slot in depots.ask(cur, world, windows, order=order, ask=ask)[:MOST]]
    return _written(cur, fleet, depot, found, order=order, ask=ask, now=now, basis=depots.basis(depot))


def offer_later(
    cur: Cursor,
    depots: Depots,
    fleet: str,
    depot: str,
    *,
    order: Row | None = None,
    ask: Ask | None = None,
    since: datetime | None = None,
    now: datetime,
) -> list[Row]:
    """Where today has no room: windows of the next days on which it can come, written down as those of today are; earliest day first.

    Parameters
    ----------
    order, ask
        As for `offer`, but the order whole.
    since : datetime, optional
        No day before this one's.
    """
    first = None if since is None else since.astimezone(ZoneInfo(fleet_store.fleet(cur, fleet)["timezone"])).date()
    work = days.work_of(order) if order is not None else _work(ask)
    found = list(days.next_days(cur, depots, fleet, depot, work, now=now, since=first))
    name = None if order is None else order["order_id"]
    return _written(cur, fleet, depot, found, order=name, ask=ask, now=now, basis=depots.basis(depot))


def _promise(slot: Slot, now: datetime) -> days.Kept:
    return days.Kept(window=slot.window, arrival=now + timedelta(seconds=slot.arrival_s), added_cents=slot.added_cents, green=slot.green)


def _work(ask: Ask | None) -> days.Work:
    assert ask is not None  # an offer is for an order, or for work that becomes one
    return days.Work(ask=ask, parcels=ask.parcels)


def _written(
    cur: Cursor, fleet: str, depot: str, found: list[days.Kept], *, order: str | None, ask: Ask | None, now: datetime, basis: str
) -> list[Row]:
    offers: list[dict[str, Any]] = [
        {
            "depot_id": depot,
            "order_id": order,
            "ask": {} if ask is None else ask.row(),
            "day": kept.day,
            "window_start": kept.window[0].astimezone(UTC),
            "window_end": kept.window[1].astimezone(UTC),
            "arrival_at": kept.arrival,
            "added_cents": kept.added_cents,
            "green": kept.green,
            "basis": basis,
            "offered_at": now,
            "good_until": now + GOOD,
        }
        for kept in found
    ]
    return [
        {"offer_id": name, "state": "offered", "held_until": None, **one}
        for name, one in zip(store.add(cur, fleet, offers), offers, strict=True)
    ]


def hold(cur: Cursor, depots: Depots, found: Row, now: datetime) -> Row:
    """Hold a window for its customer. Holding again while it is held changes nothing.

    Raises
    ------
    Refused
        It was too long ago, it is settled, or somebody else was faster.
    """
    store.take_turn(cur, found["depot_id"])
    found = _again(cur, found)
    if found["state"] == "held" and found["held_until"] > now:
        return found
    _still_good(found, now)
    if not _fits(cur, depots, found, now, margin_s=MARGIN_S):
        raise Refused("window-gone", "this window can no longer be kept")
    if found["order_id"] is not None:
        store.release_others(cur, found["order_id"], now)
    store.hold(cur, found["offer_id"], now + HOLD)
    return found | {"state": "held", "held_until": now + HOLD}


def check(cur: Cursor, depots: Depots, found: Row, now: datetime) -> Row:
    """May it be accepted now? Call before whatever acceptance means; it holds its depot's turn from here on.

    Raises
    ------
    Refused
        As with `hold`; and when the round has changed so much that not even a held window can be kept.
    """
    store.take_turn(cur, found["depot_id"])
    found = _again(cur, found)
    if found["state"] == "accepted":
        return found
    held = found["state"] == "held" and found["held_until"] > now
    if not held:
        _still_good(found, now)
    # A held window was checked with its margin; what has happened since may use that up.
    if not _fits(cur, depots, found, now, margin_s=0 if held else MARGIN_S):
        raise Refused("window-gone", "this window can no longer be kept")
    return found


def accept_for(cur: Cursor, fleet: str, found: Row, order: Row, *, actor: str, clock: Clock) -> str:
    """The order's window and promise become the offer's, and its depot is planned anew. Accepting again changes nothing.

    Gives the order that has the promise: on another day it may be a further attempt.

    Raises
    ------
    Refused
        It cannot be put off to another day any more.
    """
    now, promised = clock.now(), str(order["order_id"])
    if found["state"] == "accepted":
        stands = afterlife.standing(cur, promised) if found["day"] is not None else None
        return promised if stands is None else stands.attempt
    window = {"window_start": found["window_start"], "window_end": found["window_end"]}
    if found["day"] is not None:  # what is on board comes back tonight and goes out again
        try:
            span_of = (found["window_start"], found["window_end"])
            promised = afterlife.decide(cur, fleet, promised, "tomorrow", actor=actor, clock=clock, window=span_of).attempt
        except NotAllowed as error:
            raise Refused("closed", str(error)) from None
    else:
        promise = {"promise_start": found["window_start"], "promise_end": found["window_end"]}
        order_store.change(cur, fleet, order["order_id"], window | promise)
    store.release_others(cur, order["order_id"], now, offered=True)
    store.settle(cur, found["offer_id"], "accepted", now, order=order["order_id"])
    body = {"offer": found["offer_id"], **{end: at.isoformat() for end, at in window.items()}}
    journal(cur, fleet_id=fleet, at=now, kind="order.window_chosen", subject=order["order_id"], actor=actor, body=body)
    what = f"{order['reference'] or order['name'] or order['order_id']} chose another time"
    revision.bump(cur, order["depot_id"], what, order["priority"], clock=clock, kind="changed", subject=order["order_id"])
    return promised


def _again(cur: Cursor, found: Row) -> Row:
    """The offer as it is now that it is our turn."""
    fresh = store.find(cur, found["offer_id"])
    assert fresh is not None
    return fresh


def _still_good(found: Row, now: datetime) -> None:
    if found["state"] in ("accepted", "released"):
        raise Refused("offer-settled", f"this window is {found['state']} already")
    if max(found["good_until"], found["held_until"] or found["good_until"]) <= now:
        raise Refused("offer-expired", "this window was held for too long, or was offered too long ago")


def _fits(cur: Cursor, depots: Depots, found: Row, now: datetime, *, margin_s: int) -> bool:
    window = (found["window_start"], found["window_end"])
    if found["day"] is not None:
        order = None if found["order_id"] is None else order_store.shown(cur, order_id=found["order_id"])
        work = days.work_of(order) if order is not None else _work(Ask.of(found["ask"]))
        return days.keeps(cur, depots, found["fleet_id"], found["depot_id"], work, found["day"], window, but=found["offer_id"], now=now)
    return bool(depots.ask(cur, depots.world(found["depot_id"]), [window], but=found["offer_id"], margin_s=margin_s, **what_for(found)))


def what_for(found: Row) -> dict[str, Any]:
    """What an offer is for, as `offer` takes it."""
    return {"order": found["order_id"]} if not found["ask"] else {"ask": Ask.of(found["ask"])}
