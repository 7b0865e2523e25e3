"""How the world comes to be: streets, hub, fleet, vans, each a real process; and how it ends, in the opposite order."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx

from roundsman_core.geo import LatLon
from roundsman_core.timebase import TimeBase
from roundsman_hub.broker import free_port
from roundsman_hub.pki import open_pki
from roundsman_hub.provision import Unit, provision
from roundsman_hub.roads import RoadNetwork, open_roads
from roundsman_hub.settings import Endpoint
from roundsman_hub.store.db import Database
from roundsman_sim import SimError, tablets, town, town_file
from roundsman_sim.clock import WorldClock
from roundsman_sim.desk import Desk
from roundsman_sim.driver import Driver, Temper
from roundsman_sim.feed import Feed, GpsdFeed, SerialFeed, TcpFeed, gpsd_program
from roundsman_sim.motion import Body
from roundsman_sim.orders import FAR_M, near
from roundsman_sim.programs import Program
from roundsman_sim.proxy import Proxy
from roundsman_sim.receiver import Receiver
from roundsman_sim.screen import Screen
from roundsman_sim.settings import DemoSettings
from roundsman_sim.town_file import Address
from roundsman_sim.van import Van, heartbeat
from roundsman_sim.world import Say, World, until

DAY_STARTS_AT: Final = timedelta(hours=7, minutes=30)
"""Business time when the hub starts: this day, early in the morning."""
HUB_STARTS_WITHIN_S: Final = 240.0
"""A city's roads take a while to prepare on a small machine."""
AGENTS_START_WITHIN_S: Final = 90.0
PARCELS_AN_ORDER: Final = 1.67
"""Room in a van for each order that falls to it: customers order 1.7 parcels each, so that all vans are needed."""
CREW: Final = (
    ("Heron", "Ada"), ("Otter", "Bruno"), ("Wren", "Chidi"), ("Badger", "Dana"),
    ("Finch", "Emil"), ("Hare", "Farah"), ("Lark", "Goran"), ("Marten", "Hana"),
)  # fmt: skip
"""Vans and who drives them; the ninth and later are numbered."""


@contextlib.asynccontextmanager
async def world(settings: DemoSettings, directory: Path, say: Say) -> AsyncIterator[World]:
    """The whole world while the block runs.

    Raises
    ------
    SimError
        Something did not start; with its own last words.
    """
    async with contextlib.AsyncExitStack() as stack:
        streets = settings.osm or await _invent_town(settings, directory, say)
        base = TimeBase(origin_real_ms=round(time.time() * 1000), origin_utc_ms=_this_morning_ms(), factor=settings.factor)
        made = await start_hub(stack, settings, directory, streets, base, say)
        await _make_fleet(stack, made)
        pulse = asyncio.create_task(heartbeat(made.vans, made.clock), name="heartbeat")
        stack.push_async_callback(_end, pulse)
        await _open_screens(stack, made)
        yield made


@contextlib.asynccontextmanager
async def hub_alone(settings: DemoSettings, directory: Path, say: Say) -> AsyncIterator[World]:
    """Streets, a hub and a depot while the block runs; vans are the caller's."""
    async with contextlib.AsyncExitStack() as stack:
        streets = settings.osm or await _invent_town(settings, directory, say)
        base = TimeBase(origin_real_ms=round(time.time() * 1000), origin_utc_ms=_this_morning_ms(), factor=settings.factor)
        made = await start_hub(stack, settings, directory, streets, base, say)
        place = made.depot_address.position
        body = {"name": "Depot", "lat_deg": place.lat_deg, "lon_deg": place.lon_deg}
        made.depot = (await made.desk.post("/v1/depots", body))["depot"]
        yield made


def _this_morning_ms() -> int:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return round((midnight + DAY_STARTS_AT).timestamp() * 1000)


async def _invent_town(settings: DemoSettings, directory: Path, say: Say) -> Path:
    path = directory / "town.osm.pbf"
    made = await asyncio.to_thread(town.build, settings.seed)
    await asyncio.to_thread(town_file.write, made, path)
    say(f"{town.CITY}: {len(made.streets)} streets between crossings, {len(made.houses)} houses")
    return path


