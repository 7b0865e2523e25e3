"""When plans are made: at once when it is urgent, together when it is not, and again when the vans' facts say so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from roundsman_hub.planning.engines import EngineFailed
from roundsman_hub.planning.problem import Plan, Problem
from roundsman_hub.replan.worker import QUIET_S, WAITS_AT_MOST_S, PlanWorker
from roundsman_hub.store.rows import notify

Yard = Any  # the fixture of conftest.py


class Crashing:
    """A search that never answers: what it costs is one answer, never the plan."""

    name = "crashing"
    features: frozenset[str] = frozenset()

    def solve(self, problem: Problem, warm: Plan, budget_s: float, seed: int) -> Plan:
        raise EngineFailed("crashed")


class Slow:
    """A search that takes until it is let go."""

    name = "slow"
    features: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.asked, self.go = threading.Event(), threading.Event()

    def solve(self, problem: Problem, warm: Plan, budget_s: float, seed: int) -> Plan:
        self.asked.set()
        assert self.go.wait(60)
        return warm


@contextmanager
def working(yard: Yard, engine: Any) -> Iterator[PlanWorker]:
    worker = PlanWorker(yard.db, yard.planner, yard.clock, engine)
    stop = threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            worker.run(stop)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield worker
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()
    assert not failures


def eventually(holds: Callable[[], bool], within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.005)


@pytest.mark.parametrize("engine", [None, Crashing()])
def test_an_order_is_planned_with_or_without_a_search(yard: Yard, engine: Any) -> None:
    van = yard.van()
    with working(yard, engine):
        order = yard.order(500, 0)
        eventually(lambda: yard.route(van) == [order])


def test_orders_that_come_together_are_one_plan(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Together: with less than `QUIET_S` between them, which here a slow machine keeps, too."""
    monkeypatch.setattr("roundsman_hub.replan.worker.QUIET_S", 1.5)
    monkeypatch.setattr("roundsman_hub.replan.worker.WAITS_AT_MOST_S", 60.0)
    van = yard.van()
    yard.order(500, 0)
    yard.plan()
    with working(yard, None):
        eventually(lambda: not yard.planner.look(yard.depot).reasons)
        before = yard.issued()
        orders = [yard.order(500 + 10 * n, 0, priority=3) for n in range(5)]
        eventually(lambda: set(orders) <= set(yard.route(van)))
        assert yard.issued() - before <= 2


def test_changes_wait_for_a_moments_quiet_and_no_longer_than_a_second(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that is set: three changes a twentieth of a second apart, then one after another without end."""
    seconds = [100.0]
    monkeypatch.setattr("roundsman_hub.replan.worker.time", SimpleNamespace(monotonic=lambda: seconds[0]))
    van = yard.van()
    worker = PlanWorker(yard.db, yard.planner, yard.clock, None)

    def change(after_s: float) -> str:
        seconds[0] += after_s
        order: str = yard.order(500, 0, priority=3)
        worker._ring()
        return order

    orders = [change(0.05) for _ in range(3)]
    worker._plan_due()
    assert yard.newest(van) is None
    seconds[0] += QUIET_S + 0.01
    worker._plan_due()
    assert (set(yard.route(van)), yard.issued()) == (set(orders), 1)
    orders.append(change(5.0))
    waits_until = seconds[0] + WAITS_AT_MOST_S
    while seconds[0] < waits_until:
        worker._plan_due()
        assert yard.issued() == 1
        orders.append(change(0.09))
    worker._plan_due()
    assert yard.issued() == 2, "a second is enough, though it is not quiet yet"
    assert set(orders) <= set(yard.route(van))


def test_something_urgent_does_not_wait_for_a_search(yard: Yard) -> None:
    """Insertion answers while the search is still busy with the morning's plan."""
    van = yard.van()
    engine = Slow()
    with working(yard, engine):
        first = yard.order(500, 0)
        assert engine.asked.wait(60)
        assert yard.newest(van) is None, "the first plan is searched before it is told"
        urgent = yard.order(900, 0, priority=9)
        eventually(lambda: set(yard.route(van)) == {first, urgent})
        assert not engine.go.is_set()
        engine.go.set()


def test_facts_that_unsettle_a_plan_bring_another(yard: Yard) -> None:
    """A driver goes off with work left: nobody bumps the revision but the facts themselves."""
    van = yard.van()
    yard.order(500, 0)
    yard.plan()
    yard.receipt(van)
    yard.duty(van, "on")
    with working(yard, None):
        yard.duty(van, "off")
        with yard.db.transaction() as cur:
            notify(cur, "vehicle", yard.fleet, van)
        eventually(lambda: yard.newest(van).stops == ())
    assert yard.newest(van).reason == "the shift has ended"


def test_a_van_that_is_heard_again_takes_what_only_it_can(yard: Yard) -> None:
    """The pickup is too large for the van that can be told, and the other one has no network. Nobody bumps the revision."""
    small, large = yard.van("Small", capacity=5), yard.van("Large", capacity=20)
    yard.order(500, 0, kind="delivery", parcels=5)
    yard.order(-500, 0, kind="delivery", parcels=20)
    yard.plan()
    for van in (small, large):
        yard.receipt(van)
        yard.duty(van, "on")
        yard.at(van, 0, 100)

    def hear(online: bool) -> None:
        with yard.db.transaction() as cur:
            cur.execute("UPDATE vehicle_now SET online = %s WHERE vehicle_id = %s", (online, large))
            notify(cur, "vehicle", yard.fleet, large)

    hear(False)
    with working(yard, None):
        pickup = yard.order(0, 900, kind="pickup", parcels=20)
        eventually(lambda: pickup in yard.unassigned())
        hear(True)
        eventually(lambda: pickup in yard.route(large))
    assert yard.unassigned() == {}
