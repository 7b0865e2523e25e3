"""The quick way of trying an insertion finds what walking every possible route finds."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings, strategies as st

from roundsman_hub.planning.problem import Plan, Problem, Profile, Task
from roundsman_hub.planning.rides import Place
from roundsman_hub.planning.row import Row
from roundsman_hub.planning.travel import Travel
from roundsman_hub.planning.walk import Ground

MakeProblem = Callable[..., Problem]


def traffic(problem: Problem, bands: int, rng: random.Random) -> Problem:
    """The vans' travel times by the hour, each way with a pace of its own; a few ways are closed at some hours."""
    paces = np.random.default_rng(rng.randrange(2**32))
    tables = [(problem.durations_s * paces.uniform(0.4, 2.5, problem.durations_s.shape)).astype(np.int32) for _ in range(bands)]
    for table in tables:
        table[(problem.durations_s < 0) | (paces.random(table.shape) < rng.choice([0, 0.03]))] = -1
    metres = problem.distances_m.copy()
    for table in (*tables, metres):
        np.fill_diagonal(table, 0)
    starts_s = (0, *sorted(rng.sample(range(300, 12_000), bands - 1)))
    hours = Profile(durations_s=np.stack(tables), distances_m=metres, band_starts_s=starts_s)
    return replace(problem, profiles={"hours": hours}, vans=tuple(replace(van, profile="hours") for van in problem.vans))


def half_planned(make_problem: MakeProblem, seed: int, bands: int = 1) -> tuple[Ground, list[Row], list[Task]]:
    """Rows with half of the tasks, in windows that they keep or not; and the other half."""
    rng = random.Random(seed)
    problem = make_problem(seed, 12, 2, no_way=seed % 3 == 0)
    parking = tuple(replace(task, parking_s=rng.choice([0, 90]), place=rng.choice([task.place, 1, 2])) for task in problem.tasks)
    problem = replace(problem, tasks=tuple(replace(task, windows_s=task.windows_s[:1]) for task in parking))
    if bands > 1:
        problem = traffic(problem, bands, rng)
    ground = Ground(problem)
    frozen = {task for van in problem.vans for task in van.frozen}
    rows, rest = [], [task for task in problem.tasks if task.task not in frozen]
    rng.shuffle(rest)
    for van in problem.vans:
        route = [task for task in van.frozen if task in ground.tasks]
        route += [task.task for task in rest[:4] if ground.refusal(van, task) is None]
        rest = [task for task in rest if task.task not in route]
        rows.append(Row(ground, van, route))
    return ground, rows, rest


def usual(ground: Ground, row: Row) -> bool:
    """No rule is broken already, and no leg without a way has to be driven: there the quick way may say no where walking would not."""
    least = ground.allowed[row.van.vehicle]
    return row.walk.excess.within(least) and not ground.unavoidable[row.van.vehicle] and not any(least)


def walked(row: Row, task: Task, *, late_allowed: bool = False) -> Place | None:
    """The cheapest place by walking the route with the task in every position, alone and with its goods fetched just before."""
    fetches = [f"@{depot}" for depot in row.van.reloads] if row.ground.from_depot(task) else []
    best: Place | None = None
    for at in range(row.first_free, len(row.route) + 1):
        for new in ([task.task], *([fetch, task.task] for fetch in fetches)):
            route = [*row.route[:at], *new, *row.route[at:]]
            units = row.tried(route, at, late_allowed=late_allowed)
            if units is not None and (best is None or units < best.units):
                best = Place(units, at, tuple(route))
    return best


def walked_pair(row: Row, pickup: Task, delivery: Task, *, late_allowed: bool = False) -> Place | None:
    """The cheapest places for both ends by walking the route with them in every two positions."""
    best: Place | None = None
    for first in range(row.first_free, len(row.route) + 1):
        for second in range(first, len(row.route) + 1):
            route = [*row.route[:first], pickup.task, *row.route[first:second], delivery.task, *row.route[second:]]
            units = row.tried(route, first, late_allowed=late_allowed)
            if units is not None and (best is None or units < best.units):
                best = Place(units, first, tuple(route))
    return best


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), bands=st.sampled_from([1, 3, 5]))
def test_one_task(make_problem: MakeProblem, seed: int, bands: int) -> None:
    ground, rows, rest = half_planned(make_problem, seed, bands)
    for row in rows:
        for task in rest:
            if ground.refusal(row.van, task):
                continue
            found = row.best(task)
            slow = walked(row, task)
            if usual(ground, row):
                assert (None if found is None else found.units) == (None if slow is None else slow.units)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), bands=st.sampled_from([3, 5]))
@example(seed=218242, bands=5)  # the way to it is closed when the van could leave, and open once its goods are there
def test_one_task_that_may_make_others_late(make_problem: MakeProblem, seed: int, bands: int) -> None:
    ground, rows, rest = half_planned(make_problem, seed, bands)
    for row in rows:
        for task in rest:
            if ground.refusal(row.van, task) or not usual(ground, row):
                continue
            found = row.best(task, late_allowed=True)
            slow = walked(row, task, late_allowed=True)
            assert (None if found is None else found.units) == (None if slow is None else slow.units)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), bands=st.sampled_from([1, 3, 5]))
