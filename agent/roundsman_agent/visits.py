"""The story of a stop, told offline: approaching, arrived, serving, left, with the instants at which it happened.

What a halt must show to be a stop is in `evidence`. What was told can be put right while the visit goes on: `arrived` told again under
the same number replaces the one before (the van waited at a light before the door; a plan came to where it stands). One visit serves every
planned stop behind its door: `serving` names each of them.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from roundsman_agent import evidence, halts
from roundsman_agent.evidence import DEFAULT_RULES, OFF_PLANNED_MS, SERVING_MS, Door, Engine, Rules
from roundsman_agent.halts import Halt, Moment
from roundsman_agent.places import EXIT_BAND_M, Places, PlannedStop
from roundsman_agent.turns import Turns
from roundsman_core.geo import LatLon, distance_m
from roundsman_wire.messages import Visit

Phase = Literal["approaching", "arrived", "serving", "left"]

ROLLING_MPS: Final = 3.0
"""Faster than this, a line that says `off` is broken, or the van is on a lorry: the receiver is believed."""
LIGHT_MS: Final = 90_000
"""The longest red on the recorded drive took 89 s: a first halt of at most this may turn out to have been one."""
BACK_MS: Final = 5_000
"""Driven off, and standing where it stood for so long: it never left."""
AWAY_MS: Final = 60_000
"""Driven about for so long, and back: left, and come again, however near it stayed."""
NEARER_M: Final = 10.0
"""A second halt so much nearer to the stop's point is the real one after `planned_ms` (the first was a light), else after `SERVING_MS`."""
EXIT_FIXES: Final = 2
"""Single jumps happen; two fixes in a row beyond the band, while driving, do not."""
DRIFT_FIXES: Final = 30
"""Beyond the band and not driving: drift comes back sooner; a van on a tow truck does not."""
APPROACH_M: Final = 250.0
"""Half a minute of town driving."""
PASSED_M: Final = 100.0
"""So much further off than it has been, once in the fence: the van has driven by."""


class Visiting(msgspec.Struct, frozen=True, kw_only=True):
    """A visit that has been told and goes on.

    `serves`: planned stops that it was told for, its own first; `behind`: others behind the same door. `sure`: told that it is a stop;
    `tapped`: the driver said so. `fast`: the first fast fix since the halt that is its service: the departure, unless it comes back.
    """

    visit: int
    stop: PlannedStop | None
    arrived: Moment
    at: LatLon
    confidence: float
    near: str | None = None
    serves: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()
    sure: bool = False
    tapped: bool = False
    fast: Moment | None = None
    outside: int = 0


class Approach(msgspec.Struct, frozen=True, kw_only=True):
    """The stop being approached, the number of its visit to be, and how near the van has been."""

    stop: str
    visit: int
    nearest_m: float


class Visits(msgspec.Struct, frozen=True, kw_only=True):
    """`told`: numbers given so far. `door`: what there is where the van halts."""

    told: int = 0
    halt: Halt | None = None
    door: Door | None = None
    current: Visiting | None = None
    approach: Approach | None = None
    turns: Turns = msgspec.field(default_factory=Turns)


def step(
    state: Visits, now: Moment, speed_mps: float, places: Places, *, engine: Engine | None = None, rules: Rules = DEFAULT_RULES
) -> tuple[Visits, list[Visit]]:
    """Advance by one believed fix.

    Parameters
    ----------
    state : Visits
        After the fix before; `Visits()` at the session's start.
    now : Moment
        The fix; its place is the anchor's while the van stands.
    speed_mps : float
        Doppler speed, or distance over time where the receiver says none.
    places : Places
        The plan's stops, in driving order; those that are done say so.
    engine : "on", "off" or None
        What the ignition's line says; None where there is no line.
    rules : Rules
        What the hub may set.

    Returns
    -------
    tuple
        New state, and the phases that this fix completes, oldest first. An arrival carries the first slow fix,
        a departure the first fast one, not the fix that confirmed it.
    """
    if engine == "off" and speed_mps < ROLLING_MPS:
        speed_mps = 0.0
    halt = halts.step(state.halt, now, speed_mps, rules.slow_mps)
    current = state.current
    if halt is None or halt.ended:
        if current is None:
            same = halt is state.halt and state.door is None
            return _approach(state if same else replace(state, halt=halt, door=None), now, places)
        return _go_on(replace(state, halt=halt, door=None), current, now, places, engine, rules)
    staying = current.serves if current is not None and current.fast is None else ()
    state = replace(state, halt=halt, door=evidence.look(state.door, halt.at, places, staying))
    out: list[Visit] = []
    if current is not None:
        state, out = _go_on(state, current, now, places, engine, rules)
    if state.door is not None and halt.fast is None:
        state, told = _stand(state, halt, state.door, now, engine, rules)
        out += told
    return state, out


