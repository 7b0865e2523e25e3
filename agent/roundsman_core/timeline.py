"""The timeline of a round: when the van will stand at each remaining stop, when it may begin there, and how late that is.

Van and hub compute it alike, from the plan's own leg and service times, so the driver's screen and the customer's page agree.
Times of day are UTC milliseconds since 1970; lengths of time are whole seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import is_
from typing import Final

from roundsman_core.geo import LatLon, distance_m
from roundsman_wire.messages import Plan, PlanStop

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
NO_WAY: Final = 65_535
"""In a plan's matrix: no road leads there."""
BREAK_S: Final = 900
"""A driver on a break is taken to drive on after this: half of a usual lunch break."""
HOUR_MS: Final = 3_600_000
LEAST_FACTOR: Final = 0.2
"""A road that an hour makes five times as fast is an error, and one of 0 would never be driven through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopTime:
    """What the timeline needs of a stop.

    `leg_s`: drive from the stop before, until the van stands. `service_s`: the whole stop, of which `parking_s` pass before service starts:
    the walk to the door. Service starts inside the window; None: any time.
    """

    leg_s: int
    service_s: int
    window_start_utc_ms: int | None = None
    window_end_utc_ms: int | None = None
    parking_s: int = 0

    def __post_init__(self) -> None:
        if self.leg_s < 0 or self.service_s < 0 or not 0 <= self.parking_s <= self.service_s:
            raise ValueError(f"a stop with leg {self.leg_s} s, {self.service_s} s there and {self.parking_s} s of these for parking")

    @classmethod
    def of(cls, stop: PlanStop) -> StopTime:
        """The times of a plan's stop."""
        return cls(
            leg_s=stop.leg_s,
            service_s=stop.service_s,
            window_start_utc_ms=stop.window_start_utc_ms,
            window_end_utc_ms=stop.window_end_utc_ms,
            parking_s=min(max(stop.parking_s, 0), stop.service_s),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A break of the driver's, after so many of the stops that remain, not before `earliest_utc_ms`."""

    after: int
    duration_s: int
    earliest_utc_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One stop's expected times. `eta_utc_ms`: the van stands there; `start_utc_ms`: service begins, after parking and at the window's
    start at the earliest; `late_s`: how long after the window's end that is."""

    eta_utc_ms: int
    start_utc_ms: int
    departure_utc_ms: int
    late_s: int


def arrivals(
    now_utc_ms: int,
    first_leg_s: int,
    stops: Sequence[StopTime],
    *,
    in_progress_since_utc_ms: int | None = None,
    band_factors: Sequence[float] = (),
    pauses: Sequence[Pause] = (),
) -> list[Arrival]:
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
    band_factors : sequence of float
        The plan's own (`paces_of`): 24 multipliers of driving time, by hour UTC; empty: none.
    pauses : sequence of Pause
        The breaks that are left (see `pauses_of`): each delays what comes after it.

    Returns
    -------
    list of Arrival
        One for each stop. With more delay no arrival is earlier: first in, first out.
    """
    out: list[Arrival] = []
    at = driven_utc_ms(_rested(now_utc_ms, 0, pauses), first_leg_s, band_factors)
    for index, stop in enumerate(stops):
        standing = index == 0 and in_progress_since_utc_ms is not None
        if standing and in_progress_since_utc_ms is not None:
            at = in_progress_since_utc_ms
        elif index:
            at = driven_utc_ms(at, stop.leg_s, band_factors)
        parked = at + 1000 * stop.parking_s
        start = parked if stop.window_start_utc_ms is None else max(parked, stop.window_start_utc_ms)
        departure = start + 1000 * (stop.service_s - stop.parking_s)
        if standing:
            departure = max(departure, now_utc_ms)
        late_ms = 0 if stop.window_end_utc_ms is None else max(0, start - stop.window_end_utc_ms)
        out.append(Arrival(eta_utc_ms=at, start_utc_ms=start, departure_utc_ms=departure, late_s=late_ms // 1000))
        at = _rested(departure, index + 1, pauses)
    return out


def _rested(at_utc_ms: int, after: int, pauses: Sequence[Pause]) -> int:
    for pause in pauses:
        if pause.after == after:
            at_utc_ms = max(at_utc_ms, pause.earliest_utc_ms) + 1000 * pause.duration_s
    return at_utc_ms


def pauses_of(plan: Plan, stops: Sequence[PlanStop], now_utc_ms: int) -> list[Pause]:
    """The plan's breaks that are left, among the stops that remain, in whatever order these are driven.

    A break belongs behind the stop that the plan has it after. Where that is done, the break is still to come as long as its time is.
    """
    at = {stop.stop: index for index, stop in enumerate(stops)}
    out = []
    for pause in plan.breaks:
        before = plan.stops[pause.after_stops - 1].stop if 0 < pause.after_stops <= len(plan.stops) else None
        if before in at:
            out.append(Pause(after=at[before] + 1, duration_s=pause.duration_s, earliest_utc_ms=pause.window_start_utc_ms))
        elif pause.start_utc_ms >= now_utc_ms:
            out.append(Pause(after=0, duration_s=pause.duration_s, earliest_utc_ms=pause.start_utc_ms))
    return out


def driven_utc_ms(start_utc_ms: int, leg_s: int, band_factors: Sequence[float] = ()) -> int:
    """When a leg that is begun at `start_utc_ms` has been driven.

    A leg that crosses an hour's border drives what is left of it at the next hour's pace, so who leaves later never arrives sooner.
    """
    if len(band_factors) != 24:
        return start_utc_ms + 1000 * leg_s
    at, left_ms = start_utc_ms, 1000.0 * leg_s
    while True:
        factor = max(band_factors[at // HOUR_MS % 24], LEAST_FACTOR)
        until_border_ms = HOUR_MS - at % HOUR_MS
        if left_ms * factor <= until_border_ms:
            return at + round(left_ms * factor)
        left_ms -= until_border_ms / factor
        at += until_border_ms


def paces_of(plan: Plan) -> tuple[float, ...]:
    """How long driving takes in each hour UTC, as multipliers of the times of `Legs`; empty: all hours are alike."""
    if len(plan.hour_paces_pct) == 24 and min(plan.hour_paces_pct) > 0:
        return tuple(percent / 100 for percent in plan.hour_paces_pct)
    return plan.band_factors


def unpaced_s(start_utc_ms: int, driven_s: int, paces: Sequence[float]) -> int:
    """What a drive of `driven_s` that began then is at pace 1: `driven_utc_ms` turned round."""
    if len(paces) != 24:
        return driven_s
    at, end, left = start_utc_ms, start_utc_ms + 1000 * driven_s, 0.0
    while at < end:
        border = min(at + HOUR_MS - at % HOUR_MS, end)
        left += (border - at) / max(paces[at // HOUR_MS % 24], LEAST_FACTOR)
        at = border
    return round(left / 1000)


class Legs:
    """Driving times between the places of a plan: its own legs, then its matrix, then an estimate. Seconds, at pace 1 (see `paces_of`)."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._paces = paces_of(plan) if plan.hour_paces_pct else ()
        self._before = {stop.stop: before.stop for before, stop in zip(plan.stops, plan.stops[1:], strict=False)}
        places = round((len(plan.matrix_s) // 2) ** 0.5)
        self._places = places if 2 * places * places == len(plan.matrix_s) else 0
        self._index = {stop.stop: at for at, stop in enumerate(plan.stops[: max(self._places - 1, 0)], start=1)}
        self._timed: tuple[tuple[PlanStop, ...], list[StopTime]] = (), []

    def before(self, stop: PlanStop) -> PlanStop | None:
        """The stop that the plan has before this one; None: it comes from the depot."""
        name = self._before.get(stop.stop)
        return next((other for other in self._plan.stops if other.stop == name), None)

    def seconds(self, start: PlanStop | None, stop: PlanStop) -> int:
        """From a stop (None: the depot) to another."""
        if self._before.get(stop.stop) == (None if start is None else start.stop):
            return self.own_s(stop)
        told = self._told(0 if start is None else self._index.get(start.stop), self._index.get(stop.stop))
        return told if told is not None else self._guess(start, stop)

    def own_s(self, stop: PlanStop) -> int:
        """The plan's own leg to a stop, which has the pace of the hour that it is planned in."""
        return unpaced_s(stop.arrival_utc_ms - 1000 * stop.leg_s, stop.leg_s, self._paces)

    def back_s(self, stop: PlanStop) -> int:
        """From a stop to the depot; 0 where the plan does not say where that is."""
        told = self._told(self._index.get(stop.stop), 0)
        if told is not None:
            return told
        depot = self._depot()
        return 0 if depot is None else _estimate_s(LatLon.from_e6(stop.lat_e6, stop.lon_e6), depot)

    def times(self, order: Sequence[PlanStop]) -> list[StopTime]:
        """What the timeline needs of stops that are driven in this order; the first one's `leg_s` is the plan's.

        Asked for the same order, or its beginning, again and again while the van drives: what was answered last is kept.
        """
        known, out = self._timed
        if len(order) <= len(known) and all(map(is_, order, known)):
            return out[: len(order)]
        out = []
        for at, stop in enumerate(order):
            leg_s = self.seconds(order[at - 1], stop) if at else stop.leg_s
            out.append(replace(StopTime.of(stop), leg_s=leg_s))
        self._timed = tuple(order), out
        return out

    def _told(self, row: int | None, column: int | None) -> int | None:
        if row is None or column is None or not self._places:
            return None
        at = 2 * (row * self._places + column)
        value = int.from_bytes(self._plan.matrix_s[at : at + 2], "little")
        return None if value == NO_WAY else value

    def _depot(self) -> LatLon | None:
        plan = self._plan
        if plan.depot_lat_e6 is None or plan.depot_lon_e6 is None:
            return None
        return LatLon.from_e6(plan.depot_lat_e6, plan.depot_lon_e6)

    def _guess(self, start: PlanStop | None, stop: PlanStop) -> int:
        place = self._depot() if start is None else LatLon.from_e6(start.lat_e6, start.lon_e6)
        if place is None:
            return stop.leg_s
        drive_s = _estimate_s(place, LatLon.from_e6(stop.lat_e6, stop.lon_e6))
        return drive_s + stop.search_s if drive_s else 0


def _estimate_s(a: LatLon, b: LatLon) -> int:
    return round(distance_m(a, b) * DETOUR / PACE_MPS)


def expected(
    plan: Plan,
    stops: Sequence[PlanStop],
    *,
    now_utc_ms: int,
    place: LatLon | None,
    in_progress_since_utc_ms: int | None = None,
    legs: Legs | None = None,
) -> list[Arrival]:
    """Arrivals at what is left of a plan, in whatever order it is driven, with nothing but the plan and the van's own place.

    Parameters
    ----------
    plan : Plan
        The plan in force.
    stops : sequence of PlanStop
        What remains of it, in driving order.
    now_utc_ms : int
        The instant that is computed for; on a break `BREAK_S` later, when the van drives on.
    place : LatLon or None
        Where the van is; None: it is taken to be where the plan has it.
    in_progress_since_utc_ms : int, optional
        When the van arrived at the first of them, if it stands there.
    legs : Legs, optional
        Of this plan, where the caller has them already.
    """
    if not stops:
        return []
    legs = legs or Legs(plan)
    first = stops[0]
    if place is not None:
        to = LatLon.from_e6(first.lat_e6, first.lon_e6)
        leg_s = first_leg_s(place, to, leg_s=legs.own_s(first), leg_m=first.leg_m, search_s=first.search_s)
    else:
        names = {stop.stop for stop in stops}
        planned = next(stop for stop in plan.stops if stop.stop in names)
        leg_s = legs.seconds(legs.before(planned), first)
    return arrivals(
        now_utc_ms,
        leg_s,
        legs.times(stops),
        in_progress_since_utc_ms=in_progress_since_utc_ms,
        band_factors=paces_of(plan),
        pauses=pauses_of(plan, stops, now_utc_ms),
    )


def first_leg_s(position: LatLon, stop: LatLon, *, leg_s: int, leg_m: int, search_s: int = 0) -> int:
    """Seconds of driving left to the next stop, without a road network at hand.

    The rest of the way is the great circle times `DETOUR`, driven at the pace that the plan gives this leg. A search that lasts already is
    expected to last as long as one that begins (it has no memory): it is left as a whole until the van stands.

    Parameters
    ----------
    position, stop : LatLon
        Where the van is, and where it drives to.
    leg_s, leg_m : int
        The plan's own figures for the leg that the van is on.
    search_s : int
        How much of that is the search for a place to park.
    """
    pace_mps = PACE_MPS
    if leg_m >= SHORT_LEG_M and leg_s > search_s:
        pace_mps = min(max(leg_m / (leg_s - search_s), SLOWEST_PACE_MPS), FASTEST_PACE_MPS)
    return round(distance_m(position, stop) * DETOUR / pace_mps) + search_s
