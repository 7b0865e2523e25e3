"""Tables as bytes for the database and back; and what decides whether a new one is published. Pure."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from roundsman_hub.learn.service import Lasting, ServiceTable, Stop, learn_service, mean_error_s
from roundsman_hub.learn.speeds import Drive, SpeedTable, learn_speeds, median_error

HELD_OUT: Final = 0.3
"""The newest 30 % of the days judge; they teach only after the table has passed."""
LEAST_DAYS: Final = 2
LEAST_HELD: Final = 20
"""Fewer held-out drives or stops say nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """How a new table did on days that it had not seen, beside the one in force on the same days.

    `error`, `error_in_force`: speeds: median share of a drive's time; service: mean seconds of a stop.
    """

    train: int
    held_out: int
    days_held_out: int
    error: float
    error_in_force: float

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
    """Likewise. Without a table in force, what the orders said (`planned_s`, beside `stops`) is what has to be beaten."""
    held = split_days([stop.day for stop in stops])
    train = [stop for stop in stops if stop.day not in held]
    test = [stop for stop in stops if stop.day in held]
    _enough(train, test)
    if in_force is None:
        said = [abs(stop.waited_s + planned - stop.stood_s) for planned, stop in zip(planned_s, stops, strict=True) if stop.day in held]
        before = sum(said) / len(said)
    else:
        before = mean_error_s(test, in_force)
    return learn_service(stops), _numbers(train, test, held, mean_error_s(test, learn_service(train)), before)


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
    plain = _plain(table.service) | {"parking": None if table.parking is None else _plain(table.parking)}
    return zlib.compress(msgspec.msgpack.encode(plain))


@functools.lru_cache(maxsize=16)
def service_from_bytes(body: bytes) -> ServiceTable:
    """What `service_to_bytes` wrote. The planner asks for it with every look at a depot, so the newest are kept unpacked.

    Tables of before parking was learned apart are joint.
    """
    plain = msgspec.msgpack.decode(zlib.decompress(body))
    parking = plain.pop("parking", None)
    return ServiceTable(service=_lasting(plain), parking=None if parking is None else _lasting(parking))


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
