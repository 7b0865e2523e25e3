"""How pages look, for people and for the README: kept where `ROUNDSMAN_PICTURES` says, and nowhere else.

`make pictures` runs the walks that take the README's (`README_PICTURES`) and keeps those small beside the pages.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from playwright.sync_api import Page, expect

TELEPHONE_PX: Final = 600
"""A narrower page is taken whole: a telephone's is read by scrolling."""


def picture(page: Page, name: str, *, whole: bool | None = None, size: tuple[int, int] | None = None) -> None:
    """Keep how a page looks now.

    Parameters
    ----------
    name : str
        Of the file; `{width}` in it is the window's.
    whole : bool, optional
        With what is below the window's edge; None: as a telephone's pages are.
    size : (width, height), optional
        Of the window for this picture, once the board has no word of its own left to say; put back afterwards.
    """
    folder = os.environ.get("ROUNDSMAN_PICTURES")
    if not folder:
        return
    was = page.viewport_size
    if size is not None:
        page.set_viewport_size({"width": size[0], "height": size[1]})
        expect(page.locator(".said")).to_have_text("")
    narrow = was is not None and was["width"] < TELEPHONE_PX
    name = name.replace("{width}", str(was["width"] if was else 0))
    page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=narrow if whole is None else whole)
    if size is not None and was is not None:
        page.set_viewport_size(was)
