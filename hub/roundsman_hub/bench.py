"""`roundsman-hub bench plan`: from an urgent order in the database to a committed, signed plan, on a depot of 8 vans and 120 orders."""

from __future__ import annotations

import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from roundsman_core.geo import LatLon, LocalFrame
from roundsman_hub.api import keys
from roundsman_hub.clock import Clock
from roundsman_hub.pki import open_pki
from roundsman_hub.planning.insertion import repair
from roundsman_hub.replan.build import build, places
from roundsman_hub.replan.matrix import MatrixCache
from roundsman_hub.replan.planner import Planner
from roundsman_hub.replan.revision import bump
from roundsman_hub.roads import GreatCircle
from roundsman_hub.store import embedded, fleet, orders
from roundsman_hub.store.db import Database
from roundsman_hub.store.migrate import migrate

VANS: Final = 8
ORDERS: Final = 120
URGENT: Final = 20
HALF_TOWN_M: Final = 5_000.0
CENTRE: Final = LatLon(50.0, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a benchmark. `goal`: at most this. `peer`: the least that it can take, measured in the same run."""

    name: str
    value: float
    unit: str
    goal: float | None
    peer: float | None = None

    @property
    def holds(self) -> bool | None:
        return None if self.goal is None else self.value <= self.goal


def run_plan(say: Callable[[str], None]) -> list[Row]:
    """Measure on an embedded database of its own, by great circle, with one planner and nobody else."""
    with tempfile.TemporaryDirectory(prefix="roundsman-bench-") as folder:
        home = Path(folder)
        say("starting a database of its own …")
        with embedded.start(home / "postgres") as server:
            migrate(server.dsn())
            with Database.connect(server.dsn()) as db:
                return _measure(db, home, say)


def _measure(db: Database, home: Path, say: Callable[[str], None]) -> list[Row]:
    clock, rng = Clock(), random.Random(1)
    fleet_id, _ = keys.first_fleet(db)
    now = clock.now()
    with db.transaction() as cur:
        depot = fleet.add_depot(cur, fleet_id, name="Depot", address="", lat_e6=CENTRE.lat_e6, lon_e6=CENTRE.lon_e6)
        for number in range(VANS):
            name, end = f"Van {number}", now + timedelta(hours=9)
            fleet.add_vehicle(cur, fleet_id, name=name, depot_id=depot, driver_id=None, capacity=40, shift_start=now, shift_end=end)
    planner = Planner(db, GreatCircle(), open_pki(home / "pki").signer(), clock, issued=lambda: None)

    def order(priority: int) -> None:
        at = LocalFrame(CENTRE).to_latlon(rng.uniform(-HALF_TOWN_M, HALF_TOWN_M), rng.uniform(-HALF_TOWN_M, HALF_TOWN_M))
        opens = now + timedelta(hours=0 if priority else rng.uniform(0, 5))
        columns = {"depot_id": depot, "kind": "pickup", "address": "", "placed": "given", "lat_e6": at.lat_e6, "lon_e6": at.lon_e6}
        columns |= {"window_start": opens, "window_end": opens + timedelta(hours=3), "service_s": 120, "parcels": 1}
        with db.transaction() as cur:
            orders.add(cur, fleet_id, {**columns, "priority": priority, "created_at": now})
            bump(cur, depot, "ordered", priority, clock=clock)

    for _ in range(ORDERS):
        order(0)
    say(f"{ORDERS} orders, {VANS} vans: the first plan, by insertion alone …")
    began = time.perf_counter()
    first = planner.plan(depot)
    if first is not None:
        planner.adopt(first, first.warm)
    first_s = time.perf_counter() - began
    say(f"{URGENT} urgent orders …")
    planned_ms, inserted_ms, floor_ms = [], [], []
    for _ in range(URGENT):
        order(9)
        began = time.perf_counter()
        world = planner.look(depot)
        assert world is not None
        work, starts = places(world)
        problem = build(world, *MatrixCache(GreatCircle()).tables(work, starts), may_move=False)
        began = time.perf_counter()
        repair(problem)
        inserted_ms.append(1000 * (time.perf_counter() - began))
        began = time.perf_counter()
        planner.plan(depot)
        planned_ms.append(1000 * (time.perf_counter() - began))
        began = time.perf_counter()
        with db.transaction() as cur:
            bump(cur, depot, "nothing", clock=clock)
        floor_ms.append(1000 * (time.perf_counter() - began))
    floor = statistics.median(floor_ms)  # one commit that notifies
    return [
        Row(name="first_plan_by_insertion_s", value=first_s, unit="s", goal=2.0),
        Row(name="urgent_inserted_median_ms", value=statistics.median(inserted_ms), unit="ms", goal=100.0),
        Row(name="urgent_planned_median_ms", value=statistics.median(planned_ms), unit="ms", goal=500.0, peer=floor),
        Row(name="urgent_planned_worst_ms", value=max(planned_ms), unit="ms", goal=1000.0, peer=floor),
    ]


BENCHES: Final[dict[str, Callable[[Callable[[str], None]], list[Row]]]] = {"plan": run_plan}


def main(name: str) -> int:
    """Run a benchmark: a table for people, and one JSON object as the last line."""
    rows = BENCHES[name](lambda text: print(text, flush=True))
    print(f"{'row':<30} {'measured':>12} {'goal':>10}  {'peer':>8}  holds")
    for row in rows:
        goal = "–" if row.goal is None else f"≤ {row.goal:g}"
        peer = "" if row.peer is None else f"{row.peer:.2f}"
        print(f"{row.name:<30} {row.value:>9.2f} {row.unit:<2} {goal:>10}  {peer:>8}  {'yes' if row.holds else 'NO'}")
    body = [asdict(row) | {"holds": row.holds} for row in rows]
    print(json.dumps({"bench": name, "rows": body, "short": sum(row.holds is False for row in rows)}))
    return 0
