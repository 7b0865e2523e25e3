"""What closes streets for a while: when it holds, and what it does where there are streets and where there are none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from roundsman_core.geo import LatLon
from roundsman_hub.learn.speeds import Now, SpeedTable
from roundsman_hub.roads import GreatCircle, OsrmRoads
from roundsman_hub.roads.addresses import Served
from roundsman_hub.roads.closed import ClosedRoads
from roundsman_hub.roads.keeper import Keeper
from roundsman_hub.roads.restrictions import AccessZone, Closure, Imported, InForce, ZoneHours, in_force
from roundsman_hub.roads.streets import Streets
from roundsman_hub.roads.wanted import Traffic, Wanted, told, wanted

Crossing = Callable[[int, int], LatLon]
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def closure(ring: tuple[LatLon, ...], *, kinds: frozenset[str] = frozenset(), hours: float = 1, fleet: str = "f") -> Closure:
    return Closure(fleet=fleet, name="works", ring=ring, kinds=kinds, from_at=NOON, until_at=NOON + timedelta(hours=hours))


def square(at: LatLon, half_deg: float) -> tuple[LatLon, ...]:
    return tuple(LatLon(at.lat_deg + y * half_deg, at.lon_deg + x * half_deg) for y, x in ((-1, -1), (-1, 1), (1, 1), (1, -1)))


def test_a_closure_begins_and_ends_by_itself() -> None:
    one = closure(square(LatLon(50, 8), 0.01), kinds=frozenset({"truck"}))
    holds = [in_force([one], [], "f", "truck", NOON + timedelta(minutes=m)).version != "" for m in (-1, 0, 59, 60)]
    assert holds == [False, True, True, False]
    assert in_force([one], [], "f", "car", NOON).version == ""


@given(st.integers(0, 7 * 24 * 60 - 1))
def test_a_zone_holds_over_midnight_and_only_on_its_days(minute: int) -> None:
    """Friday 22:00 to 6:00 is one night: it ends on Saturday, and Friday's early morning is open."""
    hours = ZoneHours(days=frozenset({"fri"}), start_min=22 * 60, end_min=6 * 60)
    zone = AccessZone(fleet="f", name="night", ring=(), kinds=frozenset(), hours=(hours,), timezone="UTC")
    at = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(minutes=minute)  # a Monday
    friday_22 = datetime(2026, 3, 6, 22, tzinfo=UTC)
    assert zone.holds(at) == (friday_22 <= at < friday_22 + timedelta(hours=8))


def test_straight_ways_go_round_what_is_closed_and_none_leads_into_it() -> None:
    west, east, inside, north = LatLon(50, 8.0), LatLon(50, 8.1), LatLon(50, 8.05), LatLon(50.1, 8.0)
    holds = [InForce()]
    roads = ClosedRoads(GreatCircle(), lambda fleet, kind: holds[0]).of_fleet("f")
    before, version = roads.matrix([west, east, inside, north]), roads.version()
    holds[0] = InForce(closed=(closure(square(inside, 0.01)),))
    after = roads.matrix([west, east, inside, north])
    assert roads.version() != version
    assert after.network == "great_circle"
    assert after.durations_s[0, 1] == after.durations_s[1, 0]
    assert 1.02 < after.distances_m[0, 1] / before.distances_m[0, 1] < 1.3
    assert (after.durations_s[2, [0, 1, 3]] == -1).all()
    assert (after.durations_s[[0, 1, 3], 2] == -1).all()
    assert after.durations_s[0, 3] == before.durations_s[0, 3]
    holds[0] = InForce()
    assert (roads.matrix([west, east, inside, north]).durations_s == before.durations_s).all()
    assert roads.version() == version


@pytest.fixture(scope="module")
def keeper(village: Path, cache: Path, osrm: OsrmRoads, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Keeper, OsrmRoads]]:
    """Servers beside the village's own, and roads that ask whoever is in service."""
    served = tmp_path_factory.mktemp("served") / "roads.json"
    keeper = Keeper(village, cache, served, lambda line: None)
    roads = OsrmRoads(osrm.url, table_size=500, addresses=Served(served, osrm.url))
    yield keeper, roads.of_fleet("f")
    roads.close()
    keeper.close()


