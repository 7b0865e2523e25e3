"""The outbox: SQL beside its function. Writing is the tenant's; claiming and marking is the notify role's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, LiteralString

from roundsman_hub.store import orders as order_store
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, new_id, notify, row, rows

_DUE: LiteralString = """
    UPDATE outbox SET state = 'sending', tries = tries + 1, claimed_real_at = %(real)s WHERE notice_id IN (
        SELECT notice_id FROM outbox WHERE state = 'waiting' AND not_before <= %(now)s AND coalesce(retry_real_at <= %(real)s, true)
        ORDER BY not_before, notice_id LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING *
"""
_WATCHED: LiteralString = """
    SELECT shown.*, coalesce((SELECT t.root_id FROM order_turns t WHERE t.next_order_id = shown.order_id), shown.order_id) AS root_id,
           n.duty, t.stage AS told_stage, t.low AS told_low, t.high AS told_high, t.at AS told_at, coalesce(t.changes, 0) AS told_changes
    FROM shown LEFT JOIN vehicle_now n ON n.vehicle_id = shown.vehicle_id LEFT JOIN told t ON t.order_id = shown.order_id
    WHERE shown.cancelled_at IS NULL AND coalesce(t.stage, '') NOT IN ('done', 'failed')
      AND (shown.eta IS NOT NULL OR shown.done_at >= %(since)s
           OR (shown.state = 'unassigned' AND coalesce(shown.promise_start, shown.window_start) <= %(soon)s
               AND coalesce(shown.promise_end, shown.window_end) >= %(since)s))
"""


def add(cur: Cursor, fleet: str, values: Mapping[str, Any]) -> bool:
    """Write a notice down; false where the same one was written before."""
    made = cur.execute(
        "INSERT INTO outbox (notice_id, fleet_id, root_id, order_id, key, kind, channel, address, subject, body, state, written_at,"
        " not_before, language) VALUES (%(notice_id)s, %(fleet_id)s, %(root_id)s, %(order_id)s, %(key)s, %(kind)s, %(channel)s,"
        " %(address)s, %(subject)s, %(body)s, 'waiting', %(written_at)s, %(not_before)s, %(language)s) ON CONFLICT (key) DO NOTHING",
        {"notice_id": new_id("n"), "fleet_id": fleet, "language": "", **values},
    )
    if made.rowcount:
        notify(cur, "outbox", fleet, str(values["order_id"]))
    return made.rowcount == 1


def watched(cur: Cursor, since: datetime, soon: datetime) -> list[Row]:
    """Orders of which something may be worth telling, with what was told of each. `soon`: what no van has counts if its window begins by
    then."""
    return rows(cur, order_store.VIEW + _WATCHED, {"since": since, "soon": soon})


def tell(cur: Cursor, fleet: str, order: str, told: Mapping[str, Any]) -> None:
    """What the customer of an order knows from now on."""
    cur.execute(
        "INSERT INTO told VALUES (%(o)s, %(f)s, %(stage)s, %(low)s, %(high)s, %(at)s, %(changes)s) ON CONFLICT (order_id) DO UPDATE SET"
        " stage = %(stage)s, low = %(low)s, high = %(high)s, at = %(at)s, changes = %(changes)s",
        {"o": order, "f": fleet, **told},
    )


def claim(cur: Cursor, now: datetime, real: datetime) -> Row | None:
    """Take the one that is due first: it is being sent from the moment that this commits, and by nobody else."""
    return row(cur, _DUE, {"now": now, "real": real})


def sent(cur: Cursor, notice: str, at: datetime) -> None:
    """The server took it."""
    cur.execute("UPDATE outbox SET state = 'sent', sent_at = %s, last_error = '' WHERE notice_id = %s", (at, notice))


def again(cur: Cursor, notice: str, error: str, retry_real_at: datetime) -> None:
    """It was refused, and is tried again."""
    cur.execute(
        "UPDATE outbox SET state = 'waiting', last_error = %s, retry_real_at = %s WHERE notice_id = %s", (error, retry_real_at, notice)
    )


def dead(cur: Cursor, notice: str, error: str) -> None:
    """Nobody tries any more, until a person says so."""
    cur.execute("UPDATE outbox SET state = 'dead', last_error = %s WHERE notice_id = %s", (error, notice))


def in_doubt(cur: Cursor, real: datetime, *, older: timedelta) -> tuple[int, int]:
    """Notices whose sender died between sending and marking: (webhooks to be sent again, others that wait for a person)."""
    before = real - older
    webhooks = cur.execute(
        "UPDATE outbox SET state = 'waiting' WHERE state = 'sending' AND channel = 'webhook' AND claimed_real_at < %s", (before,)
    ).rowcount
    others = cur.execute(
        "UPDATE outbox SET state = 'dead', last_error = 'in doubt: the hub ended while this was being sent; it may have arrived'"
        " WHERE state = 'sending' AND channel <> 'webhook' AND claimed_real_at < %s",
        (before,),
    ).rowcount
    return webhooks, others


def replay(cur: Cursor, notices: Sequence[str], at: datetime) -> list[str]:
    """Dead letters are tried again from the beginning; gives those that were dead."""
    found = rows(
        cur,
        "UPDATE outbox SET state = 'waiting', tries = 0, retry_real_at = NULL, not_before = %s WHERE state = 'dead'"
        " AND notice_id = ANY(%s) RETURNING notice_id, fleet_id",
        (at, list(notices)),
    )
    for r in found:
        notify(cur, "outbox", r["fleet_id"], r["notice_id"])
    return [r["notice_id"] for r in found]


def page(cur: Cursor, *, state: str | None, order: str | None, limit: int) -> list[Row]:
    """Notices, newest first."""
    return rows(
        cur,
        "SELECT * FROM outbox WHERE (%(s)s::text IS NULL OR state = %(s)s) AND (%(o)s::text IS NULL OR order_id = %(o)s)"
        " ORDER BY written_at DESC, notice_id LIMIT %(l)s",
        {"s": state, "o": order, "l": limit},
    )


def fleets(cur: Cursor) -> list[Row]:
    """Fleets that write to their customers or to a shop: (fleet_id, name, timezone, settings)."""
    return rows(cur, "SELECT f.fleet_id, f.name, f.timezone, s.settings FROM fleets f JOIN service_settings s USING (fleet_id) ORDER BY 1")


def link(cur: Cursor, order: str) -> str:
    """The customer's link of an order, without the hub's address."""
    found = row(cur, "SELECT track_token FROM orders WHERE order_id = %s", (order,))
    return "" if found is None else f"/t/{found['track_token']}"
