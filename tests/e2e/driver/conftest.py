"""A van's unit as it stands in a van: the real program, a receiver on a line, a broker that can be killed, and a glass of each size."""

from __future__ import annotations

import contextlib
import gzip
import json
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from playwright.sync_api import Browser, BrowserContext, Page, expect
from tests import waiting
from tests.e2e.patience import WAITS_MS

from roundsman_agent.basemap import Basemap
from roundsman_core.geo import LatLon
from roundsman_hub import broker as hub_broker, pki as hub_pki
from roundsman_hub.provision import Unit, provision
from roundsman_hub.roads.basemap import basemap
from roundsman_hub.settings import Endpoint
from roundsman_sim import town, town_file
from roundsman_wire import channels, envelopes
from roundsman_wire.messages import BasedOn, EnvelopeHeader, Parcel, Plan, PlanStop, Reorder

VEHICLE = "v_0123456789ab"
DEADLINE_S = 60.0
SIZES = {"3.5 inch": (480, 320), "5 inch": (800, 480), "telephone": (390, 844), "small telephone": (360, 640), "narrow": (320, 568)}
STREETS = ("Mannerheimintie 104 B 12", "Runeberginkatu 12 B", "Pohjoisesplanadi 33", "Kalevankatu 5", "Hämeentie 155 C", "Sturenkatu 4")


until = partial(waiting.until, within_s=DEADLINE_S)


@pytest.fixture(scope="session")
def wait() -> Callable[[Callable[[], Any], str], Any]:
    return until


@pytest.fixture(scope="session")
def scan() -> Callable[[Page, str, str], None]:
    """Type a code as a scanner does, and again when the machine held its keys up, as a driver would."""

    def type_code(page: Page, code: str, shows: str) -> None:
        def shown() -> bool:
            page.keyboard.type(code, delay=5)
            page.keyboard.press("Enter")
            with contextlib.suppress(AssertionError):
                expect(page.locator("#scanned")).to_contain_text(shows, timeout=5_000)
                return True
            return False

        until(shown, f"{code} is read")

    return type_code


class Receiver:
    """A receiver on a TCP port, one fix a second: standing, driving, or gone."""

    def __init__(self, at: LatLon) -> None:
        self.lat_deg, self.lon_deg = at.lat_deg, at.lon_deg
        self.north_mps = 0.0
        self.alive = True
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        self._said_s = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._speak)
        self._thread.start()

    def _speak(self) -> None:
        self._door.settimeout(0.1)
        while not self._end.is_set():
            try:
                line, _ = self._door.accept()
            except TimeoutError:
                continue
            with line:
                try:
                    while self.alive and not self._end.wait(1 - time.time() % 1):
                        self.lat_deg += self.north_mps / 111_195
                        line.sendall(self._sentence())
                except OSError:
                    continue
            if not self.alive:
                self._door.close()
                return

    def _sentence(self) -> bytes:
        def angle(deg: float, width: int) -> str:
            whole, minutes = divmod(round(abs(deg) * 6e6), 6_000_000)
            return f"{whole:0{width}d}{minutes / 1e5:08.5f}"

        self._said_s = max(self._said_s + 1, round(time.time()))  # one that was late for a second has not said the next one before
        at = time.gmtime(self._said_s)
        north, east = "N" if self.lat_deg >= 0 else "S", "E" if self.lon_deg >= 0 else "W"
        place = f"{angle(self.lat_deg, 2)},{north},{angle(self.lon_deg, 3)},{east}"
        body = f"GNRMC,{time.strftime('%H%M%S', at)}.00,A,{place},{self.north_mps * 1.943844:.1f},0.0,{time.strftime('%d%m%y', at)},,,A"
        checksum = 0
        for char in body.encode():
            checksum ^= char
        return f"${body}*{checksum:02X}\r\n".encode()

    def close(self) -> None:
        self._end.set()
        self._thread.join()
        self._door.close()


