"""Small words that every noun's SQL uses: rows, new ids, notices, the journal."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString

from psycopg.types.json import Jsonb

from roundsman_hub.store import db
from roundsman_hub.store.db import Cursor

Row = dict[str, Any]
Params = Mapping[str, Any] | Sequence[Any]


def rows(cur: Cursor, sql: LiteralString, params: Params = ()) -> list[Row]:
    """Run a statement and give all its rows."""
    return cur.execute(sql, params).fetchall()


def row(cur: Cursor, sql: LiteralString, params: Params = ()) -> Row | None:
    """Run a statement and give its first row, if there is one."""
    return cur.execute(sql, params).fetchone()


def new_id(prefix: str) -> str:
    """An opaque id, never reused: 48 random bits (the primary key refuses the one repeat in 2⁴⁸)."""
    return f"{prefix}_{secrets.token_hex(6)}"


def notify(cur: Cursor, topic: str, fleet_id: str, subject: str) -> None:
    """Tell listeners, once this transaction commits, that something changed. Carries no state: they read it themselves."""
    db.notify(cur, db.Notice(topic=topic, fleet_id=fleet_id, subject=subject))


def journal(cur: Cursor, *, fleet_id: str, at: datetime, kind: str, subject: str, actor: str, body: object) -> None:
    """Append to the fleet's journal: what people and the hub decided, in order, for ever."""
    cur.execute(
        "INSERT INTO journal (fleet_id, at, kind, subject, actor, body) VALUES (%s, %s, %s, %s, %s, %s)",
        (fleet_id, at, kind, subject, actor, Jsonb(body)),
    )
