"""What a way is expected to take, by the same streets and learned paces as the planner's."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from roundsman_core.geo import LatLon
from roundsman_hub.learn.speeds import SpeedTable
from roundsman_hub.roads import GreatCircle, RoadNetwork, RoadsError
from roundsman_hub.roads.extract import dataset
from roundsman_hub.roads.osrm import PROCESS_TABLE, OsrmRoads
from roundsman_hub.roads.osrm_process import OsrmProcess

log = logging.getLogger(__name__)
AT_ONCE: Final = 20
"""Pairs in one request: a table of them all, of which the diagonal is used; a request of its own for each takes three times as long."""


class Ways:
    """Road networks at their own pace, one for each kind of vehicle, each started when it is first asked for.

    Parameters
    ----------
    osm, osrm_url : optional
        As the hub has them: its own extract is read before somebody else's server is asked. Without any, or where no OSRM can be started,
        the great circle answers `drives_s`.
    """

    def __init__(self, osm: Path | None, osrm_url: str | None, cache_dir: Path) -> None:
        self._osm, self._osrm_url, self._cache_dir = osm, osrm_url, cache_dir
        self._open: dict[str, RoadNetwork] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for roads in self._open.values():
            roads.close()

    def streets(self, kind: str) -> RoadNetwork:
        """Of this kind of vehicle.

        Raises
        ------
        RoadsError
            There is an extract, and no OSRM to read it.
        """
        if kind not in self._open:
            if self._osm is not None:
                process = OsrmProcess(dataset(self._osm, self._cache_dir, log.info, kind), mapped=True)
                self._open[kind] = OsrmRoads(process.url, process=process, table_size=PROCESS_TABLE)
            else:
                self._open[kind] = OsrmRoads(self._osrm_url) if self._osrm_url else GreatCircle()
        return self._open[kind]

    def drives_s(self, kind: str, ways: Sequence[tuple[LatLon, LatLon, str]], speeds: SpeedTable) -> list[float | None]:
        """How long each way (from, to, band) takes, as the planner expects it; None: there is none."""
        try:
            roads = self.streets(kind)
        except RoadsError as error:
            log.warning("%s; ways are estimated", error)
            roads = self._open[kind] = GreatCircle()
        out: list[float | None] = []
        for first in range(0, len(ways), AT_ONCE):
            some = ways[first : first + AT_ONCE]
            found = roads.matrix([start for start, _, _ in some], [end for _, end, _ in some], profile=kind)
            # What was learned counts on the hub's own streets alone.
            learned = self._osm is not None and found.network != GreatCircle.name
            for at, (_, _, band) in enumerate(some):
                seconds = float(found.durations_s[at, at])
                out.append(None if seconds < 0 else seconds * (speeds.factor(kind, band) if learned else 1.0))
        return out
