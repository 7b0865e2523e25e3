"""`roundsman-hub record`, `replay` and `simulate`: their command lines."""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Final

from roundsman_hub import progress
from roundsman_hub.api import keys
from roundsman_hub.clock import Clock
from roundsman_hub.planning.engines.process import EngineProcess
from roundsman_hub.record import observed, record, replay, simulate
from roundsman_hub.roads import GreatCircle, OsrmRoads, RoadNetwork
from roundsman_hub.settings import BLOBS, load
from roundsman_hub.store import photos
from roundsman_hub.store.db import Database
from roundsman_hub.store.migrate import migrate


def run_record(arguments: Sequence[str], data: Path) -> int:
    """A day into a file."""
    parser = argparse.ArgumentParser(
        prog="roundsman-hub record", description="Write a fleet's day into one file: log, orders, journal, plans."
    )
    parser.add_argument("--day", type=_day, required=True, help="such as 2026-03-02, in the fleet's own time zone")
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    parser.add_argument("--fleet", help="where there are several")
    parser.add_argument("--photos", action="store_true", help="copy the day's photos and signatures to photos/ beside the file, too")
    options = parser.parse_args(arguments)
    settings = load(data)
    with Database.connect(settings.database_url, max_size=2) as db:
        fleet, timezone = record.fleet_of(db, options.fleet)
        counts = record.record(
            db, fleet, timezone, options.day, Clock(settings.time_base).now(), options.out, progress=progress.on_stderr()
        )
        if options.photos:
            with db.transaction() as cur:
                names = photos.of_day(cur, fleet, *record.bounds(timezone, options.day))
            counts["photos"] = len(names) - len(photos.carry(settings.blobs_dir, _beside(options.out), names).spoilt)
    print(
        f"{options.out}: {options.out.stat().st_size:,} bytes; {', '.join(f'{count:,} {name}' for name, count in counts.items() if count)}"
    )
    return 0


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day such as 2026-03-02") from None


def _beside(file: Path) -> Path:
    return file.absolute().parent / photos.FOLDER


def run_replay(arguments: Sequence[str], data: Path) -> int:
    """A file into an empty hub. Exit code 1 where what is derived of it differs from the file."""
    parser = argparse.ArgumentParser(
        prog="roundsman-hub replay",
        description="Let a recorded day happen again in an empty hub. Run no planner on it: the plans are those of the day.",
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--database-url", help="an empty database; without it, that of the hub in --data")
    parser.add_argument("--speed", type=float, help="business seconds a real second; without it, as fast as it goes")
    parser.add_argument("--photos", action="store_true", help="take the photos of photos/ beside the file into the hub in --data")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    dsn = options.database_url or load(data).database_url
    migrate(dsn)
    with Database.connect(dsn, max_size=4) as db:
        done = replay.replay(db, options.file, speed=options.speed, progress=progress.on_stderr())
        if options.photos:
            names = [path.name for path in photos.whole(_beside(options.file))]
            with db.transaction() as cur:
                photos.carry(_beside(options.file), data / BLOBS, names)
                photos.adopt(cur, done.head.fleet, names, done.head.until)
        differs = done.differs
        key = keys.create(db, done.head.fleet, "admin", f"replay of {done.head.day}")
        if options.json:
            body = {"fleet": done.head.fleet, "day": done.head.day.isoformat(), "events": done.events}
            print(json.dumps(body | {"same": not differs, "key": key, "derived": done.derived, "expected": done.expected}))
            return 1 if differs else 0
        print(f"{done.head.day} of fleet {done.head.fleet}: {done.events:,} parts in their order")
        for name, told in done.expected.items():
            found = done.derived[name]
            same = "same" if name not in differs else f"DIFFERS (recorded: {told['rows']:,} rows, {told['sha256'][:12]})"
            print(f"  {name:14} {found['rows']:>9,} rows  {found['sha256'][:12]}  {same}")
        print(f"an admin's API key for this fleet, shown this once: {key}")
    if differs:
        print("the derived tables differ from the recording hub's: was it of another release?", file=sys.stderr)
    return 1 if differs else 0


def run_simulate(arguments: Sequence[str], data: Path) -> int:
    """Policies on a recorded day, compared; without one, on pretend days. Needs no hub."""
    if not any(argument.startswith("--from-day") for argument in arguments):
        return _pretend(arguments)
    policies = "; ".join(f"{name}: {words}" for name, words in simulate.POLICIES.items())
    parser = argparse.ArgumentParser(
        prog="roundsman-hub simulate",
        description="Drive a recorded day's orders by planning policies, on that day's legs and services.",
        epilog=f"{policies}.",
    )
    parser.add_argument("--from-day", type=Path, required=True, metavar="FILE", help="made by roundsman-hub record")
    parser.add_argument("--policy", action="append", choices=list(simulate.POLICIES), help="may be repeated; without it, all")
    parser.add_argument("--osrm-url", help="roads; without it, straight lines times a detour")
    parser.add_argument("--search-s", type=float, default=1.0, help="real seconds of each search (default: 1)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    day = observed.load(options.from_day)
    roads: RoadNetwork = OsrmRoads(options.osrm_url) if options.osrm_url else GreatCircle()
    try:
        with EngineProcess() as engine:  # started with the first search
            outcomes = [simulate.happened(day)]
            wanted = options.policy or list(simulate.POLICIES)
            tell = progress.on_stderr()
            for done, policy in enumerate(wanted):
                tell(f"policies driven, now {policy}", done, len(wanted))
                outcomes.append(simulate.simulate(day, policy, roads, engine, search_s=options.search_s))
    finally:
        roads.close()
    if options.json:
        rows = [asdict(outcome) | {"on_time_share": outcome.on_time_share} for outcome in outcomes]
        body = {"day": day.head.day.isoformat(), "fleet": day.head.fleet, "roads": roads.name}
        print(json.dumps(body | {"observed_legs": len(day.leg_s), "observed_services": len(day.service_s), "policies": rows}))
        return 0
    print(
        f"{day.head.day}: {len(day.vans)} vans, {len(day.orders)} orders; as driven: {len(day.leg_s)} legs, {len(day.service_s)} services;"
    )
    print(f"the others by {roads.name}, at the day's pace. Kilometres of the first line are the track's, of the others the roads'.")
    print(f"{'':16}{'orders':>8}{'served':>8}{'on time':>9}{'late min':>10}{'km':>9}{'churn':>7}{'plans':>7}")
    for told in outcomes:
        share = "–" if told.on_time_share is None else f"{told.on_time_share:.1%}"
        counts = f"{told.orders:>8}{told.served:>8}{share:>9}{told.late_s / 60:>10.0f}{told.km:>9.1f}{told.churn:>7}{told.plans:>7}"
        print(f"{told.policy:16}{counts}")
    return 0


def _pretend(arguments: Sequence[str]) -> int:
    """Pretend days are the pretend world's, which the hub never imports: its program takes over."""
    if importlib.util.find_spec("roundsman_sim") is None:
        print("simulate: the pretend world (roundsman_sim) is not installed here; give --from-day FILE", file=sys.stderr)
        return 2
    sys.stdout.flush()
    return subprocess.run([sys.executable, "-m", "roundsman_sim", "simulate", *arguments], check=False).returncode


COMMANDS: Final[dict[str, Callable[[Sequence[str], Path], int]]] = {"record": run_record, "replay": run_replay, "simulate": run_simulate}
