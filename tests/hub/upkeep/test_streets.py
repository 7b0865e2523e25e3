"""Tracks that age are laid on the streets they were driven on, where there is a road network; the simplified line stays the truth."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import osmium
import pytest
from hypothesis import given, settings, strategies as st

from roundsman_core.geo import LatLon, LocalFrame, distance_m
from roundsman_hub.export import stream_track
from roundsman_hub.roads import GreatCircle, OsrmRoads, open_roads
from roundsman_hub.roads.extract import osrm_folder
from roundsman_hub.roads.network import MatchedLeg, MatchedStretch, TracePoint
from roundsman_hub.store import matched_store, retention
from roundsman_hub.store.partitions import ensure_days
from roundsman_hub.upkeep.ageing import age, count_days
from roundsman_hub.upkeep.streets import Simplified, lay

EIGHT = datetime(2026, 3, 2, 8, tzinfo=UTC)
A_YEAR_ON = EIGHT + timedelta(days=400)
SIDE = 12
NOISE_M = 4.0


def crossing(row: int, column: int) -> LatLon:
    return LatLon(50.0 + row * 0.001, 8.0 + column * 0.001)


@pytest.fixture(scope="module")
def osrm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OsrmRoads]:
    """OSRM on a town of twelve streets by twelve."""
    if osrm_folder() is None:
        pytest.skip("the osrm-bindings wheel is not installed (it needs Python 3.12)")
    folder = tmp_path_factory.mktemp("town")
    path = folder / "town.osm.pbf"
    with osmium.SimpleWriter(str(path)) as writer:
        for row in range(SIDE):
            for column in range(SIDE):
                place = crossing(row, column)
                writer.add_node(osmium.osm.mutable.Node(id=1 + row * SIDE + column, location=(place.lon_deg, place.lat_deg), version=1))
        for line in range(SIDE):
            along = [1 + line * SIDE + column for column in range(SIDE)]
            across = [1 + row * SIDE + line for row in range(SIDE)]
            writer.add_way(osmium.osm.mutable.Way(id=1 + line, nodes=along, tags={"highway": "residential"}, version=1))
            writer.add_way(osmium.osm.mutable.Way(id=101 + line, nodes=across, tags={"highway": "residential"}, version=1))
    roads = open_roads(path, None, folder / "cache", progress=lambda line: None)
    assert isinstance(roads, OsrmRoads)
    yield roads
    roads.close()


def drive(van: Any, corners: Sequence[LatLon], *, first: int = 1, at: datetime = EIGHT, seed: int = 1) -> tuple[int, float]:
    """The van drives along straight streets at 10 m/s, a noisy fix a second; stands half a minute at each corner but the first. Gives its
    last number, and how far that was."""
    rng = random.Random(seed)
    places: list[LatLon] = []
    length = 0.0
    for a, b in pairwise(corners):
        leg = distance_m(a, b)
        length += leg
        places += [
            LatLon(a.lat_deg + n * 10 / leg * (b.lat_deg - a.lat_deg), a.lon_deg + n * 10 / leg * (b.lon_deg - a.lon_deg))
            for n in range(int(leg / 10))
        ]
        places += [b] * 30
    seq = first
    with van.db.transaction() as cur:
        for seq, place in enumerate(places, first):
            off = LocalFrame(place).to_latlon(rng.gauss(0, NOISE_M), rng.gauss(0, NOISE_M))
            cur.execute(
                "INSERT INTO log.fixes (vehicle_id, session_no, time, seq, mono_ms, lat_e6, lon_e6, accuracy_dm, flags, satellites) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s, 50, 0, 9)",
                (van.vehicle, van.session_no, at + timedelta(seconds=seq), seq, 1000 * seq, off.lat_e6, off.lon_e6),
            )
        cur.execute(
            "INSERT INTO log.watermarks VALUES (%s, 1, %s) ON CONFLICT (session_no, lane) DO UPDATE SET through_seq = excluded.through_seq",
            (van.session_no, seq),
        )
    return seq, length


@pytest.fixture(autouse=True)
def partitions(database: Any) -> None:
    with database.transaction() as cur:
        ensure_days(cur, EIGHT)


def kept(van: Any) -> list[dict[str, Any]]:
    with van.db.transaction() as cur:
        return matched_store.page(cur, van.vehicle, EIGHT, EIGHT + timedelta(days=1), (EIGHT - timedelta(days=1), 0, 0), 100)


def lines(van: Any, line: str) -> list[dict[str, Any]]:
    features = json.loads("".join(stream_track(van.db, van.vehicle, "geojson", line=line)))["features"]
    return [feature for feature in features if feature["properties"]["kind"] == "track"]


def off_grid_m(lon_deg: float, lat_deg: float) -> float:
    """How far a place is from the nearest of the town's streets."""
    place = LatLon(lat_deg, lon_deg)
    row, column = round((lat_deg - 50.0) / 0.001), round((lon_deg - 8.0) / 0.001)
    return min(
        distance_m(place, LatLon(crossing(row, 0).lat_deg, lon_deg)), distance_m(place, LatLon(lat_deg, crossing(0, column).lon_deg))
    )


