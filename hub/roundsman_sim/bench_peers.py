"""What one would use instead, measured in the same run: the peers of `bench-loop`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sqlite3
import ssl
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import paho.mqtt.client as mqtt
import psutil
import pynmea2
from paho.mqtt.enums import CallbackAPIVersion

from roundsman_core.geo import LatLon
from roundsman_hub import broker
from roundsman_hub.broker import free_port
from roundsman_hub.pki import open_pki
from roundsman_hub.provision import Unit, provision
from roundsman_hub.settings import Endpoint
from roundsman_sim.proxy import Proxy
from roundsman_sim.receiver import Receiver, Truth
from roundsman_sim.world import World
from roundsman_wire.channels import topic

FIXES: Final = 200
WAYS: Final = 30
PLAN_BYTES: Final = 3_000
"""A plan of fifteen stops, sealed."""
VEHICLE: Final = "v_peer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """Each peer's figure, in the unit of the row that it stands beside."""

    way_s: float
    """One HTTP request, a plan-sized message down and a receipt-sized one up through the broker: no planner, database or screen."""
    parse_us: float
    """pynmea2 on the four sentences of an epoch, nothing else."""
    bare_python_mb: float
    disk_bytes: float
    """A row for each fix in SQLite (WAL, FULL), committed at once."""
    wire_bytes: float
    """A JSON fix in a message of its own, QoS 1, over the same mutual TLS, both ways."""


async def measure(made: World) -> Peers:
    """Measure all of them, on a broker of their own that is set up like the hub's."""
    sentences = _sentences()
    wire_bytes, way_s = await ways(made)
    return Peers(
        way_s=round(way_s, 4),
        parse_us=round(await asyncio.to_thread(_parse_us, sentences), 1),
        bare_python_mb=round(await asyncio.to_thread(bare_python_mb), 1),
        disk_bytes=round(await asyncio.to_thread(row_a_commit_bytes, made.directory)),
        wire_bytes=round(wire_bytes, 1),
    )


def _sentences() -> list[str]:
    receiver, place = Receiver(1), LatLon(48.0, -20.0)
    epochs = [
        receiver.listen(Truth(utc_ms=1_790_000_000_000 + 1_000 * n, position=place, speed_mps=9.0, heading_deg=80.0)) for n in range(FIXES)
    ]
    return [epoch.sentences.decode() for epoch in epochs]


def _parse_us(epochs: list[str]) -> float:
    started_s = time.process_time()
    for epoch in epochs:
        for line in epoch.split():
            pynmea2.parse(line, check=True)
    return (time.process_time() - started_s) / len(epochs) * 1e6


AGENTS_LIBRARIES: Final = "msgspec, paho.mqtt.client, pynmea2, serial, shapely, sqlite3"
LISTENER: Final = """
import asyncio, socket, sys, time
class Line(asyncio.Protocol):
    def data_received(self, data):
        pass
async def listen():
    await asyncio.get_running_loop().create_connection(Line, sock=socket.socket(fileno=int(sys.argv[1])))
    await asyncio.sleep(3)
    before_s, listens_s = time.process_time(), float(sys.argv[2])
    await asyncio.sleep(listens_s)
    print((time.process_time() - before_s) * 1e6 / listens_s)
asyncio.run(listen())
"""


def bare_listener_us(listens_s: float) -> float:
    """CPU a second of an asyncio program that is sent 490 bytes a second and throws them away: what waking up alone costs here."""
    ours, its = socket.socketpair()
    its.set_inheritable(True)
    command = [sys.executable, "-c", LISTENER, str(its.fileno()), str(listens_s)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=[its.fileno()])
    its.close()
    with ours:
        while process.poll() is None:
            with contextlib.suppress(OSError):
                ours.send(bytes(490))
            time.sleep(1)
        return float(process.communicate()[0])


def bare_python_mb() -> float:
    """A Python that has imported what an agent with a screen needs from others, and does nothing."""
    return _idle_mb(f"{AGENTS_LIBRARIES}, starlette.applications, uvicorn")


def bare_agent_mb() -> float:
    """The same without a screen."""
    return _idle_mb(AGENTS_LIBRARIES)


def _idle_mb(modules: str) -> float:
    imports = f"import asyncio, {modules}"
    code = f"{imports}; print('ready', flush=True); input()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    if process.stdout is not None:
        process.stdout.readline()
    resident = psutil.Process(process.pid).memory_info().rss
    process.communicate(b"\n")
    return float(resident / 1e6)


