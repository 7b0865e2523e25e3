"""Every message of the contract, as frozen tagged structs. The unit is in every field's name.

Positions are integers of 10⁻⁶ degree (0.11 m), WGS84: `lat_e6`, `lon_e6`. Instants are `…_utc_ms` (milliseconds since
1970-01-01T00:00Z) or `mono_ms` (milliseconds on the session's monotonic clock, which never jumps and says nothing about
the date). Structs do not validate in their constructor; decoding checks types and the ranges stated here.

The van's log has two lanes. *Facts* are the `Entry` structs below, JSON on the wire, so that a person can read them.
*Track* is `FixRow`, packed (see `frames.py`).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

FACTS: Final = 0
"""Lane of visits, crossings, driver's actions, receipts, health. Sent first, never thinned."""
TRACK: Final = 1
"""Lane of fixes."""
LANES: Final = (FACTS, TRACK)
LANE_NAMES: Final = {FACTS: "facts", TRACK: "track"}

MAX_MS: Final = 2**53
"""Largest instant, exactly representable in every JSON reader."""
MAX_SEQ: Final = 2**32 - 1
MAX_EPOCH: Final = 2**31 - 2
MAX_LAT_E6: Final = 90_000_000
MAX_LON_E6: Final = 180_000_000

SessionId = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$", max_length=16)]
"""Sixteen lower-case hex digits: a random 64-bit number drawn at each start of the agent."""
Ms = Annotated[int, msgspec.Meta(ge=0, le=MAX_MS)]
LatE6 = Annotated[int, msgspec.Meta(ge=-MAX_LAT_E6, le=MAX_LAT_E6)]
LonE6 = Annotated[int, msgspec.Meta(ge=-MAX_LON_E6, le=MAX_LON_E6)]
Seq = Annotated[int, msgspec.Meta(ge=0, le=MAX_SEQ)]
Epoch = Annotated[int, msgspec.Meta(ge=0, le=MAX_EPOCH)]
Version = Annotated[int, msgspec.Meta(ge=0, le=MAX_MS)]
"""Of a plan: milliseconds since 1970, or one more than the last."""
Kind = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_]*$", max_length=32)]

GAP_BEFORE: Final = 1
"""`FixRow.flags`: the receiver was silent or refused before this fix (tunnel, re-acceptance): draw no line to it."""
ANCHORED: Final = 2
"""`FixRow.flags`: the van stands; the position is the anchor of its standstill, not the drifting fix."""


