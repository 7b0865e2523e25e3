"""What goes over HTTP. Ids are opaque; places are WGS84 degrees; instants are RFC 3339 with an offset; durations are seconds."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints, model_validator

from roundsman_hub.api.fence_models import (
    Change as Change,
    Circle as Circle,
    Fence as Fence,
    FenceChange as FenceChange,
    FenceHours as FenceHours,
    FenceShape as FenceShape,
    LatDeg as LatDeg,
    LonDeg as LonDeg,
    Name as Name,
    NewFence as NewFence,
    Text as Text,
    Weekday as Weekday,
)
from roundsman_hub.api.proof_models import DeliveryCode, Handover, Item, Items, ProofKind, Proofs, ProofShown, Said, unlike
from roundsman_hub.api.saying import Saying
from roundsman_hub.domain.roles import Role
from roundsman_hub.domain.terms import DepotTerms, DriverTerms, FleetPlanning, OrderNeeds, VehicleTerms

Phone = Annotated[str, StringConstraints(max_length=40, pattern=r"^[0-9+() ./-]*$")]
OrderState = Literal["new", "waiting_for_place", "unassigned", "planned", "next", "arrived", "delivered", "failed", "cancelled"]


class Page(BaseModel):
    """Where the next page begins; null on the last one."""

    next_cursor: str | None = None


# ── the fleet ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Fleet(BaseModel):
    fleet: str
    name: str
    timezone: str
    planning: FleetPlanning = FleetPlanning()


class FleetChange(Change):
    name: Name | None = None
    timezone: Text | None = Field(default=None, description="IANA name, as `Europe/Helsinki`")
    planning: FleetPlanning | None = Field(default=None, description="replaces the prices and rules of the whole fleet")


class NewDepot(Said):
    name: Name
    address: Text = ""
    lat_deg: LatDeg
    lon_deg: LonDeg
    terms: DepotTerms = DepotTerms()


class DepotChange(Change):
    name: Name | None = None
    address: Text | None = None
    lat_deg: LatDeg | None = None
    lon_deg: LonDeg | None = None
    terms: DepotTerms | None = None

    @model_validator(mode="after")
    def _whole_place(self) -> DepotChange:
        if (self.lat_deg is None) != (self.lon_deg is None):
            raise ValueError("lat_deg and lon_deg come together")
        return self


class Depot(BaseModel):
    depot: str
    name: str
    address: str
    lat_deg: float
    lon_deg: float
    terms: DepotTerms = DepotTerms()


class NewDriver(Said):
    name: Name
    phone: Phone = ""
    terms: DriverTerms = DriverTerms()


class DriverChange(Change):
    name: Name | None = None
    phone: Phone | None = None
    terms: DriverTerms | None = None


class Driver(BaseModel):
    driver: str
    name: str
    phone: str
    terms: DriverTerms = DriverTerms()


class NewVehicle(Said):
    name: Name
    depot: str
    driver: str | None = None
    capacity: int = Field(gt=0, le=1_000_000, description="parcels that fit in")
    shift_start: AwareDatetime
    shift_end: AwareDatetime
    terms: VehicleTerms = VehicleTerms()

    @model_validator(mode="after")
    def _forward(self) -> NewVehicle:
        if self.shift_end <= self.shift_start:
            raise ValueError("shift_end must be after shift_start")
        return self


class VehicleChange(Change):
    name: Name | None = None
    driver: str | None = Field(default=None, description="null: nobody")
    capacity: int | None = Field(default=None, gt=0, le=1_000_000)
    shift_start: AwareDatetime | None = None
    shift_end: AwareDatetime | None = None
    terms: VehicleTerms | None = Field(default=None, description="replaces what it is, may do and costs")


class Vehicle(BaseModel):
    vehicle: str
    name: str
    depot: str
    driver: str | None
    capacity: int
    shift_start: datetime
    shift_end: datetime
    terms: VehicleTerms = VehicleTerms()


class Depots(Page):
    items: list[Depot]


class Drivers(Page):
    items: list[Driver]


class Vehicles(Page):
    items: list[Vehicle]


class Fences(Page):
    items: list[Fence]


class NewKey(Said):
    name: Name
    role: Role


class Key(BaseModel):
    key: str
    name: str
    role: Role
    created_at: datetime
    revoked_at: datetime | None
    secret: str | None = Field(default=None, description="the whole key; in the answer that makes it, and never again")


class Keys(BaseModel):
    items: list[Key]


# ── orders ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class NewOrder(Said):
    """An order is one stop. Its place is `lat_deg` and `lon_deg`, or else its address is looked up."""

    reference: Text = Field(default="", description="your own number; unique in the fleet where given")
    kind: Literal["delivery", "pickup"] = "delivery"
    depot: str | None = Field(default=None, description="may be left out where the fleet has one depot")
    name: Text = Field(default="", description="who receives or hands over")
    phone: Phone = ""
    address: Text = ""
    instructions: Text = ""
    lat_deg: LatDeg | None = None
    lon_deg: LonDeg | None = None
    window_start: AwareDatetime | None = Field(
        default=None, description="service starts between window_start and window_end; both may be left out where a service level is named"
    )
    window_end: AwareDatetime | None = None
    promise_start: AwareDatetime | None = Field(default=None, description="what the customer was told; the window, if left out")
    promise_end: AwareDatetime | None = None
    service_s: int = Field(default=180, ge=0, le=28_800)
    parcels: int = Field(default=1, gt=0, le=1_000_000)
    priority: int = Field(default=0, ge=0, le=9, description="9 is most urgent; 8 and 9 are planned at once")
    items: Items = Field(default_factory=list)
    proof: Proofs = Field(default_factory=list)
    delivery_code: DeliveryCode | None = Field(default=None, description="the recipient says it; the van checks it without network")
    contact_free: bool = False
    needs: OrderNeeds = OrderNeeds()

    @model_validator(mode="after")
    def _whole(self) -> NewOrder:
        if (self.lat_deg is None) != (self.lon_deg is None):
            raise ValueError("lat_deg and lon_deg come together")
        if self.lat_deg is None and not self.address:
            raise ValueError("give an address, or lat_deg and lon_deg")
        if (self.window_start is None) != (self.window_end is None):
            raise ValueError("window_start and window_end come together")
        if self.window_start is None and self.needs.service_level is None:
            raise ValueError("give window_start and window_end, or a service_level")
        if self.window_start is not None and self.window_end is not None and self.window_end < self.window_start:
            raise ValueError("window_end is before window_start")
        unlike(self.items)
        if "parcels" not in self.model_fields_set and self.items:
            self.parcels = len(self.items)
        if "code" in self.proof and self.delivery_code is None:
            raise ValueError("proof by code needs a delivery_code")
        if (self.promise_start is None) != (self.promise_end is None):
            raise ValueError("promise_start and promise_end come together")
        if self.promise_start is not None and self.promise_end is not None and self.promise_end < self.promise_start:
            raise ValueError("promise_end is before promise_start")
        return self

    @property
    def window(self) -> tuple[datetime, datetime]:
        """Start and end. Only of an order whose service level has given it one (`intake.windowed`)."""
        assert self.window_start is not None
        assert self.window_end is not None
        return self.window_start, self.window_end


class OrderChange(Change):
    name: Text | None = None
    phone: Phone | None = None
    instructions: Text | None = None
    window_start: AwareDatetime | None = None
    window_end: AwareDatetime | None = None
    promise_start: AwareDatetime | None = Field(
        default=None, description="what the customer was told; it stays as it is where only the window changes"
    )
    promise_end: AwareDatetime | None = None
    service_s: int | None = Field(default=None, ge=0, le=28_800)
    parcels: int | None = Field(default=None, gt=0, le=1_000_000)
    priority: int | None = Field(default=None, ge=0, le=9)
    items: Items | None = None
    proof: Proofs | None = None
    delivery_code: DeliveryCode | None = None
    contact_free: bool | None = None
    needs: OrderNeeds | None = Field(default=None, description="replaces what it asks for")

    @model_validator(mode="after")
    def _no_parcel_twice(self) -> OrderChange:
        unlike(self.items or [])
        return self


class Order(Saying):
    order: str
    reference: str
    kind: Literal["delivery", "pickup"]
    depot: str
    name: str
    phone: str
    address: str
    instructions: str
    lat_deg: float | None
    lon_deg: float | None
    placed: Literal["given", "geocoded", "pinned", "ambiguous", "unknown", "off_network"]
    window_start: datetime
    window_end: datetime
    promise_start: datetime | None
    promise_end: datetime | None
    service_s: int
    parcels: int
    priority: int
    items: list[Item]
    proof: list[ProofKind]
    delivery_code: str | None
    contact_free: bool
    needs: OrderNeeds = OrderNeeds()
    state: OrderState
    reason: str | None = Field(description="why it is unassigned, waits for its day or a place, or failed")
    vehicle: str | None = Field(description="the van that served it, or whose newest plan has it")
    position: int | None = Field(description="in that plan, from 1")
    eta: datetime | None
    eta_low: datetime | None
    eta_high: datetime | None
    eta_basis: str | None = Field(description="who knows the roads for it (osrm, great_circle), and whether the interval is calibrated")
    arrived_at: datetime | None
    done_at: datetime | None = Field(description="when it was delivered or failed")
    created_at: datetime
    cancelled_at: datetime | None
    revision: int
    track_url: str = Field(description="the customer's page: whoever has the link can read it")


class OrderShown(Order):
    """One order with what its driver did there."""

    handover: Handover | None = Field(description="null while the stop is open")
    proofs: list[ProofShown]
    risk_late_s: int = Field(description="how late the van itself expects to be; 0: it keeps its promise")


class Orders(Page):
    items: list[Order]


class Pin(Said):
    lat_deg: LatDeg
    lon_deg: LonDeg
    remember: bool = Field(default=True, description="use this place for the same address from now on")
    address: Text | None = Field(default=None, min_length=1, description="the order goes to this address; left out: to the one that it has")


class Candidate(BaseModel):
    label: str
    lat_deg: float
    lon_deg: float


class PlacesFound(Saying):
    """Places that an address may mean: first those that the fleet delivered to, then what the geocoder knows."""

    items: list[Candidate]
    reason: str = Field(description="what the geocoder says where it has no single answer; empty where it has")


class Waiting(Saying):
    order: str
    reference: str
    address: str
    reason: str
    candidates: list[Candidate]
    queued_at: datetime


class GeocodeQueue(BaseModel):
    items: list[Waiting]


class BadLine(Saying):
    says = "detail"

    line: int = Field(description="line of the file, from 1; the header is line 1")
    field: str
    detail: str


class ImportReport(BaseModel):
    imported: int
    waiting_for_place: int
    bad: list[BadLine]
    orders: list[str] = Field(description="ids of the orders made, in the file's order")


class VehiclesReport(BaseModel):
    imported: int
    bad: list[BadLine]
    vehicles: list[str] = Field(description="ids of the vehicles made, in the file's order")


class DriversReport(BaseModel):
    imported: int
    bad: list[BadLine]
    drivers: list[str] = Field(description="ids of the drivers made, in the file's order")


class DepotsReport(BaseModel):
    imported: int
    bad: list[BadLine]
    depots: list[str] = Field(description="ids of the depots made, in the file's order")


class RulesReport(BaseModel):
    imported: int = Field(description="1: the fleet's rules are as the file says")
    bad: list[BadLine]
