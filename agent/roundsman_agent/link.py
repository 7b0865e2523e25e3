"""One connection to the hub's broker, from its opening to its end: MQTT 5 over mutual TLS, paho's protocol on the agent's own loop.

A lost connection is never mended: the uplink opens a new one. So nothing of the old one can be sent late: no queue in
paho, no topic alias that the broker forgot, no presence from before. paho's own thread is not used: it wakes once a second
for nothing, and each message crosses two pipes and the interpreter's lock.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any, Final, NamedTuple, cast

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from roundsman_agent import AgentError
from roundsman_agent.config import Broker
from roundsman_wire import channels
from roundsman_wire.channels import BY_NAME, CHANNELS, DOWN

CONNECT_TIMEOUT_S: Final = 10.0
GOODBYE_S: Final = 1.0
HEARD_KEEPALIVES: Final = 4
"""A van that sends all the time has every packet acknowledged by the other side's kernel, and that wakes nobody: no heartbeat is needed to
know that the link lives, only one now and then to know that a program still reads it."""
UNACKNOWLEDGED: Final = 1.3
"""Keepalives for which the kernel waits for that; a van says something every fourteen seconds at least, or asks."""
BEAT_EVERY_S: Final = 1.0
BEAT_SLACK_S: Final = 0.05
"""A heartbeat that is due is never asked for a moment too early."""
ALIASES: Final[Mapping[str, int]] = {"facts": 1, "track": 2, "now": 3}
"""Channels that are sent again and again: two bytes instead of a topic of about 40."""


class LinkDown(AgentError):
    """There is no connection. `str` says why."""


class Message(NamedTuple):
    """Something that the hub said on a channel."""

    channel: str
    payload: bytes


class _Packed:
    """A topic alias as paho wants its properties; packed once, not once a message."""

    def __init__(self, alias: int) -> None:
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho's own gap
        properties.TopicAlias = alias
        self._bytes: bytes = properties.pack()  # type: ignore[no-untyped-call]

    def pack(self) -> bytes:
        return self._bytes


class Link:
    """One connection.

    Parameters
    ----------
    broker : Broker
        Address, certificates, keepalive.
    vehicle : str
        Client id (the broker makes it the certificate's name anyway) and topics.
    will : bytes
        Retained on `presence` by the broker when the connection ends without a goodbye.
    """

    def __init__(self, broker: Broker, vehicle: str, will: bytes) -> None:
        self._broker = broker
        self._vehicle = vehicle
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Message | LinkDown] = asyncio.Queue()
        self._connected: asyncio.Future[None] = self._loop.create_future()
        self._taken = asyncio.Event()
        self._up = self._over = False
        self._reader: int | None = None
        self._writing = False
        self._heard_s = self._said_s = 0.0
        self._asked_s: float | None = None
        self._heartbeat: asyncio.TimerHandle | None = None
        self._max_alias = 0
        self._aliased: set[str] = set()
        self.bytes_sent = 0
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=vehicle, protocol=MQTTProtocolVersion.MQTTv5, reconnect_on_failure=False
        )
        self._client.connect_timeout = CONNECT_TIMEOUT_S
        self._client.will_set(channels.topic(vehicle, "presence"), will, qos=BY_NAME["presence"].qos, retain=True)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        self._client.on_socket_close = self._on_socket_close

    async def open(self) -> None:
        """Connect, and subscribe to everything that the hub may say.

        Raises
        ------
        LinkDown
            No way there, a certificate that does not hold, or the broker refuses.
        """
        try:
            self._client.tls_set_context(tls_context(self._broker))
            await self._dial()
        except (OSError, ValueError) as error:
            raise LinkDown(f"{self._broker.host}:{self._broker.port}: {error}") from None
        self._attend()
        try:
            await asyncio.wait_for(asyncio.shield(self._connected), CONNECT_TIMEOUT_S)
        except TimeoutError:
            raise LinkDown(f"{self._broker.host}:{self._broker.port}: no answer within {CONNECT_TIMEOUT_S:g} s") from None

    async def _dial(self) -> None:
        """Connect on a thread that nobody waits for: a network that swallows everything must not hold up the agent's end."""
        dialled: asyncio.Future[None] = self._loop.create_future()

        def settle(error: Exception | None) -> None:
            if dialled.done():
                return
            if error is None:
                dialled.set_result(None)
            else:
                dialled.set_exception(error)

        def dial() -> None:
            error: Exception | None = None
            try:
                self._client.connect(self._broker.host, self._broker.port, self._broker.keepalive_s, clean_start=True)
                if self._over:  # too late: left open, it would evict the connection that is made in its place
                    self._hang_up()
            except (OSError, ValueError) as why:
                error = why
            with suppress(RuntimeError):  # the loop has ended meanwhile
                self._loop.call_soon_threadsafe(settle, error)

        threading.Thread(target=dial, name="dial", daemon=True).start()
        await dialled

    async def next(self) -> Message:
        """What the hub says next.

        Raises
        ------
        LinkDown
            The connection has ended.
        """
        event = await self._events.get()
        if isinstance(event, LinkDown):
            raise event
        return event

    def publish(self, channel: str, payload: bytes) -> bool:
        """Hand a message to the connection; False: there is none, and nothing was kept."""
        if not self._up:
            return False
        row = BY_NAME[channel]
        alias, topic, properties = ALIASES.get(channel, 0), "", None
        if 0 < alias <= self._max_alias:
            properties = _packed(alias)
        if properties is None or channel not in self._aliased:
            topic = channels.topic(self._vehicle, channel)
            self._aliased.add(channel)
        # Any: of properties, paho only asks for their bytes.
        info = self._client.publish(topic, payload, qos=row.qos, retain=row.retained, properties=cast(Any, properties))
        self.bytes_sent += len(payload)
        self._said_s = self._loop.time()
        self._flush()
        self._put_off()
        return info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    async def close(self, goodbye: bytes | None = None) -> None:
        """End the connection, saying `goodbye` on `presence` first if it is still up."""
        if goodbye is not None:
            self._taken.clear()
            if self.publish("presence", goodbye):
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._taken.wait(), GOODBYE_S)
        self._up, self._over = False, True
        self._leave()
        self._hang_up()

    def _hang_up(self) -> None:
        door = self._client.socket()
        self._client.disconnect()
        if door is not None:
            door.close()

    # ── the socket, on the loop ─────────────────────────────────────────────────────────────────────────────────────

    def _attend(self) -> None:
        """From here on the loop reads, writes and keeps alive."""
        door = self._client.socket()
        if door is None:  # the broker has hung up already
            self._fail(LinkDown(f"{self._broker.host}:{self._broker.port}: hung up"))
            return
        self._reader = door.fileno()
        self._heard_s = self._said_s = self._loop.time()
        patience_ms = round(1000 * UNACKNOWLEDGED * self._broker.keepalive_s)
        cast(Any, door).setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, patience_ms)
        self._loop.add_reader(self._reader, self._readable)
        self._beat()

    def _readable(self) -> None:
        self._heard_s, self._asked_s = self._loop.time(), None
        self._client.loop_read()
        # What TLS has decrypted already, the kernel does not tell of again.
        while (door := self._client.socket()) is not None and cast(Any, door).pending():
            self._client.loop_read()
        self._flush()
        self._put_off()

    def _flush(self) -> None:
        """Write what waits; what the network does not take now, when it does."""
        if self._reader is None:
            return
        if self._client.want_write():
            self._client.loop_write()
        waits = self._reader is not None and self._client.want_write()
        if self._reader is not None and waits != self._writing:
            self._writing = waits
            if waits:
                self._loop.add_writer(self._reader, self._flush)
            else:
                self._loop.remove_writer(self._reader)

    def _beat(self) -> None:
        """Ask whether the broker is there when this side has been silent for a keepalive, or the other for four.

        No answer for a keepalive ends it.

        Set anew once a second at most: a timer a message costs more than the message's own bookkeeping. One that is due for nothing wakes
        the whole program.
        """
        now_s = self._loop.time()
        if now_s >= self._beat_due_s():
            self._said_s = self._asked_s = now_s
            self._client.loop_misc()
            self._flush()
        if self._reader is not None:
            self._set_heartbeat()

    def _put_off(self) -> None:
        """Something was said or heard: a heartbeat that is not due any more would wake the program for nothing."""
        if self._heartbeat is not None and self._heartbeat.when() < self._beat_due_s() - BEAT_EVERY_S:
            self._set_heartbeat()

    def _set_heartbeat(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat.cancel()
        self._heartbeat = self._loop.call_at(self._beat_due_s() + BEAT_SLACK_S, self._beat)

    def _beat_due_s(self) -> float:
        keepalive_s = self._broker.keepalive_s
        if self._asked_s is not None:
            return self._asked_s + keepalive_s
        return min(self._said_s + keepalive_s, self._heard_s + HEARD_KEEPALIVES * keepalive_s)

    def _leave(self) -> None:
        """The loop no longer looks at the socket."""
        if self._reader is not None:
            self._loop.remove_reader(self._reader)
            self._loop.remove_writer(self._reader)
            self._reader = None
        if self._heartbeat is not None:
            self._heartbeat.cancel()

    # ── what paho says ──────────────────────────────────────────────────────────────────────────────────────────────

    def _on_connect(self, client: Client, _userdata: Any, _flags: ConnectFlags, reason: ReasonCode, properties: Properties | None) -> None:
        if reason.is_failure:
            self._fail(LinkDown(f"{self._broker.host}:{self._broker.port}: the broker refuses: {reason}"))
            return
        # Retained documents come in answer to this; a session of the broker's would not outlive its restart.
        client.subscribe(
            [(channels.topic(self._vehicle, row.name), SubscribeOptions(qos=row.qos)) for row in CHANNELS if row.direction == DOWN]
        )
        self._max_alias = getattr(properties, "TopicAliasMaximum", 0)
        self._up = True
        if not self._connected.done():
            self._connected.set_result(None)

    def _on_disconnect(
        self, _client: Client, _userdata: Any, _flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if not self._over:
            self._fail(LinkDown(f"{self._broker.host}:{self._broker.port}: {reason}"))

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        self._events.put_nowait(Message(message.topic.rpartition("/")[2], bytes(message.payload)))

    def _on_publish(self, *_: Any) -> None:
        self._taken.set()

    def _on_socket_close(self, *_: Any) -> None:
        if self._reader is not None:  # None also while it is dialled, on another thread
            self._leave()

    def _fail(self, why: LinkDown) -> None:
        self._up = False
        self._events.put_nowait(why)
        if not self._connected.done():
            self._connected.set_exception(why)
            self._connected.exception()  # seen: an opening that was given up has nobody to await it


@cache
def _packed(alias: int) -> _Packed:
    return _Packed(alias)


def tls_context(broker: Broker) -> ssl.SSLContext:
    """Mutual TLS as the hub's broker wants it.

    Raises
    ------
    OSError
        A file is absent or is not what it should be (`ssl.SSLError` is one too); the file is named.
    """
    for file in (broker.ca, broker.cert, broker.key):
        if not file.is_file():
            raise FileNotFoundError(f"{file}: no such file")
    context = ssl.create_default_context(cafile=str(broker.ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(str(broker.cert), str(broker.key))
    return context
