"""The dispatcher's hand on a problem: pins, positions, locks and what is forbidden, as limits that every later plan keeps. Pure.

A decision never breaks a promise of the log's: goods on board stay where they are, the stop in progress stays, and an order that a
van without network may hold waits for that van. A position is kept as "after these stops": what is done falls away from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from roundsman_hub.planning.problem import Task
from roundsman_hub.replan.world import Hand, VanFacts, World


def allowed(world: World, order_id: str) -> frozenset[str] | None:
    """Vehicles that the dispatcher leaves for an order; None: nothing was decided."""
    hand = world.hands.get(order_id)
    if hand is None or (hand.vehicle_id is None and not hand.forbid):
        return None
    vans = frozenset(world.vans) if hand.vehicle_id is None else frozenset({hand.vehicle_id})
    return vans - hand.forbid


def may_have(world: World, order_id: str, vehicle: str, *, holder: str | None, on_board: str | None) -> bool:
    """Whether an order may be in a van's route: the dispatcher leaves it that van, or what was decided cannot reach it there: its goods are
    in that van, or only that van may hold it and cannot be asked to let go."""
    vans = allowed(world, order_id)
    return vans is None or vehicle in vans or on_board == vehicle or (holder == vehicle and not world.vans[vehicle].online)


def limited(task: Task, world: World, *, holder: str | None, frozen_by: str | None) -> Task:
    """The task with the dispatcher's limits.

    Parameters
    ----------
    task : Task
        As its order asks.
    holder : str or None
        The van that may hold it.
    frozen_by : str or None
        The van whose stop in progress, or next stop, it is: nothing changes about it.
    """
    vans = allowed(world, task.task)
    if vans is None or frozen_by is not None or (task.on_board is not None and task.on_board not in vans):
        return task
    if holder is not None and holder not in vans:
        if not world.vans[holder].online:
            return task  # it cannot be asked to let go
        task = replace(task, may_be_held_by=None)
    return replace(task, vans=vans if task.vans is None else task.vans & vans)


def placed(route: Sequence[str], hands: Mapping[str, Hand], vehicle: str) -> tuple[tuple[str, ...], int]:
    """A van's route with the orders that have a position in it, and how many of its first stops are thereby fixed.

    Parameters
    ----------
    route : sequence of order ids
        What is left of the van's plan, in driving order.
    hands : mapping
        By order, in the order in which they are to be kept: those of this vehicle that have a position.
    """
    out = list(route)
    fixed = 0
    for order, hand in sorted(hands.items(), key=lambda item: (item[1].at, item[0])):
        if hand.vehicle_id != vehicle or hand.position is None:
            continue
        out = [stop for stop in out if stop != order]
        at = 1 + max((out.index(stop) for stop in hand.before if stop in out), default=-1)
        out.insert(at, order)
        fixed = max(fixed, at + 1)
    return tuple(out), fixed


def fixed_stops(world: World, van: VanFacts, route: Sequence[str], first: Sequence[str], possible: frozenset[str]) -> tuple[str, ...]:
    """The first stops of a van that no plan may change: those of the log's (`first`), of a locked route, and up to the last position.

    Parameters
    ----------
    route : sequence of order ids
        What is left of its plan.
    first : sequence of order ids
        The stop in progress, or being driven to.
    possible : frozenset of order ids
        What this van could serve: known, held by no other, its goods on board or to be had.
    """
    hands = {order: hand for order, hand in world.hands.items() if order in possible and order not in first}
    free = [stop for stop in route if stop not in first and stop in possible]
    wanted, fixed = placed([*first, *free], hands, van.vehicle_id)
    kept = wanted if van.locked else wanted[: max(fixed, len(first))]
    # A position before the stop being driven to is the next one after it.
    return (*first, *(stop for stop in kept if stop not in first))
