"""`make bench-living`, its days: what the living plan brings on disturbed days, and whether its arrival times are true.

Days to learn from come first and are counted nowhere. Each day after is lived by every policy in a copy of the town as it was then, from
the same morning's plan. Two chains go side by side, each in a process and a town of its own: the living plan, whose arrivals go on teaching
widths from day to day as in a hub; and the two that it is held against. What is there already is not made again: see `day_shelf`.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import math
import multiprocessing
import os
import signal
import statistics
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import replace
from datetime import date, datetime, time as clock_time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from roundsman_hub.planning.problem import Plan
from roundsman_hub.tether import die_with_parent
from roundsman_sim import day_report
from roundsman_sim.bench_table import Row, last_line, table
from roundsman_sim.day_result import POLICIES, Result
from roundsman_sim.day_setting import FIRST_DAY, LESSONS, Place, Setting, beside, setting
from roundsman_sim.day_shelf import Lived, Shelf
from roundsman_sim.day_town import Widths, copy_database
from roundsman_sim.day_world import ZONE

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

VANS: Final = 8
ORDERS: Final = 180
"""A fleet at its limit. With as many as are learned from, vans whose streets were learned from typical drives are in time with 99 of 100
orders by cheapest insertion, too: nothing is left to tell policies apart by."""
LESSON_ORDERS: Final = 150
DAYS: Final = 20
LEARNS_FROM: Final = 9
"""Of these, six teach streets and stops: of two only, a morning of five jams made all mornings' ways 1.7 times as long as they are."""
QUICK_DAYS: Final = 2
QUICK_LEARNS_FROM: Final = 3
LESSON_SEARCH_S: Final = 0.3
"""Days to learn from only have to be driven."""
SEARCH_S: Final = 1.0
"""A hub searches for 1.5 s beside everything else; here nothing else is going on meanwhile."""
BETTER_SHARE: Final = 0.9
RIVALS: Final = tuple(policy for policy in POLICIES if policy != "living")
Say = Callable[[str], None]
Chain = Generator[Future[Lived], Lived | None, None]
"""Yields what it waits for, and is sent what came of it."""


def days(made: Setting, many: int, *, shelf: Shelf, chains: int, say: Say) -> tuple[list[list[Result]], list[str]]:
    """Live through days of which nothing is known, by every policy; gives the days, and what went wrong with others."""
    ahead = dict(enumerate(_workdays(many + made.lessons)[made.lessons :], start=1))
    wrong: list[str] = []
    told: set[int] = set()

    def whole() -> list[list[Result]]:
        return [day for number in ahead if (day := shelf.day(number)) is not None]

    def tell(number: int) -> None:
        if number not in told and (results := shelf.day(number)) is not None:
            told.add(number)
            say(f"day {number} of {many}: {_words(results)}")
            print(last_line("days", figures(whole())), flush=True)  # whoever ends this has what there is

    for number in ahead:
        tell(number)
    if len(told) == len(ahead):
        return whole(), wrong
    with _beside(made, chains, min(ahead.values())) as pool:
        waits = {n: pool.submit(_morning, n, day) for n, day in ahead.items() if shelf.morning(n) is None}
        for number, morning in waits.items():
            shelf.keep_morning(number, morning.result())
        mornings = {number: plan for number in ahead if (plan := shelf.morning(number)) is not None}

        def chain(policies: Sequence[str]) -> Chain:
            """One day after another; yields what it waits for."""
            widths: Widths = {}
            for number, day in ahead.items():
                for policy in policies:
                    lived = shelf.lived(number, policy)
                    if lived is None:
                        try:
                            lived = yield pool.submit(_live, number, day, policy, mornings[number], widths)
                            assert lived is not None
                            shelf.keep(number, lived)
                        except Exception as error:  # one day's fault must not cost the others
                            wrong.append(f"day {number}, {policy}: {type(error).__name__}: {error}")
                            say(f"FAILED: {wrong[-1]}")
                    if lived is not None and policy == "living":
                        widths = lived.widths
                tell(number)

        _side_by_side([chain(("living",)), chain(RIVALS)])
    return whole(), wrong


def _side_by_side(chains: Sequence[Chain]) -> None:
    """Drive all of them to their ends."""
    waits: dict[Future[Lived], Chain] = {}
    ready: list[tuple[Chain, Future[Lived] | None]] = [(chain, None) for chain in chains]
    while ready or waits:
        for chain, done in ready:
            with contextlib.suppress(StopIteration):
                failed = None if done is None else done.exception()
                following = chain.throw(failed) if failed is not None else chain.send(done.result() if done is not None else None)
                waits[following] = chain
        ready = [(waits.pop(done), done) for done in wait(waits, return_when=FIRST_COMPLETED).done] if waits else []


def _workdays(many: int) -> list[date]:
    return [day for n in range(2 * many + 7) if (day := FIRST_DAY + timedelta(days=n)).weekday() < 5][:many]


