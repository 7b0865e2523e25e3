"""Doors for the customers' side as the fleet sees it: cases, talk, notices, recipients, and what the fleet chose for all of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal, cast
from zoneinfo import available_timezones

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field, StringConstraints, field_validator
from standardwebhooks import Webhook

from roundsman_hub.api.desk import AtDesk, DriversWriter, FleetReader, FleetWriter, OrdersReader, OrdersWriter
from roundsman_hub.api.fleet import Limit
from roundsman_hub.api.once import OnlyOnce
from roundsman_hub.api.problems import Problem, documented, not_found
from roundsman_hub.api.proof_models import Said
from roundsman_hub.api.windows import AtDepots
from roundsman_hub.care import cases, wishes
from roundsman_hub.domain.care import REASONS, TABLE, Event, Kind, NotAllowed
from roundsman_hub.domain.words import LANGUAGES
from roundsman_hub.offers import choosing
from roundsman_hub.store import care_store, customer_store, offer_store, orders as order_store, outbox_store, talk_store
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, journal

router = APIRouter(prefix="/v1", tags=["customers"], responses=documented(401, 403, 404, 409, 422, 503))
Words = Annotated[str, StringConstraints(max_length=500, strip_whitespace=True, pattern=r"^[^\x00]*$")]
Clock = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Channel = Literal["email", "sms", "push", "whatsapp"]
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
    refund_cents: int | None = Field(default=None, ge=0, le=100_000_000)


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
    safe_place: Words | None = None
    neighbour: Words | None = None
    note: Words | None = None
    contact_free: bool | None = None


class AgreedAnswer(BaseModel):
    order: str
    window_start: datetime
    window_end: datetime
    instructions: str
    contact_free: bool
    transcript: list[Line]


class Returns(Said):
    days: int = Field(default=30, ge=0, le=3_650, description="so long after delivery something may go back")
    approved_at_once: list[str] = Field(
        default_factory=lambda: list(REASONS), max_length=20, description="reasons that nobody looks at first"
    )
    never: list[str] = Field(default_factory=list, max_length=100, description="barcodes that begin so stay")


class Service(Said):
    """What the fleet chose for its customers' side."""

    brand: Words = Field(default="", description="the name that customers read; by default the fleet's")
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = Field(
        default="EUR", description="ISO 4217: of amounts that customers read"
    )
    colour: Annotated[str, StringConstraints(pattern=r"^(#[0-9A-Fa-f]{6})?$")] = Field(default="", description="the brand's, in letters")
    logo: Annotated[str, StringConstraints(max_length=32_000, pattern=r"^(data:image/(png|jpeg);base64,[A-Za-z0-9+/]+=*)?$")] = Field(
        default="", description="the brand's, in letters: PNG or JPEG as a data address, up to 24 kB; 32 pixels high"
    )
    language: str = "en"
    public_url: Annotated[str, StringConstraints(max_length=200, pattern=r"^(https?://[^\s]+)?$")] = Field(
        default="", description="the hub's address as customers reach it"
    )
    channels: dict[Channel, Annotated[str, StringConstraints(max_length=500)]] = Field(
        default_factory=dict,
        description="an address of apprise for each channel, `{to}` where the recipient goes, e.g."
        " `mailtos://user:password@smtp.example.org:465/{to}?from=parcels@example.org`",
    )
    channels_by_default: list[Channel] = Field(default_factory=lambda: cast(list[Channel], ["email"]))
    quiet_start: Clock | None = None
    quiet_end: Clock | None = None
    webhook_url: Annotated[str, StringConstraints(max_length=500, pattern=r"^(https?://[^\s]+)?$")] = ""
    webhook_secret: Annotated[str, StringConstraints(max_length=200)] = Field(default="", description="`whsec_…` (Standard Webhooks)")
    returns: Returns = Returns()

    @field_validator("language")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in LANGUAGES:
            raise ValueError(f"one of {', '.join(LANGUAGES)}")
        return value

    @field_validator("channels")
    @classmethod
    def _gap(cls, value: dict[Channel, str]) -> dict[Channel, str]:
        if any("{to}" not in url for url in value.values()):
            raise ValueError("every channel's address needs the gap {to}")
        return value

    @field_validator("webhook_secret")
    @classmethod
    def _a_key(cls, value: str) -> str:
        if value:
            try:
                Webhook(value)
            except Exception:
                raise ValueError("a secret of Standard Webhooks: whsec_ and base64") from None
        return value


