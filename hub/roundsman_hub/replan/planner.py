"""One depot's planning, step by step: look, ask, decide, issue. `worker.py` says when."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from roundsman_core.geo import LatLon
from roundsman_hub.clock import Clock, to_ms
from roundsman_hub.dispatch.issue import Stale, issue
from roundsman_hub.pki import Signer
from roundsman_hub.planning.evaluate import judge
from roundsman_hub.planning.insertion import repair
from roundsman_hub.planning.problem import Plan, Problem, is_task
from roundsman_hub.planning.walk import Ground
from roundsman_hub.replan import consent
from roundsman_hub.replan.build import LATER, WAITS, anew, build, driven_to, remaining
from roundsman_hub.replan.consent import Turn
from roundsman_hub.replan.decide import Answer, altered, answer
from roundsman_hub.replan.drawn import packed
from roundsman_hub.replan.holds import HEARD_WITHIN
from roundsman_hub.replan.load import Kept, load_world
from roundsman_hub.replan.matrix import MatrixCache, Ways
from roundsman_hub.replan.moves import as_wished, change_vans, known, moved_to, remaining_now
from roundsman_hub.replan.positions import fitting
from roundsman_hub.replan.reasons import URGENT_PRIORITY, least_gain_cents
from roundsman_hub.replan.revision import bump
from roundsman_hub.replan.spare import better_in, spared
from roundsman_hub.replan.story import Diff, tell
from roundsman_hub.replan.terms import kind_of
from roundsman_hub.replan.world import Draft, Reason, World
from roundsman_hub.roads import RoadNetwork, RoadsError
from roundsman_hub.store import hand_store, log_store, proposal_store
from roundsman_hub.store.db import Cursor, Database
from roundsman_wire.messages import Plan as ToldPlan

log = logging.getLogger(__name__)

KEPT_REASONS: Final = 3
SEARCH_S: Final = 1.5
FIRST_SEARCH_S: Final = (0.5, 10.0)
FIRST_SEARCH_S_PER_ORDER: Final = 0.08
"""Real seconds of search for the first plan of a shift, when nobody waits for it yet."""
CHANGES_VANS_CENTS: Final = 100
"""What a better plan has to save besides for each task that it takes from one van for another: until the first confirms, nobody has it, and
a van that leaves meanwhile leaves its goods at the depot. (On a pretend morning 130 changed vans to save 147, and 52 stayed there.)"""
TRIES: Final = 5
ROUTE_STOPS: Final = 40
"""As many as the plan's matrix has: by then there is another plan."""
OFF_DEPOT: Final = "the depot is on no road of the map: correct its place, or give the hub a street extract that it is in"
OFF_ADDRESS: Final = "its address is on no road of the map: correct its pin, or give the hub a street extract that it is in"


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A problem worth searching, outside the planner's own thread."""

    depot_id: str
    problem: Problem
    warm: Plan
    budget_s: float
    reasons: tuple[Reason, ...] = ()
    """Why it is looked for: they say what it has to save."""

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(reason.kind for reason in self.reasons)


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A change as it is kept: reasons, diff, and the routes of the vans that it changes."""

    reasons: tuple[Reason, ...]
    diff: Diff
    before: dict[str, tuple[str, ...]]
    after: dict[str, tuple[str, ...]]


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
        self.awaiting: dict[str, tuple[str, ...]] = {}
        """Depots whose planning waits for vans after a restore, and those vans."""
        self._kept: dict[str, Kept] = {}
        self._wished: dict[str, Mapping[str, Sequence[str]]] = {}
        """Of each depot the routes that a search was told with: what it took from one van for another goes there after the receipt."""

    def look(self, depot_id: str) -> World | None:
        """What is known of a depot, all of it read at one instant."""
        with self._db.transaction() as cur:
            cur.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            return load_world(cur, depot_id, self._clock, self._kept.setdefault(depot_id, Kept()))

    def plan(self, depot_id: str, *, search: bool = True) -> Search | None:
        """Mend a depot's plans now, by insertion alone; gives what a search could look at afterwards.

        The first plan of a shift is searched before it is told, unless something urgent is in it. Where a dispatcher decides
        first (the depot's mode), only what leaves no choice is told; the rest becomes a proposal, or nothing.
        `search` False: nobody would look further now, so nothing is made ready for it.
        """
        for _ in range(TRIES):
            world = self.look(depot_id)
            if world is None or self._awaits(world):
                return None
            began = time.monotonic()
            done, found = self._plan(world, search=search)
            if done:
                why = "; ".join(dict.fromkeys(reason.text for reason in world.reasons))
                log.info("depot %s revision %d planned in %.0f ms: %s", depot_id, world.revision, 1000 * (time.monotonic() - began), why)
                return found
        raise Stale(f"depot {depot_id} changed {TRIES} times while it was planned")

    def _plan(self, world: World, *, search: bool) -> tuple[bool, Search | None]:
        """(it holds, what a search could look at); false: somebody was quicker."""
        tables = self._ways(world)
        if said := [reason for reason in world.reasons if reason.subject in world.named]:
            return self._decided(world, tables, said), None
        turn = consent.turn(world)
        if turn.how == "hold":
            return self._tell(world, None, None, turn=turn), None
        world = fitting(world, lambda free: build(free, *tables, may_move=False))
        first = _opens(world)
        if turn.whole and first and world.urgency < URGENT_PRIORITY and (wish := self._search(world, tables)):
            low, high = FIRST_SEARCH_S
            return True, replace(wish, budget_s=min(max(low, FIRST_SEARCH_S_PER_ORDER * len(wish.problem.tasks)), high))
        mended = build(world, *tables, may_move=False, without=turn.without)
        ground = Ground(mended)
        plan = self._as_searched(world, mended, _mended(world, mended, ground))
        if not self._tell(world, mended, plan, turn=turn, ground=ground):
            return False, None
        return True, self._search(world, tables) if turn.whole and search else None

    def _awaits(self, world: World) -> bool:
        """Whether planning has to wait: the database was restored, and vans on their round may hold what it does not know."""
        before = self.awaiting.pop(world.depot_id, ())
        if not world.awaited:
            return False
        self.awaiting[world.depot_id] = world.awaited
        if before != world.awaited:
            names = ", ".join(world.vans[vehicle].name for vehicle in world.awaited)
            text = f"restored: planning waits to hear of {names}, {HEARD_WITHIN.seconds} s at most"
            log.warning("depot %s %s", world.depot_id, text, extra={"depot": world.depot_id})
            with self._db.transaction() as cur:
                log_store.alarm(cur, "planning waits", world.depot_id, text, self._clock.real_now())
        return True

    def _decided(self, world: World, tables: Ways, reasons: list[Reason]) -> bool:
        """Do what a dispatcher said of proposals: the routes of an approved one, or those from before the one that was taken back."""
        wish: dict[str, tuple[str, ...]] = {}
        for reason in reasons:
            said = world.named[reason.subject]
            wish |= said.after if reason.kind == "approved" else said.before
        named = frozenset(step for route in wish.values() for step in route)
        turn = consent.turn(world, named=named)
        problem = build(world, *tables, may_move=True, without=turn.without)
        routes = {**problem.current, **known(problem, wish)}
        taken = {step for vehicle in wish for step in routes[vehicle] if is_task(step)} if wish else set()
        routes = {
            vehicle: route if vehicle in wish else tuple(step for step in route if step not in taken) for vehicle, route in routes.items()
        }
        plan, ground = repair(replace(problem, current=routes)), Ground(problem)
        if judge(ground, plan).violations:
            plan = repair(problem, ground)
        approved = next((reason.subject for reason in reasons if reason.kind == "approved"), None)
        return self._tell(world, problem, plan, turn=turn, approved=approved, ground=ground)

    def adopt(self, search: Search, found: Plan) -> None:
        """Use what a search found, if it still is worth it in the world as it is by now, and nobody has to be asked first."""
        for _ in range(TRIES):
            world = self.look(search.depot_id)
            if world is None or world.awaited:
                return
            turn = consent.turn(world, asked=search.kinds)
            if not turn.whole:
                return
            first = _opens(world)
            problem = build(world, *self._ways(world), may_move=True)
            ground = Ground(problem if first else spared(problem))
            routes = consent.not_again(world, problem.current, known(problem, found.routes))
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
                stands = repair(problem)
                gain_cents = judge(ground, stands).cost_cents - verdict.cost_cents
                least = least_gain_cents(list(search.kinds)) + CHANGES_VANS_CENTS * change_vans(problem, fresh)
                if verdict.violations or gain_cents < least:
                    return
                why = better_in(Ground(problem), stands, fresh)
            if self._tell(world, problem, fresh, why=why, turn=turn, searched=search.reasons):
                self._wished[search.depot_id] = fresh.routes
                return
        log.info("depot %s changes faster than a search can be told; the repaired plan stands", search.depot_id)

    def heard_again(self, world: World) -> list[Reason]:
        """Vans that came back on line since their depot was planned, while work has no van: one of them may take it.

        Once for each return: planning again remembers it, so that nothing oscillates.
        """
        if all(reason.startswith((WAITS, LATER)) for reason in world.unassigned.values()):
            return []
        online = _online(world)
        back = sorted(online - self._could_be_told.get(world.depot_id, online))
        return [Reason(text=f"{world.vans[van].name} is on line again", kind="online", subject=van) for van in back]

    def _as_searched(self, world: World, problem: Problem, plan: Plan) -> Plan:
        """The mended plan, with work between two vans where the search that took it away wished it, as long as that is no dearer in its own
        eyes. Insertion weighs otherwise: it would give the work back, and the next search take it away again, for ever."""
        wish = self._wished.get(world.depot_id)
        routes = problem.current if wish is None else as_wished(problem, wish)
        if routes == problem.current:
            return plan
        wished, ground = repair(replace(problem, current=routes)), Ground(spared(problem))
        verdict = judge(ground, wished)
        return wished if not verdict.violations and verdict.cost_cents <= judge(ground, plan).cost_cents else plan

    def _search(self, world: World, tables: Ways) -> Search | None:
        """What a search could look at, from the world as it was read; None where there is nothing to choose."""
        wish = build(world, *tables, may_move=True)
        if not wish.vans or not wish.tasks:
            return None
        sought = wish if _opens(world) else spared(wish)
        return Search(depot_id=world.depot_id, problem=sought, warm=repair(wish), budget_s=SEARCH_S, reasons=world.reasons)

    def _tell(
        self,
        world: World,
        problem: Problem | None,
        plan: Plan | None,
        *,
        turn: Turn,
        why: str = "",
        searched: tuple[Reason, ...] = (),
        approved: str | None = None,
        ground: Ground | None = None,
    ) -> bool:
        """Issue a plan, or write it down as a proposal, with its story; without one, only take note. False: somebody was quicker."""
        self._could_be_told[world.depot_id] = _online(world)
        if problem is None or plan is None:
            return self._commit(world, None, consent.unassigned_while(world), (), turn=turn)
        ground = ground or Ground(problem)
        told = answer(world, problem, plan, travel_times=self._matrix(world).network, why=why, ground=ground)
        told = replace(told, unassigned=self._off_the_map(world, told.unassigned))
        unassigned = told.unassigned | {task: world.unassigned.get(task, consent.waits_for(world)) for task in turn.without}
        drafts = told.drafts
        if turn.how == "tell":
            drafts = tuple(replace(draft, route_e6=self._road(world, draft)) for draft in drafts)
        if not drafts and not world.loosened and unassigned == world.unassigned and world.planned == world.revision:
            return True
        story = self._story(world, plan, ground, told, unassigned, why=why, searched=searched) if drafts else None
        if turn.how == "ask":
            unassigned = consent.unassigned_while(world)
        return self._commit(world, story, unassigned, drafts, turn=turn, approved=approved)

    def _story(
        self,
        world: World,
        plan: Plan,
        ground: Ground,
        told: Answer,
        unassigned: Mapping[str, str],
        *,
        why: str,
        searched: tuple[Reason, ...],
    ) -> Story:
        """What these drafts change, for whom, why, and what it saves."""
        problem, drafts = ground.problem, told.drafts
        reasons = consent.distinct((*world.reasons, *searched))
        because = "; ".join(filter(None, (why, *(reason.text for reason in reasons[-KEPT_REASONS:]))))
        changed = {draft.vehicle_id for draft in drafts}
        before = {van.vehicle_id: remaining_now(world, van) for van in world.vans.values()}
        diff = tell(
            world,
            problem,
            before=judge(ground, Plan(routes=problem.current, unassigned={})),
            after=told.verdict,
            routes_before=before,
            unassigned=unassigned,
            because=because,
            news={reason.subject: reason.text for reason in reasons if reason.subject in world.orders},
            altered=frozenset().union(*(altered(world, draft) for draft in drafts)),
        )
        return Story(
            reasons=reasons,
            diff=diff,
            before={vehicle: before[vehicle] for vehicle in changed},
            after={vehicle: tuple(plan.routes.get(vehicle, ())) for vehicle in {*changed, *moved_to(plan, before)}},
        )

    def _commit(
        self,
        world: World,
        story: Story | None,
        unassigned: dict[str, str],
        drafts: tuple[Draft, ...],
        *,
        turn: Turn,
        approved: str | None = None,
    ) -> bool:
        asks = turn.how == "ask"
        try:
            with self._db.transaction() as cur:
                plans = issue(cur, world, () if asks else drafts, unassigned, signer=self._signer, clock=self._clock)
                self._write(cur, world, story, plans, asks=asks, approved=approved)
                for order, vehicle in world.loosened.items():
                    hand_store.loosen(cur, world.fleet_id, order, vehicle, world.now)
                for reason in turn.later:
                    bump(
                        cur,
                        world.depot_id,
                        reason.text,
                        reason.priority,
                        clock=self._clock,
                        kind=reason.kind,
                        subject=reason.subject,
                    )
        except Stale:
            return False
        if plans:
            self._issued()
        return True

    def _write(
        self, cur: Cursor, world: World, story: Story | None, plans: Sequence[ToldPlan], *, asks: bool, approved: str | None
    ) -> None:
        """Keep a change with its story: as a proposal of its own, or as what became of the one that was approved."""
        versions = {plan.vehicle: plan.version for plan in plans}
        if approved is not None:
            diff = None if story is None else story.diff.plain()
            before, after = ({}, {}) if story is None else (story.before, story.after)
            proposal_store.applied(cur, approved, diff=diff, before=before, after=after, versions=versions)
        elif story is not None:
            proposal_store.add(
                cur,
                fleet=world.fleet_id,
                depot=world.depot_id,
                at=world.now,
                state="waiting" if asks else "adopted",
                reasons=story.reasons,
                diff=story.diff.plain(),
                before=story.before,
                after=story.after,
                versions=versions,
                actor=None,
            )
        elif asks and world.waiting is not None:
            proposal_store.supersede(cur, world.fleet_id, world.depot_id, world.now, "nothing is left to change")

    def _road(self, world: World, draft: Draft) -> tuple[int, ...]:
        """The road of a draft, as a plan carries it; nothing where there is no road network to ask."""
        if self._roads.name == "great_circle" or not draft.stops:
            return ()
        start = world.vans[draft.vehicle_id].position if world.vans[draft.vehicle_id].left_with is not None else None
        stops = [LatLon.from_e6(stop.lat_e6, stop.lon_e6) for stop in draft.stops[:ROUTE_STOPS]]
        end = [world.depot] if len(draft.stops) <= ROUTE_STOPS else []
        try:
            kind = kind_of(world.vans[draft.vehicle_id].terms)
            route = self._roads.of_fleet(world.fleet_id).route([start or world.depot, *stops, *end], profile=kind)
        except RoadsError as error:
            log.warning("%s; the plan goes without its road", error)
            return ()
        return packed(route.geometry) if route.network == self._roads.name else ()

    def _off_the_map(self, world: World, unassigned: dict[str, str]) -> dict[str, str]:
        """The reasons, clearer where a place is nowhere near a road."""
        off = self._matrix(world).off_road
        if world.depot in off:
            return dict.fromkeys(unassigned, OFF_DEPOT)
        places_of = {task: order.position for task, order in world.orders.items()}
        return {task: OFF_ADDRESS if places_of.get(task) in off else reason for task, reason in unassigned.items()}

    def _ways(self, world: World) -> Ways:
        return self._matrix(world).of(world, driven_to(world))

    def _matrix(self, world: World) -> MatrixCache:
        return self._matrices.setdefault(world.depot_id, MatrixCache(self._roads.of_fleet(world.fleet_id)))


def _opens(world: World) -> bool:
    """Whether no van has a plan of this shift yet: of an earlier one nothing may be left, and nobody may have set out."""
    return all(
        van.newest is None
        or (van.left_with is None and (van.newest.shift_start_utc_ms or 0) < to_ms(van.shift_start) and not remaining(world, van))
        for van in world.vans.values()
    )


def _mended(world: World, problem: Problem, ground: Ground) -> Plan:
    """The plan that stands, mended: what was moved is put where it fits now; where it fits nowhere it stays, late, where it was."""
    sought = anew(world, problem)
    plan = repair(sought, ground if sought is problem else None)
    planned = {step for route in problem.current.values() for step in route}
    return repair(problem, ground) if sought is not problem and planned & plan.unassigned.keys() else plan


def _online(world: World) -> frozenset[str]:
    return frozenset(van.vehicle_id for van in world.vans.values() if van.online)
