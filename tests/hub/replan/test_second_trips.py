"""Second trips after departure: which load a van is on, what is on board, and what may still go to another."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import Any

import pytest

from roundsman_hub.planning.problem import Begun, Problem
from roundsman_hub.planning.walk import Ground
from roundsman_hub.replan.build import LEAST_SERVICE_S, build, fetched, on_board, places, steps
from roundsman_hub.replan.load import load_world
from roundsman_hub.replan.matrix import MatrixCache
from roundsman_hub.replan.world import World
from roundsman_hub.roads import GreatCircle

Yard = Any  # the fixture of conftest.py


def reloading(yard: Yard, name: str, capacity: int = 2) -> str:
    """A van that may load again at its depot."""
    vehicle: str = yard.van(name, capacity=capacity)
    with yard.db.transaction() as cur:
        cur.execute("UPDATE vehicles SET terms = %s WHERE vehicle_id = %s", (json.dumps({"reload_depots": [yard.depot]}), vehicle))
    return vehicle


def world_of(yard: Yard) -> World:
    with yard.db.transaction() as cur:
        world = load_world(cur, yard.depot, yard.clock)
    assert world is not None
    return world


def loaded(yard: Yard, vehicle: str, tasks: list[str]) -> None:
    """The driver says that the load is on board, as derive writes it down."""
    with yard.db.transaction() as cur:
        cur.execute(
            "INSERT INTO depot_calls (session_no, seq, vehicle_id, fleet_id, call, stop, event, tasks, version, at)"
            " SELECT session_no, %(seq)s, vehicle_id, %(fleet)s, %(call)s, %(stop)s, 'loaded', %(tasks)s, 1, %(at)s"
            " FROM log.sessions WHERE vehicle_id = %(vehicle)s",
            {
                "seq": next(yard._seq),
                "fleet": yard.fleet,
                "call": f"c{next(yard._seq)}",
                "stop": f"@{yard.depot}",
                "tasks": json.dumps(tasks),
                "at": yard.clock.now(),
                "vehicle": vehicle,
            },
        )


def set_out(yard: Yard, vehicle: str) -> None:
    if yard.newest(vehicle) is not None:
        yard.receipt(vehicle)
    yard.duty(vehicle, "on")
    yard.at(vehicle, 0, 50)


def trips(yard: Yard, vehicle: str) -> list[list[str]]:
    """The stops of a van's newest plan that are not done, load by load."""
    world = world_of(yard)
    out: list[list[str]] = [[]]
    for stop in yard.route(vehicle):
        if stop.startswith("@"):
            out.append([])
        elif stop not in world.done:
            out[-1].append(stop)
    return out


@pytest.fixture
def on_its_way(yard: Yard) -> tuple[Yard, str, list[str], list[str]]:
    """A van of two parcels has left with the first of two loads."""
    van = reloading(yard, "Small")
    for n in range(1, 5):
        yard.order(900 * n, 200, kind="delivery", name=f"Parcel {n}")
    yard.plan()
    first, second = trips(yard, van)
    assert len(first) == len(second) == 2
    set_out(yard, van)
    return yard, van, first, second


def test_only_the_first_load_is_on_board_when_the_van_leaves(on_its_way: tuple[Yard, str, list[str], list[str]]) -> None:
    yard, van, first, _ = on_its_way
    assert on_board(world_of(yard)) == dict.fromkeys(first, van)


def test_an_urgent_order_in_the_middle_keeps_the_second_load(on_its_way: tuple[Yard, str, list[str], list[str]]) -> None:
    """The depot's call is still in the plan, between the load that is on board and the one that is not."""
    yard, van, first, second = on_its_way
    yard.state(van, first[0], "delivered")
    urgent = yard.order(500, 0, priority=9, name="Urgent")
    yard.plan()
    now, later = trips(yard, van)
    assert set(now) | set(later) == {first[1], urgent, *second}
    assert first[1] in now
    assert set(second) <= set(later)
    assert yard.unassigned() == {}
    yard.receipt(van)
    loaded(yard, van, second)
    yard.state(van, first[1], "delivered")
    yard.state(van, urgent, "delivered")
    yard.at(van, 0, 0)
    assert on_board(world_of(yard)) == dict.fromkeys(second, van)
    more = yard.order(2000, 0, name="More")
    yard.plan()
    assert not any(stop.startswith("@") for stop in yard.route(van)), "what is fetched is not fetched again"
    assert set(yard.route(van)) == {*second, more}


