"""Invariants 1, 2, 3, 8 and 11 on the real stores: an outbox on its disk, and two ingest workers on one database.

The model in `tests/core` tries the rules alone; this walks what they were built into, with a line that loses, repeats and shuffles.
"""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from roundsman_agent.outbox import Outbox
from roundsman_core import lanes
from roundsman_core.lanes import SendLane
from roundsman_hub.clock import Clock
from roundsman_hub.ingest.packets import Message
from roundsman_hub.ingest.worker import Ingest
from roundsman_hub.store.db import Database
from roundsman_wire import frames
from roundsman_wire.channels import topic
from roundsman_wire.messages import FACTS, LANE_NAMES, LANES, TRACK, Ack, FixRow, Note, Presence

NUMBERS = itertools.count(1)
WALK = settings(
    max_examples=8, stateful_step_count=25, deadline=None, database=None, suppress_health_check=list(HealthCheck), print_blob=False
)
Key = tuple[str, int]


class Said:
    """Acks on their way."""

    def __init__(self) -> None:
        self.acks: list[Ack] = []

    def acknowledge(self, acks: Any) -> None:
        self.acks += [ack for _, ack in acks]


class LogMachine(RuleBasedStateMachine):
    """One van, two workers that know nothing of each other, and the line between them."""

    db: Database

    def __init__(self) -> None:
        super().__init__()
        self.vehicle = f"v_3a{next(NUMBERS):010x}"
        with self.db.transaction() as cur:
            cur.execute("INSERT INTO fleets (fleet_id, name) VALUES ('f_m', 'Fleet') ON CONFLICT DO NOTHING")
            cur.execute(
                "INSERT INTO depots (depot_id, fleet_id, name, lat_e6, lon_e6) VALUES ('p_m', 'f_m', 'D', 0, 0) ON CONFLICT DO NOTHING"
            )
            cur.execute(
                "INSERT INTO vehicles (vehicle_id, fleet_id, name, depot_id, capacity, shift_start, shift_end) "
                "VALUES (%s, 'f_m', %s, 'p_m', 1, now(), now() + interval '8 hours')",
                (self.vehicle, self.vehicle),
            )
        self.folder = tempfile.TemporaryDirectory()
        self.said = Said()
        self.workers = [Ingest(self.db, Clock(), self.said) for _ in range(2)]
        self.written: dict[tuple[str, int, int], Any] = {}
        self.undecodable: set[tuple[str, int, int]] = set()
        self.up: list[Message] = []
        self.highest: dict[Key, int] = {}
        self.clock_ms = 0
        self.start()

    def start(self) -> None:
        self.outbox = Outbox(Path(self.folder.name) / "log.db", max_mb=5, version="1", now=self._now)
        self.flights = {(lane.session, lane.lane): lane for lane in self.outbox.lanes()}

    def _now(self) -> tuple[int, int]:
        self.clock_ms += 1_000
        return 1_790_000_000_000 + self.clock_ms, self.clock_ms

    # ── the van ─────────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(fixes=st.integers(0, 20), facts=st.integers(0, 4))
    def write(self, fixes: int, facts: int) -> None:
        rows = [
            frames.quantise(
                FixRow(
                    mono_ms=self._now()[1], utc_ms=None, lat_e6=n, lon_e6=-n, speed_cm_s=n, heading_cdeg=None, accuracy_dm=5, satellites=n
                )
            )
            for n in range(fixes)
        ]
        notes = [Note(mono_ms=self._now()[1], topic="t", text=str(n)) for n in range(facts)]
        done = self.outbox.append(notes, rows)
        session = self.outbox.session
        for lane, last, many in ((FACTS, done.facts_last, notes), (TRACK, done.track_last, rows)):
            for number, entry in enumerate(many, last - len(many) + 1):
                self.written[session, lane, number] = frames.encode_entry(entry) if isinstance(entry, Note) else entry
            self.flights[session, lane] = lanes.committed(self.flights[session, lane], last)

    @rule(most=st.integers(1, 12), spoilt=st.booleans(), lane=st.sampled_from(LANES))
    def send(self, most: int, spoilt: bool, lane: int) -> None:
        """One frame of every session's lane; `spoilt`: its body is damaged before anyone looks at it."""
        for key, flight in self.flights.items():
            wanted = lanes.next_range(flight, most, 0) if key[1] == lane else None
            if wanted is None:
                continue
            data, through = self.outbox.frame(*key, *wanted)
            if spoilt and key[1] == TRACK:
                data = data[:-1] + bytes((data[-1] ^ 0xFF,))
            self.flights[key] = lanes.sent(flight, through)
            self.up.append(Message(topic(self.vehicle, LANE_NAMES[lane]), data))

    @rule()
    def lose_patience(self) -> None:
        self.flights = {key: lanes.no_progress(flight) for key, flight in self.flights.items()}

    @rule()
    def restart(self) -> None:
        """Its process is killed: what it knew of acks is what it had saved."""
        self.outbox._db.close()
        self.start()

    @rule(retained=st.booleans())
    def say_presence(self, retained: bool) -> None:
        told = Presence(online=True, session=self.outbox.session, epoch=self.outbox.epoch, sessions=self.outbox.told())
        self.up.append(Message(topic(self.vehicle, "presence"), msgspec.json.encode(told), retained))

    # ── the line, and the hub ───────────────────────────────────────────────────────────────────────────────────────

    @rule(data=st.data(), worker=st.integers(0, 1), keep=st.booleans())
    def arrive(self, data: st.DataObject, worker: int, keep: bool) -> None:
        """Some of what is on its way reaches one of the workers, in any order; with `keep`, it will come again."""
        some = data.draw(st.lists(st.sampled_from(range(len(self.up))), max_size=6)) if self.up else []
        self.workers[worker].process([self.up[at] for at in some])
        if not keep:
            self.up = [message for at, message in enumerate(self.up) if at not in some]

    @rule(lost=st.booleans(), twice=st.booleans())
    def acks_arrive(self, lost: bool, twice: bool) -> None:
        acks, self.said.acks = self.said.acks, []
        for ack in [] if lost else [*acks, *(acks if twice else [])]:
            self.hear(ack)

    def hear(self, ack: Ack) -> None:
        flight = self.flights.get((ack.session, ack.lane))
        if flight is None:
            return
        moved, epoch = lanes.acked(flight, self.outbox.epoch, ack)
        self.flights[ack.session, ack.lane] = moved
        self.outbox.release(ack.session, ack.lane, moved.acked, epoch)

    @rule()
    def save(self) -> None:
        self.outbox.save()

    # ── what always holds ───────────────────────────────────────────────────────────────────────────────────────────

    def watermarks(self) -> dict[Key, int]:
        with self.db.transaction() as cur:
            cur.execute(
                "SELECT s.session, w.lane, w.through_seq FROM log.watermarks w JOIN log.sessions s USING (session_no) "
                "WHERE s.vehicle_id = %s",
                (self.vehicle,),
            )
            return {(row["session"], row["lane"]): row["through_seq"] for row in cur}

    def stored(self) -> tuple[Counter[tuple[str, int, int]], dict[tuple[str, int, int], Any], set[tuple[str, int, int]]]:
        """Numbers with how often they are there, their values, and the numbers that are gaps."""
        found: Counter[tuple[str, int, int]] = Counter()
        values: dict[tuple[str, int, int], Any] = {}
        gaps: set[tuple[str, int, int]] = set()
        with self.db.transaction() as cur:
            sessions = "JOIN log.sessions s USING (session_no) WHERE s.vehicle_id = %s"
            for table in ("fixes", "fixes_untimed"):
                for row in cur.execute(
                    f"SELECT s.session, f.seq, mono_ms, lat_e6, speed_cm_s FROM log.{table} f {sessions}", (self.vehicle,)
                ):
                    key = row["session"], TRACK, row["seq"]
                    found[key] += 1
                    values[key] = row["mono_ms"], row["lat_e6"], row["speed_cm_s"]
            for row in cur.execute(f"SELECT s.session, e.seq, e.body FROM log.entries e {sessions}", (self.vehicle,)):
                key = row["session"], FACTS, row["seq"]
                found[key] += 1
                values[key] = row["body"].encode()
            for row in cur.execute(f"SELECT s.session, g.lane, g.first_seq, g.last_seq FROM log.gaps g {sessions}", (self.vehicle,)):
                gaps |= {(row["session"], row["lane"], number) for number in range(row["first_seq"], row["last_seq"] + 1)}
        return found, values, gaps

    @invariant()
    def released_is_committed_and_watermarks_never_fall(self) -> None:
        """Invariants 1 and 3."""
        at = self.watermarks()
        for (session, lane), flight in self.flights.items():
            assert flight.acked <= at.get((session, lane), 0)
        for key, through in self.highest.items():
            assert at[key] >= through
        self.highest = at

    @invariant()
    def every_number_below_a_watermark_is_there_once(self) -> None:
        """Invariants 2, 3 and 8: a row or a gap, never both, and nothing twice, however often it came."""
        found, values, gaps = self.stored()
        assert not [key for key, times in found.items() if times > 1]
        assert not found.keys() & gaps
        for (session, lane), through in self.watermarks().items():
            numbers = {(session, lane, number) for number in range(1, through + 1)}
            assert numbers == {key for key in (*found, *gaps) if key[:2] == (session, lane)}
        for key, value in values.items():
            made = self.written.get(key)
            if made is not None:  # all but each session's first fact
                assert value == (made if isinstance(made, bytes) else (made.mono_ms, made.lat_e6, made.speed_cm_s))

    def teardown(self) -> None:
        """Invariant 11: once nothing is lost any more, van and hub agree within a few turns."""
        try:
            self.up.clear()
            for _ in range(60):
                self.say_presence(False)
                self.lose_patience()
                for lane in LANES:
                    self.send(50, False, lane)
                messages, self.up = self.up, []
                self.workers[0].process(messages)
                self.acks_arrive(False, False)
                if all(flight.acked == flight.last for flight in self.flights.values()):
                    break
            assert {key: flight.last for key, flight in self.flights.items() if flight.last} == {
                k: v for k, v in self.watermarks().items() if v
            }
            found, _, gaps = self.stored()
            assert self.written.keys() <= found.keys() | gaps
        finally:
            self.outbox.close()
            self.folder.cleanup()


@pytest.fixture
def machine(plain_database: Database) -> type[LogMachine]:
    return type("OnADatabase", (LogMachine,), {"db": plain_database})


def test_real_stores_agree_after_any_walk(machine: type[LogMachine]) -> None:
    """Invariants 1, 2, 3, 8 and 11."""
    run_state_machine_as_test(machine, settings=WALK)


def test_an_ack_that_leaves_before_its_commit_is_noticed(machine: type[LogMachine]) -> None:
    """A machine that cannot fail proves nothing."""
    walk = machine()
    walk.write(3, 0)
    key = walk.outbox.session, TRACK
    walk.flights[key] = SendLane(session=key[0], lane=TRACK, acked=3, sent=3, last=3)
    with pytest.raises(AssertionError):
        walk.released_is_committed_and_watermarks_never_fall()
    walk.flights[key] = SendLane(session=key[0], lane=TRACK, last=3)
    walk.teardown()
