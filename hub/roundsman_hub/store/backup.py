"""Copies of the database, and the way back from them.

What a copy is for
------------------
The vans' logs need no copy: a van keeps what it sent for 14 days and sends it again to a hub that has lost it. Orders, plans and the
journal exist at the hub alone: how old a backup is, is how much of those is lost.

    roundsman-hub db backup --out day.dump           a dump: one file, any PostgreSQL 16+, while the hub runs (pg_dump)
    roundsman-hub serve --wal-archive /backup/wal    from now on every WAL file goes there too, at the latest after five minutes
    roundsman-hub db backup --base --out base-1      a base: what that WAL is replayed onto (pg_basebackup, checked by pg_verifybackup)

The way back: stop the hub, then one of

    roundsman-hub db restore day.dump
    roundsman-hub db restore base-1 --wal /backup/wal [--until 2026-03-02T11:40:00Z]

and start it again. Without --until it goes as far as there is WAL, along the newest history: after an earlier restore, that one's.
What was there before is kept beside (its name is told) until somebody deletes it. Every restore brings the schema to this release's and
raises the log's epoch: each van takes back its releases and sends what the database misses. On a server of one's own
(`--database-url`) a dump goes into a new, empty database; a base is put back with that server's own programs, and then
`roundsman-hub migrate --restored` does the rest.

What was deleted stays deleted
------------------------------
A backup holds what was let go after it was made. Restored, it goes again with the upkeep role's first look, minutes after the
start, because rules are about age and not about an event: nothing has to be remembered. What a van sends again is at most 14 days old. The
backup files themselves are out of the hub's reach: keep none longer than raw fixes may be kept (`roundsman-hub db retention` tells).

    roundsman-hub db prune-backups /backup --keep-days 30 --wal /backup/wal    once a day, from cron or a systemd timer
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psycopg
from psycopg import conninfo, sql

from roundsman_hub import HubError
from roundsman_hub.store import embedded, log_store, recovery
from roundsman_hub.store.db import Database
from roundsman_hub.store.migrate import migrate

INCOMING: Final = "roundsman_incoming"
DATABASE: Final = "roundsman"


class BackupFailed(HubError):
    """A copy could not be made or put back. What was there before is untouched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A backup that was written and looked through. `text`: what it is, for people."""

    path: Path
    total_bytes: int
    took_s: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A database that was put in place. `kept`: where the one before is; None where there was none."""

    epoch: int
    kept: str | None
    text: str


def program(name: str, server_major: int) -> Path:
    """The newest-enough PostgreSQL client program nearest to the server's version: the wheel's, the PATH's, or Debian's.

    Raises
    ------
    BackupFailed
        There is none as new as the server.
    """
    places = [*Path("/usr/lib/postgresql").glob(f"*/bin/{name}")]
    if found := shutil.which(name):
        places.append(Path(found))
    with contextlib.suppress(embedded.PostgresFailed):
        places.append(embedded.program_dir() / name)
    usable = []
    for place in places:
        told = subprocess.run([place, "--version"], capture_output=True, text=True, check=False).stdout.split()
        major = next((int(word.split(".")[0]) for word in told if word[0].isdigit()), 0)
        if major >= server_major:
            usable.append((major, place))
    if not usable:
        raise BackupFailed(f"no {name} of PostgreSQL {server_major} or newer here: install postgresql-client-{server_major}")
    return min(usable, key=lambda pair: pair[0])[1]


