"""The loop runs: hub, roads, vans and drivers as real processes, for half an hour of their day."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

SHORT = {"HEADLESS": "1", "MINUTES": "0.6", "FACTOR": "60", "VANS": "3", "ORDERS": "15", "SEED": "5"}


def demo(environment: dict[str, str], folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "roundsman_sim", "demo"],
        env=os.environ | {"TMPDIR": str(folder)} | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture
def folder() -> Iterator[Path]:
    """For temporary files; its path is short, since Chromium keeps a socket there and gives up beyond 107 bytes."""
    made = Path(tempfile.mkdtemp(prefix="roundsman-"))
    yield made
    shutil.rmtree(made)


@pytest.mark.timeout(300)
def test_short_round_resolves_what_fell_due_and_loses_no_fix(folder: Path) -> None:
    process = demo(SHORT, folder)
    output, _ = process.communicate(timeout=280)
    assert process.returncode == 0, output
    figures = json.loads(output.splitlines()[-1])
    assert figures["vans"] == 3
    assert figures["orders"] >= 15
    assert figures["fixes_made"] > 1_000
    assert (figures["fixes_missing"], figures["fixes_twice"]) == (0, 0)
    assert figures["fixes_stored"] == figures["fixes_made"]
    assert figures["plans_issued"] >= 2
    assert figures["receipts"] >= figures["plans_issued"]
    assert figures["delivered"] >= 1
    assert not list(folder.glob("roundsman-demo-*")), "a run that went well leaves nothing behind"


@pytest.fixture
def heeds_interrupts() -> Iterator[None]:
    """What a shell starts in the background ignores Ctrl-C, and so does what that starts: the demo of this test shall not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.timeout(220)
def test_interrupted_demo_ends_everything_that_it_started(folder: Path, heeds_interrupts: None) -> None:
    process = demo(SHORT | {"MINUTES": "10"}, folder)
    assert process.stdout is not None
    for line in process.stdout:
        if "hub at" in line:
            break
    started = _family(process.pid)
    assert len(started) >= 5, "hub, database, broker, and the hub's roles"
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=150)[0]
    assert process.returncode == 130, output
    deadline = time.monotonic() + 60
    while alive := [pid for pid in started if _is_alive(pid)]:
        assert time.monotonic() < deadline, f"still there: {[Path(f'/proc/{pid}/cmdline').read_bytes() for pid in alive]}"
        time.sleep(0.05)


def _family(root: int) -> list[int]:
    """All living descendants of a process."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, todo = [], [root]
    while todo:
        new = children.get(todo.pop(), [])
        found += new
        todo += new
    return found


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
