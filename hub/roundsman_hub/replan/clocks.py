"""A driver's hours of service by now: what a dispatcher set, run on with what the van's log tells. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from roundsman_core.hours import Clocks, counted, spells
from roundsman_hub.clock import to_ms
from roundsman_hub.domain.terms import HoursTerms

MIN_S = 60


def clocks_of(
    set_to: HoursTerms | None,
    *,
    shift_start: datetime,
    duties: Sequence[tuple[datetime, str]],
    stands: Sequence[tuple[int, int | None]],
    now: datetime,
) -> Clocks | None:
    """The clocks; None where no rule is set.

    Parameters
    ----------
    set_to : HoursTerms, optional
        Minutes left when they were read (the shift's start, if not said).
    duties : sequence of (instant, word)
        The driver's words in this shift, oldest first.
    stands : sequence of (from ms, to ms or None)
        When the van stood, oldest first.
    """
    if set_to is None or set_to.rule == "none":
        return None
    clocks = Clocks(
        rule=set_to.rule,
        to_break_s=MIN_S * set_to.to_break_min,
        driving_s=MIN_S * set_to.driving_min,
        duty_s=MIN_S * set_to.duty_min,
        rested_15=set_to.rested_15,
    )
    words = [(to_ms(at), word) for at, word in duties]
    began = next((at for at, word in words if word == "on"), None)
    if set_to.as_of is None and began is None:
        return clocks  # the shift has not begun
    since = to_ms(set_to.as_of) if set_to.as_of is not None else max(to_ms(shift_start), began or 0)
    return counted(clocks, spells(since, max(since, to_ms(now)), words, stands))
