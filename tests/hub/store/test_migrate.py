"""The schema changes under a database that is full and in use: forward, back and forward again, while vans' logs are taken."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from roundsman_hub.__main__ import main
from roundsman_hub.clock import Clock
from roundsman_hub.ingest.packets import Message
from roundsman_hub.ingest.worker import Ingest
from roundsman_hub.store import migrate
from roundsman_hub.store.audit import audit_tracks
from roundsman_hub.store.check import check
from roundsman_hub.store.db import Database
from roundsman_wire import frames
from roundsman_wire.channels import topic
from roundsman_wire.messages import TRACK, Ack, FixRow

FIRST_RELEASE = 3
"""The steps up to here made the first schema; from here on every step has its way back."""
WITHIN_S = 60.0
FILL = 150_000


def steps(dsn: str) -> list[str]:
    with psycopg.connect(dsn) as connection:
        return [row[0] for row in connection.execute("SELECT name FROM schema_migrations ORDER BY 1")]


def shape(dsn: str) -> set[tuple[Any, ...]]:
    """Every column, index and constraint of the hub's tables."""
    with psycopg.connect(dsn) as connection:
        columns = connection.execute(
            "SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns "
            "WHERE table_schema IN ('public', 'log')"
        ).fetchall()
        indexes = connection.execute(
            "SELECT schemaname, indexname, indexdef FROM pg_indexes WHERE schemaname IN ('public', 'log')"
        ).fetchall()
        policies = connection.execute("SELECT tablename, policyname FROM pg_policies").fetchall()
    return {*columns, *indexes, *policies}


def fill(db: Database) -> None:
    """Vans that drove for hours, and what they told."""
    with db.transaction() as cur:
        cur.execute("INSERT INTO fleets (fleet_id, name) VALUES ('fl_1', 'Fleet'), ('fl_2', 'Other')")
        cur.execute("INSERT INTO depots VALUES ('p_1', 'fl_1', 'D', '', 0, 0)")
        cur.execute(
            "INSERT INTO vehicles SELECT format('v_%s', lpad(to_hex(n), 12, '0')), 'fl_1', 'Van', 'p_1', NULL, 10, "
            "'2026-03-02T08:00Z', '2026-03-02T16:00Z', NULL FROM generate_series(1, 20) n"
        )
        cur.execute(
            "INSERT INTO log.sessions (vehicle_id, session, ordinal) "
            "SELECT vehicle_id, lpad(right(vehicle_id, 4), 16, '0'), 1 FROM vehicles"
        )
        each = FILL // 20
        cur.execute(
            "INSERT INTO log.fixes (time, vehicle_id, session_no, seq, mono_ms, lat_e6, lon_e6, speed_cm_s, satellites, flags) "
            "SELECT '2026-03-02T08:00Z'::timestamptz + make_interval(secs => n), vehicle_id, session_no, n, n * 1000, "
            "60000000 + 90 * n, 25000000 + n, 900, 9, 0 FROM log.sessions, generate_series(1, %s) n",
            (each,),
        )
        cur.execute("INSERT INTO log.watermarks SELECT session_no, 1, %s FROM log.sessions", (each,))
        cur.execute(
            "INSERT INTO log.entries SELECT vehicle_id, session_no, n, 'note', n, '2026-03-02T08:00Z', '2026-03-02T08:00Z', "
            '\'2026-03-02T08:00Z\', \'{"kind":"note","mono_ms":1,"topic":"t","text":"x"}\' FROM log.sessions, generate_series(1, 500) n'
        )
        cur.execute("INSERT INTO log.watermarks SELECT session_no, 0, 500 FROM log.sessions")
        cur.execute("INSERT INTO derive_state SELECT session_no, 500, '{}' FROM log.sessions")


class Driving:
    """Vans that go on sending while something else happens."""

    def __init__(self, db: Database) -> None:
        self._ingest = Ingest(db, Clock(), self)
        self._stop = threading.Event()
        self.sent = self.acked = FILL // 20
        self.failed: list[BaseException] = []

    def acknowledge(self, acks: Any) -> None:
        self.acked = max([self.acked, *(ack.through_seq for _, ack in acks if isinstance(ack, Ack))])

    @contextmanager
    def going_on(self) -> Iterator[None]:
        thread = threading.Thread(target=self._drive)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(WITHIN_S)
        assert not thread.is_alive()
        assert self.failed == []

    def _drive(self) -> None:
        try:
            while not self._stop.is_set():
                first, self.sent = self.sent + 1, self.sent + 20
                self._ingest.process([self._frame(number, first, self.sent) for number in (1, 2, 3)])
        except BaseException as error:
            self.failed.append(error)

    def _frame(self, van: int, first: int, last: int) -> Message:
        rows = [
            FixRow(
                mono_ms=seq * 1000,
                utc_ms=1_772_438_400_000 + seq * 1000,
                lat_e6=60_000_000,
                lon_e6=25_000_000,
                speed_cm_s=1,
                heading_cdeg=None,
                accuracy_dm=None,
                satellites=9,
            )
            for seq in range(first, last + 1)
        ]
        data = frames.encode_frame(f"{van:016x}", TRACK, first, last, frames.pack_rows(rows))
        return Message(topic=topic(f"v_{van:012x}", "track"), payload=data)


