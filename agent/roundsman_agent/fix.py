"""A fix, what is said about the receiver, and where on the session's clock a fix belongs."""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from roundsman_agent.times import GnssMs, MonoMs
from roundsman_core.geo import LatLon
from roundsman_wire.frames import quantise
from roundsman_wire.messages import FixRow


class Fix(msgspec.Struct, frozen=True, kw_only=True):
    """One position from a receiver.

    `mono_ms`: when it arrived, on the session's clock; after `align` when it was taken. `accuracy_m`: one sigma, horizontal,
    as far as the receiver says. `satellites`: used, 0 where not said. `mode`: 2 (flat) or 3. `source`: the receiver's URL or name.
    `doubt`: why its own source would not believe it: `contradiction` (two sentences of one instant name different places), `partial` (the
    sentence that would vouch for it was lost), `estimated` (dead reckoning, simulation: a line through a tunnel that nobody measured).
    """

    mono_ms: MonoMs
    utc_ms: GnssMs | None
    position: LatLon
    speed_mps: float | None = None
    heading_deg: float | None = None
    accuracy_m: float | None = None
    satellites: int = 0
    hdop: float | None = None
    mode: Literal[2, 3] = 3
    doubt: str = ""
    source: str = ""


SourceState = Literal["open", "lost", "silent", "searching", "garbage"]


class SourceEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What is said about the receiver itself, once for each change.

    `open`: connected. `lost`: unplugged, refused or closed; it will be tried again. `silent`: connected, and nothing comes.
    `searching`: it talks and has no fix; `count` instants of that kind, not told before. `garbage`: `count` sentences since the last
    one could not be read.
    """

    kind: SourceState
    mono_ms: MonoMs
    text: str = ""
    count: int = 0


def to_row(fix: Fix, flags: int = 0) -> FixRow:
    """The fix as it is kept and sent: quantised, so that hub's bytes = edge's bytes."""
    return quantise(
        FixRow(
            mono_ms=fix.mono_ms,
            utc_ms=fix.utc_ms,
            lat_e6=fix.position.lat_e6,
            lon_e6=fix.position.lon_e6,
            speed_cm_s=None if fix.speed_mps is None else round(fix.speed_mps * 100),
            heading_cdeg=None if fix.heading_deg is None else round(fix.heading_deg * 100) % 36_000,
            accuracy_dm=None if fix.accuracy_m is None else round(fix.accuracy_m * 10),
            satellites=fix.satellites,
            flags=flags,
        )
    )


# ── the receiver's time on the session's clock ──────────────────────────────────────────────────────────────────────

DRIFT_MS: Final = 250
"""A disagreement that the hub is told about. Below it, delivery (gpsd 4 ms, a serial line 100 ms) explains everything."""
EARLY_FIXES: Final = 2
"""Nothing arrives before it was taken: two early fixes in a row, and the offset was learned from a late one."""
LATE_FIXES: Final = 10
"""A busy unit delivers late for seconds; ten in a row mean that one of the clocks has moved."""


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """How the session's clock and UTC lie to each other: `utc_ms = mono_ms + offset_ms`, constant over a run of fixes.

    One offset for many fixes keeps packed rows tight (a changed one starts a new run) and takes the jitter of delivery out of
    their times. `odd` counts fixes in a row that disagree by more than the drift allowed, `least_ms` is the smallest of
    their disagreements.
    """

    offset_ms: int | None = None
    odd: int = 0
    least_ms: int = 0


def align(
    timing: Timing, fix: Fix, *, drift_ms: int = DRIFT_MS, late_fixes: int = LATE_FIXES, anew: bool = False
) -> tuple[Timing, Fix, bool]:
    """Put a fix at the instant at which it was taken.

    Parameters
    ----------
    timing : Timing
        After the fix before; `Timing()` at the session's start.
    fix : Fix
        Accepted; `mono_ms` is its arrival.
    drift_ms, late_fixes : int
        Disagreement to live with, and for how many fixes in a row if they come late; more of both where business time runs
        fast, since delivery takes real time.
    anew : bool
        The receiver's time has jumped for good: take its word now.

    Returns
    -------
    tuple
        New timing; the fix with `mono_ms = utc_ms − offset_ms` (a missing date filled in, once one is known); whether the offset is
        new, which the hub is then told in a `Clock` entry.
    """
    if fix.utc_ms is None:
        return timing, fix if timing.offset_ms is None else replace(fix, utc_ms=GnssMs(fix.mono_ms + timing.offset_ms)), False
    seen_ms = fix.utc_ms - fix.mono_ms
    if timing.offset_ms is None or anew:
        return Timing(offset_ms=seen_ms), fix, True
    offset_ms = timing.offset_ms
    off_ms = seen_ms - offset_ms
    changed = False
    if abs(off_ms) <= drift_ms:
        if timing.odd:
            timing = Timing(offset_ms=offset_ms)
    else:
        same_side = timing.odd > 0 and (off_ms > 0) == (timing.least_ms > 0)
        least_ms = min(timing.least_ms, off_ms, key=abs) if same_side else off_ms
        odd = timing.odd + 1 if same_side else 1
        changed = odd >= (EARLY_FIXES if off_ms > 0 else late_fixes)
        offset_ms += least_ms if changed else 0
        timing = Timing(offset_ms=offset_ms) if changed else Timing(offset_ms=offset_ms, odd=odd, least_ms=least_ms)
    mono_ms = MonoMs(fix.utc_ms - offset_ms)
    if mono_ms < 0:  # taken before the session began: its clock cannot say so
        return timing, fix, changed
    return timing, replace(fix, mono_ms=mono_ms), changed
