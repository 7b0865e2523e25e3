"""A customer's way in a real browser: picks a window, moves it, changes the place, gets the parcel, gives it back, complains.

On a running hub; what drivers and vans would tell is written as the hub derives it. Every state is looked at by axe.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.e2e.patience import WAITS_MS
from tests.e2e.pictures import picture
from tests.e2e.visiting import visit

from roundsman_core.geo import LatLon
from roundsman_hub.care import cases
from roundsman_hub.store.rows import row

AXE = Path(__file__).parents[2] / "dashboards" / "web" / "node_modules" / "axe-core" / "axe.min.js"
SIZES = {"telephone": (320, 640), "desk": (1440, 900)}


@pytest.fixture(params=sorted(SIZES))
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A page of each size, of a reader in London. Whatever it complains of in its console fails the test."""
    width, height = SIZES[request.param]
    context = browser.new_context(viewport={"width": width, "height": height}, timezone_id="Europe/London", locale="en-GB", bypass_csp=True)
    page = context.new_page()
    page.set_default_timeout(WAITS_MS)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert not [text for text in complaints if "status of 4" not in text]


def sound(page: Page, name: str) -> None:
    """No violation that axe knows, nothing that sticks out sideways; a picture where `ROUNDSMAN_PICTURES` says."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.map(v => [v.id, v.nodes[0].html]))")
    assert found == [], name
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), name
    picture(page, f"track-{name}-{{width}}", whole=True)


def unfold(page: Page, name: str) -> None:
    """Open a part, if it is not open."""
    part = page.locator(f"#{name}")
    if part.get_attribute("open") is None:
        part.locator("summary").click()


def placed(hub: Any, number: int, **fields: Any) -> dict[str, Any]:
    """A fresh order at one of the town's doors."""
    now, like = hub.clock.now(), hub.orders[number]
    window = {"window_start": (now + timedelta(hours=1)).isoformat(), "window_end": (now + timedelta(hours=5)).isoformat()}
    body = {"name": "Kit", "phone": "+44 1", "address": like["address"], "items": [{"parcel": f"P{number}-1", "name": "Boots"}]}
    made = hub.client.post("/v1/orders", json=body | window | fields)
    assert made.status_code == 201, made.text
    order: dict[str, Any] = made.json()
    return order


def drive_freely(hub: Any) -> None:
    """The fixture's plans are sketches: the planner that answers customers reads whole ones, and so finds vans without a plan."""
    with hub.db.transaction() as cur:
        for table in ("etas", "plan_tasks", "plan_receipts", "plans"):
            cur.execute(f"DELETE FROM {table} WHERE fleet_id = %s", (hub.fleet,))


@pytest.fixture
def freely(hub: Any) -> Any:
    """The hub, its vans at the depot and unplanned."""
    drive_freely(hub)
    hub.client.put("/v1/service", json={"brand": "Brackwater parcels", "channels": {"email": "mailto://127.0.0.1:9/{to}?mode=insecure"}})
    return hub