@pytest.mark.parametrize("kind", ["plain", "timescaledb"])
def test_a_full_database_goes_back_and_forth_while_vans_are_served(make_database: Callable[[str], str], kind: str) -> None:
    dsn = make_database(kind)
    newest, whole = steps(dsn), shape(dsn)
    with Database.connect(dsn, max_size=3) as db:
        fill(db)
        driving = Driving(db)
        with driving.going_on():
            for _ in range(2):
                before = driving.acked
                migrate.migrate(dsn, to=FIRST_RELEASE)
                assert max(steps(dsn)) == next(name for name in newest if name.startswith(f"{FIRST_RELEASE:04d}"))
                migrate.migrate(dsn)
                deadline = time.monotonic() + WITHIN_S
                while driving.acked <= before:
                    assert time.monotonic() < deadline, "no van was served meanwhile"
                    time.sleep(0.01)
        assert (steps(dsn), shape(dsn)) == (newest, whole)
        assert driving.acked == driving.sent
        with db.transaction() as cur:
            audits = audit_tracks(cur, [f"v_{number:012x}" for number in (1, 2, 3, 20)])
        assert [(found.stored, found.missing, found.twice) for found in audits] == [(driving.sent, 0, 0)] * 3 + [(FILL // 20, 0, 0)]
        report = check(db, Clock())
        broken = {finding.name for finding in report.findings if finding.severity == "broken"}
        assert broken <= {"raw fixes overdue"}, "which depends on today's date alone"


def test_where_drivers_said_it_is_taken_from_the_log_that_has_it(make_database: Callable[[str], str]) -> None:
    """Derived anew, an old action would have its place, so it has it at once: nothing derived differs after the step."""
    dsn = make_database("plain")
    with Database.connect(dsn, max_size=2) as db:
        fill(db)
        migrate.migrate(dsn, to=101)
        with db.transaction() as cur:
            cur.execute(
                "INSERT INTO orders (order_id, fleet_id, depot_id, kind, address, placed, window_start, window_end, service_s, parcels,"
                " track_token, created_at) SELECT 'o_1', fleet_id, depot_id, 'delivery', '', 'given', now(), now(), 1, 1, 't', now()"
                " FROM depots LIMIT 1"
            )
            for seq, body in enumerate(('{"lat_e6": 60170500, "lon_e6": 24940000}', '{"lat_e6": null, "lon_e6": null}', "{}"), 901):
                cur.execute(
                    "INSERT INTO log.entries SELECT vehicle_id, session_no, %s, 'action', 1, now(), now(), now(), %s FROM log.sessions"
                    " ORDER BY session_no LIMIT 1",
                    (seq, body),
                )
                cur.execute(
                    "INSERT INTO actions (session_no, seq, order_id, vehicle_id, fleet_id, action, outcome, at)"
                    " SELECT session_no, %s, 'o_1', vehicle_id, v.fleet_id, 'a', 'delivered', now()"
                    " FROM log.sessions JOIN vehicles v USING (vehicle_id) ORDER BY session_no LIMIT 1",
                    (seq,),
                )
        migrate.migrate(dsn)
        with db.transaction() as cur:
            found = [(r["lat_e6"], r["lon_e6"]) for r in cur.execute("SELECT lat_e6, lon_e6 FROM actions ORDER BY seq")]
    assert found == [(60_170_500, 24_940_000), (None, None), (None, None)]


def test_every_step_has_its_way_back() -> None:
    for kind in migrate.KINDS:
        assert [step.name for step in migrate.migrations(kind) if step.number > FIRST_RELEASE and step.back is None] == []


def test_a_step_that_waits_for_a_lock_lets_others_pass(make_database: Callable[[str], str]) -> None:
    """Someone's long transaction holds a table; whoever comes after the migration must not wait for both."""
    dsn = make_database("plain")
    migrate.migrate(dsn, to=FIRST_RELEASE)
    with Database.connect(dsn, max_size=2) as db:
        fill(db)
    done: list[object] = []
    thread = threading.Thread(target=lambda: done.append(migrate.migrate(dsn, waits_s=0.2)))
    with psycopg.connect(dsn) as holder, psycopg.connect(dsn, autocommit=True) as other:
        holder.execute(
            "UPDATE fleets SET name = 'held' WHERE fleet_id = 'fl_1'"
        )  # the next step refers to fleets: it needs this table still
        thread.start()
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        deadline = time.monotonic() + WITHIN_S
        while other.execute(waiting).fetchone() == (0,):
            assert time.monotonic() < deadline, "the step does not wait"
            time.sleep(0.01)
        other.execute("UPDATE fleets SET name = 'passed' WHERE fleet_id = 'fl_2'")
        assert done == []
        assert thread.is_alive()
        holder.rollback()
    thread.join(WITHIN_S)
    assert len(done) == 1
    assert steps(dsn)[-1] == migrate.migrations("plain")[-1].name


def test_an_index_that_was_interrupted_is_made_anew(make_database: Callable[[str], str]) -> None:
    dsn = make_database("plain")
    with psycopg.connect(dsn) as connection:
        connection.execute("DELETE FROM schema_migrations WHERE name LIKE '0005%'")
        connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'log.entries_by_receipt'::regclass")
    migrate.migrate(dsn)
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'log.entries_by_receipt'::regclass").fetchone()
    assert row == (True,)


def test_where_one_cannot_go_is_said(make_database: Callable[[str], str], capsys: pytest.CaptureFixture[str]) -> None:
    dsn = make_database("plain")
    with pytest.raises(migrate.CannotMigrate, match="there is no step 9999"):
        migrate.migrate(dsn, to=9999)
    before = steps(dsn)
    with pytest.raises(migrate.CannotMigrate, match=r"no way back from 000\d_\w+: restore a backup"):
        migrate.migrate(dsn, to=1)
    assert steps(dsn) == before, "nothing is taken back where the whole way is not there"
    assert main(["migrate", "--database-url", dsn, "--to", str(FIRST_RELEASE)]) == 0
    assert "postgresql" in capsys.readouterr().out
    assert main(["migrate", "--database-url", dsn]) == 0
    assert steps(dsn) == before
