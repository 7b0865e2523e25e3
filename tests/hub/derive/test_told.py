"""What drivers tell beyond an outcome reaches the hub's tables; and the driver's own order becomes the plan's."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from roundsman_hub.clock import Clock
from roundsman_hub.derive.worker import catch_up
from roundsman_hub.ingest.packets import Message
from roundsman_hub.ingest.worker import Ingest
from roundsman_hub.store import care_store, orders, told_store
from roundsman_hub.store.db import Database, Notice, listen, notices
from roundsman_hub.store.rows import new_id
from roundsman_wire import channels, frames
from roundsman_wire.messages import (
    FACTS,
    Ack,
    Action,
    AnyEntry,
    BasedOn,
    DepotCall,
    Plan,
    PlanStop,
    Proof,
    Reorder,
    Reordered,
    Report,
    Risk,
    Said,
    Scan,
    SessionStarted,
    Visit,
)

EIGHT_MS = 1_772_438_400_000
PHOTO = Proof(kind="photo", sha256="ab" * 32, bytes=9, media_type="image/jpeg")
SHA = "ab" * 32
sessions = (f"{number:016x}" for number in itertools.count(0x7000))


class Silent:
    """Acks are not what these tests are about."""

    def acknowledge(self, acks: Sequence[tuple[str, Ack]]) -> None:
        pass


class Van:
    """One van of a fleet of its own, with orders, and its log."""

    def __init__(self, db: Database) -> None:
        self.db, self.fleet, self.depot, self.vehicle = db, new_id("fl"), new_id("p"), new_id("v")
        self._ingest = Ingest(db, Clock(), Silent())
        self._session, self._last = next(sessions), 0
        with db.transaction() as cur:
            cur.execute("INSERT INTO fleets (fleet_id, name) VALUES (%s, 'Fleet')", (self.fleet,))
            cur.execute(
                "INSERT INTO depots (depot_id, fleet_id, name, lat_e6, lon_e6) VALUES (%s, %s, 'D', 0, 0)", (self.depot, self.fleet)
            )
            cur.execute(
                "INSERT INTO vehicles (vehicle_id, fleet_id, name, depot_id, capacity, shift_start, shift_end) "
                "VALUES (%s, %s, 'Van', %s, 10, '2026-03-02T08:00Z', '2026-03-02T16:00Z')",
                (self.vehicle, self.fleet, self.depot),
            )
        self.orders = [self._order() for _ in range(4)]
        self.tell(SessionStarted(mono_ms=0, utc_ms=EIGHT_MS, session=self._session, previous=None, agent_version="1", row_format=1))

    def _order(self) -> str:
        order = new_id("o")
        with self.db.transaction() as cur:
            cur.execute(
                "INSERT INTO orders (order_id, fleet_id, depot_id, kind, address, placed, window_start, window_end, service_s, parcels, "
                "track_token, created_at) VALUES (%s, %s, %s, 'delivery', 'Street 1', 'given', '2026-03-02T08:00Z', '2026-03-02T12:00Z', "
                "60, 1, %s, '2026-03-02T07:00Z')",
                (order, self.fleet, self.depot, order),
            )
        return order

    def tell(self, *entries: AnyEntry) -> None:
        first, self._last = self._last + 1, self._last + len(entries)
        body = frames.pack_entries([frames.encode_entry(entry) for entry in entries])
        data = frames.encode_frame(self._session, FACTS, first, self._last, body)
        self._ingest.process([Message(topic=channels.topic(self.vehicle, "facts"), payload=data)])
        catch_up(self.db, Clock())

    def plan(self, version: int) -> Plan:
        """A committed plan with all orders."""
        stops = tuple(
            PlanStop(
                stop=order, tasks=(order,), kind="delivery", lat_e6=0, lon_e6=n, fence_radius_m=60, leg_s=60, leg_m=500, service_s=60,
                arrival_utc_ms=0,
            )
            for n, order in enumerate(self.orders)
        )  # fmt: skip
        made = Plan(
            plan=f"p{version}", vehicle=self.vehicle, version=version, issued_utc_ms=EIGHT_MS, stops=stops,
            based_on=BasedOn(session=None, facts_seq=0), reorder=Reorder(max_moved=1, max_extra_s=600),
        )  # fmt: skip
        with self.db.transaction() as cur:
            cur.execute(
                "INSERT INTO plans (vehicle_id, version, fleet_id, issued_at, issued_real_at, reason, changes, plan, hash, envelope) "
                "VALUES (%s, %s, %s, now(), now(), '', '[]', %s::jsonb, '', '')",
                (self.vehicle, version, self.fleet, msgspec.json.encode(made).decode()),
            )
            cur.executemany(
                "INSERT INTO plan_tasks (vehicle_id, version, fleet_id, order_id, position) VALUES (%s, %s, %s, %s, %s)",
                [(self.vehicle, version, self.fleet, order, n) for n, order in enumerate(self.orders, start=1)],
            )
        return made

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.db.transaction() as cur:
            return [tuple(row.values()) for row in cur.execute(sql, values)]

    def positions(self, version: int) -> list[str]:
        found = self.rows("SELECT order_id FROM plan_tasks WHERE vehicle_id = %s AND version = %s ORDER BY position", self.vehicle, version)
        return [str(order) for (order,) in found]


@pytest.fixture
def van(database: Database) -> Van:
    return Van(database)


def at(minute: int) -> dict[str, Any]:
    return {"mono_ms": minute * 60_000, "utc_ms": EIGHT_MS + minute * 60_000}


def delivered(order: str, minute: int, **more: Any) -> Action:
    fields: dict[str, Any] = {"action": f"a-{order}-{minute}", "stop": order, "tasks": (order,), "outcome": "delivered"}
    return Action(**at(minute), **(fields | more))


def test_everything_a_driver_tells_is_kept(van: Van) -> None:
    order = van.orders[0]
    van.tell(
        Scan(**at(1), parcel="A-1", event="loaded", stop=order, place="floor"),
        Report(**at(2), report="r-1", topic="breakdown", text="flat tyre", proofs=(PHOTO,)),
        Risk(**at(3), stop=order, eta_utc_ms=EIGHT_MS, promise_end_utc_ms=EIGHT_MS, late_s=240),
        Said(**at(4), message="m-1", text="on my way", about="c-1"),
    )  # fmt: skip
    v = van.vehicle
    assert van.rows("SELECT parcel, event, order_id, place FROM scans WHERE vehicle_id = %s", v) == [("A-1", "loaded", order, "floor")]
    assert van.rows("SELECT report, topic, text FROM reports WHERE vehicle_id = %s", v) == [("r-1", "breakdown", "flat tyre")]
    assert van.rows("SELECT message, about, text FROM driver_words WHERE vehicle_id = %s", v) == [("m-1", "c-1", "on my way")]
    assert van.rows("SELECT fact, kind, bytes FROM proofs WHERE vehicle_id = %s", v) == [("r-1", "photo", 9)]
    with van.db.transaction() as cur:
        assert orders.risk_late_s(cur, order) == 240
    van.tell(Risk(**at(5), stop=order, eta_utc_ms=EIGHT_MS, promise_end_utc_ms=EIGHT_MS, late_s=0))
    with van.db.transaction() as cur:
        assert orders.risk_late_s(cur, order) == 0


def test_what_was_loaded_on_the_way_is_known_until_it_is_taken_back(van: Van) -> None:
    """Derived again, it is the same; a release that does not know the entry keeps it as it came (see tests/wire)."""
    a, b, *_ = van.orders
    since = datetime.fromtimestamp(EIGHT_MS / 1000, UTC)

    def known() -> list[tuple[str, str, tuple[str, ...]]]:
        with van.db.transaction() as cur:
            return [(c.stop, c.event, c.tasks) for c in told_store.depot_calls(cur, [van.vehicle], since).get(van.vehicle, [])]

    van.tell(
        DepotCall(**at(1), call="c-1", stop="@d_1", event="loaded", plan_version=1, tasks=(a, b)),
        DepotCall(**at(2), call="c-2", stop="+fast", event="charged", plan_version=1),
    )
    assert known() == [("@d_1", "loaded", (a, b)), ("+fast", "charged", ())]
    van.tell(DepotCall(**at(3), call="undo-c-1", stop="@d_1", event="undo", plan_version=1, undoes="c-1"))
    assert known() == [("+fast", "charged", ())]
    with van.db.transaction() as cur:
        cur.execute("UPDATE derive_state SET state = jsonb_set(state, '{rules}', '0')")
        assert told_store.depot_calls(cur, [van.vehicle], since + timedelta(hours=1)) == {}
    catch_up(van.db, Clock())
    assert known() == [("+fast", "charged", ())]


def test_a_standstill_at_the_depot_for_a_second_load_is_no_stop_outside_the_plan(van: Van) -> None:
    """The van tells it under the plan's own name of the call, which is no order's: it is kept, and no order is concerned."""
    place: dict[str, Any] = {"visit": 7, "lat_e6": 60_170_000, "lon_e6": 24_940_000, "stop": "@d_1"}
    van.tell(Visit(**at(5), phase="arrived", **place), Visit(**at(6), phase="serving", **place), Visit(**at(25), phase="left", **place))
    visits = "SELECT order_id, left_at - arrived_at FROM visits WHERE vehicle_id = %s AND visit = 7"
    assert van.rows(visits, van.vehicle) == [("@d_1", timedelta(minutes=20))]
    assert van.rows("SELECT kind FROM alerts WHERE vehicle_id = %s", van.vehicle) == []
    assert van.rows("SELECT order_id FROM order_states WHERE order_id = '@d_1'") == []


def test_a_proof_is_pending_until_the_photo_is_whole(van: Van) -> None:
    """The fact does not wait for the photo."""
    order = van.orders[0]
    done = delivered(order, 3, outcome="partial", reason="one missing", proofs=(PHOTO,), parcels=("A-1",), received_by="Ann", note="gate",
                     code="4711", lat_e6=60_170_500, lon_e6=24_940_000)  # fmt: skip
    van.tell(done)

    def shown() -> list[tuple[str, bool]]:
        with van.db.transaction() as cur:
            return [(p["sha256"], p["whole"]) for p in orders.proofs(cur, order)]

    assert shown() == [(SHA, False)]
    with van.db.transaction() as cur:
        cur.execute(
            "INSERT INTO blobs (fleet_id, sha256, vehicle_id, bytes, media_type, whole_at) VALUES (%s, %s, %s, 9, 'image/jpeg', now())",
            (van.fleet, SHA, van.vehicle),
        )
        handover = orders.handover(cur, order)
    assert shown() == [(SHA, True)]
    assert handover is not None
    assert (handover["outcome"], handover["parcels"], handover["received_by"], handover["note"]) == ("partial", ["A-1"], "Ann", "gate")
    assert (handover["by_code"], float(handover["lat_deg"]), float(handover["lon_deg"])) == (True, 60.1705, 24.94)
    assert handover["at"].timestamp() * 1000 == EIGHT_MS + 180_000
    with van.db.transaction() as cur:
        frozen = care_store.evidence(cur, order)
    assert (frozen["by_code"], frozen["lat_e6"], frozen["received_by"], frozen["proofs"]) == (True, 60_170_500, "Ann", [SHA])
    van.tell(delivered(order, 4, action="undo-1", outcome="undo", undoes=done.action))
    assert shown() == [], "an action that was undone proves nothing"


def test_the_drivers_own_order_is_the_plans_from_then_on(van: Van) -> None:
    a, b, c, d = van.orders
    plan = van.plan(1)
    with van.db.dedicated() as ears:
        listen(ears)
        van.tell(delivered(a, 1), Reordered(**at(2), plan_version=1, stops=(c, b, d)))
        heard: list[Notice] = []
        while Notice(topic="plan", fleet_id=van.fleet, subject=van.vehicle) not in heard:
            heard += notices(ears, 5)
    assert van.positions(1) == [a, c, b, d]
    van.tell(Reordered(**at(3), plan_version=1, stops=(b, d, c)))
    assert van.positions(1) == [a, b, d, c], "the newest holds"
    with van.db.transaction() as cur:
        own = told_store.own_orders(cur, {van.vehicle: 1})
    assert [stop.stop for stop in told_store.as_driven(plan, own[van.vehicle]).stops] == [a, b, d, c]
    with van.db.transaction() as cur:
        cur.execute("UPDATE derive_state SET state = jsonb_set(state, '{rules}', '0')")
    catch_up(van.db, Clock())
    assert van.positions(1) == [a, b, d, c], "derived again, it is the same"


def test_an_order_outside_what_was_signed_is_not_believed(van: Van) -> None:
    a, b, c, d = van.orders
    van.plan(1)
    van.tell(Reordered(**at(2), plan_version=1, stops=(d, c, b, a)))
    assert van.positions(1) == [a, b, c, d]
    van.tell(Reordered(**at(3), plan_version=99, stops=(d, c, b, a)), Reordered(**at(4), plan_version=1, stops=("o_x", b)))
    assert van.positions(1) == [a, b, c, d]


def test_what_the_tables_cannot_hold_does_not_stop_the_log(van: Van) -> None:
    van.tell(
        Risk(**at(2), stop="o", eta_utc_ms=2**53, promise_end_utc_ms=2**53, late_s=1),
        Said(**at(3), message="m-2", text="still here"),
    )
    assert van.rows("SELECT text FROM driver_words WHERE vehicle_id = %s", van.vehicle) == [("still here",)]