def dump(dsn: str, out: Path) -> Made:
    """Dump a database that is in use, as of one instant, to a file that must not exist."""
    if out.exists():
        raise BackupFailed(f"{out} exists: choose another name")
    began = time.monotonic()
    part = out.with_name(out.name + ".part")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
        _run([program("pg_dump", _major(dsn)), "--format=custom", f"--file={part}"], dsn)
        listed = _run([program("pg_restore", _major(dsn)), "--list", part])
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.rename(out)
    except OSError as error:
        raise BackupFailed(f"{error.filename}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
    entries = sum(1 for line in listed.splitlines() if line and not line.startswith(";"))
    return Made(path=out, total_bytes=out.stat().st_size, took_s=time.monotonic() - began, text=f"a dump of {entries} objects")


def base(dsn: str, out: Path) -> Made:
    """Copy the files of a server that is in use, with the WAL to make them whole, to a folder that must not exist; and verify it."""
    if out.exists():
        raise BackupFailed(f"{out} exists: choose another name")
    began = time.monotonic()
    try:
        _run(
            [program("pg_basebackup", _major(dsn)), f"--pgdata={out}", "--wal-method=stream", "--checkpoint=fast", "--no-password"],
            dsn,
        )
        _run([program("pg_verifybackup", _major(dsn)), "--exit-on-error", out])
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    return Made(path=out, total_bytes=size, took_s=time.monotonic() - began, text="a base for point-in-time recovery, verified")


def restore_into(source: Path, dsn: str) -> Restored:
    """Put a dump into an empty database, bring it to this release's schema, and raise the epoch.

    Raises
    ------
    BackupFailed
        The database is not empty, or the dump cannot be read.
    """
    major = _major(dsn)
    listed = _run([program("pg_restore", major), "--list", source])
    hyper = " EXTENSION - timescaledb" in listed
    with psycopg.connect(dsn, autocommit=True, connect_timeout=10) as connection:
        if connection.execute("SELECT FROM pg_class WHERE relname = 'schema_migrations' OR relname = 'fixes'").fetchone() is not None:
            raise BackupFailed("that database is not empty: make a new one, and restore into it")
        # Roles belong to the server, not to a database: a dump holds none.
        if connection.execute("SELECT FROM pg_roles WHERE rolname = 'roundsman_tenant'").fetchone() is None:
            connection.execute("CREATE ROLE roundsman_tenant NOLOGIN")
        connection.execute("GRANT roundsman_tenant TO CURRENT_USER")
    if hyper:
        with psycopg.connect(dsn, autocommit=True, connect_timeout=10) as connection:
            connection.execute("SET client_min_messages = error")
            connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
            connection.execute("SELECT timescaledb_pre_restore()")
    _run([program("pg_restore", major), "--no-owner", "--exit-on-error", source], dsn, named=True)
    if hyper:
        with psycopg.connect(dsn, autocommit=True, connect_timeout=10) as connection:
            connection.execute("SELECT timescaledb_post_restore()")
    epoch = raise_epoch(dsn)
    return Restored(epoch=epoch, kept=None, text=f"restored; epoch {epoch}: the vans send what this database misses")


def restore_dump(source: Path, data_dir: Path) -> Restored:
    """Put a dump in place of a stopped hub's embedded database. The one before stays beside it, under a name that is told."""
    if not source.is_file():
        raise BackupFailed(f"{source}: there is no such file")
    with embedded.start(data_dir / "postgres", database="postgres") as server:
        with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(INCOMING)))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(INCOMING)))
        epoch = restore_into(source, server.dsn(INCOMING)).epoch
        with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
            kept = None
            if connection.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone() is not None:
                kept = f"{DATABASE}_before_{datetime.now(UTC):%Y%m%d_%H%M%S}"
                connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(DATABASE), sql.Identifier(kept)))
            connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(INCOMING), sql.Identifier(DATABASE)))
    return Restored(epoch=epoch, kept=kept, text=_done(epoch, kept and f"the database {kept}"))


def restore_base(source: Path, data_dir: Path, *, wal: Path | None, until: datetime | None) -> Restored:
    """Put a base in place of a stopped hub's embedded database, and replay archived WAL onto it, up to an instant or as far as it goes."""
    if until is not None and wal is None:
        raise BackupFailed("--until needs --wal: without archived WAL a base is as of its own end")
    kept = recovery.put_back(data_dir / "postgres", source, wal=wal, until=until)
    try:
        with embedded.start(data_dir / "postgres", starts_within_s=recovery.RECOVERS_WITHIN_S) as server:
            recovery.wait_until_recovered(server)
            epoch = raise_epoch(server.dsn())
    except BaseException:
        recovery.undo(data_dir / "postgres", kept)
        raise
    return Restored(epoch=epoch, kept=str(kept) if kept else None, text=_done(epoch, str(kept) if kept else None))


def raise_epoch(dsn: str) -> int:
    """Bring a restored (or promoted) database to this release's schema, and tell the vans that it may have lost something."""
    migrate(dsn)
    with Database.connect(dsn, max_size=1) as db, db.transaction() as cur:
        return log_store.restored(cur)


def _done(epoch: int, kept: str | None) -> str:
    before = f" What was there before: {kept}." if kept else ""
    return f"restored; epoch {epoch}: once the hub runs, each van takes back its releases and sends what this database misses.{before}"


def _major(dsn: str) -> int:
    try:
        with psycopg.connect(dsn, connect_timeout=10) as connection:
            return connection.info.server_version // 10_000
    except psycopg.OperationalError as error:
        raise BackupFailed(f"the database cannot be reached: {str(error).strip()}") from None


def _run(command: list[str | Path], dsn: str | None = None, *, named: bool = False) -> str:
    """Run a client program; the connection's words go by the environment, so that no password stands in a list of processes."""
    environment = dict(os.environ)
    words = [str(part) for part in command]
    if dsn is not None:
        known = {
            "host": "PGHOST",
            "port": "PGPORT",
            "user": "PGUSER",
            "password": "PGPASSWORD",
            "dbname": "PGDATABASE",
            "sslmode": "PGSSLMODE",
        }
        told = conninfo.conninfo_to_dict(dsn)
        environment |= {known[key]: str(value) for key, value in told.items() if key in known}
        if named:  # pg_restore writes a script unless a database is named
            words.insert(1, f"--dbname={told.get('dbname', DATABASE)}")
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        last = " / ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise BackupFailed(f"{Path(words[0]).name} failed: {last}")
    return done.stdout
