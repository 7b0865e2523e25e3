"""What a customer may change by themselves: time, day, place, what to do at the door. Each is checked before it is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from roundsman_core.geo import LatLon
from roundsman_hub import afterlife
from roundsman_hub.clock import Clock
from roundsman_hub.domain.afterlife import NotAllowed
from roundsman_hub.domain.words import Words
from roundsman_hub.offers import days
from roundsman_hub.offers.choosing import STEP, WIDTH
from roundsman_hub.offers.days import Kept
from roundsman_hub.offers.depot import Ask, Depots, span
from roundsman_hub.offers.refused import Refused
from roundsman_hub.offers.slots import MARGIN_S, Slot, Window, grid, slots
from roundsman_hub.replan import revision
from roundsman_hub.replan.world import World
from roundsman_hub.store import customer_store, fleet as fleet_store, offer_store, orders as order_store, unit_store
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, journal

OPEN: Final = frozenset({"new", "waiting_for_place", "unassigned", "planned", "next"})
"""States in which something can still be changed."""
BY: Final = "customer"
INSTEAD: Final = 5
"""Windows at another place, in a refusal."""


def drivers_words(cur: Cursor, fleet: str) -> Words:
    """The words around what customers write, as the fleet's drivers read them: in the language of its units."""
    return Words(str(unit_store.settings_of(cur, fleet).get("language") or "en"), ZoneInfo("UTC"))


def still_open(order: Row) -> None:
    """Refuse what comes too late."""
    if order["state"] not in OPEN:
        raise Refused("closed", f"the order is {order['state']}")


def at_the_door(cur: Cursor, fleet: str, order: Row, wish: Mapping[str, Any], *, clock: Clock, actor: str = BY) -> None:
    """Safe place, neighbour, instructions, without contact: on the driver's screen with the next plan."""
    still_open(order)
    recipient = customer_store.recipient(cur, order["root_id"])
    own = recipient["shop_instructions"] if recipient["shop_instructions"] is not None else order["instructions"]
    words = {name: str(wish.get(name, "")).strip()[:200] for name in ("safe_place", "neighbour", "note")}
    customer_store.change_recipient(cur, fleet, order["root_id"], {**words, "shop_instructions": own})
    said = drivers_words(cur, fleet)
    labels = {"van_safe": "safe_place", "van_neighbour": "neighbour", "van_note": "note"}
    lines = [own, *(said(label, text=words[name]) for label, name in labels.items() if words[name])]
    changes = {"instructions": ". ".join(filter(None, lines)), "contact_free": bool(wish.get("contact_free"))}
    order_store.change(cur, fleet, order["order_id"], changes)
    _note(cur, fleet, order, "order.wished", {"what": sorted(name for name, text in words.items() if text), **_free(changes)}, clock, actor)
    revision.bump(cur, order["depot_id"], f"{_name(order)}: other instructions", clock=clock, kind="changed", subject=order["order_id"])


def elsewhere(
    cur: Cursor,
    depots: Depots,
    fleet: str,
    order: Row,
    at: LatLon,
    address: str,
    *,
    clock: Clock,
    actor: str = BY,
    window: Window | None = None,
) -> None:
    """Another place, if the promised window can be kept there and nothing gets late for it.

    Parameters
    ----------
    window : (start, end), optional
        Another promise, which goes with the place.

    Raises
    ------
    Refused
        "closed", or "reach": not in that window.
    """
    still_open(order)
    offer_store.take_turn(cur, order["depot_id"])
    wanted, now = window or _promised(order), clock.now()
    later, day = _later(cur, fleet, _promised(order), now), _later(cur, fleet, wanted, now)
    if later is not None and day is not None:
        kept = days.keeps(cur, depots, fleet, order["depot_id"], _work_at(order, at), day, wanted, now=now)
    else:
        world = depots.world(order["depot_id"])
        kept = bool(_there(cur, depots, world, order, at, [wanted], margin_s=0 if window is None else MARGIN_S))
    if not kept:
        raise Refused("reach", "not in the window that was promised")
    changes: dict[str, Any] = {"address": address, "lat_e6": at.lat_e6, "lon_e6": at.lon_e6, "placed": "geocoded"}
    if window is not None:
        changes |= {"window_start": window[0], "window_end": window[1], "promise_start": window[0], "promise_end": window[1]}
    order_store.change(cur, fleet, order["order_id"], changes)
    cur.execute("DELETE FROM geocode_queue WHERE order_id = %s", (order["order_id"],))
    _note(cur, fleet, order, "order.redirected", {"address": address}, clock, actor)
    revision.bump(cur, order["depot_id"], f"{_name(order)}: another address", clock=clock, kind="changed", subject=order["order_id"])


