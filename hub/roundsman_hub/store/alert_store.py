"""Alerts and corrections: SQL beside its function."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from psycopg.types.json import Jsonb

from roundsman_core.geo import LatLon
from roundsman_hub.derive.alerts import SILENT, Alert, Crossed, Due, Stand, VehicleDay
from roundsman_hub.derive.trace import Correction
from roundsman_hub.instants import BEGINNING
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, rows

HEARD: Final = ("session", "health", "visit", "action", "duty", "receipt", "crossing")
"""Kinds of facts that show that a unit is alive."""
LOOKS_BACK: Final = timedelta(days=1)
"""Orders that fell due longer ago than this without a word are looked at no more: they stay as they are."""


def stretch_from(cur: Cursor, vehicle: str, changed_from: datetime | None) -> datetime:
    """Where alerts must be read off anew when facts from `changed_from` on are new: the end of a shift, or the beginning.

    Between two shifts: what happens after it needs nothing from before. A standstill that lasts from one shift into the next (or has no
    end) joins the two, so the stretch goes back to before its own shift.
    """
    if changed_from is None:
        return _told_since(cur, vehicle)
    start = _last_off(cur, vehicle, changed_from)
    while start > BEGINNING:
        row = cur.execute(
            "SELECT min(arrived_at) AS at FROM visits WHERE vehicle_id = %(v)s AND arrived_at < %(at)s "
            "AND arrived_at > %(at)s - interval '7 days' AND (left_at IS NULL OR left_at >= %(at)s)",
            {"v": vehicle, "at": start},
        ).fetchone()
        if row is None or row["at"] is None:
            break
        start = _last_off(cur, vehicle, row["at"])
    return max(start, _told_since(cur, vehicle))


def _told_since(cur: Cursor, vehicle: str) -> datetime:
    """Alerts of before are not read off anew: the facts that they come from are gone. The beginning, where all are there."""
    cur.execute(
        "SELECT max(d.at) AS at FROM duties d JOIN log.facts_aged USING (session_no) WHERE d.vehicle_id = %(v)s "
        "UNION ALL SELECT max(coalesce(t.left_at, t.arrived_at)) FROM visits t JOIN log.facts_aged USING (session_no) "
        "WHERE t.vehicle_id = %(v)s",
        {"v": vehicle},
    )
    return max((row["at"] for row in cur if row["at"] is not None), default=BEGINNING)


def _last_off(cur: Cursor, vehicle: str, before: datetime) -> datetime:
    row = cur.execute("SELECT max(at) AS at FROM duties WHERE vehicle_id = %s AND duty = 'off' AND at < %s", (vehicle, before)).fetchone()
    return row["at"] if row is not None and row["at"] is not None else BEGINNING


def vehicle_day(cur: Cursor, vehicle: str, since: datetime) -> VehicleDay:
    """A vehicle's derived day from `since` on."""
    values = {"v": vehicle, "since": since, "heard": list(HEARD)}
    depot = cur.execute(
        "SELECT d.lat_e6, d.lon_e6 FROM vehicles v JOIN depots d USING (depot_id) WHERE v.vehicle_id = %(v)s", values
    ).fetchone()
    assert depot is not None  # every vehicle has one
    stands = cur.execute(
        "SELECT s.session, t.visit, t.order_id, t.arrived_at, t.left_at, t.lat_e6, t.lon_e6 FROM visits t JOIN log.sessions s "
        "USING (session_no) WHERE t.vehicle_id = %(v)s AND t.arrived_at >= %(since)s ORDER BY t.arrived_at, s.ordinal, t.visit",
        values,
    ).fetchall()
    crossings = cur.execute(
        "SELECT s.session, c.seq, c.fence_id, coalesce(f.name, c.fence_id) AS fence, c.event, c.at, c.speed_cm_s FROM crossings c "
        "JOIN log.sessions s USING (session_no) LEFT JOIN fences f ON f.fence_id = c.fence_id AND f.fleet_id = c.fleet_id "
        "WHERE c.vehicle_id = %(v)s AND c.at >= %(since)s ORDER BY c.at, s.ordinal, c.seq",
        values,
    ).fetchall()
    duties = cur.execute(
        "SELECT d.at, d.duty FROM duties d JOIN log.sessions s USING (session_no) WHERE d.vehicle_id = %(v)s AND d.at >= %(since)s "
        "ORDER BY s.ordinal, d.session_no, d.seq",
        values,
    ).fetchall()
    heard = cur.execute(
        "SELECT DISTINCT time FROM log.entries WHERE vehicle_id = %(v)s AND kind = ANY(%(heard)s) AND time >= %(since)s ORDER BY time",
        values,
    ).fetchall()
    return VehicleDay(
        vehicle_id=vehicle,
        depot=LatLon.from_e6(depot["lat_e6"], depot["lon_e6"]),
        stands=[Stand(**row) for row in stands],
        crossings=[Crossed(**row) for row in crossings],
        duties=[(row["at"], row["duty"]) for row in duties],
        heard=[row["time"] for row in heard],
    )


def dues(cur: Cursor, orders: Iterable[str]) -> list[Due]:
    """When these orders were due, and which van served them, or had them last. Cancelled ones, and those never planned, are left out."""
    cur.execute(
        """
        SELECT o.order_id, coalesce(s.vehicle_id, p.vehicle_id) AS vehicle_id, coalesce(o.promise_end, o.window_end) AS due_at,
               coalesce(s.arrived_at, s.at) AS served_at
        FROM orders o LEFT JOIN order_states s USING (order_id)
        LEFT JOIN LATERAL (
            SELECT t.vehicle_id FROM plan_tasks t WHERE t.order_id = o.order_id ORDER BY t.version DESC, t.vehicle_id LIMIT 1
        ) p ON true
        WHERE o.order_id = ANY(%s) AND (s.order_id IS NOT NULL OR (o.cancelled_at IS NULL AND p.vehicle_id IS NOT NULL))
        """,
        (sorted(set(orders)),),
    )
    return [Due(**row) for row in cur]


