"""An order's story, corrections and alerts, read for one fleet: SQL beside its function. Call inside a tenant's transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Final, LiteralString

from roundsman_hub.store import afterlife_store
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, rows

STORY: Final[LiteralString] = """
    SELECT at, kind, vehicle_id, body FROM (
        SELECT j.at, 1 AS rank, j.seq AS place, j.kind, NULL::text AS vehicle_id,
               jsonb_build_object('actor', j.actor) || CASE WHEN jsonb_typeof(j.body) = 'object' THEN j.body ELSE '{}' END AS body
        FROM journal j WHERE j.subject = ANY(%(orders)s)
        UNION ALL
        SELECT p.issued_at, 2, p.version, 'plan.issued', p.vehicle_id,
               jsonb_build_object('version', p.version, 'position', t.position, 'reason', p.reason)
        FROM plan_tasks t JOIN plans p USING (vehicle_id, version) WHERE t.order_id = ANY(%(orders)s)
        UNION ALL
        SELECT v.arrived_at, 3, v.visit, 'visit.arrived', v.vehicle_id,
               jsonb_build_object('lat_deg', v.lat_e6 / 1e6, 'lon_deg', v.lon_e6 / 1e6, 'confidence', v.confidence)
        FROM order_visits v WHERE v.order_id = ANY(%(orders)s) AND v.arrived_at IS NOT NULL
        UNION ALL
        SELECT v.left_at, 3, v.visit, 'visit.left', v.vehicle_id, '{}'
        FROM order_visits v WHERE v.order_id = ANY(%(orders)s) AND v.left_at IS NOT NULL
        UNION ALL   -- at no stop of its plan, but near this one's door; by time, for there is an index of that
        SELECT v.arrived_at, 3, v.visit, 'visit.nearby', v.vehicle_id,
               jsonb_build_object('lat_deg', v.lat_e6 / 1e6, 'lon_deg', v.lon_e6 / 1e6, 'left_at', v.left_at)
        FROM orders o JOIN visits v ON v.fleet_id = o.fleet_id AND v.order_id IS NULL AND v.meant_order_id = o.order_id
             AND v.arrived_at BETWEEN o.window_start - interval '1 day' AND o.window_end + interval '1 day'
        WHERE o.order_id = ANY(%(orders)s)
        UNION ALL
        SELECT a.at, 4, a.seq, 'driver.' || a.outcome, a.vehicle_id,
               jsonb_build_object('reason', a.reason, 'driver', a.driver_id, 'action', a.action, 'undoes', a.undoes)
        FROM actions a WHERE a.order_id = ANY(%(orders)s)
        UNION ALL
        SELECT l.from_at, 5, 0, 'alert.' || l.kind, l.vehicle_id, l.detail || jsonb_build_object('to_at', l.to_at)
        FROM alerts l WHERE l.order_id = ANY(%(orders)s)
        UNION ALL
        SELECT c.at, 6, c.correction, 'corrected.' || c.noun, c.vehicle_id,
               jsonb_build_object('subject', c.subject, 'event_at', c.event_at, 'was', c.was, 'now', c.now, 'cause', c.cause)
        FROM corrections c WHERE c.order_id = ANY(%(orders)s)
    ) AS told ORDER BY at, rank, place, vehicle_id
"""
CORRECTIONS: Final[LiteralString] = """
    SELECT correction, at, noun, subject, vehicle_id, order_id, event_at, was, now, cause FROM corrections
    WHERE fleet_id = %(fleet)s AND correction > %(after)s AND at >= %(since)s AND at < %(until)s
    AND (%(vehicle)s::text IS NULL OR vehicle_id = %(vehicle)s) ORDER BY correction LIMIT %(limit)s
"""
ALERTS: Final[LiteralString] = """
    SELECT alert, kind, vehicle_id, order_id, fence_id, from_at, to_at, detail, raised_at FROM alerts
    WHERE fleet_id = %(fleet)s AND from_at >= %(since)s AND from_at < %(until)s AND (from_at, alert) > (%(at)s, %(alert)s)
    AND (%(vehicle)s::text IS NULL OR vehicle_id = %(vehicle)s) AND (%(any)s OR kind = ANY(%(kinds)s))
    ORDER BY from_at, alert LIMIT %(limit)s
"""


def story(cur: Cursor, order: str) -> list[Row]:
    """Everything that was decided about an order and its further attempts, and everything that happened to them, in event time."""
    return rows(cur, STORY, {"orders": [one["order_id"] for one in afterlife_store.family(cur, order)]})


def corrections(cur: Cursor, fleet: str, *, since: datetime, until: datetime, vehicle: str | None, after: int, limit: int) -> list[Row]:
    """What was shown and no longer holds, in the order in which the hub came to know."""
    values = {"fleet": fleet, "since": since, "until": until, "vehicle": vehicle, "after": after, "limit": limit}
    return rows(cur, CORRECTIONS, values)


def alerts(
    cur: Cursor,
    fleet: str,
    *,
    since: datetime,
    until: datetime,
    vehicle: str | None,
    kinds: list[str],
    after: tuple[datetime, str],
    limit: int,
) -> list[Row]:
    """Alerts that hold by what the log has now, oldest first. Those that did not hold after all are among the corrections."""
    values = {"fleet": fleet, "since": since, "until": until, "vehicle": vehicle, "kinds": kinds, "any": not kinds, "limit": limit}
    return rows(cur, ALERTS, values | {"at": after[0], "alert": after[1]})
