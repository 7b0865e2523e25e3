"""`make bench-living`: what the living plan brings on disturbed days, and whether its arrival times are true; then roads and urgent orders.

Days to learn from come first and are counted nowhere; the days after are copies of the town as it was then, one for each policy, with the
same morning's plan. QUICK=1: two days instead of twenty.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from roundsman_sim import day_report
from roundsman_sim.bench_table import Row, last_line, table
from roundsman_sim.day_box import POLICIES, Result
from roundsman_sim.day_command import FIRST_DAY, LESSONS, Setting, setting

VANS: Final = 8
ORDERS: Final = 150
DAYS: Final = 20
LEARNS_FROM: Final = 6
QUICK_DAYS: Final = 2
QUICK_LEARNS_FROM: Final = 3
SEARCH_S: Final = 0.3
"""A hub searches for 1.5 s on a machine of its own; here each day waits for some sixty searches."""
BETTER_SHARE: Final = 0.9
OTHERS: Final = ("roundsman_sim.bench_roads", "roundsman_sim.bench_urgent")


def days(made: Setting, many: int, learns_from: int) -> list[list[Result]]:
    """Learn, then live through days of which nothing is known, by every policy."""
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {text}", flush=True)

    workdays = [day for n in range(2 * (many + learns_from)) if (day := FIRST_DAY + timedelta(days=n)).weekday() < 5]
    made.learn([made.script(LESSONS + n, workdays[n]) for n in range(learns_from)], search_s=SEARCH_S, say=say)
    found = []
    for n in range(many):
        results = made.compare(made.script(1 + n, workdays[learns_from + n]), list(POLICIES), search_s=SEARCH_S)
        words = "  ".join(f"{one.policy} {one.on_time_share:.1%} {one.cost_cents / 100:.0f}" for one in results)
        say(f"day {n + 1} of {many}: {words}")
        found.append(results)
    return found


def figures(found: Sequence[Sequence[Result]]) -> list[Row]:
    """The issue's rows. A gain is the living plan's over the other's, as a mean over the days."""
    by = [{one.policy: one for one in day} for day in found]
    better = sum(all(_better(day["living"], day[other]) for other in ("static", "greedy")) for day in by)
    rows = [Row("days_better", better, f"of {len(by)} days", BETTER_SHARE * len(by), at_least=True)]
    for other in ("static", "greedy"):
        on_time = statistics.fmean(100 * (day["living"].on_time_share - day[other].on_time_share) for day in by)
        cost = statistics.fmean(100 * (1 - day["living"].cost_cents / day[other].cost_cents) for day in by)
        paid = statistics.fmean(100 * (1 - day["living"].paid_cents / day[other].paid_cents) for day in by)
        rows += [
            Row(f"on_time_gain_{other}_pct", round(on_time, 2), "points"),
            Row(f"cost_gain_{other}_pct", round(cost, 2), "%"),
            Row(f"paid_gain_{other}_pct", round(paid, 2), "%"),
        ]
    for policy in POLICIES:
        rows.append(Row(f"on_time_{policy}_pct", round(statistics.fmean(100 * day[policy].on_time_share for day in by), 2), "%"))
    said = [one for day in by for one in day["living"].said]
    share, error, plain = day_report.coverage(said), day_report.eta_error_s(said), day_report.eta_error_s(said, plain=True)
    inside = None if share is None else round(100 * share, 1)
    rows += [
        Row("eta_coverage_pct", inside, "%", 77, at_least=True),
        Row("eta_coverage_most_pct", inside, "%", 83),
        Row(
            "eta_error_ratio",
            None if error is None or not plain else round(error / plain, 3),
            "",
            0.5,
            peer_is="plain road times and planned services",
        ),
        Row("eta_error_30_min_s", None if error is None else round(error), "s", peer=plain, peer_is="plain"),
        Row("churn_a_van", round(statistics.fmean(day["living"].churn / max(1, day["living"].vans_used) for day in by), 2), "stops a day"),
        Row("day_s", round(statistics.fmean(one.took_s for day in found for one in day), 1), "s"),
    ]
    return rows


def _better(ours: Result, theirs: Result) -> bool:
    return ours.on_time_share > theirs.on_time_share and ours.cost_cents < theirs.cost_cents


def others(*, quick: bool) -> list[dict[str, Any]]:
    """Benchmarks of the other parts: each prints for itself; gives their rows."""
    rows: list[dict[str, Any]] = []
    for name in OTHERS:
        if importlib.util.find_spec(name) is None:
            print(f"{name} is not here", flush=True)
            continue
        done = subprocess.run([sys.executable, "-m", name, *(["--quick"] if quick else [])], stdout=subprocess.PIPE, text=True, check=False)
        print(done.stdout, flush=True)
        try:
            rows += json.loads(done.stdout.strip().splitlines()[-1])["rows"]
        except (IndexError, KeyError, ValueError):
            print(f"{name} ended with {done.returncode} and told no figures", flush=True)
    return rows


def main() -> int:
    """Measure and print; the exit code is 0 whatever holds: the last line says it."""
    quick = os.environ.get("QUICK", "") not in ("", "0")
    logging.getLogger("roundsman_hub").setLevel(logging.ERROR)
    with setting(None, vans=VANS, orders=ORDERS, town_seed=1, say=lambda text: print(text, flush=True)) as made:
        found = days(made, QUICK_DAYS if quick else DAYS, QUICK_LEARNS_FROM if quick else LEARNS_FROM)
    rows = figures(found)
    print(table(rows), flush=True)
    body = json.loads(last_line("living", rows))
    body["rows"] += others(quick=quick)
    body["short"] = sum(row["holds"] is False for row in body["rows"])
    print(json.dumps(body), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
