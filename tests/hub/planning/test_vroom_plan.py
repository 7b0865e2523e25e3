"""VROOM's own word on given routes against our judge's, both ways: what one calls kept, the other does, and the sums are the same."""

from __future__ import annotations

import itertools
import json
import random
from dataclasses import replace
from typing import Any

import pytest
import vroom

from roundsman_hub.planning.answering import answer
from roundsman_hub.planning.evaluate import evaluate
from roundsman_hub.planning.vroom_errors import VroomError
from roundsman_hub.planning.vroom_json import asked
from roundsman_hub.planning.vroom_plan import given
from roundsman_hub.planning.vroom_told import told

Body = dict[str, Any]
SUMS = ("cost", "duration", "distance", "setup", "service", "delivery", "pickup")
RULES = ("windows", "loads", "skills", "shipments", "tasks", "shifts")


def no_roads(*_: object) -> Any:
    raise AssertionError("these requests have matrices")


def small(rng: random.Random, *, breaks: bool = False) -> Body:
    """Two vehicles and up to six stops on a square; some of such days can be kept. Legs are whole seconds and cents at any speed:
    VROOM counts hundredths, we do not."""
    n = 6
    points = [(rng.randrange(10), rng.randrange(10)) for _ in range(n)]
    ways = [[75 * (abs(a - c) + abs(b - d)) for c, d in points] for a, b in points]
    for row, at in zip(ways, range(n), strict=True):
        row[:] = [way + (0 if other == at else rng.randrange(0, 75, 25)) for other, way in enumerate(row)]

    def windows() -> list[list[int]]:
        opens = rng.randrange(0, 3000)
        found = [[opens, opens + rng.randrange(300, 2500)]]
        return [] if rng.random() < 0.4 else found + ([[opens + 4000, opens + 5000]] if rng.random() < 0.4 else [])

    def stop(at: int) -> Body:
        found: Body = {"id": at, "location_index": rng.randrange(n), "service": rng.choice([0, 60, 200]), "setup": rng.choice([0, 45])}
        if rng.random() < 0.5:
            found |= {"setup_per_type": {"bike": 10}, "service_per_type": {"truck": 300}}
        return found | ({"time_windows": some} if (some := windows()) else {})

    jobs = [stop(at) | rng.choice([{"delivery": [1]}, {"pickup": [2]}, {"delivery": [1], "skills": [1]}]) for at in range(1, 5)]
    shipments = [{"amount": [2], "pickup": stop(11), "delivery": stop(12)}] if rng.random() < 0.5 else []
    vehicles: list[Body] = [
        {
            "id": at,
            "start_index": 0,
            "end_index": rng.randrange(n),
            "capacity": [rng.choice([3, 6])],
            "skills": [1] if rng.random() < 0.7 else [],
            "type": rng.choice(["bike", "truck", "van"]),
            "time_window": [100, rng.choice([3000, 9000])],
            "speed_factor": rng.choice([1, 1.25]),
            "costs": {"fixed": 50, "per_hour": 3600, "per_km": rng.choice([0, 40])},
            **({"max_tasks": 3} if rng.random() < 0.3 else {}),
        }
        for at in (1, 2)
    ]
    if breaks:
        for vehicle in vehicles:
            first = rng.randrange(200, 2000)
            spans = [[first, first + 200], [first + 900, first + 1300], [first + 2500, first + 2600]]
            vehicle["breaks"] = [{"id": 1, "service": rng.choice([300, 900]), "time_windows": spans}]
    return {"jobs": jobs, "shipments": shipments, "vehicles": vehicles, "matrices": {"car": {"durations": ways, "distances": ways}}}


def dealt(rng: random.Random, body: Body) -> Body:
    """The same with all of its stops on the vehicles, in any order in which goods are picked up first (mostly)."""
    stops = [{"type": "job", "id": job["id"]} for job in body["jobs"]]
    rng.shuffle(stops)
    routes: list[list[Body]] = [stops[: (cut := rng.randrange(1, len(stops)))], stops[cut:]]
    for shipment in body["shipments"]:
        route = rng.choice(routes)
        places = sorted(rng.randrange(len(route) + 1) for _ in range(2))
        kinds = ("pickup", "delivery") if rng.random() < 0.9 else ("delivery", "pickup")
        for kind, at in zip(reversed(kinds), reversed(places), strict=True):
            route.insert(at, {"type": kind, "id": shipment[kind]["id"]})
    return body | {"vehicles": [vehicle | {"steps": route} for vehicle, route in zip(body["vehicles"], routes, strict=True)]}


