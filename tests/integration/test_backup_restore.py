"""Backups and the way back: a restored older database, and vans that fill in what it lost. Real servers, a van's real log."""

from __future__ import annotations

import gzip
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from roundsman_agent.outbox import Outbox
from roundsman_core import lanes
from roundsman_hub.__main__ import main
from roundsman_hub.clock import Clock
from roundsman_hub.derive.worker import catch_up
from roundsman_hub.ingest.packets import Message
from roundsman_hub.ingest.worker import Ingest
from roundsman_hub.store import backup, embedded
from roundsman_hub.store.audit import TrackAudit, audit_tracks
from roundsman_hub.store.check import check
from roundsman_hub.store.db import Database
from roundsman_hub.store.migrate import migrate
from roundsman_hub.upkeep.ageing import age, count_days
from roundsman_wire.channels import topic
from roundsman_wire.messages import LANE_NAMES, Ack, Duty, FixRow, Presence

VEHICLE = "v_0000000000b1"
WITHIN_S = 60.0


@dataclass
class Acks:
    """What the hub answers."""

    heard: list[Ack] = field(default_factory=list)

    def acknowledge(self, acks: Sequence[tuple[str, Ack]]) -> None:
        self.heard += [ack for _, ack in acks]


class Van:
    """A unit's own outbox, its lanes driven by the log protocol, without a broker between."""

    def __init__(self, folder: Path) -> None:
        self._ms = round(time.time() * 1000) - 3_600_000
        self.outbox = Outbox(folder / "log.db", max_mb=16, version="test", now=lambda: (self._ms, self._ms))
        self._lanes = {(lane.session, lane.lane): lane for lane in self.outbox.lanes()}
        self.epoch = 0

    def drive(self, fixes: int) -> None:
        rows = []
        for _ in range(fixes):
            self._ms += 1000
            rows.append(
                FixRow(
                    mono_ms=self._ms,
                    utc_ms=self._ms,
                    lat_e6=50_000_000 + self._ms // 1000 % 10_000,
                    lon_e6=10_000_000,
                    speed_cm_s=900,
                    heading_cdeg=None,
                    accuracy_dm=None,
                    satellites=9,
                )
            )
        self.outbox.append([Duty(mono_ms=self._ms, utc_ms=self._ms, duty="on", driver=None)], rows)

    def talk(self, db: Database) -> None:
        """Come on line, and send until everything is acknowledged."""
        acks = Acks()
        ingest = Ingest(db, Clock(), acks)
        told = Presence(online=True, session=self.outbox.session, epoch=self.epoch, sessions=self.outbox.told())
        ingest.process([Message(topic=topic(VEHICLE, "presence"), payload=msgspec.json.encode(told))])
        deadline = time.monotonic() + WITHIN_S
        while True:
            for ack in acks.heard:
                key = ack.session, ack.lane
                self._lanes[key], self.epoch = lanes.acked(self._lanes[key], self.epoch, ack)
                self.outbox.release(ack.session, ack.lane, self._lanes[key].acked, self.epoch)
            acks.heard.clear()
            for kept in self.outbox.lanes():
                self._lanes[kept.session, kept.lane] = lanes.committed(self._lanes[kept.session, kept.lane], kept.last)
            todo = [(key, span) for key, lane in self._lanes.items() if (span := lanes.next_range(lane, 60, 0))]
            if not todo:
                return
            assert time.monotonic() < deadline
            for key, span in todo:
                data, through = self.outbox.frame(*key, *span)
                self._lanes[key] = lanes.sent(self._lanes[key], through)
                ingest.process([Message(topic=topic(VEHICLE, LANE_NAMES[key[1]]), payload=data)])


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="roundsman-backup-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def van(folder: Path) -> Iterator[Van]:
    made = Van(folder)
    yield made
    made.outbox.close()


def new_fleet(db: Database) -> None:
    with db.transaction() as cur:
        cur.execute("INSERT INTO fleets (fleet_id, name) VALUES ('fl_1', 'Fleet')")
        cur.execute("INSERT INTO depots VALUES ('p_1', 'fl_1', 'D', '', 0, 0)")
        cur.execute(
            "INSERT INTO vehicles VALUES (%s, 'fl_1', 'Van', 'p_1', NULL, 10, '2026-03-02T08:00Z', '2026-03-02T16:00Z', NULL)", (VEHICLE,)
        )


def audit(db: Database) -> TrackAudit:
    with db.transaction() as cur:
        [found] = audit_tracks(cur, [VEHICLE])
    return found


