"""What a session's facts say, and what became of an order. Pure: facts in, rows out; the same rows for the same facts, however cut."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from roundsman_hub.derive.told import ToldRow, told
from roundsman_wire.messages import CHARGE, RELOAD, Action, AnyEntry, Clock, Crossing, Duty, FixGap, Outcome, Receipt, UnknownEntry, Visit

RULES: Final = 5
"""Raised when this file understands more or otherwise than before: every session is then derived again from its first fact."""
LAST_UTC_MS: Final = 4_102_444_800_000
"""2100-01-01: a clock that runs beyond it says nothing."""
MAX_INT: Final = 2**31 - 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One entry of the log. `time` is None where the van did not know the date, or told an impossible one."""

    seq: int
    entry: AnyEntry | UnknownEntry
    time: datetime | None
    received_at: datetime
    received_real_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What must be remembered of a session between two folds.

    offset_ms : UTC minus the session's monotonic clock, once a `Clock` entry told it.
    guessed : rows were made without knowing the date; when it becomes known, the session is derived again from its start.
    """

    offset_ms: int | None = None
    guessed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitRow:
    """A standstill as far as it is told; None where it is not (yet)."""

    visit: int
    order_id: str | None
    arrived_at: datetime | None
    left_at: datetime | None
    lat_e6: int
    lon_e6: int
    confidence: float
    meant_order_id: str | None = None
    """Of one that was no stop of the plan: the open stop nearby that it may have been meant for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossingRow:
    seq: int
    fence_id: str
    event: str
    at: datetime | None
    inferred: bool
    speed_cm_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyRow:
    seq: int
    driver_id: str | None
    duty: str
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptRow:
    seq: int
    version: int
    state: str
    hash: str
    reason: str | None
    at: datetime | None
    received_real_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GapRow:
    seq: int
    from_at: datetime
    to_at: datetime
    reason: str


HANDED_OVER: Final = frozenset({"delivered", "partial"})
ENDED: Final = HANDED_OVER | {"failed", "refused", "damaged"}
"""Outcomes that end a stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRow:
    """What a driver said of one order. `at` falls back to when the hub heard it."""

    seq: int
    order_id: str
    action: str
    outcome: Outcome
    undoes: str | None
    reason: str | None
    driver_id: str | None
    at: datetime
    parcels: tuple[str, ...] = ()
    received_by: str | None = None
    note: str | None = None
    code: str | None = None
    lat_e6: int | None = None
    lon_e6: int | None = None


@dataclass(slots=True, kw_only=True)
class Rows:
    """What a stretch of facts says."""

    visits: dict[int, VisitRow] = field(default_factory=dict)
    served: set[tuple[int, str]] = field(default_factory=set)
    """(visit, order): every order that a standstill was told to serve, whose own it is or not."""
    crossings: list[CrossingRow] = field(default_factory=list)
    duties: list[DutyRow] = field(default_factory=list)
    receipts: list[ReceiptRow] = field(default_factory=list)
    gaps: list[GapRow] = field(default_factory=list)
    actions: list[ActionRow] = field(default_factory=list)
    told: list[ToldRow] = field(default_factory=list)

    @property
    def orders(self) -> set[str]:
        """Orders that these rows say something of."""
        stood = {row.order_id for row in self.visits.values() if row.order_id is not None}
        return {row.order_id for row in self.actions} | stood | {order for _, order in self.served}


def fits(entry: AnyEntry | UnknownEntry) -> bool:
    """Can the tables hold what this fact says? One that passed the wire's checks and does not is kept in the log and says nothing here."""
    texts: tuple[str | None, ...]
    numbers: tuple[int, ...] = ()
    match entry:
        case Visit():
            texts, numbers = (entry.stop,), (entry.visit, entry.lat_e6, entry.lon_e6)
        case Crossing():
            texts = (entry.fence,)
        case Duty():
            texts = (entry.driver,)
        case Receipt():
            return 0 <= entry.plan_version < 2**62 and not any("\0" in text for text in (entry.plan_hash, entry.reason or ""))
        case FixGap():
            texts = (entry.reason,)
        case Action():
            texts = (entry.action, entry.stop, *entry.tasks, entry.undoes, entry.reason, entry.driver, *entry.parcels)
            texts += (entry.received_by, entry.note, entry.code)
        case _:
            return True
    return not any("\0" in (text or "") for text in texts) and all(abs(number) <= MAX_INT for number in numbers)


def fold(progress: Progress, facts: Iterable[Fact]) -> tuple[Progress, Rows] | None:
    """Rows of the next facts of a session, in order.

    Returns
    -------
    tuple or None
        None: the date became known only now, and rows were made before without it. Begin again with `with_date`.
    """
    rows = Rows()
    for fact in facts:
        if isinstance(fact.entry, Clock):
            if fact.time is not None:
                if progress.guessed and progress.offset_ms is None:
                    return None
                progress = replace(progress, offset_ms=_ms(fact.time) - fact.entry.mono_ms)
            continue
        if not fits(fact.entry):
            continue
        at = fact.time
        if at is None and progress.offset_ms is not None:
            at = _instant(progress.offset_ms + fact.entry.mono_ms)
        if _add(rows, fact, at) and at is None:
            progress = replace(progress, guessed=True)
    return progress, rows


def with_date(facts: Iterable[Fact]) -> Progress:
    """What to begin a session with, when its date became known only in its course: the first that was told."""
    for fact in facts:
        if isinstance(fact.entry, Clock) and fact.time is not None:
            return Progress(offset_ms=_ms(fact.time) - fact.entry.mono_ms)
    return Progress()


