"""Late logs: what was derived without them is corrected or retracted, and says why. Invariant 9 on a real database."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from roundsman_core.timebase import TimeBase
from roundsman_hub.clock import Clock, to_ms
from roundsman_hub.derive.worker import catch_up, pass_time
from roundsman_hub.store import chain_store, derived_store, log_store, now_store
from roundsman_hub.store.db import Database
from roundsman_hub.store.derived_dump import dump
from roundsman_wire import frames
from roundsman_wire.messages import (
    FACTS,
    Action,
    AnyEntry,
    Crossing,
    Duty,
    Health,
    Now,
    Outcome,
    Receipt,
    SessionStarted,
    Visit,
)

EIGHT = datetime(2026, 3, 2, 8, tzinfo=UTC)
numbers = itertools.count(0x5000)


def at_ms(minute: float) -> int:
    return to_ms(EIGHT) + round(minute * 60_000)


def clock_at(minute: float) -> Clock:
    """A clock that stands, as near as may be, at a minute past eight."""
    return Clock(TimeBase(origin_real_ms=round(datetime.now(UTC).timestamp() * 1000), origin_utc_ms=at_ms(minute), factor=1e-6))


@dataclass
class Van:
    """A vehicle with orders, and its log, which reaches the hub as the test wants it to."""

    db: Database
    number: int = field(default_factory=lambda: next(numbers))
    orders: list[str] = field(default_factory=list)
    stored: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.fleet, self.depot, self.vehicle = f"fl_{self.number}", f"p_{self.number}", f"v_{self.number:012x}"
        with self.db.transaction() as cur:
            cur.execute("INSERT INTO fleets (fleet_id, name) VALUES (%s, 'Fleet')", (self.fleet,))
            cur.execute(
                "INSERT INTO depots (depot_id, fleet_id, name, lat_e6, lon_e6) VALUES (%s, %s, 'D', 0, 0)", (self.depot, self.fleet)
            )
            cur.execute(
                "INSERT INTO vehicles (vehicle_id, fleet_id, name, depot_id, capacity, shift_start, shift_end) "
                "VALUES (%s, %s, 'Van', %s, 10, '2026-03-02T08:00Z', '2026-03-02T16:00Z')",
                (self.vehicle, self.fleet, self.depot),
            )

    def order(self, due_minute: float = 240) -> str:
        """An order that is in the van's plan."""
        order = f"o_{next(numbers):012x}"
        self.orders.append(order)
        with self.db.transaction() as cur:
            cur.execute(
                "INSERT INTO orders (order_id, fleet_id, depot_id, kind, address, placed, window_start, window_end, service_s, parcels, "
                "track_token, created_at) VALUES (%s, %s, %s, 'delivery', 'Street 1', 'given', %s, %s, 60, 1, %s, %s)",
                (order, self.fleet, self.depot, EIGHT, EIGHT + timedelta(minutes=due_minute), order, EIGHT),
            )
            cur.execute("INSERT INTO plan_tasks VALUES (%s, 1, %s, %s, %s)", (self.vehicle, self.fleet, order, len(self.orders)))
        return order

    def arrives(self, session: str, entries: Sequence[AnyEntry], *, minute: float, derive: bool = True) -> None:
        """The next facts of a session reach the hub at a minute past eight."""
        clock = clock_at(minute)
        received_at = clock.now().replace(microsecond=0)
        with self.db.transaction() as cur:
            session_no = log_store.session_numbers(cur, [(self.vehicle, session)])[self.vehicle, session]
            old = self.stored.get(session, 0)
            self.stored[session] = old + len(entries)
            cur.execute(
                "INSERT INTO log.watermarks (session_no, lane, through_seq) VALUES (%s, %s, %s) "
                "ON CONFLICT (session_no, lane) DO UPDATE SET through_seq = excluded.through_seq",
                (session_no, FACTS, old + len(entries)),
            )
            cur.executemany(
                "INSERT INTO log.entries (vehicle_id, session_no, seq, kind, mono_ms, time, received_at, received_real_at, body) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [
                    (
                        self.vehicle,
                        session_no,
                        old + place,
                        str(entry.__struct_config__.tag),
                        entry.mono_ms,
                        None if entry.utc_ms is None else datetime.fromtimestamp(entry.utc_ms / 1000, UTC),
                        received_at,
                        EIGHT,
                        frames.encode_entry(entry).decode(),
                    )
                    for place, entry in enumerate(entries, 1)
                ],
            )
            links = {entry.session: entry.previous for entry in entries if isinstance(entry, SessionStarted)}
            chain_store.link(cur, self.vehicle, links)
        if derive:
            catch_up(self.db, clock)

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.db.transaction() as cur:
            return [tuple(row.values()) for row in cur.execute(sql, values)]

    def corrections(self, noun: str) -> list[tuple[Any, ...]]:
        return self.rows(
            "SELECT subject, was, now, cause FROM corrections WHERE vehicle_id = %s AND noun = %s ORDER BY correction", self.vehicle, noun
        )

    def alerts(self) -> list[tuple[Any, ...]]:
        return self.rows("SELECT kind, from_at, to_at FROM alerts WHERE fleet_id = %s ORDER BY from_at, alert", self.fleet)


