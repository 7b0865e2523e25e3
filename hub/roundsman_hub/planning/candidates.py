"""Which vans could take a task, from where they are now, and what each would pay for it: cheapest insertion, told van by van.

"Vicinity" in the judge's eyes. The nearest van as the crow flies may be the one whose round cannot bear another stop; here each van is
ranked by what its round would cost more, with every rule that the planner knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from roundsman_hub.planning.explain import reason_unassigned
from roundsman_hub.planning.fleet import Van
from roundsman_hub.planning.lookups import UNITS_PER_CENT
from roundsman_hub.planning.problem import Plan, Problem, Step
from roundsman_hub.planning.rides import Job, job_of, place_of
from roundsman_hub.planning.row import Row
from roundsman_hub.planning.walk import Excess, Ground, Walk
from roundsman_hub.planning.work import TaskId, VehicleId


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A task that would begin later past its window, or past its promise, than it does now: by so many seconds more."""

    task: TaskId
    by_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What it would mean for a van to take the task.

    position : int, optional
        Before which step of the van's route (counted without the task, the stop in progress included) it would go; None: nowhere.
    added_s, added_m : int
        How much later the van is back, and how much farther it drives.
    cost_cents : int
        What the plan would cost more, lateness and churn counted; the price of leaving the task out is not taken off.
    breaks : tuple of Broken
        Who would be late, or later. Empty where `feasible`.
    feasible : bool
        Nobody gets later than they may. Else the place is the cheapest that only makes somebody late, if there is one.
    reason : str
        Why not, in words; empty where feasible.
    route : tuple of Step
        The van's route with the task; without it where there is no place.
    """

    vehicle: VehicleId
    position: int | None
    added_s: int
    added_m: int
    cost_cents: int
    breaks: tuple[Broken, ...]
    feasible: bool
    reason: str
    route: tuple[Step, ...]


def candidates(problem: Problem, plan: Plan, task_id: TaskId) -> tuple[Candidate, ...]:
    """Every van, the best first: feasible ones by cost, then those that would make somebody late, then those that cannot.

    For a task that is not an order yet (a place on the map), add it to the problem first: `dataclasses.replace` its `tasks`, and its place
    to the matrices; `replan.build` does both for an order that is put into the world.

    Parameters
    ----------
    problem : Problem
        The depot's remaining work, vans where they are now (`replan.build.build(world, …, may_move=True)`).
    plan : Plan
        What stands, without violations: `insertion.repair(problem)`. If it serves the task already, that is taken out before all vans
        are compared, so the van that has it is ranked like the others.
    task_id : TaskId
        The task. Of a shipment both ends are placed; `position` is that of the pickup.
    """
    board = _Board(problem, plan, task_id)
    found = [board.offer(van) for van in problem.vans]
    return tuple(sorted(found, key=lambda one: (not one.feasible, one.position is None, one.cost_cents, one.vehicle)))


def candidate_at(problem: Problem, plan: Plan, task_id: TaskId, vehicle: VehicleId, position: int | None = None) -> Candidate:
    """One van, at the position that a dispatcher chose (None: the cheapest there). See `candidates`.

    A position that breaks a rule is answered too: not feasible, with the rule as the reason.
    """
    board = _Board(problem, plan, task_id)
    van = board.ground.vans[vehicle]
    return board.offer(van) if position is None else board.at(van, position)


class _Board:
    """The plan without the task."""

    def __init__(self, problem: Problem, plan: Plan, task_id: TaskId) -> None:
        self.ground = ground = Ground(problem)
        self.job: Job = job_of(ground, ground.tasks[task_id])
        names = {task.task for task in self.job}
        rows = {van.vehicle: Row(ground, van, plan.routes.get(van.vehicle, ())) for van in problem.vans}
        self.rows = {vehicle: row.without(names) if names & set(row.route) else row for vehicle, row in rows.items()}
        self.as_it_is = rows
        self.frozen_at = next((van.vehicle for van in problem.vans if names & set(van.frozen)), None)
        self.where: Mapping[Step, VehicleId] = {step: vehicle for vehicle, row in self.rows.items() for step in row.route}
        self.routes = {vehicle: row.route for vehicle, row in self.rows.items()}

    def offer(self, van: Van) -> Candidate:
        row = self.rows[van.vehicle]
        if reason := self._refused(van):
            return self._nowhere(row, reason)
        if van.vehicle == self.frozen_at:
            return self._stays(van)
        for late_allowed in (False, True):
            place = place_of(row, self.job, late_allowed=late_allowed)
            if place is not None:
                return self._told(row, row.with_(self.job[0], place), place.at)
        return self._nowhere(row, reason_unassigned(self.ground, self.routes, self.job[-1], [van]))

    def at(self, van: Van, position: int) -> Candidate:
        row = self.rows[van.vehicle]
        if reason := self._refused(van):
            return self._nowhere(row, reason)
        if van.vehicle == self.frozen_at:
            return self._stays(van)
        if position < row.first_free:
            return self._nowhere(row, "the stop before it is in progress, or being driven to")
        names = [task.task for task in self.job]
        at = min(position, len(row.route))
        return self._told(row, Row(self.ground, van, [*row.route[:at], *names, *row.route[at:]]), at)

    def _stays(self, van: Van) -> Candidate:
        """Of the van that is serving it, or on its way there: where it stands now, whatever position was asked for."""
        row = self.as_it_is[van.vehicle]
        at = next((at for at, step in enumerate(row.route) if step in {task.task for task in self.job}), 0)
        return self._told(self.rows[van.vehicle], row, at)

    def _refused(self, van: Van) -> str | None:
        if self.frozen_at is not None and van.vehicle != self.frozen_at:
            return f"{self.frozen_at} is serving it, or on its way there"
        for task in self.job:
            if reason := self.ground.refusal(van, task):
                return reason
            if self.ground.unrelated(task.task, van.vehicle, self.where):
                return f"orders that {task.task} must go with, or may not go with, decide otherwise"
        return None

    def _nowhere(self, row: Row, reason: str) -> Candidate:
        return Candidate(
            vehicle=row.van.vehicle,
            position=None,
            added_s=0,
            added_m=0,
            cost_cents=0,
            breaks=(),
            feasible=False,
            reason=reason,
            route=tuple(row.route),
        )

    def _told(self, before: Row, after: Row, at: int) -> Candidate:
        vehicle, ground = before.van.vehicle, self.ground
        breaks = _later(before.walk, after.walk)
        units = after.units - before.units + (after.churn - before.churn) * ground.problem.churn_cents * UNITS_PER_CENT
        reason = _broken_rule(before, after, ground)
        if not reason and breaks:
            reason = "; ".join(f"{one.task} would be {-(-one.by_s // 60)} min late" for one in breaks)
        return Candidate(
            vehicle=vehicle,
            position=at,
            added_s=after.back_s - before.back_s,
            added_m=after.walk.distance_m - before.walk.distance_m,
            cost_cents=round(units / UNITS_PER_CENT),
            breaks=breaks,
            feasible=not reason,
            reason=reason,
            route=tuple(after.route),
        )


def _later(before: Walk, after: Walk) -> tuple[Broken, ...]:
    was = {visit.task: max(visit.lateness_s, visit.promise_late_s) for visit in before.visits}
    now = ((visit.task, max(visit.lateness_s, visit.promise_late_s) - was.get(visit.task, 0)) for visit in after.visits)
    return tuple(Broken(task=task, by_s=by_s) for task, by_s in now if by_s > 0)


RULES = {
    "no_way": "there is no road on the way",
    "goods": "its goods are not on board when it is served",
    "load": "more would be on board than fits",
    "shift_s": "the shift would end too late",
    "deadline_s": "a deadline would be missed",
    "wait_s": "the van would wait longer than allowed",
    "ride_s": "a shipment would ride too long",
    "rules_s": "the driver's pauses could not be kept",
    "range_m": "the battery would not reach",
    "distance_m": "the van would drive farther than it may",
    "tasks": "the van would have more tasks than it may",
}
"""By the fields of `Excess`."""


def _broken_rule(before: Row, after: Row, ground: Ground) -> str:
    if ground.out_of_order(after.route):
        return "orders that belong in an order would be out of it"
    allowed = Excess(*map(max, before.walk.excess, ground.allowed[before.van.vehicle]))
    over = [RULES[name] for name, now, fine in zip(Excess._fields, after.walk.excess, allowed, strict=True) if now > fine]
    return "; ".join(over)
