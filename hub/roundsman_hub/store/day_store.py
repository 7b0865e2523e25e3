"""A day of a vehicle in one row: which days have to be computed (anew), and the row itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, rows
from roundsman_wire.messages import TRACK

SLACK: Final = timedelta(hours=1)
"""New fixes are looked for this far before the last known one; where some of their numbers are not found there, in the whole session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A session whose log, or what is derived of it, is not what the days' rows were computed from."""

    session_no: int
    vehicle_id: str
    timezone: str
    track_seq: int
    facts_seq: int
    untimed: int
    set_aside: int
    seen_track_seq: int | None
    seen_facts_seq: int | None
    seen_last_at: datetime | None
    others_changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A day of a vehicle to be computed. `since`, `until`: its midnights, in its fleet's zone."""

    vehicle_id: str
    day: date
    fleet_id: str
    timezone: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DayNumbers:
    """What a vehicle's day comes to. Distances in metres, times in seconds."""

    fixes: int
    first_fix_at: datetime | None
    last_fix_at: datetime | None
    driven_m: float
    moving_s: float
    standing_s: float
    max_speed_cm_s: int | None


def changed(cur: Cursor, most: int) -> list[Changed]:
    """Sessions to look at, at most so many. Fixes that got their date late, and frames that could be read late, count as changes."""
    cur.execute(
        """
        SELECT s.session_no, s.vehicle_id, f.timezone, coalesce(t.through_seq, 0) AS track_seq, coalesce(d.through_seq, 0) AS facts_seq,
               coalesce(u.n, 0) AS untimed, coalesce(q.n, 0) AS set_aside,
               e.track_seq AS seen_track_seq, e.facts_seq AS seen_facts_seq, e.last_at AS seen_last_at,
               coalesce((e.untimed, e.set_aside) <> (coalesce(u.n, 0), coalesce(q.n, 0)), false) AS others_changed
        FROM log.sessions s JOIN vehicles v USING (vehicle_id) JOIN fleets f USING (fleet_id)
        LEFT JOIN log.watermarks t ON t.session_no = s.session_no AND t.lane = %(track)s
        LEFT JOIN derive_state d ON d.session_no = s.session_no
        LEFT JOIN (SELECT session_no, count(*) AS n FROM log.fixes_untimed GROUP BY 1) u ON u.session_no = s.session_no
        LEFT JOIN (SELECT session_no, count(*) AS n FROM log.quarantine WHERE resolved_at IS NULL GROUP BY 1) q
               ON q.session_no = s.session_no
        LEFT JOIN log.days_seen e ON e.session_no = s.session_no
        WHERE (e.track_seq, e.facts_seq, e.untimed, e.set_aside)
              IS DISTINCT FROM (coalesce(t.through_seq, 0), coalesce(d.through_seq, 0), coalesce(u.n, 0), coalesce(q.n, 0))
        ORDER BY s.session_no LIMIT %(most)s
        """,
        {"track": TRACK, "most": most},
    )
    return [Changed(**row) for row in cur]


def mark(cur: Cursor, session: Changed) -> int:
    """Note the days that a session's change may have changed, and that it was seen. Returns how many days."""
    whole = session.seen_track_seq is None or session.others_changed
    days: set[date] = set()
    last_at = session.seen_last_at
    if whole or session.track_seq != session.seen_track_seq:
        found, count, newest = _track_days(cur, session, whole=whole)
        expected = session.track_seq - (session.seen_track_seq or 0)
        if not whole and count < expected - _gone(cur, session):
            found, _, newest = _track_days(cur, session, whole=True)  # a clock that was set back: some are further in the past
        days |= found
        last_at = max(filter(None, (last_at, newest)), default=None)
    if whole or session.facts_seq != session.seen_facts_seq:
        days |= _fact_days(cur, session, whole=whole)
    cur.execute(
        "INSERT INTO log.days_due SELECT %s, day FROM unnest(%s::date[]) AS day ON CONFLICT DO NOTHING", (session.vehicle_id, sorted(days))
    )
    cur.execute(
        "INSERT INTO log.days_seen VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (session_no) DO UPDATE SET "
        "track_seq = excluded.track_seq, facts_seq = excluded.facts_seq, untimed = excluded.untimed, set_aside = excluded.set_aside, "
        "last_at = excluded.last_at",
        (session.session_no, session.track_seq, session.facts_seq, session.untimed, session.set_aside, last_at),
    )
    return len(days)


