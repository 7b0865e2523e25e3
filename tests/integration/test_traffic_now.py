"""What closes or slows streets, on a running hub: matrix, plan and arrival time follow, and go back by themselves when it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import osmium
import pytest
from tests.waiting import until

from roundsman_core.geo import LatLon
from roundsman_core.timebase import TimeBase
from roundsman_hub.roads.extract import osrm_folder
from roundsman_hub.store.db import Database
from roundsman_hub.store.rows import rows

pytestmark = pytest.mark.skipif(osrm_folder() is None, reason="there is no OSRM here (it needs Python 3.12)")
FACTOR = 60.0
SIDE = 12
ZONE = "Europe/Helsinki"
MONDAY = datetime(2026, 3, 2, 8, 0, tzinfo=ZoneInfo(ZONE))
HOLDS = (timedelta(minutes=20), timedelta(minutes=75))
"""A third of a minute of the test's; and once more for longer, where a crowded machine brought in nothing in that time."""


def crossing(row: int, column: int) -> LatLon:
    """111 m from north to south, 71 m from west to east."""
    return LatLon(50.0 + row * 0.001, 8.0 + column * 0.001)


def node(row: int, column: int) -> int:
    return 1 + row * SIDE + column


def village(path: Path) -> None:
    """A grid of streets."""
    with osmium.SimpleWriter(str(path)) as writer:
        for row in range(SIDE):
            for column in range(SIDE):
                at = crossing(row, column)
                writer.add_node(osmium.osm.mutable.Node(id=node(row, column), location=(at.lon_deg, at.lat_deg), version=1))
        for line in range(SIDE):
            for number, nodes in (
                (1 + line, [node(line, column) for column in range(SIDE)]),
                (101 + line, [node(row, line) for row in range(SIDE)]),
            ):
                writer.add_way(osmium.osm.mutable.Way(id=number, nodes=nodes, tags={"highway": "residential"}, version=1))


@dataclass
class Hub:
    """A running hub with a village's streets, a minute in a second."""

    http: httpx.Client
    base: TimeBase
    database_url: str

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.base.utc_ms(1000 * time.time()) / 1000, UTC)

    def post(self, path: str, **body: Any) -> Any:
        answer = self.http.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def way_s(self, a: LatLon, b: LatLon, **query: Any) -> int:
        """By the hub's matrix, as VROOM's door is told it."""
        body = {
            "vehicles": [{"id": 1, "start": [a.lon_deg, a.lat_deg]}],
            "jobs": [{"id": 1, "location": [b.lon_deg, b.lat_deg]}],
            "options": {"l": 0},
        }
        answer = self.http.post("/vroom", json=body, params=query)
        assert answer.is_success, answer.text
        return int(answer.json()["summary"]["duration"])

    def leg_s(self, order: str) -> int:
        """By the newest plan that has it."""
        with Database.connect(self.database_url, max_size=1) as db, db.transaction() as cur:
            found = rows(
                cur,
                "SELECT (s ->> 'leg_s')::integer AS leg_s FROM plans p, jsonb_array_elements(p.plan -> 'stops') s"
                " WHERE s ->> 'stop' = %s ORDER BY p.version DESC LIMIT 1",
                (order,),
            )
        return int(found[0]["leg_s"]) if found else -1

    def arrives_s(self, order: str) -> float:
        """Arrival time, in seconds after it was told: nobody has set out."""
        items = self.http.get("/v1/etas", params={"order": order}).json()["items"]
        if not items:
            return -1.0
        told, eta = (datetime.fromisoformat(items[0][name]) for name in ("computed_at", "eta"))
        return (eta - told).total_seconds()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    folder = tmp_path_factory.mktemp("traffic")
    village(folder / "village.osm.pbf")
    data, log = folder / "hub", folder / "hub.log"
    base = TimeBase(origin_real_ms=round(time.time() * 1000), origin_utc_ms=round(MONDAY.timestamp() * 1000), factor=FACTOR)
    command = [sys.executable, "-m", "roundsman_hub", "serve", "--data", str(data), "--api-port", "0", "--vans-port", "0"]
    command += ["--osm", str(folder / "village.osm.pbf"), "--time-base", str(base)]
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    try:
        until(lambda: "vans' broker:" in log.read_text() or process.poll() is not None, within_s=90, what=log.read_text)
        assert process.poll() is None, log.read_text()
        about = json.loads((data / "hub.json").read_text())
        key = (data / "admin.key").read_text().strip()
        with httpx.Client(base_url=about["api_url"], headers={"Authorization": f"Bearer {key}"}, trust_env=False, timeout=30) as http:
            made = Hub(http=http, base=base, database_url=about["database_url"])
            assert http.patch("/v1/fleets/me", json={"timezone": ZONE}).is_success
            yield made
    finally:
        process.terminate()
        process.wait(90)


