"""A little fleet whose log is stored, and faults to put into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from roundsman_hub.store.db import Database
from roundsman_hub.store.partitions import ensure_days

DAY_BEFORE = timedelta(days=1)


@dataclass
class Depot:
    """One van, two sessions, fixes and facts of yesterday."""

    db: Database
    now: datetime

    def do(self, sql: str, *values: Any) -> None:
        with self.db.transaction() as cur:
            cur.execute(sql, values or None)

    def ask(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        with self.db.transaction() as cur:
            return cur.execute(sql, values).fetchall()


@pytest.fixture
def make_depot(make_database: Callable[[str], str]) -> Iterator[Callable[[str], Depot]]:
    """Function: kind of database → a depot in a fresh one."""
    opened: list[Database] = []

    def make(kind: str) -> Depot:
        db = Database.connect(make_database(kind), max_size=3)
        opened.append(db)
        now = datetime.now(UTC)
        drove = now - DAY_BEFORE
        if (drove + timedelta(minutes=2)).date() != drove.date():
            drove -= timedelta(minutes=5)  # a drive of one day, also where the tests run at midnight
        depot = Depot(db=db, now=now)
        with db.transaction() as cur:
            for day in (now - DAY_BEFORE, now):
                ensure_days(cur, day)
            cur.execute("INSERT INTO fleets VALUES ('fl_1', 'Fleet', 'UTC')")
            cur.execute("INSERT INTO depots VALUES ('p_1', 'fl_1', 'D', '', 0, 0)")
            cur.execute("INSERT INTO vehicles VALUES ('v_1', 'fl_1', 'Van', 'p_1', NULL, 10, %s, %s, NULL)", (now, now + DAY_BEFORE))
            cur.execute("INSERT INTO log.sessions (vehicle_id, session, ordinal) VALUES ('v_1', '00000000000000aa', 1)")
            cur.execute(
                "INSERT INTO log.sessions (vehicle_id, session, previous, ordinal) VALUES ('v_1', %s, %s, 2)",
                ("b" * 16, "00000000000000aa"),
            )
            numbers = [row["session_no"] for row in cur.execute("SELECT session_no FROM log.sessions ORDER BY 1")]
            for session_no in numbers:
                cur.execute(
                    "INSERT INTO log.fixes (time, vehicle_id, session_no, seq, mono_ms, lat_e6, lon_e6, satellites, flags) "
                    "SELECT %s + make_interval(secs => n), 'v_1', %s, n, n * 1000, 60000000 + 90 * n, 25000000, 9, 0 "
                    "FROM generate_series(1, 100) n WHERE n NOT BETWEEN 11 AND 20",
                    (drove, session_no),
                )
                cur.execute(
                    "INSERT INTO log.entries SELECT 'v_1', %(s)s, n, 'note', n, %(t)s, %(t)s, %(t)s, '{}' FROM generate_series(1, 5) n",
                    {"s": session_no, "t": drove},
                )
                cur.execute("INSERT INTO log.gaps VALUES (%s, 1, 11, 20, 'thinned', %s)", (session_no, now))
                cur.execute("INSERT INTO log.watermarks VALUES (%(s)s, 0, 5), (%(s)s, 1, 100)", {"s": session_no})
                cur.execute("INSERT INTO derive_state VALUES (%s, 5, '{}')", (session_no,))
        return depot

    yield make
    for db in opened:
        db.close()
