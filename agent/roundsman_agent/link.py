"""One connection to the hub's broker, from its opening to its end: MQTT 5 over mutual TLS, on paho's own thread.

A lost connection is never mended: the uplink opens a new one. So nothing of the old one can be sent late: no queue in
paho, no topic alias that the broker forgot, no presence from before.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

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
ALIASES: Final[Mapping[str, int]] = {"facts": 1, "track": 2, "now": 3}
"""Channels that are sent again and again: two bytes instead of a topic of about 40."""


class LinkDown(AgentError):
    """There is no connection. `str` says why."""


class Message(NamedTuple):
    """Something that the hub said on a channel."""

    channel: str
    payload: bytes


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
        self._lock = threading.Lock()
        self._up = False
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
        self._client.loop_start()
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
            except (OSError, ValueError) as why:
                error = why
            with suppress(RuntimeError):  # the loop has ended meanwhile
                self._say(settle, error)

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
        row = BY_NAME[channel]
        with self._lock:
            if not self._up:
                return False
            topic, properties = channels.topic(self._vehicle, channel), None
            alias = ALIASES.get(channel, 0)
            if 0 < alias <= self._max_alias:
                properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho's own gap
                properties.TopicAlias = alias
                if channel in self._aliased:
                    topic = ""
                self._aliased.add(channel)
            info = self._client.publish(topic, payload, qos=row.qos, retain=row.retained, properties=properties)
            self.bytes_sent += len(payload)
            return info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    async def close(self, goodbye: bytes | None = None) -> None:
        """End the connection, saying `goodbye` on `presence` first if it is still up."""
        await asyncio.to_thread(self._close, goodbye)

    def _close(self, goodbye: bytes | None) -> None:
        if goodbye is not None and self._up:
            info = self._client.publish(channels.topic(self._vehicle, "presence"), goodbye, qos=1, retain=True)
            if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
                info.wait_for_publish(GOODBYE_S)
        self._client.disconnect()
        self._client.loop_stop()

    # ── on paho's thread ────────────────────────────────────────────────────────────────────────────────────────────

    def _on_connect(self, client: Client, _userdata: Any, _flags: ConnectFlags, reason: ReasonCode, properties: Properties | None) -> None:
        if reason.is_failure:
            self._say(self._fail, LinkDown(f"{self._broker.host}:{self._broker.port}: the broker refuses: {reason}"))
            return
        # Retained documents come in answer to this; a session of the broker's would not outlive its restart.
        client.subscribe(
            [(channels.topic(self._vehicle, row.name), SubscribeOptions(qos=row.qos)) for row in CHANNELS if row.direction == DOWN]
        )
        with self._lock:
            self._max_alias = getattr(properties, "TopicAliasMaximum", 0)
            self._up = True
        self._say(self._succeed)

    def _on_disconnect(
        self, _client: Client, _userdata: Any, _flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        with self._lock:
            self._up = False
        self._say(self._fail, LinkDown(f"{self._broker.host}:{self._broker.port}: {reason}"))

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        self._say(self._events.put_nowait, Message(message.topic.rpartition("/")[2], bytes(message.payload)))

    def _say(self, call: Any, *arguments: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *arguments)

    # ── on the loop ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _succeed(self) -> None:
        if not self._connected.done():
            self._connected.set_result(None)

    def _fail(self, why: LinkDown) -> None:
        self._events.put_nowait(why)
        if not self._connected.done():
            self._connected.set_exception(why)
            self._connected.exception()  # seen: an opening that was given up has nobody to await it


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