def value(db: Database, sql: str) -> Any:
    with db.transaction() as cur:
        row = cur.execute(sql.encode()).fetchone()
    assert row is not None
    return next(iter(row.values()))


def whole(db: Database, fixes: int) -> None:
    """Invariants 2 and 3: everything is here, once; and nothing else that the database promises is broken."""
    found = audit(db)
    assert (found.stored, found.missing, found.twice) == (fixes, 0, 0)
    catch_up(db, Clock())
    assert [finding for finding in check(db, Clock()).findings if finding.severity == "broken"] == []


def test_an_older_dump_comes_back_and_the_van_fills_what_it_lost(folder: Path, van: Van, capsys: pytest.CaptureFixture[str]) -> None:
    data = folder / "hub"
    with embedded.start(data / "postgres") as server:
        migrate(server.dsn())
        with Database.connect(server.dsn(), max_size=2) as db:
            new_fleet(db)
            van.drive(300)
            van.talk(db)
            assert main(["db", "backup", "--database-url", server.dsn(), "--out", str(folder / "day.dump")]) == 0
            assert "a dump of" in capsys.readouterr().out
            assert (folder / "day.dump").stat().st_mode & 0o077 == 0
            van.drive(500)
            van.talk(db)
            whole(db, 800)
            before = value(db, "SELECT epoch FROM log.epoch")
        with pytest.raises(embedded.PostgresFailed, match="another hub is using"):
            backup.restore_dump(folder / "day.dump", data)
    assert sum(van.outbox.backlog().values()) == 0, "the van believes that all of it is safe"

    assert main(["db", "restore", str(folder / "day.dump"), "--data", str(data)]) == 0
    assert f"epoch {before + 1}" in capsys.readouterr().out
    with embedded.start(data / "postgres") as server, Database.connect(server.dsn(), max_size=2) as db:
        assert audit(db).stored == 300, "as old as the dump"
        van.talk(db)
        whole(db, 800)
        van.drive(10)
        van.talk(db)
        whole(db, 810)
        kept = value(db, "SELECT datname FROM pg_database WHERE datname LIKE 'roundsman_before_%'")
        with Database.connect(server.dsn(kept), max_size=1) as old:
            assert audit(old).stored == 800, "what was there before is kept beside"


@pytest.mark.deep
def test_a_base_and_its_wal_go_back_to_an_instant(folder: Path, van: Van) -> None:
    """Point-in-time recovery: a base, WAL archived while vans are served, an instant between; the van fills in the rest."""
    data, wal = folder / "hub", folder / "it's wal"
    embedded.archive_wal(data / "postgres", wal)
    with embedded.start(data / "postgres") as server:
        migrate(server.dsn())
        with Database.connect(server.dsn(), max_size=2) as db:
            new_fleet(db)
            van.drive(100)
            van.talk(db)
            made = backup.base(server.dsn(), folder / "base")
            assert "verified" in made.text
            van.drive(100)
            van.talk(db)
            instant = value(db, "SELECT clock_timestamp()")
            with db.transaction() as cur:
                cur.execute("INSERT INTO drivers VALUES ('d_late', 'fl_1', 'Too late', '')")
            van.drive(100)
            van.talk(db)
            whole(db, 300)
            last = value(db, "SELECT pg_walfile_name(pg_switch_wal())")
            deadline = time.monotonic() + WITHIN_S
            while not (wal / f"{last}.gz").exists():
                assert time.monotonic() < deadline, "the WAL was not archived"
                time.sleep(0.05)
    for until, stored, drivers in ((None, 300, 1), (instant, 200, 0)):
        restored = backup.restore_base(folder / "base", data, wal=wal, until=until)
        assert restored.kept is not None
        with embedded.start(data / "postgres") as server, Database.connect(server.dsn(), max_size=2) as db:
            assert value(db, "SELECT epoch FROM log.epoch") == restored.epoch
            assert audit(db).stored == stored
            assert value(db, "SELECT count(*) FROM drivers") == drivers
            van.talk(db)
            whole(db, 300)
            assert value(db, "SELECT current_setting('restore_command')") == ""

    with pytest.raises(embedded.PostgresFailed, match="recovery ended before configured recovery target was reached"):
        backup.restore_base(folder / "base", data, wal=wal, until=datetime.now(UTC) + timedelta(days=1))
    with embedded.start(data / "postgres") as server, Database.connect(server.dsn(), max_size=2) as db:
        whole(db, 300)


