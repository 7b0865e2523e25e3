"""Why a task has no van: one sentence that a dispatcher can act on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from roundsman_hub.planning.fleet import Van
from roundsman_hub.planning.lookups import UNITS_PER_CENT, begin
from roundsman_hub.planning.problem import Step
from roundsman_hub.planning.rides import job_of, place_of
from roundsman_hub.planning.row import Row
from roundsman_hub.planning.walk import Ground
from roundsman_hub.planning.work import Task, VehicleId

HELD: Final = "a van holds it in its plan and has not yet confirmed a plan without it"
"""As when its van is out: free for others once that van has heard of it."""

NOT_YET: Final = "no place was found for it at once: the search goes on looking"
"""Not looked for everywhere (see `effort`); a search begins with what is left."""

RELATED: Final = 1 << 62
"""Units that stand for a place which its relations forbid."""


def reason_unassigned(ground: Ground, routes: Mapping[VehicleId, Sequence[Step]], task: Task, vans: Sequence[Van] | None = None) -> str:
    """The most telling reason why nobody serves the task, from what can never be helped to what other work takes.

    Parameters
    ----------
    ground : Ground
        The problem.
    routes : mapping of VehicleId to sequence of TaskId
        The plan that leaves the task out.
    task : Task
        What is left out.
    vans : sequence of Van, optional
        Why none of these takes it; by default all there are.
    """
    vans = ground.problem.vans if vans is None else vans
    if not vans:
        return "no van has a shift"
    for dimension, units in enumerate(task.load):
        largest = max(van.capacity[dimension] for van in vans)
        if units > largest:
            return f"larger than every van ({units} > {largest})"
    able = [van for van in vans if ground.refusal(van, task) is None]
    if not able:
        return _nobody_may(ground, task)
    reached = [(van, arrival) for van in able if (arrival := _earliest(ground, van, task)) is not None]
    if not reached:
        return "no road reaches this address"
    earliest = min(begin(ground.stops[van.type][task.task], arrival)[0] for van, arrival in reached)
    closes = max((closes for _, closes in task.windows_s), default=None)
    if closes is not None and earliest > closes:
        return f"no van can be there before {_clock(ground, closes)} (earliest {_clock(ground, earliest)})"
    if task.deadline_s is not None and earliest > task.deadline_s:
        return f"no van can be there before {_clock(ground, task.deadline_s)} (earliest {_clock(ground, earliest)})"
    home = [(_home(ground, van, task, arrival), van) for van, arrival in reached]
    if all(back > ground.home_s[van.vehicle] for back, van in home):
        back, van = min(home, key=lambda pair: pair[0] - ground.home_s[pair[1].vehicle])
        return f"no shift is long enough (back {_clock(ground, back)}, shift ends {_clock(ground, van.shift_end_s)})"
    short = [(needs_m, van.energy.range_m) for van, _ in reached if van.energy is not None and (needs_m := _beyond_m(ground, van, task))]
    if len(short) == len(reached):
        needs_m, left_m = min(short, key=lambda pair: pair[0] - pair[1])
        return f"no battery reaches it (needs {needs_m / 1000:.1f} km, {left_m / 1000:.1f} km left)"
    if ground.effort.hasty:
        return NOT_YET
    rows = [Row(ground, van, routes.get(van.vehicle, ())) for van in able]
    if (price := _cheapest(ground, routes, rows, task)) is not None:
        if price == RELATED:
            return f"orders that {task.task} must go with, or may not go with, decide otherwise"
        worth = sum(one.left_out_cents for one in job_of(ground, task))
        if price >= worth * UNITS_PER_CENT:
            return f"serving it would cost more than leaving it out ({price / UNITS_PER_CENT / 100:.2f} > {worth / 100:.2f})"
    elif _only_room_lacks(rows, task):
        return f"vans that have the time are full (needs room for {' / '.join(map(str, task.load))})"
    if closes is not None:
        return f"no van is free before {_clock(ground, closes)}: other work fills every route until then"
    return "no van is free: other work fills every route"


def _nobody_may(ground: Ground, task: Task) -> str:
    if task.may_be_held_by is not None:
        return HELD
    if task.on_board is not None and task.on_board not in ground.vans:
        return "goods are on board of a van that is not on a shift"
    if task.on_board is not None:
        return "goods are on board of a van that may not bring them here"
    vans = ground.problem.vans
    if task.vans is not None and not any(van.vehicle in task.vans for van in vans):
        if not task.vans:
            return "it is forbidden to every van"
        return "pinned to a van that is not on a shift" if len(task.vans) == 1 else "none of the vans that may have it is on a shift"
    for skill in sorted(task.skills):
        if not any(skill in van.skills for van in vans):
            return f"no van has the skill {skill}"
    if not any(task.skills <= van.skills for van in vans):
        return f"no van has all its skills ({', '.join(sorted(task.skills))})"
    if task.vehicle_types is not None and not any(van.type in task.vehicle_types for van in vans):
        return f"only a {' or '.join(sorted(task.vehicle_types))} may come here"
    if task.depot is not None and not any(task.depot in (van.depot, van.end_depot, *van.reloads) for van in vans):
        return f"no van comes to depot {task.depot}"
    if ground.from_depot(task):
        return "goods are at the depot and every van has left"
    if any(not van.reachable for van in vans):
        return "every van that could take it is offline"
    return "no van may take it"


def _earliest(ground: Ground, van: Van, task: Task) -> int | None:
    """When the van would arrive if it drove there straight after what is frozen; None without a road there and home."""
    travel = ground.travel[van.profile]
    frozen = [t for t in van.frozen if t in ground.tasks]
    walk = ground.walk(van, frozen)
    place = _from(ground, van)
    free_s = walk.visits[-1].departure_s if walk.visits else walk.leave_s
    if ground.from_depot(task):
        free_s = max(free_s, task.release_s)
    leg_s = travel.leg_s(place, task.place, free_s)
    home_s = 0 if van.end_place is None else travel.fastest_s(task.place, van.end_place)
    return None if leg_s < 0 or home_s < 0 else free_s + leg_s


def _from(ground: Ground, van: Van) -> int:
    """Where it is free to go elsewhere."""
    frozen = [task for task in van.frozen if task in ground.tasks]
    return ground.tasks[frozen[-1]].place if frozen else van.start_place


def _beyond_m(ground: Ground, van: Van, task: Task) -> int | None:
    """Metres there and home, where that alone is further than the battery reaches; None where it is not, or could be charged for."""
    if van.energy is None or ground.problem.chargers:
        return None
    metres = ground.travel[van.profile].distances_m
    home_m = 0 if van.end_place is None else metres[task.place][van.end_place]
    there_m = metres[_from(ground, van)][task.place]
    return there_m + home_m if there_m + home_m > van.energy.range_m else None


def _home(ground: Ground, van: Van, task: Task, arrival_s: int) -> int:
    stop = ground.stops[van.type][task.task]
    done_s = begin(stop, arrival_s)[0] + stop.service_s + stop.parking_s
    return done_s + (0 if van.end_place is None else ground.travel[van.profile].leg_s(task.place, van.end_place, done_s))


def promised_early(task: Task) -> bool:
    """Whether its customer was told an earlier end than its windows have: past that it may be served, at a price."""
    return task.promise_s is not None and task.promise_s[1] < max((closes for _, closes in task.windows_s), default=1 << 60)


def _cheapest(ground: Ground, routes: Mapping[VehicleId, Sequence[Step]], rows: Sequence[Row], task: Task) -> int | None:
    """What serving it would cost at least, in units, with nothing else later. `RELATED`: only where its relations forbid it."""
    job = job_of(ground, task)
    where = {step: vehicle for vehicle, route in routes.items() for step in route}
    costs = [
        RELATED if any(ground.unrelated(one.task, row.van.vehicle, where) for one in job) else place.units
        for row in rows
        if (place := place_of(row, job, late_allowed=False)) is not None
    ]
    if not costs and any(map(promised_early, job)):
        closing = ground.closing({one.task for one in job})
        late = [Row(closing, row.van, row.route) for row in rows]
        costs = [place.units for row in late if (place := place_of(row, job, late_allowed=True)) is not None]
    return min((units for units in costs if units != RELATED), default=RELATED) if costs else None


def _only_room_lacks(rows: Sequence[Row], task: Task) -> bool:
    return any(row.best(task, loads_matter=False) for row in rows)


def _clock(ground: Ground, seconds: int) -> str:
    """Time of day, rounded to the minute, in the fleet's own time; with its date where that is not the day of the plan."""
    zone, origin = ZoneInfo(ground.problem.timezone), ground.problem.origin_utc_s
    at, today = (datetime.fromtimestamp(instant, UTC).astimezone(zone) for instant in (origin + seconds, origin))
    return at.strftime("%H:%M" if at.date() == today.date() else "%Y-%m-%d %H:%M")
