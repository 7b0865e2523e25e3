"""Windows at a shop's checkout and for an order: offered, held, accepted, gone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import httpx

HERE = {"lat_deg": 50.004, "lon_deg": 10.003}


def wanted(shop: Any, **fields: Any) -> list[dict[str, Any]]:
    answer = shop.post("/v1/windows", json={**HERE, **fields})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def test_checkout_offers_holds_and_accepts(shop: Any) -> None:
    depot = shop.depot()
    shop.van(depot)
    offers = wanted(shop)
    assert len(offers) >= 5
    assert offers[0]["added_cents"] == min(offer["added_cents"] for offer in offers)
    held = shop.post(f"/v1/windows/{offers[0]['offer']}/hold").json()
    assert held["state"] == "held"
    assert timedelta(minutes=9) < datetime.fromisoformat(held["held_until"]) - shop.clock.now() <= timedelta(minutes=10)
    body = {"order": {"name": "Kit", "reference": "W-1"}}
    made = shop.post(f"/v1/windows/{offers[0]['offer']}/accept", json=body)
    assert made.status_code == 200, made.text
    order = made.json()
    assert (order["window_start"], order["window_end"]) == (offers[0]["window_start"], offers[0]["window_end"])
    assert order["promise_end"] == offers[0]["window_end"]
    again = shop.post(f"/v1/windows/{offers[0]['offer']}/accept", json=body)
    assert again.json()["order"] == order["order"], "accepting twice is accepting once"


def test_two_customers_one_slot(shop: Any) -> None:
    """A van with room for one parcel more: of two who hold at the same moment one gets it, the other a clear no."""
    depot = shop.depot()
    van = shop.post(
        "/v1/vehicles",
        json={"name": "Small", "depot": depot, "capacity": 1, "shift_start": shop.at(hours=-1), "shift_end": shop.at(hours=6)},
    )
    assert van.status_code == 201
    first, second = wanted(shop)[0], wanted(shop)[0]
    assert first["window_start"] == second["window_start"]

    def hold(offer: dict[str, Any]) -> httpx.Response:
        answer: httpx.Response = shop.post(f"/v1/windows/{offer['offer']}/hold")
        return answer

    with ThreadPoolExecutor(2) as both:
        answers = list(both.map(hold, (first, second)))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    refused = next(answer for answer in answers if answer.status_code == 409).json()
    assert refused["type"] == "urn:roundsman:problem:window-gone"
    today = {offer["day"] for offer in refused["offers"]}
    assert None not in today, "the only place in the only van is held"
    assert today, "a clear no, and days on which it can come"
    assert wanted(shop) == []
    winner = next(answer for answer in answers if answer.status_code == 200).json()
    assert shop.delete(f"/v1/windows/{winner['offer']}").status_code == 204
    assert wanted(shop), "what is released is free again"


def test_a_hold_ends_by_the_hubs_clock(shop: Any) -> None:
    depot = shop.depot()
    shop.van(depot)
    offer = wanted(shop)[0]
    shop.post(f"/v1/windows/{offer['offer']}/hold")
    with shop.db.transaction() as cur:  # ten minutes go by
        cur.execute(
            "UPDATE offers SET held_until = %s, good_until = %s WHERE offer_id = %s",
            (shop.clock.now() - timedelta(seconds=1), shop.clock.now() - timedelta(seconds=1), offer["offer"]),
        )
    gone = shop.post(f"/v1/windows/{offer['offer']}/accept", json={"order": {"name": "Kit"}})
    assert gone.status_code == 409
    assert gone.json()["type"] == "urn:roundsman:problem:offer-expired"
    assert gone.json()["offers"], "a clear no, and what can be had instead"


def test_order_chooses_another_window_and_is_planned_anew(shop: Any) -> None:
    depot = shop.depot()
    shop.van(depot)
    order = shop.order(**HERE)
    before = shop.revision(depot)
    later = wanted(shop, order=order["order"], **{"from": shop.at(hours=4)})[0]
    chosen = shop.post(f"/v1/windows/{later['offer']}/accept", json={})
    assert chosen.status_code == 200, chosen.text
    assert chosen.json()["promise_start"] == later["window_start"]
    assert shop.revision(depot) == before + 1
    assert shop.get(f"/v1/orders/{order['order']}").json()["window_end"] == later["window_end"]


def test_another_fleets_offer_is_unknown(shop: Any, make_shop: Any) -> None:
    shop.van(shop.depot())
    offer = wanted(shop)[0]["offer"]
    other = make_shop()
    assert other.post(f"/v1/windows/{offer}/hold").status_code == 404
    assert shop.clients["viewer"].post("/v1/windows", json=HERE).status_code == 403


def test_no_van_is_a_reason_and_no_error(shop: Any) -> None:
    shop.depot()
    answer = shop.post("/v1/windows", json=HERE).json()
    assert answer["items"] == []
    assert "no van" in answer["reason"]


def full(shop: Any) -> tuple[str, str]:
    """A van with room for one parcel, taken; and a second order that has none."""
    depot = shop.depot()
    shop.post(
        "/v1/vehicles",
        json={"name": "Small", "depot": depot, "capacity": 1, "shift_start": shop.at(hours=-1), "shift_end": shop.at(hours=6)},
    )
    return shop.order(**HERE)["order"], shop.order(**HERE)["order"]


def test_a_full_day_is_a_clear_no_with_the_days_that_have_room(shop: Any) -> None:
    full(shop)
    answer = shop.post("/v1/windows", json=HERE).json()
    assert answer["items"] == []
    assert answer["said"][0]["code"] == "no.window_today"
    days = [offer["day"] for offer in answer["later"]]
    assert days == sorted(days)
    assert len(set(days)) == 3
    assert all(offer["arrival"] is None for offer in answer["later"]), "nobody is planned for them yet: the window is the day"
    first = answer["later"][0]
    assert shop.post(f"/v1/windows/{first['offer']}/hold").json()["state"] == "held"
    made = shop.post(f"/v1/windows/{first['offer']}/accept", json={"order": {"name": "Kit"}})
    assert made.status_code == 200, made.text
    assert (made.json()["promise_start"], made.json()["promise_end"]) == (first["window_start"], first["window_end"])
    again = shop.post("/v1/windows", json=HERE).json()["later"]
    assert first["day"] not in {offer["day"] for offer in again}, "one parcel fits a day, and that day has it now"


def test_two_customers_one_place_on_another_day(shop: Any) -> None:
    """What one holds for tomorrow counts as booked; the other gets a clear no with the days after."""
    full(shop)
    first, second = (shop.post("/v1/windows", json=HERE).json()["later"][0] for _ in range(2))
    assert first["day"] == second["day"]
    assert shop.post(f"/v1/windows/{first['offer']}/hold").status_code == 200
    refused = shop.post(f"/v1/windows/{second['offer']}/hold")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:roundsman:problem:window-gone")
    assert refused.json()["offers"]
    assert first["day"] not in {offer["day"] for offer in refused.json()["offers"]}


def test_an_order_without_room_today_takes_another_day(shop: Any) -> None:
    _, late = full(shop)
    answer = shop.post("/v1/windows", json={"order": late}).json()
    assert answer["items"] == []
    chosen = answer["later"][-1]
    accept = f"/v1/windows/{chosen['offer']}/accept"
    moved = shop.post(accept, json={})
    assert moved.status_code == 200, moved.text
    assert (moved.json()["order"], moved.json()["window_start"]) == (late, chosen["window_start"])
    assert shop.post(accept, json={}).json()["order"] == late, "accepting twice is accepting once"


def test_the_office_agrees_on_another_day_in_the_talk(shop: Any) -> None:
    _, late = full(shop)
    chosen = shop.post("/v1/windows", json={"order": late}).json()["later"][0]
    agreed = shop.post(f"/v1/orders/{late}/chat:agree", json={"offer": chosen["offer"]})
    assert agreed.status_code == 200, agreed.text
    assert agreed.json()["window_start"] == chosen["window_start"]


def test_a_day_with_a_roster_offers_windows_of_its_plan(shop: Any) -> None:
    """Tomorrow's van drives by its roster: its windows have a time, and the shift's ends."""
    full(shop)
    day = (shop.clock.now() + timedelta(days=1)).date()
    van = shop.get("/v1/vehicles").json()["items"][0]["vehicle"]
    shift = {"vehicle": van, "start": "10:00", "end": "18:00"}  # in the fleet's time: 08:00 to 16:00 UTC
    rostered = shop.put(f"/v1/roster/{day}", json={"items": [shift]})
    assert rostered.status_code == 200, rostered.text
    later = [offer for offer in shop.post("/v1/windows", json=HERE).json()["later"] if offer["day"] == str(day)]
    assert later
    for offer in later:
        assert offer["arrival"] is not None
        assert f"{day}T08:00" <= offer["window_start"][:16] < offer["window_end"][:16] <= f"{day}T16:00"
    held = [shop.post(f"/v1/windows/{offer['offer']}/hold").status_code for offer in later]
    assert held == [200, 409], "the van has one place: what is held in that day's plan is taken"
