"""First plans for many tasks: in time, within every van, with nobody left out who has a place."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from roundsman_hub.planning.evaluate import evaluate
from roundsman_hub.planning.insertion import repair
from roundsman_hub.planning.problem import Problem, Task, Van


def city(n: int, seed: int, *, vans: int, capacity: int) -> Problem:
    """`n` deliveries around a depot in the middle of 20 × 20 km; three in five with a window of one or two hours."""
    rng, dice = np.random.default_rng(seed), random.Random(seed)
    xy = rng.uniform(0, 20_000, (n + 1, 2))
    xy[0] = (10_000, 10_000)
    metres = (np.hypot(*(xy[:, None] - xy[None]).transpose(2, 0, 1)) * 1.3).astype(np.int32)
    tasks = []
    for at in range(1, n + 1):
        opens = dice.randrange(3600, 7 * 3600)
        windows = ((opens, opens + dice.choice([3600, 7200])),) if dice.random() < 0.6 else ()
        tasks.append(Task(task=f"o{at}", place=at, kind="delivery", load=(dice.randrange(1, 4),), service_s=120, windows_s=windows))
    fleet = tuple(
        Van(vehicle=f"v{at}", start_place=0, end_place=0, start_s=0, shift_end_s=9 * 3600, capacity=(capacity,), at_depot=True)
        for at in range(vans)
    )
    return Problem(origin_utc_s=0, tasks=tuple(tasks), vans=fleet, durations_s=(metres / 8).astype(np.int32), distances_m=metres)


@pytest.mark.parametrize("seed", range(3))
def test_a_thousand_tasks_all_have_a_van_in_time(seed: int) -> None:
    problem = city(1_000, seed, vans=60, capacity=100)
    plan = repair(problem)
    verdict = evaluate(problem, plan)
    assert verdict.violations == ()
    assert plan.unassigned == {}
    assert verdict.lateness_s == 0


def test_where_vans_are_too_few_the_rest_says_why() -> None:
    problem = city(400, 7, vans=4, capacity=60)
    plan = repair(problem)
    verdict = evaluate(problem, plan)
    assert verdict.violations == ()
    assert plan.unassigned
    assert all("full" in why or "no van is free" in why for why in plan.unassigned.values()), set(plan.unassigned.values())


def test_a_window_that_nobody_can_reach_is_told_as_such() -> None:
    problem = city(300, 3, vans=30, capacity=100)
    far = Task(task="far", place=300, kind="delivery", load=(1,), service_s=60, windows_s=((0, 5),))
    plan = repair(replace(problem, tasks=(*problem.tasks[:-1], far)))
    assert set(plan.unassigned) == {"far"}
    assert plan.unassigned["far"].startswith("no van can be there before")
