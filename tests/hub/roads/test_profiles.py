"""Kinds of vehicle on the same streets, compared."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import osmium
import pytest

from roundsman_core.geo import LatLon
from roundsman_hub.geocode import AddressBook
from roundsman_hub.roads import GreatCircle, OsrmRoads
from roundsman_hub.roads.extract import dataset, osrm_folder
from roundsman_hub.roads.osrm_process import OsrmProcess
from roundsman_hub.roads.profiles import PROFILES, lua

needs_wheel = pytest.mark.skipif(osrm_folder() is None, reason="the osrm-bindings wheel is not installed (it needs Python 3.12)")
PLACES = 40


@pytest.fixture(scope="module")
def low_bridge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two streets from west to east: the straight one under a bridge of 3 m, the other round it, over a bridge for 5 t."""
    path = tmp_path_factory.mktemp("osm") / "bridge.osm.pbf"
    with osmium.SimpleWriter(str(path)) as writer:
        for number, (lat, lon) in enumerate([(50.0, 8.0), (50.0, 8.01), (50.0, 8.02), (50.01, 8.01), (50.02, 8.01)], start=1):
            writer.add_node(osmium.osm.mutable.Node(id=number, location=(lon, lat), version=1))
        for number, (nodes, tags) in enumerate(
            [([1, 2, 3], {"maxheight": "3"}), ([1, 4, 3], {"maxweight": "5"}), ([1, 5, 3], {})], start=1
        ):
            writer.add_way(osmium.osm.mutable.Way(id=number, nodes=nodes, tags={"highway": "residential", **tags}, version=1))
    return path


@needs_wheel
def test_each_kind_takes_the_way_that_it_fits_through(low_bridge: Path, cache: Path) -> None:
    metres = {}
    for kind in PROFILES:
        with OsrmProcess(dataset(low_bridge, cache, lambda line: None, kind), mapped=True) as process:
            roads = OsrmRoads(process.url, process=process)
            metres[kind] = int(roads.matrix([LatLon(50.0, 8.0), LatLon(50.0, 8.02)]).distances_m[0, 1])
            roads.close()
    assert metres["car"] == metres["van"] == pytest.approx(1_430, abs=5)
    assert metres["truck"] > 4_000  # neither under the low bridge nor over the weak one
    assert metres["cargo_bike"] == metres["car"]


def test_a_profile_is_parameters_over_what_came_with_osrm() -> None:
    text = lua(PROFILES["truck"], Path("/somewhere"))
    assert 'require("car")' in text
    assert "vehicle_height = 3.8" in text
    assert "vehicle_weight = 12000" in text
    assert "speeds" not in lua(PROFILES["car"], Path("/somewhere"))


@pytest.fixture
def fleet(town: Path, cache: Path) -> Iterator[Callable[[str], OsrmRoads]]:
    """Function: kind → the town's roads for it."""
    if osrm_folder() is None:
        pytest.skip("the osrm-bindings wheel is not installed (it needs Python 3.12)")
    opened = []

    def roads_of(kind: str) -> OsrmRoads:
        process = OsrmProcess(dataset(town, cache, lambda line: None, kind), mapped=True)
        opened.append(OsrmRoads(process.url, process=process, table_size=500))
        return opened[-1]

    yield roads_of
    for roads in opened:
        roads.close()


def test_slower_kinds_take_longer_and_the_great_circle_keeps_their_order(town: Path, fleet: Callable[[str], OsrmRoads]) -> None:
    """Compared on three real towns. What stands in where there is no road data is slower for the same kinds, by about as much."""
    addresses = AddressBook.from_osm(town).addresses()
    places = [address.position for address in random.Random(1).sample(addresses, PLACES)]
    car = fleet("car").matrix(places)
    apart = (car.durations_s > 0) & ~np.eye(PLACES, dtype=bool)
    for kind in ("truck", "cargo_bike"):
        own = fleet(kind).matrix(places)
        both = apart & (own.durations_s > 0)
        assert both.sum() > 0.8 * apart.sum()  # an extract's edge cuts some ways of a bicycle
        paces = own.durations_s[both] / car.durations_s[both]
        assert (paces > 0.97).mean() > 0.9  # some streets are closed to cars alone
        assert np.median(paces) > 1
        stands_in = GreatCircle().matrix(places, profile=kind).durations_s / np.maximum(GreatCircle().matrix(places).durations_s, 1)
        assert np.median(paces) == pytest.approx(np.median(stands_in[both]), rel=0.25)
