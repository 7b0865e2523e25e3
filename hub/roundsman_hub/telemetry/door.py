"""A process's door for those who watch it: /metrics, /healthz, /readyz, /figures over HTTP on the loopback, and a note of where."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from roundsman_hub.settings import Endpoint, write_private
from roundsman_hub.telemetry.figures import FIGURES, Figures, Sample, exposition
from roundsman_hub.telemetry.vitals import VITALS

FOLDER: Final = "telemetry"
TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
STARTED_AT: Final = time.time()
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")

Problems = Callable[[], dict[str, str]]
Told = Callable[[], Sequence[Sample]]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    samples: Told
    problems: Problems


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        match self.path.partition("?")[0]:
            case "/metrics":
                self._answer(200, TEXT, exposition(self.server.samples()))
            case "/figures":
                self._json(200, [list(sample) for sample in self.server.samples()])
            case "/healthz":
                self._json(200, {"status": "alive"})
            case "/readyz":
                problems = self.server.problems()
                self._json(503 if problems else 200, {"status": "not ready" if problems else "ready", "problems": problems})
            case _:
                self._json(404, {"doors": ["/metrics", "/healthz", "/readyz", "/figures"]})

    def _json(self, status: int, body: Any) -> None:
        self._answer(status, "application/json", json.dumps(body))

    def _answer(self, status: int, kind: str, text: str) -> None:
        body = text.encode()
        with contextlib.suppress(OSError):  # who asked has gone
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing: it is asked every few seconds."""


@contextlib.contextmanager
def open_door(at: Endpoint, samples: Told, problems: Problems) -> Iterator[str]:
    """Answer on `at` (port 0: any free one) while the block runs; gives the address as a URL."""
    server = _Server((at.host, at.port), _Handler)
    server.samples, server.problems = samples, problems
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="door", daemon=True)
    thread.start()
    try:
        yield f"http://{Endpoint(host=at.host, port=server.server_port)}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def watched(data_dir: Path, role: str) -> Iterator[None]:
    """This process is the role: its door is open, and DIR/telemetry says where."""
    folder = data_dir / FOLDER
    note = folder / f"{role}-{os.getpid()}.json"
    _forget_the_dead(folder, role)
    VITALS.known = True
    with open_door(Endpoint(host="127.0.0.1", port=0), lambda: own_samples(FIGURES), VITALS.problems) as url:
        write_private(note, json.dumps({"role": role, "pid": os.getpid(), "born": born(os.getpid()), "url": url}))
        try:
            yield
        finally:
            VITALS.known = False
            note.unlink(missing_ok=True)


def own_samples(figures: Figures) -> list[Sample]:
    """This process's figures, with what every process has."""
    times = os.times()
    figures.put("roundsman_up", 1)
    figures.put("roundsman_ready", not VITALS.problems())
    figures.put("process_cpu_seconds_total", times.user + times.system)
    figures.put("process_start_time_seconds", STARTED_AT)
    with contextlib.suppress(OSError, ValueError, IndexError):  # Linux alone has this file
        figures.put("process_resident_memory_bytes", int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES)
    return figures.samples()


def _forget_the_dead(folder: Path, role: str) -> None:
    """Notes of this role's processes that are no more: a kill leaves them behind."""
    for note in folder.glob(f"{role}-*.json"):
        with contextlib.suppress(ValueError, OSError, KeyError):
            told = json.loads(note.read_text())
            if born(told["pid"]) != told["born"]:
                note.unlink(missing_ok=True)


def born(pid: int) -> int:
    """When a process began, in the kernel's ticks since the machine did; 0: there is none. A number alone may be another's by now."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0
