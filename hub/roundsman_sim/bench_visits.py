"""How well a van tells its stops and fences: the pipeline over rounds whose truth is known, and over a drive labelled by hand."""

from __future__ import annotations

import random
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import shapely

from roundsman_agent.evidence import Engine
from roundsman_agent.fix import Fix
from roundsman_agent.pipeline import (
    DutyChanged,
    EngineChanged,
    Input,
    Output,
    PipelineConfig,
    PipelineState,
    PlanChanged,
    SitesChanged,
    step,
)
from roundsman_agent.places import PlannedStop
from roundsman_agent.sources import epochs_of
from roundsman_agent.times import GnssMs, MonoMs
from roundsman_core.geo import LatLon, LocalFrame
from roundsman_sim import bench_visits_peer
from roundsman_sim.bench_table import Row, table
from roundsman_sim.visit_drives import FENCE_M, START_UTC_MS, Round, TrueVisit, drive
from roundsman_wire.messages import Crossing, Fence, Sites, Visit

ROUNDS: Final = 16
COUNTED: Final = 30
"""Fewer visits say little of a share."""
PROJECT: Final = Path(__file__).parents[2]
LABELS: Final = PROJECT / "tests" / "agent" / "visits" / "standstills.toml"
RECORDINGS: Final = PROJECT.parent / "shared" / "data" / "gnss"
BESIDE_M: Final = (8.0, 30.0)
"""How far a fence that is never entered keeps from the van's true way: a lane and a pavement, or a yard's depth."""


@dataclass(kw_only=True, slots=True)
class Told:
    """One visit as the van told it, its last word. `stops`: every planned stop that it was told for."""

    stops: list[str] = field(default_factory=list)
    arrived_s: float | None = None
    left_s: float | None = None
    confidence: float = 0.0


@dataclass(kw_only=True, slots=True)
class Score:
    """What became of the true visits, and of what was told. Errors in seconds; `marks`: (confidence, true) of each told visit."""

    true: int = 0
    found: int = 0
    false: int = 0
    arrival_s: list[float] = field(default_factory=list)
    departure_s: list[float] = field(default_factory=list)
    marks: list[tuple[float, bool]] = field(default_factory=list)
    false_crossings: int = 0
    fences_passed: int = 0
    fences_missed: int = 0


def rows(seed: int) -> list[Row]:
    """Every row, simulated and recorded apart. Seeds of 1,000 and more: the rules were made on rounds 0 to 39."""
    simulated, plain = Score(), Score()
    for number in range(ROUNDS):
        count_round(simulated, drive(1_000 * seed + number), plain)
    found = _rows(simulated, "", f"{ROUNDS} simulated rounds, {simulated.true} stops; peer: {bench_visits_peer.IS}", plain)
    recorded = recorded_drive()
    return found + (_rows(recorded, "_recorded", f"1 recorded drive, {recorded.true} stops, 9 lights") if recorded is not None else [])


def _rows(score: Score, suffix: str, what: str, plain: Score | None = None) -> list[Row]:
    told, peer = score.found + score.false, plain or Score()
    over = overclaimed(score.marks)
    claims = [Row(f"confidence_over{suffix}", over, "", 0.02, None, f"levels of {COUNTED} visits or more")] if over is not None else []
    return [
        *claims,
        Row(
            f"visit_precision{suffix}",
            _share(score.found, told),
            "",
            0.98,
            _share(peer.found, peer.found + peer.false),
            what,
            at_least=True,
        ),
        Row(f"visit_recall{suffix}", _share(score.found, score.true), "", 0.98, _share(peer.found, peer.true), at_least=True),
        Row(f"arrival_error_s_p50{suffix}", _quantile(score.arrival_s, 0.5), "s", 10, _quantile(peer.arrival_s, 0.5)),
        Row(f"arrival_error_s_p95{suffix}", _quantile(score.arrival_s, 0.95), "s", 30, _quantile(peer.arrival_s, 0.95)),
        Row(f"departure_error_s_p50{suffix}", _quantile(score.departure_s, 0.5), "s", 10, _quantile(peer.departure_s, 0.5)),
        Row(f"departure_error_s_p95{suffix}", _quantile(score.departure_s, 0.95), "s", 30, _quantile(peer.departure_s, 0.95)),
        Row(
            f"false_crossings{suffix}",
            score.false_crossings,
            "",
            0,
            None if plain is None else peer.false_crossings,
            f"{score.fences_passed} fences beside the way",
        ),
        Row(f"missed_crossings{suffix}", score.fences_missed, "", None, None, "fences on the way"),
    ]


