"""What is said between dispatchers and drivers: messages, reports, scans. SQL beside its function; call inside a tenant's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, LiteralString

from roundsman_hub.clock import to_ms
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, new_id, notify, row, rows

VALID: Final = timedelta(hours=12)
"""A message that did not reach the van within a shift is no longer shown."""

_THREAD: Final[LiteralString] = """
    SELECT * FROM (
        SELECT m.message_id AS message, 'dispatch' AS said_by, m.vehicle_id, m.text, m.order_id, NULL::text AS about, m.actor AS who, m.at,
               CASE WHEN EXISTS (SELECT FROM driver_words w WHERE w.vehicle_id = m.vehicle_id AND w.about = m.message_id) THEN 'answered'
                    WHEN EXISTS (SELECT FROM messages_shown s WHERE s.vehicle_id = m.vehicle_id AND s.message = m.message_id) THEN 'shown'
                    WHEN m.valid_until < %(now)s THEN 'expired' WHEN m.published_at IS NULL THEN 'waiting' ELSE 'sent' END AS state
        FROM messages m WHERE %(vehicle)s::text IS NULL OR m.vehicle_id = %(vehicle)s
        UNION ALL
        SELECT w.message, 'driver', w.vehicle_id, w.text, w.order_id, w.about, w.driver_id, w.at, 'said'
        FROM driver_words w WHERE %(vehicle)s::text IS NULL OR w.vehicle_id = %(vehicle)s
    ) AS thread WHERE (at IS NULL OR (at >= %(since)s AND at < %(until)s)) ORDER BY at DESC NULLS FIRST, message DESC LIMIT %(limit)s
"""
_REPORTS: Final[LiteralString] = """
    SELECT r.report, r.vehicle_id, r.topic, r.text, r.order_id, r.lat_e6, r.lon_e6, r.driver_id, r.at, s.at AS settled_at,
           (SELECT coalesce(jsonb_agg(p.sha256 ORDER BY p.sha256), '[]') FROM proofs p JOIN blobs b USING (fleet_id, sha256)
            WHERE p.vehicle_id = r.vehicle_id AND p.fact = r.report) AS photos
    FROM reports r LEFT JOIN settled_reports s USING (fleet_id, report)
    WHERE (%(vehicle)s::text IS NULL OR r.vehicle_id = %(vehicle)s) AND (r.at IS NULL OR (r.at >= %(since)s AND r.at < %(until)s))
    AND (NOT %(unsettled)s OR s.report IS NULL) ORDER BY r.at DESC NULLS FIRST, r.report DESC LIMIT %(limit)s
"""
_SCANS: Final[LiteralString] = """
    SELECT parcel, event, order_id, vehicle_id, place, by_what, driver_id, at FROM scans
    WHERE (%(vehicle)s::text IS NULL OR vehicle_id = %(vehicle)s) AND (at IS NULL OR (at >= %(since)s AND at < %(until)s))
    AND (%(order)s::text IS NULL OR order_id = %(order)s OR parcel IN (
        SELECT item ->> 'parcel' FROM orders o, jsonb_array_elements(o.items) AS item WHERE o.order_id = %(order)s))
    ORDER BY at DESC NULLS FIRST, session_no DESC, seq DESC LIMIT %(limit)s
"""


def say(cur: Cursor, fleet: str, vehicle: str, *, text: str, order: str | None, actor: str, at: datetime) -> str:
    """Write a message to a van's driver; it goes out once this transaction commits. Returns its id."""
    message = new_id("c")
    cur.execute(
        "INSERT INTO messages (message_id, vehicle_id, fleet_id, text, order_id, actor, at, valid_until) VALUES (%s,%s,%s,%s,%s,%s,%s,%s)",
        (message, vehicle, fleet, text, order, actor, at, at + VALID),
    )
    notify(cur, "message", fleet, vehicle)
    return message


def thread(cur: Cursor, vehicle: str | None, *, since: datetime, until: datetime, now: datetime, limit: int) -> list[Row]:
    """Both sides' words, newest first; of one van, or of all."""
    return rows(cur, _THREAD, {"vehicle": vehicle, "since": since, "until": until, "now": now, "limit": limit})


def reports(cur: Cursor, vehicle: str | None, *, since: datetime, until: datetime, unsettled: bool, limit: int) -> list[Row]:
    """What drivers reported, newest first; with the photos that are there."""
    return rows(cur, _REPORTS, {"vehicle": vehicle, "since": since, "until": until, "unsettled": unsettled, "limit": limit})


