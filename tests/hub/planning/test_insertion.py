"""Insertion and repair: an answer at once, that never breaks a rule and makes nothing later than its window."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from roundsman_hub.bench_planner_changes import CHANGES, FLEETS, full_town, with_breaks
from roundsman_hub.planning import effort
from roundsman_hub.planning.best import Progress
from roundsman_hub.planning.effort import END_US, PATIENT_US, Effort
from roundsman_hub.planning.evaluate import evaluate
from roundsman_hub.planning.explain import NOT_YET
from roundsman_hub.planning.insertion import insert, repair, rescue
from roundsman_hub.planning.portfolio import search
from roundsman_hub.planning.problem import Plan, Problem, Task, Van
from roundsman_hub.planning.solve import decide

MakeProblem = Callable[..., Problem]


@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 2**32), tasks=st.integers(0, 14), vans=st.integers(0, 4), no_way=st.booleans())
def test_whatever_the_vans_hold_the_repaired_plan_may_be_used(
    make_problem: MakeProblem, seed: int, tasks: int, vans: int, no_way: bool
) -> None:
    problem = make_problem(seed, tasks, max(vans, 1), no_way=no_way)
    verdict = evaluate(problem, repair(problem))
    assert verdict.violations == ()


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_new_work_goes_where_the_judge_finds_it_cheapest(make_problem: MakeProblem, seed: int) -> None:
    problem = make_problem(seed, 9, 3)
    new = problem.tasks[seed % 9]
    if any(new.task in van.frozen for van in problem.vans) or new.on_board is not None:
        return
    before = replace(problem, tasks=tuple(task for task in problem.tasks if task != new))
    plan = repair(before)
    base = evaluate(problem, replace(plan, unassigned={**plan.unassigned, new.task: "new"}))
    late = {visit.task: visit.lateness_s for visits in base.routes.values() for visit in visits}
    options = []
    for vehicle, route in plan.routes.items():
        for at in range(len(route) + 1):
            routes = {**plan.routes, vehicle: (*route[:at], new.task, *route[at:])}
            verdict = evaluate(problem, Plan(routes=routes, unassigned=plan.unassigned))
            in_time = all(v.lateness_s <= late.get(v.task, 0) for visits in verdict.routes.values() for v in visits)
            if in_time and not verdict.violations and verdict.cost_cents < base.cost_cents:
                options.append(verdict.cost_cents)
    inserted = insert(problem, plan, [new.task])
    if not options:
        planned = {task for route in problem.current.values() for task in route}
        if new.task not in planned:
            assert inserted.unassigned[new.task]
        return
    assert abs(evaluate(problem, inserted).cost_cents - min(options)) <= 1  # each verdict is rounded to a cent


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_new_work_makes_nothing_later_than_it_was(make_problem: MakeProblem, seed: int) -> None:
    problem = make_problem(seed, 12, 3, on_the_road=False)
    assert evaluate(problem, repair(problem)).lateness_s == 0


def test_an_urgent_order_is_placed_in_a_full_town(make_problem: MakeProblem) -> None:
    problem = make_problem(7, 121, 8, on_the_road=False)
    fleet = tuple(replace(van, capacity=(40,), shift_end_s=9 * 3600) for van in problem.vans)
    problem = replace(problem, vans=fleet)
    routes = repair(replace(problem, tasks=problem.tasks[:-1])).routes
    urgent = replace(problem.tasks[-1], kind="pickup", left_out_cents=1_000_000, windows_s=(), on_board=None, may_be_held_by=None)
    problem = replace(problem, tasks=(*problem.tasks[:-1], urgent), current=routes)
    assert urgent.task not in repair(problem).unassigned


@settings(max_examples=60, deadline=None)
@given(
    change=st.sampled_from(CHANGES),
    kind=st.sampled_from([(1, ""), (3, ""), (5, ""), *((1, fleet) for fleet in FLEETS)]),
    seed=st.integers(0, 2**32),
)
def test_whatever_happens_to_300_tasks_the_mended_plan_may_be_used(
    change: Callable[[Problem, random.Random], Problem], kind: tuple[int, str], seed: int
) -> None:
    """How soon it is there is measured by `make bench-planner` (`mend_300_worst_s`)."""
    problem = change(full_town(*kind), random.Random(seed))
    assert evaluate(problem, repair(problem)).violations == ()


KINDS = [(bands, fleet) for bands in (1, 3) for fleet in ("breaks", "hours", "trips", "shipments")]


@pytest.mark.parametrize(("bands", "fleet"), [*KINDS, (5, ""), (5, "hours")])
def test_mending_300_tasks_never_takes_more_than_its_effort(monkeypatch: pytest.MonkeyPatch, bands: int, fleet: str) -> None:
    """A tenth of a second, counted and not timed. What is left out for want of effort says so, and is looked for by the search."""
    efforts: list[Effort] = []

    def counted(tasks: int, cells: int) -> Effort:
        efforts.append(usual(tasks, cells))
        return efforts[-1]

    usual = Effort.at_once
    monkeypatch.setattr(Effort, "at_once", counted)
    for change in CHANGES if fleet != "shipments" else CHANGES[:-1]:  # nobody is halfway through a shipment in `on_the_road`
        problem = change(full_town(bands, fleet), random.Random(2))
        plan = repair(problem)
        assert evaluate(problem, plan).violations == ()
        assert efforts.pop().spent_us <= 1.2 * END_US, change.__name__  # one try is never broken off


@pytest.mark.parametrize(("bands", "fleet"), [(1, "shipments+hours"), (3, "trips+breaks")])
def test_a_first_plan_of_300_tasks_never_takes_more_than_its_effort(monkeypatch: pytest.MonkeyPatch, bands: int, fleet: str) -> None:
    """Some two seconds, counted and not timed; all but a few have a place by then."""
    efforts: list[Effort] = []

    def counted(tasks: int, most_s: float) -> Effort:
        efforts.append(usual(tasks, most_s))
        return efforts[-1]

    usual = Effort.patient
    monkeypatch.setattr(Effort, "patient", counted)
    problem = full_town.__wrapped__(bands, fleet)
    served = {step for route in problem.current.values() for step in route}
    left = {task.task: NOT_YET for task in problem.tasks if task.task not in served}
    assert evaluate(problem, Plan(routes=problem.current, unassigned=left)).violations == ()
    assert len(left) < 30
    assert 0 < max(made.spent_us for made in efforts) <= 1.1 * PATIENT_US  # one try is never broken off
    efforts.clear()
    unplanned = dict.fromkeys((task.task for task in problem.tasks[:60]), NOT_YET)
    kept = {van: tuple(step for step in route if step not in unplanned) for van, route in problem.current.items()}
    insert(problem, Plan(routes=kept, unassigned=unplanned), most_s=0.2)
    assert [made.spent_us <= 1.2 * 200_000 for made in efforts] == [True]


def test_a_search_begins_with_what_the_first_plan_left_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Round after round of insertion, before any engine; each stands at once."""
    problem = replace(full_town(1), current={}, churn_cents=0)
    problem = replace(problem, tasks=problem.tasks[:40], vans=with_breaks(problem).vans)
    monkeypatch.setattr(effort, "PATIENT_US", 20_000)
    nothing = Plan(routes={}, unassigned=dict.fromkeys((task.task for task in problem.tasks), NOT_YET))
    seen: list[Progress] = []
    found = search(problem, nothing, 60.0, engines=(), on_progress=seen.append, seed=1)
    assert len(seen) > 2
    assert [at.unassigned for at in seen] == sorted((at.unassigned for at in seen), reverse=True)
    assert [evaluate(problem, at.plan).violations for at in seen] == [()] * len(seen)
    assert not found.plan.unassigned


