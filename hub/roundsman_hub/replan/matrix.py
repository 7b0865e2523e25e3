"""Travel times between the places of one depot's work, kept and extended: a new order asks the roads for its own row and column only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from roundsman_core.geo import LatLon
from roundsman_hub.roads import RoadNetwork

Table = npt.NDArray[np.int32]
MAX_PLACES: Final = 3_000
"""Two tables of 36 MB; past that the places of yesterday are forgotten, and those asked for now are fetched anew."""


class MatrixCache:
    """Durations and distances between places, by place. Not for several threads at once."""

    def __init__(self, roads: RoadNetwork) -> None:
        self._roads = roads
        self._index: dict[LatLon, int] = {}
        self._durations_s: Table = np.zeros((0, 0), np.int32)
        self._distances_m: Table = np.zeros((0, 0), np.int32)

    def tables(self, work: Sequence[LatLon], starts: Sequence[LatLon]) -> tuple[Table, Table]:
        """Tables over work, then starts, as `build` wants them.

        Starts are where vans are this minute: their rows are asked for each time, and nobody drives *to* them (-1).

        Returns
        -------
        tuple of int32 arrays, shape (n, n)
            Seconds and metres from row's place to column's; -1 where there is no way.
        """
        self._extend(work)
        index = [self._index[place] for place in work]
        total = len(work) + len(starts)
        durations_s = np.full((total, total), -1, np.int32)
        distances_m = np.full((total, total), -1, np.int32)
        durations_s[: len(work), : len(work)] = self._durations_s[np.ix_(index, index)]
        distances_m[: len(work), : len(work)] = self._distances_m[np.ix_(index, index)]
        if starts:
            rows = self._roads.matrix(starts, work)
            durations_s[len(work) :, : len(work)] = rows.durations_s
            distances_m[len(work) :, : len(work)] = rows.distances_m
        return durations_s, distances_m

    def _extend(self, work: Sequence[LatLon]) -> None:
        new = [place for place in dict.fromkeys(work) if place not in self._index]
        if not new:
            return
        if len(self._index) + len(new) > MAX_PLACES:
            self._forget()
            new = list(dict.fromkeys(work))
        known = list(self._index)
        every = [*known, *new]
        size = len(every)
        durations_s = np.full((size, size), -1, np.int32)
        distances_m = np.full((size, size), -1, np.int32)
        durations_s[: len(known), : len(known)] = self._durations_s
        distances_m[: len(known), : len(known)] = self._distances_m
        rows = self._roads.matrix(new, every)
        durations_s[len(known) :, :], distances_m[len(known) :, :] = rows.durations_s, rows.distances_m
        if known:
            columns = self._roads.matrix(known, new)
            durations_s[: len(known), len(known) :], distances_m[: len(known), len(known) :] = columns.durations_s, columns.distances_m
        self._index = {place: at for at, place in enumerate(every)}
        self._durations_s, self._distances_m = durations_s, distances_m

    def _forget(self) -> None:
        self._index = {}
        self._durations_s = np.zeros((0, 0), np.int32)
        self._distances_m = np.zeros((0, 0), np.int32)