@pytest.mark.parametrize("kind", ["plain", "timescaledb"])
def test_a_dump_goes_into_an_empty_database_of_either_kind(
    make_database: Callable[[str], str], folder: Path, van: Van, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And what was let go after the backup was made goes again: deleted stays deleted."""
    dsn = make_database(kind)
    with Database.connect(dsn, max_size=2) as db:
        new_fleet(db)
        van.drive(50)
        van.talk(db)
        with db.transaction() as cur:
            cur.execute(
                "WITH moved AS (DELETE FROM log.fixes WHERE seq <= 20 RETURNING *) "
                "INSERT INTO log.fixes SELECT time - interval '200 days', "
                "vehicle_id, session_no, seq, mono_ms, lat_e6, lon_e6, speed_cm_s, heading_cdeg, accuracy_dm, satellites, flags FROM moved"
            )
        backup.dump(dsn, folder / "old.dump")
        count_days(db, datetime.now(UTC) + timedelta(days=1))
        assert age(db, datetime.now(UTC)).let_go == 20
        stored = audit(db)
        assert (stored.stored, stored.gone, stored.missing) == (30, 20, 0)
    name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
    new = psycopg.conninfo.make_conninfo(dsn, dbname=f"{name}_restored")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}_restored")
    assert main(["db", "restore", str(folder / "old.dump"), "--database-url", new]) == 0
    assert "the vans send what this database misses" in capsys.readouterr().out
    with Database.connect(new, max_size=2) as db:
        assert migrate(new).kind == kind
        assert audit(db).stored == 50, "the backup still had them"
        with db.transaction() as cur:
            cur.execute("SET LOCAL ROLE roundsman_tenant")
        van.talk(db)
        count_days(db, datetime.now(UTC) + timedelta(days=1))
        assert age(db, datetime.now(UTC)).let_go == 20
        found = audit(db)
        assert (found.stored, found.gone, found.missing, found.twice) == (30, 20, 0, 0)
    assert main(["db", "restore", str(folder / "old.dump"), "--database-url", new]) == 1
    assert "not empty" in capsys.readouterr().err


def test_what_is_no_backup_is_refused_and_touches_nothing(
    make_database: Callable[[str], str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "not.dump").write_text("nothing")
    (folder / "not-a-base").mkdir()
    with embedded.start(folder / "hub" / "postgres") as server, psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("CREATE TABLE words AS SELECT 'hello' AS told")
    for source, told in (("not.dump", "pg_restore failed"), ("none.dump", "no such file"), ("not-a-base", "no base backup")):
        assert main(["db", "restore", str(folder / source), "--data", str(folder / "hub")]) == 1
        assert told in capsys.readouterr().err
    with embedded.start(folder / "hub" / "postgres") as server, psycopg.connect(server.dsn()) as connection:
        assert connection.execute("SELECT told FROM words").fetchone() == ("hello",)
    assert main(["db", "backup", "--database-url", make_database("plain"), "--out", str(folder / "not.dump")]) == 1
    assert "exists" in capsys.readouterr().err


def test_an_archive_that_takes_no_wal_is_found_by_the_check(folder: Path) -> None:
    """Another server's file is in the way: it is not written over, and the check says that recovery would end here."""
    embedded.archive_wal(folder / "postgres", folder / "wal")
    with embedded.start(folder / "postgres") as server:
        migrate(server.dsn())
        with Database.connect(server.dsn(), max_size=1) as db:
            new_fleet(db)
            current = value(db, "SELECT pg_walfile_name(pg_current_wal_insert_lsn())")
            (folder / "wal" / f"{current}.gz").write_bytes(gzip.compress(b"another one's"))
            value(db, "SELECT pg_switch_wal()")
            deadline = time.monotonic() + WITHIN_S
            while not value(db, "SELECT failed_count FROM pg_stat_archiver"):
                assert time.monotonic() < deadline, "the archive took it"
                time.sleep(0.05)
            found = {finding.name: finding for finding in check(db, Clock()).findings}
            assert found["WAL that is not archived"].examples == [current]
            assert gzip.decompress((folder / "wal" / f"{current}.gz").read_bytes()) == b"another one's"
    embedded.archive_wal(folder / "postgres", None)
    with embedded.start(folder / "postgres") as server, psycopg.connect(server.dsn()) as connection:
        assert connection.execute("SHOW archive_mode").fetchone() == ("off",)
