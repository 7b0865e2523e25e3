"""First numbers of a fleet, for a stretch of time: on-time share, planned and driven distance and time, stops a day.

All come from the log's derived tables, so late data corrects them by itself.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from roundsman_hub import HubError
from roundsman_hub.clock import Clock
from roundsman_hub.instants import instant
from roundsman_hub.settings import Settings
from roundsman_hub.store.audit import audit_tracks
from roundsman_hub.store.db import Cursor, Database
from roundsman_hub.store.whereabouts import driven


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """One vehicle's numbers, or a fleet's.

    due : stops whose window ended in the time. delivered, failed : stops resolved in the time. on_time : of the delivered, those at
    whose place the van stood before the promise (or else the window) ended. planned_m, planned_s : legs of the resolved stops,
    each as planned when the van set out for it. driven_m, driving_s : along the track while moving, gaps left out.
    gap_s : on shift without a fix. days : vehicle-days with a resolved stop. simplified : some of what was driven is of days whose raw
    fixes have aged.
    """

    due: int = 0
    delivered: int = 0
    failed: int = 0
    on_time: int = 0
    planned_m: int = 0
    planned_s: int = 0
    driven_m: int = 0
    driving_s: int = 0
    gap_s: int = 0
    days: int = 0
    fixes: int = 0
    fixes_missing: int = 0
    fixes_twice: int = 0
    simplified: bool = False

    @property
    def on_time_share(self) -> float | None:
        """Share of the delivered stops that were on time; None without any."""
        return round(self.on_time / self.delivered, 4) if self.delivered else None

    @property
    def stops_a_day(self) -> float | None:
        """Resolved stops a vehicle-day; None without any."""
        return round((self.delivered + self.failed) / self.days, 2) if self.days else None


_STOPS: Final = """
    SELECT s.vehicle_id, count(*) FILTER (WHERE s.state = 'delivered') AS delivered, count(*) FILTER (WHERE s.state = 'failed') AS failed,
           count(*) FILTER (WHERE s.state = 'delivered'
                            AND coalesce(s.arrived_at, s.at) <= coalesce(o.promise_end, o.window_end)) AS on_time,
           coalesce(sum((leg.stop->>'leg_m')::bigint), 0)::bigint AS planned_m,
           coalesce(sum((leg.stop->>'leg_s')::bigint), 0)::bigint AS planned_s,
           count(DISTINCT (s.at AT TIME ZONE f.timezone)::date) AS days
    FROM order_states s JOIN orders o USING (order_id) JOIN fleets f ON f.fleet_id = s.fleet_id
    LEFT JOIN LATERAL (
        SELECT (SELECT stop FROM jsonb_array_elements(p.plan->'stops') AS stop WHERE stop->>'stop' = s.order_id) AS stop
        FROM plan_tasks t JOIN plans p USING (vehicle_id, version)
        WHERE t.order_id = s.order_id AND t.vehicle_id = s.vehicle_id AND p.issued_at <= s.at
        -- A plan made under way has only the rest of the first leg: the newest plan in which it was not yet the first says it whole.
        ORDER BY (p.plan->'stops'->0->>'stop' = s.order_id), p.version DESC LIMIT 1
    ) leg ON true
    WHERE s.fleet_id = %(fleet)s AND s.state IN ('delivered', 'failed') AND s.at >= %(since)s AND s.at < %(until)s GROUP BY s.vehicle_id
"""
_GAPS: Final = """
    SELECT vehicle_id, round(extract(epoch FROM sum(least(to_at, %(until)s) - greatest(from_at, %(since)s))))::bigint AS gap_s
    FROM fix_gaps WHERE fleet_id = %(fleet)s AND to_at > %(since)s AND from_at < %(until)s GROUP BY vehicle_id
"""
_DUE: Final = """
    SELECT count(*) AS due FROM orders
    WHERE fleet_id = %(fleet)s AND cancelled_at IS NULL AND window_end >= %(since)s AND window_end < %(until)s
