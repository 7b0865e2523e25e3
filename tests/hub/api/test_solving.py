"""Problems sent to the hub: planned without touching the fleet, in our own words or VROOM's; and everything that can be wrong with one."""

from __future__ import annotations

import copy
import itertools
import json
from typing import Any

import pytest

from roundsman_hub.roads import GreatCircle, RoadsError
from roundsman_hub.roads.polyline import decode_polyline

Shop = Any
METRES = [[0, 1000, 2000, 3000], [1000, 0, 1000, 2000], [2000, 1000, 0, 1000], [3000, 2000, 1000, 0]]


def problem(**fields: Any) -> dict[str, Any]:
    """Three deliveries on a street, one van."""
    tasks = [
        {"task": f"t{at}", "place": at, "kind": "delivery", "load": [1], "service_s": 60, "windows_s": [[0, 7200]]} for at in (1, 2, 3)
    ]
    van = {"vehicle": "v1", "start_place": 0, "end_place": 0, "start_s": 0, "shift_end_s": 28_800, "capacity": [10], "at_depot": True}
    seconds = [[m // 10 for m in row] for row in METRES]
    whole = {
        "format": "roundsman-problem/1",
        "origin_utc_s": 0,
        "tasks": tasks,
        "vans": [van],
        "durations_s": seconds,
        "distances_m": copy.deepcopy(METRES),
    }
    return whole | fields


def profile(second_band_s: int) -> dict[str, Any]:
    """Travel times in two bands."""
    rows = [[0] * 4] * 4
    return {"durations_s": [rows, rows], "distances_m": rows, "band_starts_s": [0, second_band_s]}


def solved(shop: Shop, body: dict[str, Any], seconds: float = 0) -> dict[str, Any]:
    answer = shop.post(f"/v1/solve?seconds={seconds}", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_problem_is_planned_and_judged(shop: Shop) -> None:
    found = solved(shop, problem())
    assert found["plan"]["routes"] == {"v1": ["t1", "t2", "t3"]} or found["plan"]["routes"] == {"v1": ["t3", "t2", "t1"]}
    assert (found["verdict"]["distance_m"], found["problems"], found["vehicles"]) == (6000, [], 1)
    assert 0 < found["bound_cents"] <= found["verdict"]["cost_cents"]


def test_a_search_tells_of_its_progress_while_it_goes_on(shop: Shop) -> None:
    with shop.clients["viewer"].stream("POST", "/v1/solve?seconds=1", json=problem(), headers={"Accept": "text/event-stream"}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = [block.split("\n") for block in answer.read().decode().strip().split("\n\n")]
    names = [name.removeprefix("event: ") for name, _ in events]
    assert names[0] == "progress"
    assert names[-1] == "plan"
    first = json.loads(events[0][1].removeprefix("data: "))
    assert first["bound_cents"] <= first["best_cents"]
    assert json.loads(events[-1][1].removeprefix("data: "))["verdict"]["distance_m"] == 6000


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "format"),
        ({"durations_s": [[0, 1], [1]]}, "matrix"),
        ({"durations_s": [[0.5] * 4] * 4}, "matrix"),
        ({"distances_m": [[0, 1], [1, 0]]}, "n × n"),
        ({"tasks": [{"task": "t"}]}, "place"),
        ({"colour": "red"}, "colour"),
        ({"depots": [{"depot": "d", "place": 0}] * 2}, "depot d is there 2 times"),
        ({"chargers": [{"charger": "c", "place": 0, "charge_s": 60}] * 2}, "charger c is there 2 times"),
        ({"tasks": problem()["tasks"] * 2}, "task t1 is there 2 times"),
        ({"vans": problem()["vans"] * 2}, "van v1 is there 2 times"),
        ({"profiles": {"p": profile(10**30)}}, "band_starts_s goes to"),
        ({"profiles": {"p": profile(0)}}, "band_starts_s is not ascending"),
        ({"durations_s": [[0, 2**40], [1, 0]]}, "matrix"),
    ],
)
def test_what_is_no_problem_at_all_is_refused_with_the_field_that_is_wrong(shop: Shop, body: dict[str, Any], words: str) -> None:
    answer = shop.post("/v1/solve", json=problem(**body) if body else {})
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]
    assert answer.json()["next_step"]


