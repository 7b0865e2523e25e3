"""A planned order's place is corrected on the board: pointed at or written, with what it means for the rounds told first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.e2e.pictures import picture


def correcting(page: Page, hub: Any, order: str) -> Locator:
    """The order's page, entered, with the dialog that corrects its place."""
    page.goto(f"{hub.url}/#/orders/{order}")
    page.get_by_label("API key").fill(hub.key)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Correct its place").click()
    return page.get_by_role("dialog")


@pytest.mark.parametrize(("name", "width", "scheme"), [("telephone", 320, "dark"), ("desk", 1440, "light")])
def test_a_planned_orders_place_is_corrected(opened: Callable[..., Page], hub: Any, name: str, width: int, scheme: str) -> None:
    order = next(o["order"] for o in hub.client.get("/v1/orders", params={"state": "planned"}).json()["items"])
    door = f"/v1/orders/{order}"
    was = hub.client.get(door).json()
    page = opened(locale="en-IE", width=width, scheme=scheme)
    dialog = correcting(page, hub, order)
    written = dialog.get_by_label("By hand: latitude, longitude")
    expect(written).to_have_value(f"{was['lat_deg']:.5f}, {was['lon_deg']:.5f}")
    expect(dialog.get_by_role("button", name="Use this place")).to_have_count(0)
    there = (was["lat_deg"] + 0.0011, was["lon_deg"] + 0.0012)
    if name == "desk":
        dialog.locator(".map[data-map=ready] canvas").click(position={"x": 60, "y": 60})
        expect(written).not_to_have_value(f"{was['lat_deg']:.5f}, {was['lon_deg']:.5f}")
    else:
        written.fill("{:.5f} {:.5f}".format(*there))
    expect(dialog.get_by_role("status").last.locator("p.quiet")).to_be_visible()
    expect(dialog.get_by_role("status").last).not_to_contain_text("asking what")
    picture(page, f"place-{name}", whole=False)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is cut off"
    lat, lon = (float(part) for part in written.input_value().replace(",", " ").split())
    dialog.get_by_role("button", name="Use this place").click()
    expect(dialog).to_have_count(0)
    now = hub.client.get(door).json()
    assert (
        (now["lat_deg"], now["lon_deg"]) == (pytest.approx(lat, abs=1e-6), pytest.approx(lon, abs=1e-6)) != (was["lat_deg"], was["lon_deg"])
    )
    expect(page.get_by_role("region", name="The whole story")).to_contain_text("Place given by hand")


@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (1440, "dark")])
def test_an_address_is_looked_for_and_the_order_goes_there(
    opened: Callable[..., Page], hub: Any, axe: Callable[[Page], list[str]], misfits: Callable[[Page], list[str]], width: int, scheme: str
) -> None:
    """By keys alone; the driver reads the address that the van is led to. A pin that is moved on from it has no address of its own."""
    planned = hub.client.get("/v1/orders", params={"state": "planned", "limit": 50}).json()["items"]
    order = next(o for o in planned if o["placed"] == "geocoded")
    there = next(o for o in hub.orders if abs(o["lat_deg"] - order["lat_deg"]) + abs(o["lon_deg"] - order["lon_deg"]) > 0.001)
    door = f"/v1/orders/{order['order']}"
    page = opened(locale="en-IE", width=width, scheme=scheme)
    dialog = correcting(page, hub, order["order"])
    search = dialog.get_by_label("Look for an address")
    search.fill("Nowhere Lane 99")
    expect(dialog.get_by_text("no such street on the map", exact=False)).to_be_visible()
    search.fill(there["address"])
    one = dialog.get_by_role("button", name=f"This one: {there['address']}")
    one.focus()
    page.keyboard.press("Enter")
    becomes = dialog.get_by_text(f"The order's address becomes: {there['address']}")
    expect(becomes).to_be_visible()
    expect(dialog.get_by_role("status").last.locator("p.quiet")).to_contain_text("rounds")
    picture(page, "place-address-{width}", whole=False)
    assert not [*misfits(page), *axe(page)]
    written = dialog.get_by_label("By hand: latitude, longitude")
    taken = written.input_value()
    written.fill("{:.5f}, {:.5f}".format(order["lat_deg"] + 0.0007, order["lon_deg"]))
    expect(becomes).to_have_count(0)
    written.fill(taken)
    expect(becomes).to_be_visible()
    dialog.get_by_role("button", name="Use this place").click()
    expect(dialog).to_have_count(0)
    now = hub.client.get(door).json()
    assert now["address"] == there["address"]
    assert (now["lat_deg"], now["lon_deg"]) == (pytest.approx(there["lat_deg"], abs=1e-5), pytest.approx(there["lon_deg"], abs=1e-5))
    expect(page.get_by_role("term").filter(has_text="Address").locator("xpath=following-sibling::dd")).to_have_text(there["address"])
