"""PyVRP on days with everything: it never fails, and what it does not know is mended."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from roundsman_hub.planning.engines.process import EngineProcess
from roundsman_hub.planning.evaluate import evaluate
from roundsman_hub.planning.insertion import repair
from roundsman_hub.planning.problem import Plan, Problem
from roundsman_hub.planning.solve import decide


@pytest.mark.parametrize("seed", range(20))
def test_whatever_a_day_asks_the_answer_costs_no_more(
    make_rich: Callable[[int], tuple[Problem, Plan]], engine: EngineProcess, seed: int
) -> None:
    problem, _ = make_rich(seed)
    decision = decide(problem, None, 0.1, seed, engine=engine)
    assert decision.verdict.violations == ()
    assert decision.verdict.cost_cents <= evaluate(problem, repair(problem)).cost_cents
    assert "failed" not in decision.note, decision.note
