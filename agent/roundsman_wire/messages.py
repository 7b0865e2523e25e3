"""Every message of the contract, as frozen tagged structs. The unit is in every field's name.

Positions are integers of 10⁻⁶ degree (0.11 m), WGS84: `lat_e6`, `lon_e6`. Instants are `…_utc_ms` (milliseconds since
1970-01-01T00:00Z) or `mono_ms` (milliseconds on the session's monotonic clock, which never jumps and says nothing about
the date). Structs do not validate in their constructor; decoding checks types and the ranges stated here.

The van's log has two lanes. *Facts* are the `Entry` structs below, JSON on the wire, so that a person can read them.
*Track* is `FixRow`, packed (see `frames.py`).
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from roundsman_wire.documents import (
    CHARGE as CHARGE,
    RELOAD as RELOAD,
    ActiveHours as ActiveHours,
    BasedOn as BasedOn,
    Break as Break,
    Command as Command,
    Config as Config,
    EnvelopeHeader as EnvelopeHeader,
    Fence as Fence,
    HoursLeft as HoursLeft,
    Parcel as Parcel,
    Plan as Plan,
    PlanStop as PlanStop,
    Reorder as Reorder,
    Sentence as Sentence,
    Sites as Sites,
    SteeringKind as SteeringKind,
)
from roundsman_wire.facts import (
    Action as Action,
    AnyEntry as AnyEntry,
    Clock as Clock,
    Crossing as Crossing,
    DepotCall as DepotCall,
    Duty as Duty,
    Entry as Entry,
    FixGap as FixGap,
    Health as Health,
    Ignition as Ignition,
    Note as Note,
    Outcome as Outcome,
    Proof as Proof,
    Receipt as Receipt,
    ReceiptState as ReceiptState,
    Reordered as Reordered,
    Report as Report,
    Risk as Risk,
    Said as Said,
    Scan as Scan,
    SessionStarted as SessionStarted,
    UnknownEntry as UnknownEntry,
    Visit as Visit,
)
from roundsman_wire.units import (
    FACTS as FACTS,
    LANE_NAMES as LANE_NAMES,
    LANES as LANES,
    MAX_EPOCH as MAX_EPOCH,
    MAX_LAT_E6 as MAX_LAT_E6,
    MAX_LON_E6 as MAX_LON_E6,
    MAX_MS as MAX_MS,
    MAX_SEQ as MAX_SEQ,
    TRACK as TRACK,
    Epoch as Epoch,
    Kind as Kind,
    LatE6 as LatE6,
    LonE6 as LonE6,
    Ms as Ms,
    Seq as Seq,
    SessionId as SessionId,
    Sha256 as Sha256,
    Version as Version,
)

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


# ── down, beside the documents ───


class Ack(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything up to `through_seq` of that lane is committed at the hub. `rewind`: send again from there."""

    epoch: Epoch
    session: SessionId
    lane: int
    through_seq: Seq
    rewind: bool = False
