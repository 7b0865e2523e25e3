"""The record ages: raw fixes → simplified tracks → a row a vehicle and day. What is counted stays right, what is late is put right."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
import pytest

from roundsman_hub import HubError, metrics
from roundsman_hub.store import retention
from roundsman_hub.store.partitions import ensure_days
from roundsman_hub.upkeep.ageing import age, count_days
from roundsman_wire.messages import GAP_BEFORE

EIGHT = datetime(2026, 3, 2, 8, tzinfo=UTC)
NEXT_DAY = EIGHT + timedelta(days=1)
A_YEAR_ON = EIGHT + timedelta(days=400)
NUMBERS = ("fixes", "driven_m", "moving_s", "standing_s", "max_speed_cm_s", "first_fix_at", "last_fix_at")


def numbers(row: dict[str, Any]) -> dict[str, Any]:
    return {name: pytest.approx(row[name]) if isinstance(row[name], float) else row[name] for name in NUMBERS}


@pytest.fixture(autouse=True)
def partitions(database: Any) -> None:
    """The day's own partition, as a hub makes it beforehand; on a hypertable there is nothing to do."""
    with database.transaction() as cur:
        ensure_days(cur, EIGHT)


def test_a_day_counts_what_its_raw_fixes_say(van: Any) -> None:
    van.drive(1, 900)
    assert count_days(van.db, NEXT_DAY) >= 1
    [day] = van.days()
    with van.db.transaction() as cur:
        total, _ = metrics.numbers(cur, van.fleet, EIGHT - timedelta(hours=10), EIGHT + timedelta(hours=14))
    assert (day["day"], day["timezone"], day["fixes"]) == (date(2026, 3, 2), "Europe/Helsinki", 900)
    assert (round(day["driven_m"]), round(day["moving_s"])) == (pytest.approx(total.driven_m, abs=1), total.driving_s)
    assert day["standing_s"] == 300
    assert (day["revision"], day["max_speed_cm_s"]) == (1, 1000)
    assert count_days(van.db, NEXT_DAY) == 0, "nothing changed"


def test_a_day_that_is_not_over_waits(van: Any) -> None:
    van.drive(1, 60)
    count_days(van.db, EIGHT + timedelta(hours=13))
    assert van.days() == []
    count_days(van.db, EIGHT + timedelta(hours=14, seconds=1))
    assert len(van.days()) == 1, "midnight is the fleet's own"


def test_midnight_divides_a_round_without_losing_a_leg(van: Any) -> None:
    """Helsinki's midnight is 22:00 UTC: one UTC day holds two local days, before and after its raw fixes have gone."""
    van.drive(1, 900, at=EIGHT + timedelta(hours=13, minutes=55))
    count_days(van.db, A_YEAR_ON)
    before = van.days()
    assert [(row["day"].day, row["fixes"]) for row in before] == [(2, 299), (3, 601)]
    assert sum(row["moving_s"] + row["standing_s"] for row in before) == 899
    age(van.db, A_YEAR_ON)
    van.note("DELETE FROM log.days_seen WHERE session_no = %s", van.session_no)
    van.note("INSERT INTO log.days_due VALUES (%s, '2026-03-02'), (%s, '2026-03-03')", van.vehicle, van.vehicle)
    count_days(van.db, A_YEAR_ON)
    assert [numbers(row) for row in before] == [numbers(row) for row in van.days()], "the same from the stretches alone"