def end(state: Visits, now: Moment) -> tuple[Visits, list[Visit]]:
    """The shift ends here: a visit that goes on is left at this instant (or when the van drove off), and everything else is forgotten."""
    current = state.current
    return Visits(told=state.told), [] if current is None else _left(current, current.fast or now, None)


# ── on the road ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _approach(state: Visits, now: Moment, places: Places) -> tuple[Visits, list[Visit]]:
    """Tell once that the next stop is near. One that was reached and left behind without a visit is left out: the driver knows why."""
    was, following = state.approach, state.turns.following(places)
    if following is None:
        return (state if was is None else replace(state, approach=None)), []
    off_m = places.off_m(following, now.position)
    if was is not None and was.stop == following.stop:
        if off_m < was.nearest_m:
            return replace(state, approach=replace(was, nearest_m=off_m)), []
        if off_m > was.nearest_m + PASSED_M and was.nearest_m <= following.radius_m:
            return replace(state, approach=None, turns=state.turns.left_out(was.stop)), []
        far = off_m > 2 * APPROACH_M + following.radius_m
        return (replace(state, approach=None) if far else state), []
    if off_m > APPROACH_M + following.radius_m:
        return (state if was is None else replace(state, approach=None)), []
    approach = Approach(stop=following.stop, visit=state.told + 1, nearest_m=off_m)
    phase = Visit(
        mono_ms=now.mono_ms,
        utc_ms=now.utc_ms,
        visit=approach.visit,
        phase="approaching",
        stop=following.stop,
        lat_e6=now.position.lat_e6,
        lon_e6=now.position.lon_e6,
    )
    return replace(state, told=approach.visit, approach=approach), [phase]


# ── in a visit ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _go_on(
    state: Visits, current: Visiting, now: Moment, places: Places, engine: Engine | None, rules: Rules
) -> tuple[Visits, list[Visit]]:
    """The visit that goes on: whether the van drove off, moved on a little, or is gone."""
    was, out, halt = current, list[Visit](), state.halt
    driving = halt is None or halt.ended
    if driving and current.fast is None:
        current = replace(current, fast=now if halt is None else halt.fast)
    elif halt is not None and not driving and current.fast is not None and halt.fast is None:
        current, out = _halted_again(current, current.fast, halt, state.door, engine, rules)
    if _beyond(current, now.position, places):
        outside = current.outside + 1
        if outside >= (EXIT_FIXES if driving else DRIFT_FIXES):
            return replace(state, current=None, door=None), [*out, *_left(current, current.fast or now, engine)]
        current = replace(current, outside=outside)
    elif current.outside:
        current = replace(current, outside=0)
    return (state if current is was else replace(state, current=current)), out


def _halted_again(
    current: Visiting, fast: Moment, halt: Halt, door: Door | None, engine: Engine | None, rules: Rules
) -> tuple[Visiting, list[Visit]]:
    """The van drove off and stands again, not far away: a shunt, a light on its way out, or the real place after a light before it."""
    if halt.since.mono_ms <= current.arrived.mono_ms:  # the same halt
        return replace(current, fast=None), []
    if halt.since.mono_ms - fast.mono_ms > AWAY_MS:
        return current, []
    if distance_m(current.at, halt.at) <= halts.SHUNT_M:
        return (replace(current, fast=None) if halt.lasts_ms >= BACK_MS else current), []
    here = door is not None and (not door.found or door.found[0].stop.stop in current.serves)
    if current.stop is None or current.tapped or not here:
        return current, []
    nearer = distance_m(current.stop.position, halt.at) < distance_m(current.stop.position, current.at) - NEARER_M
    tapped = door is not None and any(stop.stop in current.serves for stop in door.tapped)
    needs_ms = OFF_PLANNED_MS if engine == "off" else rules.planned_ms if nearer else SERVING_MS
    if halt.lasts_ms < needs_ms and not tapped:
        return current, []
    if fast.mono_ms - current.arrived.mono_ms > LIGHT_MS:
        return replace(current, at=halt.at, fast=None), []
    current = replace(current, arrived=halt.since, at=halt.at, fast=None)
    return current, [_phase(current, "arrived", Moment(mono_ms=halt.newest_ms, utc_ms=None, position=halt.at), engine)]


def _beyond(current: Visiting, position: LatLon, places: Places) -> bool:
    if position == current.at:
        return False
    if current.stop is None:
        return distance_m(current.at, position) > halts.ELSEWHERE_M
    return distance_m(current.at, position) > EXIT_BAND_M and places.outside_m(current.stop, position) > EXIT_BAND_M


