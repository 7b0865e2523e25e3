"""The ingest worker's line to the broker: what vans publish on its shards goes into its inboxes; acks go out.

paho speaks the protocol: it connects, logs in, subscribes, answers QoS 1, keeps alive, mends. The log itself does not pass through it:
between paho and its socket, `Wire` reads in large pieces, takes the QoS 0 messages out, and leaves paho the rest.

Why: the CPU of a consumer per message of 176 B (ten fixes) at QoS 0, 60,000 of them at once from mosquitto 2.0.11, on one core of a
noisy two-core x86 machine, Python 3.13, each measured at least twice:

==================================================  ===============
paho 2.1, on_message                                87 to 99 µs
gmqtt 0.8                                           12 to 15 µs
a bare reader without a library                     6 to 15 µs
the same, at most one read in 2 ms                  4 to 5 µs
paho with `Wire` under it, one read in 2 ms (here)  4 to 5 µs
==================================================  ===============

paho reads a packet in at least three system calls, asks `select` before each, and makes an object with locks of it. gmqtt would do, but
costs a dependency and an event loop, and its acks leave one write at a time.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from roundsman_hub.ingest.inbox import Inbox
from roundsman_hub.ingest.packets import Malformed, Message, publish, split
from roundsman_hub.settings import BrokerLogin
from roundsman_wire.channels import CHANNELS, SHARDS, UP, subscription, topic
from roundsman_wire.messages import Ack
from roundsman_wire.plain import encode_plain

log = logging.getLogger(__name__)

KEEPALIVE_S: Final = 15
RECONNECTS_WITHIN_S: Final = 2
"""A broker that is back is heard again within that time; a worker's vain tries cost it nothing."""
READ_BYTES: Final = 262_144
SMALL_BYTES: Final = 32_768
PAUSE_S: Final = 0.002
"""After a read of less than that: what comes meanwhile is read in one piece. Each read costs 40 µs whatever it brings."""
MOST_UNSENT_BYTES: Final = 1_000_000
"""Acks that a broker does not take, at most; beyond it they are dropped, and each van's presence asks for them."""
SHARD_AT: Final = slice(5, 7)
"""Of a topic `rm/1/SHARD/…`."""

Deliver = Callable[[list[Message]], None]


class Wire:
    """A connection's socket as paho sees it, without the QoS 0 messages. Sends are taken whole, and may come from any thread."""

    def __init__(self, connection: Any, deliver: Deliver) -> None:
        self._connection: socket.socket = connection
        self._deliver = deliver
        self._rest = b""
        self._others = b""
        self._unsent = bytearray()
        self._sending = threading.Lock()

    def recv(self, size: int) -> bytes:
        """Bytes that are paho's; reads at most once. `BlockingIOError`: none now. Empty: the connection ended."""
        if not self._others:
            data = self._connection.recv(READ_BYTES)
            if not data:
                return b""
            try:
                messages, self._others, self._rest = split(self._rest + data)
            except Malformed as error:
                raise ConnectionError(str(error)) from None
            if messages:
                self._deliver(messages)
            if not self._others:
                if len(data) < SMALL_BYTES:
                    time.sleep(PAUSE_S)
                raise BlockingIOError
        data, self._others = self._others[:size], self._others[size:]
        return data

    def pending(self) -> int:
        """Bytes that wait for paho. It asks at every turn of its loop: the moment to send what the broker did not take before."""
        if self._unsent:
            with self._sending:
                self._flush()
        return len(self._others)

    def send(self, data: bytes) -> int:
        """Send whole packets, now or as soon as the broker takes them."""
        with self._sending:
            self._unsent += data
            self._flush()
        return len(data)

    def offer(self, data: bytes) -> None:
        """Send whole packets that may also be lost."""
        if len(self._unsent) < MOST_UNSENT_BYTES:
            self.send(data)

    def _flush(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: self._connection.send(self._unsent)]
        except BlockingIOError:
            return

    def fileno(self) -> int:
        return self._connection.fileno()

    def setblocking(self, flag: bool) -> None:
        self._connection.setblocking(flag)

    def close(self) -> None:
        self._connection.close()