def windows_there(cur: Cursor, depots: Depots, fleet: str, order: Row, at: LatLon, *, clock: Clock) -> list[Window]:
    """In which windows it could be brought to another place, the soonest first: for a clear no. Of its own day, if that is to come."""
    now, depot, work = clock.now(), order["depot_id"], _work_at(order, at)
    if (day := _later(cur, fleet, _promised(order), now)) is not None:
        try:
            found_then = days.check(cur, depots, fleet, depot, work, day, now=now)
        except Refused:
            found_then = list(days.next_days(cur, depots, fleet, depot, work, now=now, but=day))
        return sorted(kept.window for kept in found_then)[:INSTEAD]
    world = depots.world(depot)
    at_work = span(world)
    if at_work is None:
        return []
    found = _there(cur, depots, world, order, at, grid(*at_work, width=WIDTH, step=STEP), margin_s=MARGIN_S)
    return sorted(slot.window for slot in found)[:INSTEAD]


def _there(cur: Cursor, depots: Depots, world: World, order: Row, at: LatLon, windows: Sequence[Window], *, margin_s: int) -> list[Slot]:
    known = world.orders.get(order["order_id"])  # not there: its place was unknown so far
    moved = _ask(order, at).as_order(order["order_id"], windows[0]) if known is None else replace(known, position=at)
    seen = replace(world, orders={**world.orders, order["order_id"]: moved})
    problem = depots.problem(seen, offer_store.held(cur, order["depot_id"], world.now, but=order["order_id"]))
    return slots(problem, order["order_id"], windows, margin_s=margin_s)


def _promised(order: Row) -> Window:
    return order["promise_start"] or order["window_start"], order["promise_end"] or order["window_end"]


def _later(cur: Cursor, fleet: str, window: Window, now: datetime) -> date | None:
    """The fleet's day that a window begins on, if it is one to come."""
    zone = ZoneInfo(fleet_store.fleet(cur, fleet)["timezone"])
    day = window[0].astimezone(zone).date()
    return day if day > now.astimezone(zone).date() else None


def _work_at(order: Row, at: LatLon) -> days.Work:
    return replace(days.work_of(order), ask=_ask(order, at))


def _ask(order: Row, at: LatLon) -> Ask:
    return Ask(at=at, kind=order["kind"], service_s=order["service_s"], parcels=order["parcels"])


def another_day(cur: Cursor, depots: Depots, fleet: str, order: Row, day: date, *, clock: Clock, actor: str = BY) -> Kept:
    """Keep it until another day, with the promise that the day has for it.

    Raises
    ------
    Refused
        "closed", or what `days.check` says.
    """
    offer_store.take_turn(cur, order["depot_id"])
    kept, *_ = days.check(cur, depots, fleet, order["depot_id"], days.work_of(order), day, now=clock.now())
    try:
        afterlife.decide(cur, fleet, order["order_id"], "tomorrow", actor=actor, clock=clock, window=kept.window)
    except NotAllowed as error:
        raise Refused("closed", str(error)) from None
    return kept


def cancel(cur: Cursor, fleet: str, order: Row, *, clock: Clock, actor: str = BY) -> None:
    """It is not wanted any more. What is on board comes back with the van."""
    still_open(order)
    try:
        afterlife.decide(cur, fleet, order["order_id"], "cancel", actor=actor, clock=clock)
    except NotAllowed as error:
        raise Refused("closed", str(error)) from None


def _free(changes: Mapping[str, Any]) -> dict[str, Any]:
    return {"contact_free": True} if changes["contact_free"] else {}


def _name(order: Row) -> str:
    return str(order["reference"] or order["name"] or order["order_id"])


def _note(cur: Cursor, fleet: str, order: Row, kind: str, body: Mapping[str, Any], clock: Clock, actor: str) -> None:
    journal(cur, fleet_id=fleet, at=clock.now(), kind=kind, subject=order["order_id"], actor=actor, body=dict(body))
