"""Going into the board as somebody who reads in a language of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page


def entered(opened: Callable[..., Page], hub: Any, where: str, width: int, language: str = "en", scheme: str = "light") -> Page:
    """A page of the board (what follows `#/`), with the hub's key given."""
    page = opened(width, 900, scheme, locale="en-GB", timezone_id="Europe/London")
    page.goto(hub.url)
    page.evaluate("language => localStorage.setItem('roundsman-reader', JSON.stringify({language}))", language)
    page.goto(f"{hub.url}/#/{where}")
    page.reload()
    page.locator("input").first.fill(hub.key)
    page.keyboard.press("Enter")
    return page
