"""Where the van stops: at planned stops soon, elsewhere after two minutes; told with the instants at which it happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from roundsman_core.geo import LatLon, distance_m
from roundsman_wire.messages import Visit

SLOW_MPS: Final = 1.0
"""Slower than a walk: a van that manoeuvres into a gap is about to stand."""
PLANNED_MS: Final = 20_000
"""At a planned stop, inside its fence. 30 m / 30 s rules made 12 to 37 false stops a drive at traffic lights."""
ELSEWHERE_MS: Final = 120_000
ELSEWHERE_M: Final = 50.0
EXIT_BAND_M: Final = 20.0
"""Parked drift of four real receivers stays inside it (p95): arriving counts at the line, leaving past the band."""
EXIT_FIXES: Final = 2
"""Single jumps happen; two fixes in a row that are fast and outside do not."""
SAME_DOOR_M: Final = 15.0
"""Planned stops closer than this cannot be told apart by a receiver: the plan's order decides."""
PLANNED_CONFIDENCE: Final = 0.95
ELSEWHERE_CONFIDENCE: Final = 0.7


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedStop:
    """What of a plan's stop this room needs. The sequence that it comes in is the driving order; stops done are left out."""

    stop: str
    position: LatLon
    radius_m: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """An instant on both clocks, and where the van was."""

    mono_ms: int
    utc_ms: int | None
    position: LatLon


@dataclass(frozen=True, kw_only=True, slots=True)
class Visiting:
    """A visit that has been told and goes on.

    `fast` is the first fast fix of the newest run, which may turn out to be the departure; `slowed` the first slow one after it.
    """

    visit: int
    stop: PlannedStop | None
    arrived: Moment
    fast: Moment | None = None
    slowed: Moment | None = None
    outside: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Visits:
    """`slow`: the first slow fix within `ELSEWHERE_M` of here; `at`: the planned stop that the van stands at, slow since `at_since`."""

    told: int = 0
    current: Visiting | None = None
    slow: Moment | None = None
    at: PlannedStop | None = None
    at_since: Moment | None = None


def step(state: Visits, now: Moment, speed_mps: float, stops: Sequence[PlannedStop]) -> tuple[Visits, list[Visit]]:
    """Advance by one believed fix.

    Parameters
    ----------
    state : Visits
        After the fix before; `Visits()` at the session's start.
    now : Moment
        The fix; its place is the anchor's while the van stands.
    speed_mps : float
        Doppler speed, or distance over time where the receiver says none.
    stops : sequence of PlannedStop
        What remains of the plan, in driving order.

    Returns
    -------
    tuple
        New state, and the phases that this fix completes, oldest first. An arrival carries the first slow fix,
        a departure the first fast one, not the fix that confirmed it.
    """
    slow = speed_mps < SLOW_MPS
    state, out = _leave(state, now, slow)
    if not slow:
        gone = state.slow is not None and distance_m(state.slow.position, now.position) > ELSEWHERE_M
        if gone or state.at is not None:
            state = replace(state, slow=None if gone else state.slow, at=None, at_since=None)
        return state, out
    state = _halt(state, now, stops)
    current, since = state.current, state.at_since
    if state.at is not None and since is not None:
        elsewhere = current is None or current.stop is None or current.stop.stop != state.at.stop
        if elsewhere and now.mono_ms - since.mono_ms >= PLANNED_MS:
            state, changed = _arrive(state, now, since, state.at)
            out += changed
    elif current is None and state.slow is not None and now.mono_ms - state.slow.mono_ms >= ELSEWHERE_MS:
        state, changed = _arrive(state, now, state.slow, None)
        out += changed
    return state, out


def end(state: Visits, now: Moment) -> tuple[Visits, list[Visit]]:
    """The shift ends here: a visit that goes on is left at this instant, and everything else is forgotten."""
    closed = [] if state.current is None else [_phase(state.current, "left", now)]
    return Visits(told=state.told), closed