class _Client(paho.Client):
    """paho with a `Wire` under it, put where paho itself puts its websockets."""

    deliver: Deliver

    def _create_socket(self) -> Any:
        return Wire(super()._create_socket(), self.deliver)


class Line:
    """A connection to the broker that mends itself, on a thread of its own. Each shard's messages go to one of the inboxes."""

    client: type[paho.Client] = _Client

    def __init__(self, login: BrokerLogin, inboxes: Sequence[Inbox]) -> None:
        self._login = login
        self._inboxes = inboxes
        self._filters: tuple[tuple[str, int], ...] = ()
        self.acks = 0
        self._client = self.client(CallbackAPIVersion.VERSION2, client_id=client_id(), protocol=paho.MQTTv5)
        if isinstance(self._client, _Client):
            self._client.deliver = self._came
        self._client.username_pw_set(login.username, login.password)
        self._client.reconnect_delay_set(min_delay=1, max_delay=RECONNECTS_WITHIN_S)
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._disconnected
        self._client.on_message = lambda _client, _data, message: self._came([_as_heard(message)])

    def start(self) -> None:
        """Connect, now or as soon as the broker is there."""
        self._client.connect_async(self._login.host, self._login.port, keepalive=KEEPALIVE_S)
        self._client.loop_start()

    def stop(self) -> None:
        """Say goodbye and end the thread."""
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def connected(self) -> bool:
        return bool(self._client.is_connected())

    def serve(self, shards: frozenset[int]) -> None:
        """Hear these shards and no others. Their retained presences come in again, so each van is answered again."""
        before, self._filters = self._filters, _filters(shards)
        if self.connected:
            if gone := [name for name, _ in before if name not in dict(self._filters)]:
                self._client.unsubscribe(gone)
            self._subscribe()

    def acknowledge(self, acks: Iterable[tuple[str, Ack]]) -> None:
        """Tell vans what is stored, all in one write. Not connected: nothing, since their presences will ask again."""
        acks = list(acks)
        wire: Any = self._client.socket()  # a `Wire`, whatever paho's types say
        if wire is not None and self.connected:
            try:
                wire.offer(b"".join(publish(topic(vehicle, "ack"), encode_plain(ack)) for vehicle, ack in acks))
                self.acks += len(acks)
            except OSError:
                log.debug("acks met the end of their connection")

    def _subscribe(self) -> None:
        if self._filters:
            self._client.subscribe(list(self._filters))

    def _connected(self, _client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            log.warning("the broker at %s:%s refuses the hub: %s", self._login.host, self._login.port, reason)
            return
        log.info("connected to the broker at %s:%s", self._login.host, self._login.port)
        self._subscribe()

    def _disconnected(self, _client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            log.warning("lost the broker (%s): trying again", reason)

    def _came(self, messages: list[Message]) -> None:
        if len(self._inboxes) == 1:
            self._inboxes[0].put(messages)
            return
        parted: list[list[Message]] = [[] for _ in self._inboxes]
        for message in messages:
            parted[inbox_of(message.topic, len(parted))].append(message)
        for inbox, some in zip(self._inboxes, parted, strict=True):
            if some:
                inbox.put(some)


def _as_heard(message: paho.MQTTMessage) -> Message:
    return Message(message.topic, bytes(message.payload), bool(message.retain))


def client_id() -> str:
    """A name at the broker that no other worker has."""
    return f"ingest-{os.getpid()}-{secrets.token_hex(4)}"


def inbox_of(name: str, inboxes: int) -> int:
    """Which of so many inboxes a topic's messages go to: all of one vehicle's to one, so that they stay in order."""
    try:
        return int(name[SHARD_AT], 16) % inboxes
    except ValueError:
        return 0  # no topic of ours: the inbox's reader says so


def _filters(shards: frozenset[int]) -> tuple[tuple[str, int], ...]:
    names = ["+"] if len(shards) == SHARDS else [f"{shard:02x}" for shard in sorted(shards)]
    return tuple((subscription(channel.name, shard=name), channel.qos) for name in names for channel in CHANNELS if channel.direction == UP)
