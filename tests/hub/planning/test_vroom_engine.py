"""VROOM under the same judge: a fleet on the road gets plans that may be used, and breaks are where their windows are."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from roundsman_hub.planning.engines.process import EngineProcess
from roundsman_hub.planning.evaluate import evaluate
from roundsman_hub.planning.insertion import repair
from roundsman_hub.planning.problem import Plan, Problem
from roundsman_hub.planning.solve import decide

MakeProblem = Callable[..., Problem]


@pytest.fixture(scope="module")
def vroom(make_problem: MakeProblem) -> Iterator[EngineProcess]:
    """The real search, in its process, which is up: its start would be part of the first test's budget."""
    problem = make_problem(1)
    with EngineProcess("vroom") as engine:
        engine.solve(problem, repair(problem), 0.1, 0)
        yield engine


@pytest.mark.parametrize("seed", range(15))
def test_a_fleet_on_the_road_gets_a_plan_that_may_be_used(make_problem: MakeProblem, vroom: EngineProcess, seed: int) -> None:
    problem = make_problem(seed, 20, 4, no_way=seed % 3 == 0)
    decision = decide(problem, None, 0.3, seed, engine=vroom)
    assert decision.verdict.violations == ()
    assert decision.verdict.cost_cents <= evaluate(problem, repair(problem)).cost_cents
    assert "failed" not in decision.note


@pytest.mark.parametrize("seed", range(20))
def test_whatever_a_day_asks_the_answer_costs_no_more(
    make_rich: Callable[[int], tuple[Problem, Plan]], vroom: EngineProcess, seed: int
) -> None:
    """Much of it VROOM does not know: then what it answers is mended, or the plan in hand stands. It never fails."""
    problem, _ = make_rich(seed)
    decision = decide(problem, None, 0.2, seed, engine=vroom)
    assert decision.verdict.violations == ()
    assert decision.verdict.cost_cents <= evaluate(problem, repair(problem)).cost_cents
    assert "failed" not in decision.note, decision.note
