"""What becomes of an order after its first attempt: read as a fold, and changed by choices and by what people at the depot saw.

The API and customers' pages call these inside their own transaction; the rules are `domain/afterlife.py`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, get_args

import msgspec
from psycopg.types.json import Jsonb

from roundsman_core.geo import LatLon
from roundsman_hub.clock import Clock
from roundsman_hub.domain.afterlife import ATTEMPTS, CARRIED_ON, Choice, Event, Happened, Life, NotAllowed, State, choices, choose, fold
from roundsman_hub.domain.terms import FleetPlanning
from roundsman_hub.replan import revision
from roundsman_hub.store import afterlife_store as store, fleet as fleet_store, orders as order_store
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, journal

CHOSEN_PRIORITY: Final = 5
"""The van may still be in the street: planned soon, but not like something urgent."""
NEEDS_WINDOW: Final[frozenset[Choice]] = frozenset({"tomorrow"})
NEEDS_PLACE: Final[frozenset[Choice]] = frozenset({"neighbour", "locker"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a neighbour or a locker is."""

    at: LatLon
    address: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An order's life, with all its attempts.

    Attributes
    ----------
    root, attempt : str
        The order as it was first placed, and the attempt that is its newest.
    open : tuple of Choice
        What can be chosen now.
    turns : list of dict
        What people decided and saw, oldest first.
    """

    root: str
    attempt: str
    depot: str
    life: Life
    most_attempts: int
    open: tuple[Choice, ...]
    attempts: tuple[str, ...]
    turns: list[Row]


def standing(cur: Cursor, order_id: str) -> Standing | None:
    """Where an order stands, told by any of its attempts; None if there is no such order."""
    family = store.family(cur, order_id)
    if not family:
        return None
    root, newest = family[0], family[-1]
    orders = [one["order_id"] for one in family]
    happened = []
    for r in store.events(cur, root["root_id"], orders):
        if r["event"] in get_args(Choice) and r["vehicle_id"] is not None:  # decided while a van had it, whether or not it was scanned
            happened.append(Happened(event="loaded", at=r["at"], order=r["order_id"], vehicle=r["vehicle_id"]))
        happened.append(Happened(event=r["event"], at=r["at"], order=r["order_id"], vehicle=r["vehicle_id"]))
    turns = store.turns(cur, root["root_id"])
    if newest["cancelled_at"] is not None and not any(turn["order_id"] == newest["order_id"] for turn in turns):
        happened.append(Happened(event="cancel", at=newest["cancelled_at"], order=newest["order_id"]))
        happened.sort(key=lambda one: one.at)
    life = fold(root["kind"], happened)
    if life.state == "open" and root["kind"] == "delivery" and (van := store.driven_by(cur, newest["order_id"])) is not None:
        life = replace(life, state="loaded", vehicle=van)
    most = _most_attempts(cur, root["order_id"])
    return Standing(
        root=root["order_id"],
        attempt=newest["order_id"],
        depot=newest["depot_id"],
        life=life,
        most_attempts=most,
        open=choices(life, most),
        attempts=tuple(orders),
        turns=turns,
    )


def decide(
    cur: Cursor,
    fleet_id: str,
    order_id: str,
    choice: Choice,
    *,
    actor: str,
    clock: Clock,
    window: tuple[datetime, datetime] | None = None,
    place: Place | None = None,
    note: str = "",
) -> Standing:
    """Carry out a choice of a dispatcher or a customer: a further attempt, another place, or the way back.

    Parameters
    ----------
    actor : str
        The API key, or "customer": told in the journal.
    window : (datetime, datetime), optional
        When the next attempt may begin. "tomorrow" needs one; "today" has the rest of the order's day without it.
    place : Place, optional
        "neighbour" and "locker" need one.

    Raises
    ------
    NotAllowed
        Not now, not again, or something is missing; the text says what.
    KeyError
        No such order.
    """
    order_store.lock(cur, order_id)
    now = standing(cur, order_id)
    if now is None:
        raise KeyError(order_id)
    order_store.lock(cur, now.attempt)
    leads_to = choose(now.life, choice, now.most_attempts)
    if choice in NEEDS_WINDOW and window is None:
        raise NotAllowed(f"{choice} needs the window of the next attempt")
    if choice in NEEDS_PLACE and place is None:
        raise NotAllowed(f"{choice} needs a place to bring it to")
    if window is not None and not clock.now() < window[1] >= window[0]:
        raise NotAllowed("the window of the next attempt is over, or ends before it begins")
    changes = _changes(cur, now, choice, clock, window, place, note)
    following = None
    if changes and now.life.state in ("open", "loaded") and not (choice == "tomorrow" and now.life.on_board):
        store.redirect(cur, fleet_id, now.attempt, changes)
    elif changes:
        _end_attempt(cur, fleet_id, now, clock)
        following = store.add_attempt(cur, fleet_id, now.attempt, {"created_at": clock.now(), "reference": "", **changes})
    else:
        _end_attempt(cur, fleet_id, now, clock)
    body: dict[str, Any] = {"leads_to": leads_to, "note": note, "next_order": following}
    if window is not None:
        body["window"] = [at.isoformat() for at in window]
    if place is not None:
        body["address"] = place.address
    _turn(cur, fleet_id, now, choice, actor, clock, vehicle=now.life.vehicle, following=following, body=body)
    revision.bump(cur, now.depot, f"{_name(cur, now.root)}: {choice} chosen", CHOSEN_PRIORITY, clock=clock)
    after = standing(cur, now.root)
    assert after is not None
    return after


def call_off(cur: Cursor, fleet_id: str, order_id: str, *, actor: str, clock: Clock) -> None:
    """Remember which van had the goods when an order was cancelled: they come back with it, and take room until then."""
    now = standing(cur, order_id)
    if now is not None:
        store.add_turn(
            cur, fleet_id, root_id=now.root, order_id=now.attempt, event="cancel", vehicle_id=now.life.vehicle, actor=actor, at=clock.now()
        )


def unload(cur: Cursor, fleet_id: str, order_id: str, *, actor: str, clock: Clock) -> Standing:
    """Somebody took the goods out of the van at the depot.

    Raises
    ------
    NotAllowed
        They are in no van.
    KeyError
        No such order.
    """
    return _seen(cur, fleet_id, order_id, "unloaded", lambda life: life.on_board, actor, clock)


def aboard(cur: Cursor, vehicle_id: str) -> list[tuple[str, int]]:
    """What came back with a van and is still in it: orders, each with its number of parcels."""
    return [(one["order_id"], one["parcels"]) for one in store.aboard(cur, vehicle_id)]


def unload_all(cur: Cursor, fleet_id: str, vehicle_id: str, *, actor: str, clock: Clock) -> list[str]:
    """Everything that came back with a van was taken out of it; gives the orders."""
    done = []
    for order_id, _ in aboard(cur, vehicle_id):
        unload(cur, fleet_id, order_id, actor=actor, clock=clock)
        done.append(order_id)
    return done


def hand_back(cur: Cursor, fleet_id: str, order_id: str, *, actor: str, clock: Clock) -> Standing:
    """The sender has its goods again.

    Raises
    ------
    NotAllowed
        Nobody chose that they go back, or they are still in a van.
    KeyError
        No such order.
    """
    return _seen(cur, fleet_id, order_id, "handed_back", lambda life: life.state == "returning", actor, clock)


def _seen(cur: Cursor, fleet_id: str, order_id: str, event: Event, fits: Any, actor: str, clock: Clock) -> Standing:
    order_store.lock(cur, order_id)
    now = standing(cur, order_id)
    if now is None:
        raise KeyError(order_id)
    if not fits(now.life):
        raise NotAllowed(f"{event.replace('_', ' ')} does not fit: the order is {now.life.state}")
    _turn(cur, fleet_id, now, event, actor, clock, vehicle=now.life.vehicle, following=None, body={})
    revision.bump(cur, now.depot, f"{_name(cur, now.root)}: {event.replace('_', ' ')}", 0, clock=clock)
    after = standing(cur, now.root)
    assert after is not None
    return after


def _turn(
    cur: Cursor,
    fleet_id: str,
    now: Standing,
    event: str,
    actor: str,
    clock: Clock,
    *,
    vehicle: str | None,
    following: str | None,
    body: dict[str, Any],
) -> None:
    at = clock.now()
    store.add_turn(
        cur,
        fleet_id,
        root_id=now.root,
        order_id=now.attempt,
        event=event,
        vehicle_id=vehicle,
        actor=actor,
        at=at,
        next_order_id=following,
        body=body,
    )
    journal(
        cur, fleet_id=fleet_id, at=at, kind=f"order.{event}", subject=now.attempt, actor=actor, body={k: v for k, v in body.items() if v}
    )


def _changes(
    cur: Cursor, now: Standing, choice: Choice, clock: Clock, window: tuple[datetime, datetime] | None, place: Place | None, note: str
) -> dict[str, object]:
    """Columns of the next attempt; none where there is no further stop at anybody's door."""
    if choice not in ATTEMPTS | CARRIED_ON:
        return {}
    before = order_store.shown(cur, order_id=now.attempt)
    assert before is not None
    if window is None:
        window = clock.now(), max(before["window_end"], _home_by(cur, now, before["window_end"]))
    changes: dict[str, object] = {"window_start": window[0], "window_end": window[1], "promise_start": window[0], "promise_end": window[1]}
    if now.life.state not in ("open", "loaded") and before["needs"]:
        # Alone now: its shipment's pickup is done, and its windows were those of the first attempt.
        kept = {
            name: value
            for name, value in before["needs"].items()
            if name not in ("shipment", "max_ride_s", "more_windows", "deadline", "release", "on_board")
        }
        changes["needs"] = Jsonb(kept)
    if place is not None:
        changes |= {"lat_e6": place.at.lat_e6, "lon_e6": place.at.lon_e6, "placed": "given", "address": place.address}
        changes["name"] = f"{place.name or choice} ({before['name']})" if before["name"] else place.name or choice
    if note:
        changes["instructions"] = " · ".join(text for text in (note, before["instructions"]) if text)[:500]
    return changes