def test_nothing_new_changes_nothing(on_its_way: tuple[Yard, str, list[str], list[str]]) -> None:
    """Neither the way to the depot, nor the load there, is a reason for another plan."""
    yard, van, first, second = on_its_way
    issued = yard.issued()
    for step in (*first, None):
        yard.bump()
        yard.plan()
        assert yard.issued() == issued
        if step is None:
            loaded(yard, van, second)
        else:
            yard.state(van, step, "delivered")
            yard.at(van, 900, 200)
    yard.bump()
    yard.plan()
    assert yard.issued() == issued


def stands_at_the_depot(yard: Yard, vehicle: str, *, for_s: float) -> None:
    """As its log tells of a visit at the call, which goes on."""
    yard.at(vehicle, 0, 0)
    since = yard.clock.now() - timedelta(seconds=for_s)
    with yard.db.transaction() as cur:
        cur.execute("DELETE FROM visits WHERE vehicle_id = %s", (vehicle,))
        cur.execute(
            "INSERT INTO visits (session_no, visit, vehicle_id, fleet_id, order_id, arrived_at, lat_e6, lon_e6, confidence)"
            " SELECT session_no, 1, vehicle_id, %s, %s, %s, 0, 0, 0.9 FROM log.sessions WHERE vehicle_id = %s",
            (yard.fleet, f"@{yard.depot}", since, vehicle),
        )


def problem_of(yard: Yard) -> Problem:
    world = world_of(yard)
    work, starts = places(world)
    return build(world, *MatrixCache(GreatCircle()).tables(work, starts), may_move=True)


@pytest.mark.parametrize(("for_s", "left_s"), [(0, 600), (400, 200), (3_600, LEAST_SERVICE_S)])
def test_a_van_that_loads_already_waits_for_the_rest_of_it_alone(
    on_its_way: tuple[Yard, str, list[str], list[str]], for_s: float, left_s: int
) -> None:
    """The plan's times are so much sooner; of the call it says how long it takes in all, since the van counts from when it came."""
    yard, van, first, _ = on_its_way
    for stop in first:
        yard.state(van, stop, "delivered")
    stands_at_the_depot(yard, van, for_s=for_s)
    problem = problem_of(yard)
    (one,) = problem.vans
    assert one.begun == Begun(step=f"@{yard.depot}", left_s=left_s)
    visits = Ground(problem).walk(one, problem.current[van]).visits
    assert (visits[0].task, visits[0].service_s) == (f"@{yard.depot}", left_s)
    yard.order(1000, 200, priority=9, name="Urgent")
    yard.plan()
    plan = yard.newest(van)
    assert plan is not None
    assert (plan.stops[0].stop, plan.stops[0].service_s) == (f"@{yard.depot}", 600)
    loads_until_s = plan.stops[1].arrival_utc_ms / 1000 - plan.stops[1].leg_s - yard.clock.now().timestamp()
    assert loads_until_s == pytest.approx(plan.stops[0].leg_s + left_s, abs=2)


def test_a_van_that_left_its_load_begins_it_anew(on_its_way: tuple[Yard, str, list[str], list[str]]) -> None:
    yard, van, first, _ = on_its_way
    yard.state(van, first[0], "delivered")
    stands_at_the_depot(yard, van, for_s=400)  # with a customer still in front of the call
    assert problem_of(yard).vans[0].begun is None
    yard.state(van, first[1], "delivered")
    with yard.db.transaction() as cur:
        cur.execute("UPDATE visits SET left_at = %s WHERE vehicle_id = %s", (yard.clock.now(), van))
    assert problem_of(yard).vans[0].begun is None


