"""The live marker: one row a vehicle, the newest wins. Newest is the highest (place of the session in its chain, order), not a clock's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

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


_PLACE: Final = """
    INSERT INTO vehicle_now AS v (vehicle_id, fleet_id, session, session_ordinal, ord, online, time, lat_e6, lon_e6, speed_cm_s,
                                  heading_cdeg, duty, next_stop, plan_version, backlog, seen_real_at)
    SELECT n.vehicle, n.fleet, n.session,
           coalesce(s.ordinal, (SELECT coalesce(max(m.ordinal), 0) + 1 FROM log.sessions m WHERE m.vehicle_id = n.vehicle)),
           n.ord, true, n.time, n.lat_e6, n.lon_e6, n.speed_cm_s, n.heading_cdeg, n.duty, n.next_stop, n.plan_version, n.backlog, %(seen)s
    FROM json_to_recordset(%(told)s::json) AS n (
        vehicle text, fleet text, session text, ord bigint, time timestamptz, lat_e6 integer, lon_e6 integer, speed_cm_s integer,
        heading_cdeg integer, duty text, next_stop text, plan_version bigint, backlog integer
    )
    LEFT JOIN log.sessions s ON s.vehicle_id = n.vehicle AND s.session = n.session
    ORDER BY n.vehicle
    ON CONFLICT (vehicle_id) DO UPDATE SET session = excluded.session, session_ordinal = excluded.session_ordinal, ord = excluded.ord,
        online = true, time = excluded.time, lat_e6 = excluded.lat_e6, lon_e6 = excluded.lon_e6, speed_cm_s = excluded.speed_cm_s,
        heading_cdeg = excluded.heading_cdeg, duty = excluded.duty, next_stop = excluded.next_stop,
        plan_version = excluded.plan_version, backlog = excluded.backlog, seen_real_at = excluded.seen_real_at
    WHERE (v.session_ordinal, v.ord) < (excluded.session_ordinal, excluded.ord)
    RETURNING v.vehicle_id, v.fleet_id
"""


def place(cur: Cursor, told: Sequence[tuple[str, str, Now, datetime | None]], *, at_real: datetime) -> list[tuple[str, str]]:
    """Move markers, each unless something newer is known. A session not heard of yet stands after all others.

    Parameters
    ----------
    told : sequence of (vehicle, fleet, what it said, its time)
        Each vehicle once. All in one statement: 5,000 vans that speak every five seconds would cost two each otherwise.

    Returns
    -------
    list of (vehicle, fleet)
        Those that moved.
    """
    markers = [
        {
            "vehicle": vehicle,
            "fleet": fleet,
            "session": now.session,
            "ord": now.order,
            "time": time,
            "lat_e6": now.lat_e6,
            "lon_e6": now.lon_e6,
            "speed_cm_s": now.speed_cm_s,
            "heading_cdeg": now.heading_cdeg,
            "duty": now.duty,
            "next_stop": now.next_stop,
            "plan_version": now.plan_version,
            "backlog": now.backlog,
        }
        for vehicle, fleet, now, time in told
    ]
    cur.execute(_PLACE, {"told": msgspec.json.encode(markers).decode(), "seen": at_real})
    return [(row["vehicle_id"], row["fleet_id"]) for row in cur]
