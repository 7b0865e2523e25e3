"""The customer's page: behind an unguessable link, readable without a script, and silent about everyone else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from pydantic import BaseModel, Field

from roundsman_core.geo import LatLon, distance_m
from roundsman_hub import afterlife
from roundsman_hub.api import customer_page as pages
from roundsman_hub.api.customer_shown import Shown
from roundsman_hub.api.desk import AtDesk, Desk
from roundsman_hub.api.pages import built
from roundsman_hub.api.problems import Problem, documented
from roundsman_hub.api.proofs import ENDINGS, HEADERS
from roundsman_hub.clock import Clock
from roundsman_hub.domain.care import ended
from roundsman_hub.domain.customers import SOON, CustomerView, Stage, view
from roundsman_hub.domain.words import Words, preferred, units_for
from roundsman_hub.store import care_store, customer_store as store, fleet as fleet_store, orders as order_store
from roundsman_hub.store.db import Cursor, Database, DatabaseAway
from roundsman_hub.store.rows import Row, row

router = APIRouter(prefix="/t", tags=["customer"])
PRIVATE: Final = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow"}
EXPIRES: Final = timedelta(days=90)
"""So long after its end an order's link still opens: returns and complaints are over by then."""
WINDOW: Final = re.compile(r"\b([0-9]{8})-([0-9]{8})\b")
DAY: Final = re.compile(r"20[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|20[0-9]{2}-(?:0[13-9]|1[0-2])-(?:29|30)")
TALKS: Final = ("taken", "planned", "next", "here")
TALKED_OF: Final = ("return", "dispute", "damage", "complaint")
"""Cases about which there may be more to say, also when the visit is long over: to the office alone."""

Lang = Annotated[str, Query(max_length=5)]
Zone = Annotated[str, Query(max_length=64, description="the reader's own time zone (IANA)")]


class Point(BaseModel):
    lat_deg: float
    lon_deg: float


class CustomerState(BaseModel):
    """What the customer's page shows. The van's place is there only while it is their turn, to the nearest 100 m."""

    stage: Stage
    headline: str
    detail: str
    updated: str = Field(description="when this was read, in the reader's time")
    window_start: datetime
    window_end: datetime
    eta: datetime | None
    eta_low: datetime | None
    eta_high: datetime | None
    eta_basis: str | None = Field(description="who knows the roads for it (osrm, great_circle), and whether the interval is calibrated")
    expected_start: datetime | None = Field(description="the window, narrowed to what the arrival time says")
    expected_end: datetime | None
    stops_before: int | None = Field(description="stops that the van still makes before this one")
    late: str | None = Field(description="why it is later than promised, in words; null: it is not")
    place: Point | None
    van: Point | None
    van_heading_deg: float | None


class LinkUnknown(Problem):
    """The link is not one of ours; nothing says which."""

    def __init__(self) -> None:
        super().__init__(
            404, "unknown-link", "this link does not lead to an order", next_step="use the whole link from your message, or ask the shop"
        )


class LinkExpired(Problem):
    """The order ended a long time ago."""

    def __init__(self) -> None:
        super().__init__(410, "link-expired", "the order behind this link ended a long time ago", next_step="ask the shop")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One customer's order as it was read, and how they read."""

    fleet: str
    name: str
    settings: dict[str, Any]
    order: Row
    recipient: Row
    seen: CustomerView
    words: Words
    now: datetime
    base: str
    place_zone: ZoneInfo
    """The fleet's: its days are meant where a day is chosen, wherever the reader is."""

    @property
    def query(self) -> str:
        """What keeps language and time zone from page to page."""
        return f"lang={self.words.language}&tz={self.words.zone.key}"


def fleet_of(desk: Desk, token: str) -> str:
    """Whose link it is.

    Raises
    ------
    LinkUnknown
        Nobody's.
    """
    with desk.db.transaction() as cur:
        fleet = store.owner(cur, token)
    if fleet is None:
        raise LinkUnknown
    return fleet


def whose(db: Database, clock: Clock) -> Callable[[str], tuple[str, str | None, bool] | None]:
    """For the doorbell: what a page waits for, by its link."""

    def find(token: str) -> tuple[str, str | None, bool] | None:
        with db.transaction() as cur:
            found = store.waits_for(cur, token)
        if found is None:
            return None
        near = found["eta"] is not None and found["eta"] - clock.now() <= 2 * SOON
        return found["order_id"], found["vehicle_id"], near

    return find