def test_a_closed_street_is_driven_round_until_it_opens(
    keeper: tuple[Keeper, OsrmRoads], village: Path, osrm: OsrmRoads, at_crossing: Crossing
) -> None:
    """From the table of what holds to the matrix; and the dataset underneath is as it was."""
    servers, roads = keeper
    places = [at_crossing(5, 0), at_crossing(5, 11)]
    middle = LatLon(at_crossing(5, 5).lat_deg, at_crossing(5, 5).lon_deg + 0.0005)
    traffic = Traffic(closed=[closure(square(middle, 0.0002))])
    streets = Streets(village)
    before = roads.matrix(places)
    assert servers.serve(wanted(traffic, [], NOON, {}, streets.within))
    during = roads.matrix(places)
    assert during.distances_m[0, 1] > before.distances_m[0, 1] + 200
    assert roads.version() != "base"
    other = roads.of_fleet("another")
    assert (other.matrix(places).durations_s == before.durations_s).all()
    assert other.version() == "base"  # what is kept of the ways stays
    assert not servers.serve(wanted(traffic, [], NOON + timedelta(minutes=30), {}, streets.within))
    assert servers.serve(wanted(traffic, [], NOON + timedelta(hours=1), {}, streets.within))
    assert (roads.matrix(places).durations_s == before.durations_s).all()
    assert (osrm.matrix(places).durations_s == before.durations_s).all()


def test_kinds_bands_and_imported_speeds_have_servers_of_their_own(
    keeper: tuple[Keeper, OsrmRoads], village: Path, osrm: OsrmRoads, at_crossing: Crossing
) -> None:
    servers, roads = keeper
    row = [1 + 5 * 12 + column for column in range(12)]
    both = [pair for a, b in pairwise(row) for pair in ((a, b), (b, a))]
    table = SpeedTable(
        factors={("car", ""): 1.0, ("car", "morning"): 1.2},
        segments={"car": {(pair, "morning"): 2.0 for pair in both}},
        network_kmh={"car": dict.fromkeys(both, 25.0)},
    )
    slow = Imported(fleet="f", name="feed", kmh=tuple((pair, 5.0) for pair in both), from_at=NOON, until_at=NOON + timedelta(hours=1))
    servers.serve(wanted(Traffic(table=table), ["truck"], NOON, {}, Streets(village).within))
    places = [at_crossing(5, 1), at_crossing(5, 4)]
    usual, morning = roads.matrix(places), roads.matrix(places, band="morning")
    assert roads.bands() == {"morning"}
    assert (usual.band, morning.band) == ("", "morning")
    assert morning.durations_s[0, 1] > 1.6 * usual.durations_s[0, 1]
    assert roads.matrix(places, profile="truck").profile == "truck"
    servers.serve(wanted(Traffic(table=table, imported=[slow]), [], NOON, {}, Streets(village).within))
    assert roads.matrix(places).durations_s[0, 1] > 1.5 * usual.durations_s[0, 1]
    assert roads.matrix(places, band="morning").durations_s[0, 1] == morning.durations_s[0, 1]  # by then the feed has ended
    servers.serve({})
    assert roads.version() == "base"


def test_the_last_minutes_count_in_this_hours_band_alone() -> None:
    table = SpeedTable(factors={("car", ""): 1.0, ("car", "midday"): 1.1, ("car", "afternoon"): 1.3})
    made = wanted(Traffic(table=table, now={("f", "car"): Now(factor=2.0)}), [], NOON, {}, lambda ring: [])
    assert made["car", "midday", "f"].factor == pytest.approx(2.2)
    assert made["car", "afternoon", ""].factor == 1.3
    assert {key for key in made if key[2]} == {("car", "midday", "f")}
    alone = wanted(Traffic(now={("f", "car"): Now(factor=2.0)}), [], NOON, {}, lambda ring: [])
    assert alone == {("car", "", "f"): Wanted(factor=2.0)}


