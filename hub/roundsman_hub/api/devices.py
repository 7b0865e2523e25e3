"""Doors for the phone or tracker that stands in for a vehicle's unit (see `roundsman_hub.gateway`)."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from roundsman_hub.api.desk import AtDesk, FleetReader, FleetWriter
from roundsman_hub.api.fleet import known_vehicle
from roundsman_hub.api.problems import documented, not_found
from roundsman_hub.api.proof_models import Said
from roundsman_hub.broker import password_hash
from roundsman_hub.store.rows import row

router = APIRouter(prefix="/v1", tags=["fleet"], responses=documented(401, 403, 404, 422, 503))

Kind = Literal["osmand", "owntracks", "owntracks_mqtt"]


class NewDevice(Said):
    kind: Kind
    unique_id: str = Field(min_length=1, max_length=100, description="what the device calls itself: OsmAnd's `id`")


class Device(BaseModel):
    vehicle: str
    kind: Kind
    unique_id: str
    made_at: datetime


class MadeDevice(Device):
    path: str = Field(description="where the device sends to: at the gateway's HTTP door, with its token in it; or the topic at the broker")
    username: str | None = Field(default=None, description="over MQTT: to log in with")
    password: str | None = Field(default=None, description="over MQTT: shown once")


@router.get("/vehicles/{vehicle}/device")
def get_device(vehicle: str, desk: AtDesk, caller: FleetReader) -> Device:
    """What stands in for the vehicle's unit."""
    with desk.db.tenant(caller.fleet) as cur:
        known_vehicle(cur, vehicle)
        found = row(cur, "SELECT vehicle_id AS vehicle, kind, unique_id, made_at FROM devices WHERE vehicle_id = %s", (vehicle,))
    if found is None:
        raise not_found("device", vehicle, see="/v1/vehicles")
    return Device(**found)


@router.put("/vehicles/{vehicle}/device")
def put_device(vehicle: str, new: NewDevice, desk: AtDesk, caller: FleetWriter) -> MadeDevice:
    """Let a device stand in for the vehicle's unit. Each time there is a new token, and the one before is of no use any more."""
    over_mqtt = new.kind == "owntracks_mqtt"
    token, now = secrets.token_urlsafe(24), desk.clock.real_now()
    with desk.db.tenant(caller.fleet) as cur:
        known_vehicle(cur, vehicle)
        cur.execute(
            "INSERT INTO devices (vehicle_id, fleet_id, kind, unique_id, token_sha256, made_at, broker_password)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (vehicle_id) DO UPDATE SET kind = excluded.kind, unique_id = excluded.unique_id,"
            " token_sha256 = excluded.token_sha256, made_at = excluded.made_at, broker_password = excluded.broker_password",
            (
                vehicle,
                caller.fleet,
                new.kind,
                new.unique_id,
                hashlib.sha256(token.encode()).hexdigest(),
                now,
                password_hash(token) if over_mqtt else None,
            ),
        )
    return MadeDevice(
        vehicle=vehicle,
        kind=new.kind,
        unique_id=new.unique_id,
        made_at=now,
        path=f"owntracks/{vehicle}/phone" if over_mqtt else f"/{new.kind}/{token}",
        username=vehicle if over_mqtt else None,
        password=token if over_mqtt else None,
    )


@router.delete("/vehicles/{vehicle}/device", status_code=204)
def delete_device(vehicle: str, desk: AtDesk, caller: FleetWriter) -> None:
    """The device is heard no more; what it said stays."""
    with desk.db.tenant(caller.fleet) as cur:
        known_vehicle(cur, vehicle)
        cur.execute("DELETE FROM devices WHERE vehicle_id = %s", (vehicle,))
