"""All searches together: where no engine knows everything a day asks, the plan is the best there is all the same."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import combinations, permutations
from types import ModuleType

import numpy as np
import psutil
import pytest
from tests.hub.planning.patience import with_patience

from roundsman_hub.planning import answering, decompose, portfolio
from roundsman_hub.planning.best import Progress
from roundsman_hub.planning.engines import EngineFailed, needed, pyvrp_engine, ruin_engine
from roundsman_hub.planning.engines.process import FEATURES, EngineProcess
from roundsman_hub.planning.evaluate import evaluate, judge
from roundsman_hub.planning.portfolio import first_plan, search
from roundsman_hub.planning.problem import Break, Depot, Hours, Plan, Problem, Profile, Task, Van
from roundsman_hub.planning.solve import Decision
from roundsman_hub.planning.walk import Ground

COMPILED = ("pyvrp", "vroom", "ortools")


def street(tasks: tuple[Task, ...], vans: tuple[Van, ...], *, seed: int = 3, places: int = 8, **more: object) -> Problem:
    """Places spread over 12 × 12 km, 8 m/s; the depot is place 0."""
    xy = np.random.default_rng(seed).uniform(0, 12_000, (places, 2))
    metres = np.abs(xy[:, None] - xy[None]).sum(axis=2).astype(np.int32)
    return Problem(
        origin_utc_s=0,
        tasks=tasks,
        vans=vans,
        durations_s=metres // 8,
        distances_m=metres,
        depots=(Depot(depot="d", place=0),),
        **more,  # type: ignore[arg-type]
    )


def van(name: str, **more: object) -> Van:
    """At the depot, home by evening."""
    base = Van(vehicle=name, start_place=0, end_place=0, start_s=0, shift_end_s=36_000, capacity=(9,), at_depot=True, depot="d")
    return replace(base, **more)  # type: ignore[arg-type]


def drop(at: int, **more: object) -> Task:
    """A delivery at a place, of one unit."""
    return replace(Task(task=f"o{at}", place=at, kind="delivery", load=(1,), service_s=300), **more)  # type: ignore[arg-type]


def everything(problem: Problem, *, reloads: int = 0) -> Iterator[Plan]:
    """Every plan that serves everybody: each split between one or two vans, each order, each place for second trips."""
    names = [task.task for task in problem.tasks]
    vans = [van.vehicle for van in problem.vans]
    for order in permutations(names):
        for cut in range(len(order) + 1) if len(vans) > 1 else [len(order)]:
            for trips in combinations(range(1, cut), reloads):
                first = [step for at, task in enumerate(order[:cut]) for step in (("@d", task) if at in trips else (task,))]
                yield Plan(routes=dict(zip(vans, (tuple(first), order[cut:]), strict=False)), unassigned={})


def best_of(problem: Problem, *, reloads: int = 0) -> int:
    """The least cost that any allowed plan has in which nobody is late: new work is not planned late, whatever it would save."""
    ground = Ground(problem)
    verdicts = (judge(ground, plan) for plan in everything(problem, reloads=reloads))
    return min(verdict.cost_cents for verdict in verdicts if not verdict.violations and not verdict.lateness_s)


def searched(problem: Problem, best_cents: int) -> Decision:
    """What all searches find together, with as many seconds as a busy machine needs for it."""
    return with_patience(lambda budget_s: search(problem, None, budget_s, 1), lambda found: found.verdict.cost_cents == best_cents)


def unknown(problem: Problem) -> bool:
    """No compiled engine knows all that this asks."""
    asked = needed(problem, evaluate(problem, first_plan(problem)))
    return not any(asked <= FEATURES[name] for name in COMPILED)


def test_a_second_trip_and_a_break_in_one_day() -> None:
    """PyVRP knows second trips, VROOM breaks; nobody both."""
    tasks = tuple(drop(at, windows_s=((0, 9_000),) if at == 5 else ()) for at in range(1, 6))
    lunch = Break(duration_s=2_700, earliest_s=3_000, latest_s=4_200)
    problem = street(tasks, (van("a", capacity=(3,), reloads=frozenset({"d"}), breaks=(lunch,)),))
    assert unknown(problem)
    best_cents = best_of(problem, reloads=1)
    found = searched(problem, best_cents)
    assert found.verdict.cost_cents == best_cents
    assert "@d" in found.plan.routes["a"]
    assert [pause.duration_s for pause in found.verdict.breaks["a"]] == [2_700]
    without = replace(problem, vans=(replace(problem.vans[0], breaks=()),))
    assert best_of(without, reloads=1) < found.verdict.cost_cents, "the break is what makes this day dear"


def test_a_shipment_and_a_skill_in_one_day() -> None:
    """Medicine rides from door to door, cooled, and no longer than half an hour; only one of the vans cools."""
    ends = {"shipment": "s", "skills": frozenset({"cool"})}
    tasks = (
        drop(1, kind="pickup", **ends),
        drop(2, max_ride_s=1_800, **ends),
        *(drop(at) for at in range(3, 6)),
    )
    vans = (van("a", fixed_cents=0, cents_per_hour=2_000), van("b", fixed_cents=0, skills=frozenset({"cool"})))
    problem = street(tasks, vans)
    best_cents = best_of(problem)
    found = searched(problem, best_cents)
    assert found.verdict.violations == ()
    assert found.verdict.cost_cents == best_cents
    route = found.plan.routes["b"]
    assert route.index("o1") < route.index("o2")
    anyone = replace(problem, tasks=tuple(replace(task, skills=frozenset()) for task in tasks))
    assert best_of(anyone) < found.verdict.cost_cents, "the skill decides who drives"


def test_traffic_and_a_break_in_one_day() -> None:
    """Who leaves the jam out by taking the break in it comes home sooner."""
    lunch = Break(duration_s=1_800, earliest_s=1_200, latest_s=5_000)
    tasks = tuple(drop(at, windows_s=((0, 12_000),)) for at in range(1, 6))
    problem = street(tasks, (van("a", profile="town", breaks=(lunch,)),))
    seconds = problem.durations_s
    jam = np.stack([seconds, seconds * 3, seconds]).astype(np.int32)
    town = Profile(durations_s=jam, distances_m=problem.distances_m, band_starts_s=(0, 1_500, 3_300))
    problem = replace(problem, profiles={"town": town})
    assert unknown(problem)
    best_cents = best_of(problem)
    found = searched(problem, best_cents)
    assert found.verdict.cost_cents == best_cents
    assert len(found.verdict.breaks["a"]) == 1


# ── large problems ──────────────────────────────────────────────────────────────────────────────────────────────────


def town(n: int, seed: int, vans: int) -> Problem:
    """Deliveries around a depot."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, 20_000, (n + 1, 2))
    metres = (np.hypot(*(xy[:, None] - xy[None]).transpose(2, 0, 1)) * 1.3).astype(np.int32)
    tasks = tuple(Task(task=f"o{at}", place=at, kind="delivery", load=(2,), service_s=120) for at in range(1, n + 1))
    return Problem(
        origin_utc_s=0,
        tasks=tasks,
        vans=tuple(van(f"v{at}", depot=None, capacity=(60,)) for at in range(vans)),
        durations_s=metres // 8,
        distances_m=metres,
    )


