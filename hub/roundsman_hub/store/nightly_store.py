"""Nights: which depots plan when, what ran, and how it ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Final, LiteralString
from zoneinfo import ZoneInfo

import msgspec

from roundsman_hub.domain.calendar import WorkingDays, clock
from roundsman_hub.nightly.due import PLAN_AT, DepotNights, Due, Kind
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, notify, row, rows

AGAIN_AFTER: Final[Mapping[Kind, timedelta]] = {
    "plan": timedelta(hours=1),
    "learn": timedelta(hours=1),
    "release": timedelta(minutes=5),
}
"""What failed, or had nothing to do, is looked at again; a van that was still out in the morning is home any minute."""
DEAD_AFTER = timedelta(minutes=30)
"""Of real time: who claimed it and says nothing for so long has died over it."""

_DEPOTS: LiteralString = """
    SELECT d.depot_id, d.fleet_id, f.timezone, coalesce(c.spec, '{}') AS calendar, t.depot_id IS NOT NULL AS named, t.plan_at
    FROM depots d JOIN fleets f USING (fleet_id) LEFT JOIN calendars c USING (fleet_id) LEFT JOIN nightly_times t USING (depot_id)
    ORDER BY d.depot_id
"""
_SHIFTS: LiteralString = """
    SELECT v.depot_id, r.day, min(r.shift_start) AS sets_out FROM roster r JOIN vehicles v USING (vehicle_id)
    WHERE r.day BETWEEN %s AND %s AND v.retired_at IS NULL GROUP BY 1, 2
"""
_APPROVED: LiteralString = "SELECT depot_id, day FROM day_plans WHERE state = 'approved' AND day BETWEEN %s AND %s"
_CLAIM: LiteralString = """
    INSERT INTO nightly_runs AS n (kind, subject, day, fleet_id, state, started_at, claimed_real_at)
    VALUES (%(kind)s, %(subject)s, %(day)s, %(fleet)s, 'running', %(now)s, %(real)s)
    ON CONFLICT (kind, subject, day) DO UPDATE SET state = 'running', started_at = excluded.started_at,
        claimed_real_at = excluded.claimed_real_at, ended_at = NULL, adopted = NULL, says = ''
    WHERE (n.state = 'running' AND n.claimed_real_at < %(dead)s) OR (n.state IN ('nothing', 'failed') AND n.ended_at < %(again)s)
    RETURNING true AS mine
"""
_SETTLED: LiteralString = """
    SELECT FROM nightly_runs WHERE kind = %s AND subject = %s AND day = %s
    AND (state = 'done' OR (state = 'running' AND claimed_real_at >= %s) OR (state IN ('nothing', 'failed') AND ended_at >= %s))
"""


def depots(cur: Cursor, now: datetime) -> list[DepotNights]:
    """Every depot that the cursor sees, with its roster of these days."""
    span = (now.date() - timedelta(days=1), now.date() + timedelta(days=3))
    shifts: defaultdict[str, dict[date, datetime]] = defaultdict(dict)
    for r in rows(cur, _SHIFTS, span):
        shifts[r["depot_id"]][r["day"]] = r["sets_out"]
    approved: defaultdict[str, set[date]] = defaultdict(set)
    for r in rows(cur, _APPROVED, span):
        approved[r["depot_id"]].add(r["day"])
    return [
        DepotNights(
            depot_id=r["depot_id"],
            fleet_id=r["fleet_id"],
            zone=ZoneInfo(r["timezone"]),
            days=msgspec.convert(r["calendar"], WorkingDays),
            plan_at=PLAN_AT if not r["named"] else None if r["plan_at"] is None else clock(r["plan_at"]),
            first_shift=shifts[r["depot_id"]],
            approved=frozenset(approved[r["depot_id"]]),
        )
        for r in rows(cur, _DEPOTS)
    ]


def first_day(cur: Cursor, zone: ZoneInfo) -> date | None:
    """The first local day on which anybody was on duty."""
    found = row(cur, "SELECT min(at) AS at FROM duties")
    return None if found is None or found["at"] is None else found["at"].astimezone(zone).date()


def set_time(cur: Cursor, fleet_id: str, depot_id: str, plan_at: str | None) -> None:
    """When a depot's next day is planned; None: not by itself."""
    cur.execute(
        "INSERT INTO nightly_times (depot_id, fleet_id, plan_at) VALUES (%s, %s, %s)"
        " ON CONFLICT (depot_id) DO UPDATE SET plan_at = excluded.plan_at",
        (depot_id, fleet_id, plan_at),
    )
    notify(cur, "night", fleet_id, depot_id)


def is_settled(cur: Cursor, due: Due, now: datetime, real_now: datetime) -> bool:
    """Whether it is done, somebody is at it, or it was looked at within the hour."""
    return row(cur, _SETTLED, (due.kind, due.subject, due.day, real_now - DEAD_AFTER, now - AGAIN_AFTER[due.kind])) is not None


def claim(cur: Cursor, due: Due, now: datetime, real_now: datetime) -> bool:
    """Take it on. Of any number of hubs one is told that it is theirs."""
    named = {"kind": due.kind, "subject": due.subject, "day": due.day, "fleet": due.fleet_id, "now": now, "real": real_now}
    if row(cur, _CLAIM, {**named, "dead": real_now - DEAD_AFTER, "again": now - AGAIN_AFTER[due.kind]}) is None:
        return False
    _told(cur, due)
    return True


def ended(cur: Cursor, due: Due, state: str, says: str, at: datetime, *, adopted: bool | None = None) -> None:
    """How it ended."""
    cur.execute(
        "UPDATE nightly_runs SET state = %s, says = %s, ended_at = %s, adopted = %s WHERE kind = %s AND subject = %s AND day = %s",
        (state, says, at, adopted, due.kind, due.subject, due.day),
    )
    _told(cur, due)


def _told(cur: Cursor, due: Due) -> None:
    """Open pages look again. What the whole hub does is no fleet's: each hears of its own part."""
    if due.fleet_id is not None:
        notify(cur, "night", due.fleet_id, due.subject)


def learned(cur: Cursor, day: date, fleet_id: str, state: str, says: str, times: tuple[datetime, datetime], *, adopted: bool) -> None:
    """What the hub's run of learning came to for one fleet."""
    cur.execute(
        "INSERT INTO nightly_runs (kind, subject, day, fleet_id, state, started_at, claimed_real_at, ended_at, adopted, says)"
        " VALUES ('learn', %(fleet)s, %(day)s, %(fleet)s, %(state)s, %(began)s, %(began)s, %(ended)s, %(adopted)s, %(says)s)"
        " ON CONFLICT (kind, subject, day) DO UPDATE SET state = excluded.state, started_at = excluded.started_at,"
        " ended_at = excluded.ended_at, adopted = excluded.adopted, says = excluded.says",
        {"fleet": fleet_id, "day": day, "state": state, "began": times[0], "ended": times[1], "adopted": adopted, "says": says},
    )
    notify(cur, "night", fleet_id, fleet_id)


def runs(cur: Cursor, last: int) -> list[Row]:
    """The newest runs that the cursor sees of each subject, newest first."""
    return rows(
        cur,
        "SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY kind, subject ORDER BY day DESC) AS n FROM nightly_runs) r"
        " WHERE n <= %s ORDER BY kind, subject, day DESC",
        (last,),
    )
