"""What a late log changed of what was shown, and why, in words that a person can read. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from roundsman_hub.derive.alerts import Alert
from roundsman_hub.derive.fold import Fact, OrderState

LATE: Final = timedelta(minutes=10)
"""A log that arrives later than this after what it tells was kept back: the van was without network, or the hub away."""
NEWER: Final = "newer facts of the van"
TAKEN_BACK: Final = "the driver took it back"
CHAIN: Final = "the order of the van's sessions became known: an older one was heard of later"
RULES_CHANGED: Final = "derived again by newer rules"
READ_AFTER_ALL: Final = "derived again from the whole session: a part of its log could be read only now"
DATED: Final = "the date of the van's session became known"
DECIDED: Final = "the order was changed, cancelled, or given to another van"

Noun = Literal["order", "visit", "alert"]
Stated = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """Something that was stated and no longer holds. `was` None: it was not known in time; `now` None: it is taken back."""

    noun: Noun
    subject: str
    vehicle_id: str
    order_id: str | None
    event_at: datetime | None
    was: Stated | None
    now: Stated | None
    cause: str


@dataclass(slots=True, kw_only=True)
class News:
    """What one step of deriving a vehicle has learned."""

    causes: list[str] = field(default_factory=list)
    """Why more than the newest may have changed; empty: the van is only going on with its day."""
    undone: set[str] = field(default_factory=set)
    """Orders of which an action was taken back."""

    @property
    def cause(self) -> str | None:
        """All causes as one sentence."""
        return "; ".join(dict.fromkeys(self.causes)) or None


def late_log(facts: Sequence[Fact]) -> str | None:
    """Why these facts are late, if one of them is."""
    late = [fact for fact in facts if fact.time is not None and fact.received_at - fact.time > LATE]
    if not late:
        return None
    times = [fact.time for fact in late if fact.time is not None]
    first, last, arrived = min(times), max(times), max(fact.received_at for fact in late)
    of = _at(first) if first == last else f"{_at(first)} to {_at(last)}"
    return f"the van's log of {of} arrived at {_at(arrived)}"


def of_order(order_id: str, was: OrderState | None, now: OrderState | None, news: News) -> Correction | None:
    """Does a change of an order's state take back what was shown? Going on from "arrived" to "delivered" does not."""
    stated = was is not None and (now is None or now.at < was.at or (now.vehicle_id, now.arrived_at) != (was.vehicle_id, was.arrived_at))
    taken_back = was is not None and (now is None or now.at < was.at)
    cause = TAKEN_BACK if order_id in news.undone and taken_back else news.cause or (NEWER if taken_back else None)
    if cause is None or not (stated or news.causes):
        return None
    either = now or was
    assert either is not None  # something changed
    return Correction(
        noun="order",
        subject=order_id,
        vehicle_id=either.vehicle_id,
        order_id=order_id,
        event_at=either.at,
        was=order_stated(was),
        now=order_stated(now),
        cause=cause,
    )


def of_visit(vehicle_id: str, subject: str, was: Stated, now: Stated | None, news: News) -> Correction | None:
    """A visit whose place in time, or order, was stated otherwise. What was not known yet is no correction."""
    contradicted = now is None or any(was[name] is not None and was[name] != now[name] for name in ("order", "arrived_at", "left_at"))
    if not contradicted:
        return None
    return Correction(
        noun="visit",
        subject=subject,
        vehicle_id=vehicle_id,
        order_id=(now or was)["order"] or was["order"],
        event_at=(now or was)["arrived_at"] or was["arrived_at"],
        was=was,
        now=now,
        cause=news.cause or NEWER,
    )


def of_alert(was: Alert, now: Alert | None, news: News, otherwise: str = NEWER) -> Correction | None:
    """An alert that is retracted, or lasted otherwise than was said. One that comes to its end is no correction."""
    if now is not None and (was.to_at is None or was.to_at == now.to_at):
        return None
    return Correction(
        noun="alert",
        subject=was.alert,
        vehicle_id=was.vehicle_id,
        order_id=was.order_id,
        event_at=was.from_at,
        was=alert_stated(was),
        now=alert_stated(now) if now is not None else None,
        cause=news.cause or otherwise,
    )


def order_stated(state: OrderState | None) -> Stated | None:
    """An order's state, as it is shown."""
    if state is None:
        return None
    return {
        "state": state.state,
        "vehicle": state.vehicle_id,
        "at": state.at.isoformat(),
        "arrived_at": None if state.arrived_at is None else state.arrived_at.isoformat(),
        "reason": state.reason,
    }


def alert_stated(alert: Alert) -> Stated:
    """An alert, as it is shown."""
    return {
        "kind": alert.kind,
        "from_at": alert.from_at.isoformat(),
        "to_at": None if alert.to_at is None else alert.to_at.isoformat(),
        "fence": alert.fence_id,
        "detail": alert.detail,
    }


def _at(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
