"""The dispatcher's board in a real browser: every view at both sizes, light and dark, by the rules of WCAG 2.2 AA."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

WAITS_MS = 30_000
VIEWS = ("now", "orders", "customers", "board", "vans", "tomorrow", "proposals", "playback", "fences", "settings")
LOOKS = {"telephone-light": (320, 640, "light"), "desk-dark": (1440, 900, "dark")}


def picture(page: Page, name: str) -> None:
    """Kept where `ROUNDSMAN_PICTURES` says: for people, and for the README."""
    folder = os.environ.get("ROUNDSMAN_PICTURES")
    if folder:
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=(page.viewport_size or {"width": 0})["width"] < 600)


def enter(page: Page, hub: Any, view: str = "now") -> None:
    page.goto(f"{hub.url}/#/{view}")
    page.get_by_label("API key").fill(hub.key)
    page.get_by_role("button", name="Show the fleet").click()
    expect(page.locator(".link")).to_have_text("live", timeout=WAITS_MS)


def settled(page: Page, view: str) -> None:
    """The view shows what it will show."""
    if view == "now":
        page.wait_for_selector("body[data-map=ready]")
    if view == "fences":
        page.wait_for_selector("[data-map=ready]")
    expect(page.get_by_text("Asking the hub")).to_have_count(0, timeout=WAITS_MS)


@pytest.mark.parametrize("look", LOOKS)
def test_every_view_fits_and_keeps_the_rules(
    opened: Callable[..., Page], hub: Any, misfits: Callable[[Page], list[str]], axe: Callable[[Page], list[str]], look: str
) -> None:
    page = opened(*LOOKS[look])
    page.goto(hub.url)
    expect(page.get_by_role("heading", name="Dispatch")).to_be_visible()
    wrong = [f"entry: {text}" for text in axe(page)]
    picture(page, f"entry-{look}")
    enter(page, hub)
    for view in VIEWS:
        page.evaluate("view => location.hash = `#/${view}`", view)
        settled(page, view)
        picture(page, f"{view}-{look}")
        wrong += [f"{view}: {text}" for text in (*misfits(page), *axe(page))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.deep
def test_every_language_fits_a_telephone(opened: Callable[..., Page], hub: Any, misfits: Callable[[Page], list[str]]) -> None:
    """Words are longer elsewhere; nothing is cut off, and no English is left in the frame of the page."""
    page = opened(320, 640)
    enter(page, hub)
    wrong = []
    for language, orders in (("de", "Aufträge"), ("es", "Pedidos"), ("fr", "Commandes")):
        page.evaluate("language => localStorage.setItem('roundsman-reader', JSON.stringify({language}))", language)
        page.reload()
        expect(page.locator("html")).to_have_attribute("lang", language)
        for view in (*VIEWS, f"vans/{hub.vehicles[0]}", f"orders/{hub.orders[2]['order']}"):
            page.evaluate("view => location.hash = `#/${view}`", view)
            expect(page.locator("main h2").first).to_be_visible()
            wrong += [f"{language} {view}: {text}" for text in misfits(page)]
        picture(page, f"story-{language}")
        page.evaluate("location.hash = '#/orders'")
        expect(page.locator("main h1")).to_have_text(orders)
    assert not wrong, "\n".join(wrong)
