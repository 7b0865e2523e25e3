"""Tables as bytes for the database and back; and what decides whether a new one is published. Pure."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from roundsman_hub.learn.lasting import Lasting
from roundsman_hub.learn.service import PARTS, ServiceTable, Stop, expected, lasted_s, learn_service, mean_error_s
from roundsman_hub.learn.speeds import Drive, SpeedTable, learn_speeds, median_error

HELD_OUT: Final = 0.3
"""The newest 30 % of the days judge; they teach only after the table has passed."""
LEAST_DAYS: Final = 2
LEAST_HELD: Final = 20
"""Fewer held-out drives or stops say nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartNumbers:
    """One part of a stop: how long it usually lasts, and how far the table was off about it on held-out stops that told it.

    told : int
        How many those were.
    error_s, alike_s : float
        Mean seconds; `alike_s`: were it the usual one everywhere, with everyone, at all hours.
    """

    part: str
    usual_s: float
    told: int
    error_s: float
    alike_s: float

    @property
    def text(self) -> str:
        return f"{self.part}: {self.usual_s:.0f} s, off by {self.error_s:.1f} s, were all alike by {self.alike_s:.1f}; {self.told} told it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """How a new table did on days that it had not seen, beside the one in force on the same days.

    `error`, `error_in_force`: speeds: median share of a drive's time; service: mean seconds of a stop. `parts`: of stops, those that could
    be told apart.
    """

    train: int
    held_out: int
    days_held_out: int
    error: float
    error_in_force: float
    parts: tuple[PartNumbers, ...] = ()

    @property
    def better(self) -> bool:
        return self.error < self.error_in_force

    @property
    def text(self) -> str:
        share = 100 * (1 - self.error / self.error_in_force) if self.error_in_force else 0.0
        return (
            f"learned from {self.train}, judged on {self.held_out} of {self.days_held_out} later days: "
            f"error {self.error:.4g}, in force {self.error_in_force:.4g} ({share:+.1f} % better)"
        )


class NotEnough(Exception):
    """There is too little to learn from, or to judge by."""


def split_days(days: Sequence[str]) -> frozenset[str]:
    """The days that are held out: the newest.

    Raises
    ------
    NotEnough
        There are fewer than two days.
    """
    known = sorted(set(days))
    if len(known) < LEAST_DAYS:
        raise NotEnough(f"{len(known)} days with drives or stops: at least {LEAST_DAYS} are needed, one to learn from and one to judge by")
    return frozenset(known[-max(1, round(HELD_OUT * len(known))) :])


def judged_speeds(drives: Sequence[Drive], in_force: SpeedTable) -> tuple[SpeedTable, Numbers]:
    """A table of all the drives, and how one of the older days did on the newer."""
    held = split_days([drive.day for drive in drives])
    train = [drive for drive in drives if drive.day not in held]
    test = [drive for drive in drives if drive.day in held]
    _enough(train, test)
    errors = median_error(test, learn_speeds(train)), median_error(test, in_force)
    return learn_speeds(drives), _numbers(train, test, held, *errors)


def judged_service(stops: Sequence[Stop], in_force: ServiceTable | None, planned_s: Sequence[float]) -> tuple[ServiceTable, Numbers]:
    """Likewise. Without a table in force, what the orders said (`planned_s`, beside `stops`) is what has to be beaten.

    A search is in the table only where it was worth knowing on the held-out days: what the roads are off about the last metres is none.
    """
    held = split_days([stop.day for stop in stops])
    train, test = ([stop for stop in stops if (stop.day in held) == later] for later in (False, True))
    _enough(train, test)
    learned = learn_service(train)
    if not _worth_searching(test, learned):
        stops, train, test = ([replace(stop, searched_s=None) for stop in some] for some in (stops, train, test))
        learned = learn_service(train)
    table = learn_service(stops)
    if in_force is None:
        pairs = zip(planned_s, stops, strict=True)
        said = [abs(stop.waited_s + planned - lasted_s(stop)) for planned, stop in pairs if stop.day in held]
        before = sum(said) / len(said)
    else:
        before = mean_error_s(test, in_force)
    numbers = _numbers(train, test, held, mean_error_s(test, learned), before)
    return table, replace(numbers, parts=tuple(_part(name, test, learned) for name in learned.parts if _telling(name, test)))


def _telling(part: str, stops: Sequence[Stop]) -> list[tuple[Stop, float]]:
    return [(stop, seconds) for stop in stops if (seconds := stop.told_s(part)) is not None]


def _worth_searching(test: Sequence[Stop], learned: ServiceTable) -> bool:
    """By squares: most searches are short and a few long, and a round takes their sum."""
    told = _telling("search", test)
    if "search" not in learned.parts or len(told) < LEAST_HELD:
        return False
    return sum((seconds - expected(stop, learned).search_s) ** 2 for stop, seconds in told) < sum(seconds**2 for _, seconds in told)


def _part(name: str, test: Sequence[Stop], learned: ServiceTable) -> PartNumbers:
    told, part = _telling(name, test), learned.parts[name]
    off = [abs(getattr(expected(stop, learned), f"{name}_s") - seconds) for stop, seconds in told]
    alike = [abs(part.usual_s(stop.parcels) - seconds) for stop, seconds in told]
    return PartNumbers(part=name, usual_s=part.base_s, told=len(told), error_s=sum(off) / len(told), alike_s=sum(alike) / len(told))


def speeds_to_bytes(table: SpeedTable) -> bytes:
    """Compact: 40 bytes a segment and band before compression."""
    plain = {
        "factors": [(kind, band, factor) for (kind, band), factor in table.factors.items()],
        "segments": {kind: [(a, b, band, ratio) for ((a, b), band), ratio in own.items()] for kind, own in table.segments.items()},
        "network_kmh": {kind: [(a, b, kmh) for (a, b), kmh in own.items()] for kind, own in table.network_kmh.items()},
    }
    return zlib.compress(msgspec.msgpack.encode(plain))


def speeds_from_bytes(body: bytes) -> SpeedTable:
    """What `speeds_to_bytes` wrote."""
    plain = msgspec.msgpack.decode(zlib.decompress(body))
    return SpeedTable(
        factors={(kind, band): factor for kind, band, factor in plain["factors"]},
        segments={kind: {((a, b), band): ratio for a, b, band, ratio in own} for kind, own in plain["segments"].items()},
        network_kmh={kind: {(a, b): kmh for a, b, kmh in own} for kind, own in plain["network_kmh"].items()},
    )


def service_to_bytes(table: ServiceTable) -> bytes:
    """Compact."""
    plain = _plain(table.service) | {_KEYS.get(name, name): _plain(part) for name, part in table.parts.items()}
    return zlib.compress(msgspec.msgpack.encode(plain))


_KEYS: Final = {"walking": "parking"}
"""What walking to the door was called before the search was told apart from it."""


@functools.lru_cache(maxsize=16)
def service_from_bytes(body: bytes) -> ServiceTable:
    """What `service_to_bytes` wrote. The planner asks for it with every look at a depot, so the newest are kept unpacked.

    Of older tables that have no part of their own, it is within the service.
    """
    plain = msgspec.msgpack.decode(zlib.decompress(body))
    parts = {name: plain.pop(_KEYS.get(name, name), None) for name in PARTS}
    return ServiceTable(service=_lasting(plain), parts={name: _lasting(part) for name, part in parts.items() if part is not None})


def _plain(part: Lasting) -> dict[str, Any]:
    return {
        "base_s": part.base_s,
        "parcel_s": part.parcel_s,
        "address_k": part.address_k,
        "addresses": [(*cell, *told) for cell, told in part.addresses.items()],
        "drivers": dict(part.drivers),
        "hours": list(part.hours.items()),
    }


def _lasting(plain: dict[str, Any]) -> Lasting:
    return Lasting(
        base_s=plain["base_s"],
        parcel_s=plain["parcel_s"],
        address_k=plain["address_k"],
        addresses={(lat, lon): (ratio, weight) for lat, lon, ratio, weight in plain["addresses"]},
        drivers=plain["drivers"],
        hours=dict(plain["hours"]),
    )


def _enough(train: Sequence[object], test: Sequence[object]) -> None:
    if len(test) < LEAST_HELD or len(train) < LEAST_HELD:
        raise NotEnough(f"{len(train)} to learn from and {len(test)} on later days to judge by: at least {LEAST_HELD} of each are needed")


def _numbers(train: Sequence[object], test: Sequence[object], held: frozenset[str], error: float, before: float) -> Numbers:
    return Numbers(train=len(train), held_out=len(test), days_held_out=len(held), error=error, error_in_force=before)