def test_old_fixes_become_tracks_and_nothing_is_missing(van: Any) -> None:
    van.drive(1, 900)
    van.note("INSERT INTO log.gaps VALUES (%s, 1, 901, 950, 'thinned', %s)", van.session_no, EIGHT)
    van.drive(951, 1200)
    count_days(van.db, A_YEAR_ON)
    [before] = van.days()
    did = age(van.db, A_YEAR_ON)
    assert did.simplified == 1150
    assert did.let_go >= 1150
    assert van.raw() == 0
    assert van.gaps() == [(1, 900, "aged"), (901, 950, "thinned"), (951, 1200, "aged")]
    audit = van.audit()
    assert (audit.acknowledged, audit.missing, audit.twice) == (1200, 0, 0)
    [day] = van.days()
    assert numbers(day) == numbers(before)
    points = van.ask("SELECT sum(cardinality(at_ms)) AS n FROM log.stretches WHERE vehicle_id = %s", van.vehicle)[0]["n"]
    assert 10 < points < 1150 / 5
    names = van.ask("SELECT to_regclass('log.fixes_20260302') AS there")
    assert names[0]["there"] is None, "a whole day goes by dropping its partition (a hypertable has no such name)"
    assert age(van.db, A_YEAR_ON).let_go == 0


def test_ranges_that_follow_each_other_are_one_row(van: Any) -> None:
    van.drive(1, 100)
    van.drive(101, 200, at=EIGHT + timedelta(days=1))
    van.drive(201, 300, at=EIGHT + timedelta(days=2))
    count_days(van.db, A_YEAR_ON)
    age(van.db, A_YEAR_ON)
    assert van.gaps() == [(1, 300, "aged")]


def test_each_fleet_keeps_its_own_time(make_van: Callable[..., Any]) -> None:
    brief, usual = make_van(), make_van()
    brief.drive(1, 120)
    usual.drive(1, 120)
    now = EIGHT + timedelta(days=40)
    with brief.db.transaction() as cur:
        retention.choose(cur, brief.fleet, raw_days=30, track_days=60, at=now, actor="test")
    count_days(brief.db, now)
    age(brief.db, now)
    assert (brief.raw(), usual.raw()) == (0, 120)
    assert brief.gaps() == [(1, 120, "aged")]
    later = EIGHT + timedelta(days=70)
    assert age(brief.db, later).tracks_let_go >= 1
    assert brief.ask("SELECT FROM log.stretches WHERE vehicle_id = %s", brief.vehicle) == []
    assert [row["fixes"] for row in brief.days()] == [120], "the day's row is kept for good"
    assert usual.raw() == 120


def test_a_rule_that_cannot_be_is_refused(van: Any) -> None:
    for raw_days, track_days, why in ((1, 100, "2 to 3650 days"), (30, 29, "at least as long as raw fixes")):
        with pytest.raises(HubError, match=why), van.db.transaction() as cur:
            retention.choose(cur, van.fleet, raw_days=raw_days, track_days=track_days, at=EIGHT, actor="test")


@pytest.mark.parametrize("late", [(301, 600), (1, 300)])
def test_what_comes_after_its_day_has_aged_corrects_the_day(make_van: Callable[..., Any], late: tuple[int, int]) -> None:
    """Both ways round: the late part follows what is kept, or stands before it (a frame that a later release could read)."""
    whole, van = make_van(), make_van()
    whole.drive(1, 600)
    van.drive(*((1, 300) if late[0] > 1 else (301, 600)))
    count_days(van.db, A_YEAR_ON)
    age(van.db, A_YEAR_ON)
    van.drive(*late)
    van.note("UPDATE log.days_seen SET set_aside = set_aside + 1 WHERE session_no = %s", van.session_no)
    count_days(van.db, A_YEAR_ON)
    assert age(van.db, A_YEAR_ON).late == 300
    count_days(van.db, A_YEAR_ON)
    [expected], [day] = whole.days(), van.days()
    assert numbers(expected) == numbers(day)
    assert (day["revision"] > 1, day["late_fixes"]) == (True, 300)
    assert (van.raw(), van.audit().missing) == (0, 0)


def test_what_comes_after_even_the_track_is_gone_is_added(make_van: Callable[..., Any]) -> None:
    van = make_van()
    van.drive(1, 300)
    far = EIGHT + timedelta(days=1000)
    count_days(van.db, far)
    age(van.db, far)
    assert van.ask("SELECT FROM log.stretches WHERE vehicle_id = %s", van.vehicle) == []
    [before] = van.days()
    van.drive(361, 600)
    for _ in range(2):
        count_days(van.db, far)
        age(van.db, far)
    [day] = van.days()
    assert (day["fixes"], day["late_fixes"], day["revision"]) == (540, 240, 2)
    assert day["moving_s"] > before["moving_s"]


