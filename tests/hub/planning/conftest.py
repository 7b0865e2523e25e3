"""Problems to plan: made up from a seed, with everything that a real morning brings."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from roundsman_hub.planning.engines.process import EngineProcess
from roundsman_hub.planning.problem import Problem, Task, Van

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
        capacity=rng.choice([6, 10, 20]),
        at_depot=not out,
        carried=rng.choice([0, 0, 2]) if out else 0,
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
        load=rng.randrange(1, 4),
        service_s=rng.choice([0, 120, 300]),
        windows_s=windows,
        release_s=rng.choice([0, 0, 0, 1800]),
        left_out_cents=rng.choice([20_000, 100_000, 1_000_000]),
        on_board=on_board,
        may_be_held_by=held,
    )


@pytest.fixture(scope="session")
def engine() -> Iterator[EngineProcess]:
    """The real search, in its process."""
    with EngineProcess() as engine:
        yield engine
