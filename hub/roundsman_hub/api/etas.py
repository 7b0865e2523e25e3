"""Doors for arrival times: what is said now, what was said before, and how that turned out."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from roundsman_core.widths import COVERAGE
from roundsman_hub.api.desk import AtDesk, MetricsReader, OrdersReader
from roundsman_hub.api.eta_models import Eta, Etas, SaidEta
from roundsman_hub.api.problems import documented
from roundsman_hub.store import eta_store
from roundsman_hub.store.rows import Row

router = APIRouter(prefix="/v1", tags=["orders"], responses=documented(401, 403, 404, 422, 503))


class Coverage(BaseModel):
    """How arrival times told so far ahead turned out: of each order one word of that horizon, drawn by how long each stood."""

    horizon_min: int = Field(description="from so many minutes ahead, up to the next horizon")
    orders: int
    inside: float = Field(description="share of arrivals between `low` and `high`; made to be 0.8")
    error_s: float = Field(description="median of |arrival − time told|")
    width_s: float = Field(description="median width of the interval")


@router.get("/etas")
def get_etas(
    desk: AtDesk,
    caller: OrdersReader,
    order: str | None = None,
    vehicle: str | None = None,
    stop: Annotated[str | None, Query(description="the same as `order`: an order is a stop")] = None,
) -> Etas:
    """Arrival times of the stops that are left, by van and position; of one order or one van, with everything that was said before. What
    was said of an order stays when its van has come."""
    now, one = desk.clock.now(), order or stop
    with desk.db.tenant(caller.fleet) as cur:
        found = eta_store.told(cur, order=one, vehicle=vehicle)
        asked = ([one] if one else []) + ([r["order_id"] for r in found] if vehicle else [])
        said = {name: [_said(w) for w in words] for name, words in eta_store.history(cur, asked).items()}
    return Etas(
        history=said.get(one, []) if one else [],
        items=[
            Eta(
                order=r["order_id"],
                vehicle=r["vehicle_id"],
                coverage=COVERAGE,
                age_s=max(0.0, (now - r["computed_at"]).total_seconds()),
                history=said.get(r["order_id"], []),
                **{f: r[f] for f in ("position", "eta", "low", "high", "basis", "computed_at")},
            )
            for r in found
        ],
    )


def _said(word: Row) -> SaidEta:
    return SaidEta(said_at=word["said_at"], eta=word["eta"], low=word["low"], high=word["high"], basis=word["basis"])


@router.get("/etas:coverage")
def get_coverage(
    desk: AtDesk, caller: MetricsReader, days: Annotated[int, Query(ge=1, le=366, description="how far back")] = 7
) -> list[Coverage]:
    """Whether arrival times tell the truth: the share that was kept, by how far ahead they were told."""
    with desk.db.tenant(caller.fleet) as cur:
        found = eta_store.coverage(cur, desk.clock.now() - timedelta(days=days))
    return [Coverage(**r) for r in found]
