"""The search process of one engine: reads problems from stdin, answers plans on stdout, ends when stdin does.

Started by `process.EngineProcess`, with the engine's name and the limit of its memory.
"""

from __future__ import annotations

import importlib
import pickle
import resource
import struct
import sys
from typing import BinaryIO, Final

LENGTH: Final = struct.Struct("<Q")


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
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while header := source.read(LENGTH.size):
        problem, warm, budget_s, seed = pickle.loads(source.read(LENGTH.unpack(header)[0]))
        try:
            send(sink, engine.solve(problem, warm, budget_s, seed))
        except MemoryError:
            send(sink, f"out of memory ({memory_mb} MB)")
        except (ValueError, RuntimeError, IndexError) as error:
            send(sink, f"{type(error).__name__}: {error}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
