"""A day leaves a hub as one file and happens again in an empty one: what is derived of it is the same, bit for bit."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from psycopg.types.json import Jsonb

from roundsman_hub import HubError
from roundsman_hub.clock import Clock
from roundsman_hub.derive.worker import catch_up, pass_time
from roundsman_hub.record import commands, observed, replay as replaying
from roundsman_hub.record.day_file import BadFile, verify
from roundsman_hub.record.record import record
from roundsman_hub.record.replay import replay
from roundsman_hub.store import chain_store, derived_dump, log_store, record_store
from roundsman_hub.store.db import Database
from roundsman_wire import frames
from roundsman_wire.messages import (
    Action,
    AnyEntry,
    Crossing,
    DepotCall,
    Duty,
    FixGap,
    Health,
    Note,
    Outcome,
    Proof,
    Receipt,
    Reordered,
    Report,
    Risk,
    Said,
    Scan,
    SessionStarted,
    Visit,
)

EIGHT = datetime(2026, 3, 2, 8, tzinfo=UTC)
EIGHT_MS = 1_772_438_400_000
FLEET, DEPOT, DAY = "fl_day", "p_day", date(2026, 3, 2)
ORDERS = [f"o_{number}" for number in range(1, 7)]
VANS = ["v_000000000001", "v_000000000002"]


def ms(minute: float) -> int:
    return EIGHT_MS + round(minute * 60_000)


def at(minute: float) -> datetime:
    return EIGHT + timedelta(minutes=minute)


PHOTO = Proof(kind="photo", sha256="ab" * 32, bytes=9, media_type="image/jpeg")


def said(order: str, outcome: Outcome, minute: float) -> Action:
    action = f"{order}{outcome}"
    return Action(mono_ms=1, utc_ms=ms(minute), action=action, stop=order, tasks=(order,), outcome=outcome, proofs=(PHOTO,))


def told_more(minute: float) -> list[AnyEntry]:
    """Everything else that a van tells: parcels, troubles, an order of its own, what it expects, words."""
    when: dict[str, Any] = {"mono_ms": 1, "utc_ms": ms(minute)}
    return [
        Scan(**when, parcel="A-1", event="loaded", stop="o_1", place="floor"),
        Report(**when, report="r-1", topic="breakdown", text="flat tyre", proofs=(PHOTO,)),
        Reordered(**when, plan_version=99, stops=("o_3", "o_1")),
        DepotCall(**when, call="d-1", stop="@p_day", event="loaded", plan_version=99, tasks=("o_3",)),
        Risk(**when, stop="o_1", eta_utc_ms=ms(150), promise_end_utc_ms=ms(120), late_s=1_800),
        Said(**when, message="m-1", text="on my way", about="m-0"),
        Note(**when, topic="message m-0", text=""),
        FixGap(**when, from_utc_ms=ms(minute - 3), reason="silent"),
    ]


def stood(visit: int, minute: float, order: str | None, number: int) -> list[AnyEntry]:
    phases: tuple[tuple[Literal["arrived", "left"], float], ...] = (("arrived", minute), ("left", minute + 5))
    return [
        Visit(mono_ms=1, utc_ms=ms(when), visit=visit, phase=phase, stop=order, lat_e6=50_000_000 + 10_000 * number, lon_e6=10_000_000)
        for phase, when in phases
    ]


def alive(minute: float) -> Health:
    return Health(
        mono_ms=1,
        utc_ms=ms(minute),
        agent_version="1",
        backlog_facts=0,
        backlog_track=0,
        oldest_unsent_s=0,
        disk_free_mb=1,
        rss_mb=1,
        fixes_accepted=1,
    )


def tell(db: Database, van: str, session: str, first: int, minute: float, entries: list[AnyEntry]) -> None:
    """Facts reach the hub at a minute past eight."""
    with db.transaction() as cur:
        number = log_store.session_numbers(cur, [(van, session)])[van, session]
        micros = round(at(minute).timestamp() * 1e6)
        rows = [
            [
                *(first + place, str(entry.__struct_config__.tag), entry.mono_ms, None if entry.utc_ms is None else entry.utc_ms * 1000),
                *(micros, micros, frames.encode_entry(entry).decode()),
            ]
            for place, entry in enumerate(entries)
        ]
        record_store.add_entries(cur, van, number, rows)
        chain_store.link(cur, van, {entry.session: entry.previous for entry in entries if isinstance(entry, SessionStarted)})
    catch_up(db, Clock())


@pytest.fixture
def hub(plain_database: Database) -> Database:
    """A hub after a day of two vans: one restarted in a dead spot, and its older log came last; one order nobody came to."""
    db = plain_database
    with db.transaction() as cur:
        if cur.execute("SELECT FROM fleets WHERE fleet_id = %s", (FLEET,)).fetchone() is not None:
            return db
        cur.execute("INSERT INTO fleets VALUES (%s, 'Fleet', 'UTC')", (FLEET,))
        cur.execute("INSERT INTO depots VALUES (%s, %s, 'Quay', '', 50000000, 10000000)", (DEPOT, FLEET))
        cur.execute("INSERT INTO planning (depot_id, fleet_id, revision) VALUES (%s, %s, 3)", (DEPOT, FLEET))
        for van in VANS:
            cur.execute("INSERT INTO vehicles VALUES (%s, %s, 'Van', %s, NULL, 9, %s, %s)", (van, FLEET, DEPOT, EIGHT, at(480)))
            cur.execute(
                "INSERT INTO plans (vehicle_id, version, fleet_id, issued_at, issued_real_at, reason, changes, plan, hash, envelope) "
                "VALUES (%s, 1, %s, %s, %s, 'first', '[]', '{}', 'h', '\\x0102')",
                (van, FLEET, at(-30), at(-30)),
            )
        for number, order in enumerate(ORDERS, 1):
            cur.execute(
                "INSERT INTO orders (order_id, fleet_id, depot_id, kind, address, lat_e6, lon_e6, placed, window_start, window_end, "
                "service_s, parcels, track_token, created_at) VALUES (%s, %s, %s, 'delivery', 'Street', %s, 10000000, 'given', %s, %s, "
                "60, 1, %s, %s)",
                (order, FLEET, DEPOT, 50_000_000 + 10_000 * number, EIGHT, at(120), f"secret {order}", at(-60)),
            )
            cur.execute("INSERT INTO plan_tasks VALUES (%s, 1, %s, %s, %s)", (VANS[number % 2], FLEET, order, number))
            cur.execute(
                "INSERT INTO journal (fleet_id, at, kind, subject, actor, body) VALUES (%s, %s, 'order.created', %s, 'key', '{}')",
                (FLEET, at(-60), order),
            )
        cur.execute("UPDATE orders SET cancelled_at = %s WHERE order_id = 'o_5'", (at(100),))
        # Falls due after the hub last looked what did not happen, and before the day is recorded.
        cur.execute("UPDATE orders SET window_end = %s WHERE order_id = 'o_3'", (at(300),))
        cur.execute("INSERT INTO pins VALUES (%s, 'street 9', 50000000, 10000000)", (FLEET,))
        cur.execute("UPDATE orders SET lat_e6 = NULL, lon_e6 = NULL, placed = 'unknown' WHERE order_id = 'o_6'")
        cur.execute("INSERT INTO geocode_queue VALUES ('o_6', %s, 'not found', '[]', %s)", (FLEET, at(-60)))
        cur.execute(
            "INSERT INTO messages VALUES ('m-0', %s, %s, 'Ring twice', 'o_1', 'key', %s, %s, %s)",
            (VANS[1], FLEET, at(120), at(300), at(121)),
        )
        cur.execute("INSERT INTO settled_reports VALUES (%s, 'r-1', 'key', %s)", (FLEET, at(150)))
        # A window that was moved twice: the journal knows what it was before.
        for minute, kind, start, end in ((-60, "created", 0, 60), (10, "changed", 30, 90), (40, "changed", 45, 120)):
            body = {"window_start": at(start).isoformat(), "window_end": at(end).isoformat(), "priority": 1 + start}
            cur.execute(
                "INSERT INTO journal (fleet_id, at, kind, subject, actor, body) VALUES (%s, %s, %s, 'o_4', 'key', %s)",
                (FLEET, at(minute), f"order.{kind}", Jsonb(body if kind == "created" else body | {"priority": None})),
            )
        cur.execute("UPDATE orders SET window_start = %s, priority = 1 WHERE order_id = 'o_4'", (at(45),))
    a, b, c = "a" * 16, "b" * 16, "c" * 16
    tell(db, VANS[0], a, 1, 1, [SessionStarted(mono_ms=0, session=a, previous=None, agent_version="1", row_format=1)])
    tell(db, VANS[0], a, 2, 5, [Duty(mono_ms=1, utc_ms=ms(1), duty="on", driver=None), *stood(1, 3, "o_2", 2)])
    # Dead spot, and a restart in it: session b is heard before the end of session a.
    tell(db, VANS[0], b, 1, 90, [SessionStarted(mono_ms=0, utc_ms=ms(60), session=b, previous=a, agent_version="1", row_format=1)])
    tell(db, VANS[0], b, 2, 91, [*stood(1, 80, None, 40), said("o_4", "failed", 70), alive(89)])
    tell(db, VANS[0], a, 5, 95, [said("o_2", "delivered", 7), *stood(2, 20, None, 50), said("o_4", "delivered", 50)])
    tell(db, VANS[1], c, 1, 2, [Duty(mono_ms=60_000, duty="on", driver=None)])
    receipt = Receipt(mono_ms=1, utc_ms=ms(3), plan_version=1, plan_hash="h", state="in_force")
    speeding = Crossing(mono_ms=1, utc_ms=ms(4), fence="f_1", event="speeding", sites_version=1, lat_e6=0, lon_e6=0, speed_cm_s=2_500)
    tell(db, VANS[1], c, 2, 10, [receipt, speeding, *stood(1, 130, "o_1", 1), said("o_1", "delivered", 134), *told_more(140)])
    serving = Visit(mono_ms=1, utc_ms=ms(131), visit=1, phase="serving", stop="o_3", lat_e6=50_010_000, lon_e6=10_000_000)
    tell(db, VANS[1], c, 20, 145, [serving])
    with db.transaction() as cur:
        cur.execute(
            "INSERT INTO log.fixes (time, vehicle_id, session_no, seq, mono_ms, lat_e6, lon_e6, speed_cm_s, satellites, flags) "
            "SELECT %s::timestamptz + g * interval '1 second', s.vehicle_id, s.session_no, 100 + g, g, 50000000 + g, 10000000, "
            "CASE WHEN g %% 7 > 0 THEN 900 END, 9, 0 FROM log.sessions s, generate_series(1, 3000) g WHERE s.session = %s",
            (EIGHT, a),
        )
    catch_up(db, Clock())
    pass_time(db, at(200))
    return db


@pytest.fixture
def empty(make_database: Callable[[str], str]) -> Callable[[], Database]:
    """Function: another hub's database."""
    return lambda: Database.connect(make_database("plain"), max_size=4)


