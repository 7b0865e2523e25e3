"""Every view at every size, in every language, by day and by night: nothing cut off, nothing untranslated, nothing out of reach."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page
from tests.e2e.pictures import picture

from roundsman_agent.screen import server

GLASSES = (
    pytest.param("3.5 inch", "en", "day", marks=pytest.mark.deep),
    ("3.5 inch", "de", "night"),
    pytest.param("5 inch", "es", "day", marks=pytest.mark.deep),
    ("telephone", "fr", "night"),
    pytest.param("narrow", "de", "day", marks=pytest.mark.deep),
    pytest.param("3.5 inch", "es", "day", marks=pytest.mark.deep),
    pytest.param("3.5 inch", "fr", "night", marks=pytest.mark.deep),
    pytest.param("5 inch", "en", "night", marks=pytest.mark.deep),
    pytest.param("5 inch", "de", "day", marks=pytest.mark.deep),
    pytest.param("5 inch", "fr", "day", marks=pytest.mark.deep),
    pytest.param("telephone", "en", "day", marks=pytest.mark.deep),
    pytest.param("telephone", "de", "night", marks=pytest.mark.deep),
    pytest.param("telephone", "es", "day", marks=pytest.mark.deep),
    pytest.param("small telephone", "de", "day", marks=pytest.mark.deep),
    pytest.param("small telephone", "fr", "night", marks=pytest.mark.deep),
    pytest.param("narrow", "en", "night", marks=pytest.mark.deep),
    pytest.param("narrow", "es", "day", marks=pytest.mark.deep),
    pytest.param("narrow", "fr", "day", marks=pytest.mark.deep),
)
"""Size, language, light: two at every change, all of them in the deep run."""
WORDS = server.STATIC / "words"


def catalogue(language: str) -> dict[str, str]:
    text = (WORDS / f"{language}.js").read_text(encoding="utf-8").strip()
    return dict(json.loads(text.removeprefix("export default").removesuffix(";")))


def english_only(language: str) -> list[str]:
    """English words that are found in no catalogue of this language, not even inside another word."""
    other = " | ".join(catalogue(language).values()).replace("\u00ad", "")
    return [words for words in catalogue("en").values() if "{" not in words and len(words) > 3 and words not in other]


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
    ("problem", "refused", "why"),
    ("problem", "damaged", "why"),
    ("problem", "partial"),
    ("problem", "partial", "why"),
    ("messages",),
    ("messages", "write"),
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
        if keys[-1] in ("details", "stops"):
            page.wait_for_selector("[data-bounds]:not(:empty)")
        yield " ".join(keys)
    leave(page)
    page.click("[data-act=arrived]:not(.busy)")
    page.wait_for_selector("[data-act=delivered]")
    yield "arrived"
    page.click("[data-act=delivered]:not(.busy)")
    page.wait_for_selector("[data-act=undo]")
    yield "pickup"
    for _ in range(2):
        at = van.screen()["next"]["stop"]
        assert van.post("/api/actions", {"stop": at, "outcome": "arrived"}).is_success
        if at == "o_1":
            assert van.post("/api/actions", {"stop": at, "outcome": "delivered"}).is_success
    page.wait_for_selector("[data-act=delivered]")
    yield "arrived with proof"
    page.click("[data-act=delivered]:not(.busy)")
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


def spoken(page: Page) -> str:
    """All that is to be read or heard."""
    names = "[...document.querySelectorAll('[aria-label]')].map((node) => node.getAttribute('aria-label')).join(' | ')"
    return str(page.evaluate(f"document.body.innerText + ' | ' + {names}")).replace("\u00ad", "")


@pytest.mark.parametrize(("size", "language", "light"), GLASSES)
def test_every_view_fits_and_is_translated(
    glass: Any, van: Any, round_of: Any, audit: Any, axe: Any, size: str, language: str, light: str
) -> None:
    round_of()
    wrong: dict[str, list[str]] = {}
    page = glass(size, language=language, light=light)
    foreign = english_only(language)
    for view in views(page, van):
        picture(page, f"{size}-{language}-{view}")
        said = spoken(page)
        wrong[view] = audit(page) + axe(page) + [f"not translated: {words}" for words in foreign if words in said]
    assert {view: found for view, found in wrong.items() if found} == {}
