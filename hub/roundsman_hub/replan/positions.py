"""A dispatcher's positions that no plan can keep any more. Pure.

A position fixes every stop up to it. What was possible when it was given may not be later: a stop took longer, the driver's shift ends,
goods came on board. Then the van is kept and the position goes, so that the planner may find the order a place, and people are told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from roundsman_hub.planning.problem import Problem
from roundsman_hub.planning.walk import Ground
from roundsman_hub.replan.world import World


def fitting(world: World, build: Callable[[World], Problem]) -> World:
    """The world without the positions that break a rule which the same van keeps without them; `loosened` names their orders."""
    placed = [order for order, hand in world.hands.items() if hand.position is not None and order in world.orders]
    if not placed:
        return world
    tight, loose = Ground(build(world)), Ground(build(_without(world, placed)))
    broken = {
        vehicle
        for vehicle, excess in tight.allowed.items()
        if not excess.within(loose.allowed[vehicle]) or len(tight.unavoidable[vehicle]) > len(loose.unavoidable[vehicle])
    }
    gone = [order for order in placed if world.hands[order].vehicle_id in broken]
    return replace(_without(world, gone), loosened={order: world.hands[order].vehicle_id or "" for order in gone}) if gone else world


def _without(world: World, orders: Iterable[str]) -> World:
    return replace(world, hands=world.hands | {order: replace(world.hands[order], position=None, before=()) for order in orders})
