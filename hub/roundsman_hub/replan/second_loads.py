"""What vans have loaded since they left: the first load of their plan, and what their drivers said at depots."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any, LiteralString

import msgspec
from psycopg import Cursor

from roundsman_core import calls
from roundsman_hub.store import told_store
from roundsman_hub.store.rows import rows
from roundsman_wire.messages import RELOAD, Plan

_LAST_DONE: LiteralString = """
    SELECT vehicle_id, max(at) AS at FROM order_states WHERE state IN ('delivered', 'failed') AND vehicle_id = ANY(%s) GROUP BY 1
"""
_FIRST_LOADS: LiteralString = """
    SELECT p.vehicle_id, p.plan FROM plans p JOIN unnest(%s::text[], %s::bigint[]) AS l (vehicle_id, version) USING (vehicle_id, version)
    WHERE jsonb_path_exists(p.plan, '$.stops[*] ? (@.stop starts with "@")')
"""


def loads_on_the_way(
    cur: Cursor[Any], shifts: Mapping[str, datetime], left_version: Mapping[str, int | None], loaded: dict[str, frozenset[str]]
) -> tuple[defaultdict[str, frozenset[str]], defaultdict[str, frozenset[str]]]:
    """What each van loaded on the way, and the places of the calls that it made after the newest stop that is done.

    Parameters
    ----------
    shifts : by vehicle
        From when on its log is of this shift.
    left_version : by vehicle
        The plan that it left with; None: it has not left.
    loaded : by vehicle
        Tasks of that plan. Cut down to the first load where it has several.
    """
    reloaded: defaultdict[str, frozenset[str]] = defaultdict(frozenset)
    just_made: defaultdict[str, frozenset[str]] = defaultdict(frozenset)
    left = {vehicle: version for vehicle, version in left_version.items() if version is not None and vehicle in shifts}
    for r in rows(cur, _FIRST_LOADS, (list(left), list(left.values()))):
        stops = msgspec.convert(r["plan"], Plan).stops
        first = next((at for at, stop in enumerate(stops) if calls.is_call(stop) and stop.stop.startswith(RELOAD)), len(stops))
        later = {task for stop in stops[first:] for task in stop.tasks}
        loaded[r["vehicle_id"]] = loaded.get(r["vehicle_id"], frozenset()) - later
    if not left:
        return reloaded, just_made
    last_done = {r["vehicle_id"]: r["at"] for r in rows(cur, _LAST_DONE, (list(left),))}
    for vehicle, made in told_store.depot_calls(cur, list(left), min(shifts[vehicle] for vehicle in left)).items():
        for call in made:
            if call.at is not None and call.at < shifts[vehicle]:
                continue
            reloaded[vehicle] |= frozenset(call.tasks)
            since = last_done.get(vehicle)
            if call.at is None or since is None or call.at >= since:
                just_made[vehicle] |= {calls.place_of(call.stop)}
    return reloaded, just_made
