"""Going to a page from one that may be loading itself anew at that moment: a customer's page does when their order's stage changes."""

from __future__ import annotations

from playwright.sync_api import Error, Page

TRIES = 5


def visit(page: Page, url: str) -> None:
    """Go there; where the page's own loading came in between, go again."""
    for left in reversed(range(TRIES)):
        try:
            page.goto(url)
        except Error as error:
            if not left or not any(word in error.message for word in ("ERR_ABORTED", "interrupted by another navigation")):
                raise
        else:
            return
