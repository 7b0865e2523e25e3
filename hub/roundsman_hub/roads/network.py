"""The road network port: travel times, the way itself, the way that was driven, and the nearest road, by kind of vehicle and time band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from roundsman_core.geo import LatLon
from roundsman_hub.roads.profiles import CAR


class RoadsError(Exception):
    """The road network could not be prepared, or answers nothing that can be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Travel between places: all pairs of n, or from n places to m others.

    durations_s : int32 array, shape (n, n) or (n, m) — seconds from row's place to column's; not symmetric; -1 where there is no way.
    distances_m : int32 array, shape (n, m) — metres, likewise.
    network : str — who computed it: "osrm" or "great_circle".
    profile : str — whose streets it is; another than was asked for where those have no dataset: then only the pace is the asked one's.
    band : str — of which band the pace is; "": at all hours.
    off_road — places among those asked for that no road is near of.
    """

    durations_s: npt.NDArray[np.int32]
    distances_m: npt.NDArray[np.int32]
    network: str
    profile: str = CAR
    band: str = ""
    off_road: frozenset[LatLon] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteStep:
    """One thing to do on the way: `what` and `way` as OSRM names them (turn, left; depart; arrive), on the street `name`."""

    what: str
    way: str
    name: str
    position: LatLon
    distance_m: int
    duration_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The way through several places, in order. `legs_s`, `legs_m`, `steps`: between each place and the next."""

    geometry: tuple[LatLon, ...]
    duration_s: int
    distance_m: int
    legs_s: tuple[int, ...]
    legs_m: tuple[int, ...]
    network: str
    profile: str = CAR
    band: str = ""
    steps: tuple[tuple[RouteStep, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """The nearest place on a road, and how far that is."""

    position: LatLon
    distance_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TracePoint:
    """Where a vehicle was. `at_s`: any clock that only moves forward. `accuracy_m`: one sigma."""

    position: LatLon
    at_s: float
    accuracy_m: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedLeg:
    """What was driven between two points of a trace.

    Attributes
    ----------
    first, last : int
        Which points.
    nodes : tuple of int
        The OpenStreetMap nodes passed, whole segments' ends: the first segment begins before the first point, the last ends after the
        last. Empty where nothing is known but the line.
    metres : tuple of float
        Of each segment, how much lies between the two points.
    seconds : tuple of float
        How long the network takes each of them to last. Empty where it knows no streets.
    turns_s : float
        And what turns and crossings add to that.
    confidence : float or None
        0 to 1: how sure the network is of the way that this leg is a part of. None: it does not say.
    """

    first: int
    last: int
    nodes: tuple[int, ...]
    metres: tuple[float, ...]
    seconds: tuple[float, ...] = ()
    turns_s: float = 0.0
    confidence: float | None = None

    @property
    def distance_m(self) -> float:
        return sum(self.metres)


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedStretch:
    """An unbroken piece of a trace on streets. Between two stretches nothing is claimed: gaps stay gaps.

    profile : whose streets; another than was asked for where those have no dataset. "": there are no streets.
    """

    geometry: tuple[LatLon, ...]
    legs: tuple[MatchedLeg, ...]
    network: str
    profile: str = ""

    @property
    def distance_m(self) -> float:
        return sum(leg.distance_m for leg in self.legs)

    @property
    def confidence(self) -> float | None:
        """0 to 1: that of its legs, by their metres. None: nobody says."""
        told = [(leg.confidence, leg.distance_m) for leg in self.legs if leg.confidence is not None]
        metres = sum(distance_m for _, distance_m in told)
        return sum(sure * distance_m for sure, distance_m in told) / metres if metres > 0 else None


class RoadNetwork(Protocol):
    """Travel times and ways. Answers from several threads at once.

    `profile` is a name of `profiles.PROFILES`, `band` one of `bands.BANDS` or "" (at all hours).
    """

    @property
    def name(self) -> str:
        """ "osrm" or "great_circle"."""
        ...

    def of_fleet(self, fleet: str) -> RoadNetwork:
        """The same network as this fleet's vehicles find it: with what it has closed or imported. Not to be closed by itself."""
        ...

    def version(self, profile: str = CAR, band: str = "") -> str:
        """Changes when the same question would get another answer: what was kept of older ones is worth nothing then."""
        ...

    def bands(self, profile: str = CAR) -> frozenset[str]:
        """Bands whose pace is known for itself; in every other, and where there are none, it is the same at all hours."""
        ...

    def matrix(self, places: Sequence[LatLon], targets: Sequence[LatLon] | None = None, *, profile: str = CAR, band: str = "") -> Matrix:
        """Travel between all pairs of places; with `targets`, from each place to each of those. From and to a place that no road is
        near of there is no way (-1); `Matrix.off_road` names such places."""
        ...

    def route(self, places: Sequence[LatLon], *, profile: str = CAR, band: str = "", steps: bool = False) -> Route:
        """The way through at least two places, in order; with `steps`, what to do on it.

        Raises
        ------
        RoadsError
            There is no way.
        """
        ...

    def match(self, trace: Sequence[TracePoint], *, profile: str = CAR) -> tuple[MatchedStretch, ...]:
        """The streets that a trace of any length was driven on, in unbroken stretches, oldest first."""
        ...

    def nearest(self, place: LatLon, *, profile: str = CAR) -> Nearest:
        """The nearest place on a road. Without a road network every place is on one."""
        ...

    def close(self) -> None:
        """End what was started for it."""
        ...