def test_each_fleet_has_the_hours_of_its_own_clock() -> None:
    """Noon in Helsinki is four at night in Chicago: what is closed for an hour is closed in another band there, and each one's last
    minutes count in its own."""
    table = SpeedTable(factors={("car", ""): 1.0, ("car", "midday"): 1.1, ("car", "night"): 0.9})
    zones = {"a": "Europe/Helsinki", "b": "America/Chicago"}
    at = NOON - timedelta(hours=2)
    closed = [replace(closure(square(LatLon(50, 8), 0.001), fleet=fleet), from_at=at) for fleet in "ab"]
    traffic = Traffic(table=table, closed=closed, now={(fleet, "car"): Now(factor=2.0) for fleet in "ab"})
    made = wanted(traffic, [], at, zones, lambda ring: [(1, 2)])
    assert {key[1:]: round(made[key].factor, 3) for key in made if key[1]} == {
        ("midday", ""): 1.1, ("midday", "a"): 2.2, ("night", ""): 0.9, ("night", "b"): 1.8
    }  # fmt: skip
    assert {key[1:] for key in made if key[2]} == {("", "a"), ("midday", "a"), ("", "b"), ("night", "b")}


def test_paces_that_differ_by_a_factor_alone_share_a_server(keeper: tuple[Keeper, OsrmRoads], village: Path) -> None:
    """A hub of fifty fleets, each with its own last minutes, has no fifty servers."""
    servers, roads = keeper
    traffic = Traffic(now={(fleet, "car"): Now(factor=factor) for fleet, factor in (("f", 2.0), ("g", 1.5))})
    servers.serve(wanted(traffic, [], NOON, {}, Streets(village).within))
    found = [Served(servers.served, "http://base").find("car", "", fleet) for fleet in ("f", "g", "another")]
    assert [one.factor for one in found] == [2.0, 1.5, 1.0]
    assert found[0].url == found[1].url
    assert found[2].version == "base"
    assert roads.version() != roads.of_fleet("g").version()
    servers.serve({})
    assert roads.version() == "base"


OUTLINES = st.builds(lambda lat, lon, half: square(LatLon(50 + lat, 8 + lon), half), *[st.floats(0, 0.2)] * 2, st.floats(0.001, 0.1))
CLOSURES = st.lists(
    st.builds(
        closure, OUTLINES, kinds=st.frozensets(st.sampled_from(["car", "truck"])), hours=st.floats(0.1, 200), fleet=st.sampled_from("ab")
    ),
    max_size=4,
)


CRAWLS = st.dictionaries(st.tuples(st.sampled_from("ab"), st.sampled_from(["car", "truck"])), st.builds(Now, factor=st.floats(0.5, 3)))


@given(CLOSURES, CRAWLS, st.sampled_from(["car", "truck"]), st.integers(0, 30))
def test_what_a_fleet_closes_and_how_it_gets_on_changes_nothing_for_another(
    closures: list[Closure], crawls: dict[tuple[str, str], Now], kind: str, hours: int
) -> None:
    """Neither times nor versions nor servers nor what its planner is told: a fleet with and without the others is the same."""
    at = NOON + timedelta(hours=hours)
    own = [one for one in closures if one.fleet == "a"]
    places = [LatLon(50, 8), LatLon(50.1, 8.1), LatLon(50.2, 8.05)]
    table = SpeedTable(factors={("car", ""): 1.0, ("car", "midday"): 1.1, ("truck", ""): 1.0})

    def seen(listed: list[Closure], now: dict[tuple[str, str], Now]) -> tuple[object, ...]:
        roads = ClosedRoads(GreatCircle(), lambda fleet, kind: in_force(listed, (), fleet, kind, at)).of_fleet("a")
        streets = lambda ring: [(1, round(1e6 * ring[0].lat_deg))]  # noqa: E731
        served = wanted(Traffic(table=table, closed=listed, now=now), ["truck"], at, {}, streets)
        mine = {key: want for key, want in served.items() if key[2] in ("", "a")}
        return roads.matrix(places, profile=kind).durations_s.tolist(), roads.version(kind), mine, told(listed, [], ["truck"], at).get("a")

    assert seen(closures, crawls) == seen(own, {whose: now for whose, now in crawls.items() if whose[0] == "a"})
