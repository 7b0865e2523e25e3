"""What the driver works with now: the remaining stops, and everything that waits for a glance or an answer. Made by the unit, shown by
the screen."""

from __future__ import annotations

import msgspec

from roundsman_agent.offers import Change
from roundsman_core.geo import LatLon
from roundsman_core.hours import Clocks
from roundsman_core.reorder import Suggestion
from roundsman_core.timeline import Arrival
from roundsman_wire.messages import Command, Plan, PlanStop, Sentence


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message from the dispatcher, and when it came."""

    command: Command
    utc_ms: int
    answered: bool = False


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A newer plan that waits: for the van to stand (`safe` False), or for the driver's answer."""

    plan: Plan
    plan_hash: str
    change: Change
    may_decline: bool
    safe: bool


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What the newest plan in force changed, until it was seen."""

    version: int
    changes: tuple[str, ...]
    reason: str
    changes_said: tuple[tuple[Sentence, ...], ...]
    reason_said: tuple[Sentence, ...]
    since_utc_ms: int


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """The driver's side of the unit.

    `stops`, `times`: what remains, in driving order, with the van's own expectation of each.
    """

    stops: tuple[PlanStop, ...] = ()
    times: tuple[Arrival, ...] = ()
    moving: bool = False
    at_depot: bool = False
    depot: LatLon | None = None
    offer: Offer | None = None
    notice: Notice | None = None
    suggestion: Suggestion | None = None
    messages: tuple[Message, ...] = ()
    blobs_waiting: int = 0
    clocks: Clocks | None = None
    """The driver's hours of service by now; None: no rule is set."""
    time_zone: str = ""
    distance_unit: str = "km"
    language: str = ""
