"""Brings a database to this release's schema, and back: numbered SQL files, in order, each in a transaction of its own.

The parts of a file's name, between the number and `.sql`, in any order:

    plain | timescaledb   only for this kind of database. Which kind one is, is decided when it is made and written down; an
                          extension that appears later changes nothing
    down                  the way back
    online                statement by statement, outside a transaction: CREATE INDEX CONCURRENTLY. Each must be safe to repeat

A database migrates while it is in use. No statement waits longer than `WAITS_S` for a lock, because everyone who comes after it
waits as long: then it lets them pass, and tries again.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import resources
from typing import Any, Final, Literal

import psycopg
from psycopg.rows import dict_row

from roundsman_hub import HubError

log = logging.getLogger(__name__)

Kind = Literal["plain", "timescaledb"]
KINDS: Final[tuple[Kind, ...]] = ("plain", "timescaledb")
MIN_SERVER: Final = 160_000
WAITS_S: Final = 1.0
"""A van's window is acknowledged within seconds; one second more goes unnoticed."""
GIVES_UP_S: Final = 600.0
"""Somebody holds a lock for longer than this: a person should look who (`pg_stat_activity`)."""
_LOCK: Final = 0x726D_0001
"""Advisory lock: two hubs that start at once migrate one after the other."""

Connection = psycopg.Connection[Any]


class CannotMigrate(HubError):
    """The database is too old, was made by another release, or may not be changed by this user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """What a migrated database is: `kind`, and words for people such as `postgresql 18.6` or `postgresql 17.5 + timescaledb 2.19.3`."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step of the kind that this database is: how to go there, and back. `online`: outside a transaction."""

    name: str
    sql: str
    online: bool = False
    back: str | None = None
    back_online: bool = False

    @property
    def number(self) -> int:
        return int(self.name.partition("_")[0])

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations(kind: Kind) -> list[Migration]:
    """The steps for a kind of database, in order. Both kinds' files of one number have one name."""
    ways: dict[str, dict[bool, tuple[str, bool]]] = {}
    for file in resources.files("roundsman_hub.store").joinpath("migrations").iterdir():
        if not file.name.endswith(".sql"):
            continue
        name, *parts = file.name.removesuffix(".sql").split(".")
        if unknown := set(parts) - {*KINDS, "down", "online"}:
            raise AssertionError(f"{file.name}: {unknown} means nothing in a migration's name")
        if kind in parts or not set(KINDS) & set(parts):
            ways.setdefault(name, {})["down" in parts] = file.read_text(encoding="utf-8"), "online" in parts
    found = []
    for name, way in sorted(ways.items()):
        (sql, online), (back, back_online) = way[False], way.get(True, (None, False))
        found.append(Migration(name=name, sql=sql, online=online, back=back, back_online=back_online))
    return found


def migrate(dsn: str, *, to: int | None = None, waits_s: float = WAITS_S) -> Storage:
    """Apply what is missing. Safe to run at every start, by many at once.

    Parameters
    ----------
    to : int, optional
        Go to just after the step of that number, forward or back.
    waits_s : float
        Longest wait for a lock, in real seconds, before others are let pass.

    Raises
    ------
    CannotMigrate
        Server older than 16, a file that was changed after it was applied, a database newer than this release, no way back from a
        step, or a lock that nobody lets go.
    psycopg.OperationalError
        The database cannot be reached.
    """
    with psycopg.connect(dsn, autocommit=True, row_factory=dict_row, connect_timeout=10) as connection:
        if connection.info.server_version < MIN_SERVER:
            raise CannotMigrate(f"PostgreSQL {connection.info.server_version // 10_000} is too old: use 16 or newer")
        _take_turn(connection)
        known = connection.execute("SELECT to_regclass('public.schema_migrations') AS known").fetchone()
        if known is None or known["known"] is None:
            kind: Kind = "timescaledb" if _make_extension(dsn) else "plain"
        else:
            kind = _kind(connection)
        connection.execute("SET client_min_messages = warning")
        connection.execute("SELECT set_config('lock_timeout', %s, false)", (f"{waits_s * 1000:.0f}ms",))
        try:
            _go(connection, kind, to)
        except psycopg.errors.InsufficientPrivilege as error:
            raise CannotMigrate(
                f"this database user may not make the schema ({error}): use the database's owner, with CREATEROLE"
            ) from error
        return storage(connection)


def storage(connection: Connection) -> Storage:
    """Which database and extension these are. The connection's rows are dicts."""
    kind = _kind(connection)
    version = connection.info.parameter_status("server_version") or ""
    text = f"postgresql {version.split()[0]}"
    if kind == "timescaledb":
        row = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
        text += f" + timescaledb {row['extversion'] if row else '(missing)'}"
    return Storage(kind=kind, text=text)


