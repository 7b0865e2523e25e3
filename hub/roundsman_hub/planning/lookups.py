"""A problem's look-ups, made once, for everything that is asked of it a million times.

Money is counted in whole *units* of 1/18,000 cent: a metre at cents per km, a second at cents per hour and a second at
cents per minute are then all whole numbers, so that sums are exact and engines can be given the very same prices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple

from roundsman_hub.planning.fleet import Van
from roundsman_hub.planning.problem import CHARGE, RELOAD, Problem, Relation, Step
from roundsman_hub.planning.travel import Travel, travels
from roundsman_hub.planning.work import Loads, Task, TaskId, VehicleId

UNITS_PER_CENT: Final = 18_000
UNITS_PER_METRE: Final = UNITS_PER_CENT // 1_000
"""times `cents_per_km`"""
UNITS_PER_SECOND: Final = UNITS_PER_CENT // 3_600
"""times `cents_per_hour`"""
UNITS_PER_LATE_SECOND: Final = UNITS_PER_CENT // 60
"""times `lateness_cents_per_min`"""
NEXT_STOPS: Final = 3
"""How many stops ahead a driver has in mind: those that cost churn when they change."""


class Stop(NamedTuple):
    """A step of a route as the walk sees it, for one type of vehicle: a task, a depot or a charger (`task` None)."""

    task: Task | None
    place: int
    service_s: int
    parking_s: int
    windows_s: tuple[tuple[int, int], ...]
    earliest_s: int
    deadline_s: int | None
    promise_s: tuple[int, int] | None

    def service_from(self, place: int) -> int:
        """Seconds that the stop takes a van that comes from there."""
        return self.service_s if place == self.place else self.service_s + self.parking_s

    def promise_late_s(self, start_s: int) -> int:
        """Seconds past what the customer was told."""
        return 0 if self.promise_s is None else max(0, start_s - self.promise_s[1])

    def too_late_s(self, start_s: int) -> int:
        """Seconds past the deadline."""
        return 0 if self.deadline_s is None else max(0, start_s - self.deadline_s)


def begin(stop: Stop, arrival_s: int) -> tuple[int, int]:
    """(when service begins, how late that is) for a van that arrives at `arrival_s`: the first window that is still open."""
    earliest = arrival_s if arrival_s > stop.earliest_s else stop.earliest_s
    windows = stop.windows_s
    if not windows:
        return earliest, 0
    for opens, closes in windows:
        if earliest <= closes:
            return (earliest if earliest > opens else opens), 0
    return earliest, earliest - max(closes for _, closes in windows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What a van's metres and seconds cost, in units."""

    CENT_UNITS: ClassVar[int] = UNITS_PER_CENT
    METRE_UNITS: ClassVar[int] = UNITS_PER_METRE
    fixed: int
    metre: int
    second: int
    over_second: int
    waiting: int
    idling: int
    late: int
    promise: int
    start_s: int
    shift_end_s: int

    @classmethod
    def of(cls, problem: Problem, van: Van) -> Prices:
        """A van's prices. What setting out costs is only still to be saved while it stands where its round ends."""
        return cls(
            fixed=van.setting_out_cents * UNITS_PER_CENT,
            metre=van.cents_per_km * UNITS_PER_METRE,
            second=van.cents_per_hour * UNITS_PER_SECOND,
            over_second=van.overtime_cents_per_hour * UNITS_PER_SECOND,
            waiting=van.waiting_cents_per_hour * UNITS_PER_SECOND,
            idling=van.idling_cents_per_hour * UNITS_PER_SECOND,
            late=problem.lateness_cents_per_min * UNITS_PER_LATE_SECOND,
            promise=problem.promise_cents_per_min * UNITS_PER_LATE_SECOND,
            start_s=van.start_s,
            shift_end_s=van.shift_end_s,
        )

    def time(self, back_s: int) -> int:
        """Wage and overtime of a van that is back then."""
        over_s = back_s - self.shift_end_s
        return (back_s - self.start_s) * self.second + (over_s * self.over_second if over_s > 0 else 0)


