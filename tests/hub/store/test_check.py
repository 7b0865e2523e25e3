"""`roundsman-hub db check`: silent on a database that keeps its promises, and it names each one that is broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from roundsman_hub.__main__ import main
from roundsman_hub.clock import Clock
from roundsman_hub.store.check import Report, check

FIRST = "(SELECT min(session_no) FROM log.sessions)"
ANOTHER_FIX = (
    "INSERT INTO log.fixes (time, vehicle_id, session_no, seq, mono_ms, lat_e6, lon_e6, satellites, flags) "
    f"SELECT time, vehicle_id, {{session}}, {{seq}}, mono_ms, lat_e6, lon_e6, satellites, flags FROM log.fixes "
    f"WHERE session_no = {FIRST} AND seq = 50"
)


def look(depot: Any) -> Report:
    return check(depot.db, Clock())


@pytest.mark.parametrize("kind", ["plain", "timescaledb"])
def test_a_sound_database_passes(make_depot: Callable[[str], Any], kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    depot = make_depot(kind)
    assert look(depot).findings == []
    assert main(["db", "check", "--database-url", depot.db.dsn]) == 0
    assert "all hold" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fault", "name", "example"),
    [
        (f"DELETE FROM log.fixes WHERE session_no = {FIRST} AND seq IN (7, 8, 100)", "numbers missing", "v_1 00000000000000aa track 7–8"),
        (f"DELETE FROM log.entries WHERE session_no = {FIRST} AND seq = 1", "numbers missing", "v_1 00000000000000aa facts 1–1"),
        (f"UPDATE log.watermarks SET through_seq = 120 WHERE session_no = {FIRST} AND lane = 1", "numbers missing", "track 101–120"),
        (f"DELETE FROM log.gaps WHERE session_no = {FIRST}", "numbers missing", "track 11–20"),
        (ANOTHER_FIX.format(session=FIRST, seq=50), "numbers twice", "v_1 00000000000000aa track 21–100"),
        (ANOTHER_FIX.format(session=FIRST, seq=15), "numbers both row and gap", "track 15–15"),
        (ANOTHER_FIX.format(session=FIRST, seq=101), "numbers beyond the watermark", "track 101–101"),
        (ANOTHER_FIX.format(session=77, seq=1), "rows without their session", "log.fixes v_1 session 77"),
        ("INSERT INTO log.sessions (vehicle_id, session) VALUES ('v_none', 'cc')", "sessions without a vehicle", "v_none cc"),
        ("UPDATE log.sessions SET ordinal = 1", "two sessions in one place", "v_1 place 1"),
        (f"UPDATE derive_state SET through_seq = 6 WHERE session_no = {FIRST}", "derived beyond the log", "v_1 00000000000000aa"),
        (f"DELETE FROM derive_state WHERE session_no = {FIRST}", "facts that are not derived", "v_1 00000000000000aa"),
        ("UPDATE log.sessions SET previous = 'dd' WHERE ordinal = 1", "sessions whose past is not known", "v_1 00000000000000aa"),
        ("INSERT INTO log.gaps VALUES (99, 1, 5, 4, 'x', '2026-01-01Z')", "gaps without their session", "session 99 5–4"),
        (f"UPDATE log.fixes SET time = time + interval '3 days' WHERE session_no = {FIRST} AND seq = 9", "fixes from the future", "v_1"),
        ("UPDATE log.entries SET received_real_at = received_real_at + interval '30 days'", "facts received in the future", "v_1"),
        (
            f"UPDATE log.fixes SET time = time - interval '200 days' WHERE session_no = {FIRST}",
            "raw fixes overdue",
            "fl_1 keeps raw fixes for 90",
        ),
        (
            f"UPDATE log.fixes SET time = time - interval '20 days' WHERE session_no = {FIRST}",
            "rows in the default partition",
            ": 90 fixes",
        ),
        ("INSERT INTO log.quarantine (topic, received_at, error, frame) VALUES ('t', '2026-01-01Z', '', '')", "frames set aside", "t"),
        ("DELETE FROM log.epoch", "no epoch", "log.epoch"),
        ("DELETE FROM schema_migrations WHERE name LIKE '0005%'", "schema", "0005_entries_received"),
        (
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'log.entries_by_vehicle'::regclass",
            "invalid indexes",
            "entries_by_vehicle",
        ),
    ],
)
def test_each_broken_promise_is_named(make_depot: Callable[[str], Any], fault: str, name: str, example: str) -> None:
    depot = make_depot("plain")
    depot.do(fault)
    found = {finding.name: finding for finding in look(depot).findings}
    assert name in found, found
    assert any(example in text for text in found[name].examples), found[name]


def test_a_partition_without_the_tracks_index_is_named(make_depot: Callable[[str], Any]) -> None:
    depot = make_depot("plain")
    with psycopg.connect(depot.db.dsn, autocommit=True) as connection:
        connection.execute("DROP INDEX log.fixes_by_vehicle")
    found = [finding.name for finding in look(depot).findings]
    assert "tables without the track's index" in found


def test_a_broken_promise_ends_with_exit_code_1(make_depot: Callable[[str], Any], capsys: pytest.CaptureFixture[str]) -> None:
    depot = make_depot("plain")
    depot.do(f"DELETE FROM log.fixes WHERE session_no = {FIRST} AND seq = 42")
    assert main(["db", "check", "--database-url", depot.db.dsn, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["broken"] is True
    assert told["findings"][0]["examples"] == ["v_1 00000000000000aa track 42–42"]


@pytest.mark.parametrize("kind", ["plain", "timescaledb"])
def test_sizes_are_told_by_table_and_by_fix(make_depot: Callable[[str], Any], kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    depot = make_depot(kind)
    assert main(["db", "size", "--database-url", depot.db.dsn, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    [track] = [table for table in told["tables"] if table["name"] == "log.fixes"]
    assert track["rows"] == 180
    assert sum(part["rows"] for part in told["parts"]) == 180
    assert track["total_bytes"] >= sum(part["total_bytes"] for part in told["parts"]) > 0
    assert told["bytes_fix"] == pytest.approx(track["total_bytes"] / 180)
    assert told["growth_bytes_day"] is None or told["growth_bytes_day"] > 0
    assert told["compression"] != "on"
    assert (told["free_bytes"] is not None) == (kind == "plain"), "the embedded server is on this machine, the other one in its own root"
    assert main(["db", "size", "--database-url", depot.db.dsn]) == 0
    assert "log.fixes" in capsys.readouterr().out


def test_retention_is_told_chosen_and_applied(make_depot: Callable[[str], Any], capsys: pytest.CaptureFixture[str]) -> None:
    depot = make_depot("plain")
    depot.do(f"UPDATE log.fixes SET time = time - interval '40 days' WHERE session_no = {FIRST}")
    asked = ["db", "retention", "--database-url", depot.db.dsn, "--json"]
    assert main(asked) == 0
    [before] = json.loads(capsys.readouterr().out)["fleets"]
    kept = {keep["name"]: keep for keep in before["keeps"]}
    assert (kept["raw_days"]["days"], kept["raw_days"]["over"], before["own"]) == (90, 0, False)
    assert (kept["fact_days"]["days"], kept["visit_days"]["days"]) == (None, None), "for good"
    assert main([*asked, "--fleet", "fl_1", "--raw-days", "30", "--fact-days", "300", "--apply"]) == 0
    told = json.loads(capsys.readouterr().out)
    kept = {keep["name"]: keep for keep in told["fleets"][0]["keeps"]}
    assert (kept["raw_days"]["days"], kept["track_days"]["days"], kept["raw_days"]["over"], kept["fact_days"]["days"]) == (30, 730, 90, 300)
    assert told["applied"]["roads"] == "great_circle"
    assert told["applied"]["let_go"] == 90
    assert depot.ask("SELECT count(*) AS n FROM log.fixes") == [{"n": 90}]
    assert main([*asked, "--fleet", "fl_1", "--fact-days", "keep"]) == 0
    assert '"name": "fact_days", "what": "the vans' in (out := capsys.readouterr().out)
    assert [k["days"] for k in json.loads(out)["fleets"][0]["keeps"] if k["name"] == "fact_days"] == [None]
    assert [row["kind"] for row in depot.ask("SELECT kind FROM journal")] == ["retention.changed"] * 2
    assert look(depot).findings == [], "the log's books are right after it"
    assert main(["db", "retention", "--database-url", depot.db.dsn, "--raw-days", "5"]) == 1


def test_a_check_that_takes_long_says_how_far_it_is(
    make_depot: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from roundsman_hub import progress

    monkeypatch.setattr(progress, "QUIET_S", -1.0)
    ticks = iter(range(0, 10_000, 2))
    # Its own clock: the machine's is everybody's, and who waits with a deadline would wait for ages.
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: float(next(ticks))))
    assert main(["db", "check", "--database-url", make_depot("plain").db.dsn]) == 0
    assert "vehicles' logs: 1 of 1" in capsys.readouterr().err


def test_days_are_by_the_clock_that_is_given(make_depot: Callable[[str], Any]) -> None:
    depot = make_depot("plain")
    with depot.db.transaction() as cur:
        from roundsman_hub.store import retention

        [rule] = retention.rules(cur, depot.now + timedelta(days=3))
    assert rule.raw_before.date() == (depot.now + timedelta(days=3 - 90)).date()
