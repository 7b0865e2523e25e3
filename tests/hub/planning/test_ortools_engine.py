"""OR-Tools beside PyVRP: the engine that knows what lateness costs, under the same judge."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from ortools.constraint_solver import pywrapcp
from tests.hub.planning.patience import with_patience

from roundsman_hub.planning.engines import Engine, EngineFailed, needed, turns
from roundsman_hub.planning.engines.ortools_engine import Translation, search_parameters
from roundsman_hub.planning.engines.process import EngineProcess
from roundsman_hub.planning.evaluate import evaluate
from roundsman_hub.planning.insertion import repair, rescue
from roundsman_hub.planning.problem import Plan, Problem, Task, Van
from roundsman_hub.planning.solve import decide
from roundsman_hub.planning.walk import Ground

MakeProblem = Callable[..., Problem]
SHORT_S = (0.3, 3.0, 12.0)


@pytest.fixture(scope="module")
def ortools(make_problem: MakeProblem) -> Iterator[EngineProcess]:
    """The real search, in its process, which is up: its start would be part of the first test's budget."""
    problem = make_problem(1)
    with EngineProcess("ortools", grace_s=60.0) as engine:
        engine.solve(problem, repair(problem), 0.1, 0)
        yield engine


@pytest.fixture
def held_up() -> Problem:
    """One van with goods for four doors of one street, held up so long that every promise of the morning is past or in danger.

    On its way east the round is shortest; the doors' promises are the other way round.
    """
    east_m = [0, 1_000, 2_000, 3_000, 4_000]
    metres = np.array([[abs(a - b) for b in east_m] for a in east_m], dtype=np.int32)
    closes_s = {1: 3_000, 2: 2_400, 3: 1_500, 4: 600}
    tasks = tuple(
        Task(task=f"o_{at}", place=at, kind="delivery", load=(1,), service_s=300, windows_s=((0, closes),), on_board="v_0")
        for at, closes in closes_s.items()
    )
    van = Van(vehicle="v_0", start_place=0, end_place=0, start_s=900, shift_end_s=20_000, capacity=(10,), at_depot=False)
    return Problem(
        origin_utc_s=0,
        tasks=tasks,
        vans=(van,),
        durations_s=metres // 5,
        distances_m=metres,
        current={"v_0": ("o_1", "o_2", "o_3", "o_4")},
        churn_cents=0,
    )


def _best_order(problem: Problem) -> tuple[int, tuple[str, ...]]:
    names = [task.task for task in problem.tasks]
    return min((evaluate(problem, Plan(routes={"v_0": order}, unassigned={})).cost_cents, order) for order in permutations(names))


def test_a_late_round_is_turned_where_the_lateness_is_least(ortools: EngineProcess, held_up: Problem) -> None:
    """All 24 orders of the stops are judged: only the price of lateness decides among them, and the search finds the best."""
    in_hand = Plan(routes=dict(held_up.current), unassigned={})
    best_cents, best = _best_order(held_up)
    free = replace(held_up, lateness_cents_per_min=0)
    assert _best_order(free)[0] == evaluate(free, in_hand).cost_cents, "without a price of lateness the round in hand is as good as any"
    found = with_patience(
        lambda budget_s: ortools.solve(held_up, in_hand, budget_s, 1), lambda plan: plan.routes["v_0"] == best, budgets_s=SHORT_S
    )
    assert evaluate(held_up, found).cost_cents == best_cents
    assert found.routes["v_0"] == best
    assert best_cents < evaluate(held_up, in_hand).cost_cents
    assert evaluate(held_up, found).lateness_s > 0, "somebody has to wait: the price decides who"


def test_new_work_is_not_planned_late(ortools: EngineProcess, held_up: Problem) -> None:
    """Only what a van holds may be late: a collection that nobody can reach in time is left out, and says so."""
    new = Task(task="o_new", place=4, kind="pickup", load=(1,), service_s=60, windows_s=((0, 1_000),))
    problem = replace(held_up, tasks=(*held_up.tasks, new))
    decision = decide(problem, None, 0.3, 1, engine=ortools)
    assert decision.verdict.violations == ()
    assert list(decision.plan.unassigned) == ["o_new"]