def order(hub: Hub, depot: str, at: LatLon) -> str:
    now = hub.now()
    made: str = hub.post(
        "/v1/orders",
        depot=depot,
        name="Kit",
        kind="pickup",
        lat_deg=at.lat_deg,
        lon_deg=at.lon_deg,
        window_start=now.isoformat(),
        window_end=(now + timedelta(hours=9)).isoformat(),
    )["order"]
    return made


def strip(top: float, bottom: float, left: float, right: float) -> list[list[float]]:
    """An area by rows and columns of the grid."""
    corners = ((top, left), (top, right), (bottom, right), (bottom, left))
    return [[50.0 + row * 0.001, 8.0 + column * 0.001] for row, column in corners]


def test_a_closure_a_zone_and_measured_speeds_reach_matrix_plan_and_arrival_time_and_end_by_themselves(hub: Hub) -> None:
    """One street each: the closure across rows 0 to 2, the zone across 5 to 7, the feed's crawl along 11 and its neighbour."""
    ways = {row: (crossing(row, 0), crossing(row, SIDE - 1)) for row in (0, 6, 11)}
    orders, vans = {}, {}
    for row, (start, end) in ways.items():
        depot = hub.post("/v1/depots", name=f"Depot {row}", lat_deg=start.lat_deg, lon_deg=start.lon_deg)["depot"]
        now = hub.now()
        shift = {"shift_start": now.isoformat(), "shift_end": (now + timedelta(hours=10)).isoformat()}
        vans[row] = hub.post("/v1/vehicles", name=f"Van {row}", depot=depot, capacity=5, **shift)["vehicle"]
        orders[row] = order(hub, depot, end)

    def seen() -> dict[int, tuple[int, int, float]]:
        return {row: (hub.way_s(*ways[row]), hub.leg_s(orders[row]), hub.arrives_s(orders[row])) for row in ways}

    until(lambda: all(leg > 0 and eta > 0 for _, leg, eta in seen().values()), within_s=120, what=seen)
    before = seen()
    way = hub.http.get(f"/v1/vehicles/{vans[6]}/way").json()
    (leg,) = way["legs"]
    assert (way["basis"], leg["stop"]) == ("osrm", orders[6])
    assert [leg["steps"][n]["what"] for n in (0, -1)] == ["depart", "arrive"]
    assert abs(leg["duration_s"] - before[6][1]) <= 2, "the screen's way is the plan's"

    def all_longer() -> bool:
        return all(way > 1.4 * before[row][0] and leg > 1.4 * before[row][1] for row, (way, leg, _) in seen().items())

    def all_later() -> bool:
        return all(eta > before[row][2] + 0.5 * (way - before[row][0]) for row, (way, _, eta) in seen().items())

    def back() -> bool:
        return all((way, leg) == before[row][:2] for row, (way, leg, _) in seen().items())

    def brought_in(holds: timedelta) -> tuple[bool, str]:
        """Close, zone and slow for so long; gives whether all of it was seen meanwhile, and the zone. A crowded machine takes its time."""
        now = hub.now()
        ends = now + holds
        hub.post("/v1/closures", name="Bridge works", ring_deg=strip(-0.5, 2.5, 5.2, 5.8), until_utc=ends.isoformat())
        local = now.astimezone(ZoneInfo(ZONE))
        closed = [{"days": ["mon"], "start": f"{local:%H:%M}", "end": f"{local + holds:%H:%M}"}]
        zone: str = hub.post("/v1/access-zones", name="Market", ring_deg=strip(3.5, 8.5, 5.2, 5.8), hours=closed)["zone"]
        crawl = [(node(row, column), node(row, column + 1)) for row in (10, 11) for column in range(SIDE - 1)]
        crawl += [(node(11, column), node(10, column)) for column in range(SIDE)]
        crawl += [(node(10, column), node(9, column)) for column in range(SIDE)]
        feed = "".join(f"{a},{b},3\n" for a, b in crawl)
        taken = hub.http.post(f"/v1/speeds:import?hours={holds.total_seconds() / 3600}", content=feed, headers={"Content-Type": "text/csv"})
        assert taken.json()["used"], taken.text
        reached = False
        while hub.now() < ends and not reached:
            reached = all_longer() and all_later()
            time.sleep(0.1)
        for row, way in ways.items():
            assert hub.way_s(*way, open_streets=True) == before[row][0], "for another day's plan nothing is closed"
        until(lambda: hub.now() > ends, within_s=holds.total_seconds() / FACTOR + 60, what=hub.now)
        return reached, zone

    for holds in HOLDS:
        reached, zone = brought_in(holds)
        until(back, within_s=120, what=lambda: (before, seen()))
        if reached:
            break
        assert hub.http.delete(f"/v1/access-zones/{zone}").status_code == 204
    assert reached, (before, seen())
    until(lambda: not all_later(), within_s=120, what=lambda: (before, seen()))
    assert hub.http.get("/v1/closures").json()["items"] == []
    assert [(one["zone"], one["holds"]) for one in hub.http.get("/v1/access-zones").json()["items"]] == [(zone, False)]
