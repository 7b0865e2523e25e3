"""The fleet: what a van and its driver are, may do and cost, for the rest of the shift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from roundsman_hub.planning.work import Loads, TaskId, VehicleId


@dataclass(frozen=True, slots=True, kw_only=True)
class Depot:
    """Where goods are loaded and unloaded in the middle of a shift. `reload_s`: how long a van stands there for it."""

    depot: str
    place: int
    reload_s: int = 600
    windows_s: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Charger:
    """A place where an electric van is charged to its full range, in `charge_s`."""

    charger: str
    place: int
    charge_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """A pause that a schedule asks for: it *starts* inside the window, wherever the van stands then, and never during a service.

    A driver who is done before `latest_s` needs none.
    """

    duration_s: int
    earliest_s: int
    latest_s: int
    reason: str = "break"
    gaps_s: tuple[tuple[int, int], ...] = ()
    """(last moment before, first after), ascending, inside the window: between them it may not begin. So a break has several windows."""

    @property
    def windows_s(self) -> tuple[tuple[int, int], ...]:
        """When it may begin, both ends included."""
        opens = (self.earliest_s, *(until for _, until in self.gaps_s))
        closes = (*(since for since, _ in self.gaps_s), self.latest_s)
        return tuple(zip(opens, closes, strict=True))

    def begins_s(self, clock_s: int) -> int | None:
        """When it can begin at the soonest, for a driver who could pause from `clock_s` on; None: not any more."""
        if clock_s > self.latest_s:
            return None
        start_s = max(clock_s, self.earliest_s)
        return next((until for since, until in self.gaps_s if since < start_s < until), start_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """A driver's clocks under a rule set, as what is left of them at planning time.

    `eu_561`: at most 4.5 h of driving between breaks of 45 min, which may be taken as 15 and then 30 (Regulation (EC) 561/2006,
    art. 7). `us_395`: at most 8 h of driving without 30 min in which the driver does not drive, whatever else is done then
    (49 CFR 395.3). `to_break_s`: driving left before such a break; `driving_s`: driving left today; `duty_s`: time left until the
    driver may drive no more. Advisory: a plan that keeps them is no proof of having kept the law.
    """

    rule: Literal["eu_561", "us_395"]
    to_break_s: int
    driving_s: int
    duty_s: int
    rested_15: bool = False
    """EU: the first 15 min of a split break have been taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """How far an electric van comes: what is left at the start, and what a full charge gives."""

    range_m: int
    full_m: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A load or a charge that a van stands at already (`step`, as routes name it), and how much of it is left."""

    step: str
    left_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Van:
    """A vehicle and its driver for the rest of the shift."""

    vehicle: VehicleId
    start_place: int
    end_place: int | None
    """None: the shift ends at the last stop."""
    start_s: int
    """When it can leave `start_place`: now, or when the stop in progress will be done, or the shift's start."""
    shift_end_s: int
    capacity: Loads
    at_depot: bool
    """Still at the depot, able to load deliveries."""
    frozen: tuple[TaskId, ...] = ()
    """Tasks that must be served first, in this order: the stop in progress or being driven to."""
    carried: Loads = ()
    """Load on board that no remaining task takes off: collected pickups, failed deliveries. Empty: nothing."""
    reachable: bool = True
    """False: nobody knows when it would hear of a new task, so it gets none beside those it has."""
    type: str = "van"
    profile: str = ""
    """Name of its travel times in the problem; "": the problem's own."""
    skills: frozenset[str] = frozenset()
    depot: str | None = None
    """The depot that it starts at; None: the only one there is."""
    end_depot: str | None = None
    """The depot where its pickups end; None: the only one there is."""
    reloads: frozenset[str] = frozenset()
    """Depots where it may load again during the shift."""
    breaks: tuple[Break, ...] = ()
    """In the order in which they are taken."""
    hours: Hours | None = None
    energy: Energy | None = None
    begun: Begun | None = None
    """What it stands at: a route that begins with that step waits for the rest of it alone; any other leaves it, and begins it anew."""
    overtime_s: int = 0
    """How long after the shift's end it may be back, at a price."""
    max_tasks: int | None = None
    max_distance_m: int | None = None
    fixed_cents: int = 5_000
    again_cents: int | None = None
    """What it costs to set out once more, of a van that came home with nothing left: its driver is paid from the first setting out to the
    last return. None: it has not set out, or is on its round."""
    cents_per_hour: int = 3_000
    overtime_cents_per_hour: int = 0
    """On top of the wage."""
    waiting_cents_per_hour: int = 0
    """On top of the wage."""
    cents_per_km: int = 40
    fuel_cents_per_km_per_1000: int = 0
    """Fuel or energy on top of `cents_per_km`, for each 1,000 units of load (first dimension) that are driven along."""
    idling_cents_per_hour: int = 0
    """Engine or cooling that runs while the van stands."""
    familiar: tuple[tuple[str, int], ...] = ()
    """(territory, cents): what a stop there costs more with this driver, who does not know it; territories not named cost nothing."""

    @property
    def rests(self) -> bool:
        """It stands where its round ends, and drives only if there is something for it."""
        return self.at_depot or self.again_cents is not None

    @property
    def setting_out_cents(self) -> int:
        """What it costs to use it at all, where that is still to be decided."""
        return self.fixed_cents if self.at_depot else self.again_cents or 0