class Recipient(Said):
    """How one customer is reached, and reads."""

    email: Annotated[str, StringConstraints(max_length=200, pattern=r"^([^@\s]+@[^@\s]+)?$")] = ""
    push_url: Words = Field(default="", description="goes into the push channel's gap")
    language: str | None = None
    timezone: str | None = None
    units: Literal["km", "mi"] | None = None
    channels: list[Channel] = Field(default_factory=list, description="empty: the fleet's own choice")

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        if value is not None and value not in available_timezones():
            raise ValueError("no such time zone")
        return value


class Notice(BaseModel):
    notice: str
    order: str | None
    kind: str
    channel: str
    address: str
    subject: str
    state: Literal["waiting", "sending", "sent", "dead"]
    tries: int
    last_error: str
    written_at: datetime
    not_before: datetime
    sent_at: datetime | None


class Notices(BaseModel):
    items: list[Notice]


class Replay(Said):
    notices: list[str] = Field(min_length=1, max_length=1_000)


class Replayed(BaseModel):
    notices: list[str] = Field(description="those that were dead, and are tried again")


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
        root = None if order is None else _order(cur, order)["root_id"]
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
    return Response(
        bytes(found["data"]), media_type=found["media_type"], headers={"Cache-Control": "private", "Content-Security-Policy": "sandbox"}
    )


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
                clock=desk.clock,
                refund_cents=move.refund_cents,
            )
        except KeyError:
            raise not_found("case", case, see="/v1/cases") from None
        except NotAllowed as error:
            raise Problem(409, "no-such-step", str(error), next_step=f"GET /v1/cases/{case} says what can be done (`can`)") from None
        return case_out(done)

    return once.run(caller, work)


# ── talk ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _order(cur: Cursor, order: str) -> Row:
    found = order_store.shown(cur, order_id=order)
    if found is None:
        raise not_found("order", order, see="/v1/orders")
    return found | {"root_id": customer_store.root_of(cur, order)}


def _lines(cur: Cursor, root: str) -> list[Line]:
    return [Line(said_by=r["said_by"], text=r["text"], at=r["at"]) for r in customer_store.thread(cur, root)]


@router.get("/orders/{order}/chat")
def get_chat(order: str, desk: AtDesk, caller: OrdersReader) -> Lines:
    """What the customer, the driver and the office said to each other about an order, oldest first."""
    with desk.db.tenant(caller.fleet) as cur:
        return Lines(items=_lines(cur, _order(cur, order)["root_id"]))


@router.post("/orders/{order}/chat", status_code=201, response_model=Lines)
def post_chat(order: str, new: NewLine, desk: AtDesk, once: OnlyOnce, caller: DriversWriter) -> Response:
    """Join the talk: the customer reads it on their page, and the driver on the screen, where a van has the order."""

    def work(cur: Cursor) -> Lines:
        found, at = _order(cur, order), desk.clock.now()
        message = None
        if found["vehicle_id"] is not None and found["state"] in ("planned", "next"):
            text = f"Office to customer {found['name']}: {new.text}"[:500]
            message = talk_store.say(cur, caller.fleet, found["vehicle_id"], text=text, order=order, actor=caller.key_id, at=at)
        customer_store.say(
            cur, caller.fleet, root=found["root_id"], order=order, by="dispatch", who=caller.key_id, text=new.text, at=at, message=message
        )
        return Lines(items=_lines(cur, found["root_id"]))

    return once.run(caller, work, status=201)


