"""The judge, held against a second one that is slow and obvious, and against stories of plans that must not be used."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from tests.hub.planning.slow_judge import judge_slowly, may

from roundsman_hub.planning.evaluate import evaluate
from roundsman_hub.planning.problem import Plan, Problem, Task, Van


def any_plan(problem: Problem, seed: int) -> Plan:
    """A random plan: mostly sensible, sometimes with work lost, doubled, unknown, or given to nobody without a reason."""
    rng = random.Random(seed)
    routes: dict[str, list[str]] = {van.vehicle: list(van.frozen) for van in problem.vans}
    unassigned: dict[str, str] = {}
    frozen = {task for van in problem.vans for task in van.frozen}
    for task in rng.sample(list(problem.tasks), len(problem.tasks)):
        if task.task in frozen:
            continue
        able = [van for van in problem.vans if may(problem, van, task, [])]
        if able and rng.random() < 0.7:
            routes[rng.choice(able).vehicle].append(task.task)
        else:
            unassigned[task.task] = "nobody"
    if problem.tasks and rng.random() < 0.3:
        spoil = rng.choice(problem.tasks).task
        rng.choice(list(routes.values())).append(rng.choice([spoil, "o_strange"]))
    if unassigned and rng.random() < 0.2:
        unassigned[next(iter(unassigned))] = ""
    if routes and rng.random() < 0.1:
        routes["v_strange"] = []
    return Plan(routes={vehicle: tuple(route) for vehicle, route in routes.items()}, unassigned=unassigned)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), tasks=st.integers(0, 10), vans=st.integers(1, 4), no_way=st.booleans())
def test_the_judge_agrees_with_a_slow_and_obvious_one(
    make_problem: Callable[..., Problem], seed: int, tasks: int, vans: int, no_way: bool
) -> None:
    problem = make_problem(seed, tasks, vans, no_way=no_way)
    plan = any_plan(problem, seed)
    cents, lateness, usable = judge_slowly(problem, plan)
    verdict = evaluate(problem, plan)
    assert verdict.lateness_s == lateness
    assert abs(verdict.cost_cents - cents) <= Fraction(1, 2)
    assert (not verdict.violations) == usable, verdict.violations


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_judge_agrees_on_everything_that_a_day_can_ask(make_rich: Callable[[int], tuple[Problem, Plan]], seed: int) -> None:
    """Traffic, breaks, hours of service, reloads, shipments, ranges, skills, relations, every price: all at once, on small problems."""
    problem, plan = make_rich(seed)
    cents, lateness, usable = judge_slowly(problem, plan)
    verdict = evaluate(problem, plan)
    assert (not verdict.violations) == usable, verdict.violations
    assert verdict.lateness_s == lateness
    assert abs(verdict.cost_cents - cents) <= Fraction(3, 2)
    assert abs(sum(verdict.parts_cents.values()) - verdict.cost_cents) <= 8


# ── a small town, for stories ───────────────────────────────────────────────────────────────────────────────────────


def town(*, tasks: tuple[Task, ...], vans: tuple[Van, ...], current: dict[str, tuple[str, ...]] | None = None) -> Problem:
    """Places on a line, 1 km and 100 s apart; the depot is place 0."""
    n = 10
    km = np.abs(np.subtract.outer(np.arange(n), np.arange(n))).astype(np.int32)
    return Problem(origin_utc_s=0, tasks=tasks, vans=vans, durations_s=km * 100, distances_m=km * 1000, current=current or {})


def task(name: str, place: int, **traits: object) -> Task:
    return replace(Task(task=name, place=place, kind="delivery", load=(1,), service_s=60), **traits)  # type: ignore[arg-type]


def van(name: str, **traits: object) -> Van:
    base = Van(vehicle=name, start_place=0, end_place=0, start_s=0, shift_end_s=8 * 3600, capacity=(5,), at_depot=True)
    return replace(base, **traits)  # type: ignore[arg-type]


def test_a_round_is_told_visit_by_visit() -> None:
    problem = town(tasks=(task("a", 2, windows_s=((300, 400),)), task("b", 5, kind="pickup", load=(3,))), vans=(van("v"),))
    verdict = evaluate(problem, Plan(routes={"v": ("a", "b")}, unassigned={}))
    a, b = verdict.routes["v"]
    assert (a.arrival_s, a.wait_s, a.start_s, a.departure_s, a.load_after) == (200, 100, 300, 360, (0,))
    assert (b.leg_s, b.leg_m, b.arrival_s, b.departure_s, b.load_after) == (300, 3000, 660, 720, (3,))
    assert verdict.back_s == {"v": 1220}
    assert verdict.distance_m == 10_000
    # 50.00 for the van, 10 km at 0.40, 1,220 s at 30.00 an hour
    assert verdict.cost_cents == round(5_000 + 400 + 1220 * 3000 / 3600)
    assert not verdict.violations


def test_lateness_has_a_price_and_is_no_violation() -> None:
    problem = town(tasks=(task("a", 5, windows_s=((0, 200),)),), vans=(van("v"),))
    verdict = evaluate(problem, Plan(routes={"v": ("a",)}, unassigned={}))
    assert verdict.lateness_s == 300
    assert not verdict.violations


def test_a_driver_who_is_sent_elsewhere_next_costs_churn() -> None:
    tasks = tuple(task(name, place) for name, place in (("a", 1), ("b", 2), ("c", 3), ("d", 4)))
    problem = town(tasks=tasks, vans=(van("v"),), current={"v": ("a", "b", "c", "d")})
    same = evaluate(problem, Plan(routes={"v": ("a", "b", "c", "d")}, unassigned={}))
    later = evaluate(problem, Plan(routes={"v": ("a", "b", "d", "c")}, unassigned={}))
    assert same.churn_cents == 0
    assert later.churn_cents == problem.churn_cents  # only c was among the next three


@pytest.mark.parametrize(
    ("routes", "unassigned", "words"),
    [
        ({"v": ("a",)}, {}, "b is neither planned nor unassigned"),
        ({"v": ("a", "a", "b")}, {}, "a is planned 2 times"),
        ({"v": ("a", "b")}, {"b": "no"}, "b is both planned and unassigned"),
        ({"v": ("a", "b", "x")}, {}, "unknown task x"),
        ({"v": ("a",), "w": ("b",)}, {}, "unknown van w"),
        ({"v": ("a",)}, {"b": ""}, "b is unassigned without a reason"),
    ],
)
def test_work_is_never_lost_doubled_or_invented(routes: dict[str, tuple[str, ...]], unassigned: dict[str, str], words: str) -> None:
    problem = town(tasks=(task("a", 1), task("b", 2)), vans=(van("v"),))
    assert words in evaluate(problem, Plan(routes=routes, unassigned=unassigned)).violations


@pytest.mark.parametrize(
    ("work", "fleet", "words"),
    [
        (task("a", 1, on_board="w"), van("v"), "a is on board of w"),
        (task("a", 1, kind="pickup", may_be_held_by="w"), van("v"), "a may still be held by w"),
        (task("a", 1), van("v", at_depot=False, start_place=3), "goods of a are at the depot, which v has left"),
        (task("a", 1, load=(6,)), van("v"), "v would carry 6, 5 fit"),
        (task("a", 1, kind="pickup", load=(4,)), van("v", carried=(2,)), "v would carry 6, 5 fit"),
        (task("a", 9), van("v", shift_end_s=1000), "v would be back 860 s after its shift's end"),
        (task("a", 1), van("v", frozen=("b",)), "v must first serve b"),
    ],
)
def test_what_a_van_may_never_do(work: Task, fleet: Van, words: str) -> None:
    """Invariants 6 and 7: a task is held by one van at most; what is in progress is locked."""
    problem = town(tasks=(work, task("b", 2)), vans=(fleet, van("w")))
    plan = Plan(routes={"v": ("a",), "w": ("b",)}, unassigned={})
    assert words in evaluate(problem, plan).violations


def test_a_place_without_a_road_is_never_driven_to() -> None:
    problem = town(tasks=(task("a", 1),), vans=(van("v"),))
    durations = problem.durations_s.copy()
    durations[0, 1] = -1
    verdict = evaluate(replace(problem, durations_s=durations), Plan(routes={"v": ("a",)}, unassigned={}))
    assert verdict.violations == ("v: no way from place 0 to 1",)


def test_what_nobody_can_help_is_not_held_against_a_plan() -> None:
    """A held-up van with more on board than it may carry has to finish its frozen stop and come home, late or not."""
    tasks = (task("a", 9, on_board="v", load=(9,)),)
    late = van("v", at_depot=False, start_place=8, shift_end_s=100, frozen=("a",))
    assert not evaluate(town(tasks=tasks, vans=(late,)), Plan(routes={"v": ("a",)}, unassigned={})).violations