def test_only_what_has_an_unusual_price_is_mended_in_haste() -> None:
    """Plain days, with traffic or not, are mended as well as insertion can."""
    for bands in (1, 3):
        for change in CHANGES:
            problem = change(full_town(bands), random.Random(1))
            assert repair(problem) == repair(problem, patient=True), change.__name__


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), effort_us=st.sampled_from([1, 300, 2_000]))
def test_a_plan_that_was_mended_in_haste_may_be_used(
    make_rich: Callable[[int], tuple[Problem, Plan]], monkeypatch: pytest.MonkeyPatch, seed: int, effort_us: int
) -> None:
    """Whatever the rules, and however soon the effort is spent; and what is left out has a reason."""
    problem, held = make_rich(seed)
    monkeypatch.setattr(effort, "END_US", effort_us)
    problem = replace(problem, current={van: tuple(route) for van, route in held.routes.items()})
    plan = repair(problem)
    assert evaluate(problem, plan).violations == ()
    assert all(plan.unassigned.values())
    served = {step for route in plan.routes.values() for step in route}
    assert {task.task for task in problem.tasks} == plan.unassigned.keys() | {task.task for task in problem.tasks if task.task in served}


def test_the_search_begins_with_what_haste_left_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effort, "END_US", 1)
    problem = replace(full_town(1), current={})
    problem = replace(problem, tasks=problem.tasks[:40])
    hasty = repair(problem)
    assert set(hasty.unassigned.values()) == {NOT_YET}
    assert not decide(problem, None, 0.0).plan.unassigned
    assert not insert(problem, hasty).unassigned


