"""`roundsman-hub replay`: a recorded day happens again in an empty hub, at any speed; what is derived is held against the file."""

from __future__ import annotations

import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from roundsman_core.timebase import TimeBase
from roundsman_hub import HubError
from roundsman_hub.clock import Clock, to_ms
from roundsman_hub.derive.vehicle import Vehicle, order_alerts, refold_alerts
from roundsman_hub.derive.worker import catch_up, pass_time
from roundsman_hub.progress import Progress, quiet
from roundsman_hub.record.changes import NONE, histories
from roundsman_hub.record.day_file import FIX_COLUMNS, TABLES, Head, Line, read, summed, verify
from roundsman_hub.store import chain_store, derived_dump, log_store, partitions, record_store
from roundsman_hub.store.db import Cursor, Database
from roundsman_wire.frames import parse_entry
from roundsman_wire.messages import TRACK, SessionStarted

STEP: Final = timedelta(minutes=5)
"""Business time between two looks of the derivation, where nobody watches. (Any other gives the same result.)"""
WATCHED_STEP_S: Final = 0.5
"""Real seconds between two steps, where a speed was chosen."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HAPPENS: Final = {
    "orders": "created_at",
    "geocode_queue": "queued_at",
    "plans": "issued_at",
    "unassigned": "at",
    "messages": "at",
    "settled_reports": "at",
    "journal": "at",
}
"""The column that says when a row came to be. Rows of the other tables are there from the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What a replay came to. `differs`: tables whose derived rows are not those of the recording hub."""

    head: Head
    events: int
    derived: dict[str, dict[str, Any]]
    expected: dict[str, dict[str, Any]]

    @property
    def differs(self) -> list[str]:
        return [name for name, told in self.expected.items() if self.derived.get(name) != told]


Work = Callable[[Cursor], None]


@dataclass(slots=True, kw_only=True)
class _Day:
    """A file's content, by the instant at which each part is to happen."""

    head: Head
    before: list[Work] = field(default_factory=list)
    at: defaultdict[datetime, list[tuple[int, Work]]] = field(default_factory=lambda: defaultdict(list))
    sessions: dict[str, tuple[str, int]] = field(default_factory=dict)
    vehicles: list[str] = field(default_factory=list)
    expected: dict[str, dict[str, Any]] = field(default_factory=dict)
    issued: dict[tuple[str, int], datetime] = field(default_factory=dict)
    """When each plan was."""
    heard: dict[str, int] = field(default_factory=dict)
    """Of each session, the latest receipt of a fact read so far."""
    driven: set[str] = field(default_factory=set)
    """Sessions that have a fix."""
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Each order as it ended."""
    journal: list[dict[str, Any]] = field(default_factory=list)


def replay(
    db: Database, path: Path, *, speed: float | None = None, stop: threading.Event | None = None, progress: Progress = quiet
) -> Replayed:
    """Let a recorded day happen again.

    Parameters
    ----------
    db : Database
        Migrated, and empty: no vehicle, no order, no log.
    speed : float, optional
        Business seconds a real second; without it, as fast as it goes.

    Raises
    ------
    HubError
        The hub is not empty. Nothing was changed.
    BadFile
        The file is not whole. Nothing was changed.
    """
    verify(path)
    with db.transaction() as cur:
        if not record_store.is_empty(cur):
            raise HubError("this hub holds vehicles, orders or logs already: replay into an empty one (serve --data NEW_FOLDER)")
    day = _read(path)
    with db.transaction() as cur:
        for work in day.before:
            work(cur)
        partitions.ensure_days(cur, day.head.since)
    stop = stop or threading.Event()
    events, total = 0, sum(map(len, day.at.values()))
    began = time.monotonic()
    for until, works in _steps(day, timedelta(seconds=speed * WATCHED_STEP_S) if speed else STEP):
        if speed:  # what was before the day happens at once
            stop.wait(max(0.0, began + (until - day.head.since).total_seconds() / speed - time.monotonic()))
        if stop.is_set():
            break
        with db.transaction() as cur:
            for work in works:
                work(cur)
        events += len(works)
        progress(f"{until:%H:%M} UTC, parts of the day that happened", events, total)
        catch_up(db, _clock(until))
        pass_time(db, until)
    return _settled(db, day, events)


def _settled(db: Database, day: _Day, events: int) -> Replayed:
    catch_up(db, _clock(day.head.horizon))
    pass_time(db, day.head.horizon)
    with db.transaction() as cur:
        for vehicle in day.vehicles:
            refold_alerts(cur, Vehicle(vehicle_id=vehicle, fleet_id=day.head.fleet), day.head.horizon)
        order_alerts(cur, day.orders, day.head.horizon)
        derived = derived_dump.digests(derived_dump.dump(cur, day.vehicles, day.head.since, day.head.until))
    return Replayed(head=day.head, events=events, derived=derived, expected=day.expected)


def _clock(at: datetime) -> Clock:
    """A clock that stands at this instant, as near as makes no difference while one step is derived."""
    return Clock(TimeBase(origin_real_ms=round(time.time() * 1000), origin_utc_ms=to_ms(at), factor=1e-6))


def _steps(day: _Day, step: timedelta) -> Iterator[tuple[datetime, list[Work]]]:
    """The day's parts in the order in which they happened, in steps of business time; steps without any are left out."""
    until: datetime | None = None
    works: list[Work] = []
    for at in sorted(day.at):
        if until is None or at > until:
            if works and until is not None:
                yield until, works
            works, until = [], at + step
        works += [work for _, work in sorted(day.at[at], key=lambda ranked: ranked[0])]
    if works and until is not None:
        yield until, works


