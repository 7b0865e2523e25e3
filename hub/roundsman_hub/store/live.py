"""What the live page shows, read for one fleet: SQL beside its function. Call inside a tenant's transaction (`Database.tenant`)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import cast

from psycopg.rows import tuple_row

from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, row, rows

EVENTS_SHOWN = 80
STEPS = ["held", "accepted", "declined", "refused", "in_force", "shown"]
"""The order in which a van tells them; those of one batch came at one instant."""


def vehicles(cur: Cursor) -> list[Row]:
    """Each van in use with its newest position and duty, and the version of its newest plan with how far that came."""
    fast = cur.connection.cursor(binary=True)  # half of the time to read 5,000 rows
    return fast.execute(
        """
        SELECT v.vehicle_id, v.name, v.depot_id, v.capacity, v.shift_start, v.shift_end, d.name AS driver_name, d.phone AS driver_phone,
               coalesce(n.online, false) AS online, coalesce(n.duty, 'off') AS duty, n.time, n.lat_e6, n.lon_e6, n.speed_cm_s,
               n.heading_cdeg, n.next_stop, coalesce(n.backlog, 0) AS backlog, n.seen_real_at, p.version AS plan_version,
               ARRAY(SELECT r.state FROM plan_receipts r WHERE r.vehicle_id = v.vehicle_id AND r.version = p.version ORDER BY 1) AS receipts
        FROM vehicles v LEFT JOIN drivers d USING (driver_id) LEFT JOIN vehicle_now n USING (vehicle_id)
        LEFT JOIN LATERAL (SELECT max(version) AS version FROM plans WHERE plans.vehicle_id = v.vehicle_id) p ON true
        WHERE v.retired_at IS NULL ORDER BY v.name, v.vehicle_id
        """
    ).fetchall()


def positions(cur: Cursor) -> list[tuple[str, bool, datetime, int, int, int | None, int | None]]:
    """The newest position of each van in use that has one: vehicle, online, time, lat_e6, lon_e6, speed_cm_s, heading_cdeg."""
    with cur.connection.cursor(row_factory=tuple_row, binary=True) as fast:
        return fast.execute(
            """
            SELECT n.vehicle_id, n.online, n.time, n.lat_e6, n.lon_e6, n.speed_cm_s, n.heading_cdeg
            FROM vehicle_now n JOIN vehicles v USING (vehicle_id) WHERE v.retired_at IS NULL AND n.lat_e6 IS NOT NULL ORDER BY n.vehicle_id
            """
        ).fetchall()


def plans(cur: Cursor, versions: Mapping[str, int]) -> list[Row]:
    """These plans (vehicle to version), in one question: what the page draws of them."""
    return rows(
        cur,
        """
        SELECT p.vehicle_id, p.fleet_id, p.version, p.issued_at, p.issued_real_at, p.valid_until, p.reason, p.changes,
               jsonb_build_object('stops', p.plan -> 'stops',
                                  'depot_lat_e6', p.plan -> 'depot_lat_e6', 'depot_lon_e6', p.plan -> 'depot_lon_e6',
                                  'travel_times', coalesce(p.plan ->> 'travel_times', 'great_circle')) AS plan
        FROM plans p JOIN unnest(%s::text[], %s::bigint[]) AS w (vehicle_id, version) USING (vehicle_id, version)
        """,
        (list(versions), list(versions.values())),
    )


def plan(cur: Cursor, vehicle_id: str, version: int | None = None) -> Row | None:
    """One plan of a van: the newest, unless a version is asked for. `published_at` and receipts say how far it came."""
    return row(
        cur,
        """
        SELECT p.vehicle_id, p.version, p.hash, p.issued_at, p.issued_real_at, p.published_at, p.valid_until, p.reason, p.changes, p.plan,
               (SELECT coalesce(jsonb_agg(jsonb_build_object('state', r.state, 'at', r.at, 'reason', r.reason)
                                          ORDER BY r.received_real_at, r.at, array_position(%(steps)s::text[], r.state)), '[]')
                FROM plan_receipts r WHERE r.vehicle_id = p.vehicle_id AND r.version = p.version) AS receipts
        FROM plans p WHERE p.vehicle_id = %(vehicle)s AND (%(version)s::bigint IS NULL OR p.version = %(version)s)
        ORDER BY p.version DESC LIMIT 1
        """,
        {"vehicle": vehicle_id, "version": version, "steps": STEPS},
    )


def driven(cur: Cursor, versions: Mapping[str, int]) -> dict[str, tuple[str, ...]]:
    """Tasks of each van's plan (vehicle to version) in the order in which they are driven: the driver's own, where there is one."""
    found = rows(
        cur,
        """
        SELECT t.vehicle_id, array_agg(t.order_id ORDER BY t.position, t.order_id) AS tasks
        FROM plan_tasks t JOIN unnest(%s::text[], %s::bigint[]) AS p (vehicle_id, version) USING (vehicle_id, version) GROUP BY 1
        """,
        (list(versions), list(versions.values())),
    )
    return {r["vehicle_id"]: tuple(r["tasks"]) for r in found}


def day_start(cur: Cursor, now: datetime) -> datetime:
    """Since when orders and events are shown: the fleet's day, the shifts that last or ended lately, and the last twelve hours."""
    found = row(
        cur,
        """
        SELECT least(%(now)s - interval '12 hours',
                     (SELECT min(date_trunc('day', %(now)s AT TIME ZONE timezone) AT TIME ZONE timezone) FROM fleets),
                     (SELECT min(shift_start) FROM vehicles WHERE retired_at IS NULL AND shift_start > %(now)s - interval '36 hours'
                                                             AND shift_end > %(now)s - interval '12 hours')) AS since
        """,
        {"now": now},
    )
    assert found is not None
    return cast("datetime", found["since"])


def events(cur: Cursor, at: datetime) -> list[Row]:
    """What people, the planner and drivers did since `at`, newest first: journal and order states in one list."""
    return rows(
        cur,
        """
        SELECT * FROM (
            (SELECT 'j' || j.seq AS id, j.at, j.kind, j.subject, j.body, v.name AS vehicle_name, o.reference, o.name AS order_name
             FROM journal j LEFT JOIN vehicles v ON v.vehicle_id = j.subject LEFT JOIN orders o ON o.order_id = j.subject
             WHERE j.at >= %(at)s AND j.kind IN ('plan.issued', 'order.created', 'order.cancelled', 'order.changed', 'order.pinned')
               AND (j.kind <> 'order.created' OR (j.body ->> 'priority')::integer >= 8)  -- a morning's import would bury the rest
             ORDER BY j.seq DESC LIMIT %(limit)s)
            UNION ALL
            (SELECT 's' || s.action, s.at, 'stop.' || s.state, s.order_id,
                    jsonb_build_object('reason', s.reason, 'late_s', extract(epoch FROM s.arrived_at - o.promise_end)),
                    v.name, o.reference, o.name
             FROM order_states s JOIN orders o USING (order_id) LEFT JOIN vehicles v ON v.vehicle_id = s.vehicle_id
             WHERE s.at >= %(at)s ORDER BY s.at DESC LIMIT %(limit)s)
        ) AS happened ORDER BY at DESC, left(id, 1) DESC, length(id) DESC, id DESC LIMIT %(limit)s
        """,
        {"at": at, "limit": EVENTS_SHOWN},
    )