@example(seed=4194305, bands=1)  # a stop at which it waits needs no parking any more: it is back sooner
def test_both_ends_of_a_shipment(make_problem: MakeProblem, seed: int, bands: int) -> None:
    ground, rows, rest = half_planned(make_problem, seed, bands)
    if len(rest) < 2:
        return
    ends = [replace(task, on_board=None, may_be_held_by=None, release_s=0, shipment="s") for task in rest[:2]]
    pickup, delivery = replace(ends[0], kind="pickup"), replace(ends[1], kind="delivery", load=ends[0].load, max_ride_s=4000)
    tasks = tuple({task.task: task for task in (*ground.problem.tasks, pickup, delivery)}.values())
    ground = Ground(replace(ground.problem, tasks=tasks))
    for old in rows:
        row = Row(ground, old.van, old.route)
        if not usual(ground, row) or ground.refusal(row.van, pickup):
            continue
        quick = row.best_pair(pickup, delivery)
        slow = walked_pair(row, pickup, delivery)
        assert (None if quick is None else quick.units) == (None if slow is None else slow.units)
        late, slowly = row.best_pair(pickup, delivery, late_allowed=True), walked_pair(row, pickup, delivery, late_allowed=True)
        assert (None if late is None else late.units) == (None if slowly is None else slowly.units)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), arrival_s=st.integers(-500, 20_000))
def test_the_latest_departure_is_just_in_time(make_problem: MakeProblem, seed: int, arrival_s: int) -> None:
    """Driving backwards from the arrival tells when to leave: a second later is too late."""
    travel = Travel(traffic(make_problem(seed, 3, 1), 4, random.Random(seed)).profiles["hours"])
    leave_s = travel.leave_by_s(1, 2, arrival_s)
    if leave_s is not None:
        assert leave_s + travel.leg_s(1, 2, leave_s) <= arrival_s
        assert leave_s + 1 + travel.leg_s(1, 2, leave_s + 1) > arrival_s


@pytest.mark.parametrize("bands", [1, 4])
@pytest.mark.parametrize("seed", range(3))
def test_the_quick_way_is_taken(make_problem: MakeProblem, seed: int, bands: int) -> None:
    """If nothing were plain any more, everything above would hold and nothing would be fast."""
    _, rows, _ = half_planned(make_problem, 3 * seed + 1, bands)
    assert any(row.slack is not None for row in rows)


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32), late_allowed=st.booleans())
@example(seed=1156325, late_allowed=False)  # work that is itself the rest that the way home would have needed
@example(seed=579099140, late_allowed=False)  # the way to the depot is missing, and is driven whatever the route
def test_one_task_where_only_walking_tells(make_rich: Callable[[int], tuple[Problem, Plan]], seed: int, late_allowed: bool) -> None:
    """Pauses, hours, ranges, second trips, every price: what is not walked because of its floor would not have won."""
    problem, plan = make_rich(seed)
    ground = Ground(problem)
    for van in problem.vans:
        steps = [step for step in plan.routes.get(van.vehicle, ()) if step in ground.stops[van.type]]
        row = Row(ground, van, [*(task for task in van.frozen if task in ground.tasks), *(s for s in steps if s not in van.frozen)])
        for task in problem.tasks:
            if task.task in row.route or not row.walked(task):
                continue
            if ground.refusal(van, task) or ground.relations_of.get(task.task) or (task.shipment and task.on_board is None):
                continue
            if van.max_tasks is not None and len(row.route) >= van.max_tasks:
                continue
            found, slow = row.best(task, late_allowed=late_allowed), walked(row, task, late_allowed=late_allowed)
            if slow is None and van.energy:
                continue  # with a charge on the way there may be room
            floor = row.floor(task, late_allowed=late_allowed)
            assert found is None or (floor is not None and floor <= found.units)
            assert (None if found is None else found.units) == (None if slow is None else slow.units)


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32), late_allowed=st.booleans())
def test_both_ends_of_a_shipment_where_only_walking_tells(
    make_rich: Callable[[int], tuple[Problem, Plan]], seed: int, late_allowed: bool
) -> None:
    """Pauses, hours, ranges, second trips, every price: what is not walked because of its floor would not have won."""
    problem, plan = make_rich(seed)
    rng = random.Random(seed)
    free = [task for task in problem.tasks if task.on_board is None and task.shipment is None and task.may_be_held_by is None]
    if len(free) < 2:
        return
    ends = rng.sample(free, 2)
    most = rng.choice([None, 1_800, 9_000])
    pickup = replace(ends[0], kind="pickup", shipment="both")
    delivery = replace(ends[1], kind="delivery", shipment="both", load=pickup.load, release_s=0, max_ride_s=most)
    changed = {pickup.task: pickup, delivery.task: delivery}
    ground = Ground(replace(problem, tasks=tuple(changed.get(task.task, task) for task in problem.tasks), relations=()))
    for van in ground.problem.vans:
        if changed.keys() & set(van.frozen) or ground.refusal(van, pickup) or ground.refusal(van, delivery):
            continue
        steps = [step for step in plan.routes.get(van.vehicle, ()) if step in ground.stops[van.type] and step not in changed]
        row = Row(ground, van, [*(task for task in van.frozen if task in ground.tasks), *(s for s in steps if s not in van.frozen)])
        found = row.best_pair(pickup, delivery, late_allowed=late_allowed)
        slow = walked_pair(row, pickup, delivery, late_allowed=late_allowed)
        assert (None if found is None else found.units) == (None if slow is None else slow.units)
