"""What a plan has to keep beyond windows, parcels and shifts, by who owns it: an order, a vehicle, a driver, a depot, the fleet.

One definition for the API, the CSV columns, the database and the planner. Everything may be left out; then it binds nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le, Len

Seconds = Annotated[int, Ge(0), Le(30 * 86_400)]
Cents = Annotated[int, Ge(0), Le(1_000_000_000)]
Amount = Annotated[int, Ge(0), Le(1_000_000_000)]
Label = Annotated[str, Len(1, 80)]
Labels = Annotated[tuple[Label, ...], Len(0, 50)]
Window = tuple[datetime, datetime]
Windows = Annotated[tuple[Window, ...], Len(0, 20)]
_CONFIG: dict[str, Any] = {"extra": "forbid", "use_attribute_docstrings": True}


def _forward(windows: tuple[Window, ...], *instants: datetime | None) -> None:
    for at in (*(at for window in windows for at in window), *instants):
        if at is not None and at.tzinfo is None:
            raise ValueError(f"{at.isoformat()} has no offset from UTC")
    for opens, closes in windows:
        if closes < opens:
            raise ValueError(f"the window ends ({closes.isoformat()}) before it begins ({opens.isoformat()})")


@dataclass(frozen=True, kw_only=True)
class OrderNeeds:
    """What an order asks for, beside its window, its promise, its parcels and its priority."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _CONFIG
    service_level: Label | None = None
    """Name of the fleet's service level that it was sold by: without a window of its own it has the one that is promised now."""
    more_windows: Windows = ()
    """Service may also start in one of these."""
    deadline: datetime | None = None
    """Service may never start later, whatever the price."""
    release: datetime | None = None
    """A delivery's goods are at the depot, or a pickup is ready, from then on."""
    left_out_cents: Cents | None = None
    """Price of leaving it out; by default it follows from the priority."""
    reattempt_cents: Cents = 0
    """To be expected on top: how likely nobody is there, times the price of coming again."""
    parking_s: Seconds = 0
    """Looking for a space and walking to the door; not counted twice for stops at one place."""
    floor: Annotated[int, Ge(0), Le(200)] = 0
    """Without a lift: the fleet says how long a floor takes."""
    service_by_type: Mapping[str, Seconds] = field(default_factory=dict)
    """Seconds of service by a kind of vehicle, where that differs."""
    weight_g: Amount = 0
    """Counts where a vehicle has a limit of weight."""
    volume_ml: Amount = 0
    """Counts where a vehicle has a limit of volume."""
    skills: Labels = ()
    """Vehicle or driver need all of them."""
    vehicle_types: Labels = ()
    """Only these kinds of vehicle may come here."""
    vehicles: Labels = ()
    """Only these vehicles, by id."""
    on_board: Label | None = None
    """The vehicle that has a delivery's goods already, by id: only it can deliver them, until they are handed over."""
    goods_at: str | None = None
    """The depot where its goods are, or go to; by default any."""
    shipment: Label | None = None
    """Pairs a pickup with the delivery of the same goods: one van, pickup first."""
    max_ride_s: Annotated[int, Gt(0)] | None = None
    """Of a shipment's delivery: the longest from leaving the pickup to starting here."""
    same_van: Label | None = None
    """Orders with the same label go in one van."""
    never_with: Label | None = None
    """No two orders with the same label go in one van."""
    in_order: Label | None = None
    """Orders with the same label go in one van, in the order of `in_order_number`."""
    in_order_number: int = 0
    """Its place in the order of its `in_order`."""
    territory: Label | None = None
    """Where a driver who does not know it costs more (a driver's `strange`)."""

    def __post_init__(self) -> None:
        _forward(self.more_windows, self.deadline, self.release)


@dataclass(frozen=True, kw_only=True)
class BreakTerms:
    """A pause that begins between `earliest` and `latest`, never during a service."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _CONFIG
    earliest: datetime
    """It begins no earlier."""
    latest: datetime
    """It begins no later; who is done before needs none."""
    duration_s: Seconds
    """How long it takes."""
    reason: str = "break"
    """What the driver is told that it is."""

    def __post_init__(self) -> None:
        _forward(((self.earliest, self.latest),))


@dataclass(frozen=True, kw_only=True)
class HoursTerms:
    """A driver's clocks under a rule set, as minutes left at `as_of` (if left out, when the driver's day begins).

    From then on they run with the logs of the vans that the driver sits in (`replan.clocks`): what they drive, where they stand, when
    the driver pauses. Advisory: no tachograph.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _CONFIG
    rule: Literal["none", "eu_561", "us_395"]
    """`eu_561`: 45 min after 4.5 h of driving, or 15 and then 30; `us_395`: 30 min after 8 h."""
    to_break_min: Annotated[int, Ge(0)]
    """Driving left before such a break."""
    driving_min: Annotated[int, Ge(0)]
    """Driving left today."""
    duty_min: Annotated[int, Ge(0)]
    """Time left until the driver may drive no more."""
    rested_15: bool = False
    """EU: the first 15 minutes of a split break have been taken."""
    as_of: datetime | None = None
    """When these clocks were read; if left out, the shift's start, or a driver's own first word after the last day's rest."""

    def __post_init__(self) -> None:
        _forward((), self.as_of)


