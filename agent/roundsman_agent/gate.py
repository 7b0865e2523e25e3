"""Which fixes are believed. A refused fix is counted by its reason and stepped over; three that agree with each other win."""

from __future__ import annotations

import math
from typing import Final

import msgspec

from roundsman_agent.fix import Fix
from roundsman_core.geo import distance_m

INACCURATE_M: Final = 1_000.0
"""Receivers' own figures are poor witnesses (gpsd said 729 m where the error was 0.5 m): only the hopeless is refused by them."""
WORST_HDOP: Final = 50.0
"""Satellites in one corner of the sky: metres of range become streets. Not lower: a fix of the recorded drive said 38 and was 1 m right."""
FEWEST_SATELLITES: Final = 3
"""A place needs three, and a height from memory. A receiver that says one or two made it up; 0 is "not said"."""
CREDIBLE_M: Final = 30.0
"""And no more than this is granted for them: a claimed kilometre would let every jump pass."""
FASTEST_MPS: Final = 60.0
"""No van does 216 km/h; a receiver's log shows jumps at 438 km/h."""
CHANGE_MPS2: Final = 10.0
"""Full braking is 8 m/s²: ground covered beyond the claimed speeds plus this is a jump. Single 200 m jumps at a claimed 1.7 m happen."""
SPEED_SLACK_MPS: Final = 4.0
"""Doppler speed's noise when the van turns and brakes at once; beyond `CHANGE_MPS2` and this no van changes its speed."""
JUMP_SLACK_M: Final = 15.0
"""Re-acquisition moves a fix by this much (parked drift's p95 is 20 m over minutes, not over one epoch)."""
AGREEING_FIXES: Final = 3
"""Odd fixes in a row that agree with each other are believed: three wild ones in a row were never seen."""
LEAP_MS: Final = 60_000
"""The receiver's date may not run ahead of the session's clock by more between two fixes, unless it stays there."""


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """`last`: the newest believed fix. `odd`: refused ones since then that agree with each other, oldest first."""

    last: Fix | None = None
    odd: tuple[Fix, ...] = ()


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """`refused`: the reason, or None where the fix is believed. `anew`: believed against the fixes before it."""

    refused: str | None = None
    anew: bool = False


BELIEVED: Final = Judgement()


def step(gate: Gate, fix: Fix) -> tuple[Gate, Judgement]:
    """Judge one fix by itself and by the one before.

    Parameters
    ----------
    gate : Gate
        After the fix before; `Gate()` at the start of a shift.
    fix : Fix
        As it arrived; `mono_ms` is its arrival.

    Returns
    -------
    tuple
        New state, and the judgement. Reasons: `contradiction`, `partial`, `estimated` (see `Fix.doubt`), `zero`, `inaccurate`, `geometry`,
        `satellites`, `speed`, `repeated`, `backwards`, `leap`, `acceleration`, `jump`.
    """
    flaw = fix.doubt or _flaw(fix)
    if flaw:
        return gate, Judgement(refused=flaw)
    if gate.last is None:
        return Gate(last=fix), BELIEVED
    doubt = _doubt(gate.last, fix)
    if doubt is None:
        return Gate(last=fix), BELIEVED
    if doubt == "repeated":
        return gate, Judgement(refused=doubt)
    against = _doubt(gate.odd[-1], fix) if gate.odd else "first"
    if against == "repeated":
        return gate, Judgement(refused=against)
    odd = (*gate.odd, fix) if against is None else (fix,)
    if len(odd) >= AGREEING_FIXES:
        return Gate(last=fix), Judgement(anew=True)
    return Gate(last=gate.last, odd=odd), Judgement(refused=doubt)


def _flaw(fix: Fix) -> str:
    """What is wrong with a fix by itself."""
    at = fix.position
    if abs(at.lat_deg) < 1e-4 and abs(at.lon_deg) < 1e-4:  # what broken parsers make of an absent fix
        return "zero"
    if fix.accuracy_m is not None and fix.accuracy_m > INACCURATE_M:
        return "inaccurate"
    if fix.hdop is not None and fix.hdop > WORST_HDOP:
        return "geometry"
    if 0 < fix.satellites < FEWEST_SATELLITES:
        return "satellites"
    return "speed" if fix.speed_mps is not None and fix.speed_mps > FASTEST_MPS else ""


def elapsed_ms(before: Fix, fix: Fix) -> int:
    """Time from one fix to the next: by the receiver where both have its time, else by arrival."""
    if before.utc_ms is not None and fix.utc_ms is not None:
        return fix.utc_ms - before.utc_ms
    return fix.mono_ms - before.mono_ms


def _doubt(before: Fix, fix: Fix) -> str | None:
    """Why `fix` cannot follow `before`; None if it can."""
    passed_ms = elapsed_ms(before, fix)
    if passed_ms == 0:
        return "repeated"
    if passed_ms < 0:
        return "backwards"
    if passed_ms - (fix.mono_ms - before.mono_ms) > LEAP_MS:
        return "leap"
    passed_s = passed_ms / 1000
    moved_m = distance_m(before.position, fix.position)
    slack_m = JUMP_SLACK_M + 3 * min(math.hypot(before.accuracy_m or 0.0, fix.accuracy_m or 0.0), CREDIBLE_M)
    fastest_mps = FASTEST_MPS
    if before.speed_mps is not None and fix.speed_mps is not None:
        if abs(fix.speed_mps - before.speed_mps) > CHANGE_MPS2 * passed_s + SPEED_SLACK_MPS:
            return "acceleration"
        fastest_mps = min(fastest_mps, max(before.speed_mps, fix.speed_mps) + CHANGE_MPS2 * passed_s)
    return "jump" if moved_m > fastest_mps * passed_s + slack_m else None
