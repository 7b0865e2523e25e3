"""How long what is kept: rules, the pieces that the track is stored in, and letting them go.

Raw fixes go by whole UTC days. Where every fleet's time is over, the day's partition (or chunk) is dropped; where only some fleets'
is, their rows are deleted. Whoever drops waits at most half a second for a lock, so ingest never waits longer behind it; it tries
again at the next look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg
from psycopg import sql

from roundsman_hub import HubError
from roundsman_hub.store import personal, stretch_store
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.keeps import BY_NAME
from roundsman_hub.store.rows import journal
from roundsman_hub.store.stretch_store import AGED
from roundsman_wire.messages import TRACK

RAW_DAYS: Final = 90
"""What the release keeps, and a vehicle that no fleet has any more."""
DAY: Final = timedelta(days=1)
LOCK_WITHIN: Final = "500ms"
"""Below PostgreSQL's deadlock_timeout (1 s): should this ever stand crosswise with ingest, it is this that gives way."""


class CannotKeep(HubError):
    """Nothing can be kept so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a fleet keeps, in days by the names of `keeps.BY_NAME`; None: for good. `own`: it has chosen so. Raw fixes before `raw_before`
    and tracks before `tracks_before` may go; raw fixes before `aged_through` have gone already."""

    fleet_id: str
    timezone: str
    days: Mapping[str, int | None]
    own: bool
    midnight: datetime
    aged_through: datetime | None

    def before(self, name: str) -> datetime | None:
        """What of a kind is older than this goes; None: nothing does."""
        days = self.days[name]
        return None if days is None else self.midnight - timedelta(days=days)

    @property
    def raw_before(self) -> datetime:
        return self._certain("raw_days")

    @property
    def tracks_before(self) -> datetime:
        return self._certain("track_days")

    @property
    def personal_before(self) -> dict[str, datetime]:
        """By the column of `personal.DAYS`: what is older goes."""
        return {name: self._certain(name) for name in personal.DAYS}

    def _certain(self, name: str) -> datetime:
        before = self.before(name)
        assert before is not None  # NOT NULL in the table
        return before


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A UTC day of raw fixes. `table`: the partition or chunk that holds just this day; None: rows among others (the default partition)."""

    since: datetime
    table: tuple[str, str] | None

    @property
    def until(self) -> datetime:
        return self.since + DAY


def rules(cur: Cursor, now: datetime, fleet: str | None = None) -> list[Rule]:
    """Every fleet's rule, or one fleet's, as of business time `now`."""
    columns = sql.SQL(", ").join(
        sql.SQL("CASE WHEN r.fleet_id IS NULL THEN {} ELSE r.{} END AS {}").format(keep.usual, sql.Identifier(name), sql.Identifier(name))
        for name, keep in BY_NAME.items()
    )
    cur.execute(
        sql.SQL(
            "SELECT f.fleet_id, f.timezone, {}, r.fleet_id IS NOT NULL AS own, a.through AS aged_through FROM fleets f "
            "LEFT JOIN retention r USING (fleet_id) LEFT JOIN log.aged a USING (fleet_id) "
            "WHERE %s::text IN (f.fleet_id, '') ORDER BY f.fleet_id"
        ).format(columns),
        (fleet or "",),
    )
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return [
        Rule(
            fleet_id=row["fleet_id"],
            timezone=row["timezone"],
            days={name: row[name] for name in BY_NAME},
            own=row["own"],
            midnight=midnight,
            aged_through=row["aged_through"],
        )
        for row in cur
    ]


def choose(cur: Cursor, fleet_id: str, *, at: datetime, actor: str, **days: int | None) -> None:
    """A fleet keeps something for so many days from now on. Noted in its journal.

    Parameters
    ----------
    days : int or None
        What changes, by the names of `keeps.BY_NAME`; None: for good.

    Raises
    ------
    HubError
        No such fleet; `CannotKeep`: numbers that cannot be.
    """
    if cur.execute("SELECT FROM fleets WHERE fleet_id = %s", (fleet_id,)).fetchone() is None:
        raise HubError(f"no fleet {fleet_id!r}: `roundsman-hub db retention` lists them")
    for name, wanted in days.items():
        keep = BY_NAME[name]
        if wanted is None and not keep.may_stay:
            raise CannotKeep(f"{name}: not for good, but for {keep.least} to {keep.most} days")
        if wanted is not None and not keep.least <= wanted <= keep.most:
            raise CannotKeep(f"{name}: {wanted} days; it can be {keep.least} to {keep.most} days{' or for good' if keep.may_stay else ''}")
    try:
        cur.execute(
            "INSERT INTO retention (fleet_id, raw_days, track_days) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            (fleet_id, BY_NAME["raw_days"].usual, BY_NAME["track_days"].usual),
        )
        if days:
            changes = sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(name), wanted) for name, wanted in days.items())
            cur.execute(sql.SQL("UPDATE retention SET {} WHERE fleet_id = %s").format(changes), (fleet_id,))
    except psycopg.errors.CheckViolation:
        raise CannotKeep(
            "tracks and facts are kept at least as long as raw fixes, and visits at least as long as the facts that they come from "
            "(from facts that stay for good, visits would come again)"
        ) from None
    journal(cur, fleet_id=fleet_id, at=at, kind="retention.changed", subject=fleet_id, actor=actor, body=dict(days))


def aged(cur: Cursor, rule: Rule) -> None:
    """A fleet's raw fixes up to its rule's day are gone."""
    cur.execute(
        "INSERT INTO log.aged AS a VALUES (%s, %s) ON CONFLICT (fleet_id) DO UPDATE SET through = greatest(a.through, excluded.through)",
        (rule.fleet_id, rule.raw_before),
    )


def count_over(cur: Cursor, rule: Rule) -> tuple[int, int]:
    """What a fleet keeps no longer: raw fixes, and simplified tracks. Counted."""
    row = cur.execute(
        "SELECT (SELECT count(*) FROM log.fixes f JOIN vehicles v USING (vehicle_id) "
        "WHERE v.fleet_id = %(f)s AND f.time < %(raw)s) AS raw, "
        "(SELECT count(*) FROM log.stretches s JOIN vehicles v USING (vehicle_id) "
        "WHERE v.fleet_id = %(f)s AND s.to_at < %(tracks)s) AS tracks",
        {"f": rule.fleet_id, "raw": rule.raw_before, "tracks": rule.tracks_before},
    ).fetchone()
    return (int(row["raw"]), int(row["tracks"])) if row else (0, 0)


def pieces(cur: Cursor, before: datetime) -> list[Piece]:
    """UTC days with raw fixes that ended before an instant, oldest first."""
    found = [piece for piece in tables(cur) if piece.until <= before]
    row = cur.execute("SELECT to_regclass('log.fixes_default') AS there").fetchone()
    if row is not None and row["there"] is not None:
        cur.execute("SELECT DISTINCT date_trunc('day', time, 'UTC') AS since FROM log.fixes_default WHERE time < %s", (before,))
        found += [Piece(since=row["since"].astimezone(UTC), table=None) for row in cur]
    return sorted((piece for piece in found if piece.until <= before), key=lambda piece: (piece.since, piece.table or ("", "")))


def tables(cur: Cursor) -> list[Piece]:
    """Partitions or chunks, each a day's, oldest first."""
    if is_hypertable(cur):
        cur.execute(
            "SELECT chunk_schema AS space, chunk_name AS name, range_start AS since FROM timescaledb_information.chunks "
            "WHERE hypertable_schema = 'log' AND hypertable_name = 'fixes' ORDER BY range_start"
        )
    else:
        cur.execute(
            "SELECT n.nspname AS space, c.relname AS name, to_timestamp(substring(c.relname FROM 7), 'YYYYMMDD') AS since "
            "FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE i.inhparent = 'log.fixes'::regclass AND c.relname ~ '^fixes_\\d{8}$' ORDER BY c.relname"
        )
    return [Piece(since=row["since"].astimezone(UTC), table=(row["space"], row["name"])) for row in cur]


