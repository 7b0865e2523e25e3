"""What a halt must show to be a stop: where it is, whose turn it is, how long it lasts, what the ignition and the driver say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from roundsman_agent import halts
from roundsman_agent.halts import Halt
from roundsman_agent.places import EXIT_BAND_M, SAME_DOOR_M, Found, Places, PlannedStop
from roundsman_agent.turns import Turns
from roundsman_core.geo import LatLon, distance_m
from roundsman_wire.messages import Config

Engine = Literal["on", "off"]

CORE_M: Final = 25.0
"""So near to a stop's point (or in its own area) a van parks for it; further out in its fence it may wait at the street's corner."""
LONGER_MS: Final = {("core", 0): 0, ("core", 1): 25_000, ("core", 2): 55_000, ("edge", 0): 10_000, ("edge", 1): 45_000, ("edge", 2): 75_000}
"""Longer than `planned_ms`, by place and turn (`Turns.turn`). A wait at a light on the way to the next stop is put right by the halt that
follows; at another stop nothing would, and most reds are over by then."""
IDLING_PLANNED_MS: Final = 40_000
IDLING_ELSEWHERE_MS: Final = 300_000
"""With the engine known to run: waiting, warming up and queueing look alike until then."""
OFF_PLANNED_MS: Final = 10_000
OFF_ELSEWHERE_MS: Final = 20_000
"""With the key turned off: nobody does that at a light (start-stop leaves the ignition's line on)."""
SERVING_MS: Final = 60_000
"""A halt of this length at a planned stop is service: of the recorded drive's nine reds one took longer."""
NEAR_M: Final = 150.0
"""An unplanned stop so near to a planned one may have been meant for it: a neighbour's door, a wrong address."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What the hub may set: slower than `slow_mps` is standing; so long a halt is a stop, at a planned one and elsewhere.

    20 s inside a planned stop's fence, 120 s elsewhere: 30 m / 30 s rules made 12 to 37 false stops a drive at lights.
    """

    slow_mps: float = halts.SLOW_MPS
    planned_ms: int = 20_000
    elsewhere_ms: int = 120_000


DEFAULT_RULES: Final = Rules()


def chosen(wishes: Config | None) -> Rules:
    """The rules that the hub wishes, where it wishes any."""
    if wishes is None:
        return DEFAULT_RULES
    return Rules(
        slow_mps=DEFAULT_RULES.slow_mps if wishes.stop_slow_mps is None else wishes.stop_slow_mps,
        planned_ms=DEFAULT_RULES.planned_ms if wishes.stop_planned_s is None else round(wishes.stop_planned_s * 1000),
        elsewhere_ms=DEFAULT_RULES.elsewhere_ms if wishes.stop_unplanned_s is None else round(wishes.stop_unplanned_s * 1000),
    )


# ── where ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True, slots=True)
class Door:
    """What planned stops there are where the van halts (`at`): the likeliest first, then those behind the same door.

    `open`: those that are not done. `tapped`: stops that the driver called done while standing here.
    """

    at: LatLon
    places: Places
    found: tuple[Found, ...] = ()
    open: frozenset[str] = frozenset()
    tapped: tuple[PlannedStop, ...] = ()


def look(was: Door | None, at: LatLon, places: Places, staying: tuple[str, ...]) -> Door:
    """The planned stops where the van halts; asked again only when it moved, or the plan did.

    Parameters
    ----------
    was : Door or None
        Of the fix before, in the same halt.
    staying : tuple of str
        Stops that the visit here serves: they stay what they are out to the exit band, done or not.
    """
    if was is not None and was.places is places and was.at == at:
        return was
    tapped = () if was is None else was.tapped
    if was is not None and was.places is not places:
        tapped = tuple(stop for stop in places.stops if stop.done and stop.stop in was.open) or tapped
        staying = staying or tuple(stop.stop for stop in tapped)
    inside = [f for f in places.near(at, EXIT_BAND_M if staying else 0.0) if f.outside_m == 0.0 or f.stop.stop in staying]
    first = next((f for f in inside if f.stop.stop in staying), None)
    if first is None:
        inside = [f for f in inside if not f.stop.done] or inside
        nearest_m = min((f.off_m for f in inside), default=0.0)
        first = next((f for f in inside if f.off_m <= nearest_m + SAME_DOOR_M), None)
    if first is None:
        return Door(at=at, places=places, tapped=tapped)
    rest = (f for f in inside if f is not first and distance_m(f.stop.position, first.stop.position) <= SAME_DOOR_M)
    found = (first, *rest)
    return Door(at=at, places=places, found=found, open=frozenset(f.stop.stop for f in found if not f.stop.done), tapped=tapped)


def meant(door: Door, turns: Turns) -> str | None:
    """The planned stop that an unplanned one may have been meant for: the next if it is near, else the nearest open one."""
    near = [f for f in door.places.near(door.at, NEAR_M) if not f.stop.done and f.off_m <= NEAR_M]
    following = turns.following(door.places)
    first = next((f for f in near if f.stop is following), min(near, key=lambda f: f.off_m, default=None))
    return None if first is None else first.stop.stop


# ── how long ────────────────────────────────────────────────────────────────────────────────────────────────────────


def needs_ms(door: Door, found: Found, turns: Turns, engine: Engine | None, rules: Rules) -> int:
    """How long a halt at a planned stop must last to be a visit of it."""
    if engine == "off":
        return OFF_PLANNED_MS
    if found.stop.done:
        return SERVING_MS
    longer_ms = LONGER_MS["core" if found.off_m <= CORE_M else "edge", turns.turn(door.places, found.stop)]
    return max(rules.planned_ms + longer_ms, IDLING_PLANNED_MS if engine == "on" else 0)


def elsewhere_ms(engine: Engine | None, rules: Rules) -> int:
    """How long a halt must last to be an unplanned stop."""
    return OFF_ELSEWHERE_MS if engine == "off" else max(rules.elsewhere_ms, IDLING_ELSEWHERE_MS if engine == "on" else 0)


# ── how surely ──────────────────────────────────────────────────────────────────────────────────────────────────────

TAPPED: Final = 0.99
ELSEWHERE: Final = {"off": 0.95, "on": 0.6, None: 0.6}
PLANNED: Final = {
    # core, turn is 0, long; by judgement, and held to what comes out: `confidence_over` of `roundsman_sim.bench_visits`
    (True, True, True): 0.98,
    (True, True, False): 0.95,
    (False, True, True): 0.95,
    (False, True, False): 0.9,
    (True, False, True): 0.9,
    (True, False, False): 0.8,
    (False, False, True): 0.8,
    (False, False, False): 0.7,
}


def confidence(door: Door, halt: Halt, stop: PlannedStop | None, turns: Turns, engine: Engine | None) -> float:
    """How often a visit with the same marks is what it says, at least: in simulated rounds, where each level is held to the share of its
    visits that were true (`confidence_over` of `roundsman_sim.bench_visits`); real streets may differ.
    """
    if stop is None:
        return ELSEWHERE[engine]
    if stop in door.tapped:
        return TAPPED
    found = next((f for f in door.found if f.stop.stop == stop.stop), None)
    core = found is not None and found.off_m <= CORE_M
    return PLANNED[core, turns.turn(door.places, stop) == 0, halt.lasts_ms >= SERVING_MS or engine == "off"]
