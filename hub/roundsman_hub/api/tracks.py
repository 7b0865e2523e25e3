"""Doors for where vans were: a track, who was near a place, a day played back, and who is nearest now."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel

from roundsman_core.geo import LatLon, distance_m
from roundsman_hub.api.cursors import CursorText, cursor_of, read_cursor
from roundsman_hub.api.desk import AtDesk, Desk, LiveReader
from roundsman_hub.api.fleet import Limit, known_vehicle
from roundsman_hub.api.problems import Problem, documented
from roundsman_hub.export import NoTrack, stream_track
from roundsman_hub.instants import BEGINNING, END, written
from roundsman_hub.roads import GreatCircle
from roundsman_hub.roads.network import Matrix, RoadsError
from roundsman_hub.simplify import MAX_ZOOM
from roundsman_hub.store import matched_store, question_store, whereabouts
from roundsman_hub.store.rows import Row

router = APIRouter(prefix="/v1", tags=["record"], responses=documented(401, 403, 404, 422, 503))
Line = Literal["simplified", "matched"]
Form = Literal["geojson", "gpx", "csv"]
MEDIA_TYPES: Final[dict[Form, str]] = {"geojson": "application/geo+json", "gpx": "application/gpx+xml", "csv": "text/csv; charset=utf-8"}
NDJSON: Final = "application/x-ndjson"
From = Annotated[AwareDatetime | None, Query(alias="from")]
To = Annotated[AwareDatetime | None, Query()]
Lat = Annotated[float, Query(ge=-90, le=90)]
Lon = Annotated[float, Query(ge=-180, le=180)]
LONGEST_NEAR: Final = timedelta(days=7)
LONGEST_PLAYBACK: Final = timedelta(days=2)
ASKED_OF_ROADS: Final = 50
"""Vans that are nearest in a straight line; the others would not be among the first by road either."""


class Passed(BaseModel):
    """A van was within the radius for a while. `simplified`: raw fixes have aged; it is told by the simplified track, to ten metres."""

    vehicle: str
    from_at: datetime
    to_at: datetime
    nearest_at: datetime
    nearest_m: float
    simplified: bool


class Passes(BaseModel):
    """Who was near, by vehicle and time. A page holds all passes of some vehicles."""

    items: list[Passed]
    next_cursor: str | None


class Kept(BaseModel):
    """An unbroken piece of track that is kept when its raw fixes go (`raw`: they are still there).

    `source`: "matched" where it lies on streets, too, for `covered_s` of its seconds and `matched_m` metres; `profile`: whose streets;
    `confidence`: 0 to 1, as the road network has it. "simplified": there is no road network, or no street was near.
    """

    session: str
    first_seq: int
    last_seq: int
    from_at: datetime
    to_at: datetime
    driven_m: float
    moving_s: float
    standing_s: float
    raw: bool
    source: Line
    profile: str | None
    confidence: float | None
    matched_m: float | None
    covered_s: float | None


class KeptPage(BaseModel):
    """Oldest first."""

    items: list[Kept]
    next_cursor: str | None


class NearVan(BaseModel):
    """A van, and how long it would drive to the place. `drive_s` None: no way."""

    vehicle: str
    name: str
    drive_s: int | None
    drive_m: int | None
    away_m: float
    lat_deg: float
    lon_deg: float
    at: datetime | None
    online: bool
    duty: str


class NearVans(BaseModel):
    """Nearest first. `basis`: "osrm", or "great_circle" where the times are straight lines × detour."""

    basis: str
    items: list[NearVan]


@router.get(
    "/vehicles/{vehicle}/track",
    response_class=Response,
    responses={200: {"content": {media: {} for media in MEDIA_TYPES.values()}, "description": "the track, as it is read"}},
)
def get_track(
    vehicle: str,
    desk: AtDesk,
    caller: LiveReader,
    since: From = None,
    to: To = None,
    form: Annotated[Form, Query(alias="format")] = "geojson",
    line: Annotated[Line, Query(description="of aged days: the simplified line, or the one on streets where there is one")] = "simplified",
    zoom: Annotated[float | None, Query(ge=0, le=MAX_ZOOM, description="of a web map: what it cannot show is left out")] = None,
) -> Response:
    """The van's stored track, each part with its `source`: raw, simplified or matched. A gap is a gap: it is never drawn as a line."""
    with desk.db.tenant(caller.fleet) as cur:
        known_vehicle(cur, vehicle)  # the log names no fleet: whose vehicle it is, is asked here
    pieces = stream_track(desk.db, vehicle, form, since=since or BEGINNING, until=to or END, zoom=zoom, line=line)
    try:
        first = next(pieces)  # the answer's status is still open
        second = next(pieces, "")
    except NoTrack as error:
        raise Problem(
            404, "no-track", str(error), next_step="ask for another stretch of time, or wait until the van has reported"
        ) from None
    return StreamingResponse(chain([first, second], pieces), media_type=MEDIA_TYPES[form])


