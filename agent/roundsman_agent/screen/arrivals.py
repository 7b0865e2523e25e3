"""When the van will be at each stop, and within which bounds: for whoever opens a list or a stop. Nothing of this is counted before."""

from __future__ import annotations

from typing import Any

from roundsman_agent.unit import Unit
from roundsman_core.widths import COVERAGE, interval


def arrivals(unit: Unit) -> dict[str, Any]:
    """Arrival times of what remains, each with the interval that holds `coverage` of arrivals, by the sum that the hub does too.

    `learned`: by what happened to this fleet; else by a rule of thumb. `travel_times`: who gave the plan's; "great_circle": straight lines.
    """
    plan, stops, now_utc_ms = unit.plan, unit.remaining(), unit.clock.utc_ms()
    items = []
    for stop, time in zip(stops, unit.rounds.times(stops), strict=True):
        standing = stop is stops[0] and unit.rounds.depot_calls.since_utc_ms(stop) is not None
        told = interval(time.eta_utc_ms, now_utc_ms, () if plan is None else plan.eta_widths_pct, standing=standing)
        items.append({"stop": stop.stop, "eta_utc_ms": time.eta_utc_ms, **told._asdict()})
    return {
        "now_utc_ms": now_utc_ms,
        "coverage": COVERAGE,
        "travel_times": "" if plan is None else plan.travel_times,
        "items": items,
    }
