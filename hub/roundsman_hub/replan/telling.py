"""What becomes of a plan: told to the vans it changes, or written down as a proposal; with its story, in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from roundsman_core.geo import LatLon
from roundsman_hub.clock import Clock
from roundsman_hub.dispatch.issue import Stale, issue
from roundsman_hub.pki import Signer
from roundsman_hub.planning.evaluate import judge
from roundsman_hub.planning.problem import Plan, Problem
from roundsman_hub.planning.walk import Ground
from roundsman_hub.replan import consent
from roundsman_hub.replan.consent import Turn
from roundsman_hub.replan.decide import Answer, altered, answer
from roundsman_hub.replan.drawn import packed
from roundsman_hub.replan.matrix import Matrices
from roundsman_hub.replan.moves import moved_to, remaining_now
from roundsman_hub.replan.revision import bump
from roundsman_hub.replan.story import Diff, tell
from roundsman_hub.replan.terms import kind_of
from roundsman_hub.replan.world import Draft, Reason, World
from roundsman_hub.roads import RoadNetwork, RoadsError
from roundsman_hub.store import hand_store, proposal_store
from roundsman_hub.store.db import Cursor, Database
from roundsman_wire.messages import Plan as ToldPlan

log = logging.getLogger(__name__)

KEPT_REASONS: Final = 3
ROUTE_STOPS: Final = 40
"""As many as the plan's matrix has: by then there is another plan."""
OFF_DEPOT: Final = "the depot is on no road of the map: correct its place, or give the hub a street extract that it is in"
OFF_ADDRESS: Final = "its address is on no road of the map: correct its pin, or give the hub a street extract that it is in"


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A change as it is kept: reasons, diff, and the routes of the vans that it changes."""

    reasons: tuple[Reason, ...]
    diff: Diff
    before: dict[str, tuple[str, ...]]
    after: dict[str, tuple[str, ...]]


class Teller:
    """Tells plans. Keeps which vans of each depot could be told when it was planned last.

    Parameters
    ----------
    ways : Matrices
        That the plans were made with.
    issued : callable
        Called after plans were committed: wakes the publisher.
    """

    def __init__(self, db: Database, roads: RoadNetwork, ways: Matrices, signer: Signer, clock: Clock, issued: Callable[[], None]) -> None:
        self._db, self._roads, self._ways, self._signer, self._clock, self._issued = db, roads, ways, signer, clock, issued
        self._could_be_told: dict[str, frozenset[str]] = {}

    def back_on_line(self, world: World) -> list[str]:
        """Vans that could not be told when this depot was planned last, and now can."""
        now = online(world)
        return sorted(now - self._could_be_told.get(world.depot_id, now))

    def tell(
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
        self._could_be_told[world.depot_id] = online(world)
        if problem is None or plan is None:
            return self._commit(world, None, consent.unassigned_while(world), (), turn=turn)
        ground = ground or Ground(problem)
        told = answer(world, problem, plan, travel_times=self._ways.basis(world.depot_id), why=why, ground=ground)
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
            diff=replace(diff, basis=self._ways.basis(world.depot_id)),
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
        off = self._ways.off_road(world.depot_id)
        if world.depot in off:
            return dict.fromkeys(unassigned, OFF_DEPOT)
        places_of = {task: order.position for task, order in world.orders.items()}
        return {task: OFF_ADDRESS if places_of.get(task) in off else reason for task, reason in unassigned.items()}


def online(world: World) -> frozenset[str]:
    """Vans that can be told something now."""
    return frozenset(van.vehicle_id for van in world.vans.values() if van.online)
