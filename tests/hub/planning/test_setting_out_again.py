"""A van that came home with nothing left: what setting out again costs decides, with every engine as with the judge."""

from __future__ import annotations

import numpy as np
import pytest

from roundsman_hub.planning.engines.here import Here
from roundsman_hub.planning.evaluate import evaluate
from roundsman_hub.planning.insertion import repair
from roundsman_hub.planning.problem import Plan, Problem, Task, Van

HOME, OUT = "v_home", "v_out"


def problem(again_cents: int | None) -> Problem:
    """A collection 1 km behind the depot: one van stands at home, the other is 4 km away, and dear to drive."""
    east_m = [0, -1_000, 4_000, 0, 3_000]  # depot, the new stop, the other's next stop, where both vans are
    metres = np.array([[abs(a - b) for b in east_m] for a in east_m], dtype=np.int32)
    work = (
        Task(task="o_new", place=1, kind="pickup", load=(1,), service_s=120, windows_s=((0, 9_000),)),
        Task(task="o_next", place=2, kind="pickup", load=(1,), service_s=120, windows_s=((0, 9_000),), may_be_held_by=OUT),
    )
    vans = [
        Van(vehicle=name, start_place=place, end_place=0, start_s=0, shift_end_s=20_000, capacity=(9,), at_depot=False,
            again_cents=again, cents_per_km=per_km)
        for name, place, again, per_km in ((HOME, 3, again_cents, 40), (OUT, 4, None, 800))
    ]  # fmt: skip
    return Problem(
        origin_utc_s=0,
        tasks=work,
        vans=tuple(vans),
        durations_s=metres // 8,
        distances_m=metres,
        current={HOME: (), OUT: ("o_next",)},
        churn_cents=0,
    )


def test_the_judge_counts_it_once_and_only_if_the_van_drives() -> None:
    routes: dict[str, tuple[str, ...]] = {HOME: ("o_new",), OUT: ("o_next",)}
    free, dear = (evaluate(problem(cents), Plan(routes=routes, unassigned={})) for cents in (0, 6_000))
    assert dear.cost_cents - free.cost_cents == dear.parts_cents["fixed"] == 6_000
    stays = Plan(routes={HOME: (), OUT: ("o_next", "o_new")}, unassigned={})
    assert evaluate(problem(6_000), stays).cost_cents == evaluate(problem(0), stays).cost_cents


@pytest.mark.parametrize("cents", [0, 6_000])
def test_insertion_minds_it(cents: int) -> None:
    found = repair(problem(cents))
    assert ("o_new" in found.routes[HOME]) == (cents == 0)


@pytest.mark.usefixtures("cpu_seconds")
@pytest.mark.parametrize("engine", ["pyvrp", "ortools", "vroom", "ruin"])
@pytest.mark.parametrize("cents", [0, 6_000])
def test_every_search_minds_it(engine: str, cents: int) -> None:
    """From the plan that is wrong at that price."""
    wrong: dict[str, tuple[str, ...]] = {HOME: (), OUT: ("o_next", "o_new")} if cents == 0 else {HOME: ("o_new",), OUT: ("o_next",)}
    found = Here(engine).solve(problem(cents), Plan(routes=wrong, unassigned={}), 0.3, 1)
    assert ("o_new" in found.routes.get(HOME, ())) == (cents == 0)
    assert not evaluate(problem(cents), found).violations
