"""A pretend town ready for days: its roads, a database with its fleet, the engines; and the same for another process beside it."""

from __future__ import annotations

import contextlib
import math
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
from psycopg.conninfo import make_conninfo

from roundsman_core.geo import LatLon, distance_m
from roundsman_core.timebase import TimeBase
from roundsman_hub.clock import Clock, to_ms
from roundsman_hub.pki import open_pki
from roundsman_hub.planning.engines import Engine
from roundsman_hub.planning.engines.process import EngineProcess
from roundsman_hub.planning.problem import Plan
from roundsman_hub.roads import PROCESS_TABLE, GreatCircle, OsrmRoads, RoadNetwork, open_roads
from roundsman_hub.roads.addresses import SERVED_FILE
from roundsman_hub.roads.role import TrafficRole
from roundsman_hub.roles import open_settings_roads
from roundsman_hub.settings import BrokerLogin, Endpoint, Settings
from roundsman_hub.store import embedded
from roundsman_hub.store.db import Database
from roundsman_hub.store.migrate import migrate
from roundsman_sim import SimError, day_world, town, town_file
from roundsman_sim.day_box import Box, StepClock
from roundsman_sim.day_result import Result
from roundsman_sim.day_town import Town, Widths, copy_database, drop_database, make_town, set_widths, ways, widths_of
from roundsman_sim.day_world import Script

FIRST_DAY: Final = date(2026, 3, 2)
FAR_M: Final = 6_000.0
TEACHES: Final = 2 / 3
LESSONS: Final = 1_000
"""Seeds from here on are of days to learn from: none of them is measured."""
LEARNED_FILE: Final = "learned.json"
QUICK: Final = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "shared_buffers": "64MB"}
"""Nobody needs this database after the run."""


@dataclass(frozen=True, kw_only=True)
class Databases:
    """A server's databases by name. `postgres`: the connection string of the one that is always there."""

    postgres: str

    def dsn(self, name: str) -> str:
        """Connection string of one of them."""
        return make_conninfo(self.postgres, dbname=name)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Everything that another process needs to open the same town for itself.

    Attributes
    ----------
    directory : Path
        Keys, street network, settings.
    homes : tuple of (address, place)
        Who orders.
    hub : Settings
        Of the hub that learned here.
    """

    directory: Path
    server: Databases
    homes: tuple[tuple[str, LatLon], ...]
    vans: int
    orders: int
    hub: Settings
    fleet: str
    depot: str
    depot_at: LatLon
    vehicles: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What is kept of a town between two runs, beside its database and its roads: who is in it, and from how many days it has learned."""

    homes: tuple[tuple[str, LatLon], ...]
    fleet: str
    depot: str
    depot_at: LatLon
    vehicles: tuple[str, ...]
    lessons: int


