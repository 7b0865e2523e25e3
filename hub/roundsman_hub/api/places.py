"""Where an order is: as given, as a person once corrected it, or as its address is found. What stays unsure waits for a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal

from roundsman_core.geo import LatLon
from roundsman_hub.api.desk import Desk
from roundsman_hub.api.keys import Caller
from roundsman_hub.api.models import NewOrder
from roundsman_hub.geocode import Ambiguous, Found, address_key
from roundsman_hub.roads.network import RoadsError
from roundsman_hub.store import orders as store

FARTHEST_FROM_ROAD_M: Final = 500.0
"""Farther from any road than this, a place is a mistake more often than a remote house: a person looks at it."""

KNOWN_FOR: Final = timedelta(days=365)
"""An address that nobody ordered to for a year may be another's by now, or have another door."""
MOST_KNOWN: Final = 6
"""More than fit into a dialog on a telephone are better found by one letter more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where an order is, or why nobody knows yet."""

    placed: Literal["given", "geocoded", "pinned", "ambiguous", "unknown", "off_network"]
    at: LatLon | None = None
    reason: str = ""
    candidates: Sequence[tuple[str, LatLon]] = ()

    @property
    def columns(self) -> dict[str, Any]:
        """The order's columns for it."""
        return {"placed": self.placed, "lat_e6": self.at.lat_e6 if self.at else None, "lon_e6": self.at.lon_e6 if self.at else None}

    @property
    def candidate_rows(self) -> list[dict[str, Any]]:
        """Candidates as the queue keeps them."""
        return [{"label": label, "lat_e6": at.lat_e6, "lon_e6": at.lon_e6} for label, at in self.candidates]


def place_of(desk: Desk, caller: Caller, new: NewOrder) -> Place:
    """Settle an order's place. May ask a geocoder over the network: call it outside any transaction."""
    if new.lat_deg is not None and new.lon_deg is not None:
        return _on_network(desk, "given", LatLon(new.lat_deg, new.lon_deg), new.address or "the place given")
    with desk.db.tenant(caller.fleet) as cur:
        pinned = store.pin_of(cur, address_key(new.address))
    if pinned is not None:
        return Place(placed="pinned", at=LatLon.from_e6(*pinned))
    if desk.geocoder is None:
        return Place(placed="unknown", reason="no address book or geocoder is set up: pin it, or send lat_deg and lon_deg")
    answer = desk.geocoder.find(new.address)
    if isinstance(answer, Found):
        return _on_network(desk, "geocoded", answer.position, answer.label)
    candidates = [(candidate.label, candidate.position) for candidate in answer.candidates]
    return Place(placed="ambiguous" if isinstance(answer, Ambiguous) else "unknown", reason=answer.reason, candidates=candidates)


def search(desk: Desk, caller: Caller, text: str) -> tuple[list[tuple[str, LatLon]], str]:
    """Places that an address may mean, with what they are called, and why there is no single one. Call it outside any transaction."""
    with desk.db.tenant(caller.fleet) as cur:
        pinned = store.pin_of(cur, address_key(text))
        known = store.addresses_like(cur, text, desk.clock.now() - KNOWN_FOR, MOST_KNOWN)
    found = [(text, LatLon.from_e6(*pinned))] if pinned is not None else []
    found += [(r["address"], LatLon.from_e6(r["lat_e6"], r["lon_e6"])) for r in known]
    reason = ""
    if desk.geocoder is not None:
        answer = desk.geocoder.find(text)
        if isinstance(answer, Found):
            found.append((answer.label, answer.position))
        else:
            found += [(candidate.label, candidate.position) for candidate in answer.candidates]
            reason = answer.reason
    apart: dict[str, tuple[str, LatLon]] = {}
    for label, at in found:
        apart.setdefault(address_key(label), (label, at))
    return list(apart.values()), reason


def off_network_m(desk: Desk, at: LatLon) -> float | None:
    """How far the nearest road is, if that is too far; None where a van can come near enough."""
    try:
        away_m = desk.roads.nearest(at).distance_m
    except RoadsError:
        return None  # the roads' own process is away for a moment; no order is refused for that, and the planner judges again
    return away_m if away_m > FARTHEST_FROM_ROAD_M else None


def _on_network(desk: Desk, placed: Literal["given", "geocoded"], at: LatLon, label: str) -> Place:
    away_m = off_network_m(desk, at)
    if away_m is None:
        return Place(placed=placed, at=at)
    return Place(placed="off_network", reason=f"{label} is {away_m / 1000:.1f} km from the nearest road", candidates=[(label, at)])
