"""What a customer does on their page by plain forms: chooses, wishes, talks; each checked and answered at once."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import httpx
from tests.hub.api.forms import of, send

from roundsman_hub.store.rows import row, rows


def test_customer_picks_a_window_that_is_kept_for_them(shop: Any) -> None:
    depot = shop.depot()
    shop.van(depot)
    order = shop.order()
    before = shop.revision(depot)
    said, page = send(order, "times")
    assert said == "said times"
    offers = re.findall(r'name="offer" value="(w_\w+)"', page)
    assert len(offers) >= 5
    said, page = send(order, "hold", offer=offers[-1])
    assert said == "said held"
    assert "kept for you until" in page
    said, page = send(order, "accept", offer=offers[-1])
    assert said == "said time"
    assert "Done: we come" in page
    now = of(shop, order)
    assert now["promise_start"] != order["promise_start"]
    assert (now["window_start"], now["window_end"]) == (now["promise_start"], now["promise_end"])
    assert shop.revision(depot) == before + 1


def test_what_costs_the_round_least_is_offered_first(shop: Any) -> None:
    """The page proposes the cheapest window, not the first of the day."""
    shop.van(shop.depot())
    shop.order(lat_deg=49.97, lon_deg=9.97, window_start=shop.at(hours=3), window_end=shop.at(hours=4))  # across the town first
    shop.order(lat_deg=50.03, lon_deg=10.03, window_start=shop.at(hours=5), window_end=shop.at(hours=6))
    order = shop.order(lat_deg=50.031, lon_deg=10.031)
    _, page = send(order, "times")
    offers = re.findall(r'name="offer" value="(w_\w+)"', page)
    with shop.db.transaction() as cur:
        found = {r["offer_id"]: r for r in rows(cur, "SELECT * FROM offers WHERE order_id = %s", (order["order"],))}
    costs = [found[offer]["added_cents"] for offer in offers]
    assert costs == sorted(costs)
    assert costs[0] < costs[-1]
    starts = [found[offer]["window_start"] for offer in offers]
    assert starts != sorted(starts), "cheap before early"
    assert f'value="{offers[0]}" checked' in page


def test_an_offer_of_somebody_else_is_no_offer(shop: Any) -> None:
    shop.van(shop.depot())
    mine, other = shop.order(), shop.order()
    _, page = send(other, "times")
    offer = re.findall(r'name="offer" value="(w_\w+)"', page)[0]
    assert send(mine, "hold", offer=offer)[0] == "no gone"
    assert send(mine, "accept", offer=offer)[0] == "no gone"
    assert of(shop, mine)["window_start"] == mine["window_start"]


def test_wishes_at_the_door_are_on_the_drivers_screen(shop: Any) -> None:
    depot = shop.depot()
    shop.van(depot)
    order = shop.order(instructions="Ring twice")
    said, page = send(order, "wish", safe_place="garage", note="mind the dog", contact_free="1", once="n1")
    assert said == "said wish"
    assert 'value="garage"' in page
    now = of(shop, order)
    assert now["instructions"] == "Ring twice. Safe place: garage. Customer: mind the dog"
    assert now["contact_free"] is True
    send(order, "wish", neighbour="Flat 3", once="n2")
    assert of(shop, order)["instructions"] == "Ring twice. Neighbour: Flat 3", "a wish replaces the one before, and keeps the shop's words"


def test_a_form_sent_twice_happens_once(shop: Any) -> None:
    shop.van(shop.depot())
    order = shop.order()
    for _ in range(3):
        assert send(order, "say", text="Hello", once="same")[0] == "said talk"
    lines = shop.get(f"/v1/orders/{order['order']}/chat").json()["items"]
    assert [line["text"] for line in lines] == ["Hello"]


def test_another_place_is_taken_only_where_the_promise_holds(shop: Any) -> None:
    shop.van(shop.depot())
    order = shop.order()
    assert send(order, "place", address="Nowhere 9")[0] == "no place"
    assert send(order, "place", address="Far Road 1")[0] == "no place", "no road leads there"
    assert send(order, "place", address="Mill Street 7")[0] == "said place"
    assert of(shop, order)["address"] == "Mill Street 7"
    soon = shop.order(window_start=shop.at(minutes=-30), window_end=shop.at(seconds=20), address="Mill Street 4")
    said, page = send(soon, "place", address="Mill Street 8")
    assert said == "no reach"
    assert of(shop, soon)["address"] == "Mill Street 4"
    assert "We can bring it there at one of these times:" in page
    windows = re.findall(r'name="window" value="([0-9-]+)"', page)
    assert len(windows) == 5
    said, page = send(soon, "place", address="Mill Street 8", window=windows[2])
    assert said == "said time"
    moved = of(shop, soon)
    assert moved["address"] == "Mill Street 8"
    assert f"{int(datetime.fromisoformat(moved['promise_start']).timestamp()) // 60}" == windows[2].split("-")[0]
    past = f"{int(shop.clock.now().timestamp()) // 60 - 300}-{int(shop.clock.now().timestamp()) // 60 - 180}"
    assert send(soon, "place", address="Mill Street 9", window=past)[0] == "no reach", "a time of one's own is checked like any other"


def test_an_address_that_there_is_twice_is_a_question(shop: Any) -> None:
    shop.van(shop.depot())
    order = shop.order()
    said, page = send(order, "place", address="Church Lane 1")
    assert said == "no which"
    assert "Which of these do you mean?" in page
    places = re.findall(r'name="address" value="([^"]+)"', page)
    assert places == ["Church Lane 1, Oldtown", "Church Lane 1, Newtown"]
    told = httpx.post(
        f"{order['track_url']}/place", data={"address": "Church Lane 1"}, headers={"Accept": "application/json"}, trust_env=False
    )
    assert (told.status_code, told.json()["places"]) == (409, places)
    assert send(order, "place", address=places[1])[0] == "said place"
    now = of(shop, order)
    assert (now["address"], now["lat_deg"]) == ("Church Lane 1, Newtown", 50.02)


def test_another_place_on_a_later_day_is_checked_on_that_day(shop: Any) -> None:
    """It was put off to Tuesday: the new address is tried in Tuesday's book, and today's vans have no say."""
    van = shop.van(shop.depot())
    order = shop.order()
    tuesday, wednesday = (shop.clock.now().date() + timedelta(days=n) for n in (1, 2))
    for day in (tuesday, wednesday):
        assert shop.put(f"/v1/roster/{day}", json={"items": [{"vehicle": van, "start": "08:00", "end": "16:00"}]}).status_code == 200
    assert send(order, "day", day=str(tuesday))[0] == "said time"
    promised = of(shop, order)["promise_start"]
    assert send(order, "place", address="Mill Street 7")[0] == "said place"
    assert (of(shop, order)["address"], of(shop, order)["promise_start"]) == ("Mill Street 7", promised)
    shop.order(parcels=20, window_start=f"{tuesday}T06:00:00Z", window_end=f"{tuesday}T14:00:00Z")  # the van is full that day
    said, page = send(order, "place", address="Mill Street 8")
    assert said == "no reach"
    assert of(shop, order)["address"] == "Mill Street 7", "a refusal changes nothing"
    windows = re.findall(r'name="window" value="([0-9-]+)"', page)
    assert windows
    assert send(order, "place", address="Mill Street 8", window=windows[0])[0] == "said time"
    now = of(shop, order)
    assert (now["address"], now["promise_start"][:10]) == ("Mill Street 8", str(wednesday))


def test_an_order_whose_place_nobody_knew_gets_one_only_in_time(shop: Any) -> None:
    """Its address means nothing, so no plan has it yet: the customer's own word for it is checked all the same."""
    shop.van(shop.depot())
    late = {"window_start": shop.at(minutes=-30), "window_end": shop.at(seconds=20)}
    order, soon = shop.order(address="Nowhere 9"), shop.order(address="Nowhere 9", **late)
    assert of(shop, order)["state"] == "waiting_for_place"
    assert send(soon, "place", address="Mill Street 7")[0] == "no reach"
    assert send(order, "place", address="Mill Street 7")[0] == "said place"
    assert of(shop, order)["state"] == "new"


