"""The dispatcher's board in a real browser: every view at both sizes, light and dark, by the rules of WCAG 2.2 AA."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

WAITS_MS = 30_000
VIEWS = ("now", "orders", "board", "vans", "proposals", "playback", "fences", "settings")
LOOKS = {"telephone-light": (320, 640, "light"), "desk-dark": (1440, 900, "dark")}
FITS = """() => {
  const wrong = [];
  const say = (what, node) => wrong.push(`${what}: ${node.className} ${node.textContent.slice(0, 40)}`);
  if (document.documentElement.scrollWidth > document.documentElement.clientWidth) say("scrolls sideways", document.body);
  for (const node of document.querySelectorAll(".button, .filter, h2, dt, dd, label, .brand, .link, .exception-text, .legend li")) {
    const box = node.getBoundingClientRect();
    if (!node.checkVisibility() || box.width < 2 || node.closest(".timeboard, .scroll, .unseen")) continue;
    if (box.left < -1 || box.right > innerWidth + 1) say("off the page", node);
    if (node.scrollWidth > node.clientWidth + 1 && node.clientWidth) say("cut off", node);
  }
  return wrong;
}"""
"""Nothing sticks out or is cut off (WCAG 2.2, 1.4.10: reflow at 320 px)."""


@pytest.fixture
def opened(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open a page of a size and look. Whatever it complains of in its console fails the test."""
    complaints: list[str] = []
    contexts = []

    def opening(width: int = 1440, height: int = 900, scheme: Any = "light", **more: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **more)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAITS_MS)
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield opening
    for context in contexts:
        context.close()
    assert not [text for text in complaints if "status of 4" not in text]


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
def test_every_view_fits_and_keeps_the_rules(opened: Callable[..., Page], hub: Any, axe: Callable[[Page], list[str]], look: str) -> None:
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
        wrong += [f"{view}: {text}" for text in (*page.evaluate(FITS), *axe(page))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.deep
def test_every_language_fits_a_telephone(opened: Callable[..., Page], hub: Any) -> None:
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
            wrong += [f"{language} {view}: {text}" for text in page.evaluate(FITS)]
        picture(page, f"story-{language}")
        page.evaluate("location.hash = '#/orders'")
        expect(page.locator("main h1")).to_have_text(orders)
    assert not wrong, "\n".join(wrong)
