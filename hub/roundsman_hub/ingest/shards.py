"""Which shards this worker serves: those whose advisory lock it holds. Every vehicle so has one owner, and its frames stay in order.

The locks only save work: what is stored once rests on the watermark alone. They end with their connection, so a second worker
takes over within the keepalives' 11 s after a first one's machine is gone, and at once when only its process ended.
"""

from __future__ import annotations

from typing import Any, Final

import psycopg

from roundsman_wire.channels import SHARDS

_CLASS: Final = 0x726D


class Shards:
    """The shards held by one connection."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self.held: frozenset[int] = frozenset()

    def take_free(self) -> bool:
        """Take every shard that nobody holds. True if that changed anything. Also finds out whether the database is there."""
        missing = sorted(set(range(SHARDS)) - self.held)
        if not missing:
            self._connection.execute("SELECT 1")
            return False
        rows = self._connection.execute(
            "SELECT shard FROM unnest(%s::int[]) AS shard WHERE pg_try_advisory_lock(%s, shard)", (missing, _CLASS)
        ).fetchall()
        self.held |= {row["shard"] for row in rows}
        return bool(rows)
