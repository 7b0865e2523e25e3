"""`make bench-people`: what people who look at Roundsman get, how fast, and that nobody gets what is another's.

In parts, each in a database of its own; a part's rows are printed as soon as they are there, and a part that fails leaves the others
theirs. Whole it takes about twenty-five minutes of a quiet machine; `--quick` (QUICK=1) a few.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from roundsman_hub.api import customer, customer_page
from roundsman_hub.api.desk import Desk
from roundsman_hub.api.pages import WEB
from roundsman_hub.clock import Clock
from roundsman_hub.replan.matrix import Matrices
from roundsman_hub.roads import GreatCircle
from roundsman_sim import (
    bench_people_fleet as fleets,
    bench_people_live as live,
    bench_people_privacy as privacy,
    bench_people_slots as slots,
)
from roundsman_sim.bench_table import Row, last_line, table
from roundsman_sim.day_setting import FIRST_DAY, setting

BOARD: Final = "roundsman_sim.bench_board"
SEARCH_S: Final = 0.3
OFFERS_WITHIN_S: Final = 1_200.0
"""No further pretend day is begun after so long: the days that there were are told."""
LESSONS: Final = 3
"""Days to learn from first: two teach streets and stops, one how wide arrival times have to be told. With fewer nothing is learned."""
BOARD_WITHIN_S: Final = 960.0


def say(text: str) -> None:
    """Progress, for whoever waits."""
    print(text, flush=True)


def page_kb(db: Any, clock: Clock, made: fleets.Fleet) -> float:
    """Bytes of the page as they travel: all that is needed before it can be read. The script comes after, and is counted all the same."""
    from starlette.requests import Request

    desk = Desk(db=db, clock=clock, geocoder=None, roads=GreatCircle(), ways=Matrices(GreatCircle()))
    request = Request({"type": "http", "headers": [], "method": "GET", "path": "/"})
    most = 0
    for token in made.tokens[:20]:
        with db.tenant(made.fleet) as cur:
            html = customer_page.page(customer.shown(cur, customer.read(cur, desk, request, made.fleet, token)))
        most = max(most, len(gzip.compress(html.encode(), 6)))
    script = WEB / "assets" / "track.js"
    return (most + (len(gzip.compress(script.read_bytes(), 6)) if script.exists() else 0)) / 1000


def pages(quick: bool) -> list[Row]:
    """What one page weighs, and that it holds nobody else's data."""
    clock = Clock()
    with fleets.database() as (db, _):
        made = fleets.make(db, clock, vans=3, orders=24, seed=1, planned=True)
        track_kb = page_kb(db, clock, made)
        read = privacy.look(db, clock, made, 400 if quick else 5_000, seed=1)
        drawn = privacy.draw(db, clock, made, 4_000 if quick else 95_000, seed=2)
    return [
        Row("track_bytes_kb", track_kb, "kB", 60),
        Row("privacy_cases", read.cases + drawn.cases, f"{read.cases} through the database", None if quick else 100_000, at_least=True),
        Row("privacy_leaks", read.all + drawn.all, f"{read.seen_vans + drawn.seen_vans} answers showed a van", 0),
    ]


def connections(quick: bool) -> list[Row]:
    """Open pages at one process."""
    clock, many = Clock(), 2_000 if quick else 10_000
    with fleets.database() as (db, folder):
        made = fleets.make(db, clock, vans=3, orders=24, seed=1, planned=True)
        found = live.run(db, made, folder, many, rounds=3 if quick else 10)
    return [
        Row("live_connections", found.still_open, "", many, at_least=True),
        Row("live_kb_each", found.each_kb, "kB", 25),
        Row("live_p99_s", found.p99_s, "s", 1),
        Row("live_ring_cpu_s", found.ring_cpu_s, "s of the server's CPU to ring at all of them"),
    ]


def windows(quick: bool) -> list[Row]:
    """Window choice at 300 open tasks."""
    clock = Clock()
    with fleets.database() as (db, folder):
        made = fleets.make(db, clock, vans=12, orders=300, seed=2, planned=False)
        took, cpu_s, fewest = slots.answer_times(db, clock, made, folder, 40 if quick else 200, seed=3)
    took.sort()
    return [
        Row("slots_p95_s", took[int(0.95 * (len(took) - 1))], "s", 0.5),
        Row("slots_cpu_s", cpu_s, "s of this process's CPU"),
        Row("slots_fewest", fewest, "offers in an answer", 5, at_least=True),
    ]


