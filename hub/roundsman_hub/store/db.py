"""The one door to the database: a pool, transactions, a fleet's own view, and what others have to tell (`LISTEN rm`)."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from roundsman_hub import HubError
from roundsman_hub.telemetry.figures import Figures

Cursor = psycopg.Cursor[DictRow]

CHANNEL: Final = "rm"
"""All notices travel on one channel: {"t": topic, "f": fleet, "id": what changed}."""
GETS_WITHIN_S: Final = 3.0
"""A request waits this long for a connection before it is told that the database is away; a worker that is to end, no longer either."""
RETRIES_WITHIN_S: Final = 2.0
"""A lost connection is tried again for this long, then only when somebody asks: the pool doubles its pauses and would oversleep."""
CONNECT_WITHIN_S: Final = 5
KEEPALIVES: Final[dict[str, Any]] = {"keepalives": 1, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
"""A database whose machine is gone is noticed in about 11 s, and its locks end as soon."""


class DatabaseAway(HubError):
    """The database cannot be reached now. Trying again is right: nothing was committed, unless COMMIT itself was cut."""


AWAY: Final = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, DatabaseAway)
"""What says that the connection, not the statement, failed. `is_away` tells it from a deadlock or a lock's time-out."""


def is_away(error: BaseException) -> bool:
    """Does this error mean that the database, or the way to it, is gone?"""
    if isinstance(error, (DatabaseAway, PoolTimeout, psycopg.InterfaceError)):
        return True
    if not isinstance(error, psycopg.OperationalError):
        return False
    # Class 08 is the connection, 57P.. shutting down, 53.. out of connections, disk or memory; without a code it never arrived.
    return error.sqlstate is None or error.sqlstate[:2] in ("08", "53") or error.sqlstate.startswith("57P")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something changed: read it again. `topic` is vehicle, log, order, plan, message, eta, planning, sites or night, among others."""

    topic: str
    fleet_id: str
    subject: str
    trace: str = field(default="", compare=False)
    """Of whoever said so, as a W3C traceparent; empty where nobody traces."""


class Database:
    """Pooled connections to one database. Rows are dicts. Safe to share between threads; not between processes.

    The pool mends itself: connections that a restarted server has cut are noticed when they are next taken.
    """

    def __init__(self, dsn: str, pool: ConnectionPool[psycopg.Connection[DictRow]]) -> None:
        self.dsn = dsn
        self._pool = pool

    @classmethod
    def connect(cls, dsn: str, *, min_size: int = 1, max_size: int = 8, checked: bool = True) -> Database:
        """Open a pool. Succeeds while the database is away, too: then the first transaction raises `DatabaseAway`.

        `checked`: ask each connection whether it still lives when it is taken, which is a question for each transaction. Without it a
        restarted server costs one failed transaction for each connection: for a database that nobody restarts.
        """
        pool = ConnectionPool(
            dsn,
            connection_class=psycopg.Connection[DictRow],
            kwargs={"row_factory": dict_row, "connect_timeout": CONNECT_WITHIN_S, **KEEPALIVES},
            min_size=min_size,
            max_size=max_size,
            timeout=GETS_WITHIN_S,
            reconnect_timeout=RETRIES_WITHIN_S,
            check=ConnectionPool.check_connection if checked else None,
            open=True,
            name="roundsman",
        )
        return cls(dsn, pool)

    def close(self) -> None:
        """Give all connections back."""
        self._pool.close()

    def tell(self, figures: Figures) -> None:
        """Say how the pool is used."""
        stats = self._pool.get_stats()
        for state, name in (("open", "pool_size"), ("idle", "pool_available"), ("waiting", "requests_waiting")):
            figures.put("roundsman_db_pool_connections", stats.get(name, 0), state=state)
        figures.put("roundsman_db_pool_requests_total", stats.get("requests_num", 0))
        figures.put("roundsman_db_pool_errors_total", stats.get("requests_errors", 0))
        figures.put("roundsman_db_pool_wait_seconds_total", stats.get("requests_wait_ms", 0) / 1000)

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def connection(self) -> Iterator[psycopg.Connection[DictRow]]:
        """A connection in a transaction: committed when the block ends, rolled back when it raises.

        Raises
        ------
        DatabaseAway
            It cannot be reached, or was cut in the middle.
        """
        try:
            with self._pool.connection() as connection:
                yield connection
        except AWAY as error:
            if is_away(error) and not isinstance(error, DatabaseAway):
                raise DatabaseAway(f"the database is away: {str(error).strip() or type(error).__name__}") from error
            raise

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Cursor]:
        """A cursor in a transaction, with the hub's own rights: sees every fleet."""
        with self.connection() as connection, connection.cursor() as cursor:
            yield cursor

    @contextlib.contextmanager
    def tenant(self, fleet_id: str) -> Iterator[Cursor]:
        """A cursor in a transaction that sees and writes one fleet's rows only: row-level security holds, whatever the SQL says."""
        with self.connection() as connection, connection.cursor() as cursor:
            cursor.execute("SET LOCAL ROLE roundsman_tenant")
            cursor.execute("SELECT set_config('roundsman.fleet', %s, true)", (fleet_id,))
            yield cursor

    @contextlib.contextmanager
    def dedicated(self) -> Iterator[psycopg.Connection[DictRow]]:
        """A connection of one's own outside the pool, autocommitting: for LISTEN and for advisory locks that last."""
        try:
            connection = psycopg.connect(self.dsn, autocommit=True, row_factory=dict_row, connect_timeout=CONNECT_WITHIN_S, **KEEPALIVES)
        except psycopg.OperationalError as error:
            raise DatabaseAway(f"the database is away: {str(error).strip()}") from error
        try:
            yield connection
        finally:
            connection.close()


def listen(connection: psycopg.Connection[Any]) -> None:
    """Hear notices on this connection from now on."""
    connection.execute(psycopg.sql.SQL("LISTEN {}").format(psycopg.sql.Identifier(CHANNEL)))


def notices(connection: psycopg.Connection[Any], wait_s: float) -> list[Notice]:
    """Notices that came, waiting up to `wait_s` for the first; each once, in order. Those of other programs are stepped over.

    Raises
    ------
    psycopg.OperationalError
        The connection is gone (see `is_away`): listen anew, and look at everything, since notices were missed.
    """
    found: dict[Notice, None] = {}
    for heard in connection.notifies(timeout=wait_s, stop_after=1):
        found |= dict.fromkeys(_parse(heard.payload))
    for heard in connection.notifies(timeout=0):
        found |= dict.fromkeys(_parse(heard.payload))
    return list(found)


def _parse(payload: str) -> list[Notice]:
    try:
        body = json.loads(payload)
        return [Notice(topic=body["t"], fleet_id=body["f"], subject=body["id"], trace=body.get("tp", ""))]
    except (ValueError, KeyError, TypeError):
        return []


def notify(cursor: psycopg.Cursor[Any], *told: Notice) -> None:
    """Tell everyone who listens, when the transaction commits. Equal notices of one transaction arrive once."""
    if told:
        payloads = [json.dumps({"t": n.topic, "f": n.fleet_id, "id": n.subject} | ({"tp": n.trace} if n.trace else {})) for n in told]
        cursor.execute("SELECT pg_notify(%s, payload) FROM unnest(%s::text[]) AS payload", (CHANNEL, payloads))
