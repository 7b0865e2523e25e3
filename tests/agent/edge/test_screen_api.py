"""The driver's screen as its page and its driver use it: a real agent, over HTTP, with a real store under it."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from roundsman_agent.fix import Fix
from roundsman_agent.screen.port import PortTaken
from roundsman_core.geo import LatLon
from roundsman_core.timeline import BREAK_S
from roundsman_wire.messages import Action, Command, Receipt

TAP = {"stop": "o_1", "outcome": "delivered", "action": "tap-0001"}


def drive(van: Any, *, lat_deg: float = 37.41, lon_deg: float = -122.09) -> None:
    """A fix, as a receiver gives it."""
    unit = van.daemon.unit
    fix = Fix(mono_ms=unit.clock.mono_ms(), utc_ms=unit.clock.utc_ms(), position=LatLon(lat_deg, lon_deg), speed_mps=9.0, satellites=8)
    van.loop.call_soon_threadsafe(unit.receive, fix)


@pytest.fixture
def van(start: Any, hub: Any) -> Any:
    """On shift, with three stops."""
    one = start()
    one.give("plan", hub.seal(hub.plan(1, "o_1", "o_2", "o_3")))
    assert one.post("/api/duty", {"duty": "on", "driver": "d_1"}).json() == {"duty": "on", "driver": "d_1"}
    return one


def arrivals(van: Any) -> dict[str, Any]:
    return dict(van.client.get("/api/arrivals").json())


def receipts(van: Any) -> list[tuple[int, str]]:
    return [(r.plan_version, r.state) for r in van.facts("receipt") if isinstance(r, Receipt)]


def test_work_done_is_a_fact_that_no_plan_takes_back(van: Any, hub: Any, start: Any) -> None:
    """Invariant 5."""
    assert van.screen()["next"]["stop"] == "o_1"
    first = van.post("/api/actions", TAP)
    assert first.status_code == 200
    assert van.screen()["next"]["stop"] == "o_2"
    van.give("plan", hub.seal(hub.plan(2, "o_1", "o_3")))
    state = van.screen()
    assert (state["next"]["stop"], state["plan"]["stops_done"], state["plan"]["stops_total"]) == ("o_3", 1, 2)
    van.stop()
    # Nor does a power cut: the board is folded from the log.
    again = start()
    state = again.screen()
    assert (state["duty"], state["driver"], state["next"]["stop"]) == ("on", "d_1", "o_3")
    assert again.post("/api/actions", TAP).json() == first.json()


def test_same_tap_many_times_is_one_fact(van: Any) -> None:
    """Invariant 8."""
    answers = [van.post("/api/actions", TAP).json() for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert len(van.facts("action")) == 1
    assert van.post("/api/actions", TAP | {"outcome": "arrived"}).status_code == 409


def test_undo_gives_the_stop_back_within_its_time(van: Any) -> None:
    action = van.post("/api/actions", TAP).json()["action"]
    for _ in range(2):
        assert van.post(f"/api/actions/{action}/undo", {}).status_code == 200
    assert van.screen()["next"]["stop"] == "o_1"
    assert [a.outcome for a in van.facts("action") if isinstance(a, Action)] == ["delivered", "undo"]
    assert van.post("/api/actions/nothing-1/undo", {}).status_code == 404


def test_what_cannot_be_is_refused_with_a_next_step(van: Any, start: Any) -> None:
    cases = [
        ("/api/actions", TAP | {"stop": "o_9"}, 404),
        ("/api/actions", TAP | {"outcome": "failed"}, 422),
        ("/api/actions", TAP | {"outcome": "eaten"}, 422),
        ("/api/actions", TAP | {"action": "x"}, 422),
        ("/api/actions", TAP | {"surprise": 1}, 422),
        ("/api/duty", {"duty": "asleep"}, 422),
        ("/api/shown", {"version": 99}, 422),
        ("/api/nothing", {}, 404),
    ]
    for path, body, status in cases:
        answer = van.post(path, body)
        assert answer.status_code == status, (path, body, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert set(answer.json()) >= {"type", "status", "title", "detail"}
    assert van.client.post("/api/duty", content=json.dumps({"duty": "off"}), headers={"content-type": "text/plain"}).status_code == 422
    van.post("/api/duty", {"duty": "off"})
    assert van.post("/api/actions", TAP).status_code == 409
    assert van.facts("action") == []


def test_receipts_say_how_far_a_plan_came(van: Any) -> None:
    plan = van.screen()["plan"]
    for _ in range(2):
        assert van.post("/api/shown", {"version": plan["version"], "hash": plan["hash"]}).json() == {"in_force": True}
    assert receipts(van) == [(1, "held"), (1, "in_force"), (1, "shown")]


def test_page_that_speaks_of_the_plan_before_is_not_at_fault(van: Any, hub: Any) -> None:
    before = van.screen()["plan"]
    van.give("plan", hub.seal(hub.plan(2, "o_1", "o_2")))
    for path, body in (("/api/shown", {"version": 1, "hash": before["hash"]}), ("/api/notices/1", {})):
        answer = van.post(path, body)
        assert (answer.status_code, answer.json()) == (200, {"in_force": False})
    assert (1, "shown") not in receipts(van)


def test_plan_that_takes_the_stop_in_progress_waits_until_it_is_done(van: Any, hub: Any) -> None:
    """Invariant 7."""
    van.post("/api/actions", TAP | {"outcome": "arrived"})
    van.give("plan", hub.seal(hub.plan(2, "o_2")))
    assert van.screen()["plan"]["version"] == 1
    assert receipts(van)[2:] == [(2, "held")]
    van.post("/api/actions", TAP | {"action": "tap-0002"})
    assert van.screen()["plan"]["version"] == 2
    assert receipts(van)[2:] == [(2, "held"), (2, "in_force")]


def test_refused_plan_is_reported(van: Any, hub: Any) -> None:
    van.give("plan", hub.seal(hub.plan(1, "o_7")))
    assert receipts(van)[-1] == (1, "refused")
    van.give("plan", b"noise")
    assert [note.topic for note in van.facts("note")] == ["plan refused"]


def test_expired_plan_is_marked_and_an_empty_one_ends_the_round(van: Any, hub: Any) -> None:
    van.give("plan", hub.seal(hub.plan(3, "o_1"), valid_until_utc_ms=1))
    assert van.screen()["plan"]["expired"] is True
    van.give("plan", hub.seal(hub.plan(4)))
    state = van.screen()
    assert (state["next"], state["following"], state["plan"]["expired"]) == (None, [], False)


def test_off_shift_no_place_is_known(van: Any, hub: Any, wait: Any) -> None:
    """Invariant 10: on the device, not by a filter."""
    drive(van)
    wait(lambda: van.screen()["fix"]["state"] == "ok", "the position is shown")
    assert van.screen()["next"]["distance_m"] > 0
    van.post("/api/duty", {"duty": "off"})
    assert van.screen()["fix"]["state"] == "none"
    drive(van, lat_deg=37.42)
    van.give("command", hub.seal(Command(command="c1", verb="locate"), kind="command"))
    assert van.screen()["fix"] == {"state": "none", "lat_e6": None, "lon_e6": None, "speed_cm_s": None, "age_s": None}
    assert van.daemon.now() is None
    wait(lambda: any("off shift" in note.text for note in van.facts("note")), "the request is refused")


def test_events_tell_of_a_change_at_once(van: Any, hub: Any) -> None:
    with van.client.stream("GET", "/api/events") as stream:
        states = (json.loads(line[5:]) for line in stream.iter_lines() if line.startswith("data:") and '"plan"' in line)
        assert next(states)["plan"]["version"] == 1
        van.give("plan", hub.seal(hub.plan(2, "o_2", "o_3")))
        assert next(state for state in states if state["plan"]["version"] == 2)["next"]["stop"] == "o_2"


def test_taken_port_is_told_plainly(start: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(PortTaken, match=r"screen\.port"):
        start(screen_port=taken.getsockname()[1])


def test_full_store_is_told_to_the_driver_and_nothing_is_half_done(van: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(van.daemon.outbox), "_try", lambda *_: False)
    answer = van.post("/api/actions", TAP)
    assert answer.status_code == 507
    assert van.screen()["next"]["stop"] == "o_1"
    monkeypatch.undo()
    assert van.post("/api/actions", TAP).status_code == 200


def test_start_after_a_damaged_store_says_so(start: Any, settings: Any) -> None:
    start().stop()
    file: Path = settings.store_dir / "log.db"
    file.write_bytes(b"not a database" * 1000)
    again = start()
    assert [note.topic for note in again.facts("note")] == ["store set aside"]


def test_every_arrival_time_has_its_interval_without_network(van: Any, hub: Any) -> None:
    """By what the plan brought of the fleet's arrivals; a plan of an older hub brought nothing, and the rule of thumb tells it."""
    before = arrivals(van)
    assert [item["stop"] for item in before["items"]] == ["o_1", "o_2", "o_3"]
    assert (before["travel_times"], before["coverage"], {item["learned"] for item in before["items"]}) == ("great_circle", 0.8, {False})
    told = ((0, -10, 5), (5, -20, 30), (15, -20, 30))
    van.give("plan", hub.seal(hub.plan(2, "o_1", "o_2", "o_3", travel_times="osrm", eta_widths_pct=told)))
    after = arrivals(van)
    assert (after["travel_times"], {item["learned"] for item in after["items"]}) == ("osrm", {True})
    for wide, narrow in zip(before["items"], after["items"], strict=True):
        assert narrow["low_utc_ms"] <= narrow["eta_utc_ms"] < narrow["high_utc_ms"]
        assert narrow["high_utc_ms"] - narrow["low_utc_ms"] < (wide["high_utc_ms"] - wide["low_utc_ms"]) / 2
    van.post("/api/actions", TAP | {"outcome": "arrived"})
    here, *_ = arrivals(van)["items"]
    assert here["low_utc_ms"] == here["eta_utc_ms"] == here["high_utc_ms"], "the van stands there"


def test_a_driver_who_rests_is_expected_later(van: Any) -> None:
    """As the hub counts it (`roundsman_core.timeline.BREAK_S`)."""
    driving = {item["stop"]: item["eta_utc_ms"] for item in arrivals(van)["items"]}
    van.post("/api/duty", {"duty": "break"})
    for item in arrivals(van)["items"]:
        assert item["eta_utc_ms"] - driving[item["stop"]] >= 1000 * BREAK_S
