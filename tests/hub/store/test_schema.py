"""The schema on both kinds of database: applied once, and closed between fleets."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from roundsman_hub.__main__ import main
from roundsman_hub.store import log_store, migrate
from roundsman_hub.store.db import Database, Notice, listen, notices, notify


@pytest.fixture(scope="module", autouse=True)
def two_fleets(database: Database) -> None:
    with database.transaction() as cur:
        for fleet in ("fl_a", "fl_b"):
            cur.execute("INSERT INTO fleets (fleet_id, name) VALUES (%s, %s)", (fleet, fleet))
            cur.execute(
                "INSERT INTO depots (depot_id, fleet_id, name, lat_e6, lon_e6) VALUES (%s, %s, 'Depot', 0, 0)", (f"p_{fleet}", fleet)
            )
            cur.execute(
                "INSERT INTO vehicles VALUES (%s, %s, 'Van', %s, NULL, 10, '2026-03-02T08:00Z', '2026-03-02T16:00Z', NULL)",
                (f"v_{fleet}", fleet, f"p_{fleet}"),
            )


def test_migrating_again_changes_nothing(database: Database) -> None:
    first = migrate.migrate(database.dsn)
    assert migrate.migrate(database.dsn) == first
    assert first.text.startswith("postgresql ")


def test_the_kind_of_the_database_is_told(make_database: Callable[[str], str]) -> None:
    assert migrate.migrate(make_database("timescaledb")).kind == "timescaledb"
    assert migrate.migrate(make_database("plain")).kind == "plain"


def test_a_changed_migration_is_refused(make_database: Callable[[str], str]) -> None:
    dsn = make_database("plain")
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE schema_migrations SET sha256 = 'other' WHERE name = '0001_init'")
    with pytest.raises(migrate.CannotMigrate, match="0001_init was changed"):
        migrate.migrate(dsn)


def test_a_newer_database_is_refused(make_database: Callable[[str], str]) -> None:
    dsn = make_database("plain")
    with psycopg.connect(dsn) as connection:
        connection.execute("INSERT INTO schema_migrations VALUES ('9999_future', 'plain', '')")
    with pytest.raises(migrate.CannotMigrate, match="newer release"):
        migrate.migrate(dsn)


def test_a_fleet_never_sees_another_fleets_rows(database: Database) -> None:
    with database.tenant("fl_a") as cur:
        assert [row["vehicle_id"] for row in cur.execute("SELECT vehicle_id FROM vehicles")] == ["v_fl_a"]
        assert cur.execute("UPDATE vehicles SET name = 'taken' WHERE vehicle_id = 'v_fl_b'").rowcount == 0
        assert [row["fleet_id"] for row in cur.execute("SELECT fleet_id FROM fleets")] == ["fl_a"]


def test_a_fleet_cannot_write_into_another_fleet(database: Database) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), database.tenant("fl_a") as cur:
        cur.execute("INSERT INTO drivers (driver_id, fleet_id, name) VALUES ('d_x', 'fl_b', 'X')")


def test_every_table_with_a_fleet_is_guarded(database: Database) -> None:
    with database.transaction() as cur:
        rows = cur.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = 'public' AND c.relkind = 'r' AND NOT c.relrowsecurity"
        ).fetchall()
    # Neither holds anything of a fleet's; the second is the hub's own bookkeeping of sessions.
    assert {row["relname"] for row in rows} <= {"schema_migrations", "derive_state"}


@pytest.mark.parametrize(
    "table", ["log.fixes", "log.entries", "log.sessions", "log.watermarks", "log.gaps", "log.quarantine", "log.alarms", "log.epoch"]
)
def test_log_tables_refuse_fleets(database: Database, table: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), database.tenant("fl_a") as cur:
        cur.execute(f"SELECT 1 FROM {table} LIMIT 1")


def test_bookkeeping_refuses_fleets(database: Database) -> None:
    for table in ("schema_migrations", "derive_state"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), database.tenant("fl_a") as cur:
            cur.execute(f"SELECT 1 FROM {table} LIMIT 1")


def test_a_connection_goes_back_to_the_pool_with_the_hubs_rights(database: Database) -> None:
    for _ in range(8):
        with database.tenant("fl_a") as cur:
            cur.execute("SELECT 1")
    with database.transaction() as cur:
        row = cur.execute("SELECT count(*) AS n FROM fleets").fetchone()
    assert row == {"n": 2}


def test_notices_arrive_after_commit_and_once(database: Database) -> None:
    told = Notice(topic="order", fleet_id="fl_a", subject="o_1")
    with database.dedicated() as ears:
        listen(ears)
        with database.transaction() as cur:
            notify(cur, told, told)
            assert notices(ears, 0.05) == []
        with database.transaction() as cur:
            cur.execute("SELECT pg_notify('rm', 'not ours')")
        heard: list[Notice] = []
        while not heard:
            heard += notices(ears, 5)
        assert heard == [told]


def test_an_operator_who_restored_a_backup_has_the_vans_send_again(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    """`migrate --restored` raises the epoch: an ack of the new one takes releases back (invariant 11)."""
    with database.transaction() as cur:
        before = log_store.epoch(cur)
    assert main(["migrate", "--database-url", database.dsn, "--restored"]) == 0
    with database.transaction() as cur:
        assert log_store.epoch(cur) == before + 1
    assert f"epoch {before + 1}" in capsys.readouterr().out
