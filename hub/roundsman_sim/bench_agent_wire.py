"""Bytes on the wire a fix, IP and TCP headers, TLS, acknowledgements of every layer included: ours, and what one would use instead.

They are counted where they pass: a packet socket on the loopback interface sees each packet once as it arrives, with its real length.
Messages are far enough apart that no layer can join what a van in life would send alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import http.client
import http.server
import json
import socket
import ssl
import struct
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from roundsman_agent import config
from roundsman_agent.outbox import Outbox
from roundsman_agent.uplink import Uplink
from roundsman_hub.broker import free_port
from roundsman_sim import SimError
from roundsman_sim.bench_agent_unit import VEHICLE, Rig, until
from roundsman_wire.channels import topic
from roundsman_wire.frames import quantise
from roundsman_wire.messages import TRACK, FixRow, Presence

BATCHES: Final = (1, 10, 60)
MESSAGES: Final = 20
"""Four acks of the hub at its pace (`pacing`), as of a van that writes every ten seconds; sixty a message is what a backlog looks like."""
APART_S: Final = 0.2
"""A delayed TCP acknowledgement waits 40 ms."""
_TO_THIS_HOST: Final = 0
_SOL_PACKET: Final = 263
_PACKET_STATISTICS: Final = 6
_SO_ATTACH_FILTER: Final = 26


@dataclass(frozen=True, kw_only=True)
class WireBytes:
    """Bytes a fix by batch size; of OsmAnd's protocol, which knows no batches, one figure."""

    ours: dict[int, float]
    json_mqtt: dict[int, float]
    osmand_http: float


def measure(rig: Rig) -> WireBytes:
    """Measure all of them, one after the other, on the same broker and the same interface.

    Raises
    ------
    SimError
        Packets may not be looked at: it needs root (or CAP_NET_RAW).
    """
    ours, theirs = {}, {}
    for batch in BATCHES:
        ours[batch] = asyncio.run(_ours(rig, batch))
    for batch in BATCHES:
        theirs[batch] = _json(rig, batch)
    return WireBytes(ours=ours, json_mqtt=theirs, osmand_http=_osmand(rig))


