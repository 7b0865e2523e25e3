"""Learned speeds on real tracks: 889 shuttle trips in Chicago on the street graph they drove on, the later days held out.

The predictor is told a held-out trip's way (its track, laid on the streets) and when it began; nothing of its pace, and nothing of any
other held-out trip. Its peer is told the way's length and has one speed: the one whose median error on the training days is least.
"""

from __future__ import annotations

import io
import math
import zipfile
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import osmium

from roundsman_core.geo import LatLon
from roundsman_hub.learn.keep import split_days
from roundsman_hub.learn.speeds import Drive, Leg, learn_speeds, median_error
from roundsman_hub.roads.bands import band_at
from roundsman_hub.roads.extract import dataset
from roundsman_hub.roads.network import MatchedStretch, TracePoint
from roundsman_hub.roads.osrm import OsrmRoads
from roundsman_hub.roads.osrm_process import OsrmProcess

Floats = npt.NDArray[np.float64]
ZONE: Final = "America/Chicago"
MERIDIAN_DEG: Final = -87.0
"""Of UTM zone 16."""
UNKNOWN_KMH: Final = 25.0
"""Where no street is known the way is taken as straight, at the pace of the graph: it has one for all streets."""
NOWHERE: Final = (0, 0)
CANDIDATE_MPS: Final = np.linspace(4.0, 12.0, 801)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """One trip: its drive as the learner sees it, its length as it was told, and the local hour at which it began."""

    drive: Drive
    length_m: float
    hour: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Median relative errors of the trip time on held-out days, and how it was got.

    like_trips, one_speed_there : float
        Median share by which a trip is off what is usual of trips like it (see `_like_trips`), from so many `pairs`, and by which one speed
        is off these same trips: no predictor that is told way and hour can be expected to get far below the one's share of the other.
    """

    learned: float
    one_speed: float
    train: int
    held_out: int
    fixes: int
    matched_share: float
    like_trips: float
    one_speed_there: float
    pairs: int


def measure(folder: Path, work: Path) -> Outcome:
    """Match all trips, learn from the earlier days, judge on the later ones (30 % of the days).

    Parameters
    ----------
    folder : Path
        With the data set's two archives.
    work : Path
        Where the street graph is made into an extract and its dataset.
    """
    with zipfile.ZipFile(folder / "maps_chicago.zip") as archive:
        vertices, edges = (_table(archive, name, ",") for name in ("chicago_vertices_osm.txt", "chicago_edges_osm.txt"))
    osm = work / "chicago.osm.pbf"
    osm.unlink(missing_ok=True)
    _write(osm, vertices, edges)
    with zipfile.ZipFile(folder / "tracks_chicago.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.startswith("chicago/trips/trip_"))
        tracks = [_table(archive, name, None) for name in names]
    with OsrmProcess(dataset(osm, work, lambda line: None), mapped=True) as process:
        roads = OsrmRoads(process.url, process=process)
        trips, matched_m = [], 0.0
        for track in tracks:
            trace = [TracePoint(position=_latlon(x, y), at_s=float(at), accuracy_m=10.0) for x, y, at in track]
            stretches = roads.match(trace)
            matched_m += sum(stretch.distance_m for stretch in stretches)
            trips.append(_trip(track, trace, stretches))
        roads.close()
    held = split_days([trip.drive.day for trip in trips])
    train = [trip for trip in trips if trip.drive.day not in held]
    test = [trip for trip in trips if trip.drive.day in held]
    best_mps = min(CANDIDATE_MPS, key=lambda mps: _one_speed_error(train, float(mps)))
    table = learn_speeds([trip.drive for trip in train])
    like, alike = _like_trips(trips)
    return Outcome(
        learned=median_error([trip.drive for trip in test], table),
        one_speed=_one_speed_error(test, float(best_mps)),
        train=len(train),
        held_out=len(test),
        fixes=sum(map(len, tracks)),
        matched_share=matched_m / sum(trip.length_m for trip in trips),
        like_trips=like,
        one_speed_there=_one_speed_error([trips[at] for at in alike], float(best_mps)),
        pairs=len(alike) // 2,
    )


LIKE: Final = 0.99
"""Cosine of two trips' metres by segment: the same way but for a block."""
LIKE_HOURS: Final = 2.0


