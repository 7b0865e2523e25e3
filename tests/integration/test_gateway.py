"""A phone and a tracker stand in for vans: what they send is in the log exactly once, whatever is killed meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as paho
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from tests import waiting

WITHIN_S = 150.0
POSITIONS = 60


until = partial(waiting.until, within_s=WITHIN_S)


@dataclass
class Hub:
    """A running hub with a gateway, its admin, and a device's way in."""

    data: Path
    api: httpx.Client
    door: httpx.Client

    @property
    def about(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self.data / "hub.json").read_text())
        return told

    def rows(self, sql: Any, *values: Any) -> list[Any]:
        with psycopg.connect(self.about["database_url"]) as connection:
            return connection.execute(sql, values).fetchall()

    def post(self, path: str, **body: Any) -> Any:
        answer = self.api.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def vehicle(self, name: str, hours: float = 4.0) -> str:
        depot = self.post("/v1/depots", name=f"Depot of {name}", lat_deg=50.0, lon_deg=10.0)["depot"]
        now = datetime.now(UTC)
        shift = {"shift_start": (now - timedelta(hours=4)).isoformat(), "shift_end": (now + timedelta(hours=hours)).isoformat()}
        return str(self.post("/v1/vehicles", name=name, depot=depot, capacity=20, **shift)["vehicle"])

    def device(self, vehicle: str, kind: str) -> str:
        answer = self.api.put(f"/v1/vehicles/{vehicle}/device", json={"kind": kind, "unique_id": "868204001234567"})
        assert answer.is_success, answer.text
        return str(answer.json()["path"])

    def send(self, ask: Callable[[], httpx.Response]) -> httpx.Response:
        """As devices do: again and again, until somebody answers."""

        def attempt() -> httpx.Response | None:
            try:
                answer = ask()
            except httpx.TransportError:
                return None
            return None if answer.status_code in (401, 503) else answer

        found: httpx.Response = until(attempt, "an answer from the gateway")
        return found


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    data = tmp_path_factory.mktemp("gateway") / "hub"
    log = data.parent / "log"
    command = [
        sys.executable,
        "-m",
        "roundsman_hub",
        "serve",
        "--data",
        str(data),
        "--api-port",
        "0",
        "--vans-port",
        "0",
        "--gateway-port",
        "0",
        "--gateway-mqtt-port",
        "0",
    ]
    with log.open("w") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    try:
        until(lambda: "vans' broker:" in log.read_text() or process.poll() is not None, "the hub is ready")
        assert process.poll() is None, log.read_text()
        about = json.loads((data / "hub.json").read_text())
        key = (data / "admin.key").read_text().strip()
        door = f"http://{about['gateway']['host']}:{about['gateway']['port']}"
        with (
            httpx.Client(base_url=about["api_url"], headers={"Authorization": f"Bearer {key}"}, trust_env=False, timeout=60) as api,
            httpx.Client(base_url=door, trust_env=False, timeout=60) as client,
        ):
            yield Hub(data=data, api=api, door=client)
    finally:
        process.terminate()
        process.wait(90)


def as_traccar_client(said: dict[str, str]) -> dict[str, Any]:
    """The same as Traccar Client says it since version 9."""
    coords = {"latitude": float(said["lat"]), "longitude": float(said["lon"]), "speed": float(said["speed"]) * 1852 / 3600, "heading": -1}
    when = f"{datetime.fromtimestamp(int(said['timestamp']), UTC):%Y-%m-%dT%H:%M:%S.000Z}"
    return {"device_id": said["id"], "location": {"timestamp": when, "coords": coords, "is_moving": True}}


