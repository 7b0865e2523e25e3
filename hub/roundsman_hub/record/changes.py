"""What an order was before it was changed: the journal tells, the orders' table has only the last state. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

FIELDS: Final = ("window_start", "window_end", "service_s", "parcels", "priority")
"""What a planner looks at, and a PATCH may change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """From an instant on, these columns of an order had these values."""

    at: datetime
    columns: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """An order's columns as they were at first, as far as the journal knows them, and each change, oldest first."""

    first: dict[str, Any]
    later: tuple[Changed, ...]


NONE: Final = History(first={}, later=())


def histories(journal: Iterable[Mapping[str, Any]], orders: Mapping[str, Mapping[str, Any]]) -> dict[str, History]:
    """Histories of the orders that were changed.

    Parameters
    ----------
    journal : iterable of mappings
        Rows of the journal, in their order, as a day's file has them.
    orders : mapping
        Rows of the orders as they ended. Each history ends with them: where the journal says otherwise, the row is right.
    """
    created: dict[str, Mapping[str, Any]] = {}
    changes: dict[str, list[tuple[datetime, dict[str, Any]]]] = {}
    for row in journal:
        if row["kind"] == "order.created":
            created[row["subject"]] = row["body"]
        elif row["kind"] == "order.changed":
            told = {name: value for name, value in row["body"].items() if name in FIELDS and value is not None}
            if told:
                changes.setdefault(row["subject"], []).append((datetime.fromisoformat(row["at"]), told))
    return {name: _history(orders[name], created.get(name, {}), told) for name, told in changes.items() if name in orders}


def _history(order: Mapping[str, Any], created: Mapping[str, Any], changes: list[tuple[datetime, dict[str, Any]]]) -> History:
    # A field that the first note does not say was left to the release's own value, which may have been another then: it stays as it ended.
    first = {name: created[name] for name in FIELDS if name in created and any(name in told for _, told in changes)}
    later = [(at, {name: value for name, value in told.items() if name in first}) for at, told in changes]
    for name in first:
        last = max(number for number, (_, told) in enumerate(later) if name in told)
        later[last][1][name] = order[name]
    return History(first=first, later=tuple(Changed(at=at, columns=told) for at, told in later if told))
