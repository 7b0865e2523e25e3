"""A van blocks the stops of an expired plan: from then on the hub may give its work, but what is on board, to others."""

from __future__ import annotations

from typing import Any


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