# ── the hub ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def start_hub(
    stack: contextlib.AsyncExitStack, settings: DemoSettings, directory: Path, streets: Path, base: TimeBase, say: Say
) -> World:
    data = directory / "hub"
    port = free_port()
    where = ["--data", str(data), "--osm", str(streets), "--api-host", "127.0.0.1", "--api-port", str(port), "--vans-port", "0"]
    hub = Program("hub", ["roundsman_hub", "serve", *where, "--time-base", str(base)], directory / "hub.log")
    stack.push_async_callback(hub.stop)
    await hub.start()
    url = f"http://127.0.0.1:{port}"
    await until(lambda: _ready(hub, url), within_s=HUB_STARTS_WITHIN_S, what=f"the hub at {url}; its log is {directory / 'hub.log'}")
    about: dict[str, Any] = json.loads((data / "hub.json").read_text())
    desk = Desk(url, (data / "admin.key").read_text().strip())
    stack.push_async_callback(desk.close)
    database = Database.connect(about["database_url"], max_size=4)
    stack.callback(database.close)
    roads = await asyncio.to_thread(_open_roads, about, directory)
    addresses = await asyncio.to_thread(town_file.addresses, streets)
    depot, homes = await asyncio.to_thread(_choose_homes, roads, addresses, settings)
    say(f"hub at {url}: roads {roads.name}, storage {about.get('storage')}, {len(homes)} addresses in reach of {depot.text}")
    return World(
        settings=settings,
        directory=directory,
        clock=WorldClock(base),
        say=say,
        rng=random.Random(settings.seed),
        hub=hub,
        hub_file=about,
        desk=desk,
        database=database,
        roads=roads,
        depot_address=depot,
        homes=homes,
    )


async def _ready(hub: Program, url: str) -> bool:
    hub.require_alive()
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            return (await client.get(f"{url}/readyz", timeout=5.0)).is_success
        except httpx.HTTPError:
            return False


def _open_roads(about: dict[str, Any], directory: Path) -> RoadNetwork:
    """The very roads that the hub plans with."""
    return open_roads(None, about.get("osrm_url"), directory / "roads", progress=lambda _: None)


