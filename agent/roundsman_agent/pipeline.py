"""The life of a fix, from the receiver's word to the van's log. Pure: read `_fix` from top to bottom.

Off shift nothing is collected: a fix that comes in then leaves no trace, not even in a counter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from roundsman_agent import evidence, fences, gate, places, sampling, standstill, times, visits
from roundsman_agent.evidence import DEFAULT_RULES, Engine, Rules
from roundsman_agent.fix import DRIFT_MS, LATE_FIXES, Fix, SourceEvent, Timing, align, to_row
from roundsman_agent.gate import Gate
from roundsman_agent.halts import Moment
from roundsman_agent.places import Places, PlannedStop
from roundsman_agent.sampling import Mode, Nearness, Policy, Sample
from roundsman_agent.standstill import Standstill
from roundsman_agent.times import GnssMs
from roundsman_agent.visits import Visits
from roundsman_core import calls
from roundsman_core.geo import LatLon, distance_m
from roundsman_core.timebase import TimeBase
from roundsman_wire.messages import (
    ANCHORED,
    GAP_BEFORE,
    AnyEntry,
    Clock,
    Config as ConfigMessage,
    FixGap,
    FixRow,
    Ignition,
    PlanStop,
    Sites as SitesMessage,
)

DutyState = Literal["on", "break", "off"]

GAP_MS: Final = 2_900
GAP_INTERVALS: Final = 2.9
"""Two missing epochs in a row of a receiver that speaks every second, or more rarely, are a gap; of a faster one, three seconds are. A
single one is none: a damaged sentence or a refused jump must not cut the track, and in a town the line over it is 30 m long at most."""
USUAL_OF: Final = 5
"""The usual interval is the median of so many."""


# ── what comes in ───────────────────────────────────────────────────────────────────────────────────────────────────


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """Time passes without a fix: by the session's clock, and by the system's date."""

    mono_ms: int
    utc_ms: int


class PlanChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The plan's stops in driving order; those that are done say so. Sent again when one is done."""

    stops: tuple[PlannedStop, ...]

    @classmethod
    def of(cls, remaining: Iterable[PlanStop], done: Iterable[PlanStop] = ()) -> PlanChanged:
        """From a plan's stops that remain, in driving order, and those that are done.

        A call at a depot or charger is one while it is the next: a van that stands in its own depot in the morning is not at the reload
        of the afternoon.
        """
        return cls(
            stops=(
                *(PlannedStop.of(stop) for at, stop in enumerate(remaining) if stop.kind != "depot" or (at == 0 and calls.is_call(stop))),
                *(PlannedStop.of(stop, done=True) for stop in done if stop.kind != "depot"),
            )
        )


class SitesChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Another set of standing fences (see `fences.index`)."""

    sites: fences.Sites

    @classmethod
    def of(cls, message: SitesMessage) -> tuple[SitesChanged, list[str]]:
        """From the hub's document; with what is wrong with the fences that cannot be used."""
        sites, wrong = fences.index(message)
        return cls(sites=sites), wrong


class DutyChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The driver's shift began, paused or ended."""

    duty: DutyState
    mono_ms: int
    utc_ms: int | None


class EngineChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The ignition's line changed: on, off, or (`engine` None) nothing tells it any more."""

    engine: Engine | None
    source: str
    mono_ms: int
    utc_ms: int | None


Input = Fix | SourceEvent | Tick | PlanChanged | SitesChanged | DutyChanged | EngineChanged


# ── what comes out ──────────────────────────────────────────────────────────────────────────────────────────────────


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Where the van is this second, for the live marker and the driver's screen. Every believed fix gives one."""

    mono_ms: int
    utc_ms: int | None
    position: LatLon
    speed_mps: float | None
    heading_deg: float | None
    accuracy_m: float | None
    anchored: bool


Output = FixRow | AnyEntry | Position
"""`FixRow` goes to the track lane, entries to the facts lane, `Position` to whoever looks now."""


class PipelineConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`drift_ms`, `late_fixes`: see `fix.align`; a pretend world whose time runs fast needs more of both (`of`). `built_utc_ms`: no date
    is believed before it."""

    policy: Policy = sampling.USUAL
    stops: Rules = DEFAULT_RULES
    drift_ms: int = DRIFT_MS
    late_fixes: int = LATE_FIXES
    built_utc_ms: int = times.BUILT_UTC_MS

    @classmethod
    def of(cls, mode: Mode, base: TimeBase | None = None, wishes: ConfigMessage | None = None) -> PipelineConfig:
        """For the unit's own mode, business time, and what the hub wishes.

        Where time runs fast, a delivery that is 50 ms late is late by that much more; where it began in the past (a recorded drive),
        the past is no mistake of the receiver's.
        """
        base = base or TimeBase()
        return cls(
            policy=sampling.chosen(Policy(mode=mode), wishes),
            stops=evidence.chosen(wishes),
            drift_ms=max(DRIFT_MS, round(50 * base.factor)),
            late_fixes=max(LATE_FIXES, round(LATE_FIXES * base.factor)),
            built_utc_ms=min(times.BUILT_UTC_MS, base.origin_utc_ms or times.BUILT_UTC_MS),
        )


class PipelineState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is remembered between two fixes. `accepted` and `rejected` count since the session began."""

    duty: DutyState = "off"
    stops: tuple[PlannedStop, ...] = ()
    places: Places = places.NOWHERE
    engine: Engine | None = None
    sites: fences.Sites = fences.NO_SITES
    timing: Timing = msgspec.field(default_factory=Timing)
    gate: Gate = msgspec.field(default_factory=Gate)
    standstill: Standstill = standstill.MOVING
    visits: Visits = msgspec.field(default_factory=Visits)
    membership: fences.Membership = msgspec.field(default_factory=fences.Membership)
    newest: Fix | None = None
    intervals_ms: tuple[int, ...] = ()
    trouble: str = ""
    kept: Sample | None = None
    nearness: Nearness | None = None
    accepted: int = 0
    rejected: Mapping[str, int] = msgspec.field(default_factory=lambda: MappingProxyType({}))


def step(state: PipelineState, item: Input, config: PipelineConfig) -> tuple[PipelineState, list[Output]]:
    """Advance by one input.

    Parameters
    ----------
    state : PipelineState
        `PipelineState()` at the session's start: off shift.
    item : Input
        What happened, in the order in which it happened.
    config : PipelineConfig
        May change between two steps.

    Returns
    -------
    tuple
        New state; rows and entries for the log, in order, and the newest position.
    """
    match item:
        case Fix():
            return _fix(state, item, config) if state.duty != "off" else (state, [])
        case SourceEvent():
            return _source(state, item), []
        case PlanChanged(stops=stops):
            if stops == state.places.stops:
                return state, []
            known = places.index(stops)
            return replace(state, stops=known.open, places=known, nearness=None), []
        case SitesChanged(sites=sites):
            return replace(state, sites=sites, membership=state.membership.elsewhere()), []
        case DutyChanged():
            return _duty(state, item)
        case EngineChanged():
            return _engine(state, item)
        case Tick():
            return _tick(state, item), []


