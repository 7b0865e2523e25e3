"""The pretend world: a town, its orders, receivers and drivers, around the real hub and the real agents. Demo and tests only.

It alone may see both sides. Read `town.py`, `driver.py`, then `demo.py`.
"""

from __future__ import annotations


class SimError(Exception):
    """Root of the pretend world's errors. `str` says what went wrong and what to do next."""
