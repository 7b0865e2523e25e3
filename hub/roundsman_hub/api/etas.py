"""Doors for arrival times: what is said now, what was said before, and how that turned out."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from roundsman_hub.api import models as m
from roundsman_hub.api.desk import AtDesk, MetricsReader, OrdersReader
from roundsman_hub.api.problems import documented
from roundsman_hub.eta.calibrate import COVERAGE
from roundsman_hub.store import eta_store

router = APIRouter(prefix="/v1", tags=["orders"], responses=documented(401, 403, 404, 422, 503))


class Coverage(BaseModel):
    """How arrival times told so far ahead turned out: the first word of each order in that horizon."""

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
) -> m.Etas:
    """Arrival times of the stops that are left, by van and position; of one order, with everything that was said of it before."""
    now = desk.clock.now()
    with desk.db.tenant(caller.fleet) as cur:
        found = eta_store.told(cur, order=order or stop, vehicle=vehicle)
        said = eta_store.history(cur, [r["order_id"] for r in found]) if order or stop else {}
    return m.Etas(
        items=[
            m.Eta(
                order=r["order_id"],
                vehicle=r["vehicle_id"],
                coverage=COVERAGE,
                age_s=max(0.0, (now - r["computed_at"]).total_seconds()),
                history=[m.SaidEta(said_at=w["said_at"], eta=w["eta"], low=w["low"], high=w["high"]) for w in said.get(r["order_id"], [])],
                **{f: r[f] for f in ("position", "eta", "low", "high", "basis", "computed_at")},
            )
            for r in found
        ]
    )


@router.get("/etas:coverage")
def get_coverage(
    desk: AtDesk, caller: MetricsReader, days: Annotated[int, Query(ge=1, le=366, description="how far back")] = 7
) -> list[Coverage]:
    """Whether arrival times tell the truth: the share that was kept, by how far ahead they were told."""
    with desk.db.tenant(caller.fleet) as cur:
        found = eta_store.coverage(cur, desk.clock.now() - timedelta(days=days))
    return [Coverage(**r) for r in found]
