"""Everything beyond delivered or failed: proofs, parcels, offers, messages, an order of the driver's own. A real agent, over HTTP."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from roundsman_agent.pipeline import Position
from roundsman_core.geo import LatLon
from roundsman_wire.messages import Command, Note, Parcel, Reorder

JPEG = b"\xff\xd8\xff\xe0" + b"a door, and a parcel before it" * 50
LIMITS = Reorder(max_moved=2, max_extra_s=3_600)


def code_hash(stop: str, code: str) -> str:
    return hashlib.sha256(f"{stop}:{code}".encode()).hexdigest()


@pytest.fixture
def van(start: Any, hub: Any) -> Any:
    """On shift. The first stop wants a photo and a code; the second has two parcels."""
    one = start()
    stops = (
        hub.stop("o_1", proof=("photo", "code"), code_sha256=code_hash("o_1", "4711")),
        hub.stop("o_2", items=(Parcel(parcel="A-1", name="Box"), Parcel(parcel="A-2", place="shelf 3")), parcels=2),
        hub.stop("o_3"),
        hub.stop("o_4"),
    )
    one.give("plan", hub.seal(hub.plan(1, *stops, reorder=LIMITS)))
    one.post("/api/duty", {"duty": "on", "driver": "d_1"})
    return one


def drive(van: Any, speed_mps: float) -> None:
    """The van moves, as its newest fix says, which stays new for as long as a test may take."""
    unit = van.daemon.unit
    unit.position = Position(
        mono_ms=unit.clock.mono_ms() + 600_000, utc_ms=unit.clock.utc_ms(), position=LatLon(37.40, -122.09), speed_mps=speed_mps,
        heading_deg=None, accuracy_m=None, anchored=False,
    )  # fmt: skip


def put(van: Any, data: bytes = JPEG, media_type: str = "image/jpeg", kind: str = "photo") -> Any:
    return van.client.put(f"/api/blobs?kind={kind}", content=data, headers={"content-type": media_type})


def tap(stop: str, outcome: str, number: int = 1, **more: Any) -> dict[str, Any]:
    return {"stop": stop, "outcome": outcome, "action": f"tap-{stop}-{number}"} | more


def receipts(van: Any) -> list[tuple[int, str]]:
    return [(r.plan_version, r.state) for r in van.facts("receipt")]


def test_a_stop_that_asks_for_proof_is_not_delivered_without(van: Any) -> None:
    assert van.screen()["next"]["proof"] == ["photo", "code"]
    assert van.screen()["next"]["has_code"] is True
    missing = van.post("/api/actions", tap("o_1", "delivered"))
    assert (missing.status_code, missing.json()["title"]) == (422, "Proof is missing: photo, code")
    photo = put(van).json()
    assert photo == {"sha256": hashlib.sha256(JPEG).hexdigest(), "bytes": len(JPEG), "media_type": "image/jpeg"}
    proofs = [{"kind": "photo", "sha256": photo["sha256"]}]
    assert van.post("/api/actions", tap("o_1", "delivered", proofs=proofs, code="1234")).json()["title"] == "Wrong code"
    unknown = [{"kind": "photo", "sha256": "0" * 64}]
    assert van.post("/api/actions", tap("o_1", "delivered", proofs=unknown, code="4711")).status_code == 422
    assert van.post("/api/actions", tap("o_1", "delivered", proofs=proofs, code="4711", received_by="Ann")).status_code == 200
    (action,) = van.facts("action")
    assert [(p.kind, p.sha256, p.bytes) for p in action.proofs] == [("photo", photo["sha256"], len(JPEG))]
    assert (action.code, action.received_by, action.note) == ("4711", "Ann", None)
    assert van.screen()["blobs_waiting"] == 1


def test_a_driver_without_proof_says_why(van: Any) -> None:
    assert van.post("/api/actions", tap("o_1", "delivered", without_proof="the camera is broken", note="at the gate")).status_code == 200
    assert van.facts("action")[0].note == "at the gate; without proof: the camera is broken"


@pytest.mark.parametrize("outcome", ["partial", "refused", "damaged"])
def test_a_stop_can_end_in_more_ways_than_two(van: Any, outcome: str) -> None:
    assert van.post("/api/actions", tap("o_2", outcome, parcels=["A-1"])).status_code == 422, "it needs a reason"
    assert van.post("/api/actions", tap("o_2", outcome, reason="wet", parcels=["B-7"])).status_code == 422, "it is not theirs"
    answer = van.post("/api/actions", tap("o_2", outcome, reason="wet", parcels=["A-1"]))
    assert answer.status_code == 200
    (action,) = van.facts("action")
    assert (action.outcome, action.reason, action.parcels) == (outcome, "wet", ("A-1",))
    assert [stop["stop"] for stop in van.screen()["following"]] == ["o_3", "o_4"]
    van.post(f"/api/actions/{answer.json()['action']}/undo", {})
    assert [stop["stop"] for stop in van.screen()["following"]] == ["o_2", "o_3", "o_4"]


def test_partly_delivered_says_which_parcels(van: Any) -> None:
    assert van.post("/api/actions", tap("o_2", "partial", reason="one was missing")).status_code == 422


def test_what_is_no_picture_is_not_kept(van: Any) -> None:
    assert put(van, b"MZ not a photo").status_code == 422
    assert put(van, JPEG, "text/html").status_code == 422
    assert put(van, JPEG, kind="poem").status_code == 422
    assert put(van, b"\xff\xd8\xff" + bytes(8 * 1_048_576)).status_code == 422
    assert put(van, b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", "signature").status_code == 200
    assert van.screen()["blobs_waiting"] == 1


def test_parcels_are_loaded_last_stop_first(van: Any) -> None:
    loading = van.screen()["loading"]
    assert [(item["parcel"], item["position"]) for item in loading["items"]] == [("A-1", 2), ("A-2", 2)]
    assert (loading["loaded"], loading["total"]) == (0, 2)
    assert van.post("/api/scans", {"parcel": "A-1", "place": "floor left"}).json() == {"known": True, "stop": "o_2", "position": 2}
    van.post("/api/scans", {"parcel": "A-1", "place": "floor left"})
    van.post("/api/scans", {"parcel": "A-2", "event": "loaded", "by": "hand"})
    assert van.post("/api/scans", {"parcel": "Z-9"}).json() == {"known": False, "stop": None, "position": None}
    assert [(s.parcel, s.event, s.stop, s.by) for s in van.facts("scan")] == [
        ("A-1", "loaded", "o_2", "scan"), ("A-2", "loaded", "o_2", "hand"), ("Z-9", "unknown", None, "scan"),
    ]  # fmt: skip
    assert van.screen()["loading"]["loaded"] == 2
    van.post("/api/actions", tap("o_1", "failed", reason="closed"))
    state = van.screen()
    assert state["loading"] is None, "the round has begun"
    assert [(item["parcel"], item["place"], item["loaded"]) for item in state["next"]["items"]] == [
        ("A-1", "floor left", True), ("A-2", "shelf 3", True),
    ]  # fmt: skip


def test_a_breakdown_is_reported_once(van: Any) -> None:
    photo = put(van).json()["sha256"]
    report = {"report": "report-0001", "topic": "breakdown", "text": "flat tyre", "proofs": [{"kind": "photo", "sha256": photo}]}
    for _ in range(2):
        assert van.post("/api/reports", report).status_code == 200
    (told,) = van.facts("report")
    assert (told.topic, told.text, told.driver, len(told.proofs)) == ("breakdown", "flat tyre", "d_1", 1)
    assert van.post("/api/reports", report | {"report": "report-0002", "topic": "boredom"}).status_code == 422


def test_a_roll_call_is_answered_behind_the_receipts_of_what_came_before_it(van: Any, hub: Any) -> None:
    """A restored hub asks on the plan's own topic: once it has the answer, it has heard of every plan that waited for this van."""
    call = hub.seal(Command(command="roll-1", verb="roll_call"), kind="command")
    van.give("plan", hub.seal(hub.plan(7, "o_7")))
    for _ in range(2):
        van.give("plan", call)
    told = [(fact.topic, fact.text) if isinstance(fact, Note) else (fact.plan_version, fact.state) for fact in van.facts("receipt", "note")]
    assert told[-1:] == [("message roll-1", "every plan before it is taken")]
    assert (7, "held") in told[:-1]
    van.give("command", hub.seal(Command(command="roll-2", verb="roll_call"), kind="command"))
    assert not any(fact.topic == "message roll-2" for fact in van.facts("note")), "on another topic it would say nothing"
    van.give("plan", hub.seal(Command(command="c_9", verb="message", text="no plan"), kind="command"))
    assert van.facts("note")[-1].topic == "plan refused"
    assert van.screen()["messages"] == []


