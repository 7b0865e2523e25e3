"""Prices that decide what becomes of a plan in hand: each from files through the API to the optimum that it alone decides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.hub.api.csv_town import OPEN, Asked, Case, Route, Shop, asked, best_cents, near, searched

from roundsman_hub.planning.evaluate import judge
from roundsman_hub.planning.problem import Problem
from roundsman_hub.planning.walk import Ground


def best_route(case: Asked, problem: Problem) -> Route:
    """What the planner makes of it, which no other plan undercuts."""
    plan = searched(problem, late=True)
    verdict = judge(Ground(problem), plan)
    assert not verdict.violations
    assert verdict.cost_cents == best_cents(problem, late=True)
    return case.routes(plan)


def held_up(problem: Problem) -> Problem:
    """Its vans can leave half an hour later than they could."""
    return replace(problem, vans=tuple(replace(van, start_s=van.start_s + 1800) for van in problem.vans))


def test_the_price_of_lateness_decides_who_is_served_first(shop: Shop, make_shop: Any) -> None:
    """Both are late already: at a price the far one, whose time ran out first with more to lose, comes before the near one's detour."""
    routes = {}
    for price, one in ((0, shop), (2_000, make_shop())):
        case = Case(
            vans=[OPEN],
            fleet={"lateness_cents_per_min": price, "churn_cents": 0},
            orders=[near("x", window=(0, 240), service_s=1800), near("y", 4000, window=(0, 20))],
            expected={},
            drop="",
        )
        found = asked(one, case)
        routes[price] = best_route(found, held_up(found.in_hand({"A": ["x", "y"]})))
    assert routes == {0: {"A": ["x", "y"]}, 2_000: {"A": ["y", "x"]}}


def test_the_price_of_churn_keeps_what_drivers_have_in_mind(shop: Shop, make_shop: Any) -> None:
    """The other order is a little shorter: without the price the plan changes, with it the driver's next stops stay."""
    routes = {}
    for price, one in ((0, shop), (5_000, make_shop())):
        case = Case(
            vans=[OPEN],
            fleet={"churn_cents": price},
            orders=[near("x", 1000), near("y", 1500)],
            expected={},
            drop="",
        )
        found = asked(one, case)
        routes[price] = best_route(found, found.in_hand({"A": ["y", "x"]}))
    assert routes == {0: {"A": ["x", "y"]}, 5_000: {"A": ["y", "x"]}}
