"""Work: what is to be done at one place, and everything it asks of whoever does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TaskId = str
VehicleId = str
Loads = tuple[int, ...]
"""Units of load, one number a dimension (parcels, grams, litres …); every load and capacity of a problem has as many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One piece of work at one place.

    Service *starts* inside one of `windows_s` (empty: any time); later has a price, later than `deadline_s` is forbidden. A
    delivery's goods are at the depot until a van that loads there takes them, or are already on board of `on_board`, or come from
    the pickup of the same `shipment`. A pickup's goods go to a depot, unless a delivery of the same `shipment` takes them.
    """

    task: TaskId
    place: int
    kind: Literal["delivery", "pickup"]
    load: Loads
    service_s: int
    parking_s: int = 0
    """On top of the service, unless the stop before was at the same place: looking for a space, walking to the door."""
    service_by_type: tuple[tuple[str, int], ...] = ()
    """(vehicle type, seconds) where a kind of vehicle serves faster or slower than `service_s`."""
    parking_by_type: tuple[tuple[str, int], ...] = ()
    """Likewise, where a kind of vehicle parks sooner or later than in `parking_s`."""
    windows_s: tuple[tuple[int, int], ...] = ()
    deadline_s: int | None = None
    """Service may never start later, whatever the price: a shop's closing time."""
    promise_s: tuple[int, int] | None = None
    """What the customer was told: not before, and every second after has a price."""
    release_s: int = 0
    left_out_cents: int = 100_000
    """Price of leaving the task out: how urgent it is."""
    reattempt_cents: int = 0
    """What is to be expected on top of serving it now: probability that nobody is there × price of coming again."""
    on_board: VehicleId | None = None
    may_be_held_by: VehicleId | None = None
    """A van that holds a published plan with this task, not yet superseded: only it may serve the task."""
    vans: frozenset[VehicleId] | None = None
    """Only these may serve it (a dispatcher's pin); None: any."""
    skills: frozenset[str] = frozenset()
    """A van needs all of them."""
    vehicle_types: frozenset[str] | None = None
    """Kinds of vehicle that may come here (weight, height, an access zone); None: any."""
    depot: str | None = None
    """Where a delivery's goods are, or a pickup's go to; None: any depot."""
    shipment: str | None = None
    """Pairs a pickup with the delivery of the same goods, on the same van, pickup first."""
    max_ride_s: int | None = None
    """Of a shipment's delivery: the longest from leaving the pickup to the start here."""
    territory: str | None = None

    def service_with(self, vehicle_type: str) -> int:
        """Seconds of service, parking not included, by a kind of vehicle."""
        return dict(self.service_by_type).get(vehicle_type, self.service_s)

    def parking_with(self, vehicle_type: str) -> int:
        """Seconds of parking, where it has to be done, by a kind of vehicle."""
        return dict(self.parking_by_type).get(vehicle_type, self.parking_s)

    def stay_with(self, vehicle_type: str | None) -> int:
        """Seconds of parking and service by a kind of vehicle; None: by the quickest."""
        if vehicle_type is not None:
            return self.parking_with(vehicle_type) + self.service_with(vehicle_type)
        kinds = {kind for kind, _ in (*self.parking_by_type, *self.service_by_type)}
        return min([self.parking_s + self.service_s, *(self.stay_with(kind) for kind in kinds)])


def over(peak: Loads, load: Loads, limit: Loads) -> bool:
    """Whether a load on top of what is on board is more than fits, in any dimension."""
    return any(on + new > fits for on, new, fits in zip(peak, load, limit, strict=True))
