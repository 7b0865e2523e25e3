"""A day's rows, out of one hub and into another: SQL beside its function. With the hub's own rights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, LiteralString

from psycopg import sql
from psycopg.types.json import Jsonb

from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, rows
from roundsman_wire.messages import FACTS, TRACK

CHUNK: Final = 2_000
NOT_RECORDED: Final = "not in the recording"
_MICROS: LiteralString = "(extract(epoch FROM {}) * 1000000)::bigint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What belongs to a day: vehicles, sessions (in the order of hearing), orders."""

    fleet: str
    vehicles: tuple[str, ...]
    sessions: tuple[int, ...]
    orders: tuple[str, ...]
    since: datetime
    until: datetime


def facts_are_gone(cur: Cursor, fleet: str, since: datetime, until: datetime) -> bool:
    """Did the fleet's rule let facts of that time go? Duties stay, and say when the van was at work."""
    found = rows(
        cur,
        "SELECT FROM duties d JOIN log.facts_aged USING (session_no) WHERE d.fleet_id = %s AND d.at >= %s AND d.at < %s LIMIT 1",
        (fleet, since, until),
    )
    return bool(found)


def days_told(cur: Cursor, fleet: str, timezone: str) -> tuple[date | None, date | None]:
    """The first and the last day, in a time zone, of which there are facts."""
    [found] = rows(
        cur,
        "SELECT (min(e.time) AT TIME ZONE %s)::date AS first, (max(e.time) AT TIME ZONE %s)::date AS last FROM log.entries e "
        "JOIN vehicles v USING (vehicle_id) WHERE v.fleet_id = %s",
        (timezone, timezone, fleet),
    )
    return found["first"], found["last"]


def scope(cur: Cursor, fleet: str, since: datetime, until: datetime) -> Scope:
    """Everything that a day's derived rows are made of.

    Sessions that told something in the day, the ones before and after in their van's chain, and those that have a word on one of
    its orders; orders that were planned, due or made in the day, or that those sessions speak of.
    """
    values: dict[str, Any] = {"fleet": fleet, "since": since, "until": until}
    vehicles = [r["vehicle_id"] for r in rows(cur, "SELECT vehicle_id FROM vehicles WHERE fleet_id = %(fleet)s ORDER BY 1", values)]
    values["vehicles"] = vehicles
    found = rows(
        cur,
        """
        WITH said AS (
            SELECT s.session_no, s.vehicle_id, row_number() OVER (PARTITION BY s.vehicle_id ORDER BY s.ordinal, s.session_no) AS place,
                EXISTS (SELECT FROM log.entries e WHERE e.session_no = s.session_no
                        AND ((e.time >= %(since)s AND e.time < %(until)s) OR (e.received_at >= %(since)s AND e.received_at < %(until)s)))
                OR EXISTS (SELECT FROM log.fixes f WHERE f.vehicle_id = s.vehicle_id AND f.session_no = s.session_no
                        AND f.time >= %(since)s AND f.time < %(until)s) AS of_day
            FROM log.sessions s WHERE s.vehicle_id = ANY(%(vehicles)s)
        )
        SELECT n.session_no FROM said n WHERE EXISTS (
            SELECT FROM said d WHERE d.vehicle_id = n.vehicle_id AND d.of_day AND abs(d.place - n.place) <= 1)
        """,
        values,
    )
    sessions: set[int] = {r["session_no"] for r in found}
    orders: set[str] = set()
    while True:
        values |= {"sessions": list(sessions), "orders": list(orders), "before": since - timedelta(days=1)}
        more = rows(
            cur,
            """
            SELECT order_id FROM orders WHERE fleet_id = %(fleet)s AND ((window_start < %(until)s AND window_end >= %(since)s)
                OR (created_at >= %(since)s AND created_at < %(until)s))
            UNION SELECT t.order_id FROM plans p JOIN plan_tasks t USING (vehicle_id, version)
                WHERE p.fleet_id = %(fleet)s AND p.issued_at >= %(before)s AND p.issued_at < %(until)s
            UNION SELECT order_id FROM actions WHERE session_no = ANY(%(sessions)s)
            UNION SELECT order_id FROM messages WHERE fleet_id = %(fleet)s AND order_id IS NOT NULL AND at >= %(since)s AND at < %(until)s
            UNION SELECT v.order_id FROM order_visits v JOIN orders USING (order_id, fleet_id) WHERE v.session_no = ANY(%(sessions)s)
            """,
            values,
        )
        orders |= {r["order_id"] for r in more}
        values["orders"] = list(orders)
        more = rows(
            cur,
            "SELECT session_no FROM actions WHERE order_id = ANY(%(orders)s) "
            "UNION SELECT session_no FROM order_visits WHERE order_id = ANY(%(orders)s)",
            values,
        )
        new = {r["session_no"] for r in more} - sessions
        if not new:
            break
        sessions |= new
    return Scope(
        fleet=fleet, vehicles=tuple(vehicles), sessions=tuple(sorted(sessions)), orders=tuple(sorted(orders)), since=since, until=until
    )


