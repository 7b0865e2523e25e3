"""What the hub knows of one depot at one instant, as the planner needs it. Plain facts; `load.py` reads them, `build.py` judges them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from roundsman_core.geo import LatLon
from roundsman_core.hours import Clocks
from roundsman_hub.domain.terms import DepotTerms, DriverTerms, FleetPlanning, OrderNeeds, VehicleTerms
from roundsman_hub.learn.service import ServiceTable
from roundsman_hub.replan.holds import IssuedTasks
from roundsman_hub.replan.reasons import Kind
from roundsman_wire.messages import Break, Parcel, Plan, PlanStop


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why the depot's revision rose."""

    text: str
    priority: int = 0
    kind: Kind = "fleet"
    subject: str = ""
    level: float | None = None
    """How large it is, where it may grow: counted once, and again when it grew by its threshold. None: it ends with the planning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """What a dispatcher decided about an order: only this van, not these; `before`: stops that stand before it, if it has a position."""

    vehicle_id: str | None
    position: int | None
    before: tuple[str, ...]
    forbid: frozenset[str]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A proposal, as later plans have to know it. `after`: routes of the vans that it changes; `before`: their routes without it."""

    proposal_id: str
    before: dict[str, tuple[str, ...]]
    after: dict[str, tuple[str, ...]]
    kinds: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFacts:
    """An order that is placed on the map, with what its van's log says of it."""

    order_id: str
    kind: Literal["delivery", "pickup"]
    position: LatLon
    window_start: datetime
    window_end: datetime
    promise_start: datetime | None
    promise_end: datetime | None
    service_s: int
    parcels: int
    priority: int
    name: str
    address: str
    instructions: str
    phone: str
    cancelled: bool
    items: tuple[Parcel, ...] = ()
    proof: tuple[Literal["photo", "signature", "code"], ...] = ()
    code_sha256: str | None = None
    contact_free: bool = False
    state: Literal["arrived", "delivered", "failed"] | None
    state_vehicle: str | None
    arrived_at: datetime | None
    needs: OrderNeeds = field(default_factory=OrderNeeds)
    collected_by: str | None = None
    """Of a shipment's delivery: the van that has collected its goods; of a further attempt: the van that kept them on board; or the
    van that has them because the order says so."""

    @property
    def done(self) -> bool:
        return self.state in ("delivered", "failed")

    @classmethod
    def asked(
        cls,
        order_id: str,
        kind: Literal["delivery", "pickup"],
        position: LatLon,
        window: tuple[datetime, datetime],
        *,
        service_s: int,
        parcels: int,
    ) -> OrderFacts:
        """Work that somebody only asks about: nobody ordered it, and nothing happened to it."""
        return cls(
            order_id=order_id,
            kind=kind,
            position=position,
            window_start=window[0],
            window_end=window[1],
            promise_start=None,
            promise_end=None,
            service_s=service_s,
            parcels=parcels,
            priority=0,
            name="",
            address="",
            instructions="",
            phone="",
            cancelled=False,
            state=None,
            state_vehicle=None,
            arrived_at=None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VanFacts:
    """A vehicle with its shift, its place, and how far its plans came.

    Attributes
    ----------
    duty : str
        The newest word of its driver: "on", "break" or "off"; "off" before the first.
    carried : int
        Parcels on board that no remaining stop takes off: collected ones, and deliveries that failed.
    ended : bool
        It was on duty in this shift, and its driver went off.
    left_with : frozenset of str, or None
        Tasks that were loaded so far in this shift: what the plan in force when it began delivers before its first call at a depot, and
        the goods of each later load; None: still at the depot.
    reloaded : frozenset of str
        Those of them that were loaded at calls on the way, as the log says.
    just_made : frozenset of str
        Places of the calls that were made since the newest stop that is done.
    in_progress : tuple of str
        Stops the van stands at, oldest first.
    driving_to : str or None
        What its screen shows as next.
    newest : Plan or None
        Newest plan committed for it, in the order that its driver drives: their own, where they gave one; the one before, where they
        declined this.
    refused : bool
        The van would not take that plan: it has to be told again.
    declined_version : int
        Newest plan that its driver declined within the hour; 0: none.
    """

    vehicle_id: str
    name: str
    driver_id: str | None
    capacity: int
    carried: int
    shift_start: datetime
    shift_end: datetime
    online: bool
    duty: str
    ended: bool
    position: LatLon | None
    left_with: frozenset[str] | None
    in_progress: tuple[str, ...]
    driving_to: str | None
    newest: Plan | None
    refused: bool
    in_force_version: int
    session: str | None
    facts_seq: int
    declined_version: int = 0
    terms: VehicleTerms = field(default_factory=VehicleTerms)
    driver: DriverTerms = field(default_factory=DriverTerms)
    reloaded: frozenset[str] = frozenset()
    just_made: frozenset[str] = frozenset()
    breaks_taken: int = 0
    carried_weight_g: int = 0
    carried_volume_ml: int = 0
    locked: bool = False
    """A dispatcher locked its route: nothing enters, leaves or moves."""
    out: str = ""
    """Why it is out of the day ("broken down", "its driver is sick"); empty: it is not."""
    alerts: tuple[tuple[str, str], ...] = ()
    """(kind, name) of what somebody should look at, and lasts."""
    strange_version: int = 0
    """The newest plan that it has and this (restored) database does not know, if no newer one is in force; 0: none."""
    clocks: Clocks | None = None
    clocks_driver_id: str | None = None
    """The driver's hours of service, by now; None where no rule is set."""
    range_left_m: int | None = None
    """How far it can still drive, by now; None where it has no range."""
    at_call: tuple[str, datetime] | None = None
    """The depot or charger at which it stands by its log to load or charge there, and since when."""
    last_done_at: datetime | None = None
    """When the newest stop of this shift was done."""

    @property
    def strange(self) -> bool:
        """It follows a plan that nobody here knows: it has to be told a newer one, whatever that says."""
        return self.strange_version > (self.newest.version if self.newest else 0)

    @property
    def declined(self) -> bool:
        """Its driver said no to the newest plan: it has to be told what they drive instead."""
        return self.newest is not None and self.newest.version == self.declined_version


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherDepot:
    """A depot that vehicles may load at, or end at."""

    position: LatLon
    terms: DepotTerms = field(default_factory=DepotTerms)
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One depot: its orders, its vans, and what was issued so far, all read in one transaction."""

    fleet_id: str
    depot_id: str
    depot: LatLon
    revision: int
    planned: int
    reasons: tuple[Reason, ...]
    now: datetime
    epoch: int
    orders: dict[str, OrderFacts]
    """What is still to be done. A cancelled order is among them only while a van stands at it."""
    done: frozenset[str]
    """Stops of the vans' newest plans that are delivered or failed."""
    vans: dict[str, VanFacts]
    issued: tuple[IssuedTasks, ...]
    unassigned: dict[str, str]
    """What was told so far of work that no van takes: told again only when it differs."""
    handed_over: frozenset[str] = frozenset()
    """Those of `done` at which something was handed over."""
    timezone: str = "UTC"
    planning: FleetPlanning = field(default_factory=FleetPlanning)
    awaited: tuple[str, ...] = ()
    """Vans of this shift that were not heard since the database was restored, while they are waited for: nothing is planned before."""
    service: ServiceTable | None = None
    """How long stops take, as learned; None: as the orders say."""
    depots: dict[str, OtherDepot] = field(default_factory=dict)
    """This depot and the fleet's others, where any of its vehicles or orders has to do with them."""

    mode: Literal["automatic", "ask", "off"] = "automatic"
    hands: dict[str, Hand] = field(default_factory=dict)
    loosened: dict[str, str] = field(default_factory=dict)
    """Orders whose position no plan can keep any more (see `positions`), and the van that they stay with."""
    handed: dict[str, str] = field(default_factory=dict)
    """Goods that a recorded hand-over gave to another van, by order."""
    refused: tuple[Said, ...] = ()
    """Proposals that a dispatcher rejected or took back lately: not made again by themselves."""
    named: dict[str, Said] = field(default_factory=dict)
    """Proposals that the reasons are about."""
    waiting: Said | None = None
    """The proposal that waits for a dispatcher."""
    failed: tuple[tuple[str, str, str], ...] = ()
    """(order, its name, action) of stops that failed in this shift, oldest first."""

    @property
    def in_force(self) -> dict[str, int]:
        return {van.vehicle_id: van.in_force_version for van in self.vans.values()}

    @property
    def urgency(self) -> int:
        return max((reason.priority for reason in self.reasons), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A van's next plan, before it has a version.

    `stops` without any: the end of the shift. `matrix_s`: see `roundsman_wire.messages.Plan`.
    """

    vehicle_id: str
    stops: tuple[PlanStop, ...]
    reason: str
    changes: tuple[str, ...] = ()
    matrix_s: bytes = b""
    hour_paces_pct: tuple[int, ...] = ()
    travel_times: str = "great_circle"
    route_e6: tuple[int, ...] = ()
    may_decline: bool = False
    breaks: tuple[Break, ...] = ()
