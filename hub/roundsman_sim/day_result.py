"""What a policy came to on one pretend day, counted on what happened."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from roundsman_core.geo import LatLon
from roundsman_sim.day_eta import Said
from roundsman_sim.day_town import Town
from roundsman_sim.day_van import DayVan
from roundsman_sim.day_world import Ask, Script

POLICIES: Final = {
    "static": "the morning's plan, driven to its end; what is ordered later is appended to the round that ends nearest",
    "greedy": "every change by cheapest insertion, without a search and without moving anything that is planned",
    "living": "the product: insertion at once, a search after, adopted where it pays; arrival times that ask for help",
}
LATE_CENTS_PER_MIN: Final = 200
"""A fleet's own price where it names none (`FleetPlanning.lateness_cents_per_min`)."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a policy came to on one day.

    Attributes
    ----------
    paid_cents : int
        Vans, hours, kilometres, and an extra trip for each order that was left.
    cost_cents : int
        That, and lateness at the fleet's price: what the planner's judge counts, measured on what happened.
    churn : int
        Changes among drivers' next three stops.
    said : tuple of Said
        Arrival times as they were said, with what happened.
    """

    policy: str
    seed: int
    orders: int
    served: int
    on_time: int
    urgent: int
    urgent_on_time: int
    late_s: int
    km: float
    vans_used: int
    paid_cents: int
    cost_cents: int
    plans: int
    churn: int
    searches: int
    took_s: float
    said: tuple[Said, ...] = ()
    tracks: tuple[tuple[LatLon, ...], ...] = ()

    @property
    def on_time_share(self) -> float:
        """Of all orders that were not called off."""
        return self.on_time / self.orders if self.orders else 1.0


def outcome(town: Town, day: Script, vans: Sequence[DayVan], called_off: Collection[str]) -> dict[str, Any]:
    """What the orders and the vans came to: the counted fields of a `Result`.

    An order that was left costs an extra trip, and is late by the way there.
    """
    served = {stop: times for van in vans for stop, times in van.served.items()}
    due = [ask for ask in day.asks if ask.order not in called_off]
    on_time = [ask for ask in due if ask.order in served and served[ask.order][0] <= ask.closes]
    late_s = sum(max(0.0, (served[ask.order][0] - ask.closes).total_seconds()) for ask in due if ask.order in served)
    left = [ask for ask in due if ask.order not in served]
    paid = sum(_paid_cents(van) for van in vans) + sum(_extra_trip_cents(town, ask) for ask in left)
    late_s += sum(town.way(town.depot_at, ask.home)[1] for ask in left)
    return {
        "seed": day.seed,
        "orders": len(due),
        "served": len(due) - len(left),
        "on_time": len(on_time),
        "urgent": sum(ask.urgent for ask in due),
        "urgent_on_time": sum(ask.urgent for ask in on_time),
        "late_s": round(late_s),
        "km": round(sum(van.driven_m for van in vans) / 1000, 1),
        "vans_used": sum(van.left_at is not None for van in vans),
        "paid_cents": paid,
        "cost_cents": paid + round(late_s / 60 * LATE_CENTS_PER_MIN),
        "tracks": tuple(tuple(van.track) for van in vans),
    }


def _extra_trip_cents(town: Town, ask: Ask) -> int:
    """An extra trip from the depot when the window closes, at a van's hourly and km prices."""
    _, there_s, there_m = town.way(town.depot_at, ask.home)
    _, back_s, back_m = town.way(ask.home, town.depot_at)
    return round(3_000 * (there_s + back_s + ask.service_s) / 3600 + 40 * (there_m + back_m) / 1000)


def _paid_cents(van: DayVan) -> int:
    """What the fleet pays for a van's day, at the prices that a vehicle has by itself: hours out, kilometres, the van."""
    if van.left_at is None:
        return 0
    last = max([van.home_at or van.left_at, *(ends for _, ends, _ in van.served.values())])
    hours = max(0.0, (last - van.left_at).total_seconds()) / 3600
    return 5_000 + math.ceil(3_000 * hours + 40 * van.driven_m / 1000)
