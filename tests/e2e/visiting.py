"""Going to a page from one that may be loading itself anew at that moment: a customer's page does when their order's stage changes."""

from __future__ import annotations

from urllib.parse import urlsplit

from playwright.sync_api import Error, Page

TRIES = 5


def visit(page: Page, url: str) -> None:
    """Go there; where the page's own loading came in between, go again.

    The browser may call the way there done when it is the old page that has loaded once more: where one is says more.
    """
    for left in reversed(range(TRIES)):
        try:
            page.goto(url)
        except Error as error:
            if not left or not any(word in error.message for word in ("ERR_ABORTED", "interrupted by another navigation")):
                raise
            continue
        if urlsplit(page.url).path == (urlsplit(url).path or "/"):
            return
    raise AssertionError(f"still at {page.url}, not at {url}")
