"""Doors for orders: in, changed, cancelled, asked after; and the addresses that wait for a person."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from roundsman_core.geo import LatLon
from roundsman_hub import afterlife
from roundsman_hub.api import models as m, orders_csv
from roundsman_hub.api.desk import AtDesk, Desk, OrdersReader, OrdersWriter, PlacesWriter
from roundsman_hub.api.fleet import Limit
from roundsman_hub.api.intake import accept, depot_for, known_level, refuse_outside, shifts_of, windowed
from roundsman_hub.api.keys import Caller
from roundsman_hub.api.once import OnlyOnce
from roundsman_hub.api.places import off_network_m, place_of, search
from roundsman_hub.api.problems import Problem, documented, not_found
from roundsman_hub.api.proof_models import Handover, ProofShown
from roundsman_hub.api.terms import stored
from roundsman_hub.geocode import address_key
from roundsman_hub.replan import revision
from roundsman_hub.store import orders as store
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, journal

router = APIRouter(prefix="/v1", tags=["orders"], responses=documented(401, 403, 404, 422, 503))
CANCEL_PRIORITY = 8
"""A cancelled stop may be the one being driven to: planned at once."""
PROMISE = frozenset({"promise_start", "promise_end"})


def order_out(r: Row, base_url: str) -> m.Order:
    """An order as it goes over HTTP."""
    return m.Order(
        order=r["order_id"],
        depot=r["depot_id"],
        lat_deg=None if r["lat_e6"] is None else r["lat_e6"] / 1e6,
        lon_deg=None if r["lon_e6"] is None else r["lon_e6"] / 1e6,
        vehicle=r["vehicle_id"],
        track_url=f"{base_url}t/{r['track_token']}",
        **{field: r[field] for field in _SAME},
    )


def order_shown(cur: Cursor, r: Row, base_url: str) -> m.OrderShown:
    """An order with what its driver did there."""
    done = store.handover(cur, r["order_id"])
    proofs = sorted(store.proofs(cur, r["order_id"]), key=lambda p: (p["at"] is None, p["at"], p["sha256"]))
    return m.OrderShown(
        **order_out(r, base_url).model_dump(),
        handover=None if done is None else Handover(**done),
        proofs=[
            ProofShown(
                action=p["fact"],
                state="whole" if p["whole"] else "pending",
                url=f"{base_url}v1/proofs/{p['sha256']}" if p["whole"] else None,
                **{field: p[field] for field in ("kind", "sha256", "bytes", "media_type", "at")},
            )
            for p in proofs
        ],
        risk_late_s=store.risk_late_s(cur, r["order_id"]),
    )


_SAME = tuple(m.Order.model_fields.keys() - {"order", "depot", "lat_deg", "lon_deg", "vehicle", "track_url"})


@router.post("/orders", status_code=201, response_model=m.Order, responses=documented(409))
def post_order(new: m.NewOrder, request: Request, desk: AtDesk, once: OnlyOnce, caller: OrdersWriter) -> Response:
    """Take an order. Where its address is ambiguous or unknown it is taken all the same, and waits for a person to pin it."""
    place = place_of(desk, caller, new)

    def work(cur: Cursor) -> m.Order:
        depot = depot_for(cur, new.depot)
        asked = windowed(cur, desk, caller, new)
        refuse_outside(*asked.window, shifts_of(cur, desk, depot))
        order = accept(cur, desk, caller, asked, depot, place)
        if place.at is not None:
            what = f"{new.kind} {new.reference or new.name or order} ordered"
            revision.bump(cur, depot, what, new.priority, clock=desk.clock, kind="ordered", subject=order)
        return _shown(cur, order, request)

    return once.run(caller, work, status=201)


@router.get("/orders")
def get_orders(
    request: Request,
    desk: AtDesk,
    caller: OrdersReader,
    state: Annotated[list[m.OrderState] | None, Query(description="only these states; may be repeated")] = None,
    cursor: Annotated[str, Query(description="`next_cursor` of the page before")] = "",
    limit: Limit = 100,
) -> m.Orders:
    """Orders by the start of their window."""
    with desk.db.tenant(caller.fleet) as cur:
        found = store.page(cur, states=state or [], after=_after(cursor), limit=limit)
    last = found[-1] if len(found) == limit else None
    return m.Orders(
        items=[order_out(r, str(request.base_url)) for r in found],
        next_cursor=None if last is None else _cursor(last["window_start"], last["order_id"]),
    )


@router.post("/orders:import", response_model=m.ImportReport, responses=documented(413), openapi_extra=orders_csv.OPENAPI_BODY)
def import_orders(text: orders_csv.CsvText, desk: AtDesk, once: OnlyOnce, caller: OrdersWriter) -> Response:
    """Take orders from a CSV file. Good lines are imported; every bad line is reported with its number, its field and why."""
    draft = orders_csv.read(desk, caller, text)
    return once.run(caller, lambda cur: orders_csv.write(cur, desk, caller, draft))


@router.get("/orders/{order}")
def get_order(order: str, request: Request, desk: AtDesk, caller: OrdersReader) -> m.OrderShown:
    """One order: its state, its van, its arrival time, and what its driver did there."""
    with desk.db.tenant(caller.fleet) as cur:
        found = store.shown(cur, order_id=order)
        if found is None:
            raise not_found("order", order, see="/v1/orders")
        return order_shown(cur, found, str(request.base_url))


@router.patch("/orders/{order}", responses=documented(409))
def patch_order(order: str, change: m.OrderChange, request: Request, desk: AtDesk, caller: OrdersWriter) -> m.Order:
    """Change an order that is not done yet; it is planned anew."""
    changes = {field: value for field, value in change.model_dump(exclude_unset=True).items() if value is not None}
    if change.needs is not None:
        changes["needs"] = stored(change.needs)
    with desk.db.tenant(caller.fleet) as cur:
        before = _open(cur, order)
        if change.needs is not None and change.needs.service_level is not None:
            known_level(cur, change.needs.service_level)
        after = before | changes
        if after["window_end"] < after["window_start"]:
            raise Problem(422, "window-backwards", "window_end is before window_start", next_step="send both ends of the window")
        if changes.keys() & {"window_start", "window_end"}:
            refuse_outside(after["window_start"], after["window_end"], shifts_of(cur, desk, before["depot_id"]))
        if changes.keys() & PROMISE:
            _is_promise(after["promise_start"], after["promise_end"])
        store.change(cur, caller.fleet, order, changes)
        told = change.model_dump(mode="json", exclude_unset=True)
        secret = {name: "changed" for name in told if name in ("phone", "delivery_code")}  # the journal is for ever
        _note(cur, desk, caller, "order.changed", order, {**told, **secret})
        name = before["reference"] or before["name"] or order
        what = f"{before['kind']} {name}: another promise" if changes.keys() <= PROMISE else f"{before['kind']} {name} changed"
        revision.bump(cur, before["depot_id"], what, after["priority"], clock=desk.clock, kind="changed", subject=order)
        return _shown(cur, order, request)


@router.post("/orders/{order}/cancel", response_model=m.Order, responses=documented(409))
def cancel_order(order: str, request: Request, desk: AtDesk, once: OnlyOnce, caller: OrdersWriter) -> Response:
    """Cancel an order. Goods that are already on board come back with the van."""

    def work(cur: Cursor) -> m.Order:
        before = _open(cur, order, cancelled_is_fine=True)
        if before["state"] != "cancelled":
            afterlife.call_off(cur, caller.fleet, order, actor=caller.key_id, clock=desk.clock)
            store.change(cur, caller.fleet, order, {"cancelled_at": desk.clock.now()})
            _note(cur, desk, caller, "order.cancelled", order, {})
            what = f"{before['kind']} {before['reference'] or before['name'] or order} cancelled"
            revision.bump(cur, before["depot_id"], what, CANCEL_PRIORITY, clock=desk.clock, kind="cancelled", subject=order)
        return _shown(cur, order, request)

    return once.run(caller, work)


@router.post("/orders/{order}/pin", response_model=m.Order, responses=documented(409))
def pin_order(order: str, pin: m.Pin, request: Request, desk: AtDesk, once: OnlyOnce, caller: PlacesWriter) -> Response:
    """Settle an order's place by hand. The place is remembered for its address."""
    at = LatLon(pin.lat_deg, pin.lon_deg)
    if (away_m := off_network_m(desk, at)) is not None:
        raise Problem(
            422, "off-network", f"the nearest road is {away_m / 1000:.1f} km from there", next_step="pin the place where a van can stop"
        )

    def work(cur: Cursor) -> m.Order:
        before = _open(cur, order)
        store.place(cur, caller.fleet, order, lat_e6=at.lat_e6, lon_e6=at.lon_e6, address=pin.address)
        if pin.remember and (address := pin.address or before["address"]):
            store.remember_pin(cur, caller.fleet, address_key(address), lat_e6=at.lat_e6, lon_e6=at.lon_e6)
        secret = {} if pin.address is None else {"address": "changed"}  # the journal is for ever
        _note(cur, desk, caller, "order.pinned", order, pin.model_dump(exclude_none=True) | secret)
        what = f"{before['kind']} {before['reference'] or before['name'] or order} placed"
        revision.bump(cur, before["depot_id"], what, before["priority"], clock=desk.clock, kind="ordered", subject=order)
        return _shown(cur, order, request)

    return once.run(caller, work)