def test_nobody_writes_at_the_wheel(van: Any, hub: Any) -> None:
    van.give("command", hub.seal(Command(command="c_1", verb="message", text="Key is with the neighbour", stop="o_2"), kind="command"))
    van.give("command", hub.seal(Command(command="c_1", verb="message", text="Key is with the neighbour", stop="o_2"), kind="command"))
    (message,) = van.screen()["messages"]
    assert (message["message"], message["text"], message["stop"], message["answered"]) == ("c_1", "Key is with the neighbour", "o_2", False)
    drive(van, 12.0)
    assert van.screen()["moving"] is True
    reply = {"message": "reply-0001", "text": "thank you", "about": "c_1"}
    assert van.post("/api/messages", reply).status_code == 409
    drive(van, 0.2)
    for _ in range(2):
        assert van.post("/api/messages", reply).status_code == 200
    assert [(said.about, said.text) for said in van.facts("said")] == [("c_1", "thank you")]
    assert van.screen()["messages"][0]["answered"] is True


def test_messages_are_there_after_a_power_cut(van: Any, hub: Any, start: Any) -> None:
    van.give("command", hub.seal(Command(command="c_1", verb="message", text="Call me"), kind="command"))
    van.stop()
    again = start()
    assert [m["text"] for m in again.screen()["messages"]] == ["Call me"]