"""


def numbers(cur: Cursor, fleet_id: str, since: datetime, until: datetime) -> tuple[Numbers, dict[str, Numbers]]:
    """A fleet's numbers from `since` to before `until`: the total, and by vehicle (which has no `due`: orders fall due to a fleet).

    Needs the hub's own rights (`Database.transaction`): the track is not a fleet's to read.
    """
    cur.execute("SELECT vehicle_id FROM vehicles WHERE fleet_id = %s ORDER BY vehicle_id", (fleet_id,))
    found: dict[str, dict[str, Any]] = {row["vehicle_id"]: {} for row in cur}
    values = {"fleet": fleet_id, "vehicles": list(found), "since": since, "until": until}
    for statement in (_STOPS, _GAPS):
        for row in cur.execute(statement, values):
            found[row.pop("vehicle_id")] |= {name: value or 0 for name, value in row.items()}
    for vehicle, drove in driven(cur, fleet_id, list(found), since, until).items():
        found[vehicle] |= {"driven_m": round(drove.driven_m), "driving_s": round(drove.moving_s), "simplified": drove.simplified}
    for audit in audit_tracks(cur, list(found)):
        found[audit.vehicle_id] |= {"fixes": audit.stored, "fixes_missing": audit.missing, "fixes_twice": audit.twice}
    vehicles = {vehicle: Numbers(**told) for vehicle, told in found.items()}
    due = cur.execute(_DUE, values).fetchone()
    total = {field.name: sum(getattr(told, field.name) for told in vehicles.values()) for field in fields(Numbers)}
    aged = any(told.simplified for told in vehicles.values())
    return Numbers(**total | {"due": due["due"] if due else 0, "simplified": aged}), vehicles


def day_of(cur: Cursor, fleet_id: str, at: datetime) -> tuple[datetime, datetime]:
    """The fleet's own day around an instant: from midnight to midnight in its time zone.

    Raises
    ------
    HubError
        No such fleet.
    """
    row = cur.execute("SELECT timezone FROM fleets WHERE fleet_id = %s", (fleet_id,)).fetchone()
    if row is None:
        raise HubError(f"no fleet {fleet_id!r}")
    local = at.astimezone(ZoneInfo(row["timezone"]))
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight, midnight + timedelta(days=1)


def as_dict(told: Numbers) -> dict[str, bool | float | int | None]:
    """Numbers with their shares, for JSON."""
    return {**asdict(told), "on_time_share": told.on_time_share, "stops_a_day": told.stops_a_day}


def main(settings: Settings, arguments: Sequence[str]) -> int:
    """`roundsman-hub metrics`: a table for people, or JSON, of every fleet's day (or of the time given)."""
    parser = argparse.ArgumentParser(
        prog="roundsman-hub metrics", description="On-time share, planned and driven distance and time, stops a day."
    )
    parser.add_argument("--fleet", help="one fleet; without it, all")
    parser.add_argument("--from", dest="since", type=instant, help="RFC 3339; without it, the fleet's own midnight")
    parser.add_argument("--to", dest="until", type=instant, help="RFC 3339, exclusive; without it, a day later")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    with Database.connect(settings.database_url, max_size=1) as db, db.transaction() as cur:
        fleets = [options.fleet] if options.fleet else [row["fleet_id"] for row in cur.execute("SELECT fleet_id FROM fleets ORDER BY 1")]
        for fleet in fleets:
            since, until = day_of(cur, fleet, options.since or Clock(settings.time_base).now())
            since, until = options.since or since, options.until or (options.since + timedelta(days=1) if options.since else until)
            total, vehicles = numbers(cur, fleet, since, until)
            if options.json:
                body = {"fleet": fleet, "from": since.isoformat(), "to": until.isoformat(), "total": as_dict(total)}
                print(json.dumps(body | {"vehicles": {vehicle: as_dict(told) for vehicle, told in vehicles.items()}}))
            else:
                print(f"{fleet}: {since:%Y-%m-%d %H:%M %Z} to {until:%Y-%m-%d %H:%M %Z}")
                print(_table({"all": total} | vehicles))
                if total.simplified:
                    print("simplified: some raw fixes have aged; what was driven on those days is from the days' own numbers")
    return 0


_COLUMNS: Final[tuple[tuple[str, Callable[[Numbers], str]], ...]] = (
    # head, value
    ("due", lambda n: str(n.due)),
    ("delivered", lambda n: str(n.delivered)),
    ("failed", lambda n: str(n.failed)),
    ("on time", lambda n: "–" if n.on_time_share is None else f"{n.on_time_share:.1%}"),
    ("stops/day", lambda n: "–" if n.stops_a_day is None else f"{n.stops_a_day:.1f}"),
    ("planned km", lambda n: f"{n.planned_m / 1000:.1f}"),
    ("driven km", lambda n: f"{n.driven_m / 1000:.1f}"),
    ("planned h", lambda n: f"{n.planned_s / 3600:.2f}"),
    ("driving h", lambda n: f"{n.driving_s / 3600:.2f}"),
    ("gaps min", lambda n: f"{n.gap_s / 60:.0f}"),
    ("fixes", lambda n: str(n.fixes)),
    ("missing", lambda n: str(n.fixes_missing)),
    ("twice", lambda n: str(n.fixes_twice)),
)


def _table(lines: dict[str, Numbers]) -> str:
    cells = [["", *(head for head, _ in _COLUMNS)]]
    cells += [[name, *(value(told) for _, value in _COLUMNS)] for name, told in lines.items()]
    widths = [max(len(line[at]) for line in cells) for at in range(len(cells[0]))]
    lined = ([line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))] for line in cells)
    return "\n".join("  ".join(line) for line in lined)
