"""What a stop takes, and of which parts: looking for a place to park, walking to the door, service, walking back. Pure.

| part | from | until | told by |
|---|---|---|---|
| search | the van comes near, and so long on as the drive from there takes | it stands | the visit's `approaching` and `arrived` |
| walking | it stands | service starts | the first tap ("arrived") or scan; else, for less, how far from the door it stands |
| service | service starts | the last word at the door | what is left |
| back | the last word at the door ("delivered", "failed" …) | it leaves | that tap |

Each is learned by address, parcels, driver and hour (`lasting`). What the evidence does not tell apart stays together: without taps
walking is within the service, and the table says so (`joint`); where drivers say "delivered" in the van, walking back is; and
where no approach was told, or the drive takes as long as expected, there is no search. The sum is the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import numpy as np

from roundsman_core.geo import LatLon
from roundsman_hub.learn.lasting import Lasting, Word, further, learn_lasting, slopes, told_apart

LEAST_S, MOST_S = 20.0, 3_600.0
"""Shorter is a van that drove by, longer a break or a repair: neither says how long a delivery takes."""
MOST_WALK_S: Final = 900.0
LEAST_TOLD_S: Final = 10.0
"""A tap a quarter of an hour after the standstill, or right before the van leaves, was forgotten and made up for: it tells nothing."""
LEAST_TOLD: Final = 20
"""So many stops must tell a part; with fewer it stays within another."""
MOST_APART_M: Final = 300.0
"""Farther from the door than that, the pin is wrong, or the van stood there for something else."""
LEAST_SHARE: Final = 0.02
"""Of what differs in walking, the distance has to explain so much before it stands in for a tap."""
LEAST_SEARCH_S, LEAST_BACK_S = 5.0, 10.0
"""Less than that on average is the roads' error, or the hand at the ignition key: no part of its own."""
MOST_SEARCH_S: Final = 900.0
MOST_QUICKER_S: Final = 60.0
"""A search of more than a quarter of an hour was something else; a minute quicker than expected as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A visit that was served. `local_hour`: when it began. `day`: local date. None: nobody told.

    stood_s : float
        From standstill to departure.
    waited_s : float
        From standstill until the window opened; 0 where it was open.
    searched_s : float, optional
        From when the van came near until it stood, beyond what the drive from there is expected to take; negative where it was quicker.
    apart_m : float, optional
        From where it stood to the order's place.
    walked_s : float, optional
        From standstill to the first tap or scan.
    back_s : float, optional
        From the last word at the door to departure.
    """

    position: LatLon
    parcels: int
    driver: str
    local_hour: int
    day: str
    stood_s: float
    waited_s: float = 0.0
    searched_s: float | None = None
    apart_m: float | None = None
    walked_s: float | None = None
    back_s: float | None = None

    def told_s(self, part: str) -> float | None:
        """How long a part of it lasted, where it tells; None where it does not. What cannot be is not believed."""
        return _TOLD[part](self)

    def word(self, seconds: float, weighs: float = 1.0) -> Word:
        """That something of it lasted so long."""
        return Word(
            position=self.position,
            parcels=self.parcels,
            driver=self.driver,
            local_hour=self.local_hour,
            day=self.day,
            seconds=seconds,
            weighs=weighs,
        )


def can_be_search(seconds: float) -> bool:
    """Whether so much more than the drive may have been looking for a place."""
    return -MOST_QUICKER_S <= seconds <= MOST_SEARCH_S


def _searched(stop: Stop) -> float | None:
    return stop.searched_s if stop.searched_s is not None and can_be_search(stop.searched_s) else None


def _walked(stop: Stop) -> float | None:
    if stop.walked_s is None or not 0 <= stop.walked_s <= MOST_WALK_S:
        return None
    return stop.walked_s if stop.stood_s - max(stop.walked_s, stop.waited_s) >= LEAST_TOLD_S else None


def _back(stop: Stop) -> float | None:
    if stop.back_s is None or not 0 <= stop.back_s <= MOST_WALK_S:
        return None
    before_s = max(_walked(stop) or 0.0, stop.waited_s)
    return stop.back_s if stop.stood_s - before_s - stop.back_s >= LEAST_TOLD_S else None


_TOLD: Final = {"search": _searched, "walking": _walked, "back": _back}
PARTS: Final = tuple(_TOLD)
"""Of a stop, beside service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopTimes:
    """Expected seconds of a stop's parts, in their order. The first is over when the van stands."""

    search_s: float = 0.0
    walking_s: float = 0.0
    service_s: float
    back_s: float = 0.0

    @property
    def total_s(self) -> float:
        """From standstill to departure, where nothing is waited for."""
        return self.walking_s + self.service_s + self.back_s


