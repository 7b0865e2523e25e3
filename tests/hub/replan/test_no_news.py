"""Nothing oscillates: without new information there is no new plan, whatever the fleet and its work look like."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings, strategies as st

from roundsman_core.geo import LatLon, LocalFrame
from roundsman_hub.clock import to_ms
from roundsman_hub.planning.insertion import repair, rescue
from roundsman_hub.planning.problem import Plan as Routes
from roundsman_hub.replan.build import build, driven_to, places
from roundsman_hub.replan.consent import not_again
from roundsman_hub.replan.decide import Answer, answer, unsettled
from roundsman_hub.replan.holds import IssuedTasks
from roundsman_hub.replan.matrix import MatrixCache
from roundsman_hub.replan.world import Hand, OrderFacts, Said, VanFacts, World
from roundsman_hub.roads import GreatCircle
from roundsman_wire.messages import BasedOn, Plan

CENTRE = LatLon(50.0, 10.0)
TEN = datetime(2026, 3, 2, 10, tzinfo=UTC)
FRAME = LocalFrame(CENTRE)
metres = st.integers(-6_000, 6_000)


@st.composite
def orders(draw: st.DrawFn, number: int) -> OrderFacts:
    start = TEN + timedelta(minutes=draw(st.integers(0, 300)))
    return OrderFacts(
        order_id=f"o{number:02d}",
        kind=draw(st.sampled_from(("pickup", "delivery"))),
        position=FRAME.to_latlon(draw(metres), draw(metres)),
        window_start=start,
        window_end=start + timedelta(minutes=draw(st.integers(20, 300))),
        promise_start=None,
        promise_end=None,
        service_s=draw(st.integers(30, 600)),
        parcels=draw(st.integers(1, 4)),
        priority=draw(st.sampled_from((0, 0, 5, 9))),
        name="",
        address="",
        instructions="",
        phone="",
        cancelled=False,
        state=None,
        state_vehicle=None,
        arrived_at=None,
    )


@st.composite
def vans(draw: st.DrawFn, number: int) -> VanFacts:
    return VanFacts(
        vehicle_id=f"v{number}",
        name=f"Van {number}",
        driver_id=None,
        capacity=draw(st.integers(4, 30)),
        carried=0,
        shift_start=TEN,
        shift_end=TEN + timedelta(hours=draw(st.integers(3, 8))),
        online=draw(st.sampled_from((True, True, True, False))),
        duty="off",
        ended=False,
        position=FRAME.to_latlon(draw(metres), draw(metres)),
        left_with=None,
        in_progress=(),
        driving_to=None,
        newest=None,
        refused=False,
        in_force_version=0,
        session=None,
        facts_seq=0,
        locked=draw(st.sampled_from((False, False, False, True))),
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    fleet = [draw(vans(number)) for number in range(draw(st.integers(1, 4)))]
    work = [draw(orders(number)) for number in range(draw(st.integers(1, 9)))]
    work = [replace(order, position=work[0].position) if draw(st.integers(0, 3)) == 0 else order for order in work]  # behind one door
    hands = {}
    for order in work:
        if draw(st.integers(0, 5)) == 0:
            hands[order.order_id] = Hand(
                vehicle_id=draw(st.sampled_from([None, *(van.vehicle_id for van in fleet)])),
                position=None,
                before=(),
                forbid=frozenset(draw(st.sets(st.sampled_from([van.vehicle_id for van in fleet]), max_size=1))),
                at=TEN,
            )
            if hands[order.order_id].vehicle_id and draw(st.booleans()):
                hands[order.order_id] = replace(hands[order.order_id], position=1)
    return World(
        fleet_id="f",
        depot_id="d",
        depot=CENTRE,
        revision=1,
        planned=1,
        reasons=(),
        now=TEN,
        epoch=1,
        orders={order.order_id: order for order in work},
        done=frozenset(),
        vans={van.vehicle_id: van for van in fleet},
        issued=(),
        unassigned={},
        hands=hands,
    )


def planned(world: World, *, may_move: bool, wish: Routes | None = None) -> Answer:
    work, starts = places(world)
    problem = build(world, *MatrixCache(GreatCircle()).tables(work, starts), may_move=may_move)
    plan = repair(problem) if wish is None else repair(replace(problem, current=wish.routes))
    return answer(world, problem, plan, travel_times="great_circle", why="" if wish is None else "a better order of stops")


def told(world: World, answered: Answer, *, confirmed: bool = True) -> World:
    """The world after these plans came into force, and nothing else happened."""
    fleet, issued = dict(world.vans), list(world.issued)
    for draft in answered.drafts:
        van = fleet[draft.vehicle_id]
        version = (van.newest.version if van.newest else 0) + 1
        plan = Plan(
            plan="p",
            vehicle=van.vehicle_id,
            version=version,
            issued_utc_ms=to_ms(world.now),
            based_on=BasedOn(session=None, facts_seq=0),
            stops=draft.stops,
        )
        fleet[draft.vehicle_id] = replace(van, newest=plan, in_force_version=version if confirmed else van.in_force_version)
        issued.append(IssuedTasks(vehicle_id=van.vehicle_id, version=version, tasks=tuple(stop.stop for stop in draft.stops)))
    return replace(world, vans=fleet, issued=tuple(issued), unassigned=answered.unassigned)


def at_rest(world: World) -> World:
    """Plans made and told until the vans' own news is answered: work between two vans takes a round more."""
    for _ in range(8):
        answered = planned(world, may_move=False)
        world = told(world, answered)
        if not answered.drafts and not unsettled(world):
            return world
    raise AssertionError("it never comes to rest")


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_without_news_no_van_is_told_anything(world: World) -> None:
    """However often a depot is looked at: neither insertion nor vans' facts give a reason, until something happens."""
    settled = at_rest(world)
    assert unsettled(settled) == []
    again = planned(settled, may_move=False)
    assert (again.drafts, again.unassigned) == ((), settled.unassigned)
    assert planned(settled, may_move=True).drafts == ()


