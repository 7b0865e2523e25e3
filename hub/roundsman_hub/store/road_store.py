"""What was learned, and what closes or slows streets: SQL beside its function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Literal, LiteralString

from psycopg.types.json import Jsonb

from roundsman_core.geo import LatLon
from roundsman_hub.derive.fold import ENDED
from roundsman_hub.learn.keep import Numbers, service_from_bytes, service_to_bytes, speeds_from_bytes, speeds_to_bytes
from roundsman_hub.learn.service import ServiceTable
from roundsman_hub.learn.speeds import SpeedTable
from roundsman_hub.roads.restrictions import AccessZone, Closure, Imported, ZoneHours
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, new_id, row
from roundsman_wire.frames import parse_entry
from roundsman_wire.messages import Visit

KEPT_VERSIONS: Final = 5
"""Older tables are let go: the newest is in force, and a few are there to go back to."""


def speeds_version(cur: Cursor) -> int:
    """Of the table in force; 0: nothing was learned yet."""
    row = cur.execute("SELECT coalesce(max(version), 0) AS version FROM learned_speeds").fetchone()
    return int(row["version"]) if row else 0


def speeds(cur: Cursor) -> SpeedTable:
    """The table in force; an empty one before the first."""
    row = cur.execute("SELECT body FROM learned_speeds ORDER BY version DESC LIMIT 1").fetchone()
    return speeds_from_bytes(row["body"]) if row else SpeedTable()


def publish_speeds(cur: Cursor, table: SpeedTable, numbers: Numbers, at: datetime) -> int:
    """Put a table in force."""
    version = speeds_version(cur) + 1
    cur.execute(
        "INSERT INTO learned_speeds (version, made_at, numbers, body) VALUES (%s, %s, %s, %s)",
        (version, at, Jsonb(asdict(numbers)), speeds_to_bytes(table)),
    )
    cur.execute("DELETE FROM learned_speeds WHERE version <= %s", (version - KEPT_VERSIONS,))
    return version


def service(cur: Cursor, fleet: str) -> ServiceTable | None:
    """A fleet's table in force; None before the first."""
    row = cur.execute("SELECT body FROM learned_service WHERE fleet_id = %s ORDER BY version DESC LIMIT 1", (fleet,)).fetchone()
    return service_from_bytes(row["body"]) if row else None


@dataclass(frozen=True, slots=True)
class KeptService:
    """A fleet's table, and of which version it is."""

    fleet: str
    version: int
    table: ServiceTable


def kept_service(cur: Cursor, fleet: str, kept: KeptService | None) -> KeptService | None:
    """The table in force, read only where it is not the one that is kept; None before the first."""
    had = kept.version if kept is not None and kept.fleet == fleet else -1
    row = cur.execute(
        "SELECT version, CASE WHEN version = %s THEN NULL ELSE body END AS body FROM learned_service WHERE fleet_id = %s"
        " ORDER BY version DESC LIMIT 1",
        (had, fleet),
    ).fetchone()
    if row is None:
        return None
    return kept if row["body"] is None else KeptService(fleet, int(row["version"]), service_from_bytes(row["body"]))


def publish_service(cur: Cursor, fleet: str, table: ServiceTable, numbers: Numbers, at: datetime) -> int:
    """Put a fleet's table in force."""
    row = cur.execute(
        "INSERT INTO learned_service (fleet_id, version, made_at, numbers, body) "
        "SELECT %(fleet)s, coalesce(max(version), 0) + 1, %(at)s, %(numbers)s, %(body)s FROM learned_service WHERE fleet_id = %(fleet)s "
        "RETURNING version",
        {"fleet": fleet, "at": at, "numbers": Jsonb(asdict(numbers)), "body": service_to_bytes(table)},
    ).fetchone()
    assert row is not None
    version = int(row["version"])
    cur.execute("DELETE FROM learned_service WHERE fleet_id = %s AND version <= %s", (fleet, version - KEPT_VERSIONS))
    return version


_ADD_CLOSURE: Final[LiteralString] = """
    INSERT INTO closures (closure_id, fleet_id, name, ring_e6, kinds, from_at, until_at, actor, made_at)
    VALUES (%(id)s, %(fleet)s, %(name)s, %(ring_e6)s, %(kinds)s, %(from_at)s, %(until_at)s, %(actor)s, %(made_at)s) RETURNING *
"""
_ADD_ZONE: Final[LiteralString] = """
    INSERT INTO access_zones (zone_id, fleet_id, name, ring_e6, kinds, hours, timezone, actor, made_at)
    SELECT %(id)s, %(fleet)s, %(name)s, %(ring_e6)s, %(kinds)s, %(hours)s, f.timezone, %(actor)s, %(made_at)s
    FROM fleets f WHERE f.fleet_id = %(fleet)s RETURNING *
"""
_ADD: Final[dict[Literal["cl", "az"], LiteralString]] = {"cl": _ADD_CLOSURE, "az": _ADD_ZONE}


