"""How far a long command is: nothing for two seconds, then a line a second on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Final

Progress = Callable[[str, int, int], None]
"""What is being done, how much of it is done, of how much."""
QUIET_S: Final = 2.0
"""Longer than this, and a person wonders whether it still works."""


def quiet(_what: str, _done: int, _of: int) -> None:
    """For those whom nobody watches."""


def on_stderr() -> Progress:
    """Tells from the third second on, once a second."""
    began = told = time.monotonic()

    def tell(what: str, done: int, of: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - began > QUIET_S and now - told > 1.0:
            told = now
            print(f"… {what}: {done:,} of {of:,}", file=sys.stderr, flush=True)

    return tell