# ── reasons, in a small town: places on a line, 1 km and 100 s apart; the depot is place 0 ────────────────────────────


def town(tasks: tuple[Task, ...], vans: tuple[Van, ...], **traits: object) -> Problem:
    km = np.abs(np.subtract.outer(np.arange(10), np.arange(10))).astype(np.int32)
    problem = Problem(origin_utc_s=8 * 3600, tasks=tasks, vans=vans, durations_s=km * 100, distances_m=km * 1000)
    return replace(problem, **traits)  # type: ignore[arg-type]


def pickup(**traits: object) -> Task:
    base = Task(task="o", place=9, kind="pickup", load=(1,), service_s=60)
    return replace(base, **traits)  # type: ignore[arg-type]


def at_depot(**traits: object) -> Van:
    base = Van(vehicle="v", start_place=0, end_place=0, start_s=0, shift_end_s=4 * 3600, capacity=(10,), at_depot=True)
    return replace(base, **traits)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("task", "van", "reason"),
    [
        (pickup(windows_s=((0, 600),)), at_depot(), "no van can be there before 08:10 (earliest 08:15)"),
        (pickup(kind="delivery"), at_depot(at_depot=False, start_place=1), "goods are at the depot and every van has left"),
        (pickup(load=(12,)), at_depot(), "larger than every van (12 > 10)"),
        (pickup(), at_depot(shift_end_s=1800), "no shift is long enough (back 08:31, shift ends 08:30)"),
        (pickup(load=(9,)), at_depot(carried=(2,)), "vans that have the time are full (needs room for 9)"),
        (
            pickup(promise_s=(0, 600), windows_s=((0, 7200),), left_out_cents=1_500),
            at_depot(),
            "serving it would cost more than leaving it out (82.70 > 15.00)",
        ),
        (pickup(may_be_held_by="w"), at_depot(), "a van holds it in its plan and has not yet confirmed a plan without it"),
        (pickup(), at_depot(at_depot=False, reachable=False), "every van that could take it is offline"),
        (pickup(kind="delivery", on_board="w"), at_depot(), "goods are on board of a van that is not on a shift"),
    ],
)
def test_whoever_is_left_out_is_told_why(task: Task, van: Van, reason: str) -> None:
    assert repair(town((task,), (van,))).unassigned == {"o": reason}


def test_a_van_that_cannot_be_told_keeps_its_work_and_gets_no_more() -> None:
    deaf, near = at_depot(at_depot=False, reachable=False), replace(at_depot(), vehicle="w")
    problem = town((pickup(), pickup(task="p", place=8)), (deaf, near), current={"v": ("o",)})
    assert repair(problem).routes == {"v": ("o",), "w": ("p",)}
    assert evaluate(problem, Plan(routes={"v": ("o", "p")}, unassigned={})).violations


