"""What is on board along a route: goods loaded at the depot, goods collected, goods that ride from one stop to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from roundsman_hub.planning.fleet import Van
from roundsman_hub.planning.lookups import Lookups
from roundsman_hub.planning.problem import RELOAD, Step
from roundsman_hub.planning.work import Loads, Task


@dataclass(slots=True, kw_only=True)
class Cargo:
    """loads : on board after the start (index 0) and after each step. peak : the most, dimension by dimension.
    ready_s : for the start and for each step, when what is loaded there is there: the van may not leave before. wrong : in words.
    """

    loads: list[Loads]
    peak: Loads
    ready_s: list[int]
    wrong: list[str]


def load_up(ground: Lookups, van: Van, route: Sequence[Step]) -> Cargo:
    """Follow the goods along a route."""
    vehicle = van.vehicle
    collected = van.carried or ground.nothing
    now = _plus(ground.sum_of(ground.on_board_of[vehicle]), collected)
    trips = _trips(route)
    goods, ready_s, wrong = _loaded(ground, van, trips[0], van.depot if van.at_depot else None, van.at_depot)
    now = peak = _plus(now, goods)
    loads, readies = [now], [ready_s]
    rides: set[str] = set()
    kept: list[Task] = []
    on_route = frozenset(route) if ground.delivery_of else frozenset[Step]()
    trip = 0
    for step in route:
        task, ready_s = ground.tasks.get(step), -(1 << 60)
        if task is None:
            if step.startswith(RELOAD):
                trip, depot = trip + 1, step[1:]
                stays = [other for other in kept if other.depot not in (None, depot)]
                now = _plus(_minus(now, collected), ground.sum_of(stays))
                collected, kept = ground.sum_of(stays), stays
                goods, ready_s, more = _loaded(ground, van, trips[trip], depot, True)
                now = _plus(now, goods)
                wrong += more
                if depot not in van.reloads:
                    wrong.append(f"{vehicle} may not load at {depot}")
        elif task.kind == "pickup":
            now = _plus(now, task.load)
            if task.shipment is None:
                collected = _plus(collected, task.load)
                kept.append(task)
            else:
                rides.add(task.shipment)
                if ground.delivery_of.get(task.shipment) not in on_route:
                    wrong.append(f"{vehicle} collects {step} and does not deliver it")
        else:
            now = _minus(now, task.load)
            if task.shipment is not None and task.on_board is None:
                if task.shipment not in rides:
                    wrong.append(f"goods of {step} are not on board when {vehicle} comes")
                    now = _plus(now, task.load)
                rides.discard(task.shipment)
        loads.append(now)
        readies.append(ready_s)
        peak = tuple(map(max, peak, now))
    wrong += [f"{task.task} goes to {task.depot}, where {vehicle} does not end" for task in kept if task.depot not in (None, van.end_depot)]
    return Cargo(loads=loads, peak=peak, ready_s=readies, wrong=wrong)


def _trips(route: Sequence[Step]) -> list[list[Step]]:
    trips: list[list[Step]] = [[]]
    for step in route:
        if step.startswith(RELOAD):
            trips.append([])
        else:
            trips[-1].append(step)
    return trips


def _loaded(ground: Lookups, van: Van, trip: Sequence[Step], depot: str | None, may: bool) -> tuple[Loads, int, list[str]]:
    """(what a trip loads before it begins, when all of it is there, what is wrong with it)."""
    goods = [task for step in trip if (task := ground.tasks.get(step)) is not None and ground.from_depot(task)]
    if not goods:
        return ground.nothing, -(1 << 60), []
    if not may:
        wrong = [f"goods of {task.task} are at the depot, which {van.vehicle} has left" for task in goods]
    else:
        wrong = [
            f"goods of {task.task} are at {task.depot}, not where {van.vehicle} loads" for task in goods if task.depot not in (None, depot)
        ]
    return ground.sum_of(goods), max(task.release_s for task in goods), wrong


def _plus(a: Loads, b: Loads) -> Loads:
    return tuple(map(int.__add__, a, b))


def _minus(a: Loads, b: Loads) -> Loads:
    return tuple(map(int.__sub__, a, b))
