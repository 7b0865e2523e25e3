"""A depot's day, re-planned: what is told to the vans, and what is not."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from roundsman_hub.planning.problem import Problem
from roundsman_hub.replan import planner as planner_room
from roundsman_hub.replan.build import WAITS
from roundsman_hub.replan.decide import unsettled
from roundsman_hub.replan.load import load_world
from roundsman_hub.roads import GreatCircle

Yard = Any  # the fixture of conftest.py


def test_the_first_plan_serves_everything(yard: Yard) -> None:
    van = yard.van()
    orders = {yard.order(500 * n, 300, kind="delivery") for n in range(1, 5)}
    yard.plan()
    plan = yard.newest(van)
    assert {stop.stop for stop in plan.stops} == orders
    assert plan.reason == "first plan of the shift"
    assert [stop.arrival_utc_ms for stop in plan.stops] == sorted(stop.arrival_utc_ms for stop in plan.stops)
    assert plan.stops[0].arrival_utc_ms >= plan.shift_start_utc_ms
    assert len(plan.matrix_s) == 2 * 5 * 5
    assert yard.woken


def test_no_new_information_no_new_plan(yard: Yard) -> None:
    """However often the depot's revision rises, a van is told a plan only when it says something else."""
    van = yard.van()
    yard.order(800, 0)
    yard.plan()
    version = yard.newest(van).version
    for _ in range(3):
        yard.bump()
        yard.plan()
    assert yard.newest(van).version == version
    assert yard.issued() == 1


def test_work_that_is_done_leaves_the_plan_without_a_new_one(yard: Yard) -> None:
    van = yard.van()
    yard.order(500, 0)
    yard.order(1500, 0)
    yard.plan()
    yard.receipt(van)
    yard.duty(van, "on")
    yard.at(van, 500, 0)
    yard.state(van, yard.route(van)[0], "delivered")
    yard.bump()
    yard.plan()
    assert yard.issued() == 1


def test_an_urgent_order_is_inserted_behind_the_stop_being_driven_to(yard: Yard) -> None:
    """Invariant 7's hub side: the next stop stays, although the urgent order lies on the way to it."""
    van = yard.van()
    far = yard.order(6000, 0, within_h=(0, 8))
    yard.plan()
    yard.receipt(van)
    yard.duty(van, "on")
    yard.at(van, 1000, 0)
    urgent = yard.order(2000, 0, priority=9, within_h=(0, 8), name="Urgent")
    yard.plan()
    plan = yard.newest(van)
    assert [stop.stop for stop in plan.stops] == [far, urgent]
    assert plan.changes == ("Added: Urgent as stop 2",)
    assert plan.reason == "Urgent ordered"


def test_a_stop_in_progress_stays_even_when_it_is_cancelled(yard: Yard) -> None:
    van = yard.van()
    first, second = yard.order(500, 0), yard.order(900, 0)
    yard.plan()
    yard.receipt(van)
    yard.duty(van, "on")
    yard.at(van, 900, 0)
    yard.state(van, second, "arrived")
    yard.cancel(second)
    yard.plan()
    assert yard.route(van) == [second, first]
    yard.state(van, second, "failed")
    yard.bump()
    yard.plan()
    assert yard.route(van) == [second, first], "what is done needs no new plan"


def test_a_cancelled_order_leaves_the_plan(yard: Yard) -> None:
    van = yard.van()
    kept, gone = yard.order(500, 0), yard.order(900, 0, name="Gone")
    yard.plan()
    yard.cancel(gone)
    yard.plan()
    assert yard.route(van) == [kept]
    assert yard.newest(van).changes == ("Removed: Gone",)


def test_goods_that_left_the_depot_stay_in_their_van(yard: Yard) -> None:
    """A delivery on board cannot move; one that came after every van left is unassigned, and says why."""
    van, other = yard.van("One"), yard.van("Two")
    orders = [yard.order(700 * n, 100, kind="delivery") for n in range(1, 4)]
    yard.plan()
    for vehicle in (van, other):
        if yard.newest(vehicle):
            yard.receipt(vehicle)
        yard.duty(vehicle, "on")
        yard.at(vehicle, 0, 50)
    before = {vehicle: set(yard.route(vehicle)) for vehicle in (van, other)}
    late = yard.order(300, 0, kind="delivery", name="Late")
    yard.plan()
    assert {vehicle: set(yard.route(vehicle)) for vehicle in (van, other)} == before
    assert set().union(*before.values()) == set(orders)
    assert yard.unassigned() == {late: "goods are at the depot and every van has left"}