@router.post("/orders/{order}/chat:agree", response_model=AgreedAnswer)
def post_agreed(order: str, agreed: Agreed, desk: AtDesk, depots: AtDepots, once: OnlyOnce, caller: OrdersWriter) -> Response:
    """Carry out what was agreed in the talk: checked against the living plan like any other choice; the journal keeps the transcript."""

    def work(cur: Cursor) -> AgreedAnswer:
        found = _order(cur, order)
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
                choosing.accept_for(cur, caller.fleet, checked, found, actor=caller.key_id, clock=desk.clock)
        except choosing.Refused as error:
            raise Problem(409, error.kind, str(error), next_step="ask for windows that can be kept with POST /v1/windows") from None
        lines = _lines(cur, found["root_id"])
        body = {"agreed": agreed.model_dump(exclude_none=True), "transcript": [line.model_dump(mode="json") for line in lines]}
        journal(cur, fleet_id=caller.fleet, at=desk.clock.now(), kind="order.agreed", subject=order, actor=caller.key_id, body=body)
        now = _order(cur, order)
        return AgreedAnswer(
            order=order, transcript=lines, **{f: now[f] for f in ("window_start", "window_end", "instructions", "contact_free")}
        )

    return once.run(caller, work)


# ── notices ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/service")
def get_service(desk: AtDesk, caller: FleetReader) -> Service:
    """What the fleet chose for its customers' side. Secrets are shown as `…`."""
    with desk.db.tenant(caller.fleet) as cur:
        found = customer_store.settings(cur, caller.fleet)
    told = Service.model_construct(**{**Service().model_dump(), **found, "returns": Returns(**found.get("returns", {}))})
    told.webhook_secret = "…" if found.get("webhook_secret") else ""
    told.channels = dict.fromkeys(told.channels, "…{to}")
    return told


@router.put("/service")
def put_service(service: Service, request: Request, desk: AtDesk, caller: FleetWriter) -> Service:
    """Choose it. Replaces what was chosen before."""
    if service.webhook_url and not service.webhook_secret:
        raise Problem(422, "secret-missing", "a webhook needs a secret to be signed with", next_step="send webhook_secret, `whsec_…`")
    chosen = service.model_dump() | {"public_url": service.public_url or str(request.base_url)}
    with desk.db.tenant(caller.fleet) as cur:
        customer_store.set_settings(cur, caller.fleet, chosen)
        body = {"channels": sorted(service.channels), "webhook": bool(service.webhook_url)}
        journal(
            cur, fleet_id=caller.fleet, at=desk.clock.now(), kind="service.chosen", subject=caller.fleet, actor=caller.key_id, body=body
        )
    return get_service(desk, caller)


@router.put("/orders/{order}/recipient")
def put_recipient(order: str, recipient: Recipient, desk: AtDesk, caller: OrdersWriter) -> Recipient:
    """How the customer of an order is reached. What they chose themselves on their page stays theirs: muted kinds, opting out, wishes."""
    with desk.db.tenant(caller.fleet) as cur:
        customer_store.change_recipient(cur, caller.fleet, _order(cur, order)["root_id"], recipient.model_dump())
    return recipient


@router.get("/notices")
def get_notices(
    desk: AtDesk,
    caller: OrdersReader,
    state: Annotated[Literal["waiting", "sending", "sent", "dead"] | None, Query()] = None,
    order: Annotated[str | None, Query()] = None,
    limit: Limit = 100,
) -> Notices:
    """What was written to customers and to the shop, newest first; `dead`: nobody tries any more until a person says so."""
    with desk.db.tenant(caller.fleet) as cur:
        found = outbox_store.page(cur, state=state, order=order, limit=limit)
    same = Notice.model_fields.keys() - {"notice", "order"}
    return Notices(items=[Notice(notice=r["notice_id"], order=r["order_id"], **{f: r[f] for f in same}) for r in found])


@router.post("/notices:replay")
def post_replay(replay: Replay, desk: AtDesk, caller: OrdersWriter) -> Replayed:
    """Try dead letters again from the beginning. One in doubt may then arrive twice: it says so in `last_error`."""
    with desk.db.tenant(caller.fleet) as cur:
        return Replayed(notices=outbox_store.replay(cur, replay.notices, desk.clock.now()))
