"""When the van comes to a halt, and when it drives on: one noisy fix ends no halt, and a queue that creeps is many of them."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec.structs import replace

from roundsman_agent.standstill import STILL_MPS
from roundsman_core.geo import LatLon, distance_m

SLOW_MPS: Final = 1.0
"""Slower than a walk: a van that manoeuvres into a gap is about to stand."""
GO_FIXES: Final = 2
GO_RUN_M: Final = 4.0
"""Fast fixes in a row, and their Doppler distance, that end a halt: a reflection makes one or two at a walk's speed, driving off many."""
GO_M: Final = 8.0
GO_RARE_S: Final = 1.5
"""Of a receiver that speaks so rarely one fast fix ends it as well, if it lies so far on: it shows a departure only once."""
CREPT_M: Final = 8.0
"""Place and Doppler distance without a pause both beyond it: a queue moves on below `SLOW_MPS`, and stands elsewhere now. Drift moves the
place alone."""

ELSEWHERE_M: Final = 50.0
"""Slow here, and slow so far away with nothing fast seen between (a tunnel): two halts. Drift of 62 m took minutes; an anchor holds it."""

SHUNT_M: Final = 8.0
SHUNT_MS: Final = 20_000
"""Standing again after so little way by Doppler, and so soon (a shunt): one halt. A queue moves on by a car's length and more."""


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """An instant on both clocks, and where the van was."""

    mono_ms: int
    utc_ms: int | None
    position: LatLon


class Halt(msgspec.Struct, frozen=True, kw_only=True):
    """The van stands, since its first slow fix. `at`: the newest place (the anchor's, once there is one).

    `fast`: the first fast fix of a run that may be the end of the halt (`ended`: it is), `run_m` its Doppler distance. `crept_m`: Doppler
    distance of the slow fixes.
    """

    since: Moment
    at: LatLon
    newest_ms: int
    fast: Moment | None = None
    fasts: int = 0
    run_m: float = 0.0
    ended: bool = False
    crept_m: float = 0.0

    @property
    def lasts_ms(self) -> int:
        """From the first slow fix to the newest, or to the fast one that may have ended it."""
        return (self.newest_ms if self.fast is None else self.fast.mono_ms) - self.since.mono_ms


def step(halt: Halt | None, now: Moment, speed_mps: float, slow_mps: float = SLOW_MPS) -> Halt | None:
    """Advance by one believed fix: the halt that goes on, begins, or (`ended`) was the last; None before the first and long after one."""
    if halt is None:
        return None if speed_mps >= slow_mps else _begun(now)
    if halt.ended:
        fast = halt.fast or now
        if now.mono_ms - fast.mono_ms > SHUNT_MS:
            return None if speed_mps >= slow_mps else _begun(now)
        if speed_mps >= slow_mps:
            return replace(halt, run_m=halt.run_m + speed_mps * (now.mono_ms - halt.newest_ms) / 1000, newest_ms=now.mono_ms)
        return Halt(since=halt.since, at=halt.at, newest_ms=now.mono_ms) if halt.run_m <= SHUNT_M else _begun(now)
    passed_s = max(now.mono_ms - halt.newest_ms, 0) / 1000
    if speed_mps >= slow_mps:
        fasts, run_m = halt.fasts + 1, halt.run_m + speed_mps * passed_s
        far = passed_s >= GO_RARE_S and distance_m(halt.at, now.position) > GO_M
        ended = far or (fasts >= GO_FIXES and run_m > GO_RUN_M)
        return replace(halt, fast=halt.fast or now, fasts=fasts, run_m=run_m, ended=ended, newest_ms=now.mono_ms)
    crept_m = halt.crept_m + speed_mps * passed_s if speed_mps >= STILL_MPS else 0.0
    off_m = distance_m(halt.since.position, now.position)
    if off_m > ELSEWHERE_M or (crept_m > CREPT_M and off_m > CREPT_M):
        return _begun(now)
    return Halt(since=halt.since, at=now.position, newest_ms=now.mono_ms, crept_m=crept_m)


def _begun(now: Moment) -> Halt:
    return Halt(since=now, at=now.position, newest_ms=now.mono_ms)
