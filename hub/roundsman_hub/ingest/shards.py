"""Which shards this worker serves: those whose advisory lock it holds, and no more than its fair share of them.

Every vehicle so has one owner, and its frames stay in order. The locks only save work: that each entry is stored once rests on the
watermark alone. They end with their connection: at once when the worker's process ends, within the keepalives' 11 s when its machine
is gone. A worker that hangs keeps its connection; the others see its row in `log.ingest_workers` grow old, and end it.
"""

from __future__ import annotations

import os
import socket
from typing import Any, Final

import psycopg

from roundsman_wire.channels import SHARDS

_SHARD: Final = 0x726D
_WORKER: Final = 0x726E
"""Classes of advisory locks: one a shard, one a worker."""
LOOKS_EVERY_S: Final = 1.0
"""Between looks at the shares: those of a worker that ended are served again one look later, a new worker has its own after two."""
HANGS_S: Final = 10.0
"""A worker that has not looked for this long at two looks of another hangs."""

_LIVES: Final = (
    f"SELECT l.pid FROM pg_locks l WHERE l.locktype = 'advisory' AND l.classid = {_WORKER} AND l.objid = w.worker_no "
    "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
"""The lock of worker `w`: there is one as long as it is connected."""


class Shards:
    """The shards held by one connection (autocommitting, rows as dicts, its own)."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self.held: frozenset[int] = frozenset()
        self._late: frozenset[int] = frozenset()
        with connection.transaction():  # the row is seen together with its lock
            self._number = _one(
                connection,
                "INSERT INTO log.ingest_workers (name, started_at, seen_at) VALUES (%s, clock_timestamp(), clock_timestamp()) "
                "RETURNING worker_no AS value",
                (f"{socket.gethostname()}:{os.getpid()}",),
            )
            connection.execute("SELECT pg_advisory_lock(%s, %s)", (_WORKER, self._number))

    def surplus(self) -> frozenset[int]:
        """Look around: shards to give up, since others have fewer. Stop hearing them, then `release` them."""
        self._connection.execute(
            "UPDATE log.ingest_workers SET seen_at = clock_timestamp(), shards = %s WHERE worker_no = %s", (sorted(self.held), self._number)
        )
        self._connection.execute(f"DELETE FROM log.ingest_workers w WHERE worker_no <> %s AND NOT EXISTS ({_LIVES})", (self._number,))
        self._end_hanging()
        return frozenset(sorted(self.held)[self._share() :])

    def release(self, shards: frozenset[int]) -> None:
        """Let others have these."""
        self._connection.execute("SELECT pg_advisory_unlock(%s, shard) FROM unnest(%s::int[]) AS shard", (_SHARD, sorted(shards)))
        self.held -= shards

    def take(self) -> bool:
        """Take shards that nobody holds, up to the share. True if that changed anything."""
        missing = self._share() - len(self.held)
        if missing <= 0:
            return False
        free = self._connection.execute(
            "SELECT shard FROM unnest(%s::int[]) AS shard WHERE NOT EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'advisory' "
            "AND l.classid = %s AND l.objid = shard AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))",
            (sorted(set(range(SHARDS)) - self.held), _SHARD),
        ).fetchall()
        found = self._connection.execute(
            "SELECT shard FROM unnest(%s::int[]) AS shard WHERE pg_try_advisory_lock(%s, shard)",
            ([row["shard"] for row in free][:missing], _SHARD),
        ).fetchall()
        self.held |= {row["shard"] for row in found}
        return bool(found)

    def _share(self) -> int:
        """The shards divided by the workers, rounded up."""
        workers = _one(self._connection, f"SELECT count(*) AS value FROM log.ingest_workers w WHERE EXISTS ({_LIVES})", ())
        return -(-SHARDS // max(workers, 1))

    def _end_hanging(self) -> None:
        late = self._connection.execute(
            "SELECT worker_no FROM log.ingest_workers w "
            f"WHERE seen_at < clock_timestamp() - make_interval(secs => %s) AND EXISTS ({_LIVES})",
            (HANGS_S,),
        ).fetchall()
        before, self._late = self._late, frozenset(row["worker_no"] for row in late)
        if hanging := sorted(before & self._late):
            self._connection.execute(
                "SELECT pg_terminate_backend(l.pid) FROM log.ingest_workers w "
                f"CROSS JOIN LATERAL ({_LIVES}) AS l WHERE worker_no = ANY(%s)",
                (hanging,),
            )


def _one(connection: psycopg.Connection[Any], statement: str, values: tuple[Any, ...]) -> int:
    row = connection.execute(statement, values).fetchone()
    return int(row["value"]) if row else 0
