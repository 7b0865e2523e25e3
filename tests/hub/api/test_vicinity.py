"""Who is near: from files through the API to the van whose round bears an order best, which is what trying every plan finds, too."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.hub.api.csv_town import OPEN, Case, Shop, asked, every_route, near

from roundsman_hub.planning.evaluate import judge
from roundsman_hub.planning.portable import problem_to_json
from roundsman_hub.planning.problem import Plan
from roundsman_hub.planning.walk import Ground

NEAR: dict[str, tuple[Case, dict[str, list[str]], str]] = {
    # what decides: (the town, what is in hand, the van that is the best)
    "the way it goes anyway": (
        Case(
            vans=[OPEN, {"name": "B", "open_end": True}], orders=[near("x", 2000), near("a", 4000), near("b", -500)], expected={}, drop=""
        ),
        {"A": ["a"], "B": ["b"]},
        "A",
    ),
    "a promise on that way": (
        Case(
            vans=[OPEN, {"name": "B", "open_end": True}],
            orders=[near("x", 2000, 1500, service_s=600), near("a", 4000, window=(0, 9)), near("b", -500)],
            expected={},
            drop="",
        ),
        {"A": ["a"], "B": ["b"]},
        "A",
    ),
    "a territory with a price": (
        Case(
            vans=[OPEN, {"name": "B", "open_end": True}],
            drivers={"A": {"strange": "old:5000"}},
            orders=[near("x", 2000, territory="old"), near("a", 4000), near("b", -500)],
            expected={},
            drop="",
        ),
        {"A": ["a"], "B": ["b"]},
        "B",
    ),
}


@pytest.mark.parametrize("name", NEAR)
def test_the_best_candidate_is_what_trying_every_place_finds(shop: Shop, name: str) -> None:
    case, in_hand, best = NEAR[name]
    town = asked(shop, case)
    held = town.in_hand(in_hand)
    (task,) = [one for one, reference in town.orders.items() if reference == "x"]
    answer = shop.post(f"/v1/solve/candidates?task={task}", content=problem_to_json(held))
    assert answer.status_code == 200, answer.text
    found = answer.json()["candidates"]
    assert town.vans[found[0]["vehicle"]] == best, json.dumps(found)
    routes: dict[str, Any] = {van: held.current.get(van, ()) for van in town.vans}
    ground = Ground(replace(held, churn_cents=held.churn_cents))
    costs = {}
    for van, route in routes.items():
        with_it = (one for one in every_route(held, van, [*route, task]) if [step for step in one if step != task] == list(route))
        plans = (Plan(routes={**routes, van: one}, unassigned={}) for one in with_it)
        verdicts = [judge(ground, plan) for plan in plans]
        fine = [verdict.cost_cents for verdict in verdicts if not verdict.violations and not verdict.lateness_s]
        if fine:
            costs[town.vans[van]] = min(fine)
    assert min(costs, key=lambda van: costs[van]) == best, costs