def is_hypertable(cur: Cursor) -> bool:
    """Are fixes stored on a hypertable, not on plain partitions?"""
    row = cur.execute("SELECT relkind FROM pg_class WHERE oid = 'log.fixes'::regclass").fetchone()
    return row is not None and row["relkind"] not in ("p", b"p")


def vehicles_in(cur: Cursor, piece: Piece) -> dict[str, str | None]:
    """Vehicles with raw fixes of that day, and their fleets (None: no fleet has such a vehicle any more)."""
    cur.execute(
        "SELECT f.vehicle_id, v.fleet_id FROM (SELECT DISTINCT vehicle_id FROM log.fixes WHERE time >= %s AND time < %s) f "
        "LEFT JOIN vehicles v USING (vehicle_id) ORDER BY 1",
        (piece.since, piece.until),
    )
    return {row["vehicle_id"]: row["fleet_id"] for row in cur}


def delete(cur: Cursor, vehicle: str, piece: Piece, noted_at: datetime) -> int:
    """Delete a vehicle's raw fixes of a day, as far as stretches hold them. Returns how many."""
    cur.execute(
        "DELETE FROM log.fixes f USING log.stretches s WHERE f.vehicle_id = %(v)s AND f.time >= %(since)s AND f.time < %(until)s "
        "AND s.vehicle_id = %(v)s AND s.from_at >= %(since)s AND s.from_at < %(until)s AND s.raw AND s.session_no = f.session_no "
        "AND f.seq BETWEEN s.first_seq AND s.last_seq",
        {"v": vehicle, "since": piece.since, "until": piece.until},
    )
    deleted = cur.rowcount
    stretch_store.close(cur, [vehicle], piece.since, piece.until, noted_at)
    return deleted


