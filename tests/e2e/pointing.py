"""Pointing at a map."""

from __future__ import annotations

from playwright.sync_api import Page


def on_map(page: Page, x: float, y: float) -> tuple[float, float]:
    """A point of the map, by its share of width and height: measured anew each time, because what stands above it may grow."""
    page.locator(".map").scroll_into_view_if_needed()
    box = page.locator(".map").bounding_box()
    assert box is not None
    return box["x"] + box["width"] * x, box["y"] + box["height"] * y
