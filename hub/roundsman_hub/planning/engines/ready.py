"""What is left to search once everything that is fixed is walked: where, when and how laden each van is free, and what is to be planned.

For engines without soft windows: what is late in the warm plan may stay as late, and no later.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from roundsman_hub.planning.fleet import Van
from roundsman_hub.planning.problem import Plan
from roundsman_hub.planning.walk import Ground
from roundsman_hub.planning.work import Loads, Task, TaskId, VehicleId

OPEN_END_S: Final = 1 << 40
LEFT_OUT: Final = "no van is free: other work is worth more"


class Ready:
    """Vans behind their frozen stops, by number; tasks that may be planned; shipments whose both ends may be."""

    def __init__(self, ground: Ground, vans: Sequence[Van], warm: Plan) -> None:
        self.ground, self.vans = ground, vans
        self.served = {task for route in warm.routes.values() for task in route}
        self.frozen: dict[VehicleId, tuple[TaskId, ...]] = {}
        self.start_place: list[int] = []
        self.start_s: list[int] = []
        self.load: list[Loads] = []
        """On board at the start, and not taken off by anything that is planned."""
        self.driven_m: list[int] = []
        self.rides_in: dict[TaskId, VehicleId] = {}
        """Deliveries whose pickup is frozen: their goods will be in that van."""
        for van in vans:
            self._begin(van)
        self.late = _warm_starts(ground, warm)
        done = {task for frozen in self.frozen.values() for task in frozen}
        self.tasks: list[Task] = []
        self.shipments: list[tuple[Task, Task]] = []
        for task in ground.problem.tasks:
            if task.task in done or (task.on_board is not None and task.task not in self.served):
                continue
            if task.shipment is None or self.aboard(task):
                self.tasks.append(task)
            elif task.kind == "pickup" and (delivery := ground.delivery_of.get(task.shipment)) is not None:
                self.shipments.append((task, ground.tasks[delivery]))

    def _begin(self, van: Van) -> None:
        ground = self.ground
        frozen = tuple(task for task in van.frozen if task in ground.tasks)
        walk = ground.walk(van, frozen)
        self.frozen[van.vehicle] = frozen
        self.start_place.append(ground.tasks[frozen[-1]].place if frozen else van.start_place)
        self.start_s.append(walk.visits[-1].departure_s if walk.visits else van.start_s)
        self.driven_m.append(sum(visit.leg_m for visit in walk.visits))
        stays = ground.sum_of(task for task in ground.on_board_of[van.vehicle] if task.task not in self.served)
        picked = [task for name in frozen if (task := ground.tasks[name]).kind == "pickup"]
        riding = [ground.delivery_of[task.shipment] for task in picked if task.shipment in ground.delivery_of]
        self.rides_in |= {delivery: van.vehicle for delivery in riding if delivery not in frozen}
        taken = ground.sum_of(task for task in picked if task.shipment is None)
        self.load.append(tuple(map(sum, zip(van.carried or ground.nothing, stays, taken, strict=True))))

    def must_drive(self, van: Van) -> bool:
        """It is on its round, or will be: it has to come home whatever is planned."""
        return not van.rests or bool(self.frozen[van.vehicle])

    def aboard(self, task: Task) -> bool:
        """Whether its goods are, or will be, in one van and no other."""
        return task.on_board is not None or task.task in self.rides_in

    def forbidden(self, van: Van, task: Task) -> bool:
        """Whether the van may never serve it."""
        if task.task in self.rides_in:
            return self.rides_in[task.task] != van.vehicle
        return self.ground.refusal(van, task) is not None

    def openings(self, task: Task) -> list[tuple[int, int]]:
        """When its service may begin: windows, promise, deadline, release and what is late already, taken together."""
        opens_at = max(task.release_s if task.kind == "pickup" else 0, task.promise_s[0] if task.promise_s else 0, 0)
        windows = task.windows_s or ((0, OPEN_END_S),)
        last = max(closes for _, closes in windows)
        late_until = self.late.get(task.task, last)
        openings = []
        for opens, closes in windows:
            until = max(closes, late_until) if closes == last else closes
            if task.deadline_s is not None:
                until = min(until, task.deadline_s)
            if until >= max(opens, 0 if self.aboard(task) else task.release_s, opens_at):
                openings.append((max(opens, opens_at), until))
        return openings

    def left_out(self, served: set[str], warm: Plan) -> dict[TaskId, str]:
        """What an answer does not serve: the warm plan's reason, or that other work is worth more."""
        return {task: warm.unassigned.get(task, LEFT_OUT) for task in self.ground.tasks if task not in served}


def _warm_starts(ground: Ground, warm: Plan) -> dict[TaskId, int]:
    """When service begins at the tasks that are late in the warm plan."""
    late: dict[TaskId, int] = {}
    for vehicle, route in warm.routes.items():
        if vehicle in ground.vans:
            van = ground.vans[vehicle]
            walk = ground.walk(van, [step for step in route if step in ground.stops[van.type]])
            late |= {visit.task: visit.start_s for visit in walk.visits if visit.lateness_s}
    return late