@pytest.fixture
def van(plain_database: Database) -> Van:
    return Van(plain_database)


@pytest.fixture
def session() -> Callable[[], str]:
    return lambda: f"{next(numbers):016x}"


def started(session: str, previous: str | None, minute: float = 0) -> SessionStarted:
    return SessionStarted(mono_ms=0, utc_ms=at_ms(minute), session=session, previous=previous, agent_version="1", row_format=1)


def said(order: str, outcome: Outcome, minute: float, *, undoes: str | None = None) -> Action:
    name = f"{order}-{outcome}-{minute}"
    return Action(
        mono_ms=round(minute * 60_000), utc_ms=at_ms(minute), action=name, stop=order, tasks=(order,), outcome=outcome, undoes=undoes
    )


def stood(number: int, phase: Any, minute: float, order: str | None = None) -> Visit:
    return Visit(
        mono_ms=round(minute * 60_000), utc_ms=at_ms(minute), visit=number, phase=phase, stop=order, lat_e6=50_000_000, lon_e6=10_000_000
    )


def on(minute: float, duty: Any = "on") -> Duty:
    return Duty(mono_ms=round(minute * 60_000), utc_ms=at_ms(minute), duty=duty, driver=None)


def alive(minute: float) -> Health:
    return Health(
        mono_ms=round(minute * 60_000),
        utc_ms=at_ms(minute),
        agent_version="1",
        backlog_facts=0,
        backlog_track=0,
        oldest_unsent_s=0,
        disk_free_mb=1,
        rss_mb=1,
        fixes_accepted=1,
    )


def test_an_order_that_seemed_late_was_not_once_the_vans_log_is_here(van: Van, session: Callable[[], str]) -> None:
    s, order = session(), van.order(due_minute=60)
    van.arrives(s, [started(s, None), on(0)], minute=1)
    pass_time(van.db, EIGHT + timedelta(minutes=70))
    assert ("late", EIGHT + timedelta(minutes=60), None) in van.alerts()
    van.arrives(s, [stood(1, "arrived", 40, order), said(order, "delivered", 45), stood(1, "left", 46, order)], minute=130)
    assert [kind for kind, *_ in van.alerts() if kind == "late"] == []
    [(_, was, now, cause)] = [found for found in van.corrections("alert") if found[0] == f"late:{order}"]
    assert (was["kind"], now) == ("late", None)
    assert cause == "the van's log of 2026-03-02 08:40 UTC to 2026-03-02 08:46 UTC arrived at 2026-03-02 10:10 UTC"
    assert [(s, was, now["state"]) for s, was, now, _ in van.corrections("order")] == [(order, None, "delivered")]


