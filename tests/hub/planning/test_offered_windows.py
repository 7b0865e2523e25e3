"""Offers that can be kept: nothing else gets later for them, and what is held is not offered twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from roundsman_hub.offers.slots import GREEN_M, MARGIN_S, grid, slots
from roundsman_hub.planning.evaluate import evaluate
from roundsman_hub.planning.insertion import insert, repair
from roundsman_hub.planning.problem import Plan, Problem
from roundsman_hub.planning.walk import Ground
from roundsman_hub.planning.work import Task


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


@pytest.mark.parametrize("seed", range(20))
def test_an_offer_leaves_everybody_the_margin_that_they_have(make_problem: Callable[..., Problem], seed: int) -> None:
    """Of two offers accepted one after the other, the second must not use up the ten minutes that keep the first."""
    problem = make_problem(seed, tasks=16, vans=1, on_the_road=False)
    asked = next((task for task in problem.tasks if task.shipment is None and not task.vans), None)
    if asked is None or any(asked.task in relation.tasks for relation in problem.relations):
        return
    others = tuple(task for task in problem.tasks if task != asked)
    current = {van: tuple(step for step in route if step != asked.task) for van, route in problem.current.items()}
    before = repair(replace(problem, tasks=others, current=current))
    without = Ground(replace(problem, tasks=others, current=current))
    began = {v.task: v.start_s for van in problem.vans for v in without.walk(van, before.routes.get(van.vehicle, ())).visits}
    for slot in slots(problem, asked.task, windows_of(problem)):
        window = tuple(int(at.timestamp()) - problem.origin_utc_s for at in slot.window)
        chosen = replace(asked, windows_s=((window[0], window[1] - MARGIN_S),), promise_s=None)
        ground = Ground(replace(problem, tasks=(*others, chosen), current=current))
        van = next(van for van in problem.vans if van.vehicle == slot.vehicle)
        route = list(before.routes.get(van.vehicle, ()))
        tried = [ground.walk(van, [*route[:at], asked.task, *route[at:]]).visits for at in range(len(route) + 1)]
        assert any(all(kept(ground.tasks[v.task], v.start_s, began.get(v.task)) for v in visits) for visits in tried), slot


def kept(task: Task, at: int, before: int | None) -> bool:
    """In its window by the margin, or no later than it was; what is new, in its own."""
    if before is None:
        return at <= task.windows_s[0][1]
    limits = [closes - MARGIN_S for opens, closes in task.windows_s if opens <= before <= closes]
    return not limits or at <= max(before, *limits)


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