def _fix(state: PipelineState, fix: Fix, config: PipelineConfig) -> tuple[PipelineState, list[Output]]:
    """One fix on shift: dated, believed, placed, its visit and fences told, and kept if the track needs it."""
    if fix.utc_ms is not None and not 0 <= fix.utc_ms - config.built_utc_ms < times.LIFE_MS:
        state, fix = _mended(state, fix, fix.utc_ms, config.built_utc_ms)
    out: list[Output] = []

    believed, judgement = gate.step(state.gate, fix)
    if judgement.refused is not None:
        return replace(_count(state, judgement.refused), gate=believed, trouble=state.trouble or "refused"), []

    leapt = judgement.anew and _leapt(state.gate, fix)
    timing, fix, dated = align(state.timing, fix, drift_ms=config.drift_ms, late_fixes=config.late_fixes, anew=leapt)
    if dated:
        out.append(Clock(mono_ms=fix.mono_ms, utc_ms=fix.utc_ms, source="gnss"))

    gap, intervals_ms = _gap(state, fix, anew=judgement.anew)
    if gap is not None and gap.from_utc_ms and gap.utc_ms is not None:
        out.append(gap)
    unbroken = state.newest is not None and gap is None
    speed_mps = _speed_mps(state.newest if unbroken else None, fix)

    stand = standstill.step(state.standstill, fix.mono_ms, fix.position, speed_mps, fix.heading_deg)
    anchored = stand.anchor is not None
    place = stand.anchor or fix.position

    moment = Moment(mono_ms=fix.mono_ms, utc_ms=fix.utc_ms, position=place)
    seen, phases = visits.step(state.visits, moment, 0.0 if anchored else speed_mps, state.places, engine=state.engine, rules=config.stops)
    out += phases

    at = fences.At(mono_ms=fix.mono_ms, utc_ms=fix.utc_ms, position=place, speed_mps=fix.speed_mps, unbroken=unbroken)
    membership, crossings = fences.step(state.membership, at, state.sites)
    out += crossings

    sample = Sample(mono_ms=fix.mono_ms, position=place, speed_mps=fix.speed_mps, heading_deg=fix.heading_deg, anchored=anchored)
    kept = state.kept
    if gap is not None and state.newest is not None and kept is not None and kept.mono_ms < state.newest.mono_ms < fix.mono_ms:
        out.append(_before_gap(state.newest, state.standstill.anchor))
    near, is_near = sampling.nearness(state.nearness, place, (s.position for s in state.stops), config.policy.near_stop_m)
    if phases or crossings or sampling.keeps(config.policy, kept if unbroken else None, sample, near_stop=is_near):
        flags = (GAP_BEFORE if not unbroken else 0) | (ANCHORED if anchored else 0)
        out.append(to_row(replace(fix, position=place) if anchored else fix, flags))
        kept = sample
    out.append(
        Position(
            mono_ms=fix.mono_ms,
            utc_ms=fix.utc_ms,
            position=place,
            speed_mps=fix.speed_mps,
            heading_deg=fix.heading_deg,
            accuracy_m=fix.accuracy_m,
            anchored=anchored,
        )
    )
    after = PipelineState(
        duty=state.duty,
        stops=state.stops,
        places=state.places,
        engine=state.engine,
        sites=state.sites,
        timing=timing,
        gate=believed,
        standstill=stand,
        visits=seen,
        membership=membership,
        newest=fix,
        intervals_ms=intervals_ms,
        trouble="",
        kept=kept,
        nearness=near,
        accepted=state.accepted + 1,
        rejected=state.rejected,
    )
    return after, out


def _mended(state: PipelineState, fix: Fix, utc_ms: GnssMs, built_utc_ms: int) -> tuple[PipelineState, Fix]:
    """A date that cannot be: put right where it is a rollover's, else taken away. Either is counted; the place is still good."""
    mended_ms = times.mended(utc_ms, built_utc_ms)
    return _count(state, "date" if mended_ms is None else "rollover"), replace(fix, utc_ms=mended_ms)


def _leapt(before: Gate, fix: Fix) -> bool:
    """Whether a fix that was believed against the ones before it moved in time, not only in place."""
    return before.last is not None and not 0 < gate.elapsed_ms(before.last, fix) <= fix.mono_ms - before.last.mono_ms + gate.LEAP_MS