@router.get("/vehicles/{vehicle}/stretches")
def get_stretches(
    vehicle: str,
    desk: AtDesk,
    caller: LiveReader,
    since: From = None,
    to: To = None,
    cursor: CursorText = "",
    limit: Limit = 100,
) -> KeptPage:
    """What is kept of a van's track where raw fixes have aged: its unbroken pieces in numbers, and which of them are matched to streets."""
    after = read_cursor(cursor, (BEGINNING, 0, 0))
    with desk.db.tenant(caller.fleet) as cur:
        known_vehicle(cur, vehicle)
    with desk.db.transaction() as cur:  # the log names no fleet: whose vehicle it is, was asked above
        found = matched_store.page(cur, vehicle, since or BEGINNING, to or END, after, limit)
    last = found[-1] if len(found) == limit else None
    return KeptPage(
        items=[Kept(**{name: row[name] for name in Kept.model_fields if name != "source"}, source=_source(row)) for row in found],
        next_cursor=None if last is None else cursor_of(last["from_at"], last["session_no"], last["first_seq"]),
    )


@router.get("/near")
def get_near(
    desk: AtDesk,
    caller: LiveReader,
    lat_deg: Lat,
    lon_deg: Lon,
    since: Annotated[AwareDatetime, Query(alias="from")],
    to: AwareDatetime,
    radius_m: Annotated[float, Query(gt=0, le=5_000)] = 100.0,
    cursor: CursorText = "",
    limit: Limit = 100,
) -> Passes:
    """Who was near a place, then. Passes shorter than five seconds may be missed."""
    no_longer_than(LONGEST_NEAR, since, to)
    (after,) = read_cursor(cursor, ("",))
    with desk.db.tenant(caller.fleet) as cur:
        vehicles = question_store.vehicles(cur, after, limit)
    with desk.db.transaction() as cur:  # fixes name no fleet: this one's vehicles were asked for above
        found = whereabouts.near(cur, vehicles, LatLon(lat_deg, lon_deg), radius_m, since, to)
    return Passes(
        items=[
            Passed(
                vehicle=p.vehicle_id,
                from_at=p.from_at,
                to_at=p.to_at,
                nearest_at=p.nearest_at,
                nearest_m=round(p.nearest_m, 1),
                simplified=p.simplified,
            )
            for p in found
        ],
        next_cursor=cursor_of(vehicles[-1]) if len(vehicles) == limit else None,
    )


@router.get(
    "/playback",
    response_class=Response,
    responses={200: {"content": {NDJSON: {"schema": {"type": "string"}}}, "description": "a JSON object a line"}},
)
def get_playback(
    desk: AtDesk,
    caller: LiveReader,
    since: Annotated[AwareDatetime, Query(alias="from")],
    to: AwareDatetime,
    step_s: Annotated[float, Query(ge=1, le=3_600, description="business seconds a frame")] = 30.0,
    limit: Annotated[int, Query(ge=1, le=100_000, description="frames")] = 10_000,
    cursor: CursorText = "",
) -> StreamingResponse:
    """A day of all vans, frame by frame.

    A line `{"at", "vans": [[vehicle, lat_deg, lon_deg, speed_mps, heading_deg, fix's time, simplified], …]}` a frame; the last line is
    `{"end": true, "next_cursor": …}`. A frame holds the newest fix of each van since the frame before; frames without one are left
    out. Where raw fixes have aged (`simplified`), a van is where its simplified track has it at the frame's end, without speed and heading.
    """
    no_longer_than(LONGEST_PLAYBACK, since, to)
    (start,) = read_cursor(cursor, (since,))
    with desk.db.tenant(caller.fleet) as cur:
        vehicles = question_store.vehicles(cur)
    return StreamingResponse(_playback(desk, vehicles, start, to, step_s, limit), media_type=NDJSON)