def test_a_day_is_the_places_day_wherever_the_reader_is(shop: Any) -> None:
    """Where the reader is it is Tuesday already; Tuesday can be chosen all the same, for it is to come where the parcel goes."""
    shop.van(shop.depot())  # in Helsinki it is Monday noon
    order = shop.order()
    tuesday = shop.clock.now().date() + timedelta(days=1)
    page = httpx.get(f"{order['track_url']}?tz=Pacific/Kiritimati&lang=en", trust_env=False).text
    assert f'min="{tuesday}"' in page
    assert "Days are those of Europe/Helsinki." in page
    assert "Days are those of" not in httpx.get(f"{order['track_url']}?tz=Europe/Helsinki&lang=en", trust_env=False).text


def test_another_day_and_cancelling(shop: Any) -> None:
    shop.van(shop.depot())
    order = shop.order()
    today = shop.clock.now().date()
    assert send(order, "day", day=str(today + timedelta(days=30)))[0] == "no day"
    assert send(order, "day", day="soon")[0] == "no form"
    assert send(order, "day", day=str(today + timedelta(days=2)))[0] == "said day"
    assert of(shop, order)["window_start"].startswith(str(today + timedelta(days=2)))
    said, page = send(order, "cancel")
    assert said == "said cancel"
    assert "was cancelled" in page
    assert of(shop, order)["state"] == "cancelled"
    assert send(order, "wish", note="too late")[0] == "no closed"