class FixRow(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted fix, as it is kept in the van's log and at the hub.

    `speed_cm_s` is 0 to 65,534; `heading_cdeg` 0 to 35,999 (clockwise from true north), sent in steps of 1.5 degrees;
    `accuracy_dm` (one sigma, horizontal) is sent in steps of 5 dm. `None`: not known.
    """

    mono_ms: Ms
    utc_ms: Ms | None
    lat_e6: LatE6
    lon_e6: LonE6
    speed_cm_s: int | None
    heading_cdeg: int | None
    accuracy_dm: int | None
    satellites: int
    flags: int = 0


# ── facts: what happened ────────────────────────────────────────────────────────────────────────────────────────────


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

    `arrived`: at `utc_ms`, the first slow fix. `left`: at `utc_ms`, the first fast fix. `stop` is the planned stop it
    belongs to, or None: an unplanned stop. `confidence` is 0 to 1.
    """

    visit: int
    phase: Literal["arrived", "left"]
    stop: str | None
    lat_e6: LatE6
    lon_e6: LonE6
    dwell_s: int = 0
    confidence: float = 1.0


class Crossing(Entry, frozen=True, kw_only=True, tag="crossing"):
    """The van entered or left a standing fence. `inferred`: found between two fixes, seen by neither."""

    fence: str
    event: Literal["enter", "exit", "dwell", "speeding"]
    sites_version: Version
    lat_e6: LatE6
    lon_e6: LonE6
    inferred: bool = False
    speed_cm_s: int | None = None


Outcome = Literal["arrived", "delivered", "failed", "undo"]


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


class Duty(Entry, frozen=True, kw_only=True, tag="duty"):
    """The driver's shift began, paused or ended. Off shift, no position is collected on the device."""

    duty: Literal["on", "break", "off"]
    driver: str | None


ReceiptState = Literal["held", "shown", "in_force", "declined", "refused"]


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


class FixGap(Entry, frozen=True, kw_only=True, tag="gap"):
    """No fix was accepted from `from_utc_ms` to `utc_ms`. Told when it ends; drawn as a gap, never as a line."""

    from_utc_ms: Ms
    reason: str


class Note(Entry, frozen=True, kw_only=True, tag="note"):
    """Something the unit did about itself that a technician should know: store set aside, plan refused, disk full."""

    topic: str
    text: str


AnyEntry = SessionStarted | Clock | Visit | Crossing | Action | Duty | Receipt | Health | FixGap | Note


class UnknownEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A kind that this release does not know: kept as received and derived after the upgrade."""

    kind: Kind
    mono_ms: Ms
    utc_ms: Ms | None = None


# ── said at once, never stored as track ─────────────────────────────────────────────────────────────────────────────


class Now(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the van is this second: the live marker only. "Latest" is the highest (session order, `order`)."""

    session: SessionId
    order: int
    mono_ms: Ms
    utc_ms: Ms | None
    lat_e6: LatE6
    lon_e6: LonE6
    speed_cm_s: int | None = None
    heading_cdeg: int | None = None
    duty: Literal["on", "break", "off"] = "on"
    next_stop: str | None = None
    eta_utc_ms: Ms | None = None
    plan_version: Version = 0
    backlog: int = 0


class LaneState(msgspec.Struct, frozen=True, kw_only=True):
    """What a van still keeps of one lane: entries `first_kept` to `last`, and what it believes the hub has."""

    lane: int
    first_kept: Seq
    last: Seq
    acked: Seq


class SessionState(msgspec.Struct, frozen=True, kw_only=True):
    """One session that the van still keeps."""

    session: SessionId
    previous: SessionId | None
    lanes: tuple[LaneState, ...]


class Presence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Retained; the last will says `online = False` and nothing else. The hub answers each with acks for every session named."""

    online: bool
    session: SessionId | None = None
    agent_version: str = ""
    row_format: int = 1
    epoch: Epoch = 0
    plan_version: Version = 0
    sites_version: Version = 0
    config_version: Version = 0
    sessions: tuple[SessionState, ...] = ()


# ── down: what should happen ────────────────────────────────────────────────────────────────────────────────────────


class Ack(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything up to `through_seq` of that lane is committed at the hub. `rewind`: send again from there."""

    epoch: Epoch
    session: SessionId
    lane: int
    through_seq: Seq
    rewind: bool = False


class BasedOn(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the van's log the planner had seen."""

    session: SessionId | None
    facts_seq: Seq


class PlanStop(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One stop of a plan, in driving order. Arrival = when the van stands; service starts at max(arrival, window's start).

    `leg_s`, `leg_m`: drive from the stop before (or the van's place) to this one. `window_*`: service must start inside.
    `promise_*`: what the customer was told.
    """

    stop: str
    tasks: tuple[str, ...]
    kind: Literal["delivery", "pickup", "depot"]
    lat_e6: LatE6
    lon_e6: LonE6
    fence_radius_m: int
    leg_s: int
    leg_m: int
    service_s: int
    arrival_utc_ms: Ms
    window_start_utc_ms: Ms | None = None
    window_end_utc_ms: Ms | None = None
    promise_start_utc_ms: Ms | None = None
    promise_end_utc_ms: Ms | None = None
    name: str = ""
    address: str = ""
    instructions: str = ""
    phone: str = ""
    parcels: int = 1
    priority: int = 0


class Plan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The whole current plan of one van. A plan without stops ends the shift.

    `matrix_s` : uint16 little-endian, row-major, shape (n + 1, n + 1) over [depot, first n ≤ 40 stops] — seconds from
    row's place to column's, 65535 where there is no way. `band_factors`: 24 multipliers of leg times, by hour UTC.
    `route_e6`: the road to drive, as [lat, lon, lat, lon, …] differences after the first pair; empty: not known.
    """

    plan: str
    vehicle: str
    version: Version
    issued_utc_ms: Ms
    based_on: BasedOn
    stops: tuple[PlanStop, ...]
    driver: str | None = None
    shift_start_utc_ms: Ms | None = None
    shift_end_utc_ms: Ms | None = None
    depot_lat_e6: LatE6 | None = None
    depot_lon_e6: LonE6 | None = None
    matrix_s: bytes = b""
    band_factors: tuple[float, ...] = ()
    route_e6: tuple[int, ...] = ()
    travel_times: str = "great_circle"
    reason: str = ""
    changes: tuple[str, ...] = ()


class Fence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A standing fence: a circle (`radius_m` around the only ring's only point) or a polygon with holes (rings of [lat_e6, lon_e6])."""

    fence: str
    name: str
    rings_e6: tuple[tuple[tuple[int, int], ...], ...]
    radius_m: float | None = None
    dwell_s: int | None = None
    speed_limit_cm_s: int | None = None


class Sites(msgspec.Struct, frozen=True, kw_only=True):
    """Standing fences within the van's reach."""

    version: Version
    fences: tuple[Fence, ...]


class Config(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the hub may set on the unit. Absent fields keep the unit's own file's value."""

    version: Version
    sampling: Literal["full", "evidence", "sparse"] | None = None
    now_interval_s: float | None = None
    max_row_format: int = 1
    trusted_keys: dict[str, str] = {}
    """Key id → Ed25519 public key, hex. A new key arrives in a config signed by an old one."""


class Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A request, answered by a fact. `locate` is refused off shift."""

    command: str
    verb: Literal["locate", "diagnose"]


SteeringKind = Literal["plan", "sites", "config", "command"]


class EnvelopeHeader(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who a steering document is for, and how long it holds. Signed together with the payload (see `envelopes.py`)."""

    vehicle: str
    kind: SteeringKind
    epoch: Epoch
    version: Version
    key_id: str
    valid_until_utc_ms: Ms | None = None
