"""`make bench-living`, its days: what the living plan brings on disturbed days, and whether its arrival times are true.

Days to learn from come first and are counted nowhere; the days after are copies of the town as it was then, one for each policy, with the
same morning's plan. Two processes live through them, each with a town of its own that keeps what its arrivals taught about widths.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import math
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date, datetime, time as clock_time, timedelta
from typing import TYPE_CHECKING, Final

from roundsman_hub.tether import die_with_parent
from roundsman_sim import day_report
from roundsman_sim.bench_table import Row, last_line, table
from roundsman_sim.day_result import POLICIES, Result
from roundsman_sim.day_setting import FIRST_DAY, LESSONS, Place, Setting, beside, setting
from roundsman_sim.day_town import copy_database
from roundsman_sim.day_world import ZONE

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

VANS: Final = 8
ORDERS: Final = 150
DAYS: Final = 20
LEARNS_FROM: Final = 6
QUICK_DAYS: Final = 2
QUICK_LEARNS_FROM: Final = 3
SEARCH_S: Final = 0.3
"""A hub searches for 1.5 s on a machine of its own; here each day waits for some sixty searches."""
BETTER_SHARE: Final = 0.9
AT_MOST_TOWNS: Final = 4
Say = Callable[[str], None]


def days(made: Setting, many: int, learns_from: int, *, towns: int, say: Say) -> tuple[list[list[Result]], list[str]]:
    """Learn, then live through days of which nothing is known, by every policy; gives the days, and what went wrong with others."""
    workdays = [day for n in range(2 * (many + learns_from)) if (day := FIRST_DAY + timedelta(days=n)).weekday() < 5]
    made.learn([made.script(LESSONS + n, workdays[n]) for n in range(learns_from)], search_s=SEARCH_S, say=say)
    ahead = workdays[learns_from : learns_from + many]
    found, wrong = [], []
    with _beside(made, min(towns, many), ahead[0]) as lived:
        waiting = {lived.submit(_live, number, day): number for number, day in enumerate(ahead, start=1)}
        for future, number in waiting.items():
            try:
                results = future.result()
            except Exception as error:  # one day's fault must not cost the others
                wrong.append(f"day {number}: {type(error).__name__}: {error}")
                say(f"FAILED: {wrong[-1]}")
                continue
            say(f"day {number} of {many}: {_words(results)}")
            found.append(results)
            print(last_line("days", figures(found)), flush=True)  # whoever ends this has what there is
    return found, wrong


def _words(results: Sequence[Result]) -> str:
    words = "  ".join(f"{one.policy} {one.on_time_share:.1%} {one.cost_cents / 100:.0f}" for one in results)
    inside = next((day_report.coverage(one.said) for one in results if one.policy == "living"), None)
    return words + ("" if inside is None else f"  ETAs inside {inside:.1%}") + f"  ({sum(one.took_s for one in results):.0f} s)"


# ── in the processes ────────────────────────────────────────────────────────────────────────────────────────────────────

_HERE: list[Setting] = []


@contextlib.contextmanager
def _beside(made: Setting, towns: int, first: date) -> Iterator[ProcessPoolExecutor]:
    """Processes with a town each."""
    context = multiprocessing.get_context("spawn")
    names: Queue[str] = context.Queue()
    for number in range(towns):
        name = f"town_{number + 1}"
        copy_database(made.server.postgres, made.template, name)
        names.put(name)
    with ProcessPoolExecutor(towns, context, initializer=_open, initargs=(made.place, names, first)) as pool:
        yield pool


def _open(place: Place, names: Queue[str], first: date) -> None:
    die_with_parent()  # one that is called off leaves none of its towns living on
    logging.getLogger("roundsman_hub").setLevel(logging.ERROR)
    stack = contextlib.ExitStack()
    name = names.get()
    _HERE.append(stack.enter_context(beside(place, name, datetime.combine(first, clock_time(7, 30), ZONE))))
    multiprocessing.util.Finalize(None, stack.close, exitpriority=100)


def _live(number: int, day: date) -> list[Result]:
    (here,) = _HERE
    return here.compare(here.script(number, day), list(POLICIES), search_s=SEARCH_S)


# ── what it comes to ────────────────────────────────────────────────────────────────────────────────────────────────────


def figures(found: Sequence[Sequence[Result]]) -> list[Row]:
    """The issue's rows. A gain is the living plan's over the other's, as a mean over the days."""
    by = [{one.policy: one for one in day} for day in found]
    better = sum(all(_better(day["living"], day[other]) for other in ("static", "greedy")) for day in by)
    rows = [Row("days_better", better, f"of {len(by)} days", math.ceil(BETTER_SHARE * len(by)), at_least=True)]
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


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m roundsman_sim.bench_days`; 1 where a day failed, else 0 whatever holds: the last line says it."""
    parser = argparse.ArgumentParser(prog="python -m roundsman_sim.bench_days", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_DAYS} days after {QUICK_LEARNS_FROM} to learn from")
    parser.add_argument("--days", type=int, help=f"default: {DAYS}")
    parser.add_argument("--learns-from", type=int, help=f"default: {LEARNS_FROM}")
    parser.add_argument("--towns", type=int, default=min(AT_MOST_TOWNS, os.cpu_count() or 1), help="processes (default: one a core)")
    options = parser.parse_args(arguments)
    many = options.days or (QUICK_DAYS if options.quick else DAYS)
    before = options.learns_from or (QUICK_LEARNS_FROM if options.quick else LEARNS_FROM)
    logging.getLogger("roundsman_hub").setLevel(logging.ERROR)
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {text}", flush=True)

    with setting(None, vans=VANS, orders=ORDERS, town_seed=1, say=say) as made:
        found, wrong = days(made, many, before, towns=options.towns, say=say)
    if not found:
        return 1
    rows = [*figures(found), Row("days_failed", len(wrong), "", 0)]
    print(table(rows), flush=True)
    print(last_line("days", rows), flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
