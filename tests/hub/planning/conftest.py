"""Problems to plan: made up from a seed, with everything that a real morning brings."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

from roundsman_hub.planning.engines import budget
from roundsman_hub.planning.engines.process import EngineProcess
from roundsman_hub.planning.insertion import repair
from roundsman_hub.planning.problem import Begun, Break, Charger, Depot, Energy, Hours, Plan, Problem, Profile, Relation, Task, Van

MakeProblem = Callable[..., Problem]


@pytest.fixture(scope="session")
def make_problem() -> MakeProblem:
    """Function: (seed, tasks, vans, on_the_road, no_way) → Problem. On the road: goods on board, stops frozen, a plan in hand."""

    def make(seed: int, tasks: int = 12, vans: int = 3, *, on_the_road: bool = True, no_way: bool = False) -> Problem:
        rng = random.Random(seed)
        n = 1 + tasks + vans
        xy = [(rng.uniform(0, 9_000), rng.uniform(0, 9_000)) for _ in range(n)]
        metres = [[round(1.3 * (abs(a[0] - b[0]) + abs(a[1] - b[1]))) for b in xy] for a in xy]
        seconds = [[round(m / rng.uniform(6, 11)) for m in row] for row in metres]
        for at in range(n):
            seconds[at][at] = 0
        if no_way:
            for _ in range(n):
                a, b = rng.randrange(n), rng.randrange(n)
                seconds[a][b] = metres[a][b] = -1
        fleet = [_van(rng, index, tasks, on_the_road) for index in range(vans)]
        work = [_task(rng, index, fleet, on_the_road) for index in range(tasks)]
        ids = [task.task for task in work] + ["o_gone", "o_done"]
        current = {van.vehicle: tuple(rng.choice(ids) for _ in range(rng.randrange(6))) for van in fleet} if on_the_road else {}
        taken: set[str] = set()
        for index, van in enumerate(fleet):
            own = [t.task for t in work if t.on_board == van.vehicle or (t.kind == "pickup" and t.may_be_held_by in (None, van.vehicle))]
            frozen = tuple(task for task in own[: rng.randrange(3)] if task not in taken)
            if on_the_road and not van.at_depot:
                taken.update(frozen)
                fleet[index] = replace(van, frozen=frozen)
        return Problem(
            origin_utc_s=1_760_000_000,
            tasks=tuple(work),
            vans=tuple(fleet),
            durations_s=np.array(seconds, dtype=np.int32),
            distances_m=np.array(metres, dtype=np.int32),
            current=current,
        )

    return make


def _van(rng: random.Random, index: int, tasks: int, on_the_road: bool) -> Van:
    out = on_the_road and rng.random() < 0.6
    return Van(
        vehicle=f"v_{index}",
        start_place=1 + tasks + index if out else 0,
        end_place=0,
        start_s=rng.choice([0, 600]),
        shift_end_s=rng.choice([2 * 3600, 5 * 3600, 9 * 3600]),
        capacity=(rng.choice([6, 10, 20]),),
        at_depot=not out,
        carried=(rng.choice([0, 0, 2]) if out else 0,),
        fixed_cents=rng.choice([0, 5_000]),
    )


def _task(rng: random.Random, index: int, fleet: list[Van], on_the_road: bool) -> Task:
    kind = rng.choice(["delivery", "delivery", "pickup"])
    out = [van.vehicle for van in fleet if not van.at_depot]
    on_board = rng.choice(out) if kind == "delivery" and out and rng.random() < 0.6 else None
    held = on_board or (rng.choice([van.vehicle for van in fleet]) if on_the_road and rng.random() < 0.2 else None)
    opens = rng.randrange(0, 3 * 3600)
    windows: tuple[tuple[int, int], ...] = ((opens, opens + rng.choice([600, 3600, 7200])),)
    if rng.random() < 0.2:
        windows = (*windows, (windows[0][1] + 1800, windows[0][1] + 3600))
    if rng.random() < 0.2:
        windows = ()
    return Task(
        task=f"o_{index}",
        place=1 + index,
        kind="pickup" if kind == "pickup" else "delivery",
        load=(rng.randrange(1, 4),),
        service_s=rng.choice([0, 120, 300]),
        windows_s=windows,
        release_s=rng.choice([0, 0, 0, 1800]),
        left_out_cents=rng.choice([20_000, 100_000, 1_000_000]),
        on_board=on_board,
        may_be_held_by=held,
    )


@pytest.fixture(scope="session")
def make_rich() -> Callable[[int], tuple[Problem, Plan]]:
    """Function: seed → (small problem with some of everything, a plan that may well break its rules)."""
    return _rich


def _rich(seed: int) -> tuple[Problem, Plan]:
    rng = random.Random(seed)
    work, fleet, n = rng.randrange(1, 6), rng.randrange(1, 3), 10
    xy = [(rng.uniform(0, 30_000), rng.uniform(0, 30_000)) for _ in range(n)]
    metres = np.array([[round(abs(a[0] - b[0]) + abs(a[1] - b[1])) for b in xy] for a in xy], dtype=np.int32)
    slow = rng.choice([8, 8, 3])
    seconds = (metres // slow).astype(np.int32)
    if rng.random() < 0.2:
        seconds[rng.randrange(n), rng.randrange(n)] = -1
    bands = np.stack([seconds, np.where(seconds < 0, -1, (seconds * rng.uniform(0.6, 2.5)).astype(np.int32)), seconds]).astype(np.int32)
    traffic = Profile(durations_s=bands, distances_m=metres, band_starts_s=(0, rng.randrange(600, 5000), rng.randrange(5000, 9000)))
    depots = tuple(
        Depot(depot=f"d{at}", place=at, reload_s=rng.choice([0, 300]), windows_s=rng.choice([(), ((0, 9000),)])) for at in range(2)
    )
    chargers = (Charger(charger="c", place=9, charge_s=900),)
    names = [f"v{at}" for at in range(fleet)]
    vans = tuple(_rich_van(rng, name) for name in names)
    tasks: list[Task] = []
    for at in range(work):
        tasks += _rich_tasks(rng, at, names)
    relations: tuple[Relation, ...] = ()
    if len(tasks) > 1 and rng.random() < 0.3:
        pair = tuple(task.task for task in rng.sample(tasks, 2))
        relations = (Relation(kind=rng.choice(["same_van", "different_vans", "in_order"]), tasks=pair),)
    routes: dict[str, list[str]] = {name: [] for name in names}
    unassigned = {}
    for task in rng.sample(tasks, len(tasks)):
        able = [van.vehicle for van in vans if task.on_board in (None, van.vehicle)]
        if task.shipment and task.kind == "delivery" and task.on_board is None and rng.random() < 0.9:
            continue  # goes where its pickup goes, below
        if rng.random() < 0.85:
            routes[rng.choice(able or names)].append(task.task)
        else:
            unassigned[task.task] = "nobody"
    for task in tasks:
        if task.task not in unassigned and not any(task.task in route for route in routes.values()):
            mate = next((r for r in routes.values() if any(t.shipment == task.shipment and t.task in r for t in tasks)), None)
            if mate is None:
                unassigned[task.task] = "nobody"
            else:
                mate.insert(rng.randrange(len(mate) + 1), task.task)
    for van in vans:
        if van.reloads and rng.random() < 0.5:
            routes[van.vehicle].insert(rng.randrange(len(routes[van.vehicle]) + 1), f"@{rng.choice(['d0', 'd1'])}")
        if van.energy and rng.random() < 0.6:
            routes[van.vehicle].insert(rng.randrange(len(routes[van.vehicle]) + 1), "+c")
    # The slow judge tries every pause: long routes are for drivers who need few.
    vans = tuple(replace(van, hours=van.hours if len(routes[van.vehicle]) < 3 else None) for van in vans)
    vans = tuple(replace(van, breaks=van.breaks if van.hours is None or len(routes[van.vehicle]) < 2 else ()) for van in vans)
    # Where being earlier can be worse, the judge's pauses are only good ones (see `duty`): not here.
    vans = tuple(replace(van, profile="" if van.hours else van.profile) for van in vans)
    vans = tuple(replace(van, idling_cents_per_hour=0) if van.profile and van.breaks else van for van in vans)
    vans = tuple(replace(van, begun=_begun(rng, routes[van.vehicle])) for van in vans)
    patient = any(van.hours or van.breaks for van in vans)
    problem = Problem(
        origin_utc_s=1_760_000_000,
        tasks=tuple(tasks),
        vans=vans,
        durations_s=seconds,
        distances_m=metres,
        profiles={"traffic": traffic},
        depots=depots,
        chargers=chargers,
        relations=relations,
        max_wait_s=None if patient else rng.choice([None, 900]),
        fair_cents_per_hour=rng.choice([0, 1200]),
        promise_cents_per_min=rng.choice([0, 150]),
    )
    return problem, Plan(routes={name: tuple(route) for name, route in routes.items()}, unassigned=unassigned)


def _begun(rng: random.Random, route: list[str]) -> Begun | None:
    """Half of the time it stands at a load or charge already: mostly the one that its route begins with."""
    if rng.random() < 0.5:
        return None
    first = [step for step in route[:1] if step.startswith(("@", "+"))]
    return Begun(step=rng.choice([*first, *first, "@d0", "+c"]), left_s=rng.choice([0, 40, 200, 2000]))


def _rich_van(rng: random.Random, name: str) -> Van:
    end_s = rng.choice([4000, 12_000, 40_000])
    first = rng.randrange(0, 6000)
    gaps = rng.choice([(), (), ((first + 100, first + 500),), ((first + 50, first + 150), (first + 200, first + 590))])
    lasts = rng.choice([600, 3000])
    breaks = [Break(duration_s=rng.choice([600, 1800, 2700]), earliest_s=first, latest_s=first + lasts, gaps_s=gaps)]
    if rng.random() < 0.3:
        breaks.append(Break(duration_s=900, earliest_s=first + 4000, latest_s=first + 9000, reason="tea"))
    rule: Literal["eu_561", "us_395"] = rng.choice(["eu_561", "us_395"])
    hours = Hours(rule=rule, to_break_s=rng.randrange(600, 5000), driving_s=rng.randrange(2000, 20_000), duty_s=rng.randrange(3000, 40_000))
    start_s = rng.choice([0, 900])
    home = rng.choice(["d0", "d1"])
    return Van(
        vehicle=name,
        start_place=int(home[1]) if (at_depot := rng.random() < 0.7) else rng.randrange(10),
        end_place=rng.choice([0, 1, None]),
        start_s=start_s,
        shift_end_s=end_s,
        overtime_s=rng.choice([0, 3600]),
        capacity=(rng.choice([3, 6, 9]), rng.choice([500, 2000])),
        carried=rng.choice([(), (1, 100)]),
        at_depot=at_depot,
        type=rng.choice(["van", "bike"]),
        profile=rng.choice(["", "traffic"]),
        skills=rng.choice([frozenset(), frozenset({"cold"})]),
        depot=home,
        end_depot=rng.choice([None, home]),
        reloads=rng.choice([frozenset(), frozenset({"d0"}), frozenset({"d0", "d1"})]),
        breaks=tuple(breaks) if rng.random() < 0.4 else (),
        hours=hours if rng.random() < 0.4 else None,
        energy=Energy(range_m=rng.randrange(20_000, 90_000), full_m=60_000) if rng.random() < 0.3 else None,
        max_tasks=rng.choice([None, 3]),
        max_distance_m=rng.choice([None, 80_000]),
        overtime_cents_per_hour=rng.choice([0, 1500]),
        waiting_cents_per_hour=rng.choice([0, 700]),
        idling_cents_per_hour=rng.choice([0, 300]),
        fuel_cents_per_km_per_1000=rng.choice([0, 4000]),
        familiar=rng.choice([(), (("north", 250),)]),
    )


def _rich_tasks(rng: random.Random, at: int, vans: list[str]) -> list[Task]:
    opens = rng.randrange(0, 6000)
    windows = rng.choice([(), ((opens, opens + 1200),), ((opens, opens + 600), (opens + 2000, opens + 2600))])
    task = Task(
        task=f"o{at}",
        place=rng.randrange(1, 10),
        kind=rng.choice(["delivery", "pickup"]),
        load=(rng.randrange(0, 3), rng.randrange(0, 300)),
        service_s=rng.choice([0, 120, 1900]),
        parking_s=rng.choice([0, 60]),
        service_by_type=rng.choice([(), (("bike", 30),)]),
        parking_by_type=rng.choice([(), (("bike", 5),), (("van", 200),)]),
        windows_s=windows,
        deadline_s=rng.choice([None, None, opens + 2500]),
        promise_s=rng.choice([None, None, (opens, opens + 900)]),
        release_s=rng.choice([0, 0, 700]),
        left_out_cents=rng.choice([10_000, 50_000]),
        reattempt_cents=rng.choice([0, 120]),
        vans=rng.choice([None, None, None, frozenset(vans[:1])]),
        skills=rng.choice([frozenset(), frozenset(), frozenset({"cold"})]),
        vehicle_types=rng.choice([None, None, frozenset({"van"})]),
        depot=rng.choice([None, None, "d0"]),
        territory=rng.choice([None, "north"]),
    )
    chance = rng.random()
    if chance < 0.25:
        ends = replace(task, shipment=f"s{at}", depot=None)
        far = replace(ends, task=f"o{at}b", place=rng.randrange(1, 10), kind="delivery", max_ride_s=rng.choice([None, 4000]))
        return [replace(ends, kind="pickup"), far]
    if chance < 0.4:
        return [replace(task, kind="delivery", on_board=rng.choice(vans), depot=None)]
    return [task]


@pytest.fixture(scope="session")
def engine(make_problem: MakeProblem) -> Iterator[EngineProcess]:
    """The real search, in its process, which is up: its start would be part of the first test's budget."""
    problem = make_problem(1)
    with EngineProcess(grace_s=60.0) as engine:
        engine.solve(problem, repair(problem), 0.1, 0)
        yield engine


@pytest.fixture
def cpu_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Budgets count this process's CPU: what is found in them does not depend on who else is at work."""
    monkeypatch.setattr(budget, "_clock", time.process_time)
