"""A van blocks the stops of an expired plan: from then on the hub may give its work, but what is on board, to others."""

from __future__ import annotations

from typing import Any

from roundsman_agent.board import step
from roundsman_wire.messages import Parcel, Visit


def test_work_of_an_expired_plan_is_not_begun(start: Any, hub: Any) -> None:
    van = start()
    van.post("/api/duty", {"duty": "on", "driver": "d_1"})
    now = van.daemon.unit.clock.utc_ms()
    plan = hub.plan(1, hub.stop("o_1", kind="pickup"), hub.stop("o_2", kind="pickup"), "o_3")
    van.give("plan", hub.seal(plan, valid_until_utc_ms=now + 3_600_000))
    assert van.post("/api/actions", {"stop": "o_1", "outcome": "arrived"}).status_code == 200
    again = hub.plan(2, hub.stop("o_1", kind="pickup"), hub.stop("o_2", kind="pickup"), "o_3")
    van.give("plan", hub.seal(again, valid_until_utc_ms=now - 1_000))
    assert van.screen()["plan"]["expired"] is True
    refused = van.post("/api/actions", {"stop": "o_2", "outcome": "arrived"})
    assert (refused.status_code, refused.json()["title"]) == (409, "The plan has expired")
    assert van.post("/api/actions", {"stop": "o_2", "outcome": "delivered"}).status_code == 409
    assert van.post("/api/actions", {"stop": "o_1", "outcome": "delivered"}).status_code == 200, "begun before"
    assert van.post("/api/actions", {"stop": "o_3", "outcome": "delivered"}).status_code == 200, "on board"


def test_goods_that_the_van_knows_were_never_loaded_are_not_delivered(start: Any, hub: Any) -> None:
    """The hub may have them fetched by another van. What may be on board, for nobody scanned it, can be delivered."""
    van = start()
    van.post("/api/duty", {"duty": "on", "driver": "d_1"})
    now = van.daemon.unit.clock.utc_ms()

    def parcel_of(stop: str) -> Any:
        return hub.stop(stop, items=(Parcel(parcel=stop.upper(), place="1"),))

    reload = hub.stop("@d_1", kind="depot", tasks=(), name="Load again: North", address="", parcels=0)
    stops = [parcel_of(stop) for stop in ("a", "b", "c")], [parcel_of(stop) for stop in ("d", "e", "f")]
    van.give("plan", hub.seal(hub.plan(1, *stops[0], reload, *stops[1]), valid_until_utc_ms=now - 1_000))

    def told(stop: str, outcome: str = "arrived") -> Any:
        return van.post("/api/actions", {"stop": stop, "outcome": outcome, "action": f"tap-{stop}-{outcome}"})

    for event in ("loaded", "unloaded"):
        van.post("/api/scans", {"parcel": "B", "event": event})
    van.post("/api/scans", {"parcel": "C"})
    van.post("/api/scans", {"parcel": "F"})
    assert [(stop, told(stop).status_code) for stop in "abcdef"] == [
        *[("a", 200), ("b", 409), ("c", 200)],  # a was never scanned, b was taken out
        *[("d", 409), ("e", 409), ("f", 200)],  # the second load is still to be fetched; f was scanned all the same
    ]
    assert told("d", "delivered").json()["title"] == "The plan has expired"
    assert [told(stop, "delivered").status_code for stop in "acf"] == [200, 200, 200]


def test_goods_of_a_load_that_was_fetched_are_on_board(start: Any, hub: Any) -> None:
    """Also once the driver has taken something back, and where the van stands at the door already."""
    van = start()
    van.post("/api/duty", {"duty": "on", "driver": "d_1"})
    reload = hub.stop("@d_1", kind="depot", tasks=(), name="Load again: North", address="", parcels=0)
    past = van.daemon.unit.clock.utc_ms() - 1_000
    van.give("plan", hub.seal(hub.plan(1, reload, "d", "e"), valid_until_utc_ms=past))
    arrived = {"stop": "d", "outcome": "arrived"}
    assert van.post("/api/actions", arrived).status_code == 409
    van.post("/api/calls", {"stop": "@d_1", "event": "loaded", "action": "call-0001"})
    assert van.post("/api/actions/call-0001/undo", {}).status_code == 200
    assert van.post("/api/actions", arrived).status_code == 409, "it was not loaded after all"
    van.post("/api/calls", {"stop": "@d_1", "event": "loaded"})
    assert van.post("/api/actions", arrived).status_code == 200
    assert van.post("/api/actions", {"stop": "e", "outcome": "delivered"}).status_code == 200


def test_goods_that_were_scanned_out_at_their_door_are_delivered(start: Any, hub: Any) -> None:
    """The receiver saw the van arrive; the driver scans what is carried to the door, and hands it over."""
    van = start()
    van.post("/api/duty", {"duty": "on", "driver": "d_1"})
    stop = hub.stop("a", items=(Parcel(parcel="A", place="1"),))
    van.give("plan", hub.seal(hub.plan(1, stop, "b"), valid_until_utc_ms=van.daemon.unit.clock.utc_ms() - 1_000))
    unit = van.daemon.unit
    visit = Visit(**unit.instant(), visit=7, phase="arrived", stop="a", lat_e6=stop.lat_e6, lon_e6=stop.lon_e6)
    unit.board = step(unit.board, visit)
    for event in ("loaded", "unloaded"):
        van.post("/api/scans", {"parcel": "A", "event": event})
    assert van.post("/api/actions", {"stop": "a", "outcome": "delivered"}).status_code == 200
