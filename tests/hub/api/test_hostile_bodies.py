"""Bodies in which anything may stand anywhere: whatever comes, it is refused with words or answered, never a fault of the hub's."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
from hypothesis import given, settings, strategies as st
from tests.hub.api.test_solving import problem, profile, vroom
from tests.hub.planning.test_vroom_plan import dealt, small

from roundsman_hub.planning import vroom_json, vroom_plan, vroom_told
from roundsman_hub.planning.answering import answer, standing
from roundsman_hub.planning.candidates import candidates
from roundsman_hub.planning.portable import BadProblem, plan_from_json, plan_to_json, problem_from_json
from roundsman_hub.planning.soundness import sound
from roundsman_hub.planning.vroom_errors import VroomError

Body = dict[str, Any]
Path = tuple[Any, ...]
NUMBERS = (-1, 0, 1, 2, 10**6, -(10**6), 10**9, 2**31, 2**31 - 1, -(2**31), 2**63, -(2**63) - 1, 10**18, 10**30, -(10**30))
WORDS = ("", "@d", "+c", "t1", "t2", "v1", "v2", "d", "p", "p1", "s", "van", "@zz", "é\0")
ANYTHING: tuple[Any, ...] = (
    None,
    *NUMBERS,
    0.5,
    1e300,
    *WORDS,
    [],
    [None],
    [[]],
    [1],
    [[1, 2]],
    [[5, 1]],
    {},
    {"a": 1},
    True,
    ["zz"],
    [["bike", 5]],
)


def paths(body: Any, at: Path = ()) -> Iterator[Path]:
    """To everything in a body, but to no more than the first few of a list."""
    if at:
        yield at
    inside = body.items() if isinstance(body, dict) else enumerate(body[:4]) if isinstance(body, list) else ()
    for key, value in inside:
        yield from paths(value, (*at, key))


def mangled(rng: random.Random, body: Body) -> Body:
    """With one to three things missing, there twice, or of another value; mostly of the same type, so that it is not refused at once."""
    body = copy.deepcopy(body)
    for _ in range(rng.choice([1, 1, 2, 3])):
        *way, last = rng.choice(list(paths(body)))
        holder: Any = body
        for key in way:
            holder = holder[key]
        was, chance = holder[last], rng.random()
        if chance < 0.1:
            del holder[last]
        elif chance < 0.15 and isinstance(holder, list):
            holder.append(copy.deepcopy(was))
        elif chance < 0.8 and type(was) is int:
            holder[last] = rng.choice(NUMBERS)
        elif chance < 0.8 and isinstance(was, str):
            holder[last] = rng.choice(WORDS)
        elif chance < 0.7 and isinstance(was, list) and was and isinstance(was[0], (int, str)):
            holder[last] = rng.choice([was[::-1], was + was, [], [rng.choice(was)] * 3])
        else:
            holder[last] = copy.deepcopy(rng.choice(ANYTHING))
        if not body:
            break
    return body


def everything() -> Body:
    """A problem that says all that can be said of tasks, vans and the fleet, and a plan to begin with."""
    body = problem(
        depots=[{"depot": "d", "place": 0, "reload_s": 60, "windows_s": [[0, 9000]]}],
        chargers=[{"charger": "c", "place": 2, "charge_s": 300}],
        relations=[{"kind": "same_van", "tasks": ["t1", "t2"]}],
        profiles={"p": profile(3600)},
        current={"v1": ["t1", "t2"]},
        **{"max_wait_s": 900, "fair_cents_per_hour": 100, "churn_cents": 150, "timezone": "UTC", "distance_scale": 1},
    )
    times = {"parking_s": 30, "deadline_s": 9000, "promise_s": [0, 7000], "release_s": 0, "left_out_cents": 1000, "reattempt_cents": 5}
    rights = {"skills": ["a"], "vehicle_types": ["van", "bike"], "depot": "d", "territory": "n"}
    body["tasks"][0] |= times | rights | {"service_by_type": [["bike", 5]], "parking_by_type": [["bike", 5]]}
    body["tasks"] += [
        {"task": "p1", "place": 1, "kind": "pickup", "load": [1], "service_s": 5, "shipment": "s"},
        {"task": "p2", "place": 2, "kind": "delivery", "load": [1], "service_s": 5, "shipment": "s", "max_ride_s": 5000},
    ]
    body["vans"][0] |= {
        **{"skills": ["a"], "depot": "d", "end_depot": "d", "reloads": ["d"], "familiar": [["n", 5]], "carried": [0], "frozen": ["t1"]},
        **{"profile": "p", "overtime_s": 60, "max_tasks": 9, "max_distance_m": 90_000, "again_cents": 5},
        "breaks": [{"duration_s": 60, "earliest_s": 100, "latest_s": 4000, "reason": "r", "gaps_s": [[300, 600]]}],
        "hours": {"rule": "eu_561", "to_break_s": 9000, "driving_s": 30_000, "duty_s": 40_000},
        "energy": {"range_m": 90_000, "full_m": 90_000},
        "begun": {"step": "@d", "left_s": 5},
    }
    other = {"vehicle": "v2", "start_place": 1, "end_place": None, "start_s": 50, "shift_end_s": 20_000, "capacity": [5], "at_depot": False}
    body["vans"].append(other | {"type": "bike"})
    warm = {"format": "roundsman-plan/1", "routes": {"v1": ["t1", "@d", "t2"]}, "unassigned": {"t3": "x"}}
    return {"warm": warm, "problem": body}


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_problem_in_which_anything_stands_anywhere_is_refused_or_planned(seed: int) -> None:
    body = mangled(random.Random(seed), everything())
    try:
        whole = problem_from_json(json.dumps(body.get("problem")))
        warm = plan_from_json(json.dumps(body.get("warm")))
    except BadProblem:
        return
    found = answer(whole, warm, budget_s=0)
    assert plan_to_json(found.plan, found.verdict)
    served = [step for route in found.plan.routes.values() for step in route]
    assert {task.task for task in whole.tasks} <= {*served, *found.plan.unassigned}, "nothing is lost without a word"
    part = sound(whole)
    for task in part.problem.tasks[:1]:
        assert len(candidates(part.problem, standing(part.problem, warm), task.task)) == len(part.problem.vans)


def roads(places: Any, _: str) -> Any:
    table = np.full((len(places), len(places)), 100, dtype=np.int32)
    return table, table


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_client_of_vroom_may_send_anything_anywhere(seed: int) -> None:
    rng = random.Random(seed)
    base = rng.choice([vroom(), small(rng, breaks=True), dealt(rng, small(rng))])
    if rng.random() < 0.2:
        jobs = [{"id": 1, "location": [10.1, 50], "delivery": [1], "pickup": [1]}, {"id": 2, "location": [10, 50.1]}]
        base = {"vehicles": [{"id": 1, "start": [10, 50], "end": [10, 50.01]}], "jobs": jobs}
    body = mangled(rng, base)
    for read in (vroom_json.asked, vroom_plan.given):
        try:
            asked = read(body, roads)
        except VroomError:
            continue
        if isinstance(asked, vroom_plan.Given):
            assert json.dumps(asked.body, allow_nan=False)
            continue
        found = answer(asked.problem, asked.warm, budget_s=0)
        plan, verdict = vroom_told.together(asked, found.plan, found.verdict)
        said = vroom_told.told(asked, plan, verdict, wrong_vans=found.wrong_vans, computing_ms=1)
        assert json.dumps(said, allow_nan=False)
        stops = [step for route in said["routes"] for step in route["steps"] if step["type"] in ("job", "pickup", "delivery")]
        assert len(stops) + len(said["unassigned"]) == len(asked.shown), "each is planned or told"
