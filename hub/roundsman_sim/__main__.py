"""`roundsman-demo` plays a round; `python -m roundsman_sim bench-loop` measures the loop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

from roundsman_hub import HubError
from roundsman_sim import SimError, demo
from roundsman_sim.settings import DemoSettings

USAGE = """\
usage: roundsman-demo            play a round: hub, roads, vans, drivers, all real processes
       python -m roundsman_sim bench-loop | bench-agent
       python -m roundsman_sim simulate --help      pretend days by policy (also: roundsman-hub simulate)

environment: HEADLESS=1 ends by itself and says its figures as JSON in the last line
             MINUTES=12 FACTOR=30 VANS=8 ORDERS=120 SEED=1 OSM=extract.osm.pbf"""


def main() -> int:
    """Entry point; returns the exit code."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["simulate"]:
        return _simulate(arguments[1:])
    if arguments not in ([], ["demo"], ["bench-loop"], ["bench-agent"]):
        print(USAGE, file=sys.stderr)
        return 2
    try:
        settings = DemoSettings.read(os.environ)
        if arguments == ["bench-loop"]:
            from roundsman_sim import bench_loop  # the demo needs none of it

            return asyncio.run(_until_interrupted(bench_loop.main(settings, _say())))
        if arguments == ["bench-agent"]:
            from roundsman_sim import bench_agent

            return bench_agent.main(_say())
        return asyncio.run(_until_interrupted(_demo(settings)))
    except (SimError, HubError) as error:
        print(f"roundsman-demo: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("roundsman-demo: ended", file=sys.stderr)
        return 130


def _simulate(arguments: list[str]) -> int:
    from roundsman_sim import day_command  # the demo needs none of it

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the town's folder goes with it
    try:
        return day_command.main(arguments)
    except (SimError, HubError) as error:
        print(f"roundsman-hub simulate: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("roundsman-hub simulate: ended", file=sys.stderr)
        return 130


async def _demo(settings: DemoSettings) -> int:
    figures = await demo.run(settings, _say())
    wrong = demo.shortcomings(figures)
    for line in wrong:
        print(f"short: {line}", flush=True)
    print(demo.last_line(figures), flush=True)
    return 1 if wrong else 0


def _say() -> Callable[[str], None]:
    """Prints what happens, with the real seconds since the start."""
    started_s = time.monotonic()
    return lambda text: print(f"{time.monotonic() - started_s:7.1f} s  {text}", flush=True)


async def _until_interrupted(work: Coroutine[Any, Any, int]) -> int:
    """Do the work; Ctrl-C (which asyncio sees to) or SIGTERM end it in order."""
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


if __name__ == "__main__":
    sys.exit(main())
