"""Vans that have their plan and drive by it."""

from __future__ import annotations

from typing import Any

Yard = Any  # the fixture of conftest.py


def on_the_road(yard: Yard, *vans: str) -> None:
    for van in vans:
        if yard.newest(van):
            yard.receipt(van)
        yard.duty(van, "on")
        yard.at(van, 0, 50)