def test_another_day_is_promised_by_that_days_roster_or_clearly_refused_with_other_days(shop: Any) -> None:
    """Room, free days and cut-offs of the day itself are looked at before anything is said."""
    van = shop.van(shop.depot())
    order = shop.order()
    today = shop.clock.now().date()  # a Monday
    tuesday, wednesday, thursday = (today + timedelta(days=n) for n in (1, 2, 3))
    for day in (tuesday, wednesday):
        shift = {"vehicle": van, "start": "08:00", "end": "16:00"}
        answer = shop.put(f"/v1/roster/{day}", json={"items": [shift]})
        assert answer.status_code == 200, answer.text
    assert shop.put("/v1/calendar", json={"closed": [str(thursday)]}).status_code == 200
    shop.order(address="Mill Street 9", parcels=20, window_start=f"{tuesday}T09:00:00Z", window_end=f"{tuesday}T14:00:00Z")  # fills the van

    said, page = send(order, "day", day=str(thursday))
    assert said == "no day_free"
    said, page = send(order, "day", day=str(tuesday))
    assert said == "no day_full"
    assert "That day is full" in page
    assert f'name="day" value="{wednesday}"' in page
    assert f'name="day" value="{thursday}"' not in page
    asked = httpx.post(f"{order['track_url']}/day", data={"day": str(tuesday)}, headers={"Accept": "application/json"}, trust_env=False)
    assert (asked.status_code, asked.json()["type"]) == (409, "urn:roundsman:problem:day-full")
    assert asked.json()["days"][0] == str(wednesday)
    assert of(shop, order)["window_start"] == order["window_start"], "a refusal changes nothing"

    said, page = send(order, "day", day=str(wednesday))
    assert said == "said time"
    assert "Done: we come Wednesday" in page
    now = of(shop, order)
    assert (now["promise_start"], now["promise_end"]) == (now["window_start"], now["window_end"])
    assert now["promise_start"].startswith(str(wednesday))
    assert datetime.fromisoformat(now["promise_end"]) - datetime.fromisoformat(now["promise_start"]) == timedelta(hours=4)


def test_a_full_day_offers_the_next_ones_to_choose_from(shop: Any) -> None:
    """The van's only place is taken: the page says so, and has days that are held and confirmed as times are."""
    depot = shop.depot()
    van = {"name": "Small", "depot": depot, "capacity": 1, "shift_start": shop.at(hours=-1), "shift_end": shop.at(hours=6)}
    assert shop.post("/v1/vehicles", json=van).status_code == 201
    shop.order()
    order = shop.order()
    said, page = send(order, "times")
    assert said == "said times"
    assert "No other time can be kept today. We can come on one of these days:" in page
    offers = re.findall(r'name="offer" value="(w_\w+)"', page)
    assert len(offers) == 3
    assert "tomorrow" in page.split(offers[0])[1][:200]
    said, page = send(order, "hold", offer=offers[0])
    assert said == "said held"
    said, page = send(order, "accept", offer=offers[0])
    assert said == "said day"
    tomorrow = shop.clock.now().date() + timedelta(days=1)
    assert of(shop, order)["promise_start"].startswith(str(tomorrow))


def test_a_day_past_its_cut_off_is_not_promised(shop: Any) -> None:
    shop.van(shop.depot())
    order = shop.order()
    today = shop.clock.now().date()
    level = {"cut_off": "06:00", "working_days_later": 1, "window_start": "09:00", "window_end": "17:00"}
    assert shop.put("/v1/service-levels/next", json=level).status_code in (200, 201)
    assert send(order, "day", day=str(today + timedelta(days=1)))[0] == "no day_cut_off"
    assert send(order, "day", day=str(today + timedelta(days=2)))[0] == "said day"


def test_customer_driver_and_office_talk(shop: Any) -> None:
    van = shop.van(shop.depot())
    order = shop.order()
    shop.in_force(van, [order["order"]])
    send(order, "say", text="<b>Which</b> door?")
    messages = shop.get(f"/v1/vehicles/{van}/messages").json()["items"]
    assert messages[0]["text"] == "Customer Kit: <b>Which</b> door?"
    with shop.db.transaction() as cur:  # the driver's tap on a canned answer, once the van stands
        cur.execute("INSERT INTO log.sessions (vehicle_id, session, ordinal) VALUES (%s, %s, 1)", (van, f"{abs(hash(van)):016x}"[:16]))
        cur.execute(
            "INSERT INTO driver_words SELECT session_no, 1, vehicle_id, %s, 'd_1', 'The front one', %s, %s, NULL, %s FROM log.sessions"
            " WHERE vehicle_id = %s",
            (shop.fleet, messages[0]["message"], order["order"], shop.clock.now(), van),
        )
    joined = shop.post(f"/v1/orders/{order['order']}/chat", json={"text": "We told him"}).json()["items"]
    assert [line["said_by"] for line in joined] == ["customer", "driver", "dispatch"]
    agreed = shop.post(f"/v1/orders/{order['order']}/chat:agree", json={"safe_place": "porch"})
    assert agreed.status_code == 200, agreed.text
    assert agreed.json()["instructions"] == "Safe place: porch"
    assert [line["text"] for line in agreed.json()["transcript"]] == ["<b>Which</b> door?", "The front one", "We told him"]
    page = httpx.get(order["track_url"], trust_env=False).text
    assert "&lt;b&gt;Which" in page
    assert "The front one" in page


