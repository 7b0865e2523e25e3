"""Why a task is left out: the smallest set that would have to give way, priced by mending the plan, or by planning all of it anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from roundsman_hub.planning.engines.here import Here
from roundsman_hub.planning.evaluate import evaluate
from roundsman_hub.planning.problem import Plan, Problem, Task, Van
from roundsman_hub.planning.reasoning import Asking, explained
from roundsman_hub.planning.solve import solve
from roundsman_hub.planning.why import why

KM = np.abs(np.subtract.outer(np.arange(10), np.arange(10))).astype(np.int32)
VAN = Van(vehicle="A", start_place=0, end_place=0, start_s=0, shift_end_s=3_000, capacity=(2,), at_depot=True)


def street(tasks: list[Task], vans: list[Van]) -> Problem:
    """A kilometre and a hundred seconds from place to place."""
    return Problem(origin_utc_s=0, tasks=tuple(tasks), vans=tuple(vans), durations_s=KM * 100, distances_m=KM * 1000)


def stop(name: str, place: int, **more: object) -> Task:
    whole = Task(task=name, place=place, kind="delivery", load=(1,), service_s=60)
    return replace(whole, **more)  # type: ignore[arg-type]  # names are checked by `replace`


pytestmark = pytest.mark.usefixtures("cpu_seconds")


def anew(problem: Problem, plan: Plan) -> Plan:
    return solve(problem, plan, 0.15, engine=Here("ruin"))


def test_sometimes_only_another_plan_is_needed() -> None:
    """Served first, x makes the van wait and come home too late; on the way out, after its neighbour, not. Mending does not turn rounds."""
    problem = street(
        [stop("far", 9), stop("near", 2), stop("x", 5, windows_s=((600, 700),))], [replace(VAN, capacity=(3,), shift_end_s=2_050)]
    )
    plan = Plan(routes={"A": ("far", "near")}, unassigned={"x": "asked about"})
    assert () not in {one.constraints for one in why(problem, plan, "x").relaxations}
    assert [one.constraints for one in why(problem, plan, "x", resolve=anew).relaxations] == [()]


def test_a_price_by_planning_anew_is_never_above_that_of_mending() -> None:
    """Who has room for it only once others move: mended it costs a second van; planned anew, an exchange."""
    tasks = [stop("a", 3), stop("b", 8), stop("c", 2), stop("x", 9, skills=frozenset({"cold"}))]
    problem = street(tasks, [VAN, replace(VAN, vehicle="B", fixed_cents=5_500)])
    plan = Plan(routes={"A": ("a", "b"), "B": ("c",)}, unassigned={"x": "no van has the skill cold"})
    mended = why(problem, plan, "x")
    searched = why(problem, plan, "x", resolve=anew)
    assert [one.constraints for one in mended.relaxations] == [one.constraints for one in searched.relaxations] == [("skills",)]
    assert searched.relaxations[0].price_cents <= mended.relaxations[0].price_cents
    free = replace(problem, tasks=tuple(replace(task, skills=frozenset()) for task in problem.tasks))
    best = evaluate(free, anew(free, Plan(routes={"A": ("a", "b"), "B": ("c", "x")}, unassigned={}))).cost_cents
    before = evaluate(problem, anew(problem, plan)).cost_cents - tasks[-1].left_out_cents
    assert searched.relaxations[0].price_cents == best - before


def test_others_who_are_left_out_do_not_enter_the_price() -> None:
    tasks = [stop("a", 3), stop("b", 4), stop("x", 5), stop("y", 6)]
    problem = street(tasks, [VAN])
    plan = Plan(routes={"A": ("a", "b")}, unassigned={"x": "full", "y": "full"})
    ways = {one.constraints: one.price_cents for one in why(problem, plan, "x", resolve=anew).relaxations}
    assert abs(ways[("capacity",)] - ((100 * 2 + 60) * 3_000 / 3_600 + 2 * 40)) <= 1


def test_where_no_time_is_left_prices_are_those_of_mending_and_say_so() -> None:
    problem = street([stop("a", 3), stop("b", 4), stop("x", 5)], [VAN])
    plan = Plan(routes={"A": ("a", "b")}, unassigned={"x": "full"})
    told: list[Asking] = []
    hurried = explained(problem, plan, "x", resolve_s=1e-9, on_progress=told.append)
    mended = why(problem, plan, "x")
    assert [(one.constraints, one.price_cents, one.searched) for one in hurried.relaxations] == [
        (one.constraints, one.price_cents, False) for one in mended.relaxations
    ]
    assert [one.tried for one in told] == list(range(1, len(told) + 1))
    assert {one.constraints for one in told if one.price_cents is not None} == {one.constraints for one in mended.relaxations}
