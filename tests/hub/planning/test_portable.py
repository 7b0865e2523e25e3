"""Problems travel as files and come back the same; what is wrong with one is told by name, and the rest is still planned."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from roundsman_hub.planning.answering import answer
from roundsman_hub.planning.evaluate import evaluate
from roundsman_hub.planning.insertion import repair
from roundsman_hub.planning.instances import BadInstance, parse
from roundsman_hub.planning.portable import BadProblem, plan_from_json, plan_to_json, problem_from_json, problem_schema, problem_to_json
from roundsman_hub.planning.problem import Plan, Problem, Profile
from roundsman_hub.planning.soundness import sound

MakeProblem = Callable[..., Problem]
DATA = Path(__file__).parents[4] / "shared" / "data" / "vrp"


@pytest.mark.parametrize("seed", range(12))
def test_a_problem_sent_by_mail_is_the_same_problem(make_rich: Callable[[int], tuple[Problem, Plan]], seed: int) -> None:
    problem, plan = make_rich(seed)
    found = problem_from_json(problem_to_json(problem))
    for name in Problem.__slots__:
        if name in ("durations_s", "distances_m"):
            assert np.array_equal(getattr(found, name), getattr(problem, name))
        elif name != "profiles":
            assert getattr(found, name) == getattr(problem, name)
    assert np.array_equal(found.profiles["traffic"].durations_s, problem.profiles["traffic"].durations_s)
    verdict = evaluate(problem, plan)
    assert evaluate(found, plan) == verdict
    assert plan_from_json(plan_to_json(plan, verdict)) == plan


def changed(problem: Problem, change: Callable[[dict[str, Any]], None]) -> bytes:
    found = json.loads(problem_to_json(problem))
    change(found)
    return json.dumps(found).encode()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: p.pop("format"), 'begin with "format"'),
        (lambda p: p.update(colour="red"), "unknown field 'colour'"),
        (lambda p: p.pop("tasks"), "missing required field `tasks`"),
        (lambda p: p["tasks"][0].update(load="much"), r"tasks\[0\].load"),
        (lambda p: p["durations_s"].pop(), "is not places × places"),
        (lambda p: p["distances_m"][0].__setitem__(1, 10**12), "numbers go from -1"),
        (lambda p: p["vans"][0].update(capacity=[1, 2]), "dimensions"),
        (lambda p: p["vans"][0].update(profile="lorry"), "no profile 'lorry'"),
        (lambda p: p["tasks"].append(p["tasks"][0]), "is there 2 times"),
        (lambda p: p["tasks"][0].update(task="@x"), "does not begin with"),
    ],
)
def test_what_is_no_problem_is_told_by_name(
    make_problem: Callable[..., Problem], change: Callable[[dict[str, Any]], None], words: str
) -> None:
    with pytest.raises(BadProblem, match=words):
        problem_from_json(changed(make_problem(1, 4, 2), change))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"windows_s": ((500, 100),)}, "ends .* before it begins"),
        ({"windows_s": ((5000, 6000),), "deadline_s": 4000}, "after its deadline"),
        ({"load": (-1,)}, "less than nothing"),
        ({"service_s": -5}, "service_s is -5"),
        ({"service_s": 10**10}, "service_s is 10000000000"),
        ({"place": 99}, "not one of the"),
        ({"promise_s": (10, 5)}, "promise ends"),
        ({"shipment": "s"}, "not one pickup and one delivery"),
    ],
)
def test_one_contradiction_costs_one_task(make_problem: Callable[..., Problem], wrong: dict[str, Any], words: str) -> None:
    problem = make_problem(3, 8, 2, on_the_road=False)
    bad = replace(problem.tasks[0], **wrong)
    found = sound(replace(problem, tasks=(bad, *problem.tasks[1:])))
    assert set(found.tasks) == {bad.task}
    assert re.search(words, found.tasks[bad.task])
    assert evaluate(found.problem, repair(found.problem)).violations == ()


def test_absurd_legs_are_no_way_and_lonely_places_are_named(make_problem: Callable[..., Problem]) -> None:
    problem = make_problem(3, 8, 2, on_the_road=False)
    durations, distances = problem.durations_s.copy(), problem.distances_m.copy()
    lonely = problem.tasks[2].place
    distances[:, lonely] = 2_000_000_000
    distances[lonely, lonely] = 0
    durations[1, 4] = -1  # a hole
    found = sound(replace(problem, durations_s=durations, distances_m=distances))
    assert found.tasks == {problem.tasks[2].task: "no road reaches this address"}
    assert evaluate(found.problem, repair(found.problem)).violations == ()


def test_absurd_legs_of_a_profile_are_no_way_either(make_problem: Callable[..., Problem]) -> None:
    problem = make_problem(3, 8, 2, on_the_road=False)
    distances = problem.distances_m.copy()
    distances[1, 4] = 1_000_000_000  # 10⁶ km
    bands = np.stack([problem.durations_s, problem.durations_s])
    bands[1, 2, 5] = -1  # a hole in one band
    car = Profile(durations_s=bands, distances_m=distances, band_starts_s=(0, 3600))
    vans = tuple(replace(van, profile="car") for van in problem.vans)
    found = sound(replace(problem, vans=vans, profiles={"car": car})).problem
    assert (found.profiles["car"].durations_s[:, 1, 4] == -1).all()
    assert (found.profiles["car"].durations_s[:, 2, 5] == -1).all()
    assert found.profiles["car"].distances_m[1, 4] == found.profiles["car"].distances_m[2, 5] == -1
    assert evaluate(found, repair(found)).violations == ()


def test_an_impossible_shift_costs_one_van_and_an_empty_fleet_everything(
    make_problem: Callable[..., Problem],
) -> None:
    problem = make_problem(3, 8, 2, on_the_road=False)
    van = replace(problem.vans[0], start_s=5000, shift_end_s=100)
    found = sound(replace(problem, vans=(van, problem.vans[1])))
    assert list(found.vans) == [van.vehicle]
    plan = repair(sound(replace(problem, vans=())).problem)
    assert set(plan.unassigned.values()) == {"no van has a shift"}


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no instances in {DATA}")
@pytest.mark.parametrize(("name", "tasks", "vans"), [("vrptw/R112", 100, 25), ("vrptw/rc1_4_5", 400, 100), ("pdptw/lc101", 106, 25)])
def test_instances_are_read(name: str, tasks: int, vans: int) -> None:
    problem = parse((DATA / f"{name}.txt").read_text())
    assert (len(problem.tasks), len(problem.vans)) == (tasks, vans)
    assert sound(problem).tasks == {}


VRPLIB = """NAME : four
TYPE : CVRP
DIMENSION : 4
EDGE_WEIGHT_TYPE : EUC_2D
CAPACITY : 5
NODE_COORD_SECTION
1 0 0
2 3 4
3 6 8
4 0 10
DEMAND_SECTION
1 0
2 2
3 3
4 4
DEPOT_SECTION
1
-1
EOF
"""


def test_vrplib_files_are_read() -> None:
    problem = parse(VRPLIB)
    assert [task.load for task in problem.tasks] == [(2,), (3,), (4,)]
    verdict = evaluate(problem, repair(problem))
    assert verdict.distance_m / problem.distance_scale == 40  # 0-2-3-0 and 0-4-0


HALF = """NAME : half-n4
TYPE : CVRP
DIMENSION : 4
CAPACITY : 6
DISTANCE : 70
EDGE_WEIGHT_TYPE : EXPLICIT
EDGE_WEIGHT_FORMAT : {form}
EDGE_WEIGHT_SECTION
{weights}
DEMAND_SECTION
1 0
2 3
3 3
4 3
DEPOT_SECTION
1
-1
EOF
"""


@pytest.mark.parametrize(
    ("form", "weights"),
    [
        ("LOWER_ROW", "10\n20 12\n30 24 14"),
        ("LOWER_DIAG_ROW", "0\n10 0\n20 12 0\n30 24 14 0"),
        ("UPPER_ROW", "10 20 30\n12 24\n14"),
        ("UPPER_DIAG_ROW", "0 10 20 30\n0 12 24\n0 14\n0"),
        ("FULL_MATRIX", "0 10 20 30\n10 0 12 24\n20 12 0 14\n30 24 14 0"),
    ],
)
def test_a_matrix_is_read_whatever_half_of_it_is_given(form: str, weights: str) -> None:
    """Two of three fit in a van, and none may drive more than 70."""
    problem = parse(HALF.format(form=form, weights=weights))
    assert problem.durations_s.tolist() == [[0, 10, 20, 30], [10, 0, 12, 24], [20, 12, 0, 14], [30, 24, 14, 0]]
    found = answer(problem, budget_s=0)
    assert (found.wrong_vans, found.plan.unassigned) == ({}, {})
    best = evaluate(problem, Plan(routes={"v1": ("2",), "v2": ("3", "4")}, unassigned={}))
    assert (best.violations, best.distance_m) == ((), 84)
    tight = answer(parse(HALF.format(form=form, weights=weights).replace("DISTANCE : 70", "DISTANCE : 45")), budget_s=0)
    assert set(tight.plan.unassigned) == {"4"}, "there and back it is 60"
    loose = answer(parse(HALF.format(form=form, weights=weights).replace("DISTANCE : 70\n", "")), budget_s=0)
    assert (loose.wrong_vans, loose.plan.unassigned) == ({}, {}), "no longest route is no mistake"


def test_half_a_matrix_that_lacks_a_number_is_told() -> None:
    with pytest.raises(BadInstance, match="5 of 6 edge weights"):
        parse(HALF.format(form="LOWER_ROW", weights="10\n20 12\n30 24"))


@pytest.mark.parametrize(
    "text", ["", "hello", "VEHICLE\nNUMBER CAPACITY\nx y\n", "DIMENSION : 3\nCAPACITY : 1\n", "25 200 1\n1 2 3 4 5 6 7 8 x\n"]
)
def test_what_is_no_instance_is_told(text: str) -> None:
    with pytest.raises(BadInstance):
        parse(text)


def test_nobody_changes_a_problem_that_others_plan_with(make_rich: Callable[[int], tuple[Problem, Plan]]) -> None:
    """Immutable through and through: fields, tasks, vans, and the numbers of its matrices; who made those may go on using them."""
    problem, _ = make_rich(1)
    table = problem.durations_s.copy()
    again = replace(problem, durations_s=table)
    with pytest.raises(FrozenInstanceError):
        again.max_wait_s = 1  # type: ignore[misc]  # that is the point
    with pytest.raises(FrozenInstanceError):
        again.tasks[0].place = 1  # type: ignore[misc]  # as above
    for matrix in (again.durations_s, again.distances_m, *(p.durations_s for p in again.profiles.values())):
        with pytest.raises(ValueError, match="read-only"):
            matrix[..., 0, 0] = 1
    table[0, 0] = table[0, 0]


@pytest.mark.parametrize("seed", range(5))
def test_the_schema_of_a_problem_is_what_is_read(make_rich: Callable[[int], tuple[Problem, Plan]], seed: int) -> None:
    """Whatever a day can ask is a problem by the published schema, holes in its matrices too; what lacks a field is none."""
    validator = jsonschema.Draft202012Validator(problem_schema())
    body = json.loads(problem_to_json(make_rich(seed)[0]))
    validator.validate(body)
    body["durations_s"][0] = None
    body["distances_m"][1][0] = None
    validator.validate(body)
    problem_from_json(json.dumps(body))
    for broken in ({**body, "tasks": [{"task": "t"}]}, {**body, "vans": 3}, {**body, "format": "roundsman-problem/0"}):
        assert not validator.is_valid(broken)
        with pytest.raises(BadProblem):
            problem_from_json(json.dumps(broken))
