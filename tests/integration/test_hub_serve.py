"""A whole hub, started as a person would: what it prints, what it refuses, how an urgent order is planned, how it ends."""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from tests.waiting import until

from roundsman_hub import broker as brokers, supervise
from roundsman_wire.channels import topic
from roundsman_wire.envelopes import open_envelope
from roundsman_wire.messages import Plan

LAT, LON = 50.0, 10.0


def roundsman_hub(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "roundsman_hub", *arguments]


@dataclass
class Hub:
    """A running hub and its admin."""

    data: Path
    process: subprocess.Popen[str]
    about: dict[str, Any]
    http: httpx.Client

    def post(self, path: str, **body: Any) -> Any:
        answer = self.http.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()


def start(data: Path, *options: str) -> subprocess.Popen[str]:
    log = (data.parent / f"{data.name}.log").open("w")
    command = roundsman_hub("serve", "--data", str(data), "--api-port", "0", "--vans-port", "0", *options)
    with log:
        return subprocess.Popen(command, stdout=log, stderr=log, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"})


def said(data: Path) -> str:
    return (data.parent / f"{data.name}.log").read_text()


def wait_ready(data: Path, process: subprocess.Popen[str]) -> dict[str, Any]:
    until(lambda: "vans' broker:" in said(data) or process.poll() is not None, within_s=90, what=lambda: f"not ready: {said(data)}")
    assert process.poll() is None, said(data)
    about: dict[str, Any] = json.loads((data / "hub.json").read_text())
    return about


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    data = tmp_path_factory.mktemp("serve") / "hub"
    process = start(data)
    try:
        about = wait_ready(data, process)
        key = (data / "admin.key").read_text().strip()
        with httpx.Client(base_url=about["api_url"], headers={"Authorization": f"Bearer {key}"}, trust_env=False, timeout=60) as http:
            yield Hub(data=data, process=process, about=about, http=http)
    finally:
        process.terminate()
        process.wait(90)


@contextmanager
def van(hub: Hub, vehicle: str) -> Iterator[queue.Queue[Plan]]:
    """A van's connection, as `roundsman-hub provision` set it up: the plans that reach it."""
    unit = hub.data.parent / vehicle
    subprocess.run(roundsman_hub("provision", vehicle, "--data", str(hub.data), "--out", str(unit)), check=True, capture_output=True)
    plans: queue.Queue[Plan] = queue.Queue()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.tls_set(str(unit / "ca.pem"), str(unit / "unit.pem"), str(unit / "unit.key"))
    client.on_connect = lambda c, *_: c.subscribe(topic(vehicle, "plan"), 1)

    def on_message(_c: Any, _u: Any, message: mqtt.MQTTMessage) -> None:
        payload = open_envelope(bytes(message.payload), lambda *_: True).payload
        assert isinstance(payload, Plan)
        plans.put(payload)

    client.on_message = on_message
    client.connect(hub.about["broker"]["host"], hub.about["broker"]["port"])
    client.loop_start()
    try:
        yield plans
    finally:
        client.disconnect()
        client.loop_stop()


def pickup(hub: Hub, name: str, east: float, priority: int = 0) -> str:
    now = datetime.now(UTC)
    order: str = hub.post(
        "/v1/orders",
        name=name,
        kind="pickup",
        lat_deg=LAT,
        lon_deg=LON + east,
        window_start=now.isoformat(),
        window_end=(now + timedelta(hours=4)).isoformat(),
        priority=priority,
    )["order"]
    return order


@pytest.fixture(scope="module")
def vehicle(hub: Hub) -> str:
    """The only van of the only depot."""
    depot = hub.post("/v1/depots", name="Depot", lat_deg=LAT, lon_deg=LON)["depot"]
    now = datetime.now(UTC)
    made: str = hub.post(
        "/v1/vehicles",
        name="Van",
        depot=depot,
        capacity=50,
        shift_start=now.isoformat(),
        shift_end=(now + timedelta(hours=8)).isoformat(),
    )["vehicle"]
    return made


def next_with(plans: queue.Queue[Plan], order: str, within_s: float) -> Plan:
    deadline = time.monotonic() + within_s
    while True:
        plan = plans.get(timeout=max(0.001, deadline - time.monotonic()))
        if any(stop.stop == order for stop in plan.stops):
            return plan


def test_an_order_becomes_a_plan_on_its_van(hub: Hub, vehicle: str) -> None:
    """From the API to the van's own connection; then urgent ones, each at once (`make bench-loop` measures how soon); a killed role comes
    back meanwhile."""
    with van(hub, vehicle) as plans:
        first = pickup(hub, "First", 0.01)
        assert next_with(plans, first, within_s=90).reason == "first plan of the shift"
        for number in range(5):
            order = pickup(hub, f"Urgent {number}", 0.002 * number, priority=9)
            plan = next_with(plans, order, within_s=90)
            assert plan.reason == f"pickup Urgent {number} ordered"
        ingest = hub.about["pids"]["ingest"]
        os.kill(ingest, signal.SIGKILL)
        until(
            lambda: json.loads((hub.data / "hub.json").read_text())["pids"].get("ingest") not in (None, ingest),
            within_s=90,
            what=lambda: f"ingest did not come back: {said(hub.data)}",
        )
        assert re.search(r"ingest ended with -9, starts again in \d\.\d s", said(hub.data))


def test_a_hub_whose_ground_is_killed_plans_again(hub: Hub, vehicle: str) -> None:
    """Broker and database are killed while a van waits: both come back, the van reconnects, and the next order reaches it."""
    with van(hub, vehicle) as plans:
        first = pickup(hub, "Before", 0.01, priority=9)
        next_with(plans, first, within_s=90)
        for part in ("broker", "database"):
            os.kill(hub.about["pids"][part], signal.SIGKILL)

        def accepted() -> bool:
            try:
                return hub.http.get("/v1/fleets/me").is_success
            except httpx.HTTPError:
                return False

        words = (f"the broker ended with {-signal.SIGKILL}", "the database ended")
        until(lambda: all(word in said(hub.data) for word in words) and accepted(), within_s=90, what=lambda: said(hub.data))
        order = pickup(hub, "After", 0.02, priority=9)
        next_with(plans, order, within_s=90)


def test_the_roads_and_the_storage_are_said(hub: Hub) -> None:
    assert hub.about["roads"] == "great_circle"
    assert hub.about["storage"].startswith("postgresql 1")
    assert hub.about["signing_key_id"].startswith("k_")
    assert (hub.data / "hub.json").stat().st_mode & 0o077 == 0
    assert (hub.data / "admin.key").stat().st_mode & 0o077 == 0


def test_a_vehicle_that_is_not_there_gets_no_keys(hub: Hub, tmp_path: Path) -> None:
    done = subprocess.run(
        roundsman_hub("provision", "v_unknown", "--data", str(hub.data), "--out", str(tmp_path / "v")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "no vehicle 'v_unknown'" in done.stderr
    assert not (tmp_path / "v").exists()


def test_orders_are_imported_from_a_file(hub: Hub, vehicle: str, tmp_path: Path) -> None:
    """Bad lines are told, good ones are in; the exit code says that not all were good."""
    assert vehicle, "its shift is what the orders' windows are checked against"
    now = datetime.now(UTC)
    window = f"{now.isoformat()},{(now + timedelta(hours=2)).isoformat()}"
    lines = ["name,lat_deg,lon_deg,window_start,window_end", f"Good,{LAT},{LON},{window}", f"Bad,{LAT},east,{window}"]
    (tmp_path / "orders.csv").write_text("\n".join(lines))
    done = subprocess.run(
        roundsman_hub("import", str(tmp_path / "orders.csv"), "--data", str(hub.data)), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "line 3: lon_deg" in done.stderr
    assert json.loads(done.stdout)["imported"] == 1


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["metrics", "--json"], 0, '"total"'),
        (["export", "track", "--format", "geojson", "--vehicle"], 1, "no fixes of v_"),
        (["migrate"], 0, "postgresql 1"),
        (["db", "check"], 0, "all hold"),
        (["db", "size"], 0, "bytes a fix"),
        (["db", "retention"], 0, "90 days  raw fixes"),
        (["provision", "--nonsense"], 2, "usage:"),
    ],
)
def test_commands_ask_the_running_hub(hub: Hub, vehicle: str, arguments: list[str], code: int, expected: str) -> None:
    asked = [*arguments, vehicle] if arguments[-1] == "--vehicle" else arguments
    done = subprocess.run(roundsman_hub(*asked, "--data", str(hub.data)), capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == code, done.stderr
    assert expected in done.stdout + done.stderr


def test_a_second_hub_on_the_same_folder_is_refused(hub: Hub) -> None:
    done = subprocess.run(
        roundsman_hub("serve", "--data", str(hub.data), "--api-port", "0"), capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 1
    assert "another hub is running on" in done.stderr
    assert hub.process.poll() is None
    assert (hub.data / "hub.json").exists()


@pytest.mark.parametrize("option", ["--api-port", "--vans-port"])
def test_a_taken_port_ends_the_start_with_a_clear_message(tmp_path: Path, option: str) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = str(holder.getsockname()[1])
        ports = {"--api-port": "0", "--vans-port": "0"} | {option: port}
        arguments = [part for pair in ports.items() for part in pair]
        done = subprocess.run(
            roundsman_hub("serve", "--data", str(tmp_path / "hub"), *arguments), capture_output=True, text=True, timeout=90, check=False
        )
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert f"choose another with {option}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_role_without_a_hub_says_what_to_do(tmp_path: Path) -> None:
    done = subprocess.run(roundsman_hub("plan", "--data", str(tmp_path)), capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 1
    assert "Start one with: roundsman-hub serve" in done.stderr


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_it_ends_as_one_group(tmp_path: Path) -> None:
    """Killed outright, only the database may stay, and the next start takes it over; after SIGTERM nobody is left. (Within five
    seconds, which is what its parts' own patience comes to: a busy machine's is not counted here.)"""
    assert supervise.ROLES_END_WITHIN_S + brokers.STOPS_WITHIN_S < 5.0
    data = tmp_path / "hub"
    killed = start(data)
    about = wait_ready(data, killed)
    killed.kill()
    killed.wait()
    left = {name: pid for name, pid in about["pids"].items() if name not in ("serve", "database")}
    until(lambda: not any(map(_alive, left.values())), within_s=90, what=lambda: f"left: {left}")
    again = start(data)
    try:
        new = wait_ready(data, again)
        assert not _alive(about["pids"]["database"])
        again.terminate()
        assert again.wait(90) == 0
        assert not [name for name, pid in new["pids"].items() if _alive(pid)]
        assert not (data / "hub.json").exists()
    finally:
        again.kill()
        again.wait()
