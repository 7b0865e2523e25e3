"""`roundsman-hub record`: a fleet's day leaves as one file, read in one snapshot."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from roundsman_hub import HubError
from roundsman_hub.derive.fold import RULES
from roundsman_hub.derive.vehicle import Vehicle, order_alerts, refold_alerts
from roundsman_hub.progress import Progress, quiet
from roundsman_hub.record.day_file import FIX_COLUMNS, TABLES, Head, Writer, differences
from roundsman_hub.store import derived_dump, record_store
from roundsman_hub.store.db import Cursor, Database
from roundsman_hub.store.record_store import Scope

SETTLES: Final = timedelta(hours=1)
"""What did not happen in the day (a van that was silent at its end) is known by then."""


class _RolledBack(Exception):
    """Ends the recording's transaction: it has only read."""


def fleet_of(db: Database, wanted: str | None) -> tuple[str, str]:
    """The fleet to be recorded and its time zone: the one named, or the only one.

    Raises
    ------
    HubError
        There is none, or there are several and none is named.
    """
    with db.transaction() as cur:
        cur.execute("SELECT fleet_id, timezone FROM fleets WHERE %(f)s::text IS NULL OR fleet_id = %(f)s ORDER BY 1", {"f": wanted})
        found = [(str(row["fleet_id"]), str(row["timezone"])) for row in cur]
    if not found:
        raise HubError(f"no fleet {wanted!r}" if wanted else "this hub has no fleet")
    if len(found) > 1:
        raise HubError(f"say which fleet with --fleet: {', '.join(fleet for fleet, _ in found)}")
    return found[0]


def bounds(timezone: str, day: date) -> tuple[datetime, datetime]:
    """A day's midnights in a time zone."""
    zone = ZoneInfo(timezone)
    return datetime.combine(day, time(), zone), datetime.combine(day + timedelta(days=1), time(), zone)


def record(db: Database, fleet: str, timezone: str, day: date, now: datetime, path: Path, *, progress: Progress = quiet) -> dict[str, int]:
    """Write a fleet's day, midnight to midnight in its own time zone. Returns how much that was.

    Raises
    ------
    HubError
        The facts of the day were let go: what is left of it cannot happen again. Or nothing happened on it.
    """
    since, until = bounds(timezone, day)
    head = Head(fleet=fleet, day=day, timezone=timezone, since=since, until=until, horizon=min(now, until + SETTLES), rules=RULES)
    counts: dict[str, int] = {}
    with Writer(path, head) as writer:
        try:
            with db.transaction() as cur:
                cur.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                if record_store.facts_are_gone(cur, fleet, since, until):
                    raise HubError(
                        f"the facts of {day} were let go by the fleet's rule (`roundsman-hub db retention`), so it cannot be recorded; "
                        "its track and its numbers still answer"
                    )
                of = record_store.scope(cur, fleet, since, until)
                if not of.sessions and not of.orders:
                    first, last = record_store.days_told(cur, fleet, timezone)
                    there = f"this hub has logs of {first} to {last}" if first else "this hub has no log of any day"
                    raise HubError(f"nothing happened on {day}, in the fleet's time zone ({timezone}): {there}")
                _tables(cur, of, writer, counts)
                _log(cur, of, writer, counts, progress)
                for vehicle in of.vehicles:  # so that alerts are those of the horizon that the file names
                    refold_alerts(cur, Vehicle(vehicle_id=vehicle, fleet_id=fleet), head.horizon)
                order_alerts(cur, of.orders, head.horizon)
                derived = derived_dump.digests(derived_dump.dump(cur, of.vehicles, since, until))
                raise _RolledBack
        except _RolledBack:
            pass
        counts["derived rows"] = sum(told["rows"] for told in derived.values())
        writer.end(derived)
    return counts


def _tables(cur: Cursor, of: Scope, writer: Writer, counts: dict[str, int]) -> None:
    for name in TABLES:
        for rows in record_store.table(cur, name, of):
            writer.line({"table": name, "rows": rows})
            counts[name] = counts.get(name, 0) + len(rows)


def _log(cur: Cursor, of: Scope, writer: Writer, counts: dict[str, int], progress: Progress) -> None:
    sessions = record_store.sessions(cur, of)
    told = [{"vehicle": s["vehicle_id"], "session": s["session"], "previous": s["previous"]} for s in sessions]
    writer.line({"sessions": told})
    counts |= {"sessions": len(sessions), "facts": 0, "fixes": 0}
    for done, session in enumerate(sessions):
        progress("sessions written", done, len(sessions))
        number = session["session_no"]
        entries = record_store.entries(cur, number)
        for at in range(0, len(entries), record_store.CHUNK):
            writer.line({"entries": session["session"], "rows": entries[at : at + record_store.CHUNK]})
        counts["facts"] += len(entries)
        first = last = None
        for chunk in record_store.fixes(cur, session["vehicle_id"], number, of.since, of.until):
            columns = {name: differences([row[name] for row in chunk]) for name in FIX_COLUMNS}
            writer.line({"fixes": session["session"], "columns": columns})
            counts["fixes"] += len(chunk)
            first, last = first or chunk[0]["seq"], chunk[-1]["seq"]
        if gaps := record_store.gaps(cur, number, first, last):
            writer.line({"gaps": session["session"], "rows": gaps})
