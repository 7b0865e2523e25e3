"""Drivers who give their stops an order of their own, or decline one: what they drive is what there is to plan from."""

from __future__ import annotations

import json
from typing import Any

from roundsman_hub.replan.decide import unsettled

Yard = Any  # the fixture of conftest.py


def own_order(yard: Yard, vehicle: str, order: list[str]) -> None:
    """The driver changed the order of the newest plan, as derive writes it down."""
    with yard.db.transaction() as cur:
        cur.execute(
            "INSERT INTO reorders (session_no, seq, vehicle_id, fleet_id, version, stops, by_whom, reason)"
            " SELECT session_no, 900, vehicle_id, %s, %s, %s::jsonb, 'driver', '' FROM log.sessions WHERE vehicle_id = %s",
            (yard.fleet, yard.newest(vehicle).version, json.dumps(order), vehicle),
        )


def test_the_drivers_own_order_is_the_current_plan(yard: Yard) -> None:
    van = yard.van()
    for n in range(1, 5):
        yard.order(900 * n, 0, name=f"Stop {n}")
    yard.plan()
    yard.receipt(van)
    yard.duty(van, "on")
    yard.at(van, 100, 0)
    first, second, third, fourth = yard.route(van)
    own_order(yard, van, [second, first, third, fourth])
    with yard.db.transaction() as cur:
        cur.execute("UPDATE vehicle_now SET next_stop = %s WHERE vehicle_id = %s", (second, van))
    yard.bump()
    yard.plan()
    assert yard.issued() == 1, "what the driver drives needs no new plan"
    urgent = yard.order(450, 0, priority=9, name="Urgent")
    yard.plan()
    route = yard.route(van)
    assert route[0] == second, "the stop that is driven to stays"
    assert [stop for stop in route if stop != urgent] == [second, first, third, fourth]
    assert yard.newest(van).changes == (f"Added: Urgent as stop {route.index(urgent) + 1}",)


def test_a_declined_order_is_told_as_it_is_driven_and_not_offered_again(yard: Yard) -> None:
    van = yard.van()
    for n in range(1, 6):
        yard.order(900 * n, 0, name=f"Stop {n}")
    yard.plan()
    yard.receipt(van)
    yard.duty(van, "on")
    yard.at(van, 0, 0)
    driven = yard.route(van)
    bad = [driven[0], driven[4], driven[1], driven[2], driven[3]]  # worth improving
    own_order(yard, van, bad)
    yard.bump()
    search = yard.planner.plan(yard.depot)
    better = type(search.warm)(routes={van: tuple(driven)}, unassigned={})
    yard.planner.adopt(search, better)
    offered = yard.newest(van)
    assert [stop.stop for stop in offered.stops] == driven
    assert offered.may_decline is True
    yard.receipt(van, "declined")
    assert [r.text for r in unsettled(yard.planner.look(yard.depot))] == ["the driver of Van declined its plan"]
    yard.bump()
    search = yard.planner.plan(yard.depot)
    kept = yard.newest(van)
    assert (kept.version > offered.version, kept.may_decline, kept.reason) == (True, False, "the driver keeps the order of stops")
    assert [stop.stop for stop in kept.stops] == bad
    yard.receipt(van)
    yard.bump()
    search = yard.planner.plan(yard.depot)
    yard.planner.adopt(search, better)
    assert yard.newest(van).version == kept.version, "within the hour nobody asks again"
    assert unsettled(yard.planner.look(yard.depot)) == []
