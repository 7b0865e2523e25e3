"""What a delivery costs, marginally and on average: the judge's own money."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hypothesis import given, settings, strategies as st

from roundsman_hub.planning.costing import costs
from roundsman_hub.planning.evaluate import evaluate
from roundsman_hub.planning.insertion import repair
from roundsman_hub.planning.problem import Plan, Problem

MakeProblem = Callable[..., Problem]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_marginal_cost_is_what_the_judge_saves_without_it(make_problem: MakeProblem, seed: int) -> None:
    problem = replace(make_problem(seed, 9, 3, on_the_road=False), current={})
    plan = repair(problem)
    whole = evaluate(problem, plan)
    for task, cost in costs(problem, plan).items():
        routes = {van: tuple(step for step in route if step != task) for van, route in plan.routes.items()}
        without = evaluate(problem, Plan(routes=routes, unassigned={**plan.unassigned, task: "asked about"}))
        left_out = next(one.left_out_cents for one in problem.tasks if one.task == task)
        assert abs(whole.cost_cents - (without.cost_cents - left_out) - cost.marginal_cents) <= 2  # each is rounded to a cent


def test_the_averages_of_a_round_are_its_price(make_problem: MakeProblem) -> None:
    problem = replace(make_problem(3, 9, 3, on_the_road=False), current={})
    plan = repair(problem)
    found = costs(problem, plan)
    price = evaluate(problem, plan).cost_cents - evaluate(problem, plan).unassigned_cents
    assert found
    assert abs(sum(cost.average_cents for cost in found.values()) - price) <= len(found)
