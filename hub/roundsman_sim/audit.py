"""What the round left behind, counted from both ends: the vans' own logs on their disks, and the hub's tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roundsman_agent import chunks
from roundsman_hub.store.db import Database
from roundsman_sim.van import Van

Fix = tuple[str, int, int | None, int, int]
"""Session, seq, UTC in ms, lat_e6, lon_e6."""

_STORED = """
SELECT s.session, f.seq, f.utc_ms, f.lat_e6, f.lon_e6
  FROM (SELECT vehicle_id, session_no, seq, (extract(epoch FROM time) * 1000)::bigint AS utc_ms, lat_e6, lon_e6 FROM log.fixes
        UNION ALL SELECT vehicle_id, session_no, seq, utc_ms, lat_e6, lon_e6 FROM log.fixes_untimed) f
  JOIN log.sessions s USING (session_no) WHERE f.vehicle_id = %s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixes:
    """Fixes of the whole fleet.

    `made`: in the vans' logs. `stored`: rows at the hub. `missing`: made, but not stored with the same values.
    `twice`: rows beyond one for each number. `unheard`: epochs that a receiver gave between the van's first and last fix, and
    that are not in its log: lost before the log, or refused by a gate.
    """

    made: int
    stored: int
    missing: int
    twice: int
    unheard: int


def kept_fixes(store: Path) -> list[Fix]:
    """All fixes in a stopped agent's log."""
    found: list[Fix] = []
    for path in sorted(store.glob("*.db")) + sorted(store.glob("*.sqlite*")):
        if path.name.endswith(("-wal", "-shm")):
            continue
        with sqlite3.connect(path) as db:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'track'").fetchone():
                continue
            sessions = dict(db.execute("SELECT no, session FROM sessions"))
            for number, last, thinned, gone, body in db.execute("SELECT id, last, thinned, gone, body FROM track ORDER BY id"):
                chunk = chunks.Chunk(first=number & 0xFFFF_FFFF, last=last, thinned=thinned, gone=chunks.unpack_gone(gone), body=body)
                session = sessions[number >> 32]
                found += [(session, seq, row.utc_ms, row.lat_e6, row.lon_e6) for seq, row in chunks.rows_of(chunk)]
        db.close()
    return found


def fixes(database: Database, vans: Sequence[Van]) -> Fixes:
    """Compare the vans' logs with the hub's tables, fix by fix. The agents must have ended."""
    made = stored = missing = twice = unheard = 0
    for van in vans:
        kept = kept_fixes(van.store)
        at_hub = _stored(database, van.vehicle)
        made += len(kept)
        stored += len(at_hub)
        missing += len(set(kept) - set(at_hub))
        twice += len(at_hub) - len({fix[:2] for fix in at_hub})
        instants = {fix[2] for fix in kept if fix[2] is not None}
        if instants:
            first, last = min(instants), max(instants)
            unheard += sum(first <= epoch <= last and epoch not in instants for epoch in van.epochs_utc_ms)
    return Fixes(made=made, stored=stored, missing=missing, twice=twice, unheard=unheard)


def _stored(database: Database, vehicle: str) -> list[Fix]:
    with database.transaction() as cur:
        cur.execute(_STORED, (vehicle,))
        return [(r["session"], r["seq"], r["utc_ms"], r["lat_e6"], r["lon_e6"]) for r in cur.fetchall()]


def plans(database: Database) -> dict[str, int]:
    """How many plans were issued, receipts came back, and plans were painted."""
    with database.transaction() as cur:
        cur.execute(
            """SELECT (SELECT count(*) FROM plans) AS plans_issued, (SELECT count(*) FROM plan_receipts) AS receipts,
                      (SELECT count(*) FROM plan_receipts WHERE state = 'shown') AS shown"""
        )
        return dict(cur.fetchone() or {})


def caught_up(database: Database) -> bool:
    """Whether everything that the hub has of the vans' facts is derived."""
    with database.transaction() as cur:
        cur.execute(
            """SELECT count(*) AS behind FROM log.watermarks w LEFT JOIN derive_state d USING (session_no)
                WHERE w.lane = 0 AND coalesce(d.through_seq, 0) < w.through_seq"""
        )
        row = cur.fetchone()
        return row is not None and row["behind"] == 0


def receipt(database: Database, order: str, states: Sequence[str]) -> dict[str, Any] | None:
    """The first receipt, in one of `states`, of a plan that holds the order: its van, and the real instant it came back."""
    with database.transaction() as cur:
        cur.execute(
            """SELECT r.vehicle_id, r.version, r.state, r.received_real_at, p.issued_real_at, p.published_at
                 FROM plan_tasks t JOIN plans p USING (vehicle_id, version) JOIN plan_receipts r USING (vehicle_id, version)
                WHERE t.order_id = %s AND r.state = ANY(%s) ORDER BY r.received_real_at LIMIT 1""",
            (order, list(states)),
        )
        return cur.fetchone()


def storage(database: Database) -> str:
    """Which database and which extension ran."""
    with database.transaction() as cur:
        cur.execute(
            """SELECT current_setting('server_version') AS version,
                      (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS timescaledb"""
        )
        row = cur.fetchone() or {}
    with_what = f"TimescaleDB {row['timescaledb']}" if row.get("timescaledb") else "plain partitions"
    return f"PostgreSQL {row.get('version', '?').split()[0]}, {with_what}"