def test_a_replayed_day_is_derived_the_same_bit_for_bit(hub: Database, empty: Callable[[], Database], tmp_path: Path) -> None:
    file = tmp_path / "day.jsonl.gz"
    counts = record(hub, FLEET, "UTC", DAY, at(600), file)
    assert (counts["orders"], counts["fixes"], counts["sessions"]) == (6, 3000, 3)
    with empty() as other:
        done = replay(other, file)
        assert done.differs == []
        assert done.derived["order_states"]["rows"] == 3
        assert {name for name, told in done.derived.items() if not told["rows"]} == set(), "of everything that is derived there is some"
        assert done.derived["alerts"]["rows"] >= 4
        since, until = datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC)
        with hub.transaction() as here, other.transaction() as there:
            was, now = (derived_dump.dump(cur, VANS, since, until) for cur in (here, there))
            assert {name: lines for name, lines in now.items() if name != "alerts"} == {
                name: lines for name, lines in was.items() if name != "alerts"
            }
            sql = "SELECT time, seq, lat_e6, speed_cm_s FROM log.fixes ORDER BY seq"
            assert here.execute(sql).fetchall() == there.execute(sql).fetchall()
            sql = "SELECT envelope, plan FROM plans ORDER BY vehicle_id"
            assert here.execute(sql).fetchall() == there.execute(sql).fetchall()
            for table in ("pins", "geocode_queue", "messages", "settled_reports"):
                sql = f"SELECT * FROM {table}"
                assert here.execute(sql).fetchall() == there.execute(sql).fetchall() != []
            sql = "SELECT to_jsonb(o) - 'track_token' AS o FROM orders o ORDER BY order_id"
            assert here.execute(sql).fetchall() == there.execute(sql).fetchall()
            secrets = there.execute("SELECT count(*) AS n FROM orders WHERE track_token LIKE 'secret%'").fetchone()
            assert secrets == {"n": 0}, "a customer's link does not travel"
        again = tmp_path / "again.jsonl.gz"
        record(other, FLEET, "UTC", DAY, at(600), again)
        with gzip.open(file) as one, gzip.open(again) as two:
            assert _derived(one.read()) == _derived(two.read())
        with pytest.raises(HubError, match="already"):
            replay(other, file)


