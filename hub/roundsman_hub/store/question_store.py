"""What people ask of the record: SQL beside its function, each with the index that it stands on.

Fixes name no fleet. Statements on them take the fleet's vehicles, which the caller has asked the fleet's own tables for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, LiteralString

from roundsman_core.geo import LatLon
from roundsman_hub.instants import BEGINNING
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, rows

FASTEST_MPS: Final = 60.0
"""No van does 216 km/h (the agent's gate refuses such fixes): one that is far away is looked at again only when it could be near."""
STEP_S: Final = 5
"""Within reach, a van is looked at this often: a pass of a place lasts longer."""
APART: Final = timedelta(minutes=2)
"""Seen near the place again after this long, it is another pass."""
FRAMES_READ: Final = 120
"""Frames of a playback read at once."""
M_PER_DEG: Final = 111_195.0

NEAR: Final[LiteralString] = """
    -- From each vehicle's first fix, hop: as far ahead in time as it would take to reach the place, then look again. (vehicle_id, time)
    WITH RECURSIVE hop AS (
        SELECT v.vehicle_id, f.time, f.away_m FROM unnest(%(vehicles)s::text[]) AS v (vehicle_id) CROSS JOIN LATERAL (
            SELECT time, sqrt(((lat_e6 - %(lat)s) * %(m_lat)s)::float8 ^ 2 + ((lon_e6 - %(lon)s) * %(m_lon)s)::float8 ^ 2) AS away_m
            FROM log.fixes WHERE vehicle_id = v.vehicle_id AND time >= %(since)s AND time < %(until)s ORDER BY time LIMIT 1
        ) f
        UNION ALL
        SELECT h.vehicle_id, f.time, f.away_m FROM hop h CROSS JOIN LATERAL (
            SELECT time, sqrt(((lat_e6 - %(lat)s) * %(m_lat)s)::float8 ^ 2 + ((lon_e6 - %(lon)s) * %(m_lon)s)::float8 ^ 2) AS away_m
            FROM log.fixes WHERE vehicle_id = h.vehicle_id
            AND time >= h.time + make_interval(secs => greatest(%(step)s, (h.away_m - %(radius)s) / %(fastest)s))
            AND time >= %(since)s AND time < %(until)s ORDER BY time LIMIT 1
        ) f
    )
    SELECT vehicle_id, time, away_m FROM hop WHERE away_m <= %(radius)s ORDER BY vehicle_id, time
"""
FRAMES: Final[LiteralString] = """
    -- Of each vehicle the newest fix of each frame; (vehicle_id, time).
    SELECT v.vehicle_id, f.* FROM unnest(%(vehicles)s::text[]) AS v (vehicle_id) CROSS JOIN LATERAL (
        SELECT DISTINCT ON (frame) floor(extract(epoch FROM time - %(since)s) / %(step_s)s)::bigint AS frame,
               time, lat_e6, lon_e6, speed_cm_s, heading_cdeg
        FROM log.fixes WHERE vehicle_id = v.vehicle_id AND time >= %(since)s AND time < %(until)s ORDER BY frame, time DESC
    ) f ORDER BY f.frame, v.vehicle_id
"""
_VISIT: Final[LiteralString] = """
    SELECT t.session_no, t.visit, t.vehicle_id, v.name AS vehicle_name, t.order_id, t.arrived_at, t.left_at, t.lat_e6, t.lon_e6,
           t.confidence::float8 AS confidence
"""
_STAND: Final[LiteralString] = (
    _VISIT
    + """, CASE WHEN t.order_id IS NULL THEN t.meant_order_id END AS meant_order_id
"""
)
_AFTER: Final[LiteralString] = """
    (coalesce(t.arrived_at, %(every)s), t.session_no, t.visit) > (%(at)s, %(session_no)s, %(visit)s)
    ORDER BY coalesce(t.arrived_at, %(every)s), t.session_no, t.visit LIMIT %(limit)s
"""
VISITS_OF_ORDERS: Final[LiteralString] = (
    _VISIT + "FROM order_visits t JOIN vehicles v USING (vehicle_id) WHERE t.order_id = ANY(%(orders)s) AND " + _AFTER
)
VISITS_AT_ADDRESS: Final[LiteralString] = (
    """
    WITH named AS MATERIALIZED (
        SELECT order_id, lat_e6, lon_e6 FROM orders WHERE fleet_id = %(fleet)s AND lower(address) = lower(%(address)s)
    ), found AS (
        SELECT n.* FROM named o JOIN visits n USING (order_id)
        UNION
        SELECT n.* FROM (SELECT DISTINCT lat_e6, lon_e6 FROM named WHERE lat_e6 IS NOT NULL) o CROSS JOIN LATERAL (
            SELECT * FROM visits WHERE fleet_id = %(fleet)s AND lat_e6 BETWEEN o.lat_e6 - %(d_lat)s AND o.lat_e6 + %(d_lat)s
            AND abs(lon_e6 - o.lon_e6) * cos(radians(o.lat_e6 / 1e6)) <= %(d_lat)s
        ) n
    )
    """
    + _STAND
    + "FROM found t JOIN vehicles v USING (vehicle_id) WHERE "
    + _AFTER
)
OUTSIDE_PLAN: Final[LiteralString] = (
    _STAND
    + """
    FROM visits t JOIN vehicles v USING (vehicle_id)
    WHERE t.fleet_id = %(fleet)s AND t.order_id IS NULL AND t.arrived_at >= %(since)s AND t.arrived_at < %(until)s
    AND (%(vehicle)s::text IS NULL OR t.vehicle_id = %(vehicle)s)
    AND coalesce(t.left_at, %(now)s) - t.arrived_at >= make_interval(secs => %(longer_s)s)
    AND (t.arrived_at, t.session_no, t.visit) > (%(at)s, %(session_no)s, %(visit)s)
    ORDER BY t.arrived_at, t.session_no, t.visit LIMIT %(limit)s
"""
)
MARKERS: Final[LiteralString] = """
    SELECT n.vehicle_id, v.name, n.time, n.lat_e6, n.lon_e6, n.online, n.duty FROM vehicle_now n JOIN vehicles v USING (vehicle_id)
    WHERE v.retired_at IS NULL AND n.lat_e6 IS NOT NULL AND (n.duty <> 'off' OR NOT %(on_duty)s) ORDER BY n.vehicle_id
"""
AT_PLACE_M: Final = 60.0
"""As wide as a planned stop's fence."""

VisitPlace = tuple[datetime, int, int]
"""Where a page of visits ended: arrival, session number, visit number."""
FIRST_PAGE: Final[VisitPlace] = (datetime.fromisoformat("1900-01-01T00:00:00+00:00"), 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """A vehicle was within the radius from `from_at` to `to_at`; nearest at `nearest_at`."""

    vehicle_id: str
    from_at: datetime
    to_at: datetime
    nearest_at: datetime
    nearest_m: float


def vehicles(cur: Cursor, after: str = "", limit: int | None = None) -> list[str]:
    """The fleet's vehicles, retired ones too: what they did stays known. Call inside a tenant's transaction."""
    found = rows(cur, "SELECT vehicle_id FROM vehicles WHERE vehicle_id > %s ORDER BY vehicle_id LIMIT %s", (after, limit))
    return [row["vehicle_id"] for row in found]


def near_params(vehicles: Sequence[str], place: LatLon, radius_m: float, since: datetime, until: datetime) -> dict[str, object]:
    """Parameters of `NEAR`."""
    return {
        "vehicles": list(vehicles),
        "lat": place.lat_e6,
        "lon": place.lon_e6,
        "m_lat": M_PER_DEG / 1e6,
        "m_lon": M_PER_DEG / 1e6 * math.cos(math.radians(place.lat_deg)),
        "radius": radius_m,
        "since": since,
        "until": until,
        "step": STEP_S,
        "fastest": FASTEST_MPS,
    }


def near(cur: Cursor, vehicles: Sequence[str], place: LatLon, radius_m: float, since: datetime, until: datetime) -> list[Pass]:
    """Who of these vehicles was within `radius_m` of a place from `since` to before `until`; by vehicle, then time."""
    out: list[Pass] = []
    for row in cur.execute(NEAR, near_params(vehicles, place, radius_m, since, until)):
        vehicle, at, away_m = row["vehicle_id"], row["time"], row["away_m"]
        last = out[-1] if out else None
        if last is None or last.vehicle_id != vehicle or at - last.to_at > APART:
            out.append(Pass(vehicle_id=vehicle, from_at=at, to_at=at, nearest_at=at, nearest_m=away_m))
        else:
            nearer = away_m < last.nearest_m
            out[-1] = Pass(
                vehicle_id=vehicle,
                from_at=last.from_at,
                to_at=at,
                nearest_at=at if nearer else last.nearest_at,
                nearest_m=away_m if nearer else last.nearest_m,
            )
    return out


def frames(cur: Cursor, vehicles: Sequence[str], since: datetime, until: datetime, step_s: float) -> Iterator[tuple[datetime, list[Row]]]:
    """A stretch of time as frames of `step_s`: (the frame's end, newest fix of each vehicle in it). Frames without a fix are left out."""
    part = since
    while part < until:
        end = min(part + timedelta(seconds=FRAMES_READ * step_s), until)
        found: dict[int, list[Row]] = {}
        for row in cur.execute(FRAMES, {"vehicles": list(vehicles), "since": part, "until": end, "step_s": step_s}):
            found.setdefault(row.pop("frame"), []).append(row)
        for number, seen in sorted(found.items()):
            yield min(part + timedelta(seconds=(number + 1) * step_s), until), seen
        part = end


def visits_of_orders(cur: Cursor, orders: Sequence[str], after: VisitPlace, limit: int) -> list[Row]:
    """All visits of these orders, oldest first."""
    return rows(cur, VISITS_OF_ORDERS, {"orders": list(orders), "every": BEGINNING, "limit": limit} | _place(after))


def visits_at_address(cur: Cursor, fleet: str, address: str, after: VisitPlace, limit: int) -> list[Row]:
    """All visits of orders of an address, and all others at its place; oldest first."""
    values = {"fleet": fleet, "address": address, "d_lat": round(AT_PLACE_M / M_PER_DEG * 1e6), "every": BEGINNING, "limit": limit}
    return rows(cur, VISITS_AT_ADDRESS, values | _place(after))


def outside_plan(
    cur: Cursor,
    fleet: str,
    *,
    longer_s: float,
    since: datetime,
    until: datetime,
    now: datetime,
    vehicle: str | None,
    after: VisitPlace,
    limit: int,
) -> list[Row]:
    """Standstills that belong to no stop and lasted (or last) for `longer_s`; oldest first."""
    values = {"fleet": fleet, "longer_s": longer_s, "since": since, "until": until, "now": now, "vehicle": vehicle, "limit": limit}
    return rows(cur, OUTSIDE_PLAN, values | _place(after))


def markers(cur: Cursor, *, on_duty: bool) -> list[Row]:
    """Newest position of every van in use that has one."""
    return rows(cur, MARKERS, {"on_duty": on_duty})


def _place(after: VisitPlace) -> dict[str, object]:
    return {"at": after[0], "session_no": after[1], "visit": after[2]}
