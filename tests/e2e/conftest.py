"""A hub's API with a morning's work on it, and a real browser."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from tests.e2e.patience import WAITS_MS

from roundsman_core.geo import LatLon
from roundsman_core.timebase import TimeBase
from roundsman_hub.api import keys
from roundsman_hub.api.app import create_app
from roundsman_hub.broker import free_port
from roundsman_hub.clock import Clock
from roundsman_hub.geocode import AddressBook
from roundsman_hub.roads import GreatCircle
from roundsman_hub.settings import BrokerLogin, Endpoint, Settings
from roundsman_hub.store.db import Database
from roundsman_hub.store.rows import notify
from roundsman_sim import town, town_file

NAMES = ("Alma", "Björn", "Chidi", "Dana")


@dataclass(frozen=True, kw_only=True)
class Served:
    """The hub as a browser meets it, and the database behind it."""

    url: str
    key: str
    fleet: str
    db: Database
    clock: Clock
    client: httpx.Client
    vehicles: list[str]
    orders: list[dict[str, Any]]
    blobs: Path

    def heard(self, vehicle: str, at: LatLon, *, silent_s: float = 0.0, heading_deg: float = 45.0) -> None:
        """The hub hears where a van is (or last heard it `silent_s` ago)."""
        with self.db.transaction() as cur:
            cur.execute(
                "INSERT INTO vehicle_now (vehicle_id, fleet_id, online, time, lat_e6, lon_e6, speed_cm_s, heading_cdeg, duty, seen_real_at)"
                " VALUES (%(v)s, %(f)s, %(on)s, %(t)s, %(lat)s, %(lon)s, 830, %(h)s, 'on', %(seen)s) ON CONFLICT (vehicle_id) DO UPDATE SET"
                " online = %(on)s, time = %(t)s, lat_e6 = %(lat)s, lon_e6 = %(lon)s, heading_cdeg = %(h)s, seen_real_at = %(seen)s",
                {
                    "v": vehicle,
                    "f": self.fleet,
                    "on": silent_s == 0,
                    "t": self.clock.now() - timedelta(seconds=silent_s),
                    "lat": at.lat_e6,
                    "lon": at.lon_e6,
                    "h": round(heading_deg * 100),
                    "seen": self.clock.real_now() - timedelta(seconds=silent_s),
                },
            )
            notify(cur, "vehicle", self.fleet, vehicle)

    def plan(self, vehicle: str, stops: list[dict[str, Any]], *, reason: str, changes: tuple[str, ...] = ()) -> None:
        """A plan that came into force on the van, with its arrival times."""
        now = self.clock.now()
        with self.db.transaction() as cur:
            cur.execute("SELECT coalesce(max(version), 0) AS newest FROM plans WHERE vehicle_id = %s", (vehicle,))
            version = max(self.clock.utc_ms(), cur.fetchall()[0]["newest"] + 1)  # two plans in one millisecond are two plans
        wire = {
            "plan": f"p-{version}",
            "vehicle": vehicle,
            "version": version,
            "issued_utc_ms": version,
            "based_on": {"session": None, "facts_seq": 0},
            "stops": [
                {
                    "stop": o["order"],
                    "tasks": [o["order"]],
                    "lat_e6": round(o["lat_deg"] * 1e6),
                    "lon_e6": round(o["lon_deg"] * 1e6),
                    "kind": o["kind"],
                    "fence_radius_m": 50,
                    "leg_s": 360,
                    "leg_m": 1_500,
                    "service_s": 180,
                    "arrival_utc_ms": self.clock.utc_ms() + 540_000 * at,
                }
                for at, o in enumerate(stops, 1)
            ],
        }
        with self.db.transaction() as cur:
            cur.execute(
                "INSERT INTO plans (vehicle_id, version, fleet_id, issued_at, issued_real_at, reason, changes, plan, hash, envelope)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 'h', '')",
                (vehicle, version, self.fleet, now, now, reason, json.dumps(changes), json.dumps(wire)),
            )
            cur.execute(
                "INSERT INTO plan_receipts (vehicle_id, version, fleet_id, state, hash, received_real_at)"
                " VALUES (%s, %s, %s, 'in_force', 'h', %s)",
                (vehicle, version, self.fleet, now),
            )
            for at, order in enumerate(stops, 1):
                eta = now + timedelta(minutes=9 * at)
                cur.execute(
                    "INSERT INTO plan_tasks (vehicle_id, version, fleet_id, order_id, position) VALUES (%s, %s, %s, %s, %s)",
                    (vehicle, version, self.fleet, order["order"], at),
                )
                cur.execute(
                    "INSERT INTO etas (order_id, fleet_id, vehicle_id, plan_version, position, eta, low, high, computed_at, basis)"
                    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, 'uncalibrated')"
                    " ON CONFLICT (order_id) DO UPDATE SET vehicle_id = excluded.vehicle_id, eta = excluded.eta",
                    (order["order"], self.fleet, vehicle, version, at, eta, eta - timedelta(minutes=3), eta + timedelta(minutes=4), now),
                )
            notify(cur, "plan", self.fleet, vehicle)

    def resolve(self, vehicle: str, order: dict[str, Any], state: str, *, ago: timedelta, reason: str | None = None) -> None:
        """A driver's tap, as the hub derived it."""
        at = self.clock.now() - ago
        with self.db.transaction() as cur:
            cur.execute(
                "INSERT INTO order_states (order_id, fleet_id, state, vehicle_id, at, arrived_at, reason, action)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
                " ON CONFLICT (order_id) DO UPDATE SET state = excluded.state, at = excluded.at, reason = excluded.reason",
                (order["order"], self.fleet, state, vehicle, at, at, reason, f"a-{order['order']}"),
            )
            notify(cur, "order", self.fleet, order["order"])


