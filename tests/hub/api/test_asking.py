"""What if, and why: asked of the live depot, whose own plan nobody touches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from roundsman_hub.__main__ import main
from roundsman_hub.pki import open_pki
from roundsman_hub.replan.planner import Planner
from roundsman_hub.roads import GreatCircle

Shop = Any


@pytest.fixture
def full_day(shop: Shop) -> tuple[Shop, str, list[str]]:
    """One van for one parcel, and two orders; the hub has planned the day."""
    depot = shop.depot()
    shift = {"shift_start": shop.at(hours=-1), "shift_end": shop.at(hours=8)}
    shop.post("/v1/vehicles", json={"name": "Van", "depot": depot, "capacity": 1, **shift})
    orders = [shop.order(kind="pickup", lat_deg=50.0, lon_deg=10.01 * (1 + at / 1000), address="", name=f"O{at}")["order"] for at in (0, 1)]
    planner = Planner(shop.db, GreatCircle(), open_pki(shop.blobs_dir.parent / "pki").signer(), shop.clock, lambda: None)
    search = planner.plan(depot)
    assert search is not None
    planner.adopt(search, search.warm)
    return shop, depot, orders


def plans(shop: Shop) -> int:
    with shop.db.transaction() as cur:
        found = cur.execute("SELECT count(*) AS n FROM plans WHERE fleet_id = %s", (shop.fleet,)).fetchone()
    assert found is not None
    return int(found["n"])


def test_one_more_van_is_tried_out_and_nobody_is_told(full_day: tuple[Shop, str, list[str]]) -> None:
    shop, depot, _ = full_day
    before = plans(shop)
    found = shop.post("/v1/whatif", json={"depot": depot, "more_vans": 1, "seconds": 0}).json()
    assert (len(found["as_it_is"]["unassigned"]), found["if_so"]["unassigned"]) == (1, {})
    assert (found["as_it_is"]["vehicles"], found["if_so"]["vehicles"]) == (1, 2)
    assert [said[0]["code"] for said in found["as_it_is"]["unassigned_said"].values()] == ["unserved.full"]
    assert found["saves_cents"] == found["as_it_is"]["cost_cents"] - found["if_so"]["cost_cents"] > 0
    assert plans(shop) == before


def test_other_windows_and_another_place_for_the_depot(full_day: tuple[Shop, str, list[str]]) -> None:
    shop, depot, orders = full_day
    gone = [{"order": order, "window_start": shop.at(hours=-3), "window_end": shop.at(hours=-2)} for order in orders]
    found = shop.post("/v1/whatif", json={"depot": depot, "windows": gone, "seconds": 0}).json()
    assert found["if_so"]["late_s"] > 3600  # what is planned already stays planned, late
    assert "no van can be there" in next(iter(found["if_so"]["unassigned"].values()))
    nearer = shop.post("/v1/whatif", json={"depot": depot, "depot_at": {"lat_deg": 50.0, "lon_deg": 10.01}, "seconds": 0}).json()
    assert nearer["if_so"]["distance_m"] < nearer["as_it_is"]["distance_m"]
    refused = shop.post("/v1/whatif", json={"depot": depot, "windows": [{**gone[0], "order": "o_nobody"}]})
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:roundsman:problem:unknown-order")


def test_an_order_without_a_van_is_told_what_would_have_to_give_way(full_day: tuple[Shop, str, list[str]]) -> None:
    shop, _, orders = full_day
    states = {order: shop.get(f"/v1/orders/{order}").json()["state"] for order in orders}
    (left_out,) = [order for order, state in states.items() if state == "unassigned"]
    told = shop.get(f"/v1/orders/{left_out}/why").json()
    assert told["state"] == "unassigned"
    assert "full" in told["reason"]
    ways = {tuple(one["constraints"]): one["price_cents"] for one in told["relaxations"]}
    assert {("capacity",), ("number of vans",)} <= set(ways)
    assert 0 <= ways[("capacity",)] < ways[("number of vans",)]
    assert told["delay"] is None
    assert told["cost"] is None
    anew = shop.get(f"/v1/orders/{left_out}/why?resolve_s=2").json()["relaxations"]
    assert any(one["searched"] for one in anew)
    assert not any(one["searched"] for one in told["relaxations"])
    assert shop.get(f"/v1/orders/{left_out}/why?resolve_s=999").status_code == 422


def test_a_delay_is_split_exactly(full_day: tuple[Shop, str, list[str]]) -> None:
    shop, _, orders = full_day
    (planned,) = [order for order in orders if shop.get(f"/v1/orders/{order}").json()["state"] == "planned"]
    delay = shop.get(f"/v1/orders/{planned}/why").json()["delay"]
    parts = ("late_departure_s", "travel_s", "dwell_s", "waiting_s", "replanning_s")
    assert delay["later_s"] == sum(delay[part] for part in parts)


def test_a_delivery_is_told_with_its_cost(full_day: tuple[Shop, str, list[str]]) -> None:
    """Alone on its round, it costs the whole round: by either count."""
    shop, depot, orders = full_day
    (planned,) = [order for order in orders if shop.get(f"/v1/orders/{order}").json()["state"] == "planned"]
    why = shop.get(f"/v1/orders/{planned}/why").json()
    assert [one["code"] for one in why["said"]] == ["placed.in_time"], "the page has the words in each language"
    cost = why["cost"]
    day = shop.post("/v1/whatif", json={"depot": depot, "seconds": 0}).json()["as_it_is"]
    round_cents = day["cost_cents"] - day["parts_cents"]["left out"]
    assert abs(cost["average_cents"] - round_cents) <= 1
    assert abs(cost["marginal_cents"] - round_cents) <= 1


def test_other_fleets_ask_in_vain(full_day: tuple[Shop, str, list[str]], make_shop: Any) -> None:
    _, depot, orders = full_day
    stranger = make_shop()
    assert stranger.get(f"/v1/orders/{orders[0]}/why").status_code == 404
    assert stranger.post("/v1/whatif", json={"depot": depot}).status_code == 404


def test_a_day_saved_from_the_hub_is_sent_by_mail_and_solved_elsewhere(
    full_day: tuple[Shop, str, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file is all that is needed: the command line and another hub plan what the fleet's own planner planned. Nobody is named in it."""
    shop, depot, orders = full_day
    saved = shop.get(f"/v1/depots/{depot}/problem")
    assert saved.status_code == 200, saved.text
    assert f'filename="problem-{depot}-2026' in saved.headers["content-disposition"]
    held = saved.json()["current"]
    assert sum(map(len, held.values())) == 1
    for word in ("O0", "O1", "50.0", "10.01", "Mill Street", "Van", "Quay"):
        assert f'"{word}' not in saved.text, word
    file = tmp_path / "problem.json"
    file.write_bytes(saved.content)
    assert main(["solve", str(file), "--seconds", "0", "--json", "--costs"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["routes"] == {van: route for van, route in held.items() if route}
    assert said["unassigned"].keys() == set(orders) - {order for route in held.values() for order in route}
    assert said["costs"].keys() == {order for route in held.values() for order in route}
    elsewhere = shop.post("/v1/solve?seconds=0", content=saved.content).json()
    assert (elsewhere["problems"], elsewhere["verdict"]["cost_cents"]) == ([], said["cost_cents"])
    assert shop.clients["shop"].get(f"/v1/depots/{depot}/problem").status_code == 403
