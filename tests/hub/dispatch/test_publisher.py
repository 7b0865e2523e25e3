"""What is committed reaches the broker, whatever the broker goes through. Real broker, real database."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from roundsman_hub import broker as brokers
from roundsman_hub.broker import Broker
from roundsman_hub.clock import to_ms
from roundsman_hub.dispatch import publisher as publishers
from roundsman_hub.dispatch.publisher import Publisher
from roundsman_hub.provision import Unit, provision
from roundsman_hub.replan.holds import HEARD_WITHIN
from roundsman_hub.store import log_store, talk_store
from roundsman_hub.store.fleet import add_fence, fences_changed
from roundsman_hub.store.rows import row
from roundsman_wire.channels import topic
from roundsman_wire.envelopes import open_envelope

Desk = Any  # the fixture of conftest.py


def eventually(holds: Callable[[], bool], within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)


@contextmanager
def van_hears(desk: Desk, broker: Broker, folder: Path, *kinds: str) -> Iterator[queue.Queue[tuple[str, int]]]:
    """The van's own connection: (kind, version) of each document it gets."""
    provision(desk.pki, Unit(vehicle_id=desk.vehicle, broker=broker.vans), folder)
    heard: queue.Queue[tuple[str, int]] = queue.Queue()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.tls_set(str(folder / "ca.pem"), str(folder / "unit.pem"), str(folder / "unit.key"))
    client.on_connect = lambda c, *_: c.subscribe([(topic(desk.vehicle, kind), 1) for kind in kinds or ("plan", "sites", "config")])

    def on_message(_c: Any, _u: Any, message: mqtt.MQTTMessage) -> None:
        envelope = open_envelope(bytes(message.payload), lambda *_: True)
        heard.put((envelope.header.kind, envelope.header.version))

    client.on_message = on_message
    client.connect(broker.vans.host, broker.vans.port)
    client.loop_start()
    try:
        yield heard
    finally:
        client.disconnect()
        client.loop_stop()


def config_version(desk: Desk) -> Any:
    """Of the config that the van was last told; None: it was told none yet."""
    with desk.db.transaction() as cur:
        found = cur.execute("SELECT version FROM unit_configs WHERE vehicle_id = %s", (desk.vehicle,)).fetchone()
    return None if found is None else found["version"]


def wait_for(heard: queue.Queue[tuple[str, int]], kind: str, version: int) -> None:
    while heard.get(timeout=60) != (kind, version):
        pass


def test_a_plan_is_with_its_van_moments_after_commit(desk: Desk, running_broker: Broker, tmp_path: Path) -> None:
    with Publisher(desk.db, running_broker.hub, desk.pki.signer(), desk.clock) as publisher:
        with van_hears(desk, running_broker, tmp_path / "van") as heard:
            plan = desk.issue(desk.order())
            publisher.wake()
            wait_for(heard, "plan", plan.version)
        eventually(lambda: desk.published(plan))


def test_a_plan_made_while_the_broker_is_away_is_published_when_it_is_back(desk: Desk, broker: Broker, tmp_path: Path) -> None:
    """And only the newest: the van never needs to see what was superseded meanwhile."""
    with Publisher(desk.db, broker.hub, desk.pki.signer(), desk.clock) as publisher:
        older = desk.issue(desk.order())
        publisher.wake()
        newer = desk.issue()
        publisher.wake()
        assert not desk.published(newer)
        with brokers.running(broker):
            eventually(lambda: desk.published(newer))
            assert not desk.published(older)
            with van_hears(desk, broker, tmp_path / "van") as heard:
                wait_for(heard, "plan", newer.version)


def test_a_broker_that_forgot_everything_is_told_again(desk: Desk, broker: Broker, tmp_path: Path) -> None:
    """Killed brokers lose retained messages: whoever connects afterwards must still find the plan in force."""
    with Publisher(desk.db, broker.hub, desk.pki.signer(), desk.clock):
        process = brokers.start(broker)
        try:
            plan = desk.issue(desk.order())
            eventually(lambda: desk.published(plan))
        finally:
            process.kill()
            process.wait()
        (broker.directory / "mosquitto.db").unlink(missing_ok=True)
        with brokers.running(broker), van_hears(desk, broker, tmp_path / "van") as heard:
            wait_for(heard, "plan", plan.version)


