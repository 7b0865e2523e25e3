"""`roundsman-hub db …`: is the database right, how large is it, what is let go, and copies of it. For people, or as JSON."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from roundsman_hub import HubError, progress
from roundsman_hub.clock import Clock
from roundsman_hub.roads import GreatCircle, RoadNetwork
from roundsman_hub.roles import open_settings_roads
from roundsman_hub.settings import BLOBS, Settings, load
from roundsman_hub.store import backup, fact_store, personal, photos, retention
from roundsman_hub.store.check import check
from roundsman_hub.store.db import Cursor, Database
from roundsman_hub.store.keeps import BY_NAME, KEEPS
from roundsman_hub.store.prune import prune
from roundsman_hub.store.retention import Rule
from roundsman_hub.store.sizes import sizes
from roundsman_hub.upkeep.ageing import age, count_days

KEEP: Final = "keep"


def main(arguments: Sequence[str], data_dir: Path) -> int:
    """Run one of the commands. Exit code 0: done, and nothing broken; 1: a promise does not hold, or it could not be done."""
    options = _parser(data_dir).parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    return run(options)


def _parser(data_dir: Path) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="roundsman-hub db", description="Look after the hub's database.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], int], words: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=words, description=words, allow_abbrev=False)
        made.set_defaults(run=run)
        made.add_argument("--data", type=Path, default=data_dir, help="the hub's folder")
        made.add_argument("--database-url", default=os.environ.get("DATABASE_URL"), help="instead of the running hub's")
        made.add_argument("--json", action="store_true", help="one JSON object instead of words")
        return made

    command("check", _check, "does the database keep its promises? exit code 1 if not")
    command("size", _size, "tables, bytes a fix, growth a day, how long the disk lasts")
    keep = command("retention", _retention, "what each fleet keeps, and what would be let go")
    keep.add_argument("--apply", action="store_true", help="let it go now instead of waiting for the upkeep role")
    keep.add_argument("--fleet", help="change this fleet's rule, by the options below")
    for name, kept in BY_NAME.items():
        usual = "for good" if kept.usual is None else kept.usual
        words = f"keep {kept.what}: so many days{', or `keep`: for good' if kept.may_stay else ''} (usually {usual})"
        keep.add_argument(f"--{name.replace('_', '-')}", type=_for_days if kept.may_stay else int, metavar="N", help=words)
    out = command("backup", _backup, "write a backup: a dump (portable), or a base for point-in-time recovery")
    out.add_argument("--out", type=Path, required=True, help="a file (dump), or with --base a folder; must not exist")
    out.add_argument("--no-photos", action="store_true", help="leave photos and signatures out; else they are copied to photos/ beside it")
    out.add_argument("--base", action="store_true", help="a physical copy that archived WAL can be replayed onto (serve --wal-archive)")
    old = command("prune-backups", _prune, "delete backups, and archived WAL, that the last so-many days need no longer")
    old.add_argument("folder", type=Path, help="where the bases and dumps that `backup` wrote are")
    old.add_argument("--keep-days", type=int, required=True, metavar="N", help="any instant of the last N days stays within reach")
    old.add_argument("--wal", type=Path, help="folder of archived WAL (serve --wal-archive)")
    old.add_argument("--dry-run", action="store_true", help="only tell what would go")
    into = command("restore", _restore, "put a backup in place of a hub's database; the hub must not run")
    into.add_argument("source", type=Path, help="what `backup` wrote")
    into.add_argument("--wal", type=Path, help="folder of archived WAL, to replay onto a base")
    into.add_argument("--until", help="replay up to this instant (RFC 3339); without it, as far as there is WAL")
    return parser


def _settings(options: argparse.Namespace) -> tuple[str, Clock]:
    """Which database, and whose clock: the running hub's, or real time."""
    if options.database_url:
        return str(options.database_url), Clock()
    settings: Settings = load(options.data)
    return settings.database_url, Clock(settings.time_base)


def _check(options: argparse.Namespace) -> int:
    dsn, clock = _settings(options)
    with Database.connect(dsn, max_size=1) as db:
        report = check(db, clock, progress.on_stderr())
    if options.json:
        print(json.dumps({"broken": report.broken, "looked_at": report.looked_at, "findings": [asdict(f) for f in report.findings]}))
    else:
        for finding in report.findings:
            print(f"{'BROKEN' if finding.severity == 'broken' else 'odd':6}  {finding.name}: {finding.count}  ({finding.text})")
            for example in finding.examples:
                print(f"          {example}")
        print(f"{len(report.looked_at)} promises looked at: {'some do not hold' if report.broken else 'all hold'}")
    return 1 if report.broken else 0


