"""`make bench-people`: what people who look at Roundsman get, how fast, and that nobody gets what is another's. QUICK=1: minutes."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
import subprocess
import sys
from datetime import timedelta
from typing import Any, Final

from roundsman_hub.api import customer, customer_page
from roundsman_hub.api.desk import Desk
from roundsman_hub.api.pages import WEB
from roundsman_hub.clock import Clock
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


def say(text: str) -> None:
    """Progress, for whoever waits."""
    print(text, flush=True)


def page_kb(db: Any, clock: Clock, made: fleets.Fleet) -> float:
    """Bytes of the page as they travel: all that is needed before it can be read. The script comes after, and is counted all the same."""
    from starlette.requests import Request

    desk = Desk(db=db, clock=clock, geocoder=None, roads=GreatCircle())
    request = Request({"type": "http", "headers": [], "method": "GET", "path": "/"})
    most = 0
    for token in made.tokens[:20]:
        with db.tenant(made.fleet) as cur:
            html = customer_page.page(customer.shown(cur, customer.read(cur, desk, request, made.fleet, token)))
        most = max(most, len(gzip.compress(html.encode(), 6)))
    script = WEB / "assets" / "track.js"
    return (most + (len(gzip.compress(script.read_bytes(), 6)) if script.exists() else 0)) / 1000


def offers_kept(days: int, vans: int, orders: int) -> list[Row]:
    """Days of the pretend town, once as planned and once as they come."""
    rows, quiet, bad = [], [], []
    with setting(None, vans=vans, orders=orders, town_seed=1, say=say) as made:
        workdays = [day for n in range(3 * days + 10) if (day := FIRST_DAY + timedelta(days=n)).weekday() < 5]
        made.learn([made.script(900 + n, workdays[n]) for n in range(2)], search_s=SEARCH_S, say=say)
        for n in range(days):
            script = made.script(1 + n, workdays[2 + n])
            quiet.append(slots.live_through(made, slots.quiet(script), SEARCH_S))
            bad.append(slots.live_through(made, script, SEARCH_S))
            say(f"day {n + 1} of {days}: quiet {quiet[-1]}, disturbed {bad[-1]}")
    accepted = sum(kept.accepted for kept in bad)
    missed, announced = sum(kept.missed for kept in bad), sum(kept.announced for kept in bad)
    rows.append(Row("offers_accepted", sum(kept.accepted for kept in quiet) + accepted, "windows"))
    rows.append(Row("offers_broken", sum(kept.missed for kept in quiet), "of quiet days' accepted", 0))
    share = 100 * (accepted - missed) / accepted if accepted else None
    rows.append(Row("offers_kept_pct", share, "% on disturbed days", 98, at_least=True))
    rows.append(Row("offers_missed_unsaid", missed - announced, "missed and not announced before their window", 0))
    return rows


def measure(quick: bool) -> list[Row]:
    """All rows."""
    clock = Clock()
    with fleets.database() as (db, folder):
        say("privacy …")
        made = fleets.make(db, clock, vans=3, orders=24, seed=1, planned=True)
        read = privacy.look(db, clock, made, 400 if quick else 5_000, seed=1)
        drawn = privacy.draw(db, clock, made, 4_000 if quick else 95_000, seed=2)
        track_kb = page_kb(db, clock, made)
        say("open pages …")
        many = 2_000 if quick else 10_000
        still_open, each_kb, p99_s = live.run(db, made, folder, many, rounds=3 if quick else 10)
    with fleets.database() as (db, folder):
        say("windows at 300 open tasks …")
        made = fleets.make(db, clock, vans=12, orders=300, seed=2, planned=False)
        took, cpu_s, fewest = slots.answer_times(db, clock, made, folder, 40 if quick else 200, seed=3)
    took.sort()
    rows = [
        Row("track_bytes_kb", track_kb, "kB", 60),
        Row("live_connections", still_open, "", many, at_least=True),
        Row("live_kb_each", each_kb, "kB", 25),
        Row("live_p99_s", p99_s, "s", 1),
        Row("slots_p95_s", took[int(0.95 * (len(took) - 1))], "s", 0.5),
        Row("slots_cpu_s", cpu_s, "s of this process's CPU"),
        Row("slots_fewest", fewest, "offers in an answer", 5, at_least=True),
        Row("privacy_cases", read.cases + drawn.cases, f"{read.cases} through the database", None if quick else 100_000, at_least=True),
        Row("privacy_leaks", read.all + drawn.all, f"{read.seen_vans + drawn.seen_vans} answers showed a van", 0),
    ]
    say("accepted windows on pretend days …")
    return rows + offers_kept(1 if quick else 5, vans=4 if quick else 8, orders=60 if quick else 150)


def board(quick: bool) -> list[dict[str, Any]]:
    """The board's own rows, where that benchmark is there."""
    if importlib.util.find_spec(BOARD) is None:
        return []
    done = subprocess.run(
        [sys.executable, "-m", BOARD], capture_output=True, text=True, check=False, env=os.environ | ({"QUICK": "1"} if quick else {})
    )
    print(done.stdout + done.stderr[-2_000:])
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout.strip().splitlines()[-1])["rows"]
    except (ValueError, IndexError, KeyError):
        return []
    return found


def main() -> int:
    """Print the table, and one JSON object as the last line."""
    quick = os.environ.get("QUICK", "") not in ("", "0")
    rows = measure(quick)
    told = board(quick)
    print(table(rows))
    whole = json.loads(last_line("people", rows))
    whole["rows"] += told
    whole["short"] += sum(row.get("holds") is False for row in told)
    print(json.dumps(whole))
    return 0


if __name__ == "__main__":
    sys.exit(main())
