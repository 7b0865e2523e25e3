"""The pages in a real browser: what a dispatcher and a customer see, on a telephone and on a desk."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.e2e.patience import WAITS_MS
from tests.e2e.pictures import picture
from tests.e2e.visiting import visit

from roundsman_core.geo import LatLon

SIZES = {"telephone": (320, 640), "desk": (1440, 900)}


@pytest.fixture(params=sorted(SIZES))
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A page of each size. Whatever it complains of in its console fails the test."""
    width, height = SIZES[request.param]
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    page.set_default_timeout(WAITS_MS)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert not [text for text in complaints if "status of 4" not in text]


def log_in(page: Page, hub: Any, view: str = "now") -> None:
    visit(page, f"{hub.url}/#/{view}")
    page.get_by_label("API key").fill(hub.key)
    page.get_by_role("button", name="Show the fleet").click()
    expect(page.locator(".link")).to_have_text("live")


def talk(hub: Any) -> None:
    """Three of the four vans are heard of just now."""
    for number, vehicle in enumerate(hub.vehicles[:3]):
        stop = hub.orders[number * 9 + 2]
        hub.heard(vehicle, LatLon(stop["lat_deg"], stop["lon_deg"]), heading_deg=80 * number)


def fits(page: Page) -> bool:
    """Nothing sticks out sideways (WCAG 2.2, 1.4.10: reflow at 320 px)."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def test_dispatcher_sees_the_morning(page: Page, hub: Any) -> None:
    log_in(page, hub)
    page.wait_for_selector("body[data-map=ready]")
    attention = page.locator("#attention")
    expect(attention).to_contain_text(re.compile(r"No word for \d+ min"))
    expect(attention).to_contain_text("nobody at home")
    expect(attention).to_contain_text("no van can be there before 10:45")
    expect(attention).to_contain_text("B-200")
    expect(page.locator(".numbers")).to_contain_text("8 of 4")
    expect(page.locator(".maplibregl-ctrl-attrib")).to_contain_text("A made-up town")
    expect(page.locator(".van-name")).to_have_count(4)
    talk(hub)
    assert fits(page)
    picture(page, "dispatch-{width}")
    page.evaluate("van => location.hash = `#/now/${van}`", hub.vehicles[1])
    sheet = page.locator("#sheet")
    expect(sheet).to_contain_text("urgent pickup B-127 ordered")
    expect(sheet).to_contain_text("B-111 now 3rd, was 5th")
    expect(sheet.locator(".stops li")).to_have_count(7)
    expect(page.locator(".van-name.selected")).to_have_text("Van 2")
    picture(page, "dispatch-van-{width}")


def test_what_changes_shows_without_loading_again(page: Page, hub: Any) -> None:
    log_in(page, hub)
    reference = f"U-{page.viewport_size['width'] if page.viewport_size else 0}"
    now = hub.clock.now()
    body = {
        "reference": reference,
        "kind": "pickup",
        "priority": 9,
        "lat_deg": hub.orders[0]["lat_deg"],
        "lon_deg": hub.orders[0]["lon_deg"],
        "window_start": now.isoformat(),
        "window_end": (now + timedelta(hours=2)).isoformat(),
    }
    assert hub.client.post("/v1/orders", json=body).status_code == 201
    expect(page.locator("#events")).to_contain_text(f"New order {reference}")
    page.evaluate("location.hash = '#/orders'")
    expect(page.get_by_role("link", name=reference)).to_be_visible()


def test_a_name_from_outside_is_text_and_never_markup(page: Page, hub: Any) -> None:
    now = hub.clock.now()
    window = {"window_start": now.isoformat(), "window_end": (now + timedelta(hours=2)).isoformat()}
    name = f"<img src=x onerror=alert(1)> {page.viewport_size['width'] if page.viewport_size else 0}"
    made = hub.client.post("/v1/orders", json={"name": name, "address": "Nowhere 9", **window})
    assert made.status_code == 201
    log_in(page, hub, "orders")
    expect(page.get_by_role("link", name=name)).to_be_visible()
    assert page.locator("main img").count() == 0
    visit(page, made.json()["track_url"])
    assert page.locator("img").count() == 0


def test_wrong_key_is_told_and_not_kept(page: Page, hub: Any) -> None:
    visit(page, hub.url)
    page.get_by_label("API key").fill("rk_000000000000_" + "x" * 32)
    page.get_by_role("button", name="Show the fleet").click()
    expect(page.get_by_role("alert")).to_contain_text("unknown or revoked")
    assert page.evaluate("sessionStorage.length") == 0
    assert fits(page)
    picture(page, "login-{width}")


def test_customer_sees_the_van_once_they_are_next(page: Page, hub: Any, until: Callable[[Callable[[], bool]], None]) -> None:
    vehicle, order = hub.vehicles[2], hub.orders[20]
    hub.heard(vehicle, LatLon(hub.orders[25]["lat_deg"], hub.orders[25]["lon_deg"]))
    visit(page, order["track_url"])
    expect(page.get_by_role("heading", level=1)).to_have_text("You are next")
    expect(page.locator("#detail")).to_contain_text("Expected between")
    page.wait_for_selector(".near-marker")
    assert fits(page)
    picture(page, "track-next-{width}")
    visit(page, hub.orders[21]["track_url"])
    expect(page.get_by_role("heading", level=1)).to_have_text("On its way today")
    expect(page.locator("#map")).to_be_hidden()
    picture(page, "track-planned-{width}")


def test_pages_ask_nobody_but_the_hub_and_the_customers_is_light_before_its_map(page: Page, hub: Any) -> None:
    """No address outside the hub is needed, map included; a customer's telephone gets at most 15 kB of script before there is a map."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    visit(page, hub.orders[22]["track_url"] + "?tz=Europe/London")
    expect(page.get_by_role("heading", level=1)).to_have_text("On its way today")
    loaded = "performance.getEntriesByType('resource').filter(one => /[.]m?js/.test(one.name)).map(one => [one.name, one.decodedBodySize])"
    scripts = page.evaluate(loaded)  # all of them: a page without a map is whole with its load event
    assert 0 < sum(size for _, size in scripts) <= 15_000, scripts
    visit(page, hub.orders[20]["track_url"])
    page.wait_for_selector(".near-marker")
    log_in(page, hub)
    page.wait_for_selector("body[data-map=ready]")
    assert [url for url in asked if not url.startswith((hub.url, "data:", "blob:"))] == []


def test_customers_page_is_whole_without_a_script(browser: Browser, hub: Any) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 320, "height": 640})
    page = context.new_page()
    visit(page, hub.orders[0]["track_url"])
    expect(page.get_by_role("heading", level=1)).to_have_text("Delivered")
    expect(page.locator("#steps li[aria-current=step]")).to_have_text("Done")
    visit(page, f"{hub.url}/t/nothing-of-ours")
    expect(page.get_by_role("heading", level=1)).to_have_text("This link does not lead to an order")
    context.close()
