"""One depot's planning, step by step: look, ask, decide, issue. `worker.py` says when."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from roundsman_hub.clock import Clock, to_ms
from roundsman_hub.dispatch.issue import Stale
from roundsman_hub.pki import Signer
from roundsman_hub.planning.evaluate import judge
from roundsman_hub.planning.insertion import repair
from roundsman_hub.planning.problem import Plan, Problem
from roundsman_hub.planning.walk import Ground
from roundsman_hub.replan import consent
from roundsman_hub.replan.build import LATER, WAITS, anew, build, remaining
from roundsman_hub.replan.holds import HEARD_WITHIN
from roundsman_hub.replan.load import Kept, load_world
from roundsman_hub.replan.matrix import Matrices, Ways
from roundsman_hub.replan.moves import as_wished, change_vans, known, set_to
from roundsman_hub.replan.positions import fitting
from roundsman_hub.replan.reasons import URGENT_PRIORITY, least_gain_cents
from roundsman_hub.replan.spare import better_in, spared
from roundsman_hub.replan.telling import Teller
from roundsman_hub.replan.world import Reason, World
from roundsman_hub.roads import RoadNetwork
from roundsman_hub.store import log_store, proposal_store
from roundsman_hub.store.db import Database

log = logging.getLogger(__name__)

SEARCH_S: Final = 1.5
FIRST_SEARCH_S: Final = (0.5, 10.0)
FIRST_SEARCH_S_PER_ORDER: Final = 0.08
"""Real seconds of search for the first plan of a shift, when nobody waits for it yet."""
CHANGES_VANS_CENTS: Final = 100
"""What a better plan has to save besides for each task that it takes from one van for another: until the first confirms, nobody has it, and
a van that leaves meanwhile leaves its goods at the depot. (On a pretend morning 130 changed vans to save 147, and 52 stayed there.)"""
WISHED_WITHIN: Final = timedelta(hours=1)
"""A receipt takes seconds; the work of a van without network is looked at anew by any search that comes later."""
TRIES: Final = 5


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


class Planner:
    """Plans depots. What it keeps of each (travel times, which vans could be told, what the last search wished) only saves work: another
    one finds it again, so any number may run.

    Parameters
    ----------
    issued : callable
        Called after plans were committed: wakes the publisher.
    """

    def __init__(self, db: Database, roads: RoadNetwork, signer: Signer, clock: Clock, issued: Callable[[], None]) -> None:
        self._db, self._clock = db, clock
        self._ways = Matrices(roads)
        self._teller = Teller(db, roads, self._ways, signer, clock, issued)
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
        tables = self._ways.of(world)
        if said := [reason for reason in world.reasons if reason.subject in world.named]:
            return self._decided(world, tables, said), None
        turn = consent.turn(world)
        if turn.how == "hold":
            return self._teller.tell(world, None, None, turn=turn), None
        world = fitting(world, lambda free: build(free, *tables, may_move=False))
        first = _opens(world)
        if turn.whole and first and world.urgency < URGENT_PRIORITY and (wish := self._search(world, tables)):
            low, high = FIRST_SEARCH_S
            return True, replace(wish, budget_s=min(max(low, FIRST_SEARCH_S_PER_ORDER * len(wish.problem.tasks)), high))
        mended = build(world, *tables, may_move=False, without=turn.without)
        ground = Ground(mended)
        plan = self._as_searched(world, mended, _mended(world, mended, ground))
        if turn.how == "ask" and (again := consent.asked_again(world, mended.current, plan.routes)):
            turn = replace(turn, without=turn.without | again)
            mended = build(world, *tables, may_move=False, without=turn.without)
            ground = Ground(mended)
            plan = self._as_searched(world, mended, _mended(world, mended, ground))
        if not self._teller.tell(world, mended, plan, turn=turn, ground=ground):
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
        plan, ground = repair(replace(problem, current=set_to(problem, wish))), Ground(problem)
        if judge(ground, plan).violations:
            plan = repair(problem, ground)
        approved = next((reason.subject for reason in reasons if reason.kind == "approved"), None)
        return self._teller.tell(world, problem, plan, turn=turn, approved=approved, ground=ground)

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
            problem = build(world, *self._ways.of(world), may_move=True)
            ground = Ground(problem if first else spared(problem))
            routes = consent.not_again(world, problem.current, known(problem, found.routes))
            for van in world.vans.values():
                kept = problem.current.get(van.vehicle_id, ())
                if van.declined_version and set(kept) == set(routes.get(van.vehicle_id, ())):
                    routes[van.vehicle_id] = kept  # its driver said no to another order of these stops
            fresh = repair(replace(problem, current=routes))
            if turn.how == "ask" and (again := consent.asked_again(world, problem.current, fresh.routes)):
                turn = replace(turn, without=again)
                problem = build(world, *self._ways.of(world), may_move=True, without=again)
                ground = Ground(problem if first else spared(problem))
                fresh = repair(replace(problem, current=known(problem, routes)))
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
            if self._teller.tell(world, problem, fresh, why=why, turn=turn, searched=search.reasons):
                self._wished[search.depot_id] = fresh.routes
                return
        log.info("depot %s changes faster than a search can be told; the repaired plan stands", search.depot_id)

    def heard_again(self, world: World) -> list[Reason]:
        """Vans that came back on line since their depot was planned, while work has no van: one of them may take it.

        Once for each return: planning again remembers it, so that nothing oscillates.
        """
        if all(reason.startswith((WAITS, LATER)) for reason in world.unassigned.values()):
            return []
        back = self._teller.back_on_line(world)
        return [Reason(text=f"{world.vans[van].name} is on line again", kind="online", subject=van) for van in back]

    def _as_searched(self, world: World, problem: Problem, plan: Plan) -> Plan:
        """The mended plan, with work between two vans where the search that took it away wished it, as long as that is no dearer in its own
        eyes. Insertion weighs otherwise: it would give the work back, and the next search take it away again, for ever."""
        if (wish := self._wished.get(world.depot_id)) is None:
            wish = self._wished[world.depot_id] = self._wished_before(world)
        routes = as_wished(problem, wish)
        if routes == problem.current:
            return plan
        wished, ground = repair(replace(problem, current=routes)), Ground(spared(problem))
        verdict = judge(ground, wished)
        return wished if not verdict.violations and verdict.cost_cents <= judge(ground, plan).cost_cents else plan

    def _wished_before(self, world: World) -> Mapping[str, Sequence[str]]:
        """What another planner, or this one before it was started again, wished with work that is between two vans now."""
        waiting = [order for order, reason in world.unassigned.items() if reason.startswith(WAITS)]
        if not waiting:
            return {}
        with self._db.transaction() as cur:
            return proposal_store.wished(cur, world.depot_id, waiting, world.now - WISHED_WITHIN)

    def _search(self, world: World, tables: Ways) -> Search | None:
        """What a search could look at, from the world as it was read; None where there is nothing to choose."""
        wish = build(world, *tables, may_move=True)
        if not wish.vans or not wish.tasks:
            return None
        sought = wish if _opens(world) else spared(wish)
        return Search(depot_id=world.depot_id, problem=sought, warm=repair(wish, patient=True), budget_s=SEARCH_S, reasons=world.reasons)


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