def test_a_time_of_day_is_told_in_the_fleets_own_time() -> None:
    problem = town((pickup(windows_s=((0, 600),)),), (at_depot(),), timezone="Europe/Helsinki", origin_utc_s=1_763_800_000 // 3600 * 3600)
    assert repair(problem).unassigned == {"o": "no van can be there before 10:10 (earliest 10:15)"}
    tomorrow = replace(problem, vans=(at_depot(start_s=86_400, shift_end_s=2 * 86_400),))
    assert repair(tomorrow).unassigned == {"o": "no van can be there before 10:10 (earliest 2025-11-23 10:15)"}, "another day is named"


def test_an_address_without_a_road_is_told_as_such() -> None:
    problem = town((pickup(),), (at_depot(),))
    durations = problem.durations_s.copy()
    durations[:, 9] = -1
    assert repair(replace(problem, durations_s=durations)).unassigned == {"o": "no road reaches this address"}


def test_work_that_other_work_displaces_says_so() -> None:
    long_stop = pickup(task="long", place=1, service_s=3600, windows_s=((100, 200),), left_out_cents=900_000)
    problem = town((long_stop, pickup(windows_s=((0, 3000),))), (at_depot(),))
    assert repair(problem).unassigned == {"o": "no van is free before 08:50: other work fills every route until then"}


def test_a_van_that_was_held_up_goes_on_with_its_round_late() -> None:
    """Late work in a driver's plan stays, at a price; only new work is never planned late."""
    tasks = (pickup(task="a", place=2, windows_s=((0, 100),)), pickup(task="b", place=4, windows_s=((0, 100),)))
    van = at_depot(at_depot=False, start_place=1, start_s=1200)
    plan = repair(town(tasks, (van,), current={"v": ("a", "b")}))
    assert plan.routes == {"v": ("a", "b")}
    assert set(repair(town(tasks, (van,))).unassigned) == {"a", "b"}


def test_a_shift_that_cannot_hold_the_round_loses_what_is_worth_least() -> None:
    tasks = (pickup(task="a", place=2, left_out_cents=500_000), pickup(task="b", place=9), pickup(task="c", place=3))
    plan = repair(town(tasks, (at_depot(shift_end_s=900),), current={"v": ("a", "b", "c")}))
    assert plan.routes == {"v": ("a", "c")}
    assert set(plan.unassigned) == {"b"}


def test_late_work_of_a_held_up_van_goes_to_one_that_is_in_time() -> None:
    tasks = (pickup(task="a", place=2, windows_s=((0, 600),)), pickup(task="b", place=8, windows_s=((0, 900),)))
    held_up = at_depot(at_depot=False, start_place=1, start_s=1800)
    free = at_depot(vehicle="w", at_depot=False, start_place=7)
    problem = town(tasks, (held_up, free), current={"v": ("a", "b")})
    stays = repair(problem)
    assert stays.routes == {"v": ("a", "b"), "w": ()}
    moved = rescue(problem, stays)
    assert moved.routes == {"v": (), "w": ("b", "a")} or moved.routes == {"v": ("a",), "w": ("b",)}
    assert evaluate(problem, moved).cost_cents < evaluate(problem, stays).cost_cents


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_rescue_is_never_dearer_and_may_be_used(make_problem: MakeProblem, seed: int) -> None:
    problem = make_problem(seed, 12, 3, no_way=seed % 2 == 0)
    before = repair(problem)
    after = rescue(problem, before)
    assert evaluate(problem, after).violations == ()
    assert evaluate(problem, after).cost_cents <= evaluate(problem, before).cost_cents + 1  # each verdict is rounded to a cent


def test_hundreds_of_orders_get_a_first_plan_without_a_search(make_problem: MakeProblem) -> None:
    problem = make_problem(5, 600, 30, on_the_road=False)
    assert evaluate(problem, repair(problem)).violations == ()


def test_rather_late_for_a_promise_than_not_at_all() -> None:
    """Its window is open the whole day, and it was told to come by 08:10; the van cannot be there before 08:15."""
    told = pickup(promise_s=(0, 600), windows_s=((0, 7200),))
    problem = town((told,), (at_depot(),))
    plan = repair(problem)
    assert plan.routes == {"v": ("o",)}
    assert evaluate(problem, plan).routes["v"][0].promise_late_s == 300


def test_nobody_elses_promise_pays_for_one_that_is_late_already() -> None:
    """On the way to a promise that can still be kept there is no time for one that cannot: that comes after it."""
    kept = pickup(task="kept", place=5, promise_s=(0, 520), windows_s=((0, 7200),))
    told = pickup(place=3, promise_s=(0, 200), windows_s=((0, 7200),))
    problem = town((kept, told), (at_depot(),), current={"v": ("kept",)})
    plan = repair(problem)
    assert plan.routes == {"v": ("kept", "o")}
    assert [visit.promise_late_s for visit in evaluate(problem, plan).routes["v"]] == [0, 560]
