"""The search process of one engine: reads problems from stdin, answers plans on stdout, ends when stdin does.

Started by `process.EngineProcess`, with the engine's name and the limit of its memory.
"""

from __future__ import annotations

import importlib
import pickle
import resource
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Final

from roundsman_hub.planning.engines import Better
from roundsman_hub.planning.problem import Plan

LENGTH: Final = struct.Struct("<Q")

LEAST_LEFT: Final = 0.5
"""A start that is slow leaves so much of the budget for the search, and it ends later. (On a quiet core it takes 0.5 to 0.8 s.)"""
TELLS_EVERY_S: Final = 1.0
"""A better plan is told no more often than that."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Real seconds for a search, from when it was asked for, on the clock that all processes of a machine share."""

    budget_s: float
    at_s: float

    def left_s(self, now_s: float) -> float:
        """What is left now: the start of this process, and a large problem's way into it, are part of the budget."""
        return max(self.at_s + self.budget_s - now_s, LEAST_LEFT * self.budget_s)


class Teller:
    """Sends the best plan so far to whoever listens, while the search goes on."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink, self._told_at = sink, time.monotonic()
        self._told: object = None

    def __call__(self, best: object, plan: Callable[[], Plan]) -> None:
        """Called at every step: `best` is what the engine itself calls it, and `plan` makes a plan of it."""
        now = time.monotonic()
        if best is not self._told and now >= self._told_at + TELLS_EVERY_S:
            self._told, self._told_at = best, now
            send(self._sink, Better(plan()))


def send(stream: BinaryIO, value: object) -> None:
    """One message: its length, then its pickle. Both ends are ours, and nobody else can write to the pipe."""
    data = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(LENGTH.pack(len(data)) + data)
    stream.flush()


def main() -> int:
    """Limit memory first, then search for whoever asks."""
    name, memory_mb = sys.argv[1], int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20, memory_mb << 20))
    engine = importlib.import_module(f"roundsman_hub.planning.engines.{name}_engine")
    if engine.LIBRARY is not None:
        importlib.import_module(engine.LIBRARY)  # before it is asked what is left of a budget
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while header := source.read(LENGTH.size):
        problem, warm, asked, seed, heard = pickle.loads(source.read(LENGTH.unpack(header)[0]))
        try:
            tell = {"tell": Teller(sink)} if heard and engine.TELLS else {}
            send(sink, engine.solve(problem, warm, asked.left_s(time.monotonic()), seed, **tell))
        except MemoryError:
            send(sink, f"out of memory ({memory_mb} MB)")
        except (ValueError, RuntimeError, IndexError) as error:
            send(sink, f"{type(error).__name__}: {error}")
    return 0


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except KeyboardInterrupt:  # Ctrl-C reaches whoever is at the terminal: who started this has the best plan so far
        raise SystemExit(130) from None
