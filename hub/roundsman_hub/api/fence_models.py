"""Fences over HTTP: a circle or a polygon, its hours, what it watches for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints, model_validator

from roundsman_hub.api.proof_models import Said

Name = Annotated[str, StringConstraints(min_length=1, max_length=120, strip_whitespace=True)]
Text = Annotated[str, StringConstraints(max_length=500, strip_whitespace=True)]
LatDeg = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
LonDeg = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]


class Change(Said):
    """A PATCH: only the fields that are sent change, and none of them to null unless its type says so."""

    @model_validator(mode="after")
    def _says_something(self) -> Change:
        if not self.model_fields_set:
            raise ValueError("nothing to change: send at least one field")
        return self


class Circle(Said):
    """A fence around a point."""

    lat_deg: LatDeg
    lon_deg: LonDeg
    radius_m: float = Field(ge=10, le=100_000, description="smaller ones drown in a receiver's own noise")


Ring = Annotated[list[tuple[LatDeg, LonDeg]], Field(min_length=3, max_length=2_000)]


Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class FenceHours(Said):
    """When a fence counts. Past midnight when `end` is not after `start`; the day is the one on which it begins."""

    days: Annotated[list[Weekday], Field(min_length=1, max_length=7)]
    start: str = Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="local time, such as 22:00")
    end: str = Field(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$")


FenceTimes = Annotated[list[FenceHours], Field(min_length=1, max_length=50)]


class FenceShape(Said):
    circle: Circle | None = None
    rings_deg: Annotated[list[Ring], Field(min_length=1, max_length=20)] | None = Field(
        default=None, description="polygon: the outer ring, then its holes; [lat_deg, lon_deg] pairs"
    )

    @model_validator(mode="after")
    def _one_shape(self) -> FenceShape:
        if (self.circle is None) == (self.rings_deg is None):
            raise ValueError("give either circle or rings_deg")
        return self


class NewFence(FenceShape):
    name: Name
    dwell_s: int | None = Field(default=None, gt=0)
    speed_limit_mps: float | None = Field(default=None, gt=0, le=100)
    active: FenceTimes | None = Field(default=None, description="hours of the week at which it counts; left out: always")
    time_zone: Text | None = Field(default=None, description="whose hours; the fleet's, if left out")
    no_entry: bool = Field(default=False, description="nobody may be there: entering it is shown to dispatchers as a broken fence")


class FenceChange(Change):
    name: Name | None = None
    dwell_s: int | None = Field(default=None, gt=0, description="null: none")
    speed_limit_mps: float | None = Field(default=None, gt=0, le=100, description="null: none")
    active: FenceTimes | None = Field(default=None, description="null: at all hours")
    time_zone: Text | None = None
    no_entry: bool | None = None


class Fence(BaseModel):
    fence: str
    name: str
    circle: Circle | None
    rings_deg: list[list[tuple[float, float]]] | None
    dwell_s: int | None
    speed_limit_mps: float | None
    active: list[FenceHours] | None
    time_zone: str
    no_entry: bool