def read(cur: Cursor, desk: Desk, request: Request, fleet: str, token: str, *, lang: str = "", tz: str = "") -> Reading:
    """What is behind a link, in its reader's language, time zone and units. Inside the fleet's own transaction.

    Raises
    ------
    LinkUnknown, LinkExpired
        There is nothing to read.
    """
    now = desk.clock.now()
    owner = fleet_store.fleet(cur, fleet)
    order = store.seen(cur, token, now)
    if order is None:
        raise LinkUnknown
    ended = order["done_at"] or order["cancelled_at"]
    if ended is not None and now - ended > EXPIRES:
        raise LinkExpired
    van = row(cur, "SELECT * FROM vehicle_now WHERE vehicle_id = %s", (order["vehicle_id"],))
    recipient = store.recipient(cur, order["root_id"])
    header = request.headers.get("accept-language", "")
    words = Words(
        lang or recipient["language"] or preferred(header),
        zone_of(tz, recipient["timezone"], owner["timezone"]),
        recipient["units"] or units_for(header),
    )
    settings = store.settings(cur, fleet)
    return Reading(
        fleet=fleet,
        name=str(settings.get("brand") or owner["name"]),
        settings=settings,
        order=order,
        recipient=recipient,
        seen=view(order, van, now, stops_before=order["stops_before"], reported=order["reported"]),
        words=words,
        now=now,
        base=f"/t/{token}",
        place_zone=zone_of(owner["timezone"]),
    )


def windows_of(text: str) -> Iterator[tuple[datetime, datetime]]:
    """Windows as forms and addresses have them (`customer_forms.window_text`)."""
    for start, end in WINDOW.findall(text):
        if int(start) < int(end):
            yield datetime.fromtimestamp(int(start) * 60, UTC), datetime.fromtimestamp(int(end) * 60, UTC)


def zone_of(*names: str | None) -> ZoneInfo:
    """The first that there is."""
    for name in names:
        try:
            if name:
                return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            continue
    return ZoneInfo("UTC")


def shown(
    cur: Cursor,
    reading: Reading,
    *,
    said: str = "",
    refused: str = "",
    days: str = "",
    windows: str = "",
    place: str = "",
    places: str = "",
) -> Shown:
    """Everything that the page is made from."""
    order, root = reading.order, reading.order["root_id"]
    done = reading.seen.stage in ("done", "failed")
    found = care_store.of_order(cur, root)
    links = {}
    for pickup in [case["pickup_id"] for case in found if case["pickup_id"]]:
        own = row(cur, "SELECT track_token FROM orders WHERE order_id = %s", (pickup,))
        if own is not None:
            links[pickup] = f"/t/{own['track_token']}?{reading.query}"
    handover = order_store.handover(cur, order["order_id"]) if done else None
    stands = afterlife.standing(cur, order["order_id"]) if reading.seen.stage == "failed" else None
    under_way = any(case["kind"] in TALKED_OF and not ended(case["kind"], case["state"]) for case in found)
    return Shown(
        words=reading.words,
        now=reading.now,
        place_zone=reading.place_zone,
        fleet=reading.name,
        seen=reading.seen,
        base=reading.base,
        script="/assets/track.js" if built("assets/track.js") else None,
        currency=str(reading.settings.get("currency", "EUR")),
        channels=tuple(reading.settings.get("channels", {})),
        channels_by_default=tuple(reading.settings.get("channels_by_default", ())),
        items=order["items"],
        recipient=reading.recipient,
        contact_free=order["contact_free"],
        phone=bool(order["phone"]),
        offers=store.offers(cur, order["order_id"], reading.now) if reading.seen.stage in ("taken", "planned", "next") else [],
        proofs=order_store.proofs(cur, order["order_id"]) if done else [],
        handover=None if handover is None else {"received_by": handover["received_by"], "code": handover["by_code"]},
        thread=store.thread(cur, root),
        cases=found,
        links=links,
        said=said,
        refused=refused,
        other_windows=tuple(windows_of(windows)),
        other_place=place,
        other_places=tuple(filter(None, places.split("|")))[:5],
        other_days=tuple(date.fromisoformat(day) for day in DAY.findall(days)),
        may_talk=reading.seen.stage in TALKS or under_way,
        life="" if stands is None else stands.life.state,
        open=() if stands is None else stands.open,
        stood=_stood(cur, reading) if done else {},
    )


def _stood(cur: Cursor, reading: Reading) -> dict[str, Any]:
    """Where the van stood for this visit, as a distance from the customer's own address."""
    found, place = care_store.evidence(cur, reading.order["order_id"]), reading.seen.place
    if place is None or found.get("lat_e6") is None or not found.get("arrived_at") or not found.get("left_at"):
        return {}
    times = {name: datetime.fromisoformat(found[name]) for name in ("arrived_at", "left_at")}
    return {"m": distance_m(place, LatLon.from_e6(found["lat_e6"], found["lon_e6"])), **times}


