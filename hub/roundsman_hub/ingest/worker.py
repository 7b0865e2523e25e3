"""What the ingest role does with a batch of messages: store → acknowledge. Needs a database and somewhere to put acks, and no broker."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Final, Protocol, TypeVar

import psycopg

from roundsman_core.pacing import Pace
from roundsman_hub.clock import Clock
from roundsman_hub.ingest.packets import Message
from roundsman_hub.ingest.said import hear_now, hear_presence
from roundsman_hub.ingest.take import LogFrame, Taken, take
from roundsman_hub.store import log_store
from roundsman_hub.store.db import Cursor, Database, Notice, is_away, notify
from roundsman_hub.store.log_store import LostRace, Unreadable
from roundsman_hub.telemetry.figures import FIGURES
from roundsman_hub.telemetry.traces import MOST_FRAMES, TRACES
from roundsman_wire import WireError
from roundsman_wire.channels import parse_topic
from roundsman_wire.frames import decode_header
from roundsman_wire.messages import Ack, Now, Presence
from roundsman_wire.plain import decode_plain

log = logging.getLogger(__name__)

T = TypeVar("T")

TOPICS: Final = 65_536
"""Parsed topics that are remembered: four of each of 16,000 vans."""
MARKERS_EVERY_S: Final = 1.0
"""A vehicle's marker is told of at most once a second."""
RETRIES: Final = 5
REWIND_AGAIN_S: Final = 1.0
"""One lost frame of a full window makes `MAX_WINDOW` frames that leave a gap: the van is told once, not sixteen times."""
UNFIT: Final = (psycopg.DataError, psycopg.IntegrityError, ValueError, OverflowError)
"""What a value raises that passed the wire's checks and that the database still cannot hold."""


class Outgoing(Protocol):
    """Where acks go."""

    def acknowledge(self, acks: Sequence[tuple[str, Ack]]) -> None:
        """Tell vans what is stored."""