ROUND = [crossing(r, c) for r, c in ((1, 1), (1, 9), (5, 9), (5, 2), (9, 2))]


def test_a_round_that_ages_is_kept_on_its_streets_too(van: Any, osrm: OsrmRoads) -> None:
    _, length_m = drive(van, ROUND)
    count_days(van.db, A_YEAR_ON)
    did = age(van.db, A_YEAR_ON, roads=osrm)
    assert (did.on_streets, did.without_roads) == (1, 0)
    assert van.raw() == 0
    [row] = kept(van)
    assert (row["profile"], row["raw"]) == ("car", False)
    seen = van.ask("SELECT driven_m FROM log.stretches WHERE session_no = %s", van.session_no)[0]["driven_m"]
    assert row["matched_m"] == pytest.approx(length_m, rel=0.05), "half a minute's drift at each corner is in it"
    assert abs(row["matched_m"] - length_m) < 0.2 * abs(seen - length_m)
    assert 0 < row["confidence"] <= 1
    assert row["covered_s"] == pytest.approx((row["to_at"] - row["from_at"]).total_seconds(), abs=2)
    [simplified] = lines(van, "simplified")
    assert simplified["properties"]["source"] == "simplified"
    matched = [feature for feature in lines(van, "matched") if feature["properties"]["source"] == "matched"]
    places = [place for feature in matched for place in feature["geometry"]["coordinates"]]
    assert len(places) > 10
    assert max(off_grid_m(*place) for place in places) < 1.0, "on the street, not four metres beside it"
    assert max(off_grid_m(*place) for place in simplified["geometry"]["coordinates"]) > 1.5, "the truth is what the receiver said"
    walked = sum(distance_m(LatLon(b, a), LatLon(d, c)) for (a, b), (c, d) in pairwise(places))
    assert walked == pytest.approx(row["matched_m"], rel=0.02)


def test_both_lines_have_the_van_at_the_same_place_at_the_same_time(van: Any, osrm: OsrmRoads) -> None:
    drive(van, ROUND)
    count_days(van.db, A_YEAR_ON)
    age(van.db, A_YEAR_ON, roads=osrm)
    tracks = []
    for line in ("simplified", "matched"):
        points = {
            datetime.fromisoformat(at).timestamp(): place
            for feature in lines(van, line)
            for at, place in zip(feature["properties"]["coordTimes"], feature["geometry"]["coordinates"], strict=True)
        }
        tracks.append((sorted(points), np.array([points[at] for at in sorted(points)])))
    at = np.arange(tracks[0][0][0], tracks[0][0][-1], 5.0)
    there = [np.column_stack([np.interp(at, times, places[:, axis]) for axis in (0, 1)]) for times, places in tracks]
    apart = [distance_m(LatLon(a[1], a[0]), LatLon(b[1], b[0])) for a, b in zip(*there, strict=True)]
    assert max(apart) < 35.0
    assert float(np.median(apart)) < 10.0


@pytest.mark.parametrize("roads", [None, GreatCircle()], ids=["none", "straight lines"])
def test_without_roads_a_track_is_simplified_and_says_so(van: Any, roads: GreatCircle | None) -> None:
    drive(van, ROUND)
    count_days(van.db, A_YEAR_ON)
    did = age(van.db, A_YEAR_ON, roads=roads)
    assert (did.on_streets, did.without_roads, van.raw()) == (0, 0, 0)
    [row] = kept(van)
    assert (row["profile"], row["confidence"], row["matched_m"]) == (None, None, None)
    assert [feature["properties"]["source"] for feature in lines(van, "matched")] == ["simplified"]