@pytest.mark.parametrize("seed", range(15))
def test_any_fleet_gets_a_plan_that_may_be_used(make_problem: MakeProblem, ortools: EngineProcess, seed: int) -> None:
    """Invariant: the translation knows every rule of the judge: windows, shifts, loads at every step, what is on board, frozen or held."""
    problem = make_problem(seed, 20, 4, no_way=seed % 3 == 0)
    warm = repair(problem)
    found = ortools.solve(problem, warm, 0.2, seed)
    assert evaluate(problem, found).violations == ()
    decision = decide(problem, None, 0.2, seed, engine=ortools)
    assert decision.verdict == evaluate(problem, decision.plan)
    assert decision.verdict.cost_cents <= evaluate(problem, warm).cost_cents
    assert "failed" not in decision.note
    assert "mended" not in decision.note, decision.note


@pytest.mark.parametrize("seed", range(30))
def test_search_and_judge_see_the_same_money(make_problem: MakeProblem, seed: int) -> None:
    """What OR-Tools pays for a plan is what the judge says it costs, lateness included; churn alone it does not see."""
    problem = replace(make_problem(seed, 15, 3, no_way=seed % 2 == 0), churn_cents=0)
    plan = repair(problem)
    ground = Ground(problem)
    model = Translation(pywrapcp, ground, plan)
    model.routing.CloseModelWithParameters(search_parameters(pywrapcp, 0.1))
    read = model.routing.ReadAssignmentFromRoutes(model.routes_of(plan), True)
    assert read is not None, "the repaired plan is one that the model allows"
    assert model.plan_of(read, plan).routes == {van.vehicle: plan.routes.get(van.vehicle, ()) for van in problem.vans}
    beside_cents = sum(task.left_out_cents for task in problem.tasks if task.task in plan.unassigned and task.task not in model.index)
    frozen_units = 0
    for van in problem.vans:
        visits = ground.walk(van, [task for task in van.frozen if task in ground.tasks]).visits
        late_s, metres = sum(visit.lateness_s for visit in visits), sum(visit.leg_m for visit in visits)
        seconds = visits[-1].departure_s - van.start_s if visits else 0
        prices = ground.prices[van.vehicle]
        fixed = prices.fixed if visits and van.at_depot else 0
        frozen_units += fixed + metres * prices.metre + seconds * prices.second + late_s * prices.late
    assert abs((read.ObjectiveValue() + frozen_units) / 18_000 + beside_cents - evaluate(problem, plan).cost_cents) <= 1


# ── which engine ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_late_work_goes_to_the_engine_that_knows_its_price(ortools: EngineProcess, engine: EngineProcess, held_up: Problem) -> None:
    both: tuple[Engine, ...] = (engine, ortools)
    assert (
        with_patience(lambda budget_s: decide(held_up, None, budget_s, 1, engine=both).by, lambda by: by == "ortools", budgets_s=SHORT_S)
        == "ortools"
    )
    in_time = replace(held_up, vans=(replace(held_up.vans[0], start_s=0),), current={"v_0": ("o_4", "o_3", "o_2", "o_1")})
    on_time = replace(in_time, tasks=tuple(replace(task, windows_s=()) for task in in_time.tasks))
    verdict = evaluate(on_time, repair(on_time))
    assert turns(both, needed(on_time, verdict), 1.5) == ((engine, 1.5),)


def test_what_one_engine_finds_the_other_begins_with(ortools: EngineProcess, engine: EngineProcess, held_up: Problem) -> None:
    """The one that knows lateness begins, the faster one has the rest; and one that crashes leaves the other its turn."""
    best_cents = _best_order(held_up)[0]
    decision = with_patience(
        lambda budget_s: decide(held_up, None, budget_s, 1, engine=(engine, ortools)),
        lambda one: one.verdict.cost_cents == best_cents,
        budgets_s=SHORT_S,
    )
    assert decision.verdict.cost_cents == best_cents
    assert decision.gain_cents == evaluate(held_up, repair(held_up)).cost_cents - decision.verdict.cost_cents
    assert "pyvrp found nothing better" in decision.note
    with EngineProcess("ortools", memory_mb=64) as broken:
        note = decide(held_up, None, 0.3, 1, engine=(engine, broken)).note
    assert "search failed" in note
    assert "pyvrp" in note


