"""A day in a box: one small day through the hub's own ingest, derive, planner and arrival times."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec import structs

from roundsman_core.geo import LatLon, LocalFrame, distance_m
from roundsman_hub.clock import from_ms, to_ms
from roundsman_hub.derive.alerts import SILENT
from roundsman_hub.pki import open_pki
from roundsman_hub.planning.engines.here import Here
from roundsman_hub.roads import GreatCircle
from roundsman_hub.store.db import Database
from roundsman_hub.store.rows import rows
from roundsman_sim import bench_days, day_report, day_world
from roundsman_sim.day_box import Box
from roundsman_sim.day_result import Result
from roundsman_sim.day_town import make_town
from roundsman_sim.day_van import DayVan
from roundsman_sim.day_world import ZONE, Script, Trouble
from roundsman_wire.messages import AnyEntry, BasedOn, Plan

MONDAY = date(2026, 3, 2)
MIDDLE = LatLon(50.0, 10.0)
HOMES = [(f"Street {n}", LocalFrame(MIDDLE).to_latlon(311.0 * (n % 9 - 4), 283.0 * (n // 9 - 4))) for n in range(81) if n != 40]


@pytest.fixture(scope="module")
def lived(plain_database: Database, tmp_path_factory: pytest.TempPathFactory) -> tuple[Script, Result, Database, Box]:
    """A day of the living plan."""
    town_keys = open_pki(tmp_path_factory.mktemp("days") / "pki").signer()
    day = day_world.script(HOMES, vans=3, orders=24, day=MONDAY, seed=4)
    town = make_town(plain_database, MIDDLE, 3, 24, GreatCircle(), town_keys)
    box = Box(plain_database, town, day, "living", engine=Here("pyvrp"), search_s=0.1, first_search_s=0.5)
    return day, box.run(), plain_database, box


def test_the_same_seed_is_the_same_day_and_another_is_another() -> None:
    first, again = (day_world.script(HOMES, vans=3, orders=24, day=MONDAY, seed=4) for _ in range(2))
    assert first == again
    assert day_world.script(HOMES, vans=3, orders=24, day=MONDAY, seed=5).asks != first.asks
    assert day_world.script(HOMES, vans=3, orders=24, day=MONDAY, seed=5).paces == first.paces, "drivers are the town's"


def test_a_leg_takes_as_long_whoever_plans_it() -> None:
    """The hidden truth depends on the day, the van, the way and the hour; never on what was decided before."""
    day = day_world.script(HOMES, vans=3, orders=24, day=MONDAY, seed=4)
    a, b = HOMES[0][1], HOMES[50][1]
    at = day.start + timedelta(hours=1)
    assert day_world.drive_s(day, 1, a, b, 300, at) == day_world.drive_s(day, 1, a, b, 300, at)
    assert day_world.drive_s(day, 1, a, b, 600, at) == pytest.approx(2 * day_world.drive_s(day, 1, a, b, 300, at))


def test_every_order_is_served_or_called_off_or_said_to_be_left(lived: tuple[Script, Result, Database, Box]) -> None:
    """A search by the clock may leave an order, more of them on a crowded machine; then the hub says so, and why."""
    day, result, db, box = lived
    assert result.orders == len(day.asks) - len(box._called_off)
    served = {stop for van in box.vans for stop in van.served}
    left = {ask.order for ask in day.asks} - box._called_off - served
    with db.transaction() as cur:
        said = {r["order_id"] for r in rows(cur, "SELECT order_id FROM unassigned WHERE reason <> ''")}
    assert left <= said
    assert len(left) == result.orders - result.served < result.orders / 3
    assert 0 < result.on_time <= result.served
    assert result.paid_cents > 5_000 * result.vans_used


def test_the_hub_has_every_fix_and_every_outcome_that_the_vans_wrote(lived: tuple[Script, Result, Database, Box]) -> None:
    """Real frames through the real transaction: nothing lost and nothing twice, over the vans' silent hours too."""
    _, _, db, box = lived
    for van in box.vans:
        with db.transaction() as cur:
            stored = rows(cur, "SELECT count(*) AS n, count(DISTINCT seq) AS d FROM log.fixes WHERE vehicle_id = %s", (van.vehicle,))[0]
            states = {r["order_id"]: r["state"] for r in rows(cur, "SELECT * FROM order_states WHERE vehicle_id = %s", (van.vehicle,))}
        assert stored["n"] == stored["d"] == len(van.track) - 1
        assert states == {stop: "failed" if failed else "delivered" for stop, (_, _, failed) in van.served.items()}


