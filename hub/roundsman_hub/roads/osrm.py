"""OSRM over HTTP: a server's URL, or the side processes. While one is away the great circle answers, and says so."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import replace
from typing import Any, Final

import httpx
import msgspec
import numpy as np
import numpy.typing as npt

from roundsman_core.geo import LatLon
from roundsman_hub.roads.addresses import Address, Addresses, OneUrl
from roundsman_hub.roads.great_circle import GreatCircle
from roundsman_hub.roads.network import MatchedStretch, Matrix, Nearest, RoadNetwork, RoadsError, Route, RouteStep, TracePoint
from roundsman_hub.roads.osrm_match import Ask, match_stretch
from roundsman_hub.roads.osrm_process import MAX_TABLE, OsrmProcess
from roundsman_hub.roads.polyline import decode_polyline, in_url
from roundsman_hub.roads.profiles import CAR, PROFILES
from roundsman_hub.roads.trace import straight, stretches

log = logging.getLogger(__name__)

Table = npt.NDArray[np.int32]
TIMEOUT_S: Final = 10.0
"""An urgent order (a row and a column) does not wait longer than this for a server that hangs."""
CELLS_PER_S: Final = 25_000
"""And so much longer for a large table: a sixteenth of what a free core gives: a crowded machine is not taken for one that hangs."""
URL_TABLE: Final = 100
"""Places in one table of a server that we did not start: OSRM's own default limit."""
PROCESS_TABLE: Final = min(MAX_TABLE, 2_000)
"""Places in one table of our own. Every table searches from each of its places once, so few large ones are cheaper: 1,000² in blocks of
250² took 3.6 s of CPU, in two halves 2.3. An address of 2,000 places (30 kB) is read by our own server, not by every proxy."""
HALVED_CELLS: Final = 40_000
"""From 200² on both of the server's threads are kept busy."""
OFF_ROAD_M: Final = 2_000.0
"""A place further from any road is off the map. OSRM would snap it to the map's edge, be that a hundred kilometres away."""
AT_ONCE: Final = 2
"""Tables asked for at a time: our servers have two threads."""