def test_an_order_is_what_it_was_until_it_was_changed(hub: Database, empty: Callable[[], Database], tmp_path: Path) -> None:
    file = tmp_path / "day.jsonl.gz"
    record(hub, FLEET, "UTC", DAY, at(600), file)
    order = observed.load(file).orders["o_4"]
    assert (order.first.window_start, order.first.window_end) == (EIGHT, at(60))
    assert [(when, facts.window_start) for when, facts in order.later] == [(at(10), at(30)), (at(40), at(45))]
    assert order.later[-1][1] == order.facts
    seen: list[tuple[datetime, datetime]] = []
    with empty() as other:
        day = replaying._read(file)
        with other.transaction() as cur:
            for work in day.before:
                work(cur)
        for when in sorted(day.at):
            with other.transaction() as cur:
                for _, work in sorted(day.at[when], key=lambda ranked: ranked[0]):
                    work(cur)
                row = cur.execute("SELECT window_start FROM orders WHERE order_id = 'o_4'").fetchone()
            if row is not None and (not seen or seen[-1][1] != row["window_start"]):
                seen.append((when, row["window_start"]))
    assert seen == [(at(-60), EIGHT), (at(10), at(30)), (at(40), at(45))]


def test_the_speed_changes_nothing_but_the_time_it_takes(hub: Database, empty: Callable[[], Database], tmp_path: Path) -> None:
    file = tmp_path / "day.jsonl.gz"
    record(hub, FLEET, "UTC", DAY, at(600), file)
    with empty() as other:
        assert replay(other, file, speed=20_000).differs == []


