"""Work put into rows of routes: by regret as long as there is effort for it, in haste after that.

With several tasks the one with most to lose goes first: the largest difference between its best and its second-best van (regret, Potvin
and Rousseau 1993).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from roundsman_hub.planning.bids import UNKNOWN
from roundsman_hub.planning.effort import PAIR_US, PICKUPS, PLACE_US, WALKS_EACH
from roundsman_hub.planning.lookups import UNITS_PER_CENT
from roundsman_hub.planning.rides import Job, Place, place_of
from roundsman_hub.planning.row import Row
from roundsman_hub.planning.work import TaskId, VehicleId

MANY: Final = 200
"""From so many new tasks on they go one by one instead of by regret, which looks at each of them again after every insertion
(1,000 tasks: 57 s of CPU)."""
NEAREST: Final = 6
"""In haste a job is offered to so many vans, those whose routes come nearest to it."""


class _Rows:
    """The rows while they are being filled: where every task is, and who may still take a job."""

    def __init__(self, rows: dict[VehicleId, Row]) -> None:
        self.rows = rows
        self.ground = next(iter(rows.values())).ground
        self.where = {step: vehicle for vehicle, row in rows.items() for step in row.route} if self.ground.relations_of else {}

    def place(self, vehicle: VehicleId, job: Job, *, late_allowed: bool) -> Place | None:
        if self.where and any(self.ground.unrelated(task.task, vehicle, self.where) for task in job):
            return None
        return place_of(self.rows[vehicle], job, late_allowed=late_allowed)

    def floor(self, vehicle: VehicleId, job: Job, *, late_allowed: bool) -> int | None:
        """What the van asks for at least; None where it cannot take the job."""
        return self.rows[vehicle].floor(job[0], late_allowed=late_allowed) if len(job) == 1 else UNKNOWN

    def hasty_us(self, jobs: Collection[Job]) -> float:
        """Effort that it takes, about, to put these somewhere in haste."""
        count = len(self.rows)
        walk_us = sum(row.walk_us for row in self.rows.values()) / count
        stops = sum(len(row.route) for row in self.rows.values()) / count
        pairs = sum(len(job) > 1 for job in jobs)
        return len(jobs) * (WALKS_EACH * walk_us + 2 * PLACE_US * stops) + pairs * 2 * PICKUPS * PAIR_US[1] * stops

    def nearest(self, job: Job) -> list[VehicleId]:
        """The vans whose routes come nearest to both its ends."""

        def away_m(vehicle: VehicleId) -> int:
            van = self.rows[vehicle].van
            metres, stops = self.ground.travel[van.profile].distances_m, self.ground.stops[van.type]
            places = [van.start_place, *(stops[step].place for step in self.rows[vehicle].route)]
            return sum(min(metres[place][task.place] for place in places) for task in job)

        return sorted(self.rows, key=lambda vehicle: (away_m(vehicle), vehicle))[:NEAREST]

    def put(self, vehicle: VehicleId, job: Job, place: Place) -> None:
        self.rows[vehicle] = self.rows[vehicle].with_(job[0], place)
        if self.ground.relations_of:
            self.where.update({task.task: vehicle for task in job})


def _worth_units(job: Job) -> int:
    return sum(task.left_out_cents for task in job) * UNITS_PER_CENT


class _Offers:
    """What the vans ask for one job: exactly, as far as its cheapest and second-cheapest van have to be known."""

    def __init__(self, board: _Rows, job: Job, *, late_allowed: bool) -> None:
        self.board, self.job, self.late_allowed = board, job, late_allowed
        self.floors: dict[VehicleId, int] = {}
        self.places: dict[VehicleId, Place] = {}
        for vehicle in board.rows:
            if board.ground.effort.hasty:
                break
            self.ask(vehicle)

    def ask(self, vehicle: VehicleId) -> None:
        """Forget what a van asked for, and look at what it asks for at least."""
        self.places.pop(vehicle, None)
        self.floors.pop(vehicle, None)
        floor = self.board.floor(vehicle, self.job, late_allowed=self.late_allowed)
        if floor is not None:
            self.floors[vehicle] = floor

    def first(self) -> tuple[int, VehicleId] | None:
        """The first place that will do, of the vans that come nearest."""
        limit = _worth_units(self.job)
        for vehicle in self.board.nearest(self.job):
            place = self.board.place(vehicle, self.job, late_allowed=self.late_allowed)
            if place is not None and place.units < limit:
                self.places[vehicle] = place
                return place.units, vehicle
        return None

    def ranked(self, limit: int) -> list[tuple[int, VehicleId]]:
        """The offers below a limit, cheapest first: right in the first two."""
        found = sorted((place.units, vehicle) for vehicle, place in self.places.items() if place.units < limit)
        for floor, vehicle in sorted((floor, vehicle) for vehicle, floor in self.floors.items()):
            if floor >= limit or (len(found) > 1 and floor > found[1][0]) or self.board.ground.effort.hasty:
                break
            del self.floors[vehicle]
            place = self.board.place(vehicle, self.job, late_allowed=self.late_allowed)
            if place is not None:
                self.places[vehicle] = place
                if place.units < limit:
                    found = sorted([*found, (place.units, vehicle)])
        return found


def fill(rows: dict[VehicleId, Row], jobs: list[Job], *, late_allowed: bool) -> list[Job]:
    """Insert by largest regret until nothing more fits; returns what is left over. `rows` are replaced as they grow."""
    if not rows or not jobs:
        return jobs
    board = _Rows(rows)
    effort = board.ground.effort
    effort.keep(board.hasty_us(jobs))
    if len(jobs) > MANY:
        return _fill_one_by_one(board, jobs, late_allowed=late_allowed)
    waiting = {job[0].task: job for job in jobs}
    offers = {name: _Offers(board, job, late_allowed=late_allowed) for name, job in waiting.items()}
    while waiting:
        effort.keep(board.hasty_us(waiting.values()))
        if effort.hasty:
            return _fill_in_haste(board, list(waiting.values()), late_allowed=late_allowed)
        chosen: tuple[int, int, TaskId, VehicleId] | None = None
        for name, job in waiting.items():
            limit = _worth_units(job)
            ranked = offers[name].ranked(limit)
            if ranked:
                second = ranked[1][0] if len(ranked) > 1 else limit
                key = (second - ranked[0][0], -ranked[0][0], name, ranked[0][1])
                chosen = key if chosen is None else max(chosen, key)
        if chosen is None:
            break
        _, _, name, vehicle = chosen
        job = waiting.pop(name)
        board.put(vehicle, job, offers[name].places[vehicle])
        related = {other for task in job for relation in board.ground.relations_of.get(task.task, ()) for other in relation.tasks}
        for other_name, other in waiting.items():
            for van in list(rows) if related & {task.task for task in other} else [vehicle]:
                offers[other_name].ask(van)
    return list(waiting.values())


def _urgency(job: Job) -> tuple[int, int, TaskId]:
    """The dearest to leave out first, then whose window closes first."""
    closes = min(max((closes for _, closes in task.windows_s), default=1 << 40) for task in job)
    return -_worth_units(job), closes, job[0].task


def _fill_in_haste(board: _Rows, jobs: list[Job], *, late_allowed: bool) -> list[Job]:
    """One by one, each at the first place that will do."""
    left_over = []
    for job in sorted(jobs, key=_urgency):
        offers = _Offers(board, job, late_allowed=late_allowed)
        found = None if board.ground.effort.over else offers.first()
        if found is None:
            left_over.append(job)
        else:
            board.put(found[1], job, offers.places[found[1]])
    return left_over


def _fill_one_by_one(board: _Rows, jobs: list[Job], *, late_allowed: bool) -> list[Job]:
    """The most urgent first; each where it costs least."""
    left_over = []
    for job in sorted(jobs, key=_urgency):
        limit = _worth_units(job)
        offers = _Offers(board, job, late_allowed=late_allowed)
        ranked = offers.ranked(limit)
        if ranked:
            board.put(ranked[0][1], job, offers.places[ranked[0][1]])
        else:
            left_over.append(job)
    return left_over
