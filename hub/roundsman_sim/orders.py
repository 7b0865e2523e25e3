"""A day's orders at a town's addresses: what a shop would send to the API."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from roundsman_core.geo import distance_m
from roundsman_sim.driver import service_s
from roundsman_sim.town_file import Address

FIRST_NAMES: Final = (
    "Ada", "Amir", "Bea", "Bruno", "Carla", "Chidi", "Dana", "Elif", "Emil", "Farah", "Goran", "Hana", "Ines", "Ivo", "Jun", "Kaja",
    "Leila", "Lou", "Mara", "Mei", "Milo", "Nils", "Noor", "Ola", "Pia", "Quim", "Rosa", "Sami", "Tove", "Uma", "Vera", "Wim", "Yara",
    "Zoe",
)  # fmt: skip
INSTRUCTIONS: Final = ("", "", "", "", "Ring twice", "Leave with the neighbour", "Back door", "Third floor, no lift", "Mind the dog")
SLOT_SHARE: Final = 0.6
"""Customers who chose a slot; the others take what comes."""
PICKUP_SHARE: Final = 0.08
FAR_M: Final = 5_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """When the round happens: from the first departure, `length_s` of business time."""

    start: datetime
    length_s: float

    def at(self, share: float) -> datetime:
        """The instant at that share of the round, on a full minute."""
        exact = self.start + timedelta(seconds=self.length_s * share)
        return exact.replace(second=0, microsecond=0)


def near(addresses: Sequence[Address], depot: Address) -> list[Address]:
    """Addresses that one depot of a town serves."""
    return [address for address in addresses if address != depot and distance_m(address.position, depot.position) <= FAR_M]


def draw(addresses: Sequence[Address], count: int, day: Day, seed: int) -> list[dict[str, Any]]:
    """`count` orders as bodies for `POST /v1/orders`, each at its own address (by its text: the hub has to find it).

    Parameters
    ----------
    addresses : sequence of Address
        Where customers live; needs `count` of them, or some get two orders.
    """
    rng = random.Random(seed)
    homes = rng.sample(list(addresses), count) if count <= len(addresses) else rng.choices(list(addresses), k=count)
    return [order(rng, home, day, number) for number, home in enumerate(homes, start=1)]


def order(rng: random.Random, home: Address, day: Day, number: int) -> dict[str, Any]:
    """One customer's order."""
    start, end = 0.0, 0.82
    if rng.random() < SLOT_SHARE:
        width = max(0.3, min(0.8, 1_800 / day.length_s))
        start = rng.uniform(0.05, max(0.06, 0.85 - width))
        end = start + width
    parcels = rng.choices((1, 2, 3, 4), (55, 28, 12, 5))[0]
    return {
        "reference": f"R{number:04d}",
        "kind": "pickup" if rng.random() < PICKUP_SHARE else "delivery",
        "name": f"{rng.choice(FIRST_NAMES)} {chr(rng.randrange(65, 91))}.",
        "phone": f"+00 555 {rng.randrange(10_000, 99_999)}",
        "address": home.text,
        "instructions": rng.choice(INSTRUCTIONS),
        "window_start": day.at(start).isoformat(),
        "window_end": day.at(end).isoformat(),
        "service_s": service_s(parcels),
        "parcels": parcels,
        "priority": rng.choices((0, 3, 5), (80, 15, 5))[0],
    }


def urgent(rng: random.Random, home: Address, now: datetime, number: int, within_s: float) -> dict[str, Any]:
    """A collection that cannot wait: the van must be there within `within_s`."""
    return {
        "reference": f"URGENT-{number}",
        "kind": "pickup",
        "name": f"{rng.choice(FIRST_NAMES)} {chr(rng.randrange(65, 91))}.",
        "address": home.text,
        "instructions": "Collect at once",
        "window_start": now.isoformat(),
        "window_end": (now + timedelta(seconds=within_s)).isoformat(),
        "service_s": service_s(1),
        "parcels": 1,
        "priority": 9,
    }
