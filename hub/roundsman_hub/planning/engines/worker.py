"""The search process: reads problems from stdin, answers plans on stdout, ends when stdin does. Started by `process.EngineProcess`."""

from __future__ import annotations

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
    memory_mb = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20, memory_mb << 20))
    from roundsman_hub.planning.engines import pyvrp_engine

    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while header := source.read(LENGTH.size):
        problem, warm, budget_s, seed = pickle.loads(source.read(LENGTH.unpack(header)[0]))
        try:
            send(sink, pyvrp_engine.solve(problem, warm, budget_s, seed))
        except MemoryError:
            send(sink, f"out of memory ({memory_mb} MB)")
        except (ValueError, RuntimeError, IndexError) as error:
            send(sink, f"{type(error).__name__}: {error}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