@router.get("/places")
def get_places(
    address: Annotated[str, Query(min_length=2, max_length=200, description="an address, or a part of one that the fleet knows")],
    desk: AtDesk,
    caller: OrdersReader,
) -> m.PlacesFound:
    """Where an address is: among those that the fleet delivered to, and by the geocoder. Nothing is changed or kept."""
    found, reason = search(desk, caller, address.strip())
    return m.PlacesFound(items=[m.Candidate(label=label, lat_deg=at.lat_deg, lon_deg=at.lon_deg) for label, at in found], reason=reason)


@router.get("/geocode-queue")
def get_geocode_queue(desk: AtDesk, caller: OrdersReader) -> m.GeocodeQueue:
    """Orders whose address waits for a person, oldest first, with what was found."""
    with desk.db.tenant(caller.fleet) as cur:
        found = store.queue(cur)
    return m.GeocodeQueue(
        items=[
            m.Waiting(
                order=r["order_id"],
                reference=r["reference"],
                address=r["address"],
                reason=r["reason"],
                queued_at=r["queued_at"],
                candidates=[m.Candidate(label=c["label"], lat_deg=c["lat_e6"] / 1e6, lon_deg=c["lon_e6"] / 1e6) for c in r["candidates"]],
            )
            for r in found
        ]
    )


