"""A hub of real parts, and vans that are their lanes only: they send from a log, release on acks, and try again."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from tests import waiting

from roundsman_core import lanes
from roundsman_core.lanes import SendLane
from roundsman_hub import broker as brokers
from roundsman_hub.broker import Broker, free_port, prepare
from roundsman_hub.clock import Clock
from roundsman_hub.ingest import role as ingest_role
from roundsman_hub.pki import Pki, open_pki
from roundsman_hub.settings import Endpoint, Settings, write_private
from roundsman_hub.store import embedded
from roundsman_hub.store.audit import TrackAudit, audit_tracks
from roundsman_hub.store.db import Database, DatabaseAway
from roundsman_hub.store.migrate import migrate
from roundsman_wire import frames
from roundsman_wire.channels import topic
from roundsman_wire.messages import FACTS, TRACK, Ack, AnyEntry, FixRow, LaneState, Presence, SessionState

HOST = "127.0.0.1"
WITHIN_S = 60.0
"""Far more than anything here takes: the machine may be busy with other tests."""


until = partial(waiting.until, within_s=WITHIN_S)


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
