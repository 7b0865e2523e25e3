"""Waiting in tests: for a condition that another thread, process or browser makes true; never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

LOOKS_EVERY_S = 0.05


def until(condition: Callable[[], Any], what: str | Callable[[], Any], *, within_s: float = 60.0) -> Any:
    """Wait for something true, and give it. `what`: what was waited for, or a function that tells how far it came."""
    deadline_s = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < deadline_s, f"not within {within_s:g} s: {what() if callable(what) else what}"
        time.sleep(LOOKS_EVERY_S)
    return found
