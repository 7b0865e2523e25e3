"""Doors for what was measured: the fleet's numbers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel

from roundsman_hub import metrics
from roundsman_hub.api.desk import AtDesk, MetricsReader
from roundsman_hub.api.problems import documented

router = APIRouter(prefix="/v1", responses=documented(401, 403, 404, 422, 503))
From = Annotated[AwareDatetime | None, Query(alias="from")]
To = Annotated[AwareDatetime | None, Query()]


class Metrics(BaseModel):
    """Numbers of the fleet and of each van between two instants."""

    since: datetime
    until: datetime
    fleet: dict[str, bool | float | int | None]
    vehicles: dict[str, dict[str, bool | float | int | None]]


@router.get("/metrics", tags=["metrics"])
def get_metrics(desk: AtDesk, caller: MetricsReader, since: From = None, to: To = None) -> Metrics:
    """On-time share, planned and driven distance and time, stops a day: of today in the fleet's own time, unless told otherwise."""
    with desk.db.transaction() as cur:  # reads tracks, which name no fleet: the query asks for this fleet's vehicles alone
        day = metrics.day_of(cur, caller.fleet, desk.clock.now())
        start, end = since or day[0], to or day[1]
        fleet, vehicles = metrics.numbers(cur, caller.fleet, start, end)
    return Metrics(
        since=start,
        until=end,
        fleet=metrics.as_dict(fleet),
        vehicles={vehicle: metrics.as_dict(told) for vehicle, told in vehicles.items()},
    )
