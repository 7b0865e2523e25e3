"""What a fleet sets on its vans' units: for all of them, or for one. It goes out as a signed config, to each when it is on line."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from roundsman_hub.api.desk import AtDesk, Desk, FleetReader, FleetWriter
from roundsman_hub.api.fleet import known_vehicle
from roundsman_hub.api.keys import Caller
from roundsman_hub.api.problems import documented
from roundsman_hub.store import unit_store as store
from roundsman_hub.store.rows import journal

router = APIRouter(prefix="/v1", tags=["fleet"], responses=documented(401, 403, 404, 422))

Seconds = Annotated[float | None, Field(gt=0, le=3_600)]
Metres = Annotated[float | None, Field(gt=0, le=5_000)]


class UnitSettings(BaseModel):
    """Each field that is absent or null leaves the unit as its own file, or the fleet, has it."""

    model_config = ConfigDict(extra="forbid")

    sampling: Literal["full", "evidence", "sparse"] | None = Field(
        None, description="which fixes are kept: all; as many as the proof of a route needs; as few as a map can do with"
    )
    evidence_s: Seconds = Field(None, description="as evidence, one fix is kept at least this often")
    evidence_m: Metres = Field(None, description="as evidence, one fix is kept at least every so far")
    evidence_deg: float | None = Field(None, gt=0, le=180, description="as evidence, a fix is kept where the van turned by as much")
    near_stop_m: Metres = Field(None, description="nearer to a planned stop than this, every fix is kept")
    parked_every_s: Seconds = Field(None, description="while it stands, one fix is kept so often")
    live_error_m: Metres = Field(None, description="a position is told when dead reckoning is off by more")
    now_interval_s: Seconds = Field(None, description="between two live markers, at least")
    stop_slow_mps: float | None = Field(None, gt=0, le=10, description="slower than this, the van stands")
    stop_planned_s: Seconds = Field(None, description="so long inside a planned stop's area is a visit")
    stop_unplanned_s: Seconds = Field(None, description="so long elsewhere is a stop outside the plan")
    language: Literal["en", "de", "es", "fr"] | None = Field(None, description="of the driver's screen, unless the driver chooses another")
    distance_unit: Literal["km", "mi"] | None = Field(None, description="of the driver's screen")


class VehicleUnitSettings(BaseModel):
    """`own` stand before the fleet's; `held` is what the unit is told of both."""

    own: UnitSettings
    held: UnitSettings


@router.get("/unit-settings")
def get_unit_settings(desk: AtDesk, caller: FleetReader) -> UnitSettings:
    """What is set on every unit of the fleet."""
    with desk.db.tenant(caller.fleet) as cur:
        return UnitSettings(**store.settings_of(cur, caller.fleet))


@router.put("/unit-settings")
def put_unit_settings(new: UnitSettings, desk: AtDesk, caller: FleetWriter) -> UnitSettings:
    """Set it for every unit of the fleet."""
    _set(desk, caller, store.ALL, new)
    return new


@router.get("/vehicles/{vehicle}/unit-settings")
def get_vehicle_unit_settings(vehicle: str, desk: AtDesk, caller: FleetReader) -> VehicleUnitSettings:
    """What is set on one unit, and what it is told."""
    with desk.db.tenant(caller.fleet) as cur:
        known_vehicle(cur, vehicle)
        own, all_units = store.settings_of(cur, caller.fleet, vehicle), store.settings_of(cur, caller.fleet)
    return VehicleUnitSettings(own=UnitSettings(**own), held=UnitSettings(**{**all_units, **own}))


@router.put("/vehicles/{vehicle}/unit-settings")
def put_vehicle_unit_settings(vehicle: str, new: UnitSettings, desk: AtDesk, caller: FleetWriter) -> VehicleUnitSettings:
    """Set it for one unit; an empty object gives it back to the fleet's."""
    with desk.db.tenant(caller.fleet) as cur:
        known_vehicle(cur, vehicle)
    _set(desk, caller, vehicle, new)
    return get_vehicle_unit_settings(vehicle, desk, caller)


def _set(desk: Desk, caller: Caller, vehicle: str, new: UnitSettings) -> None:
    body: dict[str, Any] = new.model_dump(exclude_none=True)
    with desk.db.tenant(caller.fleet) as cur:
        store.set_settings(cur, caller.fleet, vehicle, body)
        subject = vehicle or caller.fleet
        journal(cur, fleet_id=caller.fleet, at=desk.clock.now(), kind="unit.set", subject=subject, actor=caller.key_id, body=body)
