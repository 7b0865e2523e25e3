"""Derived tables keep up with the log, on both kinds of database: late sessions, undone actions, other fleets' orders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from roundsman_hub.clock import Clock
from roundsman_hub.derive.worker import catch_up, keep_house
from roundsman_hub.ingest.packets import Message
from roundsman_hub.ingest.worker import Ingest
from roundsman_hub.store.db import Database, Notice, listen, notices
from roundsman_wire import channels, frames
from roundsman_wire.messages import FACTS, TRACK, Ack, Action, AnyEntry, Clock as ClockEntry, Duty, FixRow, Receipt, SessionStarted, Visit

EIGHT_MS = 1_772_438_400_000
ONE_PAST = datetime(2026, 3, 2, 8, 1, tzinfo=UTC)
numbers = count(1)


class Silent:
    """Acks are not what these tests are about."""

    def acknowledge(self, acks: Sequence[tuple[str, Ack]]) -> None:
        pass


class World:
    """A fleet with one van, its log, and the tables that follow it."""

    def __init__(self, db: Database) -> None:
        number = next(numbers)
        self.db = db
        self.fleet, self.vehicle = f"fl_{number}", f"v_{number:012x}"
        self._ingest = Ingest(db, Clock(), Silent())
        self._last: dict[tuple[str, int], int] = {}
        with db.transaction() as cur:
            cur.execute("INSERT INTO fleets (fleet_id, name) VALUES (%s, 'Fleet')", (self.fleet,))
            cur.execute(
                "INSERT INTO depots (depot_id, fleet_id, name, lat_e6, lon_e6) VALUES (%s, %s, 'D', 0, 0)", (f"p_{number}", self.fleet)
            )
            cur.execute(
                "INSERT INTO vehicles (vehicle_id, fleet_id, name, depot_id, capacity, shift_start, shift_end) "
                "VALUES (%s, %s, 'Van', %s, 10, '2026-03-02T08:00Z', '2026-03-02T16:00Z')",
                (self.vehicle, self.fleet, f"p_{number}"),
            )
        self.depot = f"p_{number}"

    def order(self) -> str:
        order = f"o_{next(numbers):012x}"
        with self.db.transaction() as cur:
            cur.execute(
                "INSERT INTO orders (order_id, fleet_id, depot_id, kind, address, placed, window_start, window_end, service_s, parcels, "
                "track_token, created_at) VALUES (%s, %s, %s, 'delivery', 'Street 1', 'given', '2026-03-02T08:00Z', '2026-03-02T12:00Z', "
                "60, 1, %s, '2026-03-02T07:00Z')",
                (order, self.fleet, self.depot, order),
            )
        return order

    def tell(self, session: str, *entries: AnyEntry) -> None:
        """The van's facts arrive, and are derived."""
        first = self._last.get((session, FACTS), 0) + 1
        self._last[session, FACTS] = last = first + len(entries) - 1
        data = frames.encode_frame(session, FACTS, first, last, frames.pack_entries([frames.encode_entry(entry) for entry in entries]))
        self._ingest.process([Message(topic=channels.topic(self.vehicle, "facts"), payload=data)])
        catch_up(self.db, Clock())

    def drive(self, session: str, *rows: FixRow) -> None:
        first = self._last.get((session, TRACK), 0) + 1
        self._last[session, TRACK] = last = first + len(rows) - 1
        data = frames.encode_frame(session, TRACK, first, last, frames.pack_rows(rows))
        self._ingest.process([Message(topic=channels.topic(self.vehicle, "track"), payload=data)])

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.db.transaction() as cur:
            return [tuple(row.values()) for row in cur.execute(sql, values)]

    def state(self, order: str) -> str | None:
        found = self.rows("SELECT state FROM order_states WHERE order_id = %s", order)
        return str(found[0][0]) if found else None


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


@pytest.fixture
def session() -> Callable[[], str]:
    """Function: a session id that no van had before."""
    return lambda: f"{next(numbers):016x}"


def action(order: str, outcome: Any, minute: float, *, name: str = "", undoes: str | None = None) -> Action:
    return Action(
        mono_ms=round(minute * 60_000),
        utc_ms=EIGHT_MS + round(minute * 60_000),
        action=name or f"{order}-{outcome}-{minute}",
        stop=order,
        tasks=(order,),
        outcome=outcome,
        undoes=undoes,
    )


def started(session: str, previous: str | None) -> SessionStarted:
    return SessionStarted(mono_ms=0, session=session, previous=previous, agent_version="1", row_format=1)


def test_a_delivery_is_told_with_its_arrival_and_its_visit(world: World, session: Callable[[], str]) -> None:
    order, s = world.order(), session()
    visit = Visit(mono_ms=1, utc_ms=EIGHT_MS, visit=1, phase="arrived", stop=order, lat_e6=1, lon_e6=2)
    with world.db.dedicated() as ears:
        listen(ears)
        world.tell(s, started(s, None), visit, action(order, "arrived", 1))
        world.tell(s, action(order, "delivered", 3))
        heard: list[Notice] = []
        while Notice(topic="order", fleet_id=world.fleet, subject=order) not in heard:
            heard += notices(ears, 5)
    assert world.rows("SELECT state, arrived_at, vehicle_id FROM order_states WHERE order_id = %s", order) == [
        ("delivered", datetime(2026, 3, 2, 8, tzinfo=UTC), world.vehicle)
    ]
    assert world.rows("SELECT order_id, left_at FROM visits WHERE vehicle_id = %s", world.vehicle) == [(order, None)]