def offers(quick: bool) -> list[Row]:
    """Days of the pretend town, each once as planned and once as it comes: are accepted windows kept?"""
    days, vans, orders = (1, 4, 60) if quick else (5, 8, 150)
    ends = time.monotonic() + OFFERS_WITHIN_S
    calm, bad = [], []
    with setting(None, vans=vans, orders=orders, town_seed=1, say=say) as made:
        workdays = [day for n in range(3 * (days + LESSONS) + 10) if (day := FIRST_DAY + timedelta(days=n)).weekday() < 5]
        made.learn([made.script(900 + n, workdays[n]) for n in range(LESSONS)], search_s=SEARCH_S, say=say)
        for n in range(days):
            if n and time.monotonic() > ends:
                break
            script = made.script(1 + n, workdays[LESSONS + n])
            calm.append(slots.live_through(made, slots.quiet(script), SEARCH_S))
            bad.append(slots.live_through(made, script, SEARCH_S))
            say(f"day {n + 1} of {days}: undisturbed {calm[-1]}, disturbed {bad[-1]}")
    accepted = sum(kept.accepted for kept in bad)
    missed, announced = sum(kept.missed for kept in bad), sum(kept.announced for kept in bad)
    share = 100 * (accepted - missed) / accepted if accepted else None
    return [
        Row(
            "offers_accepted",
            sum(kept.accepted for kept in calm) + accepted,
            f"windows of {len(calm)} undisturbed, {len(bad)} disturbed days",
        ),
        Row("offers_broken", sum(kept.missed for kept in calm), "of undisturbed days' accepted", 0),
        Row("offers_kept_pct", share, "% on disturbed days", 98, at_least=True),
        Row("offers_missed_unsaid", missed - announced, "missed and not announced before their window", 0),
    ]


def board(quick: bool) -> list[Row]:
    """The board's own rows, where that benchmark is there. What it prints is printed as it comes."""
    if importlib.util.find_spec(BOARD) is None:
        return []
    command = [sys.executable, "-m", BOARD, *(["--quick"] if quick else [])]
    env = {name: value for name, value in os.environ.items() if name != "QUICK"}
    lines: list[str] = []
    ends = time.monotonic() + BOARD_WITHIN_S
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as ran:
        assert ran.stdout is not None  # it is a pipe
        for line in ran.stdout:
            lines.append(line)
            print(line, end="", flush=True)
            if time.monotonic() > ends:
                ran.terminate()
    rows = json.loads(lines[-1])["rows"]
    return [Row(row["name"], row["value"], row["unit"], row["goal"], row["peer"], at_least=_at_least(row)) for row in rows]


def _at_least(row: dict[str, Any]) -> bool:
    """Which way a goal of another benchmark's goes, from whether it holds."""
    value, goal = row["value"], row["goal"]
    return value is not None and goal is not None and row["holds"] is not (value <= goal)


PARTS: Final[dict[str, Callable[[bool], list[Row]]]] = {
    "pages": pages,
    "connections": connections,
    "windows": windows,
    "offers": offers,
    "board": board,
}


def main(arguments: list[str] | None = None) -> int:
    """Print each part's rows as they come, the table, and one JSON object as the last line. The exit code is 1 where a part failed."""
    parser = argparse.ArgumentParser(prog="python -m roundsman_sim.bench_people", description=__doc__)
    parser.add_argument("--quick", action="store_true", default=os.environ.get("QUICK", "") not in ("", "0"), help="a few minutes, smaller")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="these parts alone")
    chosen = parser.parse_args(arguments)
    rows: list[Row] = []
    failed = []
    for name in chosen.only:
        began = time.monotonic()
        say(f"{name} …")
        try:
            found = PARTS[name](chosen.quick)
        except Exception:  # whatever it is: the other parts have their own to tell
            traceback.print_exc()
            failed.append(name)
            continue
        say(f"{table(found)}\n{name}: {time.monotonic() - began:.0f} s\n")
        rows += found
    print(table(rows))
    if failed:
        print(f"failed: {', '.join(failed)}")
    print(last_line("people", rows), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
