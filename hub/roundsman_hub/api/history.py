"""Doors for what happened: visits, stops outside the plan, an order's story, alerts, and what late logs corrected."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field

from roundsman_hub.api.cursors import CursorText, cursor_of, read_cursor
from roundsman_hub.api.desk import AtDesk, LiveReader
from roundsman_hub.api.fleet import Limit, known_vehicle
from roundsman_hub.api.problems import Problem, documented, not_found
from roundsman_hub.api.saying import Sentence, said_of
from roundsman_hub.derive.alerts import KINDS, Kind
from roundsman_hub.instants import BEGINNING, END
from roundsman_hub.store import orders as order_store, question_store, story_store
from roundsman_hub.store.rows import Row

router = APIRouter(prefix="/v1", tags=["record"], responses=documented(401, 403, 404, 422, 503))
From = Annotated[AwareDatetime | None, Query(alias="from")]
To = Annotated[AwareDatetime | None, Query()]
OfVehicle = Annotated[str | None, Query(description="only this vehicle")]


class Visited(BaseModel):
    """A van stood somewhere. An instant that is None is not known, or not yet. `meant_order`: where it was at no stop of its plan, the
    order nearby that it may have been meant for (a neighbour's door, a wrong address), as the van judged."""

    vehicle: str
    vehicle_name: str
    order: str | None
    meant_order: str | None = None
    arrived_at: datetime | None
    left_at: datetime | None
    lat_deg: float
    lon_deg: float
    confidence: float


class Visits(BaseModel):
    """Oldest first."""

    items: list[Visited]
    next_cursor: str | None


class Told(BaseModel):
    """One line of a story. `at` is when it happened; for `corrected.…`, when the hub came to know."""

    at: datetime
    kind: str
    vehicle: str | None
    body: dict[str, Any]
    said: list[Sentence] = Field(description="its `reason` by code, for GET /v1/sentences")


class Story(BaseModel):
    """Everything that was decided about an order, and that happened to it."""

    order: str
    state: str
    items: list[Told]


class Alert(BaseModel):
    """Something to look at, as the log has it by now. `to_at` None: it lasts. `raised_at`: when the hub first knew."""

    alert: str
    kind: str
    what: str
    vehicle: str
    order: str | None
    fence: str | None
    from_at: datetime
    to_at: datetime | None
    raised_at: datetime
    detail: dict[str, Any]


class Alerts(BaseModel):
    """Oldest first. An alert that a late log refuted is not here, but among the corrections."""

    items: list[Alert]
    next_cursor: str | None


class Corrected(BaseModel):
    """Something that was shown and no longer holds. `was` None: it was not known in time. `now` None: it is taken back."""

    at: datetime
    noun: str
    subject: str
    vehicle: str
    order: str | None
    event_at: datetime | None
    was: dict[str, Any] | None
    now: dict[str, Any] | None
    cause: str


class Corrections(BaseModel):
    """In the order in which the hub came to know."""

    items: list[Corrected]
    next_cursor: str | None


@router.get("/visits")
def get_visits(
    desk: AtDesk,
    caller: LiveReader,
    order: Annotated[str | None, Query(description="of this order")] = None,
    address: Annotated[str | None, Query(min_length=3, description="at this address, of whatever order")] = None,
    cursor: CursorText = "",
    limit: Limit = 100,
) -> Visits:
    """All visits of an order, or of an address: also those that were no stop of a plan."""
    if (order is None) == (address is None):
        raise Problem(422, "one-of-two", "say either `order` or `address`", next_step="send one of them")
    after = read_cursor(cursor, question_store.FIRST_PAGE)
    with desk.db.tenant(caller.fleet) as cur:
        if order is not None:
            if order_store.shown(cur, order_id=order) is None:
                raise not_found("order", order, see="/v1/orders")
            found = question_store.visits_of_orders(cur, [order], after, limit)
        else:
            found = question_store.visits_at_address(cur, caller.fleet, address or "", after, limit)
    return _page(found, limit)


@router.get("/stops-outside-plan")
def get_stops_outside_plan(
    desk: AtDesk,
    caller: LiveReader,
    longer_s: Annotated[float, Query(ge=0, description="standing for at least this long")] = 900,
    since: From = None,
    to: To = None,
    vehicle: OfVehicle = None,
    cursor: CursorText = "",
    limit: Limit = 100,
) -> Visits:
    """Standstills that belong to no stop of a plan."""
    after = read_cursor(cursor, question_store.FIRST_PAGE)
    with desk.db.tenant(caller.fleet) as cur:
        if vehicle is not None:
            known_vehicle(cur, vehicle)
        found = question_store.outside_plan(
            cur,
            caller.fleet,
            longer_s=longer_s,
            since=since or BEGINNING,
            until=to or END,
            now=desk.clock.now(),
            vehicle=vehicle,
            after=after,
            limit=limit,
        )
    return _page(found, limit)


@router.get("/orders/{order}/story")
def get_story(order: str, desk: AtDesk, caller: LiveReader) -> Story:
    """The order's story in event time: what people decided, what plans said, what vans did, and what was corrected since, and why."""
    with desk.db.tenant(caller.fleet) as cur:
        shown = order_store.shown(cur, order_id=order)
        if shown is None:
            raise not_found("order", order, see="/v1/orders")
        found = story_store.story(cur, order)
    return Story(
        order=order,
        state=shown["state"],
        items=[
            Told(at=r["at"], kind=r["kind"], vehicle=r["vehicle_id"], body=r["body"], said=said_of(r["body"].get("reason"))) for r in found
        ],
    )


@router.get("/alerts")
def get_alerts(
    desk: AtDesk,
    caller: LiveReader,
    since: From = None,
    to: To = None,
    vehicle: OfVehicle = None,
    kind: Annotated[list[Kind] | None, Query(description="only these kinds; may be repeated")] = None,
    cursor: CursorText = "",
    limit: Limit = 100,
) -> Alerts:
    """What somebody should look at, in event time, as the vans' logs have it by now."""
    after = read_cursor(cursor, (question_store.FIRST_PAGE[0], ""))
    with desk.db.tenant(caller.fleet) as cur:
        found = story_store.alerts(
            cur,
            caller.fleet,
            since=since or BEGINNING,
            until=to or END,
            vehicle=vehicle,
            kinds=list(kind or []),
            after=after,
            limit=limit,
        )
    items = [
        Alert(
            vehicle=r["vehicle_id"],
            order=r["order_id"],
            fence=r["fence_id"],
            what=KINDS[r["kind"]],
            **{name: r[name] for name in ("alert", "kind", "from_at", "to_at", "raised_at", "detail")},
        )
        for r in found
    ]
    return Alerts(items=items, next_cursor=cursor_of(found[-1]["from_at"], found[-1]["alert"]) if len(found) == limit else None)


@router.get("/corrections")
def get_corrections(
    desk: AtDesk,
    caller: LiveReader,
    since: From = None,
    to: To = None,
    vehicle: OfVehicle = None,
    cursor: CursorText = "",
    limit: Limit = 100,
) -> Corrections:
    """What was shown and turned out otherwise, with what it was, what it is, and why: mostly logs that arrived late."""
    (after,) = read_cursor(cursor, (0,))
    with desk.db.tenant(caller.fleet) as cur:
        found = story_store.corrections(
            cur, caller.fleet, since=since or BEGINNING, until=to or END, vehicle=vehicle, after=after, limit=limit
        )
    items = [
        Corrected(
            vehicle=r["vehicle_id"],
            order=r["order_id"],
            **{name: r[name] for name in ("at", "noun", "subject", "event_at", "was", "now", "cause")},
        )
        for r in found
    ]
    return Corrections(items=items, next_cursor=cursor_of(found[-1]["correction"]) if len(found) == limit else None)


def _page(found: list[Row], limit: int) -> Visits:
    last = found[-1] if len(found) == limit else None
    return Visits(
        items=[
            Visited(
                vehicle=r["vehicle_id"],
                order=r["order_id"],
                meant_order=r.get("meant_order_id"),
                lat_deg=r["lat_e6"] / 1e6,
                lon_deg=r["lon_e6"] / 1e6,
                **{name: r[name] for name in ("vehicle_name", "arrived_at", "left_at", "confidence")},
            )
            for r in found
        ],
        next_cursor=None if last is None else cursor_of(last["arrived_at"] or BEGINNING, last["session_no"], last["visit"]),
    )
