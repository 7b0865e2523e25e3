"""Roads measured: matrices and how they grow, matching and its lengths, learned speeds. A row is printed as soon as it is known; a part
that fails leaves the others theirs. `--quick` takes forty seconds of CPU, whole two minutes."""

from __future__ import annotations

import argparse
import random
import time
import traceback
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

import psutil

from roundsman_core.geo import LatLon, LocalFrame, distance_m
from roundsman_hub.replan.matrix import MatrixCache
from roundsman_hub.roads.basemap import basemap
from roundsman_hub.roads.extract import dataset, osrm_folder
from roundsman_hub.roads.network import RoadsError, TracePoint
from roundsman_hub.roads.osrm import PROCESS_TABLE, OsrmRoads
from roundsman_hub.roads.osrm_process import MAX_TABLE, OsrmProcess
from roundsman_sim import bench_chicago
from roundsman_sim.bench_table import Row, last_line, table

DATA: Final = Path(__file__).parents[3] / "shared" / "data"
MATRIX_S, EXTEND_S, LENGTH_PCT, CHICAGO_RATIO = 6.0, 0.1, 1.0, 0.6
GOALS: Final = {
    "matrix_1000_s": MATRIX_S,
    "matrix_extend_s": EXTEND_S,
    "match_length_error_pct": LENGTH_PCT,
    "chicago_error_ratio": CHICAGO_RATIO,
}
STOPS: Final = 300
SPEED_MPS: Final = 9.0
NOISE_M: Final = 4.0
"""One sigma of a receiver in a street, most of it drifting: three quarters of each second's error is the last one's."""
KEPT: Final = 0.75


def measure(*, quick: bool = False, tell: Callable[[Row], None] = lambda row: None) -> list[Row]:
    """All figures, each told as soon as it is known; those whose data are not there, or whose part fails, say so by having none."""
    out: list[Row] = []
    with TemporaryDirectory(prefix="rm-bench-roads-") as folder:
        work = Path(folder)
        parts: tuple[tuple[Callable[[], list[Row]], tuple[str, ...]], ...] = (
            (lambda: _matrices(work, quick=quick), ("matrix_1000_s", "matrix_extend_s")),
            (lambda: _matching(work, quick=quick), ("match_fixes_s", "match_length_error_pct")),
            (lambda: _chicago(work), ("chicago_error_ratio",)),
        )
        for part, names in parts:
            try:
                found = part()
            except (RoadsError, OSError, ValueError):
                traceback.print_exc()
                found = [Row(name, None, "", GOALS.get(name), None, "failed: see above") for name in names]
            for row in found:
                tell(row)
            out += found
    return out


def _matrices(work: Path, *, quick: bool) -> list[Row]:
    osm = DATA / "osm" / "baltimore.osm.pbf"
    if osrm_folder() is None or not osm.is_file():
        return [Row("matrix_1000_s", None, "s", MATRIX_S), Row("matrix_extend_s", None, "s", EXTEND_S)]
    places = street_places(osm, 1_000 + 20, seed=1)
    with OsrmProcess(dataset(osm, work, _quiet)) as process:
        roads = OsrmRoads(process.url, process=process, table_size=PROCESS_TABLE)
        plain = OsrmRoads(process.url, table_size=MAX_TABLE)
        roads.matrix(places[:100])  # warm
        server = psutil.Process(process.pid)
        before_s = _cpu_s(server)
        whole = _took(lambda: roads.matrix(places[:1_000]))
        whole_cpu_s = _cpu_s(server) - before_s
        plain_s = None if quick else _took(lambda: plain.matrix(places[:1_000]))
        cache = MatrixCache(roads)
        cache.tables(places[:STOPS], [])
        # Each time one more order: of 300 stops and up to 19 more.
        before_s = _cpu_s(server)
        grown = [_took(partial(cache.tables, places[: STOPS + more], [])) for more in range(1, 20)]
        grown_cpu_s = (_cpu_s(server) - before_s) / len(grown)
        anew = median(_took(lambda: plain.matrix(places[: STOPS + 1])) for _ in range(3))
        plain.close()
        roads.close()
    return [
        Row("matrix_1000_s", whole, "s", MATRIX_S, plain_s, "one plain OSRM request for all of it"),
        Row("matrix_extend_s", median(grown), "s", EXTEND_S, anew, f"plain OSRM without a cache: all {STOPS + 1}² again"),
        Row("matrix_extend_worst_s", max(grown), "s"),
        Row("matrix_1000_cpu_s", whole_cpu_s, "s", None, None, "server's and client's CPU; the server has two threads"),
        Row("matrix_extend_cpu_s", grown_cpu_s, "s", None, None, "likewise"),
    ]


