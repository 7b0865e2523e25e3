"""Which windows can still be kept for one piece of work, and what each would cost the round. Pure.

Each window is tried as a task of its own, by the planner's cheapest insertion, into every van's mended route. It is offered only if
nothing else gets later than its own window allows, less the same margin, so that an accepted offer takes nothing from anybody: neither
their window, nor what keeps it when the van runs late.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from roundsman_hub.planning.insertion import repair
from roundsman_hub.planning.lookups import UNITS_PER_CENT
from roundsman_hub.planning.problem import Plan, Problem
from roundsman_hub.planning.row import Row
from roundsman_hub.planning.walk import Ground
from roundsman_hub.planning.work import Task, TaskId

MARGIN_S: Final = 600
"""An offer must be kept even if the van runs ten minutes late: service begins so long before the window's end."""
GREEN_M: Final = 1_500
"""A detour shorter than this is green: the van passes by anyway. About the distance between two stops of a town's round."""
GREEN_SHARE: Final = 0.5
"""Or one that is half as long as the middle one of all that are offered."""

Window = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A window that can be kept. `added_cents`: what the round would cost more; `arrival_s`: from the problem's origin."""

    window: Window
    added_cents: int
    added_m: int
    arrival_s: int
    vehicle: str
    green: bool = False


def grid(since: datetime, until: datetime, *, width: timedelta, step: timedelta) -> list[Window]:
    """Windows that begin on whole steps of the clock, inside [since, until]."""
    step_s = int(step.total_seconds())
    first = -(-int(since.timestamp()) // step_s) * step_s
    start = datetime.fromtimestamp(first, since.tzinfo)
    found = []
    while start + width <= until:
        found.append((start, start + width))
        start += step
    return found


def slots(problem: Problem, asked: TaskId, windows: Sequence[Window], *, margin_s: int = MARGIN_S) -> list[Slot]:
    """Those of the windows that can be kept, cheapest first.

    Parameters
    ----------
    problem : Problem
        The depot's remaining work: with what is held for other customers, and with the task that is asked about. Where that is in a
        plan already, its place there is given up.
    asked : TaskId
        Whose window is to be chosen. A task that is frozen, or that goes together with others, has no choice left.
    windows : sequence of (start, end)
        Aware instants.
    margin_s : int
        Service has to begin at least so long before a window's end.
    """
    if any(asked in van.frozen for van in problem.vans) or any(asked in relation.tasks for relation in problem.relations):
        return []
    task = next(task for task in problem.tasks if task.task == asked)
    others = tuple(other for other in problem.tasks if other.task != asked)
    current = {van: tuple(step for step in route if step != asked) for van, route in problem.current.items()}
    stands = repair(replace(problem, tasks=others, current=current))
    others = _guarded(replace(problem, tasks=others, current=current), stands, margin_s)
    # What is on board is counted with its load once, however many windows are tried for it: it is there already.
    load = task.load if task.on_board is None else tuple(0 for _ in task.load)
    plain = replace(task, load=load, promise_s=None)
    tried = {
        name: (window, replace(plain, task=name, windows_s=(_s(problem, window, margin_s),)))
        for number, window in enumerate(windows)
        if (window[1] - window[0]).total_seconds() > margin_s
        for name in [f"{asked}?{number}"]
    }
    ground = Ground(replace(problem, tasks=(*others, *(one for _, one in tried.values())), current=current))
    return _ranked(_best(ground, stands, tried))


def _guarded(problem: Problem, stands: Plan, margin_s: int) -> tuple[Task, ...]:
    """Everybody else's work, with windows that end sooner by the margin; where service begins inside it already, it gets no later."""
    ground = Ground(problem)
    starts = {visit.task: visit.start_s for van in problem.vans for visit in ground.walk(van, stands.routes.get(van.vehicle, ())).visits}

    def sooner(task: Task) -> Task:
        at = starts.get(task.task)
        if at is None:
            return task
        windows = tuple((opens, max(at, closes - margin_s) if opens <= at <= closes else closes) for opens, closes in task.windows_s)
        return replace(task, windows_s=windows)

    return tuple(map(sooner, problem.tasks))


def _s(problem: Problem, window: Window, margin_s: int) -> tuple[int, int]:
    start, end = (int(at.timestamp()) - problem.origin_utc_s for at in window)
    return start, end - margin_s


def _best(ground: Ground, stands: Plan, tried: dict[TaskId, tuple[Window, Task]]) -> list[Slot]:
    rows = [Row(ground, van, stands.routes.get(van.vehicle, ())) for van in ground.problem.vans]
    found = []
    for name, (window, _) in tried.items():
        task = ground.tasks[name]
        places = [(place.units, row.van.vehicle, row, place) for row in rows if (place := row.best(task)) is not None]
        if not places:
            continue
        units, vehicle, row, place = min(places, key=lambda one: one[:2])
        if units >= task.left_out_cents * UNITS_PER_CENT:
            continue  # the planner itself would rather leave it out
        walk = row.with_(task, place).walk
        visit = next(visit for visit in walk.visits if visit.task == name)
        found.append(
            Slot(
                window=window,
                added_cents=round(units / UNITS_PER_CENT),
                added_m=max(0, walk.distance_m - row.walk.distance_m),
                arrival_s=visit.start_s,
                vehicle=vehicle,
            )
        )
    return found


def _ranked(found: list[Slot]) -> list[Slot]:
    detours = sorted(slot.added_m for slot in found)
    middle = detours[len(detours) // 2] if detours else 0
    limit = max(GREEN_M, GREEN_SHARE * middle)
    if detours and detours[-1] <= limit:  # where every window is near, only those that are much nearer say something
        limit = GREEN_SHARE * detours[-1]
    marked = [replace(slot, green=slot.added_m <= limit) for slot in found]
    return sorted(marked, key=lambda slot: (slot.added_cents, slot.window[0]))
