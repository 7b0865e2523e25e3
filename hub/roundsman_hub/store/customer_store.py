"""What a customer's page is read from: SQL beside its function. Call inside a tenant's transaction (`Database.tenant`)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString

from psycopg import sql
from psycopg.types.json import Jsonb

from roundsman_hub.store import orders as order_store
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, new_id, notify, row, rows

REPORTED_WITHIN: Final = timedelta(hours=6)
_ROOT: LiteralString = "coalesce((SELECT root_id FROM order_turns WHERE next_order_id = %(order)s), %(order)s)"
_BEFORE: LiteralString = """
    SELECT count(*) AS n FROM plan_tasks t JOIN orders o USING (order_id) LEFT JOIN order_states s USING (order_id)
    WHERE t.vehicle_id = %(vehicle)s AND t.version = %(version)s AND t.position < %(position)s
      AND o.cancelled_at IS NULL AND coalesce(s.state, 'arrived') = 'arrived'
"""
_THREAD: LiteralString = """
    SELECT said_by, text, at, message_id FROM chat WHERE root_id = %(root)s
    UNION ALL
    SELECT 'driver', w.text, w.at, w.message FROM driver_words w JOIN chat c ON c.message_id = w.about
    WHERE c.root_id = %(root)s ORDER BY at NULLS LAST LIMIT 200
"""


def owner(cur: Cursor, token: str) -> str | None:
    """The fleet that a customer's link belongs to. Not as a tenant: nobody knows yet whose link it is."""
    found = row(cur, "SELECT fleet_id FROM orders WHERE track_token = %s", (token,))
    return None if found is None else str(found["fleet_id"])


def waits_for(cur: Cursor, token: str) -> Row | None:
    """The order behind a link, its van and its arrival time. Not as a tenant."""
    return row(
        cur,
        "SELECT o.order_id, e.vehicle_id, e.eta FROM orders o LEFT JOIN etas e USING (order_id) WHERE o.track_token = %s",
        (token,),
    )


def in_newest_plan(cur: Cursor, vehicle: str) -> list[str]:
    """The orders of a van's newest plan. Not as a tenant."""
    found = rows(
        cur,
        "SELECT order_id FROM plan_tasks WHERE vehicle_id = %(v)s AND version = (SELECT max(version) FROM plans WHERE vehicle_id = %(v)s)",
        {"v": vehicle},
    )
    return [str(one["order_id"]) for one in found]


def root_of(cur: Cursor, order: str) -> str:
    """The order as it was first placed."""
    found = row(cur, "SELECT " + _ROOT + " AS root", {"order": order})
    assert found is not None
    return str(found["root"])


def seen(cur: Cursor, token: str, now: datetime) -> Row | None:
    """The order behind a link, with how many stops are before it and what its van's driver reported lately."""
    found = order_store.shown(cur, token=token)
    if found is None:
        return None
    before = reported = None
    if found["plan_version"] is not None and found["state"] in ("planned", "next"):
        counted = row(cur, _BEFORE, {"vehicle": found["vehicle_id"], "version": found["plan_version"], "position": found["position"]})
        before = None if counted is None else int(counted["n"])
        told = row(
            cur,
            "SELECT topic FROM reports WHERE vehicle_id = %s AND at BETWEEN %s AND %s ORDER BY at DESC LIMIT 1",
            (found["vehicle_id"], now - REPORTED_WITHIN, now),
        )
        reported = None if told is None else told["topic"]
    return found | {"root_id": root_of(cur, found["order_id"]), "stops_before": before, "reported": reported}


def recipient(cur: Cursor, root: str) -> Row:
    """How this customer wants to hear from us, and what they wish at the door."""
    found = row(cur, "SELECT * FROM recipients WHERE root_id = %s", (root,))
    empty: Row = {"email": "", "push_url": "", "language": None, "timezone": None, "units": None, "channels": [], "muted": []}
    wishes = {"safe_place": "", "neighbour": "", "note": "", "shop_instructions": None}
    return found or {"root_id": root, **empty, "opted_out_at": None, **wishes}


def change_recipient(cur: Cursor, fleet: str, root: str, changes: Mapping[str, Any]) -> None:
    """Set some of a recipient's fields."""
    cur.execute("INSERT INTO recipients (root_id, fleet_id) VALUES (%s, %s) ON CONFLICT DO NOTHING", (root, fleet))
    if changes:
        values = {c: Jsonb(v) if c in ("channels", "muted") else v for c, v in changes.items()}
        sets = sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(c), sql.Placeholder(c)) for c in values)
        cur.execute(sql.SQL("UPDATE recipients SET {} WHERE root_id = {}").format(sets, sql.Placeholder("root")), {**values, "root": root})


def settings(cur: Cursor, fleet: str) -> dict[str, Any]:
    """What the fleet chose for its customers' side; empty: nothing."""
    found = row(cur, "SELECT settings FROM service_settings WHERE fleet_id = %s", (fleet,))
    return {} if found is None else dict(found["settings"])


def set_settings(cur: Cursor, fleet: str, chosen: Mapping[str, Any]) -> None:
    """Replace it."""
    cur.execute(
        "INSERT INTO service_settings VALUES (%s, %s) ON CONFLICT (fleet_id) DO UPDATE SET settings = excluded.settings",
        (fleet, Jsonb(dict(chosen))),
    )


def offers(cur: Cursor, order: str, now: datetime) -> list[Row]:
    """Windows that were offered for an order and are still good; the one that it holds among them. Today's before other days', and of
    one day those first that cost the round least."""
    return rows(
        cur,
        "SELECT * FROM (SELECT DISTINCT ON (window_start) * FROM offers WHERE order_id = %(o)s AND state IN ('offered', 'held')"
        " AND coalesce(held_until, good_until) > %(now)s ORDER BY window_start, state = 'held' DESC, offered_at DESC) newest"
        " ORDER BY day NULLS FIRST, added_cents, window_start",
        {"o": order, "now": now},
    )


# ── talk ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def say(cur: Cursor, fleet: str, *, root: str, order: str, by: str, who: str, text: str, at: datetime, message: str | None) -> str:
    """A line of a customer's or a dispatcher's. `message`: the same words on the driver's screen."""
    line = new_id("l")
    cur.execute("INSERT INTO chat VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)", (line, fleet, root, order, by, who, text, at, message))
    notify(cur, "order", fleet, order)
    return line


def thread(cur: Cursor, root: str) -> list[Row]:
    """Everybody's lines, oldest first: what the driver answered on the screen is among them."""
    return rows(cur, _THREAD, {"root": root})
