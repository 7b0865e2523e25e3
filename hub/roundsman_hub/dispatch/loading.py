"""Where in the van each parcel should lie: what comes off first is loaded last. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from roundsman_wire.messages import Plan, PlanStop


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
        Places are numbers: 1 lies at the door and comes off first, so loading begins with the highest. They begin again with each load.
    """
    lies = {item.parcel: item.place for stop in (before.stops if before else ()) for item in stop.items if item.place}
    loads_here, number, out = not gone, 0, []
    for stop in stops:
        if stop.kind == "depot":
            loads_here, number = True, 0
        elif stop.kind == "delivery" and stop.items:
            number += 1
            usual = str(number) if loads_here else ""
            known = lies if gone else {}
            items = tuple(replace(item, place=item.place or known.get(item.parcel, usual)) for item in stop.items)
            stop = replace(stop, items=items)
        out.append(stop)
    return tuple(out)
