"""The upkeep role: it works by business time, one at a time, and waits for a database that is away."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import psycopg
import pytest
from tests import waiting

from roundsman_core.timebase import TimeBase
from roundsman_hub.clock import Clock
from roundsman_hub.store.db import Database
from roundsman_hub.upkeep import worker

A_YEAR_MS = timedelta(days=400) // timedelta(milliseconds=1)
NEXT_YEAR = Clock(TimeBase(origin_real_ms=0, origin_utc_ms=A_YEAR_MS))
WITHIN_S = 60.0


until = partial(waiting.until, within_s=WITHIN_S)


@contextmanager
def working(db: Database, clock: Clock) -> Iterator[None]:
    stop, failed = threading.Event(), []

    def run() -> None:
        try:
            worker.work(db, clock, stop)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(WITHIN_S)
    assert not thread.is_alive()
    assert failed == []


def test_what_is_old_by_business_time_goes(van: Any) -> None:
    van.drive(1, 120)
    with working(van.db, NEXT_YEAR):
        until(lambda: van.raw() == 0, "the raw fixes to go")
    assert [row["fixes"] for row in van.days()] == [120]
    assert van.gaps() == [(1, 120, "aged")]


def test_one_works_at_a_time(van: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "LOOKS_EVERY_S", 0.05)
    van.drive(1, 120)
    with psycopg.connect(van.db.dsn, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (worker.TURN,))
        with working(van.db, NEXT_YEAR):
            asked = "SELECT count(*) AS n FROM pg_stat_activity WHERE query LIKE %s AND datname = current_database()"
            until(lambda: van.ask(asked, "SELECT pg_try_advisory_lock%")[0]["n"] > 0, "the worker to ask for its turn")
            assert van.raw() == 120
            other.execute("SELECT pg_advisory_unlock(%s)", (worker.TURN,))
            until(lambda: van.raw() == 0, "the worker to take its turn")


def test_a_database_that_was_away_is_looked_at_again(van: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "LOOKS_EVERY_S", 0.05)
    monkeypatch.setattr(worker, "AGES_EVERY_S", 0.0)
    with working(van.db, NEXT_YEAR):
        others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        cut = f"SELECT count(pg_terminate_backend(pid)) AS n {others}"
        until(lambda: van.ask(cut)[0]["n"] > 0, "a connection to cut")
        van.drive(1, 60)
        until(lambda: van.raw() == 0, "the worker to go on")