def test_a_changed_next_stop_is_not_sprung_on_a_moving_driver(van: Any, hub: Any, wait: Any) -> None:
    drive(van, 12.0)
    van.give("plan", hub.seal(hub.plan(2, "o_3", "o_1", "o_2", "o_4", changes=("Moved: o_3 is now stop 1",))))
    state = van.screen()
    assert state["plan"]["version"] == 1
    offer = state["offer"]
    assert (offer["version"], offer["safe"], offer["next_changes"], offer["may_decline"]) == (2, False, True, False)
    assert [stop["stop"] for stop in offer["after"]] == ["o_3", "o_1", "o_2", "o_4"]
    assert receipts(van)[-1] == (2, "held")
    drive(van, 0.0)
    wait(lambda: van.screen()["plan"]["version"] == 2, "the van stands: it is in force")
    state = van.screen()
    assert (state["offer"], state["next"]["stop"]) == (None, "o_3")
    assert state["notice"]["changes"] == ["Moved: o_3 is now stop 1"]
    assert van.post("/api/notices/1", {}).json() == {"in_force": False}
    assert van.screen()["notice"] is not None
    assert van.post("/api/notices/2", {}).json() == {"in_force": True}
    assert van.screen()["notice"] is None


def test_what_leaves_the_next_stop_alone_is_in_force_at_once(van: Any, hub: Any) -> None:
    drive(van, 12.0)
    van.give("plan", hub.seal(hub.plan(2, "o_1", "o_4", "o_2", "o_3")))
    assert van.screen()["plan"]["version"] == 2


def test_a_cancelled_next_stop_is_gone_at_once(van: Any, hub: Any) -> None:
    drive(van, 12.0)
    van.give("plan", hub.seal(hub.plan(2, "o_2", "o_3", "o_4", changes=("Removed: o_1",))))
    state = van.screen()
    assert (state["plan"]["version"], state["next"]["stop"]) == (2, "o_2")
    assert state["notice"]["changes"] == ["Removed: o_1"]


def test_a_better_order_may_be_declined_a_removal_may_not(van: Any, hub: Any, start: Any) -> None:
    van.give("plan", hub.seal(hub.plan(2, "o_3", "o_1", "o_2", "o_4", may_decline=True)))
    assert van.screen()["offer"]["safe"] is True
    for _ in range(2):
        assert van.post("/api/offers/2", {"answer": "decline", "reason": "one-way street"}).status_code == 200
    assert receipts(van)[-1] == (2, "declined")
    assert (van.screen()["offer"], van.screen()["plan"]["version"]) == (None, 1)
    van.stop()
    again = start()
    assert (again.screen()["offer"], again.screen()["plan"]["version"]) == (None, 1), "a no stays a no"
    again.give("plan", hub.seal(hub.plan(3, "o_4", "o_1", "o_2", "o_3", may_decline=True)))
    assert again.post("/api/offers/2", {"answer": "accept"}).status_code == 409, "another one waits by now"
    assert again.post("/api/offers/3", {"answer": "accept"}).status_code == 200
    assert again.screen()["next"]["stop"] == "o_4"
    assert receipts(again)[-2:] == [(3, "accepted"), (3, "in_force")]
    again.give("plan", hub.seal(hub.plan(4, "o_2", "o_3", "o_4", may_decline=True)))
    assert again.post("/api/offers/4", {"answer": "decline"}).status_code == 409, "a removal is in force already"
    assert again.post("/api/offers/4", {"answer": "accept"}).status_code == 200, "what the driver agrees to has come true already"
    assert [version for version, state in receipts(again) if state == "accepted"] == [3]