def test_a_trackers_positions_are_in_the_log_exactly_once_over_a_killed_gateway(hub: Hub) -> None:
    """Invariants 2 and 8: every kept entry ends at the hub exactly once; a request sent twice is one."""
    vehicle = hub.vehicle("Tracker")
    path = hub.device(vehicle, "osmand")
    began = int(time.time()) - POSITIONS
    for number in range(POSITIONS):
        said = {"id": "868204001234567", "lat": f"{50 + number / 1e4:.6f}", "lon": "10.0", "timestamp": str(began + number), "speed": "20"}
        for again in range(2 if number % 10 == 0 else 1):  # the network ate the answer: it says it again, in one of the three ways

            def ask(said: dict[str, str] = said, way: int = (number + again) % 3) -> httpx.Response:
                if way == 2:
                    return hub.door.post(path, json=as_traccar_client(said))
                return hub.door.post(path, data=said) if way else hub.door.get(path, params=said)

            assert hub.send(ask).status_code == 200
        if number in (20, 40):
            killed = hub.about["pids"]["gateway"]
            os.kill(killed, signal.SIGKILL)
            until(lambda killed=killed: hub.about["pids"].get("gateway") not in (None, killed), "the gateway runs again")  # type: ignore[misc]
    counted = "SELECT count(*), count(DISTINCT time), min(lat_e6), max(lat_e6) FROM log.fixes WHERE vehicle_id = %s"
    until(lambda: hub.rows(counted, vehicle)[0][0] >= POSITIONS, f"all positions at the hub: {hub.rows(counted, vehicle)}")
    assert hub.rows(counted, vehicle) == [(POSITIONS, POSITIONS, 50_000_000, 50_005_900)]
    kinds = dict(hub.rows("SELECT kind, count(*) FROM log.entries WHERE vehicle_id = %s GROUP BY kind", vehicle))
    assert kinds == {"session": 3, "duty": 1}, "one session for each start that heard it; one shift"


def test_a_phones_locations_are_taken_and_what_it_says_off_shift_is_thrown_away(hub: Hub) -> None:
    vehicle, resting = hub.vehicle("Phone"), hub.vehicle("Resting", hours=-1.0)
    path, elsewhere = hub.device(vehicle, "owntracks"), hub.device(resting, "owntracks")
    now = int(time.time())
    for way in (path, elsewhere):
        for said in (
            {"_type": "location", "lat": 50.1, "lon": 10.1, "tst": now - 2, "acc": 8, "vel": 36, "tid": "ab"},
            {"_type": "waypoint", "desc": "a place", "lat": 1.0, "lon": 1.0, "tst": now},
            {"_type": "location", "lat": 95.0, "lon": 10.1, "tst": now - 1},
            {"_type": "transition", "event": "enter", "lat": 50.2, "lon": 10.1, "tst": now, "acc": 8},
        ):
            assert hub.send(lambda way=way, said=said: hub.door.post(way, json=said)).json() == []  # type: ignore[misc]
    found = "SELECT lat_e6, speed_cm_s FROM log.fixes WHERE vehicle_id = %s ORDER BY time"
    until(lambda: len(hub.rows(found, vehicle)) >= 2, "both positions")
    assert hub.rows(found, vehicle) == [(50_100_000, 1000), (50_200_000, None)]
    assert hub.rows(found, resting) == []
    marker = "SELECT lat_e6, online, duty FROM vehicle_now WHERE vehicle_id = %s"
    until(lambda: hub.rows(marker, vehicle) == [(50_200_000, True, "on")], "the newest of them is the live marker")
    assert hub.rows(marker, resting) == []
    spool = (hub.data / "gateway" / "spool.db").read_bytes() + (hub.data / "gateway" / "spool.db-wal").read_bytes()
    assert vehicle.encode() in spool
    assert resting.encode() not in spool


def test_a_token_opens_one_devices_door_only(hub: Hub) -> None:
    vehicle = hub.vehicle("Another")
    path = hub.device(vehicle, "osmand")
    said = {"id": "somebody else", "lat": "50.0", "lon": "10.0"}
    assert hub.send(lambda: hub.door.get(path, params=said)).status_code == 403
    assert hub.door.get("/osmand/guessed", params=said).status_code == 401
    assert hub.door.post(path.replace("osmand", "owntracks"), json={}).status_code == 401
    assert hub.api.delete(f"/v1/vehicles/{vehicle}/device").status_code == 204
    until(lambda: hub.door.get(path, params=said).status_code == 401, "its token is of no use any more")


