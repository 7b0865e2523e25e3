"""`roundsman-hub simulate`, where no recorded day is given: whole pretend days by policy, compared."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import math
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from roundsman_core.geo import LatLon, distance_m
from roundsman_core.timebase import TimeBase
from roundsman_hub.clock import Clock, to_ms
from roundsman_hub.pki import open_pki
from roundsman_hub.planning.engines import Engine
from roundsman_hub.planning.engines.process import EngineProcess
from roundsman_hub.roads import PROCESS_TABLE, OsrmRoads, RoadNetwork, open_roads
from roundsman_hub.roads.role import TrafficRole
from roundsman_hub.roles import open_settings_roads
from roundsman_hub.settings import BrokerLogin, Endpoint, Settings
from roundsman_hub.store import embedded
from roundsman_hub.store.db import Database
from roundsman_hub.store.migrate import migrate
from roundsman_sim import SimError, day_box, day_report, day_world, town, town_file
from roundsman_sim.day_box import POLICIES, Box, Result, Town
from roundsman_sim.day_world import Script

FIRST_DAY: Final = date(2026, 3, 2)
FAR_M: Final = 6_000.0
TEACHES: Final = 2 / 3
LESSONS: Final = 1_000
"""Seeds from here on are of days to learn from: none of them is measured."""
QUICK: Final = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "shared_buffers": "64MB"}
"""Nobody needs this database after the run."""


@dataclass(kw_only=True)
class Setting:
    """A town with a database that days are copied from."""

    town: Town
    homes: list[tuple[str, LatLon]]
    server: embedded.EmbeddedPostgres
    engine: Sequence[Engine]
    vans: int
    orders: int
    hub: Settings
    ends: contextlib.ExitStack

    def script(self, seed: int, day: date) -> Script:
        """A day of this town."""
        return day_world.script(self.homes, vans=self.vans, orders=self.orders, day=day, seed=seed)

    def compare(self, day: Script, policies: Sequence[str], *, search_s: float) -> list[Result]:
        """One day by each policy, each from the same database and the same morning's plan."""
        routes, results = None, []
        for policy in policies:
            day_box.copy_database(self.server.dsn("postgres"), "town", "day")
            with Database.connect(self.server.dsn("day"), max_size=2, checked=False) as db:
                box = Box(db, self.town, day, policy, routes=routes, engine=self.engine, search_s=search_s)
                results.append(box.run())
                routes = box.routes
        day_box.drop_database(self.server.dsn("postgres"), "day")
        return results

    def learn(self, days: Sequence[Script], *, search_s: float, say: Callable[[str], None]) -> None:
        """Let days happen in the town's own database, one after another: two thirds of them teach streets and stops, the rest, with those
        in service, how wide arrival times have to be told."""
        if not days:
            return
        teach = math.ceil(len(days) * TEACHES)
        self._live(days[:teach], search_s, say)
        evening = TimeBase(origin_real_ms=round(time.time() * 1000), origin_utc_ms=to_ms(days[teach - 1].end + timedelta(hours=3)))
        hub = replace(self.hub, time_base=evening)
        hub.save()
        told = subprocess.run(
            [sys.executable, "-m", "roundsman_hub", "learn", "--data", str(hub.data_dir), "--days", "60"],
            capture_output=True,
            text=True,
            check=False,
        )
        for line in (told.stdout or told.stderr).strip().splitlines()[-4:]:
            say(line)
        with Database.connect(self.server.dsn("town"), max_size=1) as db:
            traffic = TrafficRole(hub, db, Clock(evening))
            self.ends.callback(traffic.close)
            traffic.step()
        self._live(days[teach:], search_s, say)

    def _live(self, days: Sequence[Script], search_s: float, say: Callable[[str], None]) -> None:
        with Database.connect(self.server.dsn("town"), max_size=2, checked=False) as db:
            for day in days:
                result = Box(db, self.town, day, "living", engine=self.engine, search_s=search_s).run()
                say(f"{day.day}: lived through in {result.took_s:.0f} s, to learn from")


def _settings(folder: Path, dsn: str, osm: Path, network: RoadNetwork) -> Settings:
    """As `serve` would write them, of the parts that are here."""
    folder.mkdir(exist_ok=True)
    nowhere = Endpoint(host="127.0.0.1", port=1)
    ours = isinstance(network, OsrmRoads)
    return Settings(
        data_dir=folder,
        database_url=dsn,
        hub_broker=BrokerLogin(host="127.0.0.1", port=1, username="", password=""),
        vans_broker=nowhere,
        api=nowhere,
        osm=osm if ours else None,
        osrm_url=network.url if isinstance(network, OsrmRoads) else None,
        osrm_table=PROCESS_TABLE if ours else None,
    )


