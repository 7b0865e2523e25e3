"""The broker's two doors. Proven by deliveries: a broker's SUBACK says "granted" for topics that never deliver."""

from __future__ import annotations

import queue
import shutil
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from roundsman_agent.config import load as load_agent_config
from roundsman_hub import broker as brokers
from roundsman_hub.broker import Broker, PortTaken, free_port, prepare, require_free, running
from roundsman_hub.pki import Pki, open_pki
from roundsman_hub.provision import Unit, provision
from roundsman_hub.settings import Endpoint
from roundsman_wire.channels import CHANNELS, topic

VAN, OTHER = "v_000000000001", "v_000000000002"
HOST = "127.0.0.1"
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("doors")


@pytest.fixture(scope="module")
def pki(folder: Path) -> Pki:
    return open_pki(folder / "pki")


@pytest.fixture(scope="module")
def broker(folder: Path, pki: Pki) -> Iterator[Broker]:
    made = prepare(folder / "broker", pki, vans=Endpoint(host=HOST, port=free_port()), hub=Endpoint(host=HOST, port=free_port()))
    for vehicle in (VAN, OTHER):
        provision(pki, Unit(vehicle_id=vehicle, broker=made.vans), folder / vehicle)
    with running(made):
        yield made


class Ear:
    """A connected client and what it was delivered."""

    def __init__(self, client: mqtt.Client) -> None:
        self.client = client
        self.heard: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.connected: queue.Queue[Any] = queue.Queue()
        self.subscribed: queue.Queue[Any] = queue.Queue()
        client.on_message = lambda _c, _u, m: self.heard.put((m.topic, bytes(m.payload)))
        client.on_connect = lambda _c, _u, _f, code, _p: self.connected.put(code)
        client.on_subscribe = lambda *_: self.subscribed.put(None)

    def subscribe(self, *filters: str) -> None:
        self.client.subscribe([(name, 1) for name in filters])
        self.subscribed.get(timeout=PATIENCE_S)

    def say(self, where: str, what: bytes) -> None:
        self.client.publish(where, what, qos=1).wait_for_publish(PATIENCE_S)

    def hears_until(self, where: str, what: bytes) -> list[tuple[str, bytes]]:
        """Everything that is delivered up to this message, which ends the wait."""
        out: list[tuple[str, bytes]] = []
        while not out or out[-1] != (where, what):
            out.append(self.heard.get(timeout=PATIENCE_S))
        return out


@contextmanager
def as_van(broker: Broker, folder: Path, vehicle: str, client_id: str = "") -> Iterator[Ear]:
    ear = Ear(mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5))
    unit = folder / vehicle
    ear.client.tls_set(str(unit / "ca.pem"), str(unit / "unit.pem"), str(unit / "unit.key"))
    with _connected(ear, broker.vans):
        yield ear


@contextmanager
def as_hub(broker: Broker) -> Iterator[Ear]:
    ear = Ear(mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5))
    ear.client.username_pw_set(broker.hub.username, broker.hub.password)
    with _connected(ear, Endpoint(host=broker.hub.host, port=broker.hub.port)):
        yield ear


@contextmanager
def _connected(ear: Ear, door: Endpoint) -> Iterator[None]:
    ear.client.connect(door.host, door.port)
    ear.client.loop_start()
    try:
        assert not ear.connected.get(timeout=PATIENCE_S).is_failure
        yield
    finally:
        ear.client.disconnect()
        ear.client.loop_stop()


def test_each_channel_carries_what_it_should(broker: Broker, folder: Path) -> None:
    with as_hub(broker) as hub, as_van(broker, folder, VAN) as van:
        hub.subscribe("rm/1/+/+/up/#")
        van.subscribe(f"rm/1/+/{VAN}/down/#")
        for channel in CHANNELS:
            speaker, listener = (van, hub) if channel.direction == "up" else (hub, van)
            speaker.say(topic(VAN, channel.name), channel.name.encode())
            assert listener.hears_until(topic(VAN, channel.name), channel.name.encode())


def test_a_van_cannot_read_what_is_for_another(broker: Broker, folder: Path) -> None:
    with as_hub(broker) as hub, as_van(broker, folder, VAN) as van:
        van.subscribe("#", "rm/1/+/+/down/#", f"rm/1/+/{OTHER}/down/#", topic(OTHER, "plan"), topic(VAN, "plan"), f"rm/1/+/{OTHER}/up/#")
        hub.say(topic(OTHER, "plan"), b"secret")
        hub.say(topic(VAN, "plan"), b"mine")
        assert set(van.hears_until(topic(VAN, "plan"), b"mine")) == {(topic(VAN, "plan"), b"mine")}


def test_a_van_cannot_write_as_another_nor_steer_itself(broker: Broker, folder: Path) -> None:
    with as_hub(broker) as hub, as_van(broker, folder, VAN) as van, as_van(broker, folder, OTHER) as other:
        hub.subscribe("rm/1/+/+/up/#")
        other.subscribe(topic(OTHER, "plan"))
        van.subscribe(topic(VAN, "ack"))
        van.say(topic(OTHER, "facts"), b"forged")
        van.say(topic(OTHER, "plan"), b"forged")
        van.say(topic(VAN, "ack"), b"forged")
        van.say("elsewhere", b"forged")
        van.say(topic(VAN, "facts"), b"mine")
        assert hub.hears_until(topic(VAN, "facts"), b"mine") == [(topic(VAN, "facts"), b"mine")]
        hub.say(topic(OTHER, "plan"), b"real")
        hub.say(topic(VAN, "ack"), b"real")
        assert other.hears_until(topic(OTHER, "plan"), b"real") == [(topic(OTHER, "plan"), b"real")]
        assert van.hears_until(topic(VAN, "ack"), b"real") == [(topic(VAN, "ack"), b"real")]


