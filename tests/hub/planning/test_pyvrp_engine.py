"""PyVRP on days with everything: it never fails, and what it does not know is mended."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from roundsman_hub.bench_planner_cases import town
from roundsman_hub.planning.engines import budget, pyvrp_engine
from roundsman_hub.planning.engines.process import EngineProcess
from roundsman_hub.planning.evaluate import evaluate
from roundsman_hub.planning.insertion import repair
from roundsman_hub.planning.portfolio import _with_the_same_vans, first_plan, problem_of
from roundsman_hub.planning.problem import Plan, Problem
from roundsman_hub.planning.solve import decide


@pytest.fixture
def cpu_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Budgets count this process's CPU: what is found in them does not depend on who else is at work."""
    monkeypatch.setattr(budget, "_clock", time.process_time)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_a_day_asks_the_answer_costs_no_more(
    make_rich: Callable[[int], tuple[Problem, Plan]], engine: EngineProcess, seed: int
) -> None:
    problem, _ = make_rich(seed)
    decision = decide(problem, None, 0.1, seed, engine=engine)
    assert decision.verdict.violations == ()
    assert decision.verdict.cost_cents <= evaluate(problem, repair(problem)).cost_cents
    assert "failed" not in decision.note, decision.note


@pytest.mark.usefixtures("cpu_seconds")
def test_new_work_is_squeezed_into_the_vans_that_drive() -> None:
    """Three rounds without room for what is new, though there is enough once their parcels are dealt anew: a fourth van stays at home."""
    problem = town(60, 3, vans=4, capacity=59)
    tasks = [replace(task, load=(2 + at % 2 * 3,), windows_s=()) for at, task in enumerate(problem.tasks[:45])]
    large = [replace(problem.tasks[45], load=(14,), windows_s=())]
    current = {f"v{at}": tuple(task.task for task in tasks[15 * at : 15 * at + 15]) for at in range(3)}
    problem = replace(problem, tasks=(*tasks, *large), current=current)
    plan = repair(problem)
    assert plan.routes["v3"], "mending alone sends the fourth van"
    start = _with_the_same_vans(problem, plan)
    assert start is not None
    assert set(start.unassigned) == set(plan.routes["v3"])
    found = pyvrp_engine.solve(problem_of(problem, start), start, 0.8, 1)
    assert not found.unassigned
    assert evaluate(problem, found).violations == ()


@pytest.mark.usefixtures("cpu_seconds")
def test_a_told_plan_is_kept_where_another_is_hardly_cheaper() -> None:
    """With a price of changes most neighbours in the plan in hand stay neighbours; without, the search goes where it likes."""
    problem = town(60, 4, vans=5, capacity=60)
    plan = first_plan(problem)
    told = {pair for route in plan.routes.values() for pair in pairwise(route)}

    def kept(churn_cents: int) -> float:
        asked = replace(problem, current=plan.routes, churn_cents=churn_cents)
        found = pyvrp_engine.solve(asked, plan, 0.4, 1)
        return len(told & {pair for route in found.routes.values() for pair in pairwise(route)}) / len(told)

    assert kept(500) > kept(0)
    assert kept(500) > 0.6


@pytest.mark.usefixtures("cpu_seconds")
def test_goods_on_board_are_delivered_whatever_their_release_once_was() -> None:
    """They were at the depot late, and are in the van now; that the stop is late already takes nobody's parcel away."""
    problem = town(4, 5, vans=1)
    van = replace(problem.vans[0], at_depot=False, start_s=1_000)
    aboard = tuple(replace(task, on_board="v0", windows_s=((0, 10),), release_s=90_000) for task in problem.tasks)
    aboard = (replace(aboard[0], release_s=0), *aboard[1:])
    problem = replace(problem, tasks=aboard, vans=(van,), current={"v0": tuple(task.task for task in aboard)})
    found = pyvrp_engine.solve(problem, repair(problem), 0.2, 1)
    assert set(found.routes["v0"]) == {task.task for task in aboard}


@pytest.mark.parametrize(("patient", "history"), [((10, 0.05), pyvrp_engine.HISTORY[1]), ((600, 8.0), pyvrp_engine.HISTORY[0])])
@pytest.mark.usefixtures("cpu_seconds")
def test_a_large_town_with_time_is_searched_as_patiently_as_pyvrp_does(
    monkeypatch: pytest.MonkeyPatch, patient: tuple[int, float], history: int
) -> None:
    """From the first step on, where there are so many stops and seconds; else the search first finds out how many steps it has."""
    own = importlib.import_module("pyvrp.IteratedLocalSearch")
    problem = town(40, 2, vans=8)
    histories: list[int] = []
    params = own.IteratedLocalSearchParams

    def told(history_length: int) -> object:
        histories.append(history_length)
        return params(history_length=history_length)

    monkeypatch.setattr(own, "IteratedLocalSearchParams", told)
    monkeypatch.setattr(pyvrp_engine, "PATIENT", patient)
    monkeypatch.setattr(pyvrp_engine, "FRESH", (1_000, 0.008, 150))
    found = pyvrp_engine.solve(problem, first_plan(problem), 0.3, 1)
    assert evaluate(problem, found).violations == ()
    assert histories[0] == history


@pytest.mark.parametrize("in_hand", [False, True])
@pytest.mark.usefixtures("cpu_seconds")
def test_long_routes_begin_anew_only_where_nothing_is_in_hand(monkeypatch: pytest.MonkeyPatch, in_hand: bool) -> None:
    import pyvrp

    problem = town(40, 2, vans=8)
    plan = first_plan(problem)
    problem = replace(problem, current=plan.routes) if in_hand else problem
    monkeypatch.setattr(pyvrp_engine, "FRESH", (1, 0.0, 150))
    begun: list[bool] = []
    solve = pyvrp.solve

    def told(*args: Any, **more: Any) -> Any:
        begun.append(True)
        return solve(*args, **more)

    monkeypatch.setattr(pyvrp, "solve", told)
    found = pyvrp_engine.solve(problem, plan, 0.2, 1)
    assert evaluate(problem, found).violations == ()
    assert bool(begun) is not in_hand