_WHERE: Final[dict[str, LiteralString]] = {
    "fleets": "fleet_id = %(fleet)s",
    "depots": "fleet_id = %(fleet)s ORDER BY depot_id",
    "drivers": "fleet_id = %(fleet)s ORDER BY driver_id",
    "vehicles": "fleet_id = %(fleet)s ORDER BY vehicle_id",
    "fences": "fleet_id = %(fleet)s ORDER BY fence_id",
    "sites_versions": "fleet_id = %(fleet)s",
    "pins": "fleet_id = %(fleet)s ORDER BY address_key",
    "orders": "order_id = ANY(%(orders)s) ORDER BY created_at, order_id",
    "geocode_queue": "order_id = ANY(%(orders)s) ORDER BY queued_at, order_id",
    "planning": "fleet_id = %(fleet)s ORDER BY depot_id",
    "plans": "fleet_id = %(fleet)s AND ((issued_at >= %(before)s AND issued_at < %(until)s) OR EXISTS (SELECT FROM plan_tasks p "
    "WHERE p.vehicle_id = t.vehicle_id AND p.version = t.version AND p.order_id = ANY(%(orders)s))) ORDER BY version, vehicle_id",
    "plan_tasks": "order_id = ANY(%(orders)s) ORDER BY version, vehicle_id, position",
    "unassigned": "order_id = ANY(%(orders)s) ORDER BY order_id",
    "messages": "fleet_id = %(fleet)s AND at >= %(since)s AND at < %(until)s ORDER BY at, message_id",
    "settled_reports": "fleet_id = %(fleet)s AND at >= %(since)s AND at < %(until)s ORDER BY at, report",
    "journal": "fleet_id = %(fleet)s AND ((at >= %(since)s AND at < %(until)s) OR subject = ANY(%(orders)s)) ORDER BY seq",
}
_LEFT_OUT: Final = {"orders": {"track_token"}, "journal": {"seq"}}
"""A customer's link is a secret of the hub that made it; the journal's numbers are each hub's own."""


def table(cur: Cursor, name: str, of: Scope) -> Iterator[list[dict[str, Any]]]:
    """A table's rows of a day, as JSON objects, in chunks."""
    values = {"fleet": of.fleet, "orders": list(of.orders), "since": of.since, "until": of.until, "before": of.since - timedelta(days=1)}
    statement = sql.SQL("SELECT to_jsonb(t) AS row FROM {} t WHERE ").format(sql.Identifier(name)) + sql.SQL(_WHERE[name])
    cur.execute(statement, values)
    while chunk := cur.fetchmany(CHUNK):
        yield [{column: value for column, value in r["row"].items() if column not in _LEFT_OUT.get(name, ())} for r in chunk]


def sessions(cur: Cursor, of: Scope) -> list[Row]:
    """The day's sessions, in the order of hearing."""
    return rows(
        cur,
        "SELECT session_no, vehicle_id, session, previous FROM log.sessions WHERE session_no = ANY(%s) ORDER BY session_no",
        (list(of.sessions),),
    )


def entries(cur: Cursor, session_no: int) -> list[list[Any]]:
    """All facts of a session: a fold begins at the first."""
    time, received, real = (_MICROS.format(column) for column in ("time", "received_at", "received_real_at"))
    cur.execute(
        f"SELECT seq, kind, mono_ms, {time} AS time, {received} AS received_at, {real} AS received_real_at, body "
        "FROM log.entries WHERE session_no = %s ORDER BY seq",
        (session_no,),
    )
    return [list(r.values()) for r in cur]


def fixes(cur: Cursor, vehicle: str, session_no: int, since: datetime, until: datetime) -> Iterator[list[Row]]:
    """A session's fixes of the day, in chunks; by number."""
    cur.execute(
        f"SELECT seq, mono_ms, {_MICROS.format('time')} AS time, lat_e6, lon_e6, speed_cm_s, heading_cdeg, accuracy_dm, satellites, flags "
        "FROM log.fixes WHERE vehicle_id = %s AND session_no = %s AND time >= %s AND time < %s ORDER BY seq",
        (vehicle, session_no, since, until),
    )
    while chunk := cur.fetchmany(CHUNK):
        yield chunk