def test_parts_hold_every_route_once_and_cost_what_they_cost_in_the_whole() -> None:
    problem = town(400, 1, 20)
    ground, plan = Ground(problem), first_plan(problem)
    dealt = decompose.parts(ground, plan, 7)
    assert len(dealt) > 1
    used = [vehicle for vehicle, route in plan.routes.items() if route]
    assert sorted(vehicle for part in dealt for vehicle in part.vehicles if plan.routes[vehicle]) == sorted(used)
    whole = judge(ground, plan)
    assert abs(sum(evaluate(part.problem, part.plan).cost_cents for part in dealt) - whole.cost_cents) <= len(dealt)
    for part in dealt:
        assert evaluate(part.problem, part.plan).violations == ()
        assert decompose.merged(ground, plan, part, part.plan) == plan
    assert [part.vehicles for part in dealt] != [part.vehicles for part in decompose.parts(ground, plan, 8)]


def test_a_large_problem_gets_better_while_it_is_searched_and_may_be_taken_at_any_time() -> None:
    problem = town(700, 2, 32)
    seen: list[Progress] = []

    def look(budget_s: float) -> Decision:
        seen.clear()
        return search(problem, None, budget_s, 1, processes=2, on_progress=seen.append)

    found = with_patience(look, lambda _: len(seen) >= 2, budgets_s=(8.0, 40.0))
    costs = [progress.cost_cents for progress in seen]
    assert costs == sorted(costs, reverse=True)
    assert len(costs) >= 2, "the first plan, and something better"
    assert found.verdict.cost_cents == costs[-1]
    for progress in seen:
        verdict = evaluate(problem, progress.plan)
        assert (verdict.cost_cents, verdict.violations) == (progress.cost_cents, ())
    assert found.plan.unassigned == {}


class Telling:
    """An engine that tells of what it has found, and then fails."""

    name, features = "telling", FEATURES["ruin"]

    def __init__(self) -> None:
        self.heard: Callable[[str, Problem, Plan], None] | None = None
        self.parts: list[Problem] = []

    def solve(self, problem: Problem, warm: Plan, budget_s: float, seed: int) -> Plan:
        self.parts.append(problem)
        assert self.heard is not None
        self.heard(self.name, problem, ruin_engine.solve(problem, warm, 0.3, seed))
        raise EngineFailed("telling: no answer in time")


