"""`osrm-routed` as a side process on a loopback port of its own."""

from __future__ import annotations

import atexit
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Final

import httpx

from roundsman_hub.broker import free_port
from roundsman_hub.roads.extract import Progress, dataset, osrm_folder
from roundsman_hub.roads.network import RoadsError
from roundsman_hub.tether import tethered

MAX_TABLE: Final = 5_000
"""Places in one table: 25 million cells take about 400 MB and two minutes, the most that is of use in one answer."""
START_LIMIT_S: Final = 120.0
"""A country's dataset is read in half a minute; a town's in 0.1 s."""


class OsrmProcess:
    """One running `osrm-routed`. Its address stays the same when it has to be started again.

    Parameters
    ----------
    base : Path
        Dataset, as `extract.dataset` gives it.
    threads : int
        How many requests it answers at once.
    mapped : bool
        Read the files where they lie: servers of one extract then share the memory of all that they have in common, and one is up in
        milliseconds.
    """

    def __init__(self, base: Path, *, threads: int = 2, mapped: bool = False) -> None:
        self._base, self._threads, self._mapped = base, threads, mapped
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._words = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the process; closed in close()
        self._lock = threading.Lock()
        self._closed = False
        atexit.register(self.close)  # an owner that fails before it closes leaves no server behind
        self.ensure()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        """Process id while there is one."""
        return None if self._process is None else self._process.pid

    def ensure(self) -> None:
        """Start it unless it runs.

        Raises
        ------
        RoadsError
            It does not come up; with its own last words.
        """
        with self._lock:
            if self._closed:
                raise RoadsError("osrm-routed was ended")
            if self._process is None or self._process.poll() is not None:
                self._start()

    def close(self) -> None:
        """End it."""
        with self._lock:
            self._closed = True
            atexit.unregister(self.close)
            if self._process is not None:
                self._process.terminate()
                try:
                    self._process.wait(5)
                except subprocess.TimeoutExpired:
                    self._process.kill()
                    self._process.wait()
                self._process = None
                self._words.close()

    def __enter__(self) -> OsrmProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _start(self) -> None:
        programs = osrm_folder()
        if programs is None:
            raise RoadsError("the osrm-bindings wheel is not installed (it needs Python 3.12 or newer)")
        command = [str(programs / "bin" / "osrm-routed"), "-l", "WARNING", "-a", "MLD", "-i", "127.0.0.1", "-p", str(self._port)]
        command += ["-t", str(self._threads), "--max-table-size", str(MAX_TABLE)]
        command += [*(["--mmap=1"] if self._mapped else []), str(self._base)]
        self._words.truncate(0)
        self._process = subprocess.Popen(
            tethered(command),  # a hub that is killed leaves none behind
            stdin=subprocess.DEVNULL,
            stdout=self._words,
            stderr=self._words,
            start_new_session=True,  # Ctrl-C in a terminal reaches serve alone, which ends its children in order
        )
        deadline = time.monotonic() + START_LIMIT_S
        while not _answers(self.url):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._process.kill()
                self._process.wait()
                self._words.seek(0)
                words = self._words.read().decode(errors="replace").strip().splitlines()[-3:]
                raise RoadsError(f"osrm-routed does not answer on {self.url}: {' / '.join(words)}")
            time.sleep(0.02)


def start_osrm(osm: Path, cache_dir: Path, progress: Progress = print) -> OsrmProcess:
    """Make the extract's dataset if needed, and serve it. For a whole group of processes: start it once, hand its `url` to the others."""
    process = OsrmProcess(dataset(osm, cache_dir, progress))
    progress(f"roads: osrm-routed answers on {process.url}")
    return process


def _answers(url: str) -> bool:
    try:
        return "code" in httpx.get(f"{url}/nearest/v1/driving/0,0", timeout=2.0, trust_env=False).json()
    except (httpx.HTTPError, ValueError):
        return False