def add_closed(cur: Cursor, what: Literal["cl", "az"], **values: Any) -> Row:
    """Write down a closure ("cl": from_at, until_at) or an access zone ("az": hours). Both: fleet, name, ring_e6, kinds, actor, made_at."""
    made = row(cur, _ADD[what], values | {"id": new_id(what)})
    assert made is not None
    return made


def closed(cur: Cursor, now: datetime) -> list[Closure | AccessZone]:
    """Closures that have not ended, and all access zones."""
    out: list[Closure | AccessZone] = [
        Closure(
            fleet=row["fleet_id"],
            name=row["name"],
            ring=_ring(row["ring_e6"]),
            kinds=frozenset(row["kinds"]),
            from_at=row["from_at"],
            until_at=row["until_at"],
        )
        for row in cur.execute("SELECT * FROM closures WHERE until_at > %s ORDER BY closure_id", (now,))
    ]
    out += [zone_of(row) for row in cur.execute("SELECT * FROM access_zones ORDER BY zone_id")]
    return out


def zone_of(row: dict[str, Any]) -> AccessZone:
    """A row of `access_zones`."""
    hours = (ZoneHours(days=frozenset(one["days"]), start_min=minutes(one["start"]), end_min=minutes(one["end"])) for one in row["hours"])
    return AccessZone(
        fleet=row["fleet_id"],
        name=row["name"],
        ring=_ring(row["ring_e6"]),
        kinds=frozenset(row["kinds"]),
        hours=tuple(hours),
        timezone=row["timezone"],
    )


def imported(cur: Cursor, now: datetime) -> list[Imported]:
    """Imported speeds that have not ended, the newest last."""
    return [
        Imported(
            fleet=row["fleet_id"],
            name=f"speeds {row['import_id']}",
            kmh=speed_lines(row["body"]),
            from_at=row["from_at"],
            until_at=row["until_at"],
        )
        for row in cur.execute("SELECT * FROM speed_imports WHERE until_at > %s ORDER BY made_at, import_id", (now,))
    ]


def speed_lines(body: str) -> tuple[tuple[tuple[int, int], float], ...]:
    """Lines of `from,to,kmh`; more columns are passed over, as OSRM does.

    Raises
    ------
    ValueError
        A line is something else; it is named.
    """
    out = []
    for number, line in enumerate(body.splitlines(), start=1):
        if not line.strip():
            continue
        cells = line.split(",")
        try:
            a, b, kmh = int(cells[0]), int(cells[1]), float(cells[2])
        except (ValueError, IndexError):
            raise ValueError(f"line {number}: {line[:60]!r} is not from,to,kmh") from None
        if not (a > 0 and b > 0 and 0 <= kmh <= 200):
            raise ValueError(f"line {number}: nodes are positive, and a speed is from 0 (closed) to 200 km/h")
        out.append(((a, b), kmh))
    return tuple(out)


def minutes(clock: str) -> int:
    """Of the day, from HH:MM."""
    hour, minute = clock.split(":")
    return 60 * int(hour) + int(minute)


def words_in_use(cur: Cursor) -> set[tuple[str, str]]:
    """(profile, type) that vehicles name."""
    found = cur.execute("SELECT DISTINCT terms ->> 'profile' AS profile, terms ->> 'type' AS type FROM vehicles WHERE retired_at IS NULL")
    return {(row["profile"] or "", row["type"] or "") for row in found}


def swap_told(cur: Cursor, told: str) -> str | None:
    """Note what the planner knows of the roads from now on; gives what it knew before, None at the first time."""
    before = cur.execute("SELECT told FROM road_state FOR UPDATE").fetchone()
    cur.execute("INSERT INTO road_state (told) VALUES (%s) ON CONFLICT (one) DO UPDATE SET told = excluded.told", (told,))
    return None if before is None else str(before["told"])


def depots(cur: Cursor) -> list[tuple[str, str]]:
    """(fleet, depot)."""
    return [(str(row["fleet_id"]), str(row["depot_id"])) for row in cur.execute("SELECT fleet_id, depot_id FROM depots ORDER BY depot_id")]


def fleets(cur: Cursor) -> list[tuple[str, str]]:
    """(fleet, time zone)."""
    return [(str(row["fleet_id"]), str(row["timezone"])) for row in cur.execute("SELECT fleet_id, timezone FROM fleets ORDER BY fleet_id")]


