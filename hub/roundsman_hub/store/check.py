"""Is the database what it promises to be? Each promise of the log and of the storage, looked at row by row.

A finding is `broken` (a promise does not hold: somebody should look today) or `odd` (allowed, and worth knowing). Nothing is repaired:
the vans' logs and the backups are what repairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal, LiteralString

from psycopg import sql

from roundsman_hub.clock import Clock
from roundsman_hub.progress import Progress, quiet
from roundsman_hub.store import retention
from roundsman_hub.store.db import Cursor, Database
from roundsman_hub.store.migrate import migrations, storage
from roundsman_wire.messages import FACTS, LANE_NAMES, TRACK

Severity = Literal["broken", "odd"]
EXAMPLES: Final = 5
FUTURE: Final = timedelta(days=1)
OVERDUE: Final = timedelta(days=2)
"""Raw fixes older than their rule by this much: the upkeep role does not run, or cannot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is not as promised, or is odd: how often, with a few examples, and what to do."""

    name: str
    severity: Severity
    count: int
    text: str
    examples: Sequence[str] = ()


@dataclass(slots=True)
class Report:
    """What was looked at, and what was found."""

    looked_at: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def broken(self) -> bool:
        return any(finding.severity == "broken" for finding in self.findings)


def check(db: Database, clock: Clock, progress: Progress = quiet) -> Report:
    """Look at everything. Reads only; on a database in use it sees each vehicle at one instant."""
    report = Report()
    with db.transaction() as cur:
        vehicles = [row["vehicle_id"] for row in cur.execute("SELECT DISTINCT vehicle_id FROM log.sessions ORDER BY 1")]
    report.looked_at.append("log: every number below a watermark is a row, or in log.gaps")
    missing: list[str] = []
    twice: list[str] = []
    both: list[str] = []
    beyond: list[str] = []
    for done, vehicle in enumerate(vehicles):
        progress("vehicles' logs", done, len(vehicles))
        with db.transaction() as cur:
            cur.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            for lane in _lanes(cur, vehicle):
                missing += lane.missing
                twice += lane.twice
                both += lane.both
                beyond += lane.beyond
    progress("vehicles' logs", len(vehicles), len(vehicles))
    for name, found, text in (
        (
            "numbers missing",
            missing,
            "acknowledged, and neither a row nor in log.gaps: `roundsman-hub migrate --restored` asks the vans again",
        ),
        ("numbers twice", twice, "a number has more than one row"),
        (
            "numbers both row and gap",
            both,
            "a number has a row although log.gaps says that it does not come, or ranges of log.gaps overlap",
        ),
        ("numbers beyond the watermark", beyond, "rows that were never acknowledged"),
    ):
        if found:
            report.findings.append(Finding(name=name, severity="broken", count=len(found), text=text, examples=found[:EXAMPLES]))
    with db.transaction() as cur:
        for question in QUESTIONS:
            progress(question.name, 0, 1)
            report.looked_at.append(question.name)
            report.findings += question.ask(cur)
            progress(question.name, 1, 1)
        report.looked_at += ["schema", "time", "partitions", "retention"]
        report.findings += [*_schema(cur), *_time(cur, clock), *_partitions(cur, clock.now()), *_retention(cur, clock.now())]
    report.findings.sort(key=lambda finding: finding.severity != "broken")
    return report


# ── the log, number by number ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Lane:
    missing: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    both: list[str] = field(default_factory=list)
    beyond: list[str] = field(default_factory=list)


_RUNS: Final = """
    SELECT session_no, lane, min(seq) AS first, max(seq) AS last, count(*) AS n FROM (
        SELECT session_no, lane, seq, seq - dense_rank() OVER (PARTITION BY session_no, lane ORDER BY seq) AS run FROM (
            SELECT session_no, {track}::smallint AS lane, seq FROM log.fixes WHERE vehicle_id = %(v)s
            UNION ALL SELECT session_no, {track}::smallint, seq FROM log.fixes_untimed WHERE vehicle_id = %(v)s
            UNION ALL SELECT session_no, {facts}::smallint, seq FROM log.entries WHERE vehicle_id = %(v)s
        ) AS stored
    ) AS numbered GROUP BY session_no, lane, run ORDER BY session_no, lane, first
