"""OSRM: a dataset from an extract, answers over HTTP, and what happens when the server dies, hangs or is not there."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from roundsman_core.geo import LatLon, distance_m
from roundsman_hub.broker import free_port
from roundsman_hub.geocode import AddressBook
from roundsman_hub.roads import GreatCircle, OsrmRoads, RoadNetwork, RoadsError, open_roads
from roundsman_hub.roads.extract import dataset, osrm_folder
from roundsman_hub.roads.osrm_process import OsrmProcess, start_osrm
from roundsman_hub.roads.polyline import decode_polyline

Crossing = Callable[[int, int], LatLon]

needs_wheel = pytest.mark.skipif(osrm_folder() is None, reason="the osrm-bindings wheel is not installed (it needs Python 3.12)")


def test_streets_are_longer_than_the_crow_flies(osrm: OsrmRoads, at_crossing: Crossing) -> None:
    a, b = at_crossing(1, 1), at_crossing(9, 9)
    matrix = osrm.matrix([a, b])
    assert matrix.network == "osrm"
    assert matrix.durations_s.dtype == np.int32
    assert matrix.distances_m[0, 1] == pytest.approx(distance_m(a, at_crossing(9, 1)) + distance_m(at_crossing(9, 1), b), rel=0.02)
    assert matrix.durations_s[0, 0] == 0


def test_a_large_matrix_is_put_together_from_several_tables(osrm: OsrmRoads, at_crossing: Crossing) -> None:
    places = [at_crossing(row, column) for row in range(0, 12, 2) for column in range(0, 12, 3)]
    whole = osrm.matrix(places)
    pieces = OsrmRoads(osrm.url, table_size=7)
    assert np.array_equal(pieces.matrix(places).durations_s, whole.durations_s)
    assert np.array_equal(pieces.matrix(places).distances_m, whole.distances_m)
    some = pieces.matrix(places[:3], places[3:])
    assert np.array_equal(some.durations_s, whole.durations_s[:3, 3:])
    pieces.close()


def test_the_way_follows_the_streets(osrm: OsrmRoads, at_crossing: Crossing) -> None:
    a, b, c = at_crossing(0, 0), at_crossing(5, 5), at_crossing(10, 2)
    route = osrm.route([a, b, c])
    assert distance_m(route.geometry[0], a) < 1
    assert distance_m(route.geometry[-1], c) < 1
    walked = sum(distance_m(p, q) for p, q in zip(route.geometry, route.geometry[1:], strict=False))
    assert walked == pytest.approx(route.distance_m, rel=0.01)
    matrix = osrm.matrix([a, b, c])
    assert route.legs_s == pytest.approx((matrix.durations_s[0, 1], matrix.durations_s[1, 2]), abs=8)  # passing on costs no turn back
    assert sum(route.legs_m) == pytest.approx(route.distance_m, abs=1)


def test_an_address_in_the_fields_is_told_how_far_its_road_is(osrm: OsrmRoads, at_crossing: Crossing) -> None:
    on_road, far = osrm.nearest(at_crossing(4, 4)), osrm.nearest(at_crossing(-10, 4))
    assert on_road.distance_m < 1
    assert far.distance_m == pytest.approx(1112, rel=0.01)


def test_a_place_off_the_map_has_no_way_and_is_named(osrm: OsrmRoads, at_crossing: Crossing) -> None:
    """Neither an error for everybody, nor the way to the map's edge."""
    here, there, paris = at_crossing(1, 1), at_crossing(8, 8), LatLon(48.85, 2.35)
    pieces = OsrmRoads(osrm.url, table_size=2)
    for matrix in (osrm.matrix([here, paris, there]), pieces.matrix([here, paris, there])):
        assert matrix.off_road == {paris}
        assert (matrix.durations_s >= 0).tolist() == [[True, False, True], [False, False, False], [True, False, True]]
    pieces.close()
    with pytest.raises(RoadsError, match=r"48\.85000, 2\.35000 is \d+\.\d km from the nearest road"):
        osrm.route([here, paris])


def test_a_route_tells_what_to_do(osrm: OsrmRoads, at_crossing: Crossing) -> None:
    (steps,) = osrm.route([at_crossing(3, 1), at_crossing(8, 6)], steps=True).steps
    assert (steps[0].what, steps[-1].what) == ("depart", "arrive")
    assert any(step.name.startswith("Row") for step in steps)
    assert any(step.what in ("turn", "end of road") and step.way in ("left", "right") for step in steps)
    assert osrm.route([at_crossing(3, 1), at_crossing(8, 6)]).steps == ()