def test_a_van_without_network_seemed_silent_and_was_not(van: Van, session: Callable[[], str]) -> None:
    s = session()
    van.arrives(s, [started(s, None), on(0), alive(5)], minute=5)
    with van.db.transaction() as cur:
        cur.execute("INSERT INTO vehicle_now (vehicle_id, fleet_id, duty) VALUES (%s, %s, 'on')", (van.vehicle, van.fleet))
    pass_time(van.db, EIGHT + timedelta(minutes=15))
    assert van.alerts() == []
    pass_time(van.db, EIGHT + timedelta(minutes=30))
    assert van.alerts() == [("silent", EIGHT + timedelta(minutes=5), None)]
    van.arrives(s, [alive(10), alive(15), alive(20), alive(25), alive(30), alive(35)], minute=36)
    assert van.alerts() == []
    [(_, was, now, cause)] = van.corrections("alert")
    assert (was["kind"], now) == ("silent", None)
    assert "arrived at 2026-03-02 08:36 UTC" in cause


def test_a_unit_that_really_was_silent_stays_told_with_its_end(van: Van, session: Callable[[], str]) -> None:
    s = session()
    van.arrives(s, [started(s, None), on(0), alive(5)], minute=5)
    van.arrives(s, [alive(45)], minute=45)
    assert van.alerts() == [("silent", EIGHT + timedelta(minutes=5), EIGHT + timedelta(minutes=45))]
    assert van.corrections("alert") == []


def test_a_long_stop_outside_the_plan_is_told_and_a_break_is_not(van: Van, session: Callable[[], str]) -> None:
    s, order = session(), van.order()
    van.arrives(s, [started(s, None), on(0), stood(1, "arrived", 1), stood(1, "left", 30)], minute=30)
    van.arrives(s, [stood(2, "arrived", 40, order), stood(2, "left", 70, order)], minute=70)
    van.arrives(s, [on(80, "break"), stood(3, "arrived", 80), stood(3, "left", 110), on(110)], minute=110)
    dwells = [alert for alert in van.alerts() if alert[0] == "long_dwell"]
    assert dwells == [("long_dwell", EIGHT + timedelta(minutes=1), EIGHT + timedelta(minutes=30))]


def test_two_orders_behind_one_door_have_one_visit_and_an_arrival_each(van: Van, session: Callable[[], str]) -> None:
    """The second is told with `serving`, minutes after the arrival and in a stretch of its own; the arrival is put right once more."""
    s, first, second = session(), van.order(), van.order()
    van.arrives(s, [started(s, None), on(0), stood(1, "arrived", 10, first)], minute=11)
    van.arrives(s, [stood(1, "serving", 11, first), stood(1, "serving", 11, second), said(second, "delivered", 14)], minute=15)
    arrivals = "SELECT arrived_at FROM order_states WHERE order_id = %s"
    assert van.rows(arrivals, second) == [(EIGHT + timedelta(minutes=10),)]
    van.arrives(s, [stood(1, "arrived", 12, first), said(first, "delivered", 16), stood(1, "left", 17, first)], minute=18)
    assert van.rows(arrivals, first) == van.rows(arrivals, second) == [(EIGHT + timedelta(minutes=12),)]
    assert van.rows("SELECT count(*) FROM visits WHERE vehicle_id = %s", van.vehicle) == [(1,)]
    stays = "SELECT order_id, arrived_at, left_at FROM order_visits WHERE vehicle_id = %s ORDER BY order_id"
    here = (EIGHT + timedelta(minutes=12), EIGHT + timedelta(minutes=17))
    assert van.rows(stays, van.vehicle) == sorted([(first, *here), (second, *here)])


def test_a_fences_speeding_and_enter_are_told(van: Van, session: Callable[[], str]) -> None:
    s = session()
    happened: tuple[tuple[Literal["enter", "exit", "speeding"], int], ...] = (("enter", 3), ("speeding", 4), ("exit", 5))
    crossings = [
        Crossing(mono_ms=1, utc_ms=at_ms(minute), fence="f_1", event=event, sites_version=1, lat_e6=0, lon_e6=0, speed_cm_s=2_000)
        for event, minute in happened
    ]
    van.arrives(s, [started(s, None), on(0), *crossings], minute=6)
    assert [kind for kind, *_ in van.alerts()] == ["fence_enter", "fence_speeding"]
    assert van.rows("SELECT detail->>'speed_mps' FROM alerts WHERE fleet_id = %s AND kind = 'fence_speeding'", van.fleet) == [("20.0",)]