"""
"""Consecutive numbers as ranges, computed where the rows are: a day's track comes over as a handful of rows."""


def _lanes(cur: Cursor, vehicle: str) -> Iterable[_Lane]:
    """What is wrong with each lane of a vehicle's sessions. Ranges are told as `session lane first–last`."""
    runs: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
    statement = sql.SQL(_RUNS).format(track=sql.Literal(TRACK), facts=sql.Literal(FACTS))
    for row in cur.execute(statement, {"v": vehicle}):
        runs.setdefault((row["session_no"], row["lane"]), []).append((row["first"], row["last"], row["n"]))
    gaps: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for row in cur.execute(
        "SELECT g.session_no, g.lane, g.first_seq, g.last_seq FROM log.gaps g JOIN log.sessions s USING (session_no) "
        "WHERE s.vehicle_id = %s ORDER BY 1, 2, 3",
        (vehicle,),
    ):
        gaps.setdefault((row["session_no"], row["lane"]), []).append((row["first_seq"], row["last_seq"]))
    marks = {
        (row["session_no"], row["lane"]): (row["session"], row["through_seq"])
        for row in cur.execute(
            "SELECT s.session, w.session_no, w.lane, w.through_seq FROM log.watermarks w JOIN log.sessions s USING (session_no) "
            "WHERE s.vehicle_id = %s",
            (vehicle,),
        )
    }
    for key in sorted(runs.keys() | gaps.keys() | marks.keys()):
        session, through = marks.get(key, (f"session {key[0]}", 0))
        named = f"{vehicle} {session} {LANE_NAMES.get(key[1], str(key[1]))}"
        yield _compare(named, runs.get(key, []), gaps.get(key, []), through)


def _compare(named: str, runs: Sequence[tuple[int, int, int]], gaps: Sequence[tuple[int, int]], through: int) -> _Lane:
    found = _Lane()
    found.twice = [f"{named} {first}–{last}" for first, last, n in runs if n > last - first + 1]
    at = 0
    for first, last, is_gap in sorted([(a, b, False) for a, b, _ in runs] + [(a, b, True) for a, b in gaps]):
        if first > at + 1 and at < through:
            found.missing.append(f"{named} {at + 1}–{min(first - 1, through)}")
        if first <= at:
            found.both.append(f"{named} {first}–{min(at, last)}")
        if last > through:
            found.beyond.append(f"{named} {max(first, through + 1)}–{last}{' (gap)' if is_gap else ''}")
        at = max(at, last)
    if at < through:
        found.missing.append(f"{named} {at + 1}–{through}")
    return found


# ── what one statement finds ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A statement that gives a row (`example`) for everything that is wrong."""

    name: str
    severity: Severity
    text: str
    sql: LiteralString

    def ask(self, cur: Cursor) -> list[Finding]:
        """The finding, if there is one."""
        cur.execute(
            sql.SQL("WITH found AS ({}) SELECT count(*) AS n, (array_agg(example))[1:{}] AS examples FROM found").format(
                sql.SQL(self.sql), sql.Literal(EXAMPLES)
            )
        )
        row = cur.fetchone()
        if row is None or not row["n"]:
            return []
        return [Finding(name=self.name, severity=self.severity, count=row["n"], text=self.text, examples=row["examples"])]


