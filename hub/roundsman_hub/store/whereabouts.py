"""Where vans were and how far they drove, whatever the age of it: raw fixes, simplified lines where those have gone, then days in numbers.

The one place that knows which of them to ask. (A single track is `track_store`'s, which does the same point by point.)
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final, LiteralString

import numpy as np

from roundsman_core.geo import LatLon
from roundsman_hub.clock import from_ms, to_ms
from roundsman_hub.store import question_store
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.question_store import APART, FRAMES_READ, Pass
from roundsman_hub.store.rows import Row
from roundsman_hub.upkeep import line as lines_of
from roundsman_hub.upkeep.line import Line
from roundsman_hub.upkeep.simplify import M_PER_E6
from roundsman_hub.upkeep.stretches import MOVING_CM_S

Frame = tuple[datetime, list[Row]]

LINES: Final[LiteralString] = """
    -- A stretch lies within a day; (vehicle_id, from_at).
    SELECT s.vehicle_id, floor(extract(epoch FROM s.from_at) * 1000)::bigint AS start_ms, s.at_ms, s.lat_e6, s.lon_e6,
           s.driven_m, s.moving_s
    FROM log.stretches s WHERE s.vehicle_id = ANY(%(vehicles)s) AND s.from_at >= %(since)s::timestamptz - interval '1 day'
    AND s.from_at < %(until)s AND s.to_at >= %(since)s
"""
_BY_START: Final[LiteralString] = " ORDER BY s.vehicle_id, s.from_at"
_WHOLE: Final[LiteralString] = """
    d.day::timestamp AT TIME ZONE d.timezone >= %(since)s AND (d.day + 1)::timestamp AT TIME ZONE d.timezone <= %(until)s
"""
_AGED_DAYS: Final[LiteralString] = (
    "SELECT vehicle_id, sum(driven_m) AS driven_m, sum(moving_s) AS moving_s FROM vehicle_days d WHERE fleet_id = %(fleet)s "
    "AND vehicle_id = ANY(%(vehicles)s) AND day BETWEEN %(since)s::timestamptz::date - 2 AND %(until)s::timestamptz::date + 2 "
    "AND " + _WHOLE + " GROUP BY vehicle_id"
)
_NOT_COUNTED: Final[LiteralString] = (
    "AND NOT EXISTS (SELECT FROM vehicle_days d WHERE d.vehicle_id = s.vehicle_id AND d.day BETWEEN s.from_at::date - 2 AND "
    "s.from_at::date + 2 AND s.from_at >= d.day::timestamp AT TIME ZONE d.timezone "
    "AND s.from_at < (d.day + 1)::timestamp AT TIME ZONE d.timezone AND " + _WHOLE + ")"
)
_RAW_LEGS: Final[LiteralString] = """
    WITH pairs AS (
        SELECT f.vehicle_id, f.time, f.speed_cm_s, f.flags,
               f.lat_e6 - lag(f.lat_e6) OVER log AS d_lat, f.lon_e6 - lag(f.lon_e6) OVER log AS d_lon,
               f.time - lag(f.time) OVER log AS d_time, f.seq - lag(f.seq) OVER log AS d_seq, cos(radians(f.lat_e6 / 1e6)) AS narrow
        FROM log.fixes f WHERE f.vehicle_id = ANY(%(vehicles)s) AND f.time >= %(since)s AND f.time < %(until)s
        WINDOW log AS (PARTITION BY f.session_no ORDER BY f.seq)
    )
    SELECT vehicle_id, coalesce(sum(%(metre)s * sqrt(d_lat::float8 ^ 2 + (d_lon * narrow) ^ 2)), 0) AS driven_m,
           coalesce(extract(epoch FROM sum(d_time)), 0)::float8 AS moving_s
    FROM pairs WHERE d_seq = 1 AND flags & 1 = 0 AND coalesce(speed_cm_s, %(moving)s) >= %(moving)s GROUP BY vehicle_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen(Pass):
    """A pass. `simplified`: raw fixes have aged, so it is as near as the simplified line tells: ten metres."""

    simplified: bool


@dataclass(slots=True, kw_only=True)
class Driven:
    """What a vehicle drove. `simplified`: some of it is of days whose raw fixes have aged."""

    driven_m: float = 0.0
    moving_s: float = 0.0
    simplified: bool = False

    def add(self, driven_m: float, moving_s: float, *, simplified: bool) -> None:
        self.driven_m += driven_m
        self.moving_s += moving_s
        self.simplified |= simplified


def _lines(cur: Cursor, statement: LiteralString, vehicles: Sequence[str], since: datetime, until: datetime) -> Iterator[Line]:
    """Simplified lines that touch a stretch of time, by vehicle and start."""
    cur.execute(LINES + statement + _BY_START, {"vehicles": list(vehicles), "since": since, "until": until})
    for row in cur.fetchall():
        yield Line(
            vehicle_id=row["vehicle_id"],
            t_ms=np.array(row["at_ms"], np.int64) + row["start_ms"],
            lat_e6=np.array(row["lat_e6"], np.int64),
            lon_e6=np.array(row["lon_e6"], np.int64),
            driven_m=row["driven_m"],
            moving_s=row["moving_s"],
        )


def _aged(cur: Cursor, vehicles: Sequence[str], since: datetime, until: datetime) -> Iterator[Line]:
    """Those whose raw fixes are gone."""
    return _lines(cur, "AND NOT s.raw", vehicles, since, until)


