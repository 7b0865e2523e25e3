"""More seconds for a search where those that it usually needs were not enough: a machine that is busy with others is slow, not wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")
BUDGETS_S = (3.0, 12.0, 40.0)


def with_patience(search: Callable[[float], Found], enough: Callable[[Found], bool], *, budgets_s: tuple[float, ...] = BUDGETS_S) -> Found:
    """What a search finds in the first budget that is enough for it, or in the last."""
    for budget_s in budgets_s:
        found = search(budget_s)
        if enough(found):
            break
    return found
