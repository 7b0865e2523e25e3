"""The search that knows every rule: whatever a day asks, its plans may be used, and cost less than what they began with."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings, strategies as st

from roundsman_hub.planning.engines import ruin_engine
from roundsman_hub.planning.evaluate import evaluate
from roundsman_hub.planning.insertion import repair
from roundsman_hub.planning.problem import Plan, Problem

MakeRich = Callable[[int], tuple[Problem, Plan]]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_repaired_plan_breaks_no_rule_that_could_be_kept(make_rich: MakeRich, seed: int) -> None:
    problem, _ = make_rich(seed)
    assert evaluate(problem, repair(problem)).violations == ()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_search_is_never_dearer_and_breaks_no_rule(make_rich: MakeRich, seed: int) -> None:
    problem, _ = make_rich(seed)
    plan = repair(problem)
    found = ruin_engine.solve(problem, plan, 0.1, 1)
    verdict = evaluate(problem, found)
    assert verdict.violations == ()
    assert verdict.cost_cents <= evaluate(problem, plan).cost_cents + 1  # each verdict is rounded to a cent


@pytest.mark.usefixtures("cpu_seconds")
@pytest.mark.parametrize("seed", range(2))
def test_a_search_finds_what_cheapest_insertion_does_not(make_problem: Callable[..., Problem], seed: int) -> None:
    problem = make_problem(seed, 40, 4, on_the_road=False)
    plan = repair(problem)
    found = ruin_engine.solve(problem, plan, 1.5, 1)
    assert evaluate(problem, found).violations == ()
    assert evaluate(problem, found).cost_cents < evaluate(problem, plan).cost_cents
