"""Why a task has no van: one sentence that a dispatcher can act on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from roundsman_hub.planning.problem import Task, TaskId, Van, VehicleId
from roundsman_hub.planning.row import Row
from roundsman_hub.planning.walk import Ground, begin


def reason_unassigned(ground: Ground, routes: Mapping[VehicleId, Sequence[TaskId]], task: Task) -> str:
    """The most telling reason why nobody serves the task, from what can never be helped to what other work takes.

    Parameters
    ----------
    ground : Ground
        The problem.
    routes : mapping of VehicleId to sequence of TaskId
        The plan that leaves the task out.
    task : Task
        What is left out.
    """
    vans = ground.problem.vans
    if not vans:
        return "no van has a shift"
    if all(task.load > van.capacity for van in vans):
        return f"larger than every van ({task.load} > {max(van.capacity for van in vans)})"
    able = [van for van in vans if ground.refusal(van, task) is None]
    if not able:
        return _nobody_may(ground, task)
    reached = [(van, arrival) for van in able if (arrival := _earliest(ground, van, task)) is not None]
    if not reached:
        return "no road reaches this address"
    earliest = min(begin(task, arrival)[0] for _, arrival in reached)
    closes = max((closes for _, closes in task.windows_s), default=None)
    if closes is not None and earliest > closes:
        return f"no van can be there before {_clock(ground, closes)} (earliest {_clock(ground, earliest)})"
    home = [(begin(task, arrival)[0] + task.service_s + ground.durations_s[task.place][van.end_place], van) for van, arrival in reached]
    if all(back > ground.home_s[van.vehicle] for back, van in home):
        back, van = min(home, key=lambda pair: pair[0] - ground.home_s[pair[1].vehicle])
        return f"no shift is long enough (back {_clock(ground, back)}, shift ends {_clock(ground, van.shift_end_s)})"
    if _only_room_lacks(ground, routes, able, task):
        return f"vans that have the time are full (needs room for {task.load})"
    if closes is not None:
        return f"no van is free before {_clock(ground, closes)}: other work fills every route until then"
    return "no van is free: other work fills every route"


def _nobody_may(ground: Ground, task: Task) -> str:
    if task.may_be_held_by is not None:
        return "a van holds it in its plan and has not yet confirmed a plan without it"
    if task.on_board is not None:
        return "goods are on board of a van that is not on a shift"
    if task.kind == "pickup":
        return "every van that could take it is offline"
    return "goods are at the depot and every van has left"


def _earliest(ground: Ground, van: Van, task: Task) -> int | None:
    """When the van would arrive if it drove there straight after what is frozen; None without a road there and home."""
    frozen = [t for t in van.frozen if t in ground.tasks]
    walk = ground.walk(van, frozen)
    place = ground.tasks[frozen[-1]].place if frozen else van.start_place
    free_s = walk.visits[-1].departure_s if walk.visits else walk.leave_s
    if task.kind == "delivery" and task.on_board is None:
        free_s = max(free_s, task.release_s)
    leg_s = ground.durations_s[place][task.place]
    return None if leg_s < 0 or ground.durations_s[task.place][van.end_place] < 0 else free_s + leg_s


def _only_room_lacks(ground: Ground, routes: Mapping[VehicleId, Sequence[TaskId]], able: Sequence[Van], task: Task) -> bool:
    rows = [Row(ground, van, routes.get(van.vehicle, ())) for van in able]
    return all(row.best(task) is None for row in rows) and any(row.best(task, loads_matter=False) for row in rows)


def _clock(ground: Ground, seconds: int) -> str:
    """Time of day, rounded to the minute, in the fleet's own time."""
    at = datetime.fromtimestamp(ground.problem.origin_utc_s + seconds, UTC).astimezone(ZoneInfo(ground.problem.timezone))
    return at.strftime("%H:%M")