def _is_promise(start: datetime | None, end: datetime | None) -> None:
    """Refuse half a promise, and one that ends before it begins, as on creation."""
    if start is None or end is None:
        raise Problem(422, "promise-incomplete", "promise_start and promise_end come together", next_step="send both ends of the promise")
    if end < start:
        raise Problem(422, "promise-backwards", "promise_end is before promise_start", next_step="send both ends of the promise")


def _shown(cur: Cursor, order: str, request: Request) -> m.Order:
    found = store.shown(cur, order_id=order)
    if found is None:
        raise not_found("order", order, see="/v1/orders")
    return order_out(found, str(request.base_url))


def _open(cur: Cursor, order: str, *, cancelled_is_fine: bool = False) -> Row:
    """The order, locked, if something can still be decided about it."""
    store.lock(cur, order)
    found = store.shown(cur, order_id=order)
    if found is None:
        raise not_found("order", order, see="/v1/orders")
    if found["state"] in ("delivered", "failed") or (found["state"] == "cancelled" and not cancelled_is_fine):
        raise Problem(409, "order-closed", f"order {order} is {found['state']}", next_step="make a new order")
    return found


def _note(cur: Cursor, desk: Desk, caller: Caller, kind: str, order: str, body: object) -> None:
    journal(cur, fleet_id=caller.fleet, at=desk.clock.now(), kind=kind, subject=order, actor=caller.key_id, body=body)


def _cursor(at: datetime, order: str) -> str:
    return base64.urlsafe_b64encode(f"{at.isoformat()} {order}".encode()).decode().rstrip("=")


def _after(cursor: str) -> tuple[datetime, str] | None:
    if not cursor:
        return None
    try:
        at, order = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().split(" ")
        return datetime.fromisoformat(at), order
    except (ValueError, binascii.Error):
        raise Problem(422, "bad-cursor", "that cursor is not one of this list", next_step="start again without `cursor`") from None
