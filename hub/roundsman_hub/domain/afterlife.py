"""What becomes of an order's goods when a stop fails: one table of states and events, and the fold over what happened. Pure.

Facts (what vans' logs and people at the depot saw) always count; where the table has no line for a fact, it changes nothing. Choices
(what dispatchers and customers decide) are refused where the table has no line for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal, get_args

State = Literal[
    "open",
    "loaded",
    "missed",
    "failed",
    "again",
    "to_neighbour",
    "to_locker",
    "for_tomorrow",
    "to_depot",
    "to_sender",
    "tomorrow",
    "at_depot",
    "returning",
    "delivered",
    "with_neighbour",
    "in_locker",
    "returned",
    "cancelled",
]
Fact = Literal["loaded", "delivered", "failed", "unloaded", "handed_back"]
Choice = Literal["today", "tomorrow", "neighbour", "locker", "depot", "sender", "cancel"]
Event = Fact | Choice

SAYS: Final[Mapping[State, str]] = {
    "open": "waits for its attempt; the goods are not in a van",
    "loaded": "on board, on its way",
    "missed": "a pickup that failed: nothing is on board, and nobody has decided",
    "failed": "the attempt failed; the goods are on board, and nobody has decided",
    "again": "on board; tried again today",
    "to_neighbour": "on board, on its way to a neighbour",
    "to_locker": "on board, on its way to a locker",
    "for_tomorrow": "on board; goes to the depot tonight and out again on another day",
    "to_depot": "on board, on its way back to the depot",
    "to_sender": "on board, on its way to the depot and from there to its sender",
    "tomorrow": "at the depot; goes out on another day",
    "at_depot": "at the depot, and nobody has decided",
    "returning": "at the depot, waits to go back to its sender",
    "delivered": "delivered",
    "with_neighbour": "a neighbour has it",
    "in_locker": "in a locker",
    "returned": "back with its sender",
    "cancelled": "cancelled",
}
ON_BOARD: Final[frozenset[State]] = frozenset(
    {"loaded", "failed", "again", "to_neighbour", "to_locker", "for_tomorrow", "to_depot", "to_sender"}
)
"""In a van, and counted against its capacity."""
ENDED: Final[frozenset[State]] = frozenset({"delivered", "with_neighbour", "in_locker", "returned", "cancelled"})
ATTEMPTS: Final[frozenset[Choice]] = frozenset({"today", "tomorrow"})
"""Choices that mean another try at the customer's door; there are at most so many."""
CARRIED_ON: Final[frozenset[Choice]] = frozenset({"today", "neighbour", "locker"})
"""Choices by which the same van goes on with goods that it has on board."""

_ANY_WAY_FROM_A_VAN: Final[Mapping[Event, State]] = {
    "today": "again",
    "tomorrow": "for_tomorrow",
    "neighbour": "to_neighbour",
    "locker": "to_locker",
    "depot": "to_depot",
    "sender": "to_sender",
    "failed": "failed",
    "delivered": "delivered",
    "unloaded": "at_depot",
}
_FROM_THE_DEPOT: Final[Mapping[Event, State]] = {
    "tomorrow": "tomorrow",
    "today": "open",
    "sender": "returning",
    "loaded": "loaded",
    "failed": "failed",
    "delivered": "delivered",
}
TABLE: Final[Mapping[State, Mapping[Event, State]]] = {
    "open": {**_FROM_THE_DEPOT, "neighbour": "open", "locker": "open", "cancel": "cancelled"},
    "loaded": {**_ANY_WAY_FROM_A_VAN, "today": "loaded", "unloaded": "open", "cancel": "to_depot"},
    "missed": {"today": "open", "tomorrow": "tomorrow", "cancel": "cancelled", "delivered": "delivered"},
    "failed": _ANY_WAY_FROM_A_VAN,
    "again": {**_ANY_WAY_FROM_A_VAN, "cancel": "to_depot"},
    "to_neighbour": {**_ANY_WAY_FROM_A_VAN, "delivered": "with_neighbour"},
    "to_locker": {**_ANY_WAY_FROM_A_VAN, "delivered": "in_locker"},
    "for_tomorrow": {**_ANY_WAY_FROM_A_VAN, "unloaded": "tomorrow"},
    "to_depot": _ANY_WAY_FROM_A_VAN,
    "to_sender": {**_ANY_WAY_FROM_A_VAN, "unloaded": "returning"},
    "tomorrow": {**_FROM_THE_DEPOT, "depot": "at_depot", "cancel": "cancelled"},
    "at_depot": _FROM_THE_DEPOT,
    "returning": {**_FROM_THE_DEPOT, "handed_back": "returned", "depot": "at_depot"},
    # What ended may still be corrected by the log: an undone tap, or a parcel that was found in the van after all.
    "delivered": {"failed": "failed"},
    "with_neighbour": {"failed": "failed"},
    "in_locker": {"failed": "failed"},
    "returned": {},
    "cancelled": {"loaded": "to_depot", "delivered": "delivered", "failed": "failed"},
}