def test_work_that_is_cut_short_anywhere_is_done_by_the_next(make_van: Callable[..., Any]) -> None:
    for steps in range(6):
        vans = [make_van() for _ in range(2)]
        for van in vans:
            van.drive(1, 200, at=EIGHT + timedelta(days=10 + steps))
        left = iter(range(steps))
        count_days(vans[0].db, A_YEAR_ON, lambda left=left: next(left, None) is not None)  # type: ignore[misc]
        count_days(vans[0].db, A_YEAR_ON)
        left = iter(range(steps))
        age(vans[0].db, A_YEAR_ON, lambda left=left: next(left, None) is not None)  # type: ignore[misc]
        age(vans[0].db, A_YEAR_ON)
        for van in vans:
            assert [row["fixes"] for row in van.days()] == [200]
            assert (van.raw(), van.gaps(), van.audit().missing) == (0, [(1, 200, "aged")], 0)


def test_a_partition_in_use_is_left_for_later(van: Any) -> None:
    """Ingest never waits long behind upkeep: it is upkeep that gives way."""
    with van.db.transaction() as cur:
        ensure_days(cur, EIGHT)
    van.drive(1, 60)
    count_days(van.db, A_YEAR_ON)
    with psycopg.connect(van.db.dsn) as other:
        other.execute("LOCK TABLE log.fixes IN ROW EXCLUSIVE MODE")
        other.execute("SELECT count(*) FROM log.fixes")
        assert age(van.db, A_YEAR_ON).busy_days >= 1
        assert (van.raw(), van.gaps()) == (60, [])
        assert van.audit().missing == 0
        other.rollback()
    assert age(van.db, A_YEAR_ON).dropped_days >= 1
    assert (van.raw(), van.gaps()) == (0, [(1, 60, "aged")])


def test_late_visits_change_the_day(van: Any) -> None:
    van.drive(1, 60)
    count_days(van.db, NEXT_DAY)
    assert [row["stops"] for row in van.days()] == [0]
    van.note(
        "INSERT INTO log.entries VALUES (%s, %s, 1, 'visit', 1, %s, %s, %s, '{}')",
        *(van.vehicle, van.session_no, EIGHT, NEXT_DAY, NEXT_DAY),
    )
    van.note(
        "INSERT INTO visits (session_no, visit, vehicle_id, fleet_id, order_id, arrived_at, left_at, lat_e6, lon_e6, confidence) "
        "VALUES (%s, 1, %s, %s, 'o_1', %s, %s, 0, 0, 1)",
        *(van.session_no, van.vehicle, van.fleet, EIGHT, EIGHT + timedelta(minutes=3)),
    )
    van.note("INSERT INTO derive_state VALUES (%s, 1, '{}')", van.session_no)
    count_days(van.db, NEXT_DAY)
    assert [(row["stops"], row["revision"]) for row in van.days()] == [(1, 2)]


def test_positions_without_a_date_and_frames_set_aside_go_too(van: Any) -> None:
    van.note("INSERT INTO log.fixes_untimed VALUES (%s, %s, 1, 1, NULL, 1, 1, 0, 0, 0, 9, 0)", van.vehicle, van.session_no)
    van.note("INSERT INTO log.fixes_untimed VALUES (%s, %s, 2, 2, NULL, 1, 1, 0, 0, 0, 9, 0)", van.vehicle, van.session_no)
    van.note("INSERT INTO log.watermarks VALUES (%s, 1, 2)", van.session_no)
    van.note("INSERT INTO log.entries VALUES (%s, %s, 1, 'note', 1, NULL, %s, %s, '{}')", van.vehicle, van.session_no, EIGHT, EIGHT)
    van.note(
        "INSERT INTO log.quarantine (topic, received_at, error, frame) VALUES (%s, %s, 'x', 'x')", f"rm/1/00/{van.vehicle}/up/track", EIGHT
    )
    age(van.db, EIGHT + timedelta(days=80))
    assert len(van.ask("SELECT FROM log.fixes_untimed WHERE vehicle_id = %s", van.vehicle)) == 2
    age(van.db, A_YEAR_ON)
    assert van.gaps() == [(1, 2, "aged")]
    assert van.audit().missing == 0
    assert van.ask("SELECT FROM log.quarantine WHERE topic LIKE %s", f"%{van.vehicle}%") == []