def row_a_commit_bytes(directory: Path) -> float:
    path = directory / "peer.db"
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE fixes (id INTEGER PRIMARY KEY, utc_ms INTEGER, lat REAL, lon REAL, speed REAL, heading REAL)")
    before = psutil.Process(os.getpid()).io_counters().write_bytes
    for number in range(FIXES):
        db.execute("INSERT INTO fixes VALUES (?, ?, ?, ?, ?, ?)", (number, 1_790_000_000_000 + number, 48.1, -20.2, 9.0, 80.0))
    written = psutil.Process(os.getpid()).io_counters().write_bytes - before
    db.close()
    return float(written) / FIXES


async def ways(made: World) -> tuple[float, float]:
    """(wire bytes of a JSON fix, seconds of an order's bare way)."""
    pki = open_pki(made.directory / "hub" / "pki")
    own = broker.prepare(
        made.directory / "peer-broker",
        pki,
        vans=Endpoint(host="127.0.0.1", port=free_port()),
        hub=Endpoint(host="127.0.0.1", port=free_port()),
    )
    unit = made.directory / "peer-unit"
    provision(pki, Unit(vehicle_id=VEHICLE, broker=own.vans), unit)
    with broker.running(own):
        proxy = Proxy(own.vans.host, own.vans.port)
        await proxy.start()
        van = _van(unit, proxy.port)
        hub = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        hub.username_pw_set(own.hub.username, own.hub.password)
        try:
            await asyncio.to_thread(_connect, hub, own.hub.host, own.hub.port)
            await asyncio.to_thread(_connect, van, "127.0.0.1", proxy.port)
            before = sum(proxy.passed_bytes.values())
            await asyncio.to_thread(_publish_json, van)
            wire_bytes = (sum(proxy.passed_bytes.values()) - before) / FIXES
            way_s = await asyncio.to_thread(_ways, made.desk.url, hub, van)
        finally:
            for client in (van, hub):
                client.disconnect()
                client.loop_stop()
            await proxy.stop()
    return wire_bytes, way_s


def _van(unit: Path, port: int) -> mqtt.Client:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=VEHICLE, protocol=mqtt.MQTTv5)
    client.tls_set(str(unit / "ca.pem"), str(unit / "unit.pem"), str(unit / "unit.key"), tls_version=ssl.PROTOCOL_TLS_CLIENT)
    return client


def _connect(client: mqtt.Client, host: str, port: int) -> None:
    ready = threading.Event()
    client.on_connect = lambda *_: ready.set()
    client.connect(host, port)
    client.loop_start()
    if not ready.wait(10):
        raise TimeoutError(f"no answer from the broker at {host}:{port}")


def _publish_json(van: mqtt.Client) -> None:
    for number in range(FIXES):
        body = {"t": 1_790_000_000_000 + 1_000 * number, "lat": 48.123456, "lon": -20.123456, "speed": 9.12, "heading": 80.5, "hdop": 0.9}
        van.publish(topic(VEHICLE, "track"), json.dumps(body), qos=1).wait_for_publish(10)


def _ways(url: str, hub: mqtt.Client, van: mqtt.Client) -> float:
    """Median seconds of request → answer → plan to the van → receipt back."""
    receipt = threading.Event()
    up, down = topic(VEHICLE, "facts"), topic(VEHICLE, "plan")
    subscribed = threading.Semaphore(0)

    def answer(client: mqtt.Client, _: Any, __: mqtt.MQTTMessage) -> None:
        client.publish(up, b"r" * 120)

    van.on_message = answer
    hub.on_message = lambda *_: receipt.set()
    for client in (van, hub):
        client.on_subscribe = lambda *_: subscribed.release()
    van.subscribe(down, qos=1)
    hub.subscribe(up)
    for _ in range(2):
        subscribed.acquire(timeout=10)
    took = []
    with httpx.Client(trust_env=False) as http:
        for _ in range(WAYS):
            started_s = time.monotonic()
            http.get(f"{url}/healthz")
            receipt.clear()
            hub.publish(down, b"p" * PLAN_BYTES, qos=1)
            if not receipt.wait(10):
                raise TimeoutError("a message did not come back through the broker")
            took.append(time.monotonic() - started_s)
    return statistics.median(took)
