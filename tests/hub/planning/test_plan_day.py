"""A day of a real city: 120 orders at real addresses, 8 vans, real travel times."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from roundsman_hub.geocode import AddressBook
from roundsman_hub.planning.engines.process import EngineProcess
from roundsman_hub.planning.problem import Problem, Task, Van
from roundsman_hub.planning.solve import decide
from roundsman_hub.roads import RoadNetwork, open_roads

OSM = Path(__file__).parents[4] / "shared" / "data" / "osm" / "helsinki.osm.pbf"
ORDERS, VANS, HOUR = 120, 8, 3600


@pytest.fixture(scope="module")
def helsinki(tmp_path_factory: pytest.TempPathFactory) -> Problem:
    """The morning: windows of two hours through the day, every fifth order a collection."""
    if not OSM.is_file():
        pytest.skip(f"no extract {OSM.name} in {OSM.parent}")
    rng = random.Random(11)
    places = [address.position for address in rng.sample(AddressBook.from_osm(OSM).addresses(), 1 + ORDERS)]
    roads: RoadNetwork = open_roads(OSM, None, tmp_path_factory.mktemp("roads"), progress=lambda line: None)
    matrix = roads.matrix(places)
    roads.close()
    if matrix.network != "osrm":
        pytest.skip("the osrm-bindings wheel is not installed (it needs Python 3.12)")
    tasks = tuple(
        Task(
            task=f"o_{at}",
            place=at,
            kind="pickup" if at % 5 == 0 else "delivery",
            load=(rng.randrange(1, 4),),
            service_s=rng.choice([120, 180, 300]),
            windows_s=((opens := rng.randrange(0, 7) * HOUR, opens + 2 * HOUR),),
        )
        for at in range(1, 1 + ORDERS)
    )
    vans = tuple(
        Van(vehicle=f"v_{at}", start_place=0, end_place=0, start_s=0, shift_end_s=9 * HOUR, capacity=(60,), at_depot=True)
        for at in range(VANS)
    )
    return Problem(
        origin_utc_s=1_760_000_000,
        tasks=tasks,
        vans=vans,
        durations_s=matrix.durations_s,
        distances_m=matrix.distances_m,
        timezone="Europe/Helsinki",
    )


def test_plan_day(helsinki: Problem, engine: EngineProcess) -> None:
    decision = decide(helsinki, None, 3.0, 1, engine=engine)
    assert decision.verdict.violations == ()
    assert decision.verdict.lateness_s == 0
    assert decision.plan.unassigned == {}
    assert decision.by == "pyvrp"
