"""`roundsman-hub simulate`, where no recorded day is given: whole pretend days by policy, compared."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from roundsman_hub.roads import GreatCircle
from roundsman_sim import day_report
from roundsman_sim.day_real import repeat
from roundsman_sim.day_result import POLICIES, Result
from roundsman_sim.day_setting import FIRST_DAY, LESSONS, Setting, setting
from roundsman_sim.day_world import Script


def main(arguments: Sequence[str]) -> int:
    """The command line; returns the exit code."""
    policies = "; ".join(f"{name}: {words}" for name, words in POLICIES.items())
    parser = argparse.ArgumentParser(
        prog="roundsman-hub simulate",
        description="Live through whole pretend days, as fast as it goes, with the hub's own ingest, planner and arrival times.",
        epilog=f"Policies: {policies}. With --from-day FILE a recorded day is driven instead.",
    )
    parser.add_argument("--town", default="made-up", metavar="EXTRACT.osm.pbf", help="streets and addresses (default: a made-up town)")
    parser.add_argument("--orders", type=int, default=150, help="known in the morning; a tenth more come during the day (default: 150)")
    parser.add_argument("--vans", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1, help="the first day's; each further day has the next one")
    parser.add_argument("--days", type=int, default=1)
    parser.add_argument("--learn-days", type=int, default=0, help="days before, for the product to learn from (3 or more)")
    parser.add_argument("--policy", action="append", choices=list(POLICIES), help="may be repeated; without it, all")
    parser.add_argument(
        "--search-s", type=float, default=0.3, help="real seconds of each search (default: 0.3; a hub has 1.5): two runs differ"
    )
    parser.add_argument("--roads", choices=["osrm", "great_circle"], default="osrm", help="osrm where it can run (default)")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="write a page for each day there")
    parser.add_argument("--traffic", action="store_true", help="the living plan hears of jams from its own vans' last 15 minutes")
    parser.add_argument("--real", action="store_true", help="the living plan with real processes, against the box from the same plans")
    parser.add_argument("--factor", type=float, default=30.0, help="with --real: times faster than life, 1 to 60 (default: 30)")
    parser.add_argument("--times", type=int, default=3, help="with --real: days in the box beside it (default: 3)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if not 0 <= options.learn_days <= 60:
        parser.error("0 to 60 days to learn from")
    if not 2 <= options.vans <= 40 or not 10 <= options.orders <= 1_000 or not 1 <= options.days <= 100:
        parser.error("2 to 40 vans, 10 to 1,000 orders, 1 to 100 days")
    if not 1 <= options.factor <= 60 or not 1 <= options.times <= 20:
        parser.error("--factor 1 to 60, --times 1 to 20")
    osm = None if options.town == "made-up" else Path(options.town)
    if osm is not None and not osm.is_file():
        parser.error(f"--town {osm}: no such file; give an .osm.pbf extract, or leave it out for a made-up town")
    logging.getLogger("roundsman_hub").setLevel(logging.ERROR)
    say: Callable[[str], None] = (lambda _: None) if options.json else print
    roads = "great_circle" if options.roads == "great_circle" else ""
    with setting(osm, vans=options.vans, orders=options.orders, town_seed=1, say=say, roads=roads) as made:
        before = options.learn_days
        lessons = [made.script(LESSONS + n, FIRST_DAY + timedelta(days=n)) for n in range(before)]
        made.learn(lessons, search_s=options.search_s, say=say)
        for number in range(options.days):
            day = made.script(options.seed + number, FIRST_DAY + timedelta(days=before + number))
            if options.real:
                _repeat(made, day, options)
                continue
            results = made.compare(day, options.policy or list(POLICIES), search_s=options.search_s, traffic=options.traffic)
            _show(day, results, made, options.pictures, as_json=options.json)
    return 0


def _repeat(made: Setting, day: Script, options: argparse.Namespace) -> None:
    """One day with real processes and in the box: how far apart they are, and how far the box's own days are from each other."""
    began = time.monotonic()
    say = lambda text: print(f"{time.monotonic() - began:7.1f} s  {text}", file=sys.stderr, flush=True)  # noqa: E731
    found = repeat(made, day, factor=options.factor, search_s=options.search_s, times=options.times, say=say)
    apart = day_report.apart(found.real, found.box)
    if options.json:
        print(json.dumps({"seed": day.seed, "factor": options.factor, "days_in_the_box": len(found.box), "apart": apart}), flush=True)
        return
    print(day_report.table([found.real, *found.box]), flush=True)
    for name, row in apart.items():
        print(f"{name}: {row['apart_pct']:+.2f} % from the box's mean; the box's own days {row['box_spread_pct']:.2f} % apart", flush=True)


def _show(day: Script, results: Sequence[Result], made: Setting, pictures: Path | None, *, as_json: bool) -> None:
    roads = made.town.roads.name
    by = "straight lines × detour, for want of roads" if roads == GreatCircle.name else roads
    if as_json:
        print(json.dumps({"seed": day.seed, "roads": roads, "policies": [day_report.row(one) for one in results]}), flush=True)
    else:
        off = sum(ask.cancelled_at is not None for ask in day.asks)
        print(
            f"\nseed {day.seed}: {len(day.asks)} orders, {off} called off; {len(day.jams)} jams, {len(day.no_shows)} not at home;", end=" "
        )
        print("; ".join(f"van {one.van + 1} {one.kind.replace('_', ' ')} {one.since:%H:%M} to {one.until:%H:%M}" for one in day.troubles))
        print(f"travel times: {by}")
        print(day_report.table(results), flush=True)
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        file = pictures / f"day-{day.seed}.html"
        title = f"A day in a box, seed {day.seed}; travel times: {by}"
        file.write_text(day_report.page(results, [ask.home for ask in day.asks], title), encoding="utf-8")
        if not as_json:
            print(f"pictures: {file}")
