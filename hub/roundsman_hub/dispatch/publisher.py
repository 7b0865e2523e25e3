"""Publishes what is committed: each van's newest plan, its sites and its config, retained, and messages to its driver; and notes when the
broker has them.

Level-triggered: whenever it is woken, and on every new connection, it compares what is committed with what this connection has
published. So nothing is lost by a broker that was away, or that forgot its retained messages.
"""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Final, LiteralString

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from roundsman_hub.clock import Clock
from roundsman_hub.dispatch.documents import Document, config_of, message_of, roll_call_of, sites_of, units
from roundsman_hub.pki import Signer
from roundsman_hub.replan.holds import HEARD_WITHIN
from roundsman_hub.settings import BrokerLogin
from roundsman_hub.store import talk_store
from roundsman_hub.store.db import Cursor, Database, is_away
from roundsman_hub.store.rows import notify, rows
from roundsman_wire.channels import BY_NAME, topic

log = logging.getLogger(__name__)

KEEPALIVE_S: Final = 10
RECONNECT_S: Final = (0.2, 5.0)
LOOKS_AGAIN_S: Final = 5.0
"""If a wake was lost (a notice while the database was away), it is made up for this soon."""

SAID_AGAIN_S: Final = 60.0
"""A message that a van on line does not say to show went to a connection that was lost: the van shows it once, however often it comes."""
CALLED_AGAIN_S: Final = 10.0
"""A roll call that is not answered went to a connection that was lost; nothing is planned while it is open."""

Key = tuple[str, str]
"""(vehicle id, kind of document)"""

_NEWEST: LiteralString = """
    SELECT p.vehicle_id, p.version, p.envelope FROM vehicles v
    CROSS JOIN LATERAL (SELECT * FROM plans q WHERE q.vehicle_id = v.vehicle_id ORDER BY version DESC LIMIT 1) p
    WHERE v.retired_at IS NULL AND (%s OR p.published_at IS NULL)
"""
_PUBLISHED: LiteralString = """
    UPDATE plans SET published_at = %s WHERE vehicle_id = %s AND version = %s AND published_at IS NULL RETURNING fleet_id
"""


@dataclass
class _Connection:
    """One connection to the broker and what was published through it. A new one starts from nothing: paho's own queue is never used,
    or an older plan left in it would be sent after a newer one."""

    client: mqtt.Client
    published: dict[Key, int] = field(default_factory=dict)
    unconfirmed: dict[int, Document] = field(default_factory=dict)
    said: dict[str, float] = field(default_factory=dict)
    """When each message that is not shown yet was last published, by the monotonic clock."""
    called: dict[tuple[str, str], float] = field(default_factory=dict)
    """When each (vehicle, roll call) without an answer was last called."""
    confirmed: list[int] = field(default_factory=list)
    up: bool = False
    lost: bool = False


