"""Every state of the customer's page in each language, on a telephone and on a desk, light and dark: sound to axe, and nothing cut off."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from tests.e2e.patience import WAITS_MS
from tests.e2e.test_customer_walk import drive_freely, placed
from tests.e2e.visiting import visit

from roundsman_core.geo import LatLon
from roundsman_hub.domain.words import LANGUAGES
from roundsman_hub.store import customer_store

LOOKS = [(320, 640, "light"), (320, 640, "dark"), (1440, 900, "light"), (1440, 900, "dark")]
CUT_OFF = """() => [...document.querySelectorAll('main *, footer *')].filter(one => {
  const box = one.getBoundingClientRect(), style = getComputedStyle(one);
  return box.width > 0 && style.overflow !== 'hidden' && (box.right > innerWidth + 0.5 || box.left < -0.5);
}).map(one => one.outerHTML.slice(0, 120))"""
"""What sticks out of the window sideways, or is drawn beyond it."""


@pytest.fixture(params=LOOKS, ids=lambda look: f"{look[0]}-{look[2]}")
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A page of each size and scheme, of a reader far from the fleet."""
    width, height, scheme = request.param
    context = browser.new_context(
        viewport={"width": width, "height": height}, timezone_id="America/New_York", color_scheme=scheme, bypass_csp=True
    )
    page = context.new_page()
    page.set_default_timeout(WAITS_MS)
    yield page
    context.close()


@pytest.fixture(scope="module")
def states(hub: Any) -> Mapping[str, dict[str, Any]]:
    """An order of each state, as customers meet them."""
    drive_freely(hub)
    accounts = {"email": "mailto://127.0.0.1:9/{to}?mode=insecure"}
    hub.client.put("/v1/service", json={"brand": "Brackwater parcels", "channels": accounts, "currency": "CHF"})
    van, other = hub.vehicles[0], hub.vehicles[1]
    orders = {
        name: placed(hub, 20 + at) for at, name in enumerate(("taken", "offers", "held", "next", "planned", "late", "done", "failed"))
    }
    for name in ("offers", "held"):
        order = orders[name]["order"]
        answer = hub.client.post("/v1/windows", json={"order": order})
        assert len(answer.json()["items"]) >= 5
        if name == "held":
            assert hub.client.post(f"/v1/windows/{answer.json()['items'][1]['offer']}/hold", json={}).status_code == 200
    for name, kind in (("done", "delivered"), ("failed", "failed")):
        hub.resolve(other, orders[name], kind, ago=timedelta(minutes=5), reason="nobody there" if kind == "failed" else None)
    form = {"kind": "dispute", "text": "It is not here"}
    link = orders["done"]["track_url"]
    for what, fields in (("return", {"reason": "wrong_size"}), ("wrong", form), ("rate", {"stars": "4"})):
        assert hub.client.post(f"{link}/{what}", data=fields).status_code in (200, 303)
    hub.plan(van, [orders["next"], orders["planned"], orders["late"]], reason="the round")
    with hub.db.transaction() as cur:
        cur.execute(
            "UPDATE etas SET low = %(at)s, eta = %(at)s, high = %(at)s + interval '20 minutes',"
            " basis = 'great_circle, uncalibrated' WHERE order_id = %(o)s",
            {"o": orders["late"]["order"], "at": hub.clock.now() + timedelta(hours=6)},
        )
    with hub.db.tenant(hub.fleet) as cur:
        for by, text in (("customer", "The bell is broken"), ("dispatch", "We told the driver")):
            customer_store.say(
                cur, hub.fleet, root=orders["planned"]["order"], order=orders["planned"]["order"], by=by, who="", text=text,
                at=hub.clock.now(), message=None,
            )  # fmt: skip
    return orders


@pytest.mark.deep
def test_every_state_is_sound_in_each_language(
    page: Page, hub: Any, states: Mapping[str, dict[str, Any]], axe: Callable[[Page], list[str]]
) -> None:
    for (name, order), language in itertools.product(states.items(), LANGUAGES):
        if name == "next":  # what was heard long ago is not shown
            hub.heard(hub.vehicles[0], LatLon(order["lat_deg"] + 0.01, order["lon_deg"]))
        visit(page, f"{order['track_url']}?lang={language}&tz=America/New_York")
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        if name == "next":
            page.wait_for_selector(".near-marker")
        if folder := os.environ.get("ROUNDSMAN_PICTURES"):
            width = page.viewport_size["width"] if page.viewport_size else 0
            dark = "dark" if page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else "light"
            page.screenshot(path=str(Path(folder) / f"look-{name}-{language}-{width}-{dark}.png"), full_page=True)
        assert page.evaluate(CUT_OFF) == [], (name, language)
        if language == "de":  # what axe looks at is the same in all of them, and these words are the longest
            assert axe(page) == [], name
