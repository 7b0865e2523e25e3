"""The door for arrival times: by order, stop or van, with what was said before, which stays when the van has come."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from roundsman_hub.store import eta_store

Shop = Any  # the fixture of conftest.py


@pytest.fixture
def told(shop: Shop) -> tuple[Shop, str, list[str]]:
    """A van with two stops, of each of which two times were told."""
    depot = shop.depot()
    vehicle = shop.van(depot)
    orders = [shop.order(depot=depot)["order"] for _ in range(2)]
    with shop.db.transaction() as cur:
        for position, order in enumerate(orders, start=1):
            for minute in range(2):
                at = shop.clock.now() - timedelta(minutes=9 - minute)
                eta = at + timedelta(minutes=20 * position)
                eta_store.say(
                    cur, shop.fleet, vehicle, at, [(order, eta, eta - timedelta(minutes=3), eta + timedelta(minutes=4), f"osrm, {minute}")]
                )
            cur.execute(
                "INSERT INTO etas (order_id, fleet_id, vehicle_id, plan_version, position, eta, low, high, computed_at, basis)"
                " VALUES (%s, %s, %s, 1, %s, %s, %s, %s, %s, 'great_circle')",
                (order, shop.fleet, vehicle, position, eta, eta - timedelta(minutes=3), eta + timedelta(minutes=4), at),
            )
    return shop, vehicle, orders


def asked(shop: Shop, **query: str) -> Any:
    answer = shop.get("/v1/etas", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_interval_basis_age_and_history_by_order_stop_and_van(told: tuple[Shop, str, list[str]]) -> None:
    shop, vehicle, orders = told
    (by_order,) = asked(shop, order=orders[0])["items"]
    (by_stop,) = asked(shop, stop=orders[0])["items"]
    by_van = asked(shop, vehicle=vehicle)["items"]
    assert [one["order"] for one in by_van] == orders
    for one in (by_order, by_stop, *by_van):
        assert one["low"] < one["eta"] < one["high"]
        assert (one["basis"], one["coverage"]) == ("great_circle", 0.8)
        assert one["age_s"] >= 480
        assert len(one["history"]) == 2
        assert one["history"][0]["said_at"] < one["history"][1]["said_at"]
        assert [word["basis"] for word in one["history"]] == ["osrm, 0", "osrm, 1"]
    assert by_order["history"] == by_stop["history"] == by_van[0]["history"] != by_van[1]["history"]


def test_what_was_said_stays_when_the_van_has_come(told: tuple[Shop, str, list[str]]) -> None:
    shop, _, orders = told
    before = asked(shop, order=orders[0])
    with shop.db.transaction() as cur:
        cur.execute("DELETE FROM etas WHERE order_id = %s", (orders[0],))
    after = asked(shop, order=orders[0])
    assert after["items"] == []
    assert after["history"] == before["history"] == before["items"][0]["history"]
