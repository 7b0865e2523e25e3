"""`urgent_p50_s`, `urgent_p99_s`, `needless_plans`: an urgent order to the right van's screen with its receipt, 50 vans, 600 open tasks.

Everything between is real: the hub with all its roles, roads, database and broker, and the vans' own log, inbox and uplink (see
`wire_crew`). The clock runs at life's pace. Beside it the bare way: one HTTP request and one MQTT message there and back.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from roundsman_hub.pki import open_pki
from roundsman_hub.provision import Unit, provision
from roundsman_hub.settings import Endpoint
from roundsman_hub.store.db import Database
from roundsman_sim import bench_peers, genesis, orders
from roundsman_sim.bench_table import Row, last_line, table
from roundsman_sim.settings import DemoSettings
from roundsman_sim.wire_crew import WireVan
from roundsman_sim.world import Say, World, until

VANS: Final = 50
TASKS: Final = 600
ROOM: Final = 14
"""Parcels in a van: fifty with just enough room for six hundred, so that all of them are out."""
URGENT: Final = 100
QUICK_URGENT: Final = 30
EVERY_S: Final = (0.5, 2.0)
"""Between two urgent orders: a busy dispatcher's minute; a search is mostly still running when the next one comes."""
QUIET_S: Final = 45.0
"""Without news: two looks at everything, and three rounds of arrival times."""
P50_GOAL_S: Final = 1.0
P99_GOAL_S: Final = 3.0
LOST_AFTER_S: Final = 30.0
SEED: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What came out. `seconds`: of each urgent order, from before the request until its receipt was at the hub."""

    seconds: list[float]
    planned_s: list[float]
    lost: int
    needless: float
    way_s: float


async def measure(say: Say, *, quick: bool = False) -> list[Row]:
    """Measure and give the rows."""
    directory = Path(tempfile.mkdtemp(prefix="roundsman-urgent-"))
    settings = DemoSettings(vans=40, orders=TASKS, factor=1.0, minutes=60, seed=SEED, headless=True)
    try:
        async with genesis.hub_alone(settings, directory, say) as made:
            found = await _measure(made, say, QUICK_URGENT if quick else URGENT)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    seconds = sorted(found.seconds)
    return [
        Row("urgent_p50_s", _share(seconds, 0.5), "s", P50_GOAL_S, round(found.way_s, 4), "HTTP + MQTT, bare"),
        Row("urgent_p99_s", _share(seconds, 0.99), "s", P99_GOAL_S),
        Row("urgent_planned_p50_s", _share(sorted(found.planned_s), 0.5), "s"),
        Row("urgent_lost", found.lost, "", 0),
        Row("needless_plans", found.needless, "per van", 0),
    ]


def _share(ordered: list[float], share: float) -> float | None:
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3) if ordered else None


async def _measure(made: World, say: Say, count: int) -> Measured:
    _, way_s = await bench_peers.ways(made)
    say(f"the bare way takes {1000 * way_s:.0f} ms")
    rng = random.Random(SEED)
    store = ThreadPoolExecutor(4)
    crew = await _crew(made, store)
    work = [asyncio.create_task(task) for van in crew for task in (van.uplink.run(), van.drive())]
    try:
        await _first_plans(made, crew, rng, say)
        before = await made.ask(_plans)
        say(f"{QUIET_S:g} s without news")
        await asyncio.sleep(QUIET_S)
        needless = (await made.ask(_plans) - before) / len(crew)
        seconds, planned_s, lost = [], [], 0
        for number in range(1, count + 1):
            took = await _urgent(made, crew, rng, number)
            if took is None:
                lost += 1
            else:
                planned_s.append(took[0])
                seconds.append(took[1])
            if number % 5 == 0 and seconds:
                say(f"{number} urgent orders, median {statistics.median(seconds):.2f} s, worst {max(seconds):.2f} s, lost {lost}")
            await asyncio.sleep(rng.uniform(*EVERY_S))
    finally:
        for task in work:
            task.cancel()
        ended = await asyncio.gather(*work, return_exceptions=True)
        store.shutdown()
        for van in crew:
            van.close()
    for result in ended:
        if isinstance(result, Exception):
            raise result
    return Measured(seconds=seconds, planned_s=planned_s, lost=lost, needless=round(needless, 3), way_s=way_s)


async def _crew(made: World, store: ThreadPoolExecutor) -> list[WireVan]:
    """Fifty vehicles, each with its unit's folder as a technician would make it."""
    start = made.clock.now()
    shift = {"shift_start": start.isoformat(), "shift_end": (start + timedelta(hours=9)).isoformat()}
    pki = open_pki(made.directory / "hub" / "pki")
    broker = Endpoint(host=made.hub_file["broker"]["host"], port=made.hub_file["broker"]["port"])
    crew = []
    for number in range(1, VANS + 1):
        body = {"name": f"Van {number}", "depot": made.depot, "capacity": ROOM, **shift}
        vehicle = (await made.desk.post("/v1/vehicles", body))["vehicle"]
        folder = made.directory / f"wire-{number}"
        unit = Unit(vehicle_id=vehicle, broker=broker, time_base=str(made.clock.base))
        toml = await asyncio.to_thread(provision, pki, unit, folder)
        crew.append(WireVan(toml, folder / "store", made.clock.base, made.depot_address.position, store))
    return crew


