"""Tables of what drivers told beyond a stop's outcome; and the driver's own order, as the plan's positions have it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import msgspec
from psycopg import sql

from roundsman_core import calls, reorder
from roundsman_hub.derive.told import ToldRow
from roundsman_hub.store.db import Cursor
from roundsman_wire.messages import CHARGE, RELOAD, Plan

TABLES: Final = ("scans", "reports", "reorders", "depot_calls", "risks", "driver_words", "messages_shown", "proofs")


@dataclass(frozen=True, slots=True, kw_only=True)
class DepotCalled:
    """A call at a depot (`stop` begins with "@": `tasks` were loaded) or a charger ("+") that is over. `at` is None without a date."""

    stop: str
    event: Literal["loaded", "charged"]
    tasks: tuple[str, ...]
    at: datetime | None


def write(cur: Cursor, session_no: int, vehicle: str, fleet: str, rows: Sequence[ToldRow]) -> None:
    """Add a stretch of a session."""
    tables: defaultdict[str, list[ToldRow]] = defaultdict(list)
    for row in rows:
        tables[row.table].append(row)
    for table, found in tables.items():
        names = ["session_no", "vehicle_id", "fleet_id", "seq", *found[0].columns]
        cur.executemany(
            sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, names)), sql.SQL(", ").join([sql.Placeholder()] * len(names))
            ),
            [(session_no, vehicle, fleet, row.seq, *row.columns.values()) for row in found],
        )
    for version in sorted({row.columns["version"] for row in tables["reorders"]}):
        refold_positions(cur, vehicle, version)


def own_orders(cur: Cursor, plans: Mapping[str, int]) -> dict[str, tuple[str, ...]]:
    """The driver's own order of each vehicle's plan (vehicle to version), where there is one: the newest by the log's own order."""
    if not plans:
        return {}
    cur.execute(
        "SELECT DISTINCT ON (r.vehicle_id) r.vehicle_id, r.stops FROM reorders r JOIN log.sessions s USING (session_no) "
        "JOIN unnest(%s::text[], %s::bigint[]) AS p (vehicle_id, version) "
        "ON p.vehicle_id = r.vehicle_id AND p.version = r.version "
        "ORDER BY r.vehicle_id, s.ordinal DESC, r.session_no DESC, r.seq DESC",
        (list(plans), list(plans.values())),
    )
    return {row["vehicle_id"]: tuple(map(str, row["stops"])) for row in cur}


def depot_calls(cur: Cursor, vehicles: Sequence[str], since: datetime) -> dict[str, list[DepotCalled]]:
    """Calls at depots and chargers that drivers have ended since then and not taken back, by vehicle, in the log's own order.

    A van's goods on board are its first load (what its plan delivers before the first call at a depot, as it left) and the `tasks` of
    these. A call of a plan is still to be made while something that is loaded there is neither on board nor done.
    """
    cur.execute(
        "SELECT c.vehicle_id, c.stop, c.event, c.tasks, c.at FROM depot_calls c JOIN log.sessions s USING (session_no) "
        "WHERE c.vehicle_id = ANY(%(vehicles)s) AND c.event <> 'undo' AND (c.at IS NULL OR c.at >= %(since)s) "
        "AND NOT EXISTS (SELECT FROM depot_calls u WHERE u.vehicle_id = c.vehicle_id AND u.event = 'undo' AND u.undoes = c.call) "
        "ORDER BY c.vehicle_id, s.ordinal, c.session_no, c.seq",
        {"vehicles": list(vehicles), "since": since},
    )
    out: defaultdict[str, list[DepotCalled]] = defaultdict(list)
    for row in cur:
        out[row["vehicle_id"]].append(DepotCalled(stop=row["stop"], event=row["event"], tasks=tuple(map(str, row["tasks"])), at=row["at"]))
    return dict(out)


def stands_at(visit: Mapping[str, Any] | None) -> tuple[str, datetime] | None:
    """The depot or charger at which a van stands by its newest visit, and since when: what was done of the call there is done."""
    if (
        visit is None
        or visit["left_at"] is not None
        or visit["arrived_at"] is None
        or not (visit["stop"] or "").startswith((RELOAD, CHARGE))
    ):
        return None
    return calls.place_of(visit["stop"]), visit["arrived_at"]


def as_driven(plan: Plan, own_order: Sequence[str] | None) -> Plan:
    """A plan with its stops in the order that the driver gave them; as it is where they gave none, or one that it does not allow."""
    if own_order is None:
        return plan
    named = frozenset(own_order)
    left = frozenset(stop.stop for stop in plan.stops if stop.stop in named)
    # The van knew whether it stood at the first of them; the log is taken at its word.
    if all(reorder.refused_order(plan, left, own_order, standing_at=first) for first in (None, *own_order[:1])):
        return plan
    return msgspec.structs.replace(plan, stops=reorder.applied(plan.stops, own_order))


def refold_positions(cur: Cursor, vehicle: str, version: int) -> None:
    """Positions of a plan's tasks, as they are driven."""
    row: Any = cur.execute("SELECT plan FROM plans WHERE vehicle_id = %s AND version = %s", (vehicle, version)).fetchone()
    if row is None:
        return
    plan = as_driven(msgspec.convert(row["plan"], Plan), own_orders(cur, {vehicle: version}).get(vehicle))
    tasks = [(task, position) for position, stop in enumerate(plan.stops, start=1) for task in stop.tasks]
    cur.execute(
        "UPDATE plan_tasks t SET position = n.position FROM unnest(%s::text[], %s::integer[]) AS n (order_id, position) "
        "WHERE t.vehicle_id = %s AND t.version = %s AND t.order_id = n.order_id AND t.position <> n.position",
        ([task for task, _ in tasks], [position for _, position in tasks], vehicle, version),
    )