def _take_turn(connection: Connection) -> None:
    """By asking again, not by waiting inside a statement: CREATE INDEX CONCURRENTLY waits for everyone whose statement is running."""
    deadline = time.monotonic() + GIVES_UP_S
    while True:
        row = connection.execute("SELECT pg_try_advisory_lock(%s) AS mine", (_LOCK,)).fetchone()
        if row is not None and row["mine"]:
            return
        if time.monotonic() > deadline:
            raise CannotMigrate(f"another hub has been migrating this database for more than {GIVES_UP_S / 60:.0f} minutes")
        time.sleep(0.05)


def _make_extension(dsn: str) -> bool:
    """Is TimescaleDB here and usable? A server that has it on disk but not preloaded cuts the connection, hence one of its own."""
    try:
        with psycopg.connect(dsn, autocommit=True, connect_timeout=10) as connection:
            if connection.execute("SELECT FROM pg_available_extensions WHERE name = 'timescaledb'").fetchone() is None:
                return False
            connection.execute("SET client_min_messages = error")
            connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
            return True
    except psycopg.Error:
        return False


def _kind(connection: Connection) -> Kind:
    row = connection.execute("SELECT kind FROM schema_migrations ORDER BY name LIMIT 1").fetchone()
    if row is None or row["kind"] not in KINDS:
        raise CannotMigrate("the table schema_migrations is empty or damaged: restore the database, or use a new one")
    return "timescaledb" if row["kind"] == "timescaledb" else "plain"


def _go(connection: Connection, kind: Kind, to: int | None) -> None:
    known = migrations(kind)
    if to is not None and to not in {step.number for step in known}:
        raise CannotMigrate(f"there is no step {to}: this release has {known[0].number} to {known[-1].number}")
    applied: dict[str, str] = {}
    if connection.execute("SELECT to_regclass('public.schema_migrations') AS known").fetchall()[0]["known"] is not None:
        applied = {row["name"]: row["sha256"] for row in connection.execute("SELECT name, sha256 FROM schema_migrations")}
    if unknown := sorted(applied.keys() - {step.name for step in known}):
        raise CannotMigrate(f"this database was made by a newer release (it has {', '.join(unknown)}): use that one")
    for step in known:
        if step.name in applied and applied[step.name] != step.sha256:
            raise CannotMigrate(f"migration {step.name} was changed after it was applied here: use the release that made this database")
    away = [step for step in reversed(known) if to is not None and step.number > to and step.name in applied]
    if stuck := next((step for step in away if step.back is None), None):
        raise CannotMigrate(f"there is no way back from {stuck.name}: restore a backup that is older")
    for step in away:
        _back(connection, step)
    for step in known:
        if (to is None or step.number <= to) and step.name not in applied:
            _forth(connection, step, kind)


def _forth(connection: Connection, step: Migration, kind: Kind) -> None:
    def note() -> None:
        connection.execute("INSERT INTO schema_migrations VALUES (%s, %s, %s)", (step.name, kind, step.sha256))

    def whole() -> None:
        with connection.transaction():
            connection.execute(
                "CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, kind text NOT NULL, sha256 text NOT NULL)"
            )
            connection.execute(psycopg.sql.SQL(step.sql))
            note()

    if step.online:
        _one_by_one(connection, step.sql)
        note()
    else:
        _patiently(whole, step.name)


def _back(connection: Connection, step: Migration) -> None:
    back = step.back
    assert back is not None  # looked at before the first step was taken back

    def forget() -> None:
        connection.execute("DELETE FROM schema_migrations WHERE name = %s", (step.name,))

    def whole() -> None:
        with connection.transaction():
            connection.execute(psycopg.sql.SQL(back))
            forget()

    if step.back_online:
        _one_by_one(connection, back)
        forget()
    else:
        _patiently(whole, step.name)


def _one_by_one(connection: Connection, text: str) -> None:
    """Statements outside a transaction. Where an interrupted run left an index invalid, it goes first: IF NOT EXISTS would keep it."""
    for row in connection.execute(
        "SELECT n.nspname, c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE NOT i.indisvalid AND c.relkind = 'i' AND n.nspname IN ('public', 'log')"
    ).fetchall():
        if row["relname"] in text:
            left = psycopg.sql.Identifier(row["nspname"], row["relname"])
            _patiently(partial(connection.execute, psycopg.sql.SQL("DROP INDEX CONCURRENTLY {}").format(left)), row["relname"])
    for statement in text.split(";\n"):
        if any(line and not line.startswith("--") for line in statement.splitlines()):
            _patiently(partial(connection.execute, psycopg.sql.SQL(statement)), statement.strip())


def _patiently(do: Callable[[], object], what: str) -> None:
    """Run it; when a lock is not to be had within `WAITS_S`, let those pass who wait behind, and run it again."""
    deadline = time.monotonic() + GIVES_UP_S
    told = False
    while True:
        try:
            do()
            return
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
            if time.monotonic() > deadline:
                raise CannotMigrate(
                    f"{what}: a lock was not to be had in {GIVES_UP_S / 60:.0f} minutes ({str(error).splitlines()[0]}): "
                    "look in pg_stat_activity who holds it"
                ) from error
            if not told:
                log.warning("%s waits for a lock that others hold, and lets them pass meanwhile", what)
                told = True
            time.sleep(0.2)
