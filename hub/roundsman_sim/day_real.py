"""One pretend day with real processes: a started hub with all its roles, the broker, and vans with the agent's own log and inbox.

The day, its orders, disturbances and truth are the box's; only time passes by itself here, so many times faster than life. What the hub
does by real seconds (a search, its debounce, a look at everything) takes so many times longer in the day. The box then lives through the
same day from the plans that these vans set out with, several times: a search ends by the clock, so two of the box's days differ, too, and
that is the measure of how far the real one may be from them.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from roundsman_core.timebase import TimeBase
from roundsman_hub.clock import to_ms
from roundsman_hub.pki import open_pki
from roundsman_hub.planning.problem import Plan as Routes
from roundsman_hub.provision import Unit, provision
from roundsman_hub.settings import Endpoint
from roundsman_hub.store.db import Database
from roundsman_hub.store.rows import rows
from roundsman_sim import SimError, audit, genesis
from roundsman_sim.day_box import ENDS_AFTER, Box
from roundsman_sim.day_result import Result, outcome
from roundsman_sim.day_setting import Setting
from roundsman_sim.day_town import CAPACITY, copy_database, drop_database
from roundsman_sim.day_van import DayVan
from roundsman_sim.day_wire import DayWireVan, Names
from roundsman_sim.day_world import Ask, Script
from roundsman_sim.proxy import Proxy
from roundsman_sim.settings import DemoSettings
from roundsman_sim.world import Say, World, until

STARTS_WITHIN_S: Final = 120.0
"""Real seconds before the shift: the hub makes the streets' dataset, takes the orders and searches for the first plans; 19 of a quiet
machine's, more of a busy one's."""
LEAST_ORDERS: Final = 40
"""What `genesis` looks for homes for: it chooses a depot by them, which is not used here."""
TICK_S: Final = 0.1
TELLS_WITHIN_S: Final = 60.0
SETTLES_AGAIN_S: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class Repeated:
    """A day with real processes, and the box's days from the same morning's plans."""

    real: Result
    box: tuple[Result, ...]


def repeat(
    made: Setting, day: Script, *, factor: float, search_s: float, times: int, say: Say, starts_within_s: float = STARTS_WITHIN_S
) -> Repeated:
    """Live through a day with real processes, then so many times in the box, each time with another seed of its searches.

    Raises
    ------
    SimError
        A process did not start, or ended.
    """
    real, orders = asyncio.run(_RealDay(made, day, factor, starts_within_s, say).run())
    say(f"real processes: {_words(real)}")
    vehicles = made.town.vehicles
    routes = Routes(routes={vehicle: order for vehicle, order in zip(vehicles, orders, strict=True) if order}, unassigned={})
    found = []
    for number in range(times):
        copy_database(made.server.postgres, made.template, "repeated")
        with Database.connect(made.server.dsn("repeated"), max_size=2, checked=False) as db:
            box = Box(
                db, made.town, day, "living", routes=routes, engine=made.engine, search_s=search_s, search_seed=number, traffic=made.traffic
            )
            found.append(box.run())
        say(f"the box: {_words(found[-1])}")
    drop_database(made.server.postgres, "repeated")
    return Repeated(real=real, box=tuple(found))


class _RealDay:
    """The day as it goes on."""

    def __init__(self, made: Setting, day: Script, factor: float, starts_within_s: float, say: Say) -> None:
        self._made, self._day, self._factor, self._starts_within_s, self._say = made, day, factor, starts_within_s, say
        self._names = Names()
        self._vans: list[DayWireVan] = []
        self._called_off: set[str] = set()
        self._settled: set[str] = set()
        self._settle_at_s = 0.0

    async def run(self) -> tuple[Result, list[tuple[str, ...]]]:
        """What it came to, and the orders of stops that the vans set out with."""
        began = time.monotonic()
        async with contextlib.AsyncExitStack() as stack:
            world = await self._open(stack)
            work = await self._crew(stack, world)
            await self._morning(world)
            first = await self._live(world, work)
            await self._tell_all(world, work)
            plans = await world.ask(_plans, self._day)
        bodies = [van.body for van in self._vans]
        result = Result(
            policy="real",
            plans=plans,
            churn=sum(van.churn for van in self._vans),
            searches=0,
            took_s=round(time.monotonic() - began, 1),
            **outcome(self._made.town, self._day, bodies, self._called_off),
        )
        return result, first

    # ── before the shift ────────────────────────────────────────────────────────────────────────────────────────────

    async def _open(self, stack: contextlib.AsyncExitStack) -> World:
        """A hub of its own, whose clock says that the shift begins in so many real seconds."""
        place, day = self._made.place, self._day
        if place.hub.osm is None:
            raise SimError("a day with real processes drives on streets: leave --roads great_circle out")
        settings = DemoSettings(vans=place.vans, orders=max(LEAST_ORDERS, place.orders), factor=self._factor, seed=day.seed, headless=True)
        before_ms = round(1000 * self._starts_within_s * self._factor)
        base = TimeBase(origin_real_ms=round(time.time() * 1000), origin_utc_ms=to_ms(day.start) - before_ms, factor=self._factor)
        world = await genesis.start_hub(stack, settings, place.directory / "real", place.hub.osm, base, self._say)
        stack.callback(world.roads.close)
        at = place.depot_at
        await world.desk.patch("/v1/fleets/me", {"timezone": "Europe/Helsinki"})
        world.depot = (await world.desk.post("/v1/depots", {"name": "Depot", "lat_deg": at.lat_deg, "lon_deg": at.lon_deg}))["depot"]
        return world

    async def _crew(self, stack: contextlib.AsyncExitStack, world: World) -> list[asyncio.Task[None]]:
        """The vans, each with its unit's folder as a technician would make it, on line."""
        place, day = self._made.place, self._day
        store = ThreadPoolExecutor(4)
        stack.callback(store.shutdown)
        pki = open_pki(world.directory / "hub" / "pki")
        shift = {"shift_start": day.start.isoformat(), "shift_end": day.end.isoformat()}
        work = []
        for number in range(place.vans):
            driver = (await world.desk.post("/v1/drivers", {"name": f"Driver {number + 1}"}))["driver"]
            capacity = round(CAPACITY * place.orders / place.vans)
            body = {"name": f"Van {number + 1}", "depot": world.depot, "driver": driver, "capacity": capacity, **shift}
            vehicle = (await world.desk.post("/v1/vehicles", body))["vehicle"]
            link = Proxy(world.hub_file["broker"]["host"], world.hub_file["broker"]["port"])
            await link.start()
            stack.push_async_callback(link.stop)
            folder = world.directory / f"van-{number + 1}"
            unit = Unit(vehicle_id=vehicle, broker=Endpoint(host="127.0.0.1", port=link.port), time_base=str(world.clock.base))
            toml = await asyncio.to_thread(provision, pki, unit, folder)
            van = DayVan(
                number=number,
                vehicle=vehicle,
                session="",
                previous=None,
                day=day,
                home=place.depot_at,
                road=self._made.town.way,
                driver=driver,
            )
            self._vans.append(DayWireVan(toml, folder / "store", world.clock, van, self._names, link, store))
            stack.callback(self._vans[-1].close)
            work.append(asyncio.create_task(self._vans[-1].uplink.run(), name=van.vehicle))
            stack.push_async_callback(_end, work[-1])
        return work

    async def _morning(self, world: World) -> None:
        """Everything that was ordered the day before comes in; every van has its plan before the shift."""
        asks = [ask for ask in self._day.asks if ask.known_at < self._day.start]
        for ask in asks:
            self._know(ask)
        report = await world.desk.import_orders([_body(ask) for ask in asks])
        if report["imported"] != len(asks):
            raise SimError(f"the hub took {report['imported']} of {len(asks)} orders: {report['bad'][:2]}")
        for order in await world.desk.orders():
            self._names.know(order["reference"], order["order"])
        planned = lambda: sum(len(van.body.left) for van in self._vans) >= 0.8 * len(asks)  # noqa: E731
        await until(planned, within_s=self._starts_within_s, what="the first plans to be in force")
        left_s = (self._day.start - world.clock.now()).total_seconds()
        if left_s < 0:
            raise SimError(f"the first plans came {-left_s / self._factor:.0f} s after the shift began; take a lower --factor")
        self._say(f"first plans with {sum(len(van.body.left) for van in self._vans)} stops, {left_s / 60:.0f} min before the shift")

    # ── the day ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _live(self, world: World, work: Sequence[asyncio.Task[None]]) -> list[tuple[str, ...]]:
        day, said_at = self._day, self._day.start
        first: list[tuple[str, ...]] = []
        to_come = sorted((ask for ask in day.asks if ask.known_at >= day.start), key=lambda ask: ask.known_at)
        off = sorted((ask for ask in day.asks if ask.cancelled_at is not None), key=lambda ask: ask.cancelled_at or ask.known_at)
        while True:
            world.require_alive()
            _require_alive(work)
            now = world.clock.now()
            if not first and now >= day.start:
                first = [tuple(stop.stop for stop in van.body.left) for van in self._vans]
            await asyncio.gather(*(van.live(now) for van in self._vans))
            while to_come and to_come[0].known_at <= now:
                await self._order(world, to_come.pop(0))
            while off and off[0].cancelled_at is not None and off[0].cancelled_at <= now:
                await self._call_off(world, off.pop(0))
            await self._settle_reports(world)
            if now >= day.end + ENDS_AFTER:
                return first
            if now > day.start + timedelta(hours=1) and not to_come and all(van.body.idle for van in self._vans):
                return first
            if now >= said_at + timedelta(hours=1):
                said_at = now
                self._say(f"{now.astimezone(day.start.tzinfo):%H:%M}: {sum(len(van.body.left) for van in self._vans)} stops to go")
            await asyncio.sleep(TICK_S)

    def _know(self, ask: Ask) -> None:
        for van in self._vans:
            van.body.know(ask)

    async def _order(self, world: World, ask: Ask) -> None:
        self._know(ask)
        made = await world.desk.post("/v1/orders", _body(ask))
        self._names.know(ask.order, made["order"])

    async def _call_off(self, world: World, ask: Ask) -> None:
        if any(ask.order in van.body.served for van in self._vans):
            return
        self._called_off.add(ask.order)
        for van in self._vans:
            van.called_off.add(ask.order)
        await world.desk.post(f"/v1/orders/{self._names.theirs[ask.order]}/cancel")

    async def _settle_reports(self, world: World) -> None:
        """A dispatcher settles a breakdown when the van is mended, and the hub has heard of it."""
        if time.monotonic() < self._settle_at_s:
            return
        self._settle_at_s = time.monotonic() + SETTLES_AGAIN_S
        due = {van.body.report for van in self._vans if van.body.report and van.body.held_until is None} - self._settled
        if due:
            heard = {report["report"] for report in (await world.desk.get("/v1/reports"))["items"]}
            for report in sorted(due & heard):
                await world.desk.post(f"/v1/reports/{report}/settle")
                self._settled.add(report)

    async def _tell_all(self, world: World, work: Sequence[asyncio.Task[None]]) -> None:
        """Shifts end; every van tells the hub all it has."""
        await asyncio.gather(*(van.end(world.clock.now()) for van in self._vans))
        _require_alive(work)
        await until(lambda: all(van.told for van in self._vans), within_s=TELLS_WITHIN_S, what="the vans to tell everything")
        await until(lambda: world.ask(audit.caught_up), within_s=TELLS_WITHIN_S, what="the hub to derive everything")


def _words(one: Result) -> str:
    return f"{one.on_time_share:.1%} on time, {one.km:.1f} km, {one.cost_cents / 100:.0f}, {one.plans} plans"


def _body(ask: Ask) -> dict[str, Any]:
    """As a shop sends it."""
    return {
        "reference": ask.order,
        "kind": ask.kind,
        "name": ask.order,
        "address": ask.address,
        "lat_deg": ask.home.lat_deg,
        "lon_deg": ask.home.lon_deg,
        "window_start": ask.opens.isoformat(),
        "window_end": ask.closes.isoformat(),
        "service_s": ask.service_s,
        "parcels": ask.parcels,
        "priority": ask.priority,
    }


def _plans(database: Database, day: Script) -> int:
    with database.transaction() as cur:
        return int(rows(cur, "SELECT count(*) AS n FROM plans WHERE issued_at >= %s", (day.start,))[0]["n"])


def _require_alive(work: Sequence[asyncio.Task[None]]) -> None:
    for task in work:
        if task.done() and (error := task.exception()) is not None:
            raise error


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
