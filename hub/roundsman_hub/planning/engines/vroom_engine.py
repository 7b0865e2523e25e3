"""VROOM: the fastest at mending a plan, and the engine with a driver's breaks.

How a problem becomes VROOM's: vans start behind their frozen stops (`ready`); who may serve what is a skill for each different set of
vans that may; goods on board take none of the room, and what stays on board makes the van smaller; the plan in hand is given as
each vehicle's steps. Money is the judge's cents, but VROOM pays for driving alone: not for waiting and service, overtime, lateness.
It plans all that fits, dearest first (`priority`), whatever it costs.

Not seen: second trips, what leaving out costs, release at the depot beyond the earliest arrival, hours, energy, traffic by the hour,
relations, longest rides, promises, churn. The judge sees all of them.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any, Final

import numpy as np

from roundsman_hub.planning.engines import budget
from roundsman_hub.planning.engines.ready import Ready
from roundsman_hub.planning.evaluate import judge
from roundsman_hub.planning.fleet import Van
from roundsman_hub.planning.problem import Plan, Problem, Step, is_task
from roundsman_hub.planning.travel import mean_s, profile_of
from roundsman_hub.planning.walk import Ground
from roundsman_hub.planning.work import Task, TaskId, VehicleId

NAME: Final = "vroom"
LIBRARY: Final = "vroom"
"""What a process imports before it searches."""
TELLS: Final = False
"""Whether a search tells of better plans while it goes on."""
FEATURES: Final = frozenset(
    {
        *("windows", "capacity", "shifts", "on_board", "frozen", "held", "pickups", "shipments", "shipment_windows", "breaks"),
        *("skills", "types", "parking", "max_distance", "max_tasks", "open_end", "deadlines", "profiles"),
    }
)
FAR_S: Final = 4_000_000
LATEST_S: Final = 100_000_000
"""A time that never comes; VROOM counts hundredths of a second."""
TOP: Final = 100
"""VROOM's highest priority."""
MENDING: Final = 5
"""How thoroughly a plan in hand is mended: the most there is, until the time is over."""
STOPS_PER_SECOND: Final = ((5, 60), (3, 150), (1, 400))
"""How thoroughly from nothing: (level, up to how many stops for each second of budget). Levels 5 / 1 at n = 257 took 68 s / 8 s, and
1.3 s at level 5 from a plan in hand."""


def solve(problem: Problem, warm: Plan, budget_s: float, seed: int) -> Plan:
    """Search for at most `budget_s` seconds: from the plan in hand, then from nothing. The warm plan when nothing was found."""
    import vroom

    until = budget.seconds() + budget_s
    ground = Ground(problem)
    vans = [van for van in problem.vans if ground.home_s[van.vehicle] >= 0]
    model = Translation(vroom, ground, vans, warm)
    if not vans or not model.tasks:
        return warm
    best, cents = warm, judge(ground, warm).cost_cents
    for given in [warm, None] if any(warm.routes.values()) else [None]:
        left_s = until - budget.seconds()
        if left_s <= 0:
            break
        level = MENDING if given else next((level for level, stops in STOPS_PER_SECOND if len(model.tasks) <= stops * left_s), 0)
        try:
            found = model.input(given).solve(exploration_level=level, nb_threads=1, timeout=timedelta(seconds=max(left_s, 0.001)))
        except (vroom._vroom.VroomInputException, RuntimeError):
            continue  # it refuses a plan in hand that breaks one of its own rules
        plan = model.plan_of(found, warm)
        verdict = judge(ground, plan)
        if best is warm or (not verdict.violations and verdict.cost_cents < cents):
            best, cents = plan, cents if verdict.violations else verdict.cost_cents
    return best