QUESTIONS: Final = (
    Question(
        name="sessions without a vehicle",
        severity="broken",
        text="log.sessions names a vehicle that no fleet has",
        sql="SELECT s.vehicle_id || ' ' || s.session AS example FROM log.sessions s LEFT JOIN vehicles v USING (vehicle_id) "
        "WHERE v.vehicle_id IS NULL",
    ),
    Question(
        name="rows without their session",
        severity="broken",
        text="a row's session is not in log.sessions, or is another vehicle's",
        sql="SELECT r.t || ' ' || r.vehicle_id || ' session ' || r.session_no AS example FROM ("
        "SELECT DISTINCT 'log.fixes' AS t, vehicle_id, session_no FROM log.fixes "
        "UNION SELECT DISTINCT 'log.fixes_untimed', vehicle_id, session_no FROM log.fixes_untimed "
        "UNION SELECT DISTINCT 'log.entries', vehicle_id, session_no FROM log.entries "
        "UNION SELECT DISTINCT 'log.stretches', vehicle_id, session_no FROM log.stretches) r "
        "LEFT JOIN log.sessions s ON s.session_no = r.session_no AND s.vehicle_id = r.vehicle_id WHERE s.session_no IS NULL",
    ),
    Question(
        name="gaps without their session",
        severity="broken",
        text="log.gaps names a session that is not in log.sessions, or a range that ends before it begins",
        sql="SELECT 'session ' || g.session_no || ' ' || g.first_seq || '–' || g.last_seq AS example FROM log.gaps g "
        "LEFT JOIN log.sessions s USING (session_no) WHERE s.session_no IS NULL OR g.last_seq < g.first_seq OR g.first_seq < 1",
    ),
    Question(
        name="two sessions in one place",
        severity="broken",
        text="two sessions of a vehicle have the same place in its chain: which of them is newer is not known",
        sql="SELECT vehicle_id || ' place ' || ordinal AS example FROM log.sessions WHERE ordinal > 0 "
        "GROUP BY vehicle_id, ordinal HAVING count(*) > 1",
    ),
    Question(
        name="derived beyond the log",
        severity="broken",
        text="derive_state is ahead of the facts that are stored: derive the session anew (delete its row in derive_state)",
        sql="SELECT s.vehicle_id || ' ' || s.session AS example FROM derive_state d JOIN log.sessions s USING (session_no) "
        f"LEFT JOIN log.watermarks w ON w.session_no = d.session_no AND w.lane = {FACTS} WHERE d.through_seq > coalesce(w.through_seq, 0)",
    ),
    Question(
        name="invalid indexes",
        severity="broken",
        text="an index is not used: an online change was interrupted. `roundsman-hub migrate`, or REINDEX INDEX CONCURRENTLY, mends it",
        sql="SELECT i.indexrelid::regclass::text AS example FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT (i.indisvalid AND i.indisready) "
        "AND n.nspname IN ('public', 'log', '_timescaledb_internal')",
    ),
    Question(
        name="tables without the track's index",
        severity="broken",
        text="a partition of log.fixes has no index by (vehicle, time): reading a track reads all of it",
        sql="SELECT i.inhrelid::regclass::text AS example FROM pg_inherits i WHERE i.inhparent = 'log.fixes'::regclass "
        "AND NOT EXISTS (SELECT FROM pg_index x WHERE x.indrelid = i.inhrelid "
        "AND pg_get_indexdef(x.indexrelid) LIKE '%(vehicle_id, \"time\")') "
        "AND (SELECT relkind FROM pg_class WHERE oid = 'log.fixes'::regclass) = 'p'",
    ),
    Question(
        name="no epoch",
        severity="broken",
        text="log.epoch is empty: restore the database",
        sql="SELECT 'log.epoch' AS example WHERE NOT EXISTS (SELECT FROM log.epoch)",
    ),
    Question(
        name="WAL that is not archived",
        severity="broken",
        text="archiving fails: point-in-time recovery ends here, and the disk fills (see postgres.log)",
        sql="SELECT last_failed_wal AS example FROM pg_stat_archiver WHERE last_failed_time > coalesce(last_archived_time, '-infinity')",
    ),
    Question(
        name="facts that are not derived",
        severity="odd",
        text="the derive role is behind, or cannot derive these sessions (see log.alarms)",
        sql="SELECT s.vehicle_id || ' ' || s.session AS example FROM log.watermarks w JOIN log.sessions s USING (session_no) "
        "LEFT JOIN derive_state d USING (session_no) "
        f"WHERE w.lane = {FACTS} AND w.through_seq > coalesce(d.through_seq, 0)",
    ),
    Question(
        name="sessions whose past is not known",
        severity="odd",
        text="a session names one before it that the hub never heard of",
        sql="SELECT s.vehicle_id || ' ' || s.session AS example FROM log.sessions s LEFT JOIN log.sessions p "
        "ON p.vehicle_id = s.vehicle_id AND p.session = s.previous WHERE s.previous IS NOT NULL AND p.session_no IS NULL",
    ),
    Question(
        name="frames set aside",
        severity="odd",
        text="frames that no release could read so far",
        sql="SELECT topic AS example FROM log.quarantine WHERE resolved_at IS NULL",
    ),
    Question(
        name="fixes without a date",
        severity="odd",
        text="positions whose van did not know the time, or claimed a day in the future",
        sql="SELECT vehicle_id || ' number ' || seq AS example FROM log.fixes_untimed",
    ),
)


