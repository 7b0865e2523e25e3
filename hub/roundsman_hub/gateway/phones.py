"""OwnTracks over MQTT: telephones at the broker, heard by the gateway. The broker has checked who writes where; the topic says who it is.

Each message is acknowledged to the broker when it is on the gateway's disk, under a session that the broker keeps: a gateway that was
killed hears again what it had not kept, and the spool takes nothing twice. No telephone is let in before the broker keeps for the gateway
what it says. (A broker that is killed forgets what it had not saved: this way is as sure as the broker is, less than a unit's own log.)
"""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from roundsman_hub.clock import Clock
from roundsman_hub.gateway import words
from roundsman_hub.gateway.door import MAX_BODY_BYTES, Devices, on_shift, pass_over
from roundsman_hub.gateway.spool import Spool
from roundsman_hub.gateway.words import Unfit
from roundsman_hub.settings import BrokerLogin, write_private
from roundsman_hub.store.rows import Row

log = logging.getLogger(__name__)

TOPIC: Final = "owntracks/+/+"
CLIENT: Final = "gateway"
KEPT_S: Final = 7 * 86_400
"""For so long the broker keeps what a gateway that is away has not heard."""
AT_ONCE: Final = 500
LOOKS_EVERY_S: Final = 0.2


def write_passwords(path: Path, found: list[Row]) -> bool:
    """Write the telephones' passwords where they have changed. True: they had."""
    lines = sorted(f"{device['vehicle_id']}:{device['broker_password']}\n" for device in found if device["broker_password"])
    text = "".join(lines)
    if path.exists() and path.read_text() == text:
        return False
    write_private(path, text)
    return True


class Phones:
    """Hears telephones, from the moment the registrations are known until it is told to stop."""

    def __init__(self, login: BrokerLogin, devices: Devices, spool: Spool, clock: Clock) -> None:
        self._login, self._devices, self._spool, self._clock = login, devices, spool, clock

    def run(self, stop: threading.Event) -> None:
        """Until `stop`; a broker that is away is sought again."""
        while self._devices.known is None:
            if stop.wait(LOOKS_EVERY_S):
                return
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=CLIENT, protocol=paho.MQTTv5, manual_ack=True)
        client.username_pw_set(self._login.username, self._login.password)
        client.reconnect_delay_set(1, 30)
        client.on_connect = self._connected
        client.on_subscribe = self._subscribed
        client.on_message = self._heard
        kept = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho-mqtt has no types here
        kept.SessionExpiryInterval, kept.ReceiveMaximum = KEPT_S, AT_ONCE
        client.connect_async(self._login.host, self._login.port, clean_start=False, properties=kept)
        client.loop_start()
        stop.wait()
        client.disconnect()
        client.loop_stop()

    def _connected(self, client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            log.warning("the broker lets the gateway not in: %s", reason)
        else:
            client.subscribe(TOPIC, options=SubscribeOptions(qos=1, noLocal=True, retainAsPublished=True))

    def _subscribed(self, _client: paho.Client, _data: Any, _mid: int, reasons: list[Any], _properties: Any) -> None:
        self._devices.listening = self._devices.listening or not any(reason.is_failure for reason in reasons)

    def _heard(self, client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        if not message.payload:
            client.ack(message.mid, message.qos)
            return
        if message.retain:  # a place that the broker would keep for ever, also one from outside the shift
            client.publish(message.topic, b"", retain=True)
        try:
            self.take(message.topic, bytes(message.payload))
        except Unfit as error:
            log.info("%s: %s", message.topic.split("/")[1], error)
        client.ack(message.mid, message.qos)

    def take(self, topic: str, payload: bytes) -> None:
        """One message of a telephone; on return what is to be kept of it survives a power cut.

        Raises
        ------
        Unfit
            It says nothing that can be: stepped over.
        """
        device = self._devices.phones.get(topic.split("/")[1])
        if device is None:
            raise Unfit("no telephone is registered for this vehicle")
        if len(payload) > MAX_BODY_BYTES:
            raise Unfit(f"{len(payload)} bytes; at most {MAX_BODY_BYTES}")
        try:
            said = json.loads(payload)
        except (ValueError, RecursionError):
            raise Unfit("this is not JSON") from None
        if not isinstance(said, dict):
            raise Unfit("this is no message of OwnTracks'")
        vehicle = device["vehicle_id"]
        report = words.owntracks(said, self._clock.utc_ms())
        if report is not None:
            self._devices.lost.discard(vehicle)
            if on_shift(device, report):
                self._spool.keep(vehicle, device["driver_id"], [report])
        elif pass_over(said) == "lwt":
            self._devices.lost.add(vehicle)
