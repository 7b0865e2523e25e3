"""The address book: every address of a street extract, found offline."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import osmium

from roundsman_core.geo import LatLon, distance_m
from roundsman_hub.geocode.answers import MAX_CANDIDATES, Ambiguous, Answer, Candidate, Found, Unknown, settle
from roundsman_hub.geocode.normalise import Reading, fold, numbers_of, readings, street_key

SETTLEMENTS: Final = frozenset({"city", "town", "village"})
"""Places that a letter is addressed to: an address without a city is given the nearest of these."""
SIMILAR: Final = 0.84
"""Share of letters in common from which a street is offered as what was meant: one letter in six wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One address of the extract, as its map tags spell it."""

    position: LatLon
    street: str
    number: str
    postcode: str
    city: str

    @property
    def label(self) -> str:
        """As people write it."""
        place = f"{self.postcode} {self.city}".strip()
        return f"{self.street} {self.number}" + (f", {place}" if place else "")


class AddressBook:
    """Addresses by street and number.

    Parameters
    ----------
    entries : iterable of (street names, house number tag, Address)
        Every name that the street has, and the tag with one or several numbers.
    """

    def __init__(self, entries: Iterable[tuple[Sequence[str], str, Address]]) -> None:
        self._streets: dict[str, dict[str, list[Address]]] = {}
        self._cities: set[str] = set()
        self._addresses: list[Address] = []
        for streets, numbers, address in entries:
            self._addresses.append(address)
            if address.city:
                self._cities.add(street_key(address.city))
            for number in numbers_of(numbers):
                for street in streets:
                    self._streets.setdefault(street_key(street), {}).setdefault(number, []).append(address)

    @classmethod
    def from_osm(cls, path: Path | str) -> AddressBook:
        """Read the addresses (nodes, ways, areas with `addr:housenumber`) of a street extract."""
        return cls(_entries(str(path)))

    def addresses(self) -> tuple[Address, ...]:
        """All of them, in the extract's order."""
        return tuple(self._addresses)

    def find(self, text: str) -> Answer:
        """The place of an address as somebody typed it.

        Returns
        -------
        Found, Ambiguous or Unknown
            Found: one place, and nothing in the text speaks against it.
        """
        known: Reading | None = None
        for reading in readings(text):
            numbers = self._streets.get(reading.street)
            if numbers is None:
                continue
            addresses = numbers.get(reading.number) or numbers.get(reading.number.rstrip("abcdefghijklmnopqrstuvwxyz"))
            if addresses:
                return self._in_place(addresses, reading)
            known = known or reading
        if known is not None:
            return self._number_missing(known)
        return self._street_missing(text)

    def close(self) -> None:
        """Nothing is held open."""

    def _in_place(self, addresses: list[Address], reading: Reading) -> Answer:
        """Choose by postcode and city, if the text names any."""
        words = reading.rest
        in_postcode = [a for a in addresses if a.postcode and fold(a.postcode) in words]
        right = in_postcode or addresses
        joined = {street_key(" ".join(words[i:j])) for i in range(len(words)) for j in range(i + 1, min(i + 4, len(words)) + 1)}
        named = joined & self._cities
        here = [a for a in right if street_key(a.city) in named]
        if named and not here and all(a.city for a in right):
            return Ambiguous(candidates=_candidates(addresses), reason="the address is known, but in another place")
        answer = settle([Candidate(position=a.position, label=a.label) for a in here or right])
        foreign = [word for word in words if len(word) > 3 and word.isalpha()]
        if isinstance(answer, Found) and foreign and not named and not in_postcode and any(a.city for a in right):
            return Ambiguous(candidates=_candidates(right), reason=f"the address is known, but not in {' '.join(foreign)}")
        return answer

    def _number_missing(self, reading: Reading) -> Answer:
        numbers = self._streets[reading.street]
        wanted = int(re.sub(r"\D.*", "", reading.number) or 0)
        near = sorted(numbers, key=lambda n: abs(int(re.sub(r"\D.*", "", n) or 0) - wanted))
        street = numbers[near[0]][0].street
        candidates = _candidates([numbers[n][0] for n in near])
        return Unknown(reason=f"{street} has no number {reading.number} on the map; nearest is {near[0]}", candidates=candidates)

    def _street_missing(self, text: str) -> Answer:
        tried = dict.fromkeys(reading.street for reading in readings(text))
        if not tried:
            return Unknown(reason="no house number in the address")
        for street in tried:
            for close in difflib.get_close_matches(street, self._streets, 1, SIMILAR):
                number = next(reading.number for reading in readings(text) if reading.street == street)
                addresses = self._streets[close].get(number) or next(iter(self._streets[close].values()))
                return Unknown(reason=f"no such street on the map; {addresses[0].street} is similar", candidates=_candidates(addresses))
        return Unknown(reason="no such street on the map")


def _candidates(addresses: Sequence[Address]) -> tuple[Candidate, ...]:
    by_label = {a.label: Candidate(position=a.position, label=a.label) for a in reversed(addresses)}
    return tuple(reversed(by_label.values()))[:MAX_CANDIDATES]


def _entries(path: str) -> list[tuple[Sequence[str], str, Address]]:
    settlements: list[tuple[LatLon, str]] = []
    found: list[tuple[LatLon, dict[str, str]]] = []
    reader = osmium.FileProcessor(path).with_locations().with_filter(osmium.filter.KeyFilter("addr:housenumber", "place"))
    for item in reader:
        position = _position(item)
        if position is None:
            continue
        tags = {tag.k: tag.v for tag in item.tags}
        if tags.get("place") in SETTLEMENTS and tags.get("name") and isinstance(item, osmium.osm.Node):
            settlements.append((position, tags["name"]))
        if "addr:housenumber" in tags:
            found.append((position, tags))
    out: list[tuple[Sequence[str], str, Address]] = []
    for position, tags in found:
        names = [tags[key] for key in tags if key in ("addr:street", "addr:place") or key.startswith("addr:street:")]
        if not names:
            continue
        city = tags.get("addr:city") or min(((distance_m(position, at), name) for at, name in settlements), default=(0.0, ""))[1]
        street = tags.get("addr:street") or names[0]
        address = Address(
            position=position, street=street, number=tags["addr:housenumber"], postcode=tags.get("addr:postcode", ""), city=city
        )
        out.append((names, tags["addr:housenumber"], address))
    return out


def _position(item: object) -> LatLon | None:
    """A node's place, or the middle of a way's box. (Relations with an address have members with the same one, near enough.)"""
    if isinstance(item, osmium.osm.Node):
        return LatLon(item.location.lat, item.location.lon)
    if not isinstance(item, osmium.osm.Way):
        return None
    corners = [node.location for node in item.nodes if node.location.valid()]
    if not corners:
        return None
    lats, lons = [corner.lat for corner in corners], [corner.lon for corner in corners]
    return LatLon((min(lats) + max(lats)) / 2, (min(lons) + max(lons)) / 2)