def _instant(utc_ms: int) -> datetime | None:
    return _EPOCH + timedelta(milliseconds=utc_ms) if 0 <= utc_ms <= LAST_UTC_MS else None


def _ms(at: datetime) -> int:
    return round((at - _EPOCH) / timedelta(milliseconds=1))


def _meant(entry: Visit) -> str | None:
    """The order whose door a standstill may have been meant for; a depot or charger is none's."""
    return None if entry.near is None or entry.near.startswith((RELOAD, CHARGE)) else entry.near


def _add(rows: Rows, fact: Fact, at: datetime | None) -> bool:
    """True if the fact makes a row that has a time."""
    entry = fact.entry
    match entry:
        case Visit(phase="serving", stop=str() as stop):
            rows.served.add((entry.visit, stop))
            return False  # its times are in arrived and left
        case Visit(phase="approaching" | "serving"):
            return False  # told for the screen and the ETA
        case Visit():
            # What is not told again stays: the tables add a later stretch of the session to an earlier one by the same rule.
            before = rows.visits.get(entry.visit)
            arrived = entry.phase == "arrived"
            rows.visits[entry.visit] = VisitRow(
                visit=entry.visit,
                order_id=entry.stop if entry.stop is not None or before is None else before.order_id,
                arrived_at=(at if arrived else None) or (before.arrived_at if before else None),
                left_at=(at if not arrived else None) or (before.left_at if before else None),
                lat_e6=entry.lat_e6,
                lon_e6=entry.lon_e6,
                confidence=min(max(entry.confidence, 0.0), 1.0),
                meant_order_id=_meant(entry) or (before.meant_order_id if before else None),
            )
        case Crossing():
            speed = entry.speed_cm_s if entry.speed_cm_s is not None and 0 <= entry.speed_cm_s <= MAX_INT else None
            rows.crossings.append(
                CrossingRow(seq=fact.seq, fence_id=entry.fence, event=entry.event, at=at, inferred=entry.inferred, speed_cm_s=speed)
            )
        case Duty():
            rows.duties.append(DutyRow(seq=fact.seq, driver_id=entry.driver, duty=entry.duty, at=at))
        case Receipt():
            rows.receipts.append(
                ReceiptRow(
                    seq=fact.seq,
                    version=entry.plan_version,
                    state=entry.state,
                    hash=entry.plan_hash,
                    reason=entry.reason,
                    at=at,
                    received_real_at=fact.received_real_at,
                )
            )
        case FixGap():
            if at is None or not 0 <= entry.from_utc_ms <= _ms(at):
                return False  # a gap without its two ends says nothing; the fixes on both sides still do
            from_at = _EPOCH + timedelta(milliseconds=entry.from_utc_ms)
            rows.gaps.append(GapRow(seq=fact.seq, from_at=from_at, to_at=at, reason=entry.reason))
        case Action():
            rows.actions += [
                ActionRow(
                    seq=fact.seq,
                    order_id=order,
                    action=entry.action,
                    outcome=entry.outcome,
                    undoes=entry.undoes,
                    reason=entry.reason,
                    driver_id=entry.driver,
                    at=at or fact.received_at,
                    parcels=entry.parcels,
                    received_by=entry.received_by,
                    note=entry.note,
                    code=entry.code,
                    lat_e6=entry.lat_e6,
                    lon_e6=entry.lon_e6,
                )
                for order in dict.fromkeys(entry.tasks or (entry.stop,))
            ]
            rows.told += told(fact.seq, entry, at)
        case _:
            new = told(fact.seq, entry, at)
            rows.told += new
            return bool(new)
    return True


# ── what became of an order ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An action on an order, with the vehicle that it was said in. Given in each vehicle's own order: session chain, then number."""

    vehicle_id: str
    action: str
    outcome: Outcome
    undoes: str | None
    reason: str | None
    driver_id: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderState:
    """What holds of an order now."""

    state: Literal["arrived", "delivered", "failed"]
    vehicle_id: str
    driver_id: str | None
    at: datetime
    arrived_at: datetime | None
    reason: str | None
    action: str


def order_state(said: Sequence[Said], stood: Sequence[tuple[str, datetime]]) -> OrderState | None:
    """What the actions on an order come to; None: nothing holds (nothing was said, or all of it was undone).

    A completed or failed stop wins over an arrival; within a vehicle the last word counts, and between vehicles (an order that
    changed vans) the later one. `stood` are (vehicle, when it came to stand) of visits at the order's place: a visit's
    time is the first slow fix, so it is nearer the truth than a finger's.
    """
    undone = {word.undoes for word in said if word.outcome == "undo"}
    held = [word for word in said if word.outcome != "undo" and word.action not in undone]
    done = [word for word in held if word.outcome in ENDED]
    if not held:
        return None
    last = {word.vehicle_id: word for word in (done or held)}
    word = max(last.values(), key=lambda found: found.at)
    arrivals = [at for vehicle, at in stood if vehicle == word.vehicle_id and at <= word.at]
    taps = [other.at for other in held if other.vehicle_id == word.vehicle_id and other.outcome == "arrived"]
    return OrderState(
        state="arrived" if word.outcome == "arrived" else "delivered" if word.outcome in HANDED_OVER else "failed",
        vehicle_id=word.vehicle_id,
        driver_id=word.driver_id,
        at=word.at,
        arrived_at=max(arrivals) if arrivals else taps[-1] if taps else None,
        reason=word.reason,
        action=word.action,
    )
