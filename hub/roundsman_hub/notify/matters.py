"""What is worth telling a customer, measured against what they were told last. Pure.

Each stage is told once. A change of the arrival time is told only when it matters: the time has left the range that was told by more
than `BAND`, and either some time has passed since the last word or the promise breaks. An arrival time that swings inside its range,
or a little beyond, says nothing. A promise that breaks is told before its window begins, also where no driver is at work yet, and where
no van has the order any more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

Kind = Literal["on_the_way", "next", "changed", "unsure", "done", "failed"]

BAND: Final = timedelta(minutes=10)
"""Beyond the range that was told: less than this nobody plans anew for."""
PAUSE: Final = timedelta(minutes=20)
"""Between two changed times; sooner only if the promise, kept so far, would break."""
MOST_CHANGES: Final = 4
"""After so many, the page says the rest."""
AHEAD: Final = timedelta(hours=1)
"""Before the window begins: what no driver is at work for yet may still be planned otherwise; nearer than this it is told."""
_RANK: Final = {"": 0, "unsure": 0, "on_the_way": 1, "next": 2, "done": 3, "failed": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What they know."""

    stage: str = ""
    low: datetime | None = None
    high: datetime | None = None
    at: datetime | None = None
    changes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Is:
    """What is so now. `stage`: as the page has it; `driving`: the van's driver is at work; `low`, `high`: as the page would tell them;
    `unsure`: no van has it, and its time is near."""

    stage: str
    driving: bool
    eta: datetime | None
    low: datetime | None
    high: datetime | None
    promise_start: datetime
    promise_end: datetime
    now: datetime
    unsure: bool = False


def worth_telling(told: Told, now: Is) -> tuple[Kind | None, Told]:
    """The notice that is due, if one is, and what the customer then knows."""
    if now.stage in ("done", "failed"):
        kind: Kind = "done" if now.stage == "done" else "failed"
        return (None, told) if told.stage == kind else (kind, replace(told, stage=kind, at=now.now))
    if now.unsure:
        known = told.stage == "unsure" or told.changes >= MOST_CHANGES
        return (None, told) if known else ("unsure", replace(told, stage="unsure", low=None, high=None, at=now.now))
    if now.eta is None or now.low is None or now.high is None or now.stage not in ("planned", "next"):
        return None, told
    knows = replace(told, low=now.low, high=now.high, at=now.now)
    if told.stage == "unsure":  # there is a time again
        return "changed", replace(knows, stage="on_the_way" if now.driving else "", changes=told.changes + 1)
    breaks = now.eta > now.promise_end and (told.high is None or told.high <= now.promise_end)
    if not now.driving:
        near = now.promise_start - now.now <= AHEAD
        return ("changed", replace(knows, changes=told.changes + 1)) if breaks and near and told.changes < MOST_CHANGES else (None, told)
    if now.stage == "next" and _RANK.get(told.stage, 0) < _RANK["next"]:
        return "next", replace(knows, stage="next")
    if not told.stage:
        return "on_the_way", replace(knows, stage="on_the_way")
    if told.low is None or told.high is None or told.stage in ("done", "failed") or not (breaks or _left(told.low, told.high, now.eta)):
        return None, told
    rested = told.at is None or now.now - told.at >= PAUSE
    if told.changes >= MOST_CHANGES or not (rested or breaks):
        return None, told
    return "changed", replace(knows, changes=told.changes + 1)


def _left(low: datetime, high: datetime, eta: datetime) -> bool:
    return eta < low - BAND or eta > high + BAND


WAITS: Final = frozenset({"done", "failed", "case"})
"""What is still true in the morning waits for it; what would be stale by then is not sent at all."""


def not_before(kind: str, now: datetime, quiet: tuple[time, time] | None, zone: ZoneInfo) -> datetime | None:
    """When a notice may go out: now, or when quiet hours end; None: not at all. Whose turn it is, is told at any hour.

    Parameters
    ----------
    quiet : (start, end), optional
        In the reader's own time; over midnight where `end` is earlier.
    """
    if quiet is None or kind in ("next", "webhook"):
        return now
    local = now.astimezone(zone)
    start, end = quiet
    clock = local.time()
    inside = start <= clock < end if start <= end else clock >= start or clock < end
    if not inside:
        return now
    if kind not in WAITS:
        return None
    opens = datetime.combine(local.date(), end, zone)
    return opens if opens > local else datetime.combine(local.date() + timedelta(days=1), end, zone)
