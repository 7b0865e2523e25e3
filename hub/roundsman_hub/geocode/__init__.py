"""From an address to a place: the street extract's own addresses first, then a Nominatim or Photon server, then a person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from roundsman_hub.geocode.addresses import AddressBook
from roundsman_hub.geocode.answers import Ambiguous, Answer, Candidate, Found, Geocoder, Unknown
from roundsman_hub.geocode.nominatim import Nominatim
from roundsman_hub.geocode.normalise import address_key
from roundsman_hub.geocode.photon import Photon

__all__ = [
    "AddressBook",
    "Ambiguous",
    "Answer",
    "Candidate",
    "Found",
    "Geocoder",
    "InTurn",
    "Nominatim",
    "Photon",
    "Unknown",
    "address_key",
    "open_geocoder",
]


class InTurn:
    """Several geocoders, asked in turn until one finds the place. None of them: the answer that says most."""

    def __init__(self, geocoders: Sequence[Geocoder]) -> None:
        self._geocoders = tuple(geocoders)

    def find(self, text: str) -> Answer:
        """See `Geocoder.find`."""
        best: Answer = Unknown(reason="no geocoder is set up: give the hub a street extract or a server")
        for geocoder in self._geocoders:
            answer = geocoder.find(text)
            if isinstance(answer, Found):
                return answer
            if isinstance(best, Unknown) and (isinstance(answer, Ambiguous) or not best.candidates):
                best = answer
        return best

    def close(self) -> None:
        """Close them all."""
        for geocoder in self._geocoders:
            geocoder.close()


def open_geocoder(osm: Path | None = None, nominatim_url: str | None = None, photon_url: str | None = None) -> Geocoder:
    """What can be had, in the order: address book, Nominatim, Photon. Without any, every address waits for a person."""
    geocoders: list[Geocoder] = []
    if osm is not None:
        geocoders.append(AddressBook.from_osm(osm))
    if nominatim_url:
        geocoders.append(Nominatim(nominatim_url))
    if photon_url:
        geocoders.append(Photon(photon_url))
    return InTurn(geocoders)