def test_the_table_and_the_page_tell_the_same(lived: tuple[Script, Result, Database, Box], tmp_path: Path) -> None:
    _, result, _, _ = lived
    page = day_report.page([result], [home for _, home in HOMES], "A day")
    assert page.count("<polyline") == sum(len(track) > 1 for track in result.tracks)
    assert f"{result.on_time_share:.1%}" in day_report.table([result])
    assert f"{result.on_time_share:.1%}" in page
    row = day_report.row(result)
    assert row["eta_coverage"] == day_report.coverage(result.said) is not None
    assert row["eta_error_s"] == day_report.eta_error_s(result.said)
    assert row["on_time_share"] == result.on_time_share
    assert json.loads(json.dumps(row)) == row, "and as JSON it is the same"


def test_what_the_mornings_plan_said_is_held_against_what_happened(plain_database: Database, tmp_path: Path) -> None:
    """Nobody computes arrivals after it: its error is that of the plan itself."""
    day = day_world.script(HOMES, vans=2, orders=10, day=MONDAY + timedelta(days=1), seed=4)
    town = make_town(plain_database, MIDDLE, 2, 10, GreatCircle(), open_pki(tmp_path / "pki").signer())
    box = Box(plain_database, town, day, "static", engine=Here("pyvrp"), first_search_s=0.2)
    result = box.run()
    planned = {stop.stop: stop.arrival_utc_ms for van in box.vans if van.plan is not None for stop in van.plan.stops}
    assert result.said
    assert {(one.stop, to_ms(one.eta)) for one in result.said} <= set(planned.items())
    assert day_report.eta_error_s(result.said) is not None