class Phone:
    """OwnTracks in its usual mode: MQTT, each position retained and at QoS 1, its last will left with the broker."""

    def __init__(self, hub: Hub, user: str, password: str, topic: str) -> None:
        self.topic, self.refused = topic, False
        self._given: set[int] = set()
        self.client = paho.Client(CallbackAPIVersion.VERSION2, client_id=user, protocol=paho.MQTTv311, clean_session=False)
        self.client.username_pw_set(user, password)
        self.client.tls_set(str(hub.data / "pki" / "ca.pem"))
        self.client.will_set(topic, json.dumps({"_type": "lwt", "tst": int(time.time())}), qos=1)
        self.client.on_connect = self._connected
        self.client.on_publish = lambda *seen: self._given.add(seen[2])
        self.client.connect(hub.about["phones"]["host"], hub.about["phones"]["port"], keepalive=20)
        self.client.loop_start()
        until(lambda: self.refused or self.client.is_connected(), "an answer from the broker")

    def _connected(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self.refused = self.refused or reason.is_failure

    def say(self, said: Any, topic: str = "") -> None:
        """Send, and wait until the broker has it."""
        mid = self.client.publish(topic or self.topic, json.dumps(said), qos=1, retain=True).mid
        until(lambda: mid in self._given, "the broker has it")

    def vanish(self) -> None:
        """The network is gone without a word."""
        sock = self.client.socket()
        self.client.loop_stop()
        if sock is not None:
            sock.close()

    def end(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def location(at: int, lat: float) -> dict[str, Any]:
    return {"_type": "location", "lat": lat, "lon": 10.1, "tst": at, "acc": 8, "vel": 36, "tid": "ab"}


def registered(hub: Hub, vehicle: str) -> dict[str, Any]:
    answer = hub.api.put(f"/v1/vehicles/{vehicle}/device", json={"kind": "owntracks_mqtt", "unique_id": "phone"})
    assert answer.is_success, answer.text
    return dict(answer.json())


def joined(hub: Hub, made: dict[str, Any]) -> Phone:
    """The broker hears of a registration a moment later: a phone tries again, as the app does."""

    def attempt() -> Phone | None:
        one = Phone(hub, made["username"], made["password"], made["path"])
        if not one.refused:
            return one
        one.end()
        return None

    found: Phone = until(attempt, "the phone is let in")
    return found


@pytest.mark.timeout(500)
def test_a_phone_over_mqtt_is_in_the_log_once_and_sees_nothing_of_others(hub: Hub) -> None:
    """Invariants 2, 8 and 10, with a real broker: over a killed gateway, over tries at another's topic, and outside the shift."""
    vehicle, other, resting = hub.vehicle("Over MQTT"), hub.vehicle("Neighbour"), hub.vehicle("At home", hours=-1.0)
    made, others, at_home = registered(hub, vehicle), registered(hub, other), registered(hub, resting)
    assert (made["username"], made["path"]) == (vehicle, f"owntracks/{vehicle}/phone")
    phone, neighbour, home = joined(hub, made), joined(hub, others), joined(hub, at_home)
    heard: list[str] = []
    neighbour.client.on_message = lambda *seen: heard.append(seen[2].topic)
    for topic in ("owntracks/#", "rm/1/#", f"owntracks/{vehicle}/phone"):
        neighbour.client.subscribe(topic, qos=1)
    now = int(time.time())
    phone.say({"_type": "card", "name": "Ann", "tid": "ab"})
    phone.say({"_type": "waypoint", "desc": "a place", "lat": 1.0, "lon": 1.0, "tst": now})
    phone.say(["no", "message"])
    phone.say(location(now - 40, 50.2), topic=f"owntracks/{other}/phone")
    home.say(location(now - 30, 50.3))
    for number in range(20):
        phone.say(location(now - 20 + number, 50.1 + number / 1e4))
        if number == 8:
            killed = hub.about["pids"]["gateway"]
            os.kill(killed, signal.SIGKILL)
    until(lambda: hub.about["pids"].get("gateway") not in (None, killed), "the gateway runs again")
    counted = "SELECT count(*), count(DISTINCT time), min(lat_e6), max(lat_e6) FROM log.fixes WHERE vehicle_id = %s"
    until(lambda: hub.rows(counted, vehicle)[0][0] >= 20, f"all positions at the hub: {hub.rows(counted, vehicle)}")
    assert hub.rows(counted, vehicle) == [(20, 20, 50_100_000, 50_101_900)]
    assert hub.rows(counted, other)[0][0] == hub.rows(counted, resting)[0][0] == 0
    assert heard == [], "nobody reads another's topics, nor the vans'"
    online = "SELECT online FROM vehicle_now WHERE vehicle_id = %s"
    until(lambda: hub.rows(online, vehicle) == [(True,)], "it is on line")
    phone.vanish()
    until(lambda: hub.rows(online, vehicle) == [(False,)], "its last will says that the link is lost")
    again = joined(hub, made)
    again.say(location(int(time.time()), 50.15))
    until(lambda: hub.rows(online, vehicle) == [(True,)], "and its next position that it is back")
    assert hub.api.delete(f"/v1/vehicles/{vehicle}/device").status_code == 204
    until(lambda: not again.client.is_connected(), "who is registered no more is put off the line")
    for one in (again, neighbour, home):
        one.end()