def test_another_kind_of_vehicle_is_told_by_whose_streets_it_was(osrm: OsrmRoads, at_crossing: Crossing) -> None:
    places = [at_crossing(1, 1), at_crossing(8, 8)]
    car, bike = osrm.matrix(places), osrm.matrix(places, profile="cargo_bike")
    assert (bike.network, bike.profile) == ("osrm", "car")
    assert bike.durations_s[0, 1] == pytest.approx(2.3 * car.durations_s[0, 1], abs=1)
    each = OsrmRoads(osrm.url + "/{profile}")
    assert each.version("truck") == osrm.url + "/truck"
    each.close()


@needs_wheel
def test_a_dataset_is_made_once_and_a_damaged_extract_is_refused(village: Path, cache: Path, tmp_path: Path) -> None:
    told: list[str] = []
    assert dataset(village, cache, told.append) == dataset(village, cache, told.append)
    told.clear()
    dataset(village, cache, told.append)
    assert told == []
    broken = tmp_path / "broken.osm.pbf"
    broken.write_bytes(village.read_bytes()[:100])
    with pytest.raises(RoadsError, match=r"osrm-extract failed on broken.osm.pbf"):
        dataset(broken, tmp_path / "cache", told.append)
    assert list((tmp_path / "cache").iterdir()) == []


@needs_wheel
def test_a_server_that_dies_is_started_again(village: Path, cache: Path, at_crossing: Crossing) -> None:
    with start_osrm(village, cache, progress=lambda line: None) as process:
        roads = OsrmRoads(process.url, process=process)
        places = [at_crossing(1, 1), at_crossing(2, 2)]
        first = process.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        assert roads.matrix(places).network == "osrm"
        assert process.pid != first
        roads.close()


@needs_wheel
def test_nothing_is_left_running(village: Path, cache: Path) -> None:
    process = OsrmProcess(dataset(village, cache, lambda line: None))
    pid = process.pid
    assert pid is not None
    process.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@needs_wheel
def test_an_owner_that_fails_leaves_no_server_behind(village: Path, cache: Path) -> None:
    lines = (
        "import sys; from pathlib import Path; from roundsman_hub.roads.osrm_process import OsrmProcess",
        "print(OsrmProcess(Path(sys.argv[1])).pid, flush=True); raise SystemExit('forgot to close it')",
    )
    command = [sys.executable, "-c", "\n".join(lines), str(dataset(village, cache, lambda line: None))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "forgot" in done.stderr
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), 0)


def test_a_server_that_is_away_is_stood_in_for_and_says_so(at_crossing: Crossing) -> None:
    roads = OsrmRoads(f"http://127.0.0.1:{free_port()}")
    places = [at_crossing(1, 1), at_crossing(2, 2)]
    assert roads.matrix(places).network == "great_circle"
    assert roads.route(places).network == "great_circle"
    assert roads.nearest(places[0]).distance_m == 0
    roads.close()


def test_a_server_that_talks_something_else_is_stood_in_for(at_crossing: Crossing) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")

        threads = [threading.Thread(target=serve) for _ in range(2)]
        for thread in threads:
            thread.start()
        roads = OsrmRoads(f"http://127.0.0.1:{server.getsockname()[1]}")
        assert roads.matrix([at_crossing(1, 1), at_crossing(2, 2)]).network == "great_circle"
        for thread in threads:
            thread.join(10)
        roads.close()


def test_without_an_extract_the_great_circle_serves_and_says_why(tmp_path: Path) -> None:
    told: list[str] = []
    assert open_roads(None, None, tmp_path, told.append).name == "great_circle"
    assert open_roads(tmp_path / "nowhere.osm.pbf", None, tmp_path, told.append).name == "great_circle"
    assert "no street extract" in told[0]
    assert "great circle" in told[1]


def test_a_polyline_is_read_as_its_inventor_wrote_it() -> None:
    """The example of Google's description of the format."""
    places = decode_polyline("_p~iF~ps|U_ulLnnqC_mqNvxq`@", 5)
    assert [(p.lat_deg, p.lon_deg) for p in places] == [(38.5, -120.2), (40.7, -120.95), (43.252, -126.453)]


def test_every_address_of_a_real_town_has_a_way_to_every_other(town: Path, town_roads: RoadNetwork) -> None:
    """Nor does the great circle lie by more than half of the usual: its median is within 40 % of the road's duration."""
    addresses = AddressBook.from_osm(town).addresses()
    places = [address.position for address in addresses[:: max(1, len(addresses) // 120)]]
    matrix = town_roads.matrix(places)
    assert matrix.network == "osrm"
    assert (matrix.durations_s >= 0).all()
    apart = ~np.eye(len(places), dtype=bool) & (matrix.durations_s > 0)
    ratio = GreatCircle().matrix(places).durations_s[apart] / matrix.durations_s[apart]
    assert 0.6 <= np.median(ratio) <= 1.4
