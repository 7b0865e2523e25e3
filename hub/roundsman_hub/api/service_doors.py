"""Doors for what a fleet chose for its customers' side, how one of them is reached, and what was written to them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, cast
from zoneinfo import available_timezones

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field, StringConstraints, field_validator
from standardwebhooks import Webhook

from roundsman_hub.api.case_doors import Words, rooted
from roundsman_hub.api.desk import AtDesk, FleetReader, FleetWriter, OrdersReader, OrdersWriter
from roundsman_hub.api.fleet import Limit
from roundsman_hub.api.problems import Problem, documented
from roundsman_hub.api.proof_models import Said
from roundsman_hub.domain.care import REASONS
from roundsman_hub.domain.words import LANGUAGES
from roundsman_hub.notify.outbox import GAP, GAPS
from roundsman_hub.store import customer_store, outbox_store
from roundsman_hub.store.rows import journal

router = APIRouter(prefix="/v1", tags=["customers"], responses=documented(401, 403, 404, 409, 422, 503))
Clock = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Language = Literal["en", "de", "es", "fr"]
Told = Literal["on_the_way", "next", "changed", "unsure", "done", "failed", "case"]
Channel = Literal["email", "sms", "push", "whatsapp"]


class Returns(Said):
    days: int = Field(default=30, ge=0, le=3_650, description="so long after delivery something may go back")
    approved_at_once: list[str] = Field(
        default_factory=lambda: list(REASONS), max_length=20, description="reasons that nobody looks at first"
    )
    never: list[str] = Field(default_factory=list, max_length=100, description="barcodes that begin so stay")


class OwnText(Said):
    """A brand's own words for one kind of notice; what is empty stays the usual one."""

    subject: Words = Field(default="", description="after the brand's name")
    text: Words = Field(default="", description="with gaps `{day}` `{start}` `{end}` `{at}` `{reason}` `{case}` `{state}` `{brand}`")

    @field_validator("subject", "text")
    @classmethod
    def _gaps(cls, value: str) -> str:
        if "{" in GAP.sub("", value) or "}" in GAP.sub("", value) or not set(GAP.findall(value)) <= GAPS:
            raise ValueError(f"gaps are {', '.join(sorted(GAPS))}, each in one pair of braces")
        return value


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
    texts: dict[Language, dict[Told, OwnText]] = Field(
        default_factory=dict, description="the brand's own words, by language and kind of notice; link and foot follow them"
    )
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
            raise ValueError("every channel's address needs the gap `to`")
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


@router.get("/service")
def get_service(desk: AtDesk, caller: FleetReader) -> Service:
    """What the fleet chose for its customers' side. Secrets are shown as `…`."""
    with desk.db.tenant(caller.fleet) as cur:
        found = customer_store.settings(cur, caller.fleet)
    texts = {language: {kind: OwnText(**own) for kind, own in kinds.items()} for language, kinds in found.get("texts", {}).items()}
    own = {"returns": Returns(**found.get("returns", {})), "texts": texts}
    told = Service.model_construct(**{**Service().model_dump(), **found, **own})
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
        customer_store.change_recipient(cur, caller.fleet, rooted(cur, order)["root_id"], recipient.model_dump())
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