def _track_days(cur: Cursor, session: Changed, *, whole: bool) -> tuple[set[date], int, datetime | None]:
    since = None if whole or session.seen_last_at is None else session.seen_last_at - SLACK
    cur.execute(
        "SELECT (time AT TIME ZONE %(zone)s)::date AS day, count(*) AS n, max(time) AS newest FROM log.fixes WHERE vehicle_id = %(v)s "
        "AND session_no = %(s)s AND seq > %(seen)s AND seq <= %(through)s AND time >= coalesce(%(since)s::timestamptz, '-infinity') "
        "GROUP BY 1",
        {
            "zone": session.timezone,
            "v": session.vehicle_id,
            "s": session.session_no,
            "seen": 0 if whole else session.seen_track_seq,
            "through": session.track_seq,
            "since": since,
        },
    )
    seen = cur.fetchall()
    return {row["day"] for row in seen}, sum(row["n"] for row in seen), max((row["newest"] for row in seen), default=None)


def _gone(cur: Cursor, session: Changed) -> int:
    row = cur.execute(
        "SELECT coalesce(sum(least(last_seq, %(through)s) - greatest(first_seq, %(seen)s + 1) + 1), 0)::bigint AS n FROM log.gaps "
        "WHERE session_no = %(s)s AND lane = %(lane)s AND last_seq > %(seen)s AND first_seq <= %(through)s",
        {"through": session.track_seq, "seen": session.seen_track_seq, "s": session.session_no, "lane": TRACK},
    ).fetchone()
    return (int(row["n"]) if row else 0) + session.untimed


def _fact_days(cur: Cursor, session: Changed, *, whole: bool) -> set[date]:
    """Days that new facts are of, and of visits that they ended."""
    values = {"zone": session.timezone, "s": session.session_no, "seen": 0 if whole else session.seen_facts_seq}
    cur.execute(
        "SELECT (time AT TIME ZONE %(zone)s)::date AS day, min(time) AS oldest FROM log.entries "
        "WHERE session_no = %(s)s AND seq > %(seen)s AND time IS NOT NULL GROUP BY 1",
        values,
    )
    seen = cur.fetchall()
    oldest = min((row["oldest"] for row in seen), default=None)
    cur.execute(
        "SELECT DISTINCT (at AT TIME ZONE %(zone)s)::date AS day FROM ("
        "SELECT arrived_at AS at FROM visits WHERE session_no = %(s)s AND coalesce(left_at, arrived_at) >= %(oldest)s "
        "UNION ALL SELECT from_at FROM fix_gaps WHERE session_no = %(s)s AND to_at >= %(oldest)s) AS told WHERE at IS NOT NULL",
        values | {"oldest": oldest},
    )
    return {row["day"] for row in seen} | {row["day"] for row in cur}


def set_due(cur: Cursor, vehicle: str, day: date) -> None:
    """A day is to be computed anew."""
    cur.execute("INSERT INTO log.days_due VALUES (%s, %s) ON CONFLICT DO NOTHING", (vehicle, day))


def due(cur: Cursor, now: datetime, most: int) -> list[Due]:
    """Days to be computed that are over by now, oldest first."""
    cur.execute(
        "SELECT d.vehicle_id, d.day, v.fleet_id, f.timezone, d.day::timestamp AT TIME ZONE f.timezone AS since, "
        "(d.day + 1)::timestamp AT TIME ZONE f.timezone AS until FROM log.days_due d JOIN vehicles v USING (vehicle_id) "
        "JOIN fleets f USING (fleet_id) WHERE (d.day + 1)::timestamp AT TIME ZONE f.timezone <= %s ORDER BY d.day, d.vehicle_id LIMIT %s",
        (now, most),
    )
    return [Due(**row) for row in cur]


def done(cur: Cursor, day: Due) -> None:
    """The day's row is right as of this transaction."""
    cur.execute("DELETE FROM log.days_due WHERE vehicle_id = %s AND day = %s", (day.vehicle_id, day.day))


def kept(cur: Cursor, day: Due) -> DayNumbers:
    """The sum of the stretches that are stored of a day."""
    row = cur.execute(
        "SELECT coalesce(sum(last_seq - first_seq + 1), 0)::bigint AS fixes, min(from_at) AS first_fix_at, max(to_at) AS last_fix_at, "
        "coalesce(sum(driven_m), 0) AS driven_m, coalesce(sum(moving_s), 0) AS moving_s, coalesce(sum(standing_s), 0) AS standing_s, "
        "max(max_speed_cm_s) AS max_speed_cm_s FROM log.stretches WHERE vehicle_id = %s AND from_at >= %s AND from_at < %s",
        (day.vehicle_id, day.since, day.until),
    ).fetchone()
    assert row is not None  # an aggregate has a row
    return DayNumbers(**row)