class Lookups:
    """Tasks, vans, travel times and prices by id; who may serve what."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.tasks: dict[TaskId, Task] = {task.task: task for task in problem.tasks}
        self.vans: dict[VehicleId, Van] = {van.vehicle: van for van in problem.vans}
        self.travel: dict[str, Travel] = travels(problem)
        self.nothing: Loads = (0,) * (len(problem.vans[0].capacity) if problem.vans else 1)
        self.on_board_of: dict[VehicleId, list[Task]] = {vehicle: [] for vehicle in self.vans}
        for task in problem.tasks:
            if task.on_board in self.on_board_of:
                self.on_board_of[task.on_board].append(task)
        self.delivery_of = {task.shipment: task.task for task in problem.tasks if task.shipment and task.kind == "delivery"}
        self.pickup_of = {task.shipment: task.task for task in problem.tasks if task.shipment and task.kind == "pickup"}
        self.prices = {van.vehicle: Prices.of(problem, van) for van in problem.vans}
        self.stops: dict[str, dict[Step, Stop]] = {kind: _stops(problem, kind) for kind in {van.type for van in problem.vans}}
        self.relations_of: dict[TaskId, list[Relation]] = {}
        for relation in problem.relations:
            for member in relation.tasks:
                self.relations_of.setdefault(member, []).append(relation)
        self.held = {van.vehicle: frozenset((*problem.current.get(van.vehicle, ()), *van.frozen)) for van in problem.vans}
        self.next_stops: dict[VehicleId, tuple[Step, ...]] = {
            vehicle: tuple(step for step in route if step in self.tasks)[:NEXT_STOPS] for vehicle, route in problem.current.items()
        }
        self.unavoidable: dict[VehicleId, frozenset[tuple[int, int]]] = {}
        """Legs without a way that no plan can help: those of what is frozen."""
        self._familiar = {van.vehicle: dict(van.familiar) for van in problem.vans}

    def step_at(self, van: Van, step: Step, at: int) -> Stop:
        """A step as the walk sees it in this place of a route: of a load or charge that has begun, the rest."""
        stop, begun = self.stops[van.type][step], van.begun
        if at or begun is None or begun.step != step or stop.task is not None:
            return stop
        return stop._replace(service_s=min(stop.service_s, max(begun.left_s, 0)))

    def steps_of(self, van: Van, route: Sequence[Step]) -> list[Stop]:
        """All of a route."""
        known = self.stops[van.type]
        stops = [known[step] for step in route]
        if van.begun is not None and route:
            stops[0] = self.step_at(van, route[0], 0)
        return stops

    def sum_of(self, tasks: Iterable[Task]) -> Loads:
        """Their loads together."""
        return tuple(map(sum, zip(self.nothing, *(task.load for task in tasks), strict=True)))

    @staticmethod
    def from_depot(task: Task) -> bool:
        """Whether its goods are loaded at a depot."""
        return task.kind == "delivery" and task.on_board is None and task.shipment is None

    def strange_cents(self, van: Van, task: Task) -> int:
        """What a stop costs more because this driver does not know its territory."""
        return 0 if task.territory is None else self._familiar[van.vehicle].get(task.territory, 0)

    def too_long_s(self, wait_s: int) -> int:
        """Seconds of waiting beyond what is allowed."""
        return 0 if self.problem.max_wait_s is None else max(0, wait_s - self.problem.max_wait_s)

    def refusal(self, van: Van, task: Task) -> str | None:
        """Why this van may never serve the task, whatever the time; None if it may."""
        if task.on_board is not None and task.on_board != van.vehicle:
            return f"{task.task} is on board of {task.on_board}"
        if task.may_be_held_by is not None and task.may_be_held_by != van.vehicle:
            return f"{task.task} may still be held by {task.may_be_held_by}"
        if task.vans is not None and van.vehicle not in task.vans:
            named = " or ".join(sorted(task.vans)) or "no van"
            return f"{task.task} is for {named} only"
        if not task.skills <= van.skills:
            skills = ", ".join(sorted(task.skills - van.skills))
            return f"{task.task} needs {skills}, which {van.vehicle} lacks"
        if task.vehicle_types is not None and van.type not in task.vehicle_types:
            return f"{van.vehicle} is a {van.type}, which may not come to {task.task}"
        if self.from_depot(task) and not self._can_load(van, task):
            if task.depot and van.at_depot:
                return f"goods of {task.task} are at {task.depot}, where {van.vehicle} does not load"
            return f"goods of {task.task} are at the depot, which {van.vehicle} has left"
        if task.kind == "pickup" and task.shipment is None and task.depot not in (None, van.end_depot, *van.reloads):
            return f"{task.task} goes to {task.depot}, where {van.vehicle} does not end"
        if not van.reachable and task.on_board is None and task.task not in self.held[van.vehicle]:
            return f"{van.vehicle} cannot be told of {task.task}: it is offline"
        return None

    def _can_load(self, van: Van, task: Task) -> bool:
        return (van.at_depot and task.depot in (None, van.depot)) or bool(
            van.reloads if task.depot is None else task.depot in van.reloads,
        )

    def unrelated(self, task: TaskId, vehicle: VehicleId, where: Mapping[TaskId, VehicleId]) -> bool:
        """Whether a relation forbids the task in this van, given where the others are."""
        for relation in self.relations_of.get(task, ()):
            others = {where[other] for other in relation.tasks if other != task and other in where}
            if (vehicle in others) if relation.kind == "different_vans" else (others - {vehicle}):
                return True
        return False

    def out_of_order(self, route: Sequence[Step]) -> bool:
        """Whether tasks of a relation stand on a route in another order than theirs."""
        for relation in self.problem.relations:
            if relation.kind == "in_order":
                at = [route.index(task) for task in relation.tasks if task in route]
                if at != sorted(at):
                    return True
        return False

    def broken_relations(self, routes: Mapping[VehicleId, Sequence[Step]]) -> list[str]:
        """Relations that the routes break, in words."""
        if not self.problem.relations:
            return []
        at = {step: (vehicle, index) for vehicle, route in routes.items() for index, step in enumerate(route)}
        out = []
        for relation in self.problem.relations:
            planned = [(task, *at[task]) for task in relation.tasks if task in at]
            vans = [vehicle for _, vehicle, _ in planned]
            named = ", ".join(task for task, _, _ in planned)
            if relation.kind == "different_vans":
                if len(set(vans)) < len(vans):
                    out.append(f"{named} must be in different vans")
            elif len(set(vans)) > 1:
                out.append(f"{named} must be in one van")
            elif relation.kind == "in_order" and [index for _, _, index in planned] != sorted(index for _, _, index in planned):
                out.append(f"{named} must be served in this order")
        return out

    def churn(self, vehicle: VehicleId, route: Sequence[Step]) -> int:
        """How many of the driver's next stops are no longer where they were."""
        mind = self.next_stops.get(vehicle, ())
        now = [step for step in route[: 2 * NEXT_STOPS + 2] if step in self.tasks] if mind else []
        return sum(1 for at, task in enumerate(mind) if at >= len(now) or now[at] != task)


def _stops(problem: Problem, kind: str) -> dict[Step, Stop]:
    out: dict[Step, Stop] = {}
    for task in problem.tasks:
        opens = task.promise_s[0] if task.promise_s is not None else -(1 << 60)
        out[task.task] = Stop(
            task=task,
            place=task.place,
            service_s=task.service_with(kind),
            parking_s=task.parking_with(kind),
            windows_s=task.windows_s,
            earliest_s=max(task.release_s, opens) if task.kind == "pickup" else opens,
            deadline_s=task.deadline_s,
            promise_s=task.promise_s,
        )
    for depot in problem.depots:
        out[f"{RELOAD}{depot.depot}"] = Stop(None, depot.place, depot.reload_s, 0, depot.windows_s, -(1 << 60), None, None)
    for charger in problem.chargers:
        out[f"{CHARGE}{charger.charger}"] = Stop(None, charger.place, charger.charge_s, 0, (), -(1 << 60), None, None)
    return out
