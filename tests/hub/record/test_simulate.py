"""Another policy on a recorded day: what it would have come to, on that day's legs and services."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from roundsman_core.geo import LatLon, LocalFrame
from roundsman_hub.planning.engines.process import EngineProcess
from roundsman_hub.record.day_file import Head
from roundsman_hub.record.observed import Day, Order, Shift, Told
from roundsman_hub.record.simulate import POLICIES, Simulation, simulate
from roundsman_hub.replan.world import OrderFacts
from roundsman_hub.roads import GreatCircle

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
CENTRE = LatLon(50.0, 10.0)
EARLY, LATE = ["o_1", "o_2", "o_3", "o_4", "o_5", "o_6"], ["o_7", "o_8"]


def order(name: str, east_m: float, north_m: float, *, known_h: float, due_h: float = 4.0) -> Order:
    end = NINE + timedelta(hours=due_h)
    facts = OrderFacts(
        order_id=name,
        kind="pickup",
        position=LocalFrame(CENTRE).to_latlon(east_m, north_m),
        window_start=NINE,
        window_end=end,
        promise_start=None,
        promise_end=None,
        service_s=120,
        parcels=1,
        priority=0,
        name=name,
        address="",
        instructions="",
        phone="",
        cancelled=False,
        state=None,
        state_vehicle=None,
        arrived_at=None,
    )
    return Order(facts=facts, first=facts, depot="p_1", known_at=NINE + timedelta(hours=known_h), cancelled_at=None, due_at=end)


@pytest.fixture
def day() -> Day:
    """Two vans, six orders known in the morning, two that came at ten; planned badly: each van drives to and fro."""
    places = [(2_000, 0), (-2_000, 100), (4_000, 0), (-4_000, 100), (6_000, 0), (-6_000, 100)]
    orders = [order(name, *place, known_h=-3) for name, place in zip(EARLY, places, strict=True)]
    orders += [order(name, place, 500, known_h=1) for name, place in zip(LATE, (5_000, -5_000), strict=True)]
    head = Head(
        fleet="fl_1",
        day=date(2026, 3, 2),
        timezone="UTC",
        since=NINE - timedelta(hours=9),
        until=NINE + timedelta(hours=15),
        horizon=NINE + timedelta(hours=16),
        rules=1,
    )
    vans = [Shift(vehicle=name, name=name, depot="p_1", capacity=20, start=NINE, end=NINE + timedelta(hours=8)) for name in ("v_1", "v_2")]
    told = NINE - timedelta(hours=1)
    plans = [
        Told(at=told, vehicle="v_1", stops=("o_1", "o_4", "o_5")),
        Told(at=told, vehicle="v_2", stops=("o_2", "o_3", "o_6")),
        Told(at=NINE + timedelta(hours=1), vehicle="v_2", stops=("o_7", "o_2", "o_3", "o_6", "o_8")),
    ]
    return Day(head=head, depots={"p_1": CENTRE}, vans=vans, orders={o.facts.order_id: o for o in orders}, plans=plans)


def test_the_first_plan_alone_leaves_what_came_later(day: Day) -> None:
    static, planned = (simulate(day, policy, GreatCircle()) for policy in ("static", "as-planned"))
    assert (static.orders, static.served, static.churn, static.plans) == (8, 6, 0, 2)
    assert (planned.served, planned.plans) == (8, 3)
    assert planned.km > static.km


def test_insertion_serves_everything_and_drives_less_than_a_bad_plan(day: Day) -> None:
    planned, inserted = (simulate(day, policy, GreatCircle()) for policy in ("as-planned", "insertion"))
    assert (inserted.served, inserted.on_time) == (8, 8)
    assert inserted.km < 0.7 * planned.km
    assert inserted == simulate(day, "insertion", GreatCircle()), "the same day, the same answer"


def test_a_search_is_no_worse_than_insertion(day: Day) -> None:
    with EngineProcess(grace_s=60.0) as engine:
        searched = simulate(day, "search", GreatCircle(), engine, search_s=0.2)
    assert (searched.served, searched.on_time) == (8, 8)
    assert searched.km <= simulate(day, "insertion", GreatCircle()).km * 1.01


def test_legs_and_services_are_those_of_the_day(day: Day) -> None:
    """A day of snow: each leg took ten times what the roads say. The plan is the same; what came of it is not."""
    tight = {name: replace(o, due_at=NINE + timedelta(hours=1)) for name, o in day.orders.items()}
    day.orders = tight
    dry = simulate(day, "static", GreatCircle())
    assert dry.late_s == 0
    day.leg_s = {("o_1", "o_4"): 9_000.0, ("o_2", "o_3"): 8_000.0}
    snow = simulate(day, "static", GreatCircle())
    assert (snow.served, snow.km) == (dry.served, dry.km)
    assert snow.on_time < dry.on_time
    assert snow.late_s > 3_600
    day.leg_s, day.service_s = {}, {"o_1": 7_200.0}
    assert simulate(day, "static", GreatCircle()).on_time < dry.on_time


def test_a_cancelled_order_is_not_driven_to(day: Day) -> None:
    day.orders["o_5"] = replace(day.orders["o_5"], cancelled_at=NINE - timedelta(minutes=5))
    for policy in POLICIES:
        found = simulate(day, policy, GreatCircle())
        assert found.orders == 7, policy
        assert found.served == (5 if policy == "static" else 7), policy


def test_orders_that_are_imported_as_the_shift_begins_are_planned(day: Day) -> None:
    """Half an hour before the shift nothing was known yet: that is no plan, and not the end of planning."""
    for seconds, name in enumerate(EARLY):
        day.orders[name] = replace(day.orders[name], known_at=NINE - timedelta(minutes=5) + timedelta(seconds=5 * seconds))
    found = simulate(day, "insertion", GreatCircle())
    assert (found.served, found.on_time) == (8, 8)


def test_a_planner_knows_a_new_window_from_when_it_was_moved(day: Day) -> None:
    order = day.orders["o_6"]
    was = replace(order.facts, window_start=NINE + timedelta(hours=7), window_end=NINE + timedelta(hours=8))
    day.orders["o_6"] = replace(order, first=was, later=((NINE + timedelta(hours=1), order.facts),))
    known = Simulation(day, "p_1", "insertion", GreatCircle(), None, 1.0)
    windows: list[datetime] = []
    happen = known._happen

    def watched(now: datetime, kind: str, subject: str) -> None:
        happen(now, kind, subject)
        if "o_6" in known._known:
            windows.append(known._known["o_6"].facts.window_start)

    known._happen = watched  # type: ignore[method-assign]
    assert known.run().served == 8
    assert (windows[0], windows[-1]) == (was.window_start, order.facts.window_start)