def unserved(cur: Cursor, horizon: datetime) -> set[str]:
    """Orders that fell due, or are said to be late, without a word of a van."""
    cur.execute(
        """
        SELECT order_id FROM orders o WHERE o.cancelled_at IS NULL AND o.window_end > %(from)s - interval '1 day'
               AND coalesce(o.promise_end, o.window_end) BETWEEN %(from)s AND %(horizon)s
               AND NOT EXISTS (SELECT FROM order_states s WHERE s.order_id = o.order_id)
        UNION SELECT order_id FROM alerts a WHERE a.kind = 'late' AND a.to_at IS NULL AND a.from_at >= %(from)s
        """,
        {"from": horizon - LOOKS_BACK, "horizon": horizon},
    )
    return {row["order_id"] for row in cur}


def quiet(cur: Cursor, horizon: datetime) -> dict[str, str]:
    """Vehicles on duty of which the log has nothing for `SILENT`, and no alert says so yet; with their fleets."""
    cur.execute(
        """
        SELECT n.vehicle_id, n.fleet_id FROM vehicle_now n WHERE n.duty <> 'off'
        AND NOT EXISTS (SELECT FROM log.entries e WHERE e.vehicle_id = n.vehicle_id AND e.kind = ANY(%(heard)s) AND e.time > %(since)s)
        AND NOT EXISTS (SELECT FROM alerts a WHERE a.vehicle_id = n.vehicle_id AND a.kind = 'silent' AND a.to_at IS NULL)
        """,
        {"heard": list(HEARD), "since": horizon - SILENT},
    )
    return {row["vehicle_id"]: row["fleet_id"] for row in cur}


_ALERT: Final = "alert, kind, vehicle_id, from_at, to_at, order_id, fence_id, detail"


def known(cur: Cursor, vehicle: str, since: datetime) -> dict[str, Alert]:
    """A vehicle's own alerts from `since` on. (Those of orders go by order: see `known_late`. And the planner's are not the log's.)"""
    cur.execute(
        f"SELECT {_ALERT} FROM alerts WHERE vehicle_id = %s AND from_at >= %s AND kind NOT IN ('late', 'position_dropped')",
        (vehicle, since),
    )
    return {row["alert"]: Alert(**row) for row in cur}


def known_late(cur: Cursor, orders: Iterable[str]) -> dict[str, Alert]:
    """Alerts of these orders."""
    cur.execute(f"SELECT {_ALERT} FROM alerts WHERE order_id = ANY(%s) AND kind = 'late'", (sorted(set(orders)),))
    return {row["alert"]: Alert(**row) for row in cur}


FRESH: Final = timedelta(minutes=30)
"""What is over needs nobody after this long."""
SHOWN: Final = 500


def shown(cur: Cursor, since: datetime, now: datetime) -> list[Row]:
    """What a tenant's board shows of its alerts: those that last, or ended within `FRESH`, of `since` on; the newest first.

    Silence and lateness are not among them: a page sees those by itself, by the second.
    """
    return rows(
        cur,
        "SELECT alert, kind, vehicle_id, order_id, fence_id, from_at, to_at, detail FROM alerts "
        "WHERE fleet_id = current_setting('roundsman.fleet', true) AND from_at >= %s AND kind NOT IN ('late', 'silent') "
        "AND (to_at IS NULL OR to_at >= %s) ORDER BY from_at DESC, alert LIMIT %s",
        (since, now - FRESH, SHOWN),
    )


def replace(cur: Cursor, fleet: str, was: dict[str, Alert], now: dict[str, Alert], raised_at: datetime) -> list[str]:
    """Let the table hold `now` instead of `was`. Returns the names of those that differ."""
    gone = sorted(was.keys() - now.keys())
    if gone:
        cur.execute("DELETE FROM alerts WHERE alert = ANY(%s)", (gone,))
    changed = [alert for name, alert in sorted(now.items()) if was.get(name) != alert]
    if changed:
        cur.executemany(
            f"INSERT INTO alerts (fleet_id, raised_at, {_ALERT}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
            "ON CONFLICT (alert) DO UPDATE SET vehicle_id = excluded.vehicle_id, from_at = excluded.from_at, to_at = excluded.to_at, "
            "detail = excluded.detail",
            [
                (fleet, raised_at, a.alert, a.kind, a.vehicle_id, a.from_at, a.to_at, a.order_id, a.fence_id, Jsonb(a.detail))
                for a in changed
            ],
        )
    return [*gone, *(alert.alert for alert in changed)]


def add_corrections(cur: Cursor, fleet: str, found: Sequence[Correction], at: datetime) -> None:
    """Write down what no longer holds, and why."""
    if found:
        cur.executemany(
            "INSERT INTO corrections (fleet_id, vehicle_id, noun, subject, order_id, at, event_at, was, now, cause) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    fleet,
                    c.vehicle_id,
                    c.noun,
                    c.subject,
                    c.order_id,
                    at,
                    c.event_at,
                    None if c.was is None else Jsonb(dict(c.was)),
                    None if c.now is None else Jsonb(dict(c.now)),
                    c.cause,
                )
                for c in found
            ],
        )