@settings(max_examples=60, deadline=None)
@given(worlds(), orders(99), st.data())
def test_ways_that_nobody_can_drive_need_not_be_asked(world: World, new: OrderFacts, data: st.DataObject) -> None:
    """Vans on the road, and one order more: the same plan, whether the roads tell every way from where a van is or only that to the stop
    that it drives to."""
    settled = at_rest(world)
    fleet = {}
    for van in settled.vans.values():
        out = van.newest is not None and data.draw(st.booleans())
        left = [stop.stop for stop in van.newest.stops] if van.newest else []
        loaded = [task for task in left if settled.orders[task].kind == "delivery"]
        fleet[van.vehicle_id] = replace(van, left_with=frozenset(loaded) if out else None, duty="on" if out else "off")
    on_the_road = replace(settled, vans=fleet, orders=settled.orders | {new.order_id: new})
    for may_move in (False, True):
        whole, few = (
            build(on_the_road, *MatrixCache(GreatCircle()).of(on_the_road, ways), may_move=may_move)
            for ways in ({}, driven_to(on_the_road))
        )
        assert repair(whole) == repair(few)
        assert answer(on_the_road, whole, repair(whole), travel_times="") == answer(on_the_road, few, repair(few), travel_times="")


@settings(max_examples=40, deadline=None)
@given(worlds())
def test_a_better_plan_is_told_once(world: World) -> None:
    """What a search finds is told, moves in two steps where it has to, and the same answer of the next search changes nothing."""
    settled = at_rest(world)
    work, starts = places(settled)
    problem = build(settled, *MatrixCache(GreatCircle()).tables(work, starts), may_move=True)
    found = rescue(problem, repair(replace(problem, current={})))
    better = at_rest(told(settled, planned(settled, may_move=True, wish=found)))
    again = planned(better, may_move=True, wish=Routes(routes={van: tuple(r) for van, r in _now(better).items()}, unassigned={}))
    assert again.drafts == ()


@settings(max_examples=40, deadline=None)
@given(worlds())
def test_a_change_that_was_taken_back_is_not_made_again(world: World) -> None:
    settled = at_rest(world)
    now = _now(settled)
    wish = {van: tuple(reversed(route)) for van, route in now.items()}
    changed = {van: route for van, route in wish.items() if route != now[van]}
    refused = replace(settled, refused=(Said(proposal_id="pr", before={van: now[van] for van in changed}, after=changed),))
    assert not_again(refused, now, wish) == now


def _now(world: World) -> dict[str, tuple[str, ...]]:
    return {van.vehicle_id: tuple(stop.stop for stop in van.newest.stops) if van.newest else () for van in world.vans.values()}
