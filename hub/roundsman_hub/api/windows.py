"""Doors for windows: a shop's checkout asks which can be kept, holds one while its customer thinks, and accepts it."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated, Any, Final, Literal, Self

from fastapi import APIRouter, Depends, Request, Response
from pydantic import AwareDatetime, BaseModel, Field, ValidationError, model_validator

from roundsman_hub.api import models as m
from roundsman_hub.api.desk import AtDesk, Desk, OrdersWriter
from roundsman_hub.api.hand import Basis
from roundsman_hub.api.intake import accept, depot_for
from roundsman_hub.api.once import OnlyOnce
from roundsman_hub.api.orders import order_out
from roundsman_hub.api.places import place_of
from roundsman_hub.api.problems import Problem, complaint, documented, not_found
from roundsman_hub.api.proof_models import Said
from roundsman_hub.api.saying import Saying
from roundsman_hub.offers import choosing
from roundsman_hub.offers.depot import Ask, Depots
from roundsman_hub.replan import revision
from roundsman_hub.store import offer_store as store, orders as order_store
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row

router = APIRouter(prefix="/v1/windows", tags=["windows"], responses=documented(401, 403, 404, 409, 422, 503))
OPEN = ("new", "unassigned", "planned", "next")
"""States in which an order's time may still be chosen."""


class WindowsWanted(Said):
    """For an order that there is (`order`), or for one that would come (`lat_deg`, `lon_deg` or an `address`)."""

    order: str | None = None
    depot: str | None = Field(default=None, description="may be left out where the fleet has one depot")
    lat_deg: m.LatDeg | None = None
    lon_deg: m.LonDeg | None = None
    address: m.Text = ""
    kind: Literal["delivery", "pickup"] = "delivery"
    service_s: int = Field(default=180, ge=0, le=28_800)
    parcels: int = Field(default=1, gt=0, le=1_000_000)
    since: AwareDatetime | None = Field(default=None, alias="from", description="the windows lie after this; by default as soon as can be")
    until: AwareDatetime | None = Field(default=None, alias="to")
    width_min: int = Field(default=120, ge=30, le=720)
    step_min: int = Field(default=60, ge=15, le=720)

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if (self.lat_deg is None) != (self.lon_deg is None):
            raise ValueError("lat_deg and lon_deg come together")
        if self.order is None and self.lat_deg is None and not self.address:
            raise ValueError("say `order`, or give a place or an address")
        return self


class Offer(BaseModel):
    """A window that can be kept. `held`: it counts as taken until `held_until`."""

    offer: str
    window_start: datetime
    window_end: datetime
    day: date | None = Field(description="of a day to come; null: in the round as it is planned now")
    arrival: datetime | None = Field(description="when the van would be there, as planned now; null: nobody is planned for that day yet")
    added_cents: int = Field(description="what the round would cost more")
    green: bool = Field(description="the van passes by anyway")
    basis: str | None = Field(description="who gave the travel times: osrm, or great_circle (straight lines × detour); null: not kept")
    state: str
    good_until: datetime
    held_until: datetime | None


class Offers(Saying):
    """Cheapest first. Empty: nothing can be kept between `from` and `to`; `reason` says so, and `later` what can be had instead."""

    items: list[Offer]
    later: list[Offer] = Field(description="where there are no `items`: windows of the next days, held and accepted in the same way")
    reason: str | None = None
    basis: Basis


class Accept(Said):
    """For an offer of an order: nothing more. For a checkout: the order itself, whose window is the offer's."""

    order: dict[str, Any] | None = Field(default=None, description="as for POST /v1/orders, without its window")


class WindowGone(Problem):
    """No, and what can be had instead."""

    def __init__(self, refused: choosing.Refused, others: list[Row]) -> None:
        super().__init__(409, refused.kind, str(refused), next_step="hold one of `offers`, or ask again with POST /v1/windows")
        self.others = others

    def more(self) -> dict[str, Any]:
        """Its `offers`."""
        return {"offers": [offer_out(r).model_dump(mode="json") for r in self.others]}


_NONE: Final = {
    True: "no van can be there in any of these windows: take one of the days in `later`, or ask for wider windows",
    False: "no van can be there in any of these windows, nor on the next days: ask for later ones, or for wider ones",
}


def depots_of(request: Request) -> Depots:
    """The app's own."""
    depots: Depots = request.app.state.depots
    return depots


AtDepots = Annotated[Depots, Depends(depots_of)]


def offer_out(r: Row) -> Offer:
    """An offer as it goes over HTTP."""
    return Offer(offer=r["offer_id"], arrival=r["arrival_at"], **{f: r[f] for f in Offer.model_fields.keys() - {"offer", "arrival"}})


@router.post("")
def post_windows(wanted: WindowsWanted, desk: AtDesk, depots: AtDepots, caller: OrdersWriter) -> Offers:
    """Which windows can really be kept: each is tried in the living plan, with what is held for others."""
    place = None
    if wanted.order is None:
        body = wanted.model_dump(include={"lat_deg", "lon_deg", "address", "kind", "service_s", "parcels"})
        now = desk.clock.now()
        place = place_of(desk, caller, m.NewOrder(**body, window_start=now, window_end=now))
        if place.at is None:
            raise Problem(422, "place-unsettled", place.reason, next_step="send lat_deg and lon_deg, or a fuller address")
    with desk.db.tenant(caller.fleet) as cur:
        if wanted.order is not None:
            order: Row | None = order_store.shown(cur, order_id=wanted.order)
            if order is None:
                raise not_found("order", wanted.order, see="/v1/orders", status=422)
            if order["state"] not in OPEN:
                raise Problem(409, "order-closed", f"order {wanted.order} is {order['state']}", next_step="make a new order")
            depot, ask = order["depot_id"], None
        else:
            assert place is not None
            assert place.at is not None
            order = None
            depot = depot_for(cur, wanted.depot)
            ask = Ask(at=place.at, kind=wanted.kind, service_s=wanted.service_s, parcels=wanted.parcels)
        found = choosing.offer(
            cur,
            depots,
            caller.fleet,
            depot,
            order=wanted.order,
            ask=ask,
            since=wanted.since,
            until=wanted.until,
            width=timedelta(minutes=wanted.width_min),
            step=timedelta(minutes=wanted.step_min),
            now=desk.clock.now(),
        )
        later = (
            []
            if found
            else choosing.offer_later(cur, depots, caller.fleet, depot, order=order, ask=ask, since=wanted.since, now=desk.clock.now())
        )
    return Offers(
        items=[offer_out(r) for r in found],
        later=[offer_out(r) for r in later],
        reason=None if found else _NONE[bool(later)],
        basis=depots.basis(depot),
    )