def drop(cur: Cursor, piece: Piece, vehicles: Sequence[str], noted_at: datetime) -> int | None:
    """Drop a whole day's partition or chunk, if stretches hold every row of it. Returns its fixes; None: something came meanwhile.

    Call in a transaction of its own.

    Raises
    ------
    psycopg.errors.LockNotAvailable
        Others use it: try again later.
    """
    assert piece.table is not None
    table = sql.Identifier(*piece.table)
    cur.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(LOCK_WITHIN)))
    hyper = is_hypertable(cur)
    # A chunk that goes while someone is about to write into it would fail him: on a hypertable all writers wait for this moment.
    held = sql.SQL("log.fixes IN SHARE ROW EXCLUSIVE MODE") if hyper else sql.SQL("{} IN ACCESS EXCLUSIVE MODE").format(table)
    cur.execute(sql.SQL("LOCK TABLE {}").format(held))
    row = cur.execute(sql.SQL("SELECT count(*) AS n FROM {}").format(table)).fetchone()
    there = row["n"] if row else 0
    if there > _held(cur, piece) and _any_not_held(cur, piece, table):
        return None
    closed = stretch_store.close(cur, vehicles, piece.since, piece.until, noted_at)
    if hyper:
        cur.execute("SELECT drop_chunks('log.fixes', older_than => %s, newer_than => %s)", (piece.until, piece.since))
    else:
        cur.execute(sql.SQL("DROP TABLE {}").format(table))
    return closed


def _held(cur: Cursor, piece: Piece) -> int:
    """How many raw fixes of a day stretches hold."""
    row = cur.execute(
        "SELECT coalesce(sum(last_seq - first_seq + 1), 0)::bigint AS n FROM log.stretches WHERE from_at >= %s AND from_at < %s AND raw",
        (piece.since, piece.until),
    ).fetchone()
    return int(row["n"]) if row else 0


