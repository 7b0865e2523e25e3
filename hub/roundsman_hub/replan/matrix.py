"""Travel times between the places of one depot's work, kept and extended: a new order asks the roads for its own row and column only."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from roundsman_core.geo import LatLon
from roundsman_hub.planning.problem import Profile
from roundsman_hub.replan.build import driven_to, place_of, places
from roundsman_hub.replan.terms import kind_of
from roundsman_hub.replan.world import World
from roundsman_hub.roads import RoadNetwork
from roundsman_hub.roads.bands import bands_ahead
from roundsman_hub.roads.network import Matrix
from roundsman_hub.roads.profiles import CAR

Table = npt.NDArray[np.int32]
Ways = tuple[Table, Table, Mapping[str, Profile]]
"""What `build` wants of the roads: seconds and metres of a car at any hour, and what differs from that."""
First = tuple[int, ...] | None
"""Where a van's way from where it is now can lead: numbers of work places; None: to any of them."""
MAX_PLACES: Final = 3_000
"""Two tables of 36 MB; past that the places of yesterday are forgotten, and those asked for now are fetched anew."""
HOURS_AHEAD: Final = 36
"""A plan made in the evening is for the whole of tomorrow."""
LEAVES_WITHIN_S: Final = 3_600
"""A van on the road leaves the place where it is now within the hour: how it would drive from there in a later band is not asked."""


def _questions(first: Sequence[First], work: int) -> list[tuple[list[int], list[int]]]:
    """(starts, work places) to ask the roads for: those that lead anywhere in one table, those with a settled stop in another."""
    anywhere = [at for at, to in enumerate(first) if to is None]
    settled = [at for at, to in enumerate(first) if to]
    stops = sorted({place for at in settled for place in first[at] or ()})
    asked = [(anywhere, list(range(work))), (settled, stops)]
    return [(at, to) for at, to in asked if at and to]


def _empty() -> Table:
    return np.zeros((0, 0), np.int32)


@dataclass(slots=True)
class _Kept:
    """The tables of one kind of vehicle in one band. `whole`: all of it came from the roads themselves."""

    version: str
    index: dict[LatLon, int] = field(default_factory=dict)
    durations_s: Table = field(default_factory=_empty)
    distances_m: Table = field(default_factory=_empty)
    whole: bool = True