class NotAllowed(Exception):
    """A choice that the table, or the number of attempts, does not allow; the text says why and what is open instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """One event. `order`: the attempt that it is about. `vehicle`: the van of a fact."""

    event: Event
    at: datetime
    order: str
    vehicle: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """Where an order stands.

    Attributes
    ----------
    failures : int
        Attempts at the customer's door that failed.
    vehicle : str or None
        The van that has the goods on board.
    """

    kind: Literal["delivery", "pickup"] = "delivery"
    state: State = "open"
    failures: int = 0
    vehicle: str | None = None

    @property
    def on_board(self) -> bool:
        """Whether the goods take room in a van."""
        return self.state in ON_BOARD


def why_not(life: Life, choice: Choice, most_attempts: int) -> str | None:
    """Why a choice is refused now; None where it is open.

    Parameters
    ----------
    most_attempts : int
        Tries at the customer's door, the first among them.
    """
    if choice not in TABLE[life.state] or (life.kind == "pickup" and choice not in TABLE["missed"]):
        return f"the order is {life.state}: {SAYS[life.state]}"
    if choice in ATTEMPTS and life.failures >= most_attempts:
        return f"it failed {life.failures} times, and the fleet tries at most {most_attempts} times"
    return None


def choices(life: Life, most_attempts: int) -> tuple[Choice, ...]:
    """What can be chosen now, in the table's order."""
    return tuple(choice for choice in get_args(Choice) if why_not(life, choice, most_attempts) is None)


def step(life: Life, happened: Happened) -> Life:
    """The life after one event; a choice or fact that the table has no line for changes nothing."""
    event = happened.event
    after = TABLE[life.state].get(event, life.state)
    if life.kind == "pickup" and after in ON_BOARD:
        # Of a pickup, "failed" leaves nothing in the van, and "loaded" says that it succeeded, which its own fact says better.
        after = "missed" if event == "failed" else life.state
    failures = life.failures + (event == "failed" and life.state not in ("to_neighbour", "to_locker"))
    vehicle = (happened.vehicle or life.vehicle) if after in ON_BOARD else None
    return replace(life, state=after, failures=failures, vehicle=vehicle)


def fold(kind: Literal["delivery", "pickup"], events: Iterable[Happened]) -> Life:
    """A life from all its events, oldest first."""
    life = Life(kind=kind)
    for happened in events:
        life = step(life, happened)
    return life


def choose(life: Life, choice: Choice, most_attempts: int) -> State:
    """The state that a choice leads to.

    Raises
    ------
    NotAllowed
        The table has no line for it, or it was tried often enough.
    """
    if (why := why_not(life, choice, most_attempts)) is not None:
        instead = ", ".join(choices(life, most_attempts)) or "nothing"
        raise NotAllowed(f"{choice} cannot be chosen: {why}; open now: {instead}")
    return TABLE[life.state][choice]