@dataclass(kw_only=True)
class Setting:
    """A town with a database (`template`) that days are copied from. `lessons`: days that it has learned from."""

    place: Place
    town: Town
    engine: Sequence[Engine]
    ends: contextlib.ExitStack
    template: str = "town"
    lessons: int = 0
    widths: Widths = field(default_factory=dict)

    @property
    def homes(self) -> list[tuple[str, LatLon]]:
        """Who orders."""
        return list(self.place.homes)

    @property
    def server(self) -> Databases:
        """Where the databases are."""
        return self.place.server

    def script(self, seed: int, day: date) -> Script:
        """A day of this town."""
        return day_world.script(self.place.homes, vans=self.place.vans, orders=self.place.orders, day=day, seed=seed)

    def compare(self, day: Script, policies: Sequence[str], *, search_s: float, traffic: bool = False) -> list[Result]:
        """One day by each policy, each from the same database and the same morning's plan. What the living plan's arrivals taught about
        widths is kept for the days after; nothing else is. `traffic`: the living plan hears of jams from its own vans' last minutes.
        """
        routes, results = self.morning(day), []
        for policy in policies:
            result, widths = self.live(day, policy, routes, widths=self.widths, search_s=search_s, traffic=traffic and policy == "living")
            results.append(result)
            self.widths = widths if policy == "living" else self.widths
        return results

    def morning(self, day: Script) -> Plan:
        """The morning's plan, the same for every policy."""
        with self._copy() as db:
            return Box(db, self.town, day, "static", engine=self.engine).morning()

    def live(
        self, day: Script, policy: str, routes: Plan, *, widths: Widths, search_s: float, traffic: bool = False
    ) -> tuple[Result, Widths]:
        """One day by one policy in a database of its own.

        Parameters
        ----------
        widths : Widths
            What arrivals have taught of widths since the town's lessons; empty: nothing.

        Returns
        -------
        tuple of Result and Widths
            How it came out; and the widths as they are by its evening.
        """
        with self._copy() as db:
            set_widths(db, self.town.fleet, widths)
            told = self.traffic if traffic else None
            result = Box(db, self.town, day, policy, routes=routes, engine=self.engine, search_s=search_s, traffic=told).run()
            if traffic and self.lessons:
                self._serve_learned(StepClock(day.end))
            return result, widths_of(db, self.town.fleet)

    @contextlib.contextmanager
    def _copy(self) -> Iterator[Database]:
        name = f"day_of_{self.template}"
        copy_database(self.server.postgres, self.template, name)
        with Database.connect(self.server.dsn(name), max_size=2, checked=False) as db:
            yield db
        drop_database(self.server.postgres, name)

    def learn(self, days: Sequence[Script], *, search_s: float, say: Callable[[str], None]) -> None:
        """Let days happen in the town's own database, one after another: two thirds of them teach streets and stops, the rest, with those
        in service, how wide arrival times have to be told."""
        if not days:
            return
        teach = math.ceil(len(days) * TEACHES)
        self._live(days[:teach], search_s, say)
        evening = TimeBase(origin_real_ms=round(time.time() * 1000), origin_utc_ms=to_ms(days[teach - 1].end + timedelta(hours=3)))
        hub = replace(self.place.hub, time_base=evening)
        hub.save()
        told = subprocess.run(
            [sys.executable, "-m", "roundsman_hub", "learn", "--data", str(hub.data_dir), "--days", "60"],
            capture_output=True,
            text=True,
            check=False,
        )
        for line in (told.stdout or told.stderr).strip().splitlines()[-7:]:
            say(line)
        self._serve_learned(Clock(evening))
        self._live(days[teach:], search_s, say)
        here = self.place
        self.lessons = len(days)
        kept = Learned(
            homes=here.homes, fleet=here.fleet, depot=here.depot, depot_at=here.depot_at, vehicles=here.vehicles, lessons=self.lessons
        )
        (here.directory / LEARNED_FILE).write_bytes(msgspec.json.encode(kept))

    def _serve_learned(self, clock: Clock) -> None:
        self.ends.enter_context(_in_service(self.place.hub, self.server.dsn(self.template), clock))

    def traffic(self, db: Database, clock: Clock) -> TrafficRole:
        """What a hub brings into its streets, on a day's own database."""
        return TrafficRole(self.place.hub, db, clock, least_s=0.0)

    def _live(self, days: Sequence[Script], search_s: float, say: Callable[[str], None]) -> None:
        with Database.connect(self.server.dsn(self.template), max_size=2, checked=False) as db:
            for day in days:
                result = Box(db, self.town, day, "living", engine=self.engine, search_s=search_s).run()
                say(f"{day.day}: lived through in {result.took_s:.0f} s, to learn from")


