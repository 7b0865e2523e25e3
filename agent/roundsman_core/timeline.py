"""The timeline of a round: when the van will stand at each remaining stop, when it may begin there, and how late that is.

Van and hub compute it alike, from the plan's own leg and service times, so the driver's screen and the customer's page agree.
Times of day are UTC milliseconds since 1970; lengths of time are whole seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from roundsman_core.geo import LatLon, distance_m
from roundsman_wire.messages import PlanStop

DETOUR: Final = 1.5
"""Road metres per great-circle metre. Medians over pairs of addresses more than 300 m apart, by OSRM's car profile: Helsinki's centre
1.68, Baltimore 1.35, Liechtenstein 1.59."""
PACE_MPS: Final = 9.0
"""Pace where the plan has none of its own; the same pairs' medians are 5.8, 11.8 and 11.1."""
SLOWEST_PACE_MPS: Final = 2.0
FASTEST_PACE_MPS: Final = 35.0
"""A leg of a few metres can have any quotient of metres and seconds; a van has not."""
SHORT_LEG_M: Final = 200
"""Below this a leg is mostly its turns: its pace says nothing of the road that is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopTime:
    """What the timeline needs of a stop.

    `leg_s`: drive from the stop before. Service starts inside the window; None: any time.
    """

    leg_s: int
    service_s: int
    window_start_utc_ms: int | None = None
    window_end_utc_ms: int | None = None

    def __post_init__(self) -> None:
        if self.leg_s < 0 or self.service_s < 0:
            raise ValueError(f"a stop with leg {self.leg_s} s and service {self.service_s} s: neither can be negative")

    @classmethod
    def of(cls, stop: PlanStop) -> StopTime:
        """The times of a plan's stop."""
        return cls(
            leg_s=stop.leg_s,
            service_s=stop.service_s,
            window_start_utc_ms=stop.window_start_utc_ms,
            window_end_utc_ms=stop.window_end_utc_ms,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One stop's expected times. `eta_utc_ms`: the van stands there; `start_utc_ms`: service begins, at the window's start at the
    earliest; `late_s`: how long after the window's end that is."""

    eta_utc_ms: int
    start_utc_ms: int
    departure_utc_ms: int
    late_s: int


def arrivals(now_utc_ms: int, first_leg_s: int, stops: Sequence[StopTime], *, in_progress_since_utc_ms: int | None = None) -> list[Arrival]:
    """Expected times at the stops that remain, in driving order.

    Parameters
    ----------
    now_utc_ms : int
        The instant that is computed for.
    first_leg_s : int
        Seconds of driving that are left to the first stop (see `first_leg_s`); its own `leg_s` is not used.
    stops : sequence of StopTime
        What remains, the stop in progress included.
    in_progress_since_utc_ms : int, optional
        When the van arrived at the first stop, if it stands there. A service that takes longer than planned ends now, at the earliest.

    Returns
    -------
    list of Arrival
        One for each stop. With more delay no arrival is earlier: first in, first out.
    """
    out: list[Arrival] = []
    at = now_utc_ms + 1000 * first_leg_s
    for index, stop in enumerate(stops):
        standing = index == 0 and in_progress_since_utc_ms is not None
        if standing and in_progress_since_utc_ms is not None:
            at = in_progress_since_utc_ms
        elif index:
            at += 1000 * stop.leg_s
        start = at if stop.window_start_utc_ms is None else max(at, stop.window_start_utc_ms)
        departure = start + 1000 * stop.service_s
        if standing:
            departure = max(departure, now_utc_ms)
        late_ms = 0 if stop.window_end_utc_ms is None else max(0, start - stop.window_end_utc_ms)
        out.append(Arrival(eta_utc_ms=at, start_utc_ms=start, departure_utc_ms=departure, late_s=late_ms // 1000))
        at = departure
    return out


def first_leg_s(position: LatLon, stop: LatLon, *, leg_s: int, leg_m: int) -> int:
    """Seconds of driving left to the next stop, without a road network at hand.

    The rest of the way is the great circle times `DETOUR`, driven at the pace that the plan gives this leg.

    Parameters
    ----------
    position, stop : LatLon
        Where the van is, and where it drives to.
    leg_s, leg_m : int
        The plan's own figures for the leg that the van is on.
    """
    pace_mps = PACE_MPS
    if leg_m >= SHORT_LEG_M and leg_s > 0:
        pace_mps = min(max(leg_m / leg_s, SLOWEST_PACE_MPS), FASTEST_PACE_MPS)
    return round(distance_m(position, stop) * DETOUR / pace_mps)
