"""One depot's planning, step by step: look, ask, decide, issue. `worker.py` says when."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from roundsman_core.geo import LatLon
from roundsman_hub.clock import Clock
from roundsman_hub.dispatch.issue import Stale, issue
from roundsman_hub.pki import Signer
from roundsman_hub.planning.evaluate import judge
from roundsman_hub.planning.insertion import repair
from roundsman_hub.planning.problem import Plan, Problem, is_task
from roundsman_hub.planning.walk import Ground
from roundsman_hub.replan.build import WAITS, build, places
from roundsman_hub.replan.decide import answer
from roundsman_hub.replan.load import load_world
from roundsman_hub.replan.matrix import MatrixCache, Table
from roundsman_hub.replan.revision import URGENT_PRIORITY
from roundsman_hub.replan.world import Draft, World
from roundsman_hub.roads import RoadNetwork, RoadsError
from roundsman_hub.store.db import Database

log = logging.getLogger(__name__)

ADOPT_CENTS: Final = 300
"""A search's plan is told to drivers only if it saves this much: about six minutes of one van."""
SEARCH_S: Final = 1.5
FIRST_SEARCH_S: Final = (0.5, 10.0)
FIRST_SEARCH_S_PER_ORDER: Final = 0.08
"""Real seconds of search for the first plan of a shift, when nobody waits for it yet."""
TRIES: Final = 5
ROUTE_STOPS: Final = 40
"""As many as the plan's matrix has: by then there is another plan."""
ROUTE_POINTS: Final = 6_000
"""About 30 kB in a plan; a road with more is left out."""
STRAIGHT_E6: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A problem worth searching, outside the planner's own thread."""

    depot_id: str
    problem: Problem
    warm: Plan
    budget_s: float


