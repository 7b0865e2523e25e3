"""The screens in the vans: one page each of a real browser, so that `shown` is said by pages that have painted."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator, Sequence
from typing import Final

from playwright.async_api import Error, async_playwright

WIDTH_PX: Final = 480
HEIGHT_PX: Final = 320
"""The 3.5 inch display that is sold for the Pi."""
ARGUMENTS: Final = (
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--enable-unsafe-swiftshader",
)  # fmt: skip


def browser() -> str | None:
    """Path of a Chromium, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextlib.asynccontextmanager
async def opened(urls: Sequence[str]) -> AsyncIterator[int]:
    """One page for each screen while the block runs; gives how many were opened (0: there is no browser)."""
    program = browser()
    if program is None:
        yield 0
        return
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        try:
            for url in urls:
                # A context each: a background tab of one window would paint rarely, and a screen that is not painted says nothing.
                context = await chromium.new_context(viewport={"width": WIDTH_PX, "height": HEIGHT_PX})
                page = await context.new_page()
                await page.goto(url, wait_until="domcontentloaded")
            yield len(urls)
        finally:
            with contextlib.suppress(Error):
                await chromium.close()