def test_limits_hold(shop: Shop) -> None:
    assert shop.post("/v1/solve?seconds=1000", json=problem()).status_code == 422
    assert [shop.post(f"/v1/solve?seed={seed}", json=problem()).status_code for seed in (-1, 2**31, 10**30)] == [422] * 3
    assert shop.post("/v1/solve", content=b"[" * 5_000_000).status_code == 422
    (task, *_), (van,) = problem()["tasks"], problem()["vans"]
    large = {
        "10001 tasks; at most 10000": {"tasks": [task | {"task": f"t{at}"} for at in range(10_001)]},
        "5001 vans; at most 5000": {"vans": [van | {"vehicle": f"v{at}"} for at in range(5_001)]},
        "1001 kinds of vehicle for 1000 tasks; at most 1000": {
            "tasks": [task | {"task": f"t{at}"} for at in range(1_000)],
            "vans": [van | {"vehicle": f"v{at}", "type": f"kind {at}"} for at in range(1_001)],
        },
    }
    for words, fields in large.items():
        refused = shop.post("/v1/solve?seconds=0", json=problem(**fields))
        assert (refused.status_code, refused.json()["detail"]) == (413, words)
    assert shop.clients["shop"].post("/v1/solve", json=problem()).status_code == 403
    assert shop.post("/v1/solve", content=b" " * 41_000_000).status_code == 413


# ── who could take it ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_vans_of_a_problem_are_ranked_by_what_a_task_would_add(shop: Shop) -> None:
    """v1 passes by; v2 comes from the depot just for it; v3 has no skill for it, v4 no time: the problem itself is not planned anew."""
    body = problem()
    van = body["vans"][0]
    body["tasks"][1] |= {"skills": ["lift"]}
    body["tasks"][2]["windows_s"] = [[0, 400]]
    body["vans"] = [
        {**van, "skills": ["lift"], "at_depot": False, "start_place": 1},
        {**van, "vehicle": "v2", "skills": ["lift"]},
        {**van, "vehicle": "v3"},
        {**van, "vehicle": "v4", "skills": ["lift"], "shift_end_s": 300},
    ]
    for task in body["tasks"]:
        task["kind"] = "pickup"
    body["current"] = {"v1": ["t1", "t3"]}
    answer = shop.post("/v1/solve/candidates?task=t2", json=body)
    assert answer.status_code == 200, answer.text
    found = answer.json()["candidates"]
    assert [(one["vehicle"], one["feasible"]) for one in found] == [("v1", True), ("v2", True), ("v3", False), ("v4", False)]
    assert (set(found[0]["route"]), found[0]["added_m"]) == ({"t1", "t2", "t3"}, 0)
    assert found[1]["added_m"] == 4000
    assert found[0]["cost_cents"] < found[1]["cost_cents"]
    assert "lift" in found[2]["reason"]
    assert "shift" in found[3]["reason"]
    german = shop.post("/v1/solve/candidates?task=t2", json=body, headers={"Accept-Language": "de"}).json()["candidates"]
    assert german[2]["reason"] == "t2 braucht lift, was v3 fehlt"
    assert "Schicht" in german[3]["reason"]
    warm = {"format": "roundsman-plan/1", "routes": {"v2": ["t1", "t3"]}, "unassigned": {}}
    other = shop.post("/v1/solve/candidates?task=t2", json=body | {"warm": warm}).json()["candidates"]
    assert (other[0]["vehicle"], other[0]["added_m"]) == ("v2", 0)


def test_who_asks_for_a_task_that_is_not_there_or_cannot_be_is_told(shop: Shop) -> None:
    missing = shop.post("/v1/solve/candidates?task=t9", json=problem())
    assert (missing.status_code, missing.json()["type"]) == (422, "urn:roundsman:problem:unknown-task")
    body = problem()
    body["tasks"][1]["service_s"] = -5
    found = shop.post("/v1/solve/candidates?task=t2", json=body).json()
    assert (found["candidates"], [one["detail"] for one in found["problems"]]) == ([], ["task t2: its service_s is -5"])
    assert shop.clients["shop"].post("/v1/solve/candidates?task=t2", json=problem()).status_code == 403


# ── VROOM's API ──────────────────────────────────────────────────────────────────────────────────────────────────────


