"""Who decides: what of a depot's news is told at once, what waits for a dispatcher, and what one refused lately. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from roundsman_hub.replan.build import held_back
from roundsman_hub.replan.reasons import trigger_of
from roundsman_hub.replan.world import Reason, World

WAITS_FOR_APPROVAL: Final = "waits for a dispatcher's approval"
PLANNING_IS_OFF: Final = "planning is off: a dispatcher gives it to a van"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """How the planner answers a depot's news this time.

    how : `tell` the vans; `ask` a dispatcher; `hold`: only take note.
    whole : all of the depot's work is looked at; else only what is planned already, and what the news is about.
    without : work that stays where it is meanwhile.
    later : reasons that are looked at in a turn of their own, after this one.
    """

    how: Literal["tell", "ask", "hold"]
    whole: bool = True
    without: frozenset[str] = frozenset()
    later: tuple[Reason, ...] = ()


def turn(world: World, *, asked: Sequence[str] = (), named: frozenset[str] = frozenset()) -> Turn:
    """What this turn is for.

    Parameters
    ----------
    world : World
        With the reasons to plan now.
    asked : sequence of str
        Kinds of reasons that a search was made for: it comes after the plan that answered them.
    named : frozenset of order ids
        Orders that a dispatcher decided about.
    """
    if world.mode == "automatic":
        return Turn(how="tell")
    plain = [reason for reason in world.reasons if not trigger_of(reason.kind).choice]
    choices = tuple(reason for reason in world.reasons if trigger_of(reason.kind).choice)
    if named or plain:
        about = named | {reason.subject for reason in plain} | (frozenset(world.hands) & frozenset(world.orders))
        return Turn(how="tell", whole=False, without=held_back(world, frozenset(about)), later=choices)
    if world.mode == "ask":
        return Turn(how="ask")
    wanted = "asked" in asked or any(reason.kind == "asked" for reason in choices)
    return Turn(how="tell") if wanted else Turn(how="hold", whole=False)


def waits_for(world: World) -> str:
    """What is told of work that no van gets by itself now."""
    return WAITS_FOR_APPROVAL if world.mode == "ask" else PLANNING_IS_OFF


def unassigned_while(world: World) -> dict[str, str]:
    """What no van takes, while nothing is told: as it was, and what is new waits."""
    waiting = held_back(world, frozenset())
    return {order: world.unassigned.get(order, waits_for(world)) for order in world.orders if order in waiting}


def not_again(world: World, current: Mapping[str, Sequence[str]], routes: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Routes without a change that a dispatcher rejected, or took back, lately: the vans that it was about keep what they have.

    It is the same change if, of the orders that were in it, the same vans would serve the same in the same order.
    """
    out = {vehicle: tuple(route) for vehicle, route in routes.items()}
    for said in world.refused:
        about = {order for route in said.after.values() for order in route} & set(world.orders)

        def alike(plan: Mapping[str, Sequence[str]], about: set[str] = about, vans: Sequence[str] = tuple(said.after)) -> list[list[str]]:
            return [[order for order in plan.get(vehicle, ()) if order in about] for vehicle in vans]

        if about and alike(out) == alike(said.after) != alike(current):
            kept = {order for vehicle in said.after for order in current.get(vehicle, ())}
            out = {vehicle: tuple(order for order in route if order not in kept) for vehicle, route in out.items()}
            out |= {vehicle: tuple(current.get(vehicle, ())) for vehicle in said.after}
    return out


def asked_again(world: World, current: Mapping[str, Sequence[str]], routes: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """Work that no van has, and that routes give to a van as a proposal did that was rejected lately: it waits for a dispatcher's word."""
    planned = {order for route in current.values() for order in route}
    again: set[str] = set()
    for said in world.refused:
        about = {order for route in said.after.values() for order in route} & set(world.orders)
        alike = all([o for o in routes.get(van, ()) if o in about] == [o for o in route if o in about] for van, route in said.after.items())
        if alike:
            again |= about - planned
    return frozenset(again)


def distinct(reasons: Sequence[Reason]) -> tuple[Reason, ...]:
    """Each once, oldest first."""
    return tuple({(reason.kind, reason.subject, reason.text): reason for reason in reasons}.values())
