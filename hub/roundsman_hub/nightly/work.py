"""`roundsman-hub nightly`: does what is due and not done: each thing once, however many hubs look."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from roundsman_hub import order_book
from roundsman_hub.clock import Clock
from roundsman_hub.nightly.due import Due, learning_due, plans_due, releases_due
from roundsman_hub.roads import RoadNetwork
from roundsman_hub.settings import load
from roundsman_hub.store import nightly_store as store, order_book_store, road_store
from roundsman_hub.store.db import Cursor, Database

log = logging.getLogger(__name__)

ACTOR: Final = "nightly"
SEARCH_S: Final = 30.0
"""Real seconds for a depot's next day: nobody waits."""
LEARNS_WITHIN_S: Final = 4 * 3600
SAYS: Final = 4_000
"""Characters that are kept of what a run said."""
Learn = Callable[[], tuple[int, str]]


def due(cur: Cursor, clock: Clock) -> list[Due]:
    """What should have been done by now and is not, of all that the cursor sees."""
    now, real_now = clock.now(), clock.real_now()
    found = [one for depot in store.depots(cur, now) for one in (*releases_due(depot, now), *plans_due(depot, now))]
    if fleets := road_store.fleets(cur):
        zone = ZoneInfo(fleets[0][1])
        found += learning_due(zone, now, store.first_day(cur, zone))
    return [one for one in found if not store.is_settled(cur, one, now, real_now)]


def do(db: Database, roads: RoadNetwork, clock: Clock, learn: Learn, *, search_s: float = SEARCH_S) -> int:
    """Do it; gives how many things were this hub's to do."""
    with db.transaction() as cur:
        waiting = due(cur, clock)
    done = 0
    for one in waiting:
        began = clock.now()
        with db.transaction() as cur:
            if not store.claim(cur, one, began, clock.real_now()):
                continue
        done += 1
        try:
            if one.kind == "plan":
                state, says = _plan(db, roads, clock, one, search_s)
            elif one.kind == "release":
                state, says = _release(db, clock, one)
            else:
                state, says = _learn(db, clock, one, began, learn)
        except Exception as error:  # the next depot's night must not wait for this one's fault
            log.exception("%s of %s for %s failed", one.kind, one.subject, one.day)
            state, says = "failed", f"{type(error).__name__}: {error}"
        with db.transaction() as cur:
            store.ended(cur, one, state, says[:SAYS], clock.now())
        log.info("%s of %s for %s: %s: %s", one.kind, one.subject, one.day, state, says.splitlines()[0] if says else "")
    return done


def _plan(db: Database, roads: RoadNetwork, clock: Clock, one: Due, search_s: float) -> tuple[str, str]:
    """A draft, as the door makes it. What a person made or approved is left alone."""
    assert one.fleet_id is not None
    with db.tenant(one.fleet_id) as cur:
        before = order_book_store.day_plan(cur, one.subject, one.day)
    if before is not None and (before["state"] != "draft" or before["made_by"] != ACTOR):
        return "done", f"it has a plan of {before['made_by']} ({before['state']}): left as it is"
    try:
        made = order_book.make(db, roads, clock, fleet_id=one.fleet_id, depot_id=one.subject, day=one.day, seconds=search_s, actor=ACTOR)
    except order_book.NotReady as why:
        return "nothing", f"{why}: {why.next_step}"
    stops = sum(len(route) for route in made["routes"].values())
    return "done", f"a draft of {stops} stops for {len(made['routes'])} vans, {len(made['unassigned'])} without a van: waits for approval"


def _release(db: Database, clock: Clock, one: Due) -> tuple[str, str]:
    """What was approved goes to the vans, as by the door."""
    assert one.fleet_id is not None
    try:
        with db.tenant(one.fleet_id) as cur:
            plan = order_book.release(cur, fleet_id=one.fleet_id, depot_id=one.subject, day=one.day, actor=ACTOR, clock=clock)
    except order_book.NotReady as why:
        return "nothing", f"{why}: {why.next_step}"
    return "done", f"the approved plan is released to {len(plan['routes'])} vans"


def _learn(db: Database, clock: Clock, one: Due, began: datetime, learn: Learn) -> tuple[str, str]:
    """All fleets' days at once, for they share the streets; each fleet is told of the streets and of its own stops."""
    code, said = learn()
    state = {0: "done", 2: "done", 1: "nothing"}.get(code, "failed")
    with db.transaction() as cur:
        for fleet, _ in road_store.fleets(cur):
            own = [line for line in said.splitlines() if not line.startswith("service of ") or line.startswith(f"service of {fleet}:")]
            adopted = any(line.endswith("is in force") for line in own)
            store.learned(cur, one.day, fleet, state, "\n".join(own)[:SAYS], (began, clock.now()), adopted=adopted)
    return state, said


def main(data_dir: Path) -> int:
    """One look, and everything that it finds; 0 whatever it was: the door tells."""
    from roundsman_hub.roles import open_settings_roads

    settings = load(data_dir)

    def learn() -> tuple[int, str]:
        command = [sys.executable, "-m", "roundsman_hub", "learn", "--data", str(data_dir)]
        told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LEARNS_WITHIN_S)
        return told.returncode, told.stdout.strip() or told.stderr.strip()

    with Database.connect(settings.database_url, max_size=2) as db:
        roads = open_settings_roads(settings, db)
        try:
            do(db, roads, Clock(settings.time_base), learn)
        finally:
            roads.close()
    return 0
