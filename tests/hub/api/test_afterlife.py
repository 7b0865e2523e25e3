"""What becomes of an order when nobody was at home, over HTTP and as the planner sees it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from psycopg.types.json import Jsonb

from roundsman_core.geo import LatLon
from roundsman_hub.planning.problem import Problem
from roundsman_hub.replan.build import build, places
from roundsman_hub.replan.load import load_world
from roundsman_hub.replan.matrix import MatrixCache
from roundsman_hub.replan.world import VanFacts
from roundsman_hub.roads import GreatCircle
from roundsman_wire.messages import BasedOn, Plan


def sets_out(shop: Any, vehicle: str, order: str) -> None:
    """A plan of this stop is in force; the planner reads the plan itself, not only its tasks."""
    shop.in_force(vehicle, [order])
    plan = Plan(plan="p", vehicle=vehicle, version=1, issued_utc_ms=0, based_on=BasedOn(session=None, facts_seq=0), stops=())
    with shop.db.transaction() as cur:
        cur.execute("UPDATE plans SET plan = %s WHERE vehicle_id = %s", (Jsonb(msgspec.to_builtins(plan)), vehicle))


@pytest.fixture
def failed(shop: Any) -> tuple[str, str, str]:
    """A depot, its van, and an order of three parcels whose stop failed."""
    depot = shop.depot()
    vehicle = shop.van(depot)
    order = str(shop.order(reference="A-1", parcels=3)["order"])
    sets_out(shop, vehicle, order)
    with shop.db.transaction() as cur:  # the driver set out with it
        cur.execute("INSERT INTO log.sessions (vehicle_id, session, ordinal) VALUES (%s, %s, 1)", (vehicle, vehicle[-12:] + "0000"))
        cur.execute(
            "INSERT INTO duties (session_no, seq, vehicle_id, fleet_id, duty, at)"
            " SELECT session_no, 1, vehicle_id, %s, 'on', %s FROM log.sessions WHERE vehicle_id = %s",
            (shop.fleet, shop.clock.now(), vehicle),
        )
    shop.resolve(vehicle, order, "failed", ago_s=5, reason="nobody home")
    return depot, vehicle, order


def van_of(shop: Any, depot: str, vehicle: str) -> VanFacts:
    with shop.db.transaction() as cur:
        world = load_world(cur, depot, shop.clock)
    assert world is not None
    return world.vans[vehicle]


def problem_of(shop: Any, depot: str) -> Problem:
    with shop.db.transaction() as cur:
        world = load_world(cur, depot, shop.clock)
    assert world is not None
    return build(world, *MatrixCache(GreatCircle()).tables(*places(world)), may_move=True)


def life(shop: Any, order: str) -> dict[str, Any]:
    answer = shop.get(f"/v1/orders/{order}/life")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def choose(shop: Any, order: str, choice: str, **fields: Any) -> dict[str, Any]:
    answer = shop.post(f"/v1/orders/{order}/choice", json={"choice": choice, **fields})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_parcels_stay_on_board_until_somebody_takes_them_out(shop: Any, failed: tuple[str, str, str]) -> None:
    """They count against the van's capacity, a night and a shift later too, and no longer once they were unloaded."""
    depot, vehicle, order = failed
    found = life(shop, order)
    assert (found["state"], found["on_board_of"], found["failures"]) == ("failed", vehicle, 1)
    assert found["choices"] == ["today", "tomorrow", "neighbour", "locker", "depot", "sender"]
    assert van_of(shop, depot, vehicle).carried == 3
    later = {"shift_start": shop.at(hours=23), "shift_end": shop.at(hours=31)}
    shop.patch(f"/v1/vehicles/{vehicle}", json=later)
    assert van_of(shop, depot, vehicle).carried == 3
    assert choose(shop, order, "depot")["state"] == "to_depot"
    assert van_of(shop, depot, vehicle).carried == 3
    assert shop.get(f"/v1/vehicles/{vehicle}/came-back").json() == {"vehicle": vehicle, "orders": [order], "parcels": 3}
    assert shop.post(f"/v1/vehicles/{vehicle}/unloaded").json()["orders"] == [order]
    assert (life(shop, order)["state"], life(shop, order)["on_board_of"]) == ("at_depot", None)
    assert van_of(shop, depot, vehicle).carried == 0
    assert shop.get(f"/v1/vehicles/{vehicle}/came-back").json() == {"vehicle": vehicle, "orders": [], "parcels": 0}
    assert shop.get("/v1/vehicles/v_none/came-back").status_code == 404


