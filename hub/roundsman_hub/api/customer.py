"""The customer's page: behind an unguessable link, readable without a script, and silent about everyone else."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

from roundsman_core.geo import distance_m
from roundsman_hub.api.customer_page import render
from roundsman_hub.api.desk import AtDesk, Desk
from roundsman_hub.api.pages import built
from roundsman_hub.api.problems import Problem, documented
from roundsman_hub.domain.customers import CustomerView, Stage, view
from roundsman_hub.store import fleet as fleet_store, orders as store
from roundsman_hub.store.rows import row

router = APIRouter(prefix="/t", tags=["customer"])
PRIVATE: Final = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow"}


class Point(BaseModel):
    lat_deg: float
    lon_deg: float


class CustomerState(BaseModel):
    """What the customer's page shows. The van's place is there only while this stop is its next, to the nearest 100 m."""

    stage: Stage
    headline: str
    detail: str
    updated: str = Field(description="when this was read, in the fleet's own time")
    window_start: datetime
    window_end: datetime
    eta: datetime | None
    eta_low: datetime | None
    eta_high: datetime | None
    place: Point | None
    van: Point | None
    van_heading_deg: float | None


class LinkUnknown(Problem):
    """The link is not (or no longer) one of ours; nothing says which."""

    def __init__(self) -> None:
        super().__init__(
            404, "unknown-link", "this link does not lead to an order", next_step="use the whole link from your message, or ask the shop"
        )


@router.get("/{token}/state", responses=documented(404, 503))
def get_state(token: str, desk: AtDesk, response: Response) -> CustomerState:
    """The state of the order behind a link."""
    response.headers.update(PRIVATE)
    return _state(desk, token)[0]


@router.get("/{token}", response_class=HTMLResponse, responses=documented(503))
def get_page(token: str, desk: AtDesk) -> HTMLResponse:
    """The page behind a link."""
    try:
        state, fleet = _state(desk, token)
    except LinkUnknown as problem:
        page = render(fleet="", headline="This link does not lead to an order", detail=problem.next_step.capitalize() + ".", script=None)
        return HTMLResponse(page, 404, PRIVATE)
    page = render(
        fleet=fleet,
        headline=state.headline,
        detail=state.detail,
        updated=state.updated,
        stage=state.stage,
        script="/assets/track.js" if built("assets/track.js") else None,
    )
    return HTMLResponse(page, headers=PRIVATE)


def _state(desk: Desk, token: str) -> tuple[CustomerState, str]:
    with desk.db.transaction() as cur:
        owner = row(cur, "SELECT fleet_id FROM orders WHERE track_token = %s", (token,))
    if owner is None:
        raise LinkUnknown
    with desk.db.tenant(owner["fleet_id"]) as cur:
        fleet = fleet_store.fleet(cur, owner["fleet_id"])
        order = store.shown(cur, token=token)
        if order is None:
            raise LinkUnknown
        van = row(cur, "SELECT * FROM vehicle_now WHERE vehicle_id = %s", (order["vehicle_id"],))
    now = desk.clock.now()
    zone = _zone(fleet["timezone"])
    seen = view(order, van, now)
    headline, detail = words(seen, zone)
    state = CustomerState(
        stage=seen.stage,
        headline=headline,
        detail=detail,
        updated=_clock(now, zone),
        window_start=seen.window_start,
        window_end=seen.window_end,
        eta=seen.eta,
        eta_low=seen.eta_low,
        eta_high=seen.eta_high,
        place=None if seen.place is None else Point(lat_deg=seen.place.lat_deg, lon_deg=seen.place.lon_deg),
        van=None if seen.van is None else Point(lat_deg=seen.van.lat_deg, lon_deg=seen.van.lon_deg),
        van_heading_deg=seen.van_heading_deg,
    )
    return state, fleet["name"]


def words(seen: CustomerView, zone: ZoneInfo) -> tuple[str, str]:
    """Headline and one sentence, in the fleet's own time."""
    brings = seen.kind == "delivery"
    window = f"Planned for {_day(seen.window_start, zone)}, {_clock(seen.window_start, zone)} to {_clock(seen.window_end, zone)}."
    done = f"At {_clock(seen.done_at, zone)}." if seen.done_at else ""
    table: dict[Stage, tuple[str, str]] = {
        "taken": ("We have your order" if brings else "We have your collection", window),
        "planned": ("On its way today" if brings else "We come by today", _expected(seen, zone) or window),
        "next": ("You are next", " ".join(part for part in (_expected(seen, zone) or window, _away(seen)) if part)),
        "here": ("The van is at your door", "The driver is with you now."),
        "done": ("Delivered" if brings else "Collected", done),
        "failed": ("We could not deliver" if brings else "We could not collect", f"{seen.reason or 'No reason was given'}. {done}".strip()),
        "cancelled": ("This order was cancelled", "Nothing will come. Ask the shop if you did not expect this."),
    }
    return table[seen.stage]


def _expected(seen: CustomerView, zone: ZoneInfo) -> str:
    if seen.eta_low is None or seen.eta_high is None:
        return ""
    return f"Expected between {_clock(seen.eta_low, zone)} and {_clock(seen.eta_high, zone)}."


def _away(seen: CustomerView) -> str:
    if seen.van is None or seen.place is None:
        return ""
    away_m = distance_m(seen.van, seen.place)
    return "The van is very near." if away_m < 250 else f"The van is about {away_m / 1000:.1f} km away."


def _clock(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%H:%M}"


def _day(at: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    return f"{local:%A} {local.day} {local:%B}"


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