def test_the_driver_may_change_the_order_within_what_was_signed(van: Any, start: Any) -> None:
    assert van.screen()["reorder"] == {"allowed": True, "max_moved": 2, "suggestion": None}
    assert van.post("/api/reorder", {"stops": ["o_1", "o_3", "o_2", "o_4"]}).json() == {"stops": ["o_1", "o_3", "o_2", "o_4"]}
    refused = van.post("/api/reorder", {"stops": ["o_4", "o_3", "o_2", "o_1"]})
    assert refused.status_code == 422
    assert "at most 2" in refused.json()["detail"]
    assert [stop["stop"] for stop in van.screen()["following"]] == ["o_3", "o_2", "o_4"]
    van.stop()
    again = start()
    assert [stop["stop"] for stop in again.screen()["following"]] == ["o_3", "o_2", "o_4"]
    assert [(r.plan_version, r.by) for r in again.facts("reordered")] == [(1, "driver")]


def test_a_promise_that_will_be_broken_is_told_by_the_van_itself(start: Any, hub: Any, wait: Any) -> None:
    """No broker, no network: the van counts by itself."""
    van = start()
    now = van.screen()["now_utc_ms"]
    van.give("plan", hub.seal(hub.plan(1, "o_1", hub.stop("o_2", name="Ann", promise_end_utc_ms=now + 60_000))))
    van.post("/api/duty", {"duty": "on"})
    risks = wait(lambda: van.screen()["risks"], "the warning")
    assert (risks[0]["stop"], risks[0]["name"]) == ("o_2", "Ann")
    assert risks[0]["late_s"] >= 300
    assert van.screen()["following"][0]["promise_risk_s"] == risks[0]["late_s"]
    told = wait(lambda: van.facts("risk"), "the warning is on the disk")
    assert [fact.stop for fact in told] == ["o_2"]


def test_the_road_is_told_as_pairs(van: Any, hub: Any) -> None:
    van.give("plan", hub.seal(hub.plan(2, "o_1", "o_2", route_e6=(37_000_000, -122_000_000, 5, -7), depot_lat_e6=1, depot_lon_e6=2)))
    route = van.client.get("/api/route").json()
    assert route["route_e6"] == [[37_000_000, -122_000_000], [37_000_005, -122_000_007]]
    assert (route["depot"], [(s["stop"], s["position"], s["state"]) for s in route["stops"]]) == (
        [1, 2], [("o_1", 1, "driving"), ("o_2", 2, "driving")],
    )  # fmt: skip
    assert van.client.get("/api/basemap").json() == {"there": False, "bytes": 0, "attribution": "", "fetched_utc_ms": None}
    assert van.client.get("/basemap.geojson").json()["features"] == []


@pytest.mark.parametrize(("round_", "asked"), [("a + b @ c", ["B", "A"]), ("@ c", ["C"]), ("+ @ c", ["C"])])
def test_second_load_is_not_asked_for_with_the_first(start: Any, hub: Any, round_: str, asked: list[str]) -> None:
    """At the depot the list is of what goes in now (@: load again); a charge (+) on the way is no depot."""
    one = start()
    stops = [
        hub.stop(f"{sign}elsewhere", kind="depot", tasks=()) if sign in "@+" else hub.stop(sign, items=(Parcel(parcel=sign.upper()),))
        for sign in round_.split()
    ]
    one.give("plan", hub.seal(hub.plan(1, *stops)))
    one.post("/api/duty", {"duty": "on", "driver": "d_1"})
    assert [item["parcel"] for item in one.screen()["loading"]["items"]] == asked
