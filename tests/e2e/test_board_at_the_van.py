"""A van's sheet on the board: where it stood outside its plan and whose door that may have been; what came back with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.entering import entered
from tests.e2e.pictures import picture

WORDS = Path(__file__).parents[2] / "dashboards" / "web" / "src" / "dispatch" / "words"
LOOKS = [("en", 1440, "dark"), ("de", 320, "light"), ("fr", 320, "dark"), ("es", 1440, "light")]


def words(language: str) -> dict[str, str]:
    return dict(json.loads((WORDS / f"{language}.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def wrong_door(hub: Any) -> dict[str, Any]:
    """A van stood three minutes beside an order's door, two minutes at a light, and half an hour nowhere in particular."""
    order, van = hub.orders[11], hub.vehicles[1]
    lat_e6, lon_e6 = round(order["lat_deg"] * 1e6) + 900, round(order["lon_deg"] * 1e6)
    with hub.db.transaction() as cur:
        cur.execute("INSERT INTO log.sessions (vehicle_id, session) VALUES (%s, '00000000000000aa') RETURNING session_no", (van,))
        session_no = cur.fetchall()[0]["session_no"]
        for visit, (ago_min, lasts_min, meant) in enumerate([(95, 3, order["order"]), (80, 2, None), (70, 30, None)], 1):
            came = hub.clock.now() - timedelta(minutes=ago_min)
            cur.execute(
                "INSERT INTO visits (session_no, visit, vehicle_id, fleet_id, arrived_at, left_at, lat_e6, lon_e6, confidence,"
                " meant_order_id) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 0.9, %s)",
                (session_no, visit, van, hub.fleet, came, came + timedelta(minutes=lasts_min), lat_e6, lon_e6, meant),
            )
    found: dict[str, Any] = order
    return found


@pytest.mark.parametrize(("language", "width", "scheme"), LOOKS)
def test_a_stop_at_the_wrong_door_is_seen_on_the_vans_sheet_and_in_the_orders_story(
    opened: Callable[..., Page],
    hub: Any,
    misfits: Callable[[Page], list[str]],
    axe: Callable[[Page], list[str]],
    wrong_door: dict[str, Any],
    language: str,
    width: int,
    scheme: str,
) -> None:
    """With the way from one to the other; what is short and at nobody's door is not told."""
    say = words(language)
    page = entered(opened, hub, f"vans/{hub.vehicles[1]}", width, language, scheme)
    stood = page.get_by_role("list", name=say["outside.title"]).get_by_role("listitem")
    expect(stood).to_have_count(2)
    expect(stood.nth(0)).to_contain_text(say["outside.meant"])
    expect(stood.nth(1)).to_contain_text(say["outside.nobodys"])
    stood.nth(0).scroll_into_view_if_needed()
    picture(page, f"outside-{language}-{{width}}", whole=False)
    assert not [*misfits(page), *axe(page)]
    stood.nth(0).get_by_role("link", name=wrong_door["reference"]).click()
    line = page.locator(".story li", has_text=say["story.visit.nearby"])
    expect(line).to_have_class("warn")
    expect(line).to_contain_text("Van 2")
    line.scroll_into_view_if_needed()
    picture(page, f"nearby-{language}-{{width}}", whole=False)
    assert not [*misfits(page), *axe(page)]


def test_what_came_back_is_taken_out_once_it_was_asked(
    opened: Callable[..., Page], hub: Any, misfits: Callable[[Page], list[str]], axe: Callable[[Page], list[str]]
) -> None:
    """In four languages: how many parcels, of whom, and that it is for good. Who closes it does nothing; who answers leaves no button."""
    van, order = hub.vehicles[0], hub.orders[2]
    door = f"/v1/vehicles/{van}/came-back"
    assert hub.client.get(door).json() == {"vehicle": van, "orders": [order["order"]], "parcels": 1}
    for language, width, scheme in LOOKS:
        say = words(language)
        page = entered(opened, hub, f"vans/{van}", width, language, scheme)
        parcels = say["loading_list.parcels.one"].replace("{n}", "1")
        ask = page.get_by_role("button", name=say["unload.ask"].replace("{parcels}", parcels))
        ask.focus()
        page.keyboard.press("Enter")
        box = page.get_by_role("dialog", name=say["unload.title"].replace("{van}", "Van 1"))
        expect(box).to_contain_text(say["unload.effect"].replace("{parcels}", parcels))
        expect(box).to_contain_text(say["unload.for_good"])
        expect(box.get_by_role("link", name=order["reference"])).to_be_visible()
        picture(page, f"unload-{language}-{{width}}", whole=False)
        assert not [*misfits(page), *axe(page)]
        page.keyboard.press("Escape")
        expect(box).to_have_count(0)
    assert hub.client.get(door).json()["parcels"] == 1, "who only looks takes nothing out"
    ask.click()
    box.get_by_role("button", name=say["unload.do"]).click()
    expect(box).to_have_count(0)
    expect(ask).to_have_count(0)
    assert hub.client.get(door).json() == {"vehicle": van, "orders": [], "parcels": 0}
    assert hub.client.get(f"/v1/orders/{order['order']}/life").json()["on_board_of"] is None