class Ingest:
    """Stores batches of messages. Knows no broker: acks leave through `out`, at the given pace; without one, at once."""

    def __init__(self, db: Database, clock: Clock, out: Outgoing, pace: Pace | None = None) -> None:
        self._db = db
        self._clock = clock
        self._out = out
        self._pace = pace
        self.counts: Counter[str] = Counter()
        self._markers: dict[tuple[str, str], None] = {}
        self._marked_at: dict[str, float] = {}
        self._rewound: dict[tuple[str, str, int], tuple[int, float]] = {}

    def process(self, batch: Sequence[Message]) -> None:
        """Store a batch and answer it.

        Raises
        ------
        DatabaseAway
            Give the same batch again later: what was stored already is then a duplicate, and acknowledged again.
        """
        frames: list[LogFrame] = []
        presences: list[tuple[Message, str, Presence]] = []
        nows: dict[str, tuple[Message, Now]] = {}
        for message in batch:
            try:
                vehicle, channel = _parsed(message.topic)
                if channel.content == "frame":
                    frames.append(
                        LogFrame(topic=message.topic, vehicle=vehicle, header=decode_header(message.payload), data=message.payload)
                    )
                elif channel.content is Presence and message.payload:  # an empty one was deleted from the broker
                    presences.append((message, vehicle, decode_plain("presence", message.payload)))
                elif channel.content is Now:
                    nows[vehicle] = message, decode_plain("now", message.payload)
            except WireError as error:
                self._refuse(message, error)
        if frames:
            self._store(frames)
        if presences or nows:
            self._hear(presences, nows)
        self.idle()

    def idle(self) -> None:
        """Tell what was held back, if it is time."""
        if self._pace is not None and (overdue := self._pace.overdue(time.monotonic())):
            self._out.acknowledge(overdue)
        self._tell_markers()

    # ── the log ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _store(self, frames: Sequence[LogFrame]) -> None:
        """One transaction; if the database will not take it, half of the vehicles, and so on down to the frame that it will not take."""
        try:
            self._store_once(frames)
        except (LostRace, psycopg.OperationalError) as error:
            if is_away(error):
                raise
            # Not the data's fault, and it did not pass: unacknowledged, so the vans send it again.
            self.counts["given up"] += len(frames)
            log.warning("%d frames are left to their vans: %s", len(frames), error)
        except UNFIT as error:
            self.counts["failed transactions"] += 1
            vehicles = sorted({frame.vehicle for frame in frames})
            if len(vehicles) > 1:
                half = set(vehicles[: len(vehicles) // 2])
                self._store([frame for frame in frames if frame.vehicle in half])
                self._store([frame for frame in frames if frame.vehicle not in half])
            elif len(frames) > 1:
                for frame in frames:
                    self._store([frame])
            else:
                header = frames[0].header
                about = {"vehicle": vehicles[0], "session": header.session, "lane": header.lane, "seq": header.first_seq}
                log.error("a frame of %s cannot be stored (%s): set aside", vehicles[0], error, extra=about)
                self._store_once(frames, distrust=f"the database will not take it: {_printable(error)}")

    def _store_once(self, frames: Sequence[LogFrame], *, distrust: str | None = None) -> None:
        def body(cur: Cursor) -> Taken:
            taken = take(cur, frames, self._clock, distrust=distrust)
            for vehicle, count in taken.unknown.items():
                log_store.alarm(cur, "unknown vehicle", vehicle, "frames of a vehicle that no fleet has", self._clock.real_now(), count)
            return taken

        with TRACES.span("ingest.commit", frames=len(frames)):
            taken = self._in_transaction(body)
        _trace(frames)
        self.counts += taken.counts
        if taken.newest_utc_ms is not None:
            FIGURES.observe("roundsman_ingest_fix_age_seconds", max(0.0, (self._clock.utc_ms() - taken.newest_utc_ms) / 1000))
        self.counts["unknown vehicle"] += taken.unknown.total()
        self._out.acknowledge(self._paced([said for said in taken.acks if not self._said_already(*said)], frames))
        trace = TRACES.parent()
        self._tell(Notice(topic="log", fleet_id=fleet, subject=vehicle, trace=trace) for vehicle, fleet in sorted(taken.new_facts.items()))

    def _paced(self, acks: list[tuple[str, Ack]], frames: Sequence[LogFrame]) -> list[tuple[str, Ack]]:
        """Those of the acks, and of the ones held back before, that go out now."""
        if self._pace is None:
            return acks
        answered: Counter[tuple[str, str, int]] = Counter()
        claimed: Counter[tuple[str, str, int]] = Counter()
        for frame in frames:
            header = frame.header
            lane = frame.vehicle, header.session, header.lane
            answered[lane] += 1
            claimed[lane] += header.last_seq - header.first_seq + 1
        now_s = time.monotonic()
        return [
            (vehicle, due)
            for vehicle, ack in acks
            for lane in [(vehicle, ack.session, ack.lane)]
            for due in self._pace.committed(vehicle, ack, answered[lane], claimed[lane], now_s)
        ]

    def _said_already(self, vehicle: str, ack: Ack) -> bool:
        key, now = (vehicle, ack.session, ack.lane), time.monotonic()
        if not ack.rewind:
            self._rewound.pop(key, None)
            return False
        said = self._rewound.get(key)
        if said is not None and said[0] == ack.through_seq and now - said[1] < REWIND_AGAIN_S:
            return True
        self._rewound[key] = (ack.through_seq, now)
        return False

    def _refuse(self, message: Message, error: Exception) -> None:
        """Nothing may be concluded from it, so nothing is acknowledged; its bytes are kept for who looks for the fault."""
        try:
            vehicle, channel = parse_topic(message.topic)
            kind = "header unreadable" if channel.content == "frame" else f"{channel.name} unreadable"
        except WireError:
            vehicle, kind = message.topic[:200], "wrong topic"
        self.counts[kind] += 1
        text = _printable(error)
        log.warning("%s from %s: %s", kind, vehicle, text, extra={"vehicle": vehicle})

        def body(cur: Cursor) -> None:
            log_store.alarm(cur, kind, vehicle, text, self._clock.real_now())
            if kind == "header unreadable":
                log_store.quarantine(cur, [Unreadable(topic=message.topic, error=text, frame=message.payload)], self._clock.now())

        self._in_transaction(body)

    # ── presence and markers ────────────────────────────────────────────────────────────────────────────────────────

    def _hear(self, presences: Sequence[tuple[Message, str, Presence]], nows: Mapping[str, tuple[Message, Now]]) -> None:
        with self._db.transaction() as cur:
            fleets = log_store.fleets_of(cur, {*nows, *(vehicle for _, vehicle, _ in presences)})
        for message, vehicle, presence in presences:
            if vehicle not in fleets:
                self._unknown(vehicle)
                continue
            try:
                acks, changed = self._in_transaction(
                    partial(
                        hear_presence,
                        vehicle=vehicle,
                        fleet=fleets[vehicle],
                        presence=presence,
                        clock=self._clock,
                        retained=message.retained,
                    )
                )
            except (WireError, *UNFIT) as error:
                self._refuse(message, error)
                continue
            self.counts["presences"] += 1
            self._out.acknowledge([(vehicle, ack) for ack in acks])
            if self._pace is not None:
                self._pace.forget(vehicle)
            if changed:
                self._markers[vehicle, fleets[vehicle]] = None
                self._marked_at.pop(vehicle, None)
        self._place([(message, vehicle, fleets[vehicle], now) for vehicle, (message, now) in sorted(nows.items()) if vehicle in fleets])

    def _place(self, told: Sequence[tuple[Message, str, str, Now]]) -> None:
        if not told:
            return
        try:
            moved = self._in_transaction(partial(hear_now, told=[item[1:] for item in told], clock=self._clock))
            self._markers |= dict.fromkeys(moved)
        except UNFIT as error:
            if len(told) == 1:
                self._refuse(told[0][0], error)
                return
            for item in told:
                self._place([item])

    def _unknown(self, vehicle: str) -> None:
        self.counts["unknown vehicle"] += 1
        with self._db.transaction() as cur:
            log_store.alarm(cur, "unknown vehicle", vehicle, "presence of a vehicle that no fleet has", self._clock.real_now())

    def _tell_markers(self) -> None:
        now = time.monotonic()
        due = [key for key in self._markers if now - self._marked_at.get(key[0], -MARKERS_EVERY_S) >= MARKERS_EVERY_S]
        for key in due:
            del self._markers[key]
            self._marked_at[key[0]] = now
        self._tell(Notice(topic="vehicle", fleet_id=fleet, subject=vehicle) for vehicle, fleet in due)

    # ── the database ────────────────────────────────────────────────────────────────────────────────────────────────

    def _tell(self, told: Iterable[Notice]) -> None:
        """After COMMIT, in a transaction of its own: commits that notify wait for each other, those that store need not."""
        if notices := list(told):
            with self._db.transaction() as cur:
                notify(cur, *notices)

    def _in_transaction(self, body: Callable[[Cursor], T]) -> T:
        """Run it; again when another worker was quicker, or a deadlock was broken."""
        for left in range(RETRIES - 1, -1, -1):
            try:
                with self._db.transaction() as cur:
                    return body(cur)
            except (LostRace, psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
                self.counts["lost races"] += 1
                if not left:
                    raise
        raise AssertionError("unreachable: the last try returns or raises")


def _printable(error: Exception) -> str:
    """Words that any database takes, of an error that may quote the bytes it complains of."""
    return str(error).replace("\x00", "\\0").encode(errors="replace").decode()[:500]


_parsed = lru_cache(TOPICS)(parse_topic)


def _trace(frames: Sequence[LogFrame]) -> None:
    """Say which frames the open batch held."""
    if TRACES.on:
        for frame in frames[:MOST_FRAMES]:
            header = frame.header
            TRACES.mark(
                "ingest.frame",
                vehicle=frame.vehicle,
                session=header.session,
                lane=header.lane,
                first_seq=header.first_seq,
                last_seq=header.last_seq,
            )
