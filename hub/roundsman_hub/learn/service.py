"""How long stops take, by address, size, driver and hour, from visits. Pure.

The seconds are those a van stands at a place: parking, the walk, the door. They are expected to grow with the parcels, and to be so many
times as long at this address, with this driver, at this hour; each of these is drawn to 1 by as much as the data ask for. An address that
nobody has been to borrows from its neighbours (Nadaraya and Watson's kernel: the nearer, the more).
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
from roundsman_hub.learn.shrink import ratios

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
LEAST_S, MOST_S = 20.0, 3_600.0
"""Shorter is a van that drove by, longer a break or a repair: neither says how long a delivery takes."""
HOURS: Final = 3
"""Hours of the day are told apart in threes."""

Cell = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A visit that was served. `local_hour`: when it began. `day`: local date."""

    position: LatLon
    parcels: int
    driver: str
    local_hour: int
    day: str
    took_s: float


@dataclass(frozen=True, kw_only=True)
class ServiceTable:
    """What was learned.

    Attributes
    ----------
    base_s, parcel_s : float
        Seconds of a stop with one parcel at a usual address, and of each further parcel.
    addresses : by cell
        Seconds that stops took there without what the driver and the hour added, and that were expected.
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

    def seconds(self, position: LatLon, parcels: int, driver: str | None, local_hour: int) -> float:
        """How long a stop is expected to last."""
        usual = self.base_s + self.parcel_s * max(0, parcels - 1)
        return usual * self.address(position) * self.drivers.get(driver or "", 1.0) * self.hours.get(local_hour // HOURS, 1.0)

    def address(self, position: LatLon) -> float:
        """How many times as long it takes there: what was seen there and, for less, around it, drawn to 1."""
        if not self.addresses or not math.isfinite(self.address_k):
            return 1.0
        lat, lon, took, expected = self._known
        here = cell_of(position)
        north_m = (lat - here[0]) * STEP_M
        east_m = (lon - here[1]) * STEP_M * math.cos(math.radians(position.lat_deg))
        squared = north_m**2 + east_m**2
        near = np.where(squared == 0, 1.0, NEIGHBOURS_WEIGH * np.exp(-squared / (2 * NEAR_M**2)))
        near[squared > FAR_M**2] = 0.0
        return (float(near @ took) + self.address_k) / (float(near @ expected) + self.address_k)

    @functools.cached_property
    def _known(self) -> tuple[Floats, Floats, Floats, Floats]:
        cells = np.array(list(self.addresses), np.float64).reshape(-1, 2)
        told = np.array(list(self.addresses.values()), np.float64).reshape(-1, 2)
        return cells[:, 0], cells[:, 1], told[:, 0], told[:, 1]


def learn_service(stops: Sequence[Stop]) -> ServiceTable:
    """The table that stops teach."""
    kept = [stop for stop in stops if LEAST_S <= stop.took_s <= MOST_S]
    if not kept:
        return ServiceTable()
    took = np.array([stop.took_s for stop in kept])
    more = np.array([max(0, stop.parcels - 1) for stop in kept], np.float64)
    base_s, parcel_s = _line(more, took)
    usual = base_s + parcel_s * more
    keys: dict[str, list[Any]] = {
        "address": [cell_of(stop.position) for stop in kept],
        "driver": [stop.driver for stop in kept],
        "hour": [stop.local_hour // HOURS for stop in kept],
    }
    groups = {name: _numbered(of_one) for name, of_one in keys.items()}
    found = {name: np.ones(len(names)) for name, (names, _) in groups.items()}
    k = {name: float("inf") for name in groups}
    for _ in range(ROUNDS):
        for name, (names, at) in groups.items():
            others = np.prod([found[other][groups[other][1]] for other in groups if other != name], axis=0)
            found[name], k[name] = ratios(at, len(names), usual * others, took, np.ones(len(names)))
    names, at = groups["address"]
    others = found["driver"][groups["driver"][1]] * found["hour"][groups["hour"][1]]
    totals = np.bincount(at, took / others, len(names)), np.bincount(at, usual, len(names))
    return ServiceTable(
        base_s=base_s,
        parcel_s=parcel_s,
        addresses={cell: (float(totals[0][n]), float(totals[1][n])) for n, cell in enumerate(names)},
        address_k=k["address"],
        drivers={driver: float(found["driver"][n]) for n, driver in enumerate(groups["driver"][0])},
        hours={hour: float(found["hour"][n]) for n, hour in enumerate(groups["hour"][0])},
    )


def mean_error_s(stops: Sequence[Stop], table: ServiceTable) -> float:
    """Mean over stops of how many seconds the table was off."""
    return float(np.mean([abs(table.seconds(s.position, s.parcels, s.driver, s.local_hour) - s.took_s) for s in stops]))


def cell_of(position: LatLon) -> Cell:
    """The address that a pin is."""
    scale = 10**SAME_ADDRESS_DIGITS
    return round(position.lat_deg * scale), round(position.lon_deg * scale)


def _line(more: Floats, took: Floats) -> tuple[float, float]:
    """Least squares; neither the first parcel nor a further one takes less than no time."""
    spread = float(((more - more.mean()) ** 2).sum())
    slope = max(0.0, float(((more - more.mean()) * (took - took.mean())).sum()) / spread) if spread else 0.0
    slope = min(slope, float(took.mean() / max(float(more.mean()), 1e-9)))
    return max(LEAST_S, float(took.mean()) - slope * float(more.mean())), slope


def _numbered(keys: Sequence[Any]) -> tuple[list[Any], npt.NDArray[np.int64]]:
    names = list(dict.fromkeys(keys))
    number = {name: at for at, name in enumerate(names)}
    return names, np.array([number[key] for key in keys], np.int64)