def settle(cur: Cursor, fleet: str, report: str, *, actor: str, at: datetime) -> Row | None:
    """A dispatcher has seen to a report: its vehicle and topic, and whether this is `news`. None: there is no such report. The first who
    said so stays named."""
    found = row(cur, "SELECT vehicle_id, topic FROM reports WHERE report = %s LIMIT 1", (report,))
    if found is None:
        return None
    cur.execute(
        "INSERT INTO settled_reports (fleet_id, report, actor, at) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (fleet, report, actor, at),
    )
    news = cur.rowcount > 0
    notify(cur, "message", fleet, found["vehicle_id"])
    return found | {"news": news}


def scans(cur: Cursor, *, vehicle: str | None, order: str | None, since: datetime, until: datetime, limit: int) -> list[Row]:
    """Parcels as they were scanned into and out of vans, newest first; of a van, of an order's parcels, or both."""
    return rows(cur, _SCANS, {"vehicle": vehicle, "order": order, "since": since, "until": until, "limit": limit})


# ── on their way ────────────────────────────────────────────────────────────────────────────────────────────────────


def unshown(cur: Cursor, now: datetime) -> list[Row]:
    """Messages of all fleets that no van has said to show, oldest first; with whether the van is on line, and the epoch to seal them in."""
    return rows(
        cur,
        """
        SELECT m.message_id, m.vehicle_id, m.text, m.order_id, m.at, m.valid_until, coalesce(n.online, false) AS online, e.epoch
        FROM messages m JOIN vehicles v USING (vehicle_id) LEFT JOIN vehicle_now n USING (vehicle_id) CROSS JOIN log.epoch e
        WHERE m.valid_until > %(now)s AND m.at <= %(now)s AND v.retired_at IS NULL
        AND NOT EXISTS (SELECT FROM messages_shown s WHERE s.vehicle_id = m.vehicle_id AND s.message = m.message_id)
        AND NOT EXISTS (SELECT FROM driver_words w WHERE w.vehicle_id = m.vehicle_id AND w.about = m.message_id)
        ORDER BY m.at, m.message_id
        """,
        {"now": now},
    )


def roll_call(raised_at: datetime) -> str:
    """Name of the roll call of one restore: an epoch's number may come twice, when the same backup is restored twice."""
    return f"roll-{to_ms(raised_at)}"


def absent(cur: Cursor, since: datetime) -> list[Row]:
    """Vans that did not answer the roll call of a restore later than `since` (real time), with the epoch to seal it in.

    Whether they are on line is not asked: a restored database does not know it, until each has spoken again.
    """
    found = rows(
        cur,
        """
        SELECT v.vehicle_id, e.epoch, e.raised_real_at FROM log.epoch e CROSS JOIN vehicles v
        WHERE e.raised_real_at > %s AND v.retired_at IS NULL
        AND NOT EXISTS (SELECT FROM devices d WHERE d.vehicle_id = v.vehicle_id) ORDER BY v.vehicle_id
        """,
        (since,),
    )
    there = answered(cur, [r["vehicle_id"] for r in found], found[0]["raised_real_at"]) if found else frozenset()
    return [r for r in found if r["vehicle_id"] not in there]


def answered(cur: Cursor, vehicles: Sequence[str], raised_at: datetime) -> frozenset[str]:
    """Those of the vans that have nothing before them any more that was said before this restore: their receipts of it are derived.

    Trackers and telephones get no plans, and are not asked.
    """
    told = rows(
        cur,
        "SELECT vehicle_id FROM messages_shown WHERE message = %(call)s AND vehicle_id = ANY(%(vehicles)s)"
        " UNION SELECT vehicle_id FROM devices WHERE vehicle_id = ANY(%(vehicles)s)",
        {"call": roll_call(raised_at), "vehicles": list(vehicles)},
    )
    return frozenset(r["vehicle_id"] for r in told)


def published(cur: Cursor, message: str, at: datetime) -> None:
    """The broker has it."""
    told = row(
        cur,
        "UPDATE messages SET published_at = %s WHERE message_id = %s AND published_at IS NULL RETURNING fleet_id, vehicle_id",
        (at, message),
    )
    if told is not None:
        notify(cur, "message", told["fleet_id"], told["vehicle_id"])
