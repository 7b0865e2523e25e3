"""A van's log in a few words, and a hub's ear without a broker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from roundsman_hub.clock import Clock
from roundsman_hub.ingest.packets import Message
from roundsman_hub.ingest.worker import Ingest
from roundsman_hub.store.db import Database
from roundsman_wire import channels, frames
from roundsman_wire.messages import FACTS, LANE_NAMES, TRACK, Ack, AnyEntry, FixRow, Note

MORNING_UTC_MS = 1_772_438_400_000
"""2026-03-02 08:00 UTC."""


@dataclass
class Said:
    """Collects acks instead of sending them."""

    acks: list[tuple[str, Ack]] = field(default_factory=list)

    def acknowledge(self, acks: Sequence[tuple[str, Ack]]) -> None:
        self.acks += acks


@dataclass
class Van:
    """Builds frames of one session of one vehicle."""

    vehicle: str
    session: str

    def fix(self, seq: int, **changes: Any) -> FixRow:
        values: dict[str, Any] = {
            "mono_ms": 1000 * seq,
            "utc_ms": MORNING_UTC_MS + 1000 * seq,
            "lat_e6": 60_170_000 + 90 * seq,
            "lon_e6": 24_940_000 - 30 * seq,
            "speed_cm_s": 1_000 + seq % 7,
            "heading_cdeg": 300,
            "accuracy_dm": 15,
            "satellites": 9,
            "flags": 0,
        }
        return FixRow(**{**values, **changes})

    def track(self, first: int, last: int, *, gone: Sequence[frames.Gone] = (), rows: Sequence[FixRow] | None = None) -> Message:
        missing = {seq for item in gone for seq in range(item.first, item.last + 1)}
        fixes = [self.fix(seq) for seq in range(first, last + 1) if seq not in missing] if rows is None else rows
        return self.frame(TRACK, first, last, frames.pack_rows(fixes), gone)

    def facts(self, first: int, *entries: AnyEntry | bytes) -> Message:
        told: Sequence[AnyEntry | bytes] = entries or [Note(mono_ms=first, topic="test", text=f"fact {first}")]
        packed = [entry if isinstance(entry, bytes) else frames.encode_entry(entry) for entry in told]
        return self.frame(FACTS, first, first + len(packed) - 1, frames.pack_entries(packed), ())

    def frame(self, lane: int, first: int, last: int, body: bytes, gone: Sequence[frames.Gone]) -> Message:
        data = frames.encode_frame(self.session, lane, first, last, body, gone)
        return Message(topic=channels.topic(self.vehicle, LANE_NAMES[lane]), payload=data)


@dataclass
class Hub:
    """The ear, what it said, and a way to look into its database."""

    db: Database
    ingest: Ingest
    said: Said

    def hear(self, *messages: Message) -> list[Ack]:
        """Process one batch; the acks that it answered with."""
        before = len(self.said.acks)
        self.ingest.process(messages)
        return [ack for _, ack in self.said.acks[before:]]

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.db.transaction() as cur:
            return [tuple(row.values()) for row in cur.execute(sql, values)]

    def stored(self, van: Van) -> list[int]:
        """Numbers of the fixes stored of a van's session, with repetitions."""
        found = self.rows(
            "SELECT f.seq FROM log.fixes f JOIN log.sessions s USING (session_no) WHERE s.vehicle_id = %s AND s.session = %s ORDER BY 1",
            van.vehicle,
            van.session,
        )
        return [seq for (seq,) in found]


def add_fleet(db: Database, fleet: str, vehicles: Sequence[str]) -> None:
    with db.transaction() as cur:
        cur.execute("INSERT INTO fleets (fleet_id, name) VALUES (%s, 'Fleet') ON CONFLICT DO NOTHING", (fleet,))
        cur.execute(
            "INSERT INTO depots (depot_id, fleet_id, name, lat_e6, lon_e6) VALUES (%s, %s, 'Depot', 0, 0) ON CONFLICT DO NOTHING",
            (f"p_{fleet}", fleet),
        )
        for vehicle in vehicles:
            cur.execute(
                "INSERT INTO vehicles (vehicle_id, fleet_id, name, depot_id, capacity, shift_start, shift_end) "
                "VALUES (%s, %s, 'Van', %s, 10, '2026-03-02T08:00Z', '2026-03-02T16:00Z')",
                (vehicle, fleet, f"p_{fleet}"),
            )


@pytest.fixture
def make_hub() -> Callable[[Database], Hub]:
    """Function: database → a hub's ear on it. Two of them are two workers."""

    def make(db: Database) -> Hub:
        said = Said()
        return Hub(db=db, ingest=Ingest(db, Clock(), said), said=said)

    return make


@pytest.fixture
def hub(database: Database, make_hub: Callable[[Database], Hub]) -> Hub:
    return make_hub(database)


_numbers = iter(range(1, 1_000_000))


@pytest.fixture
def make_van(database: Database) -> Callable[..., Van]:
    """Function: a van that the hub knows, in a new session."""

    def make() -> Van:
        number = next(_numbers)
        van = Van(vehicle=f"v_{number:012x}", session=f"{number:016x}")
        add_fleet(database, "fl_ingest", [van.vehicle])
        return van

    return make


@pytest.fixture
def van(make_van: Callable[..., Van]) -> Van:
    return make_van()