def test_sessions_put_into_another_order_without_new_facts_are_folded_again(van: Van, session: Callable[[], str]) -> None:
    """Two sessions of one van, heard in the wrong order; then a third names what joins them."""
    first, second, third, order = session(), session(), session(), van.order()
    van.arrives(second, [said(order, "failed", 20)], minute=25)
    van.arrives(first, [said(order, "delivered", 20)], minute=26)
    state = "SELECT state FROM order_states WHERE order_id = %s"
    assert van.rows(state, order) == [("delivered",)], "until told otherwise, the session heard of last is the later one"
    with van.db.transaction() as cur:
        chain_store.link(cur, van.vehicle, {second: third})
        chain_store.link(cur, van.vehicle, {third: first})
    catch_up(van.db, clock_at(30))
    assert van.rows(state, order) == [("failed",)]
    [(_, was, now, cause)] = van.corrections("order")
    assert (was["state"], now["state"]) == ("delivered", "failed")
    assert "sessions became known" in cause
    assert catch_up(van.db, clock_at(31)) == 0


def test_what_the_driver_takes_back_is_told_as_that(van: Van, session: Callable[[], str]) -> None:
    s, order = session(), van.order()
    van.arrives(s, [said(order, "arrived", 1), said(order, "delivered", 2)], minute=2)
    assert van.corrections("order") == [], "going on is no correction"
    van.arrives(s, [said(order, "undo", 3, undoes=f"{order}-delivered-2")], minute=3)
    [(_, was, now, cause)] = van.corrections("order")
    assert (was["state"], now["state"], cause) == ("delivered", "arrived", "the driver took it back")


def test_a_receipt_told_again_in_a_later_session_keeps_its_first_instant(van: Van, session: Callable[[], str]) -> None:
    old, new = session(), session()

    def held(minute: float) -> Receipt:
        return Receipt(mono_ms=1, utc_ms=at_ms(minute), plan_version=7, plan_hash="h", state="held")

    van.arrives(new, [started(new, old, 20), held(21)], minute=21)
    van.arrives(old, [started(old, None), held(3)], minute=40)
    assert van.rows("SELECT at FROM plan_receipts WHERE vehicle_id = %s", van.vehicle) == [(EIGHT + timedelta(minutes=3),)]


def test_the_live_marker_never_goes_back_when_an_older_session_becomes_known(van: Van, session: Callable[[], str]) -> None:
    old, new = session(), session()

    def seen(session: str, order: int) -> bool:
        now = Now(session=session, order=order, mono_ms=1, utc_ms=None, lat_e6=order, lon_e6=0)
        with van.db.transaction() as cur:
            return bool(now_store.place(cur, [(van.vehicle, van.fleet, now, None)], at_real=EIGHT))

    van.arrives(new, [alive(1)], minute=1)
    assert seen(new, 50)
    van.arrives(new, [started(new, old, 2)], minute=2)
    assert not seen(old, 900), "a word of the older session, late on its way"
    assert not seen(new, 49)
    assert seen(new, 51)
    assert van.rows("SELECT lat_e6 FROM vehicle_now WHERE vehicle_id = %s", van.vehicle) == [(51,)]


def test_what_could_be_read_only_later_is_told_as_that(van: Van, session: Callable[[], str]) -> None:
    """A quarantined frame is decoded by a later release: the session is derived again from its start."""
    s, order = session(), van.order()
    van.arrives(s, [stood(1, "arrived", 5, order), said(order, "delivered", 6)], minute=6)
    moved = frames.encode_entry(stood(1, "arrived", 4, order)).decode()
    with van.db.transaction() as cur:
        cur.execute("UPDATE log.entries SET time = %s, body = %s WHERE vehicle_id = %s AND seq = 1", (EIGHT, moved, van.vehicle))
        cur.execute(
            "DELETE FROM derive_state WHERE session_no IN (SELECT session_no FROM log.sessions WHERE vehicle_id = %s)", (van.vehicle,)
        )
    catch_up(van.db, clock_at(90))
    [(_, was, now, cause)] = van.corrections("visit")
    assert (was["arrived_at"][11:16], now["arrived_at"][11:16]) == ("08:05", "08:00")
    assert "could be read only now" in cause


