"""A van's unit, as it last said that it is: what a technician looks at before driving to it."""

from __future__ import annotations

from datetime import datetime

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, Field

from roundsman_hub.api.desk import AtDesk, LiveReader
from roundsman_hub.api.fleet import known_vehicle
from roundsman_hub.api.problems import Problem, documented
from roundsman_hub.store.health_store import newest_health
from roundsman_wire.messages import Health

router = APIRouter(prefix="/v1", tags=["fleet"], responses=documented(401, 403, 404, 422, 503))


class UnitHealth(BaseModel):
    """The newest health entry of a van's log. Told every five minutes, and at once when what a technician would do changes."""

    vehicle: str
    at: datetime | None = Field(description="by the van's clock; null: it had no date")
    received_at: datetime
    agent_version: str
    versions: dict[str, str] = Field(description="of what the unit runs on: system, kernel, Python, gpsd, …")
    uptime_s: int = Field(description="since the agent's start")
    receiver: str = Field(description="`ok`, or what is wrong with it")
    fixes_accepted: int
    rejected: dict[str, int] = Field(description="refused fixes by reason, since the agent's start")
    backlog_facts: int
    backlog_track: int
    oldest_unsent_s: int
    blobs_waiting: int = Field(description="photos and signatures that the hub does not have yet")
    disk_free_mb: int
    store_mb: int
    disk_written_mb: int = Field(description="since the unit's start, by the disk's own count")
    disk_wear_pct: int | None = Field(description="of its life, by the disk's own word; null: it does not say")
    rss_mb: int
    temperature_c: float | None
    voltage_v: float | None
    throttled: list[str] = Field(description="why the board slows itself down, now or since its start")
    clock: str = Field(description="whether the system's date is set by somebody who knows it")


@router.get("/vehicles/{vehicle}/health")
def get_vehicle_health(vehicle: str, desk: AtDesk, caller: LiveReader) -> UnitHealth:
    """How a van's unit last said that it is."""
    with desk.db.tenant(caller.fleet) as cur:
        known_vehicle(cur, vehicle)
    with desk.db.transaction() as cur:  # of the log, tenants read nothing by themselves
        found = newest_health(cur, vehicle)
    if found is None:
        raise Problem(
            404, "no-health-yet", f"{vehicle} has not said how it is", next_step="start its unit; a telephone or tracker never says it"
        )
    said = msgspec.json.decode(found["body"], type=Health)
    told = {name: getattr(said, name) for name in UnitHealth.model_fields if hasattr(said, name)}
    return UnitHealth(vehicle=vehicle, at=found["time"], received_at=found["received_at"], **told)
