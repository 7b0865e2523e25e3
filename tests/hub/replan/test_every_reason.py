"""Each reason to plan anew that a dispatcher would name happens to a van on the road: it is told under its row of the table, it is planned
because of it, and it is answered once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from roundsman_hub.eta.worker import EtaWorker
from roundsman_hub.replan.decide import unsettled
from roundsman_hub.replan.reasons import BY_KIND
from roundsman_hub.replan.revision import bump
from roundsman_hub.replan.worker import PlanWorker
from roundsman_hub.roads import GreatCircle
from roundsman_hub.store import hand_store
from roundsman_hub.store.rows import rows

Yard = Any  # the fixture of conftest.py


class Round:
    """A van on its round of three pickups, and another beside it with nothing to do."""

    def __init__(self, yard: Yard) -> None:
        self.yard = yard
        self.van = yard.van("Van")
        for n in range(1, 4):
            yard.order(900 * n, 0, name=f"Stop {n}")
        yard.plan()
        self.stops = yard.route(self.van)
        yard.receipt(self.van)
        yard.duty(self.van, "on")
        yard.at(self.van, 0, 50)
        self.other = yard.van("Other")
        self.etas = EtaWorker(yard.db, GreatCircle(), yard.clock)

    def sql(self, statement: str, *values: object) -> None:
        with self.yard.db.transaction() as cur:
            cur.execute(statement, values)

    def news(self, kind: str, text: str, subject: str, priority: int = 0) -> None:
        """As the API's door for it, or the streets' role, says it."""
        with self.yard.db.transaction() as cur:
            bump(cur, self.yard.depot, text, priority, clock=self.yard.clock, kind=kind, subject=subject)  # type: ignore[arg-type]

    def confirmed(self) -> None:
        """Both vans confirm what they have been told."""
        for vehicle in (self.van, self.other):
            newest = self.yard.newest(vehicle)
            with self.yard.db.transaction() as cur:
                if newest and not rows(cur, "SELECT FROM plan_receipts WHERE vehicle_id = %s AND version = %s", (vehicle, newest.version)):
                    self.yard.receipt(vehicle)

    def alert(self, kind: str, ago_min: float) -> None:
        """As derive writes it down from the van's log."""
        self.sql(
            "INSERT INTO alerts (alert, fleet_id, vehicle_id, kind, from_at, raised_at, detail) VALUES (%s, %s, %s, %s, %s, %s, '{}')",
            *(f"{kind}:{self.van}", self.yard.fleet, self.van, kind),
            *(self.yard.clock.now() - timedelta(minutes=ago_min), self.yard.clock.now()),
        )


def urgent(day: Round) -> None:
    day.yard.order(500, 500, priority=9, name="Urgent")


def cancelled(day: Round) -> None:
    day.yard.cancel(day.stops[2])


def another_window(day: Round) -> None:
    day.sql("UPDATE orders SET window_end = window_end - interval '3 hours' WHERE order_id = %s", day.stops[2])
    day.news("changed", "another window", day.stops[2])


def another_place(day: Round) -> None:
    day.sql("UPDATE orders SET lat_e6 = lat_e6 + 4000 WHERE order_id = %s", day.stops[2])
    day.news("changed", "another place", day.stops[2])


def promise_in_danger(day: Round) -> None:
    """Within the window, but after what the customer was promised, as the van's arrival times say."""
    soon = day.yard.clock.now() + timedelta(minutes=20)
    day.sql("UPDATE orders SET promise_start = %s, promise_end = %s WHERE order_id = %s", day.yard.clock.now(), soon, day.stops[0])
    day.yard.bump()
    day.yard.plan()
    day.yard.receipt(day.van)
    day.yard.at(day.van, -25_000, 0)
    day.etas.tell([day.van])


def long_dwell(day: Round) -> None:
    day.alert("long_dwell", 20)


def skipped(day: Round) -> None:
    day.sql("UPDATE vehicle_now SET next_stop = %s WHERE vehicle_id = %s", day.stops[1], day.van)