def overclaimed(marks: Sequence[tuple[float, bool]]) -> float | None:
    """The most by which a level of confidence exceeds the share of its visits that were true; None where no level was told often enough."""
    levels: defaultdict[float, list[bool]] = defaultdict(list)
    for confidence, true in marks:
        levels[round(confidence, 2)].append(true)
    over = [level - sum(found) / len(found) for level, found in levels.items() if len(found) >= COUNTED]
    return round(max(0.0, *over), 3) if over else None


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _quantile(errors_s: Sequence[float], share: float) -> float | None:
    return round(sorted(errors_s)[min(int(len(errors_s) * share), len(errors_s) - 1)], 1) if errors_s else None


# ── simulated ───────────────────────────────────────────────────────────────────────────────────────────────────────


def count_round(score: Score, made: Round, plain: Score | None = None) -> None:
    """Drive one round and hold what was told to what happened; and what plain rules would have told (`plain`)."""
    way = shapely.LineString([(p.east_m, p.north_m) for p in made.path])
    beside, on_way = fences_of(way, made.frame, random.Random(made.seed))
    out = run_round(made, (*beside, *on_way))
    truth = [(order, visit) for visit in made.visits for order in visit.orders]
    _count(score, truth, told_by(out))
    _count_crossings(score, beside, on_way, out)
    if plain is not None:
        halts = [Told(stops=[order], arrived_s=from_s, left_s=to_s) for order, from_s, to_s in bench_visits_peer.halts(made) if order]
        _count(plain, truth, halts)
        plain.false_crossings += bench_visits_peer.entries(made, beside)


def run_round(made: Round, fences: tuple[Fence, ...] = ()) -> list[Output]:
    """Everything that the pipeline tells of a round: the plan with what is tapped, the key, the fixes."""
    stops = [(o.order, made.frame.to_latlon(o.east_m, o.north_m)) for o in made.orders]

    def plan(done: set[str]) -> PlanChanged:
        known = (PlannedStop(stop=name, position=at, radius_m=FENCE_M, done=name in done) for name, at in stops)
        return PlanChanged(stops=tuple(sorted(known, key=lambda stop: stop.done)))

    def key(at_s: float, engine: Engine) -> tuple[float, Input]:
        return at_s, EngineChanged(engine=engine, source="line", mono_ms=round(at_s * 1000), utc_ms=None)

    done: set[str] = set()
    happens: list[tuple[float, Input]] = [(-1.0, plan(done)), (-1.0, SitesChanged.of(Sites(version=1, fences=fences))[0])]
    for tapped_s, order in sorted((v.tapped_s, order) for v in made.visits if v.tapped_s is not None for order in v.orders):
        done = done | {order}
        happens.append((tapped_s, plan(done)))
    if made.ignition:
        happens += [key(0.0, "on"), *(key(v.arrived_s + 3, "off") for v in made.visits if v.engine_off)]
        happens += [key(v.left_s - 4, "on") for v in made.visits if v.engine_off]
    happens += [
        (
            float(heard.t_s),
            Fix(
                mono_ms=MonoMs(heard.t_s * 1000),
                utc_ms=GnssMs(START_UTC_MS + heard.t_s * 1000),
                position=made.frame.to_latlon(heard.east_m, heard.north_m),
                speed_mps=heard.speed_mps,
                accuracy_m=5.0,
            ),
        )
        for heard in made.heard
    ]
    return _run(item for _, item in sorted(happens, key=lambda happening: happening[0]))


def _run(items: Iterable[Input]) -> list[Output]:
    config = PipelineConfig(built_utc_ms=0)
    state, out = step(PipelineState(), DutyChanged(duty="on", mono_ms=0, utc_ms=None), config)
    for item in items:
        state, told = step(state, item, config)
        out += told
    return out


def told_by(out: Iterable[Output]) -> list[Told]:
    """Visits out of their phases."""
    found: dict[int, Told] = {}
    for phase in out:
        if not isinstance(phase, Visit) or phase.phase == "approaching":
            continue
        told = found.setdefault(phase.visit, Told())
        if phase.stop is not None and phase.stop not in told.stops:
            told.stops.append(phase.stop)
        told.confidence = phase.confidence
        if phase.phase == "arrived":
            told.arrived_s = phase.mono_ms / 1000
        elif phase.phase == "left":
            told.left_s = phase.mono_ms / 1000
    return list(found.values())


def _count(score: Score, truth: Sequence[tuple[str, TrueVisit]], visits: Sequence[Told]) -> None:
    """A true visit of an order is found by one that was told for it and overlaps it; each is used once."""
    left = [(stop, told) for told in visits for stop in told.stops]
    for order, visit in truth:
        score.true += 1
        here = [
            (min(visit.left_s, told.left_s or visit.left_s) - max(visit.arrived_s, told.arrived_s), number)
            for number, (stop, told) in enumerate(left)
            if stop == order and told.arrived_s is not None
        ]
        overlap_s, number = max(here, default=(0.0, -1))
        if overlap_s <= 0:
            continue
        _, told = left.pop(number)
        score.found += 1
        score.marks.append((told.confidence, True))
        score.arrival_s.append(abs((told.arrived_s or 0.0) - visit.arrived_s))
        if told.left_s is not None:
            score.departure_s.append(abs(told.left_s - visit.left_s))
    score.false += len(left)
    score.marks += [(told.confidence, False) for _, told in left]