class OsrmRoads:
    """A `RoadNetwork` on OSRM servers.

    Parameters
    ----------
    url : str
        The server, without `/table` and the like; with `{profile}` in it, one for each kind of vehicle.
    process : OsrmProcess, optional
        The side process behind it: started again when it died, ended by `close`.
    table_size : int
        How many places one table request may name; larger matrices are put together from several.
    addresses : Addresses, optional
        Which server to ask for which vehicle and band, where there are several.
    """

    name: Final = "osrm"

    def __init__(
        self, url: str, *, process: OsrmProcess | None = None, table_size: int = URL_TABLE, addresses: Addresses | None = None
    ) -> None:
        self._url, self._process, self._table_size = url.rstrip("/"), process, table_size
        self._addresses: Addresses = OneUrl(url) if addresses is None else addresses
        self._fleet = ""
        self._http = httpx.Client(timeout=TIMEOUT_S, trust_env=False)
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="osrm")
        self._stand_in: RoadNetwork = GreatCircle()

    def of_fleet(self, fleet: str) -> OsrmRoads:
        """See `RoadNetwork.of_fleet`: shares connections and side process."""
        own = copy(self)
        own._fleet = fleet
        return own

    @property
    def url(self) -> str:
        """The server's address, for other processes to share it."""
        return self._url

    def version(self, profile: str = CAR, band: str = "") -> str:
        """See `RoadNetwork.version`."""
        return self._addresses.find(profile, band, self._fleet).version

    def bands(self, profile: str = CAR) -> frozenset[str]:
        """See `RoadNetwork.bands`."""
        return self._addresses.bands(profile, self._fleet)

    def matrix(self, places: Sequence[LatLon], targets: Sequence[LatLon] | None = None, *, profile: str = CAR, band: str = "") -> Matrix:
        """See `RoadNetwork.matrix`. Great circle (`network` says so) while the server is away."""
        columns = places if targets is None else targets
        at = self._addresses.find(profile, band, self._fleet)
        off: set[LatLon] = set()
        while True:
            rows_on = [i for i, place in enumerate(places) if place not in off]
            columns_on = [i for i, place in enumerate(columns) if place not in off]
            found = self._tables(at, [places[i] for i in rows_on], [columns[i] for i in columns_on], off, whole=targets is None)
            if found is None:
                return self._stand_in.matrix(places, targets, profile=profile)
            if not isinstance(found, LatLon):
                break
            off.add(found)
        durations = np.full((len(places), len(columns)), -1, dtype=np.int32)
        distances = np.full((len(places), len(columns)), -1, dtype=np.int32)
        inside = np.ix_(rows_on, columns_on)
        durations[inside], distances[inside] = found
        for place in off:
            for i in (i for i, one in enumerate(places) if one == place):
                durations[i, :] = -1
            for j in (j for j, one in enumerate(columns) if one == place):
                durations[:, j] = -1
        if off:
            log.warning("no road within %.0f m of %s: there is no way from or to there", OFF_ROAD_M, ", ".join(map(_told, off)))
        distances[durations < 0] = -1
        return Matrix(
            durations_s=_paced(durations, profile, at),
            distances_m=distances,
            network=self.name,
            profile=at.profile,
            band=at.band,
            off_road=frozenset(off),
        )

    def route(self, places: Sequence[LatLon], *, profile: str = CAR, band: str = "", steps: bool = False) -> Route:
        """See `RoadNetwork.route`. Straight lines (`network` says so) while the server is away."""
        at = self._addresses.find(profile, band, self._fleet)
        wanted = "true" if steps else "false"
        query = f"overview=full&geometries=polyline6&steps={wanted}&continue_straight=false"
        answer = self._ask(at, f"/route/v1/driving/{in_url(places)}?{query}")
        if answer is None:
            return self._stand_in.route(places, profile=profile)
        if answer["code"] != "Ok":
            raise RoadsError(f"no way: {answer.get('message', answer['code'])}")
        for place, waypoint in zip(places, answer["waypoints"], strict=True):
            if waypoint["distance"] > OFF_ROAD_M:
                raise RoadsError(f"no way: {_told(place)} is {waypoint['distance'] / 1000:.1f} km from the nearest road of the map")
        route = answer["routes"][0]
        pace = _pace(profile, at)
        return Route(
            geometry=tuple(decode_polyline(route["geometry"], 6)),
            duration_s=round(route["duration"] * pace),
            distance_m=round(route["distance"]),
            legs_s=tuple(round(leg["duration"] * pace) for leg in route["legs"]),
            legs_m=tuple(round(leg["distance"]) for leg in route["legs"]),
            network=self.name,
            profile=at.profile,
            band=at.band,
            steps=tuple(tuple(_step(step, pace) for step in leg["steps"]) for leg in route["legs"]) if steps else (),
        )

    def match(self, trace: Sequence[TracePoint], *, profile: str = CAR) -> tuple[MatchedStretch, ...]:
        """See `RoadNetwork.match`. The trace's own line (`network` says so) while the server is away, or where no street is near."""
        at = self._addresses.find(profile, "", "")  # what is closed now was open, or driven all the same
        ask: Ask = lambda path: self._ask(at, path)  # noqa: E731  # one line, and typed
        out: list[MatchedStretch] = []
        for piece in stretches(trace):
            found = match_stretch(trace, piece, ask, size=URL_TABLE)
            if found is None:
                return straight(trace, self._stand_in.name)
            out += [replace(stretch, profile=at.profile) for stretch in found]
        return tuple(out)

    def nearest(self, place: LatLon, *, profile: str = CAR) -> Nearest:
        """See `RoadNetwork.nearest`."""
        answer = self._ask(self._addresses.find(profile, "", ""), f"/nearest/v1/driving/{place.lon_deg:.6f},{place.lat_deg:.6f}")
        if answer is None:
            return self._stand_in.nearest(place)
        if answer["code"] != "Ok":
            return Nearest(position=place, distance_m=float("inf"))
        lon_deg, lat_deg = answer["waypoints"][0]["location"]
        return Nearest(position=LatLon(lat_deg, lon_deg), distance_m=float(answer["waypoints"][0]["distance"]))

    def close(self) -> None:
        """Close the connections, and end the side process if there is one."""
        self._pool.shutdown()
        self._http.close()
        if self._process is not None:
            self._process.close()

    def _tables(
        self, at: Address, rows: Sequence[LatLon], columns: Sequence[LatLon], off: set[LatLon], *, whole: bool
    ) -> tuple[Table, Table] | LatLon | None:
        """Both tables, put together from blocks; a place that has no segment; None: the server is away."""
        durations = np.zeros((len(rows), len(columns)), dtype=np.int32)
        distances = np.zeros((len(rows), len(columns)), dtype=np.int32)
        whole = whole and 1 < len(rows) <= self._table_size  # OSRM refuses a table of one place
        whole = whole and (self._table_size <= URL_TABLE or len(rows) * len(columns) < HALVED_CELLS)
        row_step, column_step = (len(rows), len(columns)) if whole else self._steps(len(rows), len(columns))
        blocks = [
            (slice(row, row + row_step), slice(column, column + column_step))
            for row in range(0, len(rows), max(row_step, 1))
            for column in range(0, len(columns), max(column_step, 1))
        ]
        answers = (self._pool.map if len(blocks) > 1 else map)(
            lambda block: self._table(at, rows[block[0]], columns[block[1]], whole=whole), blocks
        )
        for block, answer in zip(blocks, answers, strict=True):
            if answer is None or isinstance(answer, LatLon):
                return answer
            durations[block], distances[block], far = answer
            off |= far
        return durations, distances

    def _steps(self, rows: int, columns: int) -> tuple[int, int]:
        """Rows and columns of a block: all columns with half of the rows, where both of the server's threads get one that way."""
        half = -(-rows // AT_ONCE) if rows * columns >= HALVED_CELLS else rows
        if half + columns <= self._table_size:
            return half, columns
        row_step = max(1, min(half, self._table_size // 2))
        return row_step, self._table_size - row_step

    def _table(
        self, at: Address, sources: Sequence[LatLon], targets: Sequence[LatLon], *, whole: bool
    ) -> tuple[Table, Table, set[LatLon]] | LatLon | None:
        places, which = list(sources), ""
        if not whole:
            places += targets
            middle = len(sources)
            which = f"&sources={_numbers(0, middle)}&destinations={_numbers(middle, len(places))}"
        patience_s = TIMEOUT_S + len(sources) * len(targets) / CELLS_PER_S
        answer = self._ask(at, f"/table/v1/driving/{in_url(places)}?annotations=duration,distance{which}", patience_s)
        if answer is None:
            return None
        if answer["code"] == "NoSegment" and (number := re.search(r"coordinate (\d+)", answer.get("message", ""))):
            return places[int(number[1])]
        if answer["code"] != "Ok":
            raise RoadsError(f"{at.url} gives no table: {answer.get('message', answer['code'])}")
        snapped = [*zip(sources, answer["sources"], strict=True), *zip(targets, answer["destinations"], strict=True)]
        far = {place for place, waypoint in snapped if waypoint["distance"] > OFF_ROAD_M}
        return _whole_numbers(answer["durations"]), _whole_numbers(answer["distances"]), far

    def _ask(self, at: Address, path: str, patience_s: float = TIMEOUT_S) -> dict[str, Any] | None:
        """One request; once more after the side process was brought back, or another took its place. None: the server is away."""
        for attempt in (1, 2):
            try:
                answer = msgspec.json.decode(self._http.get(at.url + path, timeout=patience_s).content)
                return answer if isinstance(answer, dict) and "code" in answer else None
            except httpx.TimeoutException:
                return None  # it hangs: asking again would only take as long again
            except (httpx.TransportError, msgspec.DecodeError):
                if attempt == 2:
                    return None
                if self._process is not None:
                    try:
                        self._process.ensure()
                    except RoadsError:
                        return None
                at = self._addresses.find(at.profile, at.band, self._fleet)
        return None


def _pace(profile: str, at: Address) -> float:
    """How many times as long as the server says: its own factor, and another kind's pace where it stands in for this one."""
    return at.factor * PROFILES[profile].pace / PROFILES[at.profile].pace


def _paced(durations: Table, profile: str, at: Address) -> Table:
    pace = _pace(profile, at)
    return durations if pace == 1 else np.where(durations < 0, -1, np.rint(durations * pace)).astype(np.int32)


def _told(place: LatLon) -> str:
    return f"{place.lat_deg:.5f}, {place.lon_deg:.5f}"


def _step(step: dict[str, Any], pace: float) -> RouteStep:
    does = step["maneuver"]
    lon_deg, lat_deg = does["location"]
    return RouteStep(
        what=does["type"],
        way=does.get("modifier", ""),
        name=step["name"],
        position=LatLon(lat_deg, lon_deg),
        distance_m=round(step["distance"]),
        duration_s=round(step["duration"] * pace),
    )


def _numbers(first: int, end: int) -> str:
    return ";".join(map(str, range(first, end)))


def _whole_numbers(rows: list[list[float | None]]) -> Table:
    values = np.array(rows, dtype=np.float64)  # None becomes NaN
    return np.where(np.isnan(values), -1, np.rint(np.nan_to_num(values))).astype(np.int32)
