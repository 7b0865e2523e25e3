"""Photon by URL (https://github.com/komoot/photon): tolerant of typing errors, so what it finds is looked at more closely."""

from __future__ import annotations

from typing import Any, Final

import httpx

from roundsman_core.geo import LatLon
from roundsman_hub.geocode.answers import MAX_CANDIDATES, Ambiguous, Answer, Candidate, Unknown, settle
from roundsman_hub.geocode.normalise import numbers_of, readings, street_key

TIMEOUT_S: Final = 5.0


class Photon:
    """A Photon server.

    Parameters
    ----------
    url : str
        The server, without `/api`.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._http = httpx.Client(timeout=TIMEOUT_S, headers={"User-Agent": "roundsman"}, trust_env=False)

    def find(self, text: str) -> Answer:
        """See `Geocoder.find`. Only a house with the street and the number that were typed is found; the rest is offered."""
        try:
            answer = self._http.get(f"{self._url}/api", params={"q": text, "limit": MAX_CANDIDATES})
            answer.raise_for_status()
            features = answer.json()["features"]
            places = [(_candidate(feature), feature["properties"]) for feature in features]
        except (httpx.HTTPError, ValueError, KeyError, TypeError, IndexError) as error:
            return Unknown(reason=f"the geocoder {self._url} gives no answer ({type(error).__name__})")
        exact = [place for place, properties in places if _is_meant(properties, text)]
        if places and not exact:
            return Ambiguous(candidates=tuple(place for place, _ in places), reason="similar addresses are known, this one is not")
        return settle(exact)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def _candidate(feature: dict[str, Any]) -> Candidate:
    lon_deg, lat_deg = feature["geometry"]["coordinates"]
    names = feature["properties"]
    street = " ".join(str(names[key]) for key in ("street", "housenumber") if names.get(key)) or str(names.get("name", ""))
    place = " ".join(str(names[key]) for key in ("postcode", "city") if names.get(key))
    return Candidate(position=LatLon(float(lat_deg), float(lon_deg)), label=", ".join(part for part in (street, place) if part))


def _is_meant(properties: dict[str, Any], text: str) -> bool:
    street, numbers = street_key(str(properties.get("street", ""))), numbers_of(str(properties.get("housenumber", "")))
    return bool(street) and any(reading.street == street and reading.number in numbers for reading in readings(text))