def test_a_task_moves_in_two_steps(yard: Yard) -> None:
    """It leaves the one van's plan first, and enters the other's only after the receipt: never may two vans hold it."""
    near, far = yard.van("Near"), yard.van("Far")
    task = yard.order(3000, 0, name="Parcel")
    yard.plan()
    holder, other = (near, far) if yard.route(near) else (far, near)
    yard.receipt(holder)
    for vehicle in (near, far):
        yard.duty(vehicle, "on")
    yard.at(holder, -9000, 0)
    yard.at(other, 2900, 0)
    filler = yard.order(-9500, 0, name="Filler")
    yard.plan()
    yard.receipt(holder)
    with yard.db.transaction() as cur:
        cur.execute("UPDATE vehicle_now SET next_stop = %s WHERE vehicle_id = %s", (filler, holder))
    yard.bump()
    search = yard.planner.plan(yard.depot)
    assert search is not None
    moved = type(search.warm)(routes={holder: (filler,), other: (task,)}, unassigned={})
    yard.planner.adopt(search, moved)
    assert yard.route(holder) == [filler]
    assert yard.route(other) == []
    assert yard.unassigned()[task].startswith(WAITS)
    yard.bump()
    yard.plan()
    assert yard.route(other) == [], "still without a receipt"
    yard.receipt(holder)
    world = yard.planner.look(yard.depot)
    assert [r.text for r in unsettled(world)] == ["Parcel is free to be planned"]
    yard.bump()
    yard.plan()
    assert yard.route(other) == [task]
    assert yard.unassigned() == {}


def test_a_van_that_is_offline_keeps_what_it_holds(yard: Yard) -> None:
    """Nobody can ask it to let go, so a search may not even wish for it."""
    van = yard.van("Away", online=False)
    yard.van("Here")
    yard.order(1000, 0)
    yard.plan()
    holder = van if yard.route(van) else None
    yard.bump()
    search = yard.planner.plan(yard.depot)
    assert search is not None
    pinned = {task.task: task.may_be_held_by for task in search.problem.tasks}
    assert set(pinned.values()) == {holder}


def test_the_end_of_a_shift_is_a_plan_without_stops(yard: Yard) -> None:
    van, other = yard.van("Tired"), yard.van("Fresh")
    task = yard.order(1000, 0)
    yard.plan()
    holder, free = (van, other) if yard.route(van) else (other, van)
    yard.receipt(holder)
    yard.duty(holder, "on")
    yard.duty(holder, "off")
    assert unsettled(yard.planner.look(yard.depot))
    yard.bump()
    yard.plan()
    assert yard.newest(holder).stops == ()
    assert yard.newest(holder).reason == "the shift has ended"
    assert yard.route(free) == []
    yard.receipt(holder)
    yard.bump()
    yard.plan()
    assert yard.route(free) == [task]


def test_a_refused_plan_is_told_again(yard: Yard) -> None:
    van = yard.van()
    yard.order(500, 0)
    yard.plan()
    before = yard.newest(van)
    yard.receipt(van, "refused")
    assert [r.text for r in unsettled(yard.planner.look(yard.depot))] == ["Van refused its plan"]
    yard.bump()
    yard.plan()
    after = yard.newest(van)
    assert after.version > before.version
    assert [s.stop for s in after.stops] == [s.stop for s in before.stops]
    assert unsettled(yard.planner.look(yard.depot)) == []


def test_a_changed_address_reaches_the_driver(yard: Yard) -> None:
    van = yard.van()
    order = yard.order(500, 0, name="Ann")
    yard.plan()
    with yard.db.transaction() as cur:
        cur.execute("UPDATE orders SET instructions = 'ring twice' WHERE order_id = %s", (order,))
    yard.bump()
    yard.plan()
    assert yard.newest(van).stops[0].instructions == "ring twice"
    assert yard.newest(van).changes == ("Changed: Ann",)