def test_a_van_that_claims_another_name_stays_itself(broker: Broker, folder: Path) -> None:
    """A valid certificate cannot push another van off by taking its client id."""
    with as_van(broker, folder, OTHER) as other, as_van(broker, folder, VAN, client_id=OTHER) as van, as_hub(broker) as hub:
        other.subscribe(topic(OTHER, "plan"))
        van.subscribe(topic(OTHER, "plan"), topic(VAN, "plan"))
        hub.say(topic(OTHER, "plan"), b"still here")
        hub.say(topic(VAN, "plan"), b"end")
        assert other.hears_until(topic(OTHER, "plan"), b"still here")
        assert set(van.hears_until(topic(VAN, "plan"), b"end")) == {(topic(VAN, "plan"), b"end")}


def _refused(make: Callable[[], ssl.SSLContext | None], door: Endpoint) -> bool:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5, reconnect_on_failure=False)
    codes: queue.Queue[bool] = queue.Queue()
    client.on_connect = lambda _c, _u, _f, code, _p: codes.put(bool(code.is_failure))
    client.on_disconnect = lambda *_: codes.put(True)
    context = make()
    if context is not None:
        client.tls_set_context(context)
    try:
        client.connect(door.host, door.port)
    except (ssl.SSLError, OSError):
        return True
    client.loop_start()
    try:
        return codes.get(timeout=PATIENCE_S)
    finally:
        client.disconnect()
        client.loop_stop()


def test_a_wrong_certificate_is_refused(broker: Broker, folder: Path, tmp_path: Path) -> None:
    """None at all, one of another authority with the right name, no TLS, and the hub's door without its password."""
    stranger = open_pki(tmp_path / "stranger")
    provision(stranger, Unit(vehicle_id=VAN, broker=broker.vans), tmp_path / "unit")

    def context(certificate: Path | None) -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=str(folder / VAN / "ca.pem"))
        if certificate:
            made.load_cert_chain(certificate / "unit.pem", certificate / "unit.key")
        return made

    assert _refused(lambda: context(None), broker.vans)
    assert _refused(lambda: context(tmp_path / "unit"), broker.vans)
    assert _refused(lambda: None, broker.vans)
    assert _refused(lambda: None, Endpoint(host=broker.hub.host, port=broker.hub.port))
    assert not _refused(lambda: context(folder / VAN), broker.vans)


def test_a_van_refuses_a_broker_of_another_authority(broker: Broker, tmp_path: Path) -> None:
    stranger = open_pki(tmp_path / "stranger")
    unit = tmp_path / "unit"
    provision(stranger, Unit(vehicle_id=VAN, broker=broker.vans), unit)
    trusting = ssl.create_default_context(cafile=str(unit / "ca.pem"))
    door = (broker.vans.host, broker.vans.port)
    with socket.create_connection(door) as plain, pytest.raises(ssl.SSLCertVerificationError):
        trusting.wrap_socket(plain, server_hostname=broker.vans.host)


def test_keys_are_private_and_kept(folder: Path, pki: Pki) -> None:
    for path in folder.rglob("*.key"):
        assert path.stat().st_mode & 0o077 == 0, path
    before = pki.signer()
    again = open_pki(folder / "pki", hosts=["hub.example"])
    assert again.signer().key_id == before.key_id
    assert again.signer().sign(b"document") == before.sign(b"document")


def test_a_vans_unit_reads_the_folder_that_was_made_for_it(pki: Pki, broker: Broker, tmp_path: Path) -> None:
    """And wherever the folder is carried to: its files are named as they lie beside agent.toml."""
    made = provision(pki, Unit(vehicle_id=VAN, broker=broker.vans, time_base="0/0/30"), tmp_path / "made")
    carried = shutil.copytree(made.parent, tmp_path / "carried")
    config = load_agent_config(carried / made.name)
    assert config.vehicle == VAN
    assert config.broker is not None
    assert (config.broker.host, config.broker.port) == (broker.vans.host, broker.vans.port)
    assert [path.parent for path in (config.broker.ca, config.broker.cert, config.broker.key, config.store_dir)] == [carried] * 4
    signer = pki.signer()
    assert {key: bytes(public).hex() for key, public in config.hub_keys.items()} == {signer.key_id: signer.public_hex}
    assert config.time_base.factor == 30


def test_a_taken_port_is_said_clearly(broker: Broker) -> None:
    with pytest.raises(PortTaken, match=rf"cannot listen on {HOST}:{broker.vans.port} for the vans' broker.*--vans-port"):
        require_free(broker.vans, what="the vans' broker", option="--vans-port")


def test_the_broker_ends_with_who_started_it(folder: Path, pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brokers, "STOPS_WITHIN_S", PATIENCE_S)
    made = prepare(folder / "short", pki, vans=Endpoint(host=HOST, port=free_port()), hub=Endpoint(host=HOST, port=free_port()))
    with running(made) as process:
        assert process.poll() is None
    assert process.poll() not in (None, -signal.SIGKILL), "it saved what it retains, and went by itself"
