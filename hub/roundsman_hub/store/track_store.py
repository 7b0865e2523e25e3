"""A vehicle's track as it is stored: points in the log's order, and everything that breaks the line between two of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec
from psycopg.rows import args_row

from roundsman_hub.store.db import Cursor
from roundsman_wire.messages import GAP_BEFORE, TRACK

RAW: Final = "raw"
SIMPLIFIED: Final = "simplified"
MATCHED: Final = "matched"


class Point(msgspec.Struct, frozen=True, gc=False):
    """One stored fix; or, where raw fixes have aged, a point of the line that is kept of them.

    source : `RAW`; `SIMPLIFIED`: within ten metres of where the van was seen at that instant; `MATCHED`: on the street that it was driven
        on, as a road network has it.
    after : of a line that is kept, the number of the point that its line comes from; None: its own number less one.
    A struct, its fields in the order of `POINTS`: a day is 28,800 of them, and a person waits.
    """

    time: datetime
    session: str
    seq: int
    lat_e6: int
    lon_e6: int
    speed_cm_s: int | None
    heading_cdeg: int | None
    accuracy_dm: int | None
    satellites: int | None
    flags: int
    source: str = RAW
    after: int | None = None

    @property
    def simplified(self) -> bool:
        """Have its raw fixes aged?"""
        return self.source != RAW


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """A stretch of time through which no line is drawn, and why."""

    from_at: datetime
    to_at: datetime
    reason: str


ENDED: Final = "a new session of the unit"
REFUSED: Final = "the receiver was silent or refused"
LOST: Final = "numbers of the log are not held: "
FETCHED: Final = 5_000
"""Fixes held at once: a month of a van is 850,000."""
LONGEST: Final = 20_000
"""Points of one unbroken line: five and a half hours of one fix a second."""
_POINTS: Final = """
    SELECT time, session, seq, lat_e6, lon_e6, speed_cm_s, heading_cdeg, accuracy_dm, satellites, flags, source, after FROM (
        SELECT f.time, s.session, f.seq, f.lat_e6, f.lon_e6, f.speed_cm_s, f.heading_cdeg, f.accuracy_dm, f.satellites, f.flags,
               {raw} AS source, NULL::bigint AS after, s.ordinal, f.session_no, f.seq AS first, 0 AS n
        FROM log.fixes f JOIN log.sessions s USING (session_no)
        WHERE f.vehicle_id = %(vehicle)s AND f.time >= %(since)s AND f.time < %(until)s
        UNION ALL
        SELECT a.from_at + make_interval(secs => p.at_ms / 1000.0), s.session,
               CASE WHEN p.n = cardinality(a.at_ms) THEN a.last_seq ELSE least(a.first_seq + p.n - 1, a.last_seq) END, p.lat_e6, p.lon_e6,
               NULL, NULL, NULL, NULL, CASE WHEN p.n = 1 AND a.broken THEN {gap} ELSE 0 END,
               CASE WHEN p.on_street THEN {matched} ELSE {simplified} END,
               CASE WHEN p.n > 1 THEN least(a.first_seq + p.n - 2, a.last_seq) END, s.ordinal, a.session_no, a.first_seq, p.n
        FROM ({lines}) a JOIN log.sessions s USING (session_no),
             unnest(a.at_ms, a.lat_e6, a.lon_e6, a.on_street) WITH ORDINALITY AS p (at_ms, lat_e6, lon_e6, on_street, n)
        WHERE a.vehicle_id = %(vehicle)s AND NOT a.raw AND a.from_at < %(until)s AND a.to_at >= %(since)s
          AND a.from_at + make_interval(secs => p.at_ms / 1000.0) >= %(since)s
          AND a.from_at + make_interval(secs => p.at_ms / 1000.0) < %(until)s
    ) AS both_kinds ORDER BY ordinal, session_no, first, n
"""
_LINES: Final = {
    SIMPLIFIED: "SELECT *, NULL::boolean[] AS on_street FROM log.stretches",
    MATCHED: """
        SELECT t.vehicle_id, t.session_no, t.first_seq, t.last_seq, t.from_at, t.to_at, t.broken, t.raw,
               coalesce(m.at_ms, t.at_ms) AS at_ms, coalesce(m.lat_e6, t.lat_e6) AS lat_e6, coalesce(m.lon_e6, t.lon_e6) AS lon_e6,
               m.on_street
        FROM log.stretches t
        LEFT JOIN log.matched m ON m.session_no = t.session_no AND m.first_seq = t.first_seq AND m.at_ms <> '{}'
    """,
}
POINTS: Final = {
    line: _POINTS.format(raw=f"'{RAW}'", gap=GAP_BEFORE, matched=f"'{MATCHED}'", simplified=f"'{SIMPLIFIED}'", lines=lines)
    for line, lines in _LINES.items()
}
"""By the line that is wanted of days whose raw fixes have aged."""
RAW_POINTS: Final = """
    SELECT f.time, s.session, f.seq, f.lat_e6, f.lon_e6, f.speed_cm_s, f.heading_cdeg, f.accuracy_dm, f.satellites, f.flags
    FROM log.fixes f JOIN log.sessions s USING (session_no)
    WHERE f.vehicle_id = %(vehicle)s AND f.time >= %(since)s AND f.time < %(until)s ORDER BY s.ordinal, f.session_no, f.seq
