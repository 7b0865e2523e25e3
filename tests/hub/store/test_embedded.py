"""The embedded server: private, one hub a folder, and back after its hub was killed."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from roundsman_hub.store import embedded


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A cluster that holds a word. Deeper than a Unix socket's path may be: the server has to find a shorter place for its socket."""
    top = Path(tempfile.mkdtemp(prefix="roundsman-embedded-"))
    deep = top / ("a" * 60) / ("b" * 60)
    with embedded.start(deep) as server, psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("CREATE TABLE words AS SELECT 'hello' AS told")
    yield deep
    shutil.rmtree(top)


def read(server: embedded.EmbeddedPostgres, table: str = "words") -> object:
    with psycopg.connect(server.dsn()) as connection:
        row = connection.execute(SQL("SELECT told FROM {}").format(Identifier(table))).fetchone()
    return row and row[0]


def test_what_was_committed_is_there_after_a_restart(folder: Path) -> None:
    with embedded.start(folder) as server, psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("CREATE TABLE more AS SELECT 'more' AS told")
    assert not server.alive()
    with embedded.start(folder) as again:
        assert read(again) == "hello"
        assert read(again, "more") == "more"


def test_a_deep_folder_for_temporary_files_is_no_hindrance(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(folder.parent))
    with embedded.start(folder) as server:
        assert server.socket_dir.parent == Path("/tmp")
        assert read(server) == "hello"


def test_a_folder_belongs_to_one_hub_at_a_time(folder: Path) -> None:
    with embedded.start(folder) as server:
        with pytest.raises(embedded.PostgresFailed, match="another hub is using"):
            embedded.start(folder)
        assert read(server) == "hello", "the first one is not disturbed"


def test_only_the_owner_opens_its_door(folder: Path) -> None:
    with embedded.start(folder) as server:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(server.socket_dir.stat().st_mode) == 0o700
        assert stat.S_IMODE((server.socket_dir / ".s.PGSQL.5432").stat().st_mode) == 0o700
        with psycopg.connect(server.dsn()) as connection:
            row = connection.execute("SHOW listen_addresses").fetchone()
        assert row == ("",), "no port at all"


WAITS = """import sys, threading
from pathlib import Path
from roundsman_hub.store.embedded import start

def work() -> None:
    server = start(Path(sys.argv[1]))
    print(server.pid, flush=True)
    input()

{}
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_whoever_is_ended_by_a_signal_leaves_no_server_running(folder: Path, how: signal.Signals) -> None:
    """A benchmark that is called off, for one: nobody starts another hub in its folder."""
    with subprocess.Popen([sys.executable, "-c", WAITS.format("work()"), folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as bench:
        assert bench.stdout is not None
        left = int(bench.stdout.readline())
        bench.send_signal(how)
    deadline = time.monotonic() + 30
    while (folder / "data" / "postmaster.pid").exists():
        assert time.monotonic() < deadline, f"PostgreSQL {left} still runs"
        time.sleep(0.05)


def test_a_server_left_over_by_a_killed_hub_is_ended_first(folder: Path) -> None:
    """One that another thread than the main one started: its end is not its process's, so it is not tied to it."""
    program = WAITS.format("threading.Thread(target=work).start()")
    with subprocess.Popen([sys.executable, "-c", program, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as hub:
        assert hub.stdout is not None
        left_over = int(hub.stdout.readline())
        hub.send_signal(signal.SIGKILL)
    with embedded.start(folder) as server:
        assert server.pid != left_over
        assert read(server) == "hello"
        deadline = time.monotonic() + 30
        while Path(f"/proc/{left_over}/cmdline").exists() and Path(f"/proc/{left_over}/cmdline").read_bytes():
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_a_damaged_cluster_says_so(folder: Path) -> None:
    control = folder / "data" / "global" / "pg_control"
    kept = control.read_bytes()
    control.write_bytes(b"")
    with pytest.raises(embedded.PostgresFailed, match=r"did not start: .*pg_control"):
        embedded.start(folder)
    control.write_bytes(kept)
    if os.geteuid() == 0:
        found = folder.stat()
        os.chown(control, found.st_uid, found.st_gid)
    with embedded.start(folder) as server:
        assert read(server) == "hello"
