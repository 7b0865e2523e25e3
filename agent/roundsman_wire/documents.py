"""Steering documents: what should happen next, from the hub to one van. Each travels in a signed envelope (`envelopes.py`)."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from roundsman_wire.units import Epoch, LatE6, LonE6, Ms, Seq, SessionId, Sha256, Version

RELOAD: Final = "@"
"""A stop of the kind `depot` whose name begins so is a call at a depot to load again: what is delivered behind it, up to the next such
call, is loaded there."""
CHARGE: Final = "+"
"""A stop of the kind `depot` whose name begins so is a charger."""


class BasedOn(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the van's log the planner had seen."""

    session: SessionId | None
    facts_seq: Seq


class Parcel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing to hand over or to collect. `parcel` is what its barcode says; `place` is where in the van it lies (or should)."""

    parcel: str
    name: str = ""
    place: str = ""
    weight_g: int | None = None


class PlanStop(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One stop of a plan, in driving order. Arrival = when the van stands; service starts at max(arrival + parking, window's start).

    `service_s`: what the stop takes from arrival to departure where nothing is waited for; `parking_s` of it pass before service
    starts: the walk to the door.
    `leg_s`, `leg_m`: drive from the stop before (or the van's place) to this one; the last `search_s` of it are the search for a place to
    park. `window_*`: service must start inside.
    `promise_*`: what the customer was told. `fence_rings_e6`: the stop's own area, where a circle would be wrong (rings of
    [lat_e6, lon_e6]). `proof`: what must be shown to have delivered; `code_sha256` is the hash of `STOP:CODE`, so that the unit can
    check a code offline. `pinned`: its place in the order may not be changed in the van.
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
    items: tuple[Parcel, ...] = ()
    fence_rings_e6: tuple[tuple[tuple[int, int], ...], ...] = ()
    proof: tuple[Literal["photo", "signature", "code"], ...] = ()
    code_sha256: Sha256 | None = None
    contact_free: bool = False
    pinned: bool = False
    parking_s: int = 0
    search_s: int = 0


class Reorder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far the van may change the order of its remaining stops by itself: signed with the plan.

    `max_moved`: stops that may stand elsewhere than planned. `max_extra_s`: how much longer the rest of the round may take.
    No stop may miss its window or promise by the change that would have kept it.
    """

    max_moved: int
    max_extra_s: int


class Break(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A pause of `duration_s` that begins inside the window, after `after_stops` of the plan's stops."""

    duration_s: int
    start_utc_ms: Ms
    window_start_utc_ms: Ms
    window_end_utc_ms: Ms
    after_stops: int
    reason: str = ""


class HoursLeft(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The driver's hours of service at `at_utc_ms`, as the hub counts them; the van runs them on. Advisory: no tachograph."""

    rule: Literal["eu_561", "us_395"]
    to_break_s: int
    driving_s: int
    duty_s: int
    at_utc_ms: Ms
    rested_15: bool = False


class Sentence(msgspec.Struct, frozen=True, kw_only=True):
    """One sentence of the hub's by its code, for whoever tells it in another language. `params` fill its gaps, in English; those whose
    names end in `_said` are sentences themselves. `code` "": a person's own words, in `params["text"]`."""

    code: str
    params: dict[str, str | tuple[Sentence, ...]] = {}


class Plan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The whole current plan of one van. A plan without stops ends the shift.

    `matrix_s` : uint16 little-endian, row-major, shape (n + 1, n + 1) over [depot, first n ≤ 40 stops] — seconds from
    row's place to column's, 65535 where there is no way. `band_factors`: 24 multipliers of leg times, by hour UTC,
    for whoever sends legs at one pace. The hub does not: each leg has the pace of the hour that it is planned in, and
    `hour_paces_pct` says what another hour makes of it: 24 lengths of a drive by hour UTC, in percent of the matrix's;
    empty: all hours are alike.
    `reason`, `changes` are in English; `reason_said`, `changes_said` (one for each change) say the same by code.
    `eta_widths_pct`: how wide arrival times have to be told, as (how many minutes ahead or more, low, high) in percent of a rule of
    thumb (`roundsman_core.widths`); empty: the rule of thumb itself.
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
    reorder: Reorder | None = None
    breaks: tuple[Break, ...] = ()
    hours: HoursLeft | None = None
    may_decline: bool = False
    reason_said: tuple[Sentence, ...] = ()
    changes_said: tuple[tuple[Sentence, ...], ...] = ()
    hour_paces_pct: tuple[int, ...] = ()
    eta_widths_pct: tuple[tuple[int, int, int], ...] = ()


class ActiveHours(msgspec.Struct, frozen=True, kw_only=True):
    """When a fence counts: `days` is a bit mask (1 Monday … 64 Sunday) of the day it begins; minutes since local midnight; past
    midnight when `end_min` ≤ `start_min`."""

    days: int
    start_min: int
    end_min: int


class Fence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A standing fence: a circle (`radius_m` around the only ring's only point) or a polygon with holes (rings of [lat_e6, lon_e6]).
    Without `active` it counts at all hours; `time_zone` (IANA) says whose."""

    fence: str
    name: str
    rings_e6: tuple[tuple[tuple[int, int], ...], ...]
    radius_m: float | None = None
    dwell_s: int | None = None
    speed_limit_cm_s: int | None = None
    active: tuple[ActiveHours, ...] = ()
    time_zone: str = "UTC"


class Sites(msgspec.Struct, frozen=True, kw_only=True):
    """Standing fences within the van's reach."""

    version: Version
    fences: tuple[Fence, ...]


class Config(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the hub may set on the unit. Absent fields keep the unit's own file's value."""

    version: Version
    sampling: Literal["full", "evidence", "sparse"] | None = None
    evidence_s: float | None = None
    evidence_m: float | None = None
    evidence_deg: float | None = None
    near_stop_m: float | None = None
    parked_every_s: float | None = None
    live_error_m: float | None = None
    now_interval_s: float | None = None
    stop_slow_mps: float | None = None
    stop_planned_s: float | None = None
    stop_unplanned_s: float | None = None
    language: str | None = None
    distance_unit: Literal["km", "mi"] | None = None
    time_zone: str | None = None
    blobs_url: str | None = None
    max_row_format: int = 1
    trusted_keys: dict[str, str] = {}
    """Key id → Ed25519 public key, hex. A new key arrives in a config signed by an old one."""


class Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A request, answered by a fact. `locate` is refused off shift. `message` shows `text` to the driver, about `stop` if it names one.

    `roll_call` comes on the channel of the plan, behind every plan that waited there: its answer says that those were taken before.
    A unit that does not know it notes that it refused it.
    """

    command: str
    verb: Literal["locate", "diagnose", "message", "roll_call"]
    text: str = ""
    stop: str | None = None


SteeringKind = Literal["plan", "sites", "config", "command"]


class EnvelopeHeader(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who a steering document is for, and how long it holds. Signed together with the payload (see `envelopes.py`)."""

    vehicle: str
    kind: SteeringKind
    epoch: Epoch
    version: Version
    key_id: str
    valid_until_utc_ms: Ms | None = None
