"""What somebody should look at, read off a vehicle's derived day in event time. Pure: the same log gives the same alerts.

An alert is true of the log as it is by now. When the rest of the log arrives it may no longer be: then it is gone from here, and the
caller retracts it. The only instant that is not the log's own is `horizon`: how far business time has come, for what did *not* happen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final, Literal

from roundsman_core.geo import LatLon, distance_m

Kind = Literal["long_dwell", "fence_enter", "fence_dwell", "fence_speeding", "silent", "late", "position_dropped"]

KINDS: Final[dict[Kind, str]] = {
    "long_dwell": "stood long outside its plan, on duty",
    "fence_enter": "entered a standing fence",
    "fence_dwell": "stayed in a standing fence for longer than it allows",
    "fence_speeding": "drove faster than a standing fence allows",
    "silent": "its log says nothing for a while, on duty",
    "late": "an order was, or is being, served after what was promised",
    "position_dropped": "an order's position that a dispatcher gave could not be kept; its van was (told by the planner, not the log)",
}
LONG_DWELL: Final = timedelta(minutes=15)
"""A coffee is shorter. Time on a break, or off duty, does not count."""
SILENT: Final = timedelta(minutes=15)
"""A unit tells its health every five minutes: three of them are missing."""
AT_DEPOT_M: Final = 150.0
"""Vans stand about the yard before and after a round: that is no stop outside the plan."""
_CROSSINGS: Final[dict[str, Kind]] = {"enter": "fence_enter", "dwell": "fence_dwell", "speeding": "fence_speeding"}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Span = tuple[datetime, datetime | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert. `alert` names it for good: the same event of the same log has the same name. `to_at` None: it lasts."""

    alert: str
    kind: Kind
    vehicle_id: str
    from_at: datetime
    to_at: datetime | None = None
    order_id: str | None = None
    fence_id: str | None = None
    detail: dict[str, float | str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """A standstill of the vehicle: `store` table visits."""

    session: str
    visit: int
    order_id: str | None
    arrived_at: datetime
    left_at: datetime | None
    lat_e6: int
    lon_e6: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossed:
    """A crossing of a standing fence, with the fence's name."""

    session: str
    seq: int
    fence_id: str
    fence: str
    event: str
    at: datetime
    speed_cm_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """An order that a vehicle has, or had, to serve. `served_at`: when the van stood there, else when it was said to be done."""

    order_id: str
    vehicle_id: str
    due_at: datetime
    served_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleDay:
    """What a vehicle's alerts are read off: any stretch that begins between shifts, or with the vehicle itself.

    duties : (instant, word) in the log's order. heard : instants of facts that the log has, ascending.
    """

    vehicle_id: str
    depot: LatLon
    stands: Sequence[Stand]
    crossings: Sequence[Crossed]
    duties: Sequence[tuple[datetime, str]]
    heard: Sequence[datetime]


def vehicle_alerts(day: VehicleDay, horizon: datetime) -> list[Alert]:
    """Alerts of one vehicle, oldest first."""
    found = [*_dwells(day), *_crossings(day), *_silences(day, horizon)]
    return sorted(found, key=lambda alert: (alert.from_at, alert.alert))


def late(order: Due, horizon: datetime) -> Alert | None:
    """Is, or was, the order served after what was promised (or else after its window)?"""
    when = order.served_at
    if (when if when is not None else horizon) <= order.due_at:
        return None
    return Alert(
        alert=f"late:{order.order_id}", kind="late", vehicle_id=order.vehicle_id, from_at=order.due_at, to_at=when, order_id=order.order_id
    )


def _dwells(day: VehicleDay) -> list[Alert]:
    worked = _on_duty(day.duties)
    last = day.heard[-1] if day.heard else None
    out = []
    for stand in day.stands:
        place = LatLon.from_e6(stand.lat_e6, stand.lon_e6)
        end = stand.left_at or last
        if stand.order_id is not None or end is None or distance_m(place, day.depot) < AT_DEPOT_M:
            continue
        if sum((_overlap(stand.arrived_at, end, span) for span in worked), timedelta()) < LONG_DWELL:
            continue
        out.append(
            Alert(
                alert=f"long_dwell:{stand.session}:{stand.visit}",
                kind="long_dwell",
                vehicle_id=day.vehicle_id,
                from_at=stand.arrived_at,
                to_at=stand.left_at,
                detail={"lat_deg": place.lat_deg, "lon_deg": place.lon_deg},
            )
        )
    return out


def _crossings(day: VehicleDay) -> list[Alert]:
    return [
        Alert(
            alert=f"{kind}:{crossed.session}:{crossed.seq}",
            kind=kind,
            vehicle_id=day.vehicle_id,
            from_at=crossed.at,
            to_at=crossed.at,
            fence_id=crossed.fence_id,
            detail={"fence": crossed.fence, "speed_mps": None if crossed.speed_cm_s is None else crossed.speed_cm_s / 100},
        )
        for crossed in day.crossings
        if (kind := _CROSSINGS.get(crossed.event)) is not None
    ]


def _silences(day: VehicleDay, horizon: datetime) -> list[Alert]:
    """Stretches without a fact, begun while not off duty. Told from the log: a van without network is not silent once its log is here."""
    words = sorted(day.duties, key=lambda word: word[0])
    out = []
    at = 0
    duty = "off"
    for before, after in [*pairwise(day.heard), *([(day.heard[-1], None)] if day.heard else [])]:
        while at < len(words) and words[at][0] <= before:
            duty = words[at][1]
            at += 1
        if duty != "off" and (after or horizon) - before >= SILENT:
            milliseconds = round((before - _EPOCH) / timedelta(milliseconds=1))
            name = f"silent:{day.vehicle_id}:{milliseconds}"
            out.append(Alert(alert=name, kind="silent", vehicle_id=day.vehicle_id, from_at=before, to_at=after))
    return out


def _on_duty(duties: Sequence[tuple[datetime, str]]) -> list[Span]:
    """Stretches in which the driver worked; a vehicle that never says is taken to work always."""
    if not duties:
        return [(_EPOCH, None)]
    words = sorted(duties, key=lambda word: word[0])
    ends: list[datetime | None] = [*(at for at, _ in words[1:]), None]
    return [(at, end) for (at, word), end in zip(words, ends, strict=True) if word == "on"]


def _overlap(start: datetime, end: datetime, span: Span) -> timedelta:
    until = end if span[1] is None else min(end, span[1])
    return max(timedelta(), until - max(start, span[0]))