def test_an_aged_track_is_still_a_track_with_its_gaps(van: Any) -> None:
    """Where it says that the van was at an instant is within ten metres of where it was; a gap is never drawn as a line."""
    van.drive(1, 400)
    van.drive(401, 700, flags=GAP_BEFORE)
    van.note("INSERT INTO log.gaps VALUES (%s, 1, 701, 800, 'thinned', %s)", van.session_no, EIGHT)
    van.drive(801, 1000)
    before = van.track()
    count_days(van.db, A_YEAR_ON)
    age(van.db, A_YEAR_ON)
    van.drive(1001, 1200)
    after = van.track()
    assert [f["properties"].get("reason") for f in before] == [f["properties"].get("reason") for f in after[:-1]]
    assert [f["properties"].get("source") for f in after] == ["simplified", None, "simplified", None, "simplified", "raw"]
    for raw, kept in zip(before, after[:-1], strict=True):
        if raw["geometry"] is None:
            continue
        raw_at, kept_at = (
            np.array([datetime.fromisoformat(text).timestamp() for text in feature["properties"]["coordTimes"]]) for feature in (raw, kept)
        )
        lon, lat = np.array(raw["geometry"]["coordinates"]).T
        kept_lon, kept_lat = np.array(kept["geometry"]["coordinates"]).T
        off_m = 111_195 * np.hypot(np.interp(raw_at, kept_at, kept_lat) - lat, (np.interp(raw_at, kept_at, kept_lon) - lon) * 0.5)
        assert float(np.max(off_m)) <= 10.1
    assert after[-1]["geometry"]["coordinates"][0] == after[-2]["geometry"]["coordinates"][-1], (
        "the raw fixes that came later go on from it"
    )
    assert after[-1]["properties"]["coordTimes"][-1] == "2026-03-02T08:20:00.000Z"


def test_what_was_said_of_arrivals_goes_with_the_fixes_and_how_it_turned_out_with_the_tracks(van: Any) -> None:
    van.note(
        "INSERT INTO orders (order_id, fleet_id, depot_id, kind, name, address, lat_e6, lon_e6, placed, window_start, window_end,"
        " service_s, parcels, priority, track_token, created_at)"
        " SELECT 'o_' || vehicle_id, fleet_id, depot_id, 'delivery', '', '', 0, 0, 'given', %s,"
        " %s, 60, 1, 0, vehicle_id, %s FROM vehicles WHERE vehicle_id = %s",
        *(EIGHT, NEXT_DAY, EIGHT, van.vehicle),
    )
    said = (f"o_{van.vehicle}", EIGHT, van.fleet, van.vehicle, EIGHT, EIGHT, EIGHT)
    van.note("INSERT INTO eta_said (order_id, said_at, fleet_id, vehicle_id, eta, low, high) VALUES (%s, %s, %s, %s, %s, %s, %s)", *said)
    van.note("INSERT INTO eta_hits VALUES (%s, 30, %s, %s, %s, %s, %s, %s, %s, true)", said[0], van.fleet, van.vehicle, *(EIGHT,) * 5)

    def left() -> tuple[int, int]:
        return tuple(
            len(van.ask(f"SELECT FROM {table} WHERE fleet_id = %s", van.fleet))  # type: ignore[return-value]
            for table in ("eta_said", "eta_hits")
        )

    for days, kept in ((80, (1, 1)), (100, (0, 1)), (740, (0, 0))):
        age(van.db, EIGHT + timedelta(days=days))
        assert left() == kept, days
