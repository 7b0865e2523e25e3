"""Problem and plan: immutable integers. Seconds are counted from the problem's `origin_utc_s`; money in cents; metres; units of load.

A problem holds the work that *remains*: where each van will be when the plan lands, what is on board, and what is frozen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

TaskId = str
VehicleId = str


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One piece of work at one place.

    Service *starts* inside one of `windows_s` (empty: any time). A delivery's goods are at the depot until a van that
    starts there takes them, or are already on board of `on_board`; a pickup's goods go to the depot at the route's end.
    """

    task: TaskId
    place: int
    kind: Literal["delivery", "pickup"]
    load: int
    service_s: int
    windows_s: tuple[tuple[int, int], ...] = ()
    release_s: int = 0
    left_out_cents: int = 100_000
    """Price of leaving the task out: how urgent it is."""
    on_board: VehicleId | None = None
    may_be_held_by: VehicleId | None = None
    """A van that holds a published plan with this task, not yet superseded: only it may serve the task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Van:
    """A vehicle and its driver for the rest of the shift."""

    vehicle: VehicleId
    start_place: int
    end_place: int
    start_s: int
    """When it can leave `start_place`: now, or when the stop in progress will be done, or the shift's start."""
    shift_end_s: int
    capacity: int
    at_depot: bool
    """Still at the depot, able to load deliveries."""
    frozen: tuple[TaskId, ...] = ()
    """Tasks that must be served first, in this order: the stop in progress or being driven to."""
    carried: int = 0
    """Load on board that no remaining task takes off: collected pickups, failed deliveries."""
    reachable: bool = True
    """False: nobody knows when it would hear of a new task, so it gets none beside those it has."""
    fixed_cents: int = 5_000
    cents_per_hour: int = 3_000
    cents_per_km: int = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is to be planned.

    durations_s : int32 array, shape (n, n) — seconds from row's place to column's; not symmetric; -1 where there is no way.
    distances_m : int32 array, shape (n, n) — metres, likewise.
    """

    origin_utc_s: int
    tasks: tuple[Task, ...]
    vans: tuple[Van, ...]
    durations_s: npt.NDArray[np.int32]
    distances_m: npt.NDArray[np.int32]
    lateness_cents_per_min: int = 200
    current: dict[VehicleId, tuple[TaskId, ...]] = field(default_factory=dict)
    """The plan that the vans hold now; changing it has a price (churn)."""
    churn_cents: int = 150
    """Price of each task among a driver's next three that moves to another van or place in the order."""
    timezone: str = "UTC"
    """IANA name; used only for the times of day in reasons that people read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Routes: the order of tasks for each van; and what no van takes, each with a reason a person can read."""

    routes: dict[VehicleId, tuple[TaskId, ...]]
    unassigned: dict[TaskId, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedVisit:
    """One visit of an evaluated route, in seconds from the problem's origin."""

    task: TaskId
    leg_s: int
    leg_m: int
    arrival_s: int
    wait_s: int
    start_s: int
    departure_s: int
    lateness_s: int
    load_after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the judge says of a plan. A plan with `violations` is not to be used."""

    cost_cents: int
    routes: dict[VehicleId, tuple[PlannedVisit, ...]]
    back_s: dict[VehicleId, int]
    distance_m: int
    duration_s: int
    lateness_s: int
    unassigned_cents: int
    churn_cents: int
    violations: tuple[str, ...]