def _like_trips(trips: list[Trip]) -> tuple[float, list[int]]:
    """How far a trip is from what is usual of its like, and the numbers of both trips of each pair that tells it.

    Pairs over the same way, begun within two hours of the day and on the same kind of day, but on different days. Two of a kind differ by
    the square root of two times what each is off their middle.
    """
    segments = sorted({segment for trip in trips for leg in trip.drive.legs for segment in leg.segments})
    at = {segment: number for number, segment in enumerate(segments)}
    metres = np.zeros((len(trips), len(segments)))
    for number, trip in enumerate(trips):
        for leg in trip.drive.legs:
            for segment, length_m in zip(leg.segments, leg.metres, strict=True):
                metres[number, at[segment]] += length_m
    metres /= np.sqrt((metres**2).sum(axis=1, keepdims=True))
    pace = np.log([trip.drive.took_s / trip.length_m for trip in trips])
    hour, free = np.array([trip.hour for trip in trips]), np.array([trip.drive.band.startswith("free") for trip in trips])
    days = np.array([trip.drive.day for trip in trips])
    alike = (metres @ metres.T > LIKE) & (np.abs(hour[:, None] - hour) < LIKE_HOURS) & (free[:, None] == free) & (days[:, None] != days)
    a, b = np.nonzero(np.triu(alike, 1))
    return float(np.median(np.abs(pace[a] - pace[b])) / math.sqrt(2)), [*a.tolist(), *b.tolist()]


def _one_speed_error(trips: list[Trip], mps: float) -> float:
    return median(abs(trip.length_m / mps - trip.drive.took_s) / trip.drive.took_s for trip in trips)


def _trip(track: Floats, trace: list[TracePoint], stretches: tuple[MatchedStretch, ...]) -> Trip:
    """The whole of a trip, from its first point to its last: straight where no street is known."""
    steps = np.hypot(*np.diff(track[:, :2], axis=0).T)
    legs: list[Leg] = []
    done = 0

    def straight_to(point: int) -> None:
        nonlocal done
        if point > done:
            metres = float(steps[done:point].sum())
            took_s = trace[point].at_s - trace[done].at_s
            legs.append(Leg(segments=(NOWHERE,), expected_s=(3.6 * metres / UNKNOWN_KMH,), metres=(metres,), turns_s=0.0, took_s=took_s))
            done = point

    for stretch in stretches:
        straight_to(stretch.legs[0].first)
        for leg in stretch.legs:
            took_s = trace[leg.last].at_s - trace[leg.first].at_s
            segments = tuple(pairwise(leg.nodes))
            legs.append(Leg(segments=segments, expected_s=leg.seconds, metres=leg.metres, turns_s=leg.turns_s, took_s=took_s))
        done = stretch.legs[-1].last
    straight_to(len(trace) - 1)
    local = datetime.fromtimestamp(trace[0].at_s, ZoneInfo(ZONE))
    drive = Drive(kind="car", day=local.date().isoformat(), band=band_at(local), legs=tuple(legs))
    return Trip(drive=drive, length_m=float(steps.sum()), hour=local.hour + local.minute / 60)


def _table(archive: zipfile.ZipFile, name: str, delimiter: str | None) -> Floats:
    return np.loadtxt(io.BytesIO(archive.read(name)), delimiter=delimiter)


def _write(osm: Path, vertices: Floats, edges: Floats) -> None:
    """The graph as an extract. It says neither classes nor speeds, and whether its directions are streets' is not documented: all are
    streets both ways."""
    known = {int(row[0]) for row in vertices}
    with osmium.SimpleWriter(str(osm)) as writer:
        for number, x, y in vertices:
            place = _latlon(x, y)
            writer.add_node(osmium.osm.mutable.Node(id=int(number), location=(place.lon_deg, place.lat_deg), version=1))
        for number, a, b in edges[:, :3].astype(int).tolist():
            if a in known and b in known:
                writer.add_way(osmium.osm.mutable.Way(id=number, nodes=[a, b], tags={"highway": "residential"}, version=1))


def _latlon(easting: float, northing: float) -> LatLon:
    """From UTM zone 16 north on WGS84: Krüger's series to the third order, good to a millimetre (Karney 2011)."""
    n = 1 / 298.257223563 / (2 - 1 / 298.257223563)
    radius = 6_378_137.0 / (1 + n) * (1 + n**2 / 4 + n**4 / 64)
    beta = (n / 2 - 2 * n**2 / 3 + 37 * n**3 / 96, n**2 / 48 + n**3 / 15, 17 * n**3 / 480)
    delta = (2 * n - 2 * n**2 / 3 - 2 * n**3, 7 * n**2 / 3 - 8 * n**3 / 5, 56 * n**3 / 15)
    xi, eta = northing / (0.9996 * radius), (easting - 500_000.0) / (0.9996 * radius)
    x = xi - sum(b * math.sin(2 * j * xi) * math.cosh(2 * j * eta) for j, b in enumerate(beta, start=1))
    y = eta - sum(b * math.cos(2 * j * xi) * math.sinh(2 * j * eta) for j, b in enumerate(beta, start=1))
    chi = math.asin(math.sin(x) / math.cosh(y))
    lat = chi + sum(d * math.sin(2 * j * chi) for j, d in enumerate(delta, start=1))
    return LatLon(math.degrees(lat), math.degrees(math.atan2(math.sinh(y), math.cos(x))) + MERIDIAN_DEG)