def _size(options: argparse.Namespace) -> int:
    dsn, clock = _settings(options)
    with Database.connect(dsn, max_size=1) as db, db.transaction() as cur:
        found = sizes(cur, clock.now())
    if options.json:
        print(json.dumps(asdict(found)))
        return 0
    lines: list[tuple[str, str, str, str]] = [("table", "rows", "bytes", "of it indexes")]
    lines += [(t.name, f"{t.rows:,}", human(t.total_bytes), human(t.index_bytes)) for t in found.tables if t.rows or t.total_bytes > 65_536]
    widths = [max(len(line[at]) for line in lines) for at in range(4)]
    for line in lines:
        print("  ".join([line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]))
    packed = [part for part in found.parts if part.plain_bytes is not None]
    print(f"database: {human(found.database_bytes)}; track in {len(found.parts)} days, {len(packed)} of them compressed")
    print(f"bytes a fix: {_told(found.bytes_fix)} raw, {_told(found.bytes_fix_compressed)} compressed, ", end="")
    print(f"{_told(found.bytes_fix_simplified)} as simplified track")
    print(f"compression: {found.compression}")
    print(f"growth: {human(found.growth_bytes_day) + ' a day' if found.growth_bytes_day is not None else 'not known before a whole day'}")
    if found.free_bytes is None:
        print("disk: the server's is not on this machine, or may not be looked at")
    else:
        left = f", full in {found.days_left:,.0f} days if nothing is let go" if found.days_left is not None else ""
        print(f"disk: {human(found.free_bytes)} free{left}")
    return 0


def _told(value: float | None) -> str:
    return "none" if value is None else f"{value:.1f}"


def human(count: int) -> str:
    """Bytes in words: 1.5 GB. Units of 1000, as disks are sold."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def _for_days(text: str) -> int | str:
    return text if text == KEEP else int(text)


def _retention(options: argparse.Namespace) -> int:
    dsn, clock = _settings(options)
    now = clock.now()
    given = {name: None if days == KEEP else days for name in BY_NAME if (days := getattr(options, name)) is not None}
    with Database.connect(dsn, max_size=1) as db:
        if given and not options.fleet:
            raise HubError("whose rule? say --fleet FLEET")
        if options.fleet:
            with db.transaction() as cur:
                retention.choose(cur, options.fleet, at=now, actor="roundsman-hub db", **given)
        with db.transaction() as cur:
            rules = retention.rules(cur, now)
            over = [_over(cur, rule) for rule in rules]
        did: dict[str, Any] | None = None
        if options.apply:
            with contextlib.closing(_roads(options)) as roads:
                tell = progress.on_stderr()
                counted = count_days(db, now, progress=tell)
                did = {"days_counted": counted, **asdict(age(db, now, roads=roads, progress=tell)), "roads": roads.name}
    if options.json:
        print(json.dumps({"fleets": [_json(*pair) for pair in zip(rules, over, strict=True)], "applied": did}, default=datetime.isoformat))
        return 0
    for rule, told in zip(rules, over, strict=True):
        print(f"{rule.fleet_id}{'' if rule.own else ' (the release has it so)'}")
        for kept in KEEPS:
            days = rule.days[kept.name] if kept.name else None
            goes = f"to let go: {told[kept.name]:,} before {rule.before(kept.name):%Y-%m-%d}" if told.get(kept.name) is not None else ""
            print(f"    {'for good' if days is None else f'{days:,} days':>12}  {kept.what}{goes and f' ({goes})'}")
    if did is not None:
        named = did.pop("roads")
        print("applied: " + ", ".join(f"{name.replace('_', ' ')} {value:,}" for name, value in did.items()))
        if named == GreatCircle.name:
            print("without streets: no road network is known here, so tracks were simplified and not matched")
        if did["without_roads"]:
            print("the road network does not answer: raw fixes that wait for it go a day after their time at the latest")
        if did["busy_days"]:
            print("some days were in use: run it again, or leave them to the upkeep role")
    else:
        print("the upkeep role lets it go within the hour; --apply does so now")
    return 0


def _over(cur: Cursor, rule: Rule) -> dict[str, int | None]:
    """What a fleet keeps no longer, counted, by the names of `BY_NAME`; None: it keeps all."""
    raw, tracks = retention.count_over(cur, rule)
    facts, visits = fact_store.count_over(cur, rule.fleet_id, rule.before("fact_days"), rule.before("visit_days"))
    return {
        "raw_days": raw,
        "track_days": tracks,
        "fact_days": facts if rule.days["fact_days"] is not None else None,
        "visit_days": visits if rule.days["visit_days"] is not None else None,
        "proof_days": retention.count_proofs(cur, rule),
        **personal.count_over(cur, rule.fleet_id, rule.personal_before),
    }


def _json(rule: Rule, over: dict[str, int | None]) -> dict[str, Any]:
    return {
        "fleet": rule.fleet_id,
        "own": rule.own,
        "aged_through": rule.aged_through,
        "keeps": [{"name": kept.name, "what": kept.what, "days": rule.days.get(kept.name), "over": over.get(kept.name)} for kept in KEEPS],
    }


def _roads(options: argparse.Namespace) -> RoadNetwork:
    """The running hub's; a hub that is only a database has none."""
    return GreatCircle() if options.database_url else open_settings_roads(load(options.data))


