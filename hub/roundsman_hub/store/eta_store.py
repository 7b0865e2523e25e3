"""Arrival times: what was said and when, how it turned out, and what follows for their widths."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import LiteralString

import msgspec
from psycopg.types.json import Jsonb

from roundsman_hub.eta.calibrate import Calibration, Hit, Word, hits, learned
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, rows

_ARRIVED: LiteralString = """
    SELECT w.order_id, w.fleet_id, min(w.vehicle_id) AS vehicle_id,
           coalesce((SELECT min(v.arrived_at) FROM order_visits v WHERE v.order_id = w.order_id AND v.vehicle_id = min(s.vehicle_id)
                     AND v.arrived_at > min(w.said_at)), min(s.arrived_at)) AS arrived_at,
           coalesce(jsonb_agg(jsonb_build_array(w.said_at, w.eta, w.low, w.high) ORDER BY w.said_at) FILTER (WHERE
             (SELECT d.duty FROM duties d WHERE d.vehicle_id = w.vehicle_id AND d.at <= w.said_at
              ORDER BY d.at DESC, d.session_no DESC, d.seq DESC LIMIT 1)
             IS DISTINCT FROM 'off'), '[]') AS words
    FROM eta_said w JOIN order_states s USING (order_id)
    WHERE NOT w.scored AND s.arrived_at IS NOT NULL AND (s.state IN ('delivered', 'failed') OR s.arrived_at < %s) GROUP BY 1, 2 LIMIT 500
"""
SETTLED = timedelta(minutes=2)
"""An arrival is taken at its word when the stop is done, or after this: a halt at the light before it is corrected sooner."""


def say(cur: Cursor, fleet: str, vehicle: str, said_at: datetime, words: Sequence[tuple[str, datetime, datetime, datetime, str]]) -> None:
    """Keep what is said of orders: (order, time, low, high, basis)."""
    cur.execute(
        "INSERT INTO eta_said (order_id, said_at, fleet_id, vehicle_id, eta, low, high, basis) SELECT o, %s, %s, %s, e, l, h, b"
        " FROM unnest(%s::text[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[], %s::text[]) AS t (o, e, l, h, b)"
        " ON CONFLICT DO NOTHING",
        (said_at, fleet, vehicle, *(list(column) for column in zip(*words, strict=True))),
    )


def learn(cur: Cursor, now: datetime) -> int:
    """Score the words on orders whose van has come, and move the calibrations; how many orders that were.

    What was said before its driver set out teaches nothing: it errs by less than what is said on the way, and would make that too narrow.
    """
    arrived = rows(cur, _ARRIVED, (now - SETTLED,))
    by_fleet: defaultdict[str, list[tuple[Row, Hit]]] = defaultdict(list)
    for r in sorted(arrived, key=lambda r: (r["arrived_at"], r["order_id"])):
        words = [Word(*map(datetime.fromisoformat, word)) for word in r["words"]]
        for hit in hits(words, r["arrived_at"], r["order_id"]):
            by_fleet[r["fleet_id"]].append((r, hit))
    for fleet, found in by_fleet.items():
        known = calibrations(cur, fleet, lock=True)
        for r, hit in found:
            new = cur.execute(
                "INSERT INTO eta_hits (order_id, horizon_min, fleet_id, vehicle_id, said_at, eta, low, high, arrived_at, inside)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (r["order_id"], hit.horizon_min, fleet, r["vehicle_id"], *hit.word, r["arrived_at"], hit.inside),
            )
            if new.rowcount:
                known[hit.horizon_min] = learned(known.get(hit.horizon_min, Calibration()), hit)
        for horizon, state in known.items():
            cur.execute(
                "INSERT INTO eta_calibrations VALUES (%s, %s, %s) ON CONFLICT (fleet_id, horizon_min) DO UPDATE SET state = excluded.state",
                (fleet, horizon, Jsonb(msgspec.to_builtins(state))),
            )
    if arrived:
        cur.execute("UPDATE eta_said SET scored = true WHERE NOT scored AND order_id = ANY(%s)", ([r["order_id"] for r in arrived],))
    return len(arrived)


def calibrations(cur: Cursor, fleet: str, *, lock: bool = False) -> dict[int, Calibration]:
    """By horizon."""
    locked: LiteralString = " FOR UPDATE" if lock else ""
    found = rows(cur, "SELECT horizon_min, state FROM eta_calibrations WHERE fleet_id = %s ORDER BY 1" + locked, (fleet,))
    return {r["horizon_min"]: msgspec.convert(r["state"], Calibration) for r in found}


def told(cur: Cursor, *, order: str | None, vehicle: str | None) -> list[Row]:
    """Arrival times of the stops that are left, by van and position."""
    return rows(
        cur,
        "SELECT * FROM etas WHERE (%(order)s::text IS NULL OR order_id = %(order)s)"
        " AND (%(vehicle)s::text IS NULL OR vehicle_id = %(vehicle)s) ORDER BY vehicle_id, position",
        {"order": order, "vehicle": vehicle},
    )


def history(cur: Cursor, orders: Sequence[str]) -> dict[str, list[Row]]:
    """What was said of these orders, oldest first."""
    out: defaultdict[str, list[Row]] = defaultdict(list)
    for r in rows(cur, "SELECT * FROM eta_said WHERE order_id = ANY(%s) ORDER BY order_id, said_at", (list(orders),)):
        out[r["order_id"]].append(r)
    return out


def coverage(cur: Cursor, since: datetime) -> list[Row]:
    """How what was said turned out, by horizon: orders, the share inside, the median error and width in seconds."""
    return rows(
        cur,
        "SELECT horizon_min, count(*) AS orders, avg(inside::int)::float8 AS inside,"
        " percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(extract(epoch FROM arrived_at - eta)))::float8 AS error_s,"
        " percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM high - low))::float8 AS width_s"
        " FROM eta_hits WHERE arrived_at >= %s GROUP BY 1 ORDER BY 1",
        (since,),
    )
