"""OSRM over HTTP: a server's URL, or the side process. While it is away the great circle answers, and says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

import httpx
import numpy as np
import numpy.typing as npt

from roundsman_core.geo import LatLon
from roundsman_hub.roads.great_circle import GreatCircle
from roundsman_hub.roads.network import Matrix, Nearest, RoadNetwork, RoadsError, Route
from roundsman_hub.roads.osrm_process import MAX_TABLE, OsrmProcess

TIMEOUT_S: Final = 10.0
"""A table of 500 places takes 1 to 2 s; an urgent order does not wait longer than this for a server that hangs."""
URL_TABLE: Final = 100
"""Places in one table of a server that we did not start: OSRM's own default limit."""
PROCESS_TABLE: Final = min(MAX_TABLE, 500)
"""Places in one table of our own: keeps a request's address under 8 kB and each answer under two seconds."""


class OsrmRoads:
    """A `RoadNetwork` on an OSRM server.

    Parameters
    ----------
    url : str
        The server, without `/table` and the like.
    process : OsrmProcess, optional
        The side process behind it: started again when it died, ended by `close`.
    table_size : int
        How many places one table request may name; larger matrices are put together from several.
    """

    name: Final = "osrm"

    def __init__(self, url: str, *, process: OsrmProcess | None = None, table_size: int = URL_TABLE) -> None:
        self._url, self._process, self._table_size = url.rstrip("/"), process, table_size
        self._http = httpx.Client(timeout=TIMEOUT_S, trust_env=False)
        self._stand_in: RoadNetwork = GreatCircle()

    @property
    def url(self) -> str:
        """The server's address, for other processes to share it."""
        return self._url

    def matrix(self, places: Sequence[LatLon], targets: Sequence[LatLon] | None = None) -> Matrix:
        """See `RoadNetwork.matrix`. Great circle (`network` says so) while the server is away."""
        columns = places if targets is None else targets
        durations = np.zeros((len(places), len(columns)), dtype=np.int32)
        distances = np.zeros((len(places), len(columns)), dtype=np.int32)
        whole = targets is None and len(places) <= self._table_size
        row_step = len(places) if whole else max(1, min(len(places), self._table_size // 2))
        column_step = len(columns) if whole else self._table_size - row_step
        for row in range(0, len(places), row_step or 1):
            for column in range(0, len(columns), column_step or 1):
                block = self._table(places[row : row + row_step], columns[column : column + column_step], whole=whole)
                if block is None:
                    return self._stand_in.matrix(places, targets)
                (
                    durations[row : row + row_step, column : column + column_step],
                    distances[row : row + row_step, column : column + column_step],
                ) = block
        return Matrix(durations_s=durations, distances_m=distances, network=self.name)

    def route(self, places: Sequence[LatLon]) -> Route:
        """See `RoadNetwork.route`. Straight lines (`network` says so) while the server is away."""
        answer = self._ask(f"/route/v1/driving/{_polyline(places)}?overview=full&geometries=polyline6&steps=false&continue_straight=false")
        if answer is None:
            return self._stand_in.route(places)
        if answer["code"] != "Ok":
            raise RoadsError(f"no way: {answer.get('message', answer['code'])}")
        route = answer["routes"][0]
        return Route(
            geometry=tuple(decode_polyline(route["geometry"], 6)),
            duration_s=round(route["duration"]),
            distance_m=round(route["distance"]),
            legs_s=tuple(round(leg["duration"]) for leg in route["legs"]),
            legs_m=tuple(round(leg["distance"]) for leg in route["legs"]),
            network=self.name,
        )

    def nearest(self, place: LatLon) -> Nearest:
        """See `RoadNetwork.nearest`."""
        answer = self._ask(f"/nearest/v1/driving/{place.lon_deg:.6f},{place.lat_deg:.6f}")
        if answer is None:
            return self._stand_in.nearest(place)
        if answer["code"] != "Ok":
            return Nearest(position=place, distance_m=float("inf"))
        lon_deg, lat_deg = answer["waypoints"][0]["location"]
        return Nearest(position=LatLon(lat_deg, lon_deg), distance_m=float(answer["waypoints"][0]["distance"]))

    def close(self) -> None:
        """Close the connections, and end the side process if there is one."""
        self._http.close()
        if self._process is not None:
            self._process.close()

    def _table(
        self, sources: Sequence[LatLon], targets: Sequence[LatLon], *, whole: bool
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]] | None:
        places, which = list(sources), ""
        if not whole:
            places += targets
            middle = len(sources)
            which = f"&sources={_numbers(0, middle)}&destinations={_numbers(middle, len(places))}"
        answer = self._ask(f"/table/v1/driving/{_polyline(places)}?annotations=duration,distance{which}")
        if answer is None:
            return None
        if answer["code"] == "NoSegment":
            raise RoadsError(f"a place is not on the road network: {answer.get('message', '')}")
        if answer["code"] != "Ok":
            raise RoadsError(f"{self._url} gives no table: {answer.get('message', answer['code'])}")
        return _whole_numbers(answer["durations"]), _whole_numbers(answer["distances"])

    def _ask(self, path: str) -> dict[str, Any] | None:
        """One request; once more after the side process was brought back. None: the server is away."""
        for attempt in (1, 2):
            try:
                answer = self._http.get(self._url + path).json()
                return answer if isinstance(answer, dict) and "code" in answer else None
            except httpx.TimeoutException:
                return None  # it hangs: asking again would only take as long again
            except (httpx.TransportError, ValueError):
                if attempt == 1 and self._process is not None:
                    try:
                        self._process.ensure()
                    except RoadsError:
                        return None
        return None


def _numbers(first: int, end: int) -> str:
    return ";".join(map(str, range(first, end)))


def _whole_numbers(rows: list[list[float | None]]) -> npt.NDArray[np.int32]:
    values = np.array(rows, dtype=np.float64)  # None becomes NaN
    return np.where(np.isnan(values), -1, np.rint(np.nan_to_num(values))).astype(np.int32)


def _polyline(places: Sequence[LatLon]) -> str:
    """Places as OSRM reads them compactly: Google's polyline at 10⁻⁵ degree (0.6 m at most)."""
    out: list[str] = []
    before = (0, 0)
    for place in places:
        here = (round(place.lat_deg * 1e5), round(place.lon_deg * 1e5))
        for value, last in zip(here, before, strict=True):
            step = value - last
            bits = ~(step << 1) if step < 0 else step << 1
            while bits >= 0x20:
                out.append(chr((0x20 | (bits & 0x1F)) + 63))
                bits >>= 5
            out.append(chr(bits + 63))
        before = here
    return f"polyline({quote(''.join(out), safe='')})"


def decode_polyline(text: str, digits: int) -> list[LatLon]:
    """Positions of a polyline with so many decimal digits."""
    values: list[int] = []
    bits = shift = 0
    for char in text:
        part = ord(char) - 63
        bits |= (part & 0x1F) << shift
        shift += 5
        if part < 0x20:
            values.append(~(bits >> 1) if bits & 1 else bits >> 1)
            bits = shift = 0
    out: list[LatLon] = []
    lat = lon = 0
    for d_lat, d_lon in zip(values[::2], values[1::2], strict=True):
        lat, lon = lat + d_lat, lon + d_lon
        out.append(LatLon(lat / 10**digits, lon / 10**digits))
    return out
