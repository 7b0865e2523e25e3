"""Days in which no engine but one knows everything: the plan is right all the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from roundsman_hub.planning.answering import answer
from roundsman_hub.planning.problem import Break, Depot, Problem, Profile, Relation, Task, Van

METRES = np.array([[1000 * abs(a - b) for b in range(5)] for a in range(5)], dtype=np.int32)
"""A street with a place each kilometre; a hundred seconds each."""
VAN = Van(vehicle="A", start_place=0, end_place=0, start_s=0, shift_end_s=20_000, capacity=(10,), at_depot=True, depot="d", end_depot="d")
OTHER = replace(VAN, vehicle="B", fixed_cents=9_000)


def task(name: str, place: int, **more: object) -> Task:
    whole = Task(task=name, place=place, kind="delivery", load=(1,), service_s=60)
    return replace(whole, **more)  # type: ignore[arg-type]  # names are checked by `replace`


def problem(tasks: list[Task], vans: list[Van], **more: object) -> Problem:
    whole = Problem(
        origin_utc_s=0,
        tasks=tuple(tasks),
        vans=tuple(vans),
        durations_s=(METRES // 10).astype(np.int32),
        distances_m=METRES,
        depots=(Depot(depot="d", place=0, reload_s=300),),
    )
    return replace(whole, **more)  # type: ignore[arg-type]  # as above


def test_a_second_load_and_a_break_in_one_round() -> None:
    """Two trips, and the pause between them: the day is 60 min long without it, and the second house closes after 90."""
    pause = Break(duration_s=1800, earliest_s=300, latest_s=900)
    van = replace(VAN, capacity=(1,), reloads=frozenset({"d"}), breaks=(pause,))
    day = problem([task("far", 4, windows_s=((0, 5400),)), task("near", 1, windows_s=((0, 400),))], [van])
    found = answer(day, budget_s=0)
    assert found.plan.routes["A"] == ("near", "@d", "far")
    assert [b.duration_s for b in found.verdict.breaks["A"]] == [1800]
    assert not found.verdict.violations
    assert found.verdict.lateness_s == 0
    assert answer(replace(day, vans=(replace(van, reloads=frozenset()),)), budget_s=0).plan.unassigned
    assert not answer(replace(day, vans=(replace(van, breaks=()),)), budget_s=0).verdict.breaks


def test_a_shipment_that_needs_a_skill() -> None:
    """Both ends go where the skill is, though the other van is cheaper."""
    ends = [
        task("from", 1, kind="pickup", shipment="s", skills=frozenset({"cold"})),
        task("to", 3, shipment="s", skills=frozenset({"cold"}), max_ride_s=400),
        task("by the way", 2, service_s=600, windows_s=((0, 5000),)),
    ]
    day = problem(ends, [VAN, replace(OTHER, skills=frozenset({"cold"}))])
    found = answer(day, budget_s=0)
    (van,) = [van for van, route in found.plan.routes.items() if "to" in route]
    assert van == "B"
    route = found.plan.routes["B"]
    assert route.index("from") + 1 == route.index("to"), "a stop between them would make the ride too long"
    anyone = [replace(one, skills=frozenset()) for one in ends]
    assert "from" in answer(replace(day, tasks=tuple(anyone)), budget_s=0).plan.routes["A"]
    apart = replace(day, relations=(Relation(kind="different_vans", tasks=("from", "to")),))
    assert {"from", "to"} <= set(answer(apart, budget_s=0).plan.unassigned)


def test_a_break_that_waits_for_the_traffic_to_end() -> None:
    """From 0 to 1,800 s the street is five times slower: who pauses first drives the faster hour."""
    slow = (METRES // 2).astype(np.int32)
    traffic = Profile(durations_s=np.stack([slow, (METRES // 10).astype(np.int32)]), distances_m=METRES, band_starts_s=(0, 1800))
    pause = Break(duration_s=1800, earliest_s=0, latest_s=2000)
    van = replace(VAN, profile="street", breaks=(pause,))
    found = answer(problem([task("x", 4)], [van], profiles={"street": traffic}), budget_s=0)
    assert found.plan.routes["A"] == ("x",)
    assert found.verdict.breaks["A"][0].start_s == 0
    assert found.verdict.back_s["A"] == 1800 + 400 + 60 + 400
    steady = answer(problem([task("x", 4)], [replace(van, profile="", breaks=())]), budget_s=0)
    assert steady.verdict.back_s["A"] == 400 + 60 + 400
