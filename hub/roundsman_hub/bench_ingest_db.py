"""What `make bench-ingest` stands on: databases of both kinds with fsync on, the broker with a door for the load, and everyone's CPU."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import psycopg

from roundsman_hub import broker
from roundsman_hub.broker import Broker, free_port
from roundsman_hub.pki import open_pki
from roundsman_hub.settings import Endpoint
from roundsman_hub.store import embedded
from roundsman_hub.store.db import Database
from roundsman_hub.store.migrate import migrate
from roundsman_hub.store.partitions import ensure_days

HOST: Final = "127.0.0.1"
TICKS: Final = os.sysconf("SC_CLK_TCK")
SETTINGS: Final = {"max_wal_size": "8GB", "checkpoint_timeout": "30min"}
"""No checkpoint falls into one measurement and not into another: each begins with one. fsync stays on."""
DAYS: Final = 7
"""Of the filled table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running, migrated database."""

    kind: str
    text: str
    dsn: str
    pid: int

    def cpu_s(self) -> float:
        """Of the postmaster and all its processes, those that have ended too."""
        return _cpu_s(self.pid, children=True) + sum(_cpu_s(child) for child in _children(self.pid))


def cpu_s(pid: int) -> float:
    """User and system seconds of a process so far."""
    return _cpu_s(pid)


def machine_s() -> tuple[float, float]:
    """Seconds that all cores together were busy, and idle or waiting for the disk, so far."""
    fields = [int(field) / TICKS for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return sum(fields) - idle, idle


def _cpu_s(pid: int, *, children: bool = False) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(field) for field in fields[11 : 15 if children else 13]) / TICKS


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


@contextlib.contextmanager
def plain(home: Path) -> Iterator[Server]:
    """The embedded server: partitions by day."""
    with embedded.start(home / "postgres", settings=SETTINGS) as server:
        yield _ready("plain", server.dsn(), server.pid)


@contextlib.contextmanager
def timescaledb(root: Path) -> Iterator[Server]:
    """The server inside a Debian root (`.ci/timescaledb-root`), on a loopback port: a hypertable."""
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
    initdb = [*inside, "initdb", "-D", f"{folder}/data", "-U", "roundsman", "--auth=trust", "-E", "UTF8", "--locale=C"]
    subprocess.run(initdb, capture_output=True, check=True)
    port = free_port(HOST)
    options = SETTINGS | {"listen_addresses": HOST, "port": str(port), "unix_socket_directories": "", "timezone": "UTC"}
    options |= {"shared_preload_libraries": "timescaledb", "timescaledb.telemetry_level": "off"}
    process = subprocess.Popen(
        [*inside, "postgres", "-D", f"{folder}/data", *(part for k, v in options.items() for part in ("-c", f"{k}={v}"))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the database in the TimescaleDB root did not start")
            time.sleep(0.05)
        dsn = f"host={HOST} port={port} user=roundsman dbname="
        while True:
            try:
                with psycopg.connect(dsn + "postgres", autocommit=True) as connection:
                    connection.execute("CREATE DATABASE roundsman")
                break
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        yield _ready("timescaledb", dsn + "roundsman", process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
        subprocess.run(["rm", "-rf", str(root) + folder], check=False)


def _ready(kind: str, dsn: str, pid: int) -> Server:
    storage = migrate(dsn)
    if storage.kind != kind:
        raise SystemExit(f"the database is {storage.kind}, not {kind}")
    today = datetime.now(UTC)
    with Database.connect(dsn, max_size=1) as db, db.transaction() as cur:
        for day in range(DAYS + 1):
            ensure_days(cur, today - timedelta(days=day))
    return Server(kind=kind, text=storage.text, dsn=dsn, pid=pid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wires:
    """A running broker. `load_port`: a third door for the load program, which is all vans at once and so has no certificate."""

    broker: Broker
    pid: int
    load_port: int


@contextlib.contextmanager
def wires(home: Path) -> Iterator[Wires]:
    """The hub's own broker, by the hub's own configuration."""
    doors = [Endpoint(host=HOST, port=free_port(HOST)) for _ in range(3)]
    made = broker.prepare(home / "broker", open_pki(home / "pki"), vans=doors[0], hub=doors[1])
    with made.config_file.open("a") as file:
        file.write(f"\nlistener {doors[2].port} {HOST}\nallow_anonymous true\n")
    with broker.running(made) as process:
        yield Wires(broker=made, pid=process.pid, load_port=doors[2].port)


def copy_s(dsn: str, path: Path) -> float:
    """Seconds of `psql \\copy` of a binary file into the table of fixes, psql's start and end included."""
    columns = "time, vehicle_id, session_no, seq, mono_ms, lat_e6, lon_e6, speed_cm_s, heading_cdeg, accuracy_dm, satellites, flags"
    command = f"\\copy log.fixes ({columns}) FROM '{path}' WITH (FORMAT binary)"
    began = time.monotonic()
    subprocess.run([str(embedded.program_dir() / "psql"), "-X", "-q", "-d", dsn, "-c", command], check=True, env={"LC_ALL": "C"})
    return time.monotonic() - began
