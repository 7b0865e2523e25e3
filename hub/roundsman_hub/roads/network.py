"""The road network port: travel times, the way itself, and the nearest road. Cars; durations without traffic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from roundsman_core.geo import LatLon


class RoadsError(Exception):
    """The road network could not be prepared, or answers nothing that can be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Travel between places: all pairs of n, or from n places to m others.

    durations_s : int32 array, shape (n, n) or (n, m) — seconds from row's place to column's; not symmetric; -1 where there is no way.
    distances_m : int32 array, shape (n, m) — metres, likewise.
    network : str — who computed it: "osrm" or "great_circle".
    """

    durations_s: npt.NDArray[np.int32]
    distances_m: npt.NDArray[np.int32]
    network: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The way through several places, in order. `legs_s`, `legs_m`: between each place and the next."""

    geometry: tuple[LatLon, ...]
    duration_s: int
    distance_m: int
    legs_s: tuple[int, ...]
    legs_m: tuple[int, ...]
    network: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """The nearest place on a road, and how far that is."""

    position: LatLon
    distance_m: float


class RoadNetwork(Protocol):
    """Travel times and ways. Answers from several threads at once."""

    @property
    def name(self) -> str:
        """ "osrm" or "great_circle"."""
        ...

    def matrix(self, places: Sequence[LatLon], targets: Sequence[LatLon] | None = None) -> Matrix:
        """Travel between all pairs of places; with `targets`, from each place to each of those."""
        ...

    def route(self, places: Sequence[LatLon]) -> Route:
        """The way through at least two places, in order.

        Raises
        ------
        RoadsError
            There is no way.
        """
        ...

    def nearest(self, place: LatLon) -> Nearest:
        """The nearest place on a road. Without a road network every place is on one."""
        ...

    def close(self) -> None:
        """End what was started for it."""
        ...