class Planner:
    """Plans depots. Keeps the travel times of each, and which vans could be told when it was planned; both only save work, so any
    number may run.

    Parameters
    ----------
    issued : callable
        Called after plans were committed: wakes the publisher.
    """

    def __init__(self, db: Database, roads: RoadNetwork, signer: Signer, clock: Clock, issued: Callable[[], None]) -> None:
        self._db, self._roads, self._signer, self._clock, self._issued = db, roads, signer, clock, issued
        self._matrices: dict[str, MatrixCache] = {}
        self._could_be_told: dict[str, frozenset[str]] = {}

    def look(self, depot_id: str) -> World | None:
        """What is known of a depot, all of it read at one instant."""
        with self._db.transaction() as cur:
            cur.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            return load_world(cur, depot_id, self._clock)

    def plan(self, depot_id: str) -> Search | None:
        """Mend a depot's plans now, by insertion alone; gives what a search could look at afterwards.

        The first plan of a shift is searched before it is told, unless something urgent is in it.
        """
        for _ in range(TRIES):
            world = self.look(depot_id)
            if world is None:
                return None
            began = time.monotonic()
            first = all(van.newest is None for van in world.vans.values())
            work, starts = places(world)
            tables = self._matrix(depot_id).tables(work, starts)
            if first and world.urgency < URGENT_PRIORITY and (search := self._search(world, tables)):
                low, high = FIRST_SEARCH_S
                return replace(search, budget_s=min(max(low, FIRST_SEARCH_S_PER_ORDER * len(search.problem.tasks)), high))
            mended = build(world, *tables, may_move=False)
            if self._tell(world, mended, repair(mended), why=""):
                why = "; ".join(dict.fromkeys(reason.text for reason in world.reasons))
                log.info("depot %s revision %d planned in %.0f ms: %s", depot_id, world.revision, 1000 * (time.monotonic() - began), why)
                return self._search(world, tables)
        raise Stale(f"depot {depot_id} changed {TRIES} times while it was planned")

    def adopt(self, search: Search, found: Plan) -> None:
        """Use what a search found, if it still is worth it in the world as it is by now."""
        for _ in range(TRIES):
            world = self.look(search.depot_id)
            if world is None:
                return
            first = all(van.newest is None for van in world.vans.values())
            work, starts = places(world)
            problem = build(world, *self._matrix(search.depot_id).tables(work, starts), may_move=True)
            ground = Ground(problem)
            known = {task.task for task in problem.tasks}
            routes = {
                vehicle: tuple(step for step in route if step in known or not is_task(step)) for vehicle, route in found.routes.items()
            }
            for van in world.vans.values():
                kept = problem.current.get(van.vehicle_id, ())
                if van.declined_version and set(kept) == set(routes.get(van.vehicle_id, ())):
                    routes[van.vehicle_id] = kept  # its driver said no to another order of these stops
            fresh = repair(replace(problem, current=routes))
            verdict = judge(ground, fresh)
            why = ""
            if first and verdict.violations:
                fresh = repair(problem)  # somebody has to go: the first plan is told in any case
            elif not first:
                gain_cents = judge(ground, repair(problem)).cost_cents - verdict.cost_cents
                if verdict.violations or gain_cents < ADOPT_CENTS:
                    return
                why = f"a better order of stops (saves {gain_cents / 100:.2f})"
            if self._tell(world, problem, fresh, why=why):
                return
        log.info("depot %s changes faster than a search can be told; the repaired plan stands", search.depot_id)

    def heard_again(self, world: World) -> list[str]:
        """Vans that came back on line since their depot was planned, while work has no van: one of them may take it.

        Once for each return: planning again remembers it, so that nothing oscillates.
        """
        if all(reason.startswith(WAITS) for reason in world.unassigned.values()):
            return []
        online = _online(world)
        return [f"{world.vans[van].name} is on line again" for van in sorted(online - self._could_be_told.get(world.depot_id, online))]

    def _search(self, world: World, tables: tuple[Table, Table]) -> Search | None:
        """What a search could look at, from the world as it was read; None where there is nothing to choose."""
        wish = build(world, *tables, may_move=True)
        if not wish.vans or not wish.tasks:
            return None
        return Search(depot_id=world.depot_id, problem=wish, warm=repair(wish), budget_s=SEARCH_S)

    def _tell(self, world: World, problem: Problem, plan: Plan, *, why: str) -> bool:
        self._could_be_told[world.depot_id] = _online(world)
        told = answer(world, problem, plan, travel_times=self._roads.name, why=why)
        told = replace(told, drafts=tuple(replace(draft, route_e6=self._road(world, draft)) for draft in told.drafts))
        if not told.drafts and told.unassigned == world.unassigned and world.planned == world.revision:
            return True
        try:
            with self._db.transaction() as cur:
                plans = issue(cur, world, told.drafts, told.unassigned, signer=self._signer, clock=self._clock)
        except Stale:
            return False
        if plans:
            self._issued()
        return True

    def _road(self, world: World, draft: Draft) -> tuple[int, ...]:
        """The road of a draft, as a plan carries it; nothing where there is no road network to ask."""
        if self._roads.name == "great_circle" or not draft.stops:
            return ()
        start = world.vans[draft.vehicle_id].position if world.vans[draft.vehicle_id].left_with is not None else None
        stops = [LatLon.from_e6(stop.lat_e6, stop.lon_e6) for stop in draft.stops[:ROUTE_STOPS]]
        end = [world.depot] if len(draft.stops) <= ROUTE_STOPS else []
        try:
            route = self._roads.route([start or world.depot, *stops, *end])
        except RoadsError as error:
            log.warning("%s; the plan goes without its road", error)
            return ()
        return packed(route.geometry) if route.network == self._roads.name else ()

    def _matrix(self, depot_id: str) -> MatrixCache:
        return self._matrices.setdefault(depot_id, MatrixCache(self._roads))


def packed(geometry: Sequence[LatLon]) -> tuple[int, ...]:
    """A road as a plan carries it: the first place, then differences, in 10⁻⁶ degree. Points on a straight line are left out."""
    points = [(place.lat_e6, place.lon_e6) for place in geometry]
    kept = [at for i, at in enumerate(points) if i in (0, len(points) - 1) or not _straight(points[i - 1], at, points[i + 1])]
    if len(kept) > ROUTE_POINTS:
        return ()
    out: list[int] = []
    before = (0, 0)
    for lat, lon in kept:
        out += [lat - before[0], lon - before[1]]
        before = (lat, lon)
    return tuple(out)


def _straight(a: tuple[int, int], b: tuple[int, int], c: tuple[int, int]) -> bool:
    """Whether b lies within about a metre of the way from a to c."""
    (x, y), (u, v) = (c[0] - a[0], c[1] - a[1]), (b[0] - a[0], b[1] - a[1])
    return abs(x * v - y * u) <= STRAIGHT_E6 * (x * x + y * y) ** 0.5 and 0 <= x * u + y * v <= x * x + y * y


def _online(world: World) -> frozenset[str]:
    return frozenset(van.vehicle_id for van in world.vans.values() if van.online)
