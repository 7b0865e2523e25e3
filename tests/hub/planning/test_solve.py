"""Search: never worse than the plan it has to beat, whatever happens to the process that it runs in."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import pyvrp

from roundsman_hub.planning.engines import EngineFailed
from roundsman_hub.planning.engines.process import EngineProcess
from roundsman_hub.planning.engines.pyvrp_model import Translation
from roundsman_hub.planning.evaluate import evaluate
from roundsman_hub.planning.insertion import repair
from roundsman_hub.planning.problem import Plan, Problem, Task, Van
from roundsman_hub.planning.solve import decide, solve
from roundsman_hub.planning.walk import Ground

MakeProblem = Callable[..., Problem]


@pytest.mark.parametrize("seed", [*range(12), 101415, 101430, 101445, 101454, 101512])  # the large ones once broke a rule
def test_a_fleet_on_the_road_gets_a_plan_that_may_be_used(make_problem: MakeProblem, engine: EngineProcess, seed: int) -> None:
    problem = make_problem(seed, 20, 4, no_way=seed % 3 == 0)
    warm = repair(problem)
    decision = decide(problem, None, 0.3, seed, engine=engine)
    assert decision.verdict.violations == ()
    assert decision.verdict == evaluate(problem, decision.plan)
    assert decision.verdict.cost_cents <= evaluate(problem, warm).cost_cents
    assert "failed" not in decision.note
    assert "mended" not in decision.note, decision.note  # the translation leaves out no rule that this town has


@pytest.mark.parametrize("seed", range(30))
def test_engine_and_judge_see_the_same_money(make_problem: MakeProblem, seed: int) -> None:
    """What PyVRP pays for a plan is what the judge says it costs, but for churn and lateness, which it does not see."""
    problem = replace(make_problem(seed, 15, 3, no_way=seed % 2 == 0), churn_cents=0, lateness_cents_per_min=0)
    problem = replace(problem, tasks=tuple(replace(task, release_s=0) for task in problem.tasks))
    plan = repair(problem)
    ground = Ground(problem)
    translation = Translation(ground, list(problem.vans), plan)
    data = translation.data(pyvrp)
    solution = pyvrp.Solution(data, translation.routes_of(pyvrp, data, plan))
    assert solution.is_feasible()
    costs = pyvrp.CostEvaluator([0.0], 0.0, 0.0)
    paid = solution.distance_cost() + solution.duration_cost() + solution.fixed_vehicle_cost()
    verdict = evaluate(problem, plan)
    frozen_cents = 0
    for van in problem.vans:
        walk = ground.walk(van, [task for task in van.frozen if task in ground.tasks])
        done_s = walk.visits[-1].departure_s - van.start_s if walk.visits else 0
        prices = ground.prices[van.vehicle]
        driven = sum(v.leg_m for v in walk.visits) * prices.metre + done_s * prices.second
        frozen_cents += driven + (van.fixed_cents * 18_000 if walk.visits and van.at_depot else 0)
    assert costs.cost(solution) == paid + solution.uncollected_prizes()
    assert abs((paid * translation.unit + frozen_cents) / 18_000 + verdict.unassigned_cents - verdict.cost_cents) <= 1
    assert translation.plan_of(solution, plan).routes == plan.routes or not any(plan.routes.values())


def test_a_search_finds_a_better_order_of_stops(engine: EngineProcess) -> None:
    rng = np.random.default_rng(5)
    places = rng.uniform(0, 8_000, (41, 2))
    metres = (np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1)) * 1.4).astype(np.int32)
    tasks = tuple(Task(task=f"o_{at}", place=at, kind="delivery", load=(1,), service_s=120) for at in range(1, 41))
    vans = tuple(
        Van(vehicle=f"v_{at}", start_place=0, end_place=0, start_s=0, shift_end_s=4 * 3600, capacity=(25,), at_depot=True)
        for at in range(3)
    )
    shuffled = {"v_0": tuple(task.task for task in tasks[0::2]), "v_1": tuple(task.task for task in tasks[1::2])}
    problem = Problem(
        origin_utc_s=0,
        tasks=tasks,
        vans=vans,
        durations_s=(metres // 7).astype(np.int32),
        distances_m=metres,
        current=shuffled,
        churn_cents=0,
    )
    decision = decide(problem, None, 1.0, 1, engine=engine)
    assert decision.by == "pyvrp"
    assert decision.gain_cents > 2_000
    assert solve(problem, None, 1.0, 1, engine=engine).unassigned == {}


def test_without_a_search_the_repaired_plan_stands(make_problem: MakeProblem) -> None:
    problem = make_problem(3)
    decision = decide(problem, None, 1.0)
    assert (decision.by, decision.plan) == ("repaired", repair(problem))


class Lies:
    """An engine that answers nonsense: what a broken release of one could do."""

    name = "lies"
    features: frozenset[str] = frozenset()

    def solve(self, problem: Problem, warm: Plan, budget_s: float, seed: int) -> Plan:
        return Plan(routes={van.vehicle: tuple(task.task for task in problem.tasks) for van in problem.vans}, unassigned={})


@pytest.mark.parametrize("seed", range(5))
def test_an_answer_that_breaks_a_rule_is_mended_or_refused(make_problem: MakeProblem, seed: int) -> None:
    problem = make_problem(seed)
    decision = decide(problem, None, 1.0, engine=Lies())
    assert decision.verdict.violations == ()
    assert decision.verdict.cost_cents <= evaluate(problem, repair(problem)).cost_cents
    assert "mended" in decision.note


def test_an_empty_morning_needs_no_search(engine: EngineProcess, make_problem: MakeProblem) -> None:
    assert decide(make_problem(1, 0, 2), None, 1.0, engine=engine).plan.unassigned == {}


# ── faults ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _soon(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _during_search(engine: EngineProcess, problem: Problem, sign: signal.Signals, *, budget_s: float) -> str:
    """Decide, and signal the search process in the middle of it. Gives the note."""
    out: list[str] = []
    assert decide(problem, None, 0.1, engine=engine).note  # the process is up
    pid = engine.pid
    assert pid is not None
    thread = threading.Thread(target=lambda: out.append(decide(problem, None, budget_s, engine=engine).note))
    thread.start()
    busy = _cpu_ticks(pid)
    _soon(lambda: _cpu_ticks(pid) > busy + 5)
    os.kill(pid, sign)
    thread.join(100)
    assert not thread.is_alive()
    return out[0]


def _cpu_ticks(pid: int) -> int:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def test_a_search_that_crashes_costs_nothing(make_problem: MakeProblem) -> None:
    problem = make_problem(9, 30, 4)
    with EngineProcess() as engine:
        note = _during_search(engine, problem, signal.SIGKILL, budget_s=600.0)
        assert "search failed, the rescued plan stands" in note
        assert "failed" not in decide(problem, None, 0.2, engine=engine).note  # the next one has a new process


def test_a_search_that_hangs_is_ended(make_problem: MakeProblem) -> None:
    """It would search for four seconds, and is waited for one more: whoever got here did not wait for ever."""
    with EngineProcess(grace_s=1.0) as engine:
        note = _during_search(engine, make_problem(9, 30, 4), signal.SIGSTOP, budget_s=4.0)
        assert "no answer in time" in note
        assert engine.pid is None


def test_a_search_that_wants_too_much_memory_is_refused(make_problem: MakeProblem) -> None:
    problem = make_problem(9, 30, 4)
    with EngineProcess(memory_mb=64) as engine, pytest.raises(EngineFailed):
        engine.solve(problem, repair(problem), 0.1, 0)


def test_nothing_is_left_running(make_problem: MakeProblem) -> None:
    engine = EngineProcess()
    decide(make_problem(2), None, 0.1, engine=engine)
    pid = engine.pid
    assert pid is not None
    engine.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
