"""What a geocoder answers: a place, several to choose from, or none with the reason. Nothing is guessed: a person decides the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from roundsman_core.geo import LatLon, distance_m

SAME_PLACE_M: Final = 150.0
"""Shops, flats and entrances of one address lie within it; the same street and number of two villages do not."""
MAX_CANDIDATES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A place that may be meant. `label` is its address as people write it."""

    position: LatLon
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The one place that the address names."""

    position: LatLon
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambiguous:
    """Several places, or one that the address does not quite name."""

    candidates: tuple[Candidate, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """No place. `candidates`: what looks similar, if anything."""

    reason: str
    candidates: tuple[Candidate, ...] = ()


Answer = Found | Ambiguous | Unknown


class Geocoder(Protocol):
    """From an address to a place."""

    def find(self, text: str) -> Answer:
        """The place of an address as somebody typed it."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


def settle(candidates: Sequence[Candidate]) -> Answer:
    """One place if all candidates lie together (the one in their middle), otherwise the choice."""
    if not candidates:
        return Unknown(reason="no such address")
    middle = min(candidates, key=lambda c: sum(distance_m(c.position, other.position) for other in candidates))
    if all(distance_m(middle.position, other.position) <= SAME_PLACE_M for other in candidates):
        return Found(position=middle.position, label=middle.label)
    apart: list[Candidate] = []
    for candidate in candidates:
        if all(distance_m(candidate.position, other.position) > SAME_PLACE_M for other in apart):
            apart.append(candidate)
    return Ambiguous(candidates=tuple(apart[:MAX_CANDIDATES]), reason=f"{len(apart)} places have this address")
