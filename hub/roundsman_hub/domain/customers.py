"""What a customer may know of an order: their own window and arrival time, and the van's place once they are next. Nothing of others."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from roundsman_core.geo import LatLon

UNDO_WINDOW: Final = timedelta(seconds=60)
"""The driver may take a tap back for this long; a customer is told what happened when it is final."""
FRESH: Final = timedelta(minutes=5)
"""An older position of the van is not shown: it would be taken for where the van is."""
GRID_M: Final = 100.0
"""The van is shown to the nearest 100 m: near enough to walk to the door in time, too coarse to tell at whose door it stands."""
METRES_PER_DEG: Final = 111_195.0

Stage = Literal["taken", "planned", "next", "here", "done", "failed", "cancelled"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CustomerView:
    """One order as its customer sees it."""

    stage: Stage
    kind: Literal["delivery", "pickup"]
    window_start: datetime
    window_end: datetime
    eta: datetime | None
    eta_low: datetime | None
    eta_high: datetime | None
    done_at: datetime | None
    reason: str | None
    place: LatLon | None
    van: LatLon | None
    van_heading_deg: float | None


_STAGES: Final[dict[str, Stage]] = {
    "new": "taken",
    "waiting_for_place": "taken",
    "unassigned": "taken",
    "planned": "planned",
    "next": "next",
    "arrived": "here",
    "delivered": "done",
    "failed": "failed",
    "cancelled": "cancelled",
}


def view(order: Mapping[str, Any], van: Mapping[str, Any] | None, now: datetime) -> CustomerView:
    """What the customer of an order sees now.

    Parameters
    ----------
    order : mapping
        Row of `store.orders.shown`.
    van : mapping, optional
        Row of `vehicle_now` of the order's van.
    now : datetime
        Business time.
    """
    stage = _STAGES[order["state"]]
    if stage in ("done", "failed") and order["done_at"] is not None and now - order["done_at"] < UNDO_WINDOW:
        stage = "here"
    on_the_way = stage in ("planned", "next")
    near = _near(van, now) if stage == "next" and van is not None else None
    return CustomerView(
        stage=stage,
        kind=order["kind"],
        window_start=order["promise_start"] or order["window_start"],
        window_end=order["promise_end"] or order["window_end"],
        eta=order["eta"] if on_the_way else None,
        eta_low=order["eta_low"] if on_the_way else None,
        eta_high=order["eta_high"] if on_the_way else None,
        done_at=order["done_at"] if stage in ("done", "failed") else None,
        reason=order["reason"] if stage == "failed" else None,
        place=None if order["lat_e6"] is None else LatLon.from_e6(order["lat_e6"], order["lon_e6"]),
        van=near,
        van_heading_deg=None
        if near is None or van is None or van["heading_cdeg"] is None
        else round(van["heading_cdeg"] / 4500) % 8 * 45.0,
    )


def _near(van: Mapping[str, Any], now: datetime) -> LatLon | None:
    if van["lat_e6"] is None or van["time"] is None or now - van["time"] > FRESH:
        return None
    return coarse(LatLon.from_e6(van["lat_e6"], van["lon_e6"]))


def coarse(at: LatLon) -> LatLon:
    """The nearest point of a 100 m grid."""
    lat_step = GRID_M / METRES_PER_DEG
    lat = max(-90.0, min(90.0, round(at.lat_deg / lat_step) * lat_step))
    lon_step = lat_step / max(0.01, math.cos(math.radians(lat)))
    lon = max(-180.0, min(180.0, round(at.lon_deg / lon_step) * lon_step))
    return LatLon(round(lat, 6), round(lon, 6))
