"""`/vroom` with `options.c`: clients of VROOM's plan mode are told when each step of their routes happens, and what it breaks."""

from __future__ import annotations

from typing import Any

import pytest
from tests.hub.api.test_solving import answered, street

from roundsman_hub.planning import vroom_check

Shop = Any
Body = dict[str, Any]
VAN: Body = {"id": 1, "start_index": 0, "end_index": 0}


def route(*stops: int | Body) -> list[Body]:
    return [stop if isinstance(stop, dict) else {"type": "job", "id": stop} for stop in stops]


def timed(shop: Shop, *vehicles: Body, **fields: Any) -> Body:
    return answered(shop, street(vehicles=list(vehicles), options={"c": True}, **fields))


def refused(shop: Shop, *vehicles: Body, **fields: Any) -> str:
    answer = shop.post("/vroom", json=street(vehicles=list(vehicles), options={"c": True}, **fields))
    assert (answer.status_code, answer.json()["code"]) == (400, 2), answer.text
    words: str = answer.json()["error"]
    return words


def breaches(route_: Body) -> list[tuple[str, int | None, list[str]]]:
    """Steps that break something: type, id, what."""
    return [(s["type"], s.get("id"), sorted(one["cause"] for one in s["violations"])) for s in route_["steps"] if s["violations"]]


def test_a_route_that_keeps_everything_is_timed_without_waiting(shop: Shop) -> None:
    """The vehicle sets out so that it need not wait; what no route has is unassigned; a vehicle without steps has no route."""
    jobs = [{"id": at, "location_index": at, "service": 60, "time_windows": [[1000 * at, 1000 * at + 600]]} for at in (1, 2, 3)]
    found = timed(shop, VAN | {"steps": route(1, 2)}, VAN | {"id": 2}, jobs=jobs)
    (only,) = found["routes"]
    assert [(s["type"], s["arrival"], s["waiting_time"]) for s in only["steps"] if s["type"] == "job"] == [
        ("job", 1600, 0),
        ("job", 1760, 240),
    ]
    assert (only["steps"][0]["arrival"], only["steps"][-1]["arrival"], only["duration"], only["distance"]) == (1500, 2260, 400, 4000)
    assert (found["summary"]["violations"], [one["id"] for one in found["unassigned"]]) == ([], [3])
    assert found["code"] == 0


def test_what_a_route_breaks_is_told_step_by_step(shop: Shop) -> None:
    jobs: list[Body] = [
        {"id": 1, "location_index": 1, "delivery": [3], "skills": [7]},
        {"id": 2, "location_index": 2, "time_windows": [[0, 50]]},
        {"id": 3, "location_index": 3},
    ]
    van = VAN | {"capacity": [2], "max_tasks": 2, "max_travel_time": 450, "time_window": [0, 500], "steps": route(1, 2, 3)}
    (only,) = timed(shop, van, jobs=jobs)["routes"]
    assert breaches(only) == [
        ("start", None, ["load"]),
        ("job", 1, ["skills"]),
        ("job", 2, ["delay"]),
        ("job", 3, ["max_tasks"]),
        ("end", None, ["delay", "max_travel_time"]),
    ]
    delays = [one["duration"] for s in only["steps"] for one in s["violations"] if one["cause"] == "delay"]
    assert delays == [150, 100]


def test_too_early_is_told_as_well_as_too_late(shop: Shop) -> None:
    """Three are late if it waits for the first: a little too early there is less wrong in all."""
    jobs = [{"id": 1, "location_index": 1, "time_windows": [[200, 300]]}]
    jobs += [{"id": at, "location_index": at, "time_windows": [[0, 150]]} for at in (2, 3)]
    (only,) = timed(shop, VAN | {"steps": route(1, 2, 3)}, jobs=jobs)["routes"]
    assert breaches(only) == [("job", 1, ["lead_time"]), ("job", 2, ["delay"]), ("job", 3, ["delay"])]
    assert [s["arrival"] for s in only["steps"]] == [0, 100, 200, 300, 600]


def test_goods_are_picked_up_before_they_are_delivered_and_breaks_are_not_forgotten(shop: Shop) -> None:
    shipment = {"amount": [1], "pickup": {"id": 4, "location_index": 2}, "delivery": {"id": 5, "location_index": 1}}
    pause = {"id": 9, "service": 300, "time_windows": [[0, 100], [500, 900]], "max_load": [0]}
    van = VAN | {"capacity": [5], "breaks": [pause], "steps": route({"type": "delivery", "id": 5}, {"type": "pickup", "id": 4})}
    (only,) = timed(shop, van, jobs=[], shipments=[shipment])["routes"]
    assert {one["cause"] for one in only["violations"]} == {"precedence", "missing_break"}
    steps = route({"type": "pickup", "id": 4}, {"type": "break", "id": 9}, {"type": "delivery", "id": 5})
    (rested,) = timed(shop, van | {"steps": steps}, jobs=[], shipments=[shipment])["routes"]
    assert breaches(rested) == [("break", 9, ["max_load"])], "and the break finds a window among several"


def test_steps_are_served_when_the_client_says_so(shop: Shop) -> None:
    step = {"type": "job", "id": 1}
    (only,) = timed(shop, VAN | {"steps": route(step | {"service_at": 5000}, {"type": "job", "id": 2, "service_after": 6000})})["routes"]
    assert [s["arrival"] + s["waiting_time"] for s in only["steps"] if s["type"] == "job"] == [5000, 6000]
    impossible = route({"type": "job", "id": 2, "service_at": 5000}, step | {"service_before": 5050})
    assert refused(shop, VAN | {"steps": impossible}) == "Infeasible route for vehicle 1."


def test_what_vroom_cannot_read_is_told_in_its_own_words(shop: Shop) -> None:
    assert "description" in refused(shop, VAN | {"steps": route(1)}, jobs=[{"id": 1, "location_index": 1, "description": 7}])
    assert "job 1" in refused(shop, VAN | {"steps": route(1, 1)})


def test_places_have_their_ways_from_the_hub(shop: Shop) -> None:
    van = {"id": 1, "start": [10.0, 50.0], "end": [10.0, 50.0], "steps": route(1)}
    body = {"vehicles": [van], "jobs": [{"id": 1, "location": [10.01, 50.0]}], "options": {"c": True, "g": True}}
    found = answered(shop, body)
    (only,) = found["routes"]
    assert found["roads"] == ["great_circle"]
    assert only["duration"] > 0
    assert only["distance"] > 700
    assert only["geometry"]
    assert [step["location"] for step in only["steps"]] == [[10.0, 50.0], [10.01, 50.0], [10.0, 50.0]]
    assert not any("location_index" in step for step in only["steps"])


def test_a_process_that_does_not_answer_is_ended_and_told(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond its time there is no answer, but VROOM's code for that; and the next request is answered again."""
    body = street(vehicles=[VAN | {"steps": route(1)}], options={"c": True, "l": 0})
    with monkeypatch.context() as patched:
        patched.setattr(vroom_check, "START_S", 0.0)
        away = shop.post("/vroom", json=body)
    assert (away.status_code, away.json()["code"]) == (500, 1)
    assert "not found in 0 s" in away.json()["error"]
    assert len(answered(shop, body)["routes"]) == 1
