"""The live stream: a snapshot, then what changed; the newest wins for a slow listener."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from roundsman_hub.dispatch.delivery import NO_ANSWER
from roundsman_hub.live import broadcast
from roundsman_hub.live.broadcast import Pace
from roundsman_hub.live.drawn_plans import DrawnPlans
from roundsman_hub.live.slot import Slot
from roundsman_hub.live.view import FleetView, sse
from roundsman_hub.store.rows import notify

Event = tuple[str, dict[str, Any]]


@contextmanager
def listening(shop: Any, role: str = "viewer") -> Iterator[Iterator[Event]]:
    """The events of one listener, as they come."""

    def events(lines: Iterator[str]) -> Iterator[Event]:
        name = ""
        for line in lines:
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                yield name, json.loads(line[6:])

    timeout = httpx.Timeout(60)
    with shop.clients[role].stream("GET", "/v1/stream", timeout=timeout) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield events(answer.iter_lines())


def first(events: Iterator[Event], holds: Callable[[str, dict[str, Any]], bool]) -> dict[str, Any]:
    """The first event that is looked for; there is a tick every other second, so who looks in vain is told."""
    for count, (name, body) in enumerate(events):
        if holds(name, body):
            return body
        assert count < 100, "the event looked for did not come"
    raise AssertionError("the stream ended")


def test_stream_begins_with_everything_and_goes_on_with_changes(shop: Any) -> None:
    van = shop.van(shop.depot())
    order = shop.order(reference="A-1")["order"]
    with listening(shop) as events:
        name, snapshot = next(events)
        assert name == "snapshot"
        assert [v["vehicle"] for v in snapshot["vehicle"]] == [van]
        assert [(o["order"], o["state"]) for o in snapshot["order"]] == [(order, "new")]
        shop.in_force(van, [order])
        assert first(events, lambda n, b: n == "order" and b["state"] == "next")["order"] == order
        shop.resolve(van, order, "delivered")
        assert first(events, lambda n, b: n == "order" and b["state"] == "delivered")["done_at"]
        assert first(events, lambda n, b: n == "tick")["database_away"] is False


def test_page_has_the_hubs_time_with_the_first_thing_that_it_is_told(shop: Any) -> None:
    """A page that reads lateness by its own machine's clock shows a day that never was."""
    with listening(shop) as events:
        assert next(events)[0] == "snapshot"
        name, body = next(events)
        assert (name, abs(datetime.fromisoformat(body["now"]) - shop.clock.now()) < timedelta(hours=1)) == ("tick", True)