def _home_by(cur: Cursor, now: Standing, otherwise: datetime) -> datetime:
    found = fleet_store.vehicle(cur, now.life.vehicle) if now.life.vehicle else None
    return otherwise if found is None else found["shift_end"]


def _end_attempt(cur: Cursor, fleet_id: str, now: Standing, clock: Clock) -> None:
    """An attempt that has not ended by itself is called off: its goods go another way."""
    found = order_store.shown(cur, order_id=now.attempt)
    if found is not None and found["state"] not in ("delivered", "failed", "cancelled"):
        order_store.change(cur, fleet_id, now.attempt, {"cancelled_at": clock.now()})


def _most_attempts(cur: Cursor, order_id: str) -> int:
    found = cur.execute("SELECT f.planning FROM orders o JOIN fleets f USING (fleet_id) WHERE o.order_id = %s", (order_id,)).fetchone()
    return FleetPlanning().most_attempts if found is None else msgspec.convert(found["planning"], FleetPlanning).most_attempts


def _name(cur: Cursor, order_id: str) -> str:
    found = cur.execute("SELECT reference, name FROM orders WHERE order_id = %s", (order_id,)).fetchone()
    return order_id if found is None else found["reference"] or found["name"] or order_id


__all__ = ["NotAllowed", "Place", "Standing", "State", "aboard", "call_off", "decide", "hand_back", "standing", "unload", "unload_all"]
