"""Arrival times follow the vans: told when something changed, silent when nothing did, and a late van asks for help."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import msgspec
from psycopg.types.json import Jsonb

from roundsman_core.geo import LatLon
from roundsman_core.widths import HORIZONS_MIN, interval
from roundsman_hub.clock import Clock, to_ms
from roundsman_hub.eta.calibrate import Calibration
from roundsman_hub.eta.worker import EtaWorker
from roundsman_hub.roads import GreatCircle, Matrix
from roundsman_hub.store import eta_store
from roundsman_hub.store.rows import Row, notify, row, rows
from roundsman_wire.messages import Plan

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


class Streets(GreatCircle):
    """A road network that is away at times."""

    name: Final = "osrm"  # type: ignore[misc]  # it is another network
    away = False

    def matrix(self, places: Sequence[LatLon], targets: Sequence[LatLon] | None = None, *, profile: str = "car", band: str = "") -> Matrix:
        found = super().matrix(places, targets, profile=profile)
        return replace(found, network="great_circle" if self.away else self.name)


def test_a_time_says_whose_roads_gave_it_and_when_straight_lines_stood_in(yard: Yard) -> None:
    """Of the first stop the way there counts; of those behind it the plan's legs too, which were made without roads here."""
    van, (near, far) = on_the_road(yard)
    roads = Streets()
    worker = EtaWorker(yard.db, roads, yard.clock)
    worker.tell([van])
    assert [told(yard)[order]["basis"] for order in (near, far)] == ["osrm, uncalibrated", "great_circle, uncalibrated"]
    roads.away = True
    worker.tell([van])
    assert told(yard)[near]["basis"] == "great_circle, uncalibrated", "the same time, by other roads"
    with yard.db.transaction() as cur:
        assert [word["basis"] for word in eta_store.history(cur, [near])[near]] == ["osrm, uncalibrated"]


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
        deadline = time.monotonic() + 100
        while near not in told(yard):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        before = told(yard)[near]["eta"]
        yard.at(van, 2500, 0)
        with yard.db.transaction() as cur:
            notify(cur, "vehicle", yard.fleet, van)
        while told(yard)[near]["eta"] == before:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        stop.set()
        thread.join()


def test_what_was_said_is_kept_and_held_against_what_happened(yard: Yard) -> None:
    """The history is thinned: what nobody would notice is not in it. Each horizon has one verdict, and teaches the next intervals."""
    van, (near, far) = on_the_road(yard)
    worker = EtaWorker(yard.db, GreatCircle(), yard.clock)
    worker.tell([van])
    yard.at(van, 60, 0)
    worker.tell([van])
    yard.at(van, 2000, 0)
    worker.tell([van])
    with yard.db.transaction() as cur:
        said = eta_store.history(cur, [near, far])
    assert [len(said[near]), len(said[far])] == [2, 2]
    assert said[near][0]["eta"] > said[near][1]["eta"]
    yard.state(van, near, "delivered")
    with yard.db.transaction() as cur:
        cur.execute("UPDATE order_states SET arrived_at = %s WHERE order_id = %s", (said[near][0]["eta"] + timedelta(hours=1), near))
    worker.learn()
    worker.learn()
    with yard.db.transaction() as cur:
        hits = rows(cur, "SELECT * FROM eta_hits WHERE fleet_id = %s", (yard.fleet,))
        learned = eta_store.calibrations(cur, yard.fleet)
    assert {hit["order_id"] for hit in hits} == {near}
    assert not any(hit["inside"] for hit in hits)
    assert sum(len(state.scores) for state in learned.values()) == len(hits)


def test_what_was_said_before_the_driver_set_out_teaches_nothing(yard: Yard) -> None:
    van, (near, _) = on_the_road(yard)
    yard.duty(van, "off")
    worker = EtaWorker(yard.db, GreatCircle(), yard.clock)
    worker.tell([van])
    yard.state(van, near, "delivered")
    with yard.db.transaction() as cur:
        said = eta_store.history(cur, [near])[near]
        assert said
        cur.execute("UPDATE order_states SET arrived_at = %s WHERE order_id = %s", (said[0]["eta"], near))
    worker.learn()
    with yard.db.transaction() as cur:
        assert eta_store.calibrations(cur, yard.fleet) == {}
        left = rows(cur, "SELECT 1 AS one FROM eta_said WHERE fleet_id = %s AND order_id = %s AND NOT scored", (yard.fleet, near))
    assert left == [], "and is not looked at again"


def test_intervals_say_when_they_are_calibrated(yard: Yard) -> None:
    van, (near, _) = on_the_road(yard)
    sure = Calibration(scores=tuple(0.01 * n for n in range(-15, 15)))
    with yard.db.transaction() as cur:
        for horizon in HORIZONS_MIN:
            cur.execute("INSERT INTO eta_calibrations VALUES (%s, %s, %s)", (yard.fleet, horizon, Jsonb(msgspec.to_builtins(sure))))
    worker = EtaWorker(yard.db, GreatCircle(), yard.clock)
    worker.tell([van])
    wide = told(yard)[near]
    worker.learn()
    yard.at(van, 1500, 0)
    worker.tell([van])
    narrow = told(yard)[near]
    assert (wide["basis"], narrow["basis"]) == ("great_circle, uncalibrated", "great_circle, calibrated")
    assert narrow["high"] - narrow["low"] < (wide["high"] - wide["low"]) / 3


