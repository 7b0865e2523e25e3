"""roundsman-agent: run the unit, replay a drive, ask a running unit how it is, find out why one does not work, show its settings.

Each verb loads what it needs and no more: what `doctor` brings along would be a twentieth of a running unit's memory.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import math
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import msgspec

from roundsman_agent import AgentError, __version__, config
from roundsman_agent.config import DEFAULT_PATH, AgentConfig

REPLAY_SPEED = 20.0
"""Through a gpsd: it follows 60 epochs a second (measured), and receivers of 5 Hz exist only in a few units."""


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the program."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        code = options.act(options)
    except AgentError as error:
        print(f"roundsman-agent: {error}", file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="roundsman-agent", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(required=True, metavar="run | replay | status | doctor | config")

    run = verbs.add_parser("run", help="work until stopped")
    run.set_defaults(act=_run)
    again = verbs.add_parser("replay", help="drive a recorded NMEA log again: into the hub that -c names, or to see what it comes to")
    again.add_argument("file", type=Path)
    again.add_argument("--through-gpsd", action="store_true", help="let a real gpsd read it first")
    again.add_argument("--speed", type=float, default=REPLAY_SPEED, help=f"times as fast as it was driven (default {REPLAY_SPEED:g})")
    again.set_defaults(act=_replay)
    asked = verbs.add_parser("status", help="how the running unit is; code 1: something needs attention, 3: none runs")
    asked.add_argument("--json", action="store_true", help="as one JSON object")
    asked.set_defaults(act=_status)
    examined = verbs.add_parser("doctor", help="look at everything, and say what to do; code 1: something does not work")
    examined.add_argument("--json", action="store_true", help="as one JSON object")
    examined.set_defaults(act=_doctor)
    shown = verbs.add_parser("config", help="every setting, its value, and the file and line it came from")
    shown.set_defaults(act=_config)
    for verb in (run, again, asked, examined, shown):
        verb.add_argument("-c", "--config", type=Path, default=None, metavar="FILE", help=f"settings (default {DEFAULT_PATH})")
    return parser


def _load(options: argparse.Namespace) -> AgentConfig:
    found = config.load(options.config or DEFAULT_PATH)
    logging.basicConfig(level=found.log_level.upper(), format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    return found


def _run(options: argparse.Namespace) -> int:
    # numpy's algebra, which nobody here uses, would start a thread a core and keep memory for each.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from roundsman_agent import daemon
    from roundsman_agent.ear import DozingLoop

    # What is loaded now stays: the collector need not look at it again with every thousandth fix.
    gc.collect()
    gc.freeze()
    with asyncio.Runner(loop_factory=DozingLoop) as runner:
        runner.run(daemon.run(_load(options)))
    return 0


def _replay(options: argparse.Namespace) -> int:
    from roundsman_agent import replay

    if not (math.isfinite(options.speed) and options.speed > 0):
        raise AgentError(f"--speed {options.speed:g}: must be more than 0")
    if options.config is None:
        print(asyncio.run(replay.replay(options.file, through_gpsd=options.through_gpsd, speed=options.speed)))
        return 0
    settings = _load(options)
    with tempfile.TemporaryDirectory(prefix="roundsman-replay-") as folder:
        # A store of its own: the unit's log is of drives that happened to it. Its session chain begins anew.
        asyncio.run(_into_hub(options, replace(settings, store_dir=Path(folder), screen_port=0, sampling_mode="full")))
    return 0


async def _into_hub(options: argparse.Namespace, settings: AgentConfig) -> None:
    from roundsman_agent import daemon, replay

    ran: list[daemon.Daemon] = []

    async def drive(feed: replay.Feed) -> None:
        own = replace(settings, receiver_url=feed.url, time_base=feed.time_base)
        await daemon.run(own, ended=feed.ended, on_ready=ran.append)

    summary = await replay.replay(options.file, through_gpsd=options.through_gpsd, speed=options.speed, run=drive)
    print(summary)
    for unit in ran:
        told = unit.status()
        log = told["log"]
        print(
            f"session {told['session']}: {log['track']['acked']} of {log['track']['last']} fixes and {log['facts']['acked']} of "
            f"{log['facts']['last']} facts are committed at the hub"
            if settings.broker is not None
            else f"session {told['session']}: {log['track']['last']} fixes and {log['facts']['last']} facts logged; no broker is set"
        )


def _status(options: argparse.Namespace) -> int:
    from roundsman_agent import status

    settings = _load(options)
    try:
        told = status.ask(settings)
    except AgentError as error:
        print(f"roundsman-agent: {error}", file=sys.stderr)
        return status.NOT_RUNNING
    print(msgspec.json.encode(told).decode() if options.json else status.describe(told))
    return 1 if status.needs_attention(told) else 0


def _doctor(options: argparse.Namespace) -> int:
    from roundsman_agent import doctor

    findings = doctor.examine(options.config or DEFAULT_PATH)
    well = all(finding.verdict != "bad" for finding in findings)
    print(msgspec.json.encode({"works": well, "findings": findings}).decode() if options.json else doctor.describe(findings))
    return 0 if well else 1


def _config(options: argparse.Namespace) -> int:
    print(config.describe(_load(options)))
    return 0


if __name__ == "__main__":
    main()
