"""Opens cases and moves them on, by the table of `domain/care.py`. Each call is a step inside its caller's transaction."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from psycopg.types.json import Jsonb

from roundsman_core.geo import LatLon
from roundsman_hub.care.wishes import drivers_words
from roundsman_hub.clock import Clock
from roundsman_hub.domain.care import BEGINS, BY_FACT, TOLD, Event, Kind, NotAllowed, ReturnRules, opened, step, why_not
from roundsman_hub.notify import outbox
from roundsman_hub.offers import choosing
from roundsman_hub.offers.depot import Ask, Depots
from roundsman_hub.replan import revision
from roundsman_hub.store import care_store as store, customer_store, offer_store, orders as order_store
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, journal

BY: Final = "customer"
AHEAD: Final = timedelta(days=14)
"""A collection that no day has room for waits so long for its round."""
SERVICE_S: Final = 240
"""A collection takes a little longer than a delivery: the code, and looking at what is handed over."""


def rules_of(settings: Mapping[str, Any]) -> ReturnRules:
    """The fleet's rules for returns."""
    chosen = settings.get("returns", {})
    plain = ReturnRules()
    return ReturnRules(
        days=chosen.get("days", plain.days),
        approved_at_once=tuple(chosen.get("approved_at_once", plain.approved_at_once)),
        never=tuple(chosen.get("never", plain.never)),
    )


def open_case(
    cur: Cursor, fleet: str, order: Row, kind: Kind, *, at: datetime, reason: str = "", text: str = "", stars: int | None = None
) -> str:
    """A dispute, a complaint, damage, a call or a rating, tied to what the van's log says of the visit.

    Raises
    ------
    NotAllowed
        One of this kind is under way already.
    """
    if kind != "rating" and opened(kind, [(r["kind"], r["state"]) for r in store.of_order(cur, order["root_id"])]):
        raise NotAllowed(f"a {kind} is under way already")
    values = {
        "root_id": order["root_id"],
        "order_id": order["order_id"],
        "kind": kind,
        "state": BEGINS[kind],
        "reason": reason,
        "text": text,
        "stars": stars,
        "evidence": store.evidence(cur, order["order_id"]),
    }
    case = store.add(cur, fleet, values, actor=BY, at=at)
    journal(cur, fleet_id=fleet, at=at, kind=f"case.{kind}", subject=order["order_id"], actor=BY, body={"case": case, "reason": reason})
    outbox.tell_shop(cur, fleet, f"{kind}.{BEGINS[kind]}", case=case, order=order, at=at)
    return case


def ask_return(
    cur: Cursor,
    depots: Depots,
    fleet: str,
    order: Row,
    *,
    items: Sequence[str],
    reason: str,
    exchange: bool,
    text: str,
    settings: Mapping[str, Any],
    clock: Clock,
) -> str | None:
    """Ask for a collection of items. Gives the word that says why not, or None: the case is open, and approved where rules allow.

    Raises
    ------
    NotAllowed
        A return of this order is under way already.
    """
    now, rules = clock.now(), rules_of(settings)
    had = [item["parcel"] for item in order["items"]]
    why = why_not(rules, kind=order["kind"], state=order["state"], done_at=order["done_at"], now=now, wanted=items or had or ["*"], had=had)
    if why is not None:
        return why
    if opened("return", [(r["kind"], r["state"]) for r in store.of_order(cur, order["root_id"])]):
        raise NotAllowed("a return is under way already")
    values = {
        "root_id": order["root_id"],
        "order_id": order["order_id"],
        "kind": "return",
        "state": BEGINS["return"],
        "reason": reason,
        "text": text,
        "items": list(items or had),
        "exchange": exchange,
        "code": f"{secrets.randbelow(1_000_000):06d}",
        "evidence": store.evidence(cur, order["order_id"]),
    }
    case = store.add(cur, fleet, values, actor=BY, at=now)
    journal(cur, fleet_id=fleet, at=now, kind="case.return", subject=order["order_id"], actor=BY, body={"case": case, "reason": reason})
    outbox.tell_shop(cur, fleet, "return.requested", case=case, order=order, at=now)
    if reason in rules.approved_at_once:
        move(cur, depots, fleet, case, "approve", actor="rules", note="", clock=clock)
    return None


