"""What a customer asks for after the visit, by plain forms: gives back, complains, rates; each answered, and followed to its end."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import httpx
from tests.hub.api.forms import PNG, delivered, of, send

from roundsman_hub.care import cases


def test_a_return_is_asked_approved_collected_and_refunded(shop: Any) -> None:
    order = delivered(shop, items=[{"parcel": "P1", "name": "Boots"}, {"parcel": "P2", "name": "Hat"}], reference="R-1")
    said, page = send(order, "return", item="P9", reason="wrong_size")
    assert said == "no return_unknown_item"
    assert "not part of this order" in page
    said, page = send(order, "return", item="P1", reason="wrong_size", exchange="1", files=[("photo", ("a.png", PNG, "image/png"))])
    assert said == "said case"
    case = shop.get("/v1/cases").json()["items"][0]
    assert (case["kind"], case["state"], case["items"]) == ("return", "approved", ["P1"])
    other = shop.get("/v1/cases", params={"order": delivered(shop, depot=order["depot"])["order"]}).json()["items"]
    assert [one["case"] for one in shop.get("/v1/cases", params={"order": order["order"]}).json()["items"]] == [case["case"]]
    assert other == []
    code = re.search(r"Code for the hand-over: (\d{6})", page)
    assert code is not None
    assert case["pickup"] == case["delivery"], "one stop brings the one and takes the other"
    pickup = of(shop, {"order": case["pickup"]})
    assert (pickup["kind"], pickup["delivery_code"], pickup["proof"]) == ("delivery", code[1], ["code"])
    assert pickup["instructions"] == "Exchange: hand over the replacement (1), take along Boots. Ask for the code"
    assert case["evidence"]["state"] == "delivered"
    shown = shop.get(f"/v1/cases/{case['case']}").json()
    assert shop.get(shown["photos"][0]).content == PNG
    assert shop.post(f"/v1/cases/{case['case']}/refund", json={}).status_code == 409, "first it has to come back"
    van = shop.get("/v1/vehicles").json()["items"][0]["vehicle"]
    shop.resolve(van, pickup["order"], "delivered", ago_s=100)
    follow(shop)
    for event in ("received", "inspected"):
        assert shop.post(f"/v1/cases/{case['case']}/{event}", json={}).status_code == 200
    done = shop.post(f"/v1/cases/{case['case']}/refund", json={"refund_cents": 4_900}).json()
    assert (done["state"], done["refund_cents"], done["can"]) == ("refunded", 4_900, [])
    steps = [step["state"] for step in shop.get(f"/v1/cases/{case['case']}").json()["steps"]]
    assert steps == ["requested", "approved", "collected", "received", "inspected", "refunded"]
    assert "Return: refunded" in httpx.get(order["track_url"], trust_env=False).text
    shop.put("/v1/service", json={"currency": "GBP"})
    for lang, amount in {"en": "You get back £49.00.", "de": "Sie bekommen 49,00\N{NO-BREAK SPACE}£ zurück."}.items():
        assert amount in httpx.get(order["track_url"], params={"lang": lang}, trust_env=False).text


def follow(shop: Any) -> None:
    """What the notify role does at its next look."""
    with shop.db.tenant(shop.fleet) as cur:
        assert cases.follow(cur, shop.fleet, shop.clock) == 1


def test_a_collection_that_failed_is_a_step_of_its_return_and_is_tried_again(shop: Any) -> None:
    order = delivered(shop)
    van = shop.get("/v1/vehicles").json()["items"][0]["vehicle"]
    send(order, "return", reason="unwanted")
    case = shop.get("/v1/cases").json()["items"][0]
    shop.resolve(van, case["pickup"], "failed", ago_s=100, reason="nobody there")
    follow(shop)
    with shop.db.tenant(shop.fleet) as cur:
        assert cases.follow(cur, shop.fleet, shop.clock) == 0, "once"
    shown = shop.get(f"/v1/cases/{case['case']}").json()
    assert [step["event"] for step in shown["steps"]] == ["open", "approve", "not_collected"]
    assert shown["state"] == "approved"
    pickup = of(shop, {"order": case["pickup"]})
    page = httpx.get(pickup["track_url"], trust_env=False).text
    assert "We could not collect" in page
    day = re.search(r'name="day" required min="([0-9-]+)"', page)
    assert day is not None
    assert send(pickup, "day", day=day[1])[0] in ("said day", "said time")
    attempt = shop.get(f"/v1/orders/{case['pickup']}/life").json()["attempts"][-1]
    shop.resolve(van, attempt, "delivered", ago_s=0)
    follow(shop)
    assert shop.get(f"/v1/cases/{case['case']}").json()["state"] == "collected"


def test_a_return_that_today_has_no_room_for_is_promised_the_next_day_that_has(shop: Any) -> None:
    """The van's shift ends before any window could be kept; tomorrow nobody is planned yet."""
    van = {"name": "Home", "depot": shop.depot(), "capacity": 9, "shift_start": shop.at(hours=-1), "shift_end": shop.at(minutes=20)}
    vehicle = shop.post("/v1/vehicles", json=van).json()["vehicle"]
    order = shop.order(window_start=shop.at(minutes=1), window_end=shop.at(minutes=15))
    shop.resolve(vehicle, order["order"], "delivered", ago_s=100)
    assert send(order, "return", reason="unwanted")[0] == "said case"
    pickup = of(shop, {"order": shop.get("/v1/cases").json()["items"][0]["pickup"]})
    tomorrow = shop.clock.now().date() + timedelta(days=1)
    assert pickup["promise_start"] is not None
    assert pickup["promise_start"].startswith(str(tomorrow)), pickup
    assert (pickup["window_start"], pickup["window_end"]) == (pickup["promise_start"], pickup["promise_end"])


