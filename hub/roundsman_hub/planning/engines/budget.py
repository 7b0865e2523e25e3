"""What a search's seconds are counted by: the real clock; where engines are compared on a busy machine, this process's own CPU time."""

from __future__ import annotations

import time
from collections.abc import Callable

_clock: Callable[[], float] = time.monotonic


def seconds() -> float:
    """Seconds of the search's clock; only differences mean anything."""
    return _clock()


def count_cpu() -> None:
    """From here on, in this process, a budget is one of CPU seconds. (OR-Tools and VROOM look at the real clock whatever is said.)"""
    global _clock
    _clock = time.process_time


def count_real() -> None:
    """Back to the real clock: a process that waits for others' searches uses hardly any CPU, and its budget would never end."""
    global _clock
    _clock = time.monotonic
