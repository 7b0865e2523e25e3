"""Doors for the talk about an order between its customer, the driver and the office; what was agreed there is carried out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, StringConstraints

from roundsman_hub.api.case_doors import Words, rooted
from roundsman_hub.api.customer_sent import meant
from roundsman_hub.api.desk import AtDesk, DriversWriter, OrdersReader, OrdersWriter
from roundsman_hub.api.once import OnlyOnce
from roundsman_hub.api.problems import Problem, documented, not_found
from roundsman_hub.api.proof_models import Said
from roundsman_hub.api.windows import AtDepots
from roundsman_hub.care import wishes
from roundsman_hub.offers import choosing
from roundsman_hub.store import customer_store, offer_store, talk_store
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import journal

router = APIRouter(prefix="/v1", tags=["customers"], responses=documented(401, 403, 404, 409, 422, 503))


class Line(BaseModel):
    said_by: Literal["customer", "driver", "dispatch"]
    text: str
    at: datetime | None


class Lines(BaseModel):
    items: list[Line]


class NewLine(Said):
    text: Annotated[str, StringConstraints(min_length=1, max_length=400, strip_whitespace=True, pattern=r"^[^\x00]*$")]


class Agreed(Said):
    """A change that was agreed while talking: carried out as if the customer had chosen it, with the talk kept beside it."""

    offer: str | None = Field(default=None, description="a window of POST /v1/windows for this order")
    address: Words | None = Field(default=None, description="another place, in the window that stands or that `offer` is")
    safe_place: Words | None = None
    neighbour: Words | None = None
    note: Words | None = None
    contact_free: bool | None = None


class AgreedAnswer(BaseModel):
    order: str
    window_start: datetime
    window_end: datetime
    instructions: str
    address: str
    contact_free: bool
    transcript: list[Line]


def _lines(cur: Cursor, root: str) -> list[Line]:
    return [Line(said_by=r["said_by"], text=r["text"], at=r["at"]) for r in customer_store.thread(cur, root)]


@router.get("/orders/{order}/chat")
def get_chat(order: str, desk: AtDesk, caller: OrdersReader) -> Lines:
    """What the customer, the driver and the office said to each other about an order, oldest first."""
    with desk.db.tenant(caller.fleet) as cur:
        return Lines(items=_lines(cur, rooted(cur, order)["root_id"]))


@router.post("/orders/{order}/chat", status_code=201, response_model=Lines)
def post_chat(order: str, new: NewLine, desk: AtDesk, once: OnlyOnce, caller: DriversWriter) -> Response:
    """Join the talk: the customer reads it on their page, and the driver on the screen, where a van has the order."""

    def work(cur: Cursor) -> Lines:
        found, at = rooted(cur, order), desk.clock.now()
        message = None
        if found["vehicle_id"] is not None and found["state"] in ("planned", "next"):
            text = wishes.drivers_words(cur, caller.fleet)("van_office", name=found["name"], text=new.text)[:500]
            message = talk_store.say(cur, caller.fleet, found["vehicle_id"], text=text, order=order, actor=caller.key_id, at=at)
        customer_store.say(
            cur, caller.fleet, root=found["root_id"], order=order, by="dispatch", who=caller.key_id, text=new.text, at=at, message=message
        )
        return Lines(items=_lines(cur, found["root_id"]))

    return once.run(caller, work, status=201)


@router.post("/orders/{order}/chat:agree", response_model=AgreedAnswer)
def post_agreed(order: str, agreed: Agreed, desk: AtDesk, depots: AtDepots, once: OnlyOnce, caller: OrdersWriter) -> Response:
    """Carry out what was agreed in the talk: checked against the living plan like any other choice; the journal keeps the transcript."""

    where = meant(desk, agreed.address or "")

    def work(cur: Cursor) -> AgreedAnswer:
        found = rooted(cur, order)
        wished = agreed.model_dump(include={"safe_place", "neighbour", "note", "contact_free"}, exclude_none=True)
        try:
            if wished:
                before = customer_store.recipient(cur, found["root_id"])
                kept = {name: before[name] for name in ("safe_place", "neighbour", "note")} | {"contact_free": found["contact_free"]}
                wishes.at_the_door(cur, caller.fleet, found, kept | wished, clock=desk.clock, actor=caller.key_id)
            if agreed.offer is not None:
                offer = offer_store.find(cur, agreed.offer, order=order)
                if offer is None:
                    raise not_found("offer", agreed.offer, see="/v1/windows", status=422)
                wishes.still_open(found)
                checked = choosing.check(cur, depots, offer, desk.clock.now())
                promised = choosing.accept_for(cur, caller.fleet, checked, found, actor=caller.key_id, clock=desk.clock)
                found = rooted(cur, promised)
            if agreed.address is not None:
                if where.at is None:
                    raise choosing.Refused("place", "the address is not known")
                wishes.elsewhere(cur, depots, caller.fleet, found, where.at, where.label, clock=desk.clock, actor=caller.key_id)
        except choosing.Refused as error:
            unknown = error.kind == "place"
            step = "write the address as GET /v1/places finds it" if unknown else "ask for windows that can be kept with POST /v1/windows"
            raise Problem(409, error.kind, str(error), next_step=step) from None
        lines = _lines(cur, found["root_id"])
        body = {"agreed": agreed.model_dump(exclude_none=True), "transcript": [line.model_dump(mode="json") for line in lines]}
        journal(cur, fleet_id=caller.fleet, at=desk.clock.now(), kind="order.agreed", subject=order, actor=caller.key_id, body=body)
        now = rooted(cur, found["order_id"])
        return AgreedAnswer(
            order=order, transcript=lines, **{f: now[f] for f in ("window_start", "window_end", "address", "instructions", "contact_free")}
        )

    return once.run(caller, work)