def of_vroom(body: Body) -> Body:
    """What VROOM says of these routes, in this process."""
    problem = vroom.Input()
    problem._from_json(json.dumps(given(body, no_roads).body), False)
    problem._distances = True
    found: Body = problem.check().to_dict()
    return found


@pytest.mark.parametrize("seed", range(80))
def test_what_vroom_calls_kept_our_judge_does_and_the_sums_are_the_same(seed: int) -> None:
    rng = random.Random(seed)
    body = dealt(rng, small(rng))
    theirs = of_vroom(body)
    ours = asked(body | {"vehicles": [{k: v for k, v in one.items() if k != "max_tasks"} for one in body["vehicles"]]}, no_roads)
    assert ours.warm is not None
    most = {f"vehicle {one['id']}": one.get("max_tasks") for one in body["vehicles"]}
    problem = replace(ours.problem, vans=tuple(replace(van, max_tasks=most[van.vehicle]) for van in ours.problem.vans))
    verdict = evaluate(problem, ours.warm)
    kept = not theirs["summary"]["violations"]
    assert kept == (not verdict.violations and not verdict.lateness_s), (theirs["summary"], verdict.violations, verdict.lateness_s)
    if kept:
        answer_ = told(ours, ours.warm, verdict, wrong_vans={}, computing_ms=0)
        assert {name: answer_["summary"][name] for name in SUMS} == {name: theirs["summary"][name] for name in SUMS}
        for mine, other in zip(answer_["routes"], theirs["routes"], strict=True):
            assert [(step["type"], step["load"]) for step in mine["steps"]] == [(step["type"], step["load"]) for step in other["steps"]]
            spans = [route["steps"][-1]["arrival"] - route["steps"][0]["arrival"] for route in (mine, other)]
            assert spans[1] <= spans[0], "VROOM sets out late rather than wait; we set out when the shift begins"


def test_about_half_of_these_days_can_be_kept() -> None:
    """Else the test above would compare nothing."""
    seen = []
    for seed in range(80):
        rng = random.Random(seed)
        seen.append(not of_vroom(dealt(rng, small(rng)))["summary"]["violations"])
    assert 10 < sum(seen) < 70, sum(seen)


@pytest.mark.parametrize("seed", range(40))
def test_what_we_plan_vroom_times_without_a_word(seed: int) -> None:
    """Breaks with three windows, setup by type of vehicle: our plan, in VROOM's words, is a route that VROOM finds nothing wrong with."""
    body = small(random.Random(seed), breaks=True)
    ours = asked(body, no_roads)
    found = answer(ours.problem, budget_s=0)
    said = told(ours, found.plan, found.verdict, wrong_vans={}, computing_ms=0)
    if not said["routes"]:
        pytest.skip("nobody can drive on this day")
    routes = {route["vehicle"]: route["steps"] for route in said["routes"]}
    steps = {
        vehicle: [{"type": step["type"], "id": step["id"]} for step in route if step["type"] not in ("start", "end")]
        for vehicle, route in routes.items()
    }
    windows = {one["id"]: one["breaks"][0]["time_windows"] for one in body["vehicles"]}
    for vehicle, route in routes.items():
        rests = [step["arrival"] + step["waiting_time"] for step in route if step["type"] == "break"]
        assert all(any(opens <= at <= closes for opens, closes in windows[vehicle]) for at in rests), rests
    vehicles = [one | {"steps": steps[one["id"]]} for one in body["vehicles"] if one["id"] in steps]
    theirs = of_vroom(body | {"vehicles": vehicles})
    missed = {tuple(one.items()) for route in theirs["routes"] for one in route["violations"]} - {(("cause", "missing_break"),)}
    assert not missed, "a break is left out only where the driver is done before it closes"
    for route in theirs["routes"]:
        assert [one for step in route["steps"] for one in step["violations"]] == []
    assert {name: said["summary"][name] for name in SUMS} == {name: theirs["summary"][name] for name in SUMS}


def test_some_of_these_breaks_are_taken_after_a_gap() -> None:
    """Else no test above would see a second window."""
    later = 0
    for seed in range(40):
        ours = asked(small(random.Random(seed), breaks=True), no_roads)
        verdict = answer(ours.problem, budget_s=0).verdict
        first = {van.vehicle: van.breaks[0].windows_s[0][1] for van in ours.problem.vans}
        later += sum(pause.start_s > first[vehicle] for vehicle, taken in verdict.breaks.items() for pause in taken)
    assert later > 3, later