def test_a_plan_brings_the_van_what_the_hub_has_learned(yard: Yard) -> None:
    """So that both tell the same interval around the same time, with and without network."""
    van, (near, _) = on_the_road(yard)
    assert yard.newest(van).eta_widths_pct == (), "of a fleet that has not learned yet"
    sure = Calibration(scores=tuple(0.01 * n for n in range(-15, 25)))
    with yard.db.transaction() as cur:
        cur.execute("INSERT INTO eta_calibrations VALUES (%s, 5, %s)", (yard.fleet, Jsonb(msgspec.to_builtins(sure))))
    yard.order(9000, 0)
    yard.plan()
    plan = yard.newest(van)
    assert [row[0] for row in plan.eta_widths_pct] == [5]
    worker = EtaWorker(yard.db, GreatCircle(), yard.clock)
    worker.learn()
    worker.tell([van])
    said = told(yard)[near]
    at_the_van = interval(to_ms(said["eta"]), to_ms(said["computed_at"]), plan.eta_widths_pct)
    assert (at_the_van.low_utc_ms, at_the_van.high_utc_ms) == (to_ms(said["low"]), to_ms(said["high"]))
    assert said["basis"] == f"great_circle, {'' if at_the_van.learned else 'un'}calibrated"


def test_a_van_that_drives_away_from_its_next_stop_is_news_once(yard: Yard) -> None:
    van, _ = on_the_road(yard)
    worker = EtaWorker(yard.db, GreatCircle(), yard.clock)
    for east_m in (0, 1000, 500, -4000, -4100, -4200):
        yard.at(van, east_m, 0)
        worker.tell([van])
    with yard.db.transaction() as cur:
        found = row(cur, "SELECT reasons FROM planning WHERE depot_id = %s", (yard.depot,))
    assert found is not None
    assert [reason["kind"] for reason in found["reasons"]] == ["off_route"]


def test_a_second_load_takes_its_way_and_its_time_until_it_was_fetched(yard: Yard) -> None:
    """As the van itself counts (`roundsman_core.calls`)."""
    yard.clock = Clock(replace(yard.clock.base, factor=1e-9))  # it stands: what the test takes is not what the van takes
    van, (near, far) = on_the_road(yard)
    with yard.db.transaction() as cur:
        (kept,) = rows(cur, "SELECT version, plan FROM plans WHERE vehicle_id = %s ORDER BY version DESC LIMIT 1", (van,))
        plan = msgspec.convert(kept["plan"], Plan)
        reload = msgspec.structs.replace(plan.stops[1], stop=f"@{yard.depot}", kind="depot", tasks=(), leg_s=400, service_s=600, items=())
        reload = msgspec.structs.replace(reload, window_start_utc_ms=None)
        fetched = msgspec.structs.replace(plan.stops[1], kind="delivery")
        longer = msgspec.structs.replace(plan, stops=(plan.stops[0], reload, fetched), matrix_s=b"")
        cur.execute(
            "UPDATE plans SET plan = %s::jsonb WHERE vehicle_id = %s AND version = %s",
            (msgspec.json.encode(longer).decode(), van, kept["version"]),
        )
    worker = EtaWorker(yard.db, GreatCircle(), yard.clock)
    worker.tell([van])
    before = told(yard)
    assert set(before) == {near, far}, "nobody is told when the van is at its depot"
    assert (before[near]["position"], before[far]["position"]) == (1, 2)
    with yard.db.transaction() as cur:
        cur.execute(
            "INSERT INTO visits (session_no, visit, vehicle_id, fleet_id, order_id, arrived_at, lat_e6, lon_e6, confidence)"
            " SELECT session_no, 998, vehicle_id, %s, %s, %s, %s, %s, 1.0 FROM log.sessions WHERE vehicle_id = %s",
            (yard.fleet, reload.stop, yard.clock.now() - timedelta(seconds=400), reload.lat_e6, reload.lon_e6, van),
        )
    worker.tell([van])
    long_there = told(yard)
    with yard.db.transaction() as cur:
        cur.execute("UPDATE visits SET arrived_at = arrived_at + interval '300 seconds' WHERE visit = 998")
    worker.tell([van])
    just_there = told(yard)
    assert abs((just_there[far]["eta"] - long_there[far]["eta"]).total_seconds() - 300) < 2, "what was done of the reload is done"
    with yard.db.transaction() as cur:
        cur.execute("UPDATE visits SET left_at = %s WHERE visit = 998", (yard.clock.now(),))
    with yard.db.transaction() as cur:
        cur.execute(
            "INSERT INTO depot_calls (session_no, seq, vehicle_id, fleet_id, call, stop, event, version, tasks, at)"
            " SELECT session_no, 999, vehicle_id, %s, 'c-1', %s, 'loaded', %s, %s, %s FROM log.sessions WHERE vehicle_id = %s",
            (yard.fleet, reload.stop, kept["version"], Jsonb([far]), yard.clock.now(), van),
        )
    worker.tell([van])
    after = told(yard)
    assert (before[far]["eta"] - after[far]["eta"]).total_seconds() >= 590
    assert abs((before[near]["eta"] - after[near]["eta"]).total_seconds()) < 2, "the stop before it is not concerned"