# ── fences ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def fences_of(way: shapely.LineString, frame: LocalFrame, rng: random.Random) -> tuple[tuple[Fence, ...], tuple[Fence, ...]]:
    """Yards beside the van's true way that it never enters, and fences that lie across it. Circles and polygons of both."""
    beside: list[Fence] = []
    across: list[Fence] = []
    for number in range(60):
        at = way.interpolate(rng.uniform(0, way.length))
        half_m, gap_m, far_m = rng.uniform(30, 90), rng.uniform(*BESIDE_M), rng.uniform(40, 160)
        aside = shapely.Point(at.x + rng.choice([-1, 1]) * far_m, at.y + rng.choice([-1, 1]) * far_m)
        clear_m = way.distance(aside)
        if clear_m > gap_m + 15:
            beside.append(_circle(f"beside_{number}", frame, aside, clear_m - gap_m))
        square = shapely.box(at.x - half_m, at.y - half_m, at.x + half_m, at.y + half_m).difference(way.buffer(gap_m))
        parts = [part for part in shapely.get_parts(square) if part.geom_type == "Polygon" and part.area > 400]
        beside += [_polygon(f"beside_{number}_{n}", frame, part) for n, part in enumerate(parts)]
        if number % 4 == 0:
            across.append(_circle(f"across_{number}", frame, at, half_m))
    return tuple(beside), tuple(across)


def _circle(name: str, frame: LocalFrame, at: shapely.Point, radius_m: float) -> Fence:
    place = frame.to_latlon(at.x, at.y)
    return Fence(fence=name, name=name, rings_e6=(((place.lat_e6, place.lon_e6),),), radius_m=radius_m)


def _polygon(name: str, frame: LocalFrame, polygon: shapely.Polygon) -> Fence:
    rings = (polygon.exterior, *polygon.interiors)
    corners = ((frame.to_latlon(e, n) for e, n in shapely.get_coordinates(ring).tolist()) for ring in rings)
    return Fence(fence=name, name=name, rings_e6=tuple(tuple((at.lat_e6, at.lon_e6) for at in ring) for ring in corners))


def _count_crossings(score: Score, beside: Sequence[Fence], across: Sequence[Fence], out: Iterable[Output]) -> None:
    entered = [o.fence for o in out if isinstance(o, Crossing) and o.event == "enter"]
    score.fences_passed += len(beside)
    score.false_crossings += sum(name.startswith("beside") for name in entered)
    score.fences_missed += len({fence.fence for fence in across} - set(entered))


# ── recorded ────────────────────────────────────────────────────────────────────────────────────────────────────────


def recorded_drive() -> Score | None:
    """The labelled drive against its labels: a plan of one stop, where it parks; None where the recording is not here."""
    labels = tomllib.loads(LABELS.read_text(encoding="utf-8")) if LABELS.is_file() else None
    if labels is None or not (RECORDINGS / labels["drive"]["recording"]).is_file():
        return None
    fixes = [
        e for e in epochs_of((RECORDINGS / labels["drive"]["recording"]).read_bytes()) if e.position is not None and e.utc_ms is not None
    ]
    start_ms = fixes[0].utc_ms or 0
    parked = PlannedStop(
        stop="parked", position=LatLon(labels["drive"]["parked_lat_deg"], labels["drive"]["parked_lon_deg"]), radius_m=FENCE_M
    )
    frame = LocalFrame(parked.position)
    way = shapely.LineString([frame.to_m(e.position) for e in fixes if e.position is not None])
    beside, across = fences_of(way, frame, random.Random(0))
    items: list[Input] = [PlanChanged(stops=(parked,)), SitesChanged.of(Sites(version=1, fences=(*beside, *across)))[0]]
    for epoch in fixes:
        if epoch.position is not None and epoch.utc_ms is not None:
            mono_ms = MonoMs(epoch.utc_ms - start_ms)
            items.append(
                Fix(mono_ms=mono_ms, utc_ms=epoch.utc_ms, position=epoch.position, speed_mps=epoch.speed_mps, accuracy_m=epoch.accuracy_m)
            )
    out = _run(items)
    score = Score()
    stops = [s for s in labels["standstill"] if s["kind"] == "stop"]
    visits = told_by(out)
    score.false += sum(not told.stops for told in visits)  # the drive has no unplanned stop
    _count(score, [("parked", TrueVisit(orders=("parked",), arrived_s=s["from_s"], left_s=s["to_s"])) for s in stops], visits)
    _count_crossings(score, beside, across, out)
    return score


if __name__ == "__main__":
    print(table(rows(int(sys.argv[1]) if len(sys.argv) > 1 else 1)))
