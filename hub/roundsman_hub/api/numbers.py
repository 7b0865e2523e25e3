"""Doors for what was measured: each van's track, and the fleet's numbers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime, BaseModel

from roundsman_hub import metrics
from roundsman_hub.api.desk import AtDesk, LiveReader, MetricsReader
from roundsman_hub.api.fleet import known_vehicle
from roundsman_hub.api.problems import Problem, documented
from roundsman_hub.export import NoTrack, export_track
from roundsman_hub.instants import BEGINNING, END

router = APIRouter(prefix="/v1", responses=documented(401, 403, 404, 422, 503))
Form = Literal["geojson", "gpx", "csv"]
MEDIA_TYPES: Final[dict[Form, str]] = {"geojson": "application/geo+json", "gpx": "application/gpx+xml", "csv": "text/csv; charset=utf-8"}
From = Annotated[AwareDatetime | None, Query(alias="from")]
To = Annotated[AwareDatetime | None, Query()]


class Metrics(BaseModel):
    """Numbers of the fleet and of each van between two instants."""

    since: datetime
    until: datetime
    fleet: dict[str, float | int | None]
    vehicles: dict[str, dict[str, float | int | None]]


@router.get("/vehicles/{vehicle}/track", tags=["live"], response_class=Response)
def get_track(
    vehicle: str,
    desk: AtDesk,
    caller: LiveReader,
    since: From = None,
    to: To = None,
    form: Annotated[Form, Query(alias="format")] = "geojson",
) -> Response:
    """The van's stored track. A gap is a gap: it is never drawn as a line."""
    with desk.db.tenant(caller.fleet) as cur:
        known_vehicle(cur, vehicle)  # the log names no fleet: whose vehicle it is, is asked here
    try:
        text = export_track(desk.db, vehicle, form, since=since or BEGINNING, until=to or END)
    except NoTrack as error:
        raise Problem(
            404, "no-track", str(error), next_step="ask for another stretch of time, or wait until the van has reported"
        ) from None
    return Response(text, media_type=MEDIA_TYPES[form])


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
