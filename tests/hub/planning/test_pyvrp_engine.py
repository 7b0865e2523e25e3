"""PyVRP on days with everything: it never fails, and what it does not know is mended."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from roundsman_hub.bench_planner_cases import town
from roundsman_hub.planning.engines import budget, pyvrp_engine
from roundsman_hub.planning.engines.annealing import Heat, Prices, anneal
from roundsman_hub.planning.engines.process import EngineProcess
from roundsman_hub.planning.engines.pyvrp_model import Translation
from roundsman_hub.planning.evaluate import evaluate
from roundsman_hub.planning.insertion import repair
from roundsman_hub.planning.portfolio import _with_the_same_vans, first_plan, problem_of
from roundsman_hub.planning.problem import Plan, Problem
from roundsman_hub.planning.solve import decide
from roundsman_hub.planning.walk import Ground


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


@pytest.mark.usefixtures("cpu_seconds")
def test_the_more_time_there_is_for_a_stop_the_hotter_a_search_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A moment cools from little: what it would make worse it could not mend any more."""
    problem = town(40, 2, vans=8)
    heats: list[float] = []

    def told(local: object, start: object, prices: object, heat: Heat, *_: object) -> object:
        heats.append(heat.hot)
        return start

    monkeypatch.setattr(pyvrp_engine, "anneal", told)
    monkeypatch.setattr(pyvrp_engine, "FRESH", (1_000, 0.0, 0))
    for seconds in (0.05, 0.5, 60.0):
        found = pyvrp_engine.solve(problem, first_plan(problem), seconds, 1)
        assert evaluate(problem, found).violations == ()
    assert heats == sorted(heats)
    assert (heats[0], heats[-1]) == pyvrp_engine.HOTTEST


@pytest.mark.usefixtures("cpu_seconds")
def test_what_cools_ends_with_the_best_plan_within_the_rules_that_it_met() -> None:
    """Breaking a rule costs next to nothing at first, so most steps break one: none of those is the answer."""
    import pyvrp
    from pyvrp import search

    problem = town(30, 7, vans=5, capacity=18)
    plan = first_plan(problem)
    model = Translation(Ground(problem), list(problem.vans), plan)
    data, rng = model.data(pyvrp), pyvrp.RandomNumberGenerator(seed=1)
    local = search.LocalSearch(data, rng, search.compute_neighbours(data))
    for operator in search.OPERATORS:
        if operator.supports(data):
            local.add_operator(operator(data))
    begun = pyvrp.Solution(data, model.routes_of(pyvrp, data, plan))
    prices = Prices(pyvrp, 1, 0.1, 0.1)
    met, broken = [prices.costs.penalised_cost(begun)], []

    def step(plan: Any, costs: Any, *, exhaustive: bool) -> Any:
        found = local(plan, costs, exhaustive=exhaustive)
        if found.is_feasible():
            met.append(costs.penalised_cost(found))
        else:
            broken.append(costs.penalised_cost(found))
        return found

    best = anneal(step, begun, prices, Heat(hot=1.0, cold=0.01), budget.seconds() + 0.3, 1)
    assert begun.is_feasible()
    assert best.is_feasible()
    assert prices.costs.penalised_cost(best) == min(met)
    assert min(broken) < min(met)


@pytest.mark.usefixtures("cpu_seconds")
def test_what_begins_anew_and_comes_to_nothing_goes_on_from_the_first_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """From no plan a search may be dearer after a third of its time than what was there: then the first plan is searched."""
    import pyvrp

    problem = town(60, 2, vans=8)
    plan = first_plan(problem)
    monkeypatch.setattr(pyvrp_engine, "FRESH", (1, 0.0, 150))
    monkeypatch.setattr(pyvrp_engine, "PLAIN", (0.0, 150))

    def in_vain(data: Any, stop: Callable[[float], bool], *_: Any, **__: Any) -> Any:
        while not stop(math.inf):
            pass
        return SimpleNamespace(best=pyvrp.Solution.make_random(data, pyvrp.RandomNumberGenerator(seed=1)))

    monkeypatch.setattr(pyvrp, "solve", in_vain)
    found = pyvrp_engine.solve(problem, plan, 0.5, 1)
    assert evaluate(problem, found).cost_cents < 0.7 * evaluate(problem, plan).cost_cents


@pytest.mark.parametrize("in_hand", [False, True])
@pytest.mark.usefixtures("cpu_seconds")
def test_long_routes_begin_anew_only_where_nothing_is_in_hand(monkeypatch: pytest.MonkeyPatch, in_hand: bool) -> None:
    import pyvrp

    problem = town(40, 2, vans=8)
    plan = first_plan(problem)
    problem = replace(problem, current=plan.routes) if in_hand else problem
    monkeypatch.setattr(pyvrp_engine, "FRESH", (1, 0.0, 150))
    monkeypatch.setattr(pyvrp_engine, "PLAIN", (0.0, 150))
    begun: list[bool] = []
    solve = pyvrp.solve

    def told(*args: Any, **more: Any) -> Any:
        begun.append(True)
        return solve(*args, **more)

    monkeypatch.setattr(pyvrp, "solve", told)
    found = pyvrp_engine.solve(problem, plan, 0.2, 1)
    assert evaluate(problem, found).violations == ()
    assert bool(begun) is not in_hand


@pytest.mark.parametrize("van_cents", [0, 10_000_000])
@pytest.mark.usefixtures("cpu_seconds")
def test_where_a_van_costs_more_than_all_ways_the_fewest_are_found_before_the_ways(monkeypatch: pytest.MonkeyPatch, van_cents: int) -> None:
    """Ten stops that three vans carry, and that each have a van: with as few as the loads ask for, only the ways are searched."""
    problem = town(10, 2, vans=10)
    vans = tuple(replace(van, fixed_cents=van_cents, capacity=(4,)) for van in problem.vans)
    tasks = tuple(replace(task, load=(1,), windows_s=(), left_out_cents=100_000_000) for task in problem.tasks)
    problem = replace(problem, tasks=tasks, vans=vans)
    each = Plan(routes={van.vehicle: (task.task,) for van, task in zip(vans, problem.tasks, strict=True)}, unassigned={})
    prices: list[int] = []

    def told(*asked: Any, **more: Any) -> Any:
        prices.append(asked[1].fixed_vehicle_cost())
        return anneal(*asked, **more)

    monkeypatch.setattr(pyvrp_engine, "anneal", told)
    found = pyvrp_engine.solve(problem, each, 0.4, 1)
    assert not found.unassigned
    assert evaluate(problem, found).violations == ()
    if van_cents:
        assert sum(1 for route in found.routes.values() if route) == 3
        assert prices[0] > 0, "the vans, then the ways"
    assert prices[-1] == 0


@pytest.mark.usefixtures("cpu_seconds")
def test_work_that_is_worth_less_than_a_van_stays_at_home() -> None:
    problem = town(10, 2, vans=10)
    problem = replace(problem, vans=tuple(replace(van, fixed_cents=10_000_000) for van in problem.vans))
    each = Plan(routes={van.vehicle: (task.task,) for van, task in zip(problem.vans, problem.tasks, strict=True)}, unassigned={})
    found = pyvrp_engine.solve(problem, each, 0.2, 1)
    assert not any(found.routes.values())
    assert evaluate(problem, found).violations == ()
