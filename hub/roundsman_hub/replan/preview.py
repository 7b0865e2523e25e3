"""What a dispatcher's move would do, before it is done: the same problem, the same judge, nobody told. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import msgspec

from roundsman_hub.planning.candidates import Broken, Candidate, candidate_at, candidates
from roundsman_hub.planning.evaluate import judge
from roundsman_hub.planning.insertion import repair
from roundsman_hub.planning.problem import Plan, Problem, Verdict, is_task
from roundsman_hub.planning.walk import Ground
from roundsman_hub.replan.build import frozen, held_back, on_board
from roundsman_hub.replan.consent import PLANNING_IS_OFF
from roundsman_hub.replan.holds import may_hold
from roundsman_hub.replan.moves import set_to
from roundsman_hub.replan.world import Hand, World

Build = Callable[[World], Problem]
"""A world's problem, with the roads' times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a move would come to. `position` counts from 1; `routes` are those that differ from now.

    `reasons` say why it cannot be done (then it is not `feasible`); promises that it would break are no such reason.
    """

    feasible: bool
    reasons: tuple[str, ...]
    position: int | None
    added_s: int
    added_m: int
    cost_cents: int
    breaks: tuple[Broken, ...]
    routes: dict[str, tuple[str, ...]]


def freed(world: World, order: str) -> World:
    """The world as if no van had the order in its plan, and nothing had been decided about it."""
    issued = tuple(replace(plan, tasks=tuple(task for task in plan.tasks if task != order)) for plan in world.issued)
    vans = {}
    for vehicle, van in world.vans.items():
        newest = van.newest
        if newest is not None and any(stop.stop == order for stop in newest.stops):
            newest = msgspec.structs.replace(newest, stops=tuple(stop for stop in newest.stops if stop.stop != order))
        vans[vehicle] = replace(van, newest=newest)
    unassigned = {task: reason for task, reason in world.unassigned.items() if task != order}
    hands = {task: hand for task, hand in world.hands.items() if task != order}
    return replace(world, issued=issued, vans=vans, unassigned=unassigned, hands=hands)


def bound(world: World, order: str, vehicle: str | None) -> str:
    """Why an order cannot come to another van by a new plan; empty: it can."""
    aboard = on_board(world)
    holders = may_hold(world.issued, world.in_force)
    for van in world.vans.values():
        if van.vehicle_id == vehicle:
            continue
        if order in frozen(world, van, aboard, holders):
            return f"{van.name} stands there, or drives there now"
    if (at := aboard.get(order)) is not None and at != vehicle:
        return f"its goods are on board of {world.vans[at].name}: they move only by a hand-over"
    away = [world.vans[van].name for van in holders.get(order, frozenset()) if van != vehicle and not world.vans[van].online]
    if away:
        return f"{' and '.join(sorted(away))} may still have it and cannot be asked: it has no network"
    if vehicle is not None and world.vans[vehicle].locked and vehicle not in holders.get(order, frozenset()):
        return f"the route of {world.vans[vehicle].name} is locked"
    return ""


def ranked(world: World, build: Build, order: str) -> tuple[Candidate, ...]:
    """Every van that could take the order, best first; work in another van's hands is not taken out of them here."""
    problem = build(freed(world, order))
    return candidates(problem, _but(repair(problem), _waiting(world, _tied(world, order))), order)


def effect(world: World, build: Build, order: str, vehicle: str, position: int | None) -> Effect:
    """What it would mean to give an order to a van, at a position (from 1) or where it costs least."""
    reasons = [reason] if (reason := bound(world, order, vehicle)) else []
    problem = build(freed(world, order))
    if vehicle not in {van.vehicle for van in problem.vans}:
        return _impossible([*reasons, f"{world.vans[vehicle].name} is not on a shift"])
    now = build(world)
    own = _tied(world, order)
    waits = _waiting(world, own)
    before_plan, plan = _but(repair(now), waits | (own - _planned(now))), _but(repair(problem), waits)
    found = candidate_at(problem, plan, order, vehicle, None if position is None else position - 1)
    if found.position is None:
        return _impossible([*reasons, found.reason])
    routes = {van: tuple(step for step in route if step != order) for van, route in plan.routes.items()} | {vehicle: found.route}
    others = {task: why for task, why in plan.unassigned.items() if task != order}
    before, after = judge(Ground(now), before_plan), judge(Ground(problem), Plan(routes=routes, unassigned=others))
    reasons += after.violations
    if not found.feasible and not found.breaks:
        reasons.append(found.reason)
    return Effect(
        feasible=not reasons,
        reasons=tuple(dict.fromkeys(reasons)),
        position=found.position + 1,
        added_s=after.duration_s - before.duration_s,
        added_m=after.distance_m - before.distance_m,
        cost_cents=_paid(after) - _paid(before),
        breaks=_later(before, after),
        routes=_differ(routes, before_plan.routes),
    )


