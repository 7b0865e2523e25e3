"""How far a plan came on its way to the driver: one table of states, each with its time. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, get_args

State = Literal["committed", "sent", "held", "shown", "in_force", "declined", "refused", "superseded", "expired"]

STATES: Final[dict[State, str]] = {
    "committed": "in the hub's database: it may be sent at any moment",
    "sent": "the broker has it, retained",
    "held": "on the van's disk, beside the one that is in force",
    "shown": "painted on the driver's screen",
    "in_force": "the older one can never return: what left it is free for others",
    "declined": "the driver keeps the order of stops, and said why",
    "refused": "the van would not take it: older, damaged, or for another van",
    "superseded": "a newer plan of this van is in force",
    "expired": "its time is over: the van shows it as such, and its work that is not on board is free",
}
NO_ANSWER: Final = timedelta(seconds=30)
"""A van on line answers in a second; after half a minute of real time somebody should look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A plan's way so far: `at` has a time for each state that it reached, if the van knew the date."""

    version: int
    state: State
    at: dict[State, datetime | None]
    reason: str | None
    expires_at: datetime | None


def delivery(
    *,
    version: int,
    issued_at: datetime,
    published_at: datetime | None,
    receipts: Mapping[str, tuple[datetime | None, str | None]],
    expires_at: datetime | None,
    newest_in_force: int,
    now: datetime,
) -> Delivery:
    """The state of a plan.

    Parameters
    ----------
    receipts : mapping
        State to (when, reason), as the van's log has them.
    newest_in_force : int
        The newest version of this van that came into force; 0: none.
    """
    at: dict[State, datetime | None] = {"committed": issued_at}
    if published_at is not None:
        at["sent"] = published_at
    state: State = "sent" if published_at is not None else "committed"
    reason = None
    for name in get_args(State)[2:7]:
        if name in receipts:
            state = name
            at[name], told = receipts[name]
            reason = told or reason
    if newest_in_force > version:
        state = "superseded"
    elif expires_at is not None and expires_at < now and state not in ("declined", "refused"):
        state = "expired"
        at["expired"] = expires_at
    return Delivery(version=version, state=state, at=at, reason=reason, expires_at=expires_at)


def unanswered(told: Delivery, issued_real_at: datetime, real_now: datetime) -> bool:
    """Whether a dispatcher should look: the van's newest plan, and nothing was heard of it for a while of real time."""
    return told.state in ("committed", "sent") and real_now - issued_real_at > NO_ANSWER