@router.get("/nearest-vans")
def get_nearest_vans(
    desk: AtDesk,
    caller: LiveReader,
    lat_deg: Lat,
    lon_deg: Lon,
    limit: Annotated[int, Query(ge=1, le=ASKED_OF_ROADS)] = 5,
    on_duty: Annotated[bool, Query(description="only vans whose driver is at work")] = True,
) -> NearVans:
    """Vans by the time they would drive to a place from where they were last seen."""
    place = LatLon(lat_deg, lon_deg)
    with desk.db.tenant(caller.fleet) as cur:
        vans = question_store.markers(cur, on_duty=on_duty)
    away = {van["vehicle_id"]: distance_m(place, _position(van)) for van in vans}
    vans = sorted(vans, key=lambda van: away[van["vehicle_id"]])[:ASKED_OF_ROADS]
    if not vans:
        return NearVans(basis=desk.roads.name, items=[])
    matrix = _drives(desk, caller.fleet, [_position(van) for van in vans], place)
    items = [
        NearVan(
            vehicle=van["vehicle_id"],
            name=van["name"],
            drive_s=_way(matrix.durations_s[at, 0]),
            drive_m=_way(matrix.distances_m[at, 0]),
            away_m=round(away[van["vehicle_id"]], 1),
            lat_deg=van["lat_e6"] / 1e6,
            lon_deg=van["lon_e6"] / 1e6,
            at=van["time"],
            online=van["online"],
            duty=van["duty"],
        )
        for at, van in enumerate(vans)
    ]
    items.sort(key=lambda item: (item.drive_s is None, item.drive_s, item.vehicle))
    return NearVans(basis=matrix.network, items=items[:limit])


def _source(stretch: Row) -> Line:
    return "simplified" if stretch["profile"] is None else "matched"


def _playback(desk: Desk, vehicles: list[str], since: datetime, until: datetime, step_s: float, limit: int) -> Iterator[str]:
    told = 0
    last = since
    with desk.db.transaction() as cur:
        for at, seen in whereabouts.frames(cur, vehicles, since, until, step_s):
            vans = [
                [
                    row["vehicle_id"],
                    row["lat_e6"] / 1e6,
                    row["lon_e6"] / 1e6,
                    None if row["speed_cm_s"] is None else row["speed_cm_s"] / 100,
                    None if row["heading_cdeg"] is None else row["heading_cdeg"] / 100,
                    written(row["time"]),
                    row["simplified"],
                ]
                for row in seen
            ]
            yield json.dumps({"at": written(at), "vans": vans}, separators=(",", ":")) + "\n"
            told, last = told + 1, at
            if told == limit:
                break
    more = told == limit and last < until
    yield json.dumps({"end": True, "next_cursor": cursor_of(last) if more else None}) + "\n"


def _drives(desk: Desk, fleet: str, starts: list[LatLon], place: LatLon) -> Matrix:
    try:
        return desk.roads.of_fleet(fleet).matrix(starts, [place])
    except RoadsError:
        return GreatCircle().matrix(starts, [place])  # said by `basis`


def _position(van: Row) -> LatLon:
    return LatLon.from_e6(van["lat_e6"], van["lon_e6"])


def _way(value: int) -> int | None:
    return None if value < 0 else int(value)


def no_longer_than(longest: timedelta, since: datetime, to: datetime) -> None:
    """Refuse a stretch of time that is backwards or too long."""
    if not since < to <= since + longest:
        days = longest.days
        raise Problem(422, "stretch-too-long", f"`to` must be after `from`, by {days} days at most", next_step="ask for a shorter stretch")