def _read(path: Path) -> _Day:
    head, lines = read(path)
    day = _Day(head=head)
    for line in lines:
        _take(day, line)
    known = histories(day.journal, day.orders)
    for name, row in day.orders.items():
        history = known.get(name, NONE)
        day.at[datetime.fromisoformat(row["created_at"])].append((0, _add("orders", [row | history.first])))
        for change in history.later:
            day.at[change.at].append((2, _change(name, change.columns)))
    return day


def _take(day: _Day, line: Line) -> None:
    match line:
        case {"table": str(name), "rows": list(found)} if name in TABLES:
            _rows(day, name, found)
        case {"sessions": list(found)}:
            day.before.append(lambda cur: _sessions(cur, day, found))
        case {"entries": str(session), "rows": list(found)}:
            by_instant: defaultdict[int, list[Any]] = defaultdict(list)
            for row in found:  # what was set aside and read later was received before its neighbours: keep to the numbers
                day.heard[session] = max(day.heard.get(session, 0), row[4])
                by_instant[day.heard[session]].append(row)
            for micros, rows in by_instant.items():
                day.at[_instant(micros)].append((3, _entries(day, session, rows)))
        case {"gaps": str(session), "rows": list(found)}:
            day.at[_instant(max(row[4] for row in found))].append((2, _gaps(day, session, found)))
        case {"fixes": str(session), "columns": dict(columns)}:
            rows = list(zip(*(summed(columns[name]) for name in FIX_COLUMNS), strict=True))
            for at in range(0, len(rows), 60):
                some = rows[at : at + 60]
                day.at[_instant(max(row[2] or 0 for row in some))].append((4, _fixes(day, session, some, first=session not in day.driven)))
                day.driven.add(session)
        case {"end": _, "derived": dict(derived)}:
            day.expected = derived
        case _:
            raise HubError(f"a line of a kind that this release does not know: {sorted(line)}")


def _rows(day: _Day, name: str, found: list[dict[str, Any]]) -> None:
    if name == "vehicles":
        day.vehicles += [row["vehicle_id"] for row in found]
    if name == "plan_tasks":
        # With their plan: a plan is never seen without its tasks.
        for row in found:
            day.at[day.issued.get((row["vehicle_id"], row["version"]), day.head.since)].append((1, _add(name, [row])))
        return
    column = _HAPPENS.get(name)
    for row in found:
        if name == "planning":
            row["planned"] = row["revision"]  # nothing is to be planned: the plans are those of the day
        if name == "orders":
            row["track_token"] = secrets.token_urlsafe(24)
            if row["cancelled_at"] is not None:
                day.at[datetime.fromisoformat(row["cancelled_at"])].append((2, _cancel(row["order_id"], row["cancelled_at"])))
                row["cancelled_at"] = None
            day.orders[row["order_id"]] = row  # it happens when the journal is read: what it was before it was changed stands there
            continue
        if name == "journal":
            day.journal.append(row)
        if column is None:
            day.before.append(_add(name, [row]))
        else:
            at = datetime.fromisoformat(row[column])
            if name == "plans":
                day.issued[row["vehicle_id"], row["version"]] = at
            day.at[at].append((1 if name in ("geocode_queue", "messages") else 0, _add(name, [row])))


def _add(name: str, found: list[dict[str, Any]]) -> Work:
    return lambda cur: record_store.add(cur, name, found)


def _change(order: str, columns: dict[str, Any]) -> Work:
    return lambda cur: record_store.change_order(cur, order, columns)


def _cancel(order: str, at: str) -> Work:
    return lambda cur: record_store.cancel(cur, order, at)


def _sessions(cur: Cursor, day: _Day, found: list[dict[str, str]]) -> None:
    for told in found:  # in the order of hearing: where the chain is silent, it decides
        numbers = log_store.session_numbers(cur, [(told["vehicle"], told["session"])])
        day.sessions[told["session"]] = (told["vehicle"], numbers[told["vehicle"], told["session"]])


def _entries(day: _Day, session: str, found: list[list[Any]]) -> Work:
    def work(cur: Cursor) -> None:
        vehicle, number = day.sessions[session]
        record_store.add_entries(cur, vehicle, number, found)
        for row in found:
            if row[1] == "session":
                entry = parse_entry(row[6].encode())
                if isinstance(entry, SessionStarted):
                    chain_store.link(cur, vehicle, {session: entry.previous})

    return work


def _gaps(day: _Day, session: str, found: list[list[Any]]) -> Work:
    return lambda cur: record_store.add_gaps(cur, day.sessions[session][1], found)


def _fixes(day: _Day, session: str, found: list[tuple[int | None, ...]], *, first: bool) -> Work:
    def work(cur: Cursor) -> None:
        vehicle, number = day.sessions[session]
        begins = found[0][0] or 0
        if first and begins > 1:
            record_store.add_gaps(cur, number, [(TRACK, 1, begins - 1, record_store.NOT_RECORDED, found[0][2])])
        record_store.add_fixes(cur, vehicle, number, found)

    return work


def _instant(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