def test_a_return_is_withdrawn_and_its_pickup_with_it(shop: Any) -> None:
    order = delivered(shop)
    send(order, "return", reason="unwanted")
    case = shop.get("/v1/cases").json()["items"][0]
    assert send(order, "withdraw", case=case["case"])[0] == "said case"
    assert of(shop, {"order": case["pickup"]})["state"] == "cancelled"


def test_not_received_opens_with_the_proof_and_ends_with_a_decision(shop: Any) -> None:
    order = delivered(shop)
    assert send(order, "wrong", kind="dispute", text="Nothing here")[0] == "said case"
    assert send(order, "wrong", kind="dispute", text="Still nothing")[0] == "no open"
    case = shop.get("/v1/cases", params={"kind": "dispute"}).json()["items"][0]
    assert {"said_at", "arrived_at", "proofs"} <= case["evidence"].keys()
    shop.post(f"/v1/cases/{case['case']}/look_into", json={})
    shop.post(f"/v1/cases/{case['case']}/uphold", json={"note": "wrong house", "answer": "It went to <No. 9>. We are sorry."})
    page = httpx.get(order["track_url"], trust_env=False).text
    assert "Not received: you are right" in page
    assert "Our answer: It went to &lt;No. 9&gt;. We are sorry." in page
    assert "wrong house" not in page, "notes are the fleet's own"
    assert shop.post(f"/v1/cases/{case['case']}/replace", json={}).json()["state"] == "replaced"


def test_proof_says_where_the_van_stood_and_is_there_before_anybody_complains(shop: Any) -> None:
    order = delivered(shop, lat_deg=50.01, lon_deg=10.0)
    at = shop.clock.now() - timedelta(minutes=12)
    with shop.db.transaction() as cur:
        cur.execute(
            "INSERT INTO visits (session_no, visit, vehicle_id, fleet_id, order_id, arrived_at, left_at, lat_e6, lon_e6, confidence)"
            " SELECT 900001, 1, vehicle_id, fleet_id, %s, %s, %s, 50010500, 10000000, 1 FROM vehicles WHERE fleet_id = %s",
            (order["order"], at, at + timedelta(minutes=3), shop.fleet),
        )
    page = httpx.get(order["track_url"], params={"lang": "en", "tz": "UTC"}, trust_env=False).text
    assert f"The van stood about 60 m from the address, today from {at:%H:%M} to {at + timedelta(minutes=3):%H:%M}." in page
    assert '<a href="#proof">See first what was recorded</a>' in page
    assert "50.0105" not in page, "how far, not where: a van's place is shown while it is their turn alone"


def test_there_is_more_to_say_of_what_is_under_way(shop: Any) -> None:
    """The driver is long gone: a line about an open complaint is for the office, and ends with it."""
    order = delivered(shop)
    van = shop.get("/v1/vehicles").json()["items"][0]["vehicle"]
    assert send(order, "say", text="Hello?")[0] == "no closed"
    send(order, "wrong", kind="complaint", text="Rude")
    assert send(order, "say", text="He shouted, too")[0] == "said talk"
    assert [line["text"] for line in shop.get(f"/v1/orders/{order['order']}/chat").json()["items"]] == ["He shouted, too"]
    assert shop.get(f"/v1/vehicles/{van}/messages").json()["items"] == []
    case = shop.get("/v1/cases").json()["items"][0]["case"]
    for event in ("uphold", "resolve"):
        assert shop.post(f"/v1/cases/{case}/{event}", json={}).status_code == 200
    assert send(order, "say", text="Thanks")[0] == "no closed"


def test_rating_is_once(shop: Any) -> None:
    order = delivered(shop)
    assert send(order, "rate", stars="6")[0] == "no form"
    assert send(order, "rate", stars="4")[0] == "said case"
    assert send(order, "rate", stars="1")[0] == "no form"
    assert [case["stars"] for case in shop.get("/v1/cases").json()["items"]] == [4]


def test_only_pictures_are_taken(shop: Any) -> None:
    order = delivered(shop)
    files = [("photo", ("a.png", b"<svg onload=alert(1)>", "image/png"))]
    fields = {"kind": "damage", "text": "broken"}
    answer = httpx.post(order["track_url"] + "/wrong", data=fields, files=files, trust_env=False)
    assert answer.status_code == 422
    assert shop.get("/v1/cases").json()["items"] == []