@router.post("/{offer}/hold", response_model=Offer)
def hold_window(offer: str, desk: AtDesk, depots: AtDepots, once: OnlyOnce, caller: OrdersWriter) -> Response:
    """Keep a window for ten minutes. Meanwhile nobody else is offered what it takes."""

    def work(cur: Cursor) -> Offer:
        return offer_out(choosing.hold(cur, depots, _found(cur, offer), desk.clock.now()))

    with alternatives(desk, depots, caller.fleet, offer):
        return once.run(caller, work)


@router.post("/{offer}/accept", response_model=m.Order)
def accept_window(
    offer: str, accepted: Accept, request: Request, desk: AtDesk, depots: AtDepots, once: OnlyOnce, caller: OrdersWriter
) -> Response:
    """Take a window: the order's promise is the offer's from now on. A checkout sends its order with it."""

    def work(cur: Cursor) -> m.Order:
        found = choosing.check(cur, depots, _found(cur, offer), desk.clock.now())
        order = found["order_id"]
        if order is None:
            order = _ordered(cur, desk, caller, found, accepted)
        else:
            before = order_store.shown(cur, order_id=order)
            assert before is not None
            if found["state"] != "accepted" and before["state"] not in OPEN:
                raise Problem(409, "order-closed", f"order {order} is {before['state']}", next_step="make a new order")
            order = choosing.accept_for(cur, caller.fleet, found, before, actor=caller.key_id, clock=desk.clock)
        shown = order_store.shown(cur, order_id=order)
        assert shown is not None
        return order_out(shown, str(request.base_url))

    with alternatives(desk, depots, caller.fleet, offer):
        return once.run(caller, work)


@router.delete("/{offer}", status_code=204)
def release_window(offer: str, desk: AtDesk, caller: OrdersWriter) -> None:
    """The customer wants none of it: the window is free for others at once."""
    with desk.db.tenant(caller.fleet) as cur:
        found = _found(cur, offer)
        if found["state"] == "accepted":
            raise Problem(409, "offer-settled", "this window is accepted", next_step="cancel the order, or choose another window for it")
        store.settle(cur, offer, "released", desk.clock.now())


class alternatives:  # noqa: N801 - used as a word: `with alternatives(...)`
    """Turns a refusal into a problem that names what can be had instead."""

    def __init__(self, desk: Desk, depots: Depots, fleet: str, offer: str) -> None:
        self._desk, self._depots, self._fleet, self._offer = desk, depots, fleet, offer

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, choosing.Refused):
            with self._desk.db.tenant(self._fleet) as cur:
                found = store.find(cur, self._offer)
                others = [] if found is None else self._others(cur, found)
            raise WindowGone(error, others) from None

    def _others(self, cur: Cursor, found: Row) -> list[Row]:
        """Of today; where it has no room, of the next days."""
        now, depot, what = self._desk.clock.now(), found["depot_id"], choosing.what_for(found)
        if today := choosing.offer(cur, self._depots, self._fleet, depot, now=now, **what):
            return today
        if found["order_id"] is not None and not found["ask"]:
            what = {"order": order_store.shown(cur, order_id=found["order_id"])}
        return choosing.offer_later(cur, self._depots, self._fleet, depot, now=now, **what)


def _found(cur: Cursor, offer: str) -> Row:
    found = store.find(cur, offer)
    if found is None:
        raise Problem(404, "unknown-offer", f"no offer {offer!r} in this fleet", next_step="ask for windows with POST /v1/windows")
    return found


def _ordered(cur: Cursor, desk: Desk, caller: Any, found: Row, accepted: Accept) -> str:
    """A checkout's order, in the window that it accepted, at the place that it was offered for."""
    if accepted.order is None:
        raise Problem(422, "order-missing", "this offer is for no order yet", next_step="send the `order`, without its window")
    ask = found["ask"]
    window = {"window_start": found["window_start"], "window_end": found["window_end"]}
    place = {"lat_deg": ask["lat_e6"] / 1e6, "lon_deg": ask["lon_e6"] / 1e6}
    asked = {"kind": ask["kind"], "service_s": ask["service_s"], "parcels": ask["parcels"]}
    try:
        new = m.NewOrder.model_validate(accepted.order | asked | place | window)
    except ValidationError as error:
        raise Problem(
            422, "invalid-request", f"order: {complaint(error.errors()[0])}", next_step="correct the order; see POST /v1/orders"
        ) from None
    order = accept(cur, desk, caller, new, found["depot_id"], place_of(desk, caller, new))
    store.settle(cur, found["offer_id"], "accepted", desk.clock.now(), order=order)
    what = f"{new.kind} {new.reference or new.name or order} ordered"
    revision.bump(cur, found["depot_id"], what, new.priority, clock=desk.clock, kind="ordered", subject=order)
    return order
