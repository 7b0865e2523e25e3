"""Ingest between a real broker and a real database, each of which goes away: nothing lost, nothing twice, acks stop and resume."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from roundsman_core import lanes
from roundsman_core.lanes import SendLane
from roundsman_hub import broker as brokers
from roundsman_hub.broker import Broker, free_port, prepare
from roundsman_hub.clock import Clock
from roundsman_hub.derive import worker as derive_worker
from roundsman_hub.ingest import role as ingest_role
from roundsman_hub.ingest.inbox import MOST_WAITING_BYTES
from roundsman_hub.pki import Pki, open_pki
from roundsman_hub.settings import Endpoint, Settings, write_private
from roundsman_hub.store import embedded
from roundsman_hub.store.audit import TrackAudit, audit_tracks
from roundsman_hub.store.db import Database, DatabaseAway
from roundsman_hub.store.migrate import migrate
from roundsman_wire import frames
from roundsman_wire.channels import topic
from roundsman_wire.messages import FACTS, TRACK, Ack, AnyEntry, Duty, FixRow, LaneState, Presence, SessionState

HOST = "127.0.0.1"
WITHIN_S = 60.0
"""Far more than anything here takes: the machine may be busy with other tests."""


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < deadline, f"waited {WITHIN_S:.0f} s for {what}"
        time.sleep(0.02)  # between looks at the condition


class Van:
    """A van's lane by the log protocol's own rules: sends from its log, releases on acks, tries again."""

    def __init__(self, broker: Broker, folder: Path, vehicle: str, pki: Pki) -> None:
        self.vehicle, self.epoch = vehicle, 0
        self.lane = SendLane(session=f"{int(vehicle[2:], 16):016x}", lane=TRACK)
        self._lock = threading.Lock()
        self._repeated: bytes | None = None
        made = pki.issue_vehicle(vehicle)
        write_private(folder / f"{vehicle}.pem", made.certificate_pem)
        write_private(folder / f"{vehicle}.key", made.key_pem)
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self._client.tls_set(str(pki.ca_file), str(folder / f"{vehicle}.pem"), str(folder / f"{vehicle}.key"))
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda *_: self._came_on_line()
        self._client.on_message = lambda _c, _u, message: self._heard(msgspec.json.decode(message.payload, type=Ack))
        self._client.connect_async(broker.vans.host, broker.vans.port)
        self._client.loop_start()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def acked(self) -> int:
        return self.lane.acked

    def drive(self, fixes: int) -> None:
        """So many more fixes are in its log."""
        with self._lock:
            self.lane = lanes.committed(self.lane, self.lane.last + fixes)
        self.push()

    def tell(self, fact: AnyEntry) -> None:
        """Its first fact."""
        data = frames.encode_frame(self.lane.session, FACTS, 1, 1, frames.pack_entries([frames.encode_entry(fact)]))
        self._client.publish(topic(self.vehicle, "facts"), data)

    def repeat(self, fixes: int) -> int:
        """Send the first so many unacknowledged fixes as one frame, and wait until it left; its size."""
        if self._repeated is None:
            first = self.acked + 1
            rows = [self._fix(seq) for seq in range(first, first + fixes)]
            self._repeated = frames.encode_frame(self.lane.session, TRACK, first, first + fixes - 1, frames.pack_rows(rows))
        self._client.publish(topic(self.vehicle, "track"), self._repeated).wait_for_publish(WITHIN_S)
        return len(self._repeated)

    def push(self) -> None:
        """Send what the window allows; called again when nothing moves, it sends again."""
        with self._lock:
            if not self._client.is_connected():
                return
            self.lane = lanes.no_progress(self.lane)
            self._send()

    def _send(self) -> None:
        for in_flight in range(self.lane.window):
            span = lanes.next_range(self.lane, 10, in_flight)
            if span is None:
                return
            rows = [self._fix(seq) for seq in range(span[0], span[1] + 1)]
            data = frames.encode_frame(self.lane.session, TRACK, span[0], span[1], frames.pack_rows(rows))
            self._client.publish(topic(self.vehicle, "track"), data)
            self.lane = lanes.sent(self.lane, span[1])

    def _fix(self, seq: int) -> FixRow:
        utc_ms = 1_772_438_400_000 + 1000 * seq
        return FixRow(
            mono_ms=1000 * seq, utc_ms=utc_ms, lat_e6=seq, lon_e6=0, speed_cm_s=9, heading_cdeg=None, accuracy_dm=None, satellites=9
        )

    def _came_on_line(self) -> None:
        self._client.subscribe(topic(self.vehicle, "ack"))
        kept = LaneState(lane=TRACK, first_kept=1, last=self.lane.last, acked=self.lane.acked)
        session = SessionState(session=self.lane.session, previous=None, lanes=(kept,))
        presence = Presence(online=True, session=self.lane.session, epoch=self.epoch, sessions=(session,))
        self._client.publish(topic(self.vehicle, "presence"), msgspec.json.encode(presence), qos=1, retain=True)

    def _heard(self, ack: Ack) -> None:
        if ack.lane != TRACK:
            return
        with self._lock:
            before = self.lane.acked
            self.lane, self.epoch = lanes.acked(self.lane, self.epoch, ack)
            if self.lane.acked > before:
                self._send()


class Hub:
    """A database, a broker, and as many ingest workers as a test starts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.postgres = embedded.start(folder / "pg", settings={"fsync": "off"})
        migrate(self.postgres.dsn())
        self.pki = open_pki(folder / "pki")
        doors = [Endpoint(host=HOST, port=free_port()) for _ in range(2)]
        self.broker = prepare(folder / "broker", self.pki, vans=doors[0], hub=doors[1])
        self.mosquitto = brokers.start(self.broker)
        self.db = Database.connect(self.postgres.dsn(), max_size=2)
        self._vans: list[Van] = []
        with self.db.transaction() as cur:
            cur.execute("INSERT INTO fleets (fleet_id, name) VALUES ('fl_1', 'Fleet')")
            cur.execute("INSERT INTO depots VALUES ('p_1', 'fl_1', 'D', '', 0, 0)")

    def close(self) -> None:
        for van in self._vans:
            van.close()
        self.db.close()
        brokers.stop(self.mosquitto)
        self.postgres.stop()

    def van(self) -> Van:
        vehicle = f"v_{len(self._vans) + 1:012x}"
        with self.db.transaction() as cur:
            values = "(%s, 'fl_1', 'Van', 'p_1', NULL, 10, '2026-03-02T08:00Z', '2026-03-02T16:00Z', NULL)"
            cur.execute(f"INSERT INTO vehicles VALUES {values}", (vehicle,))
        self._vans.append(Van(self.broker, self.folder, vehicle, self.pki))
        return self._vans[-1]

    @contextmanager
    def running(self, role: Callable[[Settings, Clock, threading.Event], None] = ingest_role.run) -> Iterator[None]:
        """A worker on a thread; it must still be there when the block ends."""
        settings = self._settings()
        stop, failed = threading.Event(), []

        def run() -> None:
            try:
                role(settings, Clock(), stop)
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(30)
        assert failed == []
        assert not thread.is_alive()

    @contextmanager
    def process(self) -> Iterator[subprocess.Popen[bytes]]:
        """A worker in a process of its own, as on another machine."""
        self._settings().save()
        command = [sys.executable, "-m", "roundsman_hub", "ingest", "--data", str(self.folder), "--tied"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def shares(self) -> list[int]:
        """How many shards each worker serves that lives, or that nobody has missed yet."""
        with self.db.transaction() as cur:
            rows = cur.execute("SELECT cardinality(shards) AS shards FROM log.ingest_workers ORDER BY worker_no").fetchall()
        return [row["shards"] for row in rows]

    def _settings(self) -> Settings:
        return Settings(
            data_dir=self.folder,
            database_url=self.postgres.dsn(),
            hub_broker=self.broker.hub,
            vans_broker=self.broker.vans,
            api=Endpoint(host=HOST, port=1),
        )

    def all_acked(self, *vans: Van) -> Callable[[], bool]:
        """Are the vans' logs acknowledged? Asking makes each van try again now and then, as its own timer would."""
        pushed = time.monotonic()

        def holds() -> bool:
            nonlocal pushed
            if time.monotonic() - pushed > 1.0:
                pushed = time.monotonic()
                for van in vans:
                    van.push()
            return all(van.acked == van.lane.last for van in vans)

        return holds

    def audit(self, van: Van) -> TrackAudit:
        with self.db.transaction() as cur:
            [found] = audit_tracks(cur, [van.vehicle])
        return found

    def answers(self) -> bool:
        """Can the database be asked? The workers' pools come back each in their own time."""
        try:
            with self.db.transaction() as cur:
                cur.execute("SELECT 1")
        except DatabaseAway:
            return False
        return True

    def duties(self, van: Van) -> list[str]:
        with self.db.transaction() as cur:
            return [row["duty"] for row in cur.execute("SELECT duty FROM duties WHERE vehicle_id = %s", (van.vehicle,))]

    def check(self, *vans: Van) -> None:
        """Invariants 1 and 2: what was released is here, and everything is here once."""
        for van in vans:
            found = self.audit(van)
            assert (found.stored, found.missing, found.twice) == (van.lane.last, 0, 0)


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    folder = Path(tempfile.mkdtemp(prefix="roundsman-ingest-"))
    made = Hub(folder)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(folder)


def test_what_is_acknowledged_is_stored(hub: Hub) -> None:
    vans = [hub.van() for _ in range(3)]
    with hub.running():
        for van in vans:
            van.drive(120)
        until(hub.all_acked(*vans), "acks")
        hub.check(*vans)


def test_vans_wait_for_a_hub_that_is_not_there(hub: Hub) -> None:
    van = hub.van()
    van.drive(40)
    trying = hub.all_acked(van)
    until(lambda: trying() or van.lane.sent > 0, "the van to send")
    assert van.acked == 0
    with hub.running():
        until(hub.all_acked(van), "acks after the hub came")
        hub.check(van)


def test_the_database_is_killed_and_comes_back(hub: Hub) -> None:
    """Acks stop while it is away, and resume by themselves; nothing is lost, nothing is stored twice."""
    vans = [hub.van() for _ in range(2)]
    with hub.running(), hub.running(derive_worker.run):
        for van in vans:
            van.drive(60)
        until(hub.all_acked(*vans), "acks before")
        os.kill(hub.postgres.pid, signal.SIGKILL)
        until(lambda: not hub.postgres.alive(), "the database to die")
        hub.postgres.stop()
        before = [van.acked for van in vans]
        for van in vans:
            van.drive(200)
        with pytest.raises(DatabaseAway):
            hub.audit(vans[0])
        assert [van.acked for van in vans] == before, "nothing is acknowledged that is not committed"

        def started() -> bool:
            try:
                hub.postgres = embedded.start(hub.folder / "pg", settings={"fsync": "off"})
            except embedded.PostgresFailed:  # orphaned server processes are still ending
                return False
            return True

        until(started, "the database to start again")
        until(hub.all_acked(*vans), "acks after the database came back")
        until(hub.answers, "this program's own connections to come back")
        hub.check(*vans)
        vans[0].tell(Duty(mono_ms=1, utc_ms=1_772_438_400_000, duty="on", driver=None))
        until(lambda: hub.duties(vans[0]) == ["on"], "the fact to be derived")


def test_the_broker_is_killed_and_comes_back(hub: Hub) -> None:
    van = hub.van()
    with hub.running():
        van.drive(50)
        until(hub.all_acked(van), "acks before")
        hub.mosquitto.kill()
        hub.mosquitto.wait()
        van.drive(50)
        hub.mosquitto = brokers.start(hub.broker)
        until(hub.all_acked(van), "acks after the broker came back")
        hub.check(van)


def test_a_second_worker_takes_over(hub: Hub) -> None:
    """Correctness does not rest on it: both may serve a van for a moment, and each fix is stored once."""
    van = hub.van()
    first, second = hub.running(), hub.running()
    with second:
        with first:
            van.drive(100)
            until(hub.all_acked(van), "acks of either")
        van.drive(100)
        until(hub.all_acked(van), "acks of the second")
    hub.check(van)


def test_half_of_the_shards_move_to_a_second_process_and_come_back_when_it_is_killed(hub: Hub) -> None:
    """Stated: two looks (2 s) after it starts, one look (1 s) after it is killed. Each entry is stored once, whoever served its van."""
    vans = [hub.van() for _ in range(12)]
    with hub.process():
        until(lambda: hub.shares() == [64], "the first to serve all")
        for van in vans:
            van.drive(100)
        with hub.process() as second:
            until(lambda: hub.shares() == [32, 32], "the second to have half")
            for van in vans:
                van.drive(100)
            until(hub.all_acked(*vans), "acks of both")
            for van in vans:
                van.drive(300)
            second.kill()
        for van in vans:
            van.drive(100)
        until(lambda: hub.shares() == [64], "the first to serve all again")
        until(hub.all_acked(*vans), "acks of the first")
    hub.check(*vans)


@pytest.mark.deep
def test_a_process_that_hangs_loses_its_shards(hub: Hub) -> None:
    """It keeps its connection, so its locks would last for ever; when it goes on, it takes its share anew."""
    vans = [hub.van() for _ in range(12)]
    with hub.process(), hub.process() as second:
        until(lambda: hub.shares() == [32, 32], "each to have half")
        second.send_signal(signal.SIGSTOP)
        for van in vans:
            van.drive(100)
        until(lambda: hub.shares() == [64], "the first to serve all")
        until(hub.all_acked(*vans), "acks of the first")
        second.send_signal(signal.SIGCONT)
        for van in vans:
            van.drive(100)
        until(lambda: hub.shares() == [32, 32], "the second to be back")
        until(hub.all_acked(*vans), "acks of both")
    hub.check(*vans)


def test_a_database_that_stands_still_stops_the_acks_and_not_the_memory(hub: Hub) -> None:
    """Back-pressure: the hub keeps so much and no more, its vans keep the rest, and all of it arrives."""
    vans = [hub.van() for _ in range(2)]
    sent_bytes = 100_000_000
    with hub.process() as process:
        until(lambda: hub.shares() == [64], "all shards to be served")
        for van in vans:
            van.drive(20)
        until(hub.all_acked(*vans), "acks before")
        before = resident(process.pid)
        stopped = [hub.postgres.pid, *children(hub.postgres.pid)]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            for van in vans:
                van.drive(4_000)
            done = 0
            while done < sent_bytes:
                done += sum(van.repeat(4_000) for van in vans)
            most = resident(process.pid)
            assert [van.acked for van in vans] == [20, 20], "nothing is acknowledged that is not committed"
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        until(hub.all_acked(*vans), "acks after")
        assert most - before < 2 * MOST_WAITING_BYTES + 30_000_000 < sent_bytes
    hub.check(*vans)


def resident(pid: int) -> int:
    """Bytes of a process in memory, at most until now."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no such line")


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
