"""How long stops take, by address, size, driver and hour, from visits. Pure.

A stop is parking and walking, from the standstill to the start of service, and then service, until the van leaves. Where a driver's tap or
scan tells when service started, the two are learned apart; a stop without one lends its service what is left after the parking that is
usual there. Where no stop tells it, there is one joint estimate, and the table says so (`joint`).

Each is expected to be so many times as long at this address, with this driver, at this hour, and service to grow with the parcels; each of
these is drawn to 1 by as much as the data ask for. An address that nobody has been to borrows from its neighbours (Nadaraya and Watson's
kernel: the nearer, the more).
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
LEAST_S, MOST_S = 20.0, 3_600.0
"""Shorter is a van that drove by, longer a break or a repair: neither says how long a delivery takes."""
HOURS: Final = 3
"""Hours of the day are told apart in threes."""
MOST_PARKING_S: Final = 900.0
LEAST_TOLD_S: Final = 10.0
"""A tap a quarter of an hour after the standstill, or right before the van leaves, was forgotten and made up for: it tells nothing."""
LEAST_TOLD: Final = 20
"""So many stops must tell when service started; with fewer the estimate is joint."""

Cell = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A visit that was served. `local_hour`: when it began. `day`: local date.

    stood_s : float
        From standstill to departure.
    waited_s : float
        From standstill until the window opened; 0 where it was open.
    parking_s : float, optional
        From standstill to the first tap or scan; None: nobody said.
    """

    position: LatLon
    parcels: int
    driver: str
    local_hour: int
    day: str
    stood_s: float
    waited_s: float = 0.0
    parking_s: float | None = None

    @property
    def told(self) -> bool:
        """Whether it says when service started."""
        return (
            self.parking_s is not None
            and 0 <= self.parking_s <= MOST_PARKING_S
            and self.stood_s - max(self.parking_s, self.waited_s) >= LEAST_TOLD_S
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StopTimes:
    """Expected seconds of a stop: parking and walking, then service."""

    parking_s: float
    service_s: float

    @property
    def total_s(self) -> float:
        """From standstill to departure, where nothing is waited for."""
        return self.parking_s + self.service_s


@dataclass(frozen=True, kw_only=True)
class Lasting:
    """What was learned of parking, or of service.

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

    def seconds(self, position: LatLon, parcels: int, driver: str | None, local_hour: int) -> float:
        """How long it is expected to last."""
        usual = self.base_s + self.parcel_s * max(0, parcels - 1)
        return usual * self.address(position) * self.drivers.get(driver or "", 1.0) * self.hours.get(local_hour // HOURS, 1.0)

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


@dataclass(frozen=True, kw_only=True)
class ServiceTable:
    """What was learned of stops. `parking` None: one joint estimate, which stands in `service` and includes parking and walking."""

    service: Lasting = field(default_factory=Lasting)
    parking: Lasting | None = None

    @property
    def joint(self) -> bool:
        """Whether parking and walking are within the service."""
        return self.parking is None

    def times(self, position: LatLon, parcels: int, driver: str | None, local_hour: int) -> StopTimes:
        """How long a stop is expected to last; `driver` None: with anyone."""
        return StopTimes(
            parking_s=0.0 if self.parking is None else self.parking.seconds(position, parcels, driver, local_hour),
            service_s=self.service.seconds(position, parcels, driver, local_hour),
        )

    def pace(self, driver: str | None) -> float:
        """How many times as long a usual stop takes with this driver."""
        if driver is None:
            return 1.0
        parts = [part for part in (self.parking, self.service) if part is not None]
        return sum(part.base_s * part.drivers.get(driver, 1.0) for part in parts) / sum(part.base_s for part in parts)


def learn_service(stops: Sequence[Stop]) -> ServiceTable:
    """The table that stops teach."""
    kept = [stop for stop in stops if LEAST_S <= stop.stood_s - stop.waited_s <= MOST_S]
    if not kept:
        return ServiceTable()
    told = [stop for stop in kept if stop.told]
    if len(told) < LEAST_TOLD:
        return ServiceTable(service=_learn(kept, [stop.stood_s - stop.waited_s for stop in kept], LEAST_S, grows=True))
    parking = _learn(told, [stop.parking_s or 0.0 for stop in told], 1.0, grows=False)
    served = []
    for stop in kept:
        usual_s = parking.seconds(stop.position, stop.parcels, stop.driver, stop.local_hour)
        parked_s = stop.parking_s if stop.told and stop.parking_s is not None else usual_s
        served.append(max(LEAST_TOLD_S, stop.stood_s - max(parked_s, stop.waited_s)))
    return ServiceTable(service=_learn(kept, served, LEAST_TOLD_S, grows=True), parking=parking)


def _learn(stops: Sequence[Stop], seconds: Sequence[float], least_s: float, *, grows: bool) -> Lasting:
    """What is usual, and how addresses, drivers and hours differ from it. `grows`: with the parcels."""
    took = np.array(seconds, np.float64)
    more = np.array([max(0, stop.parcels - 1) if grows else 0 for stop in stops], np.float64)
    base_s, parcel_s = _line(more, took, least_s)
    usual = base_s + parcel_s * more
    keys: dict[str, list[Any]] = {
        "address": [cell_of(stop.position) for stop in stops],
        "driver": [stop.driver for stop in stops],
        "hour": [stop.local_hour // HOURS for stop in stops],
    }
    groups = {name: _numbered(of_one) for name, of_one in keys.items()}
    found = {name: np.ones(len(names)) for name, (names, _) in groups.items()}
    drawn: dict[str, Drawn] = {}
    _, day = _numbered([stop.day for stop in stops])
    for _ in range(ROUNDS):
        for name, (names, at) in groups.items():
            others = np.prod([found[other][groups[other][1]] for other in groups if other != name], axis=0)
            drawn[name] = ratios(at, len(names), usual * others, took, np.ones(len(names)), day)
            found[name] = drawn[name].ratio
    there = drawn["address"]
    return Lasting(
        base_s=base_s,
        parcel_s=parcel_s,
        addresses={cell: (float(there.own[n] * there.weight[n]), float(there.weight[n])) for n, cell in enumerate(groups["address"][0])},
        address_k=there.k,
        drivers={driver: float(found["driver"][n]) for n, driver in enumerate(groups["driver"][0])},
        hours={hour: float(found["hour"][n]) for n, hour in enumerate(groups["hour"][0])},
    )


def mean_error_s(stops: Sequence[Stop], table: ServiceTable) -> float:
    """Mean over stops of how many seconds the table is off about when the van leaves."""

    def expected_s(stop: Stop) -> float:
        times = table.times(stop.position, stop.parcels, stop.driver, stop.local_hour)
        return max(times.parking_s, stop.waited_s) + times.service_s

    return float(np.mean([abs(expected_s(stop) - stop.stood_s) for stop in stops]))


def cell_of(position: LatLon) -> Cell:
    """The address that a pin is."""
    scale = 10**SAME_ADDRESS_DIGITS
    return round(position.lat_deg * scale), round(position.lon_deg * scale)


def _line(more: Floats, took: Floats, least_s: float) -> tuple[float, float]:
    """Least squares; neither the first parcel nor a further one takes less than no time."""
    spread = float(((more - more.mean()) ** 2).sum())
    slope = max(0.0, float(((more - more.mean()) * (took - took.mean())).sum()) / spread) if spread else 0.0
    slope = min(slope, float(took.mean() / max(float(more.mean()), 1e-9)))
    return max(least_s, float(took.mean()) - slope * float(more.mean())), slope


def _numbered(keys: Sequence[Any]) -> tuple[list[Any], npt.NDArray[np.int64]]:
    names = list(dict.fromkeys(keys))
    number = {name: at for at, name in enumerate(names)}
    return names, np.array([number[key] for key in keys], np.int64)
