"""What no delivery day can be, as VROOM's clients say it: who is named, what is refused, and what would not fit in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.hub.api.test_solving import problem

Shop = Any
Body = dict[str, Any]
FAR = 1_000_000_000
"""10⁶ km in metres."""


def job(**fields: Any) -> Callable[[Body], object]:
    return lambda body: body["jobs"][1].update(fields)


def second_vehicle(**fields: Any) -> Callable[[Body], object]:
    return lambda body: body["vehicles"].append({**body["vehicles"][0], "id": 2, **fields})


def cells(way: Any) -> Callable[[Body], object]:
    """The ways to the second house, and from it."""

    def change(body: Body) -> None:
        for table in body["matrices"]["car"].values():
            for other in (0, 1, 3):
                table[other][2] = table[2][other] = way

    return change


def no_row(body: Body) -> None:
    for table in body["matrices"]["car"].values():
        table[2] = None


OF_VROOM: dict[str, tuple[Callable[[Body], object], str, str]] = {
    # what is wrong: (the change, who is named, the words)
    "window that ends before it begins": (job(time_windows=[[500, 100]]), "job", "its window ends (100) before it begins (500)"),
    "place without a way": (cells(-1), "job", "no road reaches this address"),
    "hole in the matrix": (cells(None), "job", "no road reaches this address"),
    "row that is missing": (no_row, "job", "no road reaches this address"),
    "a million kilometres": (cells(FAR), "job", "no road reaches this address"),
    "more than a number can be": (cells(10**30), "job", "no road reaches this address"),
    "place that is none": (job(location_index=77), "job", "its place 77 is not one of the 4 places"),
    "negative load": (job(delivery=[-3]), "job", "its load (-3,) is less than nothing"),
    "load of a mountain": (job(delivery=[10**18]), "job", "larger than every van"),
    "priority below nothing": (job(priority=-5), "job", "its left_out_cents is -400000000"),
    "vehicle that is paid for being used": (second_vehicle(costs={"fixed": -5}), "vehicle", "its fixed_cents is -5"),
    "setup of less than no time": (job(setup_per_type={"bike": -5}), "job", "its parking by bike is -5"),
    "negative service": (job(service=-60), "job", "its service_s is -60"),
    "service of an age": (job(service=10**15), "job", f"its service_s is {10**15}"),
    "service of infinity": (job(service=1e300), "job", "its service_s is 1000000"),
    "skill of nobody": (job(skills=[7]), "job", "no van has the skill 7"),
    "shift that ends before it begins": (second_vehicle(time_window=[900, 100]), "vehicle", "its shift ends (100) before it begins (900)"),
    "vehicle smaller than nothing": (second_vehicle(capacity=[-1]), "vehicle", "is less than nothing"),
    "vehicle that starts nowhere": (second_vehicle(start_index=99), "vehicle", "its start_place 99 is not one of the 4 places"),
    "break of which one window is none": (
        second_vehicle(breaks=[{"id": 1, "service": 60, "time_windows": [[0, 100], [300, 200]]}]),
        "vehicle",
        "its break from 0 to 200 of 60 s is none",
    ),
    "break that ends before it begins": (
        second_vehicle(breaks=[{"id": 1, "service": 60, "time_windows": [[100, 0]]}]),
        "vehicle",
        "its break from 100 to 0",
    ),
}


def vroom_body() -> Body:
    """The same three houses, as a client of VROOM has them; the vehicle's day begins at 0."""
    whole = problem()
    tables = {"durations": whole["durations_s"], "distances": whole["distances_m"]}
    jobs = [{"id": at, "location_index": at, "service": 60, "delivery": [1], "time_windows": [[0, 7200]]} for at in (1, 2, 3)]
    van = {"id": 1, "start_index": 0, "end_index": 0, "capacity": [10], "time_window": [0, 28_800]}
    return {"vehicles": [van], "jobs": jobs, "matrices": {"car": tables}, "options": {"l": 0}}


@pytest.mark.parametrize("name", OF_VROOM)
def test_a_client_of_vroom_is_told_what_is_wrong_and_gets_the_rest(shop: Shop, name: str) -> None:
    change, who, words = OF_VROOM[name]
    body = vroom_body()
    change(body)
    answer = shop.post("/vroom", json=body)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    served = sorted(step["id"] for route in found["routes"] for step in route["steps"] if step["type"] == "job")
    if who == "job":
        (left,) = found["unassigned"]
        assert (left["id"], served) == (2, [1, 3])
        assert words in left["reason"]
        assert "wrong_vehicles" not in found
    else:
        assert (found["unassigned"], served) == ([], [1, 2, 3])
        assert words in found["wrong_vehicles"]["vehicle 2"]


def test_a_client_of_vroom_without_a_vehicle_that_can_drive(shop: Shop) -> None:
    none = shop.post("/vroom", json=vroom_body() | {"vehicles": []})
    assert (none.status_code, none.json()["code"]) == (400, 2), "as VROOM has it"
    body = vroom_body()
    body["vehicles"][0]["time_window"] = [900, 100]
    found = shop.post("/vroom", json=body).json()
    assert [(one["id"], one["reason"]) for one in found["unassigned"]] == [(at, "no van has a shift") for at in (1, 2, 3)]
    assert "its shift ends" in found["wrong_vehicles"]["vehicle 1"]


