"""Stretches on streets: which are still to be laid on them, with their raw fixes, and what came of it. SQL beside its function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row
from roundsman_hub.upkeep.streets import Laid, Raw, Simplified


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A stretch whose raw fixes are still there and that nobody has laid on streets."""

    session_no: int
    first_seq: int
    start_ms: int
    line: Simplified
    raw: Raw


STRETCHES: Final = """
    SELECT s.from_at, s.to_at, s.session_no, e.session, s.first_seq, s.last_seq, s.raw, s.driven_m, s.moving_s, s.standing_s,
           m.profile, m.confidence, m.matched_m, m.covered_s
    FROM log.stretches s JOIN log.sessions e USING (session_no)
    LEFT JOIN log.matched m ON m.session_no = s.session_no AND m.first_seq = s.first_seq AND m.at_ms <> '{}'
    WHERE s.vehicle_id = %s AND s.from_at >= %s AND s.from_at < %s AND (s.from_at, s.session_no, s.first_seq) > (%s, %s, %s)
    ORDER BY s.from_at, s.session_no, s.first_seq LIMIT %s
"""


def kind_words(cur: Cursor, vehicle: str) -> tuple[str, str]:
    """What a vehicle's own terms say of its kind: profile and type, each "" where they say nothing."""
    row = cur.execute(
        "SELECT terms ->> 'profile' AS profile, terms ->> 'type' AS type FROM vehicles WHERE vehicle_id = %s", (vehicle,)
    ).fetchone()
    return (row["profile"] or "", row["type"] or "") if row else ("", "")


def waiting(cur: Cursor, vehicle: str, since: datetime, until: datetime) -> list[Waiting]:
    """Stretches of a vehicle that began in a stretch of time, oldest first."""
    cur.execute(
        "SELECT s.session_no, s.first_seq, s.last_seq, floor(extract(epoch FROM s.from_at) * 1000)::bigint AS start_ms, "
        "s.at_ms, s.lat_e6, s.lon_e6, s.to_at FROM log.stretches s "
        "WHERE s.vehicle_id = %s AND s.from_at >= %s AND s.from_at < %s AND s.raw "
        "AND NOT EXISTS (SELECT FROM log.matched m WHERE m.session_no = s.session_no AND m.first_seq = s.first_seq) "
        "ORDER BY s.from_at, s.session_no, s.first_seq",
        (vehicle, since, until),
    )
    return [
        Waiting(
            session_no=row["session_no"],
            first_seq=row["first_seq"],
            start_ms=row["start_ms"],
            line=Simplified(
                t_ms=np.array(row["at_ms"], np.int64) + row["start_ms"],
                lat_e6=np.array(row["lat_e6"], np.int64),
                lon_e6=np.array(row["lon_e6"], np.int64),
            ),
            raw=_raw(cur, vehicle, row, since),
        )
        for row in cur.fetchall()
    ]


def _raw(cur: Cursor, vehicle: str, stretch: Row, since: datetime) -> Raw:
    cur.execute(
        "SELECT DISTINCT ON (seq) floor(extract(epoch FROM time) * 1000)::bigint, lat_e6, lon_e6, coalesce(accuracy_dm, -1) FROM log.fixes "
        "WHERE vehicle_id = %s AND time >= %s AND time < %s + interval '1 ms' AND session_no = %s AND seq BETWEEN %s AND %s ORDER BY seq",
        (vehicle, since, stretch["to_at"], stretch["session_no"], stretch["first_seq"], stretch["last_seq"]),
    )
    table = np.array([tuple(row.values()) for row in cur], np.int64).reshape(-1, 4)
    return Raw(t_ms=table[:, 0], lat_e6=table[:, 1], lon_e6=table[:, 2], accuracy_dm=table[:, 3])


def keep(cur: Cursor, stretch: Waiting, laid: Laid) -> None:
    """Keep what a stretch is on streets. Nothing, if the stretch is gone meanwhile, or another has done it."""
    cur.execute(
        "INSERT INTO log.matched (session_no, first_seq, profile, confidence, matched_m, covered_s, at_ms, lat_e6, lon_e6, on_street) "
        "SELECT session_no, first_seq, %s, %s, %s, %s, %s, %s, %s, %s FROM log.stretches WHERE session_no = %s AND first_seq = %s "
        "ON CONFLICT DO NOTHING",
        (
            *(laid.profile, laid.confidence, laid.matched_m, laid.covered_s, (laid.t_ms - stretch.start_ms).tolist()),
            *(laid.lat_e6.tolist(), laid.lon_e6.tolist(), laid.on_street.tolist(), stretch.session_no, stretch.first_seq),
        ),
    )


def page(cur: Cursor, vehicle: str, since: datetime, until: datetime, after: Sequence[object], limit: int) -> list[Row]:
    """Stretches of a vehicle that began from `since` to before `until`, with what they are on streets; oldest first, by cursor."""
    return cur.execute(STRETCHES, (vehicle, since, until, *after, limit)).fetchall()
