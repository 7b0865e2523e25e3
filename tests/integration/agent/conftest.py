"""A real broker with the hub's own access rules, a follower that keeps what a hub keeps, and a van's uplink on its real outbox."""

from __future__ import annotations

import asyncio
import copy
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from roundsman_agent import config, uplink
from roundsman_agent.outbox import Outbox
from roundsman_agent.uplink import Uplink
from roundsman_core import lanes
from roundsman_core.pacing import Pace
from roundsman_hub import broker as hub_broker, pki as hub_pki
from roundsman_hub.settings import Endpoint, write_private
from roundsman_wire import channels, frames
from roundsman_wire.messages import FACTS, Ack, FixRow, Note, Now, Presence

VEHICLE = "v_0123456789ab"
DEADLINE_S = 90.0


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rules with shorter patience: the tests are about what happens, not about how long it may take."""
    monkeypatch.setattr(uplink, "ACK_TIMEOUT_S", 0.4)
    monkeypatch.setattr(uplink, "RECONNECT_S", (0.05, 0.3))


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> hub_pki.Pki:
    return hub_pki.open_pki(tmp_path_factory.mktemp("pki"))


@dataclass(kw_only=True)
class Broker:
    """A mosquitto that can be killed and started again."""

    broker: hub_broker.Broker
    process: Any = None

    def start(self) -> None:
        self.process = hub_broker.start(self.broker)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def broker(pki: hub_pki.Pki, tmp_path: Path) -> Iterator[Broker]:
    doors = [Endpoint(host="127.0.0.1", port=hub_broker.free_port()) for _ in range(2)]
    one = Broker(broker=hub_broker.prepare(tmp_path / "broker", pki, vans=doors[0], hub=doors[1]))
    one.start()
    yield one
    if one.process.poll() is None:
        hub_broker.stop(one.process)


Key = tuple[str, int]


@dataclass(kw_only=True)
class Book:
    """What a hub's database holds of a van."""

    epoch: int = 1
    through: dict[Key, int] = field(default_factory=dict)
    entries: dict[Key, dict[int, Any]] = field(default_factory=dict)
    gone: dict[Key, list[frames.Gone]] = field(default_factory=dict)
    twice: int = 0


class Follower:
    """Takes frames and answers by the lanes' rules, as the hub's ingest does, with a dictionary for a database."""

    def __init__(self, login: Any) -> None:
        self.book = Book()
        self.lose_acks = False
        self.pace: Pace | None = None
        self.frames = self.acks = 0
        self.deaf = False
        self.presences: list[Presence] = []
        self.nows: list[Now] = []
        self.topics: list[str] = []
        self._lock = threading.Lock()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="follower", protocol=MQTTProtocolVersion.MQTTv5)
        self._client.username_pw_set(login.username, login.password)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe("rm/1/+/+/up/#", qos=1)
        hears = threading.Event()
        self._client.on_subscribe = lambda *_: hears.set()
        self._client.on_message = self._on_message
        self._client.connect(login.host, login.port)
        self._client.loop_start()
        assert hears.wait(DEADLINE_S), "what a van says before that is lost"

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def snapshot(self) -> Book:
        with self._lock:
            return copy.deepcopy(self.book)

    def restore(self, book: Book) -> None:
        with self._lock:
            self.book = copy.deepcopy(book)

    def say(self, channel: str, payload: bytes) -> None:
        row = channels.BY_NAME[channel]
        self._client.publish(channels.topic(VEHICLE, channel), payload, qos=row.qos, retain=row.retained)

    def _on_message(self, _client: Any, _userdata: Any, message: paho.MQTTMessage) -> None:
        topic = channels.parse_topic(message.topic)
        with self._lock:
            self.topics.append(message.topic)
            match topic.channel.name:
                case "presence":
                    presence = msgspec.json.decode(message.payload, type=Presence)
                    self.presences.append(presence)
                    if self.pace is not None:
                        self.pace.forget(VEHICLE)
                    if not self.deaf:
                        self.book.epoch, acks = lanes.answer_presence(self.book.epoch, self.book.through, presence)
                        for ack in acks:
                            self._answer(ack)
                case "now":
                    self.nows.append(msgspec.json.decode(message.payload, type=Now))
                case _ if not self.deaf:
                    self._frame(bytes(message.payload))

    def _frame(self, data: bytes) -> None:
        header = frames.decode_header(data)
        key = header.session, header.lane
        held = frames.decode_entries(header, data) if header.lane == FACTS else frames.decode_rows(header, data)
        through = self.book.through.get(key, 0)
        rewind = False
        match lanes.follow(through, header.first_seq, header.last_seq):
            case lanes.Take(first=first, last=last):
                kept = self.book.entries.setdefault(key, {})
                for number, entry in zip(header.held_seqs(), held, strict=True):
                    if number >= first:
                        self.book.twice += number in kept
                        kept[number] = entry
                self.book.gone.setdefault(key, []).extend(gone for gone in header.gone if gone.last >= first)
                self.book.through[key] = last
            case lanes.Gap():
                rewind = True
        self.frames += 1
        ack = Ack(epoch=self.book.epoch, session=header.session, lane=header.lane, through_seq=self.book.through.get(key, 0), rewind=rewind)
        entries = header.last_seq - header.first_seq + 1
        for due in [ack] if self.pace is None else self.pace.committed(VEHICLE, ack, 1, entries, time.monotonic()):
            self._answer(due)

    def _answer(self, ack: Ack) -> None:
        self.acks += 1
        if not self.lose_acks:
            self.say("ack", msgspec.json.encode(ack))