def _leave(state: Visits, now: Moment, slow: bool) -> tuple[Visits, list[Visit]]:
    """Whether the current visit is over: fast since some fix, and now beyond its place."""
    current = state.current
    if current is None:
        return state, []
    running = current.fast is not None and current.slowed is None
    if not _beyond(current, now.position):
        if slow and running:  # slow again inside: a shunt, or the house next door
            current = replace(current, slowed=now, outside=0)
        elif not slow and not running:
            current = replace(current, fast=now, slowed=None, outside=0)
        elif current.outside:
            current = replace(current, outside=0)
        return (state if current is state.current else replace(state, current=current)), []
    outside = current.outside + 1
    fast = current.fast if running and current.fast is not None else now
    if outside < EXIT_FIXES:
        return replace(state, current=replace(current, fast=fast, slowed=None, outside=outside)), []
    return replace(state, current=None, slow=None, at=None, at_since=None), [_phase(current, "left", fast)]


def _beyond(current: Visiting, position: LatLon) -> bool:
    if current.stop is None:
        return distance_m(current.arrived.position, position) > ELSEWHERE_M
    return distance_m(current.stop.position, position) > current.stop.radius_m + EXIT_BAND_M


def _halt(state: Visits, now: Moment, stops: Sequence[PlannedStop]) -> Visits:
    """Keep the first slow fix of this halt, and the planned stop it is at, since when."""
    slow = state.slow
    if slow is None or distance_m(slow.position, now.position) > ELSEWHERE_M:
        slow = now
    at = _stop_at(stops, now.position, state)
    if at is None:
        return replace(state, slow=slow, at=None, at_since=None)
    if state.at is not None and state.at.stop == at.stop:
        return replace(state, slow=slow, at=at)
    return replace(state, slow=slow, at=at, at_since=now)


def _stop_at(stops: Sequence[PlannedStop], position: LatLon, state: Visits) -> PlannedStop | None:
    """The planned stop whose fence the van is in: the nearest one, in driving order where they share a door."""
    staying = {state.at.stop} if state.at is not None else set()
    if state.current is not None and state.current.stop is not None:
        staying.add(state.current.stop.stop)
    inside: list[tuple[float, PlannedStop]] = []
    for stop in stops:
        if abs(stop.position.lat_deg - position.lat_deg) > 0.01:  # 1.1 km: no fence is so large
            continue
        off_m = distance_m(stop.position, position)
        if off_m <= stop.radius_m + (EXIT_BAND_M if stop.stop in staying else 0.0):
            inside.append((off_m, stop))
    if not inside:
        return None
    nearest_m = min(off_m for off_m, _ in inside)
    same_door = [stop for off_m, stop in inside if off_m <= nearest_m + SAME_DOOR_M]
    return next((stop for stop in same_door if stop.stop in staying), same_door[0])


def _arrive(state: Visits, now: Moment, since: Moment, stop: PlannedStop | None) -> tuple[Visits, list[Visit]]:
    out: list[Visit] = []
    number = state.told + 1
    if state.current is not None:
        # The van stands at another stop than the visit's: a house further on, or the plan now says that a stop is here.
        was = state.current
        moved = was.fast is not None and was.slowed is not None and was.slowed.mono_ms == since.mono_ms
        out.append(_phase(was, "left", was.fast if moved and was.fast is not None else since))
    current = Visiting(visit=number, stop=stop, arrived=since)
    out.append(_phase(current, "arrived", now))
    return replace(state, told=number, current=current), out


def _phase(current: Visiting, phase: str, when: Moment) -> Visit:
    """The entry. Of an arrival `when` is now (the dwell so far), of a departure the instant of leaving."""
    arrived = current.arrived
    told = arrived if phase == "arrived" else when
    return Visit(
        mono_ms=told.mono_ms,
        utc_ms=told.utc_ms,
        visit=current.visit,
        phase="arrived" if phase == "arrived" else "left",
        stop=None if current.stop is None else current.stop.stop,
        lat_e6=arrived.position.lat_e6,
        lon_e6=arrived.position.lon_e6,
        dwell_s=max(when.mono_ms - arrived.mono_ms, 0) // 1000,
        confidence=ELSEWHERE_CONFIDENCE if current.stop is None else PLANNED_CONFIDENCE,
    )