# ── any order, any interruption ─────────────────────────────────────────────────────────────────────────────────────


minutes = st.integers(0, 300)
places = st.integers(0, 2)


def entries_of(orders: Sequence[str]) -> st.SearchStrategy[list[AnyEntry]]:
    def action(place: int, outcome: Outcome, minute: int) -> AnyEntry:
        return said(orders[place], outcome, minute, undoes=f"{orders[place]}-delivered-{minute}" if outcome == "undo" else None)

    one = st.one_of(
        st.builds(action, places, st.sampled_from(["arrived", "delivered", "failed", "undo"]), minutes),
        st.builds(
            lambda number, phase, minute, place: stood(number, phase, minute, None if place is None else orders[place]),
            st.integers(1, 3),
            st.sampled_from(["arrived", "serving", "left"]),
            minutes,
            st.none() | places,
        ),
        st.builds(on, minutes, st.sampled_from(["on", "break", "off"])),
        st.builds(alive, minutes),
        st.builds(
            lambda version, state, minute: Receipt(mono_ms=1, utc_ms=at_ms(minute), plan_version=version, plan_hash="h", state=state),
            st.integers(1, 3),
            st.sampled_from(["held", "in_force"]),
            minutes,
        ),
        st.builds(
            lambda event, minute: Crossing(
                mono_ms=1, utc_ms=at_ms(minute), fence="f_1", event=event, sites_version=1, lat_e6=0, lon_e6=0, speed_cm_s=900
            ),
            st.sampled_from(["enter", "exit", "speeding", "dwell"]),
            minutes,
        ),
    )
    return st.lists(one, min_size=1, max_size=10)


@settings(max_examples=40, phases=[Phase.generate], deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_in_whatever_order_and_pieces_a_log_arrives_the_derived_tables_are_the_same(plain_database: Database, data: st.DataObject) -> None:
    """Invariant 9. Three sessions of one van: their lanes arrive interleaved and cut at will, with derivation in between or not.

    (A failing example is told as it was found: making it smaller takes a database longer than a test may take.)
    """
    van = Van(plain_database)
    orders = [van.order(due) for due in (60, 120, 200)]
    sessions = [f"{next(numbers):016x}" for _ in range(3)]
    logs = [
        [started(session, previous), *data.draw(entries_of(orders))] for session, previous in zip(sessions, [None, *sessions], strict=False)
    ]
    end = EIGHT + timedelta(minutes=600)
    waiting = [list(log) for log in logs]
    while any(waiting):
        place = data.draw(st.sampled_from([place for place, log in enumerate(waiting) if log]))
        size = data.draw(st.integers(1, len(waiting[place])))
        part, waiting[place] = waiting[place][:size], waiting[place][size:]
        van.arrives(sessions[place], part, minute=400, derive=data.draw(st.booleans()))
        if data.draw(st.booleans()):
            pass_time(van.db, end)
    catch_up(van.db, clock_at(600))
    pass_time(van.db, end)
    with van.db.transaction() as cur:
        as_it_came = dump(cur, [van.vehicle])
    # In order, at once: everything derived is thrown away and derived again from the whole log.
    with van.db.transaction() as cur:
        for number in derived_store.sessions_of(cur, van.vehicle):
            derived_store.forget(cur, number)
        cur.execute("DELETE FROM derive_state WHERE session_no = ANY(%s)", (derived_store.sessions_of(cur, van.vehicle),))
        for table in ("order_states", "alerts", "plan_receipts"):
            cur.execute(f"DELETE FROM {table} WHERE fleet_id = %s", (van.fleet,))
    catch_up(van.db, clock_at(600))
    pass_time(van.db, end)
    with van.db.transaction() as cur:
        assert dump(cur, [van.vehicle]) == as_it_came