@pytest.mark.parametrize("instant", [0, -(10**15)])
def test_a_window_from_the_beginning_of_time_moves_no_other(shop: Shop, instant: int) -> None:
    """Among instants of this year one job says "at any time" by a window from 1970, or from before all time."""
    body, year = vroom_body(), 1_700_000_000
    for one in body["jobs"]:
        one["time_windows"] = [[year, year + 7200]]
    body["jobs"][1]["time_windows"] = [[instant, 2**33]]
    for window in ([year, year + 28_800], None):
        body["vehicles"][0]["time_window"] = window
        found = shop.post("/vroom", json=body).json()
        assert (found["unassigned"], "wrong_vehicles" in found) == ([], False), window
        assert min(step["arrival"] for step in found["routes"][0]["steps"]) == year


WRONG: dict[str, tuple[Callable[[Body], object], str]] = {
    # of a wrong type, or more than can be read: the change, and whose name is told
    "job without an id": (lambda body: body["jobs"][1].pop("id"), "jobs[1]: id is missing"),
    "job that is none": (lambda body: body["jobs"].__setitem__(1, "x"), "jobs[1]"),
    "service in words": (job(service="long"), "job 2"),
    "window of one end": (job(time_windows=[[5]]), "job 2"),
    "windows that are none": (job(time_windows=7), "job 2"),
    "load that is no list": (job(delivery=3), "job 2"),
    "service by nobody": (job(service_per_type=[1]), "job 2"),
    "most tasks in words": (second_vehicle(max_tasks="many"), "vehicle 2"),
    "costs that are none": (second_vehicle(costs=5), "vehicle 2"),
    "an hour that is paid back": (second_vehicle(costs={"per_hour": -1}), "vehicle 2: costs per_hour"),
    "an hour without a price": (second_vehicle(costs={"per_hour": 1e200}), "vehicle 2: costs per_hour"),
    "a kilometre beyond counting": (second_vehicle(costs={"per_km": 1e9}), "vehicle 2: with these costs"),
    "standing still": (second_vehicle(speed_factor=0), "vehicle 2: speed_factor"),
    "breaks that are none": (second_vehicle(breaks=[{"service": 5}]), "vehicle 2: id is missing"),
    "steps that are none": (second_vehicle(steps=[{"id": 1}]), "vehicle 2: type is missing"),
    "profile of nobody": (second_vehicle(profile="rocket"), "rocket"),
    "matrix of nothing": (lambda body: body["matrices"].update(car={"durations": []}), "matrix: empty"),
    "matrix in words": (lambda body: body["matrices"].update(car={"durations": [["x"]]}), "Invalid"),
    "options that are none": (lambda body: body.update(options=7), "int"),
    "seconds in words": (lambda body: body.update(options={"l": "soon"}), "soon"),
    "jobs that are none": (lambda body: body.update(jobs=7), "int"),
}


@pytest.mark.parametrize("given", [False, True], ids=["to plan", "to time"])
@pytest.mark.parametrize("name", WRONG)
def test_a_client_of_vroom_that_sends_what_is_none_of_it_is_told_where(shop: Shop, name: str, given: bool) -> None:
    body = vroom_body()
    if given:
        body["options"]["c"] = True
    change, words = WRONG[name]
    change(body)
    body["vehicles"][0]["steps"] = [{"type": "job", "id": 1}]
    answer = shop.post("/vroom", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, 2), answer.text
    assert words in answer.json()["error"]


@pytest.mark.parametrize(("place", "words"), [([10.0, 95.0], "job 2"), ([10.0], "job 2"), (["x", 50.0], "job 2"), ([None, 1], "job 2")])
def test_a_place_that_is_none_is_told_with_its_job(shop: Shop, place: list[Any], words: str) -> None:
    jobs = [{"id": 1, "location": [10.01, 50.0]}, {"id": 2, "location": place}]
    answer = shop.post("/vroom", json={"vehicles": [{"id": 1, "start": [10.0, 50.0]}], "jobs": jobs, "options": {"l": 0}})
    assert (answer.status_code, answer.json()["code"]) == (400, 2), answer.text
    assert words in answer.json()["error"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            {"jobs": [{"id": at, "location": [10 + at / 1e5, 50.0]} for at in range(3001)], "vehicles": [{"id": 1, "start": [10, 50]}]},
            "3001",
        ),
        ({"vehicles": [{"id": at, "start_index": 0} for at in range(2001)]}, "vehicles (2001)"),
        ({"vehicles": [{"id": at, "start_index": 0, "speed_factor": 1 + at / 1e6} for at in range(1000)]}, "cells of all profiles"),
        (
            {
                "vehicles": [{"id": at, "start_index": 0, "type": f"kind {at}"} for at in range(1100)],
                "jobs": [{"id": at, "location_index": 0} for at in range(1000)],
            },
            "kinds of vehicle times tasks (1100000)",
        ),
    ],
    ids=["places", "vehicles", "profiles", "kinds"],
)
def test_what_would_not_fit_in_memory_is_refused_before_it_is_tried(shop: Shop, body: Body, words: str) -> None:
    whole: Body = {"jobs": [{"id": 1, "location_index": 1}], "options": {"l": 0}} | body
    if "location" not in whole["jobs"][0]:
        whole["matrices"] = {"car": {"durations": [[0] * 300] * 300}}
    answer = shop.post("/vroom", json=whole)
    assert (answer.status_code, answer.json()["code"]) == (413, 4), answer.text
    assert words in answer.json()["error"]


def test_a_client_of_vroom_reads_the_reason_in_its_language(shop: Shop) -> None:
    body = vroom_body()
    body["jobs"][1]["skills"] = [7]
    (left,) = shop.post("/vroom", json=body, headers={"Accept-Language": "de"}).json()["unassigned"]
    assert left["reason"] == "kein Wagen hat die Fähigkeit 7"
