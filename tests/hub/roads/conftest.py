"""Street extracts: a village written for the tests, and real towns where their files are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import osmium
import pytest

from roundsman_core.geo import LatLon
from roundsman_hub.roads import OsrmRoads, RoadNetwork, open_roads
from roundsman_hub.roads.extract import osrm_folder

DATA = Path(__file__).parents[4] / "shared" / "data" / "osm"
SIDE = 12
"""Crossings on each side of the village."""
STEP_DEG = 0.001
ORIGIN = LatLon(50.0, 8.0)


def crossing(row: int, column: int) -> LatLon:
    """A crossing of the village's grid: 111 m from north to south, 71 m from west to east."""
    return LatLon(ORIGIN.lat_deg + row * STEP_DEG, ORIGIN.lon_deg + column * STEP_DEG)


@pytest.fixture(scope="session")
def at_crossing() -> Callable[[int, int], LatLon]:
    """Function: (row, column) → place in the village."""
    return crossing


@pytest.fixture(scope="session")
def village(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grid of residential streets, a pond, and an island without a bridge."""
    path = tmp_path_factory.mktemp("osm") / "village.osm.pbf"
    with osmium.SimpleWriter(str(path)) as writer:
        for row in range(SIDE):
            for column in range(SIDE):
                place = crossing(row, column)
                writer.add_node(osmium.osm.mutable.Node(id=1 + row * SIDE + column, location=(place.lon_deg, place.lat_deg), version=1))
        for index, (row, column) in enumerate(((20, 2), (20, 3), (21, 3), (20, 2))):
            place = crossing(row, column)
            writer.add_node(osmium.osm.mutable.Node(id=900 + index, location=(place.lon_deg, place.lat_deg), version=1))
        for line in range(SIDE):
            along = [1 + line * SIDE + column for column in range(SIDE)]
            across = [1 + row * SIDE + line for row in range(SIDE)]
            tags = {"highway": "residential", "name": f"Row {line}"}
            writer.add_way(osmium.osm.mutable.Way(id=1 + line, nodes=along, tags=tags, version=1))
            writer.add_way(osmium.osm.mutable.Way(id=101 + line, nodes=across, tags={"highway": "tertiary"}, version=1))
        writer.add_way(osmium.osm.mutable.Way(id=300, nodes=[900, 901, 902, 900], tags={"natural": "water"}, version=1))
        writer.add_way(osmium.osm.mutable.Way(id=301, nodes=[900, 901], tags={"highway": "footway"}, version=1))
    return path


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where datasets made from extracts are kept during the tests."""
    return tmp_path_factory.mktemp("roads")


@pytest.fixture(scope="module")
def osrm(village: Path, cache: Path) -> Iterator[OsrmRoads]:
    """OSRM on the village, in its side process."""
    if osrm_folder() is None:
        pytest.skip("the osrm-bindings wheel is not installed (it needs Python 3.12)")
    roads = open_roads(village, None, cache, progress=lambda line: None)
    assert isinstance(roads, OsrmRoads)
    yield roads
    roads.close()


@pytest.fixture(params=["helsinki", "baltimore", "liechtenstein"])
def town(request: pytest.FixtureRequest) -> Path:
    """A real town's extract."""
    path = DATA / f"{request.param}.osm.pbf"
    if not path.is_file():
        pytest.skip(f"no extract {path.name} in {DATA}")
    return path


@pytest.fixture
def town_roads(town: Path, cache: Path) -> Iterator[RoadNetwork]:
    """OSRM on a real town."""
    if osrm_folder() is None:
        pytest.skip("the osrm-bindings wheel is not installed (it needs Python 3.12)")
    roads = open_roads(town, None, cache, progress=lambda line: None)
    yield roads
    roads.close()