def test_goods_of_a_later_load_may_go_to_another_van(on_its_way: tuple[Yard, str, list[str], list[str]]) -> None:
    """They are at the depot still: no hand-over is needed, only the word of the van that holds them in its plan."""
    yard, van, first, second = on_its_way
    other = reloading(yard, "Other", capacity=10)
    with yard.db.transaction() as cur:
        cur.execute("UPDATE vehicles SET terms = '{}' WHERE vehicle_id = %s", (van,))
    yard.bump("Small does not come back to load")
    yard.plan()
    assert set(yard.route(van)) & set(first), "what is on board stays"
    assert not set(yard.route(van)) & set(second)
    yard.receipt(van)
    yard.bump()
    yard.plan()
    assert set(second) <= set(yard.route(other))


def test_a_parcel_that_was_handed_over_was_on_board(on_its_way: tuple[Yard, str, list[str], list[str]]) -> None:
    """A driver who never said "loaded": the rest of that load is on board too, and stays in this van."""
    yard, van, first, second = on_its_way
    for stop in (*first, second[0]):
        yard.state(van, stop, "delivered")
    world = world_of(yard)
    assert fetched(world, world.vans[van]) == frozenset(second)
    assert on_board(world) == {second[1]: van}


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_goods_are_in_one_place(yard: Yard, seed: int) -> None:
    """Invariant: at each step every open order is in one plan or left out with a reason; what is on board stays in its van; what is not
    stands behind a call at a depot; and no load is more than fits."""
    rng = random.Random(seed)
    vans = [reloading(yard, name, capacity=3) for name in ("One", "Two")]
    parcels = {yard.order(rng.randrange(-4000, 4000), rng.randrange(-4000, 4000), kind="delivery", bumped=False) for _ in range(9)}
    yard.bump()
    yard.plan()
    for van in vans:
        set_out(yard, van)
    aboard: dict[str, set[str]] = {van: set(trips(yard, van)[0]) for van in vans}
    done: set[str] = set()
    shown = {van: yard.newest(van) for van in vans}
    for _ in range(10):
        van = rng.choice(vans)
        left = [stop for stop in yard.route(van) if stop not in done]
        event = rng.choice(["drive", "drive", "drive", "urgent", "cancel"])
        if event == "drive" and left and left[0].startswith("@") and not aboard[van]:
            load = next((trip for trip in trips(yard, van)[1:] if trip), [])
            goods = [stop for stop in load if stop in parcels]
            loaded(yard, van, goods)
            aboard[van] |= set(goods)
            yard.at(van, 0, 0)
        elif event == "drive" and left and not left[0].startswith("@"):
            yard.state(van, left[0], "delivered")
            done.add(left[0])
            aboard[van].discard(left[0])
        elif event == "urgent":
            yard.order(rng.randrange(-4000, 4000), rng.randrange(-4000, 4000), priority=rng.choice([0, 9]))
        elif event == "cancel" and (waiting := sorted(parcels - done - aboard[vans[0]] - aboard[vans[1]])):
            gone = rng.choice(waiting)
            yard.cancel(gone)
            parcels.discard(gone)
        yard.bump()
        yard.plan()
        for one in vans:
            if (newest := yard.newest(one)) != shown[one]:
                yard.receipt(one)
                shown[one] = newest
        yard.plan()
        world = world_of(yard)
        assert on_board(world) == {task: one for one in vans for task in aboard[one]}
        routes = {one: [stop for stop in yard.route(one) if stop not in done] for one in vans}
        for order in world.orders:
            holders = [one for one in vans if order in routes[one]]
            assert len(holders) == 1 or (not holders and yard.unassigned()[order])
            carrier = next((one for one in vans if order in aboard[one]), None)
            assert carrier is None or holders == [carrier]
        for one in vans:
            first, *later = trips(yard, one)
            assert {stop for stop in first if stop in parcels} - aboard[one] <= (set() if later else aboard[one])
            assert all(sum(stop in parcels for stop in trip) <= 3 for trip in (first, *later))


def test_the_route_that_a_van_holds_has_its_call_until_it_is_made(on_its_way: tuple[Yard, str, list[str], list[str]]) -> None:
    yard, van, first, second = on_its_way
    call = f"@{yard.depot}"
    for stop, held in ((first[0], (first[1], call, *second)), (first[1], (call, *second))):
        yard.state(van, stop, "delivered")
        world = world_of(yard)
        assert steps(world, world.vans[van]) == held
    loaded(yard, van, second)
    world = world_of(yard)
    assert steps(world, world.vans[van]) == tuple(second)
