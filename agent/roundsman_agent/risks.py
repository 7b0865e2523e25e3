"""Promises that the van expects to break, told once and not with every red light. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from roundsman_core.timeline import Arrival
from roundsman_wire.messages import PlanStop

RAISED_AT_S: Final = 120
"""The estimate of a leg is off by about so much; a customer does not notice less."""
CLEARED_AT_S: Final = -60
"""Only a minute of room takes a warning back: what hovers around the promise's end is told once."""
AGAIN_AT_S: Final = 300
"""A warning is told again when it is worse, or better, by so much."""


class Warned(NamedTuple):
    """One stop's expectation. `late_s` 0: the promise holds again."""

    stop: str
    eta_utc_ms: int
    promise_end_utc_ms: int
    late_s: int


def promise_end_utc_ms(stop: PlanStop) -> int | None:
    """Until when service must have begun: what the customer was told, else the window."""
    return stop.window_end_utc_ms if stop.promise_end_utc_ms is None else stop.promise_end_utc_ms


def step(told: Mapping[str, int], stops: Sequence[PlanStop], times: Sequence[Arrival]) -> list[Warned]:
    """What is to be told now.

    Parameters
    ----------
    told : mapping of str to int
        Seconds late, by stop, as last told; stops that are on time are not in it.
    stops, times
        What remains, in driving order, and when the van will be there.
    """
    out = []
    for stop, time in zip(stops, times, strict=True):
        end_utc_ms = promise_end_utc_ms(stop)
        if end_utc_ms is None:
            continue
        late_s = (time.start_utc_ms - end_utc_ms) // 1000
        before_s = told.get(stop.stop, 0)
        if before_s and late_s <= CLEARED_AT_S:
            now_s = 0
        elif late_s >= RAISED_AT_S and (not before_s or abs(late_s - before_s) >= AGAIN_AT_S):
            now_s = late_s
        else:
            continue
        out.append(Warned(stop.stop, time.eta_utc_ms, end_utc_ms, now_s))
    return out
