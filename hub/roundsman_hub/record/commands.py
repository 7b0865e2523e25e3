"""`roundsman-hub record`, `replay` and `simulate`: their command lines."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Final

from roundsman_hub.clock import Clock
from roundsman_hub.record import record, replay
from roundsman_hub.settings import load
from roundsman_hub.store.db import Database
from roundsman_hub.store.migrate import migrate


def run_record(arguments: Sequence[str], data: Path) -> int:
    """A day into a file."""
    parser = argparse.ArgumentParser(
        prog="roundsman-hub record", description="Write a fleet's day into one file: log, orders, journal, plans."
    )
    parser.add_argument("--day", type=date.fromisoformat, required=True, help="such as 2026-03-02, in the fleet's own time zone")
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    parser.add_argument("--fleet", help="where there are several")
    options = parser.parse_args(arguments)
    settings = load(data)
    with Database.connect(settings.database_url, max_size=2) as db:
        fleet, timezone = record.fleet_of(db, options.fleet)
        counts = record.record(db, fleet, timezone, options.day, Clock(settings.time_base).now(), options.out)
    print(
        f"{options.out}: {options.out.stat().st_size:,} bytes; {', '.join(f'{count:,} {name}' for name, count in counts.items() if count)}"
    )
    return 0


def run_replay(arguments: Sequence[str], data: Path) -> int:
    """A file into an empty hub. Exit code 1 where what is derived of it differs from the file."""
    parser = argparse.ArgumentParser(
        prog="roundsman-hub replay",
        description="Let a recorded day happen again in an empty hub. Run no planner on it: the plans are those of the day.",
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--database-url", help="an empty database; without it, that of the hub in --data")
    parser.add_argument("--speed", type=float, help="business seconds a real second; without it, as fast as it goes")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    dsn = options.database_url or load(data).database_url
    migrate(dsn)
    with Database.connect(dsn, max_size=4) as db:
        done = replay.replay(db, options.file, speed=options.speed)
        differs = done.differs
        if options.json:
            body = {"fleet": done.head.fleet, "day": done.head.day.isoformat(), "events": done.events}
            print(json.dumps(body | {"same": not differs, "derived": done.derived, "expected": done.expected}))
            return 1 if differs else 0
        print(f"{done.head.day} of fleet {done.head.fleet}: {done.events:,} parts in their order")
        for name, told in done.expected.items():
            found = done.derived[name]
            same = "same" if name not in differs else f"DIFFERS (recorded: {told['rows']:,} rows, {told['sha256'][:12]})"
            print(f"  {name:14} {found['rows']:>9,} rows  {found['sha256'][:12]}  {same}")
    if differs:
        print("the derived tables differ from the recording hub's: was it of another release?", file=sys.stderr)
    return 1 if differs else 0


COMMANDS: Final[dict[str, tuple[str, Callable[[Sequence[str], Path], int]]]] = {
    "record": ("write a fleet's day into one file", run_record),
    "replay": ("let a recorded day happen again, in an empty hub", run_replay),
}
