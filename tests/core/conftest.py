"""The log protocol through all its faults, on a model: one van's disk, one database, two hubs, and a network that does anything.

The decisions are `roundsman_core.lanes` and the bytes are `roundsman_wire`: what is modelled here is only disks, processes
and the network. `test_log_protocol.py` runs it, whole and with one rule broken at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from roundsman_core import lanes
from roundsman_core.lanes import Gap, SendLane, Take
from roundsman_wire import WireError, frames
from roundsman_wire.messages import FACTS, LANES, TRACK, Ack, FixRow, LaneState, Note, Presence, SessionId, SessionState

MAX_ENTRIES = 4
THINNED, EXPIRED, UNDECODABLE = 1, 4, 5
A_FIX = FixRow(mono_ms=0, utc_ms=None, lat_e6=0, lon_e6=0, speed_cm_s=0, heading_cdeg=0, accuracy_dm=10, satellites=8)
LaneKey = tuple[SessionId, int]
Held = bytes | FixRow | int  # a fact, a fix, or the reason why it is gone


@dataclass
class Disk:
    """What survives in the van when its power is cut; copied whole by an image of its card."""

    epoch: int = 0
    previous: dict[SessionId, SessionId | None] = field(default_factory=dict)
    log: dict[LaneKey, list[Held]] = field(default_factory=dict)
    acked: dict[LaneKey, int] = field(default_factory=dict)
    believed_in: dict[LaneKey, int] = field(default_factory=dict)  # of the test, not of the van: the epoch of each lane's last ack

    def copy(self) -> Disk:
        log = {key: list(log) for key, log in self.log.items()}
        return Disk(self.epoch, dict(self.previous), log, dict(self.acked), dict(self.believed_in))


@dataclass
class Database:
    """What the hub has committed; copied whole by a backup."""

    epoch: int = 1
    through: dict[LaneKey, int] = field(default_factory=dict)
    rows: dict[tuple[LaneKey, int], bytes | FixRow] = field(default_factory=dict)
    gaps: dict[tuple[LaneKey, int], int] = field(default_factory=dict)
    quarantine: list[bytes] = field(default_factory=list)
    stored_twice: int = 0

    def copy(self) -> Database:
        return Database(self.epoch, dict(self.through), dict(self.rows), dict(self.gaps), list(self.quarantine), self.stored_twice)


def damaged(data: bytes, at: int) -> bytes:  # the same again mends it
    return data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]


class LogProtocol(RuleBasedStateMachine):
    """Hypothesis chooses what happens next; the invariants hold after every step; at the end the faults stop and both sides must agree."""

    broken: ClassVar[str] = ""  # the rule that a subclass breaks on purpose

    def __init__(self) -> None:
        super().__init__()
        self.disk, self.db = Disk(), Database()
        self.image, self.backup = self.disk.copy(), self.db.copy()
        self.remembered: list[dict[LaneKey, int]] = [{}, {}]  # each hub's own idea of the watermarks
        self.up: list[tuple[str, bytes]] = []
        self.past_up: list[tuple[str, bytes]] = []
        self.down: list[bytes] = []
        self.past_down: list[bytes] = []
        self.written: dict[tuple[LaneKey, int], list[bytes | FixRow]] = {}  # all that the van ever committed
        self.ever_committed: dict[LaneKey, int] = {}
        self.highest: dict[tuple[int, LaneKey], int] = {}
        self.top_epoch = 1
        self.ambiguous_through = 0  # epochs in which a database fell back without anybody knowing
        self.numbers = 0
        self.lanes: dict[LaneKey, SendLane] = {}
        self.in_flight: dict[LaneKey, list[int]] = {}
        self.start_agent()

    # ── the van ──────────────────────────────────────────────────────────────────────────────────────────────────

    @rule()
    def start_agent(self) -> None:
        """Power comes back: what was in memory is gone, and a new session begins."""
        if not self.disk.previous or self.broken != "numbers are reused":
            self.numbers += 1
            session = f"{self.numbers:016x}"
            self.disk.previous[session] = next(reversed(self.disk.previous), None)
            for lane in LANES:
                self.disk.log[session, lane] = []
        self.lanes = {
            key: SendLane(session=key[0], lane=key[1], acked=(at := self.disk.acked.get(key, 0)), sent=at, last=len(log))
            for key, log in self.disk.log.items()
        }
        self.in_flight = {key: [] for key in self.lanes}
        self.say_presence()

    @rule(lane=st.sampled_from(LANES), count=st.integers(1, 7))
    def write(self, lane: int, count: int) -> None:
        key = (next(reversed(self.disk.previous)), lane)
        log = self.disk.log[key]
        for _ in range(count):
            self.numbers += 1
            entry = self.new_entry(lane)
            log.append(entry)
            self.written.setdefault((key, len(log)), []).append(entry)
        self.lanes[key] = lanes.committed(self.lanes[key], len(log))

    def new_entry(self, lane: int) -> bytes | FixRow:
        if lane == FACTS:
            return frames.encode_entry(Note(mono_ms=self.numbers, topic="test", text=str(self.numbers)))
        return msgspec.structs.replace(A_FIX, mono_ms=self.numbers * 1000, lat_e6=self.numbers)

    @rule(frames=st.integers(1, 6))
    def send(self, frames: int) -> None:
        for key in sorted(self.lanes, key=lambda key: key[1]):
            while frames and (claimed := lanes.next_range(self.lanes[key], MAX_ENTRIES, len(self.in_flight[key]))):
                first, last = claimed
                while self.broken == "gone is not named" and first < last and isinstance(self.disk.log[key][first - 1], int):
                    first += 1
                self.up.append(("frame", self.frame(key, first, last)))
                self.lanes[key] = lanes.sent(self.lanes[key], last)
                self.in_flight[key].append(last)
                frames -= 1

    def frame(self, key: LaneKey, first: int, last: int) -> bytes:
        held: list[bytes | FixRow] = []
        gone: list[frames.Gone] = []
        for seq in range(first, last + 1):
            entry = self.disk.log[key][seq - 1]
            if not isinstance(entry, int):
                held.append(entry)
            elif gone and gone[-1].last == seq - 1 and gone[-1].reason == entry:
                gone[-1] = gone[-1]._replace(last=seq)
            else:
                gone.append(frames.Gone(seq, seq, entry))
        rows = [entry for entry in held if isinstance(entry, FixRow)]
        body = frames.pack_rows(rows) if key[1] == TRACK else frames.pack_entries([entry for entry in held if isinstance(entry, bytes)])
        return frames.encode_frame(*key, first, last, body, gone)

    def say_presence(self) -> None:
        by_session: dict[SessionId, list[LaneState]] = {session: [] for session in self.disk.previous}
        for (session, lane), state in self.lanes.items():
            by_session[session].append(LaneState(lane=lane, first_kept=1, last=state.last, acked=state.acked))
        sessions = tuple(SessionState(session=s, previous=self.disk.previous[s], lanes=tuple(kept)) for s, kept in by_session.items())
        self.up.append(("presence", msgspec.json.encode(Presence(online=True, epoch=self.disk.epoch, sessions=sessions))))

    def hear(self, data: bytes) -> None:
        ack = msgspec.json.decode(data, type=Ack)
        key = (ack.session, ack.lane)
        if key not in self.lanes:
            return  # of a session that a rolled-back van never had
        if self.broken == "a release is never taken back" and ack.through_seq < self.lanes[key].acked:
            return
        epoch = ack.epoch if self.broken == "epochs are ignored" else self.disk.epoch
        self.lanes[key], epoch_now = lanes.acked(self.lanes[key], epoch, ack)
        if ack.epoch >= self.disk.epoch:
            self.disk.believed_in[key] = epoch_now
        self.disk.acked[key] = self.lanes[key].acked
        self.in_flight[key] = [through for through in self.in_flight[key] if self.lanes[key].acked < through <= self.lanes[key].sent]
        if epoch_now > self.disk.epoch:
            self.disk.epoch = epoch_now
            self.say_presence()

    @rule()
    def time_out(self) -> None:
        for key in self.lanes:
            self.lanes[key], self.in_flight[key] = lanes.no_progress(self.lanes[key]), []

    @rule(lost=st.booleans())
    def reconnect(self, lost: bool) -> None:
        if lost:
            self.up.clear()
            self.down.clear()
        for key in self.lanes:
            self.lanes[key], self.in_flight[key] = lanes.reconnected(self.lanes[key]), []
        self.say_presence()

    @rule(every=st.integers(1, 3))
    def thin(self, every: int) -> None:
        """The disk is nearly full: fixes that are not released go, and their numbers are remembered as gone."""
        for key, log in self.disk.log.items():
            for at in range(self.disk.acked.get(key, 0), len(log), every):
                if key[1] == TRACK and not isinstance(log[at], int):
                    log[at] = THINNED

    @rule()
    def expire(self) -> None:
        """Fourteen days after their release, entries are deleted."""
        for key, log in self.disk.log.items():
            log[: self.disk.acked.get(key, 0)] = [EXPIRED] * self.disk.acked.get(key, 0)

    @rule()
    def take_an_image(self) -> None:
        self.image = self.disk.copy()

    @rule()
    def roll_the_van_back(self) -> None:
        """To the image; or, before there is one, to an empty card."""
        self.disk = self.image.copy()
        self.start_agent()

    # ── the network ──────────────────────────────────────────────────────────────────────────────────────────────

    @rule(at=st.integers(-2, 1), count=st.integers(1, 4), hub=st.integers(0, 1), crashes=st.sampled_from([False, False, True]))
    def arrive_at_a_hub(self, at: int, count: int, hub: int, crashes: bool) -> None:
        for channel, data in [self.up.pop(at % len(self.up)) for _ in range(min(count, len(self.up)))]:
            self.past_up.append((channel, data))
            self.receive(hub, channel, data, crashes=crashes)

    @rule(at=st.integers(-2, 1), count=st.integers(1, 4))
    def arrive_at_the_van(self, at: int, count: int) -> None:
        for data in [self.down.pop(at % len(self.down)) for _ in range(min(count, len(self.down)))]:
            self.past_down.append(data)
            self.hear(data)

    @rule(ago=st.integers(1, 12), hub=st.integers(0, 1))
    def an_old_message_comes_again(self, ago: int, hub: int) -> None:
        for channel, data in self.past_up[-ago:][:2]:
            self.receive(hub, channel, data)

    @rule(ago=st.integers(1, 12))
    def an_old_ack_comes_again(self, ago: int) -> None:
        for data in self.past_down[-ago:][:2]:
            self.hear(data)

    @rule(count=st.integers(1, 6), lane=st.sampled_from(LANES), trips=st.integers(1, 3), hub=st.integers(0, 1))
    def drive_on(self, count: int, lane: int, trips: int, hub: int) -> None:
        """For a while all is well."""
        self.write(lane, count)
        for _ in range(trips):
            self.round_trip(hub)

    def round_trip(self, hub: int) -> None:
        self.send(100)
        self.arrive_at_a_hub(0, len(self.up), hub, False)
        self.arrive_at_the_van(0, len(self.down))

    @rule(at=st.integers(0, 3), upwards=st.booleans())
    def is_lost(self, at: int, upwards: bool) -> None:
        del (self.up if upwards else self.down)[at : at + 2]

    @rule(header=st.booleans())
    def is_damaged(self, header: bool) -> None:
        if self.up and self.up[0][0] == "frame":
            self.up[0] = ("frame", damaged(self.up[0][1], 5 if header else -1 + len(self.up[0][1])))

    # ── the hubs ─────────────────────────────────────────────────────────────────────────────────────────────────

    def receive(self, hub: int, channel: str, data: bytes, *, crashes: bool = False) -> None:
        """One message at one hub. `crashes`: its process dies just before COMMIT."""
        after = self.db.copy()
        acks = self.answer(after, data) if channel == "presence" else self.ingest(after, self.remembered[hub], data)
        if crashes:
            self.remembered[hub] = {}
            self.down += acks if self.broken == "acks leave before COMMIT" else []
            return
        self.db, self.top_epoch = after, max(self.top_epoch, after.epoch)
        self.down += acks

    def answer(self, db: Database, data: bytes) -> list[bytes]:
        if self.broken == "presence is not answered":
            return []
        db.epoch, acks = lanes.answer_presence(db.epoch, db.through, msgspec.json.decode(data, type=Presence))
        return [msgspec.json.encode(ack) for ack in acks]

    def ingest(self, db: Database, remembered: dict[LaneKey, int], data: bytes) -> list[bytes]:
        try:
            header = frames.decode_header(data)
        except WireError:
            return []
        key, actual = (header.session, header.lane), db.through.get((header.session, header.lane), 0)
        through = remembered.get(key, actual)
        what = lanes.follow(through, header.first_seq, header.last_seq)
        forgiven = "no compare-and-set" if isinstance(what, Take) else "hubs answer from memory"
        if through != actual and self.broken != forgiven:  # no row updated: rolled back, and read again
            through, what = actual, lanes.follow(actual, header.first_seq, header.last_seq)
        if isinstance(what, Gap) and self.broken == "a gap is taken":
            what = Take(first=header.first_seq, last=header.last_seq)
        if isinstance(what, Take):
            self.store(db, key, data, what)
            through = db.through[key] = what.last
        remembered[key] = through
        return [msgspec.json.encode(Ack(epoch=db.epoch, session=key[0], lane=key[1], through_seq=through, rewind=isinstance(what, Gap)))]

    def store(self, db: Database, key: LaneKey, data: bytes, take: Take) -> None:
        header = frames.decode_header(data)
        for gone in header.gone:
            db.gaps |= {(key, seq): gone.reason for seq in range(max(gone.first, take.first), gone.last + 1)}
        try:
            entries = self.decode(data)
        except WireError:
            db.quarantine.append(data)
            db.gaps |= {(key, seq): UNDECODABLE for seq in header.held_seqs() if seq >= take.first}
            return
        for seq, entry in entries:
            if seq >= take.first:
                db.stored_twice += (key, seq) in db.rows
                db.rows[key, seq] = entry

    def decode(self, data: bytes) -> list[tuple[int, bytes | FixRow]]:
        header = frames.decode_header(data)
        read = frames.decode_rows if header.lane == TRACK else frames.decode_entries
        entries: list[bytes] | list[FixRow] = read(header, data)
        return list(zip(header.held_seqs(), entries, strict=True))

    @rule()
    def read_the_quarantine(self) -> None:
        """What was undecodable can be read after all, and fills its gaps."""
        for data in self.db.quarantine:
            header = frames.decode_header(data)
            for seq, entry in self.decode(damaged(data, len(data) - 1)):
                if self.db.gaps.get(((header.session, header.lane), seq)) == UNDECODABLE:
                    del self.db.gaps[(header.session, header.lane), seq]
                    self.db.rows[(header.session, header.lane), seq] = entry
        self.db.quarantine.clear()

    @rule()
    def back_the_database_up(self) -> None:
        self.backup = self.db.copy()

    @rule(noticed=st.booleans())
    def restore_the_database(self, noticed: bool) -> None:
        """Noticed: whoever restores raises the epoch above all that ever were. Not noticed: only what vans believe can tell."""
        self.db = self.backup.copy()
        if noticed:
            self.top_epoch += 1
            self.db.epoch = self.top_epoch
        else:
            self.ambiguous_through = self.top_epoch

    # ── what must hold ───────────────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def released_at_the_van_is_committed_at_the_hub(self) -> None:
        """Invariant 1: never released without a COMMIT, and within an epoch the hub still has it."""
        for key, through in self.db.through.items():
            self.ever_committed[key] = max(through, self.ever_committed.get(key, 0))
        for key, state in self.lanes.items():
            assert state.acked <= self.ever_committed.get(key, 0), f"{key}: released {state.acked}, never committed"
            if self.disk.believed_in.get(key) == self.db.epoch > self.ambiguous_through:
                assert state.acked <= self.db.through.get(key, 0), f"{key}: released {state.acked}, committed {self.db.through.get(key, 0)}"

    @invariant()
    def every_number_is_a_row_or_a_gap_exactly_once(self) -> None:
        """Invariants 2 and 3: below the watermark all, above it nothing; bytes as the van wrote them."""
        assert not self.db.stored_twice
        for key, through in self.db.through.items():
            for seq in range(1, through + 1):
                assert ((key, seq) in self.db.rows) != ((key, seq) in self.db.gaps), f"{key} {seq}: not exactly one of row and gap"
        for key, seq in (*self.db.rows, *self.db.gaps):
            assert seq <= self.db.through.get(key, 0), f"{key} {seq}: above the watermark"
        for at, entry in self.db.rows.items():
            assert entry in self.written[at], f"{at}: the hub's bytes are not the van's"

    @invariant()
    def the_watermark_never_falls_within_an_epoch(self) -> None:
        """Invariant 3."""
        if self.db.epoch > self.ambiguous_through:
            for key, through in self.db.through.items():
                self.highest[self.db.epoch, key] = max(through, self.highest.get((self.db.epoch, key), 0))
            for (epoch, key), through in self.highest.items():
                assert epoch != self.db.epoch or self.db.through.get(key, 0) >= through, f"{key}: fell below {through} in epoch {epoch}"

    def teardown(self) -> None:
        """Invariant 11: all faults heal, and within one round trip a frame that is missing, and a few more, both sides agree."""
        missing = sum(len(log) - min(len(log), self.db.through.get(key, 0)) for key, log in self.disk.log.items())
        self.reconnect(lost=False)
        for trip in range(missing + 12):
            if trip % 4 == 3:  # the time-out and the presence that a quiet link repeats
                self.time_out()
                self.say_presence()
            self.round_trip(trip % 2)
            if self.agreed():
                break
        assert self.agreed(), (
            f"no agreement after {missing + 12} round trips: van {self.disk.acked} in {self.disk.epoch}, hub {self.db.through}"
        )
        for key, log in self.disk.log.items():
            for seq, entry in enumerate(log, start=1):
                assert isinstance(entry, int) or self.db.rows.get((key, seq), entry) == entry, f"{key} {seq}: the hub holds another entry"
        self.every_number_is_a_row_or_a_gap_exactly_once()

    def agreed(self) -> bool:
        return self.disk.epoch == self.db.epoch and all(
            self.lanes[key].acked == len(log) <= self.db.through.get(key, 0) for key, log in self.disk.log.items() if log
        )


@pytest.fixture
def log_protocol() -> type[LogProtocol]:
    """The model: a hypothesis state machine; set `broken` on a subclass to break one of its rules."""
    return LogProtocol
