"""Every constraint of a delivery day: from a file through the API to the plan that it alone decides.

Each case is a town of its own: a depot in its middle, vehicles and orders from CSV files, planned by the hub's planner. With the column (or
the setting) emptied, the best plan is another one. What has to be there (a window, a shift) is made so wide instead that it binds nobody.
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.hub.api.csv_town import ON_B, OPEN, A, B, Case, Route, Shop, asked, is_best, near, planned, searched

from roundsman_hub.replan.build import build, places
from roundsman_hub.replan.load import load_world
from roundsman_hub.roads import GreatCircle

CASES: dict[str, Case] = {
    "several windows": Case(
        vans=[{"name": "A"}],
        orders=[near("x", window=(0, 5), more_windows=[(8, 300)]), near("y", 2000, window=(0, 6))],
        expected={"A": ["y", "x"]},
        drop="more_windows",
    ),
    "deadline": Case(vans=[{"name": "A"}], orders=[near("x", 4500, deadline=5)], expected={}, drop="deadline", without={"A": ["x"]}),
    "promise": Case(
        vans=[OPEN], orders=[near("x"), near("y", 4000, promise=(0, 8))], expected={"A": ["y", "x"]}, drop="promise_start promise_end"
    ),
    "shipment": Case(
        vans=[OPEN],
        orders=[near("to", 500, shipment="s"), near("from", 4000, kind="pickup", shipment="s")],
        expected={"A": ["from", "to"]},
        drop="shipment",
    ),
    "maximum ride": Case(
        vans=[OPEN],
        orders=[near("from", kind="pickup", shipment="s"), near("to", 4500, shipment="s", max_ride_s=560), near("y", 2500, service_s=900)],
        expected={"A": ["from", "to", "y"]},
        drop="max_ride_s",
    ),
    "vehicle type access": Case(
        vans=[{"name": "A", "type": "truck"}, B], orders=[near("x", vehicle_types="van bike")], expected=ON_B, drop="vehicle_types"
    ),
    "service by vehicle type": Case(
        vans=[A, {**B, "type": "bike"}],
        orders=[near("x", service_s=3600, service_by_type="bike:60")],
        expected=ON_B,
        drop="service_by_type",
    ),
    "weight": Case(vans=[{"name": "A", "weight_g": 900}, B], orders=[near("x", weight_g=1000)], expected=ON_B, drop="weight_g"),
    "volume": Case(vans=[{"name": "A", "volume_ml": 900}, B], orders=[near("x", volume_ml=901)], expected=ON_B, drop="volume_ml"),
    "skills": Case(vans=[A, {**B, "skills": "cold"}], orders=[near("x", skills="cold")], expected=ON_B, drop="skills"),
    "skills of the driver": Case(
        vans=[A, B], drivers={"B": {"skills": "lift"}}, orders=[near("x", skills="lift")], expected=ON_B, drop="skills"
    ),
    "release": Case(
        vans=[OPEN],
        orders=[near("x", kind="pickup", release=60, window=(0, 90)), near("y", 4000, kind="pickup", window=(0, 40))],
        expected={"A": ["y", "x"]},
        drop="release",
    ),
    "pinned vehicle": Case(vans=[A, B], orders=[near("x", vehicles="B")], expected=ON_B, drop="vehicles"),
    "same van": Case(
        vans=[A, {**B, "open_end": True, "cents_per_km": 200}],
        orders=[near("x", vehicles="B", same_van="g"), near("y", 4000, same_van="g")],
        expected={"B": ["x", "y"]},
        drop="same_van vehicles",
    ),
    "never together": Case(
        vans=[A, B],
        orders=[near("x", vehicles="A", never_with="g"), near("y", never_with="g")],
        expected={"A": ["x"], "B": ["y"]},
        drop="never_with",
    ),
    "in order": Case(
        vans=[OPEN],
        orders=[near("x", in_order="g", in_order_number=2), near("y", 4000, in_order="g", in_order_number=1)],
        expected={"A": ["y", "x"]},
        drop="in_order",
    ),
    "open end": Case(vans=[{**OPEN, "fixed_cents": 5200}, {"name": "B"}], orders=[near("x", 4500)], expected={"A": ["x"]}, drop="open_end"),
    "end at another depot": Case(
        vans=[{"name": "A", "end_depot": "OTHER", "fixed_cents": 5200}, {"name": "B"}],
        orders=[near("x", 4500)],
        expected={"A": ["x"]},
        drop="end_depot",
    ),
    "depot where the round begins": Case(
        vans=[{"name": "A", "depot": "OTHER"}, B], orders=[near("x")], expected=ON_B, drop="start", without={"A": ["x"]}
    ),
    "return to a depot": Case(
        vans=[A, {**B, "end_depot": "OTHER"}], orders=[near("x", kind="pickup", goods_at="OTHER")], expected=ON_B, drop="goods_at"
    ),
    "on board": Case(vans=[A, B], orders=[near("x", on_board="B")], expected=ON_B, drop="on_board", without={"A": ["x"]}),
    "room that goods on board take": Case(
        vans=[{"name": "A", "capacity": 2, "cents_per_km": 30}, B],
        orders=[near("x", on_board="A", parcels=2), near("y", 1500, parcels=2)],
        expected={"A": ["x"], "B": ["y"]},
        drop="on_board",
    ),
    "depot of the goods": Case(vans=[A], orders=[near("x", goods_at="OTHER")], expected={}, drop="goods_at"),
    "reload": Case(
        vans=[{**OPEN, "capacity": 1, "reload_depots": "HERE"}],
        orders=[near("x"), near("y", -2000)],
        expected={"A": ["x", "@", "y"]},
        drop="reload_depots",
    ),
    "time to load again": Case(
        vans=[{**OPEN, "capacity": 1, "reload_depots": "HERE"}, {**B, "capacity": 1, "cents_per_km": 200, "open_end": True}],
        depot={"reload_s": 14_400},
        orders=[near("x"), near("y", -2000)],
        expected={"A": ["y"], "B": ["x"]},
        drop="reload_s",
    ),
    "when a depot loads again": Case(
        vans=[{**OPEN, "capacity": 1, "reload_depots": "HERE"}],
        depot={"windows": [(400, 460)]},
        orders=[near("x"), near("y", -2000)],
        expected={"A": ["x"]},
        drop="windows",
    ),
    "overtime": Case(
        vans=[{"name": "A", "hours": 0.2, "overtime_s": 3600}], orders=[near("x", 4500)], expected={"A": ["x"]}, drop="overtime_s"
    ),
    "break": Case(
        vans=[{"name": "A", "breaks": [(0, 1, 3600)]}, B], orders=[near("x", 4500, window=(0, 45))], expected=ON_B, drop="breaks"
    ),
    "maximum tasks": Case(vans=[{"name": "A", "max_tasks": 0}, B], orders=[near("x")], expected=ON_B, drop="max_tasks"),
    "maximum distance": Case(
        vans=[{"name": "A", "max_distance_m": 9000}, B], orders=[near("x", 4500)], expected=ON_B, drop="max_distance_m"
    ),
    "hours of service": Case(
        vans=[{"name": "A", "hours_of": "eu_561/5/540/900"}, B], orders=[near("x", 4500, window=(0, 30))], expected=ON_B, drop="hours"
    ),
    "range": Case(vans=[{"name": "A", "range_m": 9000}, B], orders=[near("x", 4500)], expected=ON_B, drop="range_m"),
    "charging": Case(
        vans=[{"name": "A", "range_m": 6000, "full_range_m": 30_000}],
        fleet={"chargers": [{"name": "c", "lat_deg": 50.0, "lon_deg": 10.05, "charge_s": 600}]},
        orders=[near("x", 4500)],
        expected={"A": ["+c", "x"]},
        drop="range_m",
        without={"A": ["x"]},
    ),
    "no charger, no way": Case(
        vans=[{"name": "A", "range_m": 6000, "full_range_m": 30_000}],
        fleet={"chargers": [{"name": "c", "lat_deg": 50.0, "lon_deg": 10.05, "charge_s": 600}]},
        orders=[near("x", 4500)],
        expected={"A": ["+c", "x"]},
        drop="chargers",
        without={},
    ),
    "fixed price": Case(
        vans=[{"name": "A", "fixed_cents": 9000}, {**B, "cents_per_km": 45}], orders=[near("x")], expected=ON_B, drop="fixed_cents"
    ),
    "wage": Case(vans=[{"name": "A", "cents_per_hour": 9000}, B], orders=[near("x", 4500)], expected=ON_B, drop="cents_per_hour"),
    "price of a kilometre": Case(
        vans=[{"name": "A", "cents_per_km": 400}, B], orders=[near("x", 4500)], expected=ON_B, drop="cents_per_km"
    ),
    "fuel by load": Case(
        vans=[{"name": "A", "fuel_cents_per_km_per_1000": 500_000}, B],
        orders=[near("x", 4500)],
        expected=ON_B,
        drop="fuel_cents_per_km_per_1000",
    ),
    "idling": Case(
        vans=[{"name": "A", "idling_cents_per_hour": 9000}, B],
        orders=[near("x", service_s=3600)],
        expected=ON_B,
        drop="idling_cents_per_hour",
    ),
    "waiting": Case(
        vans=[{"name": "A", "waiting_cents_per_hour": 9000}, B],
        orders=[near("x", window=(60, 90))],
        expected=ON_B,
        drop="waiting_cents_per_hour",
    ),
    "waiting capped": Case(vans=[A], fleet={"max_wait_s": 600}, orders=[near("x", window=(90, 120))], expected={}, drop="max_wait_s"),
    "priority": Case(
        vans=[{"name": "A", "capacity": 1}], orders=[near("x"), near("y", 4500, priority=3)], expected={"A": ["y"]}, drop="priority"
    ),
    "price of leaving out": Case(
        vans=[{"name": "A", "capacity": 1}],
        orders=[near("x"), near("y", 4500, left_out_cents=500_000)],
        expected={"A": ["y"]},
        drop="left_out_cents",
    ),
    "re-attempt": Case(
        vans=[{"name": "A", "capacity": 1}],
        orders=[near("x", reattempt_cents=50_000), near("y", 4500)],
        expected={"A": ["y"]},
        drop="reattempt_cents",
    ),
    "territory that the driver does not know": Case(
        vans=[A, B], drivers={"A": {"strange": "north:3000"}}, orders=[near("x", territory="north")], expected=ON_B, drop="territory"
    ),
    "familiarity of the driver": Case(
        vans=[A, B], drivers={"A": {"strange": "north:3000"}}, orders=[near("x", territory="north")], expected=ON_B, drop="strange"
    ),
    "parking": Case(vans=[{"name": "A", "hours": 0.5}], orders=[near("x", parking_s=3600)], expected={}, drop="parking_s"),
    "floor": Case(vans=[{"name": "A", "hours": 0.5}], fleet={"floor_s": 900}, orders=[near("x", floor=4)], expected={}, drop="floor"),
    "service by floor": Case(
        vans=[{"name": "A", "hours": 0.5}], fleet={"floor_s": 900}, orders=[near("x", floor=4)], expected={}, drop="floor_s"
    ),
    "service at the door": Case(vans=[{"name": "A", "hours": 0.5}], orders=[near("x", service_s=7200)], expected={}, drop="service_s"),
    "service by size": Case(
        vans=[{"name": "A", "hours": 0.5}], fleet={"parcel_s": 600}, orders=[near("x", parcels=6)], expected={}, drop="parcel_s"
    ),
    "traffic": Case(
        vans=[{"name": "A", "profile": "car"}, B],
        fleet={"profiles": {"car": [{"start": "00:00", "factor": 5.0}]}},
        orders=[near("x", 4500)],
        expected=ON_B,
        drop="profile",
    ),
    "traffic by the hour": Case(
        vans=[{"name": "A", "profile": "car"}, B],
        fleet={"profiles": {"car": [{"start": -60, "factor": 1.0}, {"start": 20, "factor": 6.0}]}},
        orders=[near("x", 4500, window=(25, 240))],
        expected=ON_B,
        drop="profile profiles",
        without={"A": ["x"]},
    ),
    "window": Case(vans=[OPEN], orders=[near("x"), near("y", 4000, window=(0, 8))], expected={"A": ["y", "x"]}, drop="window"),
    "shift": Case(vans=[{"name": "A", "hours": 0.2}, B], orders=[near("x", 4500)], expected=ON_B, drop="shift"),
    "price of overtime": Case(
        vans=[{"name": "A", "hours": 0.1, "overtime_s": 3600, "overtime_cents_per_hour": 20_000}, B],
        orders=[near("x", 4500)],
        expected=ON_B,
        drop="overtime_cents_per_hour",
        without={"A": ["x"]},
    ),
    "parcels": Case(vans=[{"name": "A", "capacity": 1}, B], orders=[near("x", parcels=2)], expected=ON_B, drop="parcels"),
    "pickup": Case(
        vans=[{**OPEN, "capacity": 1}], orders=[near("p", kind="pickup"), near("d", 4000)], expected={"A": ["d", "p"]}, drop="kind"
    ),
    "hours of the driver": Case(
        vans=[A, B],
        drivers={"A": {"hours": "eu_561/5/540/900"}},
        orders=[near("x", 4500, window=(0, 30))],
        expected=ON_B,
        drop="hours",
        without={"A": ["x"]},
    ),
    "hours of service: none": Case(
        vans=[{"name": "A", "hours_of": "none/5/540/900"}, B],
        orders=[near("x", 4500, window=(0, 30))],
        expected={"A": ["x"]},
        drop="",
        without={"A": ["x"]},
    ),
    "hours of service in the United States": Case(
        vans=[{"name": "A", "hours_of": "us_395/5/540/900"}, B],
        orders=[near("x", 4500, window=(0, 30))],
        expected=ON_B,
        drop="hours",
        without={"A": ["x"]},
    ),
    "fair share": Case(
        vans=[A, A | {"name": "B"}],
        fleet={"fair_cents_per_hour": 60_000},
        orders=[
            near("u", -500, vehicles="A", window=(0, 20)),
            near("v", 500, 1000, vehicles="B", window=(0, 20)),
            near("y", -600, 3000, service_s=1800),
            near("x", 600, 3000, service_s=1800),
        ],
        expected={"A": ["u", "y"], "B": ["v", "x"]},
        drop="fair_cents_per_hour",
    ),
}

EACH = {**B, "capacity": 1, "open_end": True}
SLOW_LATER = {"profiles": {"car": [{"start": -60, "factor": 1.0}, {"start": 30, "factor": 6.0}]}}
TOGETHER: dict[str, tuple[Case, dict[str, Route | None]]] = {
    # what no compiled engine knows at once; with either of the two emptied, the best plan is another one
    "second load and break": (
        Case(
            vans=[{**OPEN, "capacity": 1, "reload_depots": "HERE", "breaks": [(0, 1, 3600)]}, EACH],
            orders=[near("x", window=(0, 45)), near("y", -1000), near("z", 0, 1500)],
            expected={"A": ["y", "@", "z"], "B": ["x"]},
            drop="",
        ),
        {"breaks": None, "reload_depots": None},
    ),
    "shipment and skill": (
        Case(
            vans=[OPEN, {**B, "open_end": True, "skills": "cold"}],
            orders=[near("to", 500, shipment="s", skills="cold"), near("from", 4000, kind="pickup", shipment="s", skills="cold")],
            expected={"B": ["from", "to"]},
            drop="",
        ),
        {"skills": {"A": ["from", "to"]}, "shipment": {"B": ["to", "from"]}},
    ),
    "traffic and break": (
        Case(
            vans=[{"name": "A", "profile": "car", "breaks": [(0, 1, 1800)]}, {**B, "fixed_cents": 8000}],
            fleet=SLOW_LATER,
            orders=[near("x", 4500, window=(0, 60))],
            expected=ON_B,
            drop="",
        ),
        {"breaks": {"A": ["x"]}, "profile": {"A": ["x"]}},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_constraint_from_a_file_alone_decides_the_plan(shop: Shop, make_shop: Any, name: str) -> None:
    case = CASES[name]
    found = planned(shop, case)
    assert found.routes == case.expected, found.plan.unassigned
    is_best(found)
    without = planned(make_shop(), case, case.drop)
    if case.without is not None:
        assert without.routes == case.without
    else:
        assert without.routes != case.expected


@pytest.mark.parametrize("name", TOGETHER)
def test_two_constraints_that_no_engine_knows_together_decide_the_plan(shop: Shop, make_shop: Any, name: str) -> None:
    """Each of the two matters: without either, another plan is the best."""
    case, drops = TOGETHER[name]
    found = planned(shop, case)
    assert found.routes == case.expected, found.plan.unassigned
    is_best(found)
    for drop, routes in drops.items():
        without = planned(make_shop(), case, drop)
        assert without.routes != case.expected, drop
        if routes is not None:
            assert without.routes == routes, drop
        is_best(without)


@pytest.mark.parametrize(("to", "expected"), [("A", {"A": ["x"]}), (None, {"A": ["x"]})], ids=["to another van", "to the depot"])
def test_goods_that_are_said_to_be_on_board_move_by_a_hand_over_alone(shop: Shop, to: str | None, expected: Route) -> None:
    """Invariant: goods on board move only by a recorded hand-over; then what the order said of them is over."""
    case = CASES["on board"]
    town = asked(shop, case)
    assert town.routes(searched(town.problem)) == ON_B
    ids = {name: van for van, name in town.vans.items()}
    (order,) = town.orders
    said = {"orders": [order], "to": ids[to] if to else None, "said": "met at the corner"}
    assert shop.post(f"/v1/vehicles/{ids['B']}/handover", json=said).status_code == 204
    with shop.db.transaction() as cur:
        world = load_world(cur, shop.get(f"/v1/orders/{order}").json()["depot"], shop.clock)
    assert world is not None
    work, starts = places(world)
    found = GreatCircle().matrix([*work, *starts], [*work, *starts])
    problem = build(world, found.durations_s, found.distances_m, may_move=True)
    assert [task.on_board for task in problem.tasks] == [ids[to] if to else None]
    assert town.routes(searched(problem)) == expected
