"""What a customer may know of an order: their own window and arrival time, how many stops are before theirs, and the van's place once
it is their turn. Nothing of others."""

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
SOON: Final = timedelta(minutes=10)
"""The van is shown when it is one stop away, or so near in time: who waits wants to see it come, and nobody else is interested."""
LATE_GRACE: Final = timedelta(minutes=5)
"""A promise is to the quarter of an hour; less than this is not told as late."""
UNSURE_AHEAD: Final = timedelta(hours=1)
"""What no van has so near to its window is told: before, another plan may still keep it."""
UNSURE_AFTER: Final = timedelta(minutes=2)
"""And for so long: a re-plan and the vans' answers take seconds."""
UNSURE: Final = "late_unsure"
STEPS: Final = ((timedelta(hours=3), 30), (timedelta(hours=1), 15), (timedelta(0), 5))
"""(time left, minutes): what is far away is told coarsely, so that it need not be taken back."""

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
    stops_before: int | None = None
    expected: tuple[datetime, datetime] | None = None
    """The window, narrowed to what the arrival time says; rounded outward."""
    basis: str | None = None
    """By whose roads that is; None: there is no arrival time."""
    late: str | None = None
    """Why it is late, as a word of the page; None: it is not."""

    @property
    def straight(self) -> bool:
        """Whether what is expected comes from straight lines, for want of roads: that is said where it is told."""
        return self.expected is not None and (self.basis or "").startswith("great_circle")


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


def view(
    order: Mapping[str, Any],
    van: Mapping[str, Any] | None,
    now: datetime,
    *,
    stops_before: int | None = None,
    reported: str | None = None,
) -> CustomerView:
    """What the customer of an order sees now.

    Parameters
    ----------
    order : mapping
        Row of `store.orders.shown`.
    van : mapping, optional
        Row of `vehicle_now` of the order's van.
    now : datetime
        Business time.
    stops_before : int, optional
        Stops that the van still makes before this one, where a plan has it.
    reported : str, optional
        Topic of what the van's driver last reported today.
    """
    stage = _STAGES[order["state"]]
    if stage in ("done", "failed") and order["done_at"] is not None and now - order["done_at"] < UNDO_WINDOW:
        stage = "here"
    on_the_way = stage in ("planned", "next")
    eta, low, high = (order[name] if on_the_way else None for name in ("eta", "eta_low", "eta_high"))
    soon = on_the_way and eta is not None and stops_before is not None and eta - now <= SOON
    near = _near(van, now) if van is not None and (stage == "next" or soon) else None
    opens, promised = order["promise_start"] or order["window_start"], order["promise_end"] or order["window_end"]
    return CustomerView(
        stage=stage,
        kind=order["kind"],
        window_start=opens,
        window_end=promised,
        eta=eta,
        eta_low=low,
        eta_high=high,
        done_at=order["done_at"] if stage in ("done", "failed") else None,
        reason=order["reason"] if stage == "failed" else None,
        place=None if order["lat_e6"] is None else LatLon.from_e6(order["lat_e6"], order["lon_e6"]),
        van=near,
        van_heading_deg=None
        if near is None or van is None or van["heading_cdeg"] is None
        else round(van["heading_cdeg"] / 4500) % 8 * 45.0,
        stops_before=stops_before if on_the_way else None,
        # A van that is there sooner waits: nobody is asked to be at home before their window.
        expected=None if low is None or high is None else narrowed(max(low, opens), max(high, opens), now),
        basis=order["eta_basis"] if on_the_way else None,
        late=_late(reported) if low is not None and low > promised + LATE_GRACE else UNSURE if _unsure(order, opens, now) else None,
    )


def _unsure(order: Mapping[str, Any], opens: datetime, now: datetime) -> bool:
    if order["state"] != "unassigned" or opens - now > UNSURE_AHEAD:
        return False
    return bool(now - order["unassigned_at"] >= UNSURE_AFTER)


def narrowed(low: datetime, high: datetime, now: datetime) -> tuple[datetime, datetime]:
    """From when to when the van is expected: the arrival's range, rounded outward; the nearer, the finer.

    It never begins in the past, and always holds what it was made from as far as that lies ahead.
    """
    minutes = next((step for left, step in STEPS if low - now >= left), STEPS[-1][1])
    step_s = 60 * minutes
    first, last = int(max(low, now).timestamp()) // step_s * step_s, -(-int(max(high, now).timestamp() + 1) // step_s) * step_s
    return datetime.fromtimestamp(first, low.tzinfo), datetime.fromtimestamp(last, low.tzinfo)


def _late(reported: str | None) -> str:
    return {"breakdown": "late_breakdown", "accident": "late_accident", "road_closed": "late_road"}.get(reported or "", "late_round")


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