def test_customer_picks_moves_redirects_receives_returns_and_complains(page: Page, freely: Any) -> None:
    hub = freely
    number = 38 if page.viewport_size and page.viewport_size["width"] < 600 else 39
    order = placed(hub, number)
    visit(page, order["track_url"])
    expect(page.get_by_role("heading", level=1)).to_have_text("We have your order")
    sound(page, "taken")

    unfold(page, "time_title")
    page.get_by_role("button", name="Show times that we can keep").click()
    expect(page.locator("#time_title input[type=radio]").nth(4)).to_be_visible()
    sound(page, "times")
    page.locator("#time_title input[type=radio]").nth(1).check()
    page.get_by_role("button", name="Take this time").click()
    expect(page.locator("#time_title")).to_contain_text("kept for you until")
    sound(page, "held")
    page.get_by_role("button", name="Confirm this time").click()
    expect(page.locator("#said")).to_contain_text("Done: we come")
    now = hub.client.get(f"/v1/orders/{order['order']}").json()
    assert now["promise_start"] != order["promise_start"]

    unfold(page, "time_title")  # and moves it once more
    page.get_by_role("button", name="Show times that we can keep").click()
    page.locator("#time_title input[type=radio]").nth(2).check()
    page.get_by_role("button", name="Take this time").click()
    page.get_by_role("button", name="Confirm this time").click()
    expect(page.locator("#said")).to_contain_text("Done: we come")

    unfold(page, "place_title")
    page.get_by_label("Street and number").fill("Nowhere Lane 99")
    page.get_by_role("button", name="Bring it there").click()
    expect(page.get_by_role("alert")).to_contain_text("do not find that address")
    sound(page, "no-place")
    elsewhere = hub.orders[5]["address"]
    unfold(page, "place_title")
    page.get_by_label("Street and number").fill(elsewhere)
    page.get_by_role("button", name="Bring it there").click()
    expect(page.locator("#said")).to_contain_text("new address")
    assert hub.client.get(f"/v1/orders/{order['order']}").json()["address"] == elsewhere

    unfold(page, "wish_title")
    page.get_by_label("Safe place").fill("porch")
    page.get_by_label("Without contact").check()
    page.get_by_role("button", name="Tell the driver").click()
    expect(page.locator("#said")).to_contain_text("the driver sees it")
    unfold(page, "talk_title")
    page.get_by_label("Your message").fill("The bell is broken")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("#thread")).to_contain_text("The bell is broken")
    sound(page, "talk")

    vehicle = hub.vehicles[0]
    moved = hub.client.get(f"/v1/orders/{order['order']}").json()
    hub.heard(vehicle, LatLon(moved["lat_deg"] + 0.01, moved["lon_deg"]))
    hub.plan(vehicle, [moved], reason="the round")
    expect(page.get_by_role("heading", level=1)).to_have_text("You are next", timeout=30_000)  # rung at, before it asks by itself
    expect(page.locator("#detail")).to_contain_text("mi away")
    page.wait_for_selector(".near-marker")
    sound(page, "next")
    hub.resolve(vehicle, order, "delivered", ago=timedelta(minutes=2))
    visit(page, order["track_url"])
    expect(page.get_by_role("heading", level=1)).to_have_text("Delivered")
    sound(page, "done")
    drive_freely(hub)

    unfold(page, "return_title")
    page.get_by_label("Boots").check()
    page.get_by_label("Why").select_option("wrong_size")
    page.get_by_role("button", name="Ask for a collection").click()
    expect(page.locator("#cases")).to_contain_text("Return: approved")
    expect(page.locator("#cases")).to_contain_text("Code for the hand-over")
    sound(page, "return")
    unfold(page, "wrong_title")
    page.get_by_label("I want to complain").check()
    page.get_by_label("What happened").fill("It was thrown over the gate")
    page.get_by_role("button", name="Tell us").click()
    expect(page.locator("#cases")).to_contain_text("Complaint: opened")
    unfold(page, "rate_title")
    page.get_by_label("3", exact=True).check()
    page.get_by_role("button", name="Rate", exact=True).click()
    expect(page.locator("#cases")).to_contain_text("Rating: noted")
    with hub.db.transaction() as cur:
        case = row(cur, "SELECT case_id FROM cases WHERE order_id = %s AND kind = 'complaint'", (order["order"],))
    assert case is not None
    for event in ("look_into", "uphold", "resolve"):
        assert hub.client.post(f"/v1/cases/{case['case_id']}/{event}", json={}).status_code == 200
    expect(page.locator("#cases")).to_contain_text("Complaint: settled")  # it follows by itself
    sound(page, "cases")
    page.get_by_role("link", name="See and change when we collect it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("We have your collection")


def test_customer_puts_it_off_to_a_day_that_has_room(page: Page, freely: Any) -> None:
    """Tomorrow nobody drives: a clear no, with the days that can be had; one of them is a promise at once."""
    hub = freely
    order = placed(hub, 34)
    zone = ZoneInfo(hub.client.get("/v1/fleets/me").json()["timezone"])
    tomorrow = hub.clock.now().astimezone(zone).date() + timedelta(days=1)
    assert hub.client.put("/v1/calendar", json={"closed": [str(tomorrow)]}).status_code == 200
    try:
        visit(page, order["track_url"])
        unfold(page, "day_title")
        page.get_by_label("Day", exact=True).fill(str(tomorrow))
        sound(page, "day")
        page.get_by_role("button", name="Come on that day").click()
        expect(page.get_by_role("alert")).to_contain_text("it is a day off")
        expect(page.locator("#day_title")).to_contain_text("We can come on one of these days:")
        sound(page, "day-no")
        other = tomorrow + timedelta(days=1)
        page.locator(f"#day_title button[value='{other}']").click()
        expect(page.locator("#said")).to_contain_text("Done: it comes on the day that you chose")
        expect(page.locator("#detail")).to_contain_text(f"{other:%A} {other.day}")
        sound(page, "day-taken")
        now = hub.client.get(f"/v1/orders/{order['order']}").json()
        assert datetime.fromisoformat(now["promise_start"]).astimezone(zone).date() == other
    finally:
        with hub.db.tenant(hub.fleet) as cur:
            cur.execute("DELETE FROM calendars WHERE fleet_id = %s", (hub.fleet,))


def test_customer_is_offered_times_at_a_place_that_cannot_be_reached_in_time(page: Page, freely: Any) -> None:
    """Its window is nearly over: there is no getting across town in it, but there are times in which there is."""
    hub = freely
    now = hub.clock.now()
    nearly = {"window_start": (now - timedelta(minutes=30)).isoformat(), "window_end": (now + timedelta(seconds=20)).isoformat()}
    order = placed(hub, 36, **nearly)
    elsewhere = hub.orders[5]["address"]
    visit(page, order["track_url"])
    unfold(page, "place_title")
    page.get_by_label("Street and number").fill(elsewhere)
    page.get_by_role("button", name="Bring it there").click()
    expect(page.get_by_role("alert")).to_contain_text("We cannot bring it there in the time that you were told")
    expect(page.locator("#place_title")).to_contain_text("We can bring it there at one of these times:")
    sound(page, "place-times")
    page.locator("#place_title button[name=window]").nth(1).click()
    expect(page.locator("#said")).to_contain_text("Done: we come today")
    assert hub.client.get(f"/v1/orders/{order['order']}").json()["address"] == elsewhere


def test_customer_exchanges_what_does_not_fit_in_one_visit(page: Page, freely: Any) -> None:
    """The replacement comes and the return goes in one stop; the customer sees each step to the end."""
    hub = freely
    vehicle = hub.vehicles[2]
    order = placed(hub, 35)
    hub.resolve(vehicle, order, "delivered", ago=timedelta(minutes=2))
    visit(page, order["track_url"])
    unfold(page, "return_title")
    page.get_by_label("Boots").check()
    page.get_by_label("Why").select_option("wrong_size")
    page.get_by_label("Bring a replacement on the same visit").check()
    sound(page, "exchange-asked")
    page.get_by_role("button", name="Ask for a collection").click()
    expect(page.locator("#cases")).to_contain_text("Return: approved")
    expect(page.locator("#cases")).to_contain_text("Code for the hand-over")
    (case,) = hub.client.get("/v1/cases", params={"order": order["order"]}).json()["items"]
    assert (case["exchange"], case["pickup"]) == (True, case["delivery"]), "one order, so one stop and one visit"
    both = hub.client.get(f"/v1/orders/{case['pickup']}").json()
    assert (both["kind"], both["parcels"], both["address"]) == ("delivery", 1, order["address"])
    assert "take along Boots" in both["instructions"]
    page.get_by_role("link", name="See and change when we collect it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("We have your order")
    sound(page, "exchange-visit")
    hub.resolve(vehicle, both, "delivered", ago=timedelta(minutes=1))
    with hub.db.tenant(hub.fleet) as cur:
        assert cases.follow(cur, hub.fleet, hub.clock) == 1, "what the van's log says moves the return on"
    for event in ("received", "inspected", "replace"):
        assert hub.client.post(f"/v1/cases/{case['case']}/{event}", json={}).status_code == 200
    visit(page, order["track_url"])
    expect(page.locator("#cases")).to_contain_text("Return: replaced")
    expect(page.locator("#cases li[aria-current=step]")).to_have_text("replaced")
    sound(page, "exchange")


def test_every_other_state_is_sound(page: Page, freely: Any) -> None:
    hub = freely
    vehicle = hub.vehicles[1]
    first, second = placed(hub, 30), placed(hub, 31)
    hub.heard(vehicle, LatLon(first["lat_deg"], first["lon_deg"]))
    hub.plan(vehicle, [first, second], reason="the round")
    visit(page, second["track_url"] + "?lang=de")
    expect(page.get_by_role("heading", level=1)).to_have_text("Unterwegs: heute")
    sound(page, "planned")
    hub.resolve(vehicle, first, "failed", ago=timedelta(minutes=2), reason="nobody at home")
    visit(page, first["track_url"])
    expect(page.get_by_role("heading", level=1)).to_have_text("We could not deliver")
    expect(page.get_by_label("Day")).to_be_visible()
    sound(page, "failed")
    drive_freely(hub)
    unwanted = placed(hub, 32)
    visit(page, unwanted["track_url"])
    unfold(page, "cancel_title")
    page.get_by_role("button", name="Cancel this order").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("This order was cancelled")
    sound(page, "cancelled")
    visit(page, f"{hub.url}/t/nothing-of-ours?lang=fr")
    expect(page.get_by_role("heading", level=1)).to_have_text("Ce lien ne mène à aucune commande")
    sound(page, "unknown")


def test_the_essentials_work_without_a_script(browser: Browser, freely: Any) -> None:
    hub = freely
    context = browser.new_context(java_script_enabled=False, viewport={"width": 320, "height": 640})
    page = context.new_page()
    order = placed(hub, 33)
    visit(page, order["track_url"])
    page.locator("#wish_title summary").click()
    page.get_by_label("Instructions").fill("mind the dog")
    page.get_by_role("button", name="Tell the driver").click()
    expect(page.locator("#said")).to_contain_text("the driver sees it")
    page.locator("#time_title summary").click()
    page.get_by_role("button", name="Show times that we can keep").click()
    page.get_by_role("button", name="Take this time").click()
    page.get_by_role("button", name="Confirm this time").click()
    expect(page.locator("#said")).to_contain_text("Done: we come")
    context.close()