def test_undo_takes_back_what_was_told(world: World, session: Callable[[], str]) -> None:
    order, s = world.order(), session()
    world.tell(s, action(order, "arrived", 1, name="a1"), action(order, "failed", 2, name="a2"))
    assert world.state(order) == "failed"
    world.tell(s, action(order, "undo", 2.5, name="a3", undoes="a2"))
    assert world.state(order) == "arrived"
    world.tell(s, action(order, "undo", 2.6, name="a4", undoes="a1"))
    assert world.state(order) is None


def test_a_session_that_arrives_late_is_put_in_its_place(world: World, session: Callable[[], str]) -> None:
    """Invariant 9. The van restarted between two words; the older session's facts come last and do not win."""
    order = world.order()
    old, new = session(), session()
    world.tell(new, started(new, old), action(order, "delivered", 5))
    assert world.state(order) == "delivered"
    world.tell(old, started(old, None), action(order, "failed", 3))
    assert world.state(order) == "delivered", "the newer session's word stands, though it was heard first"


def test_facts_from_before_the_date_are_derived_again_when_it_is_known(world: World, session: Callable[[], str]) -> None:
    s = session()
    world.tell(s, Duty(mono_ms=60_000, duty="on", driver="d_1"))
    assert world.rows("SELECT at FROM duties WHERE vehicle_id = %s", world.vehicle) == [(None,)]
    world.tell(s, ClockEntry(mono_ms=120_000, utc_ms=EIGHT_MS + 120_000, source="gnss"))
    assert world.rows("SELECT at, driver_id FROM duties WHERE vehicle_id = %s", world.vehicle) == [(ONE_PAST, "d_1")]


def test_fixes_that_waited_get_their_date(world: World, session: Callable[[], str]) -> None:
    s = session()
    fix = FixRow(mono_ms=60_000, utc_ms=None, lat_e6=1, lon_e6=2, speed_cm_s=None, heading_cdeg=None, accuracy_dm=None, satellites=5)
    world.drive(s, fix)
    world.tell(s, ClockEntry(mono_ms=120_000, utc_ms=EIGHT_MS + 120_000, source="gnss"))
    keep_house(world.db, Clock())
    keep_house(world.db, Clock())
    assert world.rows("SELECT time, seq FROM log.fixes WHERE vehicle_id = %s", world.vehicle) == [(ONE_PAST, 1)]
    assert world.rows("SELECT seq FROM log.fixes_untimed WHERE vehicle_id = %s", world.vehicle) == []


def test_a_van_has_no_say_in_another_fleets_order(world: World, session: Callable[[], str], database: Database) -> None:
    other = World(database).order()
    world.tell(session(), action(other, "delivered", 1), action("o_nobody", "delivered", 1))
    assert world.state(other) is None
    assert world.rows("SELECT 1 FROM actions WHERE vehicle_id = %s", world.vehicle) == []


def test_receipts_and_duty_are_told(world: World, session: Callable[[], str]) -> None:
    s = session()
    with world.db.transaction() as cur:
        cur.execute(
            "INSERT INTO vehicle_now (vehicle_id, fleet_id, next_stop, speed_cm_s) VALUES (%s, %s, 'o_1', 5)", (world.vehicle, world.fleet)
        )
    held = Receipt(mono_ms=1, utc_ms=EIGHT_MS, plan_version=3, plan_hash="h", state="held")
    world.tell(s, Duty(mono_ms=1, utc_ms=EIGHT_MS, duty="on", driver=None), held, held)
    assert world.rows("SELECT duty, next_stop FROM vehicle_now WHERE vehicle_id = %s", world.vehicle) == [("on", "o_1")]
    world.tell(s, Duty(mono_ms=2, utc_ms=EIGHT_MS + 9, duty="off", driver=None))
    assert world.rows("SELECT duty, next_stop, speed_cm_s FROM vehicle_now WHERE vehicle_id = %s", world.vehicle) == [("off", None, None)]
    assert world.rows("SELECT version, state, hash FROM plan_receipts WHERE vehicle_id = %s", world.vehicle) == [(3, "held", "h")]


def test_deriving_again_by_newer_rules_gives_the_same_rows(world: World, session: Callable[[], str]) -> None:
    """Derived tables can be thrown away."""
    order, s = world.order(), session()
    world.tell(s, Duty(mono_ms=1, utc_ms=EIGHT_MS, duty="on", driver=None), action(order, "arrived", 1), action(order, "delivered", 2))
    tables = ("duties", "actions", "order_states")
    before = [world.rows(f"SELECT * FROM {table} WHERE vehicle_id = %s", world.vehicle) for table in tables]
    with world.db.transaction() as cur:
        cur.execute("UPDATE derive_state SET state = jsonb_set(state, '{rules}', '0')")
    assert catch_up(world.db, Clock()) > 0
    assert [world.rows(f"SELECT * FROM {table} WHERE vehicle_id = %s", world.vehicle) for table in tables] == before
    assert catch_up(world.db, Clock()) == 0


def test_the_days_partition_takes_over_what_waited_in_the_default_one(plain_database: Database) -> None:
    world, s = World(plain_database), f"{next(numbers):016x}"
    now = Clock().utc_ms()
    world.drive(s, FixRow(mono_ms=1, utc_ms=now, lat_e6=1, lon_e6=2, speed_cm_s=None, heading_cdeg=None, accuracy_dm=None, satellites=5))
    assert world.rows("SELECT count(*) FROM log.fixes_default") == [(1,)]
    keep_house(plain_database, Clock())
    keep_house(plain_database, Clock())
    assert world.rows("SELECT count(*) FROM log.fixes_default") == [(0,)]
    assert world.rows("SELECT seq FROM log.fixes WHERE vehicle_id = %s", world.vehicle) == [(1,)]