def test_a_message_is_said_again_until_its_van_shows_it(
    desk: Desk, running_broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishers, "SAID_AGAIN_S", 0.1)
    monkeypatch.setattr(publishers, "LOOKS_AGAIN_S", 0.2)
    with desk.db.transaction() as cur:
        cur.execute("INSERT INTO vehicle_now (vehicle_id, fleet_id, online) VALUES (%s, %s, true)", (desk.vehicle, desk.fleet))
        at = desk.clock.now()
        message = talk_store.say(cur, desk.fleet, desk.vehicle, text="Ring twice", order=None, actor="k", at=at)
    with (
        Publisher(desk.db, running_broker.hub, desk.pki.signer(), desk.clock) as publisher,
        van_hears(desk, running_broker, tmp_path / "van", "command", "plan") as heard,
    ):
        for _ in range(2):
            wait_for(heard, "command", to_ms(at))
        with desk.db.transaction() as cur:
            cur.execute("INSERT INTO messages_shown VALUES (1, 1, %s, %s, %s, NULL)", (desk.vehicle, desk.fleet, message))
            told = row(cur, "SELECT published_at FROM messages WHERE message_id = %s", (message,))
        assert told is not None
        assert told["published_at"] is not None
        kinds: list[str] = []
        for _ in range(3):  # what is said with the first of them may have been looked up before
            plan = desk.issue()
            publisher.wake()
            kinds.clear()
            while (found := heard.get(timeout=60)) != ("plan", plan.version):
                kinds.append(found[0])
        assert "command" not in kinds


def test_fences_and_keys_reach_the_van(desk: Desk, running_broker: Broker, tmp_path: Path) -> None:
    with (
        Publisher(desk.db, running_broker.hub, desk.pki.signer(), desk.clock) as publisher,
        van_hears(desk, running_broker, tmp_path / "van") as heard,
    ):
        eventually(lambda: config_version(desk) is not None)
        first = config_version(desk)
        wait_for(heard, "config", first)
        with desk.db.transaction() as cur:
            cur.execute("UPDATE fleets SET timezone = 'Europe/Helsinki' WHERE fleet_id = %s", (desk.fleet,))
        publisher.wake()
        eventually(lambda: config_version(desk) > first)
        wait_for(heard, "config", config_version(desk))
        with desk.db.transaction() as cur:
            ring = [[(50_000_000, 10_000_000)]]
            add_fence(cur, desk.fleet, name="Yard", rings_e6=ring, radius_m=80.0, dwell_s=None, speed_limit_cm_s=None)
            fences_changed(cur, desk.fleet, 1_000)
        publisher.wake()
        wait_for(heard, "sites", 1_000)


def test_after_a_restore_each_van_is_asked_behind_its_plan_until_it_answers(
    desk: Desk, running_broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the plan's own topic, where order is the broker's promise; not retained: a van that connects later gets its plan first again."""
    monkeypatch.setattr(publishers, "CALLED_AGAIN_S", 0.1)
    monkeypatch.setattr(publishers, "LOOKS_AGAIN_S", 0.2)
    plan = desk.issue(desk.order())
    with desk.db.transaction() as cur:
        log_store.restored(cur)
        epoch = row(cur, "SELECT raised_real_at AS at FROM log.epoch")
    assert epoch is not None
    call = to_ms(epoch["at"])
    try:
        with (
            van_hears(desk, running_broker, tmp_path / "van", "plan") as heard,
            Publisher(desk.db, running_broker.hub, desk.pki.signer(), desk.clock),
        ):
            assert [heard.get(timeout=60) for _ in range(3)] == [("plan", plan.version), ("command", call), ("command", call)]
            with desk.db.transaction() as cur:
                name = talk_store.roll_call(epoch["at"])
                cur.execute("INSERT INTO messages_shown VALUES (1, 2, %s, %s, %s, NULL)", (desk.vehicle, desk.fleet, name))
                assert desk.vehicle not in [r["vehicle_id"] for r in talk_store.absent(cur, epoch["at"] - HEARD_WITHIN)]
        with van_hears(desk, running_broker, tmp_path / "again", "plan") as heard:
            assert heard.get(timeout=60) == ("plan", plan.version)
    finally:
        with desk.db.transaction() as cur:
            cur.execute("UPDATE log.epoch SET raised_real_at = NULL")
