"""Where parts of a large problem meet: what lies on the wrong side of a border goes over it, after each round."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from roundsman_hub.planning import decompose, portfolio
from roundsman_hub.planning.borders import Borders
from roundsman_hub.planning.decompose import Part
from roundsman_hub.planning.engines.process import FEATURES
from roundsman_hub.planning.evaluate import evaluate
from roundsman_hub.planning.insertion import repair
from roundsman_hub.planning.problem import Plan, Problem, Relation, Task, Van
from roundsman_hub.planning.walk import Ground


def streets(capacity: int = 9) -> Problem:
    """Two streets that lead away from the depot in opposite directions, four doors in each, 1 km and 125 s apart."""
    km = np.array([0, 1, 2, 3, 4, -1, -2, -3, -4])
    metres = (np.abs(km[:, None] - km[None]) * 1_000).astype(np.int32)
    doors = {f"{side}{at}": at + 4 * (side == "w") for side in "ew" for at in range(1, 5)}
    tasks = tuple(Task(task=name, place=place, kind="delivery", load=(1,), service_s=60) for name, place in doors.items())
    base = Van(vehicle="a", start_place=0, end_place=0, start_s=0, shift_end_s=36_000, capacity=(capacity,), at_depot=True)
    return Problem(
        origin_utc_s=0, tasks=tasks, vans=(base, replace(base, vehicle="b")), durations_s=metres // 8, distances_m=metres, churn_cents=0
    )


STRAY = Plan(routes={"a": ("e1", "e2", "w3", "e4"), "b": ("w1", "w2", "w4", "e3")}, unassigned={})
CROSSED = Plan(routes={"a": ("e1", "e2", "w3", "w4"), "b": ("w1", "w2", "e3", "e4")}, unassigned={})
EAST, WEST = {"e1", "e2", "e3", "e4"}, {"w1", "w2", "w3", "w4"}


def parted(problem: Problem, plan: Plan, *groups: tuple[str, ...]) -> list[Part]:
    return [decompose._part(Ground(problem), plan, group, ()) for group in groups]


def mended(problem: Problem, plan: Plan, *groups: tuple[str, ...]) -> Plan:
    return Borders(Ground(problem)).mended(plan, parted(problem, plan, *groups))


def test_a_stop_beside_another_parts_route_goes_over_the_border() -> None:
    problem = streets()
    found = mended(problem, STRAY, ("a",), ("b",))
    assert {van: set(route) for van, route in found.routes.items()} == {"a": EAST, "b": WEST}
    assert evaluate(problem, found).violations == ()
    assert evaluate(problem, found).cost_cents < evaluate(problem, STRAY).cost_cents


def test_within_a_part_there_is_no_border() -> None:
    assert mended(streets(), STRAY, ("a", "b")) == STRAY


def test_full_vans_exchange_their_tails() -> None:
    """Four doors each is all that they can carry: no stop can go over alone."""
    problem = streets(capacity=4)
    found = mended(problem, CROSSED, ("a",), ("b",))
    assert {van: set(route) for van, route in found.routes.items()} == {"a": EAST, "b": WEST}
    assert evaluate(problem, found).violations == ()


def test_what_the_other_van_may_not_carry_stays() -> None:
    """For its rights, for another stop that it must not meet, for its size."""
    problem = streets(capacity=4)
    small = replace(problem.vans[1], capacity=(4,))
    days = (
        replace(problem, tasks=tuple(replace(task, vans=frozenset({"a"})) if task.task == "w4" else task for task in problem.tasks)),
        replace(problem, relations=(Relation(kind="different_vans", tasks=("w4", "w1")),)),
        replace(
            problem,
            tasks=tuple(replace(task, load=(2,)) if task.task == "w4" else task for task in problem.tasks),
            vans=(replace(small, vehicle="a", capacity=(5,)), small),
        ),
    )
    for day in days:
        found = mended(day, CROSSED, ("a",), ("b",))
        assert evaluate(day, found).violations == ()
        assert "w4" in found.routes["a"]


class Nothing:
    """An engine that never finds anything better."""

    name, features = "nothing", FEATURES["ruin"]

    def solve(self, problem: Problem, warm: Plan, budget_s: float, seed: int) -> Plan:
        assert len(problem.vans) == 1, "no part sees both streets"
        return warm


def test_each_round_of_a_search_in_parts_ends_at_its_borders(monkeypatch: pytest.MonkeyPatch) -> None:
    """No engine is of help, and no part holds both routes: the stop finds its only sensible street all the same."""
    monkeypatch.setattr(portfolio, "WHOLE", (1, 0.0))
    monkeypatch.setattr(portfolio, "parts", functools.partial(decompose.parts, stops=4))
    found = portfolio.search(streets(), STRAY, 2.0, 1, engines=[Nothing()])
    assert {frozenset(route) for route in found.plan.routes.values()} == {frozenset(EAST), frozenset(WEST)}
    assert found.by == "borders"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_whatever_the_rules_a_plan_that_was_mended_at_its_borders_may_be_used(
    make_rich: Callable[[int], tuple[Problem, Plan]], seed: int
) -> None:
    """And is no dearer; but for the price of a fair share, of which one route alone tells nothing: the search judges the whole."""
    problem, held = make_rich(seed)
    before = repair(replace(problem, current={van: tuple(route) for van, route in held.routes.items()}))
    after = mended(problem, before, *((van.vehicle,) for van in problem.vans))
    verdict, was = evaluate(problem, after), evaluate(problem, before)
    assert verdict.violations == was.violations == ()
    assert problem.fair_cents_per_hour or verdict.cost_cents <= was.cost_cents + 1  # each verdict is rounded to a cent
    assert after.unassigned == before.unassigned