def street(**fields: Any) -> Body:
    ways = [[100 * abs(a - b) for b in range(4)] for a in range(4)]
    body: Body = {
        "vehicles": [{"id": 1, "start_index": 0, "steps": [{"type": "job", "id": 1}]}],
        "jobs": [{"id": 1, "location_index": 1}, {"id": 2, "location_index": 2}],
        "matrices": {"car": {"durations": ways}},
    }
    return body | fields


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"vehicles": [{"id": 1, "start_index": 0}]}, "no vehicle has steps"),
        ({"vehicles": [{"id": 1, "start_index": 0, "steps": [{"type": "job", "id": 9}]}]}, "job 9 is not there"),
        ({"vehicles": [{"id": 1, "start_index": 7, "steps": [{"type": "job", "id": 1}]}]}, "place 7 is not in the matrix"),
        (
            {"matrices": {"car": {"durations": [[0, None, 1, 1], [1, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 0]]}}},
            "no way from place 0 to place 1",
        ),
    ],
)
def test_a_route_that_cannot_be_timed_is_refused_with_what_is_wrong(change: Body, words: str) -> None:
    with pytest.raises(VroomError, match=words):
        given(street(**change), no_roads)


def test_a_hole_that_no_route_crosses_is_no_matter() -> None:
    ways = [[100 * abs(a - b) for b in range(4)] for a in range(4)]
    ways[2][3] = None  # type: ignore[call-overload]  # a hole
    found = of_vroom(street(matrices={"car": {"durations": ways}}))
    assert [(step["type"], step["arrival"]) for step in found["routes"][0]["steps"]] == [("start", 0), ("job", 100), ("end", 100)]


def test_vroom_itself_looks_at_given_times_in_its_plan_mode_only() -> None:
    """So `/vroom` tells them as ignored where a plan is asked for."""
    vehicle = {"id": 1, "start_index": 0, "steps": [{"type": "job", "id": 1, "service_at": 5000}, {"type": "job", "id": 2}]}
    problem = vroom.Input()
    problem._from_json(json.dumps(given(street(vehicles=[vehicle]), no_roads).body), False)
    planned, timed = (
        found.to_dict()["routes"][0]["steps"] for found in (problem.solve(exploration_level=5, nb_threads=1), problem.check())
    )
    assert [step["arrival"] for step in planned] == [0, 100, 200, 200]
    assert [step["arrival"] for step in timed] == [4900, 5000, 5100, 5100]


def test_two_stops_at_one_place_are_one_setup() -> None:
    """VROOM and our judge alike: setup counts on coming to a place, by the vehicle's type."""
    jobs = [{"id": at, "location_index": 1, "setup": 50, "setup_per_type": {"bike": 5}, "service": 10} for at in (1, 2)]
    for kind, setup in (("bike", 5), ("van", 50)):
        vehicle = {"id": 1, "start_index": 0, "type": kind, "steps": [{"type": "job", "id": at} for at in (1, 2)]}
        body = street(jobs=jobs, vehicles=[vehicle])
        ours = asked(body, no_roads)
        assert ours.warm is not None
        said = told(ours, ours.warm, evaluate(ours.problem, ours.warm), wrong_vans={}, computing_ms=0)
        assert said["summary"]["setup"] == of_vroom(body)["summary"]["setup"] == setup


def test_a_break_is_taken_before_a_leg_that_ends_in_a_gap_between_its_windows() -> None:
    """After it the driver would wait for the second window."""
    pause = {"id": 1, "service": 100, "time_windows": [[0, 50], [1000, 1200]]}
    vehicle = {"id": 1, "start_index": 0, "time_window": [0, 9000], "breaks": [pause], "steps": [{"type": "job", "id": 1}]}
    body = street(vehicles=[vehicle], jobs=[{"id": 1, "location_index": 1, "service": 2000}])
    ours = asked(body, no_roads)
    assert ours.warm is not None
    verdict = evaluate(ours.problem, ours.warm)
    assert [rest.start_s for rest in verdict.breaks["vehicle 1"]] == [0]
    assert (verdict.back_s["vehicle 1"], verdict.violations) == (2200, ())


def test_windows_of_a_break_that_touch_are_one() -> None:
    windows = [[300, 400], [100, 200], [201, 250], [390, 500]]
    body = street(vehicles=[{"id": 1, "start_index": 0, "breaks": [{"id": 1, "service": 60, "time_windows": windows}]}])
    (van,) = asked(body, no_roads).problem.vans
    assert van.breaks[0].windows_s == ((100, 250), (300, 500))
    begins = [van.breaks[0].begins_s(at) for at in (-5, 250, 251, 299, 300, 500, 501)]
    assert begins == [100, 250, 300, 300, 300, 500, None]
    assert all(a[1] < b[0] for a, b in itertools.pairwise(van.breaks[0].windows_s))