@dataclass(frozen=True, kw_only=True)
class ServiceTable:
    """What was learned of stops. `parts`: beside service, "search", "walking" and "back", where they could be told apart."""

    service: Lasting = field(default_factory=Lasting)
    parts: Mapping[str, Lasting] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def joint(self) -> bool:
        """Whether walking to the door is within the service."""
        return "walking" not in self.parts

    def times(self, position: LatLon, parcels: int, driver: str | None, local_hour: int) -> StopTimes:
        """How long a stop is expected to last; `driver` None: with anyone."""
        told = {f"{name}_s": part.seconds(position, parcels, driver, local_hour) for name, part in self.parts.items()}
        return StopTimes(service_s=self.service.seconds(position, parcels, driver, local_hour), **told)

    def pace(self, driver: str | None) -> float:
        """How many times as long a usual stop takes with this driver, once the van stands."""
        if driver is None:
            return 1.0
        parts = [self.service, *(part for name, part in self.parts.items() if name != "search")]
        return sum(part.base_s * part.drivers.get(driver, 1.0) for part in parts) / sum(part.base_s for part in parts)


def learn_service(stops: Sequence[Stop]) -> ServiceTable:
    """The table that stops teach."""
    parts: dict[str, Lasting] = {}
    searches = [stop.word(seconds) for stop in stops if (seconds := stop.told_s("search")) is not None]
    if len(searches) >= LEAST_TOLD and float(np.mean([word.seconds for word in searches])) >= LEAST_SEARCH_S:
        parts["search"] = learn_lasting(searches, 1.0)
    kept = [stop for stop in stops if LEAST_S <= stop.stood_s - stop.waited_s <= MOST_S]
    if not kept:
        return ServiceTable(parts=parts)
    if sum(stop.told_s("walking") is not None for stop in kept) >= LEAST_TOLD:
        parts["walking"] = _learn_walking(kept)
    backs = [stop.word(seconds) for stop in kept if (seconds := stop.told_s("back")) is not None]
    if len(backs) >= LEAST_TOLD and float(np.mean([word.seconds for word in backs])) >= LEAST_BACK_S:
        parts["back"] = learn_lasting(backs, 1.0)
    served = []
    for stop in kept:
        walked_s, back_s = (_told_or_usual(stop, name, parts) for name in ("walking", "back"))
        served.append(stop.word(max(LEAST_TOLD_S, stop.stood_s - max(walked_s, stop.waited_s) - back_s)))
    return ServiceTable(service=learn_lasting(served, LEAST_TOLD_S), parts=parts)


def _told_or_usual(stop: Stop, name: str, parts: Mapping[str, Lasting]) -> float:
    """A stop that does not tell a part lends its service what is left after the usual one there."""
    if name not in parts:
        return 0.0
    told_s = stop.told_s(name)
    return parts[name].seconds(stop.position, stop.parcels, stop.driver, stop.local_hour) if told_s is None else told_s


def _learn_walking(stops: Sequence[Stop]) -> Lasting:
    """From taps. A stop without one says how far from the door the van stood: its word counts by the share that the distance explains of
    what differs where there were taps."""
    words = [stop.word(seconds) for stop in stops if (seconds := stop.told_s("walking")) is not None]
    near = [stop for stop in stops if stop.told_s("walking") is not None and _apart_m(stop) is not None]
    usual = learn_lasting(words, 1.0)
    if len(near) < LEAST_TOLD:
        return usual
    took = np.array([stop.told_s("walking") for stop in near], np.float64)
    apart_m = np.array([_apart_m(stop) for stop in near], np.float64)
    more = further([stop.word(0.0) for stop in near])
    metre_s, parcel_s = slopes(np.column_stack([apart_m, more]), took).tolist()
    rest = took - parcel_s * more
    share = 1 - float(np.var(rest - metre_s * apart_m)) / max(float(np.var(rest)), 1e-9)
    if share < LEAST_SHARE:
        return usual
    mean_m = float(apart_m.mean())
    for stop in stops:
        metres = _apart_m(stop)
        if stop.told_s("walking") is None and metres is not None:
            words.append(stop.word(max(0.0, usual.usual_s(stop.parcels) + metre_s * (metres - mean_m)), share))
    return told_apart(words, usual.base_s, usual.parcel_s)


def _apart_m(stop: Stop) -> float | None:
    return None if stop.apart_m is None or stop.apart_m > MOST_APART_M else stop.apart_m


def expected(stop: Stop, table: ServiceTable) -> StopTimes:
    """What the table says of a stop that was."""
    return table.times(stop.position, stop.parcels, stop.driver, stop.local_hour)


def mean_error_s(stops: Sequence[Stop], table: ServiceTable) -> float:
    """Mean over stops of how many seconds the table is off about when the van leaves, from when it came near where that was told, else from
    its standstill."""
    return float(np.mean([abs(_lasts_s(stop, expected(stop, table)) - lasted_s(stop)) for stop in stops]))


def lasted_s(stop: Stop) -> float:
    """How long a stop was, with the search where that was told."""
    return stop.stood_s + (stop.told_s("search") or 0.0)


def _lasts_s(stop: Stop, times: StopTimes) -> float:
    search_s = 0.0 if stop.told_s("search") is None else times.search_s
    return search_s + max(times.walking_s, stop.waited_s) + times.service_s + times.back_s
