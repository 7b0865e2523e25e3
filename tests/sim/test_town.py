"""The made-up town is a place where vans can drive."""

from __future__ import annotations

import collections
import itertools
from pathlib import Path

import pytest

from roundsman_core.geo import distance_m
from roundsman_sim import SimError, town, town_file
from roundsman_sim.town import Crossing, Town


@pytest.fixture(scope="module")
def brackwater() -> Town:
    return town.build(seed=1)


def test_every_crossing_can_be_reached_from_every_other_and_back(brackwater: Town) -> None:
    ahead: dict[Crossing, set[Crossing]] = collections.defaultdict(set)
    back: dict[Crossing, set[Crossing]] = collections.defaultdict(set)
    for street in brackwater.streets:
        pairs = [(street.start, street.end)] + ([] if street.oneway else [(street.end, street.start)])
        for a, b in pairs:
            ahead[a].add(b)
            back[b].add(a)
    for edges in (ahead, back):
        seen = {brackwater.streets[0].start}
        todo = list(seen)
        while todo:
            new = edges[todo.pop()] - seen
            seen |= new
            todo += new
        assert seen == set(brackwater.crossings_m)


def test_river_has_few_bridges_and_nothing_else_crosses_it(brackwater: Town) -> None:
    bridges = [street for street in brackwater.streets if street.bridge]
    assert 2 <= len({street.start[0] for street in bridges}) <= 4
    for street in brackwater.streets:
        ends = [brackwater.crossings_m[crossing] for crossing in (street.start, street.end)]
        sides = {north > town.river_north_m(east) for east, north in ends}
        assert street.bridge or len(sides) == 1


def test_town_is_believable(brackwater: Town) -> None:
    share_oneway = sum(street.oneway for street in brackwater.streets) / len(brackwater.streets)
    assert 0.1 < share_oneway < 0.5
    assert {street.max_kmh for street in brackwater.streets} == {30, 50}
    assert len(brackwater.houses) > 3_000
    assert len({house.address for house in brackwater.houses}) == len(brackwater.houses)


def test_houses_do_not_stand_in_the_river_or_far_from_their_street(brackwater: Town) -> None:
    corners: dict[str, list[tuple[float, float]]] = collections.defaultdict(list)
    for street in brackwater.streets:
        corners[street.name] += [brackwater.crossings_m[street.start], brackwater.crossings_m[street.end]]
    for house in itertools.islice(brackwater.houses, 0, None, 37):
        east, north = house.door_m
        assert abs(north - town.river_north_m(east)) > town.RIVER_WIDTH_M / 2
        assert min((east - e) ** 2 + (north - n) ** 2 for e, n in corners[house.street]) ** 0.5 < 90


def test_same_seed_gives_the_same_town_and_another_seed_another(brackwater: Town) -> None:
    assert town.build(seed=1) == brackwater
    assert town.build(seed=2) != brackwater


def test_written_town_gives_its_addresses_back(brackwater: Town, tmp_path: Path) -> None:
    path = tmp_path / "town.osm.pbf"
    town_file.write(brackwater, path)
    found = {address.text: address.position for address in town_file.addresses(path)}
    assert len(found) == len(brackwater.houses)
    house = brackwater.houses[100]
    assert distance_m(found[house.address], brackwater.place(house.door_m)) < 15


def test_file_that_is_no_extract_is_refused_with_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "broken.osm.pbf"
    path.write_bytes(b"this is no map")
    with pytest.raises(SimError, match=r"broken\.osm\.pbf"):
        town_file.addresses(path)