def write(cur: Cursor, day: Due, numbers: DayNumbers, now: datetime) -> bool:
    """Write a day's row. True if it is new, or other than before."""
    values: dict[str, Any] = {
        **{name: getattr(numbers, name) for name in DayNumbers.__slots__},
        **{
            "v": day.vehicle_id,
            "day": day.day,
            "fleet": day.fleet_id,
            "zone": day.timezone,
            "since": day.since,
            "until": day.until,
            "now": now,
        },
    }
    cur.execute(
        "INSERT INTO vehicle_days AS d (vehicle_id, day, fleet_id, timezone, first_fix_at, last_fix_at, fixes, driven_m, moving_s, "
        "standing_s, gap_s, max_speed_cm_s, stops, other_stops, computed_at) "
        "SELECT %(v)s, %(day)s, %(fleet)s, %(zone)s, %(first_fix_at)s, %(last_fix_at)s, %(fixes)s, %(driven_m)s, %(moving_s)s, "
        "%(standing_s)s, coalesce((SELECT extract(epoch FROM sum(least(to_at, %(until)s) - greatest(from_at, %(since)s))) FROM fix_gaps "
        "WHERE vehicle_id = %(v)s AND to_at > %(since)s AND from_at < %(until)s), 0), %(max_speed_cm_s)s, "
        "count(*) FILTER (WHERE order_id IS NOT NULL), count(*) FILTER (WHERE order_id IS NULL), %(now)s "
        "FROM visits WHERE vehicle_id = %(v)s AND arrived_at >= %(since)s AND arrived_at < %(until)s "
        "ON CONFLICT (vehicle_id, day) DO UPDATE SET timezone = excluded.timezone, first_fix_at = excluded.first_fix_at, "
        "last_fix_at = excluded.last_fix_at, fixes = excluded.fixes, driven_m = excluded.driven_m, moving_s = excluded.moving_s, "
        "standing_s = excluded.standing_s, gap_s = excluded.gap_s, max_speed_cm_s = excluded.max_speed_cm_s, stops = excluded.stops, "
        "other_stops = excluded.other_stops, computed_at = excluded.computed_at, revision = d.revision + 1 "
        "WHERE (d.fixes, d.driven_m, d.moving_s, d.standing_s, d.gap_s, d.max_speed_cm_s, d.stops, d.other_stops, d.timezone) "
        "IS DISTINCT FROM (excluded.fixes, excluded.driven_m, excluded.moving_s, excluded.standing_s, excluded.gap_s, "
        "excluded.max_speed_cm_s, excluded.stops, excluded.other_stops, excluded.timezone)",
        values,
    )
    return cur.rowcount > 0


def note_late(cur: Cursor, day: Due, fixes: int) -> None:
    """Fixes came after the raw ones of their day had gone; the day's row was computed anew with them."""
    cur.execute("UPDATE vehicle_days SET late_fixes = late_fixes + %s WHERE vehicle_id = %s AND day = %s", (fixes, day.vehicle_id, day.day))


def add_late(cur: Cursor, day: Due, more: DayNumbers, now: datetime) -> None:
    """Fixes came after even the simplified track of their day had gone: they are added to the day's row, which cannot be summed up anew."""
    cur.execute(
        "INSERT INTO vehicle_days AS d (vehicle_id, day, fleet_id, timezone, first_fix_at, last_fix_at, fixes, late_fixes, driven_m, "
        "moving_s, standing_s, gap_s, max_speed_cm_s, stops, other_stops, computed_at) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 0, %s, 0, 0, %s) ON CONFLICT (vehicle_id, day) DO UPDATE SET "
        "fixes = d.fixes + excluded.fixes, late_fixes = d.late_fixes + excluded.late_fixes, driven_m = d.driven_m + excluded.driven_m, "
        "moving_s = d.moving_s + excluded.moving_s, standing_s = d.standing_s + excluded.standing_s, "
        "max_speed_cm_s = greatest(d.max_speed_cm_s, excluded.max_speed_cm_s), "
        "first_fix_at = least(d.first_fix_at, excluded.first_fix_at), "
        "last_fix_at = greatest(d.last_fix_at, excluded.last_fix_at), computed_at = excluded.computed_at, revision = d.revision + 1",
        (
            *(day.vehicle_id, day.day, day.fleet_id, day.timezone, more.first_fix_at, more.last_fix_at, more.fixes, more.fixes),
            *(more.driven_m, more.moving_s, more.standing_s, more.max_speed_cm_s, now),
        ),
    )


def days(cur: Cursor, vehicle: str, *, since: date | None, until: date | None, after: date | None, limit: int) -> list[Row]:
    """A vehicle's days in numbers, oldest first, from `since` to `until` (inclusive; None: all) and after `after`."""
    return rows(
        cur,
        "SELECT * FROM vehicle_days WHERE vehicle_id = %(v)s AND day >= coalesce(%(since)s::date, '-infinity') "
        "AND day <= coalesce(%(until)s::date, 'infinity') AND day > coalesce(%(after)s::date, '-infinity') ORDER BY day LIMIT %(limit)s",
        {"v": vehicle, "since": since, "until": until, "after": after, "limit": limit},
    )