def _any_not_held(cur: Cursor, piece: Piece, table: sql.Identifier) -> bool:
    """Is there a fix that no stretch holds? A number that is there twice, which is a fault of its own, is held all the same."""
    row = cur.execute(
        sql.SQL(
            "SELECT EXISTS (SELECT FROM {} f WHERE NOT EXISTS (SELECT FROM log.stretches s WHERE s.from_at >= %(since)s "
            "AND s.from_at < %(until)s AND s.session_no = f.session_no AND f.seq BETWEEN s.first_seq AND s.last_seq)) AS any"
        ).format(table),
        {"since": piece.since, "until": piece.until},
    ).fetchone()
    return row is not None and bool(row["any"])


def forget_undated(cur: Cursor, rule: Rule, noted_at: datetime) -> int:
    """Positions that never got a date go when their session's last word is older than raw fixes may be. Returns how many went."""
    cur.execute(
        "WITH old AS (SELECT s.session_no FROM (SELECT DISTINCT session_no FROM log.fixes_untimed) u "
        "JOIN log.sessions s USING (session_no) JOIN vehicles v USING (vehicle_id) WHERE v.fleet_id = %s "
        "AND (SELECT max(e.received_at) FROM log.entries e WHERE e.session_no = s.session_no) < %s), "
        "away AS (DELETE FROM log.fixes_untimed f USING old WHERE f.session_no = old.session_no RETURNING f.session_no, f.seq), "
        "runs AS (SELECT session_no, seq, seq - row_number() OVER (PARTITION BY session_no ORDER BY seq) AS run FROM away) "
        "INSERT INTO log.gaps SELECT session_no, %s, min(seq), max(seq), %s, %s FROM runs GROUP BY session_no, run",
        (rule.fleet_id, rule.raw_before, TRACK, AGED, noted_at),
    )
    return cur.rowcount


def forget_quarantined(cur: Cursor, rule: Rule) -> int:
    """Frames set aside hold positions, too. Returns how many went; what they held stays a gap."""
    cur.execute(
        "DELETE FROM log.quarantine q USING vehicles v WHERE v.vehicle_id = split_part(q.topic, '/', 4) AND v.fleet_id = %s "
        "AND q.received_at < %s",
        (rule.fleet_id, rule.raw_before),
    )
    return cur.rowcount


def forget_words(cur: Cursor, rule: Rule) -> int:
    """What was said of arrivals goes with the raw fixes that it is held to, and how it turned out with the simplified tracks.

    Returns how many words went. The widths that were learned from them are a row a fleet and horizon, and stay.
    """
    cur.execute("DELETE FROM eta_hits WHERE fleet_id = %s AND arrived_at < %s", (rule.fleet_id, rule.tracks_before))
    cur.execute("DELETE FROM eta_said WHERE fleet_id = %s AND said_at < %s", (rule.fleet_id, rule.raw_before))
    return cur.rowcount


def proofs_over(cur: Cursor, now: datetime) -> list[str]:
    """Let go of photos and signatures whose time is over in every fleet that has them; gives the hashes whose files may go.

    Their hashes stay in the facts and in the chain of proof, so that what is left can still be verified.
    """
    cur.execute(
        "DELETE FROM blobs b USING fleets f LEFT JOIN retention r USING (fleet_id) WHERE f.fleet_id = b.fleet_id "
        "AND b.whole_at < %s - make_interval(days => coalesce(r.proof_days, %s)) RETURNING b.sha256",
        (now, BY_NAME["proof_days"].usual),
    )
    gone = sorted({str(row["sha256"]) for row in cur})
    cur.execute("SELECT sha256 FROM blobs WHERE sha256 = ANY(%s)", (gone,))
    return sorted(set(gone) - {str(row["sha256"]) for row in cur})


def count_proofs(cur: Cursor, rule: Rule) -> int:
    """How many photos and signatures a fleet keeps no longer."""
    row = cur.execute(
        "SELECT count(*) AS n FROM blobs WHERE fleet_id = %s AND whole_at < %s", (rule.fleet_id, rule.before("proof_days"))
    ).fetchone()
    return int(row["n"]) if row else 0