class Translation:
    """The translation, both ways. Jobs by number in `tasks`; vehicles by number."""

    def __init__(self, vroom: Any, ground: Ground, vans: list[Van], warm: Plan) -> None:
        self.vroom, self.ground, self.vans, self.ready = vroom, ground, vans, Ready(ground, vans, warm)
        self.tasks: list[Task] = [*self.ready.tasks, *(end for pair in self.ready.shipments for end in pair)]
        self.number: dict[TaskId, int] = {task.task: at for at, task in enumerate(self.tasks)}
        earliest = [van.start_s for van in vans] + [opens for task in self.tasks for opens, _ in task.windows_s]
        self.zero_s = min([0, *earliest])
        self.places = sorted(
            {task.place for task in self.tasks} | set(self.ready.start_place) | {van.end_place for van in vans if van.end_place is not None}
        )
        self.at = {place: index for index, place in enumerate(self.places)}
        self.dearest = max((task.left_out_cents for task in self.tasks), default=1) or 1
        self.skill_of: dict[frozenset[int], int] = {}
        self.skills: list[frozenset[int] | None] = []
        self._rights()

    def _rights(self) -> None:
        everyone = frozenset(range(len(self.vans)))
        partner = {end.task: pair for pair in self.ready.shipments for end in pair}
        known: dict[object, frozenset[int]] = {}
        for task in self.tasks:
            ends = partner.get(task.task, (task,))
            key = tuple(
                (end.on_board, end.may_be_held_by, end.vans, end.skills, end.vehicle_types, end.kind, end.depot) for end in ends
            ) + tuple(self.ready.rides_in.get(end.task) for end in ends)
            if key not in known or any(not van.reachable for van in self.vans):
                known[key] = frozenset(at for at, van in enumerate(self.vans) if not any(self.ready.forbidden(van, end) for end in ends))
            allowed = known[key]
            self.skills.append(None if allowed == everyone else allowed)
            if allowed != everyone:
                self.skill_of.setdefault(allowed, len(self.skill_of) + 1)

    def input(self, given: Plan | None) -> Any:
        """VROOM's problem, with a plan in hand or none."""
        vroom = self.vroom
        out = vroom.Input()
        for name in {van.profile for van in self.vans}:
            van = next(van for van in self.vans if van.profile == name)
            profile = profile_of(self.ground.problem, van)
            grid = np.ix_(self.places, self.places)
            seconds, metres = mean_s(profile, van.start_s, van.shift_end_s)[grid], profile.distances_m[grid]
            closed = seconds < 0
            out.set_durations_matrix(name or "own", np.where(closed, FAR_S, seconds).astype(np.uint32))
            out.set_distances_matrix(name or "own", np.where(closed, FAR_S, metres).astype(np.uint32))
        out.add_vehicle([self._vehicle(number, given) for number in range(len(self.vans))])
        for at in range(len(self.ready.tasks)):
            if job := self._job(at):
                out.add_job(job)
        first = len(self.ready.tasks)
        for at, (pickup, delivery) in enumerate(self.ready.shipments):
            ends = [self._end(first + 2 * at, pickup), self._end(first + 2 * at + 1, delivery)]
            if all(ends):
                room, rank = vroom.Amount(list(pickup.load)), self._priority(pickup, delivery)
                out.add_shipment(*ends, amount=room, skills=self._skills(first + 2 * at), priority=rank)
        return out

    def _window(self, opens_s: int, closes_s: int) -> Any:
        return self.vroom.TimeWindow(opens_s - self.zero_s, min(closes_s, LATEST_S) - self.zero_s)

    def _windows(self, task: Task) -> list[Any]:
        """Windows that do not touch, as VROOM wants them; of goods at the depot, not before they could be here."""
        earliest = 0
        if self.ground.from_depot(task) and task.release_s > 0:
            legs = [
                leg
                for van in self.vans
                if van.at_depot and (leg := self.ground.travel[van.profile].fastest_s(van.start_place, task.place)) >= 0
            ]
            earliest = task.release_s + min(legs, default=0)
        spans: list[tuple[int, int]] = []
        for opens, closes in sorted(self.ready.openings(task)):
            opens = max(opens, earliest)
            if spans and opens <= spans[-1][1]:
                spans[-1] = spans[-1][0], max(spans[-1][1], closes)
            elif opens <= closes:
                spans.append((opens, closes))
        assert all(a[1] < b[0] for a, b in pairwise(spans))
        return [self._window(*span) for span in spans]

    def _service(self, task: Task) -> dict[str, Any]:
        return {
            "default_setup": task.parking_s,
            "setup_per_type": dict(task.parking_by_type),
            "default_service": task.service_s,
            "service_per_type": dict(task.service_by_type),
        }

    def _skills(self, at: int) -> set[int]:
        allowed = self.skills[at]
        return set() if allowed is None else {self.skill_of[allowed]}

    def _priority(self, *tasks: Task) -> int:
        return min(TOP, round(TOP * sum(task.left_out_cents for task in tasks) / (len(tasks) * self.dearest)))

    def _job(self, at: int) -> Any:
        task = self.tasks[at]
        windows = self._windows(task)
        if not windows:
            return None
        load, nothing = list(task.load), list(self.ground.nothing)
        brings = task.kind == "delivery"
        return self.vroom.Job(
            at,
            self.at[task.place],
            delivery=load if brings else nothing,
            pickup=nothing if brings else load,
            skills=self._skills(at),
            priority=TOP if self.ready.aboard(task) else self._priority(task),
            time_windows=windows,
            **self._service(task),
        )

    def _end(self, at: int, task: Task) -> Any:
        windows = self._windows(task)
        return self.vroom.ShipmentStep(at, self.at[task.place], time_windows=windows, **self._service(task)) if windows else None

    def _vehicle(self, number: int, given: Plan | None) -> Any:
        van, vroom, start_s = self.vans[number], self.vroom, self.ready.start_s[number]
        room = zip(self.ground.limit_load[van.vehicle], self.ready.load[number], strict=True)
        limits: dict[str, Any] = {}
        if van.max_tasks is not None:
            limits["max_tasks"] = max(van.max_tasks - len(self.ready.frozen[van.vehicle]), 0)
        if van.max_distance_m is not None:
            limits["max_distance"] = max(van.max_distance_m - self.ready.driven_m[number], 0)
        pauses = [
            vroom.Break(
                at,
                time_windows=[self._window(max(opens, start_s), closes) for opens, closes in pause.windows_s if closes >= start_s],
                service=pause.duration_s,
            )
            for at, pause in enumerate(van.breaks)
            if pause.latest_s >= start_s
        ]
        free = van.cents_per_hour == van.cents_per_km == 0
        return vroom.Vehicle(
            number,
            start=self.at[self.ready.start_place[number]],
            end=None if van.end_place is None else self.at[van.end_place],
            profile=van.profile or "own",
            capacity=[max(limit - load, 0) for limit, load in room],
            skills={skill for allowed, skill in self.skill_of.items() if number in allowed},
            time_window=self._window(start_s, max(self.ground.home_s[van.vehicle], start_s)),
            breaks=pauses,
            costs=vroom.VehicleCosts(
                fixed=0 if self.ready.must_drive(van) else van.setting_out_cents,
                per_hour=1 if free else van.cents_per_hour,
                per_km=van.cents_per_km,
            ),
            steps=[] if given is None else self._steps(van, given),
            type=van.type,
            **limits,
        )

    def _steps(self, van: Van, given: Plan) -> list[Any]:
        vroom = self.vroom
        out = []
        for name in given.routes.get(van.vehicle, ()):
            if name in self.number:
                at = self.number[name]
                if at < len(self.ready.tasks):
                    out.append(vroom.VehicleStepSingle(at))
                else:
                    out.append((vroom.VehicleStepPickup if self.tasks[at].kind == "pickup" else vroom.VehicleStepDelivery)(at))
        return out

    def plan_of(self, found: Any, warm: Plan) -> Plan:
        """VROOM's answer as a plan. A visit to a depot that the warm plan made is not in it."""
        routes: dict[VehicleId, list[Step]] = {van.vehicle: list(self.ready.frozen[van.vehicle]) for van in self.vans}
        rows = np.asarray(found._routes_numpy())
        for number, kind, at in zip(rows["vehicle_id"].tolist(), rows["type"].astype("U9").tolist(), rows["id"].tolist(), strict=True):
            if kind in ("job", "pickup", "delivery"):
                routes[self.vans[number].vehicle].append(self.tasks[at].task)
        served = {step for route in routes.values() for step in route if is_task(step)}
        return Plan(routes={vehicle: tuple(route) for vehicle, route in routes.items()}, unassigned=self.ready.left_out(served, warm))
