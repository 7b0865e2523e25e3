"""`roundsman-hub derive --vehicle …`: derive a stretch of a vehicle's log again, and show every row that differs.

With `--check` everything happens in a transaction that is rolled back: nothing is written, and nobody is told. Derivation is held up for
that vehicle alone, for as long as it takes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from roundsman_hub import HubError, progress
from roundsman_hub.clock import Clock
from roundsman_hub.derive.vehicle import Vehicle, bring_up, order_alerts, refold_alerts
from roundsman_hub.instants import BEGINNING, END
from roundsman_hub.settings import Settings
from roundsman_hub.store import alert_store, derived_store
from roundsman_hub.store.db import Cursor, Database, notify
from roundsman_hub.store.derived_dump import Dump, dump

AGAIN = "derived again on request"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A derived row that is stored otherwise than the log says. None: there is no such row."""

    table: str
    stored: dict[str, Any] | None
    derived: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A vehicle that was derived again: how many sessions were, how many rows that came to, and what differs."""

    vehicle: str
    sessions: int
    rows: int
    differences: tuple[Difference, ...]


class _RolledBack(Exception):
    """Ends the transaction of a check."""


def check(db: Database, vehicle: Vehicle, since: datetime, until: datetime, horizon: datetime, *, write: bool = False) -> Checked:
    """Derive a vehicle's sessions of a stretch again, each from its first fact, and compare.

    Parameters
    ----------
    since, until : datetime
        Rows of this stretch are compared; rows without a time always are.
    horizon : datetime
        How far business time has come, for what did not happen.
    write : bool
        Keep the result, and tell what it corrects.
    """
    found: Checked | None = None
    try:
        with db.transaction() as cur:
            found = _derived_again(cur, vehicle, since, until, horizon)
            if not write:
                raise _RolledBack
    except _RolledBack:
        pass
    assert found is not None  # otherwise something else was raised
    return found


def _derived_again(cur: Cursor, vehicle: Vehicle, since: datetime, until: datetime, horizon: datetime) -> Checked:
    derived_store.lock(cur, vehicle.vehicle_id)
    behind = [session for session in derived_store.behind(cur) if session.vehicle_id == vehicle.vehicle_id]
    bring_up(cur, vehicle, behind, horizon)  # being behind is no difference
    _pass_time(cur, vehicle, horizon)
    stored = dump(cur, [vehicle.vehicle_id], since, until)
    sessions = derived_store.with_facts_in(cur, vehicle.vehicle_id, vehicle.fleet_id, since, until)
    done = bring_up(cur, vehicle, sessions, horizon, anew=AGAIN)
    _pass_time(cur, vehicle, horizon)
    notify(cur, *dict.fromkeys(done.notices))
    derived = dump(cur, [vehicle.vehicle_id], since, until)
    return Checked(
        vehicle=vehicle.vehicle_id,
        sessions=len(sessions),
        rows=sum(len(lines) for lines in derived.values()),
        differences=tuple(differences(stored, derived)),
    )


def _pass_time(cur: Cursor, vehicle: Vehicle, horizon: datetime) -> None:
    notify(cur, *refold_alerts(cur, vehicle, horizon), *order_alerts(cur, alert_store.unserved(cur, horizon), horizon))


def differences(stored: Dump, derived: Dump) -> list[Difference]:
    """Rows of two dumps that are not in both."""
    out = []
    for table in derived:
        before, after = set(stored[table]), set(derived[table])
        out += [Difference(table=table, stored=json.loads(line), derived=None) for line in stored[table] if line not in after]
        out += [Difference(table=table, stored=None, derived=json.loads(line)) for line in derived[table] if line not in before]
    return out


def main(settings: Settings, options: argparse.Namespace) -> int:
    """Exit code 1 if anything differs."""
    horizon = Clock(settings.time_base).now()
    with Database.connect(settings.database_url, max_size=2) as db:
        tell, vehicles, results = progress.on_stderr(), _vehicles(db, options.vehicle), []
        for done, vehicle in enumerate(vehicles):
            tell(f"vehicles derived again, now {vehicle.vehicle_id}", done, len(vehicles))
            results.append(check(db, vehicle, options.since or BEGINNING, options.until or END, horizon, write=not options.check))
    if options.json:
        print(json.dumps({"checked": options.check, "vehicles": [asdict(result) for result in results]}))
    else:
        _print(results, written=not options.check)
    return 1 if any(result.differences for result in results) else 0


def _vehicles(db: Database, wanted: str | None) -> list[Vehicle]:
    with db.transaction() as cur:
        cur.execute("SELECT vehicle_id, fleet_id FROM vehicles WHERE %(v)s::text IS NULL OR vehicle_id = %(v)s ORDER BY 1", {"v": wanted})
        found = [Vehicle(**row) for row in cur]
    if wanted is not None and not found:
        raise HubError(f"no vehicle {wanted!r}: GET /v1/vehicles lists them")
    return found


def _print(results: Sequence[Checked], *, written: bool) -> None:
    for result in results:
        for difference in result.differences:
            print(f"{difference.table}: stored  {json.dumps(difference.stored) if difference.stored else '-'}")
            print(f"{' ' * len(difference.table)}  derived {json.dumps(difference.derived) if difference.derived else '-'}")
        count = len(result.differences)
        end = "no difference" if not count else f"{count} row{_s(count)} differ"
        kept = ", written" if written and count else ""
        print(f"{result.vehicle}: {result.sessions} session{_s(result.sessions)} derived again, {result.rows} rows: {end}{kept}")


def _s(count: int) -> str:
    return "" if count == 1 else "s"
