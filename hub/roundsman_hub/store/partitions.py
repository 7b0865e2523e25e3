"""Days of the fix table on plain PostgreSQL. TimescaleDB makes its chunks itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from psycopg import sql

from roundsman_hub.store.db import Cursor

DAYS_AHEAD: Final = 2
"""Made before they are needed: ingest itself never changes the schema."""


def ensure_days(cur: Cursor, now: datetime) -> list[str]:
    """Make the partitions of today and the next days where they are missing. Returns the names of new ones.

    Rows of such a day that already wait in the default partition move along; ingest waits for that moment.
    """
    row = cur.execute("SELECT relkind FROM pg_class WHERE oid = 'log.fixes'::regclass").fetchone()
    if row is None or row["relkind"] not in ("p", b"p"):
        return []
    made = []
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for day in (today + timedelta(days=ahead) for ahead in range(DAYS_AHEAD + 1)):
        name = f"fixes_{day:%Y%m%d}"
        known = cur.execute("SELECT to_regclass(%s) AS known", (f"log.{name}",)).fetchone()
        if known is not None and known["known"] is not None:
            continue
        table, ends = sql.Identifier("log", name), (sql.Literal(day.isoformat()), sql.Literal((day + timedelta(days=1)).isoformat()))
        cur.execute("LOCK TABLE log.fixes_default IN ACCESS EXCLUSIVE MODE")
        cur.execute(sql.SQL("CREATE TABLE {} (LIKE log.fixes INCLUDING DEFAULTS)").format(table))
        cur.execute(
            sql.SQL(
                "WITH moved AS (DELETE FROM log.fixes_default WHERE time >= {} AND time < {} RETURNING *) "
                "INSERT INTO {} SELECT * FROM moved"
            ).format(*ends, table)
        )
        cur.execute(sql.SQL("ALTER TABLE log.fixes ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(table, *ends))
        made.append(name)
    return made
