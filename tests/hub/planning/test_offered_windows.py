"""Offers that can be kept: nothing else gets later for them, and what is held is not offered twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from roundsman_hub.offers.slots import GREEN_M, grid, slots
from roundsman_hub.planning.evaluate import evaluate
from roundsman_hub.planning.insertion import insert, repair
from roundsman_hub.planning.problem import Plan, Problem


def windows_of(problem: Problem) -> list[tuple[datetime, datetime]]:
    since = datetime.fromtimestamp(problem.origin_utc_s, UTC)
    return grid(since, since + timedelta(hours=9), width=timedelta(hours=2), step=timedelta(hours=1))


def test_windows_begin_on_the_clocks_whole_steps() -> None:
    since = datetime(2026, 3, 2, 10, 7, tzinfo=UTC)
    found = grid(since, since + timedelta(hours=4), width=timedelta(hours=2), step=timedelta(hours=1))
    assert [start.hour for start, _ in found] == [11, 12]
    assert all((start.minute, end - start) == (0, timedelta(hours=2)) for start, end in found)


@pytest.mark.parametrize("seed", range(40))
def test_an_offer_takes_nothing_from_anybody(make_rich: Callable[[int], tuple[Problem, Plan]], seed: int) -> None:
    """With the offered window the work fits, in that window, and nothing that was in time is late for it."""
    problem, _ = make_rich(seed)
    asked = next((task for task in problem.tasks if task.shipment is None), None)
    if asked is None:
        return  # a day of shipments alone: they have two ends, and no choice
    others = tuple(task for task in problem.tasks if task != asked)
    current = {van: tuple(step for step in route if step != asked.task) for van, route in problem.current.items()}
    before = repair(replace(problem, tasks=others, current=current))
    late_before = {v.task: v.lateness_s for route in evaluate(replace(problem, tasks=others), before).routes.values() for v in route}
    for slot in slots(problem, asked.task, windows_of(problem)):
        window = tuple(int(at.timestamp()) - problem.origin_utc_s for at in slot.window)
        chosen = replace(asked, windows_s=((window[0], window[1]),), promise_s=None)
        whole = replace(problem, tasks=(*others, chosen), current=current)
        after = insert(whole, before)
        assert asked.task not in after.unassigned
        visits = {v.task: v for route in evaluate(whole, after).routes.values() for v in route}
        assert window[0] <= visits[asked.task].start_s <= window[1]
        assert all(visits[task].lateness_s <= late for task, late in late_before.items() if task in visits)


def test_a_stop_that_is_driven_to_has_no_choice_left(make_rich: Callable[[int], tuple[Problem, Plan]]) -> None:
    problem, _ = make_rich(3)
    asked = problem.tasks[0].task
    vans = (replace(problem.vans[0], frozen=(asked,)), *problem.vans[1:])
    assert slots(replace(problem, vans=vans), asked, windows_of(problem)) == []


def test_cheap_comes_first_and_short_detours_are_green(make_rich: Callable[[int], tuple[Problem, Plan]]) -> None:
    for seed in range(30):
        problem, _ = make_rich(seed)
        found = slots(problem, problem.tasks[0].task, windows_of(problem))
        assert [slot.added_cents for slot in found] == sorted(slot.added_cents for slot in found)
        green, other = [s.added_m for s in found if s.green], [s.added_m for s in found if not s.green]
        assert not (green and other) or max(green) < min(other), "what is green is a shorter detour than what is not"
        assert all(added_m > GREEN_M for added_m in other) or max(green + other) <= GREEN_M
