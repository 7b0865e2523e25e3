"""Raw fixes as columns, and the stretches that they become: SQL beside its function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from roundsman_hub.clock import from_ms, to_ms
from roundsman_hub.store import track_store
from roundsman_hub.store.db import Cursor
from roundsman_hub.upkeep.stretches import LEAD_WITHIN_MS, NONE, End, Lead, Stretch, Track
from roundsman_wire.messages import TRACK

AGED: Final = "aged"
"""The reason in `log.gaps` of numbers whose raw fixes the hub has let go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """A stored stretch whose lead is still open."""

    session_no: int
    first_seq: int
    first_speed_cm_s: int
    start: End


def raw(cur: Cursor, vehicle: str, since: datetime, until: datetime) -> Track:
    """Fixes of a vehicle from `since` to before `until`, without those that a stretch already holds."""
    cur.execute(
        "SELECT f.session_no, f.seq, floor(extract(epoch FROM f.time) * 1000)::bigint AS t_ms, f.lat_e6, f.lon_e6, "
        "coalesce(f.speed_cm_s, %(none)s) AS speed_cm_s, f.flags FROM log.fixes f "
        "WHERE f.vehicle_id = %(v)s AND f.time >= %(since)s AND f.time < %(until)s "
        "AND NOT EXISTS (SELECT FROM log.stretches s WHERE s.session_no = f.session_no AND s.vehicle_id = %(v)s "
        "AND s.from_at < %(until)s AND s.to_at >= %(since)s AND f.seq BETWEEN s.first_seq AND s.last_seq) "
        "ORDER BY f.session_no, f.seq",
        {"v": vehicle, "since": since, "until": until, "none": NONE},
    )
    table = np.array([tuple(row.values()) for row in cur], np.int64).reshape(-1, 7)
    names = ("session_no", "seq", "t_ms", "lat_e6", "lon_e6", "speed_cm_s", "flags")
    return Track(**{name: table[:, at] for at, name in enumerate(names)})


def told_ms(cur: Cursor, vehicle: str, since: datetime, until: datetime) -> list[tuple[int, int]]:
    """Where no line may be drawn, as the van told it, in ms since 1970."""
    return [(to_ms(told.from_at), to_ms(told.to_at)) for told in track_store.told_breaks(cur, vehicle, since, until)]


def end_before(cur: Cursor, vehicle: str, stretch: Stretch) -> End | None:
    """The fix right before a stretch, raw or kept as a stretch's last; None where there is none near enough."""
    until = from_ms(stretch.start.t_ms)
    row = cur.execute(
        "SELECT floor(extract(epoch FROM time) * 1000)::bigint AS t_ms, lat_e6, lon_e6 FROM log.fixes WHERE vehicle_id = %(v)s "
        "AND session_no = %(s)s AND seq = %(seq)s AND time >= %(until)s - make_interval(secs => %(within)s) AND time < %(until)s "
        "UNION ALL SELECT floor(extract(epoch FROM to_at) * 1000)::bigint, lat_e6[cardinality(lat_e6)], lon_e6[cardinality(lon_e6)] "
        "FROM log.stretches WHERE vehicle_id = %(v)s AND session_no = %(s)s AND last_seq = %(seq)s LIMIT 1",
        {"v": vehicle, "s": stretch.session_no, "seq": stretch.first_seq - 1, "until": until, "within": LEAD_WITHIN_MS / 1000},
    ).fetchone()
    return End(**row) if row else None


def add(cur: Cursor, vehicle: str, stretch: Stretch, lead: Lead | None, *, led: bool) -> None:
    """Keep a stretch; its raw fixes are still there."""
    lead = lead or Lead()
    start = stretch.start.t_ms
    cur.execute(
        "INSERT INTO log.stretches (vehicle_id, session_no, first_seq, last_seq, from_at, to_at, broken, led, driven_m, moving_s, "
        "standing_s, first_speed_cm_s, max_speed_cm_s, at_ms, lat_e6, lon_e6) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            *(vehicle, stretch.session_no, stretch.first_seq, stretch.last_seq, from_ms(start), from_ms(stretch.end.t_ms)),
            *(stretch.broken_before, led),
            *(stretch.driven_m + lead.driven_m, stretch.moving_s + lead.moving_s, stretch.standing_s + lead.standing_s),
            *(None if stretch.first_speed_cm_s == NONE else stretch.first_speed_cm_s, stretch.max_speed_cm_s),
            *((stretch.t_ms - start).tolist(), stretch.lat_e6.tolist(), stretch.lon_e6.tolist()),
        ),
    )