def test_what_a_part_has_come_to_stands_before_its_search_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large problem is searched in parts; a plan of one of them is one of the whole at once, and stays if the part never ends."""
    problem, engine, seen = town(450, 2, 22), Telling(), list[Progress]()

    @contextmanager
    def pool(processes: int, engines: object, heard: Callable[[str, Problem, Plan], None] | None) -> Iterator[portfolio._Pool]:
        engine.heard = heard
        yield portfolio._Pool([[engine]])

    monkeypatch.setattr(portfolio, "_pool", pool)
    monkeypatch.setattr(portfolio, "WHOLE", (100, 0.0))
    found = search(problem, None, 3.0, 1, on_progress=seen.append)
    assert engine.parts
    assert all(len(part.tasks) < len(problem.tasks) for part in engine.parts)
    assert seen[1].by == "telling"
    assert {at.by for at in seen[1:]} <= {"telling", "borders"}
    for at in seen:
        verdict = evaluate(problem, at.plan)
        assert (verdict.cost_cents, verdict.violations) == (at.cost_cents, ())
    assert found.verdict.cost_cents == seen[-1].cost_cents < seen[0].cost_cents


@pytest.mark.parametrize("engine", [pyvrp_engine, ruin_engine])
def test_an_engine_tells_of_what_it_has_found_before_it_ends(engine: ModuleType) -> None:
    """Whatever it tells of may be used at once; what it ends with is no worse."""
    problem = town(60, 4, 5)
    warm, told = first_plan(problem), list[Plan]()
    found = engine.solve(problem, warm, 1.5, 1, tell=lambda _, plan: told.append(plan()) if len(told) < 20 else None)
    assert told
    verdicts = [evaluate(problem, plan) for plan in told]
    assert [verdict.violations for verdict in verdicts if verdict.violations] == []
    assert evaluate(problem, found).cost_cents <= min(verdict.cost_cents for verdict in verdicts)


def test_plans_come_while_a_process_still_searches() -> None:
    """What it tells of is judged and stands at once, though what it ends with never comes."""
    problem = town(60, 4, 5)
    heard: list[tuple[str, Problem, Plan]] = []
    with EngineProcess("pyvrp", heard=lambda *of: heard.append(of)) as engine:
        engine.solve(problem, first_plan(problem), 0.1, 1)  # its start would be part of the budget
        found = engine.solve(problem, first_plan(problem), 3.0, 1)
    assert heard
    assert {(name, of is problem) for name, of, _ in heard} == {("pyvrp", True)}
    costs = [evaluate(problem, plan).cost_cents for _, _, plan in heard]
    assert evaluate(problem, found).cost_cents <= min(costs)


def test_a_search_that_finds_nothing_better_is_seen_to_go_on() -> None:
    """One stop and one van: the first plan is the best, and nobody waits in the dark."""
    seen: list[answering.Progress] = []
    answering.answer(town(1, 1, 1), budget_s=3.0, on_progress=seen.append)
    assert [at.elapsed_s for at in seen] == sorted(at.elapsed_s for at in seen)
    assert len(seen) > 3, "the first plan twice, the last once, and in between where things stand"
    assert len({at.best_cents for at in seen}) == 1


def test_a_first_plan_keeps_driving_time_rules() -> None:
    problem = town(120, 4, 12)
    hours = Hours(rule="eu_561", to_break_s=3_600, driving_s=30_000, duty_s=36_000)
    problem = replace(problem, vans=tuple(replace(van, hours=hours) for van in problem.vans))
    verdict = evaluate(problem, plan := first_plan(problem))
    assert verdict.violations == ()
    assert plan.unassigned == {}
    assert any(verdict.breaks.values())


@pytest.mark.parametrize("processes", [1, 2])
def test_an_interrupted_search_answers_with_the_best_so_far(processes: int) -> None:
    """Ctrl-C while engines are at it: at once, and no process of theirs is left."""
    problem, seen, pressed = town(60, 4, 5), list[answering.Progress](), threading.Event()
    before = {child.pid for child in psutil.Process().children(recursive=True)}

    def interrupt(at: answering.Progress) -> None:
        seen.append(at)
        if len(seen) > 3 and not pressed.is_set():
            pressed.set()
            os.kill(os.getpid(), signal.SIGINT)  # as a terminal does: to the process, which hears of it in its main thread

    found = answering.answer(problem, budget_s=600.0, processes=processes, on_progress=interrupt)
    assert found.note == "interrupted: the best plan so far"
    assert (found.verdict.violations, found.plan.unassigned) == ((), {})
    assert found.verdict.cost_cents == min(at.best_cents for at in seen)
    left = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    assert not psutil.wait_procs(left, timeout=60)[1]  # killed at once; who waited for an answer buries it
