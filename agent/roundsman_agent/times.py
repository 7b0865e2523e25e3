"""Three kinds of time, which mypy keeps apart; and how a bad date is mended or refused.

A receiver's UTC is exact modulo 1,024 weeks. The session's own clock never jumps and knows no date. The system's date can be anything
on a unit without a clock battery. Mixing them up is the commonest error of trackers: so each is a type of its own.
"""

from __future__ import annotations

from typing import Final, NewType, TypedDict

GnssMs = NewType("GnssMs", int)
"""UTC as a receiver says it, ms since 1970."""
MonoMs = NewType("MonoMs", int)
"""The session's clock, ms since its start: never jumps, says nothing about the date."""
WallMs = NewType("WallMs", int)
"""UTC as the system has it, ms since 1970: may be wrong, and may jump."""


class Instant(TypedDict):
    """When something is logged: what every fact begins with. `utc_ms` is None while neither receiver nor system knows the date."""

    mono_ms: int
    utc_ms: int | None


BUILT_UTC_MS: Final = 1_735_689_600_000
"""2025-01-01. No release of this agent is older: a date before it is a receiver's, or a system's, mistake."""
ROLLOVER_MS: Final = 1024 * 7 * 86_400_000
"""GPS counts weeks in ten bits: a receiver whose firmware is too old is wrong by this, and by nothing else."""
LIFE_MS: Final = 10 * 365 * 86_400_000
"""No unit runs a release that is older than ten years: a mended date beyond that was no rollover."""
GPS_EPOCH_MS: Final = 315_964_800_000
"""1980-01-06, when week 0 began: what receivers say before they know better."""
DEFAULT_DAYS_MS: Final = 8 * 86_400_000
"""A receiver that has just started counts from the beginning of its epoch for a while."""


def mended(utc_ms: GnssMs, built_utc_ms: int = BUILT_UTC_MS) -> GnssMs | None:
    """The receiver's date with lost rollovers put back.

    Parameters
    ----------
    utc_ms : GnssMs
        As the receiver says it.
    built_utc_ms : int
        No date can be before it.

    Returns
    -------
    GnssMs or None
        The same instant if it is possible, else the one a whole number of 1,024 weeks later that is; None where none is
        within `LIFE_MS` of the build, or where the receiver counts from its own beginning.
    """
    if utc_ms < built_utc_ms:
        if utc_ms < GPS_EPOCH_MS + DEFAULT_DAYS_MS:
            return None
        utc_ms = GnssMs(utc_ms + -((utc_ms - built_utc_ms) // ROLLOVER_MS) * ROLLOVER_MS)
    return utc_ms if utc_ms < built_utc_ms + LIFE_MS else None


def best_utc_ms(mono_ms: MonoMs, wall_ms: WallMs, offset_ms: int | None, agree_ms: int, built_utc_ms: int = BUILT_UTC_MS) -> int | None:
    """What to write beside something that happens now.

    Parameters
    ----------
    mono_ms, wall_ms
        Now, by both clocks of the unit.
    offset_ms : int or None
        Receiver's UTC − session's clock, once a fix has told it.
    agree_ms : int
        The system's date is taken, because it is smooth, where it agrees this well with the receiver's.
    built_utc_ms : int
        A system's date before it is none.

    Returns
    -------
    int or None
        ms since 1970; None where nobody knows the date: the order of the log never depends on it.
    """
    if offset_ms is not None and abs(mono_ms + offset_ms - wall_ms) > agree_ms:
        return mono_ms + offset_ms
    return wall_ms if offset_ms is not None or wall_ms >= built_utc_ms else None