@router.get("/{token}/state", responses=documented(404, 410, 503))
def get_state(token: str, request: Request, desk: AtDesk, response: Response, lang: Lang = "", tz: Zone = "") -> CustomerState:
    """The state of the order behind a link."""
    response.headers.update(PRIVATE)
    fleet = fleet_of(desk, token)
    with desk.db.tenant(fleet) as cur:
        return state_of(read(cur, desk, request, fleet, token, lang=lang, tz=tz))


def state_of(reading: Reading) -> CustomerState:
    """The state for programs."""
    seen, w = reading.seen, reading.words
    title, detail = pages.headline(w, seen, reading.now)
    first, last = seen.expected or (None, None)
    return CustomerState(
        stage=seen.stage,
        headline=title,
        detail=detail,
        updated=w.clock(reading.now),
        window_start=seen.window_start,
        window_end=seen.window_end,
        eta=seen.eta,
        eta_low=seen.eta_low,
        eta_high=seen.eta_high,
        eta_basis=seen.basis,
        expected_start=first,
        expected_end=last,
        stops_before=seen.stops_before,
        late=None if seen.late is None else w(seen.late),
        place=None if seen.place is None else Point(lat_deg=seen.place.lat_deg, lon_deg=seen.place.lon_deg),
        van=None if seen.van is None else Point(lat_deg=seen.van.lat_deg, lon_deg=seen.van.lon_deg),
        van_heading_deg=seen.van_heading_deg,
    )


@router.get("/{token}/proof/{sha256}", response_class=FileResponse, responses=documented(404, 410, 503))
def get_proof(token: str, sha256: str, request: Request, desk: AtDesk) -> FileResponse:
    """A photo or signature of this order's own hand-over, once it is final."""
    fleet = fleet_of(desk, token)
    with desk.db.tenant(fleet) as cur:
        reading = read(cur, desk, request, fleet, token)
        own = order_store.proofs(cur, reading.order["order_id"]) if reading.seen.stage in ("done", "failed") else []
        found = next((proof for proof in own if proof["sha256"] == sha256 and proof["whole"]), None)
    folder: Path = request.app.state.blobs_dir
    path = folder / sha256[:2] / sha256
    if found is None or not path.is_file():
        raise Problem(404, "unknown-proof", "there is no such picture of this order", next_step="load the order's page again")
    ending = ENDINGS.get(found["media_type"], "bin")
    return FileResponse(
        path,
        media_type=found["media_type"],
        filename=f"proof.{ending}",
        content_disposition_type="inline",
        headers={**HEADERS, "Cache-Control": "private, max-age=3600"},
    )


_SAYS: Final = {"LinkUnknown": (404, "unknown"), "LinkExpired": (410, "expired")}


@router.get("/{token}", response_class=HTMLResponse, responses=documented(503))
def get_page(
    token: str,
    request: Request,
    desk: AtDesk,
    lang: Lang = "",
    tz: Zone = "",
    part: Annotated[str, Query(description="`live`: only the parts that change")] = "",
    said: Annotated[str, Query(max_length=20)] = "",
    no: Annotated[str, Query(max_length=40)] = "",
    days: Annotated[str, Query(max_length=60, description="other days, where the one that was asked for cannot be kept")] = "",
    windows: Annotated[str, Query(max_length=120, description="windows at `place`, where the promised one cannot be kept there")] = "",
    place: Annotated[str, Query(max_length=200)] = "",
    places: Annotated[str, Query(max_length=1_200, description="places that an address may mean, `|` between them")] = "",
) -> HTMLResponse:
    """The page behind a link."""
    try:
        fleet = fleet_of(desk, token)
        with desk.db.tenant(fleet) as cur:
            page = shown(
                cur,
                read(cur, desk, request, fleet, token, lang=lang, tz=tz),
                said=said,
                refused=no,
                days=days,
                windows=windows,
                place=place,
                places=places,
            )
    except (LinkUnknown, LinkExpired, DatabaseAway) as error:
        status, kind = _SAYS.get(type(error).__name__, (503, "away"))
        words = Words(lang or preferred(request.headers.get("accept-language", "")), ZoneInfo("UTC"))
        return HTMLResponse(pages.plain(words, kind), status, PRIVATE)
    return HTMLResponse(pages.parts(page) if part == "live" else pages.page(page), headers=PRIVATE)
