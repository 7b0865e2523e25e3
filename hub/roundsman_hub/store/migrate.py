"""Brings a database to this release's schema: numbered SQL files, each once, in order, in one transaction.

A file may come in two kinds: `NNNN_name.plain.sql` and `NNNN_name.timescaledb.sql`. Which kind a database is, is decided when it is
made and written down; an extension that appears later changes nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final, Literal

import psycopg
from psycopg.rows import dict_row

from roundsman_hub import HubError

Kind = Literal["plain", "timescaledb"]
KINDS: Final[tuple[Kind, ...]] = ("plain", "timescaledb")
MIN_SERVER: Final = 160_000
_LOCK: Final = 0x726D_0001
"""Advisory lock: two hubs that start at once migrate one after the other."""


class CannotMigrate(HubError):
    """The database is too old, was made by another release, or may not be changed by this user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """What a migrated database is: `kind`, and words for people such as `postgresql 18.6` or `postgresql 17.5 + timescaledb 2.19.3`."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One SQL file of the kind that this database is."""

    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations(kind: Kind) -> list[Migration]:
    """The files for a kind of database, in order. Both kinds' files of one number have one name."""
    found = []
    for file in resources.files("roundsman_hub.store").joinpath("migrations").iterdir():
        stem, _, suffix = file.name.removesuffix(".sql").partition(".")
        if file.name.endswith(".sql") and suffix in ("", kind):
            found.append(Migration(name=stem, sql=file.read_text(encoding="utf-8")))
    return sorted(found, key=lambda migration: migration.name)


def migrate(dsn: str) -> Storage:
    """Apply what is missing. Safe to run at every start, by many at once.

    Raises
    ------
    CannotMigrate
        Server older than 16, a file that was changed after it was applied, or a database newer than this release.
    psycopg.OperationalError
        The database cannot be reached.
    """
    with psycopg.connect(dsn, autocommit=True, row_factory=dict_row, connect_timeout=10) as connection:
        if connection.info.server_version < MIN_SERVER:
            raise CannotMigrate(f"PostgreSQL {connection.info.server_version // 10_000} is too old: use 16 or newer")
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        known = connection.execute("SELECT to_regclass('public.schema_migrations') AS known").fetchone()
        if known is None or known["known"] is None:
            kind: Kind = "timescaledb" if _make_extension(dsn) else "plain"
        else:
            kind = _kind(connection)
        try:
            with connection.transaction():
                _apply(connection, kind)
        except psycopg.errors.InsufficientPrivilege as error:
            raise CannotMigrate(
                f"this database user may not make the schema ({error}): use the database's owner, with CREATEROLE"
            ) from error
        return storage(connection)


def storage(connection: psycopg.Connection[Any]) -> Storage:
    """Which database and extension these are. The connection's rows are dicts."""
    kind = _kind(connection)
    version = connection.info.parameter_status("server_version") or ""
    text = f"postgresql {version.split()[0]}"
    if kind == "timescaledb":
        row = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
        text += f" + timescaledb {row['extversion'] if row else '(missing)'}"
    return Storage(kind=kind, text=text)


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


def _kind(connection: psycopg.Connection[Any]) -> Kind:
    row = connection.execute("SELECT kind FROM schema_migrations ORDER BY name LIMIT 1").fetchone()
    if row is None or row["kind"] not in KINDS:
        raise CannotMigrate("the table schema_migrations is empty or damaged: restore the database, or use a new one")
    return "timescaledb" if row["kind"] == "timescaledb" else "plain"


def _apply(connection: psycopg.Connection[Any], kind: Kind) -> None:
    connection.execute("SET LOCAL client_min_messages = warning")
    connection.execute("CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, kind text NOT NULL, sha256 text NOT NULL)")
    applied = {row["name"]: row["sha256"] for row in connection.execute("SELECT name, sha256 FROM schema_migrations")}
    wanted = migrations(kind)
    if unknown := sorted(applied.keys() - {migration.name for migration in wanted}):
        raise CannotMigrate(f"this database was made by a newer release (it has {', '.join(unknown)}): use that one")
    for migration in wanted:
        if migration.name not in applied:
            connection.execute(psycopg.sql.SQL(migration.sql))
            connection.execute("INSERT INTO schema_migrations VALUES (%s, %s, %s)", (migration.name, kind, migration.sha256))
        elif applied[migration.name] != migration.sha256:
            raise CannotMigrate(
                f"migration {migration.name} was changed after it was applied here: use the release that made this database"
            )
