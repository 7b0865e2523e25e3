"""Offers of windows: SQL beside its function. Call inside a tenant's transaction (`Database.tenant`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, LiteralString

from psycopg.types.json import Jsonb

from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, new_id, row, rows

_LOCK: LiteralString = "SELECT pg_advisory_xact_lock(hashtextextended('offers ' || %s, 0))"


def take_turn(cur: Cursor, depot: str) -> None:
    """Until this transaction ends, nobody else holds or accepts a window of this depot: two customers cannot take one slot."""
    cur.execute(_LOCK, (depot,))


def add(cur: Cursor, fleet: str, offers: Sequence[Mapping[str, Any]]) -> list[str]:
    """Write down what was found, so that it can be held by its id."""
    made = []
    for offer in offers:
        values = {"offer_id": new_id("w"), "fleet_id": fleet, **offer, "ask": Jsonb(offer["ask"])}
        cur.execute(
            "INSERT INTO offers (offer_id, fleet_id, depot_id, order_id, ask, day, window_start, window_end, arrival_at, added_cents,"
            " green, basis, state, offered_at, good_until)"
            " VALUES (%(offer_id)s, %(fleet_id)s, %(depot_id)s, %(order_id)s, %(ask)s, %(day)s, %(window_start)s, %(window_end)s,"
            " %(arrival_at)s, %(added_cents)s, %(green)s, %(basis)s, 'offered', %(offered_at)s, %(good_until)s)",
            values,
        )
        made.append(str(values["offer_id"]))
    return made


def find(cur: Cursor, offer: str, *, order: str | None = None) -> Row | None:
    """One offer, locked. `order`: only if it is this order's."""
    return row(cur, "SELECT * FROM offers WHERE offer_id = %s AND (%s::text IS NULL OR order_id = %s) FOR UPDATE", (offer, order, order))


def held(cur: Cursor, depot: str, now: datetime, *, but: str | None = None, day: date | None = None) -> list[Row]:
    """Offers that somebody thinks about now, oldest first; not those of the offer or order `but`. `day`: of that day to come, else of the
    living plan."""
    return rows(
        cur,
        "SELECT * FROM offers WHERE depot_id = %(d)s AND state = 'held' AND held_until > %(now)s"
        " AND (%(but)s::text IS NULL OR (offer_id <> %(but)s AND order_id IS DISTINCT FROM %(but)s)) AND day IS NOT DISTINCT FROM %(day)s"
        " ORDER BY offered_at, offer_id",
        {"d": depot, "now": now, "but": but, "day": day},
    )


def hold(cur: Cursor, offer: str, until: datetime) -> None:
    """It waits for its customer until then, and counts as work that is there."""
    cur.execute("UPDATE offers SET state = 'held', held_until = %s WHERE offer_id = %s", (until, offer))


def settle(cur: Cursor, offer: str, state: str, at: datetime, *, order: str | None = None) -> None:
    """Accepted (by which order), or released."""
    cur.execute(
        "UPDATE offers SET state = %s, settled_at = %s, order_id = coalesce(%s, order_id) WHERE offer_id = %s", (state, at, order, offer)
    )


def release_others(cur: Cursor, order: str, at: datetime, *, offered: bool = False) -> None:
    """Whatever else an order had held is free again. `offered`: what it was offered is over, too."""
    cur.execute(
        "UPDATE offers SET state = 'released', settled_at = %s WHERE order_id = %s AND (state = 'held' OR (%s AND state = 'offered'))",
        (at, order, offered),
    )


def forget(cur: Cursor, before: datetime) -> int:
    """Offers that nobody accepted, and that were good until before an instant, go."""
    return cur.execute("DELETE FROM offers WHERE state <> 'accepted' AND coalesce(held_until, good_until) < %s", (before,)).rowcount