class Hub:
    """Someone who may steer the van: signs documents and gives them to the broker, which keeps them."""

    def __init__(self, pki: hub_pki.Pki, broker: hub_broker.Broker, place: LatLon) -> None:
        self.pki, self.broker, self.place = pki, broker, place
        self.process: Any = None
        self.version = 0
        self.start_broker()

    def start_broker(self) -> None:
        self.process = hub_broker.start(self.broker)

    def kill_broker(self) -> None:
        """No network: nothing answers where the hub was."""
        self.process.kill()
        self.process.wait()

    def stop(self, number: int, **changes: Any) -> PlanStop:
        now_utc_ms = round(time.time() * 1000)
        fields: dict[str, Any] = {
            "stop": f"o_{number}",
            "tasks": (f"o_{number}",),
            "kind": "delivery",
            "lat_e6": self.place.lat_e6 + 2_300 * (number + 1),
            "lon_e6": self.place.lon_e6 + (2_600 if number % 2 else -1_500),
            "fence_radius_m": 40,
            "leg_s": 240,
            "leg_m": 1_600,
            "service_s": 90,
            "arrival_utc_ms": now_utc_ms,
            "name": f"{('Anna Virtanen', 'Café Ekberg', 'Kirjakauppa')[number % 3]}",
            "address": STREETS[number % len(STREETS)],
            "window_start_utc_ms": now_utc_ms - 3_600_000,
            "window_end_utc_ms": now_utc_ms + 2_400_000 * (number + 1),
        }
        return PlanStop(**(fields | changes))

    def give_plan(self, *stops: PlanStop, valid_s: float | None = None, **changes: Any) -> int:
        """Send a whole plan; gives its version."""
        self.version += 1
        now_utc_ms = round(time.time() * 1000)
        fields: dict[str, Any] = {
            "plan": f"p{self.version}",
            "vehicle": VEHICLE,
            "version": self.version,
            "issued_utc_ms": now_utc_ms,
            "based_on": BasedOn(session=None, facts_seq=0),
            "reason": "the day's first plan",
        }
        plan = Plan(stops=stops, **(fields | changes))
        self.say("plan", plan, plan.version, valid_until_utc_ms=None if valid_s is None else now_utc_ms + round(valid_s * 1000))
        return plan.version

    def say(self, kind: Any, payload: Any, version: int, **header: Any) -> None:
        signer = self.pki.signer()
        head = EnvelopeHeader(vehicle=VEHICLE, kind=kind, epoch=1, version=version, key_id=signer.key_id, **header)
        data = envelopes.seal(head, payload, signer.sign)
        row = channels.BY_NAME[kind]
        login = self.broker.hub
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id="dispatch", protocol=MQTTProtocolVersion.MQTTv5)
        client.username_pw_set(login.username, login.password)
        client.connect(login.host, login.port)
        client.loop_start()
        client.publish(channels.topic(VEHICLE, kind), data, qos=1, retain=row.retained).wait_for_publish(DEADLINE_S)
        client.disconnect()
        client.loop_stop()


