"""Doors for what closes or slows streets: closures, access zones, imported speeds. Each ends by itself."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Response
from psycopg.types.json import Jsonb
from pydantic import AwareDatetime, BaseModel, Field, model_validator

from roundsman_hub.api import orders_csv
from roundsman_hub.api.desk import AtDesk, LiveReader, PlansWriter
from roundsman_hub.api.fence_models import FenceTimes, Name, Ring
from roundsman_hub.api.keys import Caller
from roundsman_hub.api.once import OnlyOnce
from roundsman_hub.api.problems import Problem, documented, not_found
from roundsman_hub.api.proof_models import Said
from roundsman_hub.roads import OsrmRoads
from roundsman_hub.store import road_store
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, new_id, notify, rows

router = APIRouter(prefix="/v1", tags=["roads"], responses=documented(401, 403, 404, 422, 503))
LONGEST: Final = timedelta(days=366)
"""A street that is closed for longer is closed on the map, too."""
IMPORT_HOURS: Final = 1.0
Kind = Literal["car", "van", "truck", "cargo_bike"]
Kinds = Annotated[list[Kind], Field(max_length=4, description="kinds of vehicle; left out or empty: every kind")]


class NewClosure(Said):
    """An area that nobody drives through for a while."""

    name: Name
    ring_deg: Ring = Field(description="outline; [lat_deg, lon_deg] pairs")
    from_utc: AwareDatetime | None = Field(default=None, description="left out: now")
    until_utc: AwareDatetime
    kinds: Kinds = Field(default_factory=list)


class Closure(BaseModel):
    closure: str
    name: str
    ring_deg: list[tuple[float, float]]
    from_utc: datetime
    until_utc: datetime
    kinds: list[Kind]
    holds: bool = Field(description="it is closed now")


class Closures(BaseModel):
    items: list[Closure]


class NewZone(Said):
    """An area that is closed at the same hours of each week."""

    name: Name
    ring_deg: Ring = Field(description="outline; [lat_deg, lon_deg] pairs")
    hours: FenceTimes = Field(description="when it is closed, in the fleet's time zone")
    kinds: Kinds = Field(default_factory=list)

    @model_validator(mode="after")
    def _some_time_open(self) -> NewZone:
        if any(told.start == told.end for told in self.hours):
            raise ValueError("hours that begin and end at the same minute close it all day: say 00:00 to 24:00")
        return self


class Zone(BaseModel):
    zone: str
    name: str
    ring_deg: list[tuple[float, float]]
    hours: FenceTimes
    kinds: list[Kind]
    holds: bool = Field(description="it is closed now")


class Zones(BaseModel):
    items: list[Zone]


class SpeedsTaken(BaseModel):
    speeds: str
    lines: int
    from_utc: datetime
    until_utc: datetime
    used: bool = Field(description="whether travel times here follow them; false: they are straight lines, or another's server")


class SpeedsList(BaseModel):
    items: list[SpeedsTaken]


@router.get("/closures")
def get_closures(desk: AtDesk, caller: LiveReader) -> Closures:
    """Closures that have not ended, by their beginning."""
    now = desk.clock.now()
    with desk.db.tenant(caller.fleet) as cur:
        found = rows(cur, "SELECT * FROM closures WHERE until_at > %s ORDER BY from_at, closure_id", (now,))
    return Closures(items=[_closure(r, now) for r in found])


@router.post("/closures", status_code=201, response_model=Closure)
def post_closure(new: NewClosure, desk: AtDesk, once: OnlyOnce, caller: PlansWriter) -> Response:
    """Close an area. Times, arrival times and plans follow when it begins and when it ends, by themselves."""
    now = desk.clock.now()
    from_at = new.from_utc or now
    if not max(from_at, now) < new.until_utc <= from_at + LONGEST:
        raise Problem(
            422, "closure-never", "it ends before it begins, is over, or lasts longer than a year", next_step="send a later until_utc"
        )

    def work(cur: Cursor) -> Closure:
        times = {"from_at": from_at, "until_at": new.until_utc}
        made = road_store.add_closed(cur, "cl", **_area(new), **_by(caller, now), **times)
        notify(cur, "closed", caller.fleet, made["closure_id"])
        return _closure(made, now)

    return once.run(caller, work, status=201)


@router.delete("/closures/{closure}", status_code=204)
def delete_closure(closure: str, desk: AtDesk, caller: PlansWriter) -> None:
    """Open it again before its time."""
    with desk.db.tenant(caller.fleet) as cur:
        if not cur.execute("DELETE FROM closures WHERE closure_id = %s", (closure,)).rowcount:
            raise not_found("closure", closure, see="/v1/closures")
        notify(cur, "closed", caller.fleet, closure)


@router.get("/access-zones")
def get_zones(desk: AtDesk, caller: LiveReader) -> Zones:
    """All access zones."""
    now = desk.clock.now()
    with desk.db.tenant(caller.fleet) as cur:
        found = rows(cur, "SELECT * FROM access_zones ORDER BY zone_id")
    return Zones(items=[_zone(r, now) for r in found])


@router.post("/access-zones", status_code=201, response_model=Zone)
def post_zone(new: NewZone, desk: AtDesk, once: OnlyOnce, caller: PlansWriter) -> Response:
    """Make an access zone."""
    now = desk.clock.now()

    def work(cur: Cursor) -> Zone:
        hours = Jsonb([told.model_dump() for told in new.hours])
        made = road_store.add_closed(cur, "az", **_area(new), **_by(caller, now), hours=hours)
        notify(cur, "closed", caller.fleet, made["zone_id"])
        return _zone(made, now)

    return once.run(caller, work, status=201)


@router.delete("/access-zones/{zone}", status_code=204)
def delete_zone(zone: str, desk: AtDesk, caller: PlansWriter) -> None:
    """Take an access zone away."""
    with desk.db.tenant(caller.fleet) as cur:
        if not cur.execute("DELETE FROM access_zones WHERE zone_id = %s", (zone,)).rowcount:
            raise not_found("access zone", zone, see="/v1/access-zones")
        notify(cur, "closed", caller.fleet, zone)


SPEEDS_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {"text/csv": {"schema": {"type": "string", "description": "lines of from,to,kmh: nodes of OpenStreetMap, as OSRM's"}}},
    }
}


@router.post("/speeds:import", status_code=201, response_model=SpeedsTaken, responses=documented(413), openapi_extra=SPEEDS_BODY)
def import_speeds(
    text: orders_csv.CsvText,
    desk: AtDesk,
    once: OnlyOnce,
    caller: PlansWriter,
    hours: Annotated[float, Query(gt=0, le=24 * 7, description="how long they count from now on")] = IMPORT_HOURS,
) -> Response:
    """Take measured speeds of streets (a traffic feed). They count for every kind of vehicle, then end by themselves."""
    try:
        lines = road_store.speed_lines(text)
    except ValueError as error:
        raise Problem(422, "bad-speeds", str(error), next_step="send lines of from,to,kmh without a header") from None
    if not lines:
        raise Problem(422, "bad-speeds", "there is no line in it", next_step="send lines of from,to,kmh")
    now = desk.clock.now()
    until = now + timedelta(hours=hours)

    def work(cur: Cursor) -> SpeedsTaken:
        made = new_id("sp")
        cur.execute(
            "INSERT INTO speed_imports (import_id, fleet_id, lines, body, from_at, until_at, actor, made_at) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (made, caller.fleet, len(lines), text, now, until, caller.key_id, now),
        )
        return SpeedsTaken(speeds=made, lines=len(lines), from_utc=now, until_utc=until, used=isinstance(desk.roads, OsrmRoads))

    return once.run(caller, work, status=201)


@router.get("/speeds")
def get_speeds(desk: AtDesk, caller: LiveReader) -> SpeedsList:
    """Imported speeds that count now, by when they came: of a street, the newest counts."""
    columns = "import_id AS speeds, lines, from_at AS from_utc, until_at AS until_utc"
    with desk.db.tenant(caller.fleet) as cur:
        found = rows(cur, f"SELECT {columns} FROM speed_imports WHERE until_at > %s ORDER BY made_at, import_id", (desk.clock.now(),))
    return SpeedsList(items=[SpeedsTaken(**r, used=isinstance(desk.roads, OsrmRoads)) for r in found])


@router.delete("/speeds/{speeds}", status_code=204)
def delete_speeds(speeds: str, desk: AtDesk, caller: PlansWriter) -> None:
    """Let imported speeds end before their time."""
    with desk.db.tenant(caller.fleet) as cur:
        if not cur.execute("DELETE FROM speed_imports WHERE import_id = %s", (speeds,)).rowcount:
            raise not_found("imported speeds", speeds, see="/v1/speeds")


def _area(new: NewClosure | NewZone) -> dict[str, Any]:
    ring_e6 = Jsonb([(round(lat * 1e6), round(lon * 1e6)) for lat, lon in new.ring_deg])
    return {"name": new.name, "ring_e6": ring_e6, "kinds": list(new.kinds)}


def _by(caller: Caller, now: datetime) -> dict[str, Any]:
    return {"fleet": caller.fleet, "actor": caller.key_id, "made_at": now}


def _ring_deg(found: Row) -> list[tuple[float, float]]:
    return [(lat / 1e6, lon / 1e6) for lat, lon in found["ring_e6"]]


def _closure(found: Row, now: datetime) -> Closure:
    return Closure(
        closure=found["closure_id"], name=found["name"], ring_deg=_ring_deg(found), from_utc=found["from_at"], until_utc=found["until_at"],
        kinds=found["kinds"], holds=found["from_at"] <= now < found["until_at"],
    )  # fmt: skip


def _zone(found: Row, now: datetime) -> Zone:
    return Zone(
        zone=found["zone_id"], name=found["name"], ring_deg=_ring_deg(found), hours=found["hours"], kinds=found["kinds"],
        holds=road_store.zone_of(found).holds(now),
    )  # fmt: skip