def next_open(cur: Cursor, stretch: Stretch) -> Next | None:
    """The stored stretch that begins right after this one, and has waited for its lead."""
    row = cur.execute(
        "SELECT session_no, first_seq, coalesce(first_speed_cm_s, %s) AS first_speed_cm_s, "
        "floor(extract(epoch FROM from_at) * 1000)::bigint AS t_ms, lat_e6[1] AS lat_e6, lon_e6[1] AS lon_e6 "
        "FROM log.stretches WHERE session_no = %s AND first_seq = %s AND NOT led",
        (NONE, stretch.session_no, stretch.last_seq + 1),
    ).fetchone()
    if row is None:
        return None
    start = End(t_ms=row.pop("t_ms"), lat_e6=row.pop("lat_e6"), lon_e6=row.pop("lon_e6"))
    return Next(**row, start=start)


def give_lead(cur: Cursor, to: Next, lead: Lead | None) -> None:
    """What was missing before a stored stretch has come: the leg to it is known now."""
    lead = lead or Lead()
    cur.execute(
        "UPDATE log.stretches SET led = true, driven_m = driven_m + %s, moving_s = moving_s + %s, standing_s = standing_s + %s "
        "WHERE session_no = %s AND first_seq = %s",
        (lead.driven_m, lead.moving_s, lead.standing_s, to.session_no, to.first_seq),
    )


def close(cur: Cursor, vehicles: Sequence[str], since: datetime, until: datetime, noted_at: datetime) -> int:
    """The raw fixes of these stretches are about to go: write their numbers to `log.gaps`. Call in the transaction that removes them.

    A range that follows an aged one lengthens it, so a session that aged day by day has one row for each unbroken run.
    Returns the number of fixes.
    """
    cur.execute(
        "UPDATE log.stretches SET raw = false WHERE vehicle_id = ANY(%s) AND from_at >= %s AND from_at < %s AND raw "
        "RETURNING session_no, first_seq, last_seq",
        (list(vehicles), since, until),
    )
    ranges = sorted((row["session_no"], row["first_seq"], row["last_seq"]) for row in cur)
    merged: list[tuple[int, int, int]] = []
    for session_no, first, last in ranges:
        if merged and merged[-1][0] == session_no and merged[-1][2] == first - 1:
            merged[-1] = (session_no, merged[-1][1], last)
        else:
            merged.append((session_no, first, last))
    for session_no, first, last in merged:
        grown = cur.execute(
            "UPDATE log.gaps SET last_seq = %s WHERE session_no = %s AND lane = %s AND last_seq = %s AND reason = %s",
            (last, session_no, TRACK, first - 1, AGED),
        ).rowcount
        if not grown:
            cur.execute("INSERT INTO log.gaps VALUES (%s, %s, %s, %s, %s, %s)", (session_no, TRACK, first, last, AGED, noted_at))
    return sum(last - first + 1 for _, first, last in ranges)


def expire(cur: Cursor, vehicles: Sequence[str], before: datetime, most: int) -> int:
    """Let simplified tracks go that ended before an instant and whose days are counted; at most so many. Returns how many went."""
    cur.execute(
        "DELETE FROM log.stretches WHERE ctid = ANY(ARRAY(SELECT s.ctid FROM log.stretches s WHERE s.vehicle_id = ANY(%s) "
        "AND s.from_at < %s AND s.to_at < %s AND NOT s.raw LIMIT %s))",
        (list(vehicles), before, before, most),
    )
    return cur.rowcount