def _choose_homes(roads: RoadNetwork, addresses: Sequence[Address], settings: DemoSettings) -> tuple[Address, list[Address]]:
    """A depot at the edge of the town, and customers who can be reached from it and back by road.

    An extract cut out of a map has streets that leave it and come back outside: who lives there is nobody's customer.
    """
    rng = random.Random(settings.seed)
    west_to_east = sorted(addresses, key=lambda address: address.position.lon_deg + address.position.lat_deg)
    for depot in west_to_east[len(west_to_east) // 50 :: max(1, len(west_to_east) // 20)]:
        around = near(addresses, depot)
        some = rng.sample(around, min(len(around), 2 * settings.orders))
        matrix = roads.matrix([depot.position, *(address.position for address in some)])
        both_ways = (matrix.durations_s[0, 1:] >= 0) & (matrix.durations_s[1:, 0] >= 0)
        reached = [address for address, reachable in zip(some, both_ways, strict=True) if reachable]
        if len(reached) >= min(len(addresses), settings.orders + 20) * 0.8:
            return depot, reached
    raise SimError(f"no address here has {settings.orders} others within {FAR_M / 1000:g} km that a van can reach; take another extract")


# ── fleet and vans ──────────────────────────────────────────────────────────────────────────────────────────────────


async def _make_fleet(stack: contextlib.AsyncExitStack, made: World) -> None:
    """Depot, drivers and vehicles through the API; then each van's unit is provisioned and started."""
    place = made.depot_address.position
    body = {"name": "Depot", "address": made.depot_address.text, "lat_deg": place.lat_deg, "lon_deg": place.lon_deg}
    made.depot = (await made.desk.post("/v1/depots", body))["depot"]
    await made.desk.post("/v1/fences", {"name": "Depot", "circle": {"lat_deg": place.lat_deg, "lon_deg": place.lon_deg, "radius_m": 80}})
    start = made.clock.now()
    crew = [*CREW, *((f"Van {number}", f"Driver {number}") for number in range(len(CREW) + 1, made.settings.vans + 1))][
        : made.settings.vans
    ]
    curb = await _curb(made, place)
    capacity = round(PARCELS_AN_ORDER * made.settings.orders / made.settings.vans)
    for number, (name, person) in enumerate(crew):
        driver = (await made.desk.post("/v1/drivers", {"name": person}))["driver"]
        vehicle = {"name": name, "depot": made.depot, "driver": driver, "capacity": capacity}
        # The shift is settled when everybody is there (`demo.py`); until then it is long enough for any start.
        vehicle |= {"shift_start": start.isoformat(), "shift_end": (start + timedelta(seconds=3 * made.settings.round_s)).isoformat()}
        vehicle_id = (await made.desk.post("/v1/vehicles", vehicle))["vehicle"]
        made.vans.append(await _make_van(stack, made, number, name, person, driver, vehicle_id, curb))
    await asyncio.gather(*(van.agent.start() for van in made.vans))


async def _curb(made: World, place: LatLon) -> LatLon:
    """Where the vans stand at the depot: on the road before it."""
    road = await asyncio.to_thread(made.roads.nearest, place)
    return road.position if road.distance_m < 200 else place


def _feed(number: int, directory: Path, say: Say) -> Feed:
    """The second van's receiver hangs on a real gpsd, the third's on a serial line, the others' speak TCP."""
    if number == 1:
        if gpsd_program() is not None:
            return GpsdFeed(directory)
        say("gpsd is not installed: that van's receiver speaks TCP instead (apt-get install gpsd)")
    return SerialFeed() if number == 2 else TcpFeed()


async def _make_van(
    stack: contextlib.AsyncExitStack, made: World, number: int, name: str, person: str, driver: str, vehicle: str, curb: LatLon
) -> Van:
    folder = made.directory / f"van-{number + 1}"
    folder.mkdir(parents=True, exist_ok=True)
    seed = made.settings.seed * 1_000 + number
    link = Proxy(made.hub_file["broker"]["host"], made.hub_file["broker"]["port"])
    await link.start()
    feed = _feed(number, folder, made.say)
    await feed.start()
    port = free_port()
    await _provision(made, vehicle, folder, feed, port, link.port)
    screen, body = Screen(f"http://127.0.0.1:{port}"), Body(curb, seed)
    rng = random.Random(seed)
    van = Van(
        name=name,
        vehicle=vehicle,
        body=body,
        receiver=Receiver(seed),
        feed=feed,
        agent=Program(f"{name}'s agent", ["roundsman_agent", "run", "-c", str(folder / "agent.toml")], folder / "agent.log"),
        screen=screen,
        driver=Driver(
            name=person,
            driver=driver,
            screen=screen,
            body=body,
            clock=made.clock,
            route=made.route,
            home=curb,
            temper=Temper.drawn(rng),
            rng=rng,
        ),
        store=folder / "store",
        link=link,
    )
    stack.push_async_callback(van.close)
    return van


async def _provision(made: World, vehicle: str, folder: Path, feed: Feed, screen_port: int, broker_port: int) -> None:
    """Have the hub make the unit's folder, as a technician would."""
    unit = Unit(
        vehicle_id=vehicle,
        broker=Endpoint(host=made.hub_file["broker"]["host"], port=broker_port),
        receiver_url=feed.url,
        screen=Endpoint(host="127.0.0.1", port=screen_port),
        sampling="full",
        time_base=str(made.clock.base),
    )
    await asyncio.to_thread(provision, open_pki(made.directory / "hub" / "pki"), unit, folder)


async def _open_screens(stack: contextlib.AsyncExitStack, made: World) -> None:
    """Drivers look at their screens; a browser shows each of them where there is one."""
    for van in made.vans:
        stack.push_async_callback(_end, asyncio.create_task(van.screen.watch(), name=f"{van.name}'s screen"))
    what = f"all vans to be online; their logs are in {made.directory}/van-*"
    await until(lambda: _online(made), within_s=AGENTS_START_WITHIN_S, what=what)
    made.tablets = await stack.enter_async_context(tablets.opened([van.screen.url for van in made.vans]))
    if made.tablets == 0:
        made.say("no Chromium here: nobody looks at the screens, so no plan will be reported as shown (apt-get install chromium)")


def _online(made: World) -> bool:
    made.require_alive()
    return all(van.screen.state.get("link", {}).get("state") == "online" for van in made.vans)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