def _backup(options: argparse.Namespace) -> int:
    dsn, _ = _settings(options)
    made = backup.base(dsn, options.out) if options.base else backup.dump(dsn, options.out)
    folder = None if options.no_photos else _blobs_dir(options.data)
    copied = None if folder is None else photos.keep(folder, options.out.absolute().parent)
    if options.json:
        print(json.dumps({**asdict(made), "photos": copied and asdict(copied)}, default=str))
        return 0
    print(f"{made.path}: {human(made.total_bytes)} in {made.took_s:.1f} s, {made.text}")
    if copied is not None:
        print(f"photos/ beside it: {copied.files:,} new ({human(copied.total_bytes)}), {copied.there:,} were there")
    elif not options.no_photos:
        print(f"photos are not in it: no hub's folder at {options.data}")
    return 0


def _blobs_dir(data_dir: Path) -> Path | None:
    """Where the photos of a hub on this machine are; None: there is no such hub."""
    folder = data_dir / BLOBS
    return folder if folder.is_dir() else None


def _prune(options: argparse.Namespace) -> int:
    keep = timedelta(days=options.keep_days)
    told = prune(options.folder, keep, datetime.now(UTC), wal=options.wal, dry_run=options.dry_run)
    old_photos, photo_bytes = photos.forget(options.folder, time.time() - keep.total_seconds(), dry_run=options.dry_run)
    if options.json:
        print(json.dumps({**asdict(told), "photos": old_photos, "photo_bytes": photo_bytes}, default=str))
        return 0
    for path in told.gone:
        print(f"{'would go' if options.dry_run else 'deleted'}: {path}")
    print(f"{told.wal_files} files of WAL, {human(told.total_bytes)} in all; kept: {', '.join(map(str, told.kept)) or 'nothing'}")
    print(f"{old_photos:,} photos that the hub deleted before that, {human(photo_bytes)}")
    if told.reaches is not None and options.wal is not None:
        print(f"the way back reaches to {told.reaches:%Y-%m-%d %H:%M:%S} UTC")
    return 0


def _restore(options: argparse.Namespace) -> int:
    until = datetime.fromisoformat(options.until) if options.until else None
    if until is not None and until.tzinfo is None:
        raise HubError("--until says no offset: add Z for UTC")
    if options.source.is_dir():
        done = backup.restore_base(options.source, options.data, wal=options.wal, until=until)
    elif options.database_url:
        done = backup.restore_into(options.source, options.database_url)
    else:
        done = backup.restore_dump(options.source, options.data)
    # A hub that is only a database has its photos elsewhere.
    there = options.source.absolute().parent
    copied = photos.put_back(there, options.data / BLOBS) if not options.database_url and (there / photos.FOLDER).is_dir() else None
    if options.json:
        print(json.dumps({**asdict(done), "photos": copied and asdict(copied)}, default=str))
        return 0
    print(done.text)
    if copied is not None:
        print(f"photos: {copied.files:,} put back ({human(copied.total_bytes)}), {copied.there:,} were there", end="")
        print(f"; SPOILT and left out: {', '.join(copied.spoilt)}" if copied.spoilt else "")
    return 0
