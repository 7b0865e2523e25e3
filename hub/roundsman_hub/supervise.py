"""Keeps a hub's processes running: the roles, and what they stand on. What dies is started again; its log says why it died."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from roundsman_core.backoff import pause_s
from roundsman_hub import broker
from roundsman_hub.broker import BrokerFailed
from roundsman_hub.roles import ROLES
from roundsman_hub.store import embedded

ROLES_END_WITHIN_S: Final = 2.5
"""Then they are killed, so that broker and database have their time within the five seconds that a service manager is told."""
BACKOFF_S: Final = (0.5, 10.0)
STEADY_S: Final = 30.0
"""Alive this long: the next failure is the first again."""

Say = Callable[[str], None]


@dataclass
class _Role:
    name: str
    log_file: Path
    process: subprocess.Popen[bytes] | None = None
    failures: int = 0
    started_at: float = 0.0
    again_at: float = field(default=0.0)


class Supervisor:
    """Keeps the roles running. A role that dies is started again, later each time; its log says why."""

    def __init__(self, data_dir: Path, say: Say) -> None:
        self._data_dir, self._say = data_dir, say
        log_dir = data_dir / "log"
        log_dir.mkdir(parents=True, exist_ok=True)
        self._roles = [_Role(name=name, log_file=log_dir / f"{name}.log") for name in ROLES]

    def pids(self) -> dict[str, int | None]:
        """Process id of each role that runs."""
        return {role.name: role.process.pid for role in self._roles if role.process is not None}

    def step(self) -> None:
        """Start what should run and does not."""
        for role in self._roles:
            if role.process is not None and role.process.poll() is not None:
                code, role.process = role.process.returncode, None
                if time.monotonic() - role.started_at > STEADY_S:
                    role.failures = 0
                role.failures += 1
                wait_s = pause_s(role.failures, *BACKOFF_S, random.random())
                role.again_at = time.monotonic() + wait_s
                self._say(f"{role.name} ended with {code}, starts again in {wait_s:.1f} s: {last_line(role.log_file)} ({role.log_file})")
            if role.process is None and time.monotonic() >= role.again_at:
                self._start(role)

    def _start(self, role: _Role) -> None:
        with role.log_file.open("ab") as log:
            role.process = subprocess.Popen(
                [sys.executable, "-m", "roundsman_hub", role.name, "--data", str(self._data_dir), "--tied"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in a terminal reaches serve alone, which ends its children in order
            )
        role.started_at = time.monotonic()

    def stop(self) -> None:
        """End all roles, together."""
        processes = [role.process for role in self._roles if role.process is not None]
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + ROLES_END_WITHIN_S
        for process in processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class BrokerKeeper:
    """The broker, started again when it dies."""

    def __init__(self, made: broker.Broker, say: Say) -> None:
        self._made, self._say = made, say
        self._process = broker.start(made)
        self._phones_ns = self._phones_changed_ns()

    @property
    def pid(self) -> int:
        return self._process.pid

    def step(self) -> None:
        """Start it again if it died; a start that fails is tried again at the next step. Other passwords of telephones are read anew:
        who is no longer among them is put off the line."""
        changed_ns = self._phones_changed_ns()
        if changed_ns != self._phones_ns and self._process.poll() is None:
            self._phones_ns = changed_ns
            self._process.send_signal(signal.SIGHUP)
        if self._process.poll() is not None:
            self._say(f"the broker ended with {self._process.returncode}, starting it again")
            with contextlib.suppress(BrokerFailed):
                self._process = broker.start(self._made)

    def stop(self) -> None:
        broker.stop(self._process)

    def _phones_changed_ns(self) -> int:
        try:
            return self._made.phones_file.stat().st_mtime_ns
        except FileNotFoundError:
            return 0


class DatabaseKeeper:
    """The embedded database, started again when it dies."""

    def __init__(self, directory: Path, say: Say) -> None:
        self._directory, self._say = directory, say
        self._server = embedded.start(directory)

    @property
    def pid(self) -> int:
        return self._server.pid

    @property
    def dsn(self) -> str:
        return self._server.dsn()

    def step(self) -> None:
        """Start it again if it died."""
        if not self._server.alive():
            self._say(f"the database ended, starting it again ({self._server.log_file})")
            self._server.stop()
            with contextlib.suppress(embedded.PostgresFailed):
                self._server = embedded.start(self._directory)

    def stop(self) -> None:
        self._server.stop()


def last_line(path: Path) -> str:
    """The last line of a log."""
    try:
        lines = path.read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""
