"""What a delivery costs: from files through the API, the difference that it makes and its share, as trying it without finds them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.hub.api.csv_town import A, Case, Shop, asked, best_cents, near
from tests.hub.planning.patience import with_patience

from roundsman_hub.planning.evaluate import judge
from roundsman_hub.planning.portable import problem_to_json
from roundsman_hub.planning.problem import Plan
from roundsman_hub.planning.walk import Ground

TOWNS: dict[str, tuple[Case, str]] = {
    # what makes the difference: (the town, the delivery that costs most more)
    "way": (Case(vans=[A], orders=[near("x", 500), near("y", 600), near("z", 4000)], expected={}, drop=""), "z"),
    "time at the door": (Case(vans=[A], orders=[near("x", service_s=3600), near("y", 600), near("z", 700)], expected={}, drop=""), "x"),
    "an attempt that is likely in vain": (
        Case(vans=[A], orders=[near("x", 500), near("y", 600, reattempt_cents=2500), near("z", 700)], expected={}, drop=""),
        "y",
    ),
    "a territory that its driver does not know": (
        Case(
            vans=[A],
            drivers={"A": {"strange": "north:3000"}},
            orders=[near("x", 500), near("y", 600, territory="north"), near("z", 700)],
            expected={},
            drop="",
        ),
        "y",
    ),
}
PARTS = {"an attempt that is likely in vain": ("re-attempts", 2500), "a territory that its driver does not know": ("territory", 3000)}
"""What is shown of it among the parts of the whole price."""


@pytest.mark.parametrize("name", TOWNS)
def test_each_delivery_is_told_what_it_costs(shop: Shop, name: str) -> None:
    case, dearest = TOWNS[name]
    town = asked(shop, case)
    ground, best = Ground(town.problem), best_cents(town.problem)

    def solved(seconds: float) -> tuple[dict[str, Any], tuple[str, ...], int]:
        answer = shop.post(f"/v1/solve?seconds={seconds}", content=problem_to_json(town.problem))
        assert answer.status_code == 200, answer.text
        route = tuple(answer.json()["plan"]["routes"][town.problem.vans[0].vehicle])
        return answer.json(), route, judge(ground, Plan(routes={town.problem.vans[0].vehicle: route}, unassigned={})).cost_cents

    found, route, whole = with_patience(solved, lambda one: one[2] == best, budgets_s=(0.3, 3.0, 12.0))
    assert whole == best
    costs = {town.orders[task]: one for task, one in found["costs"].items()}
    assert costs.keys() == {"x", "y", "z"}
    for task, one in found["costs"].items():
        rest = tuple(step for step in route if step != task)
        left = next(other.left_out_cents for other in town.problem.tasks if other.task == task)
        without = judge(ground, Plan(routes={town.problem.vans[0].vehicle: rest}, unassigned={task: "tried"})).cost_cents - left
        assert abs(one["marginal_cents"] - (whole - without)) <= 1, town.orders[task]
        assert abs(one["average_cents"] - whole / 3) <= 1
    assert max(costs, key=lambda one: costs[one]["marginal_cents"]) == dearest
    shown = {part: cents for part, cents in found["verdict"]["parts_cents"].items() if part in ("re-attempts", "territory") and cents}
    assert shown == (dict([PARTS[name]]) if name in PARTS else {})