def test_the_hubs_command_hands_pretend_days_to_their_own_program() -> None:
    """The hub never imports the pretend world; what is wrong with the question is said by the one who answers it."""
    command = [sys.executable, "-m", "roundsman_hub", "simulate", "--town", "nowhere.osm.pbf"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "nowhere.osm.pbf: no such file" in done.stderr


def test_the_figures_count_days_on_which_both_are_better(lived: tuple[Script, Result, Database, Box]) -> None:
    result = lived[1]
    worse = replace(result, policy="static", on_time=result.on_time - 1, cost_cents=result.cost_cents + 1, said=())
    dearer = replace(result, policy="greedy", on_time=result.on_time - 1, cost_cents=result.cost_cents - 1, said=())
    good, bad = [result, worse, replace(worse, policy="greedy")], [result, worse, dearer]
    rows = {row.name: row for row in bench_days.figures([good, bad])}
    assert (rows["days_better"].value, rows["days_better"].holds) == (1, False)
    assert rows["on_time_gain_static_pct"].value == round(100 / result.orders, 2)


def test_a_van_that_breaks_down_stands_still_and_its_fixes_say_so() -> None:
    """What the hub learns of streets comes from these tracks: a breakdown is no slow street, and no fix runs ahead of the van."""
    start = datetime(2026, 3, 2, 8, tzinfo=ZONE)  # when shifts begin
    here, there = LatLon(60.0, 25.0), LatLon(60.0, 25.1)
    script = day_world.script([("There", there)] * 60, vans=3, orders=20, day=start.date(), seed=1)
    broken = Trouble(van=0, kind="breakdown", since=start + timedelta(seconds=100), until=start + timedelta(seconds=1_600))
    script = replace(script, troubles=(broken,), jams=())
    van = DayVan(
        number=0, vehicle="v", session="0" * 16, previous=None, day=script, home=here, road=lambda a, b: ((a, b), 600.0, distance_m(a, b))
    )
    ask = script.asks[0]
    van.know(ask)
    van.plan = Plan(plan="p", vehicle="v", version=1, issued_utc_ms=0, based_on=BasedOn(session=None, facts_seq=0), stops=())
    van.append(ask)
    places = []
    for second in range(0, 1_900, 30):
        van.advance(start + timedelta(seconds=second))
        places.append(van.where(start + timedelta(seconds=second)).lon_deg)
    assert places == sorted(places), "never backwards"
    assert len(set(places[4:53])) == 1, "it stands"
    assert places[3] < places[4] < places[54] < there.lon_deg
    assert [at.lon_deg for at in van.track] == sorted(at.lon_deg for at in van.track)


def test_a_van_that_stands_for_an_hour_is_not_silent() -> None:
    """A unit says how it is every few minutes; the hub takes a quarter of an hour without a word for silence and seeks another plan."""
    start = datetime(2026, 3, 2, 8, tzinfo=ZONE)
    script = day_world.script([("Here", MIDDLE)] * 60, vans=3, orders=20, day=start.date(), seed=1)
    van = DayVan(
        number=0, vehicle="v", session="0" * 16, previous=None, day=script, home=MIDDLE, road=lambda a, b: ((a, b), 60.0, distance_m(a, b))
    )
    van.advance(start + timedelta(hours=1))
    facts, _ = van.log.taken()
    heard = [start, *(from_ms(fact.utc_ms or 0) for fact in facts if (fact.utc_ms or 0) >= to_ms(start)), start + timedelta(hours=1)]
    assert max(later - earlier for earlier, later in pairwise(heard)) < SILENT


def plan_of(van: DayVan, *stops: str, version: int, may_decline: bool = False) -> Plan:
    """A plan of these orders, as the telephone would tell them."""
    van.plan = Plan(plan="p", vehicle="v", version=version, issued_utc_ms=0, based_on=BasedOn(session=None, facts_seq=0), stops=())
    for stop in stops:
        van.append(van.asks[stop])
    told, van.plan = van.plan, None
    return structs.replace(told, may_decline=may_decline)


def test_a_driver_rests_after_a_stop_and_says_so_and_drives_on(monkeypatch: pytest.MonkeyPatch) -> None:
    start = datetime(2026, 3, 2, 8, tzinfo=ZONE)
    there, further = LatLon(60.0, 25.05), LatLon(60.0, 25.1)
    script = day_world.script([("There", there), ("Further", further)] * 30, vans=3, orders=20, day=start.date(), seed=1)
    rest = Trouble(van=0, kind="pause", since=start, until=start + timedelta(minutes=20))
    script = replace(script, troubles=(rest,), jams=(), no_shows=frozenset())
    van = DayVan(
        number=0, vehicle="v", session="0" * 16, previous=None, day=script, home=LatLon(60.0, 25.0),
        road=lambda a, b: ((a, b), 600.0, distance_m(a, b)), driver="d_1",
    )  # fmt: skip
    first, second = [ask for ask in script.asks if ask.opens <= start][:2]
    for ask in (first, second):
        van.know(ask)
    told: list[tuple[str, datetime]] = []
    tell = van.log.tell

    def listened(entry: AnyEntry, at: datetime) -> None:
        told.append((getattr(entry, "duty", ""), at))
        tell(entry, at)

    monkeypatch.setattr(van.log, "tell", listened)
    van.take(plan_of(van, first.order, second.order, version=1), "h", start)
    for minute in range(200):
        van.advance(start + timedelta(minutes=minute))
    duties = [(duty, at) for duty, at in told if duty]
    assert [duty for duty, _ in duties] == ["on", "break", "on"]
    assert duties[1][1] == van.served[first.order][1], "as soon as the stop is done"
    assert duties[2][1] - duties[1][1] == timedelta(minutes=20)
    assert van.arrived[second.order] >= duties[2][1]


def test_a_driver_who_declines_keeps_the_order_and_never_what_may_not_be_declined() -> None:
    start = datetime(2026, 3, 2, 8, tzinfo=ZONE)
    script = day_world.script([("There", LatLon(60.0, 25.05))] * 60, vans=3, orders=20, day=start.date(), seed=1)
    script = replace(script, troubles=(Trouble(van=0, kind="declines", since=start, until=start + timedelta(hours=1)),))
    van = DayVan(
        number=0, vehicle="v", session="0" * 16, previous=None, day=script, home=LatLon(60.0, 25.0),
        road=lambda a, b: ((a, b), 600.0, distance_m(a, b)),
    )  # fmt: skip
    a, b = script.asks[:2]
    for ask in (a, b):
        van.know(ask)
    orders = ((a.order, b.order), (b.order, a.order), (b.order,))
    mine, other, must = (plan_of(van, *order, version=n, may_decline=n == 2) for n, order in enumerate(orders, start=1))
    van.take(mine, "h", start)
    van.take(other, "h", start + timedelta(minutes=5))
    assert ([stop.stop for stop in van.left], van.declined) == ([a.order, b.order], [2])
    van.take(must, "h", start + timedelta(minutes=10))
    assert [stop.stop for stop in van.left] == [b.order]
