"""What follows when something goes back, is missing, broken or complained of: one table of kinds, states and events. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, get_args

Kind = Literal["return", "dispute", "complaint", "damage", "call", "rating"]
Event = Literal[
    "open", "approve", "refuse", "withdraw", "collected", "not_collected", "received", "inspected", "refund", "replace", "decline",
    "look_into", "uphold", "reject", "resolve", "connected", "missed",
]  # fmt: skip
BEGINS: Final[Mapping[Kind, str]] = {
    "return": "requested",
    "dispute": "opened",
    "complaint": "opened",
    "damage": "opened",
    "call": "asked",
    "rating": "noted",
}
_LOOKED_INTO: Final[Mapping[str, Mapping[Event, str]]] = {
    "opened": {"look_into": "looked_into", "uphold": "upheld", "reject": "rejected", "withdraw": "withdrawn"},
    "looked_into": {"uphold": "upheld", "reject": "rejected", "withdraw": "withdrawn"},
    "upheld": {"refund": "refunded", "replace": "replaced", "resolve": "resolved"},
    "rejected": {"look_into": "looked_into"},  # the customer has more to say
}
TABLE: Final[Mapping[Kind, Mapping[str, Mapping[Event, str]]]] = {
    "return": {
        "requested": {"approve": "approved", "refuse": "refused", "withdraw": "withdrawn"},
        "approved": {"collected": "collected", "not_collected": "approved", "withdraw": "withdrawn"},
        "collected": {"received": "received"},
        "received": {"inspected": "inspected"},
        "inspected": {"refund": "refunded", "replace": "replaced", "decline": "declined"},
    },
    "dispute": _LOOKED_INTO,
    "damage": _LOOKED_INTO,
    "complaint": _LOOKED_INTO,
    "call": {"asked": {"connected": "connected", "missed": "missed"}, "missed": {"connected": "connected"}},
    "rating": {},
}
PATHS: Final[Mapping[Kind, tuple[str, ...]]] = {
    # what a customer sees as the way ahead
    "return": ("requested", "approved", "collected", "received", "inspected", "refunded"),
    "dispute": ("opened", "looked_into", "upheld", "resolved"),
    "damage": ("opened", "looked_into", "upheld", "resolved"),
    "complaint": ("opened", "looked_into", "upheld", "resolved"),
    "call": ("asked", "connected"),
    "rating": ("noted",),
}
BY_CUSTOMER: Final[frozenset[Event]] = frozenset({"withdraw"})
BY_FACT: Final[frozenset[Event]] = frozenset({"collected", "not_collected"})
"""What the van's log says; nobody says it by hand."""
TOLD: Final[frozenset[str]] = frozenset(
    {"approved", "refused", "collected", "received", "inspected", "refunded", "replaced", "declined", "upheld", "rejected", "resolved"}
)
"""States that a customer is written to about, and that the shop's webhook hears of."""


class NotAllowed(Exception):
    """The table has no such step; the text says what could be done."""


def step(kind: Kind, state: str, event: Event) -> str:
    """The state after an event.

    Raises
    ------
    NotAllowed
        The table has no line for it.
    """
    ways = TABLE[kind].get(state, {})
    if event not in ways:
        could = ", ".join(sorted(ways)) or "nothing: it has ended"
        raise NotAllowed(f"a {kind} that is {state} cannot {event.replace('_', ' ')}; what can be done: {could}")
    return ways[event]


def ended(kind: Kind, state: str) -> bool:
    """Nothing more will come."""
    return not TABLE[kind].get(state)


def opened(kind: Kind, now: Iterable[tuple[Kind, str]]) -> bool:
    """Is one of this kind still under way?"""
    return any(other == kind and not ended(other, state) for other, state in now)


REASONS: Final = ("unwanted", "wrong_size", "wrong_item", "damaged", "late")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnRules:
    """What may go back. `days` after delivery; reasons that need no person to look at them first; parcels whose barcode begins so stay."""

    days: int = 30
    approved_at_once: tuple[str, ...] = REASONS
    never: tuple[str, ...] = ()


def why_not(
    rules: ReturnRules, *, kind: str, state: str, done_at: datetime | None, now: datetime, wanted: Sequence[str], had: Sequence[str]
) -> str | None:
    """Why items may not go back, as a word of the customer's page; None where they may."""
    if kind != "delivery" or state != "delivered" or done_at is None:
        return "return_not_delivered"
    if now - done_at > timedelta(days=rules.days):
        return "return_too_late"
    if not wanted:
        return "return_no_items"
    if had and not set(wanted) <= set(had):
        return "return_unknown_item"
    if any(item.startswith(prefix) for item in wanted for prefix in rules.never):
        return "return_never"
    return None


assert set(TABLE) == set(get_args(Kind))
