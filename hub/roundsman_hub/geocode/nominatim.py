"""Nominatim by URL (https://nominatim.org/release-docs/latest/api/Search/): for addresses beyond the extract."""

from __future__ import annotations

from typing import Final

import httpx

from roundsman_core.geo import LatLon
from roundsman_hub.geocode.answers import MAX_CANDIDATES, Ambiguous, Answer, Candidate, Unknown, settle

TIMEOUT_S: Final = 5.0
HOUSE_RANK: Final = 30
"""Nominatim's place rank of a house or a thing in it; lower ranks are streets, quarters, towns."""


class Nominatim:
    """A Nominatim server.

    Parameters
    ----------
    url : str
        The server, without `/search`.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._http = httpx.Client(timeout=TIMEOUT_S, headers={"User-Agent": "roundsman"}, trust_env=False)

    def find(self, text: str) -> Answer:
        """See `Geocoder.find`. A server that is away makes the address unknown for now, with that reason."""
        try:
            answer = self._http.get(f"{self._url}/search", params={"q": text, "format": "jsonv2", "limit": MAX_CANDIDATES})
            answer.raise_for_status()
            results = answer.json()
            places = [
                (Candidate(position=LatLon(float(r["lat"]), float(r["lon"])), label=str(r["display_name"])), int(r.get("place_rank", 0)))
                for r in results
            ]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            return Unknown(reason=f"the geocoder {self._url} gives no answer ({type(error).__name__})")
        houses = [place for place, rank in places if rank >= HOUSE_RANK]
        if places and not houses:
            return Ambiguous(candidates=tuple(place for place, _ in places), reason="the street or place is known, the house number is not")
        return settle(houses)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
