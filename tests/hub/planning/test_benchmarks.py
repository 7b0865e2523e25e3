"""Well-known instances through the same judge: how far from the best known, on small budgets."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from roundsman_hub.planning.engines.here import Here
from roundsman_hub.planning.problem import Problem, Task, Van
from roundsman_hub.planning.solve import decide

DATA = Path(__file__).parents[4] / "shared" / "data" / "vrp"
SCALE = 10
"""Units of the instances' distances: one decimal, as their best known costs are compared."""

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no instances in {DATA}")


def solomon(name: str) -> Problem:
    """A VRPTW instance as one morning's problem: distance is money, time is distance."""
    lines = (DATA / "vrptw" / f"{name}.txt").read_text().splitlines()
    vans, capacity = map(int, lines[4].split())
    rows = [tuple(map(float, line.split())) for line in lines[9:] if line.strip()]
    n = len(rows)
    metres = np.array([[math.floor(SCALE * math.dist(rows[i][1:3], rows[j][1:3])) for j in range(n)] for i in range(n)], dtype=np.int32)
    tasks = tuple(
        Task(
            task=str(int(row[0])),
            place=at,
            kind="delivery",
            load=(int(row[3]),),
            service_s=int(SCALE * row[6]),
            windows_s=((int(SCALE * row[4]), int(SCALE * row[5])),),
        )
        for at, row in enumerate(rows)
        if at
    )
    van = {
        "start_place": 0,
        "end_place": 0,
        "start_s": 0,
        "shift_end_s": int(SCALE * rows[0][5]),
        "capacity": (capacity,),
        "at_depot": True,
    }
    fleet = tuple(Van(vehicle=f"v_{at}", fixed_cents=0, cents_per_hour=0, cents_per_km=1000, **van) for at in range(vans))  # type: ignore[arg-type]
    return Problem(origin_utc_s=0, tasks=tasks, vans=fleet, durations_s=metres, distances_m=metres)


@pytest.mark.usefixtures("cpu_seconds")
@pytest.mark.parametrize(("name", "gap"), [("C101", 0.01), ("R112", 0.06), ("RC204", 0.06)])
def test_close_to_the_best_known(name: str, gap: float) -> None:
    best = json.loads((DATA / "best_known.json").read_text())[name]["distance"]["cost"]
    decision = decide(solomon(name), None, 4.0, 1, engine=Here("pyvrp"))
    assert decision.verdict.violations == ()
    assert decision.plan.unassigned == {}
    assert decision.verdict.lateness_s == 0
    assert decision.verdict.distance_m / SCALE <= best * (1 + gap), decision.note
