"""Real servers for tests: one of each kind for the whole run, one fresh database for each test module."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser, sync_playwright

from roundsman_hub.broker import free_port
from roundsman_hub.store import embedded
from roundsman_hub.store.db import Database
from roundsman_hub.store.migrate import migrate

# No case is judged by how long it took, nor is drawing it: that is said of the machine, and of what else it does.
UNHURRIED: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("landing", derandomize=True, **UNHURRIED)  # the same cases each time: whether a change may land is not for dice
settings.register_profile("fuzz", print_blob=True, **UNHURRIED)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "landing"))

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "alone")
TEMPLATE = f"roundsman_template_{WORKER}"
"""A server that is given (`DATABASE_URL_TIMESCALE`) is shared by all of a run's workers: each has databases of its own names."""
CANNOT_BE_MADE = 3
"""What `.ci/timescaledb-root` ends with where TimescaleDB's half is rightly skipped."""
QUICK = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "32MB", "max_connections": "60"}
"""The tests kill the server, never the machine: what the kernel has is safe."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running database server of one kind. `dsn(name)` is the connection string of a database on it."""

    kind: str
    dsn: Callable[[str], str]


@dataclass(frozen=True, kw_only=True)
class Missing:
    """A kind of server that is not there. `owed`: it could be had here, so its tests fail; else they are skipped."""

    reason: str
    owed: bool


@pytest.fixture(scope="session")
def _made() -> Iterator[dict[str, Server | Missing]]:
    """Servers made so far in this run, by kind; or why a kind is missing. All are ended with the run."""
    made: dict[str, Server | Missing] = {}
    ends: list[Callable[[], None]] = []
    made["plain"], end = _plain()
    ends.append(end)
    yield _Lazily(made, ends)
    for end in reversed(ends):
        end()


class _Lazily(dict[str, Server | Missing]):
    """Starts TimescaleDB only when a test first asks for it: a run of unit tests does not wait for it."""

    def __init__(self, made: dict[str, Server | Missing], ends: list[Callable[[], None]]) -> None:
        super().__init__(made)
        self._ends = ends

    def __missing__(self, kind: str) -> Server | Missing:
        self[kind], end = _timescaledb()
        self._ends.append(end)
        return self[kind]


def _plain() -> tuple[Server, Callable[[], None]]:
    folder = Path(tempfile.mkdtemp(prefix="roundsman-pg-"))
    server = embedded.start(folder / "pg", settings=QUICK, database=TEMPLATE)
    migrate(server.dsn(TEMPLATE))

    def end() -> None:
        server.stop()
        shutil.rmtree(folder)

    return Server(kind="plain", dsn=server.dsn), end


def _timescaledb() -> tuple[Server | Missing, Callable[[], None]]:
    given = os.environ.get("DATABASE_URL_TIMESCALE")
    if given:
        base = given.rstrip("/").rpartition("/")[0]
        with psycopg.connect(given, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {TEMPLATE}")
            connection.execute(f"CREATE DATABASE {TEMPLATE}")
        migrate(f"{base}/{TEMPLATE}")
        return Server(kind="timescaledb", dsn=lambda name: f"{base}/{name}"), lambda: None
    script = Path(__file__).parents[1] / ".ci" / "timescaledb-root"
    found = subprocess.run([script], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        reason = (found.stderr.strip().splitlines() or ["the script said nothing"])[-1]
        return Missing(reason=reason, owed=found.returncode != CANNOT_BE_MADE), lambda: None
    return _in_root(Path(found.stdout.strip()))


def _in_root(root: Path) -> tuple[Server, Callable[[], None]]:
    """The server inside a Debian root, on a loopback port (see `.ci/timescaledb-root`)."""
    inside = [
        "chroot",
        "--userspec=postgres:postgres",
        str(root),
        "/usr/bin/env",
        "-i",
        "PATH=/usr/lib/postgresql/17/bin:/usr/bin:/bin",
        "LC_ALL=C",
    ]
    made = subprocess.run([*inside, "mktemp", "-d", "/tmp/roundsman-XXXXXX"], capture_output=True, text=True, check=True)
    folder = made.stdout.strip()
    subprocess.run(
        [*inside, "initdb", "-D", f"{folder}/data", "-U", "roundsman", "--auth=trust", "-E", "UTF8", "-N"], capture_output=True, check=True
    )
    port = free_port()
    options = QUICK | {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": "", "timezone": "UTC"}
    options |= {"shared_preload_libraries": "timescaledb", "timescaledb.telemetry_level": "off", "max_worker_processes": "16"}
    process = subprocess.Popen(
        [*inside, "postgres", "-D", f"{folder}/data", *(part for k, v in options.items() for part in ("-c", f"{k}={v}"))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def end() -> None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGQUIT)
            process.wait()
        shutil.rmtree(root / folder.lstrip("/"))

    def dsn(name: str) -> str:
        return f"host=127.0.0.1 port={port} user=roundsman dbname={name}"

    deadline = time.monotonic() + 60
    while True:
        try:
            with psycopg.connect(dsn("postgres"), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {TEMPLATE}")
            break
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                end()
                raise
            time.sleep(0.05)
    migrate(dsn(TEMPLATE))
    return Server(kind="timescaledb", dsn=dsn), end


@pytest.fixture(scope="session")
def make_database(_made: dict[str, Server | Missing]) -> Callable[[str], str]:
    """Function: kind ("plain" or "timescaledb") → connection string of a fresh, migrated database. Skips where the kind cannot be had;
    fails where it could be."""
    numbers = itertools.count(1)

    def make(kind: str) -> str:
        server = _made[kind]
        if isinstance(server, Missing):
            (pytest.fail if server.owed else pytest.skip)(server.reason)
        name = f"test_{WORKER}_{next(numbers)}"
        with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name}")  # of a run before this one, on a server that is given
            # TimescaleDB's launcher may sit in the template for a moment: the server is asked again, which is why this is a loop.
            deadline = time.monotonic() + 30
            while True:
                try:
                    connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
                    return server.dsn(name)
                except psycopg.errors.ObjectInUse:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)

    return make


@pytest.fixture(scope="module", params=["plain", "timescaledb"])
def database(request: pytest.FixtureRequest, make_database: Callable[[str], str]) -> Iterator[Database]:
    """A migrated database of each kind, fresh for each test module. Tests that share it use fleets of their own."""
    with Database.connect(make_database(request.param), max_size=6) as database:
        yield database


@pytest.fixture(scope="module")
def plain_database(make_database: Callable[[str], str]) -> Iterator[Database]:
    """A migrated database on the embedded server alone: for tests in which the kind makes no difference."""
    with Database.connect(make_database("plain"), max_size=6) as database:
        yield database


CHROMIUM_FLAGS = (
    *("--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--enable-unsafe-swiftshader"),
)


@pytest.fixture(scope="module")
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """Debian's Chromium, without a window. One for each module: while it is open, no other event loop can run in this thread.

    A module's `MORE_FLAGS` are added.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=[*CHROMIUM_FLAGS, *getattr(request.module, "MORE_FLAGS", ())])
        yield found
        found.close()
