"""Ways that differ by direction: orders from a file, a map with a one-way street, and the round that the sign alone decides."""

from __future__ import annotations

from collections.abc import Iterator

import osmium
import pytest
from tests.hub.api.csv_town import OPEN, TOWN, Case, Shop, asked, best_cents, near, searched

from roundsman_core.geo import LocalFrame
from roundsman_hub.planning.evaluate import judge
from roundsman_hub.planning.walk import Ground
from roundsman_hub.roads import RoadNetwork, open_roads
from roundsman_hub.roads.extract import osrm_folder

LOOP = ((0, 0), (1000, 0), (2000, 0), (2000, 500), (0, 500))
"""Metres to the side and north of the depot: its street, past both customers, and the way round to the far end."""


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoadNetwork]:
    """The same streets east and west of the depot; east of the first customer the street leads towards the depot only."""
    if osrm_folder() is None:
        pytest.skip("the osrm-bindings wheel is not installed (it needs Python 3.12)")
    folder = tmp_path_factory.mktemp("one-way")
    at = LocalFrame(TOWN)
    node, way = osmium.osm.mutable.Node, osmium.osm.mutable.Way
    numbers: dict[tuple[int, int], int] = {}
    with osmium.SimpleWriter(str(folder / "town.osm.pbf")) as writer:
        for side in (1, -1):
            for east, north in LOOP:
                if (side * east, north) not in numbers:
                    place = at.to_latlon(side * east, north)
                    numbers[side * east, north] = len(numbers) + 1
                    writer.add_node(node(id=len(numbers), location=(place.lon_deg, place.lat_deg), version=1))
        for first, side in ((1, 1), (11, -1)):
            depot, near_by, far, corner, above = (numbers[side * east, north] for east, north in LOOP)
            sign = {"oneway": "yes"} if side == 1 else {}
            for number, (nodes, more) in enumerate((([depot, near_by], {}), ([far, near_by], sign), ([far, corner, above, depot], {}))):
                writer.add_way(way(id=first + number, nodes=nodes, tags={"highway": "residential", **more}, version=1))
    roads = open_roads(folder / "town.osm.pbf", None, folder, progress=lambda line: None)
    yield roads
    roads.close()


@pytest.mark.parametrize(("side", "expected"), [(1, ["y", "x"]), (-1, ["x", "y"])], ids=["one-way", "both ways"])
def test_a_one_way_street_decides_the_direction_of_a_round(shop: Shop, mirrored: RoadNetwork, side: int, expected: list[str]) -> None:
    """With the sign the van drives round to the far customer first; on the other side of the town, where it is missing, straight on."""
    case = Case(vans=[OPEN], orders=[near("x", side * 1000), near("y", side * 2000)], expected={}, drop="")
    found = asked(shop, case, roads=mirrored)
    x, y = (next(task.place for task in found.problem.tasks if found.orders[task.task] == name) for name in "xy")
    ways_s = found.problem.durations_s
    assert (ways_s[x, y] > 3 * ways_s[y, x]) == (side == 1)
    plan = searched(found.problem, late=True)
    verdict = judge(Ground(found.problem), plan)
    assert not verdict.violations
    assert verdict.cost_cents == best_cents(found.problem, late=True)
    assert found.routes(plan) == {"A": expected}