def gaps(cur: Cursor, session_no: int, first_fix: int | None, last_fix: int | None) -> list[list[Any]]:
    """Numbers of a session that will not come: of its facts, and of its fixes between the first and the last that are recorded."""
    cur.execute(
        f"SELECT lane, first_seq, last_seq, reason, {_MICROS.format('noted_at')} AS noted_at FROM log.gaps "
        "WHERE session_no = %s AND (lane = %s OR (lane = %s AND first_seq > %s AND last_seq < %s)) ORDER BY lane, first_seq",
        (session_no, FACTS, TRACK, first_fix, last_fix),
    )
    return [list(r.values()) for r in cur]


# ── into a hub ──────────────────────────────────────────────────────────────────────────────────────────────────────


def is_empty(cur: Cursor) -> bool:
    """Does the hub hold no log and no order of anybody?"""
    found = rows(cur, "SELECT EXISTS (SELECT FROM log.sessions) OR EXISTS (SELECT FROM orders) OR EXISTS (SELECT FROM vehicles) AS held")
    return not found[0]["held"]


def add(cur: Cursor, name: str, found: Sequence[dict[str, Any]]) -> None:
    """Store rows of one table. Columns that this release no longer has are left out; new ones take their default."""
    if not found:
        return
    known = {r["column_name"] for r in rows(cur, "SELECT column_name FROM information_schema.columns WHERE table_name = %s", (name,))}
    columns = [column for column in found[0] if column in known]
    listed = sql.SQL(", ").join(map(sql.Identifier, columns))
    cur.execute(
        sql.SQL("INSERT INTO {table} ({columns}) SELECT {columns} FROM jsonb_populate_recordset(NULL::{table}, %s)").format(
            table=sql.Identifier(name), columns=listed
        ),
        (Jsonb([{column: row[column] for column in columns} for row in found]),),
    )


def cancel(cur: Cursor, order: str, at: str) -> None:
    """The order was cancelled at this instant."""
    cur.execute("UPDATE orders SET cancelled_at = %s::timestamptz WHERE order_id = %s", (at, order))


def change_order(cur: Cursor, order: str, values: dict[str, Any]) -> None:
    """Some columns of an order changed."""
    columns = sql.SQL(", ").join(map(sql.Identifier, values))
    cur.execute(
        sql.SQL(
            "UPDATE orders SET ({columns}) = (SELECT {columns} FROM jsonb_populate_record(NULL::orders, %s)) WHERE order_id = %s"
        ).format(columns=columns),
        (Jsonb(values), order),
    )


def add_entries(cur: Cursor, vehicle: str, session_no: int, found: Sequence[Sequence[Any]]) -> None:
    """Store facts with the instants at which they were received first, and move the watermark."""
    instant = "to_timestamp(0) + %s * interval '1 microsecond'"
    cur.executemany(
        "INSERT INTO log.entries (vehicle_id, session_no, seq, kind, mono_ms, time, received_at, received_real_at, body) "
        f"VALUES (%s, %s, %s, %s, %s, {instant}, {instant}, {instant}, %s)",
        [(vehicle, session_no, *row) for row in found],
    )
    move(cur, session_no, FACTS, max(row[0] for row in found))


def add_fixes(cur: Cursor, vehicle: str, session_no: int, found: Sequence[Sequence[Any]]) -> None:
    """Store fixes in the order of `day_file.FIX_COLUMNS`, and move the watermark."""
    cur.executemany(
        "INSERT INTO log.fixes (vehicle_id, session_no, seq, mono_ms, time, lat_e6, lon_e6, speed_cm_s, heading_cdeg, accuracy_dm, "
        "satellites, flags) VALUES (%s, %s, %s, %s, to_timestamp(0) + %s * interval '1 microsecond', %s, %s, %s, %s, %s, %s, %s)",
        [(vehicle, session_no, *row) for row in found],
    )
    move(cur, session_no, TRACK, max(row[0] for row in found))


def add_gaps(cur: Cursor, session_no: int, found: Sequence[Sequence[Any]]) -> None:
    """Store numbers that will not come, and move the watermarks past them."""
    cur.executemany(
        "INSERT INTO log.gaps (session_no, lane, first_seq, last_seq, reason, noted_at) "
        "VALUES (%s, %s, %s, %s, %s, to_timestamp(0) + %s * interval '1 microsecond') ON CONFLICT DO NOTHING",
        [(session_no, *row) for row in found],
    )
    for lane, _, last, *_ in found:
        move(cur, session_no, lane, last)


def move(cur: Cursor, session_no: int, lane: int, through: int) -> None:
    """Everything up to this number is here."""
    cur.execute(
        "INSERT INTO log.watermarks AS w (session_no, lane, through_seq) VALUES (%s, %s, %s) "
        "ON CONFLICT (session_no, lane) DO UPDATE SET through_seq = greatest(w.through_seq, excluded.through_seq)",
        (session_no, lane, through),
    )
