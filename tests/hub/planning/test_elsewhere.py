"""Parts of a large problem on other machines: as good as here, heard while they search, and no one waits for a machine that hangs."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from tests.hub.planning.patience import with_patience

from roundsman_hub.planning import elsewhere, portfolio
from roundsman_hub.planning.decompose import Part, parts
from roundsman_hub.planning.elsewhere import Cluster, at_once, cluster, search_part, search_parts
from roundsman_hub.planning.engines import budget
from roundsman_hub.planning.engines.worker import Asked
from roundsman_hub.planning.evaluate import evaluate
from roundsman_hub.planning.portfolio import first_plan, search
from roundsman_hub.planning.problem import Plan, Problem, Task, Van
from roundsman_hub.planning.solve import Decision
from roundsman_hub.planning.walk import Ground

PARTS_S = (4.0, 40.0)


@pytest.fixture(scope="module")
def town() -> Problem:
    """300 deliveries around a depot, 14 vans."""
    xy = np.random.default_rng(3).uniform(0, 20_000, (301, 2))
    metres = (np.hypot(*(xy[:, None] - xy[None]).transpose(2, 0, 1)) * 1.3).astype(np.int32)
    tasks = tuple(Task(task=f"o{at}", place=at, kind="delivery", load=(2,), service_s=120) for at in range(1, 301))
    vans = tuple(
        Van(vehicle=f"v{at}", start_place=0, end_place=0, start_s=0, shift_end_s=36_000, capacity=(60,), at_depot=True) for at in range(14)
    )
    return Problem(origin_utc_s=0, tasks=tasks, vans=vans, durations_s=metres // 8, distances_m=metres)


@pytest.fixture(scope="module")
def dealt(town: Problem) -> list[Part]:
    """The town in parts of about fifty stops."""
    return parts(Ground(town), first_plan(town), 1, stops=50)


@pytest.fixture(scope="module")
def machine() -> Iterator[str]:
    """A real scheduler and a real worker, in processes of their own; its address."""
    distributed = pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None, silence_logs=50) as machines:
        yield machines.scheduler_address


def better(town: Problem, executor: Executor) -> Callable[[float], Decision]:
    """A search of so many seconds by these machines."""
    return lambda budget_s: search(town, None, budget_s, 1, executor=executor)


def test_parts_can_be_searched_by_any_executor(town: Problem) -> None:
    """A cluster is one more of them."""
    with ThreadPoolExecutor(2) as executor:
        found = with_patience(better(town, executor), lambda one: one.gain_cents > 0, budgets_s=PARTS_S)
    assert found.verdict.violations == ()
    assert found.gain_cents > 0


def test_a_cluster_searches_the_parts_by_the_address_of_its_scheduler(town: Problem, machine: str) -> None:
    """They find what this machine would."""
    with cluster(machine) as executor:
        found = with_patience(better(town, executor), lambda one: one.gain_cents > 0, budgets_s=PARTS_S)
        assert executor.submit(os.getpid).result() != os.getpid()
    assert found.verdict.violations == ()
    assert found.gain_cents > 0


def test_plans_of_a_part_come_from_a_cluster_while_it_still_searches(machine: str, dealt: list[Part]) -> None:
    """Each is a plan of that part, and its search goes on from there."""
    part, heard = dealt[0], list[tuple[str, Problem, Plan]]()
    with cluster(machine) as executor:
        for seed in range(10):  # a busy machine may be at the end of a search before it tells of anything
            ((_, found),) = search_parts(executor, [part], 3.0, seed, lambda *told: heard.append(told))
            if heard:
                break
    assert {(by, problem is part.problem) for by, problem, _ in heard} == {("pyvrp", True)}
    verdicts = [evaluate(part.problem, plan) for _, _, plan in heard]
    assert [verdict.violations for verdict in verdicts if verdict.violations] == []
    assert found.verdict.cost_cents <= min(verdict.cost_cents for verdict in verdicts)


def test_a_cluster_that_does_not_answer_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    monkeypatch.setattr(elsewhere, "ANSWERS_S", 0.5)
    with pytest.raises(ValueError, match=r"no scheduler .* answers at tcp://127\.0\.0\.1:1"), cluster("tcp://127.0.0.1:1"):
        pass


class Machines(Executor):
    """Machines of which all that are asked for a part of `hangs` never answer; the others say that what they were given is best."""

    def __init__(self, *hangs: Problem) -> None:
        self.hangs = hangs
        self.told: Callable[[tuple[float, bytes]], None] | None = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        assert fn is search_part
        problem, plan, _, _, wire = args
        answer: Future[Decision] = Future()
        if wire is not None and self.told is not None:
            self.told((0.0, pickle.dumps(elsewhere.Told(wire.number, "pyvrp", plan))))
        if not any(problem is one for one in self.hangs):
            answer.set_result(Decision(plan=plan, verdict=evaluate(problem, plan), by="pyvrp", gain_cents=0, note=""))
        return answer


class Client:
    """As much of a client of Dask as is asked for: so many machines."""

    def __init__(self, executor: Machines, count: int) -> None:
        self._executor, self._count = executor, count

    def get_executor(self, *, pure: bool) -> Machines:
        assert not pure, "the same part searched again is another search"
        return self._executor

    def nthreads(self) -> dict[str, int]:
        return {f"tcp://m{at}": 4 for at in range(self._count)}

    def subscribe_topic(self, topic: str, handler: Callable[[tuple[float, bytes]], None]) -> None:
        self._executor.told = handler


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits past a search's seconds."""
    monkeypatch.setattr(elsewhere, "START_S", 0.0)
    monkeypatch.setattr(elsewhere, "GRACE_S", 0.0)