# ── standing ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _stand(state: Visits, halt: Halt, door: Door, now: Moment, engine: Engine | None, rules: Rules) -> tuple[Visits, list[Visit]]:
    """The van stands: whether this is an arrival, and what the visit that goes on serves."""
    current, stop = state.current, None
    if current is not None and current.fast is None:
        return _serve(state, current, halt, door, now, engine)
    if door.tapped:
        stop = door.tapped[0]
    elif door.found:
        stop = door.found[0].stop
        if halt.lasts_ms < evidence.needs_ms(door, door.found[0], state.turns, engine, rules):
            return state, []
    elif current is not None or halt.lasts_ms < evidence.elsewhere_ms(engine, rules):
        return state, []
    back = current is not None and current.fast is not None and halt.since.mono_ms - current.fast.mono_ms > AWAY_MS
    if current is not None and stop is not None and stop.stop in current.serves and not back:
        return state, []
    return _arrive(state, halt, stop, door, now, engine)


def _arrive(
    state: Visits, halt: Halt, stop: PlannedStop | None, door: Door, now: Moment, engine: Engine | None
) -> tuple[Visits, list[Visit]]:
    out = [] if state.current is None else _left(state.current, state.current.fast or halt.since, engine)
    approached = state.approach is not None and stop is not None and state.approach.stop == stop.stop
    number = state.approach.visit if approached and state.approach is not None else state.told + 1
    current = Visiting(
        visit=number,
        stop=stop,
        arrived=halt.since,
        at=halt.at,
        confidence=evidence.confidence(door, halt, stop, state.turns, engine),
        near=evidence.meant(door, state.turns) if stop is None else None,
        serves=() if stop is None else (stop.stop,),
    )
    out.append(_phase(current, "arrived", now, engine))
    turns = state.turns if stop is None else state.turns.visited(door.places, stop)
    state = replace(state, told=max(state.told, number), current=current, approach=None, turns=turns)
    state, told = _serve(state, current, halt, door, now, engine)
    return state, out + told


def _serve(state: Visits, current: Visiting, halt: Halt, door: Door, now: Moment, engine: Engine | None) -> tuple[Visits, list[Visit]]:
    """Surer with time: told once for every stop behind the door. A plan that comes to where the van stands makes it a visit of its stop."""
    if current.stop is None:
        if not door.found or door.found[0].stop.done:
            return state, []
        stop = door.found[0].stop
        sure = evidence.confidence(door, halt, stop, state.turns, engine)
        current = replace(current, stop=stop, near=None, serves=(stop.stop,), confidence=sure, at=halt.at)
        turns = state.turns.visited(door.places, stop)
        return replace(state, current=current, turns=turns), [_phase(current, "arrived", now, engine)]
    behind = [*(f.stop for f in door.found if f.stop.stop in door.open), *door.tapped]
    also = tuple(dict.fromkeys(stop.stop for stop in behind if stop.stop not in current.serves))
    tapped = current.tapped or bool(door.tapped)
    sure_now = tapped or engine == "off" or now.mono_ms - current.arrived.mono_ms >= SERVING_MS
    if also:
        state = replace(state, turns=state.turns.visited(door.places, *(stop for stop in behind if stop.stop in also)))
    if not sure_now or (current.sure and not also and tapped == current.tapped):
        return (state if also == current.behind else replace(state, current=replace(current, behind=also))), []
    confidence = max(current.confidence, evidence.confidence(door, halt, current.stop, state.turns, engine))
    current, told = _served(replace(current, behind=also, tapped=tapped, confidence=confidence), now, engine)
    return replace(state, current=current), told


# ── the entries ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _served(current: Visiting, now: Moment, engine: Engine | None) -> tuple[Visiting, list[Visit]]:
    """Tell that the visit serves its stop and those behind the same door, of which that was not told yet."""
    own = () if current.sure or current.stop is None else (current.stop.stop,)
    after = replace(current, sure=True, serves=(*current.serves, *current.behind), behind=())
    return after, [_phase(after, "serving", now, engine, stop=stop) for stop in (*own, *current.behind)]


def _left(current: Visiting, when: Moment, engine: Engine | None) -> list[Visit]:
    """A visit's last words. One too short to be sure of was a visit of everything behind the door all the same."""
    told = list[Visit]()
    if current.behind:
        current, told = _served(current, when, engine)
    return [*told, _phase(current, "left", when, engine)]


def _phase(current: Visiting, phase: Phase, when: Moment, engine: Engine | None, *, stop: str | None = None) -> Visit:
    """The entry. Of an arrival `when` is now (the dwell so far), of a departure the instant of leaving."""
    told = current.arrived if phase == "arrived" else when
    return Visit(
        mono_ms=told.mono_ms,
        utc_ms=told.utc_ms,
        visit=current.visit,
        phase=phase,
        stop=stop or (None if current.stop is None else current.stop.stop),
        lat_e6=current.at.lat_e6,
        lon_e6=current.at.lon_e6,
        dwell_s=max(when.mono_ms - current.arrived.mono_ms, 0) // 1000,
        confidence=current.confidence,
        near=current.near,
        engine=engine,
    )