def failed(day: Round) -> None:
    day.yard.state(day.van, day.stops[0], "failed")


def off_route(day: Round) -> None:
    for east_m in (0, 500, -4000):
        day.yard.at(day.van, east_m, 0)
        day.etas.tell([day.van])


def broken_down(day: Round) -> None:
    """Its driver reports it."""
    day.sql(
        "INSERT INTO reports (session_no, seq, vehicle_id, fleet_id, report, topic, text, at)"
        " SELECT session_no, 77, vehicle_id, %s, vehicle_id, 'breakdown', 'a wheel', %s FROM log.sessions WHERE vehicle_id = %s",
        *(day.yard.fleet, day.yard.clock.now(), day.van),
    )


def silent(day: Round) -> None:
    day.alert("silent", 20)


def sick(day: Round) -> None:
    with day.yard.db.transaction() as cur:
        hand_store.set_vehicle(cur, day.yard.fleet, day.van, out=("driver_sick",), actor="k", at=day.yard.clock.now())


def traffic(day: Round) -> None:
    day.news("traffic", "closed from now on: Bridge works", "")


def hours_run_down(day: Round) -> None:
    """A minute of driving is left, and more than that is ahead."""
    terms = {"hours": {"rule": "eu_561", "to_break_min": 60, "driving_min": 1, "duty_min": 60, "as_of": day.yard.clock.now().isoformat()}}
    day.sql("UPDATE vehicles SET terms = %s WHERE vehicle_id = %s", Jsonb(terms), day.van)


def declined(day: Round) -> None:
    """No to another order of the same stops."""
    day.yard.order(450, 0, name="New")
    day.yard.plan()
    day.yard.receipt(day.van, "declined")


CLAUSES: list[tuple[str, str, Callable[[Round], None]]] = [
    ("urgent order", "urgent", urgent),
    ("cancellation", "cancelled", cancelled),
    ("changed window", "changed", another_window),
    ("changed place", "changed", another_place),
    ("promise predicted to break", "promise", promise_in_danger),
    ("long dwell", "dwell", long_dwell),
    ("skipped stop", "skipped", skipped),
    ("failed stop", "failed", failed),
    ("van off route", "off_route", off_route),
    ("van broken down", "breakdown", broken_down),
    ("van silent", "silent", silent),
    ("driver sick", "sick", sick),
    ("traffic", "traffic", traffic),
    ("hours of service run down", "hours", hours_run_down),
    ("declined plan", "declined", declined),
]


@pytest.mark.parametrize(("kind", "happens"), [pytest.param(kind, happens, id=clause) for clause, kind, happens in CLAUSES])
def test_it_is_a_reason_once(yard: Yard, kind: str, happens: Callable[[Round], None]) -> None:
    day = Round(yard)
    yard.bump()
    yard.plan()
    worker = PlanWorker(yard.db, yard.planner, yard.clock, None)
    assert unsettled(yard.planner.look(yard.depot)) == [], "before, nothing is new"
    happens(day)
    world = yard.planner.look(yard.depot)
    worker.answer_news(world, unsettled(world))
    with yard.db.transaction() as cur:
        (planning,) = rows(cur, "SELECT revision, planned, reasons FROM planning WHERE depot_id = %s", (yard.depot,))
    assert planning["revision"] > planning["planned"], "it has to be planned"
    assert kind in {reason["kind"] for reason in planning["reasons"]}
    row = BY_KIND[kind]
    assert row.least_gain_cents > 0
    assert (row.level > 0) == bool(row.threshold) or row.threshold == "0 s left"
    yard.plan()
    issued = yard.issued()
    for _ in range(3):
        day.confirmed()
        world = yard.planner.look(yard.depot)
        assert not [reason for reason in unsettled(world) if reason.kind == kind and worker.answer_news(world, [reason])], "answered once"
        if worker.answer_news(world, unsettled(world)):  # what it set free finds its van
            yard.plan()
            issued = yard.issued()
    yard.bump()
    yard.plan()
    assert yard.issued() == issued, "no new information, no new plan"
