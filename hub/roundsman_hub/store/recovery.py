"""Puts a base backup in place of the embedded server's files, and replays archived WAL onto it."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psycopg

from roundsman_hub.store import embedded

RECOVERS_WITHIN_S: Final = 4 * 3600.0
"""A restored base becomes consistent by replaying WAL: a day of a large fleet's takes minutes, a week's an hour."""


def put_back(directory: Path, base: Path, *, wal: Path | None, until: datetime | None) -> Path | None:
    """Put a base backup in place of the server's files; its next start replays the archived WAL onto it.

    Returns
    -------
    Path or None
        Where the files that were there before are now.

    Raises
    ------
    PostgresFailed
        A hub uses the folder, or the base is not one that these programs can run.
    """
    directory = directory.absolute()
    directory.mkdir(parents=True, exist_ok=True)
    lock = embedded.lock_folder(directory)
    try:
        told = subprocess.run([embedded.program_dir() / "postgres", "--version"], capture_output=True, text=True, check=True).stdout.split()
        try:
            major = (base / "PG_VERSION").read_text().strip()
        except OSError:
            raise embedded.PostgresFailed(f"{base} is no base backup: it has no PG_VERSION") from None
        if major != told[2].partition(".")[0]:
            raise embedded.PostgresFailed(
                f"{base} is of PostgreSQL {major}, the embedded server is {told[2]}: use a dump, or that version's programs"
            )
        incoming, data = directory / "data.incoming", directory / "data"
        shutil.rmtree(incoming, ignore_errors=True)
        shutil.copytree(base, incoming, symlinks=True)
        if wal is not None:
            _replay(incoming, wal.absolute(), until)
        incoming.chmod(0o700)
        if os.geteuid() == 0:
            _hand_over(incoming, wal)
        embedded.end_left_over(data)
        kept = None
        if data.exists():
            kept = directory / f"data.before.{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
            data.rename(kept)
        incoming.rename(data)
        return kept
    finally:
        os.close(lock)


def _replay(data: Path, wal: Path, until: datetime | None) -> None:
    """Tell the server to begin with archived WAL, and how far to go."""
    place = shlex.quote(str(wal)).replace("%", "%%")
    told = {"restore_command": f"test -e {place}/%f.gz && gzip -dc {place}/%f.gz > %p", "recovery_target_action": "promote"}
    if until is not None:
        told["recovery_target_time"] = until.astimezone(UTC).isoformat()
    with (data / "postgresql.auto.conf").open("a") as conf:
        conf.writelines(f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in told.items())
    (data / "recovery.signal").touch()


def _hand_over(data: Path, wal: Path | None) -> None:
    """We are root, and the server is not."""
    user = embedded.system_user()
    for path in (data, *data.rglob("*"), *((wal, *wal.iterdir()) if wal else ())):
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
    if wal is not None:
        embedded.let_through(wal.absolute())


def undo(directory: Path, kept: Path | None) -> None:
    """The base could not be brought up: what was there before is in its place again; the attempt is thrown away."""
    data = directory.absolute() / "data"
    shutil.rmtree(data, ignore_errors=True)
    if kept is not None:
        kept.rename(data)


def wait_until_recovered(server: embedded.EmbeddedPostgres) -> None:
    """Wait until a restored server has replayed what it is to replay and takes writes; then forget how it was restored.

    Raises
    ------
    PostgresFailed
        The WAL does not reach as far as was asked for, or is damaged: the server's log says where.
    """
    deadline = time.monotonic() + RECOVERS_WITHIN_S
    while True:
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
            row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
            if row is not None and not row[0]:
                for name in ("restore_command", "recovery_target_action", "recovery_target_time"):
                    connection.execute(psycopg.sql.SQL("ALTER SYSTEM RESET {}").format(psycopg.sql.Identifier(name)))
                return
        if not server.alive() or time.monotonic() > deadline:
            raise embedded.PostgresFailed(f"the backup could not be recovered: {embedded.why_ended(server)}")
        time.sleep(0.1)
