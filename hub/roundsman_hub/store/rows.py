"""Rows as mappings, whatever the cursor's own factory gives."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

from psycopg import Cursor
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

Row = dict[str, Any]
Params = Mapping[str, Any] | Sequence[Any]


def rows(cur: Cursor[Any], sql: LiteralString, params: Params = ()) -> list[Row]:
    """Run a statement and give all its rows."""
    cur.row_factory = dict_row
    return list(cur.execute(sql, params).fetchall())


def row(cur: Cursor[Any], sql: LiteralString, params: Params = ()) -> Row | None:
    """Run a statement and give its first row, if there is one."""
    cur.row_factory = dict_row
    found: Row | None = cur.execute(sql, params).fetchone()
    return found


def new_id(prefix: str) -> str:
    """An opaque id, never reused: 48 random bits (the primary key refuses the one repeat in 2⁴⁸)."""
    return f"{prefix}_{secrets.token_hex(6)}"


def notify(cur: Cursor[Any], topic: str, fleet_id: str, subject: str) -> None:
    """Tell listeners, once this transaction commits, that something changed. Carries no state: they read it themselves."""
    cur.execute(
        "SELECT pg_notify('rm', json_build_object('t', %s::text, 'f', %s::text, 'id', %s::text)::text)",
        (topic, fleet_id, subject),
    )


def journal(cur: Cursor[Any], *, fleet_id: str, at: object, kind: str, subject: str, actor: str, body: object) -> None:
    """Append to the fleet's journal: what people and the hub decided, in order, for ever."""
    cur.execute(
        "INSERT INTO journal (fleet_id, at, kind, subject, actor, body) VALUES (%s, %s, %s, %s, %s, %s)",
        (fleet_id, at, kind, subject, actor, Jsonb(body)),
    )
