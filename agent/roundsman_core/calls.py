"""Calls at depots and chargers on the way: which of a plan's are still to be made. Pure; van and hub read a plan alike by it.

A plan does not number its calls. A load is known by its goods, a charge by the work around it: so a plan that was made before its planner
heard of a call reads the same as one that was made after.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final

from msgspec.structs import replace

from roundsman_wire.messages import CHARGE, RELOAD, Plan, PlanStop

AGAIN: Final = re.compile(r"~\d+$")
"""What `distinct` puts behind a name."""


def is_call(stop: PlanStop) -> bool:
    """Is it a call at a depot or charger on the way, and no customer's stop?"""
    return stop.kind == "depot" and stop.stop.startswith((RELOAD, CHARGE))


def distinct(plan: Plan) -> Plan:
    """The same plan, in which each call has a name of its own: a second one at the same place is `NAME~2`. Customers' stops keep theirs."""
    seen: dict[str, int] = {}
    stops = []
    for stop in plan.stops:
        if is_call(stop):
            seen[stop.stop] = number = seen.get(stop.stop, 0) + 1
            stop = stop if number == 1 else replace(stop, stop=f"{stop.stop}~{number}")
        stops.append(stop)
    return plan if max(seen.values(), default=1) == 1 else replace(plan, stops=tuple(stops))


def place_of(stop: str) -> str:
    """A call's name as the hub has it, whichever of several it is."""
    return AGAIN.sub("", stop) if stop.startswith((RELOAD, CHARGE)) else stop


def load_at(stops: Sequence[PlanStop], at: int) -> tuple[PlanStop, ...]:
    """The deliveries that a call at a depot (the stop at this index) loads: those behind it, up to the next such call."""
    out = []
    for stop in stops[at + 1 :]:
        if is_call(stop) and stop.stop.startswith(RELOAD):
            break
        if stop.kind == "delivery":
            out.append(stop)
    return tuple(out)


def still_to_make(
    stops: Sequence[PlanStop],
    *,
    done: Collection[str],
    handed_over: Collection[str],
    loaded: frozenset[str],
    just_made: Collection[str],
) -> frozenset[str]:
    """Names of the calls that are still to be made.

    Parameters
    ----------
    stops : sequence of PlanStop
        Of a plan, in driving order, those that are done included.
    done, handed_over : of str
        Stops that are done; those of them at which something was handed over.
    loaded : of str
        Tasks whose goods were loaded at a call (`DepotCall.tasks`).
    just_made : of str
        Places of calls (`place_of`) made since the newest stop that was done.

    Returns
    -------
    frozenset of str
        A load is over when all its goods were loaded, or are done, or one was handed over: then they were on board, whatever was said. A
        call without goods is over when something behind it is done, or when it was just made and nothing is left in front of it.
    """
    out = set()
    work_in_front = False
    for at, stop in enumerate(stops):
        if not is_call(stop):
            work_in_front = work_in_front or stop.stop not in done
            continue
        load = load_at(stops, at) if stop.stop.startswith(RELOAD) else ()
        if load:
            over = any(one.stop in handed_over for one in load) or all(one.stop in done or loaded >= set(one.tasks) for one in load)
        else:
            passed = any(other.stop in done for other in stops[at + 1 :] if not is_call(other))
            over = passed or (place_of(stop.stop) in just_made and not work_in_front)
        if not over:
            out.add(stop.stop)
    return frozenset(out)