async def _first_plans(made: World, crew: list[WireVan], rng: random.Random, say: Say) -> None:
    """Six hundred orders of the day are planned, and every van that has some sets out."""
    day = orders.Day(start=made.clock.now(), length_s=8 * 3600)
    homes = rng.choices(made.homes, k=TASKS)
    bodies: list[dict[str, Any]] = []
    for number, home in enumerate(homes, start=1):
        place = {"lat_deg": home.position.lat_deg, "lon_deg": home.position.lon_deg}
        bodies.append({**orders.order(rng, home, day, number), **place, "window_end": day.at(0.95).isoformat(), "parcels": 1})
    await made.desk.import_orders(bodies)
    say(f"{TASKS} orders imported")

    def planned() -> bool:
        return sum(len(van.stops) for van in crew) >= 0.95 * TASKS

    await until(planned, within_s=180, what="the first plans to be in force", every_s=0.5)
    # All vans: those with an empty plan stand by, as at a depot's gate.
    await asyncio.gather(*(van.set_out() for van in crew if van.stops))
    say(f"{sum(bool(van.stops) for van in crew)} of {len(crew)} vans have set out with {sum(len(van.stops) for van in crew)} stops")

    async def settled() -> bool:
        return bool(await made.ask(_settled))

    await until(settled, within_s=180, what="the hub to have heard that the vans set out, and its searches to end", every_s=1.0)
    await asyncio.sleep(10.0)


def _settled(database: Database) -> bool:
    with database.transaction() as cur:
        cur.execute(
            "SELECT (SELECT count(*) FROM planning WHERE revision > planned) = 0 AND"
            " (SELECT count(DISTINCT vehicle_id) FROM duties) >="
            " (SELECT count(DISTINCT vehicle_id) FROM plan_tasks) AS ready"
        )
        row = cur.fetchone()
        return bool(row and row["ready"])


def _plans(database: Database) -> int:
    with database.transaction() as cur:
        cur.execute("SELECT count(*) AS n FROM plans")
        row = cur.fetchone()
        assert row is not None
        return int(row["n"])


async def _urgent(made: World, crew: list[WireVan], rng: random.Random, number: int) -> tuple[float, float] | None:
    """(until it was planned, until the receipt was at the hub) in real seconds from before the request; None: on nobody's screen."""
    home = rng.choice(made.homes)
    body = orders.urgent(rng, home, made.clock.now(), number, 4 * 3600)
    body |= {"lat_deg": home.position.lat_deg, "lon_deg": home.position.lon_deg}
    began_s, began_at = time.monotonic(), time.time()
    order: str = (await made.desk.post("/v1/orders", body))["order"]
    while time.monotonic() < began_s + LOST_AFTER_S:
        if any(order in van.seen_s for van in crew):
            found = await made.ask(_receipt, order)
            if found is not None:
                van = next(van for van in crew if van.vehicle == found["vehicle_id"])
                assert order in van.seen_s, "a receipt of a van whose list does not have the order"
                return found["issued"] - began_at, max(found["received"] - began_at, van.seen_s[order] - began_s)
        await asyncio.sleep(0.01)
    return None


def _receipt(database: Database, order: str) -> dict[str, Any] | None:
    with database.transaction() as cur:
        cur.execute(
            "SELECT t.vehicle_id, extract(epoch FROM p.issued_real_at)::float8 AS issued,"
            " extract(epoch FROM r.received_real_at)::float8 AS received"
            " FROM plan_tasks t JOIN plans p USING (vehicle_id, version) JOIN plan_receipts r USING (vehicle_id, version)"
            " WHERE t.order_id = %s AND r.state = 'in_force' ORDER BY r.received_real_at LIMIT 1",
            (order,),
        )
        return cur.fetchone()


def main() -> int:
    """`python -m roundsman_sim.bench_urgent [--quick]`; the exit code is 0 whatever holds: the last line says it."""
    started_s = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - started_s:7.1f} s  {text}", flush=True)

    rows = asyncio.run(measure(say, quick="--quick" in sys.argv[1:] or os.environ.get("QUICK", "") not in ("", "0")))
    print(table(rows))
    print(last_line("urgent", rows), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