@pytest.fixture
def follower(broker: Broker) -> Iterator[Follower]:
    one = Follower(broker.broker.hub)
    yield one
    one.close()


@dataclass(kw_only=True)
class Van:
    """Outbox and uplink of one van, without a daemon around them."""

    outbox: Outbox
    uplink: Uplink
    link: list[tuple[bool, str]] = field(default_factory=list)
    documents: list[tuple[str, bytes]] = field(default_factory=list)
    now: Now | None = None

    def log(self, *, facts: int = 0, fixes: int = 0) -> None:
        """Log some more, and tell the uplink."""
        before = self.outbox.lanes()[-1].last
        rows = [
            FixRow(
                mono_ms=n * 1000,
                utc_ms=10**12 + n * 1000,
                lat_e6=n * 10,
                lon_e6=-n * 10,
                speed_cm_s=n % 100,
                heading_cdeg=0,
                accuracy_dm=5,
                satellites=9,
            )
            for n in range(before + 1, before + fixes + 1)
        ]
        done = self.outbox.append([Note(mono_ms=n, topic="test", text=f"fact {n}") for n in range(facts)], rows)
        self.uplink.grown(done.facts_last, done.track_last)

    @property
    def backlog(self) -> int:
        return sum(self.outbox.backlog().values())


MakeVan = Callable[..., Any]


@pytest.fixture
def make_van(pki: hub_pki.Pki, broker: Broker, tmp_path: Path) -> MakeVan:
    """Make a van at work, inside the test's own loop: `async with make_van() as van`."""

    @asynccontextmanager
    async def make(*, port: int | None = None, certificate_of: str = VEHICLE, keepalive_s: int = 5) -> AsyncIterator[Van]:
        certified = pki.issue_vehicle(certificate_of)
        write_private(tmp_path / "unit.pem", certified.certificate_pem)
        write_private(tmp_path / "unit.key", certified.key_pem)
        began_s = time.monotonic()
        outbox = Outbox(
            tmp_path / "store" / "log.db",
            max_mb=64,
            version="test",
            now=lambda: (round(time.time() * 1000), round((time.monotonic() - began_s) * 1000)),
        )
        store = ThreadPoolExecutor(1)
        vans: list[Van] = []

        async def take(kind: str, data: bytes) -> None:
            vans[0].documents.append((kind, data))

        up = Uplink(
            config.Broker(
                host="127.0.0.1",
                port=port or broker.broker.vans.port,
                ca=pki.ca_file,
                cert=tmp_path / "unit.pem",
                key=tmp_path / "unit.key",
                keepalive_s=keepalive_s,
            ),
            VEHICLE,
            outbox=outbox,
            store=store,
            presence=lambda: Presence(online=True, session=outbox.session, epoch=outbox.epoch, sessions=outbox.told()),
            now=lambda: vans[0].now,
            on_document=take,
            on_link=lambda is_up, reason: vans[0].link.append((is_up, reason)),
        )
        van = Van(outbox=outbox, uplink=up)
        vans.append(van)
        task = asyncio.create_task(up.run())
        try:
            yield van
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            store.shutdown()
            outbox.close()

    return make


@pytest.fixture
def wait() -> Callable[[Callable[[], Any], str], Any]:
    """Wait in the test's loop for something true."""

    async def until(condition: Callable[[], Any], what: str) -> Any:
        ends = time.monotonic() + DEADLINE_S
        while time.monotonic() < ends:
            found = condition()
            if found:
                return found
            await asyncio.sleep(0.02)
        raise AssertionError(f"not within {DEADLINE_S:g} s: {what}")

    return until