def moving(cur: Cursor, since: datetime) -> list[dict[str, Any]]:
    """Vehicles that said where they were since then: vehicle_id, fleet, time zone, terms."""
    return list(
        cur.execute(
            "SELECT v.vehicle_id, v.fleet_id, f.timezone, v.terms FROM vehicles v JOIN fleets f USING (fleet_id) "
            "WHERE v.retired_at IS NULL AND EXISTS (SELECT 1 FROM log.fixes x WHERE x.vehicle_id = v.vehicle_id AND x.time >= %s) "
            "ORDER BY v.vehicle_id",
            (since,),
        )
    )


def served_stops(cur: Cursor, fleet: str, since: datetime, until: datetime) -> Sequence[dict[str, Any]]:
    """Visits at orders' places that ended: where, how many parcels, who, when, how long, and what was planned.

    `served_at`: the first tap ("arrived", not taken back) or scan at the door while the van stood there; `ended_at`: the last tap that
    ended an order there (not taken back); NULL: there is none. `stood_lat_e6`, `stood_lon_e6`: where the van stood.
    """
    return list(
        cur.execute(
            "WITH stood AS (SELECT v.session_no, v.visit, min(o.lat_e6) AS lat_e6, min(o.lon_e6) AS lon_e6, sum(o.parcels) AS parcels, "
            "max(coalesce(s.driver_id, c.driver_id, v.vehicle_id)) AS driver, v.vehicle_id, c.terms, v.arrived_at, "
            "v.lat_e6 AS stood_lat_e6, v.lon_e6 AS stood_lon_e6, "
            "min(o.window_start) AS window_start, v.left_at, sum(o.service_s) AS service_s, array_agg(o.order_id) AS orders "
            "FROM order_visits v JOIN orders o USING (order_id) JOIN order_states s USING (order_id) "
            "JOIN vehicles c ON c.vehicle_id = v.vehicle_id "
            "WHERE v.fleet_id = %(fleet)s AND v.arrived_at >= %(since)s AND v.arrived_at < %(until)s AND v.left_at > v.arrived_at "
            "AND o.lat_e6 IS NOT NULL AND s.state IN ('delivered', 'failed') "
            "GROUP BY v.session_no, v.visit, v.vehicle_id, c.terms, v.arrived_at, v.left_at, v.lat_e6, v.lon_e6), "
            "said AS (SELECT stood.session_no, stood.visit, min(a.at) FILTER (WHERE a.outcome = 'arrived') AS arrived, "
            "max(a.at) FILTER (WHERE a.outcome = ANY(%(ended)s)) AS ended_at FROM stood JOIN actions a "
            "ON a.order_id = ANY(stood.orders) AND a.vehicle_id = stood.vehicle_id AND a.at BETWEEN stood.arrived_at AND stood.left_at "
            "WHERE NOT EXISTS (SELECT 1 FROM actions u WHERE u.order_id = a.order_id AND u.undoes = a.action) GROUP BY 1, 2) "
            "SELECT stood.*, said.ended_at, least(said.arrived, "
            "(SELECT min(n.at) FROM scans n WHERE n.order_id = ANY(stood.orders) AND n.vehicle_id = stood.vehicle_id "
            "AND n.event = 'unloaded' AND n.at BETWEEN stood.arrived_at AND stood.left_at)) AS served_at "
            "FROM stood LEFT JOIN said USING (session_no, visit) ORDER BY arrived_at, session_no, visit",
            {"fleet": fleet, "since": since, "until": until, "ended": sorted(ENDED)},
        )
    )


def approaches(cur: Cursor, fleet: str, since: datetime, until: datetime) -> dict[tuple[int, int], tuple[datetime, LatLon]]:
    """By session and visit: when and where a van came near its next stop, as it said so then. Of logs that are still kept."""
    out = {}
    for told in cur.execute(
        "SELECT e.session_no, e.time, e.body FROM log.entries e JOIN vehicles v USING (vehicle_id) WHERE v.fleet_id = %s "
        "AND e.kind = 'visit' AND e.time >= %s AND e.time < %s AND e.body LIKE %s ORDER BY e.session_no, e.seq",
        (fleet, since, until, '%"approaching"%'),
    ):
        entry = parse_entry(told["body"].encode())
        if isinstance(entry, Visit) and entry.phase == "approaching":
            out[int(told["session_no"]), entry.visit] = told["time"], LatLon.from_e6(entry.lat_e6, entry.lon_e6)
    return out


def stands(cur: Cursor, vehicle: str, since: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    """When a vehicle stood: driving is what lies between."""
    found = cur.execute(
        "SELECT arrived_at, left_at FROM visits WHERE vehicle_id = %s AND arrived_at < %s AND coalesce(left_at, arrived_at) >= %s "
        "AND arrived_at IS NOT NULL ORDER BY arrived_at",
        (vehicle, until, since),
    )
    return [(row["arrived_at"], row["left_at"] or until) for row in found]


def _ring(ring_e6: list[list[int]]) -> tuple[LatLon, ...]:
    return tuple(LatLon.from_e6(lat, lon) for lat, lon in ring_e6)