def test_a_file_that_is_cut_or_changed_is_refused_before_anything_is_stored(
    hub: Database, empty: Callable[[], Database], tmp_path: Path
) -> None:
    file = tmp_path / "day.jsonl.gz"
    record(hub, FLEET, "UTC", DAY, at(600), file)
    assert verify(file).fleet == FLEET
    lines = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
    bad = tmp_path / "bad.jsonl.gz"
    for damage, why in (
        (lines[:-1], "was cut"),
        ([line.replace(b"delivered", b"refused  ") for line in lines], "changed after it was made"),
        ([lines[0].replace(b'"version":2', b'"version":9'), *lines[1:]], "version 9"),
        ([b"{}\n"], "no recorded day"),
    ):
        bad.write_bytes(gzip.compress(b"".join(damage)))
        with empty() as other, pytest.raises(BadFile, match=why):
            replay(other, bad)
    bad.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(BadFile, match="cannot be read"):
        verify(bad)


def test_a_day_that_cannot_happen_again_is_not_recorded(hub: Database, tmp_path: Path) -> None:
    """Nothing happened on it, or its facts were let go: it is said so, and no half file stays."""
    file = tmp_path / "day.jsonl.gz"
    with pytest.raises(HubError, match=f"nothing happened on .* logs of {DAY} to {DAY}"):
        record(hub, FLEET, "UTC", DAY - timedelta(days=300), at(600), file)
    try:
        with hub.transaction() as cur:
            cur.execute("INSERT INTO log.facts_aged SELECT session_no, min(at) FROM duties GROUP BY 1 HAVING min(at) IS NOT NULL")
        with pytest.raises(HubError, match="let go by the fleet's rule"):
            record(hub, FLEET, "UTC", DAY, at(600), file)
    finally:
        with hub.transaction() as cur:
            cur.execute("DELETE FROM log.facts_aged")
    assert list(tmp_path.iterdir()) == []


def test_the_commands_tell_what_came_of_it(
    hub: Database, make_database: Callable[[str], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "day.jsonl.gz"
    record(hub, FLEET, "UTC", DAY, at(600), file)
    assert commands.run_replay([str(file), "--database-url", make_database("plain"), "--json"], tmp_path) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["same"] is True
    assert told["key"].startswith("rk_")
    simulated = ["--from-day", str(file), "--policy", "static", "--policy", "insertion"]
    assert commands.run_simulate([*simulated, "--json"], tmp_path) == 0
    told = json.loads(capsys.readouterr().out)
    happened, static, inserted = told["policies"]
    assert (told["observed_services"], happened["served"], happened["on_time"]) == (2, 2, 1)
    assert happened["km"] == pytest.approx(0.3, abs=0.05), "3,000 fixes of 0.11 m"
    assert (static["served"], inserted["served"]) == (0, 5), "the plans were empty; one was cancelled after its time, one has no place"
    assert commands.run_simulate(simulated, tmp_path) == 0
    assert "insertion" in capsys.readouterr().out


def _derived(data: bytes) -> Any:
    return json.loads(data.splitlines()[-1])["derived"]
