"""When each order was first meant to be served: what the first plan that had it said. Call inside a tenant's transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Final, LiteralString

from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, rows

# Each plan's stops are unfolded once, not once an order: a plan of forty stops would otherwise be read forty times.
FIRST_ARRIVALS: Final[LiteralString] = """
    WITH first AS (
        SELECT DISTINCT ON (t.order_id) t.order_id, t.vehicle_id, t.version
        FROM plan_tasks t JOIN plans p USING (vehicle_id, version) WHERE p.issued_at >= %(since)s ORDER BY t.order_id, t.version
    )
    SELECT first.order_id, first.vehicle_id, to_timestamp((stop ->> 'arrival_utc_ms')::bigint / 1000.0) AS at,
           coalesce(p.plan ->> 'travel_times', 'great_circle') AS basis
    FROM (SELECT DISTINCT vehicle_id, version FROM first) AS wanted JOIN plans p USING (vehicle_id, version)
    CROSS JOIN LATERAL jsonb_array_elements(p.plan -> 'stops') AS stop
    CROSS JOIN LATERAL jsonb_array_elements_text(stop -> 'tasks') AS task
    JOIN first ON first.order_id = task AND first.vehicle_id = p.vehicle_id AND first.version = p.version
    ORDER BY first.order_id
"""


def first_arrivals(cur: Cursor, since: datetime) -> list[Row]:
    """Order, van, arrival and by whose roads, by the first plan since an instant that had the order."""
    return rows(cur, FIRST_ARRIVALS, {"since": since})