def near(cur: Cursor, vehicles: Sequence[str], place: LatLon, radius_m: float, since: datetime, until: datetime) -> list[Seen]:
    """Who of these vehicles was within `radius_m` of a place from `since` to before `until`; by vehicle, then time."""
    found = [
        Seen(
            vehicle_id=line.vehicle_id,
            from_at=from_ms(told.from_ms),
            to_at=from_ms(told.to_ms),
            nearest_at=from_ms(told.nearest_ms),
            nearest_m=told.nearest_m,
            simplified=True,
        )
        for line in _aged(cur, vehicles, since, until)
        for told in lines_of.near(line, place, radius_m, to_ms(since), to_ms(until))
    ]
    found += [
        Seen(
            vehicle_id=told.vehicle_id,
            from_at=told.from_at,
            to_at=told.to_at,
            nearest_at=told.nearest_at,
            nearest_m=told.nearest_m,
            simplified=False,
        )
        for told in question_store.near(cur, vehicles, place, radius_m, since, until)
    ]
    out: list[Seen] = []
    for seen in sorted(found, key=lambda seen: (seen.vehicle_id, seen.from_at)):
        last = out[-1] if out else None
        if last is not None and last.vehicle_id == seen.vehicle_id and seen.from_at - last.to_at <= APART:
            out[-1] = _joined(last, seen)
        else:
            out.append(seen)
    return out


def _joined(one: Seen, two: Seen) -> Seen:
    nearer = min(one, two, key=lambda seen: seen.nearest_m)
    return Seen(
        vehicle_id=one.vehicle_id,
        from_at=one.from_at,
        to_at=max(one.to_at, two.to_at),
        nearest_at=nearer.nearest_at,
        nearest_m=nearer.nearest_m,
        simplified=one.simplified or two.simplified,
    )


def frames(cur: Cursor, vehicles: Sequence[str], since: datetime, until: datetime, step_s: float) -> Iterator[Frame]:
    """A stretch of time as frames of `step_s`: (the frame's end, newest position of each vehicle in it). Frames without one are left out.

    A row says `simplified` where its raw fix has aged: it then is where the van was at the frame's end, without speed and heading.
    """
    raw = question_store.frames(cur, vehicles, since, until, step_s)
    both = heapq.merge(raw, _aged_frames(cur, vehicles, since, until, step_s), key=lambda frame: frame[0])
    for at, parts in groupby(both, key=lambda frame: frame[0]):
        newest: dict[str, Row] = {}
        for _, seen in parts:
            for row in seen:
                row.setdefault("simplified", False)
                if row["vehicle_id"] not in newest or newest[row["vehicle_id"]]["time"] < row["time"]:
                    newest[row["vehicle_id"]] = row
        yield at, [newest[vehicle] for vehicle in sorted(newest)]


def _aged_frames(cur: Cursor, vehicles: Sequence[str], since: datetime, until: datetime, step_s: float) -> Iterator[Frame]:
    step_ms = round(step_s * 1000)
    first = since
    while first < until:
        end = min(first + timedelta(seconds=FRAMES_READ * step_s), until)
        found: dict[int, list[Row]] = {}
        first_ms, end_ms = to_ms(first), to_ms(end)
        for line in _aged(cur, vehicles, first, end):
            frame = np.arange(max(line.t_ms[0] - first_ms, 0) // step_ms, (min(line.t_ms[-1], end_ms - 1) - first_ms) // step_ms + 1)
            # A frame ends before the next begins; where the line ends in it, there.
            t_ms = np.minimum(np.minimum(first_ms + (frame + 1) * step_ms, end_ms) - 1, line.t_ms[-1])
            for number, ms, lat, lon in zip(frame.tolist(), t_ms.tolist(), *(x.tolist() for x in lines_of.at(line, t_ms)), strict=True):
                row = {"vehicle_id": line.vehicle_id, "time": from_ms(ms), "lat_e6": lat, "lon_e6": lon, "simplified": True}
                found.setdefault(number, []).append(row | {"speed_cm_s": None, "heading_cdeg": None})
        for number, seen in sorted(found.items()):
            yield min(first + timedelta(seconds=(number + 1) * step_s), until), seen
        first = end


def driven(cur: Cursor, fleet: str, vehicles: Sequence[str], since: datetime, until: datetime) -> dict[str, Driven]:
    """What each of a fleet's vehicles drove from `since` to before `until`: along the track while moving, gaps left out.

    Raw fixes tell it of days that still have them. Whole days that have aged are in `vehicle_days`, to the metre; of a part of such a
    day the simplified track tells it, as long as that is kept.
    """
    out = {vehicle: Driven() for vehicle in vehicles}
    row = cur.execute("SELECT through FROM log.aged WHERE fleet_id = %s", (fleet,)).fetchone()
    border = min(max(row["through"], since), until) if row else since
    values = {"fleet": fleet, "vehicles": list(vehicles), "metre": M_PER_E6, "moving": MOVING_CM_S}
    if border < until:
        for told in cur.execute(_RAW_LEGS, values | {"since": border, "until": until}).fetchall():
            out[told["vehicle_id"]].add(told["driven_m"], told["moving_s"], simplified=False)
    if since < border:
        for day in cur.execute(_AGED_DAYS, values | {"since": since, "until": border}).fetchall():
            out[day["vehicle_id"]].add(day["driven_m"], day["moving_s"], simplified=True)
        for line in _lines(cur, _NOT_COUNTED, vehicles, since, border):
            out[line.vehicle_id].add(*lines_of.part(line, to_ms(since), to_ms(border)), simplified=True)
    return out
