"""A search in a process of its own, with limits on time and memory: a crash or a hang costs one answer, never the planner."""

from __future__ import annotations

import pickle
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final

from roundsman_hub.planning.engines import Better, EngineFailed, ortools_engine, pyvrp_engine, ruin_engine, vroom_engine
from roundsman_hub.planning.engines.worker import LENGTH, Asked, send
from roundsman_hub.planning.problem import Plan, Problem

MEMORY_MB: Final = 4_096
"""Address space, not resident memory: numpy and PyVRP reserve 1 GB before the first client; 1,000 tasks and 8 vans took 1.6 GB."""
GRACE_S: Final = 5.0
"""Past the budget, for translating a large problem both ways and for the last local search, which PyVRP does not interrupt."""
START_S: Final = 30.0
"""Past that, for the first answer of a new process: importing numpy and PyVRP takes 0.6 s on a quiet core, far more on a busy one."""
FEATURES: Final = {engine.NAME: engine.FEATURES for engine in (pyvrp_engine, vroom_engine, ortools_engine, ruin_engine)}
"""What each engine respects. (The modules import their solvers only when they search: in the process.)"""


class EngineProcess:
    """An engine behind two pipes. The process is started at the first problem and kept; after a failure the next problem gets a new one.

    Parameters
    ----------
    name : str
        Which engine: a key of `FEATURES`.
    memory_mb : int
        Limit of the process's address space.
    grace_s : float
        How long past its budget a search may take before it is ended.
    heard : callable, optional
        Told, with the engine's name, of plans that a search comes to while it goes on; nobody has judged them.
    """

    def __init__(
        self,
        name: str = pyvrp_engine.NAME,
        *,
        memory_mb: int = MEMORY_MB,
        grace_s: float = GRACE_S,
        heard: Callable[[str, Problem, Plan], None] | None = None,
    ) -> None:
        self._heard = heard
        self.name, self.features = name, FEATURES[name]
        self._memory_mb, self._grace_s = memory_mb, grace_s
        self._process: subprocess.Popen[bytes] | None = None
        self._fresh = True
        self._given_up = threading.Event()
        self._lock = threading.Lock()

    @property
    def pid(self) -> int | None:
        """Process id while there is one."""
        return None if self._process is None else self._process.pid

    def solve(self, problem: Problem, warm: Plan, budget_s: float, seed: int) -> Plan:
        """See `Engine.solve`. One search at a time; others wait for their turn. The start of a process counts (`worker.Asked`)."""
        with self._lock:
            process = self._started()
            deadline = time.monotonic() + budget_s + self._grace_s + (START_S if self._fresh else 0.0)
            try:
                question = (problem, warm, Asked(budget_s, time.monotonic()), seed, self._heard is not None)
                answer = self._ask(process, question, deadline)
                while isinstance(answer, Better):
                    if self._heard is not None:
                        self._heard(self.name, problem, answer.plan)
                    answer = self._answer(process, deadline)
            except (EngineFailed, OSError, pickle.UnpicklingError) as error:
                self._end()
                raise error if isinstance(error, EngineFailed) else EngineFailed(f"{self.name}: {error}") from None
            self._fresh = False
            if isinstance(answer, Plan):
                return answer
            self._end()  # whatever went wrong in there, the next problem meets a clean process
            raise EngineFailed(f"{self.name}: {answer}")

    def give_up(self) -> None:
        """End the process in the middle of its search, from another thread than the one that waits for it; it is asked nothing any more."""
        self._given_up.set()
        process = self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def __enter__(self) -> EngineProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._given_up.is_set():
            raise EngineFailed(f"{self.name}: given up")
        if self._process is None or self._process.poll() is not None:
            self._end()
            command = [sys.executable, "-m", "roundsman_hub.planning.engines.worker", self.name, str(self._memory_mb)]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
            self._fresh = True
            if self._given_up.is_set():  # by another thread, while this one started it
                self._process.kill()
        return self._process

    def _ask(self, process: subprocess.Popen[bytes], question: object, deadline: float) -> object:
        writer = threading.Thread(target=_send_quietly, args=(process, question), daemon=True)
        writer.start()  # a hung process reads nothing, and a full pipe would hang the sender with it
        try:
            return self._answer(process, deadline)
        finally:
            if not writer.is_alive():
                writer.join()

    def _answer(self, process: subprocess.Popen[bytes], deadline: float) -> object:
        size = LENGTH.unpack(self._read(process, LENGTH.size, deadline))[0]
        return pickle.loads(self._read(process, size, deadline))

    def _read(self, process: subprocess.Popen[bytes], size: int, deadline: float) -> bytes:
        assert process.stdout is not None
        out = bytearray()
        while len(out) < size:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([process.stdout], [], [], left)[0]:
                raise EngineFailed(f"{self.name}: no answer in time")
            chunk = process.stdout.read(size - len(out))
            if not chunk:
                raise EngineFailed(f"{self.name}: the search process ended (code {process.wait(timeout=5)})")
            out += chunk
        return bytes(out)

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    _close_quietly(pipe)


def _send_quietly(process: subprocess.Popen[bytes], question: object) -> None:
    """Send; a process that died meanwhile is noticed by the reader."""
    assert process.stdin is not None
    try:
        send(process.stdin, question)  # type: ignore[arg-type]  # an unbuffered pipe is a RawIOBase with the same write
    except (OSError, ValueError):
        return


def _close_quietly(pipe: object) -> None:
    try:
        pipe.close()  # type: ignore[attr-defined]
    except OSError:
        return  # bytes that the dead process never took