class MatrixCache:
    """Durations and distances between places, by place, kind of vehicle and band. Not for several threads at once.

    What is kept is forgotten as soon as the roads' version changes (learned speeds, a closure), and what another network stood in for
    is not kept at all.
    """

    def __init__(self, roads: RoadNetwork) -> None:
        self._roads = roads
        self._kept: dict[tuple[str, str], _Kept] = {}
        self.network = roads.name
        """Who gave the newest tables: the roads, or what stood in for them anywhere since cars at all hours were asked for."""
        self.off_road: set[LatLon] = set()
        """Places that no road is near of: there is no way from or to them."""

    def of(self, world: World, driven_to: Mapping[str, str] = MappingProxyType({})) -> Ways:
        """Everything that a depot's problem asks of the roads.

        Parameters
        ----------
        driven_to : mapping of vehicle to order
            Vans whose first stop is settled (`build.driven_to`). Six hundred ways from each of fifty vans cost the roads a second; the
            one that each of them is on costs a tenth.
        """
        work, starts = places(world)
        place = place_of(world)
        first = [
            (place[driven_to[van.vehicle_id]],) if van.vehicle_id in driven_to else () if van.left_with is None else None
            for van in world.vans.values()
            if van.position is not None
        ]
        kinds = {kind_of(van.terms) for van in world.vans.values()}
        return *self.tables(work, starts, first=first), self.profiles(work, starts, kinds, world.now, world.timezone, first=first)

    def tables(
        self, work: Sequence[LatLon], starts: Sequence[LatLon], *, profile: str = CAR, band: str = "", first: Sequence[First] = ()
    ) -> tuple[Table, Table]:
        """Tables over work, then starts, as `build` wants them.

        Starts are where vans are this minute: their rows are asked for each time, and nobody drives *to* them (-1).

        Parameters
        ----------
        first : sequence of First, optional
            Of each start, where it leads; by default anywhere.

        Returns
        -------
        tuple of int32 arrays, shape (n, n)
            Seconds and metres from row's place to column's; -1 where there is no way.
        """
        self.network = self._roads.name
        return self._tables(work, starts, profile, band, first)

    def _tables(
        self, work: Sequence[LatLon], starts: Sequence[LatLon], profile: str, band: str, first: Sequence[First]
    ) -> tuple[Table, Table]:
        kept = self._extended(work, profile, band)
        index = [kept.index[place] for place in work]
        total = len(work) + len(starts)
        durations_s = np.full((total, total), -1, np.int32)
        distances_m = np.full((total, total), -1, np.int32)
        durations_s[: len(work), : len(work)] = kept.durations_s[np.ix_(index, index)]
        distances_m[: len(work), : len(work)] = kept.distances_m[np.ix_(index, index)]
        for at, to in _questions(first or [None] * len(starts), len(work)):
            rows = self._asked([starts[i] for i in at], [work[j] for j in to], profile, band)
            inside = np.ix_([len(work) + i for i in at], to)
            durations_s[inside], distances_m[inside] = rows.durations_s, rows.distances_m
        if not kept.whole:
            del self._kept[profile, band]
        return durations_s, distances_m

    def profiles(
        self,
        work: Sequence[LatLon],
        starts: Sequence[LatLon],
        kinds: Iterable[str],
        now: datetime,
        timezone: str,
        *,
        first: Sequence[First] = (),
    ) -> Mapping[str, Profile]:
        """Travel times of other vehicles than cars, and of any whose pace is known by band, as a `Problem` has them.

        Parameters
        ----------
        kinds : iterable of str
            Kinds of vehicle that some van is.
        """
        out = {}
        for kind in sorted(set(kinds)):
            ahead = bands_ahead(now, timezone, hours=HOURS_AHEAD, known=self._roads.bands(kind))
            if kind == CAR and len(ahead) == 1 and not ahead[0][1]:
                continue  # the problem's own tables say all of it
            tables: dict[str, tuple[Table, Table]] = {}
            last = ahead[0][1]
            for start_s, band in ahead:
                if band in tables:
                    continue
                later = start_s > LEAVES_WITHIN_S
                tables[band] = self._tables(work, starts, kind, band, [()] * len(starts) if later else first)
                for table, before in zip(tables[band], tables[last], strict=True):
                    table[len(work) :] = before[len(work) :] if later else table[len(work) :]
                last = band
            out[kind] = Profile(
                durations_s=np.stack([tables[band][0] for _, band in ahead]),
                distances_m=tables[ahead[0][1]][1],
                band_starts_s=tuple(start for start, _ in ahead),
            )
        return out

    def _extended(self, work: Sequence[LatLon], profile: str, band: str) -> _Kept:
        version = self._roads.version(profile, band)
        kept = self._kept.get((profile, band))
        if kept is None or kept.version != version:
            kept = self._kept[profile, band] = _Kept(version)
        new = [place for place in dict.fromkeys(work) if place not in kept.index]
        if not new:
            return kept
        if len(kept.index) + len(new) > MAX_PLACES:
            kept = self._kept[profile, band] = _Kept(version)
            new = list(dict.fromkeys(work))
        known = list(kept.index)
        every = [*known, *new]
        size = len(every)
        durations_s = np.full((size, size), -1, np.int32)
        distances_m = np.full((size, size), -1, np.int32)
        durations_s[: len(known), : len(known)] = kept.durations_s
        distances_m[: len(known), : len(known)] = kept.distances_m
        # The first places are asked for as a whole: half the work of rows to all of them.
        rows = self._asked(new, every if known else None, profile, band)
        durations_s[len(known) :, :], distances_m[len(known) :, :] = rows.durations_s, rows.distances_m
        if known:
            columns = self._asked(known, new, profile, band)
            durations_s[: len(known), len(known) :], distances_m[: len(known), len(known) :] = columns.durations_s, columns.distances_m
            kept.whole = kept.whole and columns.network == self._roads.name
        kept.whole = kept.whole and rows.network == self._roads.name
        kept.index = {place: at for at, place in enumerate(every)}
        kept.durations_s, kept.distances_m = durations_s, distances_m
        return kept

    def _asked(self, places: Sequence[LatLon], targets: Sequence[LatLon] | None, profile: str, band: str) -> Matrix:
        found = self._roads.matrix(places, targets, profile=profile, band=band)
        if found.network != self._roads.name:
            self.network = found.network
        self.off_road = (self.off_road - {*places, *(targets or ())}) | found.off_road
        return found


class Matrices:
    """What is known of each depot's ways, for whoever asks about it (the planner, a choice of windows, a preview, who is nearest): the
    first question about a depot asks the roads for all of it, each further one for the rows and columns of what is new. Safe for several
    threads."""

    def __init__(self, roads: RoadNetwork) -> None:
        self._roads = roads
        self._kept: dict[str, tuple[MatrixCache, threading.Lock]] = {}
        self._guard = threading.Lock()

    def of(self, world: World) -> Ways:
        """Everything that a problem of this world asks of the roads (see `MatrixCache.of`)."""
        with self._guard:
            if world.depot_id not in self._kept:
                self._kept[world.depot_id] = MatrixCache(self._roads.of_fleet(world.fleet_id)), threading.Lock()
            cache, lock = self._kept[world.depot_id]
        with lock:
            return cache.of(world, driven_to(world))

    def basis(self, depot_id: str) -> str:
        """Who gave the newest of a depot's tables: the roads, or what stood in for them."""
        kept = self._kept.get(depot_id)
        return self._roads.name if kept is None else kept[0].network

    def off_road(self, depot_id: str) -> frozenset[LatLon]:
        """Places of a depot's work that no road is near of."""
        kept = self._kept.get(depot_id)
        return frozenset() if kept is None else frozenset(kept[0].off_road)
