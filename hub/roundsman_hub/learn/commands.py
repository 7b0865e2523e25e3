"""`roundsman-hub learn`: reads the fleet's own days, judges what it learned on days that it held out, and publishes only what is better."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from roundsman_hub import HubError
from roundsman_hub.clock import Clock
from roundsman_hub.learn.drives import drives_of, moving
from roundsman_hub.learn.keep import NotEnough, judged_service, judged_speeds
from roundsman_hub.learn.speeds import Drive
from roundsman_hub.learn.stops import stops_of
from roundsman_hub.learn.ways import Ways
from roundsman_hub.replan.terms import kind_of_words
from roundsman_hub.roads import RoadsError
from roundsman_hub.settings import Settings, load
from roundsman_hub.store import road_store, track_store
from roundsman_hub.store.db import Database

DAYS: Final = 60
"""Of days to learn from: long enough for every band of the week, short enough that last winter is forgotten."""

NEAR_BEFORE: Final = timedelta(hours=1)
"""Before the first arrival: its van came near earlier."""


def main(arguments: Sequence[str], data_dir: Path) -> int:
    """Learn both tables; gives 0 where at least one was published, 2 where none was better, 1 where there is too little."""
    parser = argparse.ArgumentParser(
        prog="roundsman-hub learn", description="Learn speeds of streets and times of stops from the fleet's days."
    )
    parser.add_argument("--days", type=int, default=DAYS, help=f"how many days back (default: {DAYS})")
    parser.add_argument("--what", choices=["speeds", "service", "both"], default="both")
    parser.add_argument("--dry-run", action="store_true", help="say the numbers, publish nothing")
    options = parser.parse_args(arguments)
    settings = load(data_dir)
    clock = Clock(settings.time_base)
    until = clock.now()
    since = until - timedelta(days=options.days)
    outcomes: list[bool] = []
    with Database.connect(settings.database_url, max_size=2) as db:
        if options.what != "service":
            outcomes += _speeds(settings, db, since, until, dry=options.dry_run)
        if options.what != "speeds":
            outcomes += _service(settings, db, since, until, dry=options.dry_run)
    if not outcomes:
        return 1
    return 0 if any(outcomes) else 2


def _speeds(settings: Settings, db: Database, since: datetime, until: datetime, *, dry: bool) -> list[bool]:
    if settings.osm is None:
        print("speeds: nothing was learned: the hub has no street extract of its own (--osm)")
        return []
    found = collect_drives(db, settings.osm, settings.cache_dir, since, until)
    with db.transaction() as cur:
        in_force = road_store.speeds(cur)
    try:
        table, numbers = judged_speeds(found, in_force)
    except NotEnough as error:
        print(f"speeds: nothing was learned: {error}")
        return []
    print(f"speeds: {numbers.text}")
    if numbers.better and not dry:
        with db.transaction() as cur:
            version = road_store.publish_speeds(cur, table, numbers, until)
        print(f"speeds: table {version} is in force")
    elif not numbers.better:
        print("speeds: not published: what is in force is as good")
    return [numbers.better]


def _service(settings: Settings, db: Database, since: datetime, until: datetime, *, dry: bool) -> list[bool]:
    out = []
    with db.transaction() as cur:
        fleets = road_store.fleets(cur)
        speeds = road_store.speeds(cur)
    with Ways(settings.osm, settings.osrm_url, settings.cache_dir) as ways:
        for fleet, timezone in fleets:
            with db.transaction() as cur:
                rows = road_store.served_stops(cur, fleet, since, until)
                came_near = road_store.approaches(cur, fleet, since - NEAR_BEFORE, until)
                in_force = road_store.service(cur, fleet)
            stops = stops_of(rows, came_near, ZoneInfo(timezone), ways, speeds)
            try:
                table, numbers = judged_service(stops, in_force, [float(row["service_s"]) for row in rows])
            except NotEnough as error:
                print(f"service of {fleet}: nothing was learned: {error}")
                continue
            how = "walking and service in one" if table.joint else "walking and service apart"
            print(f"service of {fleet}: {how}: {numbers.text}")
            for part in numbers.parts:
                print(f"service of {fleet}: part {part.text}")
            if numbers.better and not dry:
                with db.transaction() as cur:
                    version = road_store.publish_service(cur, fleet, table, numbers, until)
                print(f"service of {fleet}: table {version} is in force")
            elif not numbers.better:
                print(f"service of {fleet}: not published: what is in force is as good")
            out.append(numbers.better)
    return out


def collect_drives(db: Database, osm: Path, cache_dir: Path, since: datetime, until: datetime) -> list[Drive]:
    """Every vehicle's drives, matched on the network's own pace of its kind.

    Raises
    ------
    HubError
        There is no OSRM to match with.
    """
    out: list[Drive] = []
    try:
        with db.transaction() as cur:
            vehicles = road_store.moving(cur, since)
        with Ways(osm, None, cache_dir) as ways:
            for vehicle in vehicles:
                kind = kind_of_words(vehicle["terms"].get("profile", ""), vehicle["terms"].get("type", ""))
                streets = ways.streets(kind)
                with db.transaction() as cur:
                    stands = road_store.stands(cur, vehicle["vehicle_id"], since, until)
                    for trace in moving(track_store.points(cur, vehicle["vehicle_id"], since, until), stands):
                        out += drives_of(trace, streets, kind, vehicle["timezone"])
    except RoadsError as error:
        raise HubError(f"learn: {error}") from None
    return out