def _matching(work: Path, *, quick: bool) -> list[Row]:
    errors: list[float] = []
    raw_errors: list[float] = []
    fixes, cpu_s = 0, 0.0
    for town in ("helsinki", "baltimore"):
        osm = DATA / "osm" / f"{town}.osm.pbf"
        if osrm_folder() is None or not osm.is_file():
            return [Row("match_fixes_s", None, "/s"), Row("match_length_error_pct", None, "%", LENGTH_PCT)]
        with OsrmProcess(dataset(osm, work, _quiet)) as process:
            roads = OsrmRoads(process.url, process=process, table_size=PROCESS_TABLE)
            rng = random.Random(7)
            server = psutil.Process(process.pid)
            for _ in range(5 if quick else 25):
                drive = simulated(roads, street_places(osm, 6, seed=rng.randrange(1 << 30)), rng)
                if drive is None:
                    continue
                trace, truth_m = drive
                before = _cpu_s(server)
                found = roads.match(trace)
                cpu_s += _cpu_s(server) - before
                fixes += len(trace)
                errors.append(abs(sum(stretch.distance_m for stretch in found) / truth_m - 1))
                raw_errors.append(abs(sum(distance_m(a.position, b.position) for a, b in pairwise(trace)) / truth_m - 1))
            roads.close()
    return [
        Row("match_fixes_s", fixes / cpu_s, "/s", None, None, "a core: server's and client's CPU together"),
        Row(
            "match_length_error_pct",
            100 * median(errors),
            "%",
            LENGTH_PCT,
            100 * median(raw_errors),
            f"the raw fixes; {len(errors)} drives",
        ),
        Row("match_length_error_worst_pct", 100 * max(errors), "%", None, 100 * max(raw_errors), "the raw fixes"),
    ]


def _chicago(work: Path) -> list[Row]:
    folder = DATA / "gnss" / "chicago"
    if osrm_folder() is None or not folder.is_dir():
        return [Row("chicago_error_ratio", None, "", CHICAGO_RATIO)]
    found = bench_chicago.measure(folder, work)
    what = f"errors {100 * found.learned:.2f} %, of one speed {100 * found.one_speed:.2f} %; {found.held_out} of later days held out"
    like = f"how far like trips are off what is usual of them, / one speed's error there: {found.pairs} pairs, two hours apart at most"
    return [
        Row("chicago_error_ratio", found.learned / found.one_speed, "", CHICAGO_RATIO, 1.0, what),
        Row("chicago_like_trips_ratio", found.like_trips / found.one_speed_there, "", None, None, like),
    ]


def simulated(roads: OsrmRoads, places: list[LatLon], rng: random.Random) -> tuple[list[TracePoint], float] | None:
    """Fixes of a drive through places, one a second, and its true length; None where there is no way."""
    try:
        line = roads.route(places).geometry
    except RoadsError:
        return None
    trace: list[TracePoint] = []
    north = east = along = done = 0.0
    for a, b in pairwise(line):
        leg = distance_m(a, b)
        while leg and along <= done + leg:
            share = (along - done) / leg
            fresh = NOISE_M * (1 - KEPT**2) ** 0.5
            north, east = KEPT * north + rng.gauss(0, fresh), KEPT * east + rng.gauss(0, fresh)
            here = LatLon(a.lat_deg + share * (b.lat_deg - a.lat_deg), a.lon_deg + share * (b.lon_deg - a.lon_deg))
            trace.append(TracePoint(position=LocalFrame(here).to_latlon(east, north), at_s=1_000.0 + len(trace), accuracy_m=NOISE_M))
            along += SPEED_MPS
        done += leg
    return trace, along - SPEED_MPS


def street_places(osm: Path, count: int, *, seed: int) -> list[LatLon]:
    """Places on the streets of an extract."""
    if osm not in _STREETS:
        kept = [feature for feature in basemap(osm)["features"] if feature["properties"]["class"] in ("medium", "minor")]
        _STREETS[osm] = [LatLon(lat, lon) for feature in kept for lon, lat in feature["geometry"]["coordinates"]]
    return random.Random(seed).sample(_STREETS[osm], count)


_STREETS: Final[dict[Path, list[LatLon]]] = {}


def _took(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _cpu_s(server: psutil.Process) -> float:
    times = server.cpu_times()
    return float(times.user + times.system) + time.process_time()


def _quiet(_line: str) -> None:
    """Progress is not what is measured."""


def main() -> int:
    """Print them."""
    parser = argparse.ArgumentParser(prog="python -m roundsman_sim.bench_roads")
    parser.add_argument("--quick", action="store_true", help="fewer drives, no peer for the large matrix")
    found = measure(quick=parser.parse_args().quick, tell=lambda row: print(table([row]).splitlines()[1], flush=True))
    print(table(found))
    print(last_line("roads", found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
