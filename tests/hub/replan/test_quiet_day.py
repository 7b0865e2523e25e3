"""A day on which nothing happens but work: every van gets the one plan of its shift (`needless_plans` = 0)."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from roundsman_core.geo import LatLon
from roundsman_hub.clock import Clock, from_ms, to_ms
from roundsman_hub.eta.worker import EtaWorker
from roundsman_hub.planning.engines import budget, ruin_engine
from roundsman_hub.planning.problem import Plan, Problem
from roundsman_hub.planning.solve import decide
from roundsman_hub.replan.decide import unsettled
from roundsman_hub.replan.planner import Planner
from roundsman_hub.replan.worker import PlanWorker
from roundsman_hub.roads import GreatCircle
from roundsman_hub.store.rows import row

Yard = Any
STEP = timedelta(minutes=5)


class Ruin:
    """The search that needs no process of its own."""

    name = "ruin"
    features: frozenset[str] = frozenset()

    def solve(self, problem: Problem, warm: Plan, budget_s: float, seed: int) -> Plan:
        return ruin_engine.solve(problem, warm, budget_s, seed)


class Hands(Clock):
    """A clock that stands until it is moved."""

    at_ms: int

    def __init__(self, at: datetime) -> None:
        object.__setattr__(self, "base", Clock().base)
        object.__setattr__(self, "at_ms", to_ms(at))

    def utc_ms(self) -> int:
        return self.at_ms

    def set(self, at: datetime) -> None:
        object.__setattr__(self, "at_ms", to_ms(at))


class Drive:
    """A van that does its plan, with legs and services a little longer or shorter than planned."""

    def __init__(self, yard: Yard, van: str, rng: random.Random) -> None:
        self.yard, self.van, self.rng = yard, van, rng
        self.place = LatLon(50.0, 10.0)
        self.stop: str | None = None
        self.arrives_at: datetime | None = None
        self.leaves_at: datetime | None = None
        self.left_at: datetime | None = None

    def until(self, now: datetime) -> None:
        while True:
            todo = [s for s in self.yard.newest(self.van).stops if not self._done(s.stop)]
            if self.stop is None:
                if not todo:
                    return
                stop, self.left_at = todo[0], self.left_at or now
                self.stop = stop.stop
                self.target = LatLon.from_e6(stop.lat_e6, stop.lon_e6)
                leg_s = int(GreatCircle().matrix([self.place], [self.target]).durations_s[0, 0])
                self.arrives_at = self.left_at + timedelta(seconds=leg_s * self.rng.uniform(0.85, 1.15))
                self.origin = self.place
                start = max(self.arrives_at, from_ms(stop.window_start_utc_ms or 0))
                self.leaves_at = start + timedelta(seconds=stop.service_s * self.rng.uniform(0.7, 1.3))
                self._now()
            assert self.arrives_at is not None
            assert self.leaves_at is not None
            assert self.left_at is not None
            if now < self.arrives_at:
                share = (now - self.left_at) / (self.arrives_at - self.left_at)
                self.place = LatLon(
                    self.origin.lat_deg + share * (self.target.lat_deg - self.origin.lat_deg),
                    self.origin.lon_deg + share * (self.target.lon_deg - self.origin.lon_deg),
                )
                self._now()
                return
            self.place = self.target
            self._now()
            if now < self.leaves_at:
                self._state("arrived")
                return
            self._state("delivered")
            self.left_at, self.stop = self.leaves_at, None

    def _done(self, order: str) -> bool:
        with self.yard.db.transaction() as cur:
            return row(cur, "SELECT 1 FROM order_states WHERE order_id = %s AND state = 'delivered'", (order,)) is not None

    def _now(self) -> None:
        with self.yard.db.transaction() as cur:
            cur.execute(
                "UPDATE vehicle_now SET lat_e6 = %s, lon_e6 = %s, next_stop = %s WHERE vehicle_id = %s",
                (self.place.lat_e6, self.place.lon_e6, self.stop, self.van),
            )

    def _state(self, state: str) -> None:
        with self.yard.db.transaction() as cur:
            cur.execute(
                "INSERT INTO order_states (order_id, fleet_id, state, vehicle_id, at, arrived_at, action) VALUES (%s,%s,%s,%s,%s,%s,'a')"
                " ON CONFLICT (order_id) DO UPDATE SET state = excluded.state, at = excluded.at",
                (self.stop, self.yard.fleet, state, self.van, self.leaves_at, self.arrives_at),
            )


def test_on_a_quiet_day_every_van_gets_one_plan(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four vans, twenty orders, six hours: legs ±15 %, services ±30 %, arrival times and facts looked at every five minutes.

    A search's budget is one of looks at the clock: what it finds is the same on every machine.
    """
    looks = itertools.count()
    monkeypatch.setattr(budget, "_clock", lambda: next(looks) / 5_000)
    rng = random.Random(6)
    clock = Hands(yard.clock.now())
    day = replace(yard, clock=clock, planner=Planner(yard.db, GreatCircle(), yard.signer, clock, lambda: None))
    vans = [day.van(f"Van {n}") for n in range(4)]
    for n in range(20):
        day.order(rng.uniform(-6_000, 6_000), rng.uniform(-6_000, 6_000), kind="delivery", name=f"O{n}", within_h=(0, 7))
    search = day.planner.plan(day.depot)
    day.planner.adopt(search, decide(search.problem, search.warm, 0.3, engine=Ruin()).plan)
    used = [van for van in vans if day.route(van)]
    issued = day.issued()
    clock.set(clock.now() + timedelta(minutes=31))
    for van in used:
        day.receipt(van)
        day.duty(van, "on")
    drives = [Drive(day, van, rng) for van in used]
    worker, times = PlanWorker(day.db, day.planner, clock, None), EtaWorker(day.db, GreatCircle(), clock)
    for _ in range(72):
        clock.set(clock.now() + STEP)
        for drive in drives:
            drive.until(clock.now())
        times.learn()
        times.tell([], everyone=True)
        world = day.planner.look(day.depot)
        worker.answer_news(world, unsettled(world))
        if world.revision > world.planned and (search := day.planner.plan(day.depot)) is not None:
            day.planner.adopt(search, decide(search.problem, search.warm, 0.1, engine=Ruin()).plan)
    assert sum(len(day.route(van)) for van in used) == 20
    with day.db.transaction() as cur:
        done = row(cur, "SELECT count(*) AS n FROM order_states WHERE fleet_id = %s AND state = 'delivered'", (day.fleet,))
        held = row(cur, "SELECT count(*) AS n, avg(inside::int)::float8 AS inside FROM eta_hits WHERE fleet_id = %s", (day.fleet,))
    assert done == {"n": 20}, "the day was worked"
    assert day.issued() == issued, "and nobody was told a second plan"
    assert held is not None
    assert held["n"] >= 20
