"""Doors for cases: returns, disputes, complaints, damage, calls and ratings, with their pictures and their next steps."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal, cast

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field, StringConstraints

from roundsman_hub.api.desk import AtDesk, OrdersReader, OrdersWriter
from roundsman_hub.api.fleet import Limit
from roundsman_hub.api.once import OnlyOnce
from roundsman_hub.api.problems import Problem, documented, not_found
from roundsman_hub.api.proof_models import Said
from roundsman_hub.api.windows import AtDepots
from roundsman_hub.care import cases
from roundsman_hub.domain.care import TABLE, Event, Kind, NotAllowed
from roundsman_hub.store import care_store, customer_store, orders as order_store
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row

router = APIRouter(prefix="/v1", tags=["customers"], responses=documented(401, 403, 404, 409, 422, 503))
Words = Annotated[str, StringConstraints(max_length=500, strip_whitespace=True, pattern=r"^[^\x00]*$")]
By = Literal["approve", "refuse", "received", "inspected", "refund", "replace", "decline", "look_into", "uphold", "reject", "resolve",
             "connected", "missed"]  # fmt: skip
PICTURE: Final = {"Cache-Control": "private", "Content-Security-Policy": "sandbox"}


class Step(BaseModel):
    event: str
    state: str
    actor: str
    note: str
    at: datetime


class Case(BaseModel):
    """Something that goes back, is missing, broken, or was complained of; tied to what the van's log says of the visit."""

    case: str
    order: str
    kind: Kind
    state: str
    can: list[str] = Field(description="events that may follow; `collected` is said by the van's log alone")
    reason: str
    text: str
    items: list[str]
    stars: int | None
    exchange: bool
    pickup: str | None = Field(description="the order that collects it")
    delivery: str | None = Field(description="the order that brings the replacement on the same visit")
    evidence: dict[str, Any] = Field(description="when and where the van stood, what was said and shown")
    refund_cents: int | None
    answer: str = Field(description="what the customer was told with the newest step that had an answer")
    opened_at: datetime
    changed_at: datetime


class CaseShown(Case):
    steps: list[Step]
    photos: list[str] = Field(description="addresses of pictures that the customer sent, with the same key")


class Cases(BaseModel):
    items: list[Case]


class Move(Said):
    """What was decided or seen."""

    note: Words = Field(default="", description="why; kept with the case, not shown to the customer")
    answer: Words = Field(default="", description="what the customer reads with it: on their page, and in what they are written")
    refund_cents: int | None = Field(default=None, ge=0, le=100_000_000)


def case_out(r: Row) -> Case:
    """A case as it goes over HTTP."""
    same = Case.model_fields.keys() - {"case", "order", "can", "pickup", "delivery"}
    return Case(
        case=r["case_id"],
        order=r["order_id"],
        can=sorted(TABLE[r["kind"]].get(r["state"], {})),
        pickup=r["pickup_id"],
        delivery=r["delivery_id"],
        **{f: r[f] for f in same},
    )


def rooted(cur: Cursor, order: str) -> Row:
    """An order of this fleet, with the root that it and what came of it share."""
    found = order_store.shown(cur, order_id=order)
    if found is None:
        raise not_found("order", order, see="/v1/orders")
    return found | {"root_id": customer_store.root_of(cur, order)}


@router.get("/cases")
def get_cases(
    desk: AtDesk,
    caller: OrdersReader,
    kind: Annotated[list[Kind] | None, Query()] = None,
    state: Annotated[list[str] | None, Query()] = None,
    order: Annotated[str | None, Query(description="of this order, and of what came of it")] = None,
    limit: Limit = 100,
) -> Cases:
    """Returns, disputes, complaints, damage, calls and ratings; the newest change first."""
    with desk.db.tenant(caller.fleet) as cur:
        root = None if order is None else rooted(cur, order)["root_id"]
        found = care_store.page(cur, kinds=kind or [], states=state or [], root=root, limit=limit)
        return Cases(items=[case_out(r) for r in found])


@router.get("/cases/{case}")
def get_case(case: str, request: Request, desk: AtDesk, caller: OrdersReader) -> CaseShown:
    """One case with its way so far and the customer's pictures."""
    with desk.db.tenant(caller.fleet) as cur:
        found = care_store.lock(cur, case)
        if found is None:
            raise not_found("case", case, see="/v1/cases")
        photos = [f"{request.base_url}v1/cases/{case}/photos/{sha256}" for sha256 in care_store.photos(cur, case)]
        return CaseShown(**case_out(found).model_dump(), steps=[Step(**r) for r in care_store.steps(cur, case)], photos=photos)


@router.get("/cases/{case}/photos/{sha256}", response_class=Response)
def get_case_photo(case: str, sha256: str, desk: AtDesk, caller: OrdersReader) -> Response:
    """A picture that a customer sent."""
    with desk.db.tenant(caller.fleet) as cur:
        found = care_store.photo(cur, case, sha256)
    if found is None:
        raise not_found("photo", sha256, see=f"/v1/cases/{case}")
    return Response(bytes(found["data"]), media_type=found["media_type"], headers=PICTURE)


@router.post("/cases/{case}/{event}", response_model=Case)
def post_case_event(case: str, event: By, move: Move, desk: AtDesk, depots: AtDepots, once: OnlyOnce, caller: OrdersWriter) -> Response:
    """Move a case on: the customer sees it, and is written to where it matters; the shop's webhook hears of refunds and replacements."""

    def work(cur: Cursor) -> Case:
        try:
            done = cases.move(
                cur,
                depots,
                caller.fleet,
                case,
                cast(Event, event),
                actor=caller.key_id,
                note=move.note,
                answer=move.answer,
                clock=desk.clock,
                refund_cents=move.refund_cents,
            )
        except KeyError:
            raise not_found("case", case, see="/v1/cases") from None
        except NotAllowed as error:
            raise Problem(409, "no-such-step", str(error), next_step=f"GET /v1/cases/{case} says what can be done (`can`)") from None
        return case_out(done)

    return once.run(caller, work)
