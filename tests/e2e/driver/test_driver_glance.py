"""Every view at every size, in every language, by day and by night: nothing cut off, nothing untranslated, nothing out of reach."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

SIZES = ("3.5 inch", "5 inch", "telephone", "narrow")
LANGUAGES = ("en", "de", "es", "fr")


def press(page: Page, *keys: str) -> None:
    """Open the menu and press tiles by what they are: a test of words cannot go by words."""
    leave(page)
    page.click("#more")
    for key in keys:
        page.click(f"#sheet [data-key='{key}']")


def leave(page: Page) -> None:
    while page.locator("#sheet").is_visible():
        page.keyboard.press("Escape")


UNDER_WAY = (
    ("details",),
    ("stops",),
    ("problem",),
    ("problem", "refused"),
    ("problem", "damaged"),
    ("problem", "partial"),
    ("messages",),
    ("report",),
    ("report", "report breakdown"),
    ("end",),
    ("settings",),
)


def views(page: Page, van: Any) -> Iterator[str]:
    """Everything that a driver may open at the first stop and the third, one after the other."""
    yield "driving"
    page.click("#look")
    page.wait_for_function("document.querySelector('#ground').width > 0")
    yield "map"
    page.click("#look")
    page.click("#more")
    yield "menu"
    for keys in UNDER_WAY:
        press(page, *keys)
        yield " ".join(keys)
    leave(page)
    page.click("[data-act=arrived]")
    page.wait_for_selector("[data-act=delivered]")
    yield "arrived"
    page.click("[data-act=delivered]")
    page.wait_for_selector("[data-act=undo]")
    yield "pickup"
    for _ in range(2):
        at = van.screen()["next"]["stop"]
        assert van.post("/api/actions", {"stop": at, "outcome": "arrived"}).is_success
        if at == "o_1":
            assert van.post("/api/actions", {"stop": at, "outcome": "delivered"}).is_success
    page.wait_for_selector("[data-act=delivered]")
    yield "arrived with proof"
    page.click("[data-act=delivered]")
    yield "proof"
    page.click("[data-key=signature]")
    yield "signature"
    page.keyboard.press("Escape")
    page.click("[data-key=receiver]")
    yield "receiver"
    page.keyboard.press("Escape")
    page.click("[data-key=withoutProof]")
    yield "without proof"
    leave(page)


@pytest.mark.parametrize("size", SIZES)
def test_every_view_fits(glass: Any, van: Any, round_of: Any, audit: Any, picture: Any, size: str) -> None:
    round_of()
    wrong: dict[str, list[str]] = {}
    page = glass(size)
    for view in views(page, van):
        picture(page, f"{size}-{view}")
        wrong[view] = audit(page)
    assert {view: found for view, found in wrong.items() if found} == {}