def test_lateness_that_nobody_can_help_needs_nothing(ortools: EngineProcess, engine: EngineProcess, held_up: Problem) -> None:
    """The stop being driven to is frozen: late or not, no search changes that."""
    task = replace(held_up.tasks[3], windows_s=((0, 0),))
    problem = replace(held_up, tasks=(task,), vans=(replace(held_up.vans[0], frozen=("o_4",)),), current={"v_0": ("o_4",)})
    assert evaluate(problem, repair(problem)).lateness_s > 0
    assert needed(problem, evaluate(problem, repair(problem))) == frozenset()


def test_late_rounds_come_out_cheaper_than_without_soft_windows(
    make_problem: MakeProblem, ortools: EngineProcess, engine: EngineProcess
) -> None:
    """The reason that this engine is here, on rounds of random towns with every van an hour behind. Same start, same seconds."""
    saved = {"pyvrp": 0, "ortools": 0}
    for seed in (3, 5, 8, 13):
        town = make_problem(seed, 30, 4, on_the_road=False)
        morning = insert_all(town)
        late = replace(town, current=morning.routes, vans=tuple(replace(van, start_s=van.start_s + 3600) for van in town.vans))
        warm = rescue(late, repair(late))
        before = evaluate(late, warm)
        for searcher in (engine, ortools):
            saved[searcher.name] += before.cost_cents - decide(late, warm, 0.5, 1, engine=searcher).verdict.cost_cents
    assert saved["ortools"] > saved["pyvrp"], saved


def insert_all(problem: Problem) -> Plan:
    """The morning's plan, by insertion."""
    return repair(replace(problem, current={}))


# ── faults ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _cpu_ticks(pid: int) -> int:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


@pytest.mark.parametrize(
    ("sign", "budget_s", "told"),
    [(signal.SIGKILL, 600.0, "the search process ended"), (signal.SIGSTOP, 4.0, "no answer in time")],
    ids=["crash", "hang"],
)
def test_a_crash_or_a_hang_costs_one_answer(make_problem: MakeProblem, sign: signal.Signals, budget_s: float, told: str) -> None:
    problem = make_problem(9, 30, 4)
    out: list[str] = []
    with EngineProcess("ortools", grace_s=1.0) as engine:
        assert "failed" not in decide(problem, None, 0.1, engine=engine).note  # the process is up
        pid = engine.pid
        assert pid is not None
        busy = _cpu_ticks(pid)
        thread = threading.Thread(target=lambda: out.append(decide(problem, None, budget_s, engine=engine).note))
        thread.start()
        deadline = time.monotonic() + 60
        while _cpu_ticks(pid) <= busy + 5:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(pid, sign)
        thread.join(100)
        assert not thread.is_alive()
        assert "search failed, the rescued plan stands" in out[0]
        assert told in out[0]
        assert "failed" not in decide(problem, None, 0.2, engine=engine).note  # the next one has a new process


def test_too_little_memory_is_a_failure_like_any_other(make_problem: MakeProblem) -> None:
    problem = make_problem(9, 30, 4)
    with EngineProcess("ortools", memory_mb=64) as engine, pytest.raises(EngineFailed):
        engine.solve(problem, repair(problem), 0.1, 0)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_a_day_asks_the_answer_costs_no_more(
    make_rich: Callable[[int], tuple[Problem, Plan]], ortools: EngineProcess, seed: int
) -> None:
    """What OR-Tools does not know is mended, or the plan in hand stands. It never fails."""
    problem, _ = make_rich(seed)
    decision = decide(problem, None, 0.1, seed, engine=ortools)
    assert decision.verdict.violations == ()
    assert decision.verdict.cost_cents <= evaluate(problem, repair(problem)).cost_cents
    assert "failed" not in decision.note, decision.note