def test_the_same_van_tries_again_today_with_the_goods_that_it_has(shop: Any, failed: tuple[str, str, str]) -> None:
    """Invariant: work done is a fact. The next attempt is a stop of its own; the customer's link goes on with it; nothing counts twice."""
    depot, vehicle, order = failed
    link = shop.get(f"/v1/orders/{order}").json()["track_url"]
    found = choose(shop, order, "today", note="Try the bakery's bell")
    again = found["attempt"]
    assert again != order
    assert found["state"] == "again"
    assert shop.get(f"/v1/orders/{again}").json()["track_url"] == link
    assert van_of(shop, depot, vehicle).carried == 0  # the attempt's own load counts
    (task,) = problem_of(shop, depot).tasks
    assert (task.task, task.on_board, task.load) == (again, vehicle, (3,))
    story = shop.get(f"/v1/orders/{order}/story").json()["items"]
    assert "order.today" in [line["kind"] for line in story]
    shop.resolve(vehicle, again, "delivered")
    assert life(shop, order)["state"] == "delivered"
    assert van_of(shop, depot, vehicle).carried == 0


def test_a_mind_changed_puts_the_goods_back_among_what_comes_home(shop: Any, failed: tuple[str, str, str]) -> None:
    depot, vehicle, order = failed
    again = choose(shop, order, "today")["attempt"]
    found = choose(shop, order, "sender")
    assert (found["state"], found["on_board_of"]) == ("to_sender", vehicle)
    assert shop.get(f"/v1/orders/{again}").json()["state"] == "cancelled"
    assert not problem_of(shop, depot).tasks
    assert van_of(shop, depot, vehicle).carried == 3
    shop.post(f"/v1/orders/{order}/unloaded")
    assert van_of(shop, depot, vehicle).carried == 0
    assert shop.post(f"/v1/orders/{order}/handed-back").json()["state"] == "returned"


def test_tomorrow_it_goes_out_from_the_depot(shop: Any, failed: tuple[str, str, str]) -> None:
    depot, vehicle, order = failed
    refused = shop.post(f"/v1/orders/{order}/choice", json={"choice": "tomorrow"})
    assert refused.status_code == 409
    assert "window" in refused.json()["detail"]
    found = choose(shop, order, "tomorrow", window_start=shop.at(hours=24), window_end=shop.at(hours=27))
    assert found["state"] == "for_tomorrow"
    assert van_of(shop, depot, vehicle).carried == 3
    (task,) = problem_of(shop, depot).tasks
    assert task.on_board is None
    shop.post(f"/v1/orders/{order}/unloaded")
    assert life(shop, order)["state"] == "tomorrow"


def test_a_neighbour_takes_it(shop: Any, failed: tuple[str, str, str]) -> None:
    _depot, vehicle, order = failed
    door = LatLon(50.011, 10.0)
    found = choose(
        shop, order, "neighbour", place={"lat_deg": door.lat_deg, "lon_deg": door.lon_deg, "address": "Mill Street 6", "name": "Lou"}
    )
    stop = shop.get(f"/v1/orders/{found['attempt']}").json()
    assert (stop["address"], stop["lat_deg"], stop["name"]) == ("Mill Street 6", 50.011, "Lou (Kit)")
    shop.resolve(vehicle, found["attempt"], "delivered")
    assert life(shop, order)["state"] == "with_neighbour"


def test_what_was_cancelled_on_the_road_comes_home_and_takes_room(shop: Any) -> None:
    depot = shop.depot()
    vehicle = shop.van(depot)
    order = shop.order(parcels=2)["order"]
    sets_out(shop, vehicle, order)
    assert life(shop, order)["state"] == "loaded"
    shop.post(f"/v1/orders/{order}/cancel")
    assert life(shop, order)["state"] == "to_depot"
    assert van_of(shop, depot, vehicle).carried == 2
    shop.post(f"/v1/vehicles/{vehicle}/unloaded")
    assert van_of(shop, depot, vehicle).carried == 0


def test_a_choice_that_is_not_open_says_what_is(shop: Any, failed: tuple[str, str, str]) -> None:
    _, vehicle, order = failed
    shop.patch("/v1/fleets/me", json={"planning": {"most_attempts": 1}})
    refused = shop.post(f"/v1/orders/{order}/choice", json={"choice": "today"})
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:roundsman:problem:not-now")
    assert "at most 1 times; open now: neighbour" in refused.json()["detail"]
    assert "/life" in refused.json()["next_step"]
    assert shop.get("/v1/orders/o_none/life").status_code == 404
    assert shop.post(f"/v1/orders/{order}/handed-back").status_code == 409
    assert shop.post(f"/v1/vehicles/{vehicle}/unloaded").json()["orders"] == [order]