def _words(results: Sequence[Result]) -> str:
    words = "  ".join(f"{one.policy} {one.on_time_share:.1%} {one.cost_cents / 100:.0f}" for one in results)
    inside = next((day_report.coverage(one.said) for one in results if one.policy == "living"), None)
    return words + ("" if inside is None else f"  ETAs inside {inside:.1%}") + f"  ({sum(one.took_s for one in results):.0f} s)"


# ── in the processes ────────────────────────────────────────────────────────────────────────────────────────────────────

_HERE: list[Setting] = []


@contextlib.contextmanager
def _beside(made: Setting, towns: int, first: date) -> Iterator[ProcessPoolExecutor]:
    """Processes with a town each. Whoever ends this one does not wait for their days."""
    context = multiprocessing.get_context("spawn")
    names: Queue[str] = context.Queue()
    for number in range(towns):
        name = f"town_{number + 1}"
        copy_database(made.server.postgres, made.template, name)
        names.put(name)
    with ProcessPoolExecutor(towns, context, initializer=_open, initargs=(made.place, names, first)) as pool:
        try:
            yield pool
        except BaseException:
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _open(place: Place, names: Queue[str], first: date) -> None:
    die_with_parent()  # one that is called off leaves none of its towns living on
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    logging.getLogger("roundsman_hub").setLevel(logging.ERROR)
    stack = contextlib.ExitStack()
    name = names.get()
    _HERE.append(stack.enter_context(beside(place, name, datetime.combine(first, clock_time(7, 30), ZONE))))
    multiprocessing.util.Finalize(None, stack.close, exitpriority=100)


def _morning(number: int, day: date) -> Plan:
    (here,) = _HERE
    return here.morning(here.script(number, day))


def _live(number: int, day: date, policy: str, routes: Plan, widths: Widths) -> Lived:
    (here,) = _HERE
    result, widths = here.live(here.script(number, day), policy, routes, widths=widths, search_s=SEARCH_S)
    return Lived(result=result, widths=widths)


# ── what it comes to ────────────────────────────────────────────────────────────────────────────────────────────────────


def figures(found: Sequence[Sequence[Result]]) -> list[Row]:
    """The issue's rows. A gain is the living plan's over the other's, as a mean over the days."""
    by = [{one.policy: one for one in day} for day in found]
    better = sum(all(better_in_both(day["living"], day[other]) for other in RIVALS) for day in by)
    rows = [Row("days_better", better, f"of {len(by)} days", math.ceil(BETTER_SHARE * len(by)), at_least=True)]
    for other in RIVALS:
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


def better_in_both(ours: Result, theirs: Result) -> bool:
    """More on time and cheaper. Where every order was on time with both there is no more to gain: then cheaper."""
    perfect = ours.on_time == ours.orders and theirs.on_time == theirs.orders
    return (perfect or ours.on_time_share > theirs.on_time_share) and ours.cost_cents < theirs.cost_cents


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m roundsman_sim.bench_days`; 1 where a day failed, else 0 whatever holds: the last line says it."""
    parser = argparse.ArgumentParser(prog="python -m roundsman_sim.bench_days", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_DAYS} days")
    parser.add_argument("--days", type=int, help=f"default: {DAYS}")
    parser.add_argument("--learns-from", type=int, help=f"days before them, to learn from (default: {LEARNS_FROM}, or {QUICK_LEARNS_FROM})")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep town and days there, and go on with what is there")
    parser.add_argument("--chains", type=int, default=min(2, os.cpu_count() or 1), help="processes: 1 or 2 (default: by cores)")
    options = parser.parse_args(arguments)
    many = options.days or (QUICK_DAYS if options.quick else DAYS)
    before = options.learns_from or (QUICK_LEARNS_FROM if options.quick else LEARNS_FROM)
    logging.getLogger("roundsman_hub").setLevel(logging.ERROR)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the database and the roads end with this
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {text}", flush=True)

    with contextlib.ExitStack() as stack:
        shelf = stack.enter_context(Shelf.open(options.keep, many, before, say))
        made = stack.enter_context(setting(None, vans=VANS, orders=LESSON_ORDERS, town_seed=1, say=say, keep=shelf.town))
        if not made.lessons:
            lessons = enumerate(_workdays(before))
            made.learn([made.script(LESSONS + n, day) for n, day in lessons], search_s=LESSON_SEARCH_S, say=say)
        made.place = replace(made.place, orders=ORDERS)
        found, wrong = days(made, many, shelf=shelf, chains=options.chains, say=say)
        if not found:
            return 1
        rows = [*figures(found), Row("days_failed", len(wrong), "", 0), Row("days_of_other_code", shelf.of_other_code(many), "")]
        print(table(rows), flush=True)
        print(last_line("days", rows), flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