def without(
    world: World,
    build: Build,
    bans: Mapping[str, frozenset[str]],
    *,
    routes: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Effect:
    """What it would mean to forbid orders vans: where they would go, and what that costs. Not `feasible`: an order would have no van, or
    stays where it is all the same.

    Parameters
    ----------
    bans : mapping of order id to vehicle ids
        Orders that the planner does not know any more are left out.
    routes : by vehicle
        That these vans would be given back: a plan is taken back.
    """
    known = {order: vans for order, vans in bans.items() if order in world.orders}
    hands = dict(world.hands)
    for order, vans in known.items():
        was = hands.get(order, Hand(vehicle_id=None, position=None, before=(), forbid=frozenset(), at=world.now))
        kept = was if was.vehicle_id not in vans else replace(was, vehicle_id=None, position=None, before=())
        hands[order] = replace(kept, forbid=kept.forbid | vans)
    now, then = build(world), build(replace(world, hands=hands))
    waits = _waiting(world)
    before_plan, plan, ground = _but(repair(now), waits), _but(repair(replace(then, current=set_to(then, routes))), waits), Ground(then)
    if judge(ground, plan).violations:
        plan = _but(repair(then, ground), waits)
    before, after = judge(Ground(now), before_plan), judge(ground, plan)
    where = {step: vehicle for vehicle, route in plan.routes.items() for step in route}
    reasons = [bound(world, order, None) for order, vans in known.items() if where.get(order) in vans]
    reasons += [plan.unassigned[order] for order in known if order in plan.unassigned and order not in before_plan.unassigned]
    return Effect(
        feasible=not reasons,
        reasons=tuple(dict.fromkeys(reasons)),
        position=None,
        added_s=after.duration_s - before.duration_s,
        added_m=after.distance_m - before.distance_m,
        cost_cents=_paid(after) - _paid(before),
        breaks=_later(before, after),
        routes=_differ(plan.routes, before_plan.routes),
    )


def _waiting(world: World, named: frozenset[str] = frozenset()) -> frozenset[str]:
    """Work that no van has or gets by itself, but for what is `named`: a dispatcher decides, and nothing counts it into a round before."""
    return frozenset() if world.mode == "automatic" else held_back(world, named)


def _tied(world: World, order: str) -> frozenset[str]:
    """An order and what goes only with it: the other half of a shipment, what has to be in the same van."""
    needs = world.orders[order].needs
    ties = {tie for tie in (needs.shipment, needs.same_van) if tie is not None}
    return frozenset({order, *(name for name, one in world.orders.items() if ties & {one.needs.shipment, one.needs.same_van})})


def _planned(problem: Problem) -> set[str]:
    """What is in a round now."""
    return {step for route in problem.current.values() for step in route}


def _but(plan: Plan, left_out: Collection[str]) -> Plan:
    """A plan without some work."""
    routes = {vehicle: tuple(step for step in route if step not in left_out) for vehicle, route in plan.routes.items()}
    gone = {step: PLANNING_IS_OFF for route in plan.routes.values() for step in route if step in left_out}
    return replace(plan, routes=routes, unassigned={**plan.unassigned, **gone})


def _differ(routes: Mapping[str, Sequence[str]], before: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    return {van: tuple(step for step in route if is_task(step)) for van, route in routes.items() if route != before.get(van, ())}


def _impossible(reasons: list[str]) -> Effect:
    return Effect(feasible=False, reasons=tuple(reasons), position=None, added_s=0, added_m=0, cost_cents=0, breaks=(), routes={})


def _paid(verdict: Verdict) -> int:
    return verdict.cost_cents - verdict.unassigned_cents


def _later(before: Verdict, after: Verdict) -> tuple[Broken, ...]:
    was = {visit.task: max(visit.lateness_s, visit.promise_late_s) for visits in before.routes.values() for visit in visits}
    now = {visit.task: max(visit.lateness_s, visit.promise_late_s) for visits in after.routes.values() for visit in visits}
    return tuple(Broken(task=task, by_s=late - was.get(task, 0)) for task, late in now.items() if late > was.get(task, 0))
