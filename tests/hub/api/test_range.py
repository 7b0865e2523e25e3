"""How far an electric vehicle can still drive, told over HTTP by whatever knows its battery."""

from __future__ import annotations

from datetime import datetime
from typing import Any

Shop = Any


def test_a_battery_is_told_and_asked_for(shop: Shop) -> None:
    depot = shop.depot()
    van = shop.van(depot)
    assert shop.get(f"/v1/vehicles/{van}/range").json() == {"vehicle": van, "left_m": None, "range_m": None, "as_of": None}
    before = shop.revision(depot)
    told = shop.put(f"/v1/vehicles/{van}/range", json={"range_m": 90_000, "at": shop.at(minutes=-1)})
    assert told.status_code == 200, told.text
    assert (told.json()["left_m"], told.json()["range_m"]) == (90_000, 90_000)
    assert shop.revision(depot) == before + 1, "that it has a range at all is a reason to plan"
    assert shop.put(f"/v1/vehicles/{van}/range", json={"range_m": 88_500}).json()["left_m"] == 88_500
    assert shop.revision(depot) == before + 1, "a little less than was counted is none"
    assert shop.put(f"/v1/vehicles/{van}/range", json={"range_m": 70_000}).json()["left_m"] == 70_000
    assert shop.revision(depot) == before + 2
    terms = shop.get(f"/v1/vehicles/{van}").json()["terms"]
    assert (terms["range_m"], terms["full_range_m"]) == (70_000, 90_000), "the first that was told stays its full range"


def test_old_and_impossible_news_of_a_battery_change_nothing(shop: Shop) -> None:
    van = shop.van(shop.depot())
    shop.put(f"/v1/vehicles/{van}/range", json={"range_m": 50_000})
    assert shop.put(f"/v1/vehicles/{van}/range", json={"range_m": 80_000, "at": shop.at(minutes=-30)}).json()["left_m"] == 50_000
    ahead = shop.put(f"/v1/vehicles/{van}/range", json={"range_m": 40_000, "at": shop.at(days=3)}).json()
    assert datetime.fromisoformat(ahead["as_of"]) <= datetime.fromisoformat(shop.at()), "what is still to come counts as now"
    assert shop.put(f"/v1/vehicles/{van}/range", json={"range_m": -1}).status_code == 422
    assert shop.put("/v1/vehicles/v_nobody/range", json={"range_m": 1}).status_code == 404
    assert shop.clients["viewer"].put(f"/v1/vehicles/{van}/range", json={"range_m": 1}).status_code == 403