class Publisher:
    """A thread that keeps the broker's retained documents in step with the database.

    Parameters
    ----------
    db : Database
    broker : BrokerLogin
    signer : Signer
        For sites and config; plans are already sealed.
    clock : Clock
    files_url : str
        Where vans put photos and fetch the map; empty: nowhere.
    """

    def __init__(self, db: Database, broker: BrokerLogin, signer: Signer, clock: Clock, *, files_url: str = "") -> None:
        self._db, self._broker, self._signer, self._clock, self._files_url = db, broker, signer, clock, files_url
        self._changed = threading.Condition()
        self._woken = True
        self._stopping = False
        self._connection: _Connection | None = None
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def __enter__(self) -> Publisher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join()

    @property
    def connected(self) -> bool:
        """Whether the broker is there now."""
        return self._connection is not None and self._connection.up and not self._connection.lost

    def wake(self) -> None:
        """Something was committed: look again. Returns at once."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def _run(self) -> None:
        pause_s = RECONNECT_S[0]
        while not self._stopping:
            connection = self._connection = self._connect()
            if connection is None:
                with self._changed:
                    self._changed.wait_for(lambda: self._stopping, pause_s * random.uniform(0.5, 1.0))
                pause_s = min(2 * pause_s, RECONNECT_S[1])
                continue
            pause_s = RECONNECT_S[0]
            try:
                self._serve(connection)
            finally:
                with contextlib.suppress(ValueError, OSError):
                    connection.client.disconnect()
                connection.client.loop_stop()

    def _connect(self) -> _Connection | None:
        client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5, reconnect_on_failure=False)
        client.username_pw_set(self._broker.username, self._broker.password)
        connection = _Connection(client=client)

        def on_connect(_c: Any, _u: Any, _f: Any, code: Any, _p: Any) -> None:
            with self._changed:
                connection.up, connection.lost = not code.is_failure, code.is_failure
                self._changed.notify_all()

        def on_disconnect(*_: Any) -> None:
            with self._changed:
                connection.lost = True
                self._changed.notify_all()

        def on_publish(_c: Any, _u: Any, mid: int, code: Any, _p: Any) -> None:
            with self._changed:
                if not code.is_failure:
                    connection.confirmed.append(mid)
                self._changed.notify_all()

        client.on_connect, client.on_disconnect, client.on_publish = on_connect, on_disconnect, on_publish
        try:
            client.connect(self._broker.host, self._broker.port, keepalive=KEEPALIVE_S)
        except OSError as error:
            log.warning("broker %s:%s is away: %s", self._broker.host, self._broker.port, error)
            return None
        client.loop_start()
        with self._changed:
            self._changed.wait_for(lambda: connection.up or connection.lost or self._stopping, KEEPALIVE_S)
        if not connection.up:
            client.loop_stop()
            return None
        return connection

    def _serve(self, connection: _Connection) -> None:
        everything = self._woken = True
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._woken or connection.confirmed or connection.lost or self._stopping, LOOKS_AGAIN_S)
                if self._stopping or connection.lost:
                    return
                self._woken = False
                confirmed, connection.confirmed = connection.confirmed, []
            try:
                self._confirm(connection, confirmed)
                self._publish_new(connection, everything=everything)
                everything = False
            except Exception as error:
                if not is_away(error):
                    raise
                log.warning("%s; what is unpublished goes out when it is back", error)
                with self._changed:
                    self._woken = True
                    connection.confirmed = confirmed + connection.confirmed
                    self._changed.wait_for(lambda: self._stopping or connection.lost, RECONNECT_S[1] / 5)

    def _publish_new(self, connection: _Connection, *, everything: bool) -> None:
        with self._db.transaction() as cur:
            plans = rows(cur, _NEWEST, (everything,))
            documents = [
                Document(vehicle_id=r["vehicle_id"], kind="plan", version=r["version"], envelope=bytes(r["envelope"])) for r in plans
            ]
            documents = [d for d in documents if connection.published.get((d.vehicle_id, "plan"), 0) < d.version]
            self._send(connection, documents)
            for unit in units(cur):
                vehicle = unit["vehicle_id"]
                told = connection.published.get((vehicle, "config"), 0)
                config = config_of(cur, unit, self._signer, self._files_url, self._clock, told=told)
                self._send(connection, [config] if config else [])
                if unit["sites_version"] != connection.published.get((vehicle, "sites"), 0):
                    sites = sites_of(cur, unit, self._signer)
                    self._send(connection, [sites] if sites else [])
            self._say(connection, cur)
            self._call_roll(connection, cur)

    def _say(self, connection: _Connection, cur: Cursor) -> None:
        """Publish messages that no van shows yet: once on each connection, and again while the van is on line and does not say so."""
        unshown, now_s = talk_store.unshown(cur, self._clock.now()), time.monotonic()
        connection.said = {r["message_id"]: connection.said[r["message_id"]] for r in unshown if r["message_id"] in connection.said}
        for r in unshown:
            said_s = connection.said.get(r["message_id"])
            if said_s is None or (r["online"] and now_s - said_s >= SAID_AGAIN_S):
                connection.said[r["message_id"]] = now_s
                self._send(connection, [message_of(r, self._signer)])

    def _call_roll(self, connection: _Connection, cur: Cursor) -> None:
        """After a restore: ask each van, behind the plans that wait for it, whether it has taken them (see `replan.holds`)."""
        now_s = time.monotonic()
        for r in talk_store.absent(cur, self._clock.real_now() - HEARD_WITHIN):
            call = r["vehicle_id"], talk_store.roll_call(r["raised_real_at"])
            if now_s - connection.called.get(call, float("-inf")) >= CALLED_AGAIN_S:
                connection.called[call] = now_s
                document = roll_call_of(r, self._signer)
                connection.client.publish(topic(document.vehicle_id, "plan"), document.envelope, qos=BY_NAME["plan"].qos)

    def _send(self, connection: _Connection, documents: list[Document]) -> None:
        for document in documents:
            channel = BY_NAME[document.kind]
            info = connection.client.publish(
                topic(document.vehicle_id, document.kind), document.envelope, qos=channel.qos, retain=channel.retained
            )
            if info.rc != mqtt.MQTT_ERR_SUCCESS:
                return  # the connection is lost: the next one publishes everything
            if document.kind in ("plan", "command"):
                connection.unconfirmed[info.mid] = document
            if document.kind != "command":
                connection.published[document.vehicle_id, document.kind] = document.version

    def _confirm(self, connection: _Connection, mids: list[int]) -> None:
        there = [connection.unconfirmed[mid] for mid in mids if mid in connection.unconfirmed]
        if there:
            with self._db.transaction() as cur:
                for document in there:
                    if document.kind == "command":
                        talk_store.published(cur, document.name, self._clock.now())
                        continue
                    for told in rows(cur, _PUBLISHED, (self._clock.now(), document.vehicle_id, document.version)):
                        notify(cur, "plan", told["fleet_id"], document.vehicle_id)
        for mid in mids:
            connection.unconfirmed.pop(mid, None)
