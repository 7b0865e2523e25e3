"""Travel times and ways: OSRM where there is one, the great circle everywhere else. One port, `RoadNetwork`.

`open_roads` chooses. A group of processes starts OSRM once (`osrm_process.start_osrm`) and opens its URL in each of them.
"""

from __future__ import annotations

from pathlib import Path

from roundsman_hub.roads.extract import Progress
from roundsman_hub.roads.great_circle import GreatCircle
from roundsman_hub.roads.network import Matrix, Nearest, RoadNetwork, RoadsError, Route
from roundsman_hub.roads.osrm import PROCESS_TABLE, OsrmRoads
from roundsman_hub.roads.osrm_process import start_osrm

__all__ = [
    "PROCESS_TABLE",
    "GreatCircle",
    "Matrix",
    "Nearest",
    "OsrmRoads",
    "RoadNetwork",
    "RoadsError",
    "Route",
    "open_roads",
    "start_osrm",
]


def open_roads(osm: Path | None, osrm_url: str | None, cache_dir: Path, progress: Progress = print) -> RoadNetwork:
    """The best road network that can be had.

    Parameters
    ----------
    osm : Path, optional
        Street extract (.osm.pbf) for a side process, if there is no URL.
    osrm_url : str, optional
        A running OSRM server.
    cache_dir : Path
        Where datasets made from extracts are kept.
    progress : callable
        Is told, in a line each, what is done and what serves.

    Returns
    -------
    RoadNetwork
        `name` says which it is. To be closed by the caller.
    """
    if osrm_url:
        progress(f"roads: OSRM at {osrm_url}")
        return OsrmRoads(osrm_url)
    if osm is None:
        progress("roads: great circle (no street extract and no OSRM URL were given)")
        return GreatCircle()
    try:
        process = start_osrm(osm, cache_dir, progress)
    except RoadsError as error:
        progress(f"roads: great circle ({error})")
        return GreatCircle()
    return OsrmRoads(process.url, process=process, table_size=PROCESS_TABLE)
