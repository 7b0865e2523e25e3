"""Each van's newest plan as the page gets it: read, drawn and encoded once a version and order, since a plan never changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from roundsman_core.geo import LatLon
from roundsman_hub.live import documents
from roundsman_hub.store.rows import Row

DrawRoute = Callable[[list[LatLon], str], list[list[float]]]
"""The way through places, as vehicles of a fleet drive it."""
Wanted = Mapping[str, tuple[int, tuple[str, ...]]]
"""Vehicle → version of its plan, and its tasks in the order in which they are driven."""


class DrawnPlans:
    """The newest plan of each vehicle as JSON. Shared by the stream and whoever asks: what two threads draw at once is the same.

    Kept as bytes: a drawn plan is some 7 kB of them, and twenty times that as objects.
    """

    def __init__(self, draw_route: DrawRoute) -> None:
        self._draw = draw_route
        self._kept: dict[str, tuple[tuple[int, tuple[str, ...]], bytes]] = {}

    def unread(self, wanted: Wanted) -> dict[str, int]:
        """Those that have to be read (`store.live.plans`) before they can be drawn: vehicle → version."""
        return {vehicle: key[0] for vehicle, key in wanted.items() if self._of(vehicle, key) is None}

    def drawn(self, wanted: Wanted, read: Iterable[Row]) -> dict[str, bytes]:
        """The documents by vehicle. `read`: the rows of those that were unread."""
        found = {vehicle: data for vehicle, key in wanted.items() if (data := self._of(vehicle, key)) is not None}
        for r in read:
            key = wanted[r["vehicle_id"]]
            row = as_driven(r, key[1])
            found[r["vehicle_id"]] = data = msgspec.json.encode(documents.plan(row, self._draw(places_of(row["plan"]), r["fleet_id"])))
            self._kept[r["vehicle_id"]] = key, data
        return found

    def _of(self, vehicle: str, key: tuple[int, tuple[str, ...]]) -> bytes | None:
        kept = self._kept.get(vehicle)
        return kept[1] if kept is not None and kept[0] == key else None


def as_driven(r: Row, tasks: Iterable[str]) -> Row:
    """A plan's row with its stops in the order in which their tasks are driven, and whether that is another than the planner's."""
    places = {task: place for place, task in enumerate(tasks)}
    planned = r["plan"]["stops"]
    last = 0
    order = {}
    for stop in planned:  # what is no task's stays behind the stop before it
        last = order[stop["stop"]] = min((places[task] for task in stop.get("tasks", ()) if task in places), default=last)
    driven = sorted(planned, key=lambda stop: order[stop["stop"]])
    return r | {"plan": r["plan"] | {"stops": driven}, "own_order": driven != planned}


def places_of(plan: dict[str, Any]) -> list[LatLon]:
    """Depot (where known) and stops of a wire plan, in driving order."""
    depot = [] if plan.get("depot_lat_e6") is None else [LatLon.from_e6(plan["depot_lat_e6"], plan["depot_lon_e6"])]
    return [*depot, *(LatLon.from_e6(stop["lat_e6"], stop["lon_e6"]) for stop in plan["stops"])]
