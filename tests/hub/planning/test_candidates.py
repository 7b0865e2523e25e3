"""Which van could take it: the ranking is the judge's own, and who cannot is told why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from hypothesis import given, settings, strategies as st

from roundsman_hub.planning.candidates import candidate_at, candidates
from roundsman_hub.planning.evaluate import evaluate
from roundsman_hub.planning.insertion import insert, repair
from roundsman_hub.planning.problem import Plan, Problem, Task, Van

MakeProblem = Callable[..., Problem]
KM = np.abs(np.subtract.outer(np.arange(10), np.arange(10))).astype(np.int32)
VAN = Van(vehicle="near", start_place=4, end_place=0, start_s=0, shift_end_s=4 * 3600, capacity=(10,), at_depot=False)
JOB = Task(task="x", place=5, kind="pickup", load=(1,), service_s=60)


def street(tasks: list[Task], vans: list[Van], **more: object) -> Problem:
    """Places on a line, a kilometre and a hundred seconds apart."""
    problem = Problem(origin_utc_s=0, tasks=tuple(tasks), vans=tuple(vans), durations_s=KM * 100, distances_m=KM * 1000)
    return replace(problem, **more)  # type: ignore[arg-type]  # names are checked by `replace`


def test_the_van_whose_round_bears_it_best_is_first_not_the_nearest() -> None:
    """The near van has a customer whom a detour would make late; the far one passes by anyway."""
    tight = replace(JOB, task="tight", place=1, windows_s=((0, 310),))
    passing = replace(JOB, task="passing", place=9)
    far = replace(VAN, vehicle="far", start_place=1)
    problem = street([JOB, tight, passing], [VAN, far], current={"near": ("tight",), "far": ("passing",)})
    first, second = candidates(problem, repair(replace(problem, tasks=problem.tasks[1:])), "x")
    assert (first.vehicle, first.feasible, first.added_m, first.added_s) == ("far", True, 0, 60)
    assert first.position in (0, 1), "on the way there or back, which costs the same"
    assert first.cost_cents == round(60 * 3000 / 3600)
    assert second.vehicle == "near"
    assert second.feasible, "after its tight stop it can still come"
    early = candidate_at(problem, repair(problem), "x", "near", 0)
    assert (early.feasible, [(one.task, one.by_s) for one in early.breaks]) == (False, [("tight", 250)])
    assert early.reason == "tight would be 5 min late"


def test_who_cannot_is_told_why_and_comes_last() -> None:
    cold = replace(JOB, skills=frozenset({"cold"}))
    vans = [VAN, replace(VAN, vehicle="cold", skills=frozenset({"cold"})), replace(VAN, vehicle="full", capacity=(0,), skills=cold.skills)]
    found = candidates(street([cold], vans), Plan(routes={}, unassigned={}), "x")
    assert [(one.vehicle, one.feasible) for one in found] == [("cold", True), ("full", False), ("near", False)]
    assert found[1].reason == "larger than every van (1 > 0)"
    assert found[2].reason == "x needs cold, which near lacks"


def test_a_stop_in_progress_stays_with_its_van() -> None:
    problem = street([JOB], [replace(VAN, frozen=("x",)), replace(VAN, vehicle="other")], current={"near": ("x",)})
    found = {one.vehicle: one for one in candidates(problem, repair(problem), "x")}
    assert found["other"].reason == "near is serving it, or on its way there"
    assert (found["near"].position, found["near"].route) == (0, ("x",)), "it stays where it is, also with nothing else on the way"


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_first_candidate_is_where_the_insertion_puts_it_and_costs_what_the_judge_says(make_problem: MakeProblem, seed: int) -> None:
    problem = make_problem(seed, 9, 3)
    new = next((task for task in problem.tasks if not any(task.task in van.frozen for van in problem.vans) and task.on_board is None), None)
    if new is None:
        return
    plan = repair(replace(problem, tasks=tuple(task for task in problem.tasks if task != new)))
    best = candidates(problem, plan, new.task)[0]
    inserted = insert(problem, plan, [new.task])
    before = evaluate(problem, replace(plan, unassigned={**plan.unassigned, new.task: "new"}))
    if best.feasible:
        taken = evaluate(problem, Plan(routes={**plan.routes, best.vehicle: best.route}, unassigned=plan.unassigned))
        assert not taken.violations
        assert abs(taken.cost_cents - (before.cost_cents - new.left_out_cents + best.cost_cents)) <= 2  # each is rounded to a cent
        if best.cost_cents < new.left_out_cents:
            assert abs(evaluate(problem, inserted).cost_cents - taken.cost_cents) <= 2
    for other in candidates(problem, plan, new.task):
        assert other.feasible == (not other.reason)