def move(
    cur: Cursor,
    depots: Depots | None,
    fleet: str,
    case: str,
    event: Event,
    *,
    actor: str,
    note: str,
    clock: Clock,
    answer: str = "",
    refund_cents: int | None = None,
) -> Row:
    """Move a case on. An approved return becomes a pickup in the round; an exchange, one visit with both.

    Parameters
    ----------
    note, answer : str
        Why: kept with the step; and for the customer, on their page and in what they are written.

    Raises
    ------
    NotAllowed
        The table has no such step, or nobody may say it by hand.
    KeyError
        No such case.
    """
    found = store.lock(cur, case)
    if found is None:
        raise KeyError(case)
    state = step(found["kind"], found["state"], event)
    if event in BY_FACT and actor != "log":
        raise NotAllowed(f"{event} is what the van's log says")
    now = clock.now()
    changes: dict[str, Any] = {}
    order = order_store.shown(cur, order_id=found["order_id"])
    assert order is not None
    if event == "approve" and depots is not None:
        changes = _collection(cur, depots, fleet, found, order, clock)
    if event == "withdraw" and found["pickup_id"] is not None:
        _call_off(cur, fleet, found, clock)
    if answer:
        changes["answer"] = answer
    if refund_cents is not None:
        changes["refund_cents"] = refund_cents
    store.advance(cur, found, event=event, state=state, actor=actor, note=note, at=now, changes=changes)
    body = {"case": case, "event": event, "state": state}
    journal(cur, fleet_id=fleet, at=now, kind="case.moved", subject=found["order_id"], actor=actor, body=body)
    if state in TOLD:
        outbox.tell_shop(
            cur, fleet, f"{found['kind']}.{state}", case=case, order=order, at=now, refund_cents=refund_cents, answer=answer or None
        )
        outbox.tell_case(cur, fleet, found, state, at=now, answer=answer)
    return found | changes | {"state": state, "changed_at": now}


def follow(cur: Cursor, fleet: str, clock: Clock) -> int:
    """What vans' logs say of collections moves their returns on. Gives how many."""
    moved = 0
    for found in store.collections_ended(cur):
        event: Event = "collected" if found["pickup_state"] == "delivered" else "not_collected"
        move(cur, None, fleet, found["case_id"], event, actor="log", note="", clock=clock)
        moved += 1
    return moved


def _collection(cur: Cursor, depots: Depots, fleet: str, case: Row, order: Row, clock: Clock) -> dict[str, Any]:
    """The collection of a return, in the best window that can be kept: today's, or the next days' where today is full. An exchange is one
    order, so one stop and one visit: a delivery that is done once the replacement is there and the return is in the van."""
    now, parcels = clock.now(), max(1, len(case["items"]))
    kind: Literal["delivery", "pickup"] = "delivery" if case["exchange"] else "pickup"
    ask = Ask(at=LatLon.from_e6(order["lat_e6"], order["lon_e6"]), kind=kind, service_s=SERVICE_S, parcels=parcels)
    depot = order["depot_id"]
    offer_store.take_turn(cur, depot)  # what is promised here, nobody else is promised meanwhile
    found = choosing.offer(cur, depots, fleet, depot, ask=ask, now=now) or choosing.offer_later(cur, depots, fleet, depot, ask=ask, now=now)
    window = (found[0]["window_start"], found[0]["window_end"]) if found else (now, now + AHEAD)
    known = {item["parcel"]: item for item in order["items"]}
    items = [known.get(parcel, {"parcel": parcel, "name": ""}) for parcel in case["items"]]
    words = drivers_words(cur, fleet)
    names = ", ".join(item["name"] or item["parcel"] for item in items) or words("van_goods")
    what = {
        "reference": f"{order['reference'] or order['order_id']} return {case['case_id']}",
        "instructions": words("van_return"),
        "items": Jsonb(items),
    }
    if case["exchange"]:
        what = {
            "reference": f"{order['reference'] or order['order_id']} exchange {case['case_id']}",
            "instructions": words("van_exchange", n=parcels, goods=names)[:500],
            "items": Jsonb([]),  # the replacement's own parcels have other numbers, which the shop knows
        }
    made = order_store.add(
        cur,
        fleet,
        {
            **{c: order[c] for c in ("depot_id", "name", "phone", "address", "lat_e6", "lon_e6", "placed")},
            **what,
            "kind": kind,
            "window_start": window[0],
            "window_end": window[1],
            "promise_start": window[0] if found else None,
            "promise_end": window[1] if found else None,
            "service_s": SERVICE_S,
            "parcels": parcels,
            "created_at": now,
            "proof": Jsonb(["code"]),
            "delivery_code": case["code"],
        },
    )
    revision.bump(cur, order["depot_id"], "a return was approved", clock=clock, kind="ordered", subject=made)
    recipient = customer_store.recipient(cur, case["root_id"])
    kept = {c: recipient[c] for c in ("email", "push_url", "language", "timezone", "units", "channels", "muted", "opted_out_at")}
    customer_store.change_recipient(cur, fleet, made, kept)
    return {"pickup_id": made, **({"delivery_id": made} if case["exchange"] else {})}


def _call_off(cur: Cursor, fleet: str, case: Row, clock: Clock) -> None:
    for order in filter(None, {case["pickup_id"], case["delivery_id"]}):
        order_store.lock(cur, order)
        shown = order_store.shown(cur, order_id=order)
        if shown is not None and shown["state"] in ("arrived", "delivered"):
            raise NotAllowed("the driver is at the door, or has it already")
        if shown is not None and shown["state"] != "cancelled":
            order_store.change(cur, fleet, order, {"cancelled_at": clock.now()})
            revision.bump(cur, shown["depot_id"], "a return was withdrawn", clock=clock, kind="cancelled", subject=order)
