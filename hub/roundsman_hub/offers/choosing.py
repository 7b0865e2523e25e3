"""Offer, hold, accept, expire: what a customer or a shop's checkout does with windows. Each step inside its caller's transaction."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from roundsman_hub import HubError
from roundsman_hub.clock import Clock
from roundsman_hub.offers.depot import Ask, Depots, span
from roundsman_hub.offers.slots import MARGIN_S, Slot, grid
from roundsman_hub.replan import revision
from roundsman_hub.store import offer_store as store, orders as order_store
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


class Refused(HubError):
    """A clear no. Whoever asked is offered what can still be had, in a transaction of its own: this one changes nothing."""

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(why)
        self.kind = kind


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
    found = depots.ask(cur, world, windows, order=order, ask=ask)[:MOST]
    return _written(cur, fleet, depot, found, order=order, ask=ask, now=now)


def _written(cur: Cursor, fleet: str, depot: str, found: list[Slot], *, order: str | None, ask: Ask | None, now: datetime) -> list[Row]:
    offers: list[dict[str, Any]] = [
        {
            "depot_id": depot,
            "order_id": order,
            "ask": {} if ask is None else ask.row(),
            "window_start": slot.window[0],
            "window_end": slot.window[1],
            "arrival_at": now + timedelta(seconds=slot.arrival_s),
            "added_cents": slot.added_cents,
            "green": slot.green,
            "offered_at": now,
            "good_until": now + GOOD,
        }
        for slot in found
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
    if not _fits(cur, depots, found, margin_s=MARGIN_S):
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
    if not _fits(cur, depots, found, margin_s=0 if held else MARGIN_S):
        raise Refused("window-gone", "this window can no longer be kept")
    return found


def accept_for(cur: Cursor, fleet: str, found: Row, order: Row, *, actor: str, clock: Clock) -> None:
    """The order's window and promise become the offer's, and its depot is planned anew. Accepting again changes nothing."""
    if found["state"] == "accepted":
        return
    now = clock.now()
    window = {"window_start": found["window_start"], "window_end": found["window_end"]}
    order_store.change(
        cur, fleet, order["order_id"], {**window, "promise_start": found["window_start"], "promise_end": found["window_end"]}
    )
    store.release_others(cur, order["order_id"], now, offered=True)
    store.settle(cur, found["offer_id"], "accepted", now, order=order["order_id"])
    body = {"offer": found["offer_id"], **{end: at.isoformat() for end, at in window.items()}}
    journal(cur, fleet_id=fleet, at=now, kind="order.window_chosen", subject=order["order_id"], actor=actor, body=body)
    what = f"{order['reference'] or order['name'] or order['order_id']} chose another time"
    revision.bump(cur, order["depot_id"], what, order["priority"], clock=clock, kind="changed", subject=order["order_id"])


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


def _fits(cur: Cursor, depots: Depots, found: Row, *, margin_s: int) -> bool:
    window = (found["window_start"], found["window_end"])
    return bool(depots.ask(cur, depots.world(found["depot_id"]), [window], but=found["offer_id"], margin_s=margin_s, **what_for(found)))


def what_for(found: Row) -> dict[str, Any]:
    """What an offer is for, as `offer` takes it."""
    return {"order": found["order_id"]} if not found["ask"] else {"ask": Ask.of(found["ask"])}
