"""Which believed fixes the log keeps, and which the live map is told. The pipeline sees them all; what is kept decides what can be proved.

Two needs, two rules. *Evidence* of the route: by time, distance and heading, denser near a planned stop and in a manoeuvre, once a minute
when parked. The *live marker*: when whoever drew the van on from the last one would be wrong by more than `live_error_m`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final, Literal, Protocol

import msgspec
from msgspec.structs import replace

from roundsman_core.geo import LatLon, distance_m
from roundsman_wire.messages import Config

Mode = Literal["full", "evidence", "sparse"]

TURN_MIN_MPS: Final = 2.0
"""Below it a receiver's heading is noise."""
SPEED_CHANGE_MPS: Final = 4.0
"""Braking for a junction, pulling away: where the van was in between is no longer a matter of even speed."""
NEAR_EVERY: Final = 0.2
"""Near a planned stop time and distance count a fifth: 2 s, 20 m. Which side of the road, which door."""
SPARSE_OFF_M: Final = 30.0
SPARSE_EVERY_MS: Final = 60_000
"""Dead reckoning off by 30 m, or a minute: 235 fixes an hour, and a position that is right within 30 m (p95)."""
TOLD_EVERY_MS: Final = 60_000
"""A marker that says nothing new still says that the van is there."""
TOLD_STOP_MPS: Final = 1.0
"""Whether the van stands is what a dispatcher looks for: told at once, whatever the distance."""
DEGREE_M: Final = 111_195.0


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How densely to keep and to tell. The defaults (10 s, 100 m, 10 degrees) keep the track's cross-track p95 at 3 m on the recorded
    drives.

    `near_stop_m`: within so much of a planned stop, denser. `parked_every_ms`: a van that stands repeats one position.
    `live_error_m`: how wrong the live marker may become before it is told anew.
    """

    mode: Mode = "evidence"
    every_ms: int = 10_000
    every_m: float = 100.0
    turn_deg: float = 10.0
    near_stop_m: float = 100.0
    parked_every_ms: int = 60_000
    live_error_m: float = 15.0


USUAL: Final = Policy()


def chosen(policy: Policy, config: Config | None) -> Policy:
    """The unit's own policy with what the hub has set; a number that is not more than 0 sets nothing."""
    if config is None:
        return policy
    wishes: dict[str, object] = {
        "every_ms": _positive(config.evidence_s, 1000),
        "every_m": _positive(config.evidence_m),
        "turn_deg": _positive(config.evidence_deg),
        "near_stop_m": _positive(config.near_stop_m),
        "parked_every_ms": _positive(config.parked_every_s, 1000),
        "live_error_m": _positive(config.live_error_m),
        "mode": config.sampling,
    }
    return replace(policy, **{name: value for name, value in wishes.items() if value is not None})


def _positive(value: float | None, factor: int = 1) -> float | None:
    return value * factor if value is not None and 0 < value < math.inf else None


class Moving(Protocol):
    """What both rules look at: an instant, the place (the anchor's while standing), and how the van moves there."""

    @property
    def mono_ms(self) -> int: ...

    @property
    def position(self) -> LatLon: ...

    @property
    def speed_mps(self) -> float | None: ...

    @property
    def heading_deg(self) -> float | None: ...

    @property
    def anchored(self) -> bool: ...


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One believed fix, as sampling sees it."""

    mono_ms: int
    position: LatLon
    speed_mps: float | None
    heading_deg: float | None
    anchored: bool


def keeps(policy: Policy, kept: Moving | None, now: Moving, *, near_stop: bool = False) -> bool:
    """Whether the log keeps `now`, given the newest one that it kept.

    The first fix of a shift, after a gap, and at each start and end of a standstill is always kept: the caller
    passes `kept = None` for the first two; a change of `anchored` shows the others.
    """
    if policy.mode == "full" or kept is None or kept.anchored != now.anchored:
        return True
    passed_ms = now.mono_ms - kept.mono_ms
    if passed_ms < 0:  # the clock was set anew
        return True
    if now.anchored:
        return passed_ms >= policy.parked_every_ms
    if policy.mode == "sparse":
        return passed_ms >= SPARSE_EVERY_MS or strayed_m(kept, now) > SPARSE_OFF_M
    part = NEAR_EVERY if near_stop else 1.0
    if passed_ms >= policy.every_ms * part or distance_m(kept.position, now.position) >= policy.every_m * part:
        return True
    before_mps, now_mps = kept.speed_mps, now.speed_mps
    if before_mps is None or now_mps is None:
        return False
    if abs(now_mps - before_mps) >= SPEED_CHANGE_MPS:
        return True
    if kept.heading_deg is None or now.heading_deg is None or min(before_mps, now_mps) < TURN_MIN_MPS:
        return False
    return abs((now.heading_deg - kept.heading_deg + 180.0) % 360.0 - 180.0) >= policy.turn_deg


def tells(policy: Policy, told: Moving | None, now: Moving) -> bool:
    """Whether the live map needs `now`, given the newest one that it was told (None: none yet, or the link is new)."""
    if told is None or not 0 <= now.mono_ms - told.mono_ms < TOLD_EVERY_MS:
        return True
    if now.anchored and told.anchored:
        return False
    stood, stands = (told.speed_mps or 0.0) < TOLD_STOP_MPS, (now.speed_mps or 0.0) < TOLD_STOP_MPS
    return stood != stands or strayed_m(told, now) > policy.live_error_m


def strayed_m(then: Moving, now: Moving) -> float:
    """How far from `now` a listener would draw the van, from `then` alone: straight on, as fast as it went."""
    return distance_m(reckoned(then, now.mono_ms - then.mono_ms), now.position)


def reckoned(then: Moving, passed_ms: int) -> LatLon:
    """Dead reckoning: where a listener draws the van `passed_ms` later."""
    if then.anchored or not then.speed_mps or then.heading_deg is None:
        return then.position
    run_deg = then.speed_mps * passed_ms / 1000 / DEGREE_M
    heading = math.radians(then.heading_deg)
    lat_deg = then.position.lat_deg + run_deg * math.cos(heading)
    lon_deg = then.position.lon_deg + run_deg * math.sin(heading) / max(math.cos(math.radians(then.position.lat_deg)), 0.01)
    return LatLon(min(max(lat_deg, -90.0), 90.0), (lon_deg + 180.0) % 360.0 - 180.0)


# ── near a planned stop? ────────────────────────────────────────────────────────────────────────────────────────────


class Nearness(msgspec.Struct, frozen=True, kw_only=True):
    """At `position` the nearest planned stop was `stop_m` away: until the van has moved by the difference to the nearness asked for,
    the answer stays. So a plan of 150 stops costs one distance a fix, not 150.
    """

    position: LatLon
    stop_m: float


def nearness(known: Nearness | None, at: LatLon, stops: Iterable[LatLon], near_m: float) -> tuple[Nearness, bool]:
    """Whether a stop is within `near_m` of `at`; `known` is None after the plan has changed."""
    if known is not None and (known.stop_m == math.inf or distance_m(known.position, at) < abs(known.stop_m - near_m)):
        return known, known.stop_m <= near_m
    narrow = math.cos(math.radians(at.lat_deg))
    stop_m = DEGREE_M * math.sqrt(
        min((((s.lat_deg - at.lat_deg) ** 2 + ((s.lon_deg - at.lon_deg) * narrow) ** 2) for s in stops), default=math.inf)
    )
    return Nearness(position=at, stop_m=stop_m), stop_m <= near_m