def test_where_no_street_is_near_the_simplified_line_stands_in(van: Any, osrm: OsrmRoads) -> None:
    """A field a kilometre from the town; and a round that leaves the streets for it keeps both kinds, each marked."""
    drive(van, [*ROUND[:2], LatLon(50.0, 8.030), LatLon(49.99, 8.04)])
    count_days(van.db, A_YEAR_ON)
    assert age(van.db, A_YEAR_ON, roads=osrm).on_streets == 1
    [row] = kept(van)
    whole_s = (row["to_at"] - row["from_at"]).total_seconds()
    assert 0.1 * whole_s < row["covered_s"] < 0.7 * whole_s
    features = lines(van, "matched")
    assert {feature["properties"]["source"] for feature in features} == {"matched", "simplified"}
    for before, after in pairwise(features):
        assert before["geometry"]["coordinates"][-1] == after["geometry"]["coordinates"][0], "one line, in parts"
    instants = [at for feature in features for at in feature["properties"]["coordTimes"]]
    assert instants == sorted(instants)


class Away(GreatCircle):
    """OSRM's name, and nobody behind it: what `OsrmRoads` does when its server is away."""

    name = "osrm"  # type: ignore[misc]  # stands in for the other implementation

    def match(self, trace: Sequence[TracePoint], *, profile: str = "car") -> tuple[MatchedStretch, ...]:
        return GreatCircle().match(trace, profile=profile)


def test_raw_fixes_wait_a_day_for_roads_that_are_away_and_no_longer(make_van: Callable[..., Any], osrm: OsrmRoads) -> None:
    van = make_van()
    drive(van, ROUND)
    with van.db.transaction() as cur:
        retention.choose(cur, van.fleet, raw_days=30, track_days=60, at=EIGHT, actor="test")
    over = EIGHT + timedelta(days=31, hours=2)
    count_days(van.db, over)
    assert age(van.db, over, roads=Away()).without_roads == 1
    assert van.raw() > 0
    assert age(van.db, over + timedelta(hours=1), roads=osrm).on_streets == 1, "it came back"
    assert van.raw() == 0
    [row] = kept(van)
    assert row["matched_m"] > 0

    other = make_van()
    drive(other, ROUND)
    with other.db.transaction() as cur:
        retention.choose(cur, other.fleet, raw_days=30, track_days=60, at=EIGHT, actor="test")
    count_days(other.db, over)
    age(other.db, over, roads=Away())
    assert other.raw() > 0
    age(other.db, over + timedelta(days=1), roads=Away())
    assert other.raw() == 0, "the rule is the fleet's; streets are a nicety"
    assert kept(other)[0]["profile"] is None


def test_matched_lines_go_with_their_tracks(van: Any, osrm: OsrmRoads) -> None:
    drive(van, ROUND)
    count_days(van.db, A_YEAR_ON)
    age(van.db, A_YEAR_ON, roads=osrm)
    age(van.db, EIGHT + timedelta(days=1000), roads=osrm)
    assert kept(van) == []
    assert van.ask("SELECT FROM log.matched WHERE session_no = %s", van.session_no) == []


@settings(max_examples=60)
@given(
    legs=st.lists(st.tuples(st.integers(1, 90), st.integers(0, 400), st.integers(0, 400)), min_size=1, max_size=12),
    cut=st.integers(0, 11),
)
def test_times_rise_and_ends_stay(legs: list[tuple[int, int, int]], cut: int) -> None:
    """Whatever was matched, and wherever nothing was: the line's times rise, and its metres are the network's."""
    t_ms = np.concatenate(([0], np.cumsum([1000 * took for took, _, _ in legs]))) + 1_700_000_000_000
    lat = np.concatenate(([0], np.cumsum([up for _, up, _ in legs]))) + 50_000_000
    lon = np.concatenate(([0], np.cumsum([right for _, _, right in legs]))) + 8_000_000
    place = [LatLon.from_e6(int(a), int(b)) for a, b in zip(lat, lon, strict=True)]
    found = []
    for first, last in ((0, min(cut, len(legs))), (min(cut + 1, len(legs)), len(legs))):
        if last > first:
            parts = tuple(
                MatchedLeg(first=n, last=n + 1, nodes=(), metres=(distance_m(place[n], place[n + 1]),), confidence=0.5)
                for n in range(first, last)
            )
            found.append(MatchedStretch(geometry=tuple(place[first : last + 1]), legs=parts, network="osrm", profile="van"))
    laid = lay(Simplified(t_ms=t_ms, lat_e6=lat, lon_e6=lon), t_ms, found, "car")
    assert laid.matched_m == pytest.approx(sum(part.distance_m for part in found))
    if laid.matched_m == 0:
        assert len(laid.t_ms) == 0
        return
    assert (np.diff(laid.t_ms) > 0).all()
    assert (laid.t_ms[0], laid.t_ms[-1]) == (t_ms[0], t_ms[-1])
    assert laid.profile == "van"
    assert laid.confidence == pytest.approx(0.5)
    assert laid.covered_s <= (t_ms[-1] - t_ms[0]) / 1000