@contextlib.contextmanager
def _in_service(hub: Settings, dsn: str, clock: Clock) -> Iterator[None]:
    """What was learned is in the streets, until the block ends."""
    with Database.connect(dsn, max_size=1) as db:
        traffic = TrafficRole(hub, db, clock)
        traffic.step()
    with contextlib.closing(traffic):
        yield


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
def setting(
    osm: Path | None,
    *,
    vans: int,
    orders: int,
    town_seed: int,
    say: Callable[[str], None],
    roads: str = "",
    keep: Path | None = None,
) -> Iterator[Setting]:
    """A town, its roads, a database with its fleet, and the engines; all of it ends with the block.

    Parameters
    ----------
    osm : Path, optional
        A real extract; without one a made-up town.
    roads : str
        "great_circle": straight lines times a detour, without OSRM.
    keep : Path, optional
        A folder that the town stays in. Where one has learned there before, it is opened again, as it was then.
    """
    with contextlib.ExitStack() as stack:
        if keep is None:
            directory = Path(tempfile.mkdtemp(prefix="roundsman-day-"))
            stack.callback(shutil.rmtree, directory, ignore_errors=True)
        else:
            directory = keep.absolute()
        before = _learned(directory)
        if before is None and directory.exists():
            shutil.rmtree(directory)  # a town whose lessons were cut short knows half of a day
        directory.mkdir(parents=True, exist_ok=True)
        if osm is None:
            osm = directory / "town.osm.pbf"
            if not osm.exists():
                town_file.write(town.build(town_seed), osm)
        network = open_roads(None if roads == "great_circle" else osm, None, directory / "hub" / "cache", say)
        stack.callback(network.close)
        server = stack.enter_context(embedded.start(directory / "postgres", settings=QUICK, database="town"))
        migrate(server.dsn("town"))
        hub = _settings(directory / "hub", server.dsn("town"), osm, network)
        believed = stack.enter_context(contextlib.closing(open_settings_roads(hub)))
        signer = open_pki(directory / "pki").signer()
        if before is not None:
            homes, lessons = list(before.homes), before.lessons
            made = Town(
                fleet=before.fleet,
                depot=before.depot,
                depot_at=before.depot_at,
                vehicles=before.vehicles,
                roads=believed,
                way=ways(network),
                signer=signer,
            )
        else:
            addresses = sorted(town_file.addresses(osm), key=lambda one: one.position.lon_deg + one.position.lat_deg)
            depot, homes = _depot_and_homes(network, [(one.text, one.position) for one in addresses])
            lessons = 0
            with Database.connect(server.dsn("town"), max_size=2) as db:
                made = make_town(db, depot, vans, orders, network, signer, believed=believed)
        place = Place(
            directory=directory,
            server=Databases(postgres=server.dsn("postgres")),
            homes=tuple(homes),
            vans=vans,
            orders=orders,
            hub=hub,
            fleet=made.fleet,
            depot=made.depot,
            depot_at=made.depot_at,
            vehicles=made.vehicles,
        )
        yield Setting(place=place, town=made, engine=_engines(stack), ends=stack, lessons=lessons)


def _learned(directory: Path) -> Learned | None:
    try:
        return msgspec.json.decode((directory / LEARNED_FILE).read_bytes(), type=Learned)
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def beside(place: Place, template: str, now: datetime) -> Iterator[Setting]:
    """The same town for this process: a database of its own to copy days from, its own engines, its own roads with what was learned.

    Parameters
    ----------
    template : str
        The database, a copy of the town's.
    now : datetime
        Of which hour learned speeds are brought into service first.
    """
    with contextlib.ExitStack() as stack:
        own = place.directory / template
        shutil.rmtree(own, ignore_errors=True)  # of a run before
        shutil.copytree(place.hub.data_dir, own)
        hub = replace(place.hub, data_dir=own, database_url=place.server.dsn(template))
        (own / SERVED_FILE).unlink(missing_ok=True)
        if hub.osrm_url is not None:
            stack.enter_context(_in_service(hub, hub.database_url, StepClock(now)))
        network = GreatCircle() if hub.osrm_url is None else OsrmRoads(hub.osrm_url, table_size=PROCESS_TABLE)
        believed = open_settings_roads(hub)
        for roads in (network, believed):
            stack.callback(roads.close)
        town = Town(
            fleet=place.fleet,
            depot=place.depot,
            depot_at=place.depot_at,
            vehicles=place.vehicles,
            roads=believed,
            way=ways(network),
            signer=open_pki(place.directory / "pki").signer(),
        )
        yield Setting(place=place, town=town, engine=_engines(stack), ends=stack, template=template)


def _engines(stack: contextlib.ExitStack) -> list[Engine]:
    return [stack.enter_context(EngineProcess(name)) for name in ("pyvrp", "ortools")]


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