class Meter:
    """Counts the IP bytes that pass to and from a TCP port of the loopback.

    Others talk on the loopback, too, faster than this reads: so the kernel filters, and is asked what it had no room for.
    """

    def __init__(self, port: int) -> None:
        self.bytes = 0
        self._port = port
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
        except PermissionError:
            raise SimError("packets may not be counted here: run it as root, or with CAP_NET_RAW") from None
        program = _of_port(port)
        held = ctypes.create_string_buffer(program)
        self._socket.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program) // _INSTRUCTION.size, ctypes.addressof(held))
        )
        self._socket.bind(("lo", 0x0800))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._socket.settimeout(0.1)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._count, name="meter")
        self._thread.start()

    def _count(self) -> None:
        while not self._end.is_set():
            try:
                packet, (_, _, kind, *_) = self._socket.recvfrom(64)
            except TimeoutError:
                continue
            if kind == _TO_THIS_HOST and packet[9] == socket.IPPROTO_TCP:
                ports = struct.unpack_from("!HH", packet, (packet[0] & 15) * 4)
                if self._port in ports:
                    self.bytes += int.from_bytes(packet[2:4], "big")

    def settled(self) -> int:
        """What has passed until now, late acknowledgements included.

        Raises
        ------
        SimError
            Not all of it was seen.
        """
        time.sleep(2 * APART_S)
        _, missed = struct.unpack("II", self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
        if missed:
            raise SimError(f"{missed} packets passed uncounted: the machine is too busy; measure again")
        return self.bytes

    def close(self) -> None:
        """Stop counting."""
        self._end.set()
        self._thread.join()
        self._socket.close()


_INSTRUCTION: Final = struct.Struct("HBBI")


def _of_port(port: int) -> bytes:
    """The kernel's filter (classic BPF, from the IP header on) for a TCP port of either side."""
    accepts, drops = 7, 8
    rows = (
        (0x30, 0, 0, 9),  # the protocol
        (0x15, 0, drops - 2, socket.IPPROTO_TCP),
        (0xB1, 0, 0, 0),  # length of the IP header
        (0x48, 0, 0, 0),  # the sender's port
        (0x15, accepts - 5, 0, port),
        (0x48, 0, 0, 2),  # the receiver's
        (0x15, 0, drops - 7, port),
        (0x06, 0, 0, 64),
        (0x06, 0, 0, 0),
    )
    return b"".join(_INSTRUCTION.pack(*row) for row in rows)


@contextlib.contextmanager
def metered(port: int) -> Iterator[Meter]:
    """A meter, for as long as the block runs."""
    meter = Meter(port)
    try:
        yield meter
    finally:
        meter.close()


def _per_fix(port: int, batch: int, send: Callable[[int], None]) -> float:
    """Bytes a fix of `MESSAGES` messages; the first one, which opens what a connection opens once, is not counted."""
    with metered(port) as meter:
        send(0)
        before = meter.settled()
        for number in range(1, MESSAGES + 1):
            send(number * batch)
            time.sleep(APART_S)
        return (meter.settled() - before) / (MESSAGES * batch)


async def _ours(rig: Rig, batch: int) -> float:
    unit = rig.unit_file.parent
    with tempfile.TemporaryDirectory(dir=rig.directory) as folder, ThreadPoolExecutor(1) as store:
        outbox = Outbox(Path(folder) / "log.db", max_mb=64, version="bench", now=lambda: (round(time.time() * 1000), 0))
        up = Uplink(
            config.Broker(
                host=rig.broker.vans.host,
                port=rig.broker.vans.port,
                ca=unit / "ca.pem",
                cert=unit / "unit.pem",
                key=unit / "unit.key",
                keepalive_s=60,
            ),
            VEHICLE,
            outbox=outbox,
            store=store,
            presence=lambda: Presence(online=True, session=outbox.session, epoch=outbox.epoch, sessions=outbox.told()),
            now=lambda: None,
            on_document=_ignore,
            on_link=lambda *_: None,
        )
        task = asyncio.create_task(up.run())
        loop = asyncio.get_running_loop()

        def log(first: int) -> None:
            done = outbox.append([], [_row(first + n) for n in range(batch)])
            loop.call_soon_threadsafe(up.grown, done.facts_last, done.track_last)
            until(lambda: rig.hub.holds(outbox.session, TRACK) == done.track_last, "a frame at the hub")
            if not first:
                until(lambda: not any(outbox.backlog().values()), "the first acks")

        try:
            return await asyncio.to_thread(_per_fix, rig.broker.vans.port, batch, log)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            outbox.close()


async def _ignore(_kind: str, _data: bytes) -> None:
    """Plan and sites are not what is measured here."""


def _row(second: int) -> FixRow:
    return quantise(
        FixRow(
            mono_ms=second * 1000,
            utc_ms=1_790_000_000_000 + second * 1000,
            lat_e6=50_000_000 + 90 * second,
            lon_e6=10_000_000 + 35 * second,
            speed_cm_s=1_012,
            heading_cdeg=1_500,
            accuracy_dm=8,
            satellites=10,
        )
    )


def _as_json(second: int) -> dict[str, Any]:
    return {
        "t": 1_790_000_000_000 + second * 1000,
        "lat": round(50 + 9e-5 * second, 6),
        "lon": round(10 + 3.5e-5 * second, 6),
        "speed": 10.12,
        "heading": 15.0,
        "accuracy": 0.8,
        "satellites": 10,
    }


def _json(rig: Rig, batch: int) -> float:
    unit = rig.unit_file.parent
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=VEHICLE, protocol=mqtt.MQTTv5)
    client.tls_set(str(unit / "ca.pem"), str(unit / "unit.pem"), str(unit / "unit.key"), tls_version=ssl.PROTOCOL_TLS_CLIENT)
    ready = threading.Event()
    client.on_connect = lambda *_: ready.set()
    client.connect(rig.broker.vans.host, rig.broker.vans.port)
    client.loop_start()

    def send(first: int) -> None:
        # On a channel that the hub here does not answer: the PUBACK is JSON's only acknowledgement.
        body = json.dumps([_as_json(first + n) for n in range(batch)] if batch > 1 else _as_json(first))
        client.publish(topic(VEHICLE, "now"), body, qos=1).wait_for_publish(10)

    try:
        if not ready.wait(10):
            raise SimError("no answer from the broker")
        return _per_fix(rig.broker.vans.port, batch, send)
    finally:
        client.disconnect()
        client.loop_stop()


class _Tracker(http.server.BaseHTTPRequestHandler):
    """The least that a server says to a tracker."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:  # the library's name
        self.send_response_only(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def _osmand(rig: Rig) -> float:
    """A fix a request over one connection that is kept, TLS as ours; most trackers open one each, which costs more."""
    port = free_port()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), _Tracker)
    inside = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    inside.load_cert_chain(rig.pki.broker_cert_file, rig.pki.broker_key_file)
    server.socket = inside.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, name="osmand")
    thread.start()
    outside = ssl.create_default_context(cafile=str(rig.pki.ca_file))
    outside.check_hostname = False
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=outside, timeout=10)

    def send(second: int) -> None:
        at = _as_json(second)
        fields = {"id": VEHICLE, "timestamp": at["t"] // 1000, "lat": at["lat"], "lon": at["lon"], "speed": at["speed"]}
        connection.request("GET", "/?" + urllib.parse.urlencode({**fields, "bearing": at["heading"], "accuracy": at["accuracy"]}))
        connection.getresponse().read()

    try:
        return _per_fix(port, 1, send)
    finally:
        connection.close()
        server.shutdown()
        thread.join()
        server.server_close()