def test_an_undone_stop_is_planned_again(yard: Yard) -> None:
    """A driver's undo can come after the plan was made without the stop."""
    van = yard.van()
    task = yard.order(500, 0, name="Ann")
    yard.order(900, 0)
    yard.plan()
    yard.receipt(van)
    yard.duty(van, "on")
    yard.at(van, 500, 0)
    yard.state(van, task, "delivered")
    yard.order(1200, 0)
    yard.plan()
    assert task not in yard.route(van)
    with yard.db.transaction() as cur:
        cur.execute("DELETE FROM order_states WHERE order_id = %s", (task,))
    assert [r.text for r in unsettled(yard.planner.look(yard.depot))] == ["Ann has to be planned again"]
    yard.bump()
    yard.plan()
    assert task in yard.route(van)


@pytest.mark.parametrize("started_again", [False, True])
def test_what_a_search_took_from_a_van_is_not_given_back_to_it(yard: Yard, monkeypatch: pytest.MonkeyPatch, started_again: bool) -> None:
    """A search wants time to spare, insertion the shortest way: were each to decide anew, they would undo each other's plans for ever."""
    late, early = yard.van("Late"), yard.van("Early")
    parcel = yard.order(-8000, 0, name="Parcel")
    yard.plan()
    if yard.route(early):
        late, early = early, late
    yard.receipt(late)
    for vehicle, east_m in ((late, -9000), (early, -4000)):
        yard.duty(vehicle, "on")
        yard.at(vehicle, east_m, 0)
    waits = yard.order(-9500, 0, within_h=(1, 8), name="Opens in an hour")
    yard.plan()
    yard.receipt(late)
    with yard.db.transaction() as cur:
        cur.execute("UPDATE vehicle_now SET next_stop = %s WHERE vehicle_id = %s", (waits, late))
    yard.bump()

    def within_half_an_hour(problem: Problem) -> Problem:
        tasks = (replace(task, windows_s=((0, 1_800),)) if task.task == parcel else task for task in problem.tasks)
        return replace(problem, tasks=tuple(tasks))

    monkeypatch.setattr(planner_room, "spared", within_half_an_hour)
    search = yard.planner.plan(yard.depot)
    assert search is not None
    assert yard.route(late) == [waits, parcel]
    yard.planner.adopt(search, type(search.warm)(routes={late: (waits,), early: (parcel,)}, unassigned={}))
    assert yard.route(late) == [waits]
    if started_again:
        yard.planner = planner_room.Planner(yard.db, GreatCircle(), yard.signer, yard.clock, lambda: None)
    yard.receipt(late)
    yard.bump()
    yard.plan()
    assert (yard.route(late), yard.route(early)) == ([waits], [parcel])


def test_a_plan_carries_what_the_van_needs_alone(yard: Yard) -> None:
    van = yard.van()
    order = yard.order(900, 0)
    with yard.db.transaction() as cur:
        cur.execute(
            'UPDATE orders SET items = \'[{"parcel": "A-1", "name": "Box"}]\', proof = \'["code"]\', delivery_code = \'4711\','
            " contact_free = true WHERE order_id = %s",
            (order,),
        )
    yard.plan()
    plan = yard.newest(van)
    (stop,) = plan.stops
    assert ([item.parcel for item in stop.items], stop.proof, stop.contact_free) == (["A-1"], ("code",), True)
    assert stop.code_sha256 == hashlib.sha256(f"{order}:4711".encode()).hexdigest()
    assert "4711" not in msgspec.json.encode(plan).decode().replace(stop.code_sha256, "")
    assert plan.reorder.max_moved > 0
    assert plan.may_decline is False


def test_work_whose_window_was_moved_is_sought_a_place_anew(yard: Yard) -> None:
    """Where it stood was chosen for the window that it had; the driver would wait there, or come too late."""
    van = yard.van()
    near, middle, far = (yard.order(m, 0, name=name) for m, name in ((500, "Near"), (1500, "Middle"), (3000, "Far")))
    yard.plan()
    yard.receipt(van)
    first = yard.route(van)[0]
    now = yard.clock.now()
    with yard.db.transaction() as cur:
        cur.execute(
            "UPDATE orders SET window_start = %s, window_end = %s WHERE order_id = %s",
            (now.replace(hour=now.hour + 4), now.replace(hour=now.hour + 6), first),
        )
    yard.bump("moved")
    yard.plan()
    assert set(yard.route(van)) == {near, middle, far}
    assert yard.route(van)[-1] == first


