"""Travel times by kind of vehicle and time of departure, as look-ups that a search can afford."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from roundsman_hub.planning.problem import Problem, Profile, Van

Table = Sequence[Sequence[int]]
LISTED: Final = 800
"""Up to so many places a matrix is copied into lists, ten times faster to index than an array. Beyond, its rows are looked at where they
lie: half as fast as a list, and 5,000 places as lists would be 1.8 GB."""


def rows_of(table: npt.NDArray[np.int32]) -> Table:
    """A matrix as something whose single numbers are quickly looked up."""
    if len(table) <= LISTED:
        rows: list[list[int]] = table.tolist()
        return rows
    return [memoryview(row) for row in np.ascontiguousarray(table)]


class Travel:
    """One profile's travel times.

    `steady`: the same at all hours; then `durations_s` alone says everything. `cells`: of all its tables.
    """

    def __init__(self, profile: Profile) -> None:
        self.bands = [rows_of(band) for band in profile.durations_s]
        self.durations_s = self.bands[0]
        self.distances_m = rows_of(profile.distances_m)
        self.starts_s = profile.band_starts_s
        self.steady = len(self.bands) == 1
        self.cells = (len(self.bands) + 1) * len(self.distances_m) ** 2

    def leg_s(self, a: int, b: int, depart_s: int) -> int:
        """Seconds from place to place for a van that departs then; -1 where there is no way.

        Driven part by part: what remains of a leg at a band's border is finished at the next band's pace. Exact but for the arrival,
        which is rounded up to a whole second, so that who departs later never arrives earlier.
        """
        if self.steady:
            return self.durations_s[a][b]
        band = max(bisect_right(self.starts_s, depart_s) - 1, 0)
        seconds = self.bands[band][a][b]
        if seconds <= 0:
            return seconds
        # What is left to drive is left / whole of the leg.
        left, whole, clock = 1, 1, depart_s
        while band + 1 < len(self.bands) and (self.starts_s[band + 1] - clock) * whole < left * seconds:
            border = self.starts_s[band + 1]
            left, whole = left * seconds - (border - clock) * whole, whole * seconds
            clock, band = border, band + 1
            seconds = self.bands[band][a][b]
            if seconds < 0:
                return -1
            if seconds == 0:
                return clock - depart_s
        return clock - depart_s + -(-left * seconds // whole)

    def leave_by_s(self, a: int, b: int, arrival_s: int) -> int | None:
        """The latest departure that is there by then: `leg_s` driven backwards, exactly. None where some band has no way."""
        band = max(bisect_right(self.starts_s, arrival_s) - 1, 0)
        left, whole, clock = 1, 1, arrival_s
        if any(times[a][b] < 0 for times in self.bands):
            return None
        while True:
            seconds = self.bands[band][a][b]
            border = self.starts_s[band]
            if seconds == 0 or band == 0 or (clock - border) * whole >= left * seconds:
                return clock - -(-left * seconds // whole)
            left, whole = left * seconds - (clock - border) * whole, whole * seconds
            clock, band = border, band - 1

    def fastest_s(self, a: int, b: int) -> int:
        """Seconds in the band that is fastest there; -1 where no band has a way."""
        times = [band[a][b] for band in self.bands if band[a][b] >= 0]
        return min(times, default=-1)


def travels(problem: Problem) -> dict[str, Travel]:
    """Travel times of every profile that some van drives by; "" is the problem's own. (Lists of a table take 4 ms at 300 places.)"""
    used = {van.profile for van in problem.vans}
    own = Profile(durations_s=problem.durations_s[None, :, :], distances_m=problem.distances_m)
    all_of_them = {"": own, **problem.profiles}
    return {name: Travel(profile) for name, profile in all_of_them.items() if name in used}


def profile_of(problem: Problem, van: Van) -> Profile:
    """The travel times that a van drives by."""
    if van.profile:
        return problem.profiles[van.profile]
    return Profile(durations_s=problem.durations_s[None, :, :], distances_m=problem.distances_m)


def mean_s(profile: Profile, begins_s: int, ends_s: int) -> npt.NDArray[np.int32]:
    """One table for engines that know no traffic: the bands that a shift meets, each by how long; rounded up, -1 where one has no way."""
    if len(profile.durations_s) == 1:
        only: npt.NDArray[np.int32] = profile.durations_s[0]
        return only
    starts = [*profile.band_starts_s, 1 << 40]
    starts[0] = -(1 << 40)
    shares = [max(0, min(ends_s, starts[at + 1]) - max(begins_s, starts[at])) for at in range(len(profile.durations_s))]
    if not any(shares):
        shares[-1] = 1
    total = np.zeros(profile.durations_s[0].shape)
    closed = np.zeros(profile.durations_s[0].shape, dtype=bool)
    for band, share in zip(profile.durations_s, shares, strict=True):
        if share:
            total += band * (share / sum(shares))
            closed |= band < 0
    out: npt.NDArray[np.int32] = np.where(closed, -1, np.ceil(total)).astype(np.int32)
    return out
