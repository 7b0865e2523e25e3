"""Facts: what happened, as the van's log tells it. JSON on the wire, so that a person can read it."""

from __future__ import annotations

from typing import Literal

import msgspec

from roundsman_wire.units import Kind, LatE6, LonE6, Ms, SessionId, Sha256, Version


class Entry(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", omit_defaults=True):
    """What all facts have. `utc_ms` is when it happened (backdated where the kind says so), if the van knows the date."""

    mono_ms: Ms
    utc_ms: Ms | None = None


class SessionStarted(Entry, frozen=True, kw_only=True, tag="session"):
    """First entry of every session's facts. Names the session before it: the hub orders sessions by this chain."""

    session: SessionId
    previous: SessionId | None
    agent_version: str
    row_format: int
    reason: str = "start"


class Clock(Entry, frozen=True, kw_only=True, tag="clock"):
    """At `mono_ms` of this session it was `utc_ms`: sent when the date becomes known, and again when it moves by more than 250 ms."""

    source: Literal["gnss", "ntp", "wall"]


class Visit(Entry, frozen=True, kw_only=True, tag="visit"):
    """A standstill, told in phases under one `visit` number (unique in the session).

    `approaching`: the planned stop is next and near. `arrived` (parked): at `utc_ms`, the first slow fix. `serving`: it is a
    stop and no pause in traffic. `left`: at `utc_ms`, the first fast fix. `stop` is the planned stop it belongs to, or None: an
    unplanned stop; `near` is then the planned stop that it may have been meant for (a neighbour's door, a wrong address).
    `confidence` is 0 to 1. `engine` is None where nothing tells the unit of the ignition.
    """

    visit: int
    phase: Literal["approaching", "arrived", "serving", "left"]
    stop: str | None
    lat_e6: LatE6
    lon_e6: LonE6
    dwell_s: int = 0
    confidence: float = 1.0
    near: str | None = None
    engine: Literal["on", "off"] | None = None


class Crossing(Entry, frozen=True, kw_only=True, tag="crossing"):
    """The van entered or left a standing fence. `inferred`: found between two fixes, seen by neither."""

    fence: str
    event: Literal["enter", "exit", "dwell", "speeding"]
    sites_version: Version
    lat_e6: LatE6
    lon_e6: LonE6
    inferred: bool = False
    speed_cm_s: int | None = None
    dwell_s: int = 0


Outcome = Literal["arrived", "delivered", "partial", "refused", "damaged", "failed", "undo"]
"""`partial`: some parcels were handed over. `refused`, `damaged`: the recipient did not take them. Each of the three names `parcels`."""


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """Something large that travels beside the log, over HTTPS: the fact carries its hash, and is never delayed by it."""

    kind: Literal["photo", "signature"]
    sha256: Sha256
    bytes: int
    media_type: str


class Action(Entry, frozen=True, kw_only=True, tag="action"):
    """What the driver said of a stop, on the screen. `action` is unique in the vehicle's life; `undoes` names an earlier one."""

    action: str
    stop: str
    tasks: tuple[str, ...]
    outcome: Outcome
    reason: str | None = None
    undoes: str | None = None
    driver: str | None = None
    lat_e6: LatE6 | None = None
    lon_e6: LonE6 | None = None
    parcels: tuple[str, ...] = ()
    proofs: tuple[Proof, ...] = ()
    code: str | None = None
    received_by: str | None = None
    note: str | None = None


class Scan(Entry, frozen=True, kw_only=True, tag="scan"):
    """A parcel was scanned (or ticked by hand) into or out of the van. `stop` None: no stop of the plan knows it. `place`: where."""

    parcel: str
    event: Literal["loaded", "unloaded", "unknown"]
    stop: str | None = None
    place: str = ""
    by: Literal["scan", "hand"] = "scan"
    driver: str | None = None


class DepotCall(Entry, frozen=True, kw_only=True, tag="depot_call"):
    """The driver is done at a plan's stop of kind `depot`: has loaded again there, or has charged; or takes that back (`undo`).

    `call` is unique in the vehicle's life; `undoes` names an earlier one. `stop` is the plan's own name for the place (`@…` a depot,
    `+…` a charger). `tasks`: the deliveries of plan `plan_version` that this load is for: their goods are in the van from now on (a
    delivery whose goods another stop hands over is among them; its own stop says when it came on board). `since_utc_ms`: when the van
    came to stand there, if its receiver told.
    """

    call: str
    stop: str
    event: Literal["loaded", "charged", "undo"]
    plan_version: Version
    tasks: tuple[str, ...] = ()
    since_utc_ms: Ms | None = None
    undoes: str | None = None
    driver: str | None = None
    lat_e6: LatE6 | None = None
    lon_e6: LonE6 | None = None


class Report(Entry, frozen=True, kw_only=True, tag="report"):
    """The driver reports what the planner cannot see."""

    report: str
    topic: Literal["breakdown", "accident", "road_closed", "delay", "help", "other"]
    text: str = ""
    stop: str | None = None
    lat_e6: LatE6 | None = None
    lon_e6: LonE6 | None = None
    proofs: tuple[Proof, ...] = ()
    driver: str | None = None


class Reordered(Entry, frozen=True, kw_only=True, tag="reordered"):
    """The van changed the order of the remaining stops of plan `plan_version`, within the plan's `reorder` limits."""

    plan_version: Version
    stops: tuple[str, ...]
    by: Literal["driver", "unit"] = "driver"
    reason: str = ""


class Risk(Entry, frozen=True, kw_only=True, tag="risk"):
    """The van expects to break the promise of a stop (`late_s` > 0), or no longer does (`late_s` = 0)."""

    stop: str
    eta_utc_ms: Ms
    promise_end_utc_ms: Ms
    late_s: int


class Ignition(Entry, frozen=True, kw_only=True, tag="ignition"):
    """The engine was turned on or off, by what tells the unit so."""

    on: bool
    source: str


class Said(Entry, frozen=True, kw_only=True, tag="said"):
    """The driver answers a message (`about` names it), or writes one; sent while parked only."""

    message: str
    text: str
    about: str | None = None
    stop: str | None = None
    driver: str | None = None


class Duty(Entry, frozen=True, kw_only=True, tag="duty"):
    """The driver's shift began, paused or ended. Off shift, no position is collected on the device."""

    duty: Literal["on", "break", "off"]
    driver: str | None


ReceiptState = Literal["held", "shown", "in_force", "accepted", "declined", "refused"]


class Receipt(Entry, frozen=True, kw_only=True, tag="receipt"):
    """How far a plan came. `held`: on the van's disk. `shown`: painted. `in_force`: the older one can never return."""

    plan_version: Version
    plan_hash: str
    state: ReceiptState
    reason: str | None = None


class Health(Entry, frozen=True, kw_only=True, tag="health"):
    """The unit's own state, every few minutes. `rejected` counts refused fixes by reason since the session began."""

    agent_version: str
    backlog_facts: int
    backlog_track: int
    oldest_unsent_s: int
    disk_free_mb: int
    rss_mb: int
    fixes_accepted: int
    rejected: dict[str, int] = {}
    receiver: str = ""
    temperature_c: float | None = None
    uptime_s: int = 0
    store_mb: int = 0
    disk_written_mb: int = 0
    disk_wear_pct: int | None = None
    voltage_v: float | None = None
    throttled: tuple[str, ...] = ()
    clock: str = ""
    versions: dict[str, str] = {}
    blobs_waiting: int = 0


class FixGap(Entry, frozen=True, kw_only=True, tag="gap"):
    """No fix was accepted from `from_utc_ms` to `utc_ms`. Told when it ends; drawn as a gap, never as a line."""

    from_utc_ms: Ms
    reason: str


class Note(Entry, frozen=True, kw_only=True, tag="note"):
    """Something the unit did about itself that a technician should know: store set aside, plan refused, disk full."""

    topic: str
    text: str


AnyEntry = (
    SessionStarted
    | Clock
    | Visit
    | Crossing
    | Action
    | Scan
    | DepotCall
    | Report
    | Reordered
    | Risk
    | Ignition
    | Said
    | Duty
    | Receipt
    | Health
    | FixGap
    | Note
)


class UnknownEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A kind that this release does not know: kept as received and derived after the upgrade."""

    kind: Kind
    mono_ms: Ms
    utc_ms: Ms | None = None
