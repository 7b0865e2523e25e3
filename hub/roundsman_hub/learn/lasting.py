"""How long one part of a stop lasts, by address, order size, driver and hour. Pure.

It is expected to take so many times as long at this address, with this driver, at this hour, and to grow with the parcels; each of these is
drawn to 1 by as much as the data ask for. An address that nobody has been to borrows from its neighbours (Nadaraya and Watson's kernel: the
nearer, the more).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from roundsman_core.geo import LatLon
from roundsman_hub.learn.shrink import Drawn, ratios

Floats = npt.NDArray[np.float64]
SAME_ADDRESS_DIGITS: Final = 4
"""Pins within about 10 m are one address."""
STEP_M: Final = 111_195.0 / 10**SAME_ADDRESS_DIGITS
NEAR_M: Final = 120.0
"""Neighbours count by exp(-(distance / this)²/2): the same block, hardly the next one."""
FAR_M: Final = 400.0
NEIGHBOURS_WEIGH: Final = 0.5
"""A neighbour's word counts half as much as the address's own would."""
ROUNDS: Final = 4
"""Address, driver and hour are fitted in turn, each on what the others leave; after four rounds nothing moves by a percent."""
HOURS: Final = 3
"""Hours of the day are told apart in threes."""
LEAST_RATIO: Final = 0.01
"""Of a search, which may have been shorter than nothing (the drive was quicker than expected): the others need something to divide by."""

Cell = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """How long it lasted once. `weighs`: how much that counts, beside one that was seen to last so long (1)."""

    position: LatLon
    parcels: int
    driver: str
    local_hour: int
    day: str
    seconds: float
    weighs: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Lasting:
    """What was learned of one part of a stop.

    Attributes
    ----------
    base_s, parcel_s : float
        Seconds with one parcel at a usual address, and for each further parcel.
    addresses : by cell
        Seconds that it took there and that were expected, with the driver and the hour of each stop; as many as the days there weigh.
    address_k : float
        So many expected seconds weigh as much as the belief that it is like everywhere.
    drivers, hours : by driver; by hour of the day // `HOURS`
        How many times as long.
    """

    base_s: float = 180.0
    parcel_s: float = 0.0
    addresses: Mapping[Cell, tuple[float, float]] = field(default_factory=dict)
    address_k: float = float("inf")
    drivers: Mapping[str, float] = field(default_factory=dict)
    hours: Mapping[int, float] = field(default_factory=dict)

    def usual_s(self, parcels: int) -> float:
        """How long it lasts if all addresses, drivers and hours are alike."""
        return self.base_s + self.parcel_s * max(0, parcels - 1)

    def seconds(self, position: LatLon, parcels: int, driver: str | None, local_hour: int) -> float:
        """How long it is expected to last."""
        by = self.address(position) * self.drivers.get(driver or "", 1.0) * self.hours.get(local_hour // HOURS, 1.0)
        return max(0.0, self.usual_s(parcels) * by)

    def address(self, position: LatLon) -> float:
        """How many times as long it takes there: what was seen there and, for less, around it, drawn to 1."""
        if not self.addresses or not math.isfinite(self.address_k):
            return 1.0
        here = cell_of(position)
        if here not in self._asked:
            self._asked[here] = self._around(here, position.lat_deg)
        return self._asked[here]

    def _around(self, here: Cell, lat_deg: float) -> float:
        lat, lon, took, expected = self._known
        north_m = (lat - here[0]) * STEP_M
        east_m = (lon - here[1]) * STEP_M * math.cos(math.radians(lat_deg))
        squared = north_m**2 + east_m**2
        near = np.where(squared == 0, 1.0, NEIGHBOURS_WEIGH * np.exp(-squared / (2 * NEAR_M**2)))
        near[squared > FAR_M**2] = 0.0
        return (float(near @ took) + self.address_k) / (float(near @ expected) + self.address_k)

    @functools.cached_property
    def _asked(self) -> dict[Cell, float]:
        """What was answered already: every look at a depot asks for all of its orders."""
        return {}

    @functools.cached_property
    def _known(self) -> tuple[Floats, Floats, Floats, Floats]:
        cells = np.array(list(self.addresses), np.float64).reshape(-1, 2)
        told = np.array(list(self.addresses.values()), np.float64).reshape(-1, 2)
        return cells[:, 0], cells[:, 1], told[:, 0], told[:, 1]


def learn_lasting(words: Sequence[Word], least_s: float) -> Lasting:
    """What words teach: what is usual, and how addresses, drivers and hours differ from it."""
    took = np.array([word.seconds for word in words], np.float64)
    more = further(words)
    parcel_s = min(float(slopes(more[:, None], took)[0]), float(took.mean()) / max(float(more.mean()), 1e-9))
    return told_apart(words, max(least_s, float(took.mean()) - parcel_s * float(more.mean())), parcel_s)


def told_apart(words: Sequence[Word], base_s: float, parcel_s: float) -> Lasting:
    """How addresses, drivers and hours differ from what is usual."""
    took = np.array([word.seconds for word in words], np.float64)
    weighs = np.array([word.weighs for word in words], np.float64)
    usual = base_s + parcel_s * further(words)
    keys: dict[str, list[Any]] = {
        "address": [cell_of(word.position) for word in words],
        "driver": [word.driver for word in words],
        "hour": [word.local_hour // HOURS for word in words],
    }
    groups = {name: _numbered(of_one) for name, of_one in keys.items()}
    found = {name: np.ones(len(names)) for name, (names, _) in groups.items()}
    drawn: dict[str, Drawn] = {}
    _, day = _numbered([word.day for word in words])
    for _ in range(ROUNDS):
        for name, (names, at) in groups.items():
            others = np.prod([found[other][groups[other][1]] for other in groups if other != name], axis=0)
            drawn[name] = ratios(at, len(names), weighs * usual * others, weighs * took, np.ones(len(names)), day)
            found[name] = np.maximum(drawn[name].ratio, LEAST_RATIO)
    there = drawn["address"]
    return Lasting(
        base_s=base_s,
        parcel_s=parcel_s,
        addresses={cell: (float(there.own[n] * there.weight[n]), float(there.weight[n])) for n, cell in enumerate(groups["address"][0])},
        address_k=there.k,
        drivers={driver: float(found["driver"][n]) for n, driver in enumerate(groups["driver"][0])},
        hours={hour: float(found["hour"][n]) for n, hour in enumerate(groups["hour"][0])},
    )


def slopes(columns: Floats, took: Floats) -> Floats:
    """How much each column adds for one of its own, by least squares: never less than nothing, and drawn to nothing by as much as chance
    alone would make of it (James and Stein 1961).

    Parameters
    ----------
    columns : float array, shape (n, k)
    took : float array, shape (n,)
    """
    out = np.zeros(columns.shape[1])
    active = [at for at in range(columns.shape[1]) if float(np.ptp(columns[:, at])) > 0]
    y = took - took.mean()
    while active and len(took) > len(active) + 1:
        x = columns[:, active] - columns[:, active].mean(axis=0)
        found = np.linalg.lstsq(x, y, rcond=None)[0]
        if bool((found > 0).all()):
            rest = y - x @ found
            chance = float(rest @ rest) / (len(took) - len(active) - 1) * np.diag(np.linalg.pinv(x.T @ x))
            out[active] = found * np.maximum(0.0, 1 - chance / found**2)
            break
        active = [at for at, one in zip(active, found.tolist(), strict=True) if one > 0]
    return out


def further(words: Sequence[Word]) -> Floats:
    """Parcels after the first."""
    return np.array([max(0, word.parcels - 1) for word in words], np.float64)


def cell_of(position: LatLon) -> Cell:
    """The address that a pin is."""
    scale = 10**SAME_ADDRESS_DIGITS
    return round(position.lat_deg * scale), round(position.lon_deg * scale)


def _numbered(keys: Sequence[Any]) -> tuple[list[Any], npt.NDArray[np.int64]]:
    names = list(dict.fromkeys(keys))
    number = {name: at for at, name in enumerate(names)}
    return names, np.array([number[key] for key in keys], np.int64)
