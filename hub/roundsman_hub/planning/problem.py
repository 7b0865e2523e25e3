"""Problem and plan: immutable integers. Seconds are counted from the problem's `origin_utc_s`; money in cents; metres; units of load.

A problem holds the work that *remains*: where each van will be when the plan lands, what is on board, and what is frozen. What a
van is and may do is in `fleet`; what a piece of work is and asks for, in `work`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from roundsman_hub.planning.fleet import Begun, Break, Charger, Depot, Energy, Hours, Van
from roundsman_hub.planning.work import Loads, Task, TaskId, VehicleId

__all__ = [
    "Begun",
    "Break",
    "Charger",
    "Depot",
    "Energy",
    "Hours",
    "Loads",
    "Plan",
    "PlannedBreak",
    "PlannedVisit",
    "Problem",
    "Profile",
    "Relation",
    "Step",
    "Task",
    "TaskId",
    "Van",
    "VehicleId",
    "Verdict",
]

Step = str
"""What a route is made of: a task's id; `@DEPOT`, a visit to a depot to unload what was collected and to load the next trip's
goods; or `+CHARGER`, a stop to charge."""
RELOAD: Final = "@"
CHARGE: Final = "+"


def _frozen(table: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """The same numbers, which nobody can change through it."""
    view = table.view()
    view.flags.writeable = False
    return view


def is_task(step: Step) -> bool:
    """Whether a step of a route is work; else it is a visit to a depot or to a charger."""
    return not step.startswith((RELOAD, CHARGE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Travel times of one kind of vehicle, by time of departure.

    durations_s : int32 array, shape (bands, n, n) — seconds from row's place to column's; not symmetric; -1 where there is no way.
    distances_m : int32 array, shape (n, n) — metres, likewise.
    band_starts_s : int, per band
        When each band begins, ascending, in seconds from the problem's origin; the first also holds before it, the last for ever.

    A leg that crosses a band's border finishes its remaining *fraction* at the next band's pace, so who departs earlier never
    arrives later (Ichoua, Gendreau and Potvin 2003).
    """

    durations_s: npt.NDArray[np.int32]
    distances_m: npt.NDArray[np.int32]
    band_starts_s: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        for name in ("durations_s", "distances_m"):
            object.__setattr__(self, name, _frozen(getattr(self, name)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """What holds between tasks wherever they are planned; a task that is left out breaks none.

    `same_van`: one van serves all of them. `different_vans`: no two of them share a van. `in_order`: on one route, in this order.
    """

    kind: Literal["same_van", "different_vans", "in_order"]
    tasks: tuple[TaskId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is to be planned.

    durations_s : int32 array, shape (n, n) — seconds from row's place to column's; not symmetric; -1 where there is no way.
    distances_m : int32 array, shape (n, n) — metres, likewise.
    profiles : by name
        Travel times of the vans that name one; others use `durations_s`.
    """

    origin_utc_s: int
    tasks: tuple[Task, ...]
    vans: tuple[Van, ...]
    durations_s: npt.NDArray[np.int32]
    distances_m: npt.NDArray[np.int32]
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    depots: tuple[Depot, ...] = ()
    chargers: tuple[Charger, ...] = ()
    relations: tuple[Relation, ...] = ()
    lateness_cents_per_min: int = 200
    """Price of service that begins after the last window, however much the customer is promised."""
    promise_cents_per_min: int = 200
    """Price of service that begins after what the customer was told, on top."""
    max_wait_s: int | None = None
    """The longest that a van may wait before a stop's window opens."""
    fair_cents_per_hour: int = 0
    """Price of each hour that a driver who works at all works more than the average of those who do."""
    current: dict[VehicleId, tuple[Step, ...]] = field(default_factory=dict)
    """The plan that the vans hold now; changing it has a price (churn)."""
    churn_cents: int = 150
    """Price of each task among a driver's next three that moves to another van or place in the order."""
    timezone: str = "UTC"
    """IANA name; used only for the times of day in reasons that people read."""
    distance_scale: int = 1
    """How many of its metres are one unit of what it was read from; 1 for real streets."""

    def __post_init__(self) -> None:
        for name in ("durations_s", "distances_m"):
            object.__setattr__(self, name, _frozen(getattr(self, name)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Routes: the order of steps for each van; and what no van takes, each with a reason a person can read."""

    routes: dict[VehicleId, tuple[Step, ...]]
    unassigned: dict[TaskId, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedVisit:
    """One step of an evaluated route, in seconds from the problem's origin.

    `task` is the step: a task, a depot or a charger. `wait_s`: from the arrival to the start, without breaks. `service_s`: what the
    stop takes, parking included. `lateness_s`: past its last window; `promise_late_s`: past what was promised.
    """

    task: Step
    leg_s: int
    leg_m: int
    arrival_s: int
    wait_s: int
    start_s: int
    service_s: int
    departure_s: int
    lateness_s: int
    load_after: Loads
    promise_late_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedBreak:
    """A pause of the driver's: it begins at `start_s`, after `after` of the route's steps are done."""

    start_s: int
    duration_s: int
    after: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the judge says of a plan. A plan with `violations` is not to be used.

    `parts_cents` says what `cost_cents` is made of: fixed, wage, overtime, distance, fuel, waiting, idling, lateness, promises, territory,
    re-attempts, left out, fair, churn; they are rounded one by one.
    """

    cost_cents: int
    routes: dict[VehicleId, tuple[PlannedVisit, ...]]
    back_s: dict[VehicleId, int]
    distance_m: int
    duration_s: int
    lateness_s: int
    unassigned_cents: int
    churn_cents: int
    violations: tuple[str, ...]
    breaks: dict[VehicleId, tuple[PlannedBreak, ...]] = field(default_factory=dict)
    parts_cents: dict[str, int] = field(default_factory=dict)
