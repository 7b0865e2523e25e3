"""The ingest worker's line to the broker: what vans publish on its shards comes in through a bounded queue; acks go out."""

from __future__ import annotations

import logging
import os
import queue
import secrets
import time
from dataclasses import dataclass
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from roundsman_hub.settings import BrokerLogin
from roundsman_wire.channels import BY_NAME, CHANNELS, SHARDS, UP, subscription, topic
from roundsman_wire.messages import Ack
from roundsman_wire.plain import encode_plain

log = logging.getLogger(__name__)

WAITING: Final = 10_000
"""Messages waiting for the database, at most: some 30 MB. What is beyond is dropped, unacknowledged: the van sends it again."""
KEEPALIVE_S: Final = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What came, as it came."""

    topic: str
    payload: bytes


class Line:
    """A connection to the broker that mends itself, on a thread of its own."""

    def __init__(self, login: BrokerLogin) -> None:
        self._login = login
        self._inbox: queue.Queue[Message] = queue.Queue(WAITING)
        self._filters: tuple[tuple[str, int], ...] = ()
        self.dropped = 0
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=f"ingest-{os.getpid()}-{secrets.token_hex(4)}", protocol=paho.MQTTv5
        )
        self._client.username_pw_set(login.username, login.password)
        self._client.reconnect_delay_set(min_delay=1, max_delay=8)
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._disconnected
        self._client.on_message = self._came

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

    def collect(self, wait_s: float, *, linger_s: float, most: int) -> list[Message]:
        """Messages that came, in order: waits for the first, then a little for its fellows, which makes transactions worth their while."""
        found: list[Message] = []
        deadline = time.monotonic() + wait_s
        while len(found) < most:
            left = deadline - time.monotonic()
            try:
                found.append(self._inbox.get(timeout=left) if left > 0 else self._inbox.get_nowait())
            except queue.Empty:
                break
            if len(found) == 1:
                deadline = time.monotonic() + linger_s
        return found

    def acknowledge(self, vehicle: str, ack: Ack) -> None:
        """Tell a van what is stored. Not connected: nothing, since its presence will ask again."""
        if self.connected:
            self._client.publish(topic(vehicle, "ack"), encode_plain(ack), qos=BY_NAME["ack"].qos)

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

    def _came(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        try:
            self._inbox.put_nowait(Message(topic=message.topic, payload=bytes(message.payload)))
        except queue.Full:
            self.dropped += 1


def _filters(shards: frozenset[int]) -> tuple[tuple[str, int], ...]:
    names = ["+"] if len(shards) == SHARDS else [f"{shard:02x}" for shard in sorted(shards)]
    return tuple((subscription(channel.name, shard=name), channel.qos) for name in names for channel in CHANNELS if channel.direction == UP)
