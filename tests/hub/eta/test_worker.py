"""Arrival times follow the vans: told when something changed, silent when nothing did, and a late van asks for help."""

from __future__ import annotations

import threading
import time
from typing import Any

from roundsman_hub.eta.worker import EtaWorker
from roundsman_hub.roads import GreatCircle
from roundsman_hub.store.rows import Row, notify, row, rows

Yard = Any  # the fixture of conftest.py


def told(yard: Yard) -> dict[str, Row]:
    with yard.db.transaction() as cur:
        return {r["order_id"]: r for r in rows(cur, "SELECT * FROM etas WHERE fleet_id = %s", (yard.fleet,))}


def on_the_road(yard: Yard) -> tuple[str, list[str]]:
    van = yard.van()
    yard.order(3000, 0)
    yard.order(6000, 0)
    yard.plan()
    yard.receipt(van)
    yard.duty(van, "on")
    yard.at(van, 0, 0)
    return van, yard.route(van)


def test_a_van_that_comes_nearer_is_expected_sooner(yard: Yard) -> None:
    van, (near, far) = on_the_road(yard)
    worker = EtaWorker(yard.db, GreatCircle(), yard.clock)
    worker.tell([van])
    before = told(yard)
    assert before[near]["eta"] < before[far]["eta"]
    assert (before[near]["position"], before[far]["position"]) == (1, 2)
    assert before[near]["basis"] == "great_circle, uncalibrated"
    yard.at(van, 2000, 0)
    worker.tell([van])
    after = told(yard)
    assert (before[near]["eta"] - after[near]["eta"]).total_seconds() > 100
    assert (before[far]["eta"] - after[far]["eta"]).total_seconds() > 100


def test_what_is_done_or_cancelled_has_no_arrival_time(yard: Yard) -> None:
    van, (near, far) = on_the_road(yard)
    worker = EtaWorker(yard.db, GreatCircle(), yard.clock)
    worker.tell([van])
    yard.state(van, near, "delivered")
    yard.cancel(far)
    worker.tell([van])
    assert told(yard) == {}


def test_nothing_new_is_not_told_again(yard: Yard) -> None:
    van, (near, _) = on_the_road(yard)
    worker = EtaWorker(yard.db, GreatCircle(), yard.clock)
    worker.tell([van])
    before = told(yard)
    worker.tell([van])
    assert told(yard)[near]["computed_at"] == before[near]["computed_at"]


def test_before_the_shift_times_count_from_its_start(yard: Yard) -> None:
    van = yard.van()
    order = yard.order(3000, 0)
    yard.plan()
    EtaWorker(yard.db, GreatCircle(), yard.clock).tell([van])
    assert (told(yard)[order]["eta"] - yard.clock.now()).total_seconds() > 30 * 60


def test_a_late_van_asks_for_another_plan_once(yard: Yard) -> None:
    van = yard.van("Late van")
    yard.order(3000, 0, within_h=(0, 1.0))
    yard.plan()
    yard.receipt(van)
    yard.duty(van, "on")
    yard.at(van, -60_000, 0)
    worker = EtaWorker(yard.db, GreatCircle(), yard.clock)

    def revision() -> Row:
        with yard.db.transaction() as cur:
            found = row(cur, "SELECT * FROM planning WHERE depot_id = %s", (yard.depot,))
        assert found is not None
        return found

    planned = revision()["planned"]
    worker.tell([van])
    asked = revision()
    assert asked["revision"] == planned + 1
    assert asked["reasons"][0]["reason"].startswith("Late van is ")
    yard.at(van, -61_000, 0)
    worker.tell([van])
    assert revision()["revision"] == asked["revision"], "a kilometre more is no news"


def test_it_listens(yard: Yard) -> None:
    van, (near, _) = on_the_road(yard)
    stop = threading.Event()
    thread = threading.Thread(target=EtaWorker(yard.db, GreatCircle(), yard.clock).run, args=(stop,))
    thread.start()
    try:
        deadline = time.monotonic() + 10
        while near not in told(yard):
            assert time.monotonic() < deadline
        before = told(yard)[near]["eta"]
        yard.at(van, 2500, 0)
        with yard.db.transaction() as cur:
            notify(cur, "vehicle", yard.fleet, van)
        while told(yard)[near]["eta"] == before:
            assert time.monotonic() < deadline
    finally:
        stop.set()
        thread.join()