"""
"""Where nothing has aged, which is what a map asks for most: a fifth less for the database to do, and to read."""
_ANY_AGED: Final = """
    SELECT EXISTS (SELECT FROM log.stretches a WHERE a.vehicle_id = %(vehicle)s AND NOT a.raw AND a.from_at < %(until)s
                   AND a.to_at >= %(since)s) AS there
"""


def points(cur: Cursor, vehicle: str, since: datetime, until: datetime, line: str = SIMPLIFIED) -> Iterator[Point]:
    """Fixes of a vehicle from `since` to before `until`, in the order of its log; fetched as they are used.

    `line`: where raw fixes have aged, the `SIMPLIFIED` line, or the `MATCHED` one as far as there is one.
    """
    asked = {"vehicle": vehicle, "since": since, "until": until}
    row = cur.execute(_ANY_AGED, asked).fetchone()
    with cur.connection.cursor("track", binary=True, row_factory=args_row(Point)) as found:
        found.itersize = FETCHED
        found.execute(POINTS[line] if row is not None and row["there"] else RAW_POINTS, asked)
        yield from found


def told_breaks(cur: Cursor, vehicle: str, since: datetime, until: datetime) -> list[Break]:
    """Breaks that the van itself told: stretches without a fix, and the end of a shift (off shift nothing is collected)."""
    cur.execute(
        "SELECT from_at, to_at, reason FROM fix_gaps WHERE vehicle_id = %(v)s AND to_at > %(since)s AND from_at < %(until)s "
        "UNION ALL SELECT at, at, 'off shift' FROM duties WHERE vehicle_id = %(v)s AND duty = 'off' AND at >= %(since)s AND at < %(until)s "
        "ORDER BY 1",
        {"v": vehicle, "since": since, "until": until},
    )
    return [Break(**row) for row in cur]


def lost_numbers(cur: Cursor, vehicle: str) -> list[tuple[str, int, int, str]]:
    """Ranges of the track's numbers that will not come: (session, first, last, reason)."""
    cur.execute(
        "SELECT s.session, g.first_seq, g.last_seq, g.reason FROM log.gaps g JOIN log.sessions s USING (session_no) "
        "WHERE s.vehicle_id = %s AND g.lane = %s ORDER BY s.ordinal, g.first_seq",
        (vehicle, TRACK),
    )
    return [(row["session"], row["first_seq"], row["last_seq"], row["reason"]) for row in cur]


def stretches(
    found: Iterator[Point], told: list[Break], lost: list[tuple[str, int, int, str]]
) -> Iterator[tuple[Break | None, list[Point]]]:
    """Cut a track where it must not be bridged.

    Returns
    -------
    iterator of (Break or None, list of Point)
        Unbroken stretches, each with the break before it; None before the first, and where a stretch of `LONGEST` points goes on in
        the next, which then begins with the same point.
    """
    waiting = list(reversed(told))
    before: Break | None = None
    stretch: list[Point] = []
    for point in found:
        reason = _why_broken(stretch[-1], point, waiting, lost) if stretch else None
        if reason is not None:
            yield before, stretch
            before = Break(from_at=stretch[-1].time, to_at=point.time, reason=reason)
            stretch = []
        elif len(stretch) >= LONGEST:
            yield before, stretch
            before, stretch = None, [stretch[-1]]
        stretch.append(point)
    if stretch:
        yield before, stretch


def _why_broken(before: Point, point: Point, waiting: list[Break], lost: list[tuple[str, int, int, str]]) -> str | None:
    """`waiting` are the told breaks from here on, the next one last; those that are over are taken off."""
    while waiting and waiting[-1].to_at <= before.time:
        waiting.pop()
    if waiting and waiting[-1].from_at < point.time and waiting[-1].to_at > before.time:
        return waiting[-1].reason
    if point.session != before.session:
        return ENDED
    if before.seq != (point.seq - 1 if point.after is None else point.after):
        for session, first, last, reason in lost:
            if session == point.session and first < point.seq and last > before.seq:
                return LOST + reason
    return REFUSED if point.flags & GAP_BEFORE else None
