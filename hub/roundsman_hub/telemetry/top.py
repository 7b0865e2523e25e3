"""`roundsman-hub top`: what a hub does now, by role, in 80 columns. Rates are differences between two looks."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

from roundsman_hub.settings import load
from roundsman_hub.telemetry.gather import Answer, ask, expected, noted

WIDTH: Final = 80
FIRST_LOOK_S: Final = 1.0
"""Between the two looks of `--once`: a rate needs two."""
CLEAR: Final = "\x1b[H\x1b[2J"

_WAITS: Final = """
    SELECT vehicle_id, backlog, round(extract(epoch FROM clock_timestamp() - seen_real_at))::int AS seen_s FROM vehicle_now
    WHERE online AND backlog > 0 ORDER BY backlog DESC, vehicle_id LIMIT 5
"""
_WORKERS: Final = "SELECT name, coalesce(cardinality(shards), 0) AS shards FROM log.ingest_workers ORDER BY worker_no"
_OLDEST: Final = """
    SELECT s.vehicle_id, d.at FROM (
        SELECT e.session_no, min(e.received_real_at) AS at FROM log.watermarks w JOIN log.entries e USING (session_no)
        LEFT JOIN derive_state t USING (session_no)
        WHERE w.lane = 0 AND w.through_seq > coalesce(t.through_seq, 0) AND e.seq > coalesce(t.through_seq, 0) GROUP BY 1
    ) d JOIN log.sessions s USING (session_no) ORDER BY d.at LIMIT 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at everything."""

    at_s: float
    answers: Sequence[Answer]
    missing: Sequence[str]
    database: dict[str, Any] = field(default_factory=dict)

    def total(self, family: str, suffix: str = "", **labels: str) -> float:
        """A figure, over all processes."""
        wanted = set(labels.items())
        return sum(s.value for a in self.answers for s in a.samples if s[:2] == (family, suffix) and wanted <= set(s.labels))


def look(data_dir: Path) -> Look:
    """Ask every process, and the database."""
    answers = ask(noted(data_dir), figures=True)
    there = {answer.process.role for answer in answers}
    told: dict[str, Any] = {}
    try:
        with psycopg.connect(load(data_dir).database_url, row_factory=dict_row, connect_timeout=2) as db:
            told = {
                "workers": db.execute(_WORKERS).fetchall(),
                "waiting": db.execute(_WAITS).fetchall(),
                "oldest": db.execute(_OLDEST).fetchone(),
            }
    except psycopg.Error as error:
        told["away"] = " ".join(str(error).split())
    return Look(at_s=time.monotonic(), answers=answers, missing=[r for r in expected(data_dir) if r not in there], database=told)


def as_dict(before: Look, now: Look) -> dict[str, Any]:
    """What is shown, for programs. Rates a second, ages in seconds; None: nothing came between the two looks."""
    span_s = max(now.at_s - before.at_s, 0.001)

    def rate(family: str, suffix: str = "", **labels: str) -> float:
        return round(max(0.0, now.total(family, suffix, **labels) - before.total(family, suffix, **labels)) / span_s, 1)

    def mean(family: str, **labels: str) -> float | None:
        count = now.total(family, "_count", **labels) - before.total(family, "_count", **labels)
        return round((now.total(family, "_sum", **labels) - before.total(family, "_sum", **labels)) / count, 4) if count > 0 else None

    oldest = now.database.get("oldest")
    events = "roundsman_ingest_events_total"
    return {
        "ready": not now.missing and not any(answer.problems for answer in now.answers),
        "roles": [_role(before, answer, span_s) for answer in now.answers]
        + [{"role": role, "pid": None, "problems": {"role": "is not running"}} for role in now.missing],
        "ingest": {
            "fixes_s": rate(events, what="fixes"),
            "facts_s": rate(events, what="entries"),
            "frames_s": rate(events, what="frames"),
            "acks_s": rate("roundsman_ingest_acks_total"),
            "duplicates_s": rate(events, what="duplicates"),
            "rewinds_s": rate(events, what="rewinds"),
            "batch_messages": mean("roundsman_ingest_batch_messages"),
            "batch_s": mean("roundsman_ingest_batch_seconds"),
            "fix_age_s": mean("roundsman_ingest_fix_age_seconds"),
            "waiting": int(now.total("roundsman_ingest_waiting_messages")),
            "dropped": int(now.total("roundsman_ingest_dropped_total")),
            "workers": now.database.get("workers", []),
        },
        "log": {
            "quarantined": int(now.total("roundsman_quarantined_frames")),
            "gaps": _labelled(now, "roundsman_log_gap_entries", "reason"),
            "alarms": _labelled(now, "roundsman_alarms", "kind"),
            "behind_entries": int(now.total("roundsman_derive_behind_entries")),
            "oldest_underived": None
            if oldest is None
            else {"vehicle": oldest["vehicle_id"], "s": round((datetime.now(UTC) - oldest["at"]).total_seconds(), 1)},
        },
        "vans": {
            "online": int(now.total("roundsman_vans_online")),
            "unacked_entries": int(now.total("roundsman_vans_backlog_entries")),
            "most_unacked": [
                {"vehicle": row["vehicle_id"], "entries": row["backlog"], "seen_s": row["seen_s"]}
                for row in now.database.get("waiting", [])
            ],
        },
        "api": {
            "requests_s": rate("roundsman_http_request_seconds", "_count"),
            "request_s": mean("roundsman_http_request_seconds"),
            "listeners": int(now.total("roundsman_sse_listeners")),
        },
        "plan": {
            "insertion_s": mean("roundsman_plan_seconds", step="insertion"),
            "search_s": mean("roundsman_plan_seconds", step="search"),
        },
        "database": {"away": now.database.get("away"), "pool_waiting": int(now.total("roundsman_db_pool_connections", state="waiting"))},
    }


def _role(before: Look, answer: Answer, span_s: float) -> dict[str, Any]:
    cpu = _own(answer, "process_cpu_seconds_total")
    was = next((_own(b, "process_cpu_seconds_total") for b in before.answers if b.process == answer.process), cpu)
    return {
        "role": answer.process.role,
        "pid": answer.process.pid,
        "cpu": round((cpu - was) / span_s, 3),
        "memory_mb": round(_own(answer, "process_resident_memory_bytes") / 1e6, 1),
        "problems": answer.problems,
    }


def _own(answer: Answer, family: str) -> float:
    return next((sample.value for sample in answer.samples if sample.family == family), 0.0)


def _labelled(now: Look, family: str, label: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for sample in (s for a in now.answers for s in a.samples if s.family == family):
        name = dict(sample.labels)[label]
        found[name] = found.get(name, 0) + int(sample.value)
    return dict(sorted(found.items()))


def screen(told: dict[str, Any], at: datetime) -> str:
    """The same for people, no line longer than `WIDTH`."""
    ingest, log, vans, api, plan = (told[name] for name in ("ingest", "log", "vans", "api", "plan"))
    lines = [f"{'READY' if told['ready'] else 'NOT READY':<40}{at:%Y-%m-%d %H:%M:%S} UTC", ""]
    lines.append(f"{'role':<10}{'pid':>8}{'cpu %':>8}{'MB':>8}  state")
    for role in told["roles"]:
        state = "; ".join(f"{name}: {why}" for name, why in role["problems"].items()) or "ready"
        numbers = f"{role['pid']:>8}{100 * role['cpu']:>8.1f}{role['memory_mb']:>8.0f}" if role["pid"] else f"{'–':>8}{'–':>8}{'–':>8}"
        lines.append(f"{role['role']:<10}{numbers}  {state}")
    shares = ", ".join(str(worker["shards"]) for worker in ingest["workers"]) or "nobody"
    lines += [
        "",
        f"ingest   {ingest['fixes_s']:>10.1f} fixes/s  {ingest['facts_s']:>8.1f} facts/s  {ingest['acks_s']:>8.1f} acks/s",
        f"         {ingest['frames_s']:>10.1f} frames/s {ingest['duplicates_s']:>8.1f} twice/s  {ingest['rewinds_s']:>8.1f} rewinds/s",
        f"         batch {_number(ingest['batch_messages'])} messages in {_time(ingest['batch_s'])}, "
        f"fix to COMMIT {_time(ingest['fix_age_s'])}",
        f"         waiting {ingest['waiting']}, dropped {ingest['dropped']}, shards by worker: {shares}",
        f"log      behind {log['behind_entries']} facts{_oldest(log['oldest_underived'])}, quarantined {log['quarantined']} frames",
        f"         gaps: {_listed(log['gaps'])}",
        f"         alarms: {_listed(log['alarms'])}",
        f"vans     {vans['online']} on line, {vans['unacked_entries']} entries unacked",
        *(f"         {row['vehicle']}: {row['entries']} unacked, heard {row['seen_s']} s ago" for row in vans["most_unacked"]),
        f"plan     insertion {_time(plan['insertion_s'])}, search {_time(plan['search_s'])}",
        f"api      {api['requests_s']:.1f} requests/s in {_time(api['request_s'])}, {api['listeners']} listeners",
    ]
    if told["database"]["away"]:
        lines.append(f"database {told['database']['away']}")
    return "\n".join(line if len(line) <= WIDTH else line[: WIDTH - 1] + "…" for line in lines) + "\n"


def _time(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _oldest(told: dict[str, Any] | None) -> str:
    return "" if told is None else f" (oldest {told['s']:.0f} s, {told['vehicle']})"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


def main(data_dir: Path, *, once: bool, as_json: bool, every_s: float) -> int:
    """Show it until Ctrl-C; or once. The exit code of `--once` and `--json` is 1 when the hub is not ready."""
    load(data_dir)  # says clearly when there is no hub
    before = look(data_dir)
    if once or as_json:
        time.sleep(FIRST_LOOK_S)
        told = as_dict(before, look(data_dir))
        print(json.dumps(told, default=str) if as_json else screen(told, datetime.now(UTC)), end="\n" if as_json else "")
        return 0 if told["ready"] else 1
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(every_s)
            now = look(data_dir)
            sys.stdout.write(CLEAR + screen(as_dict(before, now), datetime.now(UTC)))
            sys.stdout.flush()
            before = now
    return 0