def test_alert_comes_by_the_stream_and_goes_when_it_is_old(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what a page cannot see by itself: it knows by the second who is silent or late."""
    monkeypatch.setattr(broadcast, "REREAD_S", 1e9)  # by its notice, not by the look after lost ones
    van = shop.van(shop.depot())
    now = shop.clock.now()

    def alert(name: str, kind: str, to_at: datetime | None) -> None:
        with shop.db.transaction() as cur:
            cur.execute(
                "INSERT INTO alerts (alert, fleet_id, vehicle_id, kind, from_at, to_at, detail, raised_at)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
                " ON CONFLICT (alert) DO UPDATE SET to_at = excluded.to_at",
                (name, shop.fleet, van, kind, now - timedelta(hours=1), to_at, '{"fence": "Yard"}', now),
            )
            notify(cur, "alert", shop.fleet, name)

    alert("a-1", "fence_dwell", None)
    alert("a-2", "silent", None)
    with listening(shop) as events:
        (shown,) = next(events)[1]["alert"]
        assert (shown["alert"], shown["vehicle"], shown["to_at"], shown["detail"]) == ("a-1", van, None, {"fence": "Yard"})
        alert("a-1", "fence_dwell", now - timedelta(minutes=1))
        assert first(events, lambda n, b: n == "alert")["to_at"] is not None
        alert("a-1", "fence_dwell", now - timedelta(minutes=31))
        assert first(events, lambda n, b: n == "gone") == {"kind": "alert", "id": "a-1"}


def test_plan_says_until_when_its_van_should_have_answered(shop: Any) -> None:
    van = shop.van(shop.depot())
    shop.in_force(van, [])
    with listening(shop) as events:
        (plan,) = next(events)[1]["plan"]
    with shop.db.transaction() as cur:
        (row,) = cur.execute("SELECT issued_real_at, valid_until FROM plans WHERE vehicle_id = %s", (van,)).fetchall()
    assert datetime.fromisoformat(plan["answer_due_real_at"]) - row["issued_real_at"] == NO_ANSWER
    assert plan["valid_until"] == (None if row["valid_until"] is None else row["valid_until"].isoformat().replace("+00:00", "Z"))


def test_receipts_that_came_at_one_instant_are_told_in_the_vans_order(shop: Any) -> None:
    """A van that was away tells all of them in one batch."""
    van = shop.van(shop.depot())
    shop.in_force(van, [])
    with shop.db.transaction() as cur:
        for state in ("accepted", "held"):
            cur.execute(
                "INSERT INTO plan_receipts (vehicle_id, version, fleet_id, state, hash, at, received_real_at)"
                " SELECT vehicle_id, version, fleet_id, %s, hash, at, received_real_at FROM plan_receipts"
                " WHERE vehicle_id = %s AND state = 'in_force'",
                (state, van),
            )
    told = shop.get(f"/v1/vehicles/{van}/plan")
    assert told.status_code == 200, told.text
    assert [receipt["state"] for receipt in told.json()["receipts"]] == ["held", "accepted", "in_force"]


def test_each_part_is_read_at_most_once_a_second_and_at_once_after_a_quiet_one() -> None:
    pace = Pace()
    told = [
        (at, pace.due(parts, at))
        for at, parts in ((5.0, {"orders"}), (5.3, {"orders", "alerts"}), (5.6, set()), (6.0, set()), (9.0, {"orders"}))
    ]
    assert told == [(5.0, {"orders"}), (5.3, {"alerts"}), (5.6, set()), (6.0, {"orders"}), (9.0, {"orders"})]


def test_plan_and_its_reason_reach_the_page(shop: Any) -> None:
    van = shop.van(shop.depot())
    with listening(shop) as events:
        assert next(events)[0] == "snapshot"
        shop.in_force(van, [])
        plan = first(events, lambda n, b: n == "plan")
        assert (plan["vehicle"], plan["reason"], plan["changes"]) == (van, "the first", ["one"])


def test_page_is_told_that_a_case_or_a_line_of_talk_is_to_be_read_again(shop: Any) -> None:
    """Level-triggered: the mark differs, whatever happened in between; the words themselves are asked for."""
    shop.van(shop.depot())
    order = shop.order(reference="A-1")["order"]
    with listening(shop) as events:
        marks = {turn["turn"]: turn["mark"] for turn in next(events)[1]["turn"]}
        assert set(marks) == {"cases", "chat", "nights", "notices", "proposals", "sites"}
        shop.post(f"/v1/orders/{order}/chat", json={"text": "We are on our way"})
        told = first(events, lambda n, b: n == "turn" and b["turn"] == "chat")
        assert told["mark"] != marks["chat"]
        assert "on our way" not in json.dumps(told)
        with shop.db.transaction() as cur:
            cur.execute(
                "INSERT INTO cases (case_id, fleet_id, root_id, order_id, kind, state, opened_at, changed_at)"
                " VALUES ('c-1', %(f)s, %(o)s, %(o)s, 'complaint', 'opened', %(at)s, %(at)s)",
                {"f": shop.fleet, "o": order, "at": shop.clock.now()},
            )
            notify(cur, "order", shop.fleet, order)
        assert first(events, lambda n, b: n == "turn" and b["turn"] == "cases")["mark"] != marks["cases"]


def test_page_is_told_that_a_street_was_closed_or_opened_and_when_a_night_went_on(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fences, closures, zones and nights are asked for, not streamed: a page asks when it is told, not every few minutes."""
    monkeypatch.setattr(broadcast, "REREAD_S", 1e9)  # by its notice, not by the look after lost ones
    depot = shop.depot()
    shop.van(depot)
    ring = [[50.0, 10.0], [50.0, 10.01], [50.01, 10.01]]
    every = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    with listening(shop) as events:
        name, snapshot = next(events)
        assert name == "snapshot"
        marks = {one["turn"]: one["mark"] for one in snapshot["turn"]}

        def told(turn: str) -> None:
            marks[turn] = first(events, lambda n, b: n == "turn" and b["turn"] == turn and b["mark"] != marks[turn])["mark"]

        closure = shop.post("/v1/closures", json={"name": "x", "ring_deg": ring, "until_utc": shop.at(hours=1)}).json()["closure"]
        told("sites")
        shop.delete(f"/v1/closures/{closure}")
        told("sites")
        shop.post("/v1/access-zones", json={"name": "x", "ring_deg": ring, "hours": [{"days": every, "start": "06:00", "end": "07:00"}]})
        told("sites")
        shop.post("/v1/fences", json={"name": "x", "circle": {"lat_deg": 50, "lon_deg": 10, "radius_m": 90}})
        told("sites")
        assert shop.put("/v1/nightly", json={"depot": depot, "plan_at": "21:30"}).is_success
        told("nights")


def test_a_closure_that_begins_and_ends_by_itself_is_told(shop: Any) -> None:
    ring = [[50.0, 10.0], [50.0, 10.01], [50.01, 10.01]]
    soon = {"name": "x", "ring_deg": ring, "from_utc": shop.at(hours=1), "until_utc": shop.at(hours=2)}
    assert shop.post("/v1/closures", json=soon).is_success
    view, now, told = FleetView(DrawnPlans(lambda *_: [])), shop.clock.now(), []
    for hours in (0, 0.5, 1.5, 1.6, 2.5):
        with shop.db.tenant(shop.fleet) as cur:
            told.append(("turn", "sites") in view.refresh(cur, {"turns"}, now + timedelta(hours=hours)))
    assert told == [True, False, True, False, True]


def test_what_is_gone_is_told(shop: Any) -> None:
    van = shop.van(shop.depot())
    with listening(shop) as events:
        assert next(events)[1]["vehicle"]
        with shop.db.transaction() as cur:
            cur.execute("UPDATE vehicles SET retired_at = %s WHERE vehicle_id = %s", (shop.clock.now(), van))
        shop.van(shop.depot(), "Van 2")  # its notice makes the hub look again
        assert first(events, lambda n, b: n == "gone") == {"kind": "vehicle", "id": van}


def test_listener_hears_its_own_fleet_alone(make_shop: Callable[[], Any]) -> None:
    ours, theirs = make_shop(), make_shop()
    ours.van(ours.depot())
    theirs.van(theirs.depot())
    with listening(ours) as events:
        assert len(next(events)[1]["vehicle"]) == 1
        theirs.order(reference="THEIRS")
        ours.order(reference="OURS")
        seen = []
        for name, body in events:
            seen.append(json.dumps(body))
            if name == "order":
                break
        assert "OURS" in seen[-1]
        assert not any("THEIRS" in text for text in seen)


def test_shop_has_no_business_with_where_drivers_are(shop: Any) -> None:
    assert shop.clients["shop"].get("/v1/stream").status_code == 403


def test_newest_wins_and_memory_is_bounded() -> None:
    """A listener that does not read holds one document of each key, however much happens meanwhile."""

    async def story() -> bytes:
        slot = Slot()
        for at in range(10_000):
            slot.put({("vehicle", f"v_{at % 3}"): sse("vehicle", b'{"at":%d}' % at)})
        return await slot.take()

    taken = asyncio.run(story())
    assert [json.loads(event.split(b"data: ")[1])["at"] for event in taken.split(b"\n\n") if event] == [9_999, 9_997, 9_998]


def test_snapshot_takes_the_place_of_what_waited() -> None:
    async def story() -> list[bytes]:
        slot = Slot()
        slot.put({("order", "o_1"): b"old"})
        slot.restart(b"all")
        slot.put({("order", "o_1"): b"new"})
        taken = [await slot.take()]
        slot.close()
        return [*taken, await slot.take()]

    assert asyncio.run(story()) == [b"allnew", b""]


def test_view_tells_each_change_once(shop: Any) -> None:
    shop.van(shop.depot())
    order = shop.order()["order"]
    view = FleetView(DrawnPlans(lambda places, fleet: []))
    with shop.db.tenant(shop.fleet) as cur:
        assert ("order", order) in view.refresh(cur, {"orders", "vehicles", "events"}, shop.clock.now())
        assert view.refresh(cur, {"orders", "vehicles", "events"}, shop.clock.now()) == {}
    shop.patch(f"/v1/orders/{order}", json={"priority": 3})
    with shop.db.tenant(shop.fleet) as cur:
        assert set(view.refresh(cur, {"orders"}, shop.clock.now())) == {("order", order)}