@dataclass(kw_only=True)
class Van:
    """The running program, what it hears, and what it logs."""

    file: Path
    port: int
    hub: Hub
    receiver: Receiver
    process: subprocess.Popen[bytes] | None = None
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = httpx.Client(base_url=self.url, trust_env=False, timeout=60)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        command = [sys.executable, "-m", "roundsman_agent", "run", "-c", str(self.file)]
        with (self.file.parent / "stderr").open("ab") as errors:
            self.process = subprocess.Popen(command, stderr=errors)
        until(self._answers, "the screen answers")

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, "the program ended"
        try:
            return self.client.get("/api/screen").is_success
        except httpx.TransportError:
            return False

    def screen(self) -> dict[str, Any]:
        return dict(self.client.get("/api/screen").json())

    def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        return self.client.post(path, json=body)

    def has(self, what: str, holds: Callable[[dict[str, Any]], Any]) -> Any:
        return until(lambda: holds(self.screen()), what)

    def log(self, kind: str) -> list[dict[str, Any]]:
        """Facts of one kind, as they lie on the disk: of a copy, for the agent lets nobody else into its store."""
        with tempfile.TemporaryDirectory() as folder:
            files = [self.file.parent / "store" / name for name in ("log.db", "log.db-wal")]

            def copied() -> bool:
                """Whole: not while the agent brings the one into the other."""
                before = [(file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.exists()]
                for file in files:
                    if file.exists():
                        shutil.copy(file, folder)
                return before == [(file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.exists()]

            until(copied, "the store stands still")
            store = sqlite3.connect(Path(folder) / "log.db")
            rows = store.execute("SELECT body FROM facts WHERE kind = ? ORDER BY id", (kind,)).fetchall()
            store.close()
        return [msgspec.json.decode(row[0]) for row in rows]

    def end(self, how: int = signal.SIGTERM) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(DEADLINE_S)
        self.process = None
        told = (self.file.parent / "stderr").read_text()
        assert "Traceback" not in told, told


@pytest.fixture(scope="session")
def pretend_town(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The map that a hub would give: streets of the made-up town, gzipped."""
    path = tmp_path_factory.mktemp("town") / "town.osm.pbf"
    town_file.write(town.build(seed=1), path)
    return gzip.compress(json.dumps(basemap(path)).encode())


@pytest.fixture
def van(tmp_path: Path, pretend_town: bytes) -> Iterator[Van]:
    """On the road in the made-up town, its map on the disk, before the first plan."""
    pki = hub_pki.open_pki(tmp_path / "pki")
    doors = [Endpoint(host="127.0.0.1", port=hub_broker.free_port()) for _ in range(2)]
    place = LatLon(town.CENTRE.lat_deg - 0.004, town.CENTRE.lon_deg)
    hub = Hub(pki, hub_broker.prepare(tmp_path / "broker", pki, vans=doors[0], hub=doors[1]), place)
    receiver = Receiver(place)
    port = hub_broker.free_port()
    settings = Unit(
        vehicle_id=VEHICLE,
        broker=doors[0],
        receiver_url=f"tcp://127.0.0.1:{receiver.port}",
        screen=Endpoint(host="127.0.0.1", port=port),
        sampling="full",
    )
    file = provision(pki, settings, tmp_path / "unit")
    kept = Basemap(file.parent / "store" / "map")
    kept.begin('"town"')
    kept.add(pretend_town)
    kept.finish(round(time.time() * 1000))
    one = Van(file=file, port=port, hub=hub, receiver=receiver)
    one.start()
    yield one
    one.end()
    one.client.close()
    receiver.close()
    if hub.process.poll() is None:
        hub_broker.stop(hub.process)


@pytest.fixture
def round_of(van: Van) -> Callable[..., list[PlanStop]]:
    """Give the van a round of six stops as a hub would, with everything a stop can ask for, and begin the shift."""

    def give(*, duty: str = "on", **changes: Any) -> list[PlanStop]:
        stop = van.hub.stop
        now_utc_ms = round(time.time() * 1000)
        stops = [
            stop(
                0,
                instructions="Door code 4711. Ring twice, the bell is weak; leave nothing in the hall.",
                phone="+358 9 123 4567",
                parcels=2,
                priority=9,
                items=(
                    Parcel(parcel="PX-1001", name="Box, books", place="Shelf B3", weight_g=4_200),
                    Parcel(parcel="PX-1002", place="Floor"),
                ),
                promise_start_utc_ms=now_utc_ms - 600_000,
                promise_end_utc_ms=now_utc_ms + 1_200_000,
            ),
            stop(1, kind="pickup", parcels=3, contact_free=True),
            stop(2, proof=("photo", "signature"), items=(Parcel(parcel="PX-1003", name="Wine, 12 bottles", place="Shelf A1"),)),
            stop(3, pinned=True),
            stop(4),
            stop(5),
        ]
        changed = [msgspec.structs.replace(stop, **changes) for stop in stops[:1]] + stops[1:]
        depot = van.hub.place
        van.hub.give_plan(
            *changed,
            depot_lat_e6=depot.lat_e6 - 40_000,
            depot_lon_e6=depot.lon_e6,
            reorder=Reorder(max_moved=6, max_extra_s=3_600),
        )
        van.has("the plan is there", lambda state: state["plan"])
        if duty != "off":
            assert van.post("/api/duty", {"duty": duty, "driver": "d_1"}).is_success
            van.has("its place is known", lambda state: state["fix"]["state"] == "ok")
        return changed

    return give


@pytest.fixture
def glass(browser: Browser, van: Van) -> Iterator[Callable[..., Page]]:
    """Open the unit's page on a glass of some size. Whatever it complains of in its console fails the test, unless the link is down."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def look(size: str = "3.5 inch", *, light: str | None = "day", language: str = "auto", quiet: bool = False, **options: Any) -> Page:
        width, height = SIZES[size]
        context = browser.new_context(viewport={"width": width, "height": height}, service_workers="block", **options)
        contexts.append(context)
        chosen = {"language": language, **({"light": light} if light else {})}
        chosen_js = f"for (const [k, v] of Object.entries({json.dumps(chosen)})) localStorage.setItem(k, v)"
        context.add_init_script(f"if (location.protocol === 'http:') {chosen_js}")
        page = context.new_page()
        page.set_default_timeout(WAITS_MS)
        if not quiet:
            page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(van.url)
        page.wait_for_selector("[data-act]")
        return page

    yield look
    for context in contexts:
        context.close()
    assert not complaints


AUDIT = (Path(__file__).parent / "audit.js").read_text()
STANDS_JS = "Promise.all(document.getAnimations().map(one => one.finished.catch(() => null)))"
"""What has just come still rises from below the glass's edge."""


@pytest.fixture(scope="session")
def audit() -> Callable[[Page], list[str]]:
    """What is wrong with a view: cut off, off the glass, or against what a program can judge of WCAG 2.2 AA."""

    def check(page: Page) -> list[str]:
        page.evaluate(STANDS_JS)
        return list(page.evaluate(AUDIT))

    return check
