"""A driver's hours of service by now: what was set, run on with what the logs of all the vans tell that they drove. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from roundsman_core.hours import RULES, Clocks, RuleName, counted, fresh, spells
from roundsman_hub.clock import to_ms
from roundsman_hub.domain.terms import HoursTerms

MIN_S: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """ "on", "break" or "off" in a van's log, and the driver whose word it is (None: nobody knows)."""

    at_ms: int
    duty: str
    vehicle: str
    driver: str | None


Stand = tuple[int, int | None]
"""When a van stood: from ms, to ms; None: it still does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """One driver's words, and when the vans stood that they sat in then; both oldest first."""

    words: tuple[tuple[int, str], ...] = ()
    stands: tuple[Stand, ...] = ()


def sits(vehicle: str, assigned: str | None, said: Iterable[Word]) -> str | None:
    """The driver of a van: who came on duty in it last and did not end; else who is assigned to it."""
    driver = None
    for word in said:
        if word.vehicle == vehicle:
            driver = None if word.duty == "off" else word.driver
    return driver or assigned


def of_driver(driver: str | None, vehicle: str, said: Iterable[Word], stands: Mapping[str, Sequence[Stand]]) -> Spoken:
    """What one driver said and did, in whichever van; of a van that nobody is assigned to, what was said in it.

    Who comes on duty in a van ends the turn of whoever sat there. A pause or an end that is told in a van which the driver has left for
    another is not theirs any more.
    """
    words: list[tuple[int, str]] = []
    sat: list[tuple[str, int, int | None]] = []
    seat: tuple[str, int] | None = None
    for word in said:
        mine = word.vehicle == vehicle if driver is None else word.driver == driver
        if mine and word.duty == "on":
            if seat is None or seat[0] != word.vehicle:
                if seat is not None:
                    sat.append((*seat, word.at_ms))
                seat = word.vehicle, word.at_ms
            words.append((word.at_ms, "on"))
        elif seat is None or word.vehicle != seat[0]:
            continue
        elif mine and word.duty == "break":
            words.append((word.at_ms, "break"))
        elif mine or word.duty == "on":
            words.append((word.at_ms, "off"))
            sat.append((*seat, word.at_ms))
            seat = None
    if seat is not None:
        sat.append((*seat, None))
    found = [part for van, since, until in sat for stand in stands.get(van, ()) if (part := _within(stand, since, until)) is not None]
    return Spoken(words=tuple(words), stands=tuple(found))


def _within(stand: Stand, since: int, until: int | None) -> Stand | None:
    begins = max(stand[0], since)
    ends = stand[1] if until is None else until if stand[1] is None else min(stand[1], until)
    return None if ends is not None and ends <= begins else (begins, ends)


def clocks_of(
    own: HoursTerms | None, of_vehicle: HoursTerms | None, *, shift_start: datetime, spoken: Spoken, now: datetime
) -> Clocks | None:
    """The clocks; None where no rule is set.

    Parameters
    ----------
    own : HoursTerms, optional
        The driver's: minutes left when they were read (if not said, when the driver came on duty after the last day's rest).
    of_vehicle : HoursTerms, optional
        The vehicle's, for whoever drives it and has none: minutes left when they were read (if not said, at the shift's start).
    """
    set_to = own or of_vehicle
    if set_to is None or set_to.rule == "none":
        return None
    clocks = _as_set(set_to, set_to.rule)
    began = _day_began(spoken.words, 1_000 * RULES[set_to.rule].fresh_after_s)
    if set_to.as_of is not None:
        since = to_ms(set_to.as_of)
    elif began is None:
        return clocks  # the shift has not begun
    else:
        since = began if own is not None else max(to_ms(shift_start), began)
    return counted(clocks, spells(since, max(since, to_ms(now)), spoken.words, spoken.stands))


def after_a_night(set_to: HoursTerms | None) -> Clocks | None:
    """The clocks of a day to come: as they were set for a day's beginning; by the rule where they were read at some instant."""
    if set_to is None or set_to.rule == "none":
        return None
    return _as_set(set_to, set_to.rule) if set_to.as_of is None else fresh(set_to.rule)


def _as_set(set_to: HoursTerms, rule: RuleName) -> Clocks:
    return Clocks(
        rule=rule,
        to_break_s=MIN_S * set_to.to_break_min,
        driving_s=MIN_S * set_to.driving_min,
        duty_s=MIN_S * set_to.duty_min,
        rested_15=set_to.rested_15,
    )


def _day_began(words: Sequence[tuple[int, str]], rest_ms: int) -> int | None:
    """The first "on" after the last rest that begins a new day."""
    began, off_at = None, None
    for at, word in words:
        if word == "off":
            off_at = at
        elif word == "on":
            if began is None or (off_at is not None and at - off_at >= rest_ms):
                began = at
            off_at = None
    return began