AXE = Path(__file__).parents[2] / "dashboards" / "web" / "node_modules" / "axe-core" / "axe.min.js"
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="session")
def axe() -> Callable[[Any], list[str]]:
    """What axe finds wrong with a page as it is now: rule, and the first element that breaks it. WCAG 2.2 AA and good practice."""
    if not AXE.exists():
        pytest.skip("axe-core is not there: run .ci/web")
    source = AXE.read_text(encoding="utf-8")

    def look(page: Any) -> list[str]:
        page.evaluate(f"window.axe || (() => {{ {source} }})()")
        found = page.evaluate("tags => axe.run(document, {runOnly: {type: 'tag', values: tags}, resultTypes: ['violations']})", WCAG)
        return [f"{v['id']}: {n['html'][:160]} ({n['failureSummary'][:300]})" for v in found["violations"] for n in v["nodes"][:2]]

    return look


@pytest.fixture(scope="session")
def until() -> Callable[[Callable[[], bool]], None]:
    """Wait for a condition, at most a minute and a half."""

    def wait(holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 90
        while not holds():
            assert time.monotonic() < deadline, "it did not come to hold within 90 s"
            time.sleep(0.02)

    return wait


@pytest.fixture(scope="module")
def hub(
    plain_database: Database, tmp_path_factory: pytest.TempPathFactory, until: Callable[[Callable[[], bool]], None]
) -> Iterator[Served]:
    """Four vans and forty orders in the made-up town, some done, one failed, one without a van, one without a place."""
    if not (Path(__file__).parents[2] / "hub" / "roundsman_hub" / "web" / "dispatch.html").exists():
        pytest.skip("the pages are not built: run .ci/web")
    folder = tmp_path_factory.mktemp("town")
    place = town.build(seed=1)
    town_file.write(place, folder / "town.osm.pbf")
    clock = Clock(TimeBase(origin_real_ms=round(time.time() * 1000), origin_utc_ms=1_772_445_600_000, factor=1.0))  # a Monday, 10:00 UTC
    port = free_port()
    settings = Settings(
        data_dir=folder,
        database_url=plain_database.dsn,
        hub_broker=BrokerLogin(host="127.0.0.1", port=0, username="", password=""),
        vans_broker=Endpoint(host="127.0.0.1", port=0),
        api=Endpoint(host="127.0.0.1", port=port),
        osm=folder / "town.osm.pbf",
    )
    app = create_app(settings, plain_database, clock, AddressBook.from_osm(folder / "town.osm.pbf"), GreatCircle())
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=1, ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    fleet, _ = keys.first_fleet(plain_database, "Brackwater parcels", "Europe/London")
    key = keys.create(plain_database, fleet, "admin", "tests")
    with httpx.Client(
        base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {key}"}, timeout=60, trust_env=False
    ) as client:
        served = Served(
            url=f"http://127.0.0.1:{port}", key=key, fleet=fleet, db=plain_database, clock=clock, client=client, vehicles=[], orders=[],
            blobs=settings.blobs_dir,
        )  # fmt: skip
        _morning(served, place, clock.now())
        yield served
    server.should_exit = True
    thread.join(5)


def _made(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def _morning(served: Served, place: town.Town, now: datetime) -> None:
    client, vehicles, orders = served.client, served.vehicles, served.orders
    at = place.place(place.depot.door_m)
    depot = _made(client, "/v1/depots", {"name": "Quay", "lat_deg": at.lat_deg, "lon_deg": at.lon_deg})["depot"]
    shift = {"shift_start": (now - timedelta(hours=2)).isoformat(), "shift_end": (now + timedelta(hours=7)).isoformat()}
    for number, name in enumerate(NAMES, 1):
        driver = _made(client, "/v1/drivers", {"name": name})["driver"]
        body = {"name": f"Van {number}", "depot": depot, "driver": driver, "capacity": 40, **shift}
        vehicles.append(_made(client, "/v1/vehicles", body)["vehicle"])
    houses = place.houses[:: len(place.houses) // 40][:40]
    for number, house in enumerate(houses):
        start = now + timedelta(minutes=(number % 10) * 15 - 30)
        window = {"window_start": start.isoformat(), "window_end": (start + timedelta(hours=2)).isoformat()}
        orders.append(_made(client, "/v1/orders", {"reference": f"B-{100 + number}", "name": "Kit", "address": house.address, **window}))
    _made(client, "/v1/orders", {"reference": "B-200", "address": "Nowhere Lane 7", **window})
    for number, vehicle in enumerate(vehicles):
        mine = orders[number * 9 : number * 9 + 9]
        changes = ("B-127 from Van 4", "B-111 now 3rd, was 5th") if number == 1 else ()
        served.plan(vehicle, mine, reason="urgent pickup B-127 ordered" if number == 1 else "the day's first plan", changes=changes)
        for done in mine[:2]:
            served.resolve(vehicle, done, "delivered", ago=timedelta(minutes=12))
        served.heard(vehicle, LatLon(mine[2]["lat_deg"], mine[2]["lon_deg"]), silent_s=95 if number == 3 else 0, heading_deg=80 * number)
    served.resolve(vehicles[0], orders[2], "failed", ago=timedelta(minutes=3), reason="nobody at home")
    with served.db.transaction() as cur:
        cur.execute(
            "INSERT INTO unassigned (order_id, fleet_id, reason, at) VALUES (%s, %s, %s, %s)",
            (orders[37]["order"], served.fleet, "no van can be there before 10:45 (earliest 11:02)", now),
        )


FITS = """() => {
  const wrong = [];
  const say = (what, node) => wrong.push(`${what}: ${node.className} ${node.textContent.slice(0, 40)}`);
  if (document.documentElement.scrollWidth > document.documentElement.clientWidth) say("scrolls sideways", document.body);
  for (const node of document.querySelectorAll(".button, .filter, h2, dt, dd, label, .brand, .link, .exception-text, .legend li, .badge")) {
    const box = node.getBoundingClientRect();
    if (!node.checkVisibility() || box.width < 2 || node.closest(".timeboard, .scroll, .unseen")) continue;
    if (box.left < -1 || box.right > innerWidth + 1) say("off the page", node);
    if (node.scrollWidth > node.clientWidth + 1 && node.clientWidth) say("cut off", node);
  }
  return wrong;
}"""
"""Nothing sticks out or is cut off (WCAG 2.2, 1.4.10: reflow at 320 px)."""


@pytest.fixture(scope="session")
def misfits() -> Callable[[Any], list[str]]:
    """What sticks out of a page as it is now, or is cut off."""
    return lambda page: list(page.evaluate(FITS))


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a page of a size and look. Whatever it complains of in its console fails the test; where its line is to be cut, the browser
    notes what was under way."""
    complaints: list[str] = []
    contexts = []

    def opening(width: int = 1440, height: int = 900, scheme: Any = "light", *, cut_off: bool = False, **more: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **more)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAITS_MS)
        page.on(
            "console",
            lambda message: (
                complaints.append(message.text) if message.type == "error" and not (cut_off and "net::ERR_" in message.text) else None
            ),
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield opening
    for context in contexts:
        context.close()
    assert not [text for text in complaints if "status of 4" not in text]
