"""Whoever answers about ways says who gave their times: streets, or straight lines where there are none."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def asked(shop: Any) -> tuple[Any, str, str, str]:
    """A shop with a depot, a van and an order."""
    depot = shop.depot()
    return shop, depot, shop.van(depot), shop.order(depot=depot)["order"]


def test_every_answer_about_ways_says_that_there_are_no_roads_here(asked: tuple[Any, str, str, str]) -> None:
    shop, depot, vehicle, order = asked
    there = {"lat_deg": 50.01, "lon_deg": 10.0}
    answers = {
        "candidates": shop.get("/v1/candidates", params={"order": order}).json()[0],
        "preview": shop.post("/v1/moves:preview", json={"order": order, "vehicle": vehicle}).json(),
        "move": shop.post("/v1/moves", json={"order": order, "vehicle": vehicle}).json(),
        "whatif": shop.post("/v1/whatif", json={"depot": depot, "seconds": 0}).json(),
        "why": shop.get(f"/v1/orders/{order}/why").json(),
        "windows": shop.post("/v1/windows", json={"depot": depot, **there}).json(),
        "near": shop.get("/v1/nearest-vans", params=there).json(),
    }
    offer = answers["windows"]["items"][0]["offer"]
    answers["hold"] = shop.post(f"/v1/windows/{offer}/hold").json()
    assert {name: answer.get("basis", answer) for name, answer in answers.items()} == dict.fromkeys(answers, "great_circle")