# ── what needs more than one statement ──────────────────────────────────────────────────────────────────────────────


def _schema(cur: Cursor) -> list[Finding]:
    kind = storage(cur.connection).kind
    known = {step.name: step.sha256 for step in migrations(kind)}
    there = {row["name"]: row["sha256"] for row in cur.execute("SELECT name, sha256 FROM schema_migrations")}
    wrong = sorted(name for name in known.keys() | there.keys() if known.get(name) != there.get(name))
    text = "the schema is not this release's: roundsman-hub migrate"
    return [Finding(name="schema", severity="broken", count=len(wrong), text=text, examples=wrong[:EXAMPLES])] if wrong else []


def _time(cur: Cursor, clock: Clock) -> list[Finding]:
    """Clocks: of vans (rows from the future) and of this machine (facts received later than now)."""
    found = []
    for name, severity, text, statement, limit in (
        (
            "fixes from the future",
            "broken",
            "a fix is more than a day ahead, and should wait in log.fixes_untimed",
            "SELECT vehicle_id || ' ' || time AS example FROM log.fixes WHERE time > %s",
            clock.now() + FUTURE,
        ),
        (
            "facts received in the future",
            "odd",
            "the hub's clock was ahead when they came, or is behind now: look at its time synchronisation",
            "SELECT vehicle_id || ' ' || received_at AS example FROM log.entries WHERE received_real_at > %s",
            clock.real_now() + timedelta(seconds=5),
        ),
    ):
        rows = cur.execute(sql.SQL("{} LIMIT 1000").format(sql.SQL(statement)), (limit,)).fetchall()
        if rows:
            examples = [row["example"] for row in rows[:EXAMPLES]]
            found.append(Finding(name=name, severity=_severity(severity), count=len(rows), text=text, examples=examples))
    return found


def _severity(word: str) -> Severity:
    return "broken" if word == "broken" else "odd"


def _partitions(cur: Cursor, now: datetime) -> list[Finding]:
    """Plain partitions: are today's and tomorrow's there, and what waits in the default one?"""
    if retention.is_hypertable(cur):
        return []
    found = []
    days = {piece.since.date() for piece in retention.tables(cur)}
    absent = [str(day) for day in (now.date(), (now + timedelta(days=1)).date()) if day not in days]
    if absent:
        text = "the day's partition is not made: its fixes go to the default partition; is the derive role running?"
        found.append(Finding(name="partitions missing", severity="odd", count=len(absent), text=text, examples=absent))
    rows: list[dict[str, Any]] = cur.execute(
        "SELECT date_trunc('day', time, 'UTC')::date AS day, count(*) AS n FROM log.fixes_default GROUP BY 1 ORDER BY 2 DESC"
    ).fetchall()
    if rows:
        text = "fixes of days without a partition of their own: late logs. They are kept, read and let go like all others"
        examples = [f"{row['day']}: {row['n']} fixes" for row in rows[:EXAMPLES]]
        found.append(
            Finding(name="rows in the default partition", severity="odd", count=sum(row["n"] for row in rows), text=text, examples=examples)
        )
    return found


def _retention(cur: Cursor, now: datetime) -> list[Finding]:
    """Does anything stay longer than its fleet keeps it?"""
    late = []
    for rule in retention.rules(cur, now):
        row = cur.execute(
            "SELECT EXISTS (SELECT FROM log.fixes f JOIN vehicles v USING (vehicle_id) WHERE v.fleet_id = %s AND f.time < %s) AS there",
            (rule.fleet_id, rule.raw_before - OVERDUE),
        ).fetchone()
        if row is not None and row["there"]:
            late.append(f"{rule.fleet_id} keeps raw fixes for {rule.days['raw_days']} days")
    text = "raw fixes are kept longer than their fleet's rule: is the upkeep role running?"
    return [Finding(name="raw fixes overdue", severity="broken", count=len(late), text=text, examples=late[:EXAMPLES])] if late else []