@dataclass(frozen=True, kw_only=True)
class VehicleTerms:
    """What a vehicle and its shift are, may do and cost."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _CONFIG
    type: Label = "van"
    """What kind of vehicle it is: orders may name the kinds that may come, and how long each takes at the door."""
    profile: str = ""
    """Name of its travel times in the fleet's planning."""
    skills: Labels = ()
    """What it has or can do; orders may ask for it."""
    weight_g: Amount | None = None
    """What it can carry; left out: no limit."""
    volume_ml: Amount | None = None
    """What fits in; left out: no limit."""
    end_depot: str | None = None
    """Where its round ends, if not where it began."""
    open_end: bool = False
    """The round ends at its last stop."""
    reload_depots: Labels = ()
    """Depots where it may load again during the shift."""
    breaks: Annotated[tuple[BreakTerms, ...], Len(0, 10)] = ()
    """Pauses of the shift, each within its window."""
    overtime_s: Seconds = 0
    """How long after the shift's end it may be back, at a price."""
    overtime_cents_per_hour: Cents = 0
    """On top of the wage."""
    max_tasks: Annotated[int, Ge(0)] | None = None
    """The most stops of the rest of the shift."""
    max_distance_m: Amount | None = None
    """The most that it may drive in the rest of the shift."""
    hours: HoursTerms | None = None
    """The clocks under a rule set of whoever drives it, where that driver has none."""
    range_m: Amount | None = None
    """An electric vehicle's range at `range_as_of`. From then on it counts down with what the van's log says that it drove; a charge on
    the way fills it."""
    range_as_of: datetime | None = None
    """When the range was read; the shift's start, if left out."""
    full_range_m: Annotated[int, Gt(0)] | None = None
    """Its range when full; `range_m` if left out."""
    fixed_cents: Cents = 5_000
    """Price of using it at all."""
    cents_per_hour: Cents = 3_000
    """Wage, from the shift's start until it is back."""
    cents_per_km: Cents = 40
    """Price of a kilometre."""
    fuel_cents_per_km_per_1000: Cents = 0
    """On top for each 1,000 parcels that are driven along."""
    idling_cents_per_hour: Cents = 0
    """Engine or cooling that runs while it stands."""
    waiting_cents_per_hour: Cents = 0
    """On top of the wage, while it waits for a window to open."""

    def __post_init__(self) -> None:
        _forward((), self.range_as_of)


@dataclass(frozen=True, kw_only=True)
class DriverTerms:
    """What a driver can, and where a stop costs more because they do not know the place."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _CONFIG
    skills: Labels = ()
    """What the driver can; vehicle and driver together need all that an order asks for."""
    strange: Mapping[str, Cents] = field(default_factory=dict)
    """By territory: what a stop there costs more with this driver."""
    hours: HoursTerms | None = None
    """The driver's clocks under a rule set: they run on in whichever van the driver sits."""


@dataclass(frozen=True, kw_only=True)
class DepotTerms:
    """When and how long vehicles load again at a depot."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _CONFIG
    reload_s: Seconds = 600
    """How long a vehicle stands here to load again."""
    windows: Windows = ()
    """When vehicles may load again; left out: any time."""

    def __post_init__(self) -> None:
        _forward(self.windows)


@dataclass(frozen=True, kw_only=True)
class ChargerTerms:
    """A place where electric vehicles charge to their full range."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _CONFIG
    name: Label
    """What people call it."""
    lat_deg: Annotated[float, Ge(-90), Le(90)]
    """Where it is, WGS84."""
    lon_deg: Annotated[float, Ge(-180), Le(180)]
    """Where it is, WGS84."""
    charge_s: Seconds
    """How long a full charge takes."""


@dataclass(frozen=True, kw_only=True)
class TrafficBand:
    """From `start` (local time, as 07:30) on, until the next band, the roads' times count `factor` times."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _CONFIG
    start: str
    """Local time of day, as 07:30."""
    factor: Annotated[float, Ge(0.1), Le(10)]
    """How many times the roads' own travel times."""

    def __post_init__(self) -> None:
        datetime.strptime(self.start, "%H:%M")  # noqa: DTZ007  # a time of day has no zone


@dataclass(frozen=True, kw_only=True)
class FleetPlanning:
    """Prices and rules of the whole fleet."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _CONFIG
    lateness_cents_per_min: Cents = 200
    """Price of service that begins after the window."""
    promise_cents_per_min: Cents = 200
    """Price of service that begins after what the customer was told, on top."""
    max_wait_s: Seconds | None = None
    """The longest that a vehicle may wait before a stop's window opens."""
    fair_cents_per_hour: Cents = 0
    """Price of each hour that a driver works more than the average of those who work."""
    churn_cents: Cents = 150
    """Price of each of a driver's next three stops that moves."""
    most_attempts: Annotated[int, Ge(1), Le(20)] = 3
    """Tries at a customer's door, the first among them; then the goods go to the depot, a neighbour, a locker or their sender."""
    floor_s: Seconds = 0
    """What each floor adds to a stop's service."""
    parcel_s: Seconds = 0
    """What each parcel after the first adds to a stop's service."""
    chargers: Annotated[tuple[ChargerTerms, ...], Len(0, 100)] = ()
    """Where electric vehicles may charge on the way."""
    profiles: Mapping[str, tuple[TrafficBand, ...]] = field(default_factory=dict)
    """Travel times by name: the roads' own, slowed down by the time of day."""


def columns(terms: type[OrderNeeds]) -> tuple[str, ...]:
    """Names as a file's header has them."""
    return tuple(one.name for one in fields(terms))
