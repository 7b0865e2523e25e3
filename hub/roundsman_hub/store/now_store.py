"""The live marker: one row a vehicle, the newest wins. Newest is the highest (place of the session in its chain, order), not a clock's."""

from __future__ import annotations

from datetime import datetime

from roundsman_hub.store.db import Cursor
from roundsman_wire.messages import Now


def set_online(cur: Cursor, vehicle: str, fleet: str, *, online: bool, at_real: datetime) -> bool:
    """The van came on line, or was lost. True if that is a change."""
    cur.execute(
        "INSERT INTO vehicle_now AS v (vehicle_id, fleet_id, online, seen_real_at) VALUES (%s, %s, %s, %s) "
        "ON CONFLICT (vehicle_id) DO UPDATE SET online = excluded.online, seen_real_at = excluded.seen_real_at "
        "WHERE v.online IS DISTINCT FROM excluded.online",
        (vehicle, fleet, online, at_real),
    )
    return cur.rowcount > 0


def place(cur: Cursor, vehicle: str, fleet: str, now: Now, *, time: datetime | None, at_real: datetime) -> bool:
    """Move the marker, unless something newer is known. A session not heard of yet stands after all others. True if it moved."""
    row = cur.execute("SELECT ordinal FROM log.sessions WHERE vehicle_id = %s AND session = %s", (vehicle, now.session)).fetchone()
    if row is None:
        row = cur.execute("SELECT coalesce(max(ordinal), 0) + 1 AS ordinal FROM log.sessions WHERE vehicle_id = %s", (vehicle,)).fetchone()
    cur.execute(
        "INSERT INTO vehicle_now AS v (vehicle_id, fleet_id, session, session_ordinal, ord, online, time, lat_e6, lon_e6, speed_cm_s, "
        "heading_cdeg, duty, next_stop, plan_version, backlog, seen_real_at) "
        "VALUES (%(vehicle)s, %(fleet)s, %(session)s, %(ordinal)s, %(ord)s, true, %(time)s, %(lat)s, %(lon)s, %(speed)s, %(heading)s, "
        "%(duty)s, %(next)s, %(plan)s, %(backlog)s, %(seen)s) "
        "ON CONFLICT (vehicle_id) DO UPDATE SET session = excluded.session, session_ordinal = excluded.session_ordinal, "
        "ord = excluded.ord, online = true, time = excluded.time, "
        "lat_e6 = excluded.lat_e6, lon_e6 = excluded.lon_e6, speed_cm_s = excluded.speed_cm_s, "
        "heading_cdeg = excluded.heading_cdeg, duty = excluded.duty, next_stop = excluded.next_stop, "
        "plan_version = excluded.plan_version, backlog = excluded.backlog, seen_real_at = excluded.seen_real_at "
        "WHERE (v.session_ordinal, v.ord) < (excluded.session_ordinal, excluded.ord)",
        {
            "vehicle": vehicle,
            "fleet": fleet,
            "session": now.session,
            "ordinal": row["ordinal"] if row else 1,
            "ord": now.order,
            "time": time,
            "lat": now.lat_e6,
            "lon": now.lon_e6,
            "speed": now.speed_cm_s,
            "heading": now.heading_cdeg,
            "duty": now.duty,
            "next": now.next_stop,
            "plan": now.plan_version,
            "backlog": now.backlog,
            "seen": at_real,
        },
    )
    return cur.rowcount > 0
