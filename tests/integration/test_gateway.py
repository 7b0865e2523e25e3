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
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

WITHIN_S = 90.0
POSITIONS = 60


def until(holds: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + WITHIN_S
    while not (found := holds()):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
    return found


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
            httpx.Client(base_url=about["api_url"], headers={"Authorization": f"Bearer {key}"}, trust_env=False, timeout=10) as api,
            httpx.Client(base_url=door, trust_env=False, timeout=10) as client,
        ):
            yield Hub(data=data, api=api, door=client)
    finally:
        process.terminate()
        process.wait(20)


def test_a_trackers_positions_are_in_the_log_exactly_once_over_a_killed_gateway(hub: Hub) -> None:
    """Invariants 2 and 8: every kept entry ends at the hub exactly once; a request sent twice is one."""
    vehicle = hub.vehicle("Tracker")
    path = hub.device(vehicle, "osmand")
    began = int(time.time()) - POSITIONS
    for number in range(POSITIONS):
        said = {"id": "868204001234567", "lat": f"{50 + number / 1e4:.6f}", "lon": "10.0", "timestamp": str(began + number), "speed": "20"}
        for _ in range(2 if number % 10 == 0 else 1):  # the network ate the answer: it says it again
            assert hub.send(lambda said=said: hub.door.get(path, params=said)).status_code == 200  # type: ignore[misc]
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
