"""Where in the van each parcel should lie: what comes off first is loaded last. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from roundsman_hub.planning.problem import is_task
from roundsman_wire.messages import RELOAD, Plan, PlanStop


@dataclass(frozen=True, slots=True)
class Lies:
    """Where a stop's goods lie in the van.

    load : which of the day's loads they belong to, from 1; each call at a depot begins another.
    number : 1 is at the door and comes off first, so loading begins with the highest; 0: nothing is unloaded there.
    """

    load: int
    number: int


def lies(steps: Sequence[tuple[str, str]]) -> tuple[Lies, ...]:
    """Number a round's goods: the one numbering of loading lists and of drivers' screens.

    Parameters
    ----------
    steps : sequence of tuple
        In driving order: the order or the planner's step, and its kind (`delivery`, `pickup`, `depot`). A charger is no depot, though
        a told plan calls both so. What has no barcode takes its room, too.
    """
    load, number, out = 1, 0, []
    for step, kind in steps:
        if step.startswith(RELOAD):
            load, number = load + 1, 0
        unloads = is_task(step) and kind == "delivery"
        number += unloads
        out.append(Lies(load, number if unloads else 0))
    return tuple(out)


def placed(stops: Sequence[PlanStop], before: Plan | None, *, gone: bool) -> tuple[PlanStop, ...]:
    """A plan's stops with a place for each parcel that is to be loaded.

    Parameters
    ----------
    stops : sequence of PlanStop
        In driving order. A place that its sender has given a parcel stays.
    before : Plan or None
        The van's newest plan until now.
    gone : bool
        It has left the depot: what is on board lies where it was put, however the order changes. Only what is loaded at a later
        call at a depot is placed anew.

    Returns
    -------
    tuple of PlanStop
        Places are the numbers of `lies`.
    """
    put = {item.parcel: item.place for stop in (before.stops if before else ()) for item in stop.items if item.place}
    known = put if gone else {}
    out = []
    for stop, lie in zip(stops, lies([(stop.stop, stop.kind) for stop in stops]), strict=True):
        usual = str(lie.number) if lie.load > 1 or not gone else ""
        if lie.number:
            stop = replace(stop, items=tuple(replace(item, place=item.place or known.get(item.parcel, usual)) for item in stop.items))
        out.append(stop)
    return tuple(out)