@pytest.mark.usefixtures("impatient")
def test_nobody_waits_for_a_machine_that_hangs(dealt: list[Part]) -> None:
    """Its part stays as it was; the others' answers are taken."""
    answers = search_parts(Machines(dealt[1].problem), dealt[:3], 0.1, 1, lambda *_: None)
    assert [part.vehicles for part, _ in answers] == [dealt[0].vehicles, dealt[2].vehicles]


@pytest.mark.usefixtures("impatient")
def test_what_a_hanging_machine_told_of_is_heard(dealt: list[Part]) -> None:
    heard = list[tuple[str, Problem, Plan]]()
    machines = Machines(dealt[0].problem)
    assert search_parts(Cluster(Client(machines, 1)), dealt[:1], 0.2, 1, lambda *told: heard.append(told)) == []
    assert [(by, problem is dealt[0].problem, plan) for by, problem, plan in heard] == [("pyvrp", True, dealt[0].plan)]


@pytest.mark.usefixtures("impatient")
def test_a_part_told_of_too_late_is_nobodys(dealt: list[Part]) -> None:
    """What comes after a round's answers may not be taken for a plan of the next round's parts."""
    heard, executor = list[Plan](), Cluster(Client(Machines(dealt[1].problem), 1))
    executor.told.put(elsewhere.Told(executor.wire().number, "pyvrp", dealt[0].plan))
    search_parts(executor, dealt[1:2], 0.2, 1, lambda _, __, plan: heard.append(plan))
    assert heard == [dealt[1].plan]


def test_a_cluster_is_asked_for_as_many_parts_as_it_has_machines(monkeypatch: pytest.MonkeyPatch, town: Problem) -> None:
    """More would wait for one another, each with a budget of its own, and the search end long after its own."""
    asked = list[int]()

    def searched(executor: Executor, some: list[Part], *_: object) -> list[tuple[Part, Decision]]:
        asked.append(len(some))
        return []

    monkeypatch.setattr(portfolio, "search_parts", searched)
    monkeypatch.setattr(portfolio, "parts", lambda ground, plan, seed: parts(ground, plan, seed, stops=50))
    monkeypatch.setattr(portfolio, "PART_S", (0.1, 0.1))
    ticks = iter(range(10_000))
    monkeypatch.setattr(budget, "_clock", lambda: 0.05 * next(ticks))
    search(town, first_plan(town), 2.0, 1, executor=Cluster(Client(Machines(), 2)))
    assert max(asked) == 2
    assert at_once(Machines(), 7) == 7


def test_the_start_of_a_search_process_is_part_of_the_budget() -> None:
    """But half of it is always left to search in: somebody asked for a search."""
    assert Asked(10.0, 100.0).left_s(100.8) == pytest.approx(9.2)
    assert Asked(1.0, 100.0).left_s(100.8) == pytest.approx(0.5)