@contextlib.contextmanager
def setting(osm: Path | None, *, vans: int, orders: int, town_seed: int, say: Callable[[str], None], roads: str = "") -> Iterator[Setting]:
    """A town, its roads, a database with its fleet, and the engines; all of it ends with the block.

    Parameters
    ----------
    osm : Path, optional
        A real extract; without one a made-up town.
    roads : str
        "great_circle": straight lines times a detour, without OSRM.
    """
    directory = Path(tempfile.mkdtemp(prefix="roundsman-day-"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        if osm is None:
            osm = directory / "town.osm.pbf"
            town_file.write(town.build(town_seed), osm)
        addresses = sorted(town_file.addresses(osm), key=lambda one: one.position.lon_deg + one.position.lat_deg)
        network = open_roads(None if roads == "great_circle" else osm, None, directory / "hub" / "cache", say)
        stack.callback(network.close)
        depot, homes = _depot_and_homes(network, [(one.text, one.position) for one in addresses])
        server = stack.enter_context(embedded.start(directory / "postgres", settings=QUICK, database="town"))
        migrate(server.dsn("town"))
        with Database.connect(server.dsn("town"), max_size=2) as db:
            hub = _settings(directory / "hub", server.dsn("town"), osm, network)
            believed = open_settings_roads(hub)
            stack.callback(believed.close)
            made = day_box.make_town(db, depot, vans, orders, network, open_pki(directory / "pki").signer(), believed=believed)
        engines = [stack.enter_context(EngineProcess(name)) for name in ("pyvrp", "ortools")]
        yield Setting(town=made, homes=homes, server=server, engine=engines, vans=vans, orders=orders, hub=hub, ends=stack)


def _depot_and_homes(roads: RoadNetwork, addresses: Sequence[tuple[str, LatLon]]) -> tuple[LatLon, list[tuple[str, LatLon]]]:
    """A depot at the edge, and those who can be reached from it by road, and back."""
    if len(addresses) < 50:
        raise SimError(f"only {len(addresses)} addresses in this extract; a day needs 50 at least")
    for _, depot in addresses[len(addresses) // 50 :: max(1, len(addresses) // 10)]:
        near = [one for one in addresses if one[1] != depot and distance_m(one[1], depot) <= FAR_M][:: max(1, len(addresses) // 900)]
        there, back = roads.matrix([depot], [place for _, place in near]), roads.matrix([place for _, place in near], [depot])
        reached = [
            one for one, out_s, in_s in zip(near, there.durations_s[0], back.durations_s[:, 0], strict=True) if out_s >= 0 and in_s >= 0
        ]
        if len(reached) >= 0.8 * len(near) and len(reached) >= 40:
            return depot, reached
    raise SimError("no address of this extract has enough others within reach by road; take another extract")


def main(arguments: Sequence[str]) -> int:
    """The command line; returns the exit code."""
    policies = "; ".join(f"{name}: {words}" for name, words in POLICIES.items())
    parser = argparse.ArgumentParser(
        prog="roundsman-hub simulate",
        description="Live through whole pretend days, as fast as it goes, with the hub's own ingest, planner and arrival times.",
        epilog=f"Policies: {policies}. With --from-day FILE a recorded day is driven instead.",
    )
    parser.add_argument("--town", default="made-up", metavar="EXTRACT.osm.pbf", help="streets and addresses (default: a made-up town)")
    parser.add_argument("--orders", type=int, default=150, help="known in the morning; a tenth more come during the day (default: 150)")
    parser.add_argument("--vans", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1, help="the first day's; each further day has the next one")
    parser.add_argument("--days", type=int, default=1)
    parser.add_argument("--learn-days", type=int, default=0, help="days before, for the product to learn from (3 or more)")
    parser.add_argument("--policy", action="append", choices=list(POLICIES), help="may be repeated; without it, all")
    parser.add_argument("--search-s", type=float, default=0.3, help="real seconds of each search (default: 0.3; a hub has 1.5)")
    parser.add_argument("--roads", choices=["osrm", "great_circle"], default="osrm", help="osrm where it can run (default)")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="write a page for each day there")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if not 0 <= options.learn_days <= 60:
        parser.error("0 to 60 days to learn from")
    if not 2 <= options.vans <= 40 or not 10 <= options.orders <= 1_000 or not 1 <= options.days <= 100:
        parser.error("2 to 40 vans, 10 to 1,000 orders, 1 to 100 days")
    osm = None if options.town == "made-up" else Path(options.town)
    if osm is not None and not osm.is_file():
        parser.error(f"--town {osm}: no such file; give an .osm.pbf extract, or leave it out for a made-up town")
    logging.getLogger("roundsman_hub").setLevel(logging.ERROR)
    say: Callable[[str], None] = (lambda _: None) if options.json else print
    roads = "great_circle" if options.roads == "great_circle" else ""
    with setting(osm, vans=options.vans, orders=options.orders, town_seed=1, say=say, roads=roads) as made:
        before = options.learn_days
        lessons = [made.script(LESSONS + n, FIRST_DAY + timedelta(days=n)) for n in range(before)]
        made.learn(lessons, search_s=options.search_s, say=say)
        for number in range(options.days):
            day = made.script(options.seed + number, FIRST_DAY + timedelta(days=before + number))
            results = made.compare(day, options.policy or list(POLICIES), search_s=options.search_s)
            _show(day, results, made, options.pictures, as_json=options.json)
    return 0


def _show(day: Script, results: Sequence[Result], made: Setting, pictures: Path | None, *, as_json: bool) -> None:
    if as_json:
        rows = [
            {k: v for k, v in asdict(one).items() if k not in ("said", "tracks")} | {"on_time_share": one.on_time_share} for one in results
        ]
        print(json.dumps({"seed": day.seed, "roads": made.town.roads.name, "policies": rows}), flush=True)
    else:
        print(f"\nseed {day.seed}: {len(day.asks)} orders, {len(day.jams)} jams, {len(day.no_shows)} not at home;", end=" ")
        print("; ".join(f"van {one.van + 1} {one.kind.replace('_', ' ')} {one.since:%H:%M} to {one.until:%H:%M}" for one in day.troubles))
        print(day_report.table(results), flush=True)
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        file = pictures / f"day-{day.seed}.html"
        file.write_text(day_report.page(results, [ask.home for ask in day.asks], f"A day in a box, seed {day.seed}"), encoding="utf-8")
        if not as_json:
            print(f"pictures: {file}")