def test_another_address_that_was_agreed_is_checked_like_the_customers_own(shop: Any) -> None:
    """With the window that stands, or with another; what cannot be reached changes nothing, the window neither."""
    shop.van(shop.depot())
    order = shop.order()
    door = f"/v1/orders/{order['order']}/chat:agree"
    offer = shop.post("/v1/windows", json={"order": order["order"]}).json()["items"][0]
    refused = shop.post(door, json={"address": "Nowhere 9", "offer": offer["offer"], "note": "Ring"})
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:roundsman:problem:place")
    now = of(shop, order)
    assert (now["promise_start"], now["instructions"]) == (order["promise_start"], ""), "all of it, or nothing"
    agreed = shop.post(door, json={"address": "Mill Street 7", "offer": offer["offer"]})
    assert agreed.status_code == 200, agreed.text
    assert (agreed.json()["address"], of(shop, order)["address"]) == ("Mill Street 7", "Mill Street 7")
    assert datetime.fromisoformat(of(shop, order)["promise_start"]) == datetime.fromisoformat(offer["window_start"])
    soon = shop.order(window_start=shop.at(minutes=-30), window_end=shop.at(seconds=20))
    late = shop.post(f"/v1/orders/{soon['order']}/chat:agree", json={"address": "Mill Street 8"})
    assert (late.status_code, late.json()["type"]) == (409, "urn:roundsman:problem:reach")


def test_a_call_names_the_numbers_to_the_bridge_alone(shop: Any) -> None:
    secret = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    chosen = shop.put("/v1/service", json={"webhook_url": "https://bridge.invalid/x", "webhook_secret": secret})
    assert chosen.status_code == 200, chosen.text
    assert secret not in chosen.text
    shop.van(shop.depot())
    order = shop.order(phone="+358 1")
    assert send(order, "call")[0] == "said call"
    assert send(order, "call")[0] == "no open", "one call at a time"
    with shop.db.transaction() as cur:
        hook = row(cur, "SELECT * FROM outbox WHERE order_id = %s AND kind = 'call.asked'", (order["order"],))
    assert hook is not None
    assert '"customer": "+358 1"' in hook["body"]


def test_who_was_not_at_home_is_told_where_it_is_and_chooses_what_happens(shop: Any) -> None:
    van = shop.van(shop.depot())
    order = shop.order()
    shop.in_force(van, [order["order"]])
    shop.resolve(van, order["order"], "failed", ago_s=600, reason="nobody there")
    page = httpx.get(order["track_url"], trust_env=False).text
    assert "It is in the van. Choose below what happens now." in page
    assert re.findall(r'name="fate" value="(\w+)"', page) == ["depot", "sender"]
    assert send(order, "fate", fate="moon")[0] == "no form"
    said, page = send(order, "fate", fate="depot")
    assert said == "said fate"
    assert "It goes back to the depot, where you can fetch it." in page
    said, page = send(order, "fate", fate="sender")
    assert "It goes back to its sender." in page
    assert shop.get(f"/v1/orders/{order['order']}/life").json()["state"] == "to_sender"
    assert send(shop.order(), "fate", fate="depot")[0] == "no form", "it is on its way still"


def test_drivers_read_what_customers_wish_in_the_units_language(shop: Any) -> None:
    van = shop.van(shop.depot())
    assert shop.put("/v1/unit-settings", json={"language": "de"}).status_code == 200
    order = shop.order()
    shop.in_force(van, [order["order"]])
    send(order, "wish", safe_place="garage", neighbour="Flat 3", note="mind the dog")
    assert of(shop, order)["instructions"] == "Abstellort: garage. Nachbar: Flat 3. Kundschaft: mind the dog"
    send(order, "say", text="Hello")
    shop.post(f"/v1/orders/{order['order']}/chat", json={"text": "We are late"})
    texts = {message["text"] for message in shop.get(f"/v1/vehicles/{van}/messages").json()["items"]}
    assert texts == {"Kit schreibt: Hello", "Büro an Kit: We are late"}