def vroom(**fields: Any) -> dict[str, Any]:
    """A request as VROOM's own documentation has them: instants of today, a matrix, skills and a break."""
    noon = 1_700_000_000
    body = {
        "vehicles": [
            {
                "id": 1,
                "start_index": 0,
                "end_index": 0,
                "capacity": [4],
                "skills": [1, 14],
                "time_window": [noon, noon + 14_400],
                "breaks": [{"id": 9, "service": 300, "time_windows": [[noon, noon + 3600]]}],
            }
        ],
        "jobs": [
            {"id": 11, "service": 300, "delivery": [1], "location_index": 1, "skills": [1], "time_windows": [[noon + 600, noon + 7200]]},
            {"id": 12, "service": 300, "pickup": [1], "location_index": 2, "setup": 60},
            {"id": 13, "service": 300, "delivery": [1], "location_index": 3, "skills": [2]},
        ],
        "shipments": [
            {
                "amount": [1],
                "pickup": {"id": 4, "service": 60, "location_index": 2},
                "delivery": {"id": 5, "service": 60, "location_index": 3},
            }
        ],
        "matrices": {"car": {"durations": [[m // 10 for m in row] for row in METRES], "distances": METRES}},
        "options": {"l": 0.3},
    }
    return body | fields


def test_a_client_of_vroom_gets_an_answer_in_vrooms_words(shop: Shop) -> None:
    answer = shop.post("/vroom", json=vroom())
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["code"] == 0
    assert found["summary"]["unassigned"] == 1
    assert [(one["id"], one["type"]) for one in found["unassigned"]] == [(13, "job")]
    (route,) = found["routes"]
    steps = route["steps"]
    assert (steps[0]["type"], steps[-1]["type"]) == ("start", "end")
    assert sorted(step["type"] for step in steps) == ["break", "delivery", "end", "job", "job", "pickup", "start"]
    assert route["duration"] == route["cost"] == 600  # out to the last house and back; VROOM's price is the driving alone
    assert route["distance"] == 6000
    kinds = [step["type"] for step in steps]
    assert kinds.index("pickup") < kinds.index("delivery")
    assert steps[0]["load"] == [1]
    for before, after in itertools.pairwise(steps):
        busy = before["setup"] + before["service"] + before["waiting_time"]
        assert after["arrival"] >= before["arrival"] + busy + after["duration"] - before["duration"]
    job = next(step for step in steps if step.get("id") == 11)
    assert job["arrival"] + job["waiting_time"] >= 1_700_000_600


def test_places_as_coordinates_go_through_the_hubs_own_roads(shop: Shop) -> None:
    body = {"vehicles": [{"id": 1, "start": [10.0, 50.0]}], "jobs": [{"id": 1, "location": [10.01, 50.0]}], "options": {"l": 0}}
    found = shop.post("/vroom", json=body).json()
    assert found["summary"]["unassigned"] == 0
    assert found["routes"][0]["steps"][1]["location"] == [10.01, 50.0]
    assert found["routes"][0]["duration"] > 0
    assert found["roads"] == ["great_circle"]
    assert "roads" not in shop.post("/vroom", json=vroom()).json(), "a request with matrices asks no roads"


def test_keys_that_are_not_known_are_told_and_those_that_would_forbid_plans_are_refused(shop: Shop) -> None:
    body = vroom()
    body["jobs"][0]["colour"] = "red"
    assert shop.post("/vroom", json=body).json()["ignored"] == ["jobs[0].colour"]
    body["vehicles"][0]["max_distance"] = 5000
    refused = shop.post("/vroom", json=body)
    assert (refused.status_code, refused.json()["code"]) == (400, 2)
    assert "max_distance" in refused.json()["error"]


@pytest.mark.parametrize("fields", [{"vehicles": []}, {"jobs": [{"id": 1}]}, {"jobs": "x"}, {"matrices": {"car": {"durations": [[0, 1]]}}}])
def test_a_request_that_vroom_would_refuse_is_refused_with_its_code(shop: Shop, fields: dict[str, Any]) -> None:
    answer = shop.post("/vroom", json=vroom(**fields))
    assert (answer.status_code, answer.json()["code"]) == (400, 2)
    assert answer.json()["error"]


def street(**fields: Any) -> dict[str, Any]:
    """Three houses in a row, one vehicle from the depot and back, and a second of search."""
    seconds = [[m // 10 for m in row] for row in METRES]
    body = {
        "vehicles": [{"id": 1, "start_index": 0, "end_index": 0}],
        "jobs": [{"id": at, "location_index": at} for at in (1, 2, 3)],
        "matrices": {"car": {"durations": seconds, "distances": METRES}},
        "options": {"l": 0},
    }
    return body | fields


def answered(shop: Shop, body: dict[str, Any]) -> dict[str, Any]:
    answer = shop.post("/vroom", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert "ignored" not in found, found
    return found


def stops(route: dict[str, Any]) -> list[int]:
    return [step["id"] for step in route["steps"] if step["type"] not in ("start", "end")]


def test_a_vehicle_without_a_start_begins_at_its_first_job(shop: Shop) -> None:
    """As VROOM has it: the choice of the first job is part of the search, and the way to it costs nothing."""
    (route,) = answered(shop, street(vehicles=[{"id": 1, "end_index": 0, "description": "the van"}]))["routes"]
    assert stops(route) == [3, 2, 1]
    assert (route["duration"], route["distance"], route["cost"], route["description"]) == (300, 3000, 300, "the van")
    assert [step["type"] for step in route["steps"]] == ["job", "job", "job", "end"]
    (open_ended,) = answered(shop, street(vehicles=[{"id": 1, "start_index": 0}]))["routes"]
    assert (stops(open_ended), open_ended["duration"]) == ([1, 2, 3], 300)
    assert open_ended["steps"][-1]["type"] == "job"
    neither = shop.post("/vroom", json=street(vehicles=[{"id": 1}]))
    assert (neither.status_code, neither.json()["code"]) == (400, 2)


def test_the_longest_way_of_a_vehicle_is_kept(shop: Shop) -> None:
    short = answered(shop, street(vehicles=[{"id": 1, "start_index": 0, "end_index": 0, "max_travel_time": 450}]))
    assert (short["routes"][0]["duration"], [one["id"] for one in short["unassigned"]]) == (400, [3])
    metres = {"id": 1, "start_index": 0, "end_index": 0, "max_distance": 4500, "costs": {"per_hour": 0, "per_km": 1000}}
    assert [one["id"] for one in answered(shop, street(vehicles=[metres]))["unassigned"]] == [3]
    mixed = shop.post("/vroom", json=street(vehicles=[metres | {"costs": {"per_hour": 3600, "per_km": 50}}]))
    assert (mixed.status_code, mixed.json()["code"]) == (400, 2)
    assert "max_distance of vehicle 1" in mixed.json()["error"]


def test_steps_are_the_routes_to_begin_with(shop: Shop) -> None:
    two: list[dict[str, Any]] = [
        {"id": 1, "start_index": 0, "end_index": 0},
        {"id": 2, "start_index": 0, "end_index": 0, "steps": [{"type": "start"}, *({"type": "job", "id": at} for at in (2, 1, 3))]},
    ]
    (route,) = answered(shop, street(vehicles=two))["routes"]
    assert (route["vehicle"], stops(route)) == (2, [2, 1, 3]), "without a search nothing moves"
    refused = shop.post("/vroom", json=street(vehicles=[two[0] | {"steps": [{"type": "job", "id": 9}]}]))
    assert (refused.status_code, refused.json()["code"]) == (400, 2)
    assert "job 9" in refused.json()["error"]
    timed = shop.post("/vroom", json=street(vehicles=[two[0] | {"steps": [{"type": "job", "id": 2, "service_at": 5000}]}])).json()
    assert timed["ignored"] == ["vehicles[0].steps[0].service_at"], "VROOM does not look at it, unless the routes are given"
    assert timed["routes"][0]["steps"][-1]["arrival"] == 600


def test_service_by_type_of_vehicle_decides_who_serves(shop: Shop) -> None:
    """The bike is at the door for an hour less; only it is back in time."""
    vans = [
        {"id": at, "start_index": 0, "end_index": 0, "time_window": [0, 1800], "type": kind} for at, kind in ((1, "truck"), (2, "bike"))
    ]
    jobs = [{"id": 1, "location_index": 1, "service": 3600, "service_per_type": {"bike": 60}}]
    (route,) = answered(shop, street(vehicles=vans, jobs=jobs))["routes"]
    assert (route["vehicle"], route["service"]) == (2, 60)


def test_options_of_vroom(shop: Shop) -> None:
    """`g`: the ways; `x`: how long to look, where `l` does not say; `c`: the times of given routes, so it needs some; `t` is told."""
    body = {
        "vehicles": [{"id": 1, "start": [10.0, 50.0], "end": [10.0, 50.0]}],
        "jobs": [{"id": 1, "location": [10.01, 50.0]}],
        "options": {"x": 0, "g": True},
    }
    route = shop.post("/vroom", json=body).json()["routes"][0]
    places = decode_polyline(route["geometry"], 5)
    assert [(round(at.lat_deg, 3), round(at.lon_deg, 3)) for at in (places[0], places[-1])] == [(50.0, 10.0)] * 2
    assert any(round(at.lon_deg, 3) == 10.01 for at in places)
    refused = shop.post("/vroom", json=street(options={"c": True}))
    assert (refused.status_code, refused.json()["code"]) == (400, 2)
    assert "no vehicle has steps" in refused.json()["error"]
    assert shop.post("/vroom", json=street(options={"c": False, "t": 4, "l": 0})).json()["ignored"] == ["options.t"]


def test_errors_have_vrooms_codes(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    twice = shop.post("/vroom", json=street(jobs=[{"id": 1, "location_index": 1}] * 2))
    assert (twice.status_code, twice.json()["code"]) == (400, 2)
    assert "duplicate job 1" in twice.json()["error"]
    many = [{"id": at, "location_index": 1} for at in range(10_001)]
    large = shop.post("/vroom", json=street(jobs=many))
    assert (large.status_code, large.json()["code"]) == (413, 4)
    assert "10001" in large.json()["error"]

    def no_roads(*_: object, **__: object) -> None:
        raise RoadsError("the road network does not answer")

    monkeypatch.setattr(GreatCircle, "matrix", no_roads)
    body = {"vehicles": [{"id": 1, "start": [10.0, 50.0]}], "jobs": [{"id": 1, "location": [10.01, 50.0]}]}
    away = shop.post("/vroom", json=body)
    assert (away.status_code, away.json()) == (500, {"code": 3, "error": "the road network does not answer"})


def test_a_delivery_and_a_pickup_at_one_job_are_one_stop(shop: Shop) -> None:
    """What is given makes room for what is taken, at the same moment; where both do not fit, the job is left out whole."""
    jobs = [{"id": at, "location_index": at, "delivery": [1], "pickup": [1], "service": 60, "setup": 30} for at in (1, 2, 3)]
    van = {"id": 1, "start_index": 0, "end_index": 0, "capacity": [3]}
    (route,) = answered(shop, street(vehicles=[van], jobs=jobs))["routes"]
    assert (sorted(stops(route)), route["delivery"], route["pickup"]) == ([1, 2, 3], [3], [3])
    assert (route["duration"], route["service"], route["setup"]) == (600, 180, 90)
    assert [step["load"] for step in route["steps"]] == [[3]] * 5
    jobs[1]["pickup"] = [3]  # it fits alone, but with no other
    found = answered(shop, street(vehicles=[van], jobs=jobs, options={"l": 0.3}))
    assert [one["id"] for one in found["unassigned"]] == [2]
    assert sorted(stops(found["routes"][0])) == [1, 3]
    assert (found["summary"]["delivery"], found["summary"]["unassigned"]) == ([2], 1)
    warm = van | {"steps": [{"type": "job", "id": at} for at in (2, 3, 1)]}
    jobs[1]["pickup"] = [1]
    assert stops(answered(shop, street(vehicles=[warm], jobs=jobs))["routes"][0]) == [2, 3, 1]


def test_better_plans_are_streamed_whole_to_whoever_asks_for_them(shop: Shop) -> None:
    """Each may be used as it is, whatever becomes of the search: it can be sent back as the plan to begin with."""
    url = "/v1/solve?seconds=1&plans=true"
    with shop.clients["viewer"].stream("POST", url, json=problem(), headers={"Accept": "text/event-stream"}) as answer:
        events = [block.split("\n") for block in answer.read().decode().strip().split("\n\n")]
    said = [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in events]
    better = [body for name, body in said if name == "better"]
    assert better
    assert all("plan" not in body for name, body in said if name == "progress")
    costs = [body["cost_cents"] for body in better]
    assert costs == sorted(set(costs), reverse=True)
    assert costs[-1] == said[-1][1]["verdict"]["cost_cents"]
    again = shop.clients["viewer"].post("/v1/solve?seconds=0", json=problem() | {"warm": better[-1]["plan"]}).json()
    assert again["verdict"]["cost_cents"] == costs[-1]
