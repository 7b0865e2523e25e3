"""A planned order's place is corrected on the board: pointed at or written, with what it means for the rounds told first."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

expect.set_options(timeout=30_000)


@pytest.mark.parametrize(("name", "width", "scheme"), [("telephone", 320, "dark"), ("desk", 1440, "light")])
def test_a_planned_orders_place_is_corrected(opened: Callable[..., Page], hub: Any, name: str, width: int, scheme: str) -> None:
    order = next(o["order"] for o in hub.client.get("/v1/orders", params={"state": "planned"}).json()["items"])
    door = f"/v1/orders/{order}"
    was = hub.client.get(door).json()
    page = opened(locale="en-IE", width=width, scheme=scheme)
    page.goto(f"{hub.url}/#/orders/{order}")
    page.get_by_label("API key").fill(hub.key)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Correct its place").click()
    dialog = page.get_by_role("dialog")
    written = dialog.get_by_label("By hand: latitude, longitude")
    expect(written).to_have_value(f"{was['lat_deg']:.5f}, {was['lon_deg']:.5f}")
    expect(dialog.get_by_role("button", name="Use this place")).to_have_count(0)
    there = (was["lat_deg"] + 0.0011, was["lon_deg"] + 0.0012)
    if name == "desk":
        dialog.locator(".map[data-map=ready] canvas").click(position={"x": 60, "y": 60})
        expect(written).not_to_have_value(f"{was['lat_deg']:.5f}, {was['lon_deg']:.5f}")
    else:
        written.fill("{:.5f} {:.5f}".format(*there))
    expect(dialog.get_by_role("status").locator("p.quiet")).to_be_visible()
    expect(dialog.get_by_role("status")).not_to_contain_text("asking what")
    if folder := os.environ.get("ROUNDSMAN_PICTURES"):
        page.screenshot(path=str(Path(folder) / f"place-{name}.png"))
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is cut off"
    lat, lon = (float(part) for part in written.input_value().replace(",", " ").split())
    dialog.get_by_role("button", name="Use this place").click()
    expect(dialog).to_have_count(0)
    now = hub.client.get(door).json()
    assert (
        (now["lat_deg"], now["lon_deg"]) == (pytest.approx(lat, abs=1e-6), pytest.approx(lon, abs=1e-6)) != (was["lat_deg"], was["lon_deg"])
    )
    expect(page.get_by_role("region", name="The whole story")).to_contain_text("Place given by hand")