def _gap(state: PipelineState, fix: Fix, *, anew: bool) -> tuple[FixGap | None, tuple[int, ...]]:
    """The gap that this fix ends, if the silence before it was one; and the receiver's newest intervals."""
    before = state.newest
    if before is None:
        return None, ()
    passed_ms = gate.elapsed_ms(before, fix)
    usual_ms = sorted(state.intervals_ms)[len(state.intervals_ms) // 2] if state.intervals_ms else 0
    if not anew and 0 <= passed_ms <= max(GAP_MS, GAP_INTERVALS * usual_ms):
        return None, (*state.intervals_ms[-(USUAL_OF - 1) :], passed_ms)
    # A slower receiver than before would end a gap with every fix: its interval counts too.
    intervals_ms = (*state.intervals_ms[-(USUAL_OF - 1) :], max(passed_ms, 0))
    gap = FixGap(mono_ms=fix.mono_ms, utc_ms=fix.utc_ms, from_utc_ms=before.utc_ms or 0, reason=state.trouble or "silent")
    return gap, intervals_ms


def _before_gap(newest: Fix, anchor: LatLon | None) -> FixRow:
    """The last fix before a gap, which sampling had not kept: a track without it would end hundreds of metres before the tunnel."""
    return to_row(newest) if anchor is None else to_row(replace(newest, position=anchor), ANCHORED)


def _speed_mps(before: Fix | None, fix: Fix) -> float:
    """Doppler speed; where the receiver says none, distance over time (0 for a fix without one before it)."""
    if fix.speed_mps is not None:
        return fix.speed_mps
    if before is None or fix.mono_ms <= before.mono_ms:
        return 0.0
    return distance_m(before.position, fix.position) * 1000 / (fix.mono_ms - before.mono_ms)


def _count(state: PipelineState, reason: str, by: int = 1) -> PipelineState:
    return replace(state, rejected=MappingProxyType({**state.rejected, reason: state.rejected.get(reason, 0) + by}))


TROUBLES: Final[Mapping[str, str]] = MappingProxyType({"lost": "receiver lost", "silent": "receiver silent", "searching": "no fix"})
"""What a gap is blamed on. What is known first explains it: a receiver that is lost is silent as well."""


def _source(state: PipelineState, event: SourceEvent) -> PipelineState:
    if event.kind == "garbage":
        return _count(state, "unreadable", event.count)
    if event.kind == "searching" and event.count and state.duty != "off":
        state = _count(state, "no fix", event.count)
    trouble = TROUBLES.get(event.kind)
    if trouble is None or state.duty == "off" or state.trouble not in ("", "refused"):
        return state
    return replace(state, trouble=trouble)


def _duty(state: PipelineState, change: DutyChanged) -> tuple[PipelineState, list[Output]]:
    """At the shift's end the visit that goes on is closed, and every place is forgotten."""
    if change.duty != "off":
        return replace(state, duty=change.duty), []
    told: list[Output] = []
    ended = Visits(told=state.visits.told)
    if state.newest is not None:
        last = Moment(mono_ms=change.mono_ms, utc_ms=change.utc_ms, position=state.newest.position)
        ended, phases = visits.end(state.visits, last)
        told += phases
    forgotten = PipelineState(
        stops=state.stops,
        places=state.places,
        engine=state.engine,
        sites=state.sites,
        timing=state.timing,
        visits=ended,
        accepted=state.accepted,
        rejected=state.rejected,
    )
    return forgotten, told


def _engine(state: PipelineState, change: EngineChanged) -> tuple[PipelineState, list[Output]]:
    """On shift a turned key is a fact; a line that fell silent only makes the unit know less."""
    told = change.engine is not None and change.engine != state.engine and state.duty != "off"
    entry = Ignition(mono_ms=change.mono_ms, utc_ms=change.utc_ms, on=change.engine == "on", source=change.source)
    return replace(state, engine=change.engine), [entry] if told else []


def _tick(state: PipelineState, tick: Tick) -> PipelineState:
    """Without a word from the source, silence itself is what the next gap is blamed on. And it is time to look around for fences."""
    newest = state.newest
    membership = fences.looked_around(state.membership, state.sites)
    silent = newest is not None and not state.trouble and tick.mono_ms - newest.mono_ms > GAP_MS
    if membership is state.membership and not silent:
        return state
    return replace(state, membership=membership, trouble="receiver silent" if silent else state.trouble)
