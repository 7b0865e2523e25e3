"""Ingest over other lines to the broker, to compare their cost: paho alone, and a bare reader without a library.

`python -m roundsman_hub.bench_ingest_lines {wire,paho,raw} --data DIR` runs an ingest worker of the hub in DIR until it is terminated.
"""

from __future__ import annotations

import argparse
import select
import signal
import socket
import struct
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import paho.mqtt.client as paho

from roundsman_hub.clock import Clock
from roundsman_hub.ingest import role
from roundsman_hub.ingest.inbox import Inbox
from roundsman_hub.ingest.mqtt import KEEPALIVE_S, READ_BYTES, Line, Wire, client_id
from roundsman_hub.settings import BrokerLogin, load
from roundsman_hub.tether import die_with_parent
from roundsman_wire.channels import topic
from roundsman_wire.messages import Ack
from roundsman_wire.plain import encode_plain


class PahoLine(Line):
    """Everything through paho, as its manual says."""

    client = paho.Client

    def acknowledge(self, acks: Iterable[tuple[str, Ack]]) -> None:
        for vehicle, ack in acks:
            self._client.publish(topic(vehicle, "ack"), encode_plain(ack))


class RawLine(Line):
    """No library: one connection that is not mended, QoS 0 whatever the table of channels says. Enough to measure with, and no more."""

    def __init__(self, login: BrokerLogin, inboxes: Sequence[Inbox]) -> None:
        super().__init__(login, inboxes)
        self._ended = False
        connection = socket.create_connection((login.host, login.port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        names = b"".join(text(part) for part in (client_id(), login.username, login.password))
        connection.sendall(packet(0x10, text("MQTT") + b"\x05\xc2" + struct.pack(">HB", KEEPALIVE_S, 0) + names))
        connection.recv(1_000)
        self._wire = Wire(connection, self._came)
        self._thread = threading.Thread(target=self._read, args=(connection,), name="line")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended = True
        self._thread.join()

    @property
    def connected(self) -> bool:
        return not self._ended

    def _subscribe(self) -> None:
        filters = b"".join(text(name) + b"\x00" for name, _ in self._filters)
        if filters:
            self._wire.send(packet(0x82, b"\x00\x01\x00" + filters))

    def acknowledge(self, acks: Iterable[tuple[str, Ack]]) -> None:
        self._wire.offer(worker_acks(acks))

    def _read(self, connection: socket.socket) -> None:
        pinged = time.monotonic()
        while not self._ended:
            ready, _, _ = select.select([connection], [], [], 0.5)
            if ready:
                try:
                    if self._wire.recv(READ_BYTES) == b"":
                        return
                except BlockingIOError:
                    pass
            if time.monotonic() - pinged > KEEPALIVE_S / 2:
                self._wire.send(b"\xc0\x00")
                pinged = time.monotonic()


def worker_acks(acks: Iterable[tuple[str, Ack]]) -> bytes:
    """Packets of acks."""
    from roundsman_hub.ingest.packets import publish

    return b"".join(publish(topic(vehicle, "ack"), encode_plain(ack)) for vehicle, ack in acks)


def packet(kind: int, body: bytes) -> bytes:
    """An MQTT packet."""
    length, left = b"", len(body)
    while not length or left:
        length += bytes([left & 127 | (128 if left > 127 else 0)])
        left >>= 7
    return bytes([kind]) + length + body


def text(value: str) -> bytes:
    """An MQTT string."""
    return struct.pack(">H", len(value.encode())) + value.encode()


LINES: Final[dict[str, type[Line]]] = {"wire": Line, "paho": PahoLine, "raw": RawLine}


def main() -> None:
    """Run a worker until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("line", choices=LINES)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    die_with_parent()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    role.run(load(options.data), Clock(), stop, LINES[options.line])


if __name__ == "__main__":
    main()
