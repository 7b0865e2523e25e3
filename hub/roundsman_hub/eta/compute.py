"""Arrival times of one van's remaining stops, as wide as their fleet's arrivals taught (see `calibrate`). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from roundsman_core.calls import is_call
from roundsman_core.timeline import Legs, StopTime, arrivals, paces_of, pauses_of, unpaced_s
from roundsman_core.widths import Widths, interval
from roundsman_wire.messages import Plan, PlanStop

CALIBRATED: Final = "calibrated"
UNCALIBRATED: Final = "uncalibrated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Eta:
    """When the van will stand at a stop; `low` and `high` bound it. `late_s`: how long after the end of its window, or of
    what its customer was promised, service will begin, whichever is missed by more."""

    order_id: str
    position: int
    eta_utc_ms: int
    low_utc_ms: int
    high_utc_ms: int
    late_s: int
    calibrated: bool = False
    network: str = ""
    """Who gave the travel times: the roads, or the great circle in the place of any of them. "": whoever asked knows."""


def etas(
    stops: Sequence[PlanStop],
    *,
    now_utc_ms: int,
    starts_utc_ms: int,
    first_leg_s: int,
    arrived_utc_ms: int | None,
    plan: Plan | None = None,
    widths: Widths = (),
) -> list[Eta]:
    """Arrival times at what is left of a plan.

    Parameters
    ----------
    stops : sequence of PlanStop
        Remaining stops in driving order, the one in progress first, calls at depots and chargers among them.
    now_utc_ms : int
        The instant that is computed for.
    starts_utc_ms : int
        When the van drives on: now, or its shift's start.
    first_leg_s : int
        Seconds of driving to the first stop, as the hour has it in which the van drives on.
    arrived_utc_ms : int, optional
        When the van arrived at the first stop, if it stands there.
    plan : Plan, optional
        The stops' own: times of legs that it has in another order come from its matrix, and its breaks count, as in the van.
    widths : Widths, optional
        What the fleet's arrivals taught; without it the width is a rule of thumb.
    """
    legs = [StopTime.of(stop) for stop in stops] if plan is None else Legs(plan).times(stops)
    factors = () if plan is None else paces_of(plan)
    if plan is not None and plan.hour_paces_pct:
        first_leg_s = unpaced_s(starts_utc_ms, first_leg_s, factors)
    pauses = () if plan is None else pauses_of(plan, stops, starts_utc_ms)
    times = arrivals(starts_utc_ms, first_leg_s, legs, in_progress_since_utc_ms=arrived_utc_ms, band_factors=factors, pauses=pauses)
    out = []
    position = 0
    for stop, at in zip(stops, times, strict=True):
        if is_call(stop):
            continue  # nobody waits there; what comes behind it has waited for it
        position += 1
        told = interval(at.eta_utc_ms, now_utc_ms, widths, standing=stop is stops[0] and arrived_utc_ms is not None)
        out.append(
            Eta(
                order_id=stop.stop,
                position=position,
                eta_utc_ms=at.eta_utc_ms,
                low_utc_ms=told.low_utc_ms,
                high_utc_ms=told.high_utc_ms,
                late_s=max(at.late_s, 0 if stop.promise_end_utc_ms is None else (at.start_utc_ms - stop.promise_end_utc_ms) // 1000),
                calibrated=told.learned,
            )
        )
    return out