def test_work_whose_promise_was_changed_is_sought_a_place_anew(yard: Yard) -> None:
    """The window stays as wide as it was; what the customer is told now is hours later."""
    van = yard.van()
    near, middle, far = (yard.order(m, 0, name=name) for m, name in ((500, "Near"), (1500, "Middle"), (3000, "Far")))
    with yard.db.transaction() as cur:
        cur.execute("UPDATE orders SET promise_start = window_start, promise_end = window_end")
    yard.plan()
    yard.receipt(van)
    first = yard.route(van)[0]
    now = yard.clock.now()
    with yard.db.transaction() as cur:
        promise = (now + timedelta(hours=4), now + timedelta(hours=6))
        cur.execute("UPDATE orders SET promise_start = %s, promise_end = %s WHERE order_id = %s", (*promise, first))
    yard.bump("another promise")
    yard.plan()
    assert set(yard.route(van)) == {near, middle, far}
    assert yard.route(van)[-1] == first


def test_what_is_kept_from_look_to_look_is_what_a_fresh_look_reads(yard: Yard) -> None:
    """A planner does not read the same plan twice; a newer one, and another van's, it reads at once."""
    first, second = yard.van(), yard.van()
    for n in range(1, 4):
        yard.order(500 * n, 100)
    versions = set()
    for _ in range(3):
        yard.plan()
        kept = yard.planner.look(yard.depot)
        with yard.db.transaction() as cur:
            fresh = load_world(cur, yard.depot, yard.clock)
        assert kept is not None
        assert fresh is not None
        assert kept.vans == fresh.vans
        versions |= {van.newest.version for van in kept.vans.values() if van.newest}
        yard.order(-500, -300 * len(versions))
    assert len(versions) >= 2
    assert first in kept.vans
    assert second in kept.vans


def test_the_first_plan_of_every_shift_is_searched_before_it_is_told(yard: Yard) -> None:
    """Not the fleet's very first alone: what is told and then shuffled goes from van to van in two steps, a hundred orders at once."""
    van = yard.van()
    today = yard.order(500, 0)
    yard.plan()
    yard.receipt(van)
    yard.state(van, today, "delivered")
    with yard.db.transaction() as cur:
        cur.execute("UPDATE vehicles SET shift_start = shift_start + interval '1 day', shift_end = shift_end + interval '1 day'")
    tomorrow = yard.order(900, 0, within_h=(24.0, 32.0))
    search = yard.planner.plan(yard.depot)
    assert search is not None
    assert yard.route(van) == [today], "nothing is told yet"
    yard.planner.adopt(search, search.warm)
    assert yard.route(van) == [tomorrow]


@pytest.mark.parametrize(("price_cents", "moves"), [(planner_room.CHANGES_VANS_CENTS, True), (1_000_000, False)])
def test_work_changes_vans_only_where_it_pays_for_the_change(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, price_cents: int, moves: bool
) -> None:
    """Until the first van confirms nobody has it: a better plan has to be worth that for every task."""
    monkeypatch.setattr(planner_room, "CHANGES_VANS_CENTS", price_cents)
    near, far = yard.van("Near"), yard.van("Far")
    yard.order(3000, 0, name="Parcel")
    yard.plan()
    holder, other = (near, far) if yard.route(near) else (far, near)
    task = yard.route(holder)[0]
    yard.receipt(holder)
    for vehicle in (near, far):
        yard.duty(vehicle, "on")
    yard.at(holder, -9000, 0)
    yard.at(other, 2900, 0)
    filler = yard.order(-9500, 0, name="Filler")
    yard.plan()
    yard.receipt(holder)
    with yard.db.transaction() as cur:
        cur.execute("UPDATE vehicle_now SET next_stop = %s WHERE vehicle_id = %s", (filler, holder))
    yard.bump()
    search = yard.planner.plan(yard.depot)
    assert search is not None
    yard.planner.adopt(search, type(search.warm)(routes={holder: (filler,), other: (task,)}, unassigned={}))
    assert (task not in yard.route(holder)) is moves
