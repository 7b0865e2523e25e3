"""When vans are expected and by which plan, as it goes over HTTP. Instants are RFC 3339 with an offset."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from roundsman_hub.api.saying import PlanSaying, Saying


class SaidEta(BaseModel):
    """What was said of an order's arrival, and when."""

    said_at: datetime
    eta: datetime
    low: datetime
    high: datetime
    basis: str | None = Field(description="who knew the roads then, and whether the interval was calibrated; null: it was not kept")


class Eta(BaseModel):
    order: str
    vehicle: str
    position: int
    eta: datetime
    low: datetime
    high: datetime
    basis: str = Field(description="who knows the roads, and whether the interval is calibrated on what happened")
    computed_at: datetime
    coverage: float = Field(default=0.8, description="share of arrivals that `low` to `high` is made to hold")
    age_s: float = Field(default=0.0, description="business seconds since it was computed; it is told again when it changes")
    history: list[SaidEta] = Field(default=[], description="what was said before, oldest first, where one order or one van is asked for")


class Etas(BaseModel):
    items: list[Eta]
    history: list[SaidEta] = Field(default=[], description="what was said of the order that is asked for, also after its van has come")


class PlanReceipt(Saying):
    state: str
    at: datetime | None
    reason: str | None


class VehiclePlan(PlanSaying):
    vehicle: str
    version: int
    hash: str
    issued_at: datetime
    reason: str
    receipts: list[PlanReceipt]
    basis: str = Field(description="who gave the travel times: osrm, or great_circle (straight lines × detour)")
    plan: dict[str, Any] = Field(description="the plan as the van holds it (roundsman_wire.Plan)")
